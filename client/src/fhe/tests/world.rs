//! A study whose parties play their roles over the real transport without any ciphertext: uploads are
//! bytes of the right length, and the result is made from the clear interpreter.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{SocketAddr, UdpSocket},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use tacit_governance::{
    AdditiveTerms, Document, Engines, FheTerms, KeyPair, KeySet, Party, Role, STUDY_VERSION,
    SessionParties, Study, Timestamp, Transport, Verify, keyset,
    phases::{CHUNK, Kind, Parcel, Scope, State, Step, Word},
    session::{self, Agreement, Ask, Code, Failure, PROTOCOL_VERSION, Phase, Reply, Request},
};
use tacit_he::Summary;
use tacit_mpc::Column;
use tacit_net::mesh::{Conversation, Endpoint, Options, SecretKey};
use tacit_plan::{Column as Described, ColumnType, Digest, DisclosureTerms, Plan, Table};
use tacit_sql::Statement;
use tempfile::TempDir;

use super::super::{Pace, board::Item, prepared::Prepared};
use crate::Client;

pub const SITES: [&str; 3] = ["north", "south", "east"];
pub const SQL: &str = "SELECT COUNT(*) AS n FROM visits";
/// What every site counts.
pub const COUNTS: [u64; 3] = [20, 3, 19];

/// How a party misbehaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trick {
    /// The agreement names other keys.
    OtherKeys,
    /// Its transforms round differently.
    OtherArithmetic,
    /// What it makes has one byte that is not the one that it signed.
    Altered(Kind),
    /// What it makes is a byte shorter than the bill says, and signed.
    Short(Kind),
    /// What it makes is longer than the bill says, and signed.
    Long(Kind),
    /// More chunks than it announced.
    Endless(Kind),
    /// Signed with another key.
    Forged(Kind),
    /// Signed for another session.
    Replayed(Kind),
    /// A part that adds up to nothing.
    Garbage,
    /// It refuses the question.
    Refuses(Code),
    /// It refuses the question and says that this one is at fault.
    Blames(&'static str),
    /// It leaves once it has made that.
    Leaves(Kind),
}

/// What a party has done and keeps.
#[derive(Default)]
pub struct Kept {
    pub uploads: BTreeSet<u32>,
    pub result: Option<Vec<u8>>,
    pub part: bool,
    /// What it was asked to make, in order.
    pub made: Vec<Kind>,
    pub taken: Vec<(Kind, u32)>,
    pub cancelled: bool,
    pub conversations: usize,
}

/// One party while it serves.
struct Fake {
    index: usize,
    key: KeyPair,
    study: PathBuf,
    tricks: Mutex<Vec<Trick>>,
    kept: Mutex<Kept>,
    running: AtomicBool,
}

pub struct World {
    pub folder: TempDir,
    fakes: Vec<Arc<Fake>>,
    threads: BTreeMap<usize, JoinHandle<()>>,
    ports: Vec<u16>,
}

fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let offset = (std::process::id() as u16).wrapping_mul(89) % 5000;
        let port = 13_000 + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % 15_000;
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(index: usize) -> KeyPair {
    KeyPair::from_seed(&[index as u8 + 1; 32])
}

