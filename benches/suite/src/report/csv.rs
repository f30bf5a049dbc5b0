//! All numbers as comma-separated values.

use std::fmt::Write as _;

use super::{goals, wan};
use crate::{
    Record,
    bars::{self, State},
    record::LinkRecord,
};

/// The columns of a record.
pub(super) const HEAD: &str = "name,task,engine,parties,n,depth,link,adversary,corrupted,triples,\
    online_median_s,online_min_s,online_max_s,repetitions,setup_median_s,rounds,opening_rounds,\
    bytes_sent_busiest,peak_bytes,limit_share,whole_rounds,setup_bytes_sent_busiest,link_one_way_ms,\
    link_mbit_per_s,wan_estimate_s,cpu,build_digest,circuit";

/// The references that have a column.
const REFERENCES: [&str; 6] =
    ["aes", "copy", "quic-transfer", "quic-round", "tcp-transfer", "tcp-round"];

/// All numbers in CSV, in base units but for the references (GB/s, µs a round): a line for each
/// record, with the bar that it is measured against, then one for each bar without a record.
pub fn csv(records: &[Record]) -> String {
    let rows = bars::rows(records);
    let references = REFERENCES.map(|id| format!("reference_{}", id.replace('-', "_"))).join(",");
    let mut text = format!("{HEAD},{references},{}\n", goals::COLUMNS);
    for record in records {
        let bar = rows
            .iter()
            .find(|row| matches!(&row.state, State::Measured(reached) if reached.record == record));
        let bar = bar.map_or(",".repeat(goals::COLUMNS.matches(',').count()), goals::columns);
        let references = REFERENCES.map(|id| {
            record.reference(id).map_or(String::new(), |reference| reference.value.to_string())
        });
        let _ = writeln!(text, "{},{},{bar}", figures(record), references.join(","));
    }
    for row in &rows {
        if !matches!(row.state, State::Measured(_)) {
            let (bar, references) = (row.bar, ",".repeat(REFERENCES.len()));
            let lead = format!(",{},rep3,3,{},,{}", bar.task, bar.n, bar.link);
            let rest = ",".repeat(HEAD.matches(',').count() - lead.matches(',').count());
            let _ = writeln!(text, "{lead}{rest}{references},{}", goals::columns(row));
        }
    }
    text
}

/// A cell of text; what a spreadsheet would take for a formula is marked as text.
fn quoted(text: &str) -> String {
    let mark = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    format!("\"{mark}{}\"", text.replace('"', "\"\""))
}

fn figures(r: &Record) -> String {
    let online = &r.online;
    let (latency, line) = match r.link {
        LinkRecord::Simulated { one_way_ms, mbit_per_s } => {
            (one_way_ms.to_string(), mbit_per_s.to_string())
        }
        _ => Default::default(),
    };
    [
        quoted(&r.name),
        quoted(&r.task),
        quoted(&r.engine),
        r.parties.to_string(),
        r.n.to_string(),
        r.depth.to_string(),
        quoted(r.name.rsplit('/').next().unwrap_or_default()),
        quoted(&r.adversary.behaviour),
        r.adversary.corrupted.to_string(),
        quoted(r.triples.as_deref().unwrap_or_default()),
        online.seconds.median.to_string(),
        online.seconds.min.to_string(),
        online.seconds.max.to_string(),
        online.seconds.repetitions.to_string(),
        r.setup.seconds.median.to_string(),
        online.rounds.to_string(),
        r.opening_rounds.to_string(),
        r.busiest().to_string(),
        r.peak_bytes.measured.to_string(),
        r.limit.as_ref().map_or(String::new(), |l| l.share.to_string()),
        r.whole_rounds.to_string(),
        r.setup.bytes_sent.iter().max().copied().unwrap_or(0).to_string(),
        latency,
        line,
        wan(r).to_string(),
        quoted(&r.machine.cpu),
        quoted(&r.build.digest),
        quoted(&r.circuit),
    ]
    .join(",")
}
