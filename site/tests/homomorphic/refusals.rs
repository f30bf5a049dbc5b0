//! Questions on `fhe` that a party does not take part in, and what it says.

use std::fs;

use tacit_governance::{
    KeySet, Outcome, Timestamp, Verify, keyset,
    phases::Step,
    session::{Ask, Code, Failure, PROTOCOL_VERSION},
};
use tacit_plan::Digest;
use tacit_site::{Config, Site};

use crate::{SQL, alone, common::World, courier::Courier, keys, world};

/// A folder of keys with the right form and nothing in it.
fn mock(world: &World) {
    let study = keys::study(world);
    let (path, now) = (world.study(), Timestamp::now());
    let mut draft = KeySet::draft(&study, &path, Digest([7; 32]), "none", now).unwrap();
    for part in [keyset::SERVER, keyset::PUBLIC, keyset::CRS, keyset::CALIBRATION] {
        draft.part(part, part.as_bytes()).unwrap();
    }
    for name in study.engines().fhe.clone().unwrap().holders {
        draft.share(&name, b"share").unwrap();
    }
    draft.finish(&keys::key(world, "dealer"), false).unwrap();
}

fn request(world: &World, sql: &str) -> Ask {
    Ask {
        version: PROTOCOL_VERSION,
        study: keys::study(world).digest(),
        session: [1; 32],
        engine: "fhe".into(),
        sql: sql.into(),
        dry_run: false,
    }
}

fn refusal(world: &World, name: &str, sql: &str) -> Failure {
    let asked = Courier::opened(world, name, &request(world, sql));
    let failure = asked.err().expect("it took part");
    let record = world.receipts(name).pop().unwrap();
    let Outcome::Refused { reason } = record.outcome else { panic!("{record:?}") };
    assert!(reason.contains(&failure.message));
    failure
}

#[test]
fn without_keys_a_site_says_who_makes_them_and_serves_the_other_engines() {
    let mut world = world(Verify::Reevaluate);
    world.start_all();
    let failure = refusal(&world, "site1", SQL);
    assert_eq!((failure.code, failure.culprit.as_deref()), (Code::Study, Some("site1")));
    for word in ["no keys for fhe", "dealer", "tacit study keys"] {
        assert!(failure.message.contains(word), "{failure}");
    }
    let rep3 = world.client().dry_run(SQL, None).unwrap();
    assert!(rep3.parties.iter().all(|party| party.ready), "{rep3:?}");
}

#[test]
fn the_dealer_takes_no_part_in_questions_on_fhe() {
    let mut world = world(Verify::Reevaluate);
    world.start(&world.config("dealer"));
    let failure = refusal(&world, "dealer", SQL);
    assert_eq!(failure.code, Code::Policy);
    assert!(failure.message.contains("dealer has no part in the engine fhe"), "{failure}");
    assert!(!world.home("dealer").join("fhe.redb").exists());
}

#[test]
fn a_study_without_fhe_is_asked_in_vain_and_gets_no_store() {
    let mut world = World::new(3, 3);
    world.start(&world.config("site1"));
    let failure = refusal(&world, "site1", SQL);
    assert_eq!(failure.code, Code::Policy);
    assert!(failure.message.contains("does not allow the engine \"fhe\""), "{failure}");
    assert!(!world.home("site1").join("fhe.redb").exists());
}

#[test]
fn keys_of_another_study_are_refused_with_both_digests() {
    let (other, mut world) = (world(Verify::Reevaluate), world(Verify::Reevaluate));
    mock(&other);
    fs::rename(KeySet::folder(&other.study()), KeySet::folder(&world.study())).unwrap();
    world.start(&world.config("site1"));
    let failure = refusal(&world, "site1", SQL);
    assert_eq!(failure.code, Code::Study);
    assert!(failure.message.contains("made for another study"), "{failure}");
    for world in [&other, &world] {
        assert!(failure.message.contains(&keys::study(world).digest().short()), "{failure}");
    }
}

#[test]
fn a_damaged_file_of_keys_is_named() {
    let mut world = world(Verify::Reevaluate);
    mock(&world);
    let folder = KeySet::folder(&world.study());
    fs::write(folder.join(keyset::CRS), b"crz").unwrap();
    world.start(&world.config("site1"));
    let failure = refusal(&world, "site1", SQL);
    assert!(failure.message.contains("crs was altered or damaged"), "{failure}");
    fs::remove_file(folder.join(keyset::SERVER)).unwrap();
    let failure = refusal(&world, "site1", SQL);
    assert!(failure.message.contains("server.key is missing"), "{failure}");
}

