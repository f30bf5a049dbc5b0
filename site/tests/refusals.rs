//! What a site refuses, and that it goes on serving.

mod common;

use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use common::{Terms, World, ask, proxy::Proxy};
use tacit_client::{Cancel, Client, Error, Progress};
use tacit_governance::{
    KeyPair, Outcome,
    session::{self, Ask, PROTOCOL_VERSION, Reply, Request},
};
use tacit_mpc::EngineKind;
use tacit_net::mesh::{Endpoint, Options, Peer, PublicKey, SecretKey};

const SQL: &str = "SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex";

fn peer(world: &World, name: &str) -> Peer {
    let party = world.document.parties.iter().find(|party| party.name == name).unwrap();
    Peer {
        name: name.to_owned(),
        key: PublicKey(*party.key.as_bytes()),
        address: party.address.clone(),
    }
}

fn endpoint(world: &World, name: &str) -> Endpoint {
    let key = KeyPair::load(&world.home(name).join("key")).unwrap();
    let mut options = Options::new(SecretKey::from_seed(*key.seed()));
    options.connect = Duration::from_secs(2);
    Endpoint::bind(options).unwrap()
}

#[test]
fn two_sites_with_different_studies_are_told_apart_with_both_values() {
    let mut world = World::new(3, 3);
    // site2 serves another version of the study, signed by all.
    let right = world.document.clone();
    world.document.disclosure.threshold = Some(20);
    let other = world.folder.path().join("other/study.toml");
    world.sign(&other);
    world.document = right;
    let mut config = world.config("site2");
    config.study = other;
    world.start(&config);
    world.start_all();
    let error = ask(&world.client(), SQL, None).unwrap_err();
    assert_eq!(error.code(), "config_mismatch");
    let Error::ConfigMismatch { party, what, ours, theirs, .. } = error else { panic!("{error}") };
    assert_eq!((party.as_str(), what.as_str()), ("site2", "study"));
    assert_eq!(ours, world.client().study().digest().to_string());
    assert_ne!(ours, theirs);
    // Nothing was run: no receipt says "released".
    for name in ["site0", "site1"] {
        let records = world.receipts(name);
        assert!(records.iter().all(|record| record.outcome != Outcome::Released));
    }
}

#[test]
fn another_protocol_version_is_answered_with_both_values() {
    let mut world = World::new(3, 3);
    world.start_all();
    let request = Request::Cancel;
    let message = session::encode_as(PROTOCOL_VERSION + 1, &request).unwrap();
    let conversation =
        endpoint(&world, "analyst").request(&peer(&world, "site0"), message).unwrap();
    let bytes = conversation.receive(Duration::from_secs(5)).unwrap().unwrap();
    let Reply::Refused(failure) = session::decode(&bytes).unwrap() else { panic!() };
    let mismatch = failure.mismatch.unwrap();
    assert_eq!(mismatch.what, "protocol version");
    assert_eq!(mismatch.ours, PROTOCOL_VERSION.to_string());
    assert_eq!(mismatch.theirs, (PROTOCOL_VERSION + 1).to_string());
}

#[test]
fn a_key_that_is_no_analysts_gets_no_answer() {
    let mut world = World::new(3, 3);
    world.start_all();
    // A stranger does not get past TLS.
    let stranger = KeyPair::generate().unwrap();
    stranger.save(&world.folder.path().join("stranger"), false).unwrap();
    let refused = Client::open(&world.study(), &world.folder.path().join("stranger"));
    assert!(refused.unwrap_err().to_string().contains("analyst"));
    let mut options = Options::new(SecretKey::from_seed(*stranger.seed()));
    options.connect = Duration::from_secs(2);
    let unknown = Endpoint::bind(options).unwrap();
    assert!(unknown.request(&peer(&world, "site0"), vec![1]).is_err());
    // A site of the study is let in, and may not ask.
    let ask = Request::Ask(Ask {
        version: PROTOCOL_VERSION,
        study: world.client().study().digest(),
        session: [7; 32],
        engine: "rep3".into(),
        sql: SQL.into(),
        dry_run: false,
    });
    world.stop("site1");
    let message = session::encode(&ask).unwrap();
    let conversation = endpoint(&world, "site1").request(&peer(&world, "site0"), message).unwrap();
    let bytes = conversation.receive(Duration::from_secs(5)).unwrap().unwrap();
    let Reply::Refused(failure) = session::decode(&bytes).unwrap() else { panic!() };
    assert_eq!(failure.code, session::Code::NotAParty);
}

