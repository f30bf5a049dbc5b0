use tacit_plan::{Cell, Digest, Disclosure, Input, Key, Number, OutputColumn, Release, Rows, Sort};

use super::*;
use crate::ValueStatus;

const H: Cell = Cell { status: Status::Hidden, value: 0 };
const Z: Cell = Cell { status: Status::Zero, value: 0 };

fn s(value: i64) -> Cell {
    Cell { status: Status::Shown, value }
}

fn input(role: Role) -> Input {
    Input { name: "x".into(), expression: "x".into(), rows: Rows::Cells, role, bits: 40 }
}

fn number(value: usize) -> Number {
    Number {
        expression: "x".into(),
        value: Some(value),
        count: 0,
        hidden_by: vec![],
        rounding: None,
    }
}

fn column(name: &str, r#type: Type, numbers: &[usize], expression: &str) -> OutputColumn {
    OutputColumn {
        name: name.into(),
        r#type,
        unit: None,
        count: false,
        numbers: numbers.to_vec(),
        expression: expression.into(),
    }
}

/// GROUP BY a word of "a", "b" and NULL: number 0 is the count, number 1 a sum at scale 2.
fn plan() -> Plan {
    let text = |word: &str| Value::Text(word.into());
    Plan {
        version: tacit_plan::VERSION,
        study: Digest([0; 32]),
        sql: String::new(),
        tables: vec![],
        columns: vec![],
        persons: false,
        text_filter: false,
        keys: vec![Key {
            expression: "w".into(),
            r#type: Type::Text,
            domain: vec![text("a"), text("b"), text("c"), Value::Null],
        }],
        local: vec![],
        inputs: vec![input(Role::Count), input(Role::Sum)],
        tests: vec![],
        numbers: vec![number(0), number(1)],
        presence: Some(0),
        disclosure: Disclosure {
            profile: "default".into(),
            threshold: 11,
            site_floor: None,
            rounding: None,
            mean_threshold: None,
        },
        release: Release {
            columns: vec![
                column("w", Type::Text, &[], "k0"),
                column("n", Type::Integer, &[0], "n0"),
                column("s", Type::Decimal { scale: 2 }, &[1], "decimal_of(n1, 2)"),
                column("m", Type::Float, &[0, 1], "mean_of(n1, n0, 2)"),
            ],
            ..Release::default()
        },
        notes: vec![],
    }
}

fn show(table: &ResultTable) -> Vec<String> {
    let cell = |value: &ResultValue| match (&value.status, &value.value) {
        (ValueStatus::Hidden, _) => "*".to_owned(),
        (ValueStatus::Null, _) => "NULL".to_owned(),
        (_, Value::Text(x)) => x.clone(),
        (_, Value::Integer(x)) => x.to_string(),
        (_, Value::Float(x)) => format!("{x:?}"),
        (_, Value::Boolean(x)) => x.to_string(),
        (_, Value::Decimal { unscaled, scale }) => format!("{unscaled}e-{scale}"),
        (_, other) => format!("{other:?}"),
    };
    let row = |row: &Vec<ResultValue>| row.iter().map(cell).collect::<Vec<_>>().join(" ");
    table.rows.iter().map(row).collect()
}

async fn released(plan: &Plan, numbers: [[Cell; 4]; 2]) -> Vec<String> {
    let opened = Opened { numbers: numbers.map(|cells| cells.to_vec()).to_vec() };
    show(&release(plan, &opened).await.unwrap())
}

#[tokio::test]
async fn groups_that_are_not_there_are_left_out_and_hidden_ones_stay() {
    let rows = released(&plan(), [[s(20), H, Z, s(12)], [s(150), H, Z, Z]]).await;
    assert_eq!(rows, ["a 20 150e-2 0.075", "b * * *", "NULL 12 NULL NULL"]);
}

