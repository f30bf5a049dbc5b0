//! The courier among parties that play their roles, or do not.

mod world;

use std::time::{Duration, Instant};

use tacit_governance::{SessionParties, Verify, phases::Kind, session::Code};
use tacit_plan::Value;

use self::world::{SITES, SQL, Trick, World, plan};
use super::{Prepared, board::Item, due, job::Facts};
use crate::{Answer, Backend, Cancel, Client, Cost, Error, Progress, Result};

fn ask(client: &Client) -> Result<Answer> {
    client.ask(SQL, Some(Backend::Fhe), &mut |_| (), &Cancel::new())
}

fn resume(client: &Client) -> Result<Answer> {
    let session = client.open_jobs().unwrap()[0].session.clone();
    client.resume(&session[..6], &mut |_| (), &Cancel::new())
}

/// The answer is the pooled one, and its receipt says what was run.
#[track_caller]
fn assert_right(answer: &Answer) {
    assert_eq!(answer.table.rows.len(), 1);
    assert_eq!(answer.table.rows[0][0].value, Value::Integer(42));
    let receipt = answer.receipt.as_ref().unwrap();
    assert_eq!(receipt.ledger, receipt.bill);
    assert_eq!(receipt.engine, Backend::Fhe);
}

/// Everything that has to be made, once each.
fn everything(world: &World) -> Vec<Item> {
    let client = world.client();
    let session = SessionParties::of(client.study(), "fhe", "ada").unwrap();
    due(&Prepared::new(client.study(), &plan(&client, SQL), &session).unwrap())
}

#[test]
fn an_answer_says_whose_keys_and_which_evaluator_it_trusted_and_what_was_carried() {
    let world = World::serving(&["north", "south"], Verify::Reevaluate);
    let client = world.client();
    let mut told = Vec::new();
    let answer =
        client.ask(SQL, Some(Backend::Fhe), &mut |p| told.push(p), &Cancel::new()).unwrap();
    assert_right(&answer);
    let receipt = answer.receipt.unwrap();
    assert_eq!(receipt.keys.as_deref(), Some("trusted dealer"));
    assert_eq!(receipt.crs.as_deref(), Some("trusted dealer"));
    assert_eq!(receipt.evaluator.as_deref(), Some("reevaluated by every key holder"));
    assert_eq!(receipt.security, "semi-honest, all but one of the key holders (1 of 2)");
    let phases: Vec<(String, &str)> =
        receipt.phases.iter().map(|phase| (phase.party.clone(), &*phase.phase)).collect();
    let due = [
        ("north", "enter"),
        ("south", "enter"),
        ("east", "enter"),
        ("north", "evaluate"),
        ("north", "decrypt"),
        ("south", "decrypt"),
    ];
    assert_eq!(phases, due.map(|(party, phase)| (party.to_owned(), phase)));
    assert_eq!(receipt.receipts["south/decrypt"], format!("{}", tacit_plan::Digest([1; 32])));
    assert_eq!(receipt.receipts.len(), 6);
    // What the courier takes from one it gives to others.
    let bytes = |name: &str| {
        let party = receipt.ledger.parties.iter().find(|party| party.party == name).unwrap();
        (party.sent, party.received)
    };
    let (sent, received): (Vec<u64>, Vec<u64>) = SITES.iter().map(|name| bytes(name)).unzip();
    assert_eq!(bytes("ada"), (received.iter().sum(), sent.iter().sum()));
    assert_eq!(bytes("east").1, 0, "who neither evaluates nor holds a key is given nothing");
    assert_eq!(world.made(), everything(&world));
    for due in [
        Progress::Made { party: "north".into(), what: "result".into(), ready: 1, due: 1 },
        Progress::Evaluating { party: "north".into(), again: false, done: 1, total: 2 },
        Progress::Releasing,
    ] {
        assert!(told.contains(&due), "{due:?} in {told:?}");
    }
}

