//! [`Prepared`]: a plan made ready for homomorphic evaluation among the parties of a session.

use tacit_governance::{FheTerms, SessionParties, Study, Verify, phases::Kind};
use tacit_he::Program;
use tacit_mpc::{Circuit, EngineKind, Roster};
use tacit_plan::{Digest, Plan};

use crate::{Backend, Cost, Error, PartyTraffic, Result, explain::allowed, prepared::parties};

/// A plan made ready for homomorphic evaluation.
pub(crate) struct Prepared {
    pub circuit: Circuit,
    pub digest: Digest,
    pub program: Program,
    pub bill: tacit_he::Bill,
    pub roles: Roles,
    pub names: Vec<String>,
}

/// Who does what, by session index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Roles {
    /// Every site: each enters.
    pub sites: Vec<usize>,
    pub evaluator: usize,
    /// In the order of their shares.
    pub key_holders: Vec<usize>,
    pub analyst: usize,
    pub verify: Verify,
    pub wait_days: u32,
}

impl Roles {
    pub fn new(study: &Study, session: &SessionParties) -> Result<Self> {
        let terms = terms(study)?;
        let none = || Error::Internal("the study names no evaluator".to_owned());
        Ok(Self {
            sites: session.holders.clone(),
            evaluator: *session.compute.first().ok_or_else(none)?,
            key_holders: session.key_holders.clone(),
            analyst: session.analyst,
            verify: terms.verify,
            wait_days: terms.wait_days(),
        })
    }

    /// What `index` makes, in order.
    pub fn makes(&self, index: usize) -> Vec<Kind> {
        let due = [
            (Kind::Upload, self.sites.contains(&index)),
            (Kind::Result, index == self.evaluator),
            (Kind::Part, self.key_holders.contains(&index)),
        ];
        due.into_iter().filter_map(|(kind, due)| due.then_some(kind)).collect()
    }
}

/// The terms of `fhe` in a study.
pub(crate) fn terms(study: &Study) -> Result<&FheTerms> {
    study.engines().fhe.as_ref().ok_or_else(|| Error::NotAllowed {
        what: "the study does not allow the engine fhe".to_owned(),
    })
}

impl Prepared {
    /// Builds the circuit of `plan`, reads it for evaluation, and prices it.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] if the evaluator lacks an instruction or the noise has no room, with what
    /// to do instead.
    pub fn new(study: &Study, plan: &Plan, session: &SessionParties) -> Result<Self> {
        let circuit = tacit_protocols::circuit(plan, &parties(session)).map_err(|e| unbuilt(&e))?;
        let width = |slot: usize| plan.inputs.get(slot).map_or(0, |input| input.bits);
        Self::of_circuit(study, circuit, width, session)
    }

    /// The same of a circuit whose inputs have this width, in bits, by slot.
    ///
    /// # Errors
    /// As [`Prepared::new`].
    pub fn of_circuit(
        study: &Study,
        circuit: Circuit,
        width: impl Fn(usize) -> u32,
        session: &SessionParties,
    ) -> Result<Self> {
        let roles = Roles::new(study, session)?;
        let refused = |error| refusal(study, session, &circuit, &error);
        let fields = tacit_he::fields(&circuit, session.parties.len(), |_, slot| width(slot));
        let fields = fields.map_err(|error| match error {
            tacit_he::Error::Unsupported { .. } => refused(error),
            other => unbuilt(&other),
        })?;
        let program = Program::new(&circuit, &fields).map_err(refused)?;
        let bill = tacit_he::bill(&program, roles.key_holders.len()).map_err(refused)?;
        let digest = Digest(circuit.digest());
        Ok(Self { circuit, digest, program, bill, roles, names: session.names() })
    }

    /// Bytes of what a party makes.
    pub fn length(&self, kind: Kind, from: usize) -> u64 {
        match kind {
            Kind::Upload => self.bill.uploads.get(from).copied().unwrap_or(0),
            Kind::Result => match self.roles.verify {
                Verify::Reevaluate => self.bill.summary,
                Verify::Trust => self.bill.squashed,
            },
            Kind::Part => self.bill.partial,
        }
    }

