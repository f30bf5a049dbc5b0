//! How an [`Explanation`] is made: compile, price for every engine, say who learns what.

use std::{collections::BTreeMap, path::Path};

use tacit_governance::{SessionParties, Study};
use tacit_mpc::{Circuit, Kind};
use tacit_plan::{Audience, Plan, Rows, Rule};

use crate::{
    Backend, Cost, EngineExplanation, Estimate, Explanation, Learns, Profile, Result, Stats,
    Unpriced, Width,
    prepared::{self, Prepared},
};

/// Everything that can be told about `plan` without running it; the study lies at `at`.
pub(crate) fn explain(
    at: &Path,
    study: &Study,
    plan: Plan,
    analyst: &str,
    profiles: &[Profile],
) -> Result<Explanation> {
    let mut networks = vec![Profile::lan(), Profile::wan()];
    networks.extend_from_slice(profiles);
    let (mut engines, mut unpriced) = (Vec::new(), Vec::new());
    let mut written = None;
    for backend in allowed(study) {
        let session = SessionParties::of(study, &backend.to_string(), analyst)?;
        let learns = learns(study, &plan, &session);
        if written.is_none() {
            let circuit = tacit_protocols::circuit(&plan, &prepared::parties(&session))
                .map_err(|error| crate::Error::Internal(error.to_string()))?;
            written = Some((stats(&circuit), learns.clone()));
        }
        match backend {
            Backend::Mpc(engine) => {
                let prepared = Prepared::new(&plan, engine, &session)?;
                engines.push(of_engine(&prepared, &networks, learns));
            }
            Backend::Fhe => match encrypted(at, study, &plan, &session, &networks, learns) {
                Ok(priced) => engines.push(priced),
                Err(reason) => unpriced.push(Unpriced { engine: backend, reason }),
            },
        }
    }
    let (circuit, learns) = written.unwrap_or_default();
    Ok(Explanation {
        sql: plan.sql.clone(),
        study: plan.study,
        transport: study.transport(),
        plan_digest: plan.digest(),
        cells: plan.cells(),
        local: plan.local.clone(),
        circuit,
        learns,
        engines,
        unpriced,
        may_be_hidden: may_be_hidden(&plan),
        notes: plan.notes.clone(),
        plan,
    })
}

/// What `fhe` would take, or why that cannot be told.
#[cfg(feature = "fhe")]
fn encrypted(
    at: &Path,
    study: &Study,
    plan: &Plan,
    session: &SessionParties,
    networks: &[Profile],
    learns: Vec<Learns>,
) -> Result<EngineExplanation, String> {
    crate::fhe::price(at, study, plan, session, networks, learns)
}

#[cfg(not(feature = "fhe"))]
fn encrypted(
    _: &Path,
    _: &Study,
    _: &Plan,
    _: &SessionParties,
    _: &[Profile],
    _: Vec<Learns>,
) -> Result<EngineExplanation, String> {
    Err(format!("it cannot be priced here: {}", crate::backend::not_built()))
}

/// The engines that a study allows, the default first.
pub(crate) fn allowed(study: &Study) -> Vec<Backend> {
    study.engines().names().iter().filter_map(|name| name.parse().ok()).collect()
}

fn of_engine(prepared: &Prepared, networks: &[Profile], learns: Vec<Learns>) -> EngineExplanation {
    let estimate = |profile: &Profile| Estimate {
        profile: profile.name.clone(),
        latency_ms: profile.latency_ms,
        mbit_per_s: profile.mbit_per_s,
        seconds: profile.seconds(&prepared.bill),
    };
    EngineExplanation {
        engine: prepared.engine.into(),
        security: prepared.engine.security().to_owned(),
        triples: prepared.engine.triples().map(str::to_owned),
        learns,
        circuit: prepared.digest,
        stats: stats(&prepared.circuit),
        bill: Cost::of_bill(&prepared.bill, &prepared.names),
        number_triples: prepared.bill.triples,
        bit_triples: prepared.bill.bit_triples,
        peak_bytes: prepared.bill.peak_bytes,
        seconds: networks.iter().map(estimate).collect(),
        encrypted: None,
    }
}

