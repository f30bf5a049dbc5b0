//! Questions on `fhe` at one party: sites encrypt, one evaluates, all key holders decrypt.
//!
//! # The life of a question
//!
//! No two parties need be there at the same time. The analyst's program is the courier: it asks each
//! party for its step and carries signed parcels between them ([`tacit_governance::phases`] has the
//! messages).
//!
//! 1. `Ask`: the party decides as for every engine, and compiles the circuit, which is not lowered here.
//!    It keeps the question and answers `Accepted`, then how far it is. Asked again under the same
//!    session, it goes on where it was; the quota is debited once.
//! 2. `Enter`, every site: the local part, encrypted with proofs. Signed, kept, a receipt, and out.
//! 3. `Give`, to the evaluator and key holders: who made it, for which question, how long it is, and
//!    only then its bytes; the proofs of an upload are checked before it is kept.
//! 4. `Evaluate`, the evaluator: one at a time for the process, on a thread of its own that goes on when
//!    the analyst's program leaves.
//! 5. `Decrypt`, every key holder: it evaluates again unless the study trusts the evaluator, compares, and
//!    makes its part. **The part and the marks of what it spends are one transaction**; then comes the
//!    receipt, and then the part leaves. A party that is stopped before that transaction has decrypted
//!    nothing; one that is stopped after it gives the very same part.
//!
//! A conversation that ends, and a party that starts anew, leave a question as it is; `Cancel` ends it,
//! and so do the study's days of waiting.

mod evaluations;
mod job;
mod keys;
mod roles;
mod sessions;
mod store;
#[cfg(test)]
mod tests;
mod trouble;
mod visit;
mod work;

use std::{path::Path, sync::Arc, time::Instant};

use tacit_governance::{
    KeyPair, Outcome, Party, Timestamp,
    session::{Ask, Code, Failure, LARGEST_SQL, Reply},
};
use tacit_plan::Digest;

use self::{
    evaluations::Evaluations,
    job::Job,
    keys::Keys,
    sessions::Sessions,
    store::{Caps, Store},
    visit::Visit,
};
use crate::{
    Limits, Result, asker::Asker, query::no_place, record::Notes, served::Served, service::Shared,
};

/// Name of the store in the state folder.
const STORE: &str = "fhe.redb";

/// What all questions on `fhe` of this process share.
pub(crate) struct Fhe {
    store: Store,
    keys: Keys,
    evaluations: Evaluations,
    sessions: Sessions,
    /// Signs parcels and opens this party's share.
    key: KeyPair,
    caps: Caps,
}

impl Fhe {
    /// Opens the store in `folder`, and looks whether the keys of what is served can be used. If they
    /// cannot, that is logged, and told to whoever asks; the other engines are served all the same.
    ///
    /// # Errors
    /// [`crate::Error::State`] if the store cannot be used.
    pub fn open(
        folder: &Path,
        key: &KeyPair,
        served: &[Served],
        limits: &Limits,
        queue: usize,
    ) -> Result<Option<Arc<Self>>> {
        let on_fhe =
            |served: &&Served| served.study.engines().fhe.is_some() && served.tables.is_some();
        if !served.iter().any(|served| on_fhe(&served)) {
            return Ok(None);
        }
        let store = Store::open(&folder.join(STORE), Timestamp::now().as_second())?;
        let fhe = Self {
            store,
            keys: Keys::default(),
            evaluations: Evaluations::new(queue),
            sessions: Sessions::default(),
            key: KeyPair::from_seed(key.seed()),
            caps: Caps { open: limits.fhe_open, mib: limits.fhe_store_mib },
        };
        for served in served.iter().filter(on_fhe) {
            let usable = fhe.keys.of(served).and_then(|keys| match keys.holder() {
                Some(_) => keys.share(&fhe.key).map(drop),
                None => Ok(()),
            });
            if let Err(failure) = usable {
                tracing::warn!(study = %served.study.name(), "no fhe: {}", failure.message);
            }
        }
        Ok(Some(Arc::new(fhe)))
    }
}

