//! Asking a question: the analyst's side of the protocol that the crate `tacit-site` describes.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tacit_governance::{
    SessionParties, Timestamp, mixed_epoch,
    session::{Agreement, Ask, PROTOCOL_VERSION, Phase, Reply, Request, SiteReport},
};
use tacit_mpc::EngineKind;
use tacit_net::{
    Counted, Ledger,
    mesh::{Endpoint, LinkOptions, MeshLink},
};
use tacit_plan::{Digest, Plan};

use crate::{
    Answer, Cancel, Client, Cost, DryParty, DryRun, Error, PartyTraffic, Progress, Result,
    RunReceipt, Times,
    prepared::Prepared,
    talk::{self, Event, Talk},
    verdict::Verdict,
};

/// How long to try to reach a party that does not answer.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);

/// How long the parties may take to meet on the link, and to say that they are done.
const MEET: Duration = Duration::from_secs(6);

/// How long a party may compute in one round.
const ROUND: Duration = Duration::from_mins(1);

/// How often those that have accepted hear that the others are still awaited; they give up after a
/// minute of silence.
const WORD: Duration = Duration::from_secs(15);

/// How long the computation may take to end in good order after it was cancelled.
const LEAVE: Duration = Duration::from_millis(500);

/// How often the caller's switch is looked at.
const TICK: Duration = Duration::from_millis(50);

/// Opened columns by name.
type Opened = Vec<(String, tacit_mpc::Column)>;

/// One question, while it is asked.
struct Question<'a> {
    session: &'a SessionParties,
    prepared: &'a Arc<Prepared>,
    agreement: Agreement,
    talk: Talk,
    verdict: Verdict,
    /// Restart epochs of those that have accepted.
    epochs: Vec<Option<u64>>,
    reports: Vec<Option<SiteReport>>,
    cancel: &'a Cancel,
    /// When the parties last heard that this side waits.
    word: Instant,
}

/// Asks, waits, checks and releases.
pub(crate) fn ask(
    client: &Client,
    plan: &Plan,
    engine: EngineKind,
    session: &SessionParties,
    progress: &mut dyn FnMut(Progress),
    cancel: &Cancel,
) -> Result<Answer> {
    let begin = Instant::now();
    let prepared = Arc::new(Prepared::new(plan, engine, session)?);
    let endpoint = client.endpoint(CONNECT)?;
    let agreement = agreement(plan, session, &prepared)?;
    let request = request(plan, &agreement, false);
    let talk = Talk::begin(&endpoint, session, &request)?;
    let names = talk.parties.iter().map(|&index| session.name(index)).collect();
    progress(Progress::Asking { engine: engine.into(), parties: names });
    let mut epochs = vec![None; session.parties.len()];
    epochs[session.analyst] = Some(agreement.epoch);
    let mut question = Question {
        session,
        prepared: &prepared,
        agreement,
        talk,
        verdict: Verdict::new(session),
        epochs,
        reports: vec![None; session.parties.len()],
        cancel,
        word: begin,
    };
    question.gather(progress)?;
    let epochs: Vec<u64> = question.epochs.iter().map(|epoch| epoch.unwrap_or_default()).collect();
    let queued = Instant::now();
    question.start(&epochs, progress)?;
    let joint = Instant::now();
    let (opened, ledger) = question.joint(&endpoint, &epochs, progress)?;
    let (queued, joint) = (joint - queued, joint.elapsed());
    progress(Progress::Releasing);
    let ledger = question.check(&ledger)?;
    let opened = tacit_protocols::decode(plan, &opened).map_err(internal)?;
    let table = release(plan, &opened)?;
    let reports =
        || question.reports.iter().enumerate().filter_map(|(i, r)| Some((i, r.as_ref()?)));
    let receipt = RunReceipt {
        session: Digest(question.agreement.session).to_string(),
        study: plan.study,
        plan: question.agreement.plan,
        circuit: prepared.digest,
        engine: engine.into(),
        security: engine.security().to_owned(),
        triples: engine.triples().map(str::to_owned),
        keys: None,
        crs: None,
        evaluator: None,
        transport: client.study.transport(),
        disclosure: plan.disclosure.profile.clone(),
        bill: Cost::of_bill(&prepared.bill, &prepared.names),
        ledger,
        times: Times {
            local: reports().map(|(_, report)| report.local_seconds).fold(0.0, f64::max),
            queued: queued.as_secs_f64(),
            joint: joint.as_secs_f64(),
            total: begin.elapsed().as_secs_f64(),
        },
        receipts: reports()
            .map(|(index, report)| (session.name(index), report.receipt.to_string()))
            .collect::<BTreeMap<_, _>>(),
        phases: Vec::new(),
    };
    Ok(Answer { table, receipt: Some(receipt) })
}