#[test]
fn an_answer_stays_until_it_is_closed_and_is_had_again_without_asking_anybody() {
    let mut world = World::serving(&["north", "south"], Verify::Reevaluate);
    let client = world.client();
    let first = ask(&client).unwrap();
    for name in SITES {
        world.stop(name);
    }
    let again = resume(&client).unwrap();
    assert_eq!(again.table, first.table);
    let open = client.open_jobs().unwrap();
    assert!(open[0].missing.is_empty());
    client.close(&open[0].session).unwrap();
    assert!(client.open_jobs().unwrap().is_empty());
    let error = client.resume(&open[0].session, &mut |_| (), &Cancel::new()).unwrap_err();
    assert_eq!(error.code(), "usage");
}

#[test]
fn a_trusted_evaluator_gives_all_ciphertexts_and_is_named() {
    let world = World::serving(&["south", "east"], Verify::Trust);
    world.tricks("east", &[Trick::OtherArithmetic]);
    let answer = ask(&world.client()).unwrap();
    assert_right(&answer);
    let receipt = answer.receipt.unwrap();
    assert_eq!(receipt.evaluator.as_deref(), Some("semi-honest"));
    let east = receipt.ledger.parties.iter().find(|party| party.party == "east").unwrap();
    assert!(east.received > tacit_he::SQUASHED_BYTES as u64);
}

#[test]
fn an_absent_site_is_waited_for_named_and_the_question_goes_on_when_it_is_back() {
    let mut world = World::serving(&["north", "south"], Verify::Reevaluate);
    world.stop("east");
    let client = world.client();
    let mut told = Vec::new();
    let error =
        client.ask(SQL, Some(Backend::Fhe), &mut |p| told.push(p), &Cancel::new()).unwrap_err();
    assert_eq!((error.code(), error.party()), ("waiting", Some("east")));
    let text = error.to_string();
    assert!(text.contains("east to encrypt its part (east cannot be reached at"), "{text}");
    let waited = told.iter().any(|progress| match progress {
        Progress::Waiting { parties } => parties.iter().any(|awaited| awaited.party == "east"),
        _ => false,
    });
    assert!(waited, "{told:?}");
    let open = client.open_jobs().unwrap();
    let due =
        ["the upload of east", "the result of north", "the part of north", "the part of south"];
    assert_eq!(open[0].missing, due);
    assert!(error.advice().unwrap().contains(&open[0].session[..8]), "{:?}", error.advice());
    world.start("east");
    assert_right(&resume(&client).unwrap());
    assert_eq!(world.made(), everything(&world), "nothing was made twice");
}

#[test]
fn a_site_that_has_sent_its_part_need_not_be_there() {
    let world = World::serving(&["north", "south"], Verify::Reevaluate);
    world.tricks("east", &[Trick::Leaves(Kind::Upload)]);
    assert_right(&ask(&world.client()).unwrap());
}

#[test]
fn an_absent_key_holder_is_waited_for_until_the_days_of_the_study_are_over() {
    let world = World::serving(&["north", "east"], Verify::Reevaluate);
    world.tricks("east", &[Trick::Leaves(Kind::Upload)]);
    let client = world.client();
    let error = ask(&client).unwrap_err();
    assert_eq!((error.code(), error.party()), ("waiting", Some("east")));
    assert_eq!(client.open_jobs().unwrap()[0].missing, ["the part of east"]);
    // As if it had been asked long ago.
    let session = client.open_jobs().unwrap()[0].session.clone();
    let path = world.jobs().join(&session).join("job.json");
    let mut facts: Facts = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    facts.asked = "2020-01-01T00:00:00Z".to_owned();
    std::fs::write(&path, serde_json::to_vec(&facts).unwrap()).unwrap();
    assert!(client.open_jobs().unwrap()[0].overdue);
    let error = resume(&client).unwrap_err();
    assert_eq!(error.code(), "overdue");
    let text = error.to_string();
    assert!(text.contains("9 days") && text.contains("missing: the part of east"), "{text}");
    assert!(client.open_jobs().unwrap().is_empty());
}