/// Size of a circuit.
pub(crate) fn stats(circuit: &Circuit) -> Stats {
    let mut widths: BTreeMap<(Kind, usize), usize> = BTreeMap::new();
    for shape in circuit.shapes() {
        *widths.entry((shape.kind, shape.rows)).or_default() += 1;
    }
    let width = |((kind, rows), columns): ((Kind, usize), usize)| Width {
        kind: match kind {
            Kind::Num => "num".to_owned(),
            Kind::Bit => "bit".to_owned(),
            Kind::Field => "field".to_owned(),
        },
        rows,
        columns,
    };
    Stats {
        instructions: circuit.instructions().len(),
        depth: circuit.stats().depth,
        widths: widths.into_iter().map(width).collect(),
    }
}

fn may_be_hidden(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, test) in plan.tests.iter().enumerate() {
        let hides: Vec<&str> = plan
            .numbers
            .iter()
            .filter(|number| number.hidden_by.contains(&index))
            .map(|number| number.expression.as_str())
            .collect();
        if hides.is_empty() {
            continue;
        }
        let count = &plan.inputs[test.plus].expression;
        let minus = test.minus.map(|minus| format!(" less {}", plan.inputs[minus].expression));
        let minus = minus.unwrap_or_default();
        let between = match test.below {
            Some(below) => format!("is {} to {}", test.least, below.saturating_sub(1)),
            None => format!("is {} or more", test.least),
        };
        let rule = match test.rule {
            Rule::Total => "too few pass the WHERE",
            Rule::Group => "the group is too small",
            Rule::Contribution => "too few contribute",
            Rule::Indicator => "one value of an indicator is too rare",
            Rule::Nested => "two counts differ by too few",
            Rule::SiteFloor => "a site holds too few",
        };
        let scope = match test.rows {
            Rows::Total => "everywhere",
            Rows::Cells => "in a cell",
        };
        lines.push(format!(
            "{} {scope}, where {count}{minus} {between}: {rule}",
            unique(&hides).join(", ")
        ));
    }
    lines
}

fn unique<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for word in words {
        if !seen.contains(word) {
            seen.push(word);
        }
    }
    seen
}

/// What `fhe` resists with so many key holders.
pub(crate) fn fhe_security(key_holders: usize) -> String {
    format!(
        "semi-honest, all but one of the key holders ({} of {key_holders})",
        key_holders.saturating_sub(1)
    )
}

/// Who learns what with an engine.
fn learns(study: &Study, plan: &Plan, session: &SessionParties) -> Vec<Learns> {
    let sites: Vec<String> = study.sites().map(|site| site.name.clone()).collect();
    let compute: Vec<String> = session.compute.iter().map(|&index| session.name(index)).collect();
    let dealer = match session.dealer {
        Some(index) => Some(session.name(index)),
        // It made the keys, and is not in the session.
        None if !session.key_holders.is_empty() => study.dealer().map(|party| party.name.clone()),
        None => None,
    };
    let key_holders: Vec<String> =
        session.key_holders.iter().map(|&index| session.name(index)).collect();
    let security = match session.engine.parse() {
        Ok(Backend::Mpc(engine)) => engine.security().to_owned(),
        Ok(Backend::Fhe) => fhe_security(key_holders.len()),
        Err(_) => String::new(),
    };
    let audience = Audience {
        sites: &sites,
        compute: &compute,
        dealer: dealer.as_deref(),
        analyst: &session.name(session.analyst),
        engine: &session.engine,
        security: &security,
        key_holders: &key_holders,
    };
    let all = plan.who_learns(&audience).into_iter();
    all.map(|one| Learns { who: one.party, what: one.learns }).collect()
}
