use std::fs;

use datafusion::{
    arrow::{
        array::{Array, AsArray, Date32Array, Float64Array, Int32Array, RecordBatch, StringArray},
        datatypes::{DataType, Field, Int64Type, Schema},
    },
    parquet::arrow::ArrowWriter,
};
use tacit_plan::{Column, ColumnType};
use tempfile::TempDir;

use super::*;
use crate::{Error, check, infer};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn csv(folder: &TempDir, name: &str, text: &str) -> Source {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    Source::new(path)
}

fn parquet(path: &Path, batch: &RecordBatch) {
    let file = fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn of(name: &str, table: &Table) -> Dictionary {
    Dictionary { tables: [(name.to_owned(), table.clone())].into() }
}

async fn open(table: &Table, source: &Source) -> Result<Tables, Error> {
    Tables::open(&of("t", table), &[("t".to_owned(), source.clone())].into(), 1_000_000).await
}

async fn ask(tables: &Tables, sql: &str) -> Vec<String> {
    let batches = tables.context().sql(sql).await.unwrap().collect().await.unwrap();
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let cell = |column: &datafusion::arrow::array::ArrayRef| {
                datafusion::arrow::util::display::array_value_to_string(column, row).unwrap()
            };
            rows.push(batch.columns().iter().map(cell).collect::<Vec<_>>().join("|"));
        }
    }
    rows
}

const MIXED: &str = "\u{feff}id;sex;score;born;seen;ok;note;code\r\n\
    1;F;7.0;1980-02-29;2020-01-01T10:00:00Z;TRUE;\"a;b\";01\r\n\
    2;M;;1979-12-31;2020-01-01 11:30;false;;02\r\n\
    3;F;-1.25;;2020-02-01T00:00:00.5;true;\"two\nlines\";01\r\n";

