//! A table that has everything in it that real ones have: a byte-order mark, quotes, commas and
//! line ends inside fields, missing values, negative and decimal numbers, dates, small groups.

use std::fmt::Write as _;

/// One row, as it was drawn.
pub struct Row {
    pub patient: u64,
    pub region: &'static str,
    pub sex: Option<&'static str>,
    pub age: u64,
    /// Tenths.
    pub weight: Option<i64>,
    /// Hundredths, often negative.
    pub balance: i64,
    pub admitted: Option<(u64, u64, u64)>,
    pub smoker: Option<bool>,
    pub flag: u64,
    pub score: Option<i64>,
    pub note: String,
}

const REGIONS: [&str; 5] = ["North, upper", "South", "East", "West \"new\"", "Öst"];

/// `count` rows, always the same.
pub fn rows(count: u64) -> Vec<Row> {
    let mut random = Random(0x5eed);
    (0..count).map(|patient| row(patient, &mut random)).collect()
}

fn row(patient: u64, random: &mut Random) -> Row {
    // Unequal regions; the last one is rare.
    let region = match random.below(100) {
        0..40 => REGIONS[0],
        40..70 => REGIONS[1],
        70..88 => REGIONS[2],
        88..98 => REGIONS[3],
        _ => REGIONS[4],
    };
    let sex = match random.below(20) {
        0..10 => Some("F"),
        10..19 => Some("M"),
        _ => None,
    };
    let weight = 320 + random.below(900) as i64;
    let balance = random.below(200_000) as i64 - 120_000;
    let day = (2019 + random.below(3), 1 + random.below(12), 1 + random.below(28));
    Row {
        patient,
        region,
        sex,
        age: random.below(95),
        weight: random.often(9).then_some(weight),
        balance,
        admitted: random.often(12).then_some(day),
        smoker: random.often(7).then(|| random.below(4) == 0),
        flag: u64::from(random.below(150) == 0),
        score: random.often(5).then(|| random.below(41) as i64 - 20),
        note: format!("note {patient}, with \"quotes\"\nand a line end"),
    }
}

/// The rows as CSV with a byte-order mark; missing is `NA`.
pub fn csv(rows: &[Row], delimiter: char) -> String {
    let mut text = String::from("\u{feff}");
    let names = [
        "patient", "Region", "sex", "age", "weight", "balance", "admitted", "smoker", "flag",
        "score", "note",
    ];
    text += &names.join(&delimiter.to_string());
    text += "\r\n";
    for row in rows {
        let fields = [
            format!("p{:05}", row.patient),
            quoted(row.region),
            row.sex.unwrap_or("NA").to_owned(),
            row.age.to_string(),
            optional(row.weight.map(|tenths| format!("{}.{}", tenths / 10, tenths % 10))),
            hundredths(row.balance),
            optional(row.admitted.map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"))),
            optional(row.smoker.map(|smoker| smoker.to_string())),
            row.flag.to_string(),
            optional(row.score.map(|score| score.to_string())),
            quoted(&row.note),
        ];
        let _ = write!(text, "{}\r\n", fields.join(&delimiter.to_string()));
    }
    text
}

fn hundredths(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    let number = number.unsigned_abs();
    format!("{sign}{}.{:02}", number / 100, number % 100)
}

fn optional(text: Option<String>) -> String {
    text.unwrap_or_else(|| "NA".into())
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// All but one time in `times`.
    fn often(&mut self, times: u64) -> bool {
        self.below(times) != 0
    }
}
