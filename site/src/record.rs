//! What this party writes about a query into its receipts.

use serde::Serialize;
use tacit_governance::{Outcome, Party, Record, Timestamp, session::Ask};
use tacit_mpc::PartyCost;
use tacit_net::Ledger;
use tacit_plan::{Digest, Plan};

use crate::{
    book::{Book, Held},
    served::{Job, Served},
};

/// What this party knows about a query for its receipts; grows as the query goes on.
pub(crate) struct Notes<'a> {
    book: &'a Book,
    served: &'a Served,
    ask: &'a Ask,
    analyst: &'a Party,
    /// The place of a query that was accepted.
    pub held: Option<Held<'a>>,
}

/// What a receipt says about a question that was compiled.
pub(crate) struct Facts<'p> {
    pub plan: &'p Plan,
    pub plan_digest: Digest,
    pub circuit: Digest,
    pub security: String,
    pub triples: Option<String>,
    pub phase: Option<&'static str>,
    pub bill: Option<serde_json::Value>,
    pub ledger: Option<serde_json::Value>,
}

/// This party's share of a bill or ledger, with the same fields.
#[derive(Serialize)]
struct Cost {
    rounds: u64,
    sent: u64,
    received: u64,
}

impl<'a> Notes<'a> {
    pub fn new(book: &'a Book, served: &'a Served, ask: &'a Ask, analyst: &'a Party) -> Self {
        Self { book, served, ask, analyst, held: None }
    }

    /// The study that the question is about.
    #[cfg(feature = "fhe")]
    pub fn served(&self) -> &'a Served {
        self.served
    }

    /// Appends a receipt, synced to disk; returns its hash.
    pub fn write(
        &self,
        job: Option<&Job>,
        ledger: Option<&Ledger>,
        outcome: Outcome,
    ) -> tacit_governance::Result<Digest> {
        let facts = job.map(|job| Facts {
            plan: &job.plan,
            plan_digest: job.plan_digest,
            circuit: job.agreement.circuit,
            security: job.engine.security().to_owned(),
            triples: job.engine.triples().map(str::to_owned),
            phase: None,
            bill: job.bill.parties.get(job.me()).map(billed).and_then(json),
            ledger: ledger.map(counted).and_then(json),
        });
        self.append(facts, outcome)
    }

    /// Name of the analyst.
    #[cfg(feature = "fhe")]
    pub fn analyst(&self) -> &str {
        &self.analyst.name
    }

    /// The same, with what is known put together by the caller.
    pub fn append(
        &self,
        facts: Option<Facts<'_>>,
        outcome: Outcome,
    ) -> tacit_governance::Result<Digest> {
        let session = self.ask.session;
        let mut record = Record::new(Timestamp::now(), &session, &self.analyst.name, outcome);
        record.study = self.served.study.digest();
        record.sql.clone_from(&self.ask.sql);
        record.engine.clone_from(&self.ask.engine);
        record.disclosure.clone_from(&self.served.study.disclosure().profile);
        if let Some(facts) = facts {
            record.plan = Some(facts.plan_digest);
            record.circuit = Some(facts.circuit);
            record.security = facts.security;
            record.triples = facts.triples;
            record.phase = facts.phase.map(str::to_owned);
            if let Some(tables) = &self.served.tables {
                let manifest = tables.manifest().iter();
                let read = manifest.filter(|(name, _)| facts.plan.tables.contains(name));
                record.inputs = read.map(|(name, digest)| (name.clone(), *digest)).collect();
            }
            record.bill = facts.bill;
            record.ledger = facts.ledger;
        }
        // Of the phases of a query only the first one counts as a query.
        let counts = record.phase.as_deref().is_none_or(|phase| phase == "enter");
        match self.held.as_ref().filter(|_| counts) {
            Some(held) => held.append(&record),
            None => self.book.append(&record),
        }
    }
}

fn billed(cost: &PartyCost) -> Cost {
    Cost { rounds: cost.rounds, sent: cost.sent, received: cost.received }
}

fn counted(ledger: &Ledger) -> Cost {
    Cost { rounds: ledger.rounds, sent: ledger.sent(), received: ledger.received() }
}

fn json(cost: Cost) -> Option<serde_json::Value> {
    serde_json::to_value(cost).ok()
}
