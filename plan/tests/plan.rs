//! Fixed digests, and the statement of who learns what.

use proptest::prelude::*;
use tacit_plan::{
    Audience, Cell, Column, ColumnType, Dictionary, Digest, Disclosure, Input, InputColumns, Key,
    LocalQuery, Number, Opened, OutputColumn, Plan, Release, Role, Rows, Rule, Sort, Status, Table,
    Test, Type, VERSION, Value,
};

/// `SELECT sex, AVG(age) AS mean FROM encounters GROUP BY sex HAVING COUNT(*) > 20`.
fn plan() -> Plan {
    let input = |name: &str, expression: &str, rows, role, bits| Input {
        name: name.into(),
        expression: expression.into(),
        rows,
        role,
        bits,
    };
    let number = |expression: &str, value, count| Number {
        expression: expression.into(),
        value: Some(value),
        count,
        hidden_by: vec![0, 1],
        rounding: None,
    };
    Plan {
        version: VERSION,
        study: Digest([7; 32]),
        sql: "SELECT sex, AVG(age) AS mean FROM encounters GROUP BY sex HAVING COUNT(*) > 20"
            .into(),
        tables: vec!["encounters".into()],
        columns: vec!["encounters.age".into(), "encounters.sex".into()],
        persons: false,
        text_filter: false,
        keys: vec![Key {
            expression: "encounters.sex".into(),
            r#type: Type::Text,
            domain: vec![Value::Text("Female".into()), Value::Text("Männlich".into()), Value::Null],
        }],
        local: vec![LocalQuery { rows: Rows::Cells, sql: "SELECT 1".into() }],
        inputs: vec![
            input("c0", "COUNT(*)", Rows::Cells, Role::Count, 32),
            input("c1", "COUNT(age)", Rows::Cells, Role::Count, 32),
            input("s0", "SUM(age)", Rows::Cells, Role::Sum, 40),
            input("t0", "COUNT(*)", Rows::Total, Role::Count, 32),
            input("", "COUNT(*)", Rows::Cells, Role::BelowFloor { of: 0, floor: 3 }, 2),
        ],
        tests: vec![
            Test {
                rule: Rule::Total,
                rows: Rows::Total,
                plus: 3,
                minus: None,
                least: 1,
                below: Some(11),
            },
            Test {
                rule: Rule::Nested,
                rows: Rows::Cells,
                plus: 0,
                minus: Some(1),
                least: 1,
                below: Some(11),
            },
        ],
        numbers: vec![
            number("COUNT(*)", 0, 0),
            number("SUM(age)", 2, 1),
            number("COUNT(age)", 1, 1),
        ],
        presence: Some(0),
        disclosure: Disclosure::default(),
        release: Release {
            columns: vec![
                OutputColumn {
                    name: "sex".into(),
                    r#type: Type::Text,
                    unit: None,
                    count: false,
                    numbers: vec![],
                    expression: "k0".into(),
                },
                OutputColumn {
                    name: "mean".into(),
                    r#type: Type::Float,
                    unit: Some("a".into()),
                    count: false,
                    numbers: vec![1, 2],
                    expression: "n1 / n2".into(),
                },
            ],
            having: Some(("n0 > 20".into(), vec![0])),
            sort: vec![Sort {
                expression: "k0".into(),
                numbers: vec![],
                descending: false,
                nulls_first: false,
            }],
            limit: None,
            offset: 0,
        },
        notes: vec![],
    }
}

fn said(engine: &str, compute: &[&str], dealer: Option<&str>) -> Vec<(String, String)> {
    let key_holders: &[&str] = if engine == "fhe" { &["north", "south"] } else { &[] };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    plan()
        .who_learns(&Audience {
            sites: &names(&["north", "south", "west", "east"]),
            compute: &names(compute),
            key_holders: &names(key_holders),
            dealer,
            analyst: "ada",
            engine,
            security: "semi-honest",
        })
        .into_iter()
        .map(|learns| (learns.party, learns.learns.join("\n")))
        .collect()
}

