//! A study on one machine: the real thing, with a folder for each party.
//!
//! ```text
//! DIR/study.toml                 the study
//! DIR/study.toml.NAME.sig        the signature of each site
//! DIR/sites/NAME/                site.toml, key, data/, receipts.jsonl, log, pid
//! DIR/study.keys/                the keys of `fhe`, where it is allowed
//! DIR/dealer/                    the same without data, where `additive` or `fhe` is allowed
//! DIR/analyst/                   key
//! DIR/sandbox.toml               rows of each site's part
//! ```

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tacit_client::Backend;
use tacit_governance::{Document, KeyPair, Party, Role, STUDY_VERSION, Study, Transport, sign};
use tacit_plan::{DisclosureTerms, Table};
use tacit_sql::{Part, Source};

use crate::{
    command::key,
    engines::{self, FheOptions},
    error::{Failure, Result},
    keys, process, runtime,
};

/// Names of sites; further ones are numbered.
const NAMES: [&str; 8] = ["north", "south", "east", "west", "center", "coast", "valley", "hill"];

/// Loopback ports are taken from here: below the range from which systems give ports to clients,
/// so that a port stays free while its party is down.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How long a sandbox's study is valid.
const VALID_DAYS: i64 = 366;

/// How the rows of each table are divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Split {
    /// By a hash, evenly.
    Hash,
    /// Each site gets some of a column's values.
    Column(String),
}

/// A table to put into a sandbox.
#[derive(Clone, Debug)]
pub struct TableOrder {
    /// Its name in the study.
    pub name: String,
    /// Where it lies.
    pub source: Source,
    /// The column that tells persons apart.
    pub person: Option<String>,
}

/// What a sandbox is made of.
#[derive(Clone, Debug)]
pub struct Order {
    /// Name of the study.
    pub name: String,
    /// Names of the sites; their number decides the engines.
    pub sites: Vec<String>,
    /// The tables.
    pub tables: Vec<TableOrder>,
    /// How rows are divided.
    pub split: Split,
    /// The engines; by default every one that fits, `clear` and `fhe` left out.
    pub engines: Option<Vec<Backend>>,
    /// Compute parties of `additive`.
    pub compute: Option<usize>,
    /// Who does what on `fhe`.
    pub fhe: FheOptions,
    /// The rules of release.
    pub disclosure: DisclosureTerms,
    /// What carries the frames.
    pub transport: Transport,
}

/// A sandbox on disk.
pub struct Sandbox {
    /// Its folder, absolute.
    pub folder: PathBuf,
    /// What `sandbox.toml` says.
    pub facts: Facts,
}

/// What `sandbox.toml` says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Sites, in study order.
    pub sites: Vec<String>,
    /// Whether there is a dealer that serves: one that makes keys alone does so once.
    pub dealer: bool,
    /// Whether there are keys of `fhe`.
    #[serde(default)]
    pub keys: bool,
    /// Rows of each table at each site: `rows.SITE.TABLE`.
    pub rows: BTreeMap<String, BTreeMap<String, u64>>,
    /// What inference had to say.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

/// Names for `count` sites.
pub fn site_names(count: usize) -> Vec<String> {
    let numbered = (NAMES.len() + 1..).map(|i| format!("site{i}"));
    let names = NAMES.iter().map(|name| (*name).to_owned());
    names.chain(numbered).take(count).collect()
}

impl Sandbox {
    /// Makes a sandbox in a new or empty folder; leaves nothing behind if it fails. `tell` is told of what
    /// takes long.
    ///
    /// # Errors
    /// If the folder is not empty, a table cannot be read or divided, or the study would be
    /// unsound.
    pub fn make(folder: &Path, order: &Order, tell: &dyn Fn(&str)) -> Result<Self> {
        let existed = folder.exists();
        if existed && std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Failure::setup(
                "file_exists",
                format!("{} is not empty", folder.display()),
            )
            .help("choose another folder, or remove it (tacit sandbox stop DIR first)"));
        }
        std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
        let folder = folder.canonicalize().map_err(|error| Failure::file(folder, &error))?;
        let made = fill(&folder, order, tell);
        if made.is_err() {
            let _ = std::fs::remove_dir_all(&folder);
            if existed {
                let _ = std::fs::create_dir(&folder);
            }
        }
        Ok(Self { folder, facts: made? })
    }

    /// Opens a sandbox that was made before.
    ///
    /// # Errors
    /// If the folder is no sandbox.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("sandbox.toml");
        let text = std::fs::read_to_string(&path).map_err(|_| {
            let message = format!("{} is no sandbox", folder.display());
            Failure::setup("no_sandbox", message)
                .help("make one: tacit sandbox new DIR --table NAME=FILE")
        })?;
        let facts = toml::from_str(&text).map_err(|error| {
            Failure::setup("no_sandbox", format!("{}: {error}", path.display()))
        })?;
        let folder = folder.canonicalize().map_err(|error| Failure::file(folder, &error))?;
        Ok(Self { folder, facts })
    }

    /// The study.
    pub fn study(&self) -> PathBuf {
        self.folder.join("study.toml")
    }

    /// The analyst's key.
    pub fn analyst_key(&self) -> PathBuf {
        self.folder.join("analyst").join("key")
    }

    /// The parties that run as processes: the sites, then the dealer if it serves.
    pub fn parties(&self) -> Vec<process::Party> {
        let site = |name: &String| process::Party {
            name: name.clone(),
            folder: self.folder.join("sites").join(name),
        };
        let dealer = self
            .facts
            .dealer
            .then(|| process::Party { name: "dealer".into(), folder: self.folder.join("dealer") });
        self.facts.sites.iter().map(site).chain(dealer).collect()
    }
}

