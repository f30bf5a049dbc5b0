//! The whole way, with kills in every phase.

use std::fs;

use tacit_governance::{
    Outcome, Verify,
    phases::{Kind, Step},
    session::{Code, Request},
};

use crate::{
    SQL, alone,
    child::Process,
    common::{CANARY, World},
    courier::{Courier, Made},
    keys, refused, world,
};

const SITES: [&str; 4] = ["site0", "site1", "site2", "site3"];

/// How often a site wrote that a phase was released.
fn released(world: &World, name: &str, phase: &str) -> usize {
    let records = world.receipts(name).into_iter();
    let of_phase = records.filter(|record| record.phase.as_deref() == Some(phase));
    of_phase.filter(|record| record.outcome == Outcome::Released).count()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Enters at every site, killed while it enters, or after it has, or not at all.
fn enter(world: &World, courier: &Courier<'_>) -> Vec<Made> {
    let mut uploads = Vec::new();
    for name in SITES {
        let mut site = Process::start(world, name);
        if name == "site1" {
            courier.ask(name).unwrap().step(Step::Enter);
            site.kill();
            site = Process::start(world, name);
        }
        let talk = courier.ask(name).unwrap();
        let made = talk.make(Step::Enter).unwrap();
        if name == "site0" {
            drop(talk);
            site.kill();
            site = Process::start(world, name);
            let talk = courier.ask(name).unwrap();
            assert_eq!(talk.state.uploads, [0]);
            assert_eq!(talk.make(Step::Enter).unwrap(), made, "the very same bytes");
        }
        assert_eq!(released(world, name, "enter"), 1, "{name}");
        uploads.push(made);
        drop(site);
    }
    uploads
}

/// Gives all uploads but its own.
fn give(courier: &Courier<'_>, name: &str, uploads: &[Made]) {
    let talk = courier.ask(name).unwrap();
    for made in uploads {
        let from = made.parcel.from;
        if !talk.state.uploads.contains(&from) {
            talk.give(&made.parcel, &made.bytes).unwrap();
        }
    }
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn killed_in_every_phase_a_question_goes_on_and_nothing_is_decrypted_twice() {
    let _alone = alone();
    let world = world(Verify::Reevaluate);
    let shares = keys::deal(&world);
    let courier = Courier::new(&world, SQL, 1);
    // No two sites are there at the same time.
    let uploads = enter(&world, &courier);

    // The evaluator is killed while it evaluates; then the analyst leaves, and it goes on.
    let site = Process::start(&world, "site0");
    give(&courier, "site0", &uploads);
    let talk = courier.ask("site0").unwrap();
    talk.step(Step::Evaluate);
    talk.evaluating();
    site.kill();
    let site = Process::start(&world, "site0");
    let talk = courier.ask("site0").unwrap();
    assert_eq!(talk.state.uploads, [0, 1, 2, 3], "what was given is kept");
    talk.step(Step::Evaluate);
    talk.evaluating();
    drop(talk);
    let talk = courier.ask("site0").unwrap();
    let result = talk.make(Step::Evaluate).unwrap();
    assert_eq!(result.parcel.kind, Kind::Result);
    assert_eq!(talk.make(Step::Evaluate).unwrap(), result);
    // It evaluates once: to decrypt, it compares with what it has.
    talk.step(Step::Decrypt);
    let mut parts = vec![talk.made_at_once()];
    drop(site);

    // A key holder is killed while it evaluates again, and after it has decrypted.
    let site = Process::start(&world, "site1");
    give(&courier, "site1", &uploads);
    let talk = courier.ask("site1").unwrap();
    let early = talk.make(Step::Decrypt).unwrap_err();
    assert!(early.message.contains("the result of site0 was not given"), "{}", early.message);
    let talk = courier.ask("site1").unwrap();
    talk.give(&result.parcel, &result.bytes).unwrap();
    talk.step(Step::Decrypt);
    talk.evaluating();
    site.kill();
    let [store, old, last] = ["fhe.redb", "old", "last"].map(|file| world.home("site1").join(file));
    fs::copy(&store, &old).unwrap();
    let site = Process::start(&world, "site1");
    let talk = courier.ask("site1").unwrap();
    assert!(talk.state.result && !talk.state.part, "{:?}", talk.state);
    let part = talk.make(Step::Decrypt).unwrap();
    assert_eq!(talk.make(Step::Decrypt).unwrap(), part);
    site.kill();
    let site = Process::start(&world, "site1");
    let talk = courier.ask("site1").unwrap();
    assert!(talk.state.part);
    assert_eq!(talk.make(Step::Decrypt).unwrap(), part, "given again, not made again");
    parts.push(part);
    drop(site);

    // Its store from before it decrypted is put back: its receipts know better.
    fs::rename(&store, &last).unwrap();
    fs::copy(&old, &store).unwrap();
    let site = Process::start(&world, "site1");
    let talk = courier.ask("site1").unwrap();
    assert!(!talk.state.part);
    let failure = talk.make(Step::Decrypt).unwrap_err();
    assert_eq!((failure.code, failure.culprit.as_deref()), (Code::Policy, Some("site1")));
    assert!(failure.message.contains("an old copy of fhe.redb was put back"), "{failure}");
    assert!(
        refused(&world, "site1", "decrypt").contains("decrypted its part of this question before")
    );
    drop(site);
    fs::rename(&last, &store).unwrap();

    // Another one has spent the plan when its receipt cannot be written, so nothing leaves; and is
    // killed then.
    let site = Process::start(&world, "site2");
    give(&courier, "site2", &uploads);
    let talk = courier.ask("site2").unwrap();
    talk.give(&result.parcel, &result.bytes).unwrap();
    let (log, aside) =
        (world.home("site2").join("receipts.jsonl"), world.home("site2").join("aside"));
    // A copy in the place of the log is read, and not written to.
    fs::rename(&log, &aside).unwrap();
    fs::copy(&aside, &log).unwrap();
    let failure = talk.make(Step::Decrypt).unwrap_err();
    assert_eq!(failure.code, Code::Receipt, "{failure}");
    site.kill();
    fs::rename(&aside, &log).unwrap();
    assert_eq!(released(&world, "site2", "decrypt"), 0);
    let site = Process::start(&world, "site2");
    let talk = courier.ask("site2").unwrap();
    assert!(talk.state.part, "it was decrypted");
    talk.step(Step::Decrypt);
    parts.push(talk.made_at_once());
    // Ended, it keeps nothing but that it was decrypted.
    talk.say(&Request::Cancel);
    assert!(matches!(talk.reply(), tacit_governance::session::Reply::Failed(_)));
    let ended = courier.ask("site2").err().unwrap();
    assert!(ended.message.contains("has ended"), "{}", ended.message);
    drop(site);

    let parts: Vec<Vec<u8>> = parts.into_iter().map(|made| made.bytes).collect();
    assert_eq!(courier.release(&result.bytes, &parts), world.pooled(SQL));
    assert_eq!(released(&world, "site0", "evaluate"), 1);
    for name in &SITES[..3] {
        assert_eq!(released(&world, name, "decrypt"), 1, "{name}");
    }
    // A site's own sum of weights, in tenths, is encrypted and kept.
    let site = Process::start(&world, "site3");
    let weights = Courier::new(&world, "SELECT SUM(weight) AS kg FROM visits", 7);
    weights.ask("site3").unwrap().make(Step::Enter).unwrap();
    drop(site);
    nothing_secret(&world, &shares);
    nothing_entered(&world, "site3");
}

/// Nothing that is written holds a site's own sum of weights.
fn nothing_entered(world: &World, name: &str) {
    let visits = fs::read_to_string(world.home(name).join("visits.csv")).unwrap();
    let weights = visits.lines().skip(1).filter_map(|row| row.split(',').nth(2));
    let tenths = weights.filter_map(|weight| weight.replace('.', "").parse::<u64>().ok());
    let sum = tenths.sum::<u64>();
    assert!(sum > 100_000, "large enough not to be there by accident: {sum}");
    let decimal = format!("{}.{}", sum / 10, sum % 10);
    let needles = [sum.to_le_bytes().to_vec(), sum.to_string().into(), decimal.into()];
    for file in ["fhe.redb", "receipts.jsonl", "log"] {
        let bytes = fs::read(world.home(name).join(file)).unwrap();
        for needle in &needles {
            assert!(!contains(&bytes, needle), "{file} of {name} holds what it entered");
        }
    }
}

/// Nothing that is written holds free text, a word of a share, or a signing key.
fn nothing_secret(world: &World, shares: &[tacit_he::KeyShare]) {
    let mut needles = vec![CANARY.as_bytes().to_vec()];
    for share in shares {
        needles.extend(
            tacit_he::testing::words(share).iter().take(8).map(|w| w.to_le_bytes().to_vec()),
        );
    }
    for name in SITES {
        needles.push(keys::key(world, name).seed().to_vec());
    }
    // A share's words are small in one of them alone: look for what cannot be there by accident.
    needles.retain(|needle| needle.iter().filter(|byte| **byte != 0).count() > 8);
    for name in SITES {
        for file in ["fhe.redb", "receipts.jsonl", "log"] {
            let bytes = fs::read(world.home(name).join(file)).unwrap();
            assert!(!bytes.is_empty(), "{file} of {name}");
            for needle in &needles {
                assert!(!contains(&bytes, needle), "{file} of {name} holds a secret");
            }
        }
    }
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn a_trusted_evaluator_is_believed_and_no_ciphertext_is_decrypted_in_two_plans() {
    let _alone = alone();
    let mut world = world(Verify::Trust);
    keys::deal(&world);
    world.start_all();
    let courier = Courier::new(&world, SQL, 1);
    let uploads: Vec<Made> =
        SITES.iter().map(|name| courier.ask(name).unwrap().make(Step::Enter).unwrap()).collect();
    give(&courier, "site0", &uploads);
    let result = courier.ask("site0").unwrap().make(Step::Evaluate).unwrap();
    let mut parts = Vec::new();
    for name in &SITES[..3] {
        give(&courier, name, &uploads);
        let talk = courier.ask(name).unwrap();
        talk.give(&result.parcel, &result.bytes).unwrap();
        talk.step(Step::Decrypt);
        parts.push(talk.made_at_once().bytes);
    }
    let due = courier.program.released();
    let squashed = tacit_he::Squashed::from_bytes(&result.bytes, due, "evaluator").unwrap();
    assert_eq!(courier.combine(&squashed.summary(), &parts), world.pooled(SQL));
    let record = world.receipts("site1").pop().unwrap();
    assert!(record.security.contains("evaluator: semi-honest"), "{}", record.security);
    assert!(record.security.contains("keys: trusted dealer, CRS: trusted dealer"));

    // The evaluator gives the same ciphertexts out as the result of another question.
    let other = Courier::new(&world, SQL, 2);
    let again: Vec<Made> =
        SITES.iter().map(|name| other.ask(name).unwrap().make(Step::Enter).unwrap()).collect();
    give(&other, "site1", &again);
    let replayed = other.forge(Kind::Result, "site0", &result.bytes);
    let talk = other.ask("site1").unwrap();
    talk.give(&replayed, &result.bytes).unwrap();
    let failure = talk.make(Step::Decrypt).unwrap_err();
    assert!(failure.message.contains("decrypted before, in another plan"), "{failure}");
    assert_eq!(failure.culprit.as_deref(), Some("site0"));
    let record = world.receipts("site1").pop().unwrap();
    assert_eq!(record.phase.as_deref(), Some("decrypt"));
    let Outcome::Refused { reason } = record.outcome else { panic!("{record:?}") };
    assert!(reason.contains("decrypted before"), "{reason}");
}
