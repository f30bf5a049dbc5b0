//! [`Job`]: a question on `fhe` that this party has compiled itself and is willing to take part in.

use std::sync::Arc;

use tacit_governance::{
    FheTerms, KeyPair, Party, SessionParties, Verify, phases,
    session::{Agreement, Ask, Code, Failure},
};
use tacit_he::{Bill, Field, Program, SQUASHED_BYTES, Session, Squashed, Summary};
use tacit_plan::{Digest, Plan};
use tacit_protocols::Parties;

use super::{
    keys::{Keys, StudyKeys},
    store::Slot,
};
use crate::{
    Limits,
    record::Facts,
    served::{Examined, Served},
};

/// A question on `fhe` that this party has compiled itself and is willing to take part in.
pub(crate) struct Job {
    pub plan: Plan,
    pub session: SessionParties,
    pub terms: FheTerms,
    pub keys: Arc<StudyKeys>,
    pub program: Program,
    pub bill: Bill,
    pub agreement: Agreement,
    /// This party's name.
    pub name: String,
}

impl Job {
    /// Decides about a question; see [`Served::examine`] for what is looked at whatever the engine.
    pub fn consider(
        served: &Served,
        keys: &Keys,
        key: &KeyPair,
        ask: &Ask,
        analyst: &Party,
        epoch: u64,
        limits: &Limits,
    ) -> Result<Self, Failure> {
        let Examined { session, me, plan } = served.examine(ask, analyst)?;
        let missing = || Failure::new(Code::Policy, "the study has no terms for fhe");
        let terms = served.study.engines().fhe.clone().ok_or_else(missing)?;
        let parties = Parties { holders: session.holders.clone(), analyst: session.analyst };
        let internal =
            |error: &dyn std::fmt::Display| Failure::new(Code::Internal, error.to_string());
        let circuit =
            tacit_protocols::circuit(&plan, &parties).map_err(|error| internal(&error))?;
        let others = served.study.engines().names();
        let query = |error: &tacit_he::Error| of_query(error, &others);
        let width = |_, slot: usize| plan.inputs.get(slot).map_or(0, |input| input.bits);
        let fields = tacit_he::fields(&circuit, session.parties.len(), width);
        let program = Program::new(&circuit, &fields.map_err(|error| query(&error))?);
        let program = program.map_err(|error| query(&error))?;
        let bill = tacit_he::bill(&program, terms.holders.len()).map_err(|error| query(&error))?;
        let keys = keys.of(served)?;
        if session.key_holders.contains(&me) {
            // Rather said now than when everybody has entered.
            keys.share(key)?;
        }
        let digest = Digest(circuit.digest());
        let agreement = Agreement {
            keys: keys.digest(),
            ..Agreement::of(&plan, &session, digest, ask.session, me, epoch)
        };
        let name = served.me.name.clone();
        let job = Self { plan, session, terms, keys, program, bill, agreement, name };
        job.within(limits).map_err(|what| Failure::new(Code::Policy, what))?;
        Ok(job)
    }

    /// This party's session index.
    pub fn me(&self) -> usize {
        self.agreement.me as usize
    }

    /// Session index of the one who evaluates.
    pub fn evaluator(&self) -> usize {
        self.session.compute.first().copied().unwrap_or(usize::MAX)
    }

    /// Whether this party evaluates for all.
    pub fn evaluates(&self) -> bool {
        self.evaluator() == self.me()
    }

    /// Whether this party holds a share of the key.
    pub fn holds(&self) -> bool {
        self.session.key_holders.contains(&self.me())
    }

    /// Whether key holders evaluate again.
    pub fn reevaluates(&self) -> bool {
        self.terms.verify == Verify::Reevaluate
    }

    /// What parcels of this question are signed for.
    pub fn scope(&self) -> phases::Scope {
        phases::Scope::of(&self.agreement)
    }

    /// What proofs of encryption of this question are bound to.
    pub fn proofs(&self) -> Session {
        let phases::Scope { study, question, session, .. } = self.scope();
        Session { study: study.0, plan: question.0, session }
    }

    /// What is decrypted once.
    pub fn spends(&self) -> [u8; 32] {
        tacit_he::plan_digest(&self.agreement.question().0, &self.agreement.session)
    }

    /// What a party enters.
    pub fn fields(&self, party: usize) -> &[Field] {
        self.program.fields().get(party).map_or(&[], Vec::as_slice)
    }

    /// Bytes of the evaluator's result, exactly.
    pub fn result_bytes(&self) -> u64 {
        let count = self.program.released() as u64;
        if self.reevaluates() {
            32 + count * tacit_he::BODY_BYTES as u64
        } else {
            8 + count * SQUASHED_BYTES as u64
        }
    }

    /// Bytes that this party keeps of an evaluation of its own.
    pub fn evaluation_bytes(&self) -> u64 {
        let squashed = 40 + self.program.released() as u64 * SQUASHED_BYTES as u64;
        let own = if self.holds() && self.reevaluates() { squashed } else { 0 };
        own + if self.evaluates() { self.result_bytes() } else { 0 }
    }

    /// What the evaluator gives.
    pub fn result(&self, squashed: &Squashed) -> Vec<u8> {
        if self.reevaluates() { squashed.summary().to_bytes() } else { squashed.to_bytes() }
    }

