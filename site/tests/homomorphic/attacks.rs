//! Parcels that do not belong, from a courier, a site or an evaluator that cheats.

use tacit_governance::{
    KeySet, Outcome, Verify,
    phases::{CHUNK, Kind, Parcel, Step},
    session::{Code, Failure, Reply, Request},
};
use tacit_he::{
    EvaluationKeys, Program, PublicKeys, Squashed, accept, encrypt, evaluate,
    keys::{Origin, Scope},
};
use tacit_mpc::{Builder, Column, Num};

use crate::{
    NARROW, SQL, alone,
    common::World,
    courier::{Courier, Made, Talk},
    keys, refused, world,
};

/// All public keys, as every party has them.
fn public(world: &World) -> PublicKeys {
    let set = KeySet::open(&keys::study(world), &world.study()).unwrap();
    let scope = Scope::new(set.study.0, set.holders.len()).unwrap();
    PublicKeys::from_parts(scope, Origin::Dealer, set.keys.0, &set.parts().unwrap()).unwrap()
}

fn patient(world: &mut World, names: &[&str]) {
    for name in names {
        let mut config = world.config(name);
        config.limits.refusals_per_minute = 1000;
        world.start(&config);
    }
}

/// Zeros for every field, encrypted with proofs: a valid upload of a site that lies.
fn lie(courier: &Courier<'_>, public: &PublicKeys, name: &str) -> Vec<u8> {
    let fields = courier.fields(name);
    let columns: Vec<Column> =
        fields.iter().map(|field| Column::Num(vec![0; field.shape.rows])).collect();
    let index = courier.index(name);
    encrypt(&public.encryption(), &courier.proofs(), index, fields, &columns).unwrap()
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn uploads_that_do_not_belong_are_refused_with_the_reason_and_a_receipt() {
    let _alone = alone();
    let mut world = world(Verify::Reevaluate);
    keys::deal(&world);
    patient(&mut world, &["site1", "site3"]);
    let world = &world;
    let (courier, other) = (Courier::new(world, SQL, 1), Courier::new(world, SQL, 2));
    let made = courier.ask("site3").unwrap().make(Step::Enter).unwrap();
    let elsewhere = other.ask("site3").unwrap().make(Step::Enter).unwrap();
    let (parcel, bytes) = (&made.parcel, &made.bytes);
    let give = |parcel: &Parcel, bytes: &[u8]| -> Failure {
        let failure = courier.ask("site1").unwrap().give(parcel, bytes).unwrap_err();
        let reason = refused(world, "site1", "decrypt");
        assert!(reason.contains(&failure.message), "{reason}: {failure}");
        failure
    };
    let forged = |name: &str, bytes: &[u8]| give(&courier.forge(Kind::Upload, name, bytes), bytes);
    let says = |failure: &Failure, word: &str, culprit: Option<&str>| {
        assert!(failure.message.contains(word), "{word}: {failure}");
        assert_eq!(failure.culprit.as_deref(), culprit, "{failure}");
    };
    // A courier that alters what it carries, or takes it from another question.
    let wrong = Parcel { signature: vec![7; 64], ..parcel.clone() };
    says(&give(&wrong, bytes), "not what site3 made", None);
    says(&give(&elsewhere.parcel, &elsewhere.bytes), "not what site3 made", None);
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    says(&give(parcel, &flipped), "not its own", None);
    let talk = courier.ask("site1").unwrap();
    talk.step(Step::Give(parcel.clone()));
    talk.step(Step::Chunk(bytes[..1000].to_vec()));
    says(&talk.make(Step::Decrypt).unwrap_err(), "cut short: 1000 of", None);
    let talk = courier.ask("site1").unwrap();
    talk.step(Step::Give(parcel.clone()));
    says(&talk.make(Step::Chunk(vec![0; CHUNK + 1])).unwrap_err(), "a chunk of", None);
    let talk = courier.ask("site1").unwrap();
    says(&talk.make(Step::Chunk(vec![1])).unwrap_err(), "not announced", None);
    // A site that copies another's, sends one of another question, or nonsense of its own.
    says(&forged("site2", bytes), "a proof of encryption does not hold", Some("site2"));
    says(&forged("site3", &elsewhere.bytes), "a proof of encryption does not hold", Some("site3"));
    says(&forged("site3", &bytes[..bytes.len() - 1]), "not readable", Some("site3"));
    says(&forged("site3", &[bytes, &[0][..]].concat()), "behind its end", Some("site3"));
    let most = tacit_he::limit(courier.fields("site3")) as usize;
    says(&forged("site3", &vec![0; most + 1]), "take at most", Some("site3"));
    says(&forged("site3", &vec![9; 3000]), "not readable", Some("site3"));
    // Another question under the same session, whose circuit is the same: what was asked there, or by
    // whom, is not what this party has approved.
    let (asked, shown) = (Courier::new(world, NARROW, 3), Courier::new(world, SQL, 3));
    assert_eq!(asked.program.circuit(), shown.program.circuit());
    let narrow = asked.ask("site3").unwrap().make(Step::Enter).unwrap();
    let give =
        |parcel: &Parcel| shown.ask("site1").unwrap().give(parcel, &narrow.bytes).unwrap_err();
    says(&give(&narrow.parcel), "not what site3 made", None);
    let signed = shown.forge(Kind::Upload, "site3", &narrow.bytes);
    says(&give(&signed), "a proof of encryption does not hold", Some("site3"));
    // Nothing of it was kept; the right one is taken, and only it.
    let talk = courier.ask("site1").unwrap();
    assert!(talk.state.uploads.is_empty());
    talk.give(parcel, bytes).unwrap();
    talk.give(parcel, bytes).unwrap();
    drop(talk);
    let second = lie(&courier, &public(world), "site3");
    says(&forged("site3", &second), "a second, different upload of site3", Some("site3"));
    assert_eq!(courier.ask("site1").unwrap().state.uploads, [3]);
    roles(&courier, &made);
}

/// What each party does not do.
fn roles(courier: &Courier<'_>, made: &Made) {
    let says = |name: &str, word: &str, asks: &dyn Fn(&Talk) -> Failure| {
        let before = courier.world.receipts(name).len();
        let failure = asks(&courier.ask(name).unwrap());
        assert_eq!(failure.code, Code::Policy, "{failure}");
        assert!(failure.message.contains(word), "{failure}");
        let record = courier.world.receipts(name).pop().unwrap();
        assert_eq!(courier.world.receipts(name).len(), before + 1, "{word}");
        let Outcome::Refused { reason } = record.outcome else { panic!("{record:?}") };
        assert!(reason.contains(word), "{reason}");
    };
    says("site3", "takes no upload", &|talk| talk.give(&made.parcel, &made.bytes).unwrap_err());
    says("site3", "holds no share", &|talk| talk.make(Step::Decrypt).unwrap_err());
    says("site1", "site0 does", &|talk| talk.make(Step::Evaluate).unwrap_err());
    let part = courier.forge(Kind::Part, "site2", b"part");
    says("site1", "analyst alone", &|talk| talk.give(&part, b"part").unwrap_err());
    let result = courier.forge(Kind::Result, "site2", b"result");
    says("site1", "makes no result", &|talk| talk.give(&result, b"result").unwrap_err());
    let missing = courier.ask("site1").unwrap();
    missing.step(Step::Decrypt);
    let Reply::Failed(failure) = missing.reply() else { panic!() };
    assert!(failure.message.contains("the result of site0"), "{failure}");
}

/// Evaluates in the evaluator's place.
fn cheat(
    courier: &Courier<'_>,
    keys: &EvaluationKeys,
    public: &PublicKeys,
    uploads: &[Made],
    program: &Program,
) -> Squashed {
    let encryption = public.encryption();
    let accepted: Vec<_> = uploads
        .iter()
        .map(|made| {
            let from = made.parcel.from as usize;
            let fields = &courier.program.fields()[from];
            accept(&encryption, &courier.proofs(), from, fields, &made.bytes).unwrap()
        })
        .collect();
    evaluate(keys, program, &accepted, 0, &|_, _| true).unwrap()
}

/// The result with its first ciphertexts replaced.
fn spliced(result: &Squashed, leak: &Squashed, from: usize) -> Squashed {
    let (mut bytes, leak) = (result.to_bytes(), leak.to_bytes());
    let from = 8 + from * tacit_he::SQUASHED_BYTES;
    let length = (leak.len() - from).min(tacit_he::SQUASHED_BYTES).min(bytes.len() - 8);
    bytes[8..8 + length].copy_from_slice(&leak[from..from + length]);
    Squashed::from_bytes(&bytes, result.len(), "evaluator").unwrap()
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn an_evaluator_that_returns_an_input_or_an_intermediate_value_is_refused_and_logged() {
    let _alone = alone();
    let mut world = world(Verify::Reevaluate);
    keys::deal(&world);
    patient(&mut world, &["site0", "site1", "site2", "site3"]);
    let world = &world;
    let courier = Courier::new(world, SQL, 1);
    let names = ["site0", "site1", "site2", "site3"];
    let uploads: Vec<Made> =
        names.iter().map(|name| courier.ask(name).unwrap().make(Step::Enter).unwrap()).collect();
    // The evaluator opens what one site entered, and the sum before small ones are hidden.
    let leak = {
        let fields = courier.program.fields();
        let mut b = Builder::new();
        let mut firsts = Vec::new();
        for (party, fields) in fields.iter().enumerate() {
            for (slot, field) in fields.iter().enumerate() {
                let column: Num = b.enter(party, field.shape.rows);
                if slot == 0 {
                    firsts.push(column);
                }
            }
        }
        let sum = firsts[1..].iter().fold(firsts[0], |sum, &next| b.add(sum, next));
        b.reveal(firsts[3], courier.parties.analyst, "input");
        b.reveal(sum, courier.parties.analyst, "sum");
        Program::new(&b.finish(), fields).unwrap()
    };
    let public = public(world);
    let keys = public.evaluation().unwrap();
    let right = cheat(&courier, &keys, &public, &uploads, &courier.program);
    let leaked = cheat(&courier, &keys, &public, &uploads, &leak);
    drop(keys);
    let talk = courier.ask("site1").unwrap();
    for made in uploads.iter().filter(|made| made.parcel.from != 1) {
        talk.give(&made.parcel, &made.bytes).unwrap();
    }
    drop(talk);
    let give = |squashed: &Squashed| {
        let bytes = squashed.summary().to_bytes();
        let parcel = courier.forge(Kind::Result, "site0", &bytes);
        let talk = courier.ask("site1").unwrap();
        talk.give(&parcel, &bytes).map(|()| talk)
    };
    for (what, at) in [("input", 0), ("sum", leaked.len() - 1)] {
        let talk = give(&spliced(&right, &leaked, at)).unwrap();
        let failure = talk.make(Step::Decrypt).unwrap_err();
        assert_eq!(failure.culprit.as_deref(), Some("site0"), "{what}");
        let due = "what the evaluator sent is not the plan's result";
        assert!(failure.message.contains(due), "{what}: {failure}");
        assert!(refused(world, "site1", "decrypt").contains(due), "{what}");
        let state = courier.ask("site1").unwrap().state;
        assert!(!state.part && !state.result, "{what}");
    }
    // Who evaluated properly is believed: both rounded the same.
    let part = give(&right).unwrap().make(Step::Decrypt).unwrap();
    assert_eq!(part.parcel.kind, Kind::Part);
    // The plan is decrypted, and stays so.
    let failure = give(&spliced(&right, &leaked, 0)).err().unwrap();
    assert!(failure.message.contains("a second, different result"), "{failure}");
    assert!(refused(world, "site1", "decrypt").contains("a second, different result"));
    assert_eq!(courier.ask("site1").unwrap().make(Step::Decrypt).unwrap(), part);
    let said = courier.ask("site1").unwrap();
    said.say(&Request::Start { epochs: vec![] });
    said.say(&Request::Ask(courier.request(false)));
    assert!(matches!(said.reply(), Reply::Failed(failure) if failure.code == Code::Message));
}
