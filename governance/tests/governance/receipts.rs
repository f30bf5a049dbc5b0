use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use proptest::prelude::*;
use tacit_governance::{Error, Outcome, Receipts, Record, Timestamp, receipts};
use tacit_plan::Digest;

fn record(number: u8, time: &str, outcome: Outcome) -> Record {
    let time: Timestamp = time.parse().unwrap();
    let mut record = Record::new(time, &[number; 32], "analyst", outcome);
    record.sql = format!("SELECT {number}\nFROM t -- \"quoted\"");
    record.bill = Some(serde_json::json!({ "rounds": 14 }));
    record
}

fn released(number: u8) -> Record {
    record(number, "2026-06-01T12:00:00Z", Outcome::Released)
}

fn written(path: &Path, count: u8) -> Vec<Digest> {
    let mut receipts = Receipts::open(path).unwrap();
    (0..count).map(|number| receipts.append(&released(number)).unwrap()).collect()
}

fn first_bad_line(path: &Path) -> u64 {
    match receipts::verify(path, &[]) {
        Err(Error::Receipts { line, .. }) => line,
        other => panic!("{other:?}"),
    }
}

#[test]
fn receipts_chain_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipts.jsonl");
    let hashes = written(&path, 3);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut reopened = Receipts::open(&path).unwrap();
    assert_eq!((reopened.count(), reopened.last(), reopened.note()), (3, hashes[2], None));
    let last = reopened.append(&released(3)).unwrap();
    let report = receipts::verify(&path, &hashes).unwrap();
    assert_eq!((report.receipts, report.last, report.torn), (4, last, 0));
    let mut seen = Vec::new();
    receipts::read(&path, &mut |entry| {
        seen.push(entry);
        Ok(())
    })
    .unwrap();
    assert_eq!(seen[1].record, released(1));
    assert_eq!(seen[1].previous, seen[0].hash);
    // Anybody can check a hash: it is the SHA-256 of the line.
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(Digest::of_bytes(text.lines().next().unwrap().as_bytes()), hashes[0]);
}

#[test]
fn a_changed_dropped_doubled_or_moved_line_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipts.jsonl");
    written(&path, 4);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let bad = |lines: &[&str]| {
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        assert!(Receipts::open(&path).is_err());
        first_bad_line(&path)
    };
    let altered = lines[1].replace("SELECT 1", "SELECT 9");
    assert_eq!(bad(&[lines[0], &altered, lines[2], lines[3]]), 3);
    assert_eq!(bad(&[lines[0], lines[2], lines[3]]), 2);
    assert_eq!(bad(&[lines[0], lines[1], lines[1], lines[2]]), 3);
    assert_eq!(bad(&[lines[1], lines[0], lines[2], lines[3]]), 1);
    assert_eq!(bad(&[lines[0], "", lines[1]]), 2);
    assert_eq!(bad(&["{}"]), 1);
}

#[test]
fn a_cut_or_rewritten_end_shows_by_the_receipts_that_were_given_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipts.jsonl");
    let hashes = written(&path, 3);
    let text = fs::read_to_string(&path).unwrap();
    let two: String = text.split_inclusive('\n').take(2).collect();
    fs::write(&path, two).unwrap();
    assert!(receipts::verify(&path, &[]).is_ok());
    let error = receipts::verify(&path, &hashes).unwrap_err();
    assert!(error.to_string().contains("was cut off"), "{error}");
    // A fork: another third line.
    Receipts::open(&path).unwrap().append(&released(8)).unwrap();
    assert!(receipts::verify(&path, &hashes[..2]).is_ok());
    assert!(receipts::verify(&path, &hashes).is_err());
}