/// Asks every party whether it would take part.
pub(crate) fn dry_run(
    client: &Client,
    plan: &Plan,
    engine: EngineKind,
    session: &SessionParties,
) -> Result<DryRun> {
    let prepared = Prepared::new(plan, engine, session)?;
    let agreement = agreement(plan, session, &prepared)?;
    Ok(DryRun {
        engine: engine.into(),
        bill: Cost::of_bill(&prepared.bill, &prepared.names),
        parties: willing(client, plan, session, &agreement)?,
    })
}

/// Asks every party whether it would take part in what `agreement` says.
pub(crate) fn willing(
    client: &Client,
    plan: &Plan,
    session: &SessionParties,
    agreement: &Agreement,
) -> Result<Vec<DryParty>> {
    let endpoint = client.endpoint(CONNECT)?;
    let talk = Talk::begin(&endpoint, session, &request(plan, agreement, true))?;
    let mut said: Vec<Option<Result<(), String>>> = vec![None; session.parties.len()];
    let end = Instant::now() + CONNECT + MEET;
    while talk.parties.iter().any(|&index| said[index].is_none()) && Instant::now() < end {
        let Some((index, event)) = talk.next(TICK) else { continue };
        let word = match event {
            Event::Reached | Event::Ran => continue,
            Event::Said(reply) => match *reply {
                Reply::Accepted { agreement: theirs, .. } => {
                    agreement.compare(&theirs).map_err(|mismatch| mismatch.to_string())
                }
                Reply::Refused(failure) | Reply::Failed(failure) => Err(failure.message),
                _ => continue,
            },
            Event::Differs(mismatch) => Err(mismatch.to_string()),
            Event::Lost(cause) => Err(cause),
        };
        said[index].get_or_insert(word);
    }
    let party = |&index: &usize| {
        let word = said[index].clone().unwrap_or_else(|| Err("did not answer".to_owned()));
        DryParty { party: session.name(index), ready: word.is_ok(), reason: word.err() }
    };
    Ok(talk.parties.iter().map(party).collect())
}

