use datafusion::arrow::array::{Array, AsArray};
use proptest::prelude::*;

use super::*;

fn read(bytes: &[u8], delimiter: Option<char>, null: &[&str]) -> Result<Vec<Vec<Option<String>>>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, bytes).unwrap();
    let null: Vec<String> = null.iter().map(|&word| word.to_owned()).collect();
    let files = CsvFiles::open(vec![path], delimiter, &null)?;
    let header = files.schema(0).fields().iter();
    let mut table = vec![header.map(|f| Some(f.name().clone())).collect::<Vec<_>>()];
    for piece in files.read(0)? {
        let piece = piece?;
        assert_eq!(piece.first, table.len() as u64);
        for row in 0..piece.batch.num_rows() {
            let cell = |column: &ArrayRef| {
                let column = column.as_string::<i32>();
                (!column.is_null(row)).then(|| column.value(row).to_owned())
            };
            table.push(piece.batch.columns().iter().map(cell).collect());
        }
    }
    Ok(table)
}

fn table(text: &str) -> Vec<Vec<Option<String>>> {
    let cell = |cell: &str| (cell != "-").then(|| cell.to_owned());
    let row = |row: &str| row.split('|').map(cell).collect();
    text.split('/').map(row).collect()
}

#[test]
fn quotes_marks_line_ends_and_delimiters_are_understood() {
    let cases: [(&str, &str); 8] = [
        ("a,b\n1,2\n", "a|b/1|2"),
        ("\u{feff}a,b\r\n1,\r\n,2", "a|b/1|-/-|2"),
        ("a;b\n\"x;y\";\"say \"\"no\"\"\"\n", "a|b/x;y|say \"no\""),
        ("a\tb\n\"two\nlines\"\t1,5\n", "a|b/two\nlines|1,5"),
        (" a ,\n1,2\n", "a|column_2/1|2"),
        ("a\n1\n2\n", "a/1/2"),
        ("a,b;c\n1,2;3\n", "a|b;c/1|2;3"),
        ("\u{feff}\"a\",\"b\"\n  ,\"\"\n", "a|b/-|-"),
    ];
    for (text, wanted) in cases {
        assert_eq!(read(text.as_bytes(), None, &[]).unwrap(), table(wanted), "{text:?}");
    }
}

#[test]
fn null_words_are_missing() {
    let rows = read(b"a,b\nNA, NA \nn/a,na\n", None, &["NA", "n/a"]).unwrap();
    assert_eq!(rows, table("a|b/-|-/-|na"));
}

#[test]
fn a_chosen_delimiter_is_used() {
    let rows = read(b"a,b;c\n1,2;3\n", Some(';'), &[]).unwrap();
    assert_eq!(rows, table("a,b|c/1,2|3"));
    assert!(matches!(read(b"a\n", Some('\u{e9}'), &[]), Err(SourceError::Form { .. })));
}

#[test]
fn a_ragged_row_is_told_by_row_and_line() {
    let error = read(b"a,b\n\"1\n1\",2\n3\n", Some(','), &[]).unwrap_err();
    let SourceError::Ragged { row, line, found, expected, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((row, line, found, expected), (2, 4, 1, 2));
    assert!(matches!(
        read(b"a,b\n1,2,3\n", None, &[]),
        Err(SourceError::Ragged { row: 1, found: 3, .. })
    ));
}

#[test]
fn bytes_that_are_no_text_are_told_by_row_and_byte() {
    let error = read(b"a,b\n1,2\nJos\xe9,3\n", None, &[]).unwrap_err();
    let SourceError::Encoding { row, byte, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((row, byte), (2, 11));
    assert!(matches!(
        read(b"\xff\xfea\0,\0", None, &[]),
        Err(SourceError::Encoding { row: 0, .. })
    ));
}

#[test]
fn a_character_torn_by_a_delimiter_is_no_text() {
    for bytes in [b"\xc2;\x80\n".as_slice(), b"a;b\n\xc2;\x80\n"] {
        assert!(matches!(read(bytes, Some(';'), &[]), Err(SourceError::Encoding { .. })));
    }
}

#[test]
fn empty_files_and_double_columns_are_refused() {
    assert!(matches!(read(b"", None, &[]), Err(SourceError::Empty { .. })));
    assert!(matches!(read(b"\xef\xbb\xbf\n\n", None, &[]), Err(SourceError::Empty { .. })));
    assert_eq!(read(b"a,b", None, &[]).unwrap().len(), 1);
    assert!(matches!(
        read(b"a,b,a\n", None, &[]),
        Err(SourceError::DuplicateColumn { first: 1, second: 3, .. })
    ));
}

#[test]
fn a_quote_that_never_closes_does_not_fill_the_memory() {
    let endless = std::io::Cursor::new(b"a,b\n1,\"".to_vec()).chain(std::io::repeat(b'x'));
    let mut records = Records::over(Path::new("t.csv"), b',', Box::new(endless)).unwrap();
    assert!(records.next_record().unwrap().is_some());
    assert!(matches!(records.next_record(), Err(SourceError::TooLong { row: 1, line: 2, .. })));
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(bytes in proptest::collection::vec(
        prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), Just(b';'), any::<u8>()], 0..200,
    )) {
        let _ = read(&bytes, None, &["NA"]);
    }

    #[test]
    fn what_is_written_with_quotes_reads_back(
        cells in proptest::collection::vec(("[ -~\u{e4}\u{4e2d}\n\r]{0,12}", "[a-z,;\"\n]{1,9}"), 1..20),
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["one", "two"]).unwrap();
        for (one, two) in &cells {
            writer.write_record([one, two]).unwrap();
        }
        let read = read(&writer.into_inner().unwrap(), Some(','), &[]).unwrap();
        let cell = |cell: &String| (!cell.trim().is_empty()).then(|| cell.clone());
        let wanted: Vec<_> = cells.iter().map(|(a, b)| vec![cell(a), cell(b)]).collect();
        prop_assert_eq!(&read[1..], wanted);
    }
}

#[tokio::test]
async fn inference_names_the_words_that_keep_numbers_and_dates_from_being_such() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    let row = |i: usize| match i {
        7 => "NA,?,u".to_owned(),
        i => format!("{i},2020-01-{:02},{}", i % 28 + 1, ["m", "f"][i % 2]),
    };
    let rows: Vec<String> = (0..300).map(row).collect();
    std::fs::write(&path, format!("lab,day,sex\n{}\n", rows.join("\n"))).unwrap();
    let warnings = crate::infer(&crate::Source::new(path)).await.unwrap().warnings;
    let said = warnings.join("\n");
    assert!(
        said.contains("lab: all but 1 of 300 values are numbers; the rest is \"NA\""),
        "{said}"
    );
    assert!(said.contains("day: all but 1 of 300 values are dates; the rest is \"?\""), "{said}");
    assert!(said.contains("--null='?'") && !said.contains("sex"), "{said}");
}
