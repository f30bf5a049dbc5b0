//! The answer is the pooled one, whatever the engine and the number of sites, at the billed cost.

mod common;

use common::{World, ask};
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
            let said = explained.engines.iter().find(|e| e.engine == engine).unwrap();
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
    assert_eq!(answer.receipt.unwrap().engine, Rep3);
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