#[test]
fn a_local_deny_list_is_obeyed_and_named() {
    let mut world = World::new(3, 3);
    let mut config = world.config("site1");
    config.refuse.statistics = vec!["avg".into()];
    config.refuse.columns = vec!["visits.weight".into()];
    config.refuse.keys = vec!["age".into()];
    config.refuse.analysts = vec!["other".into()];
    world.start(&config);
    world.start_all();
    let client = world.client();
    for sql in [
        "SELECT AVG(age) FROM visits",
        "SELECT COUNT(weight) FROM visits",
        "SELECT age / 10, COUNT(*) FROM visits GROUP BY age / 10",
    ] {
        let error = ask(&client, sql, None).unwrap_err();
        assert_eq!(error.code(), "policy", "{sql}: {error}");
        assert_eq!(error.party(), Some("site1"));
    }
    let other = Client::open(&world.study(), &world.home("other").join("key")).unwrap();
    assert_eq!(ask(&other, SQL, None).unwrap_err().code(), "policy");
    assert_eq!(ask(&client, SQL, None).unwrap().table, world.pooled(SQL));
    let refused = world.receipts("site1").into_iter();
    assert_eq!(refused.filter(|r| matches!(r.outcome, Outcome::Refused { .. })).count(), 4);
}

#[test]
fn the_daily_quota_ends_and_survives_a_restart() {
    let mut world = World::new(3, 3);
    let mut config = world.config("site2");
    config.queries_per_day = Some(2);
    world.start(&config);
    world.start_all();
    let client = world.client();
    ask(&client, SQL, None).unwrap();
    ask(&client, SQL, None).unwrap();
    assert_eq!(ask(&client, SQL, None).unwrap_err().code(), "quota");
    world.stop("site2");
    world.start(&config);
    let error = ask(&client, SQL, None).unwrap_err();
    assert_eq!((error.code(), error.party()), ("quota", Some("site2")));
    let dry = client.dry_run(SQL, None).unwrap();
    assert!(dry.parties.iter().all(|party| party.ready), "{dry:?}");
}

#[test]
fn an_engine_that_the_study_does_not_allow_is_refused_here() {
    let mut world = World::new(2, 2);
    world.start_all();
    let error = ask(&world.client(), SQL, Some(EngineKind::Rep3)).unwrap_err();
    assert_eq!(error.code(), "not_allowed");
}

#[test]
fn hostile_bytes_are_dropped_and_the_service_goes_on() {
    let mut world = World::new(3, 3);
    world.start_all();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut noise = 0x1234_5678_u32;
    for length in [0, 1, 3, 20, 1199, 1200, 1500, 9000] {
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 24) as u8
            })
            .collect();
        for port in &world.ports {
            let _ = socket.send_to(&bytes, ("127.0.0.1", *port));
        }
    }
    // An analyst that speaks nonsense is answered, and one that stays silent holds nobody up.
    let analyst = endpoint(&world, "analyst");
    for message in [vec![], vec![0xff; 3], vec![0xff; 70_000], vec![1, 0, 0, 0, 0xff]] {
        let conversation = analyst.request(&peer(&world, "site0"), message).unwrap();
        let bytes = conversation.receive(Duration::from_secs(5)).unwrap().unwrap();
        assert!(matches!(session::decode(&bytes), Ok(Reply::Refused(_))));
    }
    let start = Request::Start { epochs: vec![0; 10_000] };
    let silent = analyst.request(&peer(&world, "site0"), session::encode(&start).unwrap());
    assert_eq!(ask(&world.client(), SQL, None).unwrap().table, world.pooled(SQL));
    drop(silent);
}

#[test]
fn a_site_that_is_down_is_named_within_ten_seconds_and_the_next_query_succeeds() {
    let mut world = World::new(3, 3);
    world.start_all();
    let client = world.client();
    ask(&client, SQL, None).unwrap();
    world.stop("site1");
    let begin = Instant::now();
    let error = ask(&client, SQL, None).unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert_eq!((error.code(), error.party()), ("peer_lost", Some("site1")), "{error}");
    world.start_all();
    assert_eq!(ask(&client, SQL, None).unwrap().table, world.pooled(SQL));
}

