//! A folder of records as one page (HTML with SVG, nothing loaded from anywhere), Markdown, CSV.

use std::{collections::BTreeMap, fmt::Write as _};

use tacit_net::Profile;

use crate::{
    Record,
    bars::{self, ELSEWHERE},
};

mod csv;
mod goals;
mod svg;

pub use csv::csv;

/// One row of a table: a record's figures in words.
fn row(record: &Record) -> [String; 12] {
    let online = &record.online;
    [
        record.name.clone(),
        format!(
            "{}, {} of {}",
            record.adversary.behaviour, record.adversary.corrupted, record.adversary.of
        ),
        record.triples.clone().unwrap_or_else(|| "-".into()),
        seconds(online.seconds.median),
        format!("{} to {}", seconds(online.seconds.min), seconds(online.seconds.max)),
        rate(record.per_second()),
        rounds(record),
        format!("{:.2}", record.busiest() as f64 / record.done()),
        bytes(record.peak_bytes.measured),
        seconds(record.setup.seconds.median),
        record
            .limit
            .as_ref()
            .map_or("-".into(), |l| format!("{:.0} % of {}", 100.0 * l.share, l.of)),
        seconds(wan(record)),
    ]
}

const HEAD: [&str; 12] = [
    "record",
    "adversary",
    "triples",
    "online, median",
    "online, range",
    "a second",
    "rounds",
    "bytes sent each",
    "peak memory",
    "setup",
    "share of the limit",
    "WAN, estimated",
];

/// Online rounds over a network; where the run went tile by tile, which takes more, those as well.
fn rounds(record: &Record) -> String {
    match record.tile_rows {
        Some(_) => format!("{} ({} in tiles)", network_rounds(record), record.online.rounds),
        None => record.online.rounds.to_string(),
    }
}

/// Online rounds of the task in whole columns, as they go over a network.
fn network_rounds(record: &Record) -> u64 {
    record.whole_rounds + record.opening_rounds
}

/// Online time on the WAN profile: what was measured (the network that a link simulated taken
/// out), and rounds (of whole columns) and bytes over that network.
fn wan(record: &Record) -> f64 {
    let online = &record.online;
    let busiest = record.busiest();
    let network = Profile::WAN.seconds(network_rounds(record), busiest);
    match record.link {
        crate::record::LinkRecord::Simulated { one_way_ms, mbit_per_s } => {
            let simulated =
                online.rounds as f64 * one_way_ms / 1e3 + busiest as f64 * 8.0 / (mbit_per_s * 1e6);
            network + (online.seconds.median - simulated).max(0.0)
        }
        _ => network + online.seconds.median,
    }
}

fn seconds(value: f64) -> String {
    match value {
        v if v >= 1.0 => format!("{v:.2} s"),
        v if v >= 1e-3 => format!("{:.2} ms", v * 1e3),
        v => format!("{:.1} µs", v * 1e6),
    }
}

fn rate(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{:.2} G", v / 1e9),
        v if v >= 1e6 => format!("{:.2} M", v / 1e6),
        v if v >= 1e3 => format!("{:.2} k", v / 1e3),
        v => format!("{v:.2}"),
    }
}

fn bytes(value: u64) -> String {
    match value as f64 {
        v if v >= 1e9 => format!("{:.2} GB", v / 1e9),
        v if v >= 1e6 => format!("{:.1} MB", v / 1e6),
        v => format!("{:.1} kB", v / 1e3),
    }
}

/// Tables in Markdown: every bar, then every record.
pub fn markdown(records: &[Record]) -> String {
    let bars = lines(&goals::HEAD, bars::rows(records).iter().map(goals::cells));
    let all = lines(&HEAD, records.iter().map(row));
    format!("## Against the bars\n\n{bars}\n{}\n\n{ELSEWHERE}\n\n## Records\n\n{all}", goals::NOTE)
}