impl World {
    /// A study with these key holders; north evaluates. No party serves yet.
    pub fn new(key_holders: &[&str], verify: Verify) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let ports: Vec<u16> = SITES.iter().map(|_| port()).collect();
        let mut parties: Vec<Party> = SITES
            .iter()
            .enumerate()
            .map(|(index, name)| Party {
                name: (*name).to_owned(),
                role: Role::Site,
                key: key(index).public(),
                address: Some(format!("127.0.0.1:{}", ports[index])),
            })
            .collect();
        let others = [(3, "dora", Role::Dealer), (4, "ada", Role::Analyst)];
        parties.extend(others.map(|(index, name, role)| Party {
            name: name.to_owned(),
            role,
            key: key(index).public(),
            address: (role == Role::Dealer).then(|| "127.0.0.1:9".to_owned()),
        }));
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let document = Document {
            version: STUDY_VERSION,
            name: "test".into(),
            description: None,
            valid_from: "2020-01-01".into(),
            valid_until: "2099-12-31".into(),
            rows_at_most: 10_000,
            max_cells: None,
            transport: Transport::Quic,
            disclosure: DisclosureTerms::default(),
            engines: Engines {
                additive: Some(AdditiveTerms { compute: names(&SITES), triples: "dealer".into() }),
                fhe: Some(FheTerms {
                    holders: names(key_holders),
                    evaluator: "north".into(),
                    keys: "dealer".into(),
                    verify,
                    wait_days: Some(9),
                }),
                ..Engines::default()
            },
            parties,
            tables: BTreeMap::from([("visits".to_owned(), table())]),
        };
        let path = root.join("study.toml");
        fs::write(&path, document.to_toml().unwrap()).unwrap();
        for index in 0..SITES.len() {
            tacit_governance::sign(&path, &key(index)).unwrap();
        }
        let study = Study::open(&path).unwrap();
        let now = Timestamp::now();
        let mut draft = KeySet::draft(&study, &path, Digest([7; 32]), "none", now).unwrap();
        for part in [keyset::SERVER, keyset::PUBLIC, keyset::CRS] {
            draft.part(part, part.as_bytes()).unwrap();
        }
        draft.part(keyset::CALIBRATION, CALIBRATION.as_bytes()).unwrap();
        for holder in key_holders {
            draft.share(holder, b"sealed").unwrap();
        }
        draft.finish(&key(3), false).unwrap();
        fs::create_dir(root.join("ada")).unwrap();
        key(4).save(&root.join("ada/key"), false).unwrap();
        let fakes = (0..SITES.len()).map(|index| {
            Arc::new(Fake {
                index,
                key: key(index),
                study: path.clone(),
                tricks: Mutex::default(),
                kept: Mutex::default(),
                running: AtomicBool::new(false),
            })
        });
        Self { fakes: fakes.collect(), folder, threads: BTreeMap::new(), ports }
    }

    /// The same, with every party serving.
    pub fn serving(key_holders: &[&str], verify: Verify) -> Self {
        let mut world = Self::new(key_holders, verify);
        for name in SITES {
            world.start(name);
        }
        world
    }

    pub fn client(&self) -> Client {
        let root = self.folder.path();
        let mut client = Client::open(&root.join("study.toml"), &root.join("ada/key")).unwrap();
        client.set_wait(Duration::from_millis(400));
        client.pace = Pace { first: Duration::from_millis(50), most: Duration::from_millis(200) };
        client
    }

    pub fn jobs(&self) -> PathBuf {
        self.folder.path().join("ada/fhe-jobs")
    }

    pub fn kept(&self, name: &str) -> MutexGuard<'_, Kept> {
        lock(&self.fakes[index(name)].kept)
    }

    /// Everything that was made anywhere, sorted.
    pub fn made(&self) -> Vec<Item> {
        let all = self.fakes.iter().flat_map(|fake| {
            let kept = lock(&fake.kept);
            kept.made.iter().map(|&kind| (kind, fake.index)).collect::<Vec<_>>()
        });
        let mut all: Vec<Item> = all.collect();
        all.sort_unstable();
        all
    }

    pub fn tricks(&self, name: &str, tricks: &[Trick]) {
        *lock(&self.fakes[index(name)].tricks) = tricks.to_vec();
    }

    pub fn start(&mut self, name: &str) {
        let fake = self.fakes[index(name)].clone();
        let address = SocketAddr::from(([127, 0, 0, 1], self.ports[fake.index]));
        fake.running.store(true, Ordering::Release);
        let secret = SecretKey::from_seed(*fake.key.seed());
        let endpoint = Endpoint::bind(Options::new(secret).listen(address)).unwrap();
        let analyst = SecretKey::from_seed([5; 32]).public();
        endpoint.allow([(analyst, "ada".to_owned())]);
        let thread = std::thread::spawn(move || {
            let incoming = endpoint.incoming();
            while fake.running.load(Ordering::Acquire) {
                let Ok(next) = incoming.recv_timeout(Duration::from_millis(20)) else { continue };
                let fake = fake.clone();
                std::thread::spawn(move || fake.serve(&next.conversation));
            }
        });
        self.threads.insert(index(name), thread);
    }

    pub fn stop(&mut self, name: &str) {
        self.fakes[index(name)].running.store(false, Ordering::Release);
        if let Some(thread) = self.threads.remove(&index(name)) {
            thread.join().unwrap();
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for name in SITES {
            self.stop(name);
        }
    }
}

