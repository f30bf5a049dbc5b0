//! The list of [`TASKS`].

use super::{ACROSS, Kind, LAYERS, Operator, Task};
use crate::rows::Rows;

/// All tasks.
pub const TASKS: &[Task] = &[
    Task {
        name: "mul",
        about: "product modulo 2^64",
        depth: 4,
        n: 10_000_000,
        kind: Kind::Multiply,
    },
    Task { name: "and", about: "AND of bits", depth: 4, n: 640_000_000, kind: Kind::And },
    Task {
        name: "ltz",
        about: "whether a number, as a signed one of 64 bits, is below zero",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Negative,
    },
    Task {
        name: "eqz",
        about: "whether a number of 64 bits is zero",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Zero,
    },
    Task {
        name: "less-20",
        about: "comparison of two numbers of 20 bits that are shared as bits",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Less(20),
    },
    Task {
        name: "less-64",
        about: "comparison of two numbers of 64 bits that are shared as bits",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Less(64),
    },
    Task {
        name: "equal-64",
        about: "equality of two numbers of 64 bits that are shared as bits",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Equal(64),
    },
    Task {
        name: "max-32",
        about: "larger of two numbers of 32 bits that are shared as bits",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Maximum(32),
    },
    Task {
        name: "select-32",
        about: "choice between two numbers of 32 bits by a secret bit",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Select(32),
    },
    Task {
        name: "to-bits-64",
        about: "conversion of a number to 64 bits",
        depth: 1,
        n: 1_000_000,
        kind: Kind::ToBits(64),
    },
    Task {
        name: "to-number-32",
        about: "conversion of 32 bits to a number",
        depth: 1,
        n: 1_000_000,
        kind: Kind::ToNumber(32),
    },
    Task {
        name: "sort",
        about: "row sorted stably by a key of 32 bits, with a column of 64 bits",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Sort(32),
    },
    Task {
        name: "shuffle",
        about: "row of 64 bits put into a random order that nobody knows",
        depth: 1,
        n: 10_000_000,
        kind: Kind::Shuffle,
    },
    Task {
        name: "permute",
        about: "row of 64 bits moved by a secret permutation",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Rows(Rows::Permute),
    },
    Task {
        name: "compact",
        about: "row of 64 bits moved to the front if a secret bit says that it counts",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Rows(Rows::Compact),
    },
    Task {
        name: "top-100",
        about: "row with a key of 32 bits and a column of 64 among which the 100 largest keys are found",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Rows(Rows::Top),
    },
    Task {
        name: "sum-by-key",
        about: "number of 64 bits summed up by a secret key of 16 bits, in secretly many groups",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Rows(Rows::SumByKey),
    },
    Task {
        name: "segmented-sum",
        about: "number of 64 bits summed up from the start of its secret segment on",
        depth: 1,
        n: 1_000_000,
        kind: Kind::Rows(Rows::Segments),
    },
    Task {
        name: "divide-32",
        about: "integer division of two numbers of 32 bits that are shared as bits",
        depth: 1,
        n: 100_000,
        kind: Kind::Divide(32),
    },
    one(
        "less-public-32",
        "comparison of a number of 32 bits that is shared as bits with a public one",
        1_000_000,
        Operator::LessPublic,
    ),
    one(
        "equal-public-32",
        "equality of a number of 32 bits that is shared as bits with a public one",
        1_000_000,
        Operator::EqualPublic,
    ),
    one(
        "add-64",
        "sum of two numbers of 64 bits that are shared as bits",
        1_000_000,
        Operator::Add,
    ),
    one(
        "multiply-32",
        "product modulo 2^32 of two numbers that are shared as bits",
        100_000,
        Operator::Multiply,
    ),
    one(
        "divide-public-32",
        "integer division of a number of 32 bits that is shared as bits by 1,000",
        1_000_000,
        Operator::DividePublic,
    ),
    one(
        "clamp-32",
        "number of 32 bits that is shared as bits, kept between two such",
        1_000_000,
        Operator::Clamp,
    ),
    one(
        "clamp-public-32",
        "number of 32 bits that is shared as bits, kept between two public ones",
        1_000_000,
        Operator::ClampPublic,
    ),
    one(
        "min-of-8",
        "smallest of eight numbers of 32 bits that are shared as bits",
        1_000_000,
        Operator::MinOf,
    ),
    one(
        "min-rows",
        "row among which the smallest number of 32 bits, shared as bits, is found",
        1_000_000,
        Operator::MinRows,
    ),
    one(
        "max-rows",
        "row among which the largest number of 32 bits, shared as bits, is found",
        1_000_000,
        Operator::MaxRows,
    ),
    one(
        "argmin-rows",
        "row among which the first smallest number of 32 bits and its row are found",
        1_000_000,
        Operator::ArgminRows,
    ),
    one(
        "one-hot-6",
        "category of 6 bits turned into one bit for each of 64 values",
        1_000_000,
        Operator::OneHot,
    ),
    one(
        "look-up-8",
        "look-up by 8 secret bits in a public table of 256 numbers of 8 bits, as bits",
        1_000_000,
        Operator::LookUp,
    ),
    one(
        "num-look-up-4",
        "look-up by 4 secret bits in a public table of 16 numbers of 64 bits, as a number",
        100_000,
        Operator::NumLookUp,
    ),
    one(
        "num-less-public-32",
        "comparison of a number below 2^32 with a public one",
        1_000_000,
        Operator::NumLessPublic,
    ),
    one(
        "num-equal-public-32",
        "equality of a number below 2^32 with a public one",
        1_000_000,
        Operator::NumEqualPublic,
    ),
    one("num-select", "choice between two numbers by a secret bit", 1_000_000, Operator::NumSelect),
    one("num-max-32", "larger of two numbers below 2^32", 1_000_000, Operator::NumMax),
    one(
        "num-divide-public-31",
        "integer division of a number below 2^31 by 1,000, to bits",
        1_000_000,
        Operator::NumDividePublic,
    ),
    one(
        "num-shift-right-64",
        "exact truncation of a signed number of 64 bits by 12 bits",
        1_000_000,
        Operator::NumShiftRight,
    ),
    one(
        "prefix-sum",
        "number summed up from the first row on (local)",
        1_000_000,
        Operator::PrefixSum,
    ),
    one(
        "segmented-count",
        "row numbered from the start of its secret segment on",
        1_000_000,
        Operator::SegmentedCount,
    ),
    one(
        "segmented-max-32",
        "largest of 32 bits, shared as bits, from the start of its secret segment on",
        1_000_000,
        Operator::SegmentedMax,
    ),
    one(
        "count-rows",
        "secret bit among which those that are 1 are counted, to bits",
        1_000_000,
        Operator::CountRows,
    ),
    one(
        "count-by-key-4",
        "row counted by a secret key of 4 bits, for each of 16 values",
        100_000,
        Operator::CountByKey,
    ),
    one(
        "sum-by-key-4",
        "number of 64 bits summed up by a secret key of 4 bits, for each of 16 values",
        100_000,
        Operator::SumByKey,
    ),
    one("invert", "row of a secret permutation that is inverted", 1_000_000, Operator::Invert),
    one(
        "compose",
        "row of a secret permutation that another is composed with",
        1_000_000,
        Operator::Compose,
    ),
    Task {
        name: "count",
        about: "group of a joint count of three numbers with every rule of disclosure",
        depth: 1,
        n: 10_000,
        kind: Kind::Count,
    },
    Task {
        name: "group-sum",
        about: "number summed into one of 1,000 public groups (local)",
        depth: 1,
        n: 1_000_000,
        kind: Kind::GroupSum,
    },
    Task {
        name: "aes",
        about: "block of AES-128, key and block secret, from its circuit in Bristol Fashion",
        depth: 1,
        n: 1000,
        kind: Kind::Aes,
    },
    Task {
        name: "dispatch",
        about: "instruction on one word: half of them AND, half exclusive or, 10 rounds in all",
        depth: 2 * LAYERS * ACROSS,
        n: 1,
        kind: Kind::Dispatch,
    },
    Task {
        name: "round",
        about: "network round: a product that waits for the one before",
        depth: 1000,
        n: 1,
        kind: Kind::Multiply,
    },
];

/// An operator on rows that is done once.
const fn one(name: &'static str, about: &'static str, n: usize, operator: Operator) -> Task {
    Task { name, about, depth: 1, n, kind: Kind::Operator(operator) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_named_in_the_list_for_researchers() {
        let text = include_str!("../../../README.md");
        for task in TASKS {
            assert!(text.contains(&format!("`{}`", task.name)), "{}", task.name);
        }
    }
}
