//! Whether a record that was read can be one: reports and comparisons compute with its numbers, and
//! its words stand on pages and terminals.

use super::{LinkRecord, Phase, Record};

/// The largest count: products of two, and sums of many, stay within 64 bits or lose nothing as
/// floating numbers.
const MOST: u64 = 1 << 53;

/// The longest time, and the largest figure of a machine, with room.
const LARGEST: f64 = 1e15;

/// Characters of a word or list.
const LONGEST: usize = 1 << 16;

/// What is wrong with a record.
pub(super) fn fault(record: &Record) -> Option<String> {
    counts(record).or_else(|| figures(record)).or_else(|| words(record))
}

fn counts(record: &Record) -> Option<String> {
    let phases = [&record.setup, &record.online];
    let each = [
        record.n,
        record.depth,
        record.parties,
        record.opening_rounds,
        record.whole_rounds,
        record.peak_bytes.billed,
        record.peak_bytes.measured,
    ];
    let all = each.into_iter().chain(phases.iter().map(|phase| phase.rounds));
    if let Some(count) = all.into_iter().find(|count| *count > MOST) {
        return Some(format!("a count of {count} is more than 2^53"));
    }
    let done = record.n.checked_mul(record.depth).filter(|done| (1..=MOST).contains(done));
    if done.is_none() {
        return Some(format!("{} rows, {} times each", record.n, record.depth));
    }
    let sent = |phase: &&Phase| {
        phase.bytes_sent.iter().try_fold(0_u64, |sum, bytes| sum.checked_add(*bytes))
    };
    let fits = phases.iter().all(|phase| sent(phase).is_some_and(|sum| sum <= MOST));
    (!fits).then(|| "its parties send more than 2^53 bytes".into())
}

fn figures(record: &Record) -> Option<String> {
    let good = |value: f64| (0.0..=LARGEST).contains(&value);
    for phase in [&record.setup, &record.online] {
        let spread = &phase.seconds;
        let ordered = spread.min <= spread.median && spread.median <= spread.max;
        if !(good(spread.min) && good(spread.max) && ordered) {
            let [min, median, max] = [spread.min, spread.median, spread.max];
            return Some(format!("times of {min}, {median} and {max} s are none"));
        }
    }
    if let Some(other) = record.references.iter().find(|other| !good(other.value)) {
        return Some(format!("a reference of {}", other.value));
    }
    if let Some(limit) = record.limit.as_ref().filter(|l| !(good(l.seconds) && good(l.share))) {
        return Some(format!(
            "a limit of {} s, of which {} is reached",
            limit.seconds, limit.share
        ));
    }
    match record.link {
        LinkRecord::Simulated { one_way_ms, mbit_per_s }
            if !(good(one_way_ms) && good(mbit_per_s) && mbit_per_s > 0.0) =>
        {
            Some(format!("a link of {one_way_ms} ms and {mbit_per_s} Mbit/s"))
        }
        _ => None,
    }
}

