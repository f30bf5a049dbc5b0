//! The joint part of a query at one party: link, agreement, engine, receipt.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tacit_governance::{
    Outcome, mixed_epoch,
    session::{self, Code, Failure, PeerTraffic, Phase, Reply, SiteReport},
};
use tacit_mpc::{Column, Step};
use tacit_net::{
    Arena, Counted, Frames, Ledger, Link, Round, Seed,
    mesh::{Endpoint, LinkOptions, Peer, PublicKey},
};
use tacit_plan::Digest;

use crate::{asker::Asker, failure, record::Notes, served::Job};

/// How long the parties may take to meet: all have just been told to start.
const MEET: Duration = Duration::from_secs(6);

/// How long a peer may compute in one round. One that is gone is noticed much earlier, by its
/// connection.
const ROUND: Duration = Duration::from_mins(1);

/// Least time between two reports of progress to the analyst.
const REPORT: Duration = Duration::from_millis(100);

/// The joint part of a query at one party.
pub(crate) struct Joint<'a> {
    pub endpoint: &'a Endpoint,
    pub notes: &'a Notes<'a>,
    pub asker: &'a Asker,
    pub job: &'a Job,
    /// Restart epochs of all parties in link order.
    pub epochs: &'a [u64],
    /// Seconds that the local part took, for the report.
    pub local: f64,
}

impl Joint<'_> {
    /// Opens the link, compares agreements, runs the engine. Whatever goes wrong is told to all
    /// peers with the first culprit.
    pub fn run(&self, inputs: Vec<Column>) -> Result<SiteReport, Failure> {
        let begin = Instant::now();
        let session = &self.job.session;
        let options = LinkOptions {
            session: self.job.agreement.session,
            epoch: mixed_epoch(self.epochs),
            me: self.job.me(),
            peers: session
                .parties
                .iter()
                .enumerate()
                .map(|(index, party)| (index != self.job.me()).then(|| peer(party)))
                .collect(),
            connect_deadline: MEET,
            round_deadline: ROUND,
        };
        let opened = self.endpoint.link(options);
        let mut link = opened.map_err(|error| failure::of_net(&error, session))?;
        let told = |failure: Failure, link: &mut dyn Link| {
            let culprit = failure.culprit.as_deref().and_then(|name| session.index(name));
            link.abort(culprit.or(Some(self.job.me())), &failure.reason());
            failure
        };
        let greeting = session::encode(&self.job.agreement)
            .map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
        let agreed = link
            .hello(&greeting, MEET)
            .map_err(|error| failure::of_net(&error, session))
            .and_then(|greetings| self.compare(&greetings));
        if let Err(failure) = agreed {
            return Err(told(failure, &mut link));
        }
        let ledger = Arc::<Mutex<Ledger>>::default();
        let mut link = Mirror { inner: Counted::new(link), copy: ledger.clone() };
        let mut gate = Gate { joint: self, ledger, receipt: None, told: None, failed: None };
        let job = self.job;
        let ran =
            tacit_mpc::run(&job.circuit, job.engine, &job.roster, &mut link, inputs, &mut |step| {
                gate.pass(step)
            });
        if let Err(error) = ran {
            let failure = gate.failed.take().unwrap_or_else(|| failure::of_mpc(&error, session));
            return Err(told(failure, &mut link));
        }
        let receipt = match gate.receipt {
            Some(hash) => hash,
            // A circuit without a round for this party: nothing left it.
            None => gate.write().map_err(|failure| told(failure, &mut link))?,
        };
        let ledger = link.inner.ledger();
        let traffic =
            |peer: &tacit_net::Traffic| PeerTraffic { sent: peer.sent, received: peer.received };
        Ok(SiteReport {
            rounds: ledger.rounds,
            peers: ledger.peers.iter().map(traffic).collect(),
            receipt,
            local_seconds: self.local,
            joint_seconds: begin.elapsed().as_secs_f64(),
        })
    }

    /// Compares this party's agreement with every peer's.
    fn compare(&self, greetings: &[Option<Bytes>]) -> Result<(), Failure> {
        for (index, greeting) in greetings.iter().enumerate() {
            if let Some(greeting) = greeting {
                let met = self.job.agreement.meet(index, self.epochs, greeting);
                met.map_err(|failure| failure.by(self.job.session.name(index)))?;
            }
        }
        Ok(())
    }
}

/// Looks before every round whether the query is still wanted, and writes the receipt before
/// anything leaves that could reveal.
struct Gate<'a> {
    joint: &'a Joint<'a>,
    ledger: Arc<Mutex<Ledger>>,
    receipt: Option<Digest>,
    told: Option<Instant>,
    failed: Option<Failure>,
}

impl Gate<'_> {
    fn pass(&mut self, step: &Step) -> tacit_mpc::Result<()> {
        if let Err(failure) = self.check(step) {
            // The engine tells the peers.
            let stopped = tacit_mpc::Error::Stopped(failure.reason());
            self.failed = Some(failure);
            return Err(stopped);
        }
        Ok(())
    }

    fn check(&mut self, step: &Step) -> Result<(), Failure> {
        let joint = self.joint;
        joint.asker.wanted()?;
        // A party that opens nothing itself has no say once its shares are out, so its receipt comes
        // first.
        if self.receipt.is_none() && (step.opens || !joint.job.opens) {
            self.receipt = Some(self.write()?);
        }
        if self.told.is_none_or(|told| told.elapsed() >= REPORT) {
            self.told = Some(Instant::now());
            joint.asker.tell(&Reply::Progress {
                phase: if step.opens { Phase::Receipt } else { Phase::Joint },
                round: step.round,
                rounds: step.rounds,
            });
        }
        Ok(())
    }

    fn write(&self) -> Result<Digest, Failure> {
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let job = self.joint.job;
        self.joint.notes.write(Some(job), Some(&ledger), Outcome::Released).map_err(|error| {
            tracing::error!(%error, "the receipt could not be written; nothing is released");
            let me = job.session.name(job.me());
            let what =
                format!("the receipt at {me} could not be written; its operator's log says why");
            Failure::new(Code::Receipt, what).by(me)
        })
    }
}

/// Keeps a copy of the ledger where the gate can read it.
struct Mirror<L> {
    inner: Counted<L>,
    copy: Arc<Mutex<Ledger>>,
}

impl<L: Link> Link for Mirror<L> {
    fn me(&self) -> usize {
        self.inner.me()
    }
    fn parties(&self) -> usize {
        self.inner.parties()
    }
    fn exchange(&mut self, round: Round) -> tacit_net::Result<Frames> {
        let frames = self.inner.exchange(round);
        let mut copy = self.copy.lock().unwrap_or_else(PoisonError::into_inner);
        copy.clone_from(self.inner.ledger());
        frames
    }
    fn seed(&mut self, peer: usize) -> tacit_net::Result<Seed> {
        self.inner.seed(peer)
    }
    fn arena(&self) -> Arena {
        self.inner.arena()
    }
    fn abort(&mut self, culprit: Option<usize>, reason: &str) {
        self.inner.abort(culprit, reason);
    }
}

/// A session's party as the transport knows it.
pub(crate) fn peer(party: &tacit_governance::SessionParty) -> Peer {
    Peer {
        name: party.name.clone(),
        key: PublicKey(*party.key.as_bytes()),
        address: party.address.clone(),
    }
}
