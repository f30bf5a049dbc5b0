//! Questions on `fhe`: the analyst's program is the courier between parties that need not be there at
//! the same time.
//!
//! ```text
//! every site    ── upload ──>  courier  ── uploads ──>          evaluator
//! evaluator     ── result ──>  courier  ── uploads, result ──>  every key holder
//! key holder    ── part ────>  courier: adds up all parts, reads what they open, releases it
//! ```
//!
//! - [`job`]: a question on disk, with every parcel that was received. It outlives this program.
//! - [`board`]: what each party is to do next, from what there is.
//! - [`visit`]: one party is visited, and again where it was lost.
//! - [`outcome`]: from parts to an answer.
//! - [`price`]: what a question would take.
//!
//! A parcel is signed by its maker for this study, these keys, this question and this session, and its
//! length is the bill's; it is checked when it is received, and again when it comes from disk.

mod board;
mod files;
mod job;
mod outcome;
mod prepared;
mod price;
#[cfg(test)]
mod tests;
mod visit;

use std::{
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, channel},
    },
    time::{Duration, Instant},
};

use tacit_governance::{
    KeySet, SessionParties, Timestamp,
    phases::Scope,
    session::{self, Agreement, Ask, PROTOCOL_VERSION, Reply, Request},
};
use tacit_net::mesh::Endpoint;
use tacit_plan::{Digest, Plan};
use tacit_sql::Statement;

pub use self::job::OpenJob;
use self::{
    board::{Board, Next, due, named},
    job::{Facts, Job},
    prepared::Prepared,
    visit::Visitor,
};
pub(crate) use self::{price::price, visit::Pace};
use crate::{
    Answer, Backend, Cancel, Client, DryRun, Error, Progress, Result,
    ask::{self, CONNECT},
    talk,
};

/// How often the caller's switch is looked at.
const TICK: Duration = Duration::from_millis(50);

/// How long a party may take to answer when a question is given up.
const FAREWELL: Duration = Duration::from_secs(5);

/// What became of a question that was given up ([`Client::give_up`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Identifier of the session, 64 hexadecimal digits.
    pub session: String,
    /// Parties that were told.
    pub told: Vec<String>,
    /// Parties that could not be told, and why; they forget it when the study's days are over.
    pub not_told: Vec<(String, String)>,
}

/// Asks, carries and releases.
pub(crate) fn ask(
    client: &Client,
    plan: &Plan,
    session: &SessionParties,
    progress: &mut dyn FnMut(Progress),
    cancel: &Cancel,
) -> Result<Answer> {
    let keys = KeySet::open(&client.study, &client.path)?;
    let prepared = Prepared::new(&client.study, plan, session)?;
    let mut facts = Facts::new(&plan.sql, &client.path, &session.name(session.analyst));
    (facts.study, facts.plan) = (plan.study, plan.digest());
    (facts.keys, facts.circuit) = (keys.keys, prepared.digest);
    facts.wait_days = prepared.roles.wait_days;
    facts.due = due(&prepared).into_iter().map(|item| named(&prepared, item)).collect();
    let job = Job::begin(&job::home(client.key_path()?), ask::fresh_session()?, facts)?;
    carry(client, plan, session, &keys, prepared, job, progress, cancel)
}

/// Asks every party whether it would take part.
pub(crate) fn dry_run(client: &Client, plan: &Plan, session: &SessionParties) -> Result<DryRun> {
    let keys = KeySet::open(&client.study, &client.path)?;
    let prepared = Prepared::new(&client.study, plan, session)?;
    let agreement = agreement(plan, session, &prepared, keys.keys, ask::fresh_session()?);
    Ok(DryRun {
        engine: Backend::Fhe,
        bill: prepared.cost(),
        parties: ask::willing(client, plan, session, &agreement)?,
    })
}

impl Client {
    /// How long questions on `fhe` wait for parties that are not there, once nobody else has anything to
    /// do: then [`Error::Unfinished`] says whom they wait for, and [`Client::resume`] goes on with them.
    /// By default as long as the study allows.
    pub fn set_wait(&mut self, wait: Duration) {
        self.wait = Some(wait);
    }

    /// Questions on `fhe` that have begun and were not closed, the oldest first: those of whoever has
    /// this client's key, of any study.
    ///
    /// # Errors
    /// [`Error::Usage`] without a key; [`Error::Job`] if one cannot be read.
    pub fn open_jobs(&self) -> Result<Vec<OpenJob>> {
        let jobs = Job::all(&job::home(self.key_path()?))?;
        Ok(jobs.iter().map(Job::about).collect())
    }

