//! A folder of records as one page (HTML with SVG, nothing loaded from anywhere), Markdown, CSV.

use std::{collections::BTreeMap, fmt::Write as _};

use tacit_net::Profile;

use crate::Record;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
const MARGIN: f64 = 56.0;
const COLOURS: [&str; 6] = ["#1b6ca8", "#c8553d", "#3a7d44", "#8a508f", "#b8860b", "#555555"];

/// One row of a table: a record's figures in words.
fn row(record: &Record) -> [String; 12] {
    let online = &record.online;
    let busiest = online.bytes_sent.iter().copied().max().unwrap_or(0);
    let done = (record.n * record.depth) as f64;
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
        online.rounds.to_string(),
        format!("{:.2}", busiest as f64 / done),
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

/// Online time on the WAN profile: what was measured (the network that a link simulated taken
/// out), and rounds and bytes over that network.
fn wan(record: &Record) -> f64 {
    let online = &record.online;
    let busiest = online.bytes_sent.iter().copied().max().unwrap_or(0);
    let network = Profile::WAN.seconds(online.rounds, busiest);
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

/// A table in Markdown.
pub fn markdown(records: &[Record]) -> String {
    let mut text = format!("| {} |\n|{}\n", HEAD.join(" | "), " --- |".repeat(HEAD.len()));
    for record in records {
        let _ =
            writeln!(text, "| {} |", row(record).map(|cell| cell.replace('|', "/")).join(" | "));
    }
    text
}

/// All numbers in CSV, in base units.
pub fn csv(records: &[Record]) -> String {
    let mut text = String::from(
        "name,task,engine,parties,n,depth,adversary,corrupted,triples,online_median_s,online_min_s,\
         online_max_s,repetitions,setup_median_s,rounds,bytes_sent_busiest,peak_bytes,limit_share\n",
    );
    for r in records {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let online = &r.online;
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            quoted(&r.name),
            quoted(&r.task),
            quoted(&r.engine),
            r.parties,
            r.n,
            r.depth,
            quoted(&r.adversary.behaviour),
            r.adversary.corrupted,
            quoted(r.triples.as_deref().unwrap_or_default()),
            online.seconds.median,
            online.seconds.min,
            online.seconds.max,
            online.seconds.repetitions,
            r.setup.seconds.median,
            online.rounds,
            online.bytes_sent.iter().copied().max().unwrap_or(0),
            r.peak_bytes.measured,
            r.limit.as_ref().map_or(String::new(), |l| l.share.to_string()),
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
    let mut tasks: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records {
        tasks.entry(&record.task).or_default().push(record);
    }
    for (task, records) in &tasks {
        let _ = writeln!(page, "<h2>{}</h2>\n<p>{}</p>", escape(task), escape(&records[0].about));
        page.push_str(&table(records));
        page.push_str(&chart("online time by n (both axes logarithmic)", records, |r| {
            r.online.seconds.median
        }));
        page.push_str(&bars("bytes that the busiest party sends for each, online", records, |r| {
            let busiest = r.online.bytes_sent.iter().copied().max().unwrap_or(0);
            (busiest as f64 / (r.n * r.depth) as f64, "B")
        }));
        page.push_str(&bars("online rounds", records, |r| (r.online.rounds as f64, "")));
        page.push_str(&bars("share of the limit", records, |r| {
            (r.limit.as_ref().map_or(0.0, |l| 100.0 * l.share), "%")
        }));
        page.push_str(&bars("estimated on a WAN (20 ms one way, 100 Mbit/s)", records, |r| {
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

fn table(records: &[&Record]) -> String {
    let cells = |tag: &str, cells: &[String]| {
        let cell = |text: &String| format!("<{tag}>{}</{tag}>", escape(text));
        format!("<tr>{}</tr>\n", cells.iter().map(cell).collect::<String>())
    };
    let head = cells("th", &HEAD.map(str::to_owned));
    let rows: String = records.iter().map(|record| cells("td", &row(record))).collect();
    format!("<table>\n{head}{rows}</table>\n")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What a line of a chart stands for: everything of the name but the rows.
fn series(record: &Record) -> String {
    let rows = format!("/{}/", record.n);
    record.name.replacen(&rows, "/", 1)
}

/// Lines over rows, both axes logarithmic.
fn chart(title: &str, records: &[&Record], value: impl Fn(&Record) -> f64) -> String {
    let mut lines: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for record in records {
        let point = ((record.n as f64).log10(), value(record).max(1e-12).log10());
        lines.entry(series(record)).or_default().push(point);
    }
    if lines.values().all(|points| points.len() < 2) {
        return String::new();
    }
    let all = lines.values().flatten();
    let ends = |pick: fn(&(f64, f64)) -> f64| {
        let values = all.clone().map(pick);
        let low = values.clone().fold(f64::INFINITY, f64::min).floor();
        let high = values.fold(f64::NEG_INFINITY, f64::max).ceil();
        (low, high.max(low + 1.0))
    };
    let (x, y) = (ends(|p| p.0), ends(|p| p.1));
    let place = |point: &(f64, f64)| {
        (
            MARGIN + (point.0 - x.0) / (x.1 - x.0) * (WIDTH - 2.0 * MARGIN),
            HEIGHT - MARGIN - (point.1 - y.0) / (y.1 - y.0) * (HEIGHT - 2.0 * MARGIN),
        )
    };
    let mut svg = open(title, HEIGHT + 18.0 * lines.len() as f64);
    for step in 0..=(x.1 - x.0) as i32 {
        let (at, _) = place(&(x.0 + f64::from(step), y.0));
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" y1=\"{MARGIN}\" x2=\"{at:.1}\" y2=\"{:.1}\" stroke=\"#ddd\"/><text \
             x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - MARGIN,
            HEIGHT - MARGIN + 18.0,
            rate(10f64.powf(x.0 + f64::from(step)))
        );
    }
    for step in 0..=(y.1 - y.0) as i32 {
        let (_, at) = place(&(x.0, y.0 + f64::from(step)));
        let _ = writeln!(
            svg,
            "<line x1=\"{MARGIN}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/><text \
             x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - MARGIN,
            MARGIN - 6.0,
            at + 4.0,
            seconds(10f64.powf(y.0 + f64::from(step)))
        );
    }
    for (i, (name, points)) in lines.iter_mut().enumerate() {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let colour = COLOURS[i % COLOURS.len()];
        let path: Vec<String> = points
            .iter()
            .map(|point| {
                let (x, y) = place(point);
                format!("{x:.1},{y:.1}")
            })
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for point in points.iter() {
            let (x, y) = place(point);
            let _ =
                writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        let at = HEIGHT + 18.0 * i as f64;
        let _ = writeln!(
            svg,
            "<rect x=\"{MARGIN}\" y=\"{:.1}\" width=\"12\" height=\"4\" fill=\"{colour}\"/><text \
             x=\"{:.1}\" y=\"{at:.1}\">{}</text>",
            at - 6.0,
            MARGIN + 18.0,
            escape(name)
        );
    }
    svg + "</svg>\n"
}

/// One bar for each record, linear.
fn bars(
    title: &str,
    records: &[&Record],
    value: impl Fn(&Record) -> (f64, &'static str),
) -> String {
    let most = records.iter().map(|r| value(r).0).fold(0.0, f64::max);
    if most <= 0.0 {
        return String::new();
    }
    let mut svg = open(title, 44.0 + 20.0 * records.len() as f64);
    for (i, record) in records.iter().enumerate() {
        let (value, unit) = value(record);
        let (y, length) = (40.0 + 20.0 * i as f64, value / most * (WIDTH - 380.0));
        let colour = COLOURS[i % COLOURS.len()];
        let _ = writeln!(
            svg,
            "<text x=\"8\" y=\"{:.1}\">{}</text><rect x=\"270\" y=\"{y:.1}\" width=\"{length:.1}\" \
             height=\"12\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{:.1}\">{value:.3} {unit}</text>",
            y + 11.0,
            escape(&record.name),
            276.0 + length,
            y + 11.0,
        );
    }
    svg + "</svg>\n"
}

fn open(title: &str, height: f64) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" role=\"img\" aria-label=\"{0}\" \
         font-size=\"12\" font-family=\"system-ui,sans-serif\">\n<text x=\"8\" y=\"20\" \
         font-weight=\"bold\">{0}</text>\n",
        escape(title)
    )
}
