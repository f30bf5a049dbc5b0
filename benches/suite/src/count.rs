//! The joint count: the circuit of a grouped count with every rule of disclosure, from a plan.
//!
//! `SELECT COUNT(*), COUNT(x), COUNT(x) FILTER (WHERE y) ... GROUP BY k`, each number hidden if the
//! result or its group is small, if it is small itself or differs little from the count that it is
//! nested in, or if a site holds too few rows. A row is a group.

use rand_chacha::{ChaCha12Rng, rand_core::Rng as _};
use tacit_mpc::{Builder, Column};
use tacit_plan::{
    Digest, Disclosure, Input, Key, Number, Plan, Release, Role, Rows, Rule, Test, Type, VERSION,
    Value,
};
use tacit_protocols::Parties;

use crate::task::{Inputs, bits};

/// Bits of the count of a group.
const BITS: u32 = 16;

/// Bits of the count of all groups.
const TOTAL: u32 = 32;

/// Counts below it are hidden, but for zero.
pub(crate) const THRESHOLD: u64 = 11;

/// A column that every data holder enters.
pub(crate) fn input(expression: &str, rows: Rows, role: Role, bits: u32) -> Input {
    Input { name: String::new(), expression: expression.into(), rows, role, bits }
}

/// A plan over groups that are numbered, as if from SQL.
pub(crate) fn grouped(
    groups: usize,
    inputs: Vec<Input>,
    tests: Vec<Test>,
    numbers: Vec<Number>,
    presence: Option<usize>,
) -> Plan {
    Plan {
        version: VERSION,
        study: Digest::of_bytes(b"bench"),
        sql: String::new(),
        tables: vec![],
        columns: vec![],
        persons: false,
        text_filter: false,
        keys: vec![Key {
            expression: "k".into(),
            r#type: Type::Integer,
            domain: (0..groups as i64).map(Value::Integer).collect(),
        }],
        local: vec![],
        inputs,
        tests,
        numbers,
        presence,
        disclosure: Disclosure::default(),
        release: Release::default(),
        notes: vec![],
    }
}

fn plan(groups: usize) -> Plan {
    let below = Some(THRESHOLD);
    let test = |rule, plus, minus| Test { rule, rows: Rows::Cells, plus, minus, least: 1, below };
    let number = |expression: &str, count, hidden_by: &[usize]| Number {
        expression: expression.into(),
        value: Some(count),
        count,
        hidden_by: hidden_by.to_vec(),
        rounding: None,
    };
    let inputs = vec![
        input("COUNT(*)", Rows::Total, Role::Count, TOTAL),
        input("COUNT(*)", Rows::Cells, Role::Count, BITS),
        input("COUNT(x)", Rows::Cells, Role::Count, BITS),
        input("COUNT(x) FILTER (WHERE y)", Rows::Cells, Role::Count, BITS),
        input("below floor", Rows::Cells, Role::BelowFloor { of: 1, floor: 3 }, 2),
    ];
    let tests = vec![
        Test { rows: Rows::Total, ..test(Rule::Total, 0, None) },
        test(Rule::Group, 1, None),
        test(Rule::Contribution, 2, None),
        test(Rule::Nested, 1, Some(2)),
        test(Rule::Indicator, 3, None),
        test(Rule::Indicator, 2, Some(3)),
        Test { below: None, ..test(Rule::SiteFloor, 4, None) },
    ];
    let numbers = vec![
        number("COUNT(*)", 1, &[0, 1, 6]),
        number("COUNT(x)", 2, &[0, 1, 2, 3, 6]),
        number("COUNT(x) FILTER (WHERE y)", 3, &[0, 1, 2, 3, 4, 5, 6]),
    ];
    grouped(groups, inputs, tests, numbers, Some(0))
}

/// Writes the circuit to an empty builder; `to` enters what the sites would and asks.
pub(crate) fn build(b: &mut Builder, groups: usize, to: usize) {
    let parties = Parties { holders: vec![to], analyst: to };
    let circuit =
        tacit_protocols::circuit(&plan(groups), &parties).expect("a plan that holds together");
    for instruction in circuit.instructions() {
        b.push(instruction.op.clone(), &instruction.args);
    }
}

/// Small, zero and large counts, each within the one before, and a flag in some groups.
pub(crate) fn inputs(groups: usize, dice: &mut ChaCha12Rng) -> Inputs {
    let within = |most: u64, dice: &mut ChaCha12Rng| match dice.next_u64() % 4 {
        0 => most,
        1 => most - (dice.next_u64() % (2 * THRESHOLD)).min(most),
        2 => (dice.next_u64() % (2 * THRESHOLD)).min(most),
        _ => dice.next_u64() % (most + 1),
    };
    // So that the count of all groups fits its bits.
    let largest = (1_u64 << BITS).min((1 << TOTAL) / groups.max(1) as u64) - 1;
    let mut columns = vec![Vec::new(); 4];
    for _ in 0..groups {
        let mut most = largest;
        for column in &mut columns[..3] {
            most = within(most, dice);
            column.push(most);
        }
        columns[3].push(u64::from(dice.next_u64().is_multiple_of(8)));
    }
    let total = columns[0].iter().sum();
    let cells = columns.into_iter().map(Column::Num);
    std::iter::once(Column::Num(vec![total])).chain(cells).collect()
}

/// What must be opened, by the rules of the plan.
pub(crate) fn expected(groups: usize, inputs: &Inputs) -> Vec<(String, Column)> {
    let plan = plan(groups);
    let value = |input: usize, group: usize| -> u64 {
        let words = inputs[input].words();
        words[group.min(words.len() - 1)]
    };
    let hides = |test: &Test, group: usize| {
        let least = test.minus.map_or(0, |minus| value(minus, group));
        let value = value(test.plus, group) - least;
        value >= test.least && test.below.is_none_or(|below| value < below)
    };
    let (mut hidden, mut zero, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for number in &plan.numbers {
        let all = 0..groups;
        let shown: Vec<bool> = all
            .map(|group| !number.hidden_by.iter().any(|&test| hides(&plan.tests[test], group)))
            .collect();
        let count = |group: usize| value(number.count, group);
        hidden.extend(shown.iter().map(|shown| !shown));
        zero.extend(shown.iter().enumerate().map(|(group, shown)| *shown && count(group) == 0));
        for bit in 0..BITS {
            let planes = shown.iter().enumerate();
            values.extend(planes.map(|(group, shown)| *shown && count(group) >> bit & 1 == 1));
        }
    }
    let column = |rows: Vec<bool>| {
        let shape = bits(rows.len());
        Column::from_words(shape, Column::bits(rows).words().to_vec())
    };
    [("hidden", hidden), ("zero", zero), ("values", values)]
        .map(|(name, rows)| (name.to_owned(), column(rows)))
        .into()
}
