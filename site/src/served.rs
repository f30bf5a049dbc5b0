//! [`Served`]: one study that this process serves, and what it decides about a question alone.

use std::path::Path;

use tacit_governance::{
    Party, PublicKey, Role, SessionParties, Study, Timestamp,
    session::{Agreement, Ask, Code, Failure, Mismatch, PROTOCOL_VERSION},
};
use tacit_mpc::{Bill, Circuit, EngineKind, Roster};
use tacit_plan::{Digest, Plan};
use tacit_protocols::Parties;
use tacit_sql::{Context, MAX_DOMAIN, Options, Statement, Tables};

use crate::{
    Error, Limits, Refuse, Result, Serving,
    book::{Asked, Book, Held},
};

/// One study that this process serves.
pub(crate) struct Served {
    pub study: Study,
    /// This party in the study.
    pub me: Party,
    /// The study file.
    #[cfg(feature = "fhe")]
    pub path: std::path::PathBuf,
    /// This site's part of the tables; `None` at the dealer.
    pub tables: Option<Tables>,
    refuse: Refuse,
    per_day: Option<u64>,
}

/// A question that this party has compiled itself, and who takes part in it.
pub(crate) struct Examined {
    pub session: SessionParties,
    /// This party's session index.
    pub me: usize,
    pub plan: Plan,
}

/// A question that this party has compiled itself and is willing to take part in.
pub(crate) struct Job {
    pub plan: Plan,
    pub plan_digest: Digest,
    pub session: SessionParties,
    pub engine: EngineKind,
    pub roster: Roster,
    /// Lowered.
    pub circuit: Circuit,
    pub bill: Bill,
    /// Whether this party sends anything in a round of openings.
    pub opens: bool,
    pub agreement: Agreement,
}

impl Job {
    /// This party's session index.
    pub fn me(&self) -> usize {
        self.agreement.me as usize
    }

    /// Whether this party decides when the joint computation starts: the first compute site.
    pub fn is_lead(&self) -> bool {
        self.session.compute.first() == Some(&self.me())
    }
}

impl Served {
    /// Checks everything about one study that can be checked before anybody asks: that it is in
    /// force, that the key is this party's, and that the tables fit the dictionary.
    pub async fn open(serving: &Serving, key: &PublicKey, cache: &Path) -> Result<Self> {
        let now = Timestamp::now();
        let study = Study::open_signed(&serving.study, now)?;
        let me = study.party(&serving.name)?.clone();
        let wrong = |what: String| Error::Config { at: serving.study.display().to_string(), what };
        if me.key != *key {
            return Err(wrong(format!(
                "the key here is {key}, and the study names {} for {}: use the key that the study \
                 names, or have the study changed and signed again",
                me.key, me.name
            )));
        }
        if let Some(name) = serving.refuse.no_statistic() {
            return Err(wrong(format!(
                "the deny list of {} refuses the statistic {name:?}: there are count, sum and avg",
                me.name
            )));
        }
        for name in serving.refuse.unknown(study.dictionary()) {
            tracing::warn!(%name, "the deny list names what the study does not have");
        }
        let tables = match me.role {
            Role::Site => {
                let missing: Vec<&str> = (study.dictionary().tables.keys())
                    .filter(|name| !serving.tables.contains_key(*name))
                    .map(String::as_str)
                    .collect();
                if !missing.is_empty() {
                    return Err(wrong(format!(
                        "the configuration of {} names no data for the table {} of the study: add \
                         [tables.{}] with its path",
                        me.name,
                        missing.join(", "),
                        missing[0]
                    )));
                }
                let (dictionary, rows) = (study.dictionary(), study.rows_at_most());
                let cache = Some(cache.join(study.digest().short()));
                let options = Options { cache, ..Options::default() };
                Some(Tables::open_with(dictionary, &serving.tables, rows, &options).await?)
            }
            Role::Dealer if serving.tables.is_empty() => None,
            Role::Dealer => return Err(wrong("a dealer holds no tables".to_owned())),
            Role::Analyst => {
                return Err(wrong(format!("{} is an analyst, who serves nothing", me.name)));
            }
        };
        let (refuse, per_day) = (serving.refuse.clone(), serving.queries_per_day);
        Ok(Self {
            study,
            me,
            #[cfg(feature = "fhe")]
            path: serving.study.clone(),
            tables,
            refuse,
            per_day,
        })
    }

    /// The analyst of this study whose key it is.
    pub fn analyst(&self, key: &PublicKey) -> Result<&Party, Failure> {
        self.study
            .require(key, Role::Analyst)
            .map_err(|error| Failure::new(Code::NotAParty, error.to_string()))
    }

