//! What may be asked, and the words with which the rest is refused.

use tacit_plan::{Column, ColumnType, Dictionary, Digest, Disclosure, Table, Type};
use tacit_sql::{
    Context, Error, MAX_CELLS, MAX_DOMAIN, Refusal, Statement, compile,
    testing::{Dice, World},
};

fn statement(sql: &str) -> Result<Statement, Refusal> {
    statement_on(&World::random(&mut Dice(1), 0, 3, false).dictionary, sql)
}

fn statement_on(dictionary: &Dictionary, sql: &str) -> Result<Statement, Refusal> {
    let disclosure = Disclosure::profile("default").unwrap();
    let context = Context {
        study: Digest([0; 32]),
        dictionary,
        disclosure: &disclosure,
        rows_at_most: 1_000_000,
        sites: 3,
        max_cells: MAX_CELLS,
        max_domain: MAX_DOMAIN,
    };
    compile(sql, &context).map_err(|error| match error {
        Error::Query(refusal) => *refusal,
        other => panic!("{sql}: {other}"),
    })
}

#[test]
fn tables_are_shown_and_described() {
    assert_eq!(statement("SHOW TABLES;"), Ok(Statement::ShowTables));
    let described = Ok(Statement::Describe("encounters".into()));
    assert_eq!(statement("DESCRIBE Encounters"), described);
    assert_eq!(statement("DESC encounters"), described);
    let refusal = statement("DESCRIBE encounter").unwrap_err();
    assert_eq!(refusal.code, "unknown_table");
    assert_eq!(refusal.suggestion.unwrap(), "did you mean \"encounters\"?");
}

