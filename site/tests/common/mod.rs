//! A study with its parties on loopback ports of this machine: every party serves in this process,
//! over the real transport.

#![allow(dead_code, reason = "every test file uses another part")]

pub mod proxy;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    net::{SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU16, Ordering},
    thread::JoinHandle,
};

use tacit_client::{Answer, Cancel, Client};
use tacit_governance::{
    AdditiveTerms, Document, EngineTerms, Engines, FheTerms, KeyPair, Party, Role, STUDY_VERSION,
    Transport,
};
use tacit_mpc::EngineKind;
use tacit_plan::{Column, ColumnType, DisclosureTerms, Table};
use tacit_site::{Config, Shutdown, Site};
use tacit_sql::{ResultTable, Source, Statement, Tables};
use tempfile::TempDir;

/// Free text that only site 0 holds in its rows; it must never leave.
pub const CANARY: &str = "canary-7f3a9c51";

/// What a world is made of.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    pub sites: usize,
    /// How many of them compute with `additive` and `clear`.
    pub compute: usize,
    /// Each site listens one port higher than its address in the study says.
    pub behind: bool,
    /// What carries the frames.
    pub transport: Transport,
    /// Homomorphic encryption; the keys are made by whoever wants them.
    pub fhe: Option<FheTerms>,
}

pub struct World {
    pub folder: TempDir,
    pub terms: Terms,
    pub document: Document,
    pub ports: Vec<u16>,
    running: BTreeMap<String, (Shutdown, JoinHandle<()>)>,
}

/// Ports below the range from which the system takes ports for clients.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let offset = (std::process::id() as u16).wrapping_mul(97) % 5000;
        let port = 12_000 + (offset + NEXT.fetch_add(2, Ordering::Relaxed)) % 18_000;
        let both = [port, port + 1].map(|port| UdpSocket::bind(("127.0.0.1", port)));
        if both.iter().all(Result::is_ok) {
            return port;
        }
    }
}

impl World {
    /// Writes the keys, the data, the study and its signatures; starts nothing.
    pub fn new(sites: usize, compute: usize) -> Self {
        Self::of(&Terms { sites, compute, ..Terms::default() })
    }

