//! What a question would take on `fhe`: bytes exactly, seconds from a calibration.

use std::path::Path;

use tacit_governance::{KeySet, SessionParties, Study, Verify, keyset, phases::Kind};
use tacit_he::{Calibration, EvaluationKeys};
use tacit_plan::Plan;

use super::{
    outcome::{evaluator, phase},
    prepared::{Prepared, terms},
};
use crate::{
    Backend, Encrypted, EncryptedPhase, EncryptedTime, EngineExplanation, Estimate, Learns,
    Profile,
    explain::{fhe_security, stats},
};

/// What a question would take on `fhe`; the study lies at `at`. Needs no keys: without them, or with
/// keys that cannot be read, speed is that of a machine that was measured.
///
/// # Errors
/// Why it cannot be answered on `fhe`, and what to do instead.
pub(crate) fn price(
    at: &Path,
    study: &Study,
    plan: &Plan,
    session: &SessionParties,
    networks: &[Profile],
    learns: Vec<Learns>,
) -> Result<EngineExplanation, String> {
    let prepared = Prepared::new(study, plan, session).map_err(|error| error.to_string())?;
    let roles = &prepared.roles;
    let name = |index: usize| session.name(index);
    let key_holders: Vec<String> = roles.key_holders.iter().map(|&index| name(index)).collect();
    let bill = prepared.cost();
    let time = time(at, study, &prepared);
    let phases = [Kind::Upload, Kind::Result, Kind::Part].map(|kind| {
        let parties: Vec<usize> =
            (0..session.parties.len()).filter(|&i| roles.makes(i).contains(&kind)).collect();
        EncryptedPhase {
            phase: phase(kind).to_owned(),
            parties: parties.iter().map(|&index| name(index)).collect(),
            given: parties.iter().map(|&index| prepared.given_for(kind, index)).collect(),
            made: parties.iter().map(|&index| prepared.length(kind, index)).collect(),
        }
    });
    let carried = bill.parties[roles.analyst].sent + bill.parties[roles.analyst].received;
    let estimate = |profile: &Profile| Estimate {
        profile: profile.name.clone(),
        latency_ms: profile.latency_ms,
        mbit_per_s: profile.mbit_per_s,
        seconds: time.enter
            + time.evaluator
            + time.holder
            + carried as f64 * 8.0 / (profile.mbit_per_s * 1e6)
            // A question, an answer and a step of every phase.
            + 2.0 * 6.0 * profile.latency_ms / 1e3,
    };
    let estimates = networks.iter().map(estimate).collect();
    Ok(EngineExplanation {
        engine: Backend::Fhe,
        security: fhe_security(key_holders.len()),
        triples: None,
        learns,
        circuit: prepared.digest,
        stats: stats(&prepared.circuit),
        bill,
        number_triples: 0,
        bit_triples: 0,
        peak_bytes: peak_bytes(&prepared),
        seconds: estimates,
        encrypted: Some(Encrypted {
            trust: trust(study, &prepared, &key_holders),
            key_holders,
            evaluator: name(roles.evaluator),
            phases: phases.to_vec(),
            squashed: prepared.bill.released,
            distance_bits: prepared.bill.distance_bits,
            wait_days: roles.wait_days,
            time: Some(time),
        }),
    })
}

/// Memory of a party that evaluates: keys, uploads and what is made of them.
fn peak_bytes(prepared: &Prepared) -> u64 {
    let bill = &prepared.bill;
    (EvaluationKeys::MEMORY_MB << 20) + bill.memory + bill.uploads.iter().sum::<u64>()
}

/// Who is trusted for what.
fn trust(study: &Study, prepared: &Prepared, key_holders: &[String]) -> Vec<String> {
    let roles = &prepared.roles;
    let evaluates = &prepared.names[roles.evaluator];
    let source = terms(study).map_or("dealer", |terms| &terms.keys);
    let dealer = study.dealer().map_or(source, |dealer| &dealer.name);
    let mut trust = vec![
        format!(
            "key holders: {}, all of them together decrypt, and no fewer; one that is honest keeps \
             everything secret, and one that loses its share ends what was encrypted",
            key_holders.join(", ")
        ),
        format!(
            "keys: trusted {source} ({dealer}), who made them and must have forgotten them; CRS: \
             trusted {source}, who could forge proofs of encryption"
        ),
    ];
    trust.push(match roles.verify {
        Verify::Reevaluate => format!(
            "evaluator: {} ({evaluates}); what deviates in a bit is not decrypted",
            evaluator(roles.verify)
        ),
        Verify::Trust => format!(
            "evaluator: {} ({evaluates}); key holders decrypt what it says is the result",
            evaluator(roles.verify)
        ),
    });
    trust
}

/// Processor seconds that every party that evaluates spends on reading, checking and expanding the keys,
/// at the speed of [`Calibration::REFERENCE`]: what a question of one cell took beyond its cell and proofs.
const KEYS: f64 = 16.0;
/// Processor seconds of encrypting what is under one proof, and proving it, at the same speed.
const PROVE: f64 = 1.4;
/// Processor seconds of checking one such proof.
const CHECK: f64 = 0.85;

/// How long it takes, from the calibration beside the study, or from a known machine.
fn time(at: &Path, study: &Study, prepared: &Prepared) -> EncryptedTime {
    let (calibration, source) = calibration(at, study);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // What no calibration has is taken to be as much slower or faster as lookups are.
    let speed = calibration.looked_up / Calibration::REFERENCE.looked_up / cores as f64;
    let fields = prepared.program.fields();
    let proofs: Vec<usize> = fields.iter().map(|fields| tacit_he::proofs(fields)).collect();
    let enter = PROVE * speed * proofs.iter().copied().max().unwrap_or(0) as f64;
    let ready = speed * (KEYS + CHECK * proofs.iter().sum::<usize>() as f64);
    let evaluation = ready + calibration.time(&prepared.bill.work, cores).as_secs_f64();
    let again = prepared.roles.verify == Verify::Reevaluate;
    let mut assumptions = vec![
        source,
        format!(
            "the evaluator and every key holder have {cores} cores, like this machine, each as fast as \
             that, and {} MB of free memory",
            peak_bytes(prepared).div_ceil(1 << 20)
        ),
        "one evaluation at a time at each of them, and none before this one; reading and expanding the \
         keys, and checking proofs, are in it"
            .to_owned(),
    ];
    assumptions.push(if again {
        "key holders evaluate again side by side, each when it has the result; decrypting itself \
         takes milliseconds"
            .to_owned()
    } else {
        "key holders do not evaluate again: decrypting takes milliseconds".to_owned()
    });
    let holder = if again { evaluation } else { 0.0 };
    EncryptedTime { enter, evaluator: evaluation, holder, cores, assumptions }
}

/// How fast a core is, and where that was measured.
fn calibration(at: &Path, study: &Study) -> (Calibration, String) {
    let measured = || {
        let keys = KeySet::open(study, at).ok()?;
        let bytes = keys.read(keyset::CALIBRATION).ok()?;
        let calibration = serde_json::from_slice(&bytes).ok()?;
        Some((calibration, format!("speed as measured by {} when it made the keys", keys.dealer)))
    };
    measured().unwrap_or_else(|| {
        let source = "speed as of the machine on which tacit was measured, since the study's keys, with a \
                      measurement of their own, are not here";
        (Calibration::REFERENCE, source.to_owned())
    })
}
