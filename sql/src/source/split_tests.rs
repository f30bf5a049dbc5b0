use std::fs;

use proptest::prelude::*;

use super::*;
use crate::{check, infer};

fn outputs(folder: &Path, sites: usize, ending: &str) -> Vec<PathBuf> {
    (0..sites).map(|site| folder.join(format!("site{site}/part.{ending}"))).collect()
}

fn example(folder: &Path) -> Source {
    let row = |i: usize| {
        let origin = ["", "North", "North", "South; far", "East", "North"][i % 6];
        format!("{i};\"{origin}\";\"a \"\"quote\"\"\nand a line\"\n")
    };
    let path = folder.join("t.csv");
    let rows: String = (0..600).map(row).collect();
    fs::write(&path, format!("\u{feff}person;origin;note\n{rows}")).unwrap();
    Source::new(path)
}

#[tokio::test]
async fn parts_hold_every_row_once_and_fit_the_dictionary() {
    let folder = tempfile::tempdir().unwrap();
    let source = example(folder.path());
    let table = infer(&source).await.unwrap().table;
    for by in [Split::Hash, Split::Person("person".into()), Split::Column("origin".into())] {
        let parts = split(&source, &by, &outputs(folder.path(), 3, "csv")).await.unwrap();
        assert_eq!(parts.iter().map(|part| part.rows).sum::<u64>(), 600);
        let mut rows = Vec::new();
        for part in &parts {
            assert!(part.rows > 0);
            let report = check(&part.source, &table).await.unwrap();
            assert!(report.fits(), "{report}");
            assert_eq!(report.rows, part.rows);
            let text = fs::read_to_string(&part.source.path).unwrap();
            assert!(text.starts_with("person;origin;note\n"));
            let quote = text.matches("\"a \"\"quote\"\"\nand a line\"").count();
            assert_eq!(quote as u64, part.rows);
            let start = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit());
            rows.extend(text.lines().filter(start).map(str::to_owned));
        }
        rows.sort();
        rows.dedup();
        assert_eq!(rows.len(), 600);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn parts_and_their_new_folders_are_read_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let source = example(folder.path());
    let parts = split(&source, &Split::Hash, &outputs(folder.path(), 2, "csv")).await.unwrap();
    for part in &parts {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&part.source.path), 0o600);
        assert_eq!(mode(part.source.path.parent().unwrap()), 0o700);
    }
}

#[tokio::test]
async fn a_column_of_over_a_thousand_values_divides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let by = Split::Column("note".into());
    let over = |values: usize| {
        let path = folder.path().join(format!("{values}.csv"));
        let rows: Vec<String> = (0..values * 2).map(|i| format!("note {}", i % values)).collect();
        fs::write(&path, format!("note\n{}\n", rows.join("\n"))).unwrap();
        Source::new(path)
    };
    let outputs = outputs(folder.path(), 2, "csv");
    assert!(split(&over(1000), &by, &outputs).await.is_ok());
    let refused = split(&over(1001), &by, &outputs).await.unwrap_err().to_string();
    assert!(refused.contains("--split hash"), "{refused}");
}

#[tokio::test]
async fn a_column_gives_the_largest_value_to_the_first_site() {
    let folder = tempfile::tempdir().unwrap();
    let source = example(folder.path());
    let by = Split::Column("origin".into());
    let parts = split(&source, &by, &outputs(folder.path(), 3, "csv")).await.unwrap();
    let found: Vec<(u64, Vec<&str>)> = parts
        .iter()
        .map(|part| (part.rows, part.values.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(found, [(300, vec!["North"]), (200, vec!["", "South; far"]), (100, vec!["East"])]);
    let absent =
        split(&source, &Split::Column("no".into()), &outputs(folder.path(), 2, "csv")).await;
    assert!(absent.is_err());
    assert!(split(&source, &by, &[]).await.is_err());
}

#[tokio::test]
async fn parquet_stays_parquet() {
    let folder = tempfile::tempdir().unwrap();
    let schema =
        datafusion::arrow::datatypes::Schema::new(vec![datafusion::arrow::datatypes::Field::new(
            "x",
            datafusion::arrow::datatypes::DataType::Int32,
            false,
        )]);
    let column: ArrayRef =
        Arc::new(datafusion::arrow::array::Int32Array::from_iter_values(0..20_000));
    let batch = RecordBatch::try_new(Arc::new(schema), vec![column]).unwrap();
    let path = folder.path().join("t.parquet");
    let mut writer =
        ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let source = Source::new(path);
    let table = infer(&source).await.unwrap().table;
    let parts = split(&source, &Split::Hash, &outputs(folder.path(), 5, "parquet")).await.unwrap();
    for part in &parts {
        assert!(part.rows.abs_diff(4000) < 300, "{}", part.rows);
        let report = check(&part.source, &table).await.unwrap();
        assert_eq!((report.rows, report.fits()), (part.rows, true));
    }
    assert_eq!(parts.iter().map(|part| part.rows).sum::<u64>(), 20_000);
}

proptest! {
    #[test]
    fn no_site_is_empty_where_there_are_values_enough(
        counts in proptest::collection::vec(1_u64..1000, 1..30), sites in 1_usize..6,
    ) {
        let named = counts.iter().enumerate().map(|(i, &n)| (format!("v{i}"), n)).collect();
        let dealt = balance(named, sites);
        let mut load = vec![0; sites];
        for (i, n) in counts.iter().enumerate() {
            load[dealt[&format!("v{i}")]] += n;
        }
        let filled = load.iter().filter(|&&n| n > 0).count();
        prop_assert_eq!(filled, sites.min(counts.len()));
    }
}