#[test]
fn refusals_say_what_and_why_and_what_would_work() {
    // Question, code, words of the message, words of the suggestion.
    let cases = [
        (
            "SELECT gendr, COUNT(*) FROM encounters GROUP BY gendr",
            "unknown_column",
            "gendr",
            "there are",
        ),
        (
            "SELECT smokr, COUNT(*) FROM encounters GROUP BY smokr",
            "unknown_column",
            "smokr",
            "smoker",
        ),
        ("SELECT COUNT(*) FROM encounter", "unknown_table", "encounter", "encounters"),
        ("SELECT COUNT(* FROM encounters", "syntax", "syntax error", ""),
        ("SELEC 1", "syntax", "syntax error", ""),
        ("SELECT 'x", "syntax", "syntax error", ""),
        ("", "empty", "empty", "SHOW TABLES"),
        ("SELECT COUNT(*) FROM encounters; SELECT 1", "several_statements", "one", ""),
        ("DELETE FROM encounters", "unsupported_statement", "DELETE", "SELECT"),
        ("DROP TABLE encounters", "unsupported_statement", "DROP", "SELECT"),
        ("SELECT * FROM encounters", "rows", "rows", "COUNT(*)"),
        ("SELECT age FROM encounters WHERE age > 3", "rows", "rows", "COUNT(*)"),
        ("SELECT 1", "no_table", "table", "SHOW TABLES"),
        (
            "SELECT COUNT(*) FROM encounters a JOIN encounters b ON a.pid = b.pid",
            "join",
            "join",
            "sites",
        ),
        ("SELECT COUNT(*) FROM encounters a, encounters b", "join", "join", "sites"),
        (
            "SELECT COUNT(*) FROM encounters UNION ALL SELECT COUNT(*) FROM encounters",
            "union",
            "UNION",
            "one by one",
        ),
        ("SELECT DISTINCT sex FROM encounters", "distinct", "DISTINCT", "GROUP BY sex"),
        (
            "SELECT COUNT(DISTINCT pid) FROM encounters",
            "distinct",
            "COUNT(DISTINCT",
            "GROUP BY pid",
        ),
        ("SELECT MIN(age) FROM encounters", "aggregate", "MIN", "GROUP BY age"),
        ("SELECT max(age) FROM encounters", "aggregate", "MAX", "GROUP BY age"),
        ("SELECT STDDEV(age) FROM encounters", "aggregate", "STDDEV", "SUM(age * age)"),
        ("SELECT VAR_POP(age) FROM encounters", "aggregate", "VAR_POP", "SUM(age * age)"),
        ("SELECT MEDIAN(age) FROM encounters", "aggregate", "MEDIAN", "GROUP BY age"),
        ("SELECT CORR(age, los) FROM encounters", "aggregate", "CORR", "SUM"),
        ("SELECT ARRAY_AGG(age) FROM encounters", "aggregate", "ARRAY_AGG", "COUNT(*)"),
        ("SELECT SUM(age) OVER () FROM encounters", "window", "window", "GROUP BY"),
        ("SELECT COUNT(*) FROM encounters WHERE random() < 0.5", "volatile", "random", "literal"),
        ("SELECT COUNT(*) FROM encounters WHERE admitted > now()", "volatile", "now", "literal"),
        (
            "SELECT COUNT(*) FROM encounters WHERE admitted > current_date",
            "volatile",
            "current_date",
            "literal",
        ),
        (
            "SELECT SUM(CAST(bmi AS DOUBLE)) FROM encounters",
            "floating",
            "floating",
            "DECIMAL(18,2)",
        ),
        (
            "SELECT AVG(CAST(age AS DOUBLE) / 3) FROM encounters",
            "floating",
            "floating",
            "DECIMAL(18,2)",
        ),
        (
            "SELECT note, COUNT(*) FROM encounters GROUP BY note",
            "no_domain",
            "text column note",
            "category",
        ),
        (
            "SELECT seen, COUNT(*) FROM encounters GROUP BY seen",
            "no_domain",
            "timestamp",
            "date_trunc('month', seen)",
        ),
        (
            "SELECT CAST(age AS DOUBLE), COUNT(*) FROM encounters GROUP BY 1",
            "floating",
            "floating",
            "DECIMAL",
        ),
        (
            "SELECT cost, COUNT(*) FROM encounters GROUP BY cost",
            "domain_too_large",
            "cost has 10010000",
            "coarser",
        ),
        (
            "SELECT pid, age, COUNT(*) FROM encounters GROUP BY pid, age",
            "too_many_cells",
            "pid has 100000, age has 112",
            "coarser",
        ),
        (
            "SELECT pid + age, COUNT(*) FROM encounters GROUP BY pid + age",
            "domain_too_large",
            "age has 112, pid has 100000",
            "coarser",
        ),
        (
            "SELECT COUNT(*) FROM encounters WHERE age > (SELECT AVG(age) FROM encounters)",
            "subquery",
            "subquery",
            "literal",
        ),
        (
            "SELECT COUNT(*) FROM encounters WHERE EXISTS (SELECT 1 FROM encounters)",
            "subquery",
            "subquery",
            "literal",
        ),
        (
            "SELECT COUNT(*) FROM encounters WHERE age IN (SELECT age FROM encounters)",
            "subquery",
            "subquery",
            "literal",
        ),
        (
            "SELECT SUM(n) FROM (SELECT sex, COUNT(*) AS n FROM encounters GROUP BY sex) t",
            "two_levels",
            "aggregation",
            "inner",
        ),
        (
            "SELECT COUNT(*) FROM (SELECT age FROM encounters LIMIT 5) t",
            "limit_below",
            "LIMIT",
            "GROUP BY",
        ),
        (
            "SELECT sex, COUNT(*) FROM encounters GROUP BY ROLLUP (sex)",
            "grouping_sets",
            "ROLLUP",
            "one GROUP BY",
        ),
        (
            "SELECT sex, ward, COUNT(*) FROM encounters GROUP BY GROUPING SETS ((sex), (ward))",
            "grouping_sets",
            "GROUPING SETS",
            "one GROUP BY",
        ),
        ("SELECT age, COUNT(*) FROM encounters GROUP BY sex", "not_grouped", "age", "GROUP BY"),
        ("SELECT COUNT(*) FROM encounters WHERE COUNT(*) > 3", "", "", ""),
        ("SELECT SUM(sex) FROM encounters", "", "", ""),
        ("SELECT COUNT(*) FROM encounters WHERE age > 'old'", "type", "'old'", ""),
        ("SELECT COUNT(*) FROM encounters WHERE admitted > '2020-13-01'", "type", "2020-13-01", ""),
        ("SELECT COUNT(*) FROM encounters WHERE age", "", "", ""),
        ("SELECT SUM(pid * pid * pid * pid) FROM encounters", "overflow", "overflow", "CAST"),
        (
            "SELECT COUNT(*) FROM encounters WHERE 9223372036854775807 + age > 0",
            "overflow",
            "overflow",
            "CAST",
        ),
        ("SELECT SUM(pid * pid * 1000) FROM encounters", "overflow", "63 bits", "narrow"),
        ("SELECT COUNT(*) * 9000000000000000 FROM encounters", "overflow", "overflow", "CAST"),
        ("SELECT SUM(sqroot(age)) FROM encounters", "unknown_function", "sqroot", "there are"),
        (
            "SELECT COUNT(*) FROM encounters WHERE uper(sex) = 'MALE'",
            "unknown_function",
            "uper",
            "upper",
        ),
        (
            "SELECT COUNT(*) FROM encounters WHERE repeat(note, 1000) = 'x'",
            "unsupported_function",
            "repeat",
            "there are",
        ),
        (
            "SELECT COUNT(*) FROM encounters WHERE substr(note, 1, age) = 'x'",
            "unsupported_function",
            "substr",
            "LEFT",
        ),
        (
            "SELECT EXTRACT(fortnight FROM admitted), COUNT(*) FROM encounters GROUP BY 1",
            "",
            "",
            "",
        ),
        ("SELECT COUNT(*) FROM encounters WHERE note ~ 'x+'", "unsupported_operator", "~", "LIKE"),
        // What fails in some rows alone would tell about them.
        (
            "SELECT COUNT(CASE WHEN age = 17 THEN date_part('fortnight', admitted) END) \
             FROM encounters",
            "type",
            "",
            "",
        ),
        (
            "SELECT COUNT(*) FROM encounters WHERE date_trunc('month', CASE WHEN age = 17 THEN \
             admitted + INTERVAL '500 years' ELSE admitted END) IS NOT NULL",
            "overflow",
            "1678",
            "EXTRACT",
        ),
        ("SELECT COUNT(CAST(age AS DATE)) FROM encounters", "type", "number", "INTERVAL"),
        (
            "SELECT COUNT(*) FROM encounters WHERE note LIKE CASE WHEN age = 17 THEN '_' ELSE 'x' END",
            "unsupported_expression",
            "LIKE",
            "contains",
        ),
        (
            "SELECT COUNT(*) FROM encounters WHERE substr(note, CASE WHEN age = 17 THEN \
             -9223372036854775807 - 1 ELSE 1 END) = 'x'",
            "overflow",
            "substr",
            "",
        ),
        ("SELECT SUM(DISTINCT age) FROM encounters", "distinct", "SUM(DISTINCT", "GROUP BY"),
        (
            "SELECT COUNT(*) FROM public.encounters",
            "unknown_table",
            "public.encounters",
            "encounters",
        ),
    ];
    for (sql, code, message, suggestion) in cases {
        let Err(refusal) = statement(sql) else {
            panic!("{sql} is not refused");
        };
        let said = format!("{sql}\n  {}: {refusal}", refusal.code);
        if std::env::var_os("TACIT_SHOW").is_some() {
            println!("{said}");
        }
        assert!(code.is_empty() || refusal.code == code, "{said}");
        assert!(refusal.message.contains(message), "{said}");
        let suggested = refusal.suggestion.unwrap_or_default();
        assert!(suggested.contains(suggestion), "{said}");
    }
}

