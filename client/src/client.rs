//! [`Client`]: a study, and perhaps a key to ask with.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tacit_governance::{KeyPair, Role, SessionParties, SignatureState, Study, Timestamp};
use tacit_mpc::{Circuit, EngineKind};
use tacit_net::mesh::{Endpoint, Options, SecretKey, Transport};
use tacit_plan::Plan;
use tacit_sql::{Context, MAX_DOMAIN, ResultTable, Statement};

use crate::{
    Answer, Backend, Cancel, Cost, Error, Explanation, Finding, Profile, Progress, Result, ask,
    doctor, explain,
    prepared::{self, Prepared},
    show,
};

/// The transport that a study names.
pub(crate) fn carrier(transport: tacit_governance::Transport) -> Transport {
    match transport {
        tacit_governance::Transport::Quic => Transport::Quic,
        tacit_governance::Transport::Tcp => Transport::Tcp,
    }
}

/// A study, and perhaps a key to ask with. Blocking; call it from an ordinary thread.
pub struct Client {
    pub(crate) path: PathBuf,
    pub(crate) study: Study,
    pub(crate) asking: Option<Asking>,
    /// Opened with the first question and kept, so that later ones find their connections.
    endpoint: Mutex<Option<Endpoint>>,
    /// How long questions on `fhe` wait for absent parties.
    #[cfg(feature = "fhe")]
    pub(crate) wait: Option<Duration>,
    #[cfg(feature = "fhe")]
    pub(crate) pace: crate::fhe::Pace,
}

/// Who asks.
pub(crate) struct Asking {
    pub name: String,
    pub key: KeyPair,
    /// Where the key lies.
    #[cfg(feature = "fhe")]
    pub path: PathBuf,
}

/// What [`Client::dry_run`] found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DryRun {
    /// The engine that would run.
    pub engine: Backend,
    /// What the run would cost.
    pub bill: Cost,
    /// Each party that would take part, and what it said.
    pub parties: Vec<DryParty>,
}

/// What one party said to a dry run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryParty {
    /// Its name.
    pub party: String,
    /// Whether it would take part.
    pub ready: bool,
    /// Why not.
    pub reason: Option<String>,
}

impl Client {
    /// Opens a study to ask with `key`: checks the study, its signatures, its validity, the mode
    /// of the key file, and that the key is an analyst's of the study.
    ///
    /// # Errors
    /// [`Error::Governance`], each of them with what to do.
    pub fn open(study: &Path, key: &Path) -> Result<Self> {
        let pair = KeyPair::load(key)?;
        let path = study.to_owned();
        let study = Study::open_signed(study, Timestamp::now())?;
        let name = study.require(&pair.public(), Role::Analyst)?.name.clone();
        let asking = Asking {
            name,
            key: pair,
            #[cfg(feature = "fhe")]
            path: key.to_owned(),
        };
        Ok(Self::of(path, study, Some(asking)))
    }

    /// Opens a study without a key: to compile and explain, which needs no site. Signatures are
    /// not looked at.
    ///
    /// # Errors
    /// [`Error::Governance`] if the study cannot be read or contradicts itself.
    pub fn open_study(study: &Path) -> Result<Self> {
        Ok(Self::of(study.to_owned(), Study::open(study)?, None))
    }

    fn of(path: PathBuf, study: Study, asking: Option<Asking>) -> Self {
        Self {
            path,
            study,
            asking,
            endpoint: Mutex::default(),
            #[cfg(feature = "fhe")]
            wait: None,
            #[cfg(feature = "fhe")]
            pace: crate::fhe::Pace::default(),
        }
    }

    /// What speaks against the study's text, for people: signatures beside it that are missing or
    /// do not fit. Empty if every site has signed these bytes.
    pub fn doubts(&self) -> Vec<String> {
        match tacit_governance::verify_all(&self.path) {
            Err(error) => vec![format!("the signatures cannot be checked ({error})")],
            Ok(states) => {
                let bad = states.iter().filter(|(_, state)| *state != SignatureState::Valid);
                bad.map(|(site, state)| format!("the signature of {site} is {state}")).collect()
            }
        }
    }

    /// The study.
    pub fn study(&self) -> &Study {
        &self.study
    }

    /// Compiles a question as every party will.
    ///
    /// # Errors
    /// [`Error::Sql`] with the place in the text and the nearest query that works.
    pub fn compile(&self, sql: &str) -> Result<Statement> {
        let context = Context {
            study: self.study.digest(),
            dictionary: self.study.dictionary(),
            disclosure: self.study.disclosure(),
            rows_at_most: self.study.rows_at_most(),
            sites: self.study.sites().count(),
            max_cells: self.study.max_cells(),
            max_domain: MAX_DOMAIN,
        };
        Ok(tacit_sql::compile(sql, &context)?)
    }

    /// The answer to SHOW TABLES and DESCRIBE, from the study alone; `None` for a query.
    pub fn show(&self, statement: &Statement) -> Option<ResultTable> {
        show::show(&self.study, statement)
    }

    /// Everything that can be told about a query without running it. `profiles` are networks to
    /// estimate for, beside LAN and WAN.
    ///
    /// # Errors
    /// [`Error::Sql`]; [`Error::Usage`] for SHOW TABLES and DESCRIBE.
    pub fn explain(&self, sql: &str, profiles: &[Profile]) -> Result<Explanation> {
        let plan = self.plan(sql)?;
        explain::explain(&self.path, &self.study, plan, self.analyst()?, profiles)
    }