fn lines<const N: usize>(head: &[&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), " --- |".repeat(N));
    for row in rows {
        let _ = writeln!(
            text,
            "| {} |",
            row.map(|cell| cell.replace('|', "/").replace('<', "&lt;")).join(" | ")
        );
    }
    text
}

/// One page, complete by itself.
pub fn html(records: &[Record]) -> String {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Tacit: figures\
         </title><style>body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:75em;\
         padding:0 1em;color:#222}table{border-collapse:collapse;font-size:13px}td,th{border:1px \
         solid #ccc;padding:.25em .6em;text-align:right}td:first-child,th:first-child{text-align:\
         left}svg{max-width:100%;background:#fafafa;border:1px solid #ddd;margin:.5em 0}</style>\
         </head><body>\n<h1>Tacit: figures</h1>\n",
    );
    if let Some(first) = records.first() {
        let machine = &first.machine;
        let _ = writeln!(
            page,
            "<p>{}, {} cores, {} ({}). Tacit {}, {} build. Times are those of the slowest compute \
             party; all parties run on this machine. Records whose name says <code>+dealer</code> \
             take their triples from a trusted dealer. A link called simulated is in memory with \
             the time that such a network would take added.</p>",
            escape(&machine.cpu),
            machine.cores,
            escape(&machine.system),
            escape(&machine.instructions.join(", ")),
            escape(&first.build.version),
            escape(&first.build.profile),
        );
    }
    page.push_str("<h2>Against the bars</h2>\n");
    page.push_str(&table(&goals::HEAD, bars::rows(records).iter().map(goals::cells)));
    let _ = writeln!(page, "<p>{}</p>\n<p>{}</p>", escape(goals::NOTE), escape(ELSEWHERE));
    let mut tasks: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records {
        tasks.entry(&record.task).or_default().push(record);
    }
    for (task, records) in &tasks {
        let _ = writeln!(page, "<h2>{}</h2>\n<p>{}</p>", escape(task), escape(&records[0].about));
        page.push_str(&table(&HEAD, records.iter().copied().map(row)));
        page.push_str(&svg::chart("online time by n (both axes logarithmic)", records, |r| {
            r.online.seconds.median
        }));
        page.push_str(&svg::bars(
            "bytes that the busiest party sends for each, online",
            records,
            |r| (r.busiest() as f64 / r.done(), "B"),
        ));
        page.push_str(&svg::bars("online rounds over a network", records, |r| {
            (network_rounds(r) as f64, "")
        }));
        page.push_str(&svg::bars("share of the limit", records, |r| {
            (r.limit.as_ref().map_or(0.0, |l| 100.0 * l.share), "%")
        }));
        page.push_str(&svg::bars("estimated on a WAN (20 ms one way, 100 Mbit/s)", records, |r| {
            (wan(r), "s")
        }));
    }
    page.push_str(
        "<h2>References of this machine</h2>\n<table><tr><th>what</th><th>figure</th></tr>\n",
    );
    let mut seen: Vec<&str> = Vec::new();
    for reference in records.iter().flat_map(|record| &record.references) {
        if !seen.contains(&reference.name.as_str()) {
            seen.push(&reference.name);
            let _ = writeln!(
                page,
                "<tr><td>{}</td><td>{:.2} {}</td></tr>",
                escape(&reference.name),
                reference.value,
                escape(&reference.unit)
            );
        }
    }
    page.push_str("</table>\n</body></html>\n");
    page
}

fn table<const N: usize>(head: &[&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let cells = |tag: &str, cells: &[String]| {
        let cell = |text: &String| format!("<{tag}>{}</{tag}>", escape(text));
        format!("<tr>{}</tr>\n", cells.iter().map(cell).collect::<String>())
    };
    let head = cells("th", &head.map(str::to_owned));
    let rows: String = rows.map(|row| cells("td", &row)).collect();
    format!("<table>\n{head}{rows}</table>\n")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