#[test]
fn errors_point_at_their_place() {
    for (sql, marked) in [
        (
            "SELECT COUNT(*)\nFROM encounters WHERE agee > 3",
            "FROM encounters WHERE agee > 3\n                      ^^^^",
        ),
        ("SELECT MIN(age) FROM encounters", "SELECT MIN(age) FROM encounters\n       ^^^"),
        (
            "SELECT COUNT(*) FROM encounter",
            "SELECT COUNT(*) FROM encounter\n                     ^^^^^^^^^",
        ),
        (
            "SELECT COUNT(*) FROM encounters GROUP BY\n  ",
            "SELECT COUNT(*) FROM encounters GROUP BY\n                                        ^",
        ),
        ("SELECT COUNT(*\n", "SELECT COUNT(*\n              ^"),
        ("SELECT", "SELECT\n      ^"),
        (
            "SELECT COUNT(*) FROM encounters WHERE age >;",
            "SELECT COUNT(*) FROM encounters WHERE age >;\n",
        ),
        ("SELECT 'x", "SELECT 'x\n"),
        (
            "SELECT COUNT(*) FROM encounters WHERE ward = 'x",
            "SELECT COUNT(*) FROM encounters WHERE ward = 'x\n",
        ),
        ("SELECT COUNT(*)\nFROM encounters\nWHERE (age > 3", "WHERE (age > 3\n              ^"),
        (
            "SELECT COUNT(*) FROM encounters WHERE",
            "SELECT COUNT(*) FROM encounters WHERE\n                                     ^",
        ),
    ] {
        let refusal = statement(sql).unwrap_err();
        let excerpt = refusal.excerpt(sql).unwrap_or_default();
        assert!(excerpt.starts_with(marked), "{sql}: {refusal}\n{excerpt}");
    }
}

