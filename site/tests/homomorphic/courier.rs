//! [`Courier`]: the analyst's program, one step at a time, with everything in the caller's hand.

use std::time::Duration;

use tacit_client::Client;
use tacit_governance::{
    SessionParties,
    phases::{CHUNK, Kind, Parcel, Scope, State, Step, Word},
    session::{self, Agreement, Ask, Failure, PROTOCOL_VERSION, Reply, Request},
};
use tacit_he::{Field, Partial, Program, Session, Summary};
use tacit_net::mesh::{Conversation, Endpoint, Options, Peer, PublicKey, SecretKey};
use tacit_plan::{Digest, Plan};
use tacit_protocols::Parties;
use tacit_sql::{ResultTable, Statement};

use crate::{
    common::World,
    keys::{key, study},
};

/// How long a step may take that evaluates nothing.
const LONG: Duration = Duration::from_mins(4);

/// What was made, with the hash of its receipt.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    pub parcel: Parcel,
    pub bytes: Vec<u8>,
    pub receipt: Digest,
}

/// A question of one analyst, and the way to all parties.
pub struct Courier<'a> {
    pub world: &'a World,
    endpoint: Endpoint,
    pub sql: &'a str,
    pub session: [u8; 32],
    pub plan: Plan,
    pub program: Program,
    pub parties: SessionParties,
    pub keys: Digest,
}

/// A conversation with one party.
pub struct Talk {
    conversation: Conversation,
    pub agreement: Agreement,
    pub bill: Digest,
    pub state: State,
}

impl<'a> Courier<'a> {
    pub fn new(world: &'a World, sql: &'a str, session: u8) -> Self {
        Self::of(world, "analyst", sql, session)
    }

    pub fn of(world: &'a World, analyst: &str, sql: &'a str, session: u8) -> Self {
        let mut options = Options::new(SecretKey::from_seed(*key(world, analyst).seed()));
        options.connect = Duration::from_secs(5);
        let endpoint = Endpoint::bind(options).unwrap();
        let client = Client::open(&world.study(), &world.home(analyst).join("key")).unwrap();
        let Statement::Query(plan) = client.compile(sql).unwrap() else { panic!("no query") };
        let parties = SessionParties::of(&study(world), "fhe", analyst).unwrap();
        let program = {
            let holders = parties.holders.clone();
            let of = Parties { holders, analyst: parties.analyst };
            let circuit = tacit_protocols::circuit(&plan, &of).unwrap();
            let width = |_, slot: usize| plan.inputs[slot].bits;
            let fields = tacit_he::fields(&circuit, parties.parties.len(), width).unwrap();
            Program::new(&circuit, &fields).unwrap()
        };
        let keys = tacit_governance::KeySet::open(&study(world), &world.study());
        let keys = keys.map_or(Digest([0; 32]), |keys| keys.keys);
        let session = [session; 32];
        Self { world, endpoint, sql, session, plan, program, parties, keys }
    }

    pub fn request(&self, dry_run: bool) -> Ask {
        Ask {
            version: PROTOCOL_VERSION,
            study: study(self.world).digest(),
            session: self.session,
            engine: "fhe".into(),
            sql: self.sql.to_owned(),
            dry_run,
        }
    }

    /// Asks one party.
    pub fn ask(&self, name: &str) -> Result<Talk, Failure> {
        self.ask_with(name, &self.request(false))
    }

    pub fn ask_with(&self, name: &str, ask: &Ask) -> Result<Talk, Failure> {
        begin(open(&self.endpoint, self.world, name, ask), ask)
    }

    /// Asks whatever, in a study that may have no `fhe`.
    pub fn opened(world: &World, name: &str, ask: &Ask) -> Result<Talk, Failure> {
        let mut options = Options::new(SecretKey::from_seed(*key(world, "analyst").seed()));
        options.connect = Duration::from_secs(5);
        begin(open(&Endpoint::bind(options).unwrap(), world, name, ask), ask)
    }

    pub fn index(&self, name: &str) -> usize {
        self.parties.index(name).unwrap()
    }

    pub fn fields(&self, name: &str) -> &[Field] {
        &self.program.fields()[self.index(name)]
    }

    pub fn scope(&self) -> Scope {
        Scope::of(&Agreement {
            version: PROTOCOL_VERSION,
            study: study(self.world).digest(),
            session: self.session,
            plan: self.plan.digest(),
            circuit: Digest(self.program.circuit()),
            engine: "fhe".into(),
            keys: self.keys,
            parties: self.parties.names(),
            me: 0,
            epoch: 0,
        })
    }

    /// What proofs are bound to.
    pub fn proofs(&self) -> Session {
        let Scope { study, question, session, .. } = self.scope();
        Session { study: study.0, plan: question.0, session }
    }

    /// A parcel with the signature of `name`, who did not make it.
    pub fn forge(&self, kind: Kind, name: &str, bytes: &[u8]) -> Parcel {
        let index = self.index(name);
        Parcel::sign(&key(self.world, name), &self.scope(), kind, index, bytes)
    }

