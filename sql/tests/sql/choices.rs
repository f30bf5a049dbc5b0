//! Sums that choose between rows tell no more than counts would.

use tacit_plan::{Column, ColumnType, Disclosure, Plan, Rule, Value};
use tacit_sql::{
    Error, ResultValue,
    testing::{Dice, World},
};

/// Two hundred rows, each with its own `pid` from 1 on; nothing is missing. `balance` has more
/// values than anybody can try.
fn world(person: bool) -> World {
    let mut world = World::random(&mut Dice(8), 200, 2, person);
    let table = world.dictionary.tables.get_mut("encounters").unwrap();
    let columns = table.columns.clone();
    let range = ["-99999.99".to_owned(), "99999.99".to_owned()];
    table.columns.push(Column {
        name: "balance".into(),
        r#type: ColumnType::Decimal { scale: 2, range, rounded: false },
        unit: None,
        description: None,
        missing: true,
    });
    let mut dice = Dice(3);
    for (i, row) in world.sites.iter_mut().flatten().enumerate() {
        for (value, column) in row.iter_mut().zip(&columns) {
            *value = match column.name.as_str() {
                "pid" => Value::Integer(1 + i as i64),
                "age" => Value::Integer(dice.between(1, 100)),
                "los" => Value::Integer(dice.between(1, 30)),
                "smoker" => Value::Boolean(i % 2 == 0),
                "note" => Value::Text("7".into()),
                _ => value.clone(),
            };
        }
        let balance = if i == 0 { 9_999_999 } else { dice.between(100, 9_000_000) };
        row.push(Value::Decimal { unscaled: balance.into(), scale: 2 });
    }
    world
}

fn plan(items: &str) -> Plan {
    let sql = format!("SELECT {items} FROM encounters");
    let plan = world(false).compile(&sql, &Disclosure::profile("default").unwrap());
    plan.unwrap_or_else(|e| panic!("{sql}: {e}"))
}

fn code(items: &str) -> &'static str {
    let sql = format!("SELECT {items} FROM encounters");
    let disclosure = Disclosure::profile("default").unwrap();
    match world(false).compile(&sql, &disclosure).expect_err(&sql) {
        Error::Query(refusal) => {
            assert!(refusal.suggestion.is_some(), "{refusal}");
            refusal.code
        }
        other => panic!("{other}"),
    }
}

/// The counts that a rule looks at for an output column.
fn counts(plan: &Plan, column: usize, rule: Rule) -> Vec<String> {
    let numbers = plan.release.columns[column].numbers.iter();
    let tests = numbers.flat_map(|number| &plan.numbers[*number].hidden_by);
    let tests = tests.map(|test| &plan.tests[*test]).filter(|test| test.rule == rule);
    let mut all: Vec<String> =
        tests.map(|test| plan.inputs[test.plus].expression.clone()).collect();
    all.sort();
    all.dedup();
    all
}

/// Whether the last column of each question is hidden.
async fn hidden(world: &World, items: &str) -> bool {
    let sql = format!("SELECT {items} FROM encounters");
    let plan = world.compile(&sql, &Disclosure::profile("default").unwrap());
    let plan = plan.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let table = world.joint(&plan).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    table.rows[0].last().is_some_and(ResultValue::is_hidden)
}