#[test]
fn hostile_texts_are_refused_quickly() {
    let long = format!("SELECT COUNT(*) FROM encounters WHERE age = {}", "1 + ".repeat(5000));
    assert_eq!(statement(&long).unwrap_err().code, "too_long");
    let deep = format!("SELECT {}1{}", "(".repeat(400), ")".repeat(400));
    assert!(["too_deep", "too_long"].contains(&statement(&deep).unwrap_err().code));
    assert_eq!(statement(&"x".repeat(200_000)).unwrap_err().code, "too_long");
    // Each level doubles the expression.
    let mut doubling = String::from("SELECT age AS a FROM encounters");
    for _ in 0..25 {
        doubling = format!("SELECT a + a AS a FROM ({doubling}) AS t");
    }
    let refusal = statement(&format!("SELECT SUM(a) FROM ({doubling}) AS t")).unwrap_err();
    assert!(["too_deep", "too_long"].contains(&refusal.code), "{refusal}");
    // The engine would write each argument twice.
    let nested = format!("{}age{}", "coalesce(".repeat(40), ", 1)".repeat(40));
    let refusal = statement(&format!("SELECT SUM({nested}) FROM encounters")).unwrap_err();
    assert_eq!(refusal.code, "too_long", "{refusal}");
    // Many choices with long conditions, deep inside.
    let listed: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let bands: Vec<String> =
        (0..60).map(|i| format!("WHEN pid IN ({i}, {}) THEN {i}", listed.join(","))).collect();
    let chosen = format!("CASE {} ELSE age END", bands.join(" "));
    let deep = (0..25).fold(chosen, |sum, _| format!("1 + ({sum})"));
    let refusal = statement(&format!("SELECT SUM({deep}) FROM encounters")).unwrap_err();
    assert!(["choices", "too_long"].contains(&refusal.code), "{refusal}");
    let mut doubling = String::from("SELECT readmitted AS a, los FROM encounters");
    for _ in 0..10 {
        doubling = format!("SELECT a * a AS a, los FROM ({doubling}) AS t");
    }
    let summed = statement(&format!("SELECT SUM(a + los) FROM ({doubling}) AS t"));
    assert!(summed.is_ok(), "{}", summed.unwrap_err());
    let flat =
        format!("SELECT COUNT(*) FROM encounters WHERE {} age = 3", "age = 1 OR ".repeat(300));
    assert!(statement(&flat).is_err_and(|refusal| refusal.code == "too_long"));
}

/// Columns of few values, of many, and of more than can be tried.
fn wide() -> Dictionary {
    let column = |name: &str, r#type| Column {
        name: name.into(),
        r#type,
        unit: None,
        description: None,
        missing: true,
    };
    let span = |low: &str, high: &str| [low.to_owned(), high.to_owned()];
    let decimal = |low: &str, high: &str| ColumnType::Decimal {
        scale: 2,
        range: span(low, high),
        rounded: false,
    };
    let columns = vec![
        column("id", ColumnType::Integer { range: [0, 2_000_000] }),
        column("serial", ColumnType::Integer { range: [-3_000_000_000, 4_000_000_000] }),
        column("age", ColumnType::Integer { range: [0, 110] }),
        column("balance", decimal("-2000.00", "2000.00")),
        column("Total", decimal("-0.50", "9999999.99")),
        column("born", ColumnType::Date { range: span("1900-01-01", "2025-12-31") }),
        column("founded", ColumnType::Date { range: span("0900-01-01", "1700-12-31") }),
        column(
            "seen",
            ColumnType::Timestamp { range: span("2020-01-01T00:00:00", "2020-12-31T23:59:59") },
        ),
        column("sex", ColumnType::Category { values: vec!["f".into(), "m".into()] }),
    ];
    let table = Table { person: None, description: None, columns };
    Dictionary { tables: std::collections::BTreeMap::from([("accounts".to_owned(), table)]) }
}

