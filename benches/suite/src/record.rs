//! The record of a measurement: one JSON document, complete by itself.
//!
//! Every field, with its unit, is in `benches/RECORD.md`.
//!
//! Times are in seconds of the slowest compute party, bytes are payload sent. A record whose values
//! were not those of plain Rust, or whose ledger was not its bill, is never written.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

mod sane;

/// Version of the layout.
pub const SCHEMA: u32 = 5;

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Version of the layout.
    pub schema: u32,
    /// `ENGINE/TASK/N/LINK`.
    pub name: String,
    /// Name of the task.
    pub task: String,
    /// What one of the `n` is.
    pub about: String,
    /// Digest of the circuit in whole columns, in hexadecimal digits: of the same name and with
    /// another digest, something else was measured.
    pub circuit: String,
    /// Rows.
    pub n: u64,
    /// Times that the task was done on them, one after the other.
    pub depth: u64,
    /// Name of the engine.
    pub engine: String,
    /// Compute parties.
    pub parties: u64,
    /// Against whom it is secure.
    pub adversary: Adversary,
    /// Bits of security; no statistical ones where nothing fails by chance.
    pub security_bits: SecurityBits,
    /// Where multiplication triples come from, if any are used.
    pub triples: Option<String>,
    /// What carried the frames.
    pub link: LinkRecord,
    /// The first round.
    pub setup: Phase,
    /// All rounds after it.
    pub online: Phase,
    /// Of the online rounds, the last ones, in which check values are opened: an operator within a
    /// longer computation does not take them.
    pub opening_rounds: u64,
    /// Rows that were worked on at a time; none if columns were whole.
    pub tile_rows: Option<u64>,
    /// Whether columns were entered tile by tile too, and no party held them whole.
    pub streamed: bool,
    /// Online rounds without openings if columns are whole, as over a network.
    pub whole_rounds: u64,
    /// Bytes of columns and frames alive at once at one compute party.
    pub peak_bytes: Peak,
    /// What this machine does at best, measured in the same run.
    pub references: Vec<Reference>,
    /// The least time that the references allow.
    pub limit: Option<Limit>,
    /// What ran.
    pub build: Build,
    /// Where it ran.
    pub machine: Machine,
    /// Names and addresses of parties that were processes of their own.
    pub peers: Option<Vec<String>>,
}

/// Against whom an engine is secure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adversary {
    /// `none`, `semi-honest` or `malicious`.
    pub behaviour: String,
    /// Compute parties that may be corrupted.
    pub corrupted: u64,
    /// Of how many.
    pub of: u64,
}

/// Bits of security.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecurityBits {
    /// Of the ciphers.
    pub computational: u64,
    /// Of checks that fail by chance.
    pub statistical: Option<u64>,
}

/// What carried the frames.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "kebab-case")]
pub enum LinkRecord {
    /// Threads of one process.
    Memory,
    /// QUIC, one endpoint a party: threads of one process on loopback, or processes where the record
    /// names `peers`.
    Quic,
    /// TLS over TCP, in the same way.
    Tcp,
    /// In memory, with the time that a network would take added: not measured packets.
    Simulated {
        /// One way.
        one_way_ms: f64,
        /// Of each party's line.
        mbit_per_s: f64,
    },
}

/// A part of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Time of the slowest compute party.
    pub seconds: Spread,
    /// Network rounds.
    pub rounds: u64,
    /// Payload that each party sends, by session index: compute parties, a dealer, the receiver.
    pub bytes_sent: Vec<u64>,
}

/// Repetitions of a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// How many.
    pub repetitions: u64,
    /// Smallest.
    pub min: f64,
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// Largest.
    pub max: f64,
}

impl Spread {
    /// Of at least one time.
    pub fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let n = times.len();
        let at = |i: usize| times.get(i).copied().unwrap_or(f64::NAN);
        Self {
            repetitions: n as u64,
            min: at(0),
            median: f64::midpoint(at(n.saturating_sub(1) / 2), at(n / 2)),
            max: at(n.saturating_sub(1)),
        }
    }
}

/// Bytes alive at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peak {
    /// By the bill.
    pub billed: u64,
    /// As run.
    pub measured: u64,
}

/// What this machine does at best.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Short name that stays the same: `aes`, `copy`, `LINK-transfer`, `LINK-round`.
    pub id: String,
    /// What was measured.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: String,
}

/// The least time that the references allow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// What it is the time of.
    pub of: String,
    /// That time.
    pub seconds: f64,
    /// It over the median of the online time: 1 is the best there can be.
    pub share: f64,
}

/// What ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Release of Tacit.
    pub version: String,
    /// `release` or `debug`.
    pub profile: String,
    /// SHA-256 of the program file.
    pub digest: String,
}

/// Where it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Name of the processor.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: u64,
    /// Wide instructions that the ciphers and loops choose among at run time.
    pub instructions: Vec<String>,
    /// Operating system and architecture.
    pub system: String,
}

impl Record {
    /// Done in a second: rows times depth over the median of the online time.
    pub fn per_second(&self) -> f64 {
        self.done() / self.online.seconds.median
    }

    /// Bytes that the busiest party sends online.
    pub fn busiest(&self) -> u64 {
        self.online.bytes_sent.iter().copied().max().unwrap_or(0)
    }

    /// How many were done: rows times depth.
    pub fn done(&self) -> f64 {
        (self.n * self.depth) as f64
    }

