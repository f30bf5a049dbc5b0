//! One party's part of a question on `fhe`: it is visited, asked for what it has to make and given what
//! it has to take, and visited again where it was lost.

use std::{
    cell::Cell,
    sync::Arc,
    time::{Duration, Instant},
};

use tacit_governance::{
    SessionParties,
    phases::{CHUNK, Kind, Parcel, Step, Word},
    session::{self, Agreement, Ask, Code, Failure, PROTOCOL_VERSION, Phase, Reply, Request},
};
use tacit_he::Partial;
use tacit_net::mesh::{Conversation, Endpoint};
use tacit_plan::Digest;

use super::{
    board::{Board, Item, Next, check},
    job::Carried,
};
use crate::{
    Error, Progress,
    reach::other_transport,
    talk::{cause, mismatch, peer},
};

/// How often it is looked whether a visit is still wanted.
const TICK: Duration = Duration::from_millis(100);

/// How often a party hears that it, or others, are still waited for.
const WORD: Duration = Duration::from_secs(15);

/// How long to wait before an absent party is looked for again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The first time.
    pub first: Duration,
    /// At most; each pause is half as long again as the one before.
    pub most: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { first: Duration::from_secs(2), most: Duration::from_secs(30) }
    }
}

/// Who is visited, and what is asked.
pub(super) struct Visitor {
    pub board: Arc<Board>,
    pub endpoint: Endpoint,
    pub session: SessionParties,
    pub agreement: Agreement,
    /// Digest of the bill, which every party states.
    pub bill: Digest,
    pub sql: String,
    pub pace: Pace,
}

/// Why a visit ended.
enum Gone {
    /// The party is not there; to be read after its name.
    Absent(String),
    /// The question cannot go on.
    Fatal(Error),
    /// Nobody wants it any more.
    Closed,
}

impl From<Error> for Gone {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

impl From<tacit_governance::Error> for Gone {
    fn from(error: tacit_governance::Error) -> Self {
        Self::Fatal(error.into())
    }
}

impl Visitor {
    /// Visits a party until it has nothing to do any more.
    pub fn attend(&self, index: usize) {
        let mut pause = self.pace.first;
        while !self.board.is_closed() {
            match self.board.next(index) {
                Next::Done => return,
                Next::Wait => self.board.pause(TICK),
                Next::Make(_) | Next::Take(_) => {
                    let mut met = false;
                    match self.visit(index, &mut met) {
                        Ok(()) => {}
                        Err(Gone::Closed) => return,
                        Err(Gone::Fatal(error)) => return self.board.fail(error),
                        Err(Gone::Absent(why)) => {
                            self.board.absent(index, &why);
                            if met {
                                pause = self.pace.first;
                            }
                            self.board.pause(pause);
                            pause = self.pace.most.min(pause.mul_f64(1.5));
                        }
                    }
                }
            }
        }
    }

    fn visit(&self, index: usize, met: &mut bool) -> Result<(), Gone> {
        let peer = peer(&self.session.parties[index]);
        let ask = session::encode(&Request::Ask(Ask {
            version: PROTOCOL_VERSION,
            study: self.agreement.study,
            session: self.agreement.session,
            engine: self.agreement.engine.clone(),
            sql: self.sql.clone(),
            dry_run: false,
        }))?;
        let conversation =
            self.endpoint.request(&peer, ask).map_err(|error| {
                match other_transport(&self.endpoint, &peer, &error) {
                    Some(found) => Gone::Fatal(mismatch(
                        &peer.name,
                        &self.session.name(self.session.analyst),
                        found,
                    )),
                    None => Gone::Absent(cause(&error)),
                }
            })?;
        let line = Line { visitor: self, index, conversation, word: Cell::new(Instant::now()) };
        line.agree()?;
        *met = true;
        line.work()
    }

    fn name(&self, index: usize) -> String {
        self.session.name(index)
    }
}

/// A conversation with one party.
struct Line<'a> {
    visitor: &'a Visitor,
    index: usize,
    conversation: Conversation,
    /// When the party last heard that it is still waited for; it gives up after a minute of silence.
    word: Cell<Instant>,
}

