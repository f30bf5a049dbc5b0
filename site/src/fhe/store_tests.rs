use std::{fs, os::unix::fs::PermissionsExt};

use tacit_governance::{KeyPair, phases::Scope};
use tempfile::TempDir;

use super::*;

const CAPS: Caps = Caps { open: 2, mib: 8 };
const NOW: i64 = 1_800_000_000;

fn open() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("fhe.redb"), NOW).unwrap();
    (folder, store)
}

/// The same file in a new process.
fn again(folder: &TempDir, store: Store, now: i64) -> Store {
    let path = store.path().to_owned();
    drop(store);
    assert_eq!(path.parent(), Some(folder.path()));
    Store::open(&path, now).unwrap()
}

fn question(analyst: &str) -> Question {
    Question {
        study: Digest([1; 32]),
        keys: Digest([2; 32]),
        analyst: analyst.into(),
        sql: "SELECT COUNT(*) FROM visits".into(),
        plan: Digest([3; 32]),
        circuit: Digest([4; 32]),
        asked: NOW,
        days: 30,
        needs: vec![
            (Slot::Parcel(Kind::Upload, 0), "north".into()),
            (Slot::Parcel(Kind::Upload, 1), "south".into()),
        ],
        makes: [Kind::Upload, Kind::Part].map(|kind| Slot::Parcel(kind, 0)).to_vec(),
        ended: None,
    }
}

fn parcel(kind: Kind, from: u32, bytes: &[u8]) -> Parcel {
    let digest = Digest([9; 32]);
    let scope = Scope { study: digest, keys: digest, question: digest, session: [9; 32] };
    Parcel::sign(&KeyPair::from_seed(&[from as u8 + 1; 32]), &scope, kind, from as usize, bytes)
}

fn upload(store: &Store, session: u8, from: u32, bytes: &[u8]) -> Result<(), Trouble> {
    let slot = Slot::Parcel(Kind::Upload, from);
    store.put(&[session; 32], slot, Some(&parcel(Kind::Upload, from, bytes)), bytes, CAPS)
}

#[test]
fn what_was_kept_is_there_after_a_restart_in_its_own_slot() {
    let (folder, store) = open();
    store.begin(&[1; 32], &question("a"), CAPS).unwrap();
    // More than one record.
    let long: Vec<u8> = (0..2 * PIECE + 17).map(|i| i as u8).collect();
    upload(&store, 1, 0, b"north").unwrap();
    upload(&store, 1, 256, &long).unwrap();
    store.put(&[1; 32], Slot::Own, None, b"own", CAPS).unwrap();
    let store = again(&folder, store, NOW);
    assert_eq!(store.question(&[1; 32]).unwrap(), Some(question("a")));
    assert_eq!(store.question(&[2; 32]).unwrap(), None);
    let (north, far) = (Slot::Parcel(Kind::Upload, 0), Slot::Parcel(Kind::Upload, 256));
    assert_eq!(store.bytes(&[1; 32], north).unwrap().unwrap(), b"north");
    assert_eq!(store.bytes(&[1; 32], far).unwrap().unwrap(), long);
    assert_eq!(store.bytes(&[1; 32], Slot::Own).unwrap().unwrap(), b"own");
    assert_eq!(store.parcel(&[1; 32], north).unwrap(), Some(parcel(Kind::Upload, 0, b"north")));
    assert_eq!(store.parcel(&[1; 32], Slot::Parcel(Kind::Result, 0)).unwrap(), None);
    assert_eq!(store.bytes(&[2; 32], north).unwrap(), None);
    assert_eq!(store.slots(&[1; 32]).unwrap(), [north, far, Slot::Own]);
}

#[test]
fn the_same_again_changes_nothing_and_another_one_is_refused() {
    let (_folder, store) = open();
    store.begin(&[1; 32], &question("a"), CAPS).unwrap();
    upload(&store, 1, 0, b"first").unwrap();
    upload(&store, 1, 0, b"first").unwrap();
    assert_eq!(upload(&store, 1, 0, b"other"), Err(Trouble::Other));
    let kept = store.bytes(&[1; 32], Slot::Parcel(Kind::Upload, 0)).unwrap();
    assert_eq!(kept.unwrap(), b"first");
}