#[test]
fn a_question_that_opens_more_than_the_noise_has_room_for_is_refused_before_anything_runs() {
    let mut world = world(Verify::Reevaluate);
    world.start(&world.config("site1"));
    let sql = "SELECT age, ward, sex, COUNT(*) AS n, SUM(age) AS years, SUM(weight) AS kg \
               FROM visits GROUP BY age, ward, sex";
    let failure = refusal(&world, "site1", sql);
    assert_eq!(failure.code, Code::Query, "{failure}");
    assert!(failure.message.contains("ciphertexts"), "{failure}");
    assert!(failure.message.contains("rep3, additive"), "{failure}");
}

#[test]
fn a_store_that_is_damaged_or_used_by_another_process_stops_the_start() {
    let world = world(Verify::Reevaluate);
    let store = world.home("site1").join("fhe.redb");
    fs::write(&store, b"no store".repeat(1000)).unwrap();
    let error = Site::open(&world.config("site1")).unwrap_err();
    assert_eq!(error.code(), "state");
    let error = error.to_string();
    assert!(error.contains("fhe.redb") && error.contains("last good copy"), "{error}");
    fs::remove_file(&store).unwrap();
    let first = Site::open(&world.config("site1")).unwrap();
    // Another service with receipts of its own, over the same state.
    let mut config = world.config("site1");
    config.receipts = world.home("site1").join("other.jsonl");
    config.listen = Some(([127, 0, 0, 1], 0).into());
    let error = Site::open(&config).unwrap_err().to_string();
    assert!(error.contains("another process uses it"), "{error}");
    drop(first);
}

/// Starts a site anew with something changed.
fn anew(world: &mut World, name: &str, change: impl FnOnce(&mut Config)) {
    world.stop(name);
    let mut config = world.config(name);
    config.limits.refusals_per_minute = 1000;
    change(&mut config);
    world.start(&config);
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn limits_quotas_lost_shares_and_sessions_of_others_are_refused_with_what_to_do() {
    let _alone = alone();
    let mut world = world(Verify::Reevaluate);
    keys::deal(&world);
    anew(&mut world, "site1", |config| config.limits.memory_mib = 100);
    let failure = refusal(&world, "site1", SQL);
    assert_eq!(failure.code, Code::Policy);
    assert!(failure.message.contains("limits.memory_mib"), "{failure}");
    let cells = "SELECT age, COUNT(*) AS n FROM visits GROUP BY age";
    anew(&mut world, "site1", |config| config.limits.fhe_minutes = 1);
    let failure = refusal(&world, "site1", cells);
    assert!(failure.message.contains("limits.fhe_minutes"), "{failure}");

    anew(&mut world, "site1", |config| {
        config.queries_per_day = Some(1);
        config.refuse.columns = vec!["weight".into()];
    });
    let failure = refusal(&world, "site1", "SELECT SUM(weight) AS kg FROM visits");
    assert_eq!(failure.code, Code::Policy, "{failure}");
    let courier = Courier::new(&world, SQL, 1);
    let rehearsal = courier.ask_with("site1", &courier.request(true)).unwrap();
    let talk = courier.ask("site1").unwrap();
    assert_eq!((talk.bill, &talk.agreement.parties), (rehearsal.bill, &courier.parties.names()));
    assert_eq!(talk.agreement.keys, courier.keys);
    let made = talk.make(Step::Enter).unwrap();
    drop(talk);
    let again = courier.ask("site1").unwrap().make(Step::Enter).unwrap();
    assert_eq!(again, made, "a session that goes on debits nothing");
    let quota = Courier::new(&world, SQL, 2).ask("site1").err().unwrap();
    assert_eq!(quota.code, Code::Quota);
    // Somebody else, or something else, under the same session.
    let other = Courier::of(&world, "other", SQL, 1).ask("site1").err().unwrap();
    assert!(other.message.contains("another analyst's"), "{other}");
    let text = "SELECT COUNT(*) AS n FROM visits WHERE age >= 51";
    let other = Courier::new(&world, text, 1).ask("site1").err().unwrap();
    assert!(other.message.contains("of another text"), "{other}");

    let share = KeySet::open(&keys::study(&world), &world.study()).unwrap().share("site1");
    let whole = fs::read(&share).unwrap();
    fs::remove_file(&share).unwrap();
    for bytes in [None, Some(&whole[..whole.len() / 2])] {
        if let Some(bytes) = bytes {
            fs::write(&share, bytes).unwrap();
        }
        let failure = Courier::new(&world, SQL, 1).ask("site1").err().unwrap();
        assert_eq!((failure.code, failure.culprit.as_deref()), (Code::Study, Some("site1")));
        for word in ["site1.share", "can be decrypted any more", "new keys"] {
            assert!(failure.message.contains(word), "{failure}");
        }
    }
    fs::write(&share, &whole).unwrap();
    assert_eq!(Courier::new(&world, SQL, 1).ask("site1").unwrap().state.uploads, [1]);
}