    pub fn of(terms: &Terms) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let names: Vec<String> = (0..terms.sites).map(|i| format!("site{i}")).collect();
        let mut parties = Vec::new();
        let mut ports = Vec::new();
        let mut add = |name: &str, role: Role| {
            let home = root.join(name);
            fs::create_dir_all(&home).unwrap();
            let key = KeyPair::generate().unwrap();
            key.save(&home.join("key"), false).unwrap();
            let address = (role != Role::Analyst).then(|| {
                ports.push(port());
                format!("127.0.0.1:{}", ports.last().unwrap())
            });
            parties.push(Party { name: name.to_owned(), role, key: key.public(), address });
        };
        for name in &names {
            add(name, Role::Site);
        }
        add("dealer", Role::Dealer);
        add("analyst", Role::Analyst);
        add("other", Role::Analyst);
        for (index, name) in names.iter().enumerate() {
            fs::write(root.join(name).join("visits.csv"), rows(index, 150 + 80 * index)).unwrap();
        }
        let computing = names[..terms.compute].to_vec();
        let document = Document {
            version: STUDY_VERSION,
            name: "test".into(),
            description: None,
            valid_from: "2020-01-01".into(),
            valid_until: "2099-12-31".into(),
            rows_at_most: 10_000,
            max_cells: None,
            transport: terms.transport,
            disclosure: DisclosureTerms::default(),
            engines: Engines {
                rep3: (terms.sites >= 3).then(|| EngineTerms { compute: names[..3].to_vec() }),
                additive: (terms.compute >= 2).then(|| AdditiveTerms {
                    compute: computing.clone(),
                    triples: "dealer".into(),
                }),
                clear: Some(EngineTerms { compute: computing }),
                fhe: terms.fhe.clone(),
            },
            parties,
            tables: BTreeMap::from([("visits".to_owned(), table())]),
        };
        let mut world =
            Self { terms: terms.clone(), folder, document, ports, running: BTreeMap::new() };
        world.sign(&world.study());
        world
    }

    pub fn home(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn study(&self) -> PathBuf {
        self.folder.path().join("study.toml")
    }

    /// Writes the document to `path` and signs it with every site's key.
    pub fn sign(&mut self, path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, self.document.to_toml().unwrap()).unwrap();
        for i in 0..self.terms.sites {
            let key = KeyPair::load(&self.home(&format!("site{i}")).join("key")).unwrap();
            tacit_governance::sign(path, &key).unwrap();
        }
    }

    pub fn servers(&self) -> Vec<String> {
        let serving = self.document.parties.iter().filter(|party| party.role != Role::Analyst);
        serving.map(|party| party.name.clone()).collect()
    }

    pub fn config(&self, name: &str) -> Config {
        let text = format!(
            "name = \"{name}\"\nstudy = \"../study.toml\"\nkey = \"key\"\n\
             receipts = \"receipts.jsonl\"\n{}",
            if name == "dealer" { "" } else { "[tables.visits]\npath = \"visits.csv\"\n" }
        );
        let mut config = Config::parse(&text, &self.home(name)).unwrap();
        if self.terms.behind {
            let index = self.servers().iter().position(|server| server == name).unwrap();
            config.listen = Some(SocketAddr::from(([127, 0, 0, 1], self.ports[index] + 1)));
        }
        config
    }

    pub fn start(&mut self, config: &Config) {
        let site = Site::open(config).unwrap();
        let shutdown = site.shutdown();
        let (sender, ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            site.serve(|_| sender.send(()).unwrap()).unwrap();
        });
        ready.recv().unwrap();
        self.running.insert(config.name.clone(), (shutdown, thread));
    }

    pub fn start_all(&mut self) {
        for name in self.servers() {
            if !self.running.contains_key(&name) {
                self.start(&self.config(&name));
            }
        }
    }

    pub fn stop(&mut self, name: &str) {
        if let Some((shutdown, thread)) = self.running.remove(name) {
            shutdown.stop();
            thread.join().unwrap();
        }
    }

    pub fn client(&self) -> Client {
        Client::open(&self.study(), &self.home("analyst").join("key")).unwrap()
    }

    /// What the pooled data say, with the rules of release applied.
    pub fn pooled(&self, sql: &str) -> ResultTable {
        let client = self.client();
        let Statement::Query(plan) = client.compile(sql).unwrap() else { panic!("no query") };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut parts = Vec::new();
            for i in 0..self.terms.sites {
                let source = Source::new(self.home(&format!("site{i}")).join("visits.csv"));
                let sources = BTreeMap::from([("visits".to_owned(), source)]);
                let dictionary = client.study().dictionary();
                parts.push(Tables::open(dictionary, &sources, 10_000).await.unwrap());
            }
            tacit_sql::pooled(&parts.iter().collect::<Vec<_>>(), &plan).await.unwrap()
        })
    }

    pub fn receipts(&self, name: &str) -> Vec<tacit_governance::Record> {
        let mut records = Vec::new();
        let path = self.home(name).join("receipts.jsonl");
        tacit_governance::receipts::read(&path, &mut |entry| {
            records.push(entry.record);
            Ok(())
        })
        .unwrap();
        records
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let running = std::mem::take(&mut self.running);
        for (shutdown, _) in running.values() {
            shutdown.stop();
        }
        for (_, (_, thread)) in running {
            let _ = thread.join();
        }
    }
}

/// Asks without looking at progress.
pub fn ask(client: &Client, sql: &str, engine: Option<EngineKind>) -> tacit_client::Result<Answer> {
    client.ask(sql, engine.map(Into::into), &mut |_| {}, &Cancel::new())
}

fn table() -> Table {
    let column = |name: &str, r#type: ColumnType, missing: bool| Column {
        name: name.to_owned(),
        r#type,
        unit: None,
        description: None,
        missing,
    };
    let words = |words: &[&str]| ColumnType::Category {
        values: words.iter().map(|word| (*word).to_owned()).collect(),
    };
    let decimal =
        ColumnType::Decimal { scale: 1, range: ["30.0".into(), "200.0".into()], rounded: false };
    Table {
        person: None,
        description: None,
        columns: vec![
            column("sex", words(&["female", "male", "other"]), true),
            column("age", ColumnType::Integer { range: [0, 99] }, false),
            column("weight", decimal, true),
            column("ward", words(&["a", "b", "c", "rare"]), false),
            column("note", ColumnType::Text, false),
        ],
    }
}

/// Rows of a site, from a fixed generator.
fn rows(site: usize, rows: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ (site as u64 + 1);
    let mut next = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut text = String::from("sex,age,weight,ward,note\n");
    for row in 0..rows {
        let sex = ["female", "male", "", "female", "male", "other"][next(6) as usize];
        let ward = if next(40) == 0 { "rare" } else { ["a", "b", "c"][next(3) as usize] };
        let weight = match next(10) {
            0 => String::new(),
            _ => format!("{}.{}", 40 + next(100), next(10)),
        };
        let _ = writeln!(text, "{sex},{},{weight},{ward},{CANARY}-{site}-{row}", next(100));
    }
    text
}
