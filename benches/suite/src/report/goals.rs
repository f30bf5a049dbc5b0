//! The bars as a table, and as columns of a CSV file.

use super::{bytes, rate, seconds};
use crate::{
    Record,
    bars::{Bar, Goal, Reached, Row, State},
};

pub const HEAD: [&str; 13] = [
    "task",
    "rows",
    "link",
    "bar",
    "reached",
    "reached / bar",
    "bytes sent each",
    "rounds",
    "peak memory of a party",
    "state",
    "references of the same run",
    "share of a limit",
    "elsewhere",
];

pub const NOTE: &str = "All rows: rep3, three parties on this machine, semi-honest, honest majority. \
    Times are medians; rounds are counted without the opening of check values; \"reached / bar\" is \
    1 or more where the bar is reached. A debug build neither reaches nor misses a bar.";

/// The cells of a bar.
pub fn cells(row: &Row<'_>) -> [String; 13] {
    let bar = row.bar;
    let reached = match &row.state {
        State::Measured(reached) => Some(reached),
        _ => None,
    };
    let tell = |f: &dyn Fn(&Reached<'_>) -> String| reached.map_or("-".into(), f);
    [
        format!("{}: {}", bar.task, bar.what),
        rate(bar.n as f64),
        bar.link.into(),
        goal(bar),
        tell(&|r| figure(r)),
        tell(&|r| r.ratio().map_or("-".into(), |ratio| format!("{ratio:.2}"))),
        tell(&|r| beside(format!("{:.2} B", r.bytes()), bar.bytes.map(|due| format!("{due} B")))),
        tell(&|r| beside(r.rounds().to_string(), bar.rounds.map(|due| due.to_string()))),
        tell(&|r| beside(bytes(r.record.peak_bytes.measured), bar.memory.map(bytes))),
        row.state.word().into(),
        tell(&|r| references(r.record)),
        tell(&|r| {
            let limit = r.record.limit.as_ref();
            limit.map_or("-".into(), |l| format!("{:.0} % of {}", 100.0 * l.share, l.of))
        }),
        bar.elsewhere.unwrap_or("-").into(),
    ]
}

fn beside(reached: String, due: Option<String>) -> String {
    match due {
        Some(due) => format!("{reached} (bar: {due})"),
        None => reached,
    }
}

fn goal(bar: &Bar) -> String {
    match bar.goal {
        Goal::Rate(due) => format!("{}/s", rate(due)),
        Goal::Seconds(due) | Goal::Each(due) => seconds(due),
        Goal::Transfer(due) => format!("{:.0} % of a bare transfer", 100.0 * due),
    }
}

fn figure(reached: &Reached<'_>) -> String {
    let record = reached.record;
    let debug = if record.build.profile == "debug" { " (debug build)" } else { "" };
    let text = match (reached.bar().goal, reached.value()) {
        (_, None) => "no reference".into(),
        (Goal::Rate(_), Some(value)) => format!("{}/s", rate(value)),
        (Goal::Seconds(_) | Goal::Each(_), Some(value)) => seconds(value),
        (Goal::Transfer(_), Some(value)) => {
            format!("{:.0} % ({}/s)", 100.0 * value, rate(record.per_second()))
        }
    };
    text + debug
}

fn references(record: &Record) -> String {
    let each = |r: &crate::record::Reference| format!("{} {:.1} {}", r.id, r.value, r.unit);
    record.references.iter().map(each).collect::<Vec<_>>().join(", ")
}

/// Columns of a CSV file about the bar of a record.
pub const COLUMNS: &str = "bar,bar_value,bar_unit,reached,reached_over_bar,bar_bytes_each,\
    bar_rounds,bar_peak_bytes,bar_elsewhere";

/// What stands in them.
pub fn columns(row: &Row<'_>) -> String {
    let bar = row.bar;
    let (due, unit) = match bar.goal {
        Goal::Rate(due) => (due, "1/s"),
        Goal::Seconds(due) => (due, "s"),
        Goal::Each(due) => (due, "s each"),
        Goal::Transfer(due) => (due, "of a bare transfer"),
    };
    let (value, ratio) = match &row.state {
        State::Measured(reached) => (reached.value(), reached.ratio()),
        _ => (None, None),
    };
    let or_nothing = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    [
        row.state.word().into(),
        due.to_string(),
        unit.into(),
        or_nothing(value),
        or_nothing(ratio),
        or_nothing(bar.bytes),
        or_nothing(bar.rounds.map(|due| due as f64)),
        or_nothing(bar.memory.map(|due| due as f64)),
        format!("\"{}\"", bar.elsewhere.unwrap_or_default()),
    ]
    .join(",")
}
