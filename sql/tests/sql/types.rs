//! What meets in a comparison keeps its value, or is refused.

use tacit_plan::{Disclosure, Value};
use tacit_sql::testing::{Dice, World};

/// Forty rows: `note` is a number written as text, `bmi` runs from 10.0 by 0.5, `los` from 1 to 30
/// and again, the rest is as it comes.
fn world() -> World {
    let mut world = World::random(&mut Dice(4), 40, 2, false);
    let columns = &world.dictionary.tables["encounters"].columns;
    let at = |name: &str| columns.iter().position(|c| c.name == name).unwrap();
    let (note, bmi, los) = (at("note"), at("bmi"), at("los"));
    for (i, row) in world.sites.iter_mut().flatten().enumerate() {
        let i = i as i64;
        row[note] = Value::Text(format!("{}.5", i - 5));
        row[bmi] = Value::Decimal { unscaled: i128::from(100 + 5 * i), scale: 1 };
        row[los] = Value::Integer(1 + i % 30);
    }
    world
}

#[test]
fn text_that_meets_a_number_is_refused() {
    let world = world();
    let disclosure = Disclosure::profile("default").unwrap();
    for condition in [
        "note > 0.0",
        "note = 5",
        "0 < note",
        "note IN (1, 2)",
        "age IN (1, note)",
        "note BETWEEN 0 AND 9",
        "CASE note WHEN 1 THEN TRUE END",
        "coalesce(note, 0) > 1",
        "nullif(note, 0) IS NULL",
        "nullif(age, note) IS NULL",
        "CASE WHEN smoker THEN note ELSE 0 END IS NULL",
        "greatest(note, 5) = 5",
        "note + 1 > 2",
        "sex IS DISTINCT FROM 1",
        "upper(note) = los",
        "bmi > '25.55'",
    ] {
        let sql = format!("SELECT COUNT(*) FROM encounters WHERE {condition}");
        let error = world.compile(&sql, &disclosure).expect_err(condition);
        assert_eq!(error.code(), "type", "{condition}: {error}");
    }
    let error = world.compile("SELECT COUNT(*) FROM encounters WHERE note > 0.0", &disclosure);
    let tacit_sql::Error::Query(refusal) = error.unwrap_err() else { panic!() };
    let suggestion = refusal.suggestion.unwrap();
    assert!(suggestion.contains("CAST(note AS DECIMAL(18,2))"), "{suggestion}");
    assert!(suggestion.contains("dictionary"), "{suggestion}");
    let having = "SELECT sex, COUNT(*) FROM encounters GROUP BY sex HAVING sex > 1";
    assert_eq!(world.compile(having, &disclosure).unwrap_err().code(), "type");
    let long = "SELECT COUNT(*) FROM encounters WHERE los > 0.1234567890123456789012345";
    assert_eq!(world.compile(long, &disclosure).unwrap_err().code(), "type");
}

/// The counts are those of the rows as written above, not of another engine.
#[tokio::test]
async fn numbers_that_meet_keep_their_digits() {
    let world = world();
    let mut disclosure = Disclosure::profile("default").unwrap();
    disclosure.threshold = 1;
    for (condition, wanted) in [
        ("CAST(note AS DECIMAL(18,2)) > 0.0", 35),
        ("CAST(note AS DECIMAL(18,2)) BETWEEN 1 AND 3", 2),
        ("bmi > 12.04", 35),
        ("bmi > 12.05", 35),
        ("bmi >= 12.0", 36),
        ("bmi = 12.001", 0),
        ("bmi IN (12.0, 12.25, 13)", 2),
        ("bmi IN (12, 13)", 2),
        ("bmi BETWEEN 11.99 AND 12.51", 2),
        ("nullif(bmi, 12.001) IS NULL", 0),
        ("nullif(bmi, 12.0) IS NULL", 1),
        ("coalesce(bmi, 0.001) > 12.499", 35),
        ("CASE bmi WHEN 12.001 THEN TRUE WHEN 12.5 THEN TRUE END", 1),
        ("greatest(bmi, 12.001) = 12.001", 5),
        ("los > 28.5", 2),
        ("los IN (28.5, 29)", 1),
        ("los BETWEEN 28.5 AND 29.5", 1),
        ("nullif(los, 28.5) IS NULL", 0),
    ] {
        let sql = format!("SELECT COUNT(*) FROM encounters WHERE {condition}");
        let plan = world.compile(&sql, &disclosure).unwrap_or_else(|e| panic!("{sql}: {e}"));
        let joint = world.joint(&plan).await.unwrap();
        assert_eq!(joint.rows[0][0].value, Value::Integer(wanted), "{}", plan.local[0].sql);
    }
}
