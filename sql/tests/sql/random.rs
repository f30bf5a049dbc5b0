//! Random questions over random tables: the joint answer against DataFusion's own over all rows.
//!
//! `TACIT_RANDOM_SQL=1000` runs so many; `TACIT_RANDOM_SEED` starts elsewhere.

use tacit_plan::{Disclosure, Plan, Type, Value};
use tacit_sql::{
    ResultTable,
    testing::{Dice, Question, World, compare},
};

fn number(name: &str, otherwise: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn types(table: &ResultTable) -> Vec<Type> {
    table.columns.iter().map(|column| column.r#type).collect()
}

#[tokio::test]
async fn joint_answers_equal_pooled_answers() {
    let cases = number("TACIT_RANDOM_SQL", 15);
    let first = number("TACIT_RANDOM_SEED", 1);
    let mut open = Disclosure::profile("default").unwrap();
    open.threshold = 1;
    let guarded = Disclosure::profile("default").unwrap();
    for seed in first..first + cases {
        let mut dice = Dice(seed);
        let person = dice.once_in(3);
        let (rows, sites) = (dice.below(400) as usize, 1 + dice.below(4) as usize);
        let world = World::random(&mut dice, rows, sites, person);
        for _ in 0..4 {
            let question = Question::random(&mut dice);
            let at = || format!("seed {seed}, {rows} rows, {sites} sites: {}", question.sql);
            let text = question.sql.contains("note");
            for disclosure in [&open, &guarded] {
                let plan = world.compile(&question.sql, disclosure);
                let plan = plan.unwrap_or_else(|e| panic!("{}: {e}", at()));
                assert_eq!(plan.text_filter, text, "{}", at());
                the_local_text_means_itself(&world, &plan, disclosure);
                let joint = world.joint(&plan).await;
                let joint = joint.unwrap_or_else(|e| panic!("{}: {e}\n{plan:#?}", at()));
                let pooled = world.pooled(&question.sql, &types(&joint)).await;
                let pooled = pooled.unwrap_or_else(|e| panic!("{}: {e}", at()));
                if let Err(e) = compare(&joint, &pooled, question.keys) {
                    panic!("{}: {e}\n{:#?}", at(), plan.local);
                }
                if disclosure.threshold == 1 && !text {
                    assert_eq!(joint.hidden(), 0, "{}", at());
                }
                if disclosure.threshold > 1 {
                    let wanted = integers(&joint, question.keys);
                    let counts = world.pooled(&question.counts, &wanted).await;
                    let counts = counts.unwrap_or_else(|e| panic!("{}: {e}", at()));
                    nothing_small_is_shown(&joint, &counts, question.keys, &at());
                }
            }
        }
    }
}

/// What sites are given, asked again, comes to the same text.
fn the_local_text_means_itself(world: &World, plan: &Plan, disclosure: &Disclosure) {
    let sql = &plan.local[0].sql;
    let (_, tail) = sql.split_once(" FROM encounters").unwrap();
    if tail.contains("arrow_try_cast") {
        // Written so to tell columns apart that the second question does not have.
        return;
    }
    let again = world.compile(&format!("SELECT COUNT(*) FROM encounters{tail}"), disclosure);
    let again = again.unwrap_or_else(|e| panic!("{sql}: {e}"));
    assert!(again.local[0].sql.ends_with(tail), "{sql}\n{}", again.local[0].sql);
}

fn integers(table: &ResultTable, keys: usize) -> Vec<Type> {
    let columns = types(table).into_iter().enumerate();
    columns.map(|(i, kind)| if i < keys { kind } else { Type::Integer }).collect()
}

/// No value is shown to which 1 to 10 records contribute.
fn nothing_small_is_shown(joint: &ResultTable, counts: &[Vec<Value>], keys: usize, at: &str) {
    for row in &joint.rows {
        let own: Vec<Value> = row[..keys].iter().map(|v| v.value.clone()).collect();
        let Some(counts) = counts.iter().find(|counts| counts[..keys] == own) else {
            continue;
        };
        for (value, count) in row.iter().zip(counts).skip(keys) {
            if let Value::Integer(1..=10) = count {
                assert!(value.is_hidden(), "{at}: {own:?} shows {value:?} of {count:?}");
            }
        }
    }
}