    /// Reads what the evaluator gave: the digest of the ciphertexts, and those themselves if they are
    /// there.
    pub fn read_result(&self, bytes: &[u8]) -> tacit_he::Result<([u8; 32], Option<Squashed>)> {
        let (due, from) = (self.program.released(), self.session.name(self.evaluator()));
        if self.reevaluates() {
            return Ok((Summary::from_bytes(bytes, due, &from)?.digest(), None));
        }
        let squashed = Squashed::from_bytes(bytes, due, &from)?;
        Ok((squashed.digest(), Some(squashed)))
    }

    /// What this party needs of others before its own work is done, with their names.
    pub fn needs(&self) -> Vec<(Slot, String)> {
        let mut needs = Vec::new();
        let mut need = |kind, from: usize| {
            needs.push((Slot::Parcel(kind, from as u32), self.session.name(from)));
        };
        if self.evaluates() || self.holds() {
            self.session.holders.iter().for_each(|&from| need(phases::Kind::Upload, from));
        } else {
            need(phases::Kind::Upload, self.me());
        }
        if self.holds() {
            need(phases::Kind::Result, self.evaluator());
        }
        needs
    }

    /// What this party makes.
    pub fn makes(&self) -> Vec<Slot> {
        let makes = [
            (self.session.holders.contains(&self.me()), phases::Kind::Upload),
            (self.evaluates(), phases::Kind::Result),
            (self.holds(), phases::Kind::Part),
        ];
        let own = |kind| Slot::Parcel(kind, self.agreement.me);
        makes.into_iter().filter(|(makes, _)| *makes).map(|(_, kind)| own(kind)).collect()
    }

    /// What receipts say of this question.
    pub fn facts(&self, phase: &'static str, sent: Option<u64>) -> Facts<'_> {
        Facts {
            plan: &self.plan,
            plan_digest: self.agreement.plan,
            circuit: self.agreement.circuit,
            security: self.security(),
            triples: None,
            phase: Some(phase),
            bill: serde_json::to_value(&self.bill).ok(),
            ledger: sent.map(|sent| serde_json::json!({ "sent": sent })),
        }
    }

    /// Whom this question has to trust.
    fn security(&self) -> String {
        let evaluator = if self.reevaluates() {
            "evaluator: checked by every key holder"
        } else {
            "evaluator: semi-honest"
        };
        format!("semi-honest, all but one of the key holders; {evaluator}; {}", StudyKeys::origin())
    }

    /// Compares what this question takes of this machine with the limits of its operator.
    fn within(&self, limits: &Limits) -> Result<(), String> {
        let advice = "ask for fewer cells or smaller sums, or have";
        let most = limits.memory_mib.saturating_mul(1 << 20);
        let evaluates = self.evaluates() || self.holds() && self.reevaluates();
        let keys = if evaluates { tacit_he::EvaluationKeys::MEMORY_MB << 20 } else { 0 };
        let ciphertexts = match (evaluates, self.holds()) {
            (true, _) => self.bill.memory,
            (false, true) => self.program.released() as u64 * SQUASHED_BYTES as u64,
            (false, false) => 0,
        };
        let memory = keys + ciphertexts + self.bill.uploads.iter().sum::<u64>();
        if memory > most {
            return Err(format!(
                "the question needs {} MiB of memory at {}, and this site allows {}: {advice} \
                 limits.memory_mib raised in its site.toml",
                memory.div_ceil(1 << 20),
                self.name,
                limits.memory_mib
            ));
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let time = self.keys.calibration.time(&self.bill.work, cores);
        let minutes = time.as_secs().div_ceil(60);
        if evaluates && minutes > limits.fhe_minutes {
            return Err(format!(
                "the question takes about {minutes} minutes of evaluation at {}, and this site allows \
                 {}: {advice} limits.fhe_minutes raised in its site.toml",
                self.name, limits.fhe_minutes
            ));
        }
        Ok(())
    }
}

/// What is wrong with a question that cannot be evaluated, and who else may answer it.
fn of_query(error: &tacit_he::Error, engines: &[&str]) -> Failure {
    let others: Vec<&str> = engines.iter().copied().filter(|engine| *engine != "fhe").collect();
    let instead = match (error, &others[..]) {
        (_, []) => "; the study allows no other engine".to_owned(),
        _ => format!("; the study's other engines are {}", others.join(", ")),
    };
    Failure::new(Code::Query, format!("{error}{instead}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_that_the_evaluator_lacks_is_named_with_the_engines_that_may_have_it() {
        let mut b = tacit_mpc::Builder::new();
        let x: tacit_mpc::Field = b.enter(0, 1);
        b.reveal(x, 1, "x");
        let error = tacit_he::fields(&b.finish(), 2, |_, _| 8).unwrap_err();
        let failure = of_query(&error, &["rep3", "fhe", "clear"]);
        assert_eq!(failure.code, Code::Query);
        assert!(failure.message.contains("prime field"), "{failure}");
        assert!(failure.message.ends_with("other engines are rep3, clear"), "{failure}");
        let at = tacit_he::Error::Unsupported { at: 7, what: "shuffle".into() };
        let failure = of_query(&at, &["fhe"]);
        assert!(failure.message.contains("instruction 7"), "{failure}");
        assert!(failure.message.ends_with("allows no other engine"), "{failure}");
    }
}