#[test]
fn a_party_that_comes_while_it_is_waited_for_is_noticed() {
    let mut world = World::serving(&["north", "south"], Verify::Reevaluate);
    world.stop("south");
    let mut client = world.client();
    client.set_wait(Duration::from_mins(1));
    let waiting = std::thread::spawn(move || (ask(&client), client));
    let begin = Instant::now();
    while world.made().len() < 2 && begin.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    world.start("south");
    let (answer, _client) = waiting.join().unwrap();
    assert_right(&answer.unwrap());
}

#[test]
fn a_question_is_gone_on_with_after_each_phase_and_nothing_is_made_twice() {
    let world = World::serving(&["north", "south"], Verify::Reevaluate);
    for (kind, count) in [
        (None, 0),
        (Some(Kind::Upload), 1),
        (Some(Kind::Upload), 3),
        (Some(Kind::Result), 1),
        (Some(Kind::Part), 1),
    ] {
        for name in SITES {
            *world.kept(name) = world::Kept::default();
        }
        let client = world.client();
        let cancel = Cancel::new();
        let mut leave = |progress: Progress| {
            let left = match (&progress, kind) {
                (Progress::Asking { .. }, None) => true,
                (Progress::Made { what, ready, .. }, Some(kind)) => {
                    *what == kind.to_string() && *ready == count
                }
                _ => false,
            };
            if left {
                cancel.cancel();
            }
        };
        let error = client.ask(SQL, Some(Backend::Fhe), &mut leave, &cancel).unwrap_err();
        assert_eq!(error.code(), "cancelled", "{error}");
        assert!(error.advice().unwrap().contains("--resume"));
        let answer = resume(&world.client()).unwrap();
        assert_right(&answer);
        // What was asked for when it was left may be asked for again, and is the same.
        let mut made = world.made();
        made.dedup();
        assert_eq!(made, everything(&world), "{kind:?} {count}");
        client.close(&answer.receipt.unwrap().session).unwrap();
    }
}

#[test]
fn other_keys_at_a_party_are_told_before_anything_is_made() {
    let world = World::serving(&["north", "south"], Verify::Reevaluate);
    world.tricks("south", &[Trick::OtherKeys]);
    // The others would have had the time to enter.
    for name in ["north", "east"] {
        world.tricks(name, &[Trick::Refuses(Code::Busy)]);
    }
    let client = world.client();
    let error = ask(&client).unwrap_err();
    assert_eq!((error.code(), error.party()), ("config_mismatch", Some("south")));
    let text = error.to_string();
    assert!(text.contains("differ in the keys") && text.contains("0707") && text.contains("0808"));
    assert!(error.advice().unwrap().contains("copy the folder"), "{:?}", error.advice());
    assert!(world.made().is_empty());
    assert!(client.open_jobs().unwrap().is_empty(), "it is not left open");
}

#[test]
fn machines_that_round_differently_are_told_before_anything_is_evaluated() {
    let world = World::serving(&["north", "south"], Verify::Reevaluate);
    world.tricks("south", &[Trick::OtherArithmetic]);
    let error = ask(&world.client()).unwrap_err();
    assert_eq!(error.code(), "config_mismatch");
    let text = error.to_string();
    assert!(text.contains("south and north differ in the arithmetic"), "{text}");
    let advice = error.advice().unwrap();
    assert!(advice.contains("verify = \"trust\"") && advice.contains("equal vector units"));
    assert!(!world.made().iter().any(|(kind, _)| *kind == Kind::Result));
    // Who neither evaluates nor holds a key may have any machine.
    let world = World::serving(&["north", "south"], Verify::Reevaluate);
    world.tricks("east", &[Trick::OtherArithmetic]);
    assert_right(&ask(&world.client()).unwrap());
}