fn index(name: &str) -> usize {
    SITES.iter().position(|site| *site == name).unwrap()
}

fn table() -> Table {
    let column = |name: &str, r#type| Described {
        name: name.to_owned(),
        r#type,
        unit: None,
        description: None,
        missing: false,
    };
    let words = |count: usize| ColumnType::Category {
        values: (0..count).map(|word| format!("w{word}")).collect(),
    };
    Table {
        person: None,
        description: None,
        columns: vec![
            column("age", ColumnType::Integer { range: [0, 99] }),
            column("ward", words(4)),
            column("code", words(900)),
        ],
    }
}

const CALIBRATION: &str = r#"{"summed": 0.05, "compared": 0.03, "looked_up": 0.02,
    "multiplied": 0.1, "squashed": 0.34}"#;

impl Fake {
    fn plays(&self, trick: &Trick) -> bool {
        lock(&self.tricks).contains(trick)
    }

    /// One conversation, until the other side leaves or this party stops.
    fn serve(&self, conversation: &Conversation) {
        let tell = |reply: &Reply| conversation.send(session::encode(reply).unwrap()).is_ok();
        let Some(Request::Ask(ask)) = self.hear(conversation) else { return };
        lock(&self.kept).conversations += 1;
        let refusal = lock(&self.tricks).iter().find_map(|trick| match trick {
            Trick::Refuses(code) => Some(Failure::new(*code, "it is not wanted")),
            Trick::Blames(other) => Some(Failure::new(Code::Abort, "it cheats").by(*other)),
            _ => None,
        });
        if let Some(refusal) = refusal {
            tell(&Reply::Refused(refusal));
            // What was said arrives before this ends.
            std::thread::sleep(Duration::from_millis(200));
            return;
        }
        let work = Work::new(self, &ask);
        tell(&Reply::Accepted { agreement: work.agreement.clone(), bill: work.bill });
        if ask.dry_run {
            return;
        }
        tell(&Reply::Step(Word::State(self.state())));
        while let Some(request) = self.hear(conversation) {
            let kind = match request {
                Request::Step(Step::Enter) => Kind::Upload,
                Request::Step(Step::Evaluate) => Kind::Result,
                Request::Step(Step::Decrypt) => Kind::Part,
                Request::Step(Step::Give(parcel)) => {
                    if !self.take(conversation, &work, &parcel) {
                        return;
                    }
                    tell(&Reply::Step(Word::Taken));
                    continue;
                }
                Request::Waiting => continue,
                Request::Cancel => {
                    lock(&self.kept).cancelled = true;
                    return;
                }
                other => panic!("{other:?}"),
            };
            if kind != Kind::Upload {
                tell(&Reply::Progress { phase: Phase::Evaluate, round: 1, rounds: 2 });
            }
            self.give(conversation, &work, kind);
            if self.plays(&Trick::Leaves(kind)) {
                std::thread::sleep(Duration::from_millis(200));
                self.running.store(false, Ordering::Release);
                return;
            }
        }
    }