    /// Decides about a question: compares version and study, compiles the text, looks at the deny
    /// list, prices the circuit and compares its bill with `limits`. Touches no data. The quota is
    /// debited last, and not for a rehearsal.
    pub fn consider<'a>(
        &self,
        ask: &Ask,
        analyst: &Party,
        epoch: u64,
        limits: &Limits,
        book: &'a Book,
    ) -> Result<(Job, Option<Held<'a>>), Failure> {
        let Examined { session, me, plan } = self.examine(ask, analyst)?;
        if ask.engine == "fhe" {
            let what = format!(
                "the binary of {} was built without homomorphic evaluation: cargo build --features fhe",
                self.me.name
            );
            return Err(Failure::new(Code::Policy, what));
        }
        let job = build(plan, session, me, ask, epoch)?;
        limits.check(&job.bill, me).map_err(|error| Failure::new(Code::Policy, error))?;
        if ask.dry_run {
            return Ok((job, None));
        }
        let held = self.debit(ask, analyst, book)?;
        Ok((job, Some(held)))
    }

    /// Takes one of the analyst's questions of the day.
    pub fn debit<'a>(
        &self,
        ask: &Ask,
        analyst: &Party,
        book: &'a Book,
    ) -> Result<Held<'a>, Failure> {
        let place = Asked { study: ask.study, analyst: analyst.name.clone(), session: ask.session };
        let held = book.debit(place, self.per_day, Timestamp::now());
        held.map_err(|error| Failure::new(Code::Quota, error))
    }

    /// What is looked at whatever the engine: version, study, the parties, the text, the deny list.
    pub fn examine(&self, ask: &Ask, analyst: &Party) -> Result<Examined, Failure> {
        let now = Timestamp::now();
        let differs = |what: &str, ours: String, theirs: String| {
            Failure::from(Mismatch { what: what.to_owned(), ours, theirs })
        };
        if ask.version != PROTOCOL_VERSION {
            let (ours, theirs) = (PROTOCOL_VERSION.to_string(), ask.version.to_string());
            return Err(differs("protocol version", ours, theirs));
        }
        if ask.study != self.study.digest() {
            let (ours, theirs) = (self.study.digest().to_string(), ask.study.to_string());
            return Err(differs("study", ours, theirs));
        }
        let fail = |code: Code| move |error: String| Failure::new(code, error);
        (self.study.valid_at(now)).map_err(|error| fail(Code::Study)(error.to_string()))?;
        let session = SessionParties::of(&self.study, &ask.engine, &analyst.name)
            .map_err(|error| fail(Code::Policy)(error.to_string()))?;
        let me = session.index(&self.me.name).ok_or_else(|| {
            let what = format!("{} has no part in the engine {}", self.me.name, ask.engine);
            Failure::new(Code::Policy, what)
        })?;
        let plan = self.compile(&ask.sql)?;
        self.refuse
            .check(&plan, &analyst.name, &analyst.key.to_string())
            .map_err(fail(Code::Policy))?;
        Ok(Examined { session, me, plan })
    }

    fn compile(&self, sql: &str) -> Result<Plan, Failure> {
        let context = Context {
            study: self.study.digest(),
            dictionary: self.study.dictionary(),
            disclosure: self.study.disclosure(),
            rows_at_most: self.study.rows_at_most(),
            sites: self.study.sites().count(),
            max_cells: self.study.max_cells(),
            max_domain: MAX_DOMAIN,
        };
        match tacit_sql::compile(sql, &context) {
            Ok(Statement::Query(plan)) => Ok(plan),
            Ok(_) => Err(Failure::new(Code::Query, "this is answered from the study")),
            Err(error) => Err(Failure::new(Code::Query, error.to_string())),
        }
    }
}

fn build(
    plan: Plan,
    session: SessionParties,
    me: usize,
    ask: &Ask,
    epoch: u64,
) -> Result<Job, Failure> {
    let engine: EngineKind = ask
        .engine
        .parse()
        .map_err(|error: tacit_mpc::Error| Failure::new(Code::Policy, error.to_string()))?;
    let roster = Roster {
        parties: session.parties.len(),
        compute: session.compute.clone(),
        dealer: session.dealer,
    };
    engine.check(&roster).map_err(|error| Failure::new(Code::Policy, error.to_string()))?;
    let parties = Parties { holders: session.holders.clone(), analyst: session.analyst };
    let internal = |error: &dyn std::fmt::Display| Failure::new(Code::Internal, error.to_string());
    let written = tacit_protocols::circuit(&plan, &parties).map_err(|error| internal(&error))?;
    let circuit = tacit_protocols::lower(&written, engine.addends(roster.compute.len()));
    let bill = tacit_mpc::bill(&circuit, engine, &roster).map_err(|error| internal(&error))?;
    let schedule =
        tacit_mpc::schedule(&circuit, engine, &roster).map_err(|error| internal(&error))?;
    let opens = schedule.layers.iter().any(|layer| {
        layer.opens && layer.bytes.iter().any(|(&(from, _), &bytes)| from == me && bytes > 0)
    });
    let digest = Digest(circuit.digest());
    let agreement = Agreement::of(&plan, &session, digest, ask.session, me, epoch);
    let plan_digest = agreement.plan;
    Ok(Job { plan, plan_digest, session, engine, roster, circuit, bill, opens, agreement })
}