#[test]
fn a_torn_last_line_is_moved_aside_and_the_chain_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipts.jsonl");
    let hashes = written(&path, 3);
    let bytes = fs::read(&path).unwrap();
    let torn = &bytes[..bytes.len() - 20];
    fs::write(&path, torn).unwrap();
    assert!(receipts::verify(&path, &[]).unwrap().torn > 0);
    let mut receipts = Receipts::open(&path).unwrap();
    assert!(receipts.note().unwrap().contains("cut off"));
    assert_eq!((receipts.count(), receipts.last()), (2, hashes[1]));
    assert!(folder.path().join("receipts.jsonl.torn-2").exists());
    receipts.append(&released(2)).unwrap();
    drop(receipts);
    assert_eq!(receipts::verify(&path, &hashes).unwrap().receipts, 3);
    assert_eq!(Receipts::open(&path).unwrap().note(), None);
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipts.jsonl");
    let first = Receipts::open(&path).unwrap();
    assert!(matches!(Receipts::open(&path), Err(Error::Locked(_))));
    drop(first);
    assert!(Receipts::open(&path).is_ok());
}

#[test]
fn a_place_that_cannot_be_written_is_a_typed_error() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Receipts::open(&folder.path().join("none/receipts.jsonl"));
    assert!(matches!(missing, Err(Error::Io { .. })));
    assert!(matches!(Receipts::open(folder.path()), Err(Error::Io { .. })));
    let path = folder.path().join("receipts.jsonl");
    let mut receipts = Receipts::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let error = receipts.append(&released(0)).unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
    assert_eq!(receipts.count(), 0);
}

#[test]
fn queries_of_a_day_are_counted_from_disk_and_each_session_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipts.jsonl");
    let failed = || Outcome::Failed { reason: "north is gone".into() };
    let mut receipts = Receipts::open(&path).unwrap();
    for record in [
        record(1, "2026-05-31T23:59:59Z", Outcome::Released),
        record(2, "2026-06-01T00:00:00Z", Outcome::Released),
        record(2, "2026-06-01T00:00:01Z", failed()),
        record(3, "2026-06-01T10:00:00Z", Outcome::Cancelled),
        record(4, "2026-06-01T11:00:00Z", Outcome::Refused { reason: "quota".into() }),
        Record { analyst: "other".into(), ..record(5, "2026-06-01T12:00:00Z", Outcome::Released) },
    ] {
        receipts.append(&record).unwrap();
    }
    let count = |receipts: &Receipts, time: &str| {
        receipts.queries_on(Digest([0; 32]), "analyst", time.parse().unwrap())
    };
    assert_eq!(count(&receipts, "2026-06-01T23:00:00Z"), 2);
    drop(receipts);
    let receipts = Receipts::open(&path).unwrap();
    assert_eq!(count(&receipts, "2026-06-01T23:00:00Z"), 2);
    assert_eq!(count(&receipts, "2026-05-31T01:00:00Z"), 1);
    assert_eq!(count(&receipts, "2026-06-02T00:00:00Z"), 0);
    assert_eq!(
        receipts.queries_on(Digest([0; 32]), "other", "2026-06-01T00:00:00Z".parse().unwrap()),
        1
    );
}

#[test]
fn a_session_that_is_used_again_is_another_query() {
    let folder = tempfile::tempdir().unwrap();
    let mut receipts = Receipts::open(&folder.path().join("receipts.jsonl")).unwrap();
    for second in 0..3 {
        let time = format!("2026-06-01T10:00:0{second}Z");
        receipts.append(&record(1, &time, Outcome::Released)).unwrap();
    }
    let now = "2026-06-01T11:00:00Z".parse().unwrap();
    assert_eq!(receipts.queries_on(Digest([0; 32]), "analyst", now), 3);
}

#[test]
fn later_phases_of_a_query_are_no_queries_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipts.jsonl");
    let phase = |session, phase: &str, outcome| Record {
        phase: Some(phase.to_owned()),
        ..record(session, "2026-06-01T10:00:00Z", outcome)
    };
    let failed = || Outcome::Failed { reason: "too little memory".into() };
    let mut receipts = Receipts::open(&path).unwrap();
    for record in [
        phase(1, "enter", Outcome::Released),
        phase(1, "evaluate", failed()),
        phase(1, "evaluate", Outcome::Released),
        phase(1, "decrypt", Outcome::Refused { reason: "another result".into() }),
        phase(1, "decrypt", Outcome::Released),
        // A key holder that was asked to decrypt what it did not enter for.
        phase(2, "decrypt", Outcome::Released),
        phase(3, "enter", failed()),
        phase(4, "enter", Outcome::Refused { reason: "quota".into() }),
    ] {
        receipts.append(&record).unwrap();
    }
    let count = |receipts: &Receipts| {
        let now = "2026-06-01T11:00:00Z".parse().unwrap();
        receipts.queries_on(Digest([0; 32]), "analyst", now)
    };
    assert_eq!(count(&receipts), 2, "sessions 1 and 3");
    drop(receipts);
    assert_eq!(count(&Receipts::open(&path).unwrap()), 2);
    let mut phases = Vec::new();
    receipts::read(&path, &mut |entry| {
        phases.extend(entry.record.phase);
        Ok(())
    })
    .unwrap();
    assert_eq!(phases.len(), 8);
}