fn words(record: &Record) -> Option<String> {
    let Record { name, task, about, circuit, engine, build, machine, .. } = record;
    if circuit.len() != 64 || !circuit.chars().all(|c| c.is_ascii_hexdigit()) {
        return Some(format!("{circuit:?} is no digest of a circuit"));
    }
    let fixed = [name, task, about, engine, &record.adversary.behaviour, &machine.cpu]
        .into_iter()
        .chain([&machine.system, &build.version, &build.profile, &build.digest])
        .chain(&machine.instructions)
        .chain(record.peers.iter().flatten())
        .chain(&record.triples)
        .chain(record.limit.iter().map(|limit| &limit.of));
    let references = record.references.iter().flat_map(|r| [&r.id, &r.name, &r.unit]);
    let steers = |c: char| {
        let direction = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        c.is_control() || direction
    };
    for text in fixed.chain(references) {
        if text.chars().any(steers) {
            return Some(format!("{text:?} has characters that are not printed"));
        }
        if text.chars().count() > LONGEST {
            return Some(format!("a text of more than {LONGEST} characters"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tacit_mpc::EngineKind;

    use crate::{Plain, Record, References, Setting, Work, compare, csv, html, markdown};

    fn record(link: &str) -> Value {
        let plain = Plain { transfer: 1e9, round: 1e-4 };
        let references = References { aes: 1e9, copy: 1e9, quic: plain, tcp: plain, parties: 3 };
        let (work, link) = (Work::named("mul").unwrap(), link.parse().unwrap());
        let engine = EngineKind::Additive;
        let setting = Setting { work, n: 10, engine, parties: 3, link, repeat: 2, time: None };
        let mut record = setting.measure(&references).unwrap();
        record.peers = Some(vec!["a 127.0.0.1:1".into()]);
        serde_json::to_value(record).unwrap()
    }

    /// Pointers to all numbers or texts of a document.
    fn places(value: &Value, at: &str, fits: fn(&Value) -> bool, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                fields.iter().for_each(|(k, v)| places(v, &format!("{at}/{k}"), fits, found));
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items.for_each(|(i, v)| places(v, &format!("{at}/{i}"), fits, found));
            }
            other if fits(other) => found.push(at.to_owned()),
            _ => {}
        }
    }

    /// Every document with one number or text replaced by another.
    fn altered(fits: fn(&Value) -> bool, others: &[Value], mut each: impl FnMut(&str, &Value)) {
        for link in ["memory", "wan"] {
            let record = record(link);
            let mut found = Vec::new();
            places(&record, "", fits, &mut found);
            assert!(found.len() > 10);
            for place in &found {
                for other in others {
                    let mut altered = record.clone();
                    *altered.pointer_mut(place).unwrap() = other.clone();
                    each(place, &altered);
                }
            }
        }
    }

    fn read(value: &Value) -> crate::Result<Record> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        std::fs::write(&path, value.to_string()).unwrap();
        Record::read(&path)
    }

    #[test]
    fn a_record_with_any_number_altered_is_refused_or_shown() {
        let most = u64::MAX;
        let others =
            [json!(0), json!(-1), json!(1e308), json!(1e-308), json!(most), json!(1_u64 << 53)];
        let (mut shown, mut refused) = (0, 0);
        altered(Value::is_number, &others, |place, value| {
            let Ok(record) = read(value) else {
                refused += 1;
                return;
            };
            shown += 1;
            let other = Record { n: 20, ..record.clone() };
            let both = [record, other];
            for text in [html(&both), markdown(&both), csv(&both)] {
                assert!(!text.contains("NaN"), "{place}: {text}");
            }
            compare(&both, &both).unwrap();
        });
        assert!(shown > 50 && refused > 100, "{shown} shown, {refused} refused");
        for (place, value) in
            [("/n", json!(0)), ("/n", json!(1_u64 << 60)), ("/online/seconds/min", json!(-1))]
        {
            let mut value_of = record("memory");
            *value_of.pointer_mut(place).unwrap() = value;
            let error = read(&value_of).unwrap_err().to_string();
            assert!(error.contains("a.json"), "{error}");
        }
    }

    #[test]
    fn words_of_a_record_are_no_part_of_the_page() {
        let script = json!("\"><script>alert(1)</script><svg onload='x'>|&");
        altered(Value::is_string, &[script], |place, value| {
            let Ok(record) = read(value) else { return };
            let both = [Record { n: 20, ..record.clone() }, record];
            for text in [html(&both), markdown(&both)] {
                assert!(
                    !text.contains("<script") && !text.contains("<svg onload"),
                    "{place}: {text}"
                );
            }
        });
        altered(Value::is_string, &[json!("=1+2"), json!("@x")], |place, value| {
            let Ok(record) = read(value) else { return };
            let text = csv(&[record]);
            assert!(!text.contains("\"=1") && !text.contains("\"@x"), "{place}: {text}");
        });
        for steers in ["a\u{1b}[2Jb", "a\nb", "a\u{202e}b"] {
            altered(Value::is_string, &[json!(steers)], |place, value| {
                assert!(read(value).is_err(), "{place}");
            });
        }
    }
}