#[test]
fn every_group_by_that_is_suggested_is_taken() {
    let dictionary = wide();
    let names: Vec<&str> =
        dictionary.tables["accounts"].columns.iter().map(|column| column.name.as_str()).collect();
    let mut asked = vec![
        "SELECT COUNT(*) FROM accounts GROUP BY id, balance".to_owned(),
        "SELECT COUNT(*) FROM accounts GROUP BY id + age".to_owned(),
        "SELECT COUNT(*) FROM accounts GROUP BY serial, age, total".to_owned(),
        "SELECT COUNT(*) FROM accounts GROUP BY date_trunc('minute', seen)".to_owned(),
        "SELECT MIN(age * 2) FROM accounts".to_owned(),
        "SELECT COUNT(DISTINCT a.id) FROM accounts AS a".to_owned(),
    ];
    for name in names {
        for call in ["MIN(#)", "MAX(#)", "MEDIAN(#)", "COUNT(DISTINCT #)"] {
            asked.push(format!("SELECT {} FROM accounts", call.replace('#', name)));
        }
        asked.push(format!("SELECT COUNT(*) FROM accounts GROUP BY {name}"));
    }
    let mut compiled = 0;
    for sql in asked {
        let Err(refusal) = statement_on(&dictionary, &sql) else { continue };
        let suggestion = refusal.suggestion.unwrap_or_default();
        let Some((_, keys)) = suggestion.split_once("GROUP BY ") else {
            assert!(refusal.code == "no_domain", "{sql}: {suggestion}");
            continue;
        };
        let next = format!("SELECT COUNT(*) FROM accounts AS a GROUP BY {keys}");
        let plan = match statement_on(&dictionary, &next) {
            Ok(Statement::Query(plan)) => plan,
            other => panic!("{sql}: {suggestion}: {other:?}"),
        };
        let most = if sql.contains("DISTINCT") { MAX_CELLS } else { 1010 };
        assert!(plan.cells() <= most, "{sql}: {suggestion}: {} cells", plan.cells());
        compiled += 1;
    }
    assert!(compiled > 40, "{compiled}");
}

#[test]
fn slips_of_the_pen_are_recognised() {
    for (sql, suggestion) in [
        ("SELECT COUNT(*) FROM encounters WHERE ward = \"W1\"", "single quotes: 'W1'"),
        ("SELECT COUNT(*) FORM encounters", "FROM"),
        ("SELECT COUNT(*) FRM encounters WHERE age > 3", "FROM"),
    ] {
        let refusal = statement(sql).unwrap_err();
        assert!(refusal.suggestion.as_ref().unwrap().contains(suggestion), "{refusal}");
        assert!(refusal.place.is_some(), "{refusal}");
    }
}

#[test]
fn columns_are_named_as_they_were_written() {
    let sql = "SELECT Ward, 100 * AVG(CAST(smoker AS INT)), COUNT(*), COUNT(*) + 1 AS n, \
               COUNT(*) FILTER (WHERE age > 3) FROM encounters GROUP BY ward";
    let Ok(Statement::Query(plan)) = statement(sql) else { panic!("{sql}") };
    let names: Vec<&str> = plan.release.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "Ward",
            "100 * avg(CAST(smoker AS INT))",
            "count(*)",
            "n",
            "count(*) FILTER (WHERE age > 3)",
        ]
    );
    let sql = "SELECT date_trunc('month', admitted), date_trunc('month', seen), COUNT(*) \
               FROM encounters GROUP BY 1, 2";
    let Ok(Statement::Query(plan)) = statement(sql) else { panic!("{sql}") };
    let types: Vec<Type> = plan.release.columns.iter().map(|c| c.r#type).collect();
    assert_eq!(types, [Type::Date, Type::Timestamp, Type::Integer]);
}

