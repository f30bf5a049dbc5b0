//! Each rule of release has its tests in the plans that need it, and hides what it should.

use tacit_plan::{Disclosure, Plan, Rows, Rule, Value};
use tacit_sql::testing::{Dice, World};

fn profile(name: &str) -> Disclosure {
    Disclosure::profile(name).unwrap()
}

fn world(person: bool) -> World {
    World::random(&mut Dice(2), 0, 3, person)
}

fn plan(sql: &str) -> Plan {
    let plan = world(false).compile(sql, &profile("default"));
    plan.unwrap_or_else(|e| panic!("{sql}: {e}"))
}

/// Rules that guard the numbers of an output column, in order, each once.
fn rules(plan: &Plan, column: usize) -> Vec<Rule> {
    let numbers = plan.release.columns[column].numbers.iter();
    let tests = numbers.flat_map(|number| &plan.numbers[*number].hidden_by);
    let mut rules: Vec<Rule> = tests.map(|test| plan.tests[*test].rule).collect();
    rules.sort();
    rules.dedup();
    rules
}

/// Expressions of the inputs that a rule looks at for an output column.
fn looked_at(plan: &Plan, column: usize, rule: Rule) -> Vec<String> {
    let numbers = plan.release.columns[column].numbers.iter();
    let tests = numbers.flat_map(|number| &plan.numbers[*number].hidden_by);
    let tests = tests.map(|test| &plan.tests[*test]).filter(|test| test.rule == rule);
    let mut all: Vec<String> = tests
        .map(|test| match test.minus {
            None => plan.inputs[test.plus].expression.clone(),
            Some(minus) => {
                format!("{} - {}", plan.inputs[test.plus].expression, plan.inputs[minus].expression)
            }
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

#[test]
fn the_whole_and_the_group_guard_every_number() {
    let plan = plan("SELECT sex, COUNT(*), SUM(los) FROM encounters GROUP BY sex");
    for column in 1..3 {
        assert_eq!(rules(&plan, column), [Rule::Total, Rule::Group]);
    }
    let total = plan.tests.iter().find(|test| test.rule == Rule::Total).unwrap();
    assert_eq!((total.rows, total.least, total.below), (Rows::Total, 1, Some(11)));
    let presence = &plan.numbers[plan.presence.unwrap()];
    assert_eq!(plan.inputs[presence.count].expression, "count(*)");
    assert!(plan.release.columns[1].count && !plan.release.columns[2].count);
}

#[test]
fn each_number_has_its_own_contributing_count() {
    let plan = plan("SELECT SUM(age), AVG(bmi) FILTER (WHERE smoker) FROM encounters");
    assert_eq!(looked_at(&plan, 0, Rule::Contribution), ["count(age)"]);
    let own = "count(bmi) FILTER (WHERE smoker)";
    assert_eq!(looked_at(&plan, 1, Rule::Contribution), [own]);
    assert!(rules(&plan, 0).contains(&Rule::Total));
    assert!(plan.presence.is_none());
}

#[test]
fn both_values_of_an_indicator_are_counted() {
    for (argument, values) in [
        ("readmitted", ["readmitted = 0", "readmitted = 1"]),
        (
            "CASE WHEN age > 60 THEN 1 ELSE 0 END",
            [
                "CASE WHEN age > 60 THEN 1 ELSE 0 END = 0",
                "CASE WHEN age > 60 THEN 1 ELSE 0 END = 1",
            ],
        ),
    ] {
        for function in ["SUM", "AVG"] {
            let plan = plan(&format!("SELECT {function}({argument}) FROM encounters"));
            let counted = looked_at(&plan, 0, Rule::Indicator).join("; ");
            assert!(values.iter().all(|value| counted.contains(value)), "{counted}");
        }
    }
    let narrowed = plan("SELECT SUM(age) FROM encounters WHERE age IN (40, 41)");
    assert_eq!(looked_at(&narrowed, 0, Rule::Indicator).len(), 2);
    let wide = plan("SELECT SUM(age), COUNT(readmitted) FROM encounters");
    assert!(!rules(&wide, 0).contains(&Rule::Indicator));
}

#[test]
fn the_narrower_of_two_nested_counts_is_guarded() {
    let cases = [
        ("COUNT(*), COUNT(age)", 1, vec!["count(*) - count(age)"]),
        (
            "COUNT(age), AVG(age) FILTER (WHERE smoker)",
            1,
            vec!["count(age) - count(age) FILTER (WHERE smoker)"],
        ),
        ("COUNT(*), AVG(age)", 1, vec!["count(*) - count(age)"]),
        ("COUNT(*), SUM(age)", 1, vec![]),
        (
            "COUNT(*) FILTER (WHERE age > 50), COUNT(*) FILTER (WHERE age > 60)",
            1,
            vec!["count(*) FILTER (WHERE age > 50) - count(*) FILTER (WHERE age > 60)"],
        ),
        ("COUNT(*) FILTER (WHERE age > 50), COUNT(*) FILTER (WHERE los > 3)", 1, vec![]),
        (
            "COUNT(*), SUM(readmitted)",
            1,
            vec!["count(*) - count(readmitted) FILTER (WHERE readmitted = 1)"],
        ),
        (
            "COUNT(*), COUNT(CASE WHEN smoker THEN 1 END)",
            1,
            vec!["count(*) - count(*) FILTER (WHERE smoker)"],
        ),
        // The same rows in other words: nothing to tell apart.
        ("COUNT(age) FILTER (WHERE age > 5), COUNT(*) FILTER (WHERE age > 5)", 1, vec![]),
    ];
    for (items, column, wanted) in cases {
        let plan = plan(&format!("SELECT {items} FROM encounters"));
        assert_eq!(looked_at(&plan, column, Rule::Nested), wanted, "{items}");
        assert!(looked_at(&plan, 0, Rule::Nested).is_empty(), "{items}");
        let guarded = plan.release.columns[column].count;
        assert!(wanted.is_empty() || !guarded, "a nested rule can hide {items}");
    }
}

#[test]
fn nesting_is_found_among_columns_with_many_values() {
    // `cost` has ten million values, `seen` a moment for each microsecond, `note` any text.
    for (narrow, wide, nested) in [
        ("cost > 60.5", "cost > 50", true),
        ("cost > 50.005", "cost >= 50.01", false),
        ("cost > 50.01", "cost >= 50.01", true),
        ("cost IN (5, 6.25)", "cost BETWEEN 5 AND 7", true),
        ("cost BETWEEN 5 AND 8", "cost BETWEEN 5.01 AND 7", false),
        ("cost > 60 AND pid <> 17", "cost > 50 AND pid BETWEEN 1 AND 100000", true),
        ("cost > 60 AND pid <> 17", "cost > 50", true),
        ("cost > 60 AND pid <> 17", "cost > 50 AND pid > 2", false),
        ("seen < TIMESTAMP '2020-03-01'", "seen < TIMESTAMP '2020-03-01 00:00:01'", true),
        ("seen < TIMESTAMP '2020-03-02'", "seen < TIMESTAMP '2020-03-01'", false),
        ("CAST(seen AS DATE) = DATE '2020-03-01'", "seen < TIMESTAMP '2020-03-02'", true),
        ("CAST(seen AS DATE) = DATE '2020-03-01'", "seen <= TIMESTAMP '2020-03-01'", false),
        ("note = 'b'", "note IN ('a', 'b')", true),
        ("note = 'b'", "note > 'b'", false),
        ("note = 'b'", "note IS NOT NULL", true),
        ("note LIKE 'b%'", "note > 'a'", false),
        ("note LIKE 'b%'", "note IS NOT NULL", true),
        ("NOT lower(note) = 'b' AND cost > 5", "note IS NOT NULL", true),
        ("coalesce(note, 'b') = 'b'", "note IS NOT NULL", false),
        ("note LIKE 'b%' OR smoker", "note IS NOT NULL", false),
        ("NOT (cost <= 60 OR smoker)", "CASE WHEN cost > 50 THEN TRUE ELSE FALSE END", true),
    ] {
        let items = format!("COUNT(*) FILTER (WHERE {wide}), COUNT(*) FILTER (WHERE {narrow})");
        let plan = plan(&format!("SELECT {items} FROM encounters"));
        assert_eq!(!looked_at(&plan, 1, Rule::Nested).is_empty(), nested, "{narrow} in {wide}");
    }
    let two = plan("SELECT SUM(cost) FROM encounters WHERE cost IN (5, 6.25)");
    assert_eq!(looked_at(&two, 0, Rule::Indicator).len(), 2);
    for many in ["cost IN (5, 6, 7)", "cost > 5 AND cost < 5.04", "cost >= 5"] {
        let plan = plan(&format!("SELECT SUM(cost) FROM encounters WHERE {many}"));
        assert!(looked_at(&plan, 0, Rule::Indicator).is_empty(), "{many}");
    }
}

#[test]
fn the_narrower_of_two_sums_over_nested_rows_is_guarded() {
    let all = "count(*) - count(*) FILTER (WHERE pid <> 17)";
    let cases = [
        ("SUM(los), SUM(los) FILTER (WHERE pid <> 17)", vec![all]),
        ("SUM(los), SUM(los * 2) FILTER (WHERE pid <> 17)", vec![all]),
        (
            "SUM(los * los), AVG(los + age - age) FILTER (WHERE pid <> 17)",
            vec!["count(*) - count(age) FILTER (WHERE pid <> 17)"],
        ),
        (
            "SUM(age), AVG(age) FILTER (WHERE pid <> 17)",
            vec!["count(age) - count(age) FILTER (WHERE pid <> 17)"],
        ),
        ("AVG(los), SUM(los) FILTER (WHERE pid <> 17)", vec![all]),
        ("SUM(los), SUM(cost) FILTER (WHERE pid <> 17)", vec![]),
        ("SUM(los) FILTER (WHERE smoker), SUM(los) FILTER (WHERE pid <> 17)", vec![]),
        ("COUNT(*), SUM(los) FILTER (WHERE pid <> 17)", vec![]),
    ];
    for (items, wanted) in cases {
        let plan = plan(&format!("SELECT {items} FROM encounters"));
        assert_eq!(looked_at(&plan, 1, Rule::Nested), wanted, "{items}");
        assert!(looked_at(&plan, 0, Rule::Nested).is_empty(), "{items}");
    }
}

#[test]
fn a_filter_on_text_hides_zeros() {
    let by_where = plan("SELECT sex, COUNT(*) FROM encounters WHERE note LIKE '%x%' GROUP BY sex");
    assert!(by_where.text_filter && by_where.tests.iter().all(|test| test.least == 0));
    let by_filter = plan("SELECT COUNT(*), COUNT(*) FILTER (WHERE note = 'x') FROM encounters");
    assert!(by_filter.text_filter);
    let least = |rule| by_filter.tests.iter().find(|t| t.rule == rule).unwrap().least;
    assert_eq!((least(Rule::Total), least(Rule::Contribution)), (1, 0));
    assert!(!plan("SELECT COUNT(*) FROM encounters WHERE ward LIKE '%x%'").text_filter);
}

#[test]
fn persons_are_counted_where_the_table_names_them() {
    let world = world(true);
    let sql = "SELECT sex, COUNT(*), COUNT(age) FROM encounters GROUP BY sex";
    let plan = world.compile(sql, &profile("default")).unwrap();
    assert!(plan.persons);
    assert_eq!(looked_at(&plan, 1, Rule::Group), ["count(DISTINCT pid)"]);
    assert_eq!(
        looked_at(&plan, 2, Rule::Contribution),
        ["count(DISTINCT pid) FILTER (WHERE age IS NOT NULL)"]
    );
    assert_eq!(
        looked_at(&plan, 2, Rule::Nested),
        ["count(DISTINCT pid) FILTER (WHERE age IS NULL)"]
    );
    let sql = "SELECT COUNT(*) FILTER (WHERE smoker OR los > 3), \
               COUNT(age) FILTER (WHERE smoker OR los > 3) FROM encounters";
    let nested = world.compile(sql, &profile("default")).unwrap();
    assert_eq!(
        looked_at(&nested, 1, Rule::Nested),
        ["count(DISTINCT pid) FILTER (WHERE (smoker OR los > 3) AND age IS NULL)"]
    );
    let value = plan.numbers[plan.release.columns[1].numbers[0]].value.unwrap();
    assert_eq!(plan.inputs[value].expression, "count(*)");
    assert!(plan.local[1].sql.starts_with("SELECT count(DISTINCT pid) AS"));
    assert!(!plan.release.columns[1].count);
}

#[test]
fn a_site_floor_guards_whole_group_and_number() {
    let mut disclosure = profile("default");
    disclosure.site_floor = Some(3);
    let sql = "SELECT sex, SUM(age) FROM encounters GROUP BY sex";
    let plan = world(false).compile(sql, &disclosure).unwrap();
    let floors = looked_at(&plan, 1, Rule::SiteFloor);
    assert_eq!(floors.len(), 2, "group and number, beside the whole: {floors:?}");
    let tests = plan.tests.iter().filter(|test| test.rule == Rule::SiteFloor);
    assert_eq!(tests.clone().count(), 3);
    assert!(tests.clone().any(|test| test.rows == Rows::Total));
    assert!(tests.clone().all(|test| test.below.is_none() && test.least == 1));
}

#[test]
fn rounded_profiles_refuse_what_would_open_an_exact_count() {
    let mut disclosure = profile("opensafely");
    let ask = |items: &str, disclosure: &Disclosure| {
        world(false).compile(&format!("SELECT {items} FROM encounters"), disclosure)
    };
    for items in ["AVG(age)", "SUM(readmitted)", "SUM(1)", "SUM(CASE WHEN smoker THEN 5 END)"] {
        let error = ask(items, &disclosure).unwrap_err();
        assert_eq!(error.code(), "rounding", "{items}: {error}");
    }
    let plan = ask("COUNT(*), SUM(age)", &disclosure).unwrap();
    assert_eq!(plan.numbers[0].rounding, Some(5));
    assert_eq!(plan.numbers[1].rounding, None);
    disclosure.rounding = None;
    disclosure.mean_threshold = Some(20);
    let plan = ask("AVG(age)", &disclosure).unwrap();
    assert!(plan.tests.iter().any(|test| test.below == Some(20)));
}

#[tokio::test]
async fn rules_hide_what_they_should() {
    // 12 rows, 5 of them smokers, 2 without an age, all of one ward but one.
    let mut world = World::random(&mut Dice(9), 12, 2, false);
    let columns = &world.dictionary.tables["encounters"].columns;
    let at = |name: &str| columns.iter().position(|c| c.name == name).unwrap();
    let (age, smoker, ward, readmitted) = (at("age"), at("smoker"), at("Ward"), at("readmitted"));
    for (i, row) in world.sites.iter_mut().flatten().enumerate() {
        row[age] = if i < 2 { Value::Null } else { Value::Integer(50) };
        row[smoker] = Value::Boolean(i < 5);
        row[ward] = Value::Text(if i == 0 { "east" } else { "north" }.into());
        row[readmitted] = Value::Integer(i64::from(i == 3));
    }
    let hidden = async |sql: &str| -> Vec<Vec<bool>> {
        let plan = world.compile(sql, &profile("default")).unwrap();
        let table = world.joint(&plan).await.unwrap();
        let rows = table.rows.iter();
        rows.map(|row| row.iter().map(tacit_sql::ResultValue::is_hidden).collect()).collect()
    };
    let cases: [(&str, Vec<Vec<bool>>); 7] = [
        ("SELECT COUNT(*), SUM(los) FROM encounters", vec![vec![false, false]]),
        ("SELECT COUNT(*) FROM encounters WHERE smoker", vec![vec![true]]),
        ("SELECT COUNT(*), COUNT(age) FROM encounters", vec![vec![false, true]]),
        ("SELECT COUNT(*), SUM(readmitted) FROM encounters", vec![vec![false, true]]),
        (
            "SELECT COUNT(*), SUM(los) FILTER (WHERE NOT smoker) FROM encounters",
            vec![vec![false, true]],
        ),
        (
            "SELECT ward, COUNT(*) FROM encounters GROUP BY ward",
            vec![vec![false, false], vec![false, true]],
        ),
        ("SELECT COUNT(*) FROM encounters WHERE note = 'nothing like it'", vec![vec![true]]),
    ];
    for (sql, wanted) in cases {
        assert_eq!(hidden(sql).await, wanted, "{sql}");
    }
}