    /// The reference of this short name, in its unit.
    pub fn reference(&self, id: &str) -> Option<&Reference> {
        self.references.iter().find(|reference| reference.id == id)
    }

    /// Name of the file that it is written to.
    pub fn file_name(&self) -> String {
        file_name(&self.name)
    }

    /// Writes it into a folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join(self.file_name());
        let fail = |cause: String| Error::File { path: path.clone(), cause };
        std::fs::create_dir_all(folder).map_err(|e| fail(e.to_string()))?;
        let text = serde_json::to_string_pretty(self).map_err(|e| fail(e.to_string()))?;
        std::fs::write(&path, text + "\n").map_err(|e| fail(e.to_string()))?;
        Ok(path)
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Record`] with both versions if it has another schema, or with
    /// what does not fit: a field, a time that is none, a count that no run has.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::File { path: path.to_owned(), cause: e.to_string() })?;
        let fail = |cause: String| Error::Record { path: path.to_owned(), cause };
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|e| fail(format!("no JSON: {e}")))?;
        match value.get("schema").and_then(serde_json::Value::as_u64) {
            Some(schema) if schema == u64::from(SCHEMA) => {}
            Some(other) => {
                return Err(fail(format!(
                    "a record of schema {other}; this program reads schema {SCHEMA}: run the \
                     benchmark again with one program"
                )));
            }
            None => return Err(fail("no record of a benchmark: it has no schema".into())),
        }
        let record: Self = serde_json::from_value(value).map_err(|e| fail(e.to_string()))?;
        match sane::fault(&record) {
            Some(what) => Err(fail(what)),
            None => Ok(record),
        }
    }

    /// All records of a folder, or the one in a file, by name.
    ///
    /// # Errors
    /// As [`Record::read`]; [`Error::Compare`] if there is none.
    pub fn read_all(path: &Path) -> Result<Vec<Self>> {
        if path.is_file() {
            return Ok(vec![Self::read(path)?]);
        }
        let fail = |e: std::io::Error| Error::File { path: path.to_owned(), cause: e.to_string() };
        let mut records = Vec::new();
        for entry in std::fs::read_dir(path).map_err(fail)? {
            let file = entry.map_err(fail)?.path();
            if file.extension().is_some_and(|extension| extension == "json") {
                records.push(Self::read(&file)?);
            }
        }
        if records.is_empty() {
            return Err(Error::Compare(format!("{}: there are no records", path.display())));
        }
        records.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(records)
    }
}

/// Name of the file of the record of this name.
pub(crate) fn file_name(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-+.".contains(c) { c } else { '_' };
    format!("{}.json", name.chars().map(safe).collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;
    use tacit_mpc::EngineKind;

    use super::*;
    use crate::{Plain, References, Setting, Work};

    const PAGE: &str = include_str!("../../RECORD.md");

    fn record(engine: EngineKind, link: &str) -> Record {
        let references = References {
            aes: 1e9,
            copy: 1e9,
            quic: Plain { transfer: 1e9, round: 1e-4 },
            tcp: Plain { transfer: 1e9, round: 1e-4 },
            parties: 3,
        };
        let (work, link) = (Work::named("mul").unwrap(), link.parse().unwrap());
        let setting = Setting { work, n: 10, engine, parties: 3, link, repeat: 1, time: None };
        setting.measure(&references).unwrap()
    }

    fn paths(value: &Value, path: &str, all: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let dot = if path.is_empty() { "" } else { "." };
                    paths(value, &format!("{path}{dot}{name}"), all);
                }
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                for item in items {
                    paths(item, &format!("{path}[]"), all);
                }
            }
            _ => {
                all.insert(path.to_owned());
            }
        }
    }

    #[test]
    fn every_field_of_a_record_is_documented_and_nothing_else() {
        let mut written = BTreeSet::new();
        for (engine, link) in [
            (EngineKind::Rep3, "memory"),
            (EngineKind::Additive, "wan"),
            (EngineKind::Clear, "quic"),
            (EngineKind::Clear, "tcp"),
        ] {
            let value = serde_json::to_value(record(engine, link)).unwrap();
            paths(&value, "", &mut written);
        }
        let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let documented: BTreeSet<String> = rows.map(str::to_owned).collect();
        // A record without a limit has a null in its place.
        written.remove("limit");
        assert_eq!(written, documented);
        assert!(PAGE.contains(&format!("**schema {SCHEMA}**")));
    }

    #[test]
    fn what_is_no_record_of_this_schema_is_refused_with_the_file_and_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = record(EngineKind::Rep3, "memory").write(folder.path()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let here = format!("\"schema\": {SCHEMA},");
        let refused = |text: &str, why: &[&str]| {
            std::fs::write(&path, text).unwrap();
            let error = Record::read_all(folder.path()).unwrap_err().to_string();
            assert!(error.contains("rep3_mul_10_memory.json"), "{error}");
            assert!(why.iter().all(|why| error.contains(why)), "{error}");
        };
        let now = format!("schema {SCHEMA}");
        refused(&text.replacen(&here, "\"schema\": 1,", 1), &["schema 1", &now, "again"]);
        refused(&text.replacen(&here, "\"schema\": 99,", 1), &["schema 99", &now]);
        refused(&text.replacen(&here, "", 1), &["no schema"]);
        refused(&text.replacen("\"n\":", "\"rows\":", 1), &["rows"]);
        refused(&text[..text.len() / 2], &["no JSON"]);
    }
}