    /// What every party has to send and receive, in session order. The analyst's program carries
    /// everything, so that it receives what is made and sends what is given.
    pub fn cost(&self) -> Cost {
        let mut parties: Vec<PartyTraffic> = self.names.iter().map(|name| none(name)).collect();
        for index in 0..self.names.len() {
            let (given, made) = (self.given(index), self.made(index));
            parties[index].received += given;
            parties[index].sent += made;
            parties[self.roles.analyst].sent += given;
            parties[self.roles.analyst].received += made;
        }
        Cost { rounds: 0, parties }
    }

    /// Digest of the bill, which every party states.
    pub fn bill_digest(&self) -> Digest {
        Digest::of_json(&self.bill)
    }

    /// Bytes that a party makes.
    fn made(&self, index: usize) -> u64 {
        self.roles.makes(index).into_iter().map(|kind| self.length(kind, index)).sum()
    }

    /// Bytes that a party is given.
    fn given(&self, index: usize) -> u64 {
        let makes = self.roles.makes(index);
        makes.into_iter().map(|kind| self.given_for(kind, index)).sum()
    }

    /// Bytes that a party is given before it makes something, once.
    pub fn given_for(&self, kind: Kind, index: usize) -> u64 {
        let evaluates = index == self.roles.evaluator;
        let uploads = || -> u64 {
            let others = self.roles.sites.iter().filter(|&&site| site != index);
            others.map(|&site| self.length(Kind::Upload, site)).sum()
        };
        match kind {
            Kind::Upload => 0,
            Kind::Result => uploads(),
            // It has been given the uploads, and has made the result.
            Kind::Part if evaluates => 0,
            Kind::Part => uploads() + self.length(Kind::Result, self.roles.evaluator),
        }
    }
}

fn none(name: &str) -> PartyTraffic {
    PartyTraffic { party: name.to_owned(), rounds: 0, sent: 0, received: 0 }
}

fn unbuilt(error: &dyn std::fmt::Display) -> Error {
    Error::Internal(format!("the circuit of this plan cannot be built: {error}"))
}

/// Why the evaluator does not take a circuit, and which engine of the study does.
fn refusal(
    study: &Study,
    session: &SessionParties,
    circuit: &Circuit,
    error: &tacit_he::Error,
) -> Error {
    let able = able(study, session, circuit);
    let (has, instead) = if able.is_empty() {
        let none = "no other engine that keeps secrets and that the study allows";
        (format!("and {none} has it"), format!("{none} can"))
    } else {
        let ask = format!("ask with --engine {}", able.join(" or --engine "));
        (format!("which the engines on shares have; {ask}"), format!("or {ask}"))
    };
    let what = match error {
        tacit_he::Error::Unsupported { at, what } => {
            format!("the evaluator of fhe lacks {what} (instruction {at} of the circuit), {has}")
        }
        tacit_he::Error::Input(what) => {
            format!("fhe cannot answer this at once: {what}; {instead}")
        }
        other => other.to_string(),
    };
    Error::NotAllowed { what }
}

/// The engines on shares that the study allows and that have every instruction of a circuit.
fn able(study: &Study, session: &SessionParties, circuit: &Circuit) -> Vec<String> {
    let has = |engine: EngineKind| {
        let compute = study.engines().compute(&engine.to_string()).unwrap_or_default();
        let roster = Roster {
            // A dealer takes part behind the others.
            parties: session.parties.len() + 1,
            compute: compute.iter().filter_map(|name| session.index(name)).collect(),
            dealer: Some(session.parties.len()),
        };
        let lowered = tacit_protocols::lower(circuit, engine.addends(roster.compute.len()));
        tacit_mpc::bill(&lowered, engine, &roster).is_ok()
    };
    let engines = allowed(study).into_iter().filter_map(Backend::engine);
    let able = engines.filter(|&engine| engine != EngineKind::Clear && has(engine));
    able.map(|engine| engine.to_string()).collect()
}
