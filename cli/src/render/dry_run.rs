//! What `tacit query --dry-run` prints.

use tacit_client::{Backend, DryRun};

use super::{number, table, value::printable};
use crate::terminal::Terminal;

/// What asking would cost, and which party would take part.
pub fn text(dry: &DryRun, terminal: &Terminal) -> String {
    let costs = &dry.bill.parties;
    let bytes = |bytes: Option<u64>| bytes.map_or_else(String::new, number::grouped);
    let row = |name: &str, state: String| {
        let cost = costs.iter().find(|cost| cost.party == name);
        let (sent, received) = (cost.map(|cost| cost.sent), cost.map(|cost| cost.received));
        vec![name.to_owned(), bytes(sent), bytes(received), state]
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for party in &dry.parties {
        let state = match &party.reason {
            None if party.ready => "ready".into(),
            None => "not ready".into(),
            Some(reason) => printable(reason),
        };
        rows.push(row(&party.party, state));
    }
    // Whoever asks is not asked, and has traffic all the same.
    for cost in costs.iter().filter(|cost| dry.parties.iter().all(|one| one.party != cost.party)) {
        rows.push(row(&cost.party, "asks".to_owned()));
    }
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
