//! [`Config`]: what a site's operator writes in `site.toml`.
//!
//! ```toml
//! name = "north"                  # this party's name in the study
//! study = "../../study.toml"      # its signatures lie beside it
//! key = "key"
//! receipts = "receipts.jsonl"
//!
//! [tables.encounters]
//! path = "encounters.csv"         # a file, or a folder of files
//! null = ["NA"]
//!
//! [refuse]                        # what this site never takes part in
//! statistics = ["avg"]
//! columns = ["encounters.weight"]
//!
//! [limits]                        # all optional; see [`Limits`]
//! memory_mib = 4096
//! ```
//!
//! Relative paths start at the folder of the file. Unknown fields are refused. A dealer writes the
//! same without tables. A process that serves several studies names the others under
//! `[[also]]`, each with its own `name`, `study`, `tables`, `refuse` and `queries_per_day`; the
//! key, the port and the receipts are shared.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tacit_sql::Source;

use crate::{Error, Limits, Result};

/// Joint sessions that the lead runs at once; each takes a thread and its columns in memory.
const MAX_SESSIONS: usize = 8;

/// Queries that may wait at the lead; beyond that the answer is "busy".
const MAX_QUEUE: usize = 200;

/// Local parts that a site computes at once: each already uses every core.
const MAX_LOCAL: usize = 2;

/// `site.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// This party's name in the study.
    pub name: String,
    /// The study file; its signatures lie beside it.
    pub study: PathBuf,
    /// This party's private key, mode 0600.
    pub key: PathBuf,
    /// Where to listen; by default the address of this party in the study.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// The audit log: JSON lines, each with the hash of the one before.
    pub receipts: PathBuf,
    /// Folder for what must outlive a restart (the epoch counter); by default the folder of
    /// `receipts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<PathBuf>,
    /// Queries that an analyst may ask on one day (UTC); no bound by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queries_per_day: Option<u64>,
    /// Joint computations at once. The study's first compute party decides for all.
    #[serde(default = "max_sessions")]
    pub max_sessions: usize,
    /// Queries that may wait for a place.
    #[serde(default = "max_queue")]
    pub max_queue: usize,
    /// Local parts at once.
    #[serde(default = "max_local")]
    pub max_local: usize,
    /// This site's part of each table of the study.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, Source>,
    /// What this site never takes part in.
    #[serde(default, skip_serializing_if = "Refuse::is_empty")]
    pub refuse: Refuse,
    /// What one question, and one analyst, may take of this machine.
    #[serde(default, skip_serializing_if = "Limits::is_default")]
    pub limits: Limits,
    /// Further studies that the same process serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Serving>,
}

/// One study that a process serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Serving {
    /// This party's name in the study.
    pub name: String,
    /// The study file.
    pub study: PathBuf,
    /// Queries that an analyst may ask on one day (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queries_per_day: Option<u64>,
    /// This site's part of each table of the study.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, Source>,
    /// What this site never takes part in.
    #[serde(default, skip_serializing_if = "Refuse::is_empty")]
    pub refuse: Refuse,
}

/// A local deny list, stricter than the study.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Refuse {
    /// `count`, `sum`, `avg`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statistics: Vec<String>,
    /// Tables that may not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// `table.column`, or a column's name in any table: may not be read at all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Analysts' public keys, as the study writes them, or analysts' names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub analysts: Vec<String>,
    /// `table.column`, or a column's name: may not be grouped by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

impl Refuse {
    /// Whether nothing is refused.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn max_sessions() -> usize {
    MAX_SESSIONS
}
fn max_queue() -> usize {
    MAX_QUEUE
}
fn max_local() -> usize {
    MAX_LOCAL
}

impl Config {
    /// Reads `site.toml`; relative paths start at its folder.
    ///
    /// # Errors
    /// If it cannot be read, is no TOML, has an unknown field, or a number out of range.
    pub fn read(path: &Path) -> Result<Self> {
        let at = || path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| Error::Config {
            at: at(),
            what: format!("cannot be read: {error}"),
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).map_err(|what| Error::Config { at: at(), what })
    }

    /// The same from text, with the folder where relative paths start.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        let mut config: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        for (name, value) in
            [("max_sessions", config.max_sessions), ("max_local", config.max_local)]
        {
            if !(1..=256).contains(&value) {
                return Err(format!("{name} = {value}: it must be from 1 to 256"));
            }
        }
        config.limits.sound()?;
        let place = |path: &mut PathBuf| *path = folder.join(&*path);
        place(&mut config.study);
        place(&mut config.key);
        place(&mut config.receipts);
        config.state.as_mut().map(place);
        let also = config.also.iter_mut();
        also.for_each(|serving| place(&mut serving.study));
        let more = config.also.iter_mut().flat_map(|s| s.tables.values_mut());
        for source in config.tables.values_mut().chain(more) {
            place(&mut source.path);
        }
        Ok(config)
    }

    /// Every study served: the first one, then `also`.
    pub fn serving(&self) -> Vec<Serving> {
        let first = Serving {
            name: self.name.clone(),
            study: self.study.clone(),
            queries_per_day: self.queries_per_day,
            tables: self.tables.clone(),
            refuse: self.refuse.clone(),
        };
        std::iter::once(first).chain(self.also.iter().cloned()).collect()
    }

    /// Folder for what must outlive a restart.
    pub fn state_folder(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(|| {
            let parent = self.receipts.parent().unwrap_or(Path::new(""));
            parent.to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "name = \"north\"\nstudy = \"../study.toml\"\nkey = \"key\"\n\
                         receipts = \"receipts.jsonl\"\n";

    #[test]
    fn relative_paths_start_at_the_folder_of_the_file() {
        let text = format!("{SMALL}[tables.t]\npath = \"t.csv\"\n");
        let config = Config::parse(&text, Path::new("/a/b")).unwrap();
        assert_eq!(config.tables["t"].path, Path::new("/a/b/t.csv"));
        assert_eq!(config.state_folder(), Path::new("/a/b"));
        assert_eq!(config.serving().len(), 1);
    }

    #[test]
    fn an_unknown_field_is_refused_by_name() {
        let text = format!("{SMALL}colour = \"red\"\n");
        let what = Config::parse(&text, Path::new("")).unwrap_err();
        assert!(what.contains("colour"), "{what}");
        let text = format!("{SMALL}[refuse]\nstatistic = [\"sum\"]\n");
        assert!(Config::parse(&text, Path::new("")).is_err());
    }

    #[test]
    fn a_written_configuration_reads_back() {
        let text = format!(
            "{SMALL}queries_per_day = 5\n[refuse]\nstatistics = [\"avg\"]\n\
             [[also]]\nname = \"n\"\nstudy = \"s\"\n"
        );
        let config = Config::parse(&text, Path::new("")).unwrap();
        let again = Config::parse(&toml::to_string(&config).unwrap(), Path::new("")).unwrap();
        assert_eq!(config, again);
        assert_eq!(config.serving().len(), 2);
    }

    #[test]
    fn no_sessions_at_all_is_refused() {
        for text in ["max_sessions = 0\n", "[limits]\nconversations = 0\n"] {
            assert!(Config::parse(&format!("{SMALL}{text}"), Path::new("")).is_err(), "{text}");
        }
    }

    #[test]
    fn limits_that_are_not_written_are_the_defaults() {
        let text = format!("{SMALL}[limits]\nmemory_mib = 512\n");
        let config = Config::parse(&text, Path::new("")).unwrap();
        assert_eq!(config.limits, Limits { memory_mib: 512, ..Limits::default() });
    }
}