impl Line<'_> {
    /// Waits until the party takes part in the same as this side, and says how far it is.
    fn agree(&self) -> Result<(), Gone> {
        let Reply::Accepted { agreement: theirs, bill } = self.hear()? else {
            return Err(self.senseless());
        };
        let (ours, name) = (&self.visitor.agreement, self.name());
        let differs = |what: &str, ours: String, theirs: String| {
            Gone::Fatal(Error::ConfigMismatch {
                party: name.clone(),
                other: self.visitor.name(self.visitor.session.analyst),
                what: what.to_owned(),
                ours,
                theirs,
            })
        };
        if let Err(found) = ours.compare(&theirs) {
            return Err(differs(&found.what, found.ours, found.theirs));
        }
        if theirs.me as usize != self.index {
            return Err(differs("party index", self.index.to_string(), theirs.me.to_string()));
        }
        if bill != self.visitor.bill {
            return Err(differs("bill", self.visitor.bill.to_string(), bill.to_string()));
        }
        let Reply::Step(Word::State(state)) = self.hear()? else { return Err(self.senseless()) };
        Ok(self.visitor.board.met(self.index, &state)?)
    }

    /// Does what there is to do at this party, as soon as it can be done.
    fn work(&self) -> Result<(), Gone> {
        let board = &self.visitor.board;
        loop {
            match board.next(self.index) {
                Next::Done => return Ok(()),
                Next::Take(item) => self.give(item)?,
                Next::Make(kind) => self.make(kind)?,
                // It has nothing to say; but it may leave.
                Next::Wait => {
                    let said = self.listen()?.map(|reply| self.pass(reply)).transpose()?;
                    if said.flatten().is_some() {
                        return Err(self.senseless());
                    }
                }
            }
        }
    }

    fn give(&self, item: Item) -> Result<(), Gone> {
        let maker = self.visitor.session.parties[item.1].key;
        let (carried, bytes) = self.visitor.board.carried(item, &maker)?;
        self.tell(&Request::Step(Step::Give(carried.parcel)))?;
        for chunk in bytes.chunks(CHUNK) {
            self.tell(&Request::Step(Step::Chunk(chunk.to_vec())))?;
        }
        match self.hear()? {
            Reply::Step(Word::Taken) => Ok(self.visitor.board.taken(self.index, item)?),
            _ => Err(self.senseless()),
        }
    }

    fn make(&self, kind: Kind) -> Result<(), Gone> {
        let board = &self.visitor.board;
        self.tell(&Request::Step(match kind {
            Kind::Upload => Step::Enter,
            Kind::Result => Step::Evaluate,
            Kind::Part => Step::Decrypt,
        }))?;
        let Reply::Step(Word::Made { parcel, receipt, seconds }) = self.hear()? else {
            return Err(self.senseless());
        };
        let item = (kind, self.index);
        let length = board.prepared.length(kind, self.index);
        let key = self.visitor.session.parties[self.index].key;
        check(&parcel, item, length, &key, &board.scope).map_err(|what| self.rejected(what))?;
        let bytes = self.chunks(&parcel)?;
        self.look_into(kind, &bytes)?;
        let seconds = if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
        Ok(board.keep(item, &Carried { parcel, receipt, seconds }, &bytes)?)
    }

    /// The bytes of what the party has made.
    fn chunks(&self, parcel: &Parcel) -> Result<Vec<u8>, Gone> {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < parcel.length {
            let Reply::Step(Word::Chunk(chunk)) = self.hear()? else {
                return Err(self.senseless());
            };
            let left = parcel.length - bytes.len() as u64;
            if chunk.is_empty() || chunk.len() > CHUNK || chunk.len() as u64 > left {
                let what = format!("a chunk of {} bytes where {left} are due", chunk.len());
                return Err(self.rejected(what));
            }
            bytes.extend_from_slice(&chunk);
        }
        parcel.holds(&bytes).map_err(|error| self.rejected(error.to_string()))?;
        Ok(bytes)
    }

    /// Refuses a result that is none, and a part of another result.
    fn look_into(&self, kind: Kind, bytes: &[u8]) -> Result<(), Gone> {
        let rejected = |error: tacit_he::Error| self.rejected(error.to_string());
        let board = &self.visitor.board;
        match kind {
            // Its proofs are checked by everybody who computes on it.
            Kind::Upload => Ok(()),
            Kind::Result => {
                super::outcome::summary(&board.prepared, bytes, &self.name()).map_err(rejected)?;
                Ok(())
            }
            Kind::Part => {
                let evaluator = board.prepared.roles.evaluator;
                let maker = self.visitor.session.parties[evaluator].key;
                let (_, result) = board.carried((Kind::Result, evaluator), &maker)?;
                let name = self.visitor.name(evaluator);
                let summary =
                    super::outcome::summary(&board.prepared, &result, &name).map_err(rejected)?;
                let place = board.prepared.roles.key_holders.iter().position(|&h| h == self.index);
                Partial::from_bytes(bytes, place.unwrap_or(0), &summary).map_err(rejected)?;
                Ok(())
            }
        }
    }

    fn tell(&self, request: &Request) -> Result<(), Gone> {
        let message = session::encode(request)?;
        self.conversation.send(message).map_err(|error| Gone::Absent(cause(&error)))
    }

    /// The next answer that is more than a word on how far the party is.
    fn hear(&self) -> Result<Reply, Gone> {
        loop {
            if let Some(reply) = self.listen()?
                && let Some(reply) = self.pass(reply)?
            {
                return Ok(reply);
            }
        }
    }

    /// What the party says within a tick.
    fn listen(&self) -> Result<Option<Reply>, Gone> {
        if self.visitor.board.is_closed() {
            return Err(Gone::Closed);
        }
        if self.word.get().elapsed() >= WORD {
            self.word.set(Instant::now());
            self.tell(&Request::Waiting)?;
        }
        let received =
            self.conversation.receive(TICK).map_err(|error| Gone::Absent(cause(&error)))?;
        let Some(bytes) = received else { return Ok(None) };
        match session::decode(&bytes) {
            Ok(reply) => Ok(Some(reply)),
            Err(tacit_governance::Error::ConfigMismatch(found)) => {
                // Read on this side: its own value is this side's.
                Err(Gone::Fatal(Error::ConfigMismatch {
                    party: self.name(),
                    other: self.visitor.name(self.visitor.session.analyst),
                    what: found.what,
                    ours: found.ours,
                    theirs: found.theirs,
                }))
            }
            Err(error) => Err(self.rejected(format!("it sent what makes no sense ({error})"))),
        }
    }

    /// Takes what is told beside an answer.
    fn pass(&self, reply: Reply) -> Result<Option<Reply>, Gone> {
        let board = &self.visitor.board;
        match reply {
            Reply::Progress { phase, round, rounds } => {
                let again = match phase {
                    Phase::Evaluate => Some(false),
                    Phase::Reevaluate => Some(true),
                    _ => None,
                };
                if let Some(again) = again {
                    let (done, total) = (round.min(rounds), rounds);
                    board.tell(Progress::Evaluating { party: self.name(), again, done, total });
                }
                Ok(None)
            }
            Reply::Queued { position } => {
                board.tell(Progress::Queued { ahead: u64::from(position) });
                Ok(None)
            }
            Reply::Refused(failure) => Err(self.failed(failure, true)),
            Reply::Failed(failure) => Err(self.failed(failure, false)),
            other => Ok(Some(other)),
        }
    }

    /// What a refusal or a failure means: the party may be there another time, or never.
    fn failed(&self, failure: Failure, refused: bool) -> Gone {
        if let Some(found) = failure.mismatch {
            let analyst = self.visitor.name(self.visitor.session.analyst);
            let other = failure.culprit.unwrap_or(analyst);
            return Gone::Fatal(mismatch(&self.name(), &other, found));
        }
        if matches!(failure.code, Code::Busy | Code::Stopping | Code::Network | Code::Cancelled) {
            return Gone::Absent(format!("cannot now: {}", failure.message));
        }
        let names = self.visitor.session.names();
        let named = failure.culprit.filter(|name| *name != self.name() && names.contains(name));
        let (code, mut message) = (failure.code.to_string(), failure.message);
        // That another one is at fault is this party's word.
        if named.is_some() {
            message = format!("{message} ({} says so)", self.name());
        }
        let party = named.unwrap_or_else(|| self.name());
        Gone::Fatal(if refused {
            Error::Refused { party, code, message }
        } else {
            Error::Stopped { party, code, message }
        })
    }

    fn rejected(&self, what: String) -> Gone {
        Gone::Fatal(Error::Rejected { party: self.name(), what })
    }

    fn senseless(&self) -> Gone {
        self.rejected("it answered something else than what it was asked".to_owned())
    }

    fn name(&self) -> String {
        self.visitor.name(self.index)
    }
}