#[test]
fn what_is_altered_short_long_forged_or_replayed_is_refused_from_whoever_sent_it() {
    for (party, kind) in [("east", Kind::Upload), ("north", Kind::Result), ("south", Kind::Part)] {
        let world = World::serving(&["north", "south"], Verify::Reevaluate);
        for (trick, due) in [
            (Trick::Altered(kind), "not its own"),
            (Trick::Short(kind), "bytes, and the bill says"),
            (Trick::Long(kind), "bytes, and the bill says"),
            (Trick::Endless(kind), "a chunk of"),
            (Trick::Forged(kind), "signature"),
            (Trick::Replayed(kind), "signature"),
        ] {
            for name in SITES {
                *world.kept(name) = world::Kept::default();
            }
            world.tricks(party, std::slice::from_ref(&trick));
            let client = world.client();
            let error = ask(&client).unwrap_err();
            assert_eq!((error.code(), error.party()), ("abort", Some(party)), "{trick:?} {error}");
            assert!(error.to_string().contains(due), "{trick:?} {error}");
            for job in client.open_jobs().unwrap() {
                assert!(job.missing.contains(&format!("the {kind} of {party}")), "{trick:?}");
                client.give_up(&job.session).unwrap();
            }
        }
    }
}

#[test]
fn a_part_that_adds_up_to_nothing_is_no_answer() {
    let world = World::serving(&["north", "south"], Verify::Reevaluate);
    world.tricks("south", &[Trick::Garbage]);
    let error = ask(&world.client()).unwrap_err();
    assert_eq!(error.code(), "abort");
    let text = error.to_string();
    assert!(text.contains("one of the key holders north, south"), "{text}");
}

#[test]
fn a_party_that_has_forgotten_what_it_made_is_noticed() {
    let mut world = World::serving(&["north", "south"], Verify::Reevaluate);
    world.stop("east");
    let client = world.client();
    ask(&client).unwrap_err();
    *world.kept("south") = world::Kept::default();
    world.start("east");
    let error = resume(&client).unwrap_err();
    assert_eq!((error.code(), error.party()), ("forgotten", Some("south")));
    assert!(error.to_string().contains("its store is new"), "{error}");
}

#[test]
fn what_was_altered_on_disk_is_told_and_asked_for_again_once_it_is_gone() {
    let mut world = World::serving(&["north", "south"], Verify::Reevaluate);
    world.stop("east");
    let client = world.client();
    ask(&client).unwrap_err();
    let session = client.open_jobs().unwrap()[0].session.clone();
    let path = world.jobs().join(session).join("south.upload");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    // It was given to north before, and lies there as it was.
    *world.kept("north") = world::Kept { uploads: [0].into(), ..world::Kept::default() };
    world.start("east");
    let error = resume(&client).unwrap_err();
    assert_eq!(error.code(), "job", "{error}");
    assert!(error.to_string().contains("remove it, and south gives it again"), "{error}");
    std::fs::remove_file(&path).unwrap();
    assert_right(&resume(&client).unwrap());
}

#[test]
fn a_refusal_ends_the_question_everywhere_and_a_busy_party_is_waited_for() {
    let world = World::serving(&["north", "south"], Verify::Reevaluate);
    world.tricks("south", &[Trick::Refuses(Code::Policy)]);
    for name in ["north", "east"] {
        world.tricks(name, &[Trick::Refuses(Code::Busy)]);
    }
    let client = world.client();
    let error = ask(&client).unwrap_err();
    assert_eq!((error.code(), error.party()), ("policy", Some("south")));
    assert!(client.open_jobs().unwrap().is_empty());
    world.tricks("south", &[Trick::Refuses(Code::Busy)]);
    let error = ask(&client).unwrap_err();
    assert_eq!(error.code(), "waiting");
    assert!(error.to_string().contains("cannot now: it is not wanted"), "{error}");
    for name in SITES {
        world.tricks(name, &[]);
    }
    assert_right(&resume(&client).unwrap());
}

#[test]
fn who_names_another_one_as_the_culprit_is_named_with_its_word() {
    let world = World::serving(&["north", "south"], Verify::Reevaluate);
    world.tricks("south", &[Trick::Blames("north")]);
    let error = ask(&world.client()).unwrap_err();
    assert_eq!(error.party(), Some("north"));
    assert!(error.to_string().contains("it cheats (south says so)"), "{error}");
    // Itself, or one that the question does not know: the word is its own.
    for name in ["south", "nobody"] {
        world.tricks("south", &[Trick::Blames(name)]);
        let error = ask(&world.client()).unwrap_err();
        assert_eq!(error.party(), Some("south"));
        assert!(!error.to_string().contains("says so"), "{error}");
    }
}