#[test]
fn days_of_a_clock_that_ran_ahead_do_not_hide_the_present_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut receipts = Receipts::open(&folder.path().join("receipts.jsonl")).unwrap();
    for (session, day) in ["2030-01-01", "2030-01-02", "2030-01-03"].iter().enumerate() {
        let time = format!("{day}T10:00:00Z");
        receipts.append(&record(session as u8, &time, Outcome::Released)).unwrap();
    }
    receipts.append(&record(9, "2026-06-01T10:00:00Z", Outcome::Released)).unwrap();
    let now = "2026-06-01T11:00:00Z".parse().unwrap();
    assert_eq!(receipts.queries_on(Digest([0; 32]), "analyst", now), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn a_flipped_bit_is_found_by_the_chain_or_by_the_hashes(at in 0_usize..10_000, bit in 0..8) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("receipts.jsonl");
        let hashes = written(&path, 2);
        let mut bytes = fs::read(&path).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1_u8 << bit;
        fs::write(&path, &bytes).unwrap();
        prop_assert!(receipts::verify(&path, &hashes).is_err());
    }

    #[test]
    fn hostile_files_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("receipts.jsonl");
        fs::write(&path, &bytes).unwrap();
        let _ = receipts::verify(&path, &[]);
        let _ = Receipts::open(&path);
    }
}

#[test]
fn a_file_that_was_moved_away_or_replaced_gets_no_more_receipts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipts.jsonl");
    let aside = folder.path().join("old.jsonl");
    let mut receipts = Receipts::open(&path).unwrap();
    receipts.append(&released(0)).unwrap();
    fs::rename(&path, &aside).unwrap();
    let moved = receipts.append(&released(1)).unwrap_err().to_string();
    assert!(moved.contains("deleted or moved away"), "{moved}");
    fs::copy(&aside, &path).unwrap();
    let replaced = receipts.append(&released(1)).unwrap_err().to_string();
    assert!(replaced.contains("another file was put in its place"), "{replaced}");
    assert_eq!((receipts.count(), fs::read(&path).unwrap()), (1, fs::read(&aside).unwrap()));
    fs::rename(&aside, &path).unwrap();
    receipts.append(&released(1)).unwrap();
}

#[test]
fn a_torn_line_never_overwrites_an_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipts.jsonl");
    written(&path, 1);
    let whole = fs::read(&path).unwrap();
    for torn in ["first", "second", "third"] {
        fs::write(&path, [&whole, torn.as_bytes()].concat()).unwrap();
        Receipts::open(&path).unwrap();
    }
    for (name, torn) in [("torn-1", "first"), ("torn-1-1", "second"), ("torn-1-2", "third")] {
        let kept = folder.path().join(format!("receipts.jsonl.{name}"));
        assert_eq!(fs::read_to_string(kept).unwrap(), torn);
    }
}

#[test]
fn queries_are_counted_for_each_study() {
    let folder = tempfile::tempdir().unwrap();
    let mut receipts = Receipts::open(&folder.path().join("receipts.jsonl")).unwrap();
    for study in [1, 2, 2] {
        let mut record = released(receipts.count() as u8);
        record.study = Digest([study; 32]);
        receipts.append(&record).unwrap();
    }
    let now = "2026-06-01T20:00:00Z".parse().unwrap();
    let queries = [1, 2, 3].map(|study| receipts.queries_on(Digest([study; 32]), "analyst", now));
    assert_eq!(queries, [1, 2, 0]);
}