#[test]
fn questions_that_are_too_much_work_are_refused_quickly() {
    let code = |sql: &str| statement(sql).expect_err(sql).code;
    // Ten million values, of which the first hundred thousand are enough to know.
    assert_eq!(code("SELECT cost - 1, COUNT(*) FROM encounters GROUP BY 1"), "domain_too_large");
    let cells =
        statement("SELECT pid * 2 - age, COUNT(*) FROM encounters WHERE age = 1 GROUP BY 1");
    assert_eq!(cells.unwrap_err().code, "domain_too_large");
    let many = "SELECT CAST(seen AS DATE) || CAST(age AS VARCHAR), COUNT(*) FROM encounters \
                GROUP BY 1";
    assert!(statement(many).is_ok());
    let minutes = "SELECT date_trunc('minute', seen), COUNT(*) FROM encounters GROUP BY 1";
    let refusal = statement(minutes).unwrap_err();
    assert_eq!(refusal.code, "too_many_cells", "{refusal}");
    assert!(refusal.message.contains("more than 100000 values"), "{refusal}");
    // Each key alone is small, and all of them together are not.
    let key = |i: u32| format!("CAST(pid / {} AS INT) * 0 + CAST(age / 120 AS INT)", i + 1);
    let keys: Vec<String> = (0..9).map(key).collect();
    let keys = format!("SELECT COUNT(*) FROM encounters GROUP BY {}", keys.join(", "));
    assert_eq!(code(&keys), "domain_too_large");

    let items: Vec<String> =
        (0..120).map(|i| format!("COUNT(*) FILTER (WHERE pid > {i})")).collect();
    let sql = format!("SELECT pid, {} FROM encounters GROUP BY pid", items.join(", "));
    assert_eq!(code(&sql), "too_large");
    let counts: Vec<String> = (0..210).map(|i| format!("SUM(los * {i})")).collect();
    let sql = format!("SELECT pid, {} FROM encounters GROUP BY pid", counts.join(", "));
    assert!(statement(&sql).is_ok(), "they share their rules");

    let mut doubling = String::from("SELECT note AS a, sex AS b FROM encounters");
    for _ in 0..7 {
        doubling = format!("SELECT a || a AS a, b || b AS b FROM ({doubling}) AS t");
    }
    let ask = |what: &str| format!("SELECT COUNT({what}) FROM ({doubling}) AS t");
    let refusal = statement(&ask("a")).unwrap_err();
    assert_eq!(refusal.code, "too_long", "{refusal}");
    assert!(statement(&ask("b")).is_ok());
    let long = "x".repeat(20_000);
    let sql = format!(
        "WITH t AS (SELECT concat(sex, '{long}') AS a FROM encounters), \
         u AS (SELECT concat(a, a, a, a, a, a, a, a) AS a FROM t) \
         SELECT COUNT(concat(a, a, a, a, a, a, a, a)) FROM u"
    );
    assert_eq!(code(&sql), "too_long");
}

#[test]
fn what_is_shown_is_plain_sql() {
    let sql = "SELECT Ward, COUNT(*) AS n, AVG(bmi) AS bmi FROM encounters \
               WHERE age >= 18 AND los / 2 > 3 GROUP BY ward";
    let Ok(Statement::Query(plan)) = statement(sql) else {
        panic!("{sql}");
    };
    assert_eq!(
        plan.local[0].sql,
        "SELECT \"Ward\" AS k0, count(*) AS c0, sum(bmi) AS c2, count(bmi) AS c3 FROM encounters \
         WHERE age >= 18 AND los / 2 > 3 GROUP BY \"Ward\""
    );
    assert_eq!(plan.local[1].sql, "SELECT coalesce(sum(c0), 0) AS c1 FROM cells");
    assert_eq!(
        plan.columns,
        ["encounters.Ward", "encounters.age", "encounters.bmi", "encounters.los"]
    );
    assert!(plan.notes.iter().any(|note| note.contains("integer division truncates: los / 2")));
    assert!(plan.notes.iter().any(|note| note.contains("AVG opens its sum and its count")));
    assert_eq!(plan.keys[0].domain.len(), 4);
}
