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

/// A record in one line: times, rate, rounds, bytes and the share of the limit.
pub fn summary(record: &Record) -> String {
    let online = &record.online;
    let spread = &online.seconds;
    let limit = record.limit.as_ref();
    let limit = limit.map(|limit| format!(", {:.0} % of {}", 100.0 * limit.share, limit.of));
    format!(
        "{}: {} ({} to {}), {} a second, {} rounds, {:.2} bytes sent each{}",
        record.name,
        seconds(spread.median),
        seconds(spread.min),
        seconds(spread.max),
        rate(record.per_second()),
        rounds(record),
        record.busiest() as f64 / record.done(),
        limit.unwrap_or_default(),
    )
}

/// A time with three digits or more: in seconds, milliseconds or microseconds.
pub fn seconds(value: f64) -> String {
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
             party; {}. Records whose name says <code>+dealer</code> \
             take their triples from a trusted dealer. A link called simulated is in memory with \
             the time that such a network would take added.</p>",
            escape(&machine.cpu),
            machine.cores,
            escape(&machine.system),
            escape(&machine.instructions.join(", ")),
            escape(&first.build.version),
            escape(&first.build.profile),
            place(records),
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

/// Where the parties of these records were.
fn place(records: &[Record]) -> &'static str {
    let apart = records.iter().filter(|record| record.peers.is_some()).count();
    match apart {
        0 => "all parties run on this machine",
        _ if apart == records.len() => {
            "every party was a process of its own, on this machine or another, and this machine is \
             that of the party that wrote the records"
        }
        _ => {
            "all parties run on this machine, but for records whose name ends with <code>-apart\
             </code>: there every party was a process of its own, on this machine or another"
        }
    }
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

#[cfg(test)]
mod tests {
    use tacit_mpc::EngineKind;

    use super::*;
    use crate::{LinkKind, Plain, References, Setting, Work, record::Spread};

    fn record(link: &str) -> Record {
        let plain = Plain { transfer: 1e9, round: 1e-4 };
        let references = References { aes: 1e9, copy: 1e9, quic: plain, tcp: plain, parties: 3 };
        let (work, link): (_, LinkKind) = (Work::named("mul").unwrap(), link.parse().unwrap());
        let engine = EngineKind::Rep3;
        let setting = Setting { work, n: 10, engine, parties: 3, link, repeat: 1, time: None };
        setting.measure(&references).unwrap()
    }

    #[test]
    fn a_line_about_a_record_tells_short_times_and_the_rounds_of_a_network() {
        let mut record = record("memory");
        record.online.seconds = Spread::of(vec![2e-5, 4.2e-5, 9e-5]);
        assert!(summary(&record).contains(": 42.0 µs (20.0 µs to 90.0 µs), "));
        assert!(summary(&record).contains(" a second, 5 rounds, "));
        (record.tile_rows, record.online.rounds) = (Some(5), 817);
        assert!(summary(&record).contains(", 5 (817 in tiles) rounds, "), "{}", summary(&record));
    }

    #[test]
    fn every_figure_of_a_report_has_a_column_of_its_own() {
        let record = record("35,50");
        let text = csv(std::slice::from_ref(&record));
        let mut lines = text.lines();
        let head: Vec<&str> = lines.next().unwrap().split(',').collect();
        // No cell of this record has a comma but the processor's name.
        let cpu = format!("\"{}\"", record.machine.cpu);
        let line = lines.next().unwrap().replace(&cpu, "cpu");
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), head.len());
        let cell = |name: &str| cells[head.iter().position(|column| *column == name).unwrap()];
        assert_eq!(cell("whole_rounds"), "4");
        assert_eq!(cell("setup_bytes_sent_busiest"), record.setup.bytes_sent[3].to_string());
        assert_eq!((cell("link_one_way_ms"), cell("link_mbit_per_s")), ("35", "50"));
        assert_eq!(cell("wan_estimate_s"), wan(&record).to_string());
        assert_eq!(cell("cpu"), "cpu");
        assert_eq!(cell("build_digest"), format!("\"{}\"", record.build.digest));
        assert_eq!(cell("circuit"), format!("\"{}\"", record.circuit));
        let page = include_str!("../../../RECORD.md");
        let documented = |column: &&str| page.contains(&format!("`{column}`"));
        let new = head.iter().skip_while(|column| **column != "setup_bytes_sent_busiest").take(4);
        assert!(new.clone().all(documented), "{:?}", new.collect::<Vec<_>>());
    }

    #[test]
    fn a_page_says_where_the_parties_were_and_counts_rounds_in_whole_numbers() {
        let here = record("memory");
        let mut apart = Record { name: "rep3/mul/10/quic-apart".into(), ..here.clone() };
        apart.peers = Some(vec!["a 192.0.2.1:7700".into()]);
        let all = "all parties run on this machine";
        let page = html(std::slice::from_ref(&here));
        assert!(page.contains(&format!("{all}. ")), "{page}");
        assert!(page.contains(">5 </text>") && !page.contains("5.000"), "{page}");
        assert!(!html(std::slice::from_ref(&apart)).contains(all));
        assert!(html(&[here, apart]).contains(&format!("{all}, but for ")));
    }
}
