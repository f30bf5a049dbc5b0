//! Splitting a table over the sites of a sandbox: by a hash, or by the values of a column.
//!
//! A CSV file is split record by record, byte for byte, so that quotes, line ends and a byte-order
//! mark reach the sites as they were. Records of one person stay at one site, so that distinct
//! persons of the sites add up to the distinct persons of the pool.

mod parquet;

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use crate::{
    csv,
    error::{Failure, Result},
};

/// A table to split.
#[derive(Clone, Debug)]
pub struct Whole {
    /// Its name in the study.
    pub name: String,
    /// A file, or a folder of files.
    pub path: PathBuf,
    /// CSV delimiter.
    pub delimiter: u8,
    /// The column that tells persons apart.
    pub person: Option<String>,
    /// Parquet, else CSV.
    pub parquet: bool,
}

/// How rows find their site.
pub enum Rule {
    /// By a hash of the person, or of the row's number.
    Hash,
    /// By the value of a column.
    Column {
        /// Its name.
        name: String,
        /// Index of the site for every value.
        sites: HashMap<String, usize>,
    },
}

impl Whole {
    /// Ending of the name of each part.
    pub fn ending(&self) -> &'static str {
        if self.parquet { "parquet" } else { "csv" }
    }

    /// Writes each site's part to `targets` and returns its number of rows.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn split(&self, rule: &Rule, targets: &[PathBuf]) -> Result<Vec<u64>> {
        let files = self.files()?;
        let columns = self.columns(&files)?;
        let find = |name: &str| columns.iter().position(|c| c.eq_ignore_ascii_case(name));
        let sites = targets.len();
        let person = self.person.as_deref().and_then(find);
        let (column, values) = match rule {
            Rule::Column { name, sites } if find(name).is_some() => (find(name), Some(sites)),
            _ => (person, None),
        };
        let site = |row: u64, value: Option<&str>| match (values, value) {
            (Some(values), Some(value)) => values.get(value).copied().unwrap_or(0),
            (None, Some(value)) => spread(hash(value.as_bytes()), sites),
            (_, None) => spread(row, sites),
        };
        if self.parquet {
            parquet::split(&files, column, &site, targets)
        } else {
            split_csv(&files, self.delimiter, column, &site, targets)
        }
    }

    /// Rows of every value of a column; `None` if the table has no such column.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn count(&self, column: &str) -> Result<Option<BTreeMap<String, u64>>> {
        let files = self.files()?;
        let columns = self.columns(&files)?;
        let Some(index) = columns.iter().position(|c| c.eq_ignore_ascii_case(column)) else {
            return Ok(None);
        };
        let mut counts = BTreeMap::new();
        let mut add = |value: &str| match counts.get_mut(value) {
            Some(count) => *count += 1,
            None => {
                counts.insert(value.to_owned(), 1_u64);
            }
        };
        for file in &files {
            if self.parquet {
                parquet::values(file, index, &mut add)?;
            } else {
                for_each_record(file, self.delimiter, |_, record| {
                    add(field(record, self.delimiter, index).as_str());
                    Ok(())
                })?;
            }
        }
        Ok(Some(counts))
    }

    /// Names of the columns.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn column_names(&self) -> Result<Vec<String>> {
        self.columns(&self.files()?)
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        if !self.path.is_dir() {
            return Ok(vec![self.path.clone()]);
        }
        let entries = std::fs::read_dir(&self.path).map_err(|e| Failure::file(&self.path, &e))?;
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(self.ending())))
            .collect();
        files.sort();
        if files.is_empty() {
            let message = format!("{} holds no .{} file", self.path.display(), self.ending());
            return Err(Failure::setup("data_empty", message));
        }
        Ok(files)
    }

    fn columns(&self, files: &[PathBuf]) -> Result<Vec<String>> {
        if self.parquet {
            return parquet::columns(&files[0]);
        }
        let mut header = Vec::new();
        let mut input = open(&files[0])?;
        csv::read_record(&mut input, self.delimiter, &mut header)
            .map_err(|e| Failure::file(&files[0], &e))?;
        let header = header.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&header);
        let names = csv::fields(header, self.delimiter);
        Ok(names.into_iter().map(|name| name.trim().to_owned()).collect())
    }
}

/// The rule for a column: values go to the site that has fewest rows so far, the most frequent
/// value first.
///
/// # Errors
/// If no table has the column, or it has fewer values than there are sites.
pub fn by_column(name: &str, tables: &[Whole], sites: usize) -> Result<Rule> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut found = false;
    for table in tables {
        if let Some(more) = table.count(name)? {
            found = true;
            for (value, count) in more {
                *counts.entry(value).or_default() += count;
            }
        }
    }
    if !found {
        let mut names = Vec::new();
        for table in tables {
            names.extend(table.column_names()?);
        }
        let near = tacit_plan::did_you_mean(name, names.iter().map(String::as_str));
        let message = format!("--split {name}: no table has such a column{near}");
        return Err(Failure::setup("unknown_column", message)
            .help(format!("columns: {}", names.join(", "))));
    }
    if counts.len() < sites {
        let message = format!(
            "--split {name}: the column has {} values, too few for {sites} sites",
            counts.len()
        );
        return Err(Failure::setup("split_values", message)
            .help("choose another column, fewer --sites, or --split hash"));
    }
    let mut values: Vec<(String, u64)> = counts.into_iter().collect();
    values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let mut rows = vec![0; sites];
    let mut map = HashMap::new();
    for (value, count) in values {
        let fewest = (0..sites).min_by_key(|&site| rows[site]).unwrap_or(0);
        rows[fewest] += count;
        map.insert(value, fewest);
    }
    Ok(Rule::Column {
        name: name.to_owned(),
        sites: map,
    })
}