    /// What the analyst makes of everything.
    pub fn release(&self, result: &[u8], parts: &[Vec<u8>]) -> ResultTable {
        let summary = Summary::from_bytes(result, self.program.released(), "evaluator").unwrap();
        self.combine(&summary, parts)
    }

    pub fn combine(&self, summary: &Summary, parts: &[Vec<u8>]) -> ResultTable {
        let read = |(holder, bytes): (usize, &Vec<u8>)| {
            Partial::from_bytes(bytes, holder, summary).unwrap()
        };
        let parts: Vec<Partial> = parts.iter().enumerate().map(read).collect();
        let blocks = tacit_he::combine(summary, parts.len(), &parts).unwrap();
        let opened = self.program.decode(&blocks).unwrap();
        let opened: Vec<_> = opened.into_iter().map(|(_, name, column)| (name, column)).collect();
        let opened = tacit_protocols::decode(&self.plan, &opened).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(tacit_sql::release(&self.plan, &opened)).unwrap()
    }
}

fn open(endpoint: &Endpoint, world: &World, name: &str, ask: &Ask) -> Conversation {
    let party = world.document.parties.iter().find(|party| party.name == name).unwrap();
    let peer = Peer {
        name: name.to_owned(),
        key: PublicKey(*party.key.as_bytes()),
        address: party.address.clone(),
    };
    let message = session::encode(&Request::Ask(ask.clone())).unwrap();
    endpoint.request(&peer, message).unwrap()
}

fn begin(conversation: Conversation, ask: &Ask) -> Result<Talk, Failure> {
    let (agreement, bill) = match next(&conversation) {
        Reply::Accepted { agreement, bill } => (agreement, bill),
        Reply::Refused(failure) | Reply::Failed(failure) => return Err(failure),
        other => panic!("{other:?}"),
    };
    if ask.dry_run {
        return Ok(Talk { conversation, agreement, bill, state: State::default() });
    }
    match next(&conversation) {
        Reply::Step(Word::State(state)) => Ok(Talk { conversation, agreement, bill, state }),
        Reply::Failed(failure) => Err(failure),
        other => panic!("{other:?}"),
    }
}

impl Talk {
    pub fn say(&self, request: &Request) {
        self.conversation.send(session::encode(request).unwrap()).unwrap();
    }

    pub fn step(&self, step: Step) {
        self.say(&Request::Step(step));
    }

    /// The next reply that is no progress.
    pub fn reply(&self) -> Reply {
        loop {
            match next(&self.conversation) {
                Reply::Progress { .. } | Reply::Queued { .. } => {}
                other => return other,
            }
        }
    }

    /// Waits for progress in evaluating.
    pub fn evaluating(&self) {
        loop {
            match next(&self.conversation) {
                Reply::Progress { rounds, .. } if rounds > 0 => return,
                Reply::Progress { .. } | Reply::Queued { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Asks for something to be made.
    pub fn make(&self, step: Step) -> Result<Made, Failure> {
        self.step(step);
        self.made()
    }

    pub fn made(&self) -> Result<Made, Failure> {
        let (parcel, receipt) = match self.reply() {
            Reply::Step(Word::Made { parcel, receipt, .. }) => (parcel, receipt),
            Reply::Failed(failure) => return Err(failure),
            other => panic!("{other:?}"),
        };
        Ok(Made { bytes: self.bytes(&parcel), parcel, receipt })
    }

    /// What was made, with nothing said before it: no evaluation.
    pub fn made_at_once(&self) -> Made {
        let Reply::Step(Word::Made { parcel, receipt, .. }) = next(&self.conversation) else {
            panic!("something else was done first")
        };
        Made { bytes: self.bytes(&parcel), parcel, receipt }
    }

    fn bytes(&self, parcel: &Parcel) -> Vec<u8> {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < parcel.length {
            match self.reply() {
                Reply::Step(Word::Chunk(chunk)) => bytes.extend(chunk),
                other => panic!("{other:?}"),
            }
        }
        parcel.holds(&bytes).unwrap();
        bytes
    }

    pub fn give(&self, parcel: &Parcel, bytes: &[u8]) -> Result<(), Failure> {
        self.step(Step::Give(parcel.clone()));
        for chunk in bytes.chunks(CHUNK) {
            let message = session::encode(&Request::Step(Step::Chunk(chunk.to_vec()))).unwrap();
            // It may have been refused meanwhile.
            let _ = self.conversation.send(message);
        }
        match self.reply() {
            Reply::Step(Word::Taken) => Ok(()),
            Reply::Failed(failure) => Err(failure),
            other => panic!("{other:?}"),
        }
    }
}

fn next(conversation: &Conversation) -> Reply {
    let bytes = conversation.receive(LONG).expect("the party left").expect("the party is silent");
    session::decode(&bytes).unwrap()
}
