//! The answers of sandboxes, whatever their number of sites, split and engine, equal those of
//! another engine over the pooled rows, except where the rules hide.

mod support;

use serde_json::Value;
use support::{
    Sandbox, both, data, ok, path,
    pool::{Pool, Question},
    tacit,
};

const ROWS: u64 = 4000;

const fn count(sql: &'static str, keys: usize) -> Question {
    Question { sql, sqlite: None, keys, plain_count: true, drops: false }
}

const fn numbers(sql: &'static str, keys: usize) -> Question {
    Question { sql, sqlite: None, keys, plain_count: false, drops: false }
}

const fn other(sql: &'static str, sqlite: &'static str, keys: usize) -> Question {
    Question { sql, sqlite: Some(sqlite), keys, plain_count: false, drops: false }
}

const fn dropping(sql: &'static str, keys: usize) -> Question {
    Question { sql, sqlite: None, keys, plain_count: false, drops: true }
}

const QUESTIONS: [Question; 24] = [
    count("SELECT COUNT(*) AS n FROM visits", 0),
    count("SELECT region, COUNT(*) AS n FROM visits GROUP BY region", 1),
    count("SELECT sex, region, COUNT(*) FROM visits GROUP BY sex, region", 2),
    count("SELECT age, sex, COUNT(*) AS n FROM visits GROUP BY age, sex", 2),
    count(
        "SELECT smoker, COUNT(*) AS n FROM visits WHERE age BETWEEN 20 AND 60 GROUP BY smoker",
        1,
    ),
    count(
        "SELECT score, COUNT(*) AS n FROM visits WHERE Region IN ('South', 'East') GROUP BY score",
        1,
    ),
    count("SELECT flag, region, COUNT(*) AS n FROM visits GROUP BY flag, region", 2),
    count("SELECT COUNT(*) AS n FROM visits WHERE region = 'nowhere'", 0),
    count("SELECT COUNT(*) AS n FROM visits WHERE age = 50 AND sex = 'F' AND smoker", 0),
    count(
        "WITH old AS (SELECT region, sex FROM visits WHERE age >= 65) SELECT region, COUNT(*) AS n FROM old GROUP BY region",
        1,
    ),
    count(
        "SELECT CASE WHEN age < 18 THEN 'child' WHEN age < 65 THEN 'adult' ELSE 'old' END AS a, COUNT(*) AS n FROM visits GROUP BY 1",
        1,
    ),
    numbers("SELECT region, COUNT(weight) AS w, COUNT(score) AS s FROM visits GROUP BY region", 1),
    numbers(
        "SELECT region, SUM(balance) AS total, AVG(weight) AS mean FROM visits GROUP BY region",
        1,
    ),
    numbers(
        "SELECT sex, SUM(score) AS s, AVG(score) AS a, COUNT(*) AS n FROM visits GROUP BY sex",
        1,
    ),
    numbers(
        "SELECT region, COUNT(*) FILTER (WHERE smoker) AS smokers, COUNT(*) AS n FROM visits GROUP BY region",
        1,
    ),
    numbers("SELECT sex, SUM(age * 2 - 10) AS s FROM visits WHERE weight > 70.5 GROUP BY sex", 1),
    numbers("SELECT region, SUM(flag) AS flagged FROM visits GROUP BY region", 1),
    numbers("SELECT age / 10 AS decade, AVG(balance) AS b FROM visits GROUP BY age / 10", 1),
    numbers(
        "SELECT COUNT(*) AS n, SUM(balance) AS s, AVG(age) AS a FROM visits WHERE score IS NULL",
        0,
    ),
    numbers("SELECT sex, COUNT(*) AS n FROM visits WHERE note LIKE 'note 1%' GROUP BY sex", 1),
    other(
        "SELECT EXTRACT(YEAR FROM admitted) AS y, COUNT(*) AS n FROM visits GROUP BY EXTRACT(YEAR FROM admitted)",
        "SELECT CAST(strftime('%Y', admitted) AS INTEGER) AS y, COUNT(*) AS n FROM visits GROUP BY 1",
        1,
    ),
    other(
        "SELECT sex, COUNT(*) AS n FROM visits WHERE admitted >= DATE '2020-07-01' GROUP BY sex",
        "SELECT sex, COUNT(*) AS n FROM visits WHERE admitted >= '2020-07-01' GROUP BY sex",
        1,
    ),
    dropping(
        "SELECT region, AVG(age) AS a, COUNT(*) AS n FROM visits GROUP BY region HAVING COUNT(*) > 300 ORDER BY n DESC",
        1,
    ),
    dropping("SELECT age, COUNT(*) AS n FROM visits GROUP BY age ORDER BY n DESC, age LIMIT 5", 1),
];

struct World {
    rows: Vec<data::Row>,
    folder: tempfile::TempDir,
}

impl World {
    fn new(rows: u64, delimiter: char) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rows = data::rows(rows);
        std::fs::write(folder.path().join("visits.csv"), data::csv(&rows, delimiter)).unwrap();
        Self { rows, folder }
    }

    fn sandbox(&self, arguments: &[&str]) -> Sandbox {
        Sandbox::started("visits", &self.folder.path().join("visits.csv"), arguments)
    }
}

fn without_run(mut answer: Value) -> Value {
    answer["receipt"] = Value::Null;
    answer
}

