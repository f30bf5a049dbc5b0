//! [`Visit`]: one conversation about a question, step by step.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use tacit_governance::{
    Outcome,
    phases::{CHUNK, Kind, Parcel, State, Step, Word},
    session::{Agreement, Code, Failure, Phase, Reply},
};
use tacit_mpc::Column;
use tacit_plan::Digest;

use super::{
    Fhe,
    evaluations::Evaluations,
    job::Job,
    roles,
    store::{Note, Slot},
    trouble::Trouble,
    work,
};
use crate::{
    asker::Asker,
    query::{self, no_place},
    record::Notes,
    service::{Guard, Shared},
};

/// How long the analyst's program may say nothing.
const SILENCE: Duration = Duration::from_mins(1);

/// One conversation about a question that was accepted.
pub(super) struct Visit<'a> {
    pub shared: &'a Arc<Shared>,
    pub fhe: &'a Arc<Fhe>,
    pub notes: &'a Notes<'a>,
    pub job: &'a Arc<Job>,
    pub asker: &'a Asker,
}

impl Visit<'_> {
    /// Does step after step until the analyst's program leaves.
    ///
    /// # Errors
    /// Always: why the conversation ends.
    pub fn serve(&self) -> Result<Infallible, Failure> {
        self.say(Word::State(self.state()?));
        loop {
            match self.asker.step(SILENCE)? {
                Step::Enter => self.recorded("enter", self.enter())?,
                Step::Give(parcel) => self.recorded(self.receiving(), self.take(&parcel))?,
                Step::Evaluate => self.recorded("evaluate", self.evaluate())?,
                Step::Decrypt => self.recorded("decrypt", self.decrypt())?,
                Step::Chunk(_) => return Err(unasked()),
            }
        }
    }

    /// Ends the question: nobody wants its answer any more.
    pub fn call_off(&self) {
        if let Some(run) = self.fhe.evaluations.running(self.session()) {
            run.end();
        }
        let done = self.finished().unwrap_or(false);
        if let Err(trouble) = self.fhe.store.end(self.session(), "the analyst called it off") {
            trouble.failure(&self.job.name);
        }
        if !done {
            let entered = self.given(Kind::Upload).unwrap_or(false);
            // Who has entered nothing yet has had a query that was cancelled; later it is the same one.
            self.receipt(if entered { "decrypt" } else { "enter" }, Outcome::Cancelled);
        }
    }

    /// How far this party is.
    fn state(&self) -> Result<State, Failure> {
        let slots = self.fhe.store.slots(self.session()).map_err(|t| self.at_me(&t))?;
        let mut state = State { arithmetic: tacit_he::arithmetic(), ..State::default() };
        for slot in slots {
            match slot {
                Slot::Parcel(Kind::Upload, from) => state.uploads.push(from),
                Slot::Parcel(Kind::Result, _) => state.result = true,
                Slot::Parcel(Kind::Part, _) | Slot::Own => {}
            }
        }
        state.part = self.spent()?.is_some();
        Ok(state)
    }

    /// Encrypts this site's part, once, and gives it.
    fn enter(&self) -> Result<(), Failure> {
        let begin = Instant::now();
        let slot = self.slot(Kind::Upload);
        if self.stored(slot)?.is_none() {
            let (job, me) = (self.job, self.job.me());
            let fields = job.fields(me);
            let served = self.notes.served();
            let columns = query::local(self.shared, served, &job.plan, 0, self.asker)?;
            self.asker.tell(&Reply::Progress { phase: Phase::Encrypt, round: 0, rounds: 0 });
            let columns = narrow(columns, fields);
            let bytes = {
                let waiting = |_| self.asker.wanted();
                let _place = self.shared.compiling.take(waiting).map_err(no_place)?;
                tacit_he::encrypt(&job.keys.encryption, &job.proofs(), me, fields, &columns)
            };
            let bytes = bytes.map_err(|error| work::failure(&error, job))?;
            let parcel = Parcel::sign(&self.fhe.key, &job.scope(), Kind::Upload, me, &bytes);
            self.put(slot, &parcel, &bytes)?;
        }
        self.deliver(slot, "enter", begin)
    }

    /// Takes what another party made: role, maker and length first, then its bytes.
    fn take(&self, parcel: &Parcel) -> Result<(), Failure> {
        let (job, from) = (self.job, parcel.from as usize);
        roles::takes(&job.session, job.me(), parcel, &job.scope())?;
        let name = job.session.name(from);
        let kind = parcel.kind;
        let fits = match kind {
            Kind::Upload => parcel.length <= tacit_he::limit(job.fields(from)),
            Kind::Result | Kind::Part => parcel.length == job.result_bytes(),
        };
        if !fits {
            let what = format!("refused from {name}: the {kind} has {} bytes", parcel.length);
            let what = match kind {
                Kind::Upload => format!(
                    "{what}, and its columns take at most {}",
                    tacit_he::limit(job.fields(from))
                ),
                Kind::Result | Kind::Part => format!("{what}, due are {}", job.result_bytes()),
            };
            return Err(Failure::new(Code::Abort, what).by(name));
        }
        let slot = Slot::Parcel(kind, parcel.from);
        let known = self.stored(slot)?;
        if let Some(known) = &known
            && known != parcel
        {
            let what = format!("a second, different {kind} of {name}: {}", Trouble::Other);
            return Err(Failure::new(Code::Abort, what).by(name));
        }
        if known.is_none() && from == job.me() {
            let what = format!("{name} makes its own {kind}; ask for it");
            return Err(Failure::new(Code::Message, what));
        }
        let bytes = self.receive(parcel, &name)?;
        if known.is_none() {
            if kind == Kind::Upload {
                // The proofs take a core, so they wait their turn.
                let waiting = |_| self.asker.wanted();
                let _place = self.shared.compiling.take(waiting).map_err(no_place)?;
                Fhe::accept(job, from, &bytes)?;
            } else {
                job.read_result(&bytes).map_err(|error| work::failure(&error, job))?;
            }
            self.put(slot, parcel, &bytes)?;
        }
        self.say(Word::Taken);
        Ok(())
    }

    /// The bytes of a parcel, whose length was checked.
    fn receive(&self, parcel: &Parcel, name: &str) -> Result<Vec<u8>, Failure> {
        let (kind, due) = (parcel.kind, parcel.length as usize);
        let mut bytes = Vec::new();
        while bytes.len() < due {
            let Step::Chunk(chunk) = self.asker.step(SILENCE)? else {
                let got = bytes.len();
                let what = format!("the {kind} of {name} was cut short: {got} of {due} bytes came");
                return Err(Failure::new(Code::Message, what));
            };
            if chunk.is_empty() || chunk.len() > CHUNK.min(due - bytes.len()) {
                let what = format!("a chunk of {} bytes of the {kind} of {name}", chunk.len());
                return Err(Failure::new(Code::Message, what));
            }
            bytes.extend_from_slice(&chunk);
        }
        let held = parcel.holds(&bytes);
        held.map_err(|error| {
            Failure::new(Code::Abort, format!("{error}: not what {name} signed"))
        })?;
        Ok(bytes)
    }

    /// Evaluates for all.
    fn evaluate(&self) -> Result<(), Failure> {
        let begin = Instant::now();
        let (job, slot) = (self.job, self.slot(Kind::Result));
        if !job.evaluates() {
            let who = job.session.name(job.evaluator());
            let what = format!("{} does not evaluate this question: {who} does", job.name);
            return Err(Failure::new(Code::Policy, what));
        }
        if self.stored(slot)?.is_none() {
            self.work(Phase::Evaluate)?;
        }
        self.deliver(slot, "evaluate", begin)
    }

    /// Decrypts this holder's part, once.
    fn decrypt(&self) -> Result<(), Failure> {
        let begin = Instant::now();
        let job = self.job;
        if !job.holds() {
            let what = format!("{} holds no share of the key of this study", job.name);
            return Err(Failure::new(Code::Policy, what));
        }
        if self.spent()?.is_none() {
            self.not_before()?;
            let result = Slot::Parcel(Kind::Result, job.evaluator() as u32);
            if self.stored(result)?.is_none() {
                let who = job.session.name(job.evaluator());
                let what = format!("the result of {who} was not given");
                return Err(Failure::new(Code::Message, what));
            }
            let own = self.fhe.store.has(self.session(), Slot::Own).map_err(|t| self.at_me(&t))?;
            if job.reevaluates() && !own {
                self.work(Phase::Reevaluate)?;
            }
            self.fhe.part(job)?;
        }
        self.deliver(self.slot(Kind::Part), "decrypt", begin)
    }

    /// Evaluates here, or follows the evaluation that runs already.
    fn work(&self, phase: Phase) -> Result<(), Failure> {
        let job = self.job;
        let state = self.state()?;
        let absent =
            job.session.holders.iter().filter(|&&site| !state.uploads.contains(&(site as u32)));
        let absent: Vec<String> = absent.map(|&site| job.session.name(site)).collect();
        if !absent.is_empty() {
            let what = format!("the uploads of {} were not given", absent.join(", "));
            return Err(Failure::new(Code::Message, what));
        }
        let owner = (Guard::of(self.shared), self.fhe.clone());
        let mine = job.clone();
        let run = self.fhe.evaluations.begin(
            *self.session(),
            self.asker.shutdown(),
            owner,
            |owner: &(Guard, Arc<Fhe>)| -> &Evaluations { &owner.1.evaluations },
            move |owner, run| {
                let done = owner.1.evaluate(&mine, run);
                let session = Digest(mine.agreement.session).short();
                match &done {
                    Ok(()) => tracing::info!(%session, "evaluated"),
                    Err(failure) => tracing::warn!(%session, code = %failure.code, "not evaluated"),
                }
                done
            },
        )?;
        run.follow(self.asker, phase, SILENCE)
    }

    /// Gives what was made: a receipt first, and the same receipt when it is given again.
    fn deliver(&self, slot: Slot, phase: &'static str, begin: Instant) -> Result<(), Failure> {
        let session = self.session();
        let (parcel, bytes) = if let Slot::Parcel(Kind::Part, _) = slot {
            let part = self.spent()?.ok_or_else(unmade)?;
            let scope = self.job.scope();
            // One key and message have one signature: it is the same parcel each time.
            let parcel = Parcel::sign(&self.fhe.key, &scope, Kind::Part, self.job.me(), &part);
            (parcel, part)
        } else {
            let bytes = self.fhe.store.bytes(session, slot).map_err(|t| self.at_me(&t))?;
            self.stored(slot)?.zip(bytes).ok_or_else(unmade)?
        };
        let known = self.fhe.store.note(session, slot).map_err(|t| self.at_me(&t))?;
        let note = if let Some(note) = known {
            note
        } else {
            let seconds = begin.elapsed().as_secs_f64();
            let note = Note { receipt: self.released(phase, parcel.length)?, seconds };
            let noted = self.fhe.store.set_note(session, slot, &note);
            noted.map_err(|t| self.at_me(&t))?;
            note
        };
        self.say(Word::Made { parcel, receipt: note.receipt, seconds: note.seconds });
        for chunk in bytes.chunks(CHUNK) {
            self.asker.wanted()?;
            self.say(Word::Chunk(chunk.to_vec()));
        }
        Ok(())
    }

    /// The receipt of this question that says that this phase was released, if there is one.
    fn written(&self, phase: &'static str) -> tacit_governance::Result<Option<Digest>> {
        let Agreement { study, plan, circuit, .. } = self.job.agreement;
        self.shared.book.released(self.session(), phase, |record| {
            record.study == study
                && record.analyst == self.notes.analyst()
                && (record.plan, record.circuit) == (Some(plan), Some(circuit))
        })
    }

    /// Refuses to decrypt what receipts say was decrypted, though the store knows nothing of it: then the
    /// store is an old copy.
    fn not_before(&self) -> Result<(), Failure> {
        let me = &self.job.name;
        let unread = |error| {
            tracing::error!(%error, "the receipts could not be read");
            let what =
                format!("the receipts at {me} could not be read; its operator's log says why");
            Failure::new(Code::Receipt, what).by(me)
        };
        if self.written("decrypt").map_err(unread)?.is_none() {
            return Ok(());
        }
        let what = format!(
            "{me} decrypted its part of this question before, by its receipts, and its store does not \
             know of it: an old copy of fhe.redb was put back. Ask the question anew"
        );
        Err(Failure::new(Code::Policy, what).by(me))
    }

    /// The receipt that says that something leaves: the one that was written before this party was
    /// stopped, or a new one.
    fn released(&self, phase: &'static str, bytes: u64) -> Result<Digest, Failure> {
        let receipt = self.written(phase).and_then(|written| match written {
            Some(receipt) => Ok(receipt),
            None => self.notes.append(Some(self.job.facts(phase, Some(bytes))), Outcome::Released),
        });
        receipt.map_err(|error| {
            tracing::error!(%error, "the receipt could not be written; nothing is given");
            let me = &self.job.name;
            let what =
                format!("the receipt at {me} could not be written; its operator's log says why");
            Failure::new(Code::Receipt, what).by(me)
        })
    }

    /// Writes a receipt of a step that was refused or failed. An analyst's program that leaves, and a
    /// service that stops, leave the question as it is.
    fn recorded(&self, phase: &'static str, step: Result<(), Failure>) -> Result<(), Failure> {
        if let Err(failure) = &step
            && !matches!(failure.code, Code::Cancelled | Code::Stopping | Code::Receipt)
        {
            let reason = format!("{}: {}", failure.code, failure.message);
            let refused = matches!(failure.code, Code::Abort | Code::Policy | Code::Message);
            let outcome = if refused && phase != "enter" {
                tracing::warn!(session = %Digest(*self.session()).short(), phase, %reason, "refused");
                Outcome::Refused { reason }
            } else {
                Outcome::Failed { reason }
            };
            self.receipt(phase, outcome);
        }
        step
    }

    fn receipt(&self, phase: &'static str, outcome: Outcome) {
        if let Err(error) = self.notes.append(Some(self.job.facts(phase, None)), outcome) {
            tracing::error!(%error, "the receipt of a step could not be written");
        }
    }

    /// The phase for which this party takes parcels.
    fn receiving(&self) -> &'static str {
        if self.job.evaluates() { "evaluate" } else { "decrypt" }
    }

    /// Whether all that this party does for the question was done.
    fn finished(&self) -> Result<bool, Failure> {
        if self.job.holds() {
            return Ok(self.spent()?.is_some());
        }
        self.given(if self.job.evaluates() { Kind::Result } else { Kind::Upload })
    }

    /// Whether this party's own parcel of that kind was given.
    fn given(&self, kind: Kind) -> Result<bool, Failure> {
        let note = self.fhe.store.note(self.session(), self.slot(kind));
        Ok(note.map_err(|t| self.at_me(&t))?.is_some())
    }

    fn spent(&self) -> Result<Option<Vec<u8>>, Failure> {
        self.fhe.store.part(&self.job.spends()).map_err(|t| self.at_me(&t))
    }

    fn stored(&self, slot: Slot) -> Result<Option<Parcel>, Failure> {
        self.fhe.store.parcel(self.session(), slot).map_err(|t| self.at_me(&t))
    }

    fn put(&self, slot: Slot, parcel: &Parcel, bytes: &[u8]) -> Result<(), Failure> {
        let put = self.fhe.store.put(self.session(), slot, Some(parcel), bytes, self.fhe.caps);
        put.map_err(|trouble| self.at_me(&trouble))
    }

    /// Where this party's own parcel of a kind lies.
    fn slot(&self, kind: Kind) -> Slot {
        Slot::Parcel(kind, self.job.agreement.me)
    }

    fn session(&self) -> &[u8; 32] {
        &self.job.agreement.session
    }

    fn at_me(&self, trouble: &Trouble) -> Failure {
        trouble.failure(&self.job.name)
    }

    fn say(&self, word: Word) {
        self.asker.tell(&Reply::Step(word));
    }
}

/// Values modulo the width of their field: a sum is in two's complement of 64 bits, and the circuit looks
/// at the low bits of its width alone.
fn narrow(columns: Vec<Column>, fields: &[tacit_he::Field]) -> Vec<Column> {
    let narrow = |(mut column, field): (Column, &tacit_he::Field)| {
        if let Column::Num(rows) = &mut column
            && field.width < 64
        {
            for row in rows {
                *row &= (1 << field.width) - 1;
            }
        }
        column
    };
    columns.into_iter().zip(fields).map(narrow).collect()
}

fn unasked() -> Failure {
    Failure::new(Code::Message, "bytes of a parcel that was not announced")
}

fn unmade() -> Failure {
    Failure::new(Code::Internal, "what was made is not there")
}