    fn hear(&self, conversation: &Conversation) -> Option<Request> {
        while self.running.load(Ordering::Acquire) {
            match conversation.receive(Duration::from_millis(20)) {
                Ok(Some(bytes)) => return session::decode(&bytes).ok(),
                Ok(None) => {}
                Err(_) => return None,
            }
        }
        None
    }

    fn state(&self) -> State {
        let kept = lock(&self.kept);
        State {
            arithmetic: [u8::from(self.plays(&Trick::OtherArithmetic)); 32],
            uploads: kept.uploads.iter().copied().collect(),
            result: kept.result.is_some(),
            part: kept.part,
        }
    }

    fn take(&self, conversation: &Conversation, work: &Work, parcel: &Parcel) -> bool {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < parcel.length {
            let Some(Request::Step(Step::Chunk(chunk))) = self.hear(conversation) else {
                return false;
            };
            bytes.extend_from_slice(&chunk);
        }
        parcel.check(&key(parcel.from as usize).public(), &work.scope).unwrap();
        parcel.holds(&bytes).unwrap();
        let mut kept = lock(&self.kept);
        kept.taken.push((parcel.kind, parcel.from));
        match parcel.kind {
            Kind::Upload => drop(kept.uploads.insert(parcel.from)),
            Kind::Result => kept.result = Some(bytes),
            Kind::Part => panic!("a part was given to a party"),
        }
        true
    }

    fn give(&self, conversation: &Conversation, work: &Work, kind: Kind) {
        let tell = |word: Word| {
            let _ = conversation.send(session::encode(&Reply::Step(word)).unwrap());
        };
        let mut bytes = {
            let mut kept = lock(&self.kept);
            kept.made.push(kind);
            match kind {
                Kind::Upload => drop(kept.uploads.insert(self.index as u32)),
                Kind::Result => {
                    assert_eq!(kept.uploads.len(), SITES.len(), "evaluated too early");
                    kept.result = Some(work.result());
                }
                Kind::Part => {
                    assert_eq!(kept.uploads.len(), SITES.len(), "decrypted too early");
                    assert!(kept.result.is_some(), "decrypted too early");
                    kept.part = true;
                }
            }
            work.bytes(kind)
        };
        if kind == Kind::Part && self.plays(&Trick::Garbage) {
            bytes[32..].iter_mut().for_each(|byte| *byte = 0x5a);
        }
        if self.plays(&Trick::Short(kind)) {
            bytes.pop();
        }
        if self.plays(&Trick::Long(kind)) {
            bytes.push(0);
        }
        let scope = Scope {
            session: if self.plays(&Trick::Replayed(kind)) { [9; 32] } else { work.scope.session },
            ..work.scope
        };
        let signer = if self.plays(&Trick::Forged(kind)) { key(9) } else { key(self.index) };
        let parcel = Parcel::sign(&signer, &scope, kind, self.index, &bytes);
        if self.plays(&Trick::Altered(kind)) {
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
        }
        if self.plays(&Trick::Endless(kind)) {
            bytes.resize(bytes.len() + CHUNK, 0);
        }
        tell(Word::Made { parcel, receipt: Digest([self.index as u8; 32]), seconds: 0.5 });
        bytes.chunks(CHUNK).for_each(|chunk| tell(Word::Chunk(chunk.to_vec())));
    }
}

/// A question as a party has compiled it.
struct Work {
    prepared: Prepared,
    agreement: Agreement,
    bill: Digest,
    scope: Scope,
    index: usize,
}

impl Work {
    fn new(fake: &Fake, ask: &Ask) -> Self {
        let client = Client::open_study(&fake.study).unwrap();
        let Statement::Query(plan) = client.compile(&ask.sql).unwrap() else { panic!("no query") };
        let study = client.study();
        let parties = SessionParties::of(study, "fhe", "ada").unwrap();
        let prepared = Prepared::new(study, &plan, &parties).unwrap();
        let other = fake.plays(&Trick::OtherKeys);
        let keys = Digest([if other { 8 } else { 7 }; 32]);
        let agreement = Agreement {
            version: PROTOCOL_VERSION,
            study: study.digest(),
            session: ask.session,
            plan: plan.digest(),
            circuit: prepared.digest,
            engine: "fhe".into(),
            keys,
            parties: parties.names(),
            me: fake.index as u32,
            epoch: 1,
        };
        let scope = Scope::of(&agreement);
        let bill = prepared.bill_digest();
        Self { prepared, agreement, bill, scope, index: fake.index }
    }