#[test]
fn a_plan_is_spent_once_with_all_its_ciphertexts_or_not_at_all() {
    let (folder, store) = open();
    let (plan, other) = ([1; 32], [2; 32]);
    store.spend(&plan, &[[10; 32], [11; 32]], b"part").unwrap();
    assert_eq!(store.spend(&plan, &[[12; 32]], b"again"), Err(Trouble::Spent));
    assert_eq!(store.spend(&other, &[[13; 32], [11; 32]], b"spliced"), Err(Trouble::Spent));
    let store = again(&folder, store, NOW + 1000 * DAY);
    assert_eq!(store.part(&plan).unwrap().unwrap(), b"part");
    assert_eq!(store.part(&other).unwrap(), None);
    for (block, spent) in [(10, true), (11, true), (12, false), (13, false)] {
        assert_eq!(store.decrypted(&[block; 32]).unwrap(), spent, "{block}");
    }
}

#[test]
fn an_analyst_has_so_many_open_questions_and_the_next_one_its_own() {
    let (_folder, store) = open();
    store.begin(&[1; 32], &question("a"), CAPS).unwrap();
    store.begin(&[2; 32], &question("a"), CAPS).unwrap();
    let full = store.begin(&[3; 32], &question("a"), CAPS).unwrap_err();
    assert!(full.to_string().contains("limits.fhe_open"), "{full}");
    store.begin(&[4; 32], &question("b"), CAPS).unwrap();
    store.end(&[1; 32], "called off").unwrap();
    store.begin(&[3; 32], &question("a"), CAPS).unwrap();
    // One of which all has left that is made here is not open any more.
    let note = Note { receipt: Digest([5; 32]), seconds: 1.0 };
    store.set_note(&[2; 32], Slot::Parcel(Kind::Upload, 0), &note).unwrap();
    assert_eq!(store.begin(&[5; 32], &question("a"), CAPS).unwrap_err(), full);
    store.set_note(&[2; 32], Slot::Parcel(Kind::Part, 0), &note).unwrap();
    store.begin(&[5; 32], &question("a"), CAPS).unwrap();
}

#[test]
fn no_more_bytes_are_kept_than_may_be_and_ended_questions_give_theirs_back() {
    let (folder, store) = open();
    let caps = Caps { mib: 1, ..CAPS };
    let bytes = vec![7; 600 << 10];
    let put = |store: &Store, session: u8| {
        let upload = parcel(Kind::Upload, 0, &bytes);
        store.put(&[session; 32], Slot::Parcel(Kind::Upload, 0), Some(&upload), &bytes, caps)
    };
    store.begin(&[1; 32], &question("a"), CAPS).unwrap();
    store.begin(&[2; 32], &question("a"), CAPS).unwrap();
    put(&store, 1).unwrap();
    let full = put(&store, 2).unwrap_err();
    assert!(full.to_string().contains("limits.fhe_store_mib"), "{full}");
    let store = again(&folder, store, NOW);
    assert_eq!(store.room(600 << 10, caps).unwrap_err(), full, "told before it is made");
    store.room(400 << 10, caps).unwrap();
    assert_eq!(put(&store, 2), Err(full), "what is kept still counts after a restart");
    store.end(&[1; 32], "called off").unwrap();
    put(&store, 2).unwrap();
    store.forget(&[2; 32], Slot::Parcel(Kind::Upload, 0)).unwrap();
    put(&store, 2).unwrap();
}