impl Question<'_> {
    /// Waits until every party has accepted, with agreements that are equal to this side's.
    fn gather(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<()> {
        let parties = self.talk.parties.len();
        let mut ready = 0;
        while ready < parties {
            let Some((index, event)) = self.next()? else { continue };
            let Event::Said(reply) = event else { continue };
            if let Reply::Accepted { agreement, bill } = *reply {
                self.accept(index, &agreement, bill)?;
                ready += 1;
                let party = self.session.name(index);
                progress(Progress::Accepted { party, ready, parties });
            }
        }
        Ok(())
    }

    fn accept(&mut self, index: usize, theirs: &Agreement, bill: Digest) -> Result<()> {
        let name = self.session.name(index);
        let differs = |what: &str, ours: String, theirs: String| Error::ConfigMismatch {
            party: name.clone(),
            other: self.session.name(self.session.analyst),
            what: what.to_owned(),
            ours,
            theirs,
        };
        if let Err(mismatch) = self.agreement.compare(theirs) {
            return Err(differs(&mismatch.what, mismatch.ours, mismatch.theirs));
        }
        if theirs.me as usize != index {
            return Err(differs("party index", index.to_string(), theirs.me.to_string()));
        }
        let own = Digest::of_json(&self.prepared.bill);
        if own != bill {
            return Err(differs("bill", own.to_string(), bill.to_string()));
        }
        self.epochs[index] = Some(theirs.epoch);
        Ok(())
    }

    /// Lets the lead start, and once it has a place the others.
    fn start(&mut self, epochs: &[u64], progress: &mut dyn FnMut(Progress)) -> Result<()> {
        let start = Request::Start { epochs: epochs.to_vec() };
        let Some(&lead) = self.session.compute.first() else {
            return Err(Error::Internal("the engine has no compute party".to_owned()));
        };
        self.talk.tell(lead, &start);
        loop {
            let Some((index, event)) = self.next()? else { continue };
            let Event::Said(reply) = event else { continue };
            match *reply {
                Reply::Queued { position } if index == lead => {
                    progress(Progress::Queued { ahead: u64::from(position) });
                }
                Reply::Progress { phase: Phase::Joint, .. } if index == lead => break,
                _ => {}
            }
        }
        let others = self.talk.parties.iter().filter(|&&index| index != lead);
        others.for_each(|&index| self.talk.tell(index, &start));
        Ok(())
    }

    /// Runs the analyst's end of the computation, on a thread, and watches meanwhile. Who cancels
    /// does not wait for parties that had yet to meet: the thread ends by itself, within [`MEET`].
    fn joint(
        &mut self,
        endpoint: &Endpoint,
        epochs: &[u64],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Opened, Ledger)> {
        let rounds = self.prepared.bill.rounds;
        let total: u64 = self.prepared.bill.parties.iter().map(|party| party.sent).sum();
        let worker = {
            let (endpoint, cancel) = (endpoint.clone(), self.cancel.clone());
            let (session, prepared) = (self.session.clone(), Arc::clone(self.prepared));
            let (agreement, epochs) = (self.agreement.clone(), epochs.to_vec());
            let done = self.talk.sender();
            std::thread::spawn(move || {
                let ran = run(&endpoint, &session, &prepared, &agreement, &epochs, &cancel);
                let _ = done.send((session.analyst, Event::Ran));
                ran
            })
        };
        let mut farthest = 0;
        let mut cancelled = None;
        while !worker.is_finished() {
            if self.cancel.is_cancelled() && cancelled.is_none() {
                cancelled = Some(Instant::now());
                self.talk.tell_all(&Request::Cancel);
            }
            if cancelled.is_some_and(|since| since.elapsed() > LEAVE) {
                break;
            }
            let Some((index, event)) = self.talk.next(TICK) else { continue };
            if matches!(event, Event::Ran) {
                break;
            }
            let round = self.note(index, &event);
            if let Some(round) = round.filter(|&round| round > farthest) {
                farthest = round;
                let bytes = total * round.min(rounds) / rounds.max(1);
                progress(Progress::Round { round, rounds, bytes, total });
            }
        }
        if cancelled.is_some() {
            return Err(Error::Cancelled);
        }
        let ran = worker.join();
        let ran = ran.map_err(|_| Error::Internal("the engine panicked".to_owned()))?;
        match ran {
            Ok(done) => {
                self.finish()?;
                Ok(done)
            }
            // The engine looks at the switch, too, and may have seen it first.
            Err(_) if self.cancel.is_cancelled() => {
                self.talk.tell_all(&Request::Cancel);
                Err(Error::Cancelled)
            }
            Err(error) => {
                self.verdict.own(&error);
                Err(self.judge())
            }
        }
    }

    /// Waits for the reports of all parties.
    fn finish(&mut self) -> Result<()> {
        let end = Instant::now() + MEET;
        while self.talk.parties.iter().any(|&index| self.reports[index].is_none()) {
            let missing = self.talk.parties.iter().find(|&&index| self.reports[index].is_none());
            let late = Instant::now() >= end;
            if let Some(&index) = missing.filter(|_| late) {
                self.verdict.lost(index, "did not say that it is done");
            }
            if late || self.verdict.is_bad() {
                return Err(self.judge());
            }
            if let Some((index, event)) = self.talk.next(TICK) {
                self.note(index, &event);
            }
        }
        Ok(())
    }

    /// The next event, after it was noted.
    fn next(&mut self) -> Result<Option<(usize, Event)>> {
        if self.cancel.is_cancelled() {
            self.talk.tell_all(&Request::Cancel);
            return Err(Error::Cancelled);
        }
        if self.word.elapsed() >= WORD {
            self.word = Instant::now();
            self.talk.tell_all(&Request::Waiting);
        }
        let Some((index, event)) = self.talk.next(TICK) else { return Ok(None) };
        self.note(index, &event);
        if self.verdict.is_bad() {
            return Err(self.judge());
        }
        Ok(Some((index, event)))
    }

    /// Keeps what an event says for later; gives the round that a party has reached.
    fn note(&mut self, index: usize, event: &Event) -> Option<u64> {
        match event {
            Event::Ran => {}
            Event::Reached => self.verdict.heard(index),
            // One that has reported is free to leave.
            Event::Lost(_) if self.reports[index].is_some() => {}
            Event::Lost(cause) => self.verdict.lost(index, cause),
            Event::Differs(mismatch) => self.verdict.differs(index, mismatch.clone()),
            Event::Said(reply) => {
                self.verdict.heard(index);
                match &**reply {
                    Reply::Refused(failure) => self.verdict.failed(index, failure, true),
                    Reply::Failed(failure) => self.verdict.failed(index, failure, false),
                    Reply::Done { report } => self.reports[index] = Some(report.clone()),
                    Reply::Progress { round, .. } => return Some(*round),
                    _ => {}
                }
            }
        }
        None
    }

    /// Listens a little longer for the first cause, then says what went wrong.
    fn judge(&mut self) -> Error {
        let end = Instant::now() + self.verdict.patience();
        while Instant::now() < end && !self.verdict.is_complete(&self.talk.parties) {
            if let Some((index, event)) = self.talk.next(TICK) {
                self.note(index, &event);
            }
        }
        // Whoever still waits need not.
        self.talk.tell_all(&Request::Cancel);
        self.verdict.error(&self.talk.parties)
    }

    /// Puts the ledgers of all parties together and compares them with the bill.
    fn check(&self, own: &Ledger) -> Result<Cost> {
        let bill = Cost::of_bill(&self.prepared.bill, &self.prepared.names);
        let parties = self.reports.iter().enumerate().map(|(index, report)| {
            let (rounds, sent, received) = match report {
                Some(report) => (report.rounds, report.sent(), report.received()),
                None => (own.rounds, own.sent(), own.received()),
            };
            PartyTraffic { party: self.session.name(index), rounds, sent, received }
        });
        let parties: Vec<PartyTraffic> = parties.collect();
        let rounds = parties.iter().map(|party| party.rounds).max().unwrap_or(0);
        let ledger = Cost { rounds, parties };
        if ledger == bill {
            return Ok(ledger);
        }
        let differs = ledger.parties.iter().zip(&bill.parties).find(|(ran, due)| ran != due);
        Err(Error::Internal(match differs {
            Some((ran, due)) => format!(
                "the run at {} took {} rounds, {} bytes sent and {} received, and the bill says \
                 {}, {} and {}; nothing is released",
                ran.party, ran.rounds, ran.sent, ran.received, due.rounds, due.sent, due.received
            ),
            None => "the run took other rounds than the bill says; nothing is released".to_owned(),
        }))
    }
}

