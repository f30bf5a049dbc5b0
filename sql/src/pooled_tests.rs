use tacit_plan::Type;

use super::*;

fn table(rows: &[&[ResultValue]]) -> ResultTable {
    let column = |i: usize| ResultColumn {
        name: format!("c{i}"),
        r#type: Type::Integer,
        unit: None,
        count: false,
    };
    ResultTable {
        columns: (0..rows[0].len()).map(column).collect(),
        rows: rows.iter().map(|row| row.to_vec()).collect(),
        notes: vec![],
    }
}

fn text(word: &str) -> ResultValue {
    ResultValue::exact(Value::Text(word.into()))
}

fn int(value: i64) -> ResultValue {
    ResultValue::exact(Value::Integer(value))
}

#[test]
fn rows_are_matched_by_their_keys_and_hidden_values_pass() {
    let joint = table(&[&[text("a"), int(20)], &[text("b"), ResultValue::hidden()]]);
    let pooled = table(&[&[text("b"), int(3)], &[text("a"), int(20)]]);
    let found = compare(&joint, &pooled, &[0], false);
    assert_eq!((found.equal, found.hidden, found.is_equal()), (3, 1, true));
}

#[test]
fn what_differs_is_named() {
    let pooled = table(&[&[text("a"), int(21)], &[text("b"), int(12)]]);
    let joint = table(&[&[text("a"), int(20)]]);
    let found = compare(&joint, &pooled, &[0], false);
    assert_eq!(
        found.differences,
        ["[a] c1: 20, pooled 21", "[b] is missing (1 rows of the pooled answer)"]
    );
    let joint = table(&[&[text("a"), int(21)]]);
    let found = compare(&joint, &pooled, &[0], true);
    assert_eq!((found.left_out, found.is_equal()), (1, true));
    let joint = table(&[&[text("c"), int(21)]]);
    assert!(!compare(&joint, &pooled, &[0], true).is_equal());
}

#[test]
fn without_keys_rows_are_matched_by_what_they_show() {
    let joint = table(&[&[ResultValue::hidden()], &[int(30)], &[int(20)]]);
    let pooled = table(&[&[int(20)], &[int(3)], &[int(30)]]);
    assert!(compare(&joint, &pooled, &[], false).is_equal());
    let pooled = table(&[&[int(20)], &[int(3)], &[int(31)]]);
    assert!(!compare(&joint, &pooled, &[], false).is_equal());
}

#[test]
fn numbers_of_different_types_are_equal_by_value() {
    let decimal = |unscaled, scale| Value::Decimal { unscaled, scale };
    assert!(same(&decimal(1250, 3), &decimal(125, 2)));
    assert!(same(&Value::Integer(2), &decimal(200, 2)));
    assert!(same(&Value::Float(2.0 / 3.0), &decimal(666_666, 6)));
    assert!(!same(&Value::Float(0.5), &decimal(666_666, 6)));
    assert!(!same(&Value::Integer(2), &decimal(201, 2)));
    assert!(!same(&Value::Null, &Value::Integer(0)));
}

/// A table of 600 visits at three sites, opened at each of them.
async fn visits(folder: &std::path::Path) -> (tacit_plan::Dictionary, Vec<Tables>) {
    let row = |i: u64| {
        let (sex, ward) = (
            ["F", "M", ""][(i % 7 % 3) as usize],
            ["A", "B", "C", "rare"][(i.pow(3) % 89 % 4) as usize],
        );
        let ward = if i.is_multiple_of(97) { "rare" } else { ward.trim_start_matches("rare") };
        let (stay, cost) = (i * i % 14, i * 37 % 1000);
        format!(
            "{i},{sex},{ward},{stay},{}.{:02},2021-{:02}-01\n",
            cost / 100,
            cost % 100,
            i % 12 + 1
        )
    };
    let text: String = (0..600).map(row).collect();
    let path = folder.join("visits.csv");
    std::fs::write(&path, format!("id,sex,Ward,stay,cost,day\n{text}")).unwrap();
    let source = crate::Source::new(path);
    let table = crate::infer(&source).await.unwrap().table;
    let dictionary = tacit_plan::Dictionary { tables: [("visits".to_owned(), table)].into() };
    let outputs: Vec<_> = (0..3).map(|site| folder.join(format!("{site}.csv"))).collect();
    let parts = crate::split(&source, &crate::Split::Hash, &outputs).await.unwrap();
    let mut sites = Vec::new();
    for part in parts {
        let sources = [("visits".to_owned(), part.source)].into();
        sites.push(Tables::open(&dictionary, &sources, 1000).await.unwrap());
    }
    (dictionary, sites)
}

#[tokio::test]
async fn the_plans_answer_is_that_of_the_question_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (dictionary, sites) = visits(folder.path()).await;
    let sites: Vec<&Tables> = sites.iter().collect();
    let disclosure = tacit_plan::Disclosure::profile("default").unwrap();
    let context = crate::Context {
        study: tacit_plan::Digest([0; 32]),
        dictionary: &dictionary,
        disclosure: &disclosure,
        rows_at_most: 1000,
        sites: 3,
        max_cells: crate::MAX_CELLS,
        max_domain: crate::MAX_DOMAIN,
    };
    let questions: [(&str, &[usize]); 6] = [
        ("SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex", &[0]),
        (
            "SELECT ward, sex, COUNT(*) AS n, AVG(stay), SUM(cost) FROM visits GROUP BY ward, sex",
            &[0, 1],
        ),
        ("SELECT COUNT(*), AVG(cost), SUM(stay) FROM visits WHERE stay > 3", &[]),
        ("SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward ORDER BY n DESC LIMIT 2", &[0]),
        (
            "SELECT extract(month FROM day) AS m, COUNT(sex) FROM visits GROUP BY 1 HAVING COUNT(*) > 20",
            &[0],
        ),
        (
            "SELECT stay / 5 AS band, COUNT(*), AVG(cost) FILTER (WHERE sex = 'F') FROM visits GROUP BY stay / 5",
            &[0],
        ),
    ];
    for (sql, keys) in questions {
        let crate::Statement::Query(plan) = crate::compile(sql, &context).unwrap() else {
            panic!("{sql}");
        };
        let ours = pooled(&sites, &plan).await.unwrap();
        let theirs = plain(&sites, sql).await.unwrap();
        let partial = plan.release.having.is_some() || plan.release.limit.is_some();
        let found = compare(&ours, &theirs, keys, partial);
        assert!(found.is_equal() && found.equal > 0, "{sql}: {found:?}\n{ours:?}");
    }
}