fn fill(folder: &Path, order: &Order, tell: &dyn Fn(&str)) -> Result<Facts> {
    let count = order.sites.len();
    let engines = engines::terms(&order.sites, order.engines.as_deref(), order.compute, order.fhe)?;
    let keys_of_fhe = engines.fhe.is_some();
    if keys_of_fhe {
        keys::require(folder)?;
    }
    let mut facts = Facts {
        sites: order.sites.clone(),
        dealer: engines.additive.is_some(),
        keys: keys_of_fhe,
        ..Facts::default()
    };
    let dealer = facts.dealer || facts.keys;

    let mut tables = BTreeMap::new();
    let mut most_rows = 1;
    for table in &order.tables {
        let inferred = runtime::block_on(tacit_sql::infer(&table.source))??;
        let at = |warning: &String| format!("{}: {warning}", table.name);
        facts.warnings.extend(inferred.warnings.iter().map(at));
        most_rows = most_rows.max(inferred.rows);
        let described = described(inferred.table, table)?;
        if tables.insert(table.name.clone(), described).is_some() {
            let message = format!("--table {}: named twice", table.name);
            return Err(Failure::new(crate::error::Exit::Usage, "usage", message));
        }
    }

    let folders: Vec<PathBuf> = order.sites.iter().map(|s| folder.join("sites").join(s)).collect();
    for folder in &folders {
        make_folder(&folder.join("data"))?;
    }
    let mut sources: Vec<BTreeMap<String, Source>> = vec![BTreeMap::new(); count];
    check_split(order, &tables)?;
    for table in &order.tables {
        let parts = divide(order, table, &tables[&table.name], &folders)?;
        for (site, part) in parts.into_iter().enumerate() {
            let rows = facts.rows.entry(order.sites[site].clone()).or_default();
            rows.insert(table.name.clone(), part.rows);
            sources[site].insert(table.name.clone(), part.source);
        }
    }

    let ports = free_ports(count + usize::from(dealer))?;
    let mut parties = Vec::new();
    let mut keys = Vec::new();
    for (site, name) in order.sites.iter().enumerate() {
        let key = key::make(&folders[site].join("key"), false)?;
        parties.push(party(name, Role::Site, &key, Some(ports[site])));
        configure(&folders[site], name, "../../study.toml", std::mem::take(&mut sources[site]))?;
        keys.push(key);
    }
    let mut dealers = None;
    if dealer {
        let home = folder.join("dealer");
        make_folder(&home)?;
        let key = key::make(&home.join("key"), false)?;
        parties.push(party("dealer", Role::Dealer, &key, Some(ports[count])));
        configure(&home, "dealer", "../study.toml", BTreeMap::new())?;
        dealers = Some(key);
    }
    make_folder(&folder.join("analyst"))?;
    let key = key::make(&folder.join("analyst").join("key"), false)?;
    parties.push(party("analyst", Role::Analyst, &key, None));

    let now = tacit_governance::Timestamp::now();
    let document = Document {
        version: STUDY_VERSION,
        name: order.name.clone(),
        description: Some("A sandbox: every party on one machine.".into()),
        // A clock that is set back a little must not make a fresh sandbox invalid.
        valid_from: day(now, -1),
        valid_until: day(now, VALID_DAYS),
        rows_at_most: power_of_ten(most_rows),
        max_cells: None,
        transport: order.transport,
        disclosure: order.disclosure.clone(),
        engines,
        parties,
        tables,
    };
    let text = document.to_toml()?;
    let study = Study::parse(text.as_bytes())?;
    let path = folder.join("study.toml");
    write(&path, &text)?;
    for key in &keys {
        sign(&path, key)?;
    }
    if let Some(dealer) = dealers.filter(|_| facts.keys) {
        tell(&format!("making the keys of fhe; it takes about {}", keys::SECONDS));
        keys::make(&study, &path, &dealer, false)?;
    }
    let text = toml::to_string(&facts)
        .map_err(|error| Failure::setup("sandbox", format!("cannot be written: {error}")))?;
    write(&folder.join("sandbox.toml"), &text)?;
    Ok(facts)
}

