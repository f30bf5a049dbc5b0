//! From parcels to an answer: parts are added up, what they open is read and released, and what was
//! carried is compared with the bill.

use std::collections::BTreeMap;

use tacit_governance::{KeySet, SessionParties, Timestamp, Verify, phases::Kind};
use tacit_he::{Error as He, Partial, Squashed, Summary, combine};
use tacit_plan::{Digest, Plan};

use super::{
    board::{Board, due},
    prepared::Prepared,
};
use crate::{
    Answer, Backend, Client, Cost, Error, PartyTraffic, PhaseReceipt, Result, RunReceipt, Times,
    ask, explain::fhe_security,
};

/// What the receiver needs of a result that `party` made.
pub(super) fn summary(prepared: &Prepared, bytes: &[u8], party: &str) -> tacit_he::Result<Summary> {
    let released = prepared.program.released();
    match prepared.roles.verify {
        Verify::Reevaluate => Summary::from_bytes(bytes, released, party),
        Verify::Trust => Ok(Squashed::from_bytes(bytes, released, party)?.summary()),
    }
}

/// Who has to be trusted for the keys of a set, and for the reference string of the proofs.
pub(super) fn origin(keys: &KeySet) -> String {
    format!("trusted {}", keys.origin)
}

/// What becomes of an evaluator that deviates.
pub(super) fn evaluator(verify: Verify) -> &'static str {
    match verify {
        Verify::Reevaluate => "reevaluated by every key holder",
        Verify::Trust => "semi-honest",
    }
}

/// Puts the answer together, once everything was made.
///
/// # Errors
/// [`Error::Rejected`] if the parts do not fit together, [`Error::Internal`] if what was carried is not
/// what the bill says; nothing is released then.
pub(super) fn answer(
    client: &Client,
    plan: &Plan,
    session: &SessionParties,
    keys: &KeySet,
    board: &Board,
) -> Result<Answer> {
    let prepared = &board.prepared;
    let roles = &prepared.roles;
    let key = |index: usize| session.parties[index].key;
    let (_, result) = board.carried((Kind::Result, roles.evaluator), &key(roles.evaluator))?;
    let evaluator_name = session.name(roles.evaluator);
    let holders: Vec<String> = roles.key_holders.iter().map(|&index| session.name(index)).collect();
    let rejected = |error: He| match error {
        He::Inconsistent { .. } => Error::Rejected {
            party: format!("one of the key holders {}", holders.join(", ")),
            what: error.to_string(),
        },
        He::Rejected { party, what } => Error::Rejected { party, what },
        other => Error::Internal(other.to_string()),
    };
    let summary = summary(prepared, &result, &evaluator_name).map_err(rejected)?;
    let mut parts = Vec::new();
    for (place, &holder) in roles.key_holders.iter().enumerate() {
        let (_, bytes) = board.carried((Kind::Part, holder), &key(holder))?;
        parts.push(Partial::from_bytes(&bytes, place, &summary).map_err(rejected)?);
    }
    let blocks = combine(&summary, parts.len(), &parts).map_err(rejected)?;
    let opened = prepared.program.decode(&blocks).map_err(rejected)?;
    let opened: Vec<(String, tacit_mpc::Column)> = opened
        .into_iter()
        .filter(|(to, ..)| *to == roles.analyst)
        .map(|(_, name, column)| (name, column))
        .collect();
    let internal = |error: &dyn std::fmt::Display| Error::Internal(error.to_string());
    let opened = tacit_protocols::decode(plan, &opened).map_err(|error| internal(&error))?;
    let (bill, ledger) = (prepared.cost(), ledger(board));
    if ledger != bill {
        return Err(differs(&ledger, &bill));
    }
    let phases = phases(session, board)?;
    let table = ask::release(plan, &opened)?;
    let longest = |name: &str| {
        let of = phases.iter().filter(|phase| phase.phase == name);
        of.map(|phase| phase.seconds).fold(0.0, f64::max)
    };
    let (joint, age) = board.with_job(|job| {
        (longest("evaluate") + longest("decrypt"), job.facts.age_seconds(Timestamp::now()))
    });
    let receipt = RunReceipt {
        session: Digest(board.scope.session).to_string(),
        study: plan.study,
        plan: plan.digest(),
        circuit: prepared.digest,
        engine: Backend::Fhe,
        security: fhe_security(roles.key_holders.len()),
        triples: None,
        keys: Some(origin(keys)),
        crs: Some(origin(keys)),
        evaluator: Some(evaluator(roles.verify).to_owned()),
        transport: client.study.transport(),
        disclosure: plan.disclosure.profile.clone(),
        bill,
        ledger,
        times: Times { local: longest("enter"), queued: 0.0, joint, total: age },
        receipts: phases
            .iter()
            .map(|phase| (format!("{}/{}", phase.party, phase.phase), phase.receipt.clone()))
            .collect::<BTreeMap<_, _>>(),
        phases,
    };
    Ok(Answer { table, receipt: Some(receipt) })
}

/// What was carried, by party: each parcel once from its maker, and once to each that it was given to.
fn ledger(board: &Board) -> Cost {
    let prepared = &board.prepared;
    let names = prepared.names.iter();
    let mut parties: Vec<PartyTraffic> = names
        .map(|name| PartyTraffic { party: name.clone(), rounds: 0, sent: 0, received: 0 })
        .collect();
    let analyst = prepared.roles.analyst;
    for (kind, from) in due(prepared).into_iter().filter(|item| board.has(*item)) {
        let length = prepared.length(kind, from);
        parties[from].sent += length;
        parties[analyst].received += length;
    }
    for (to, (kind, from)) in board.given() {
        let length = prepared.length(kind, from);
        parties[to].received += length;
        parties[analyst].sent += length;
    }
    Cost { rounds: 0, parties }
}

fn differs(ledger: &Cost, bill: &Cost) -> Error {
    let differs = ledger.parties.iter().zip(&bill.parties).find(|(ran, due)| ran != due);
    Error::Internal(match differs {
        Some((ran, due)) => format!(
            "{} made {} bytes and was given {}, and the bill says {} and {}; nothing is released",
            ran.party, ran.sent, ran.received, due.sent, due.received
        ),
        None => "what was carried is not what the bill says; nothing is released".to_owned(),
    })
}

/// What every party did, by phase.
fn phases(session: &SessionParties, board: &Board) -> Result<Vec<PhaseReceipt>> {
    let mut phases = Vec::new();
    for (kind, from) in due(&board.prepared) {
        let (carried, _) = board.carried((kind, from), &session.parties[from].key)?;
        phases.push(PhaseReceipt {
            phase: phase(kind).to_owned(),
            party: session.name(from),
            receipt: carried.receipt.to_string(),
            seconds: carried.seconds,
            bytes: carried.parcel.length,
        });
    }
    Ok(phases)
}

/// The phase in which something is made, as receipts call it.
pub(super) fn phase(kind: Kind) -> &'static str {
    match kind {
        Kind::Upload => "enter",
        Kind::Result => "evaluate",
        Kind::Part => "decrypt",
    }
}