    /// Goes on with the question whose session begins with `session`, as [`Client::ask`] does. What was
    /// received before is not asked for again.
    ///
    /// # Errors
    /// Those of [`Client::ask`]; [`Error::Usage`] with the open questions if it is none or several, or if
    /// another program goes on with it;
    /// [`Error::ConfigMismatch`] if study, keys or this program changed meanwhile.
    pub fn resume(
        &self,
        session: &str,
        progress: &mut dyn FnMut(Progress),
        cancel: &Cancel,
    ) -> Result<Answer> {
        let job = Job::find(&job::home(self.key_path()?), session)?;
        self.same_study(&job)?;
        let Statement::Query(plan) = self.compile(&job.facts.sql)? else {
            return Err(Error::Internal("the job is no query".to_owned()));
        };
        let parties = SessionParties::of(&self.study, "fhe", self.analyst()?)?;
        let keys = KeySet::open(&self.study, &self.path)?;
        let prepared = Prepared::new(&self.study, &plan, &parties)?;
        let now = [
            ("analyst", job.facts.analyst.clone(), parties.name(parties.analyst)),
            ("keys", job.facts.keys.to_string(), keys.keys.to_string()),
            ("plan", job.facts.plan.to_string(), plan.digest().to_string()),
            ("circuit", job.facts.circuit.to_string(), prepared.digest.to_string()),
        ];
        for (what, then, now) in now {
            if then != now {
                return Err(Error::NotAllowed {
                    what: format!(
                        "the {what} of this question was {then} when it was asked and is {now} now, so \
                         that it cannot go on: give it up, and ask again"
                    ),
                });
            }
        }
        carry(self, &plan, &parties, &keys, prepared, job, progress, cancel)
    }

    /// Ends the question whose session begins with `session`, at all parties that were reached, and
    /// forgets what was received of it.
    ///
    /// # Errors
    /// [`Error::Usage`] with the open questions if it is none or several; [`Error::Job`]. Parties that
    /// cannot be told are no error.
    pub fn give_up(&self, session: &str) -> Result<GivenUp> {
        let job = Job::find(&job::home(self.key_path()?), session)?;
        self.same_study(&job)?;
        let _claim = job.claim()?;
        let parties = SessionParties::of(&self.study, "fhe", self.analyst()?)?;
        let reached: Vec<String> = job.facts.arithmetic.keys().cloned().collect();
        let given_up = tell_off(self, &parties, &job, &reached)?;
        job.remove()?;
        Ok(given_up)
    }

    /// Forgets an answered question: [`Client::ask`] and [`Client::resume`] leave it on disk with
    /// everything that belongs to it, so that an answer that could not be written is had again by
    /// `resume`, without asking anybody.
    ///
    /// # Errors
    /// As [`Client::give_up`].
    pub fn close(&self, session: &str) -> Result<()> {
        Job::find(&job::home(self.key_path()?), session)?.remove()
    }

    fn same_study(&self, job: &Job) -> Result<()> {
        if job.facts.study == self.study.digest() {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "the question is of another study, or of another text of it: {} ({}); --study names {} ({})",
            job.facts.path.display(),
            job.facts.study.short(),
            self.path.display(),
            self.study.digest().short(),
        )))
    }
}

fn agreement(
    plan: &Plan,
    session: &SessionParties,
    prepared: &Prepared,
    keys: Digest,
    id: [u8; 32],
) -> Agreement {
    Agreement { keys, ..ask::analysts(plan, session, prepared.digest, id) }
}

/// Carries everything from party to party until the answer can be put together.
#[allow(clippy::too_many_arguments, reason = "who asks, what, with what, and how it is watched")]
fn carry(
    client: &Client,
    plan: &Plan,
    session: &SessionParties,
    keys: &KeySet,
    prepared: Prepared,
    job: Job,
    progress: &mut dyn FnMut(Progress),
    cancel: &Cancel,
) -> Result<Answer> {
    let _claim = job.claim()?;
    let agreement = agreement(plan, session, &prepared, keys.keys, job.session);
    let scope = Scope::of(&agreement);
    let bill = prepared.bill_digest();
    let board = Arc::new(Board::new(prepared, scope, job));
    if !board.standing().complete {
        let visitor = Arc::new(Visitor {
            board: board.clone(),
            endpoint: client.endpoint(CONNECT)?,
            session: session.clone(),
            agreement,
            bill,
            sql: plan.sql.clone(),
            pace: client.pace,
        });
        let carried = attend(client, &visitor, progress, cancel);
        board.close();
        if let Err(error) = carried {
            return Err(ended(client, session, &board, error));
        }
    }
    progress(Progress::Releasing);
    outcome::answer(client, plan, session, keys, &board)
}