/// The analyst's end of the computation.
fn run(
    endpoint: &Endpoint,
    session: &SessionParties,
    prepared: &Prepared,
    agreement: &Agreement,
    epochs: &[u64],
    cancel: &Cancel,
) -> Result<(Opened, Ledger), tacit_mpc::Error> {
    let me = session.analyst;
    let peers = session.parties.iter().enumerate();
    let mut link: MeshLink = endpoint.link(LinkOptions {
        session: agreement.session,
        epoch: mixed_epoch(epochs),
        me,
        peers: peers.map(|(i, party)| (i != me).then(|| talk::peer(party))).collect(),
        connect_deadline: MEET,
        round_deadline: ROUND,
    })?;
    let stopped = |reason: String| tacit_mpc::Error::Stopped(reason);
    let greeting =
        tacit_governance::session::encode(agreement).map_err(|error| stopped(error.to_string()))?;
    let greetings = link.hello(&greeting, MEET)?;
    for (index, greeting) in greetings.iter().enumerate() {
        let Some(greeting) = greeting else { continue };
        if let Err(failure) = agreement.meet(index, epochs, greeting) {
            tacit_net::Link::abort(&mut link, Some(index), &failure.reason());
            return Err(stopped(failure.reason()));
        }
    }
    let mut link = Counted::new(link);
    let opened = tacit_mpc::run(
        &prepared.circuit,
        prepared.engine,
        &prepared.roster,
        &mut link,
        Vec::new(),
        &mut |_| {
            if cancel.is_cancelled() {
                return Err(stopped("cancelled: the analyst called the query off".to_owned()));
            }
            Ok(())
        },
    )?;
    Ok((opened, link.ledger().clone()))
}

fn agreement(plan: &Plan, session: &SessionParties, prepared: &Prepared) -> Result<Agreement> {
    Ok(analysts(plan, session, prepared.digest, fresh_session()?))
}

/// What the analyst's side agrees to.
pub(crate) fn analysts(
    plan: &Plan,
    session: &SessionParties,
    circuit: Digest,
    id: [u8; 32],
) -> Agreement {
    // An analyst keeps no counter; no two of its sessions begin in one microsecond.
    let epoch = Timestamp::now().as_microsecond().unsigned_abs();
    Agreement::of(plan, session, circuit, id, session.analyst, epoch)
}

/// An identifier that names one session everywhere.
pub(crate) fn fresh_session() -> Result<[u8; 32]> {
    let mut id = [0; 32];
    getrandom::fill(&mut id)
        .map_err(|error| Error::Internal(format!("the system gives no randomness: {error}")))?;
    Ok(id)
}

pub(crate) fn request(plan: &Plan, agreement: &Agreement, dry_run: bool) -> Request {
    Request::Ask(Ask {
        version: PROTOCOL_VERSION,
        study: agreement.study,
        session: agreement.session,
        engine: agreement.engine.clone(),
        sql: plan.sql.clone(),
        dry_run,
    })
}

pub(crate) fn release(plan: &Plan, opened: &tacit_plan::Opened) -> Result<tacit_sql::ResultTable> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(internal)?;
    Ok(runtime.block_on(tacit_sql::release(plan, opened))?)
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::Internal(error.to_string())
}