#[test]
fn a_question_that_is_given_up_ends_at_all_parties_that_knew_it() {
    let mut world = World::serving(&["north", "south"], Verify::Reevaluate);
    world.tricks("south", &[Trick::Leaves(Kind::Upload)]);
    world.stop("east");
    let client = world.client();
    ask(&client).unwrap_err();
    let session = client.open_jobs().unwrap()[0].session.clone();
    let given_up = client.give_up(&session[..4]).unwrap();
    assert_eq!((given_up.session, given_up.told), (session, vec!["north".to_owned()]));
    assert_eq!(given_up.not_told.len(), 1, "east never heard of it");
    assert_eq!(given_up.not_told[0].0, "south");
    assert!(world.kept("north").cancelled);
    assert!(client.open_jobs().unwrap().is_empty());
}

#[test]
fn a_dry_run_asks_everybody_and_keeps_nothing() {
    let mut world = World::serving(&["north", "south"], Verify::Reevaluate);
    world.stop("east");
    let client = world.client();
    let dry = client.dry_run(SQL, Some(Backend::Fhe)).unwrap();
    let ready: Vec<bool> = dry.parties.iter().map(|party| party.ready).collect();
    assert_eq!((dry.engine, ready), (Backend::Fhe, vec![true, true, false]));
    assert!(dry.bill.bytes() > 0);
    assert!(client.open_jobs().unwrap().is_empty() && world.made().is_empty());
}