#[tokio::test]
async fn no_spelling_of_a_choice_opens_one_row() {
    for person in [false, true] {
        let world = world(person);
        for items in [
            "SUM(CASE WHEN pid = 17 THEN balance ELSE 0 END)",
            "SUM(CASE pid WHEN 17 THEN balance ELSE 0 END)",
            "AVG(CASE WHEN pid = 17 THEN balance ELSE 0 END)",
            "SUM(CASE WHEN pid = 17 THEN balance WHEN pid = 18 THEN 0 ELSE NULL END)",
            "SUM(CASE WHEN pid = 17 THEN balance WHEN smoker THEN age ELSE 0 END)",
            "SUM(CASE WHEN pid = 17 THEN balance WHEN smoker THEN age ELSE los END)",
            "SUM(age), SUM(CASE WHEN pid = 17 THEN 0 ELSE age END)",
            "SUM(age), AVG(CASE WHEN pid = 17 THEN 0 ELSE age END)",
            "AVG(age), SUM(CASE WHEN pid <> 17 THEN age END)",
            "SUM(balance), SUM(balance * CAST(pid <> 17 AS INT))",
            "SUM(balance * CAST(pid = 17 AS INT))",
            "SUM(balance * CASE WHEN pid = 17 THEN 1 ELSE 0 END)",
            "SUM(balance * (1 - CAST(pid <> 17 AS INT)))",
            "SUM(balance / CASE WHEN pid = 17 THEN 1 END)",
            "SUM(balance - CASE WHEN pid = 17 THEN 0 ELSE balance END)",
            "SUM(balance), SUM(balance + coalesce(CASE WHEN pid = 17 THEN 1000 END, 0))",
            "SUM(age), SUM(age * CAST((pid - 17) <> 0 AS INT))",
            "SUM(age), SUM(nullif(age, CASE WHEN pid = 17 THEN age END))",
            "SUM(coalesce(nullif(nvl2(nullif(pid, 17), 0, balance), 0), 0))",
            "SUM(nvl2(nullif(pid, 17), 0, balance))",
            "SUM(greatest(CAST(pid = 17 AS INT) * 1000000, age))",
            "SUM(CASE WHEN pid = 17 THEN CASE WHEN pid = 17.0 THEN balance ELSE 0 END ELSE 0 END)",
            "SUM(CAST(pid = 17 AS INT) * CAST(pid = 17.00 AS INT) * balance)",
            "SUM(balance * CASE WHEN (pid = 17) IS NOT TRUE THEN 0 ELSE 1 END)",
            "SUM(CASE WHEN pid = 17 THEN 1 ELSE NULL END * balance)",
            "SUM(CASE WHEN coalesce(pid = 17, FALSE) THEN balance ELSE balance - balance END)",
            "SUM(balance % CASE WHEN pid = 17 THEN 1000000 ELSE 1 END)",
            "SUM(-CASE WHEN pid = 17 THEN -balance ELSE 0 END)",
            "SUM(5 * CASE WHEN pid = 17 THEN 1 ELSE 0 END)",
            "SUM(least(strpos(note, 'x'), 1))",
            "SUM(CASE WHEN smoker THEN 1 WHEN pid = 18 THEN 1000 ELSE 0 END)",
            "SUM(character_length(CASE WHEN pid = 17 THEN 'x' ELSE '' END))",
            "SUM(CAST(balance > 99998 AS INT) * 3)",
        ] {
            assert!(hidden(&world, items).await, "{items} (persons: {person})");
        }
        for items in [
            "SUM(CASE WHEN smoker THEN balance ELSE 0 END)",
            "SUM(CASE WHEN smoker THEN balance ELSE age END)",
            "SUM(balance), SUM(CASE WHEN smoker THEN 0 ELSE balance END)",
            "SUM(CASE WHEN age < 30 THEN 1 WHEN age < 60 THEN 1000 ELSE 0 END)",
            "SUM(greatest(age, 50) * los)",
            "AVG(coalesce(age, 0))",
            "SUM(los / nullif(age, 0))",
        ] {
            assert!(!hidden(&world, items).await, "{items} (persons: {person})");
        }
    }
}

