//! Two sets of records beside each other.

use crate::{Error, Record, Result, record::Spread};

/// One task in two sets of records.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Name of both records.
    pub name: String,
    /// Online seconds of the first and of the second.
    pub seconds: [f64; 2],
    /// Speed of the second over that of the first, 2 is twice as fast: by the medians of their
    /// times, then the smallest and the largest that the repetitions allow.
    pub ratio: [f64; 3],
    /// Bytes that the busiest party sends online, of both.
    pub bytes: [u64; 2],
    /// Online rounds of both.
    pub rounds: [u64; 2],
    /// What makes the times hard to compare.
    pub caution: Vec<String>,
}

/// The records that both sets have, by name.
///
/// # Errors
/// [`Error::Compare`] if they share no name.
pub fn compare(first: &[Record], second: &[Record]) -> Result<Vec<Comparison>> {
    let pairs: Vec<Comparison> = first
        .iter()
        .filter_map(|a| Some(pair(a, second.iter().find(|b| b.name == a.name)?)))
        .collect();
    if pairs.is_empty() {
        let names = |records: &[Record]| {
            records.iter().map(|r| r.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        return Err(Error::Compare(format!(
            "nothing to compare: no record has the same name in both ({}; and {})",
            names(first),
            names(second)
        )));
    }
    Ok(pairs)
}

fn pair(a: &Record, b: &Record) -> Comparison {
    let (x, y): (&Spread, &Spread) = (&a.online.seconds, &b.online.seconds);
    let mut caution = Vec::new();
    if a.circuit != b.circuit {
        let [a, b] = [a, b].map(|record| record.circuit.get(..8).unwrap_or_default());
        caution.push(format!("other circuit: {a} and {b}, so that other things were measured"));
    }
    let mut differ = |what: &str, same: bool| {
        if !same {
            caution.push(format!("{what} differs"));
        }
    };
    differ("machine", a.machine == b.machine);
    differ("build profile", a.build.profile == b.build.profile);
    differ("adversary", a.adversary == b.adversary);
    differ("number of parties", a.parties == b.parties);
    differ("depth", a.depth == b.depth);
    for (mine, other) in a.references.iter().zip(&b.references) {
        if mine.id == other.id && !(0.8..=1.25).contains(&(mine.value / other.value)) {
            caution.push(format!(
                "reference \"{}\" is {:.3} {} in one and {:.3} in the other",
                mine.name, mine.value, mine.unit, other.value
            ));
        }
    }
    Comparison {
        name: a.name.clone(),
        seconds: [x.median, y.median],
        ratio: [x.median / y.median, x.min / y.max, x.max / y.min],
        bytes: [a.busiest(), b.busiest()],
        rounds: [a.online.rounds, b.online.rounds],
        caution,
    }
}