#[tokio::test]
async fn a_csv_is_inferred_checked_and_served() {
    let folder = folder();
    let source = csv(&folder, "t.csv", MIXED);
    let found = infer(&source).await.unwrap();
    assert_eq!(found.rows, 3);
    let words: Vec<&str> = found.table.columns.iter().map(|c| c.r#type.word()).collect();
    let wanted =
        ["integer", "category", "decimal", "date", "timestamp", "boolean", "category", "category"];
    assert_eq!(words, wanted);
    let missing: Vec<bool> = found.table.columns.iter().map(|c| c.missing).collect();
    assert_eq!(missing, [false, false, true, true, false, false, true, false]);
    of("t", &found.table).validate().unwrap();
    assert!(check(&source, &found.table).await.unwrap().fits());
    let tables = open(&found.table, &source).await.unwrap();
    assert_eq!(tables.rows("t"), Some(3));
    let rows = ask(
        &tables,
        "SELECT sex, count(*), sum(score), min(born), max(seen) FROM t GROUP BY sex ORDER BY sex",
    )
    .await;
    assert_eq!(
        rows,
        ["F|2|5.75|1980-02-29|2020-02-01T00:00:00.500", "M|1||1979-12-31|2020-01-01T11:30:00"]
    );
    let field = |i: usize| crate::types::schema(&found.table).field(i).data_type().clone();
    let batches = tables.context().sql("SELECT * FROM t").await.unwrap().collect().await.unwrap();
    for (i, column) in batches[0].columns().iter().enumerate() {
        assert_eq!(column.data_type(), &field(i));
    }
}

#[tokio::test]
async fn inference_follows_the_values() {
    let folder = folder();
    let rows: Vec<String> = (0..400)
        .map(|i| {
            format!(
                "{},{},{}.5,{}e-8,word {i},w{},{},{},[{}-{})",
                i % 2,
                i,
                i,
                i + 1,
                i % 7,
                "007",
                10_i128.pow(20),
                i % 3 * 10,
                i % 3 * 10 + 10
            )
        })
        .collect();
    let text = format!("flag,n,half,tiny,unique,word,code,huge,band\n{}\n", rows.join("\n"));
    let found = infer(&csv(&folder, "t.csv", &text)).await.unwrap();
    let types: Vec<ColumnType> = found.table.columns.iter().map(|c| c.r#type.clone()).collect();
    assert_eq!(types[0], ColumnType::Integer { range: [0, 1] });
    assert_eq!(types[1], ColumnType::Integer { range: [0, 400] });
    assert!(matches!(&types[2], ColumnType::Decimal { scale: 1, rounded: false, .. }));
    assert!(matches!(&types[3], ColumnType::Decimal { scale: 6, rounded: true, .. }));
    assert_eq!(types[4], ColumnType::Text);
    assert!(matches!(&types[5], ColumnType::Category { values } if values.len() == 7));
    assert_eq!(types[6], ColumnType::Category { values: vec!["007".into()] });
    assert_eq!(types[7], ColumnType::Text);
    let bands = ["[0-10)", "[10-20)", "[20-30)"].map(str::to_owned).to_vec();
    assert_eq!(types[8], ColumnType::Category { values: bands });
    let about = found.warnings.join("\n");
    assert!(about.contains("tiny: values have up to 8 digits"), "{about}");
    assert!(about.contains("code: numbers with zeros in front"), "{about}");
}

#[tokio::test]
async fn values_outside_the_dictionary_are_told_by_row_and_column() {
    let folder = folder();
    let good = csv(&folder, "good.csv", "a,b,c\n1,x,0.5\n9,y,1.5\n");
    let mut table = infer(&good).await.unwrap().table;
    table.columns[0].r#type = ColumnType::Integer { range: [0, 9] };
    let bad = csv(&folder, "bad.csv", "a,b,c\n1,x,0.5\n10,z,0.25\n,x,no\n");
    let report = check(&bad, &table).await.unwrap();
    let found: Vec<(u64, &str, Option<&str>)> =
        report.listed.iter().map(|m| (m.row, m.column.as_str(), m.value.as_deref())).collect();
    let wanted = [
        (2, "a", Some("\"10\"")),
        (2, "b", Some("\"z\"")),
        (2, "c", Some("\"0.25\"")),
        (3, "a", None),
        (3, "c", Some("\"no\"")),
    ];
    assert_eq!(found, wanted);
    assert_eq!((report.rows, report.misfits), (3, 5));
    assert_eq!(report.listed[0].allowed, "a whole number from 0 to 9");
    let error = open(&table, &bad).await.unwrap_err();
    assert!(matches!(&error, Error::Source(SourceError::Misfits { .. })));
    assert!(error.to_string().contains("row 2, column b: not one of \"x\", \"y\""), "{error}");
    assert!(!format!("{error} {error:?}").contains("\"z\""), "{error:?}");
}

#[tokio::test]
async fn a_report_lists_at_most_twenty_misfits_and_counts_the_rest() {
    let folder = folder();
    let table = infer(&csv(&folder, "a.csv", "a\n1\n")).await.unwrap().table;
    let rows: String = (0..5000).map(|_| "x\n").collect();
    let report = check(&csv(&folder, "b.csv", &format!("a\n{rows}")), &table).await.unwrap();
    assert_eq!((report.misfits, report.listed.len()), (5000, 20));
    assert!(report.to_string().ends_with("and 4980 more"));
}

#[tokio::test]
async fn files_that_lack_something_are_told_apart() {
    let folder = folder();
    let source = |name: &str| Source::new(folder.path().join(name));
    let table = infer(&csv(&folder, "t.csv", "name,b\nx,1\n")).await.unwrap().table;
    let kind = |error: Error| match error {
        Error::Source(error) => error,
        other => panic!("{other}"),
    };
    assert!(matches!(
        kind(infer(&source("no.csv")).await.unwrap_err()),
        SourceError::Missing { .. }
    ));
    let empty = csv(&folder, "empty.csv", "");
    assert!(matches!(kind(infer(&empty).await.unwrap_err()), SourceError::Empty { .. }));
    let header = csv(&folder, "header.csv", "name,b\n");
    assert!(matches!(kind(infer(&header).await.unwrap_err()), SourceError::HeaderOnly { .. }));
    let tables = open(&table, &header).await.unwrap();
    assert_eq!(tables.rows("t"), Some(0));
    assert_eq!(tables.report("t").unwrap().warnings, ["there are no rows"]);
    assert_eq!(ask(&tables, "SELECT count(*) FROM t").await, ["0"]);
    let lacks = csv(&folder, "lacks.csv", "nam,b,c\nx,1,2\n");
    let SourceError::AbsentColumn { column, similar, .. } =
        kind(open(&table, &lacks).await.unwrap_err())
    else {
        panic!()
    };
    assert_eq!((column.as_str(), similar.as_deref()), ("name", Some("nam")));
    let zipped = csv(&folder, "t.zip", "PK\u{3}\u{4}");
    assert!(matches!(kind(infer(&zipped).await.unwrap_err()), SourceError::Form { .. }));
    fs::create_dir(folder.path().join("none")).unwrap();
    assert!(matches!(kind(infer(&source("none")).await.unwrap_err()), SourceError::NoFiles { .. }));
}

#[tokio::test]
async fn tables_and_sources_must_be_the_same_and_rows_within_the_bound() {
    let folder = folder();
    let source = csv(&folder, "t.csv", "a\n1\n2\n");
    let table = infer(&source).await.unwrap().table;
    let dictionary = of("t", &table);
    let none = BTreeMap::new();
    let error = Tables::open(&dictionary, &none, 10).await.unwrap_err();
    assert!(matches!(error, Error::Source(SourceError::NoSource { .. })));
    let two = [("t".to_owned(), source.clone()), ("u".to_owned(), source.clone())].into();
    let error = Tables::open(&dictionary, &two, 10).await.unwrap_err();
    assert!(matches!(error, Error::Source(SourceError::UnknownTable { .. })));
    let one = [("t".to_owned(), source)].into();
    let error = Tables::open(&dictionary, &one, 1).await.unwrap_err();
    assert!(matches!(error, Error::Source(SourceError::TooManyRows { rows: 2, .. })));
}

#[tokio::test]
async fn a_folder_is_read_as_one_table_whatever_the_order_of_columns() {
    let folder = folder();
    csv(&folder, "1.csv", "a,b\n1,x\n");
    csv(&folder, "2.csv", "b;a\ny;2\n");
    csv(&folder, ".hidden", "nonsense");
    let source = Source::new(folder.path());
    let found = infer(&source).await.unwrap();
    assert_eq!(found.rows, 2);
    let tables = open(&found.table, &source).await.unwrap();
    assert_eq!(ask(&tables, "SELECT a, b FROM t ORDER BY a").await, ["1|x", "2|y"]);
    parquet(&folder.path().join("3.parquet"), &RecordBatch::new_empty(Arc::new(Schema::empty())));
    let error = infer(&source).await.unwrap_err();
    assert!(matches!(error, Error::Source(SourceError::MixedForms { .. })));
}

fn typed() -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("ID", DataType::Int32, true),
        Field::new("WORD", DataType::Utf8, true),
        Field::new("DAY", DataType::Date32, true),
    ]);
    let columns: Vec<Arc<dyn Array>> = vec![
        Arc::new(Int32Array::from(vec![1, 2, 3])),
        Arc::new(StringArray::from(vec![Some("a"), Some("b"), None])),
        Arc::new(Date32Array::from(vec![0, 1, 2])),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

#[tokio::test]
async fn parquet_of_fitting_types_is_read_where_it_lies() {
    let folder = folder();
    let path = folder.path().join("odd [name] *é.parquet");
    parquet(&path, &typed());
    let source = Source::new(&path);
    let found = infer(&source).await.unwrap();
    let tables = open(&found.table, &source).await.unwrap();
    assert!(tables.served["t"].file.is_none());
    let plan = tables.context().sql("SELECT \"ID\" FROM t WHERE \"ID\" > 1").await.unwrap();
    let shown = plan.clone().explain(false, false).unwrap().to_string().await.unwrap();
    assert!(shown.contains("file_type=parquet"), "{shown}");
    let batches = plan.collect().await.unwrap();
    assert_eq!(batches[0].column(0).as_primitive::<Int64Type>().values(), &[2, 3]);
    assert_eq!(
        ask(&tables, "SELECT \"WORD\", \"DAY\" FROM t ORDER BY \"ID\"").await,
        ["a|1970-01-01", "b|1970-01-02", "|1970-01-03"]
    );
}

#[tokio::test]
async fn parquet_of_other_types_is_converted_exactly() {
    let folder = folder();
    let path = folder.path().join("t.parquet");
    let schema = Schema::new(vec![
        Field::new("x", DataType::Float64, true),
        Field::new("y", DataType::Float32, true),
    ]);
    let columns: Vec<Arc<dyn Array>> = vec![
        Arc::new(Float64Array::from(vec![Some(0.1), Some(-2.25), Some(f64::NAN), None])),
        Arc::new(datafusion::arrow::array::Float32Array::from(vec![0.1, 3.0, 2.0, 1.0])),
    ];
    parquet(&path, &RecordBatch::try_new(Arc::new(schema), columns).unwrap());
    let source = Source::new(&path);
    let found = infer(&source).await.unwrap();
    assert!(found.warnings[0].contains("1 values are not numbers"), "{:?}", found.warnings);
    let tables = open(&found.table, &source).await.unwrap();
    assert_eq!(ask(&tables, "SELECT sum(x), count(x), sum(y) FROM t").await, ["-2.15|2|6.1"]);
}

#[tokio::test]
async fn a_file_that_changed_is_noticed() {
    let folder = folder();
    let source = csv(&folder, "t.csv", "a\n1\n2\n");
    let table = infer(&source).await.unwrap().table;
    let tables = open(&table, &source).await.unwrap();
    let asked = ["t".to_owned()];
    tables.unchanged(&asked).unwrap();
    let before = tables.manifest()["t"];
    csv(&folder, "t.csv", "a\n1\n2\n2\n");
    let error = tables.unchanged(&asked).unwrap_err();
    assert!(matches!(error, Error::Source(SourceError::Changed { .. })));
    tables.unchanged(&[]).unwrap();
    let again = open(&table, &source).await.unwrap();
    assert_ne!(again.manifest()["t"], before);
    fs::remove_file(folder.path().join("t.csv")).unwrap();
    assert!(again.unchanged(&asked).is_err());
}

#[tokio::test]
async fn a_large_table_is_kept_in_a_file_that_is_removed() {
    let (folder, cache) = (folder(), folder());
    let long = "x".repeat(14 << 20);
    let text = (0..6).fold(String::new(), |text, i| text + &format!("{i},{long}\n"));
    let source = csv(&folder, "t.csv", &format!("a,b\n{text}"));
    let column = |name: &str, r#type| Column {
        name: name.into(),
        r#type,
        unit: None,
        description: None,
        missing: false,
    };
    let table = Table {
        person: None,
        description: None,
        columns: vec![
            column("a", ColumnType::Integer { range: [0, 9] }),
            column("b", ColumnType::Text),
        ],
    };
    let options = Options { cache: Some(cache.path().to_owned()), ..Options::default() };
    let sources = [("t".to_owned(), source)].into();
    let tables = Tables::open_with(&of("t", &table), &sources, 100, &options).await.unwrap();
    assert_eq!(
        fs::read_dir(cache.path())
            .unwrap()
            .filter(|e| e.as_ref().unwrap().path().is_file())
            .count(),
        1
    );
    assert_eq!(ask(&tables, "SELECT sum(a), max(length(b)) FROM t").await, ["15|14680064"]);
    drop(tables);
    assert_eq!(
        fs::read_dir(cache.path())
            .unwrap()
            .filter(|e| e.as_ref().unwrap().path().is_file())
            .count(),
        0
    );
}
