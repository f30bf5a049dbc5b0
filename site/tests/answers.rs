//! The answer is the pooled one, whatever the engine and the number of sites, at the billed cost.

mod common;

use common::{Terms, World, ask};
use tacit_governance::Transport;
use tacit_mpc::EngineKind::{Additive, Clear, Rep3};

const QUERIES: [&str; 3] = [
    "SELECT COUNT(*) AS n FROM visits",
    "SELECT sex, ward, COUNT(*) AS n, SUM(age) AS years, AVG(weight) AS kg FROM visits \
     WHERE age >= 18 GROUP BY sex, ward ORDER BY n DESC",
    "SELECT age / 10 AS decade, COUNT(weight) AS weighed FROM visits GROUP BY age / 10",
];

/// Asks every question on every engine that the study allows, and compares.
fn all_agree(sites: usize, compute: usize) {
    let mut world = World::new(sites, compute);
    world.start_all();
    let client = world.client();
    for sql in QUERIES {
        let pooled = world.pooled(sql);
        let explained = client.explain(sql, &[]).unwrap();
        let engines = [Rep3, Additive, Clear].into_iter();
        for engine in
            engines.filter(|engine| client.study().engines().compute(&engine.to_string()).is_some())
        {
            let answer = ask(&client, sql, Some(engine)).unwrap();
            assert_eq!(answer.table, pooled, "{engine}: {sql}");
            let receipt = answer.receipt.unwrap();
            assert_eq!(receipt.bill, receipt.ledger);
            let said = explained.engines.iter().find(|e| e.engine == engine.into()).unwrap();
            assert_eq!(said.bill, receipt.ledger);
            assert_eq!(said.circuit, receipt.circuit);
            for name in receipt.receipts.keys() {
                let records = world.receipts(name);
                assert!(records.iter().any(|record| record.session == receipt.session), "{name}");
            }
        }
    }
}

#[test]
fn three_sites_give_the_pooled_answer_on_every_engine() {
    all_agree(3, 3);
}

#[test]
fn five_sites_of_which_three_compute_give_the_pooled_answer() {
    all_agree(5, 5);
}

#[test]
fn two_sites_give_the_pooled_answer() {
    all_agree(2, 2);
}

#[test]
fn without_a_name_the_engine_keeps_secrets() {
    let mut world = World::new(3, 2);
    world.start_all();
    let answer = ask(&world.client(), QUERIES[0], None).unwrap();
    assert_eq!(answer.receipt.unwrap().engine, Rep3.into());
}

#[test]
fn tables_are_listed_without_asking_anybody() {
    let world = World::new(3, 3);
    let client = world.client();
    let tables = ask(&client, "SHOW TABLES", None).unwrap();
    assert!(tables.receipt.is_none());
    assert_eq!(tables.table.rows.len(), 1);
    assert_eq!(ask(&client, "DESCRIBE visits", None).unwrap().table.rows.len(), 5);
}

#[test]
fn a_study_over_tcp_gives_the_same_answers_and_tells_that_it_is_reached() {
    let worlds = [Transport::Quic, Transport::Tcp].map(|transport| {
        let mut world = World::of(&Terms { sites: 3, compute: 3, transport, ..Terms::default() });
        world.start_all();
        world
    });
    for sql in QUERIES {
        let [quic, tcp] = worlds.each_ref().map(|world| {
            let answer = ask(&world.client(), sql, Some(Rep3)).unwrap();
            let receipt = answer.receipt.unwrap();
            assert_eq!(receipt.bill, receipt.ledger);
            (answer.table, receipt.bill)
        });
        assert_eq!(quic, tcp, "{sql}");
        assert_eq!(tcp.0, worlds[1].pooled(sql));
    }
    let findings = tacit_client::Client::doctor(
        &worlds[1].study(),
        Some(&worlds[1].home("analyst").join("key")),
    );
    let reached = findings.iter().filter(|f| f.ok && f.what.contains("answers over tcp"));
    assert_eq!(reached.count(), worlds[1].servers().len(), "{findings:?}");
}

#[test]
fn a_study_over_tcp_never_falls_back_to_quic_and_both_settings_are_told() {
    let tcp = Terms { sites: 3, compute: 3, transport: Transport::Tcp, ..Terms::default() };
    let mut world = World::of(&tcp);
    world.start_all();
    // At the address of site1 there is now the same party with the same key, over QUIC alone.
    world.stop("site1");
    let mut document = world.document.clone();
    document.transport = Transport::Quic;
    let right = std::mem::replace(&mut world.document, document);
    let other = world.folder.path().join("other/study.toml");
    world.sign(&other);
    world.document = right;
    let mut config = world.config("site1");
    config.study = other;
    world.start(&config);
    let error = ask(&world.client(), QUERIES[0], Some(Rep3)).unwrap_err();
    let due = "site1 and analyst differ in the transport: quic at site1, tcp at analyst";
    assert_eq!(error.to_string(), due);
    let dry = world.client().dry_run(QUERIES[0], Some(Rep3.into())).unwrap();
    for party in dry.parties {
        assert_eq!(party.ready, party.party != "site1", "{party:?}");
        let said = party.reason.is_none_or(|reason| reason.contains("transport"));
        assert!(said);
    }
}

#[test]
fn a_service_for_studies_over_two_transports_is_refused_at_its_start() {
    let mut world = World::new(3, 3);
    world.document.transport = Transport::Tcp;
    let other = world.folder.path().join("other/study.toml");
    world.sign(&other);
    let mut config = world.config("site0");
    let mut more = config.serving().remove(0);
    more.study = other;
    config.also.push(more);
    let error = tacit_site::Site::open(&config).err().unwrap().to_string();
    assert!(error.contains("quic") && error.contains("tcp"), "{error}");
}