fn split_csv(
    files: &[PathBuf],
    delimiter: u8,
    column: Option<usize>,
    site: &dyn Fn(u64, Option<&str>) -> usize,
    targets: &[PathBuf],
) -> Result<Vec<u64>> {
    let mut outputs = Vec::new();
    for target in targets {
        let file = File::create(target).map_err(|e| Failure::file(target, &e))?;
        outputs.push(BufWriter::new(file));
    }
    let mut rows = vec![0; targets.len()];
    let mut row = 0;
    for (i, file) in files.iter().enumerate() {
        if i == 0 {
            let mut header = Vec::new();
            csv::read_record(&mut open(file)?, delimiter, &mut header)?;
            ended(&mut header);
            for output in &mut outputs {
                output.write_all(&header)?;
            }
        }
        for_each_record(file, delimiter, |_, record| {
            let value = column.map(|index| field(record, delimiter, index));
            let at = site(row, value.as_deref());
            row += 1;
            rows[at] += 1;
            ended(record);
            Ok(outputs[at].write_all(record)?)
        })?;
    }
    for (output, target) in outputs.iter_mut().zip(targets) {
        output.flush().map_err(|e| Failure::file(target, &e))?;
    }
    Ok(rows)
}

fn for_each_record(
    file: &Path,
    delimiter: u8,
    mut each: impl FnMut(u64, &mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    let mut input = open(file)?;
    let mut record = Vec::new();
    let mut row = 0;
    let mut next = |record: &mut Vec<u8>| {
        csv::read_record(&mut input, delimiter, record).map_err(|e| Failure::file(file, &e))
    };
    if !next(&mut record)? {
        return Ok(());
    }
    while next(&mut record)? {
        if !csv::is_blank(&record) {
            each(row, &mut record)?;
            row += 1;
        }
    }
    Ok(())
}

fn open(file: &Path) -> Result<impl BufRead> {
    let opened = File::open(file).map_err(|e| Failure::file(file, &e))?;
    Ok(BufReader::with_capacity(1 << 18, opened))
}

fn field(record: &[u8], delimiter: u8, index: usize) -> String {
    let mut fields = csv::fields(record, delimiter);
    if index < fields.len() {
        fields.swap_remove(index)
    } else {
        String::new()
    }
}

/// The record with a line end, which the last one of a file may lack.
fn ended(record: &mut Vec<u8>) {
    if record.last() != Some(&b'\n') {
        record.push(b'\n');
    }
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A site for a number, evenly (the finaliser of SplitMix64).
fn spread(number: u64, sites: usize) -> usize {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) % sites as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(folder: &Path, text: &str) -> Whole {
        let path = folder.join("whole.csv");
        std::fs::write(&path, text).unwrap();
        Whole {
            name: "t".into(),
            path,
            delimiter: b',',
            person: None,
            parquet: false,
        }
    }

    fn parts(folder: &Path, whole: &Whole, rule: &Rule, sites: usize) -> (Vec<String>, Vec<u64>) {
        let targets: Vec<_> = (0..sites).map(|i| folder.join(format!("{i}.csv"))).collect();
        let rows = whole.split(rule, &targets).unwrap();
        let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
        (targets.iter().map(read).collect(), rows)
    }

    #[test]
    fn a_hash_split_loses_no_row_and_is_about_even() {
        let folder = tempfile::tempdir().unwrap();
        let mut text = String::from("\u{feff}a,b\r\n");
        for i in 0..3000 {
            text += &format!("{i},\"x\ny\"\r\n");
        }
        let whole = whole(folder.path(), text.trim_end());
        let (parts, rows) = parts(folder.path(), &whole, &Rule::Hash, 3);
        assert_eq!(rows.iter().sum::<u64>(), 3000);
        assert!(rows.iter().all(|&rows| (900..1100).contains(&rows)), "{rows:?}");
        assert!(parts.iter().all(|part| part.starts_with("\u{feff}a,b\r\n")));
    }

    #[test]
    fn a_person_stays_at_one_site() {
        let folder = tempfile::tempdir().unwrap();
        let mut text = String::from("id,v\n");
        for i in 0..400 {
            text += &format!("p{},{i}\n", i % 40);
        }
        let mut whole = whole(folder.path(), &text);
        whole.person = Some("ID".into());
        let (parts, _) = parts(folder.path(), &whole, &Rule::Hash, 3);
        for person in 0..40 {
            let holds = |part: &&String| part.contains(&format!("p{person},"));
            assert_eq!(parts.iter().filter(holds).count(), 1);
        }
    }

    #[test]
    fn a_column_split_gives_each_site_values_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let whole = whole(folder.path(), "k,v\na,1\na,2\na,3\nb,4\nb,5\nc,6\n,7\n");
        let rule = by_column("K", std::slice::from_ref(&whole), 3).unwrap();
        let (parts, rows) = parts(folder.path(), &whole, &rule, 3);
        assert_eq!(rows, [3, 2, 2]);
        assert_eq!(parts[0], "k,v\na,1\na,2\na,3\n");
        let few = by_column("k", std::slice::from_ref(&whole), 9).err().unwrap();
        assert!(few.to_string().contains("4 values"), "{few}");
        let unknown = by_column("kk", &[whole], 2).err().unwrap();
        assert_eq!(unknown.stable_code(), "unknown_column");
    }
}