#[test]
fn the_rows_of_a_path_are_counted() {
    for (items, contributing) in [
        (
            "SUM(CASE WHEN smoker THEN balance ELSE 0 END)",
            vec!["count(balance) FILTER (WHERE smoker)"],
        ),
        ("SUM(balance * CAST(smoker AS INT))", vec!["count(balance) FILTER (WHERE smoker)"]),
        ("SUM(coalesce(balance, 0))", vec!["count(balance)"]),
        (
            "SUM(CASE WHEN los = 17 THEN 0 ELSE age END)",
            vec!["count(age) FILTER (WHERE los <> 17)"],
        ),
        (
            "SUM(CASE WHEN smoker THEN age ELSE los END)",
            vec![
                "count(*) FILTER (WHERE NOT coalesce(smoker, FALSE))",
                "count(CASE WHEN smoker THEN age ELSE los END)",
                "count(age) FILTER (WHERE smoker)",
            ],
        ),
        (
            "AVG(CASE WHEN los = 17 THEN balance ELSE 0 END)",
            vec![
                "count(CASE WHEN los = 17 THEN TRY_CAST(balance AS DECIMAL(22,2)) ELSE 0.00 END)",
                "count(balance) FILTER (WHERE los = 17)",
            ],
        ),
        (
            "SUM(greatest(los, pid))",
            vec!["count(*) FILTER (WHERE los < pid)", "count(*) FILTER (WHERE los >= pid)"],
        ),
    ] {
        let counted = counts(&plan(items), 0, Rule::Contribution);
        assert!(
            contributing.iter().all(|count| counted.contains(&(*count).to_owned())),
            "{items}: {counted:?}"
        );
    }
}

#[test]
fn a_sum_of_constants_is_as_many_counts() {
    let plan = plan("COUNT(*), SUM(CASE WHEN pid < 9 THEN 1 WHEN smoker THEN 100 ELSE 0 END)");
    assert_eq!(counts(&plan, 1, Rule::Indicator).len(), 2);
    // The rows of each value within those that are not 0, and these within all.
    assert_eq!(counts(&plan, 1, Rule::Nested).len(), 2);
    for items in ["5 * CASE WHEN pid < 9 THEN 1 ELSE 0 END", "least(strpos(note, 'x'), 1)"] {
        let plan = self::plan(&format!("SUM({items})"));
        assert_eq!(counts(&plan, 0, Rule::Indicator).len(), 2, "{items}");
    }
    let rounded = Disclosure::profile("opensafely").unwrap();
    let sql = "SELECT SUM(CASE WHEN age < 9 THEN 1 WHEN smoker THEN 100 ELSE 0 END) \
               FROM encounters";
    assert_eq!(world(false).compile(sql, &rounded).unwrap_err().code(), "rounding");
}

#[test]
fn more_than_eight_summands_are_refused() {
    let bands = |value: &str| {
        let bands = (0..9).map(|i| format!("WHEN los = {i} THEN {value}"));
        format!("SUM(CASE {} ELSE 0 END)", bands.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(code(&bands("age")), "choices");
    let constants =
        (1..10).fold(bands("0"), |sql, i| sql.replacen("THEN 0", &format!("THEN {i}"), 1));
    assert_eq!(code(&constants), "choices");
    let nested = (0..20)
        .fold("0".to_owned(), |sum, i| format!("{sum} + CASE WHEN los = {i} THEN 1 ELSE age END"));
    assert_eq!(code(&format!("SUM({nested})")), "choices");
}

#[test]
fn sums_of_text_are_refused() {
    for items in [
        "SUM(ascii(substr(note, 1, 1)))",
        "SUM(CAST(note AS INTEGER))",
        "AVG(CAST(note AS DECIMAL(9,2)))",
        "SUM(character_length(note))",
        "SUM(CASE WHEN smoker THEN strpos(note, 'x') ELSE 0 END)",
        "SUM(los * ascii(sex || ward))",
    ] {
        assert_eq!(code(items), "text", "{items}");
    }
    for items in [
        "SUM(CASE WHEN note = 'x' THEN los ELSE 0 END)",
        "SUM(CASE WHEN note LIKE '%x%' THEN 1 ELSE 0 END)",
        "COUNT(CAST(note AS INTEGER))",
        "SUM(character_length(sex))",
        "SUM(character_length(ward))",
    ] {
        plan(items);
    }
}