/// Explained and counted rounds and bytes of every party are the same, to the byte.
fn bill_equals_ledger(sandbox: &Sandbox, sql: &str, answer: &Value) {
    let receipt = &answer["receipt"];
    assert_eq!(receipt["bill"], receipt["ledger"], "{sql}");
    let study = sandbox.study();
    let explained = ok(["explain", "--study", path(&study), "--format", "json", sql]);
    let explained: Value = serde_json::from_str(&explained).unwrap();
    let engines = explained["engines"].as_array().unwrap();
    let same = engines.iter().find(|engine| engine["engine"] == receipt["engine"]).unwrap();
    assert_eq!(same["bill"], receipt["ledger"], "{sql}");
    assert_eq!(same["circuit"], receipt["circuit"], "{sql}");
    assert_eq!(explained["plan_digest"], receipt["plan"], "{sql}");
}

#[test]
fn answers_equal_the_pool_for_2_3_and_5_sites_both_splits_and_every_engine() {
    let world = World::new(ROWS, ',');
    let pool = Pool::new(&world.rows);
    let three = world.sandbox(&["--null", "NA", "--engines", "rep3,additive,clear"]);
    let mut rep3 = Vec::new();
    let mut hidden = 0;
    for question in &QUESTIONS {
        let answer = three.json(question.sql, None);
        assert_eq!(answer["receipt"]["engine"], "rep3");
        hidden += pool.check(question, &answer).hidden;
        rep3.push(answer);
    }
    assert!(hidden > 50, "the data have small groups: {hidden}");
    for (question, rep3) in QUESTIONS.iter().zip(&rep3).step_by(3) {
        bill_equals_ledger(&three, question.sql, rep3);
        for engine in ["clear", "additive"] {
            let answer = three.json(question.sql, Some(engine));
            bill_equals_ledger(&three, question.sql, &answer);
            assert_eq!(
                without_run(answer),
                without_run(rep3.clone()),
                "{engine}: {}",
                question.sql
            );
        }
    }
    drop(three);

    let five =
        world.sandbox(&["--null", "NA", "--sites", "5", "--split", "region", "--compute", "5"]);
    for (question, rep3) in QUESTIONS.iter().zip(&rep3) {
        let answer = five.json(question.sql, Some("additive"));
        pool.check(question, &answer);
        assert_eq!(without_run(answer), without_run(rep3.clone()), "5 sites: {}", question.sql);
    }
    bill_equals_ledger(&five, QUESTIONS[1].sql, &five.json(QUESTIONS[1].sql, Some("additive")));
    let of_three = five.json(QUESTIONS[12].sql, Some("rep3"));
    bill_equals_ledger(&five, QUESTIONS[12].sql, &of_three);
    assert_eq!(without_run(of_three), without_run(rep3[12].clone()));
    drop(five);

    let two = world.sandbox(&["--null", "NA", "--sites", "2", "--person", "visits=patient"]);
    for (question, rep3) in QUESTIONS.iter().zip(&rep3).step_by(4) {
        let answer = two.json(question.sql, None);
        assert_eq!(answer["receipt"]["triples"], "trusted dealer");
        bill_equals_ledger(&two, question.sql, &answer);
        assert_eq!(without_run(answer), without_run(rep3.clone()), "2 sites: {}", question.sql);
    }
}

#[test]
fn formats_tell_hidden_from_null_and_semicolons_persons_and_profiles_work() {
    let world = World::new(600, ';');
    let sandbox = world.sandbox(&[
        "--null",
        "NA",
        "--delimiter",
        ";",
        "--split",
        "REGION",
        "--sites",
        "3",
        "--engines",
        "rep3",
        "--disclosure",
        "ohdsi",
    ]);
    let sql =
        "SELECT region, sex, COUNT(*) AS n, AVG(weight) AS w FROM visits GROUP BY region, sex";
    let output = |arguments: &[&str]| {
        let output = sandbox.query(sql).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", both(&output));
        (support::text(&output.stdout), support::text(&output.stderr))
    };
    let (table, beside) = output(&[]);
    assert!(table.contains("<5") && table.contains("NULL"), "{table}");
    assert!(beside.contains("hidden:") && beside.contains("cost: rep3"), "{beside}");
    let (csv, _) = output(&["--format", "csv", "--status"]);
    assert!(
        csv.starts_with("Region,Region_status,sex,sex_status,n,n_status,w,w_status\n"),
        "{csv}"
    );
    assert!(csv.contains("\"North, upper\",exact,") && csv.contains(",hidden"), "{csv}");
    let (plain, _) = output(&["--format", "csv"]);
    assert!(!plain.contains("hidden") && plain.lines().count() == csv.lines().count());
    let (md, _) = output(&["--format", "md"]);
    assert!(md.starts_with("| Region | sex | n | w |\n"), "{md}");
    let (lines, quiet) = output(&["--format", "ndjson", "--quiet"]);
    assert!(quiet.is_empty(), "{quiet}");
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert!(first["n"]["status"].is_string());

    let target = world.folder.path().join("out.json");
    output(&["--format", "json", "--output", path(&target)]);
    let written: Value = serde_json::from_slice(&std::fs::read(&target).unwrap()).unwrap();
    assert_eq!(written["receipt"]["security"], "semi-honest, honest majority (1 of 3)");
    for field in ["study", "plan", "circuit", "disclosure", "times"] {
        assert!(!written["receipt"][field].is_null(), "{field}");
    }

    // From the study alone: it needs neither key nor sites.
    sandbox.stop();
    let study = sandbox.study();
    let tables = ok(["query", "--study", path(&study), "SHOW TABLES"]);
    assert!(tables.contains("visits") && tables.contains("records"), "{tables}");
    let described = ok(["query", "--study", path(&study), "--format", "csv", "describe VISITS"]);
    assert!(described.contains("weight,decimal"), "{described}");
    let shown = ok(["study", "show", path(&study)]);
    assert!(shown.contains("North, upper") && shown.contains("rep3"), "{shown}");
    let output = tacit().args(["query", "--study", path(&study), sql]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", both(&output));
}