/// Visits every party that has something to do, until nobody has.
fn attend(
    client: &Client,
    visitor: &Arc<Visitor>,
    progress: &mut dyn FnMut(Progress),
    cancel: &Cancel,
) -> Result<()> {
    let board = &visitor.board;
    let parties = (0..visitor.session.parties.len()).filter(|&i| board.next(i) != Next::Done);
    let parties: Vec<usize> = parties.collect();
    progress(Progress::Asking {
        engine: Backend::Fhe,
        parties: parties.iter().map(|&index| visitor.session.name(index)).collect(),
    });
    for index in parties {
        let visitor = visitor.clone();
        let spawned = std::thread::Builder::new()
            .name("tacit-courier".into())
            .spawn(move || visitor.attend(index));
        spawned.map_err(|error| Error::Internal(format!("no thread for a party: {error}")))?;
    }
    let mut blocked: Option<Instant> = None;
    let mut told = Vec::new();
    loop {
        board.wait(TICK);
        let (news, failed) = board.news();
        news.into_iter().for_each(&mut *progress);
        if let Some(error) = failed {
            return Err(error);
        }
        let standing = board.standing();
        if standing.complete {
            return Ok(());
        }
        if standing.awaited != told {
            told.clone_from(&standing.awaited);
            progress(Progress::Waiting { parties: told.clone() });
        }
        let unfinished = |cancelled: bool| Error::Unfinished {
            session: Digest(board.scope.session).to_string(),
            cancelled,
            parties: standing.awaited.clone(),
        };
        if cancel.is_cancelled() {
            return Err(unfinished(true));
        }
        if let Some(error) = board.overdue(Timestamp::now()) {
            return Err(error);
        }
        if standing.working {
            blocked = None;
        } else {
            let since = *blocked.get_or_insert_with(Instant::now);
            if client.wait.is_some_and(|wait| since.elapsed() >= wait) {
                return Err(unfinished(false));
            }
        }
    }
}

/// What is left of a question that ended with an error: one that nobody has made anything of, or that a
/// party refuses for good, is given up, and one that waited too long is over.
fn ended(client: &Client, session: &SessionParties, board: &Board, error: Error) -> Error {
    let hopeless = match &error {
        Error::Unfinished { .. } | Error::Job { .. } => false,
        Error::Overdue { .. } => {
            if let Err(error) = board.with_job(|job| job.remove()) {
                tracing::warn!(%error, "a question that has ended could not be removed");
            }
            false
        }
        Error::Refused { code, .. } => {
            board.is_empty() || matches!(&**code, "query" | "policy" | "not_a_party")
        }
        _ => board.is_empty(),
    };
    if hopeless {
        let reached = board.reached();
        let given_up = board.with_job(|job| {
            let told = tell_off(client, session, job, &reached);
            told.and_then(|_| job.remove())
        });
        if let Err(error) = given_up {
            tracing::warn!(%error, "a question that failed could not be given up");
        }
    }
    error
}

/// Tells parties that a question is given up.
fn tell_off(
    client: &Client,
    session: &SessionParties,
    job: &Job,
    parties: &[String],
) -> Result<GivenUp> {
    let mut given_up = GivenUp {
        session: Digest(job.session).to_string(),
        told: Vec::new(),
        not_told: Vec::new(),
    };
    if parties.is_empty() {
        return Ok(given_up);
    }
    let endpoint = client.endpoint(CONNECT)?;
    let ask = session::encode(&Request::Ask(Ask {
        version: PROTOCOL_VERSION,
        study: job.facts.study,
        session: job.session,
        engine: session.engine.clone(),
        sql: job.facts.sql.clone(),
        dry_run: false,
    }))?;
    let (sender, said) = channel();
    let mut left = 0;
    for name in parties {
        let Some(index) = session.index(name) else { continue };
        let (endpoint, peer, ask) =
            (endpoint.clone(), talk::peer(&session.parties[index]), ask.clone());
        let (sender, name) = (sender.clone(), name.clone());
        left += 1;
        std::thread::spawn(move || {
            let _ = sender.send((name, farewell(&endpoint, &peer, ask)));
        });
    }
    drop(sender);
    let end = Instant::now() + CONNECT + 2 * FAREWELL;
    while left > 0 {
        match said.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok((name, Ok(()))) => given_up.told.push(name),
            Ok((name, Err(why))) => given_up.not_told.push((name, why)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
        left -= 1;
    }
    given_up.told.sort();
    given_up.not_told.sort();
    Ok(given_up)
}

/// Tells one party; what went wrong is to be read after its name.
fn farewell(endpoint: &Endpoint, peer: &tacit_net::mesh::Peer, ask: Vec<u8>) -> Result<(), String> {
    let conversation = endpoint.request(peer, ask).map_err(|error| talk::cause(&error))?;
    let end = Instant::now() + FAREWELL;
    let mut told = false;
    while Instant::now() < end {
        match conversation.receive(TICK) {
            Ok(None) => {}
            Ok(Some(bytes)) => match session::decode(&bytes) {
                // Known there: it ends now.
                Ok(Reply::Accepted { .. }) => {
                    let cancel = session::encode(&Request::Cancel).map_err(|e| e.to_string())?;
                    conversation.send(cancel).map_err(|error| talk::cause(&error))?;
                    told = true;
                }
                Ok(Reply::Refused(_) | Reply::Failed(_)) => return Ok(()),
                _ => {}
            },
            Err(_) if told => return Ok(()),
            Err(error) => return Err(talk::cause(&error)),
        }
    }
    if told { Ok(()) } else { Err("did not answer".to_owned()) }
}
