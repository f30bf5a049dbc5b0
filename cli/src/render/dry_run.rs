//! What `tacit query --dry-run` prints.

use tacit_client::{Backend, DryRun};

use super::{number, table, value::printable};
use crate::terminal::Terminal;

/// What asking would cost, and which party would take part.
pub fn text(dry: &DryRun, terminal: &Terminal) -> String {
    let rows: Vec<Vec<String>> = dry
        .parties
        .iter()
        .map(|party| {
            let cost = dry.bill.parties.iter().find(|cost| cost.party == party.party);
            let bytes = |bytes: Option<u64>| bytes.map_or_else(String::new, number::grouped);
            let state = match &party.reason {
                None if party.ready => "ready".into(),
                None => "not ready".into(),
                Some(reason) => printable(reason),
            };
            vec![
                party.party.clone(),
                bytes(cost.map(|cost| cost.sent)),
                bytes(cost.map(|cost| cost.received)),
                state,
            ]
        })
        .collect();
    let header = ["party", "would send", "would receive", "state"];
    let takes = match dry.engine {
        Backend::Fhe => "three phases, which may lie apart".to_owned(),
        Backend::Mpc(_) => number::plural(dry.bill.rounds, "round", "rounds"),
    };
    format!(
        "nothing was run; on {} it would take {takes}\n{}",
        dry.engine,
        table::words(&header, &rows, &[1, 2], terminal)
    )
}