/// Answers one conversation about a question of `analyst`.
pub(crate) fn answer(
    shared: &Arc<Shared>,
    served: &Served,
    analyst: &Party,
    ask: &Ask,
    asker: &Asker,
) {
    let mut notes = Notes::new(&shared.book, served, ask, analyst);
    let session = Digest(ask.session).short();
    let refused = |notes: &Notes<'_>, failure: Failure| {
        shared.guests.refused(*analyst.key.as_bytes(), Instant::now());
        tracing::info!(%session, analyst = %analyst.name, code = %failure.code, "refused");
        if !ask.dry_run {
            let reason = format!("{}: {}", failure.code, failure.message);
            if let Err(error) = notes.append(None, Outcome::Refused { reason }) {
                tracing::error!(%error, "the receipt of a refusal could not be written");
            }
        }
        asker.tell(&Reply::Refused(failure));
    };
    let (fhe, job) = match consider(shared, served, analyst, ask, asker) {
        Ok(considered) => considered,
        Err(failure) => return refused(&notes, failure),
    };
    if ask.dry_run {
        return asker.tell(&accepted(&job));
    }
    let turn = match fhe.sessions.turn(ask.session, || asker.wanted()) {
        Ok(turn) => turn,
        Err(failure) => return refused(&notes, failure),
    };
    match take_up(fhe, served, analyst, ask, &job, shared) {
        Ok(held) => notes.held = held,
        Err(failure) => return refused(&notes, failure),
    }
    tracing::info!(%session, analyst = %analyst.name, engine = "fhe", plan = %job.agreement.plan.short(), "takes part");
    asker.tell(&accepted(&job));
    let visit = Visit { shared, fhe, notes: &notes, job: &job, asker };
    let Err(failure) = visit.serve();
    if asker.called_off() {
        shared.guests.refused(*analyst.key.as_bytes(), Instant::now());
        visit.call_off();
    }
    match failure.code {
        Code::Cancelled | Code::Stopping => {
            tracing::info!(%session, reason = %failure.message, "the conversation ends");
        }
        code => {
            shared.guests.refused(*analyst.key.as_bytes(), Instant::now());
            tracing::warn!(%session, %code, culprit = ?failure.culprit, "a step was refused or failed");
        }
    }
    asker.tell(&Reply::Failed(failure));
    // The quota is looked at by the next conversation about this session: not before this is over.
    drop(notes);
    drop(turn);
}

/// Decides about the question, in turn.
fn consider<'a>(
    shared: &'a Shared,
    served: &Served,
    analyst: &Party,
    ask: &Ask,
    asker: &Asker,
) -> Result<(&'a Arc<Fhe>, Arc<Job>), Failure> {
    if ask.sql.len() > LARGEST_SQL {
        let what =
            format!("the question has {} bytes; at most {LARGEST_SQL} are read", ask.sql.len());
        return Err(Failure::new(Code::Query, what));
    }
    let Some(fhe) = &shared.fhe else {
        // The study does not allow it, or this party has no part in it: both are told there.
        served.examine(ask, analyst)?;
        return Err(Failure::new(Code::Policy, "fhe is not served here"));
    };
    // To compile takes a core, so it waits its turn.
    let _place = shared.compiling.take(|_| asker.wanted()).map_err(no_place)?;
    let limits = shared.guests.limits();
    let job = Job::consider(served, &fhe.keys, &fhe.key, ask, analyst, shared.epoch, limits)?;
    Ok((fhe, Arc::new(job)))
}

/// Keeps a new question, or finds the one that is gone on with. What has entered nothing yet takes one
/// of the questions of the day.
fn take_up<'a>(
    fhe: &Fhe,
    served: &Served,
    analyst: &Party,
    ask: &Ask,
    job: &Job,
    shared: &'a Shared,
) -> Result<Option<crate::book::Held<'a>>, Failure> {
    let at_me = |trouble: trouble::Trouble| trouble.failure(&job.name);
    let now = Timestamp::now().as_second();
    fhe.store.sweep(now).map_err(at_me)?;
    let fresh = store::Question {
        study: ask.study,
        keys: job.agreement.keys,
        analyst: analyst.name.clone(),
        sql: ask.sql.clone(),
        plan: job.agreement.plan,
        circuit: job.agreement.circuit,
        asked: now,
        days: job.terms.wait_days(),
        needs: job.needs(),
        makes: job.makes(),
        ended: None,
    };
    let known = fhe.store.question(&ask.session).map_err(at_me)?;
    if let Some(known) = &known {
        known.same(&fresh).map_err(|what| {
            let what = format!("the session is known at {}, and it is {what}", job.name);
            Failure::new(Code::Policy, what)
        })?;
        if let Some(reason) = &known.ended {
            return Err(at_me(trouble::Trouble::Ended(reason.clone())));
        }
    }
    let own = store::Slot::Parcel(tacit_governance::phases::Kind::Upload, job.agreement.me);
    let entered = fhe.store.note(&ask.session, own).map_err(at_me)?.is_some();
    let held = if entered { None } else { Some(served.debit(ask, analyst, &shared.book)?) };
    if known.is_none() {
        fhe.store.begin(&ask.session, &fresh, fhe.caps).map_err(at_me)?;
    }
    Ok(held)
}

fn accepted(job: &Job) -> Reply {
    Reply::Accepted { agreement: job.agreement.clone(), bill: Digest::of_json(&job.bill) }
}
