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
