//! What this party writes about a query into its receipts.

use serde::Serialize;
use tacit_governance::{Outcome, Party, Record, Timestamp, session::Ask};
use tacit_mpc::PartyCost;
use tacit_net::Ledger;
use tacit_plan::Digest;

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

    /// Appends a receipt, synced to disk; returns its hash.
    pub fn write(
        &self,
        job: Option<&Job>,
        ledger: Option<&Ledger>,
        outcome: Outcome,
    ) -> tacit_governance::Result<Digest> {
        let session = self.ask.session;
        let mut record = Record::new(Timestamp::now(), &session, &self.analyst.name, outcome);
        record.study = self.served.study.digest();
        record.sql.clone_from(&self.ask.sql);
        record.engine.clone_from(&self.ask.engine);
        record.disclosure.clone_from(&self.served.study.disclosure().profile);
        if let Some(job) = job {
            record.plan = Some(job.plan_digest);
            record.circuit = Some(job.agreement.circuit);
            job.engine.security().clone_into(&mut record.security);
            record.triples = job.engine.triples().map(str::to_owned);
            if let Some(tables) = &self.served.tables {
                let manifest = tables.manifest().iter();
                let read = manifest.filter(|(name, _)| job.plan.tables.contains(name));
                record.inputs = read.map(|(name, digest)| (name.clone(), *digest)).collect();
            }
            record.bill = job.bill.parties.get(job.me()).map(billed).and_then(json);
            record.ledger = ledger.map(counted).and_then(json);
        }
        match &self.held {
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