#[test]
fn a_question_of_another_study_is_not_gone_on_with() {
    let mut world = World::serving(&["north", "south"], Verify::Reevaluate);
    world.stop("east");
    let client = world.client();
    ask(&client).unwrap_err();
    let session = client.open_jobs().unwrap()[0].session.clone();
    let path = world.jobs().join(&session).join("job.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let study = client.study().digest().to_string();
    std::fs::write(&path, text.replace(&study, &"00".repeat(32))).unwrap();
    let error = resume(&client).unwrap_err();
    assert_eq!(error.code(), "usage");
    assert!(error.to_string().contains("of another study"), "{error}");
    let keys = "07".repeat(32);
    std::fs::write(&path, text.replace(&keys, &"09".repeat(32))).unwrap();
    let error = resume(&client).unwrap_err();
    assert_eq!(error.code(), "not_allowed");
    assert!(error.to_string().contains("the keys of this question was"), "{error}");
}

#[test]
fn an_explanation_prices_encrypted_columns_beside_shares() {
    let world = World::new(&["north", "south"], Verify::Reevaluate);
    let client = Client::open_study(&world.folder.path().join("study.toml")).unwrap();
    let explanation = client.explain(SQL, &[]).unwrap();
    let engines: Vec<String> =
        explanation.engines.iter().map(|engine| engine.engine.to_string()).collect();
    assert_eq!(engines, ["additive", "fhe"]);
    let fhe = &explanation.engines[1];
    let encrypted = fhe.encrypted.as_ref().unwrap();
    assert_eq!(encrypted.key_holders, ["north", "south"]);
    assert_eq!((&*encrypted.evaluator, encrypted.wait_days), ("north", 9));
    assert!(encrypted.distance_bits <= -40 && encrypted.squashed > 0);
    let trust = encrypted.trust.join("\n");
    for due in ["north, south, all of them", "trusted dealer (dora)", "CRS", "reevaluated by every"]
    {
        assert!(trust.contains(due), "{due} in {trust}");
    }
    let bytes = |phase: &crate::EncryptedPhase| -> (u64, u64) {
        (phase.made.iter().sum(), phase.given.iter().sum())
    };
    let (made, given) =
        encrypted.phases.iter().map(bytes).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    let Cost { parties, .. } = &fhe.bill;
    let analyst = parties.last().unwrap();
    assert_eq!((analyst.received, analyst.sent), (made, given));
    let time = encrypted.time.as_ref().unwrap();
    assert!(time.evaluator > 0.1 && time.holder > 0.1, "{time:?}");
    assert!(time.assumptions[0].contains("measured by dora"), "{time:?}");
    assert_eq!(fhe.seconds.len(), 2);
    assert!(fhe.learns.iter().any(|one| one.who == "dora (dealer)"));
    // Without keys as well: bytes are exact all the same.
    std::fs::remove_dir_all(world.folder.path().join("study.keys")).unwrap();
    let again = client.explain(SQL, &[]).unwrap();
    assert_eq!(again.engines[1].bill, fhe.bill);
    let guessed = again.engines[1].encrypted.as_ref().unwrap().time.as_ref().unwrap();
    assert!(guessed.assumptions[0].contains("are not here"), "{guessed:?}");
    assert!(guessed.evaluator > 0.1, "{guessed:?}");
    let json = serde_json::to_value(&again.engines[1]).unwrap();
    assert_eq!(json["engine"], "fhe");
    assert_eq!(json["encrypted"]["evaluator"], "north");
}

#[test]
fn too_many_cells_for_the_noise_are_told_with_who_takes_them() {
    let world = World::new(&["north", "south"], Verify::Reevaluate);
    let client = Client::open_study(&world.folder.path().join("study.toml")).unwrap();
    let sql = "SELECT ward, code, COUNT(*) AS n FROM visits GROUP BY ward, code";
    let explanation = client.explain(sql, &[]).unwrap();
    assert_eq!(explanation.engines.len(), 1);
    let unpriced = &explanation.unpriced[0];
    assert_eq!(unpriced.engine, Backend::Fhe);
    assert!(unpriced.reason.contains("no room for noise"), "{}", unpriced.reason);
    assert!(unpriced.reason.contains("--engine additive"), "{}", unpriced.reason);
    let error = client.circuit(sql, Some(Backend::Fhe));
    assert!(error.is_ok(), "the circuit itself can be looked at");
}

#[test]
fn an_instruction_that_the_evaluator_lacks_is_named_with_the_engines_that_have_it() {
    let world = World::new(&["north", "south"], Verify::Reevaluate);
    let client = world.client();
    let session = SessionParties::of(client.study(), "fhe", "ada").unwrap();
    // What `explain` and `query` say of a circuit. No question has one of these yet.
    let told = |circuit: tacit_mpc::Circuit| {
        let prepared = Prepared::of_circuit(client.study(), circuit, |_| 8, &session);
        let error = prepared.err().unwrap();
        assert_eq!(error.code(), "not_allowed");
        error.to_string()
    };
    let mut b = tacit_mpc::Builder::new();
    let x: tacit_mpc::Num = b.enter(0, 1);
    let mask = b.random(1);
    let masked = b.add(x, mask);
    b.reveal(masked, session.analyst, "masked");
    let random = told(b.finish());
    assert!(random.contains("lacks randomness (instruction 1 of the circuit)"), "{random}");
    let instead = "which the engines on shares have; ask with --engine additive";
    assert!(random.ends_with(instead), "{random}");
    // The study's engine on shares lacks this one, too.
    let mut b = tacit_mpc::Builder::new();
    let x: tacit_mpc::Num = b.enter(0, 4);
    let order = b.permutation();
    let (shuffled, _) = b.shuffle(order, &[x], &[]);
    b.reveal(shuffled[0], session.analyst, "shuffled");
    let shuffle = told(b.finish());
    assert!(shuffle.contains("(instruction 1 of the circuit)"), "{shuffle}");
    assert!(shuffle.ends_with("that the study allows has it"), "{shuffle}");
    let mut b = tacit_mpc::Builder::new();
    let x: tacit_mpc::Field = b.enter(0, 1);
    b.reveal(x, session.analyst, "x");
    let field = told(b.finish());
    assert!(
        field.contains("lacks columns of a prime field (instruction 0 of")
            && field.ends_with("that the study allows has it"),
        "{field}"
    );
}

#[test]
fn asking_without_keys_says_who_makes_them() {
    let world = World::serving(&["north", "south"], Verify::Reevaluate);
    std::fs::remove_dir_all(world.folder.path().join("study.keys")).unwrap();
    let error = ask(&world.client()).unwrap_err();
    assert!(matches!(error, Error::Governance(_)));
    assert!(error.to_string().contains("dora"), "{error}");
}