#[test]
fn digests_of_bytes_and_json_are_fixed() {
    assert_eq!(
        Digest::of_bytes(b"abc").to_string(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    // RFC 8785: keys sorted, no blanks. printf '{"a":[1,"x"],"b":null}' | sha256sum
    let value = serde_json::json!({ "b": null, "a": [1, "x"] });
    assert_eq!(Digest::of_json(&value), Digest::of_bytes(br#"{"a":[1,"x"],"b":null}"#));
    for wrong in ["", "ba78", &"g".repeat(64), &"é".repeat(32), &format!("+{}", "0".repeat(63))] {
        assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
    }
}

/// The same comes from Python: `sha256(json.dumps(plan, sort_keys=True, separators=(",", ":"),
/// ensure_ascii=False))`.
#[test]
fn the_digest_of_a_plan_is_fixed() {
    assert_eq!(
        plan().digest().to_string(),
        "c1451ee2d49323b6ffdcf006621cd4f0188ef93dc0932dc3a100ff5926a473e2"
    );
}

#[test]
fn every_field_of_a_plan_is_in_its_digest() {
    let digest = plan().digest();
    let changes: [fn(&mut Plan); 12] = [
        |p| p.version += 1,
        |p| p.study.0[0] ^= 1,
        |p| p.sql.push(' '),
        |p| p.keys[0].domain.swap(0, 1),
        |p| p.inputs[2].bits += 1,
        |p| p.inputs[4].role = Role::BelowFloor { of: 1, floor: 3 },
        |p| p.tests[1].below = None,
        |p| p.numbers[1].hidden_by.clear(),
        |p| p.disclosure.threshold = 5,
        |p| p.release.having = None,
        |p| p.local[0].sql.push('1'),
        |p| p.text_filter = true,
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let mut plan = plan();
        change(&mut plan);
        assert_ne!(plan.digest(), digest, "change {i}");
    }
}

#[test]
fn plans_and_values_come_back_from_json() {
    let json = serde_json::to_string(&plan()).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan());
    for value in [
        Value::Integer(i64::MIN),
        Value::Decimal { unscaled: i128::MAX, scale: 6 },
        Value::Timestamp(i64::MAX),
        Value::Null,
    ] {
        let json = serde_json::to_string(&value).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value, "{json}");
    }
    let opened = Opened { numbers: vec![vec![Cell { status: Status::Hidden, value: 0 }]] };
    let json = serde_json::to_string(&opened).unwrap();
    assert_eq!(serde_json::from_str::<Opened>(&json).unwrap(), opened);
}

#[test]
fn input_columns_do_not_show_what_they_hold() {
    let held = InputColumns { columns: vec![vec![424_242]] };
    assert_eq!(format!("{held:?}"), "InputColumns(1 columns)");
}

#[test]
fn on_encrypted_columns_everybody_is_told_whom_they_trust() {
    let said = said("fhe", &["west"], Some("dora"));
    let of = |name: &str| {
        let found = said.iter().find(|(party, _)| party.starts_with(name));
        found.unwrap_or_else(|| panic!("{name} in {said:?}")).clone()
    };
    assert!(of("ada").1.contains("if ada worked together with all of north, south"));
    assert_eq!(of("north").0, "north (site, holds a share of the key)");
    assert!(of("north").1.contains("Only if all of north, south worked together"));
    assert_eq!(of("west").0, "west (site, evaluates)");
    assert!(of("west").1.contains("computes on them without seeing"));
    assert!(!of("west").1.contains("share of the decryption key"));
    assert_eq!(of("east").0, "east (site)");
    assert!(
        !of("east").1.contains("ciphertexts of every site") && !of("east").1.contains("shares")
    );
    assert!(of("dora").1.contains("If it kept the decryption key"), "{said:?}");
}

#[test]
fn the_analyst_learns_what_is_opened_and_the_statement_counts_it() {
    assert_eq!(plan().openings(), 9);
    let said = said("rep3", &["north", "south", "west"], None);
    let (party, text) = &said[0];
    assert_eq!(party, "ada (analyst)");
    for part in [
        "9 openings: for each of the 3 cells and each of 3 numbers, its status (zero, hidden, shown).",
        "the value over all sites together of: COUNT(*); SUM(age); COUNT(age).",
        "The column mean is computed on the analyst's side",
        "SUM(age); COUNT(age).",
        "Opened though no column shows it",
        "HAVING",
        "subtract",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn the_statement_names_who_would_have_to_work_together() {
    let rep3 = said("rep3", &["north", "south", "west"], None);
    assert_eq!(rep3.len(), 6);
    assert_eq!(rep3[1].0, "north (site, computes)");
    assert!(rep3[1].1.contains("two of north, south, west"));
    assert_eq!(rep3[4].0, "east (site)");
    assert!(rep3[4].1.contains("receives nothing"));

    let additive = said("additive", &["north", "south"], Some("dan"));
    assert!(additive[1].1.contains("all of north, south") && additive[1].1.contains("dealer"));
    let (party, text) = &additive[5];
    assert_eq!(party, "dan (dealer)");
    assert!(text.contains("shape") && text.contains("one compute site"), "{text}");

    let clear = said("clear", &["north"], None);
    assert!(clear[1].1.contains("NO SECRECY"));
}

#[test]
fn columns_are_written_flat_and_come_back() {
    let column = |name: &str, r#type| Column {
        name: name.into(),
        r#type,
        unit: Some("a".into()),
        description: None,
        missing: true,
    };
    let range = || ["0001-01-01".to_owned(), "9999-12-31".to_owned()];
    let columns = vec![
        column("i", ColumnType::Integer { range: [i64::MIN, i64::MAX] }),
        column(
            "d",
            ColumnType::Decimal { scale: 2, range: ["-1".into(), "1".into()], rounded: true },
        ),
        column("b", ColumnType::Boolean),
        column("c", ColumnType::Category { values: vec!["x".into()] }),
        column("t", ColumnType::Date { range: range() }),
        column("m", ColumnType::Timestamp { range: range() }),
        column("f", ColumnType::Text),
    ];
    let table = Table { person: Some("i".into()), description: None, columns };
    let dictionary = Dictionary { tables: [("t".to_owned(), table)].into() };
    dictionary.validate().unwrap();
    let json = serde_json::to_string(&dictionary).unwrap();
    assert!(
        json.contains(r#"{"name":"c","type":"category","values":["x"],"missing":true,"unit":"a"}"#)
    );
    assert_eq!(serde_json::from_str::<Dictionary>(&json).unwrap(), dictionary);
    let refused = |json: &str| serde_json::from_str::<Column>(json).unwrap_err().to_string();
    let error = refused(r#"{"name":"c","type":"integer","range":["a","b"]}"#);
    assert!(error.contains("two whole numbers"), "{error}");
    let error = refused(r#"{"name":"c","type":"date"}"#);
    assert!(error.contains("needs range"), "{error}");
}

proptest! {
    #[test]
    fn digests_come_back_from_their_text(bytes in any::<[u8; 32]>()) {
        let digest = Digest(bytes);
        prop_assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
    }

    #[test]
    fn any_json_is_a_plan_or_an_error(at in 0_usize..10_000, with in any::<char>()) {
        let mut json = serde_json::to_string(&plan()).unwrap();
        let at = (at % json.len()..=json.len()).find(|at| json.is_char_boundary(*at)).unwrap();
        json.insert(at, with);
        let _ = serde_json::from_str::<Plan>(&json);
    }
}
