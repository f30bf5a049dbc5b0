//! Charts: SVG without anything loaded from anywhere.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{escape, rate, seconds};
use crate::Record;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
const MARGIN: f64 = 56.0;
const COLOURS: [&str; 6] = ["#1b6ca8", "#c8553d", "#3a7d44", "#8a508f", "#b8860b", "#555555"];

/// What a line of a chart stands for: everything of the name but the rows.
fn series(record: &Record) -> String {
    let rows = format!("/{}/", record.n);
    record.name.replacen(&rows, "/", 1)
}

/// Lines over rows, both axes logarithmic.
pub fn chart(title: &str, records: &[&Record], value: impl Fn(&Record) -> f64) -> String {
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
pub fn bars(
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
        let digits = if value.fract() == 0.0 { 0 } else { 3 };
        let (y, length) = (40.0 + 20.0 * i as f64, value / most * (WIDTH - 380.0));
        let colour = COLOURS[i % COLOURS.len()];
        let _ = writeln!(
            svg,
            "<text x=\"8\" y=\"{:.1}\">{}</text><rect x=\"270\" y=\"{y:.1}\" width=\"{length:.1}\" \
             height=\"12\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{:.1}\">{value:.digits$} {unit}</text>",
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