/// The inferred table with its person column, under the name that the data have for it.
fn described(mut inferred: Table, order: &TableOrder) -> Result<Table> {
    if let Some(person) = &order.person {
        inferred.person = Some(inferred.column(person)?.name.clone());
    }
    Ok(inferred)
}

/// Divides a table over the sites' folders.
fn divide(
    order: &Order,
    table: &TableOrder,
    described: &Table,
    folders: &[PathBuf],
) -> Result<Vec<Part>> {
    let has = |column: &String| described.column(column).is_ok();
    let by = match (&order.split, &described.person) {
        (Split::Column(column), _) if has(column) => {
            tacit_sql::Split::Column(described.column(column)?.name.clone())
        }
        (_, Some(person)) => tacit_sql::Split::Person(person.clone()),
        _ => tacit_sql::Split::Hash,
    };
    let ending = match table.source.format()? {
        tacit_sql::Format::Csv => "csv",
        tacit_sql::Format::Parquet => "parquet",
    };
    let file = format!("{}.{ending}", table.name);
    let outputs: Vec<PathBuf> = folders.iter().map(|f| f.join("data").join(&file)).collect();
    let mut parts = runtime::block_on(tacit_sql::split(&table.source, &by, &outputs))??;
    if let tacit_sql::Split::Column(column) = &by
        && parts.iter().any(|part| part.values.is_empty())
    {
        let values: usize = parts.iter().map(|part| part.values.len()).sum();
        let message = format!(
            "--split {column}: the column has {values} values, too few for {} sites",
            folders.len()
        );
        return Err(Failure::setup("split_values", message)
            .help("choose another column, fewer --sites, or --split hash"));
    }
    for part in &mut parts {
        part.source.path = Path::new("data").join(&file);
    }
    Ok(parts)
}

/// Refuses to split by a column that no table has.
fn check_split(order: &Order, tables: &BTreeMap<String, Table>) -> Result<()> {
    let Split::Column(column) = &order.split else {
        return Ok(());
    };
    if tables.values().any(|table| table.column(column).is_ok()) {
        return Ok(());
    }
    let columns = tables.values().flat_map(|table| &table.columns);
    let names: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
    let near = tacit_plan::suggest::did_you_mean(column, names.iter().copied());
    let message = format!("--split {column}: no table has such a column{near}");
    Err(Failure::setup("unknown_column", message).help(format!("columns: {}", names.join(", "))))
}

fn configure(
    folder: &Path,
    name: &str,
    study: &str,
    tables: BTreeMap<String, Source>,
) -> Result<()> {
    let mut config = tacit_site::Config::parse(
        &format!(
            "name = {name:?}\nstudy = {study:?}\nkey = \"key\"\nreceipts = \"receipts.jsonl\"\n"
        ),
        Path::new(""),
    )
    .map_err(|error| Failure::setup("config", error))?;
    config.tables = tables;
    let text = toml::to_string(&config).map_err(|error| Failure::setup("config", error))?;
    write(&folder.join("site.toml"), &text)
}

fn party(name: &str, role: Role, key: &KeyPair, port: Option<u16>) -> Party {
    Party {
        name: name.into(),
        role,
        key: key.public(),
        address: port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string()),
    }
}

/// Ports of the loopback interface that nobody holds, neither for UDP nor for TCP.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let span = usize::from(PORTS.end - PORTS.start);
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = clock.map_or(0, |since| since.subsec_nanos() as usize);
    let start = (nanos / 64 + std::process::id() as usize * 769) % span;
    let mut held = Vec::new();
    for step in 0..span {
        let port = PORTS.start + ((start + step * 7) % span) as u16;
        let at = (Ipv4Addr::LOCALHOST, port);
        if let (Ok(udp), Ok(tcp)) = (UdpSocket::bind(at), TcpListener::bind(at)) {
            held.push((port, (udp, tcp)));
        }
        if held.len() == count {
            return Ok(held.into_iter().map(|(port, _)| port).collect());
        }
    }
    Err(Failure::setup("ports", "no free ports on the loopback interface"))
}

/// The day in UTC, `days` from now.
pub fn day(now: tacit_governance::Timestamp, days: i64) -> String {
    let moment = now + jiff::SignedDuration::from_hours(24 * days);
    moment.strftime("%Y-%m-%d").to_string()
}

/// The smallest power of ten that is at least `rows`.
pub fn power_of_ten(rows: u64) -> u64 {
    let mut power = 1_u64;
    while power < rows {
        power = power.saturating_mul(10);
    }
    power.max(10)
}

/// A folder for a party's data, key and receipts: only its owner may look into it.
fn make_folder(path: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).map_err(|error| Failure::file(path, &error))
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|error| Failure::file(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_powers_of_ten() {
        assert_eq!(power_of_ten(1), 10);
        assert_eq!(power_of_ten(1000), 1000);
        assert_eq!(power_of_ten(1001), 10_000);
    }

    #[test]
    fn ports_are_free_and_different() {
        let mut ports = free_ports(6).unwrap();
        ports.dedup();
        assert_eq!(ports.len(), 6);
    }
}