    /// The circuit that would run (lowered for `engine`), or the one the operators wrote (`None`,
    /// and `fhe`); for `Circuit::dot` and `Circuit::json`.
    ///
    /// # Errors
    /// As [`Client::explain`]; [`Error::NotAllowed`].
    pub fn circuit(&self, sql: &str, engine: Option<Backend>) -> Result<Circuit> {
        let plan = self.plan(sql)?;
        let chosen = self.engine(engine)?;
        let session = SessionParties::of(&self.study, &chosen.to_string(), self.analyst()?)?;
        match engine.and_then(Backend::engine) {
            Some(engine) => Ok(Prepared::new(&plan, engine, &session)?.circuit),
            // Homomorphic evaluation keeps the operators' instructions.
            None => tacit_protocols::circuit(&plan, &prepared::parties(&session))
                .map_err(|error| Error::Internal(error.to_string())),
        }
    }

    /// Asks, waits, checks and releases. Without `engine` it is the first that the study allows of
    /// rep3, additive and fhe; `clear` runs only when it is named.
    ///
    /// SHOW TABLES and DESCRIBE are answered from the study, without a receipt.
    ///
    /// # Errors
    /// Every one has a stable [`Error::code`] and names the party and the side at fault.
    pub fn ask(
        &self,
        sql: &str,
        engine: Option<Backend>,
        progress: &mut dyn FnMut(Progress),
        cancel: &Cancel,
    ) -> Result<Answer> {
        let statement = self.compile(sql)?;
        if let Some(table) = self.show(&statement) {
            return Ok(Answer { table, receipt: None });
        }
        let Statement::Query(plan) = statement else {
            return Err(Error::Usage("this statement has no answer".to_owned()));
        };
        let (backend, session) = self.session(engine)?;
        match backend {
            Backend::Mpc(engine) => ask::ask(self, &plan, engine, &session, progress, cancel),
            #[cfg(feature = "fhe")]
            Backend::Fhe => crate::fhe::ask(self, &plan, &session, progress, cancel),
            #[cfg(not(feature = "fhe"))]
            Backend::Fhe => Err(crate::backend::not_built()),
        }
    }

    /// What [`Client::ask`] would do, without running anything on data: compiles, prices, and asks
    /// every party whether it would take part.
    ///
    /// # Errors
    /// As [`Client::ask`] up to the point where parties are asked.
    pub fn dry_run(&self, sql: &str, engine: Option<Backend>) -> Result<DryRun> {
        let plan = self.plan(sql)?;
        let (backend, session) = self.session(engine)?;
        match backend {
            Backend::Mpc(engine) => ask::dry_run(self, &plan, engine, &session),
            #[cfg(feature = "fhe")]
            Backend::Fhe => crate::fhe::dry_run(self, &plan, &session),
            #[cfg(not(feature = "fhe"))]
            Backend::Fhe => Err(crate::backend::not_built()),
        }
    }

    /// Looks at the study, the key, every party, the clocks and this machine's UDP buffers. Nothing
    /// here needs a study that is in force, so that everything that is wrong is found at once.
    pub fn doctor(study: &Path, key: Option<&Path>) -> Vec<Finding> {
        doctor::examine(study, key)
    }

    fn plan(&self, sql: &str) -> Result<Plan> {
        match self.compile(sql)? {
            Statement::Query(plan) => Ok(plan),
            _ => Err(Error::Usage("SHOW TABLES and DESCRIBE are answered from the study".into())),
        }
    }

    /// This side's end of all connections; `connect` is how long to try to reach a party.
    pub(crate) fn endpoint(&self, connect: Duration) -> Result<Endpoint> {
        let Some(asking) = &self.asking else {
            return Err(Error::Usage("a key is needed to ask: open the study with one".into()));
        };
        let mut kept = self.endpoint.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(endpoint) = &*kept {
            return Ok(endpoint.clone());
        }
        let mut options = Options::new(SecretKey::from_seed(*asking.key.seed()))
            .over(carrier(self.study.transport()));
        options.connect = connect;
        let endpoint = Endpoint::bind(options).map_err(|error| Error::Usage(error.to_string()))?;
        Ok(kept.insert(endpoint).clone())
    }

    /// Where the key lies.
    #[cfg(feature = "fhe")]
    pub(crate) fn key_path(&self) -> Result<&Path> {
        let asking = self.asking.as_ref();
        let none = || Error::Usage("a key is needed to ask: open the study with one".into());
        asking.map(|asking| &*asking.path).ok_or_else(none)
    }

    /// The analyst's name; without a key, the first of the study.
    pub(crate) fn analyst(&self) -> Result<&str> {
        if let Some(asking) = &self.asking {
            return Ok(&asking.name);
        }
        let first = self.study.analysts().next();
        first.map(|party| party.name.as_str()).ok_or_else(|| Error::NotAllowed {
            what: "the study names no analyst, so nobody may ask".to_owned(),
        })
    }

    /// The engine asked for, or the default one.
    fn engine(&self, named: Option<Backend>) -> Result<Backend> {
        let allowed = explain::allowed(&self.study);
        let words: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        let words = words.join(", ");
        match named {
            Some(engine) if allowed.contains(&engine) => Ok(engine),
            Some(engine) => Err(Error::NotAllowed {
                what: format!("the study does not allow the engine {engine}; it allows {words}"),
            }),
            None => allowed
                .into_iter()
                .find(|engine| *engine != EngineKind::Clear.into())
                .ok_or_else(|| Error::NotAllowed {
                    what: format!(
                        "the study allows no engine that keeps secrets ({words}); name one with \
                         --engine to run it anyway"
                    ),
                }),
        }
    }

    /// What the question is answered with, and who takes part.
    fn session(&self, engine: Option<Backend>) -> Result<(Backend, SessionParties)> {
        let engine = self.engine(engine)?;
        engine.require_built()?;
        let session = SessionParties::of(&self.study, &engine.to_string(), self.analyst()?)?;
        Ok((engine, session))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.path.display())
    }
}