#[test]
fn a_site_that_is_cut_off_after_it_accepted_is_named_and_the_next_query_succeeds() {
    let mut world = World::of(&Terms { sites: 3, compute: 3, behind: true, ..Terms::default() });
    let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let stand = |port: u16| Proxy::start(at(port), at(port + 1));
    let ports = world.ports.clone();
    let mut proxies: Vec<Option<Proxy>> = ports.iter().map(|&port| Some(stand(port))).collect();
    world.start_all();
    let client = world.client();
    let begin = Instant::now();
    let mut cut = |progress: Progress| {
        if matches!(progress, Progress::Accepted { ready, parties, .. } if ready == parties) {
            proxies[1] = None;
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    let error = client.ask(SQL, None, &mut cut, &Cancel::new()).unwrap_err();
    assert_eq!((error.code(), error.party()), ("peer_lost", Some("site1")), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(10));
    proxies[1] = Some(stand(ports[1]));
    assert_eq!(ask(&client, SQL, None).unwrap().table, world.pooled(SQL));
}

#[test]
fn nothing_is_released_when_a_receipt_cannot_be_written() {
    // Compute sites open, so theirs is written before the last round; a site that only enters and
    // the dealer write theirs before their shares leave.
    let mut world = World::new(4, 3);
    for (victim, engine) in
        [("site1", EngineKind::Rep3), ("site3", EngineKind::Rep3), ("dealer", EngineKind::Additive)]
    {
        world.start_all();
        let client = world.client();
        ask(&client, SQL, Some(engine)).unwrap();
        // The receipts are taken away under the running service.
        let path = world.home(victim).join("receipts.jsonl");
        let kept = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let error = ask(&client, SQL, Some(engine)).unwrap_err();
        assert_eq!((error.code(), error.party()), ("receipt", Some(victim)), "{error}");
        world.stop(victim);
        fs::write(&path, kept).unwrap();
    }
    world.start_all();
    assert_eq!(ask(&world.client(), SQL, None).unwrap().table, world.pooled(SQL));
}

#[test]
fn with_every_engine_each_receipt_is_on_disk_before_output_shares_leave() {
    // With the clear engine the first compute site alone opens; the others' columns are output as
    // soon as they leave.
    let mut world = World::new(3, 3);
    for engine in [EngineKind::Clear, EngineKind::Rep3, EngineKind::Additive] {
        world.start_all();
        let path = world.home("site1").join("receipts.jsonl");
        let kept = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let error = ask(&world.client(), SQL, Some(engine)).unwrap_err();
        assert_eq!((error.code(), error.party()), ("receipt", Some("site1")), "{engine}: {error}");
        world.stop("site1");
        fs::write(&path, kept).unwrap();
        if engine == EngineKind::Clear {
            let records = world.receipts("site0");
            assert!(records.iter().all(|record| record.outcome != Outcome::Released));
        }
    }
}

#[test]
fn a_cancelled_query_ends_at_once_and_the_next_one_runs() {
    let mut world = World::new(3, 3);
    world.start_all();
    let client = world.client();
    let before = Cancel::new();
    before.cancel();
    let error = client.ask(SQL, None, &mut |_| {}, &before).unwrap_err();
    assert_eq!(error.code(), "cancelled");
    // Called off by the first round that is reported.
    let during = Cancel::new();
    let begin = Instant::now();
    let mut stop = |progress: Progress| {
        if matches!(progress, Progress::Accepted { .. }) {
            during.cancel();
        }
    };
    let error = client.ask(SQL, None, &mut stop, &during).unwrap_err();
    assert_eq!(error.code(), "cancelled");
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(ask(&client, SQL, None).unwrap().table, world.pooled(SQL));
}

#[test]
fn fifty_queries_at_once_are_all_answered() {
    let mut world = World::new(3, 3);
    world.start_all();
    let client = world.client();
    let expected = world.pooled(SQL);
    std::thread::scope(|scope| {
        let asked: Vec<_> =
            (0..50).map(|_| scope.spawn(|| ask(&client, SQL, None).map(|a| a.table))).collect();
        for thread in asked {
            assert_eq!(thread.join().unwrap().unwrap(), expected);
        }
    });
}

#[test]
fn a_port_in_use_is_said() {
    let world = World::new(3, 3);
    let _held = UdpSocket::bind(("127.0.0.1", world.ports[0])).unwrap();
    let error = tacit_site::Site::open(&world.config("site0")).unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");
}

#[test]
fn a_study_that_was_altered_after_signing_is_not_served() {
    let world = World::new(3, 3);
    let text = fs::read_to_string(world.study()).unwrap();
    fs::write(world.study(), text + "\n").unwrap();
    let error = tacit_site::Site::open(&world.config("site0")).unwrap_err();
    assert!(error.to_string().contains("altered"), "{error}");
    assert!(Client::open(&world.study(), &world.home("analyst").join("key")).is_err());
}

#[test]
fn doctor_finds_what_is_down_and_what_is_well() {
    let mut world = World::new(3, 3);
    world.start_all();
    world.stop("site2");
    let findings = Client::doctor(&world.study(), Some(&world.home("analyst").join("key")));
    let of = |check: &str| findings.iter().find(|finding| finding.check == check).unwrap();
    assert!(of("signatures").ok && of("validity").ok && of("key").ok);
    assert!(of("reach site0").ok && of("clock site0").ok && of("reach dealer").ok);
    let down = of("reach site2");
    assert!(!down.ok && down.fix.is_some());
    assert_eq!(down.side, Some(tacit_client::Side::Network("site2".into())));
}

/// A question as an analyst's program sends it, under a session of its own.
fn question(world: &World, session: u8, sql: &str) -> Vec<u8> {
    let ask = Ask {
        version: PROTOCOL_VERSION,
        study: world.client().study().digest(),
        session: [session; 32],
        engine: "rep3".into(),
        sql: sql.into(),
        dry_run: false,
    };
    session::encode(&Request::Ask(ask)).unwrap()
}

#[test]
fn one_analyst_holds_no_more_conversations_than_it_may_and_others_are_served() {
    let mut world = World::new(3, 3);
    let mut config = world.config("site0");
    config.limits.conversations = 2;
    world.start(&config);
    world.start_all();
    let (analyst, site) = (endpoint(&world, "analyst"), peer(&world, "site0"));
    let held = [1, 2].map(|session| {
        let conversation = analyst.request(&site, question(&world, session, SQL)).unwrap();
        while let Some(bytes) = conversation.receive(Duration::from_secs(5)).unwrap() {
            if matches!(session::decode(&bytes).unwrap(), Reply::Accepted { .. }) {
                break;
            }
        }
        conversation
    });
    let third = analyst.request(&site, question(&world, 3, SQL)).unwrap();
    let bytes = third.receive(Duration::from_secs(5)).unwrap().unwrap();
    let Reply::Refused(failure) = session::decode(&bytes).unwrap() else { panic!() };
    assert_eq!(failure.code, session::Code::Busy);
    assert!(failure.message.contains("limits.conversations"), "{failure}");
    let other = Client::open(&world.study(), &world.home("other").join("key")).unwrap();
    assert_eq!(ask(&other, SQL, None).unwrap().table, world.pooled(SQL));
    drop((held, third, analyst));
    let end = Instant::now() + Duration::from_secs(5);
    while ask(&world.client(), SQL, None).is_err() {
        assert!(Instant::now() < end, "the conversations were not counted out");
    }
}

#[test]
fn a_flood_of_refused_questions_leaves_a_bounded_number_of_receipts() {
    let mut world = World::new(3, 3);
    let mut config = world.config("site0");
    config.limits.refusals_per_minute = 3;
    world.start(&config);
    let (analyst, site) = (endpoint(&world, "analyst"), peer(&world, "site0"));
    let mut codes = Vec::new();
    for session in 0..10 {
        let conversation = analyst.request(&site, question(&world, session, "SELECT 1")).unwrap();
        let bytes = conversation.receive(Duration::from_secs(5)).unwrap().unwrap();
        let Reply::Refused(failure) = session::decode(&bytes).unwrap() else { panic!() };
        codes.push(failure.code);
    }
    assert_eq!(codes[..3], [session::Code::Query; 3]);
    assert_eq!(codes[3..], [session::Code::Busy; 7]);
    world.stop("site0");
    let receipts = world.receipts("site0");
    assert_eq!(receipts.len(), 4);
    let Outcome::Refused { reason } = &receipts[3].outcome else { panic!() };
    assert!(reason.contains("7 more questions were turned away"), "{reason}");
    assert_eq!((receipts[3].analyst.as_str(), receipts[3].sql.as_str()), ("analyst", ""));
}

#[test]
fn a_circuit_above_the_sites_limits_is_refused_with_the_limits_name() {
    let mut world = World::new(3, 3);
    let mut config = world.config("site1");
    config.limits.memory_mib = 1;
    world.start(&config);
    world.start_all();
    let large =
        "SELECT age, CAST(weight AS INT), COUNT(*) FROM visits GROUP BY age, CAST(weight AS INT)";
    let error = ask(&world.client(), large, None).unwrap_err();
    assert_eq!((error.code(), error.party()), ("policy", Some("site1")), "{error}");
    assert!(error.to_string().contains("limits.memory_mib"), "{error}");
    assert_eq!(ask(&world.client(), SQL, None).unwrap().table, world.pooled(SQL));
}

#[test]
fn what_a_site_says_about_its_data_names_no_file() {
    let mut world = World::new(3, 3);
    world.start_all();
    // The table is changed under the running service.
    let path = world.home("site1").join("visits.csv");
    fs::write(&path, "changed").unwrap();
    let error = ask(&world.client(), SQL, None).unwrap_err();
    assert_eq!((error.code(), error.party()), ("data", Some("site1")), "{error}");
    let receipts = world.receipts("site1");
    let told = format!("{error} {:?}", receipts.last().unwrap().outcome);
    assert!(told.contains("its operator's log says why"), "{told}");
    assert!(!told.contains("visits.csv") && !told.contains("site1/"), "{told}");
}