#[test]
fn an_ended_question_keeps_its_reason_and_takes_nothing_more() {
    let (folder, store) = open();
    store.begin(&[1; 32], &question("a"), CAPS).unwrap();
    upload(&store, 1, 0, b"north").unwrap();
    let note = Note { receipt: Digest([5; 32]), seconds: 1.5 };
    store.set_note(&[1; 32], Slot::Parcel(Kind::Upload, 0), &note).unwrap();
    store.end(&[1; 32], "called off").unwrap();
    store.end(&[1; 32], "too old").unwrap();
    let store = again(&folder, store, NOW);
    assert_eq!(store.question(&[1; 32]).unwrap().unwrap().ended.unwrap(), "called off");
    assert!(store.slots(&[1; 32]).unwrap().is_empty());
    assert_eq!(store.note(&[1; 32], Slot::Parcel(Kind::Upload, 0)).unwrap(), None);
    assert_eq!(upload(&store, 1, 0, b"north"), Err(Trouble::Ended("called off".into())));
    assert!(matches!(upload(&store, 7, 0, b"north"), Err(Trouble::Ended(_))), "it was never asked");
}

#[test]
fn a_question_that_waited_too_long_ends_with_the_name_of_who_is_missing() {
    let (folder, store) = open();
    store.begin(&[1; 32], &question("a"), CAPS).unwrap();
    upload(&store, 1, 0, b"north").unwrap();
    store.spend(&[6; 32], &[[7; 32]], b"part").unwrap();
    assert_eq!(store.sweep(NOW + 30 * DAY - 1).unwrap(), 0);
    let store = again(&folder, store, NOW + 30 * DAY);
    let reason = store.question(&[1; 32]).unwrap().unwrap().ended.unwrap();
    assert!(reason.contains("30 days") && reason.contains("the upload of south"), "{reason}");
    assert!(!reason.contains("north"), "{reason}");
    assert_eq!(store.sweep(NOW + 60 * DAY).unwrap(), 1);
    assert_eq!(store.question(&[1; 32]).unwrap(), None);
    assert!(store.part(&[6; 32]).unwrap().is_some(), "what was decrypted is never forgotten");
}

#[test]
fn the_file_is_its_owners_alone_and_one_processs_at_a_time() {
    let (folder, store) = open();
    let mode = fs::metadata(store.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let error = Store::open(&folder.path().join("fhe.redb"), NOW).unwrap_err().to_string();
    assert!(error.contains("another process uses it"), "{error}");
}

#[test]
fn a_damaged_store_is_refused_with_what_it_means_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fhe.redb");
    for bytes in [b"something else entirely, and long enough".repeat(400), vec![0; 8192]] {
        fs::write(&path, &bytes).unwrap();
        let error = Store::open(&path, NOW).unwrap_err().to_string();
        for word in ["fhe.redb", "damaged", "last good copy", "new keys"] {
            assert!(error.contains(word), "{word}: {error}");
        }
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn a_store_that_cannot_be_written_is_an_error_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a file");
    fs::write(&path, "").unwrap();
    let error = Store::open(&path.join("fhe.redb"), NOW).unwrap_err().to_string();
    assert!(error.contains("fhe.redb"), "{error}");
}

#[test]
fn a_record_of_a_later_version_is_not_read() {
    let (_folder, store) = open();
    let change = store.change().unwrap();
    change.open_table(META).unwrap().insert(VERSION, 2).unwrap();
    change.commit().unwrap();
    let path = store.path().to_owned();
    drop(store);
    let error = Store::open(&path, NOW).unwrap_err().to_string();
    assert!(error.contains("version 2"), "{error}");
}

#[test]
fn a_session_is_one_question_of_one_analyst_under_one_set_of_keys() {
    let known = question("a");
    known.same(&Question { asked: 0, days: 1, ..known.clone() }).unwrap();
    let others = [
        (Question { analyst: "b".into(), ..known.clone() }, "another analyst's"),
        (Question { study: Digest([8; 32]), ..known.clone() }, "study"),
        (Question { sql: "SELECT 1".into(), ..known.clone() }, "text"),
        (Question { circuit: Digest([8; 32]), ..known.clone() }, "plan"),
        (Question { plan: Digest([8; 32]), ..known.clone() }, "plan"),
        (Question { keys: Digest([8; 32]), ..known.clone() }, "other keys"),
    ];
    for (other, word) in others {
        assert!(known.same(&other).unwrap_err().contains(word), "{word}");
    }
}
