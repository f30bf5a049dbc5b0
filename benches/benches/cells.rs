//! A query of 10,000 cells and five aggregates: from text to bill, and its run in memory.

use std::{collections::BTreeMap, hint::black_box};

use criterion::{Criterion, criterion_group, criterion_main};
use tacit_mpc::{EngineKind, bill, testing};
use tacit_plan::{
    Column, ColumnType, Dictionary, Digest, Disclosure, InputColumns, Plan, Role, Table,
};
use tacit_protocols::{Parties, circuit, inputs, lower};
use tacit_sql::{Context, MAX_CELLS, MAX_DOMAIN, Statement, compile};

const SQL: &str = "SELECT a, b, COUNT(*) AS n, COUNT(x) AS nx, SUM(x) AS sx, AVG(y) AS my, SUM(z) AS sz \
                   FROM visits GROUP BY a, b";
const SITES: usize = 3;

fn column(name: &str, largest: i64, missing: bool) -> Column {
    let r#type = ColumnType::Integer { range: [0, largest] };
    Column { name: name.into(), r#type, unit: None, description: None, missing }
}

fn dictionary() -> Dictionary {
    let columns = vec![
        column("a", 99, false),
        column("b", 99, false),
        column("x", 200, true),
        column("y", 100, true),
        column("z", 1000, false),
    ];
    let table = Table { person: None, description: None, columns };
    Dictionary { tables: BTreeMap::from([("visits".into(), table)]) }
}

fn plan(dictionary: &Dictionary, disclosure: &Disclosure) -> Plan {
    let context = Context {
        study: Digest([0; 32]),
        dictionary,
        disclosure,
        rows_at_most: 1_000_000,
        sites: SITES,
        max_cells: MAX_CELLS,
        max_domain: MAX_DOMAIN,
    };
    match compile(SQL, &context) {
        Ok(Statement::Query(plan)) => plan,
        other => panic!("not a query: {other:?}"),
    }
}

fn cells(c: &mut Criterion) {
    let dictionary = dictionary();
    let disclosure = Disclosure::profile("default").expect("a profile");
    let session = testing::session(EngineKind::Rep3, SITES, SITES);
    let parties = Parties { holders: (0..SITES).collect(), analyst: session.analyst };
    let addends = EngineKind::Rep3.addends(SITES);

    let mut group = c.benchmark_group("10,000 cells x 5 aggregates");
    group.sample_size(20);
    group.bench_function("compile, lower, schedule, bill", |b| {
        b.iter(|| {
            let plan = plan(&dictionary, &disclosure);
            let circuit = lower(&circuit(&plan, &parties).expect("a circuit"), addends);
            black_box(bill(&circuit, EngineKind::Rep3, &session.roster).expect("a bill"))
        });
    });

    let plan = plan(&dictionary, &disclosure);
    assert_eq!(plan.cells(), 10_000);
    let lowered = lower(&circuit(&plan, &parties).expect("a circuit"), addends);
    let columns: Vec<Vec<i64>> = plan
        .inputs
        .iter()
        .map(|input| {
            let at_most = if matches!(input.role, Role::Sum) { 5000 } else { 40 };
            (0..plan.rows(input.rows)).map(|i| (i as i64 * 7919) % at_most).collect()
        })
        .collect();
    let own = inputs(&plan, &InputColumns { columns }).expect("inputs that fit");
    let all: testing::Inputs = (0..SITES).map(|site| (site, own.clone())).collect();
    let mut seed = 0;
    group.bench_function("run on rep3 in memory", |b| {
        b.iter(|| {
            seed += 1;
            let run = |link| link;
            black_box(testing::parties(
                &lowered,
                EngineKind::Rep3,
                &session.roster,
                &all,
                seed,
                run,
            ))
        });
    });
    group.finish();

    let outcome =
        testing::world(&lowered, EngineKind::Rep3, &session.roster, &all, 0).expect("a run");
    println!(
        "{} instructions, {} rounds, billed peak {} kB, peak as run {} kB",
        lowered.instructions().len(),
        outcome.bill.rounds,
        outcome.bill.peak_bytes / 1000,
        outcome.peaks.iter().max().copied().unwrap_or_default() / 1000,
    );
}

criterion_group!(benches, cells);
criterion_main!(benches);