    fn bytes(&self, kind: Kind) -> Vec<u8> {
        match kind {
            Kind::Upload => vec![self.index as u8; self.prepared.length(kind, self.index) as usize],
            Kind::Result => self.result(),
            Kind::Part => {
                let released = self.prepared.program.released();
                let summary = self.summary(&self.result(), released);
                [&summary.digest()[..], &vec![0; 16 * released]].concat()
            }
        }
    }

    fn summary(&self, bytes: &[u8], released: usize) -> Summary {
        match self.prepared.roles.verify {
            Verify::Reevaluate => Summary::from_bytes(bytes, released, "x").unwrap(),
            Verify::Trust => {
                tacit_he::Squashed::from_bytes(bytes, released, "x").unwrap().summary()
            }
        }
    }

    /// Ciphertexts of what the clear interpreter opens, under a key of zeros and without noise.
    fn result(&self) -> Vec<u8> {
        // The fifth bit turns the places round: a bootstrapping without padding is negacyclic.
        let place = |block: u8| if block < 16 { block } else { 47 - block };
        let blocks = blocks(&self.prepared).into_iter();
        let bodies = blocks.map(|block| u128::from(place(block)) << 123);
        match self.prepared.roles.verify {
            Verify::Reevaluate => {
                let bodies = bodies.flat_map(u128::to_le_bytes);
                std::iter::repeat_n(0, 32).chain(bodies).collect()
            }
            Verify::Trust => {
                let mut bytes = (self.prepared.program.released() as u64).to_le_bytes().to_vec();
                for body in bodies {
                    bytes.resize(bytes.len() + tacit_he::SQUASHED_BYTES - 16, 0);
                    bytes.extend_from_slice(&body.to_le_bytes());
                }
                bytes
            }
        }
    }
}

/// The blocks that decode to what the clear interpreter opens: a bit of a block decides some of the bits
/// that are opened, and no two bits decide the same.
fn blocks(prepared: &Prepared) -> Vec<u8> {
    let counts = COUNTS.iter().enumerate();
    let entered = counts.map(|(site, &count)| {
        let columns = prepared.program.fields()[site].iter();
        (site, columns.map(|field| Column::Num(vec![count; field.shape.rows])).collect())
    });
    let entered: BTreeMap<usize, Vec<Column>> = entered.collect();
    let due = tacit_mpc::clear(&prepared.circuit, &entered).unwrap();
    let due: Vec<u64> = due.into_iter().flat_map(|(_, _, column)| column.to_numbers()).collect();
    let opened = |blocks: &[u8]| -> Vec<u64> {
        let opened = prepared.program.decode(blocks).unwrap();
        opened.into_iter().flat_map(|(_, _, column)| column.to_numbers()).collect()
    };
    let mut blocks = vec![0; prepared.program.released()];
    let nothing = opened(&blocks);
    for at in 0..blocks.len() {
        for bit in 0..5 {
            let mut one = vec![0; blocks.len()];
            one[at] = 1 << bit;
            let changed = opened(&one);
            let decides = (0..due.len()).find(|&i| changed[i] != nothing[i]);
            if decides.is_some_and(|i| due[i] != nothing[i]) {
                blocks[at] |= 1 << bit;
            }
        }
    }
    assert_eq!(opened(&blocks), due);
    blocks
}

/// A plan of the study, for tests that ask nobody.
pub fn plan(client: &Client, sql: &str) -> Plan {
    let Statement::Query(plan) = client.compile(sql).unwrap() else { panic!("no query") };
    plan
}