#[tokio::test]
async fn what_reads_a_hidden_number_is_hidden() {
    let mut plan = plan();
    plan.release.columns = vec![
        column("w", Type::Text, &[], "coalesce(k0, '?')"),
        column("c", Type::Integer, &[0, 1], "coalesce(n1, n0, 0)"),
        column("d", Type::Boolean, &[1], "CASE WHEN n1 IS NULL THEN true ELSE false END"),
        column("e", Type::Integer, &[0], "n0 / (n0 - 20)"),
    ];
    let rows = released(&plan, [[s(20), s(40), s(11), H], [s(7), H, Z, s(3)]]).await;
    assert_eq!(rows, ["a 7 false NULL", "b * * 2", "c 11 true -1", "? * * *"]);
}

#[tokio::test]
async fn having_drops_hidden_rows_with_a_note() {
    let mut plan = plan();
    plan.release.columns.truncate(2);
    plan.release.having = Some(("n1 > 5 OR n1 IS NULL".into(), vec![1]));
    let numbers = [[s(20), s(40), s(30), s(50)], [s(7), H, s(3), Z]];
    let opened = Opened { numbers: numbers.map(|cells| cells.to_vec()).to_vec() };
    let table = release(&plan, &opened).await.unwrap();
    assert_eq!(show(&table), ["a 20", "NULL 50"]);
    assert_eq!(table.notes, ["1 row is left out: HAVING reads a hidden value there"]);
}

#[tokio::test]
async fn hidden_values_sort_last_and_ties_keep_the_order_of_the_domain() {
    let mut plan = plan();
    plan.release.columns.truncate(2);
    let sort = |descending| Sort {
        expression: "n0".into(),
        numbers: vec![0],
        descending,
        nulls_first: descending,
    };
    let numbers = [[s(20), H, s(30), s(20)], [Z; 4]];
    for (descending, wanted) in
        [(false, ["a 20", "NULL 20", "c 30", "b *"]), (true, ["c 30", "a 20", "NULL 20", "b *"])]
    {
        plan.release.sort = vec![sort(descending)];
        assert_eq!(released(&plan, numbers).await, wanted);
    }
    plan.release.limit = Some(2);
    plan.release.offset = 1;
    assert_eq!(released(&plan, numbers).await, ["a 20", "NULL 20"]);
    plan.release.sort = vec![Sort {
        expression: "k0".into(),
        numbers: vec![],
        descending: true,
        nulls_first: true,
    }];
    plan.release.offset = 0;
    assert_eq!(released(&plan, numbers).await, ["NULL 20", "c 30"]);
}

#[tokio::test]
async fn without_keys_there_is_one_row() {
    let mut plan = plan();
    plan.keys.clear();
    plan.presence = None;
    plan.release.columns.remove(0);
    for (cells, wanted) in [
        ([Z, Z], "0 NULL NULL"),
        ([H, H], "* * *"),
        ([s(3), s(-1)], "3 -1e-2 -0.0033333333333333335"),
    ] {
        let opened = Opened { numbers: cells.map(|cell| vec![cell]).to_vec() };
        assert_eq!(show(&release(&plan, &opened).await.unwrap()), [wanted]);
    }
}

#[tokio::test]
async fn the_last_key_varies_fastest() {
    let mut plan = plan();
    let domain = vec![Value::Boolean(false), Value::Boolean(true)];
    plan.keys = vec![
        Key { expression: "b".into(), r#type: Type::Boolean, domain: domain.clone() },
        Key { expression: "c".into(), r#type: Type::Boolean, domain },
    ];
    plan.release.columns = vec![
        column("b", Type::Boolean, &[], "k0"),
        column("c", Type::Boolean, &[], "k1"),
        column("n", Type::Integer, &[0], "n0"),
    ];
    let rows = released(&plan, [[s(20), s(21), Z, s(23)], [Z; 4]]).await;
    assert_eq!(rows, ["false false 20", "false true 21", "true true 23"]);
}

#[tokio::test]
async fn numbers_that_are_not_the_plans_are_refused() {
    let opened = Opened { numbers: vec![vec![Z]] };
    assert!(matches!(release(&plan(), &opened).await, Err(Error::Malformed(_))));
    let mut broken = plan();
    broken.release.columns[0].expression = "no such".into();
    let opened = Opened { numbers: vec![vec![Z; 4]; 2] };
    assert!(matches!(release(&broken, &opened).await, Err(Error::Malformed(_))));
}
