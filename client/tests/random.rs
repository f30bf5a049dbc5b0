//! Random questions over random tables, run on every engine: one answer, and it is the pooled one.
//!
//! `TACIT_RANDOM_ENGINES=1000` runs so many worlds; `TACIT_RANDOM_SEED` starts elsewhere.

use tacit_mpc::{EngineKind, testing};
use tacit_plan::{Disclosure, Opened, Plan, Type};
use tacit_protocols::{Parties, circuit, decode, inputs, lower};
use tacit_sql::{
    release,
    testing::{Dice, Question, World, compare},
};

fn number(name: &str, otherwise: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// What the analyst is opened when `compute` of the sites run `engine` over in-memory links.
fn opened(plan: &Plan, entered: &testing::Inputs, engine: EngineKind, compute: usize) -> Opened {
    let sites = entered.len();
    let session = testing::session(engine, sites, compute);
    let parties = Parties { holders: (0..sites).collect(), analyst: session.analyst };
    let circuit = circuit(plan, &parties).expect("a circuit");
    let lowered = lower(&circuit, engine.addends(compute));
    // Equal to the clear interpreter, bit for bit, at the billed cost.
    let opened = testing::assert_laws(&lowered, engine, &session.roster, entered, 1);
    assert!(opened.iter().all(|(to, ..)| *to == session.analyst), "opened to another party");
    let columns: Vec<_> = opened.into_iter().map(|(_, name, column)| (name, column)).collect();
    decode(plan, &columns).expect("what was opened fits the plan")
}

#[tokio::test]
async fn every_engine_gives_the_pooled_answer() {
    let cases = number("TACIT_RANDOM_ENGINES", 4);
    let first = number("TACIT_RANDOM_SEED", 1);
    let disclosure = Disclosure::profile("default").expect("a profile");
    for seed in first..first + cases {
        let mut dice = Dice(seed);
        let person = dice.once_in(3);
        let (rows, sites) = (dice.below(400) as usize, 2 + dice.below(4) as usize);
        let world = World::random(&mut dice, rows, sites, person);
        for _ in 0..2 {
            let question = Question::random(&mut dice);
            let at = format!("seed {seed}, {rows} rows, {sites} sites: {}", question.sql);
            let plan = world.compile(&question.sql, &disclosure).expect(&at);
            let own = world.entered(&plan).await.expect(&at);
            let columns = own.iter().map(|own| inputs(&plan, own).expect(&at)).enumerate();
            let entered: testing::Inputs = columns.collect();
            let expected = plan.open_pooled(&world.inputs(&plan).await.expect(&at));

            let mut engines = vec![(EngineKind::Clear, 1), (EngineKind::Additive, 2)];
            engines.extend((sites >= 3).then_some((EngineKind::Rep3, 3)));
            engines.extend((sites >= 3).then_some((EngineKind::Additive, sites)));
            for (engine, compute) in engines {
                let got = opened(&plan, &entered, engine, compute);
                assert!(got == expected, "{engine} with {compute} compute parties; {at}");
            }

            let joint = release(&plan, &expected).await.expect(&at);
            let types: Vec<Type> = joint.columns.iter().map(|column| column.r#type).collect();
            let pooled = world.pooled(&question.sql, &types).await.expect(&at);
            if let Err(difference) = compare(&joint, &pooled, question.keys) {
                panic!("{at}: {difference}");
            }
        }
    }
}
