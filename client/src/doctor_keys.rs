//! What `tacit doctor` looks at where a study allows `fhe`: the folder of keys, one's own share of the
//! decryption key, and the memory that evaluation takes.

use std::path::Path;

use tacit_governance::{Error, FheTerms, KeyPair, KeySet, KeySetFault, Study, Verify, keyset};

use crate::{Finding, Side};

/// Findings about the keys of a study that lies at `path`, with the key of a party if there is one.
/// Nothing if the study does not allow `fhe`.
pub(crate) fn examine(study: &Study, path: &Path, key: Option<&KeyPair>) -> Vec<Finding> {
    let Some(terms) = &study.engines().fhe else {
        return Vec::new();
    };
    let name = key.and_then(|key| study.party_of(&key.public())).map(|party| party.name.as_str());
    let mut findings = Vec::new();
    match KeySet::open(study, path) {
        Err(error) => findings.push(unusable(study, &error)),
        Ok(set) => {
            findings.push(sound(study, &set));
            if let (Some(key), Some(place)) = (key, name.and_then(|name| set.holder(name))) {
                findings.push(share(study, &set, key, place));
            }
        }
    }
    if name.is_some_and(|name| evaluates(terms, name)) {
        findings.extend(memory());
    }
    findings
}

/// Who ever expands the keys: the evaluator, and the key holders unless they trust it.
fn evaluates(terms: &FheTerms, name: &str) -> bool {
    let again = terms.verify == Verify::Reevaluate;
    terms.evaluator == name || again && terms.holders.iter().any(|holder| holder == name)
}

fn unusable(study: &Study, error: &Error) -> Finding {
    let dealer = study.dealer().map_or("the dealer", |dealer| &dealer.name);
    let missing = matches!(error, Error::KeySet { fault, .. }
        if matches!(**fault, KeySetFault::Missing { .. }));
    let fix = if missing {
        format!("get the folder from {dealer}, or have the keys made if there are none yet")
    } else {
        format!("get the folder from {dealer} again, over a way that you trust")
    };
    Finding::bad("keys", error.to_string(), Side::Analyst, fix)
}

/// The parts that are everybody's are those that the dealer signed for, and keys of this study.
fn sound(study: &Study, set: &KeySet) -> Finding {
    let read = set.parts().and_then(|parts| set.read(keyset::CALIBRATION).map(|_| parts));
    let parts = match read {
        Ok(parts) => parts,
        Err(error) => return unusable(study, &error),
    };
    let good = format!("keys {} of {}, signed by {}", set.keys.short(), set.made, set.dealer);
    match fit(study, set, &parts) {
        Ok(true) => Finding::good("keys", good),
        Ok(false) => Finding {
            fix: Some("cargo build --features fhe makes a binary that can ask on fhe".to_owned()),
            ..Finding::good("keys", good + "; this build can only look at their digests")
        },
        Err(what) => Finding::bad(
            "keys",
            what,
            Side::Party(set.dealer.clone()),
            "use the same version of tacit as the dealer, or have the keys made again",
        ),
    }
}

/// Whether the parts could be looked into; what is wrong with them.
#[cfg(feature = "fhe")]
fn fit(study: &Study, set: &KeySet, parts: &[Vec<u8>; 3]) -> Result<bool, String> {
    use tacit_he::{
        PublicKeys,
        keys::{Origin, Scope},
    };
    let scope = Scope::new(study.digest().0, set.holders.len());
    scope
        .and_then(|scope| PublicKeys::from_parts(scope, Origin::Dealer, set.keys.0, parts))
        .map(|_| true)
        .map_err(|error| error.to_string())
}

#[cfg(not(feature = "fhe"))]
#[expect(clippy::unnecessary_wraps, reason = "the build with fhe finds faults")]
fn fit(_study: &Study, _set: &KeySet, _parts: &[Vec<u8>; 3]) -> Result<bool, String> {
    Ok(false)
}

/// This party's own share opens with its key.
fn share(study: &Study, set: &KeySet, key: &KeyPair, place: usize) -> Finding {
    let holder = &set.holders[place];
    let sealed = match set.sealed(holder) {
        Ok(sealed) => sealed,
        Err(error) => {
            return Finding::bad(
                "share",
                error.to_string(),
                Side::Party(holder.clone()),
                format!(
                    "copy {} again, from {} or any party's folder of these keys",
                    set.share(holder).display(),
                    set.dealer
                ),
            );
        }
    };
    match opens(study, set, key, place, &sealed) {
        Ok(true) => Finding::good("share", format!("the share of {holder} opens with this key")),
        Ok(false) => Finding::good(
            "share",
            format!("the share of {holder} is there; this build cannot open it"),
        ),
        Err(what) => Finding::bad(
            "share",
            what,
            Side::Party(set.dealer.clone()),
            format!("{} makes the keys again, for the keys that the study names now", set.dealer),
        ),
    }
}

#[cfg(feature = "fhe")]
fn opens(
    study: &Study,
    set: &KeySet,
    key: &KeyPair,
    place: usize,
    sealed: &[u8],
) -> Result<bool, String> {
    use tacit_he::keys::{Scope, ephemeral, open};
    let none = "the file is no sealed share";
    let ephemeral = ephemeral(sealed).ok_or(none)?;
    let secret = key.agree(&ephemeral).map_err(|error| error.to_string())?;
    let scope = Scope::new(study.digest().0, set.holders.len());
    scope
        .and_then(|scope| open(sealed, &secret, scope, set.keys.0, place))
        .map(|_| true)
        .map_err(|error| error.to_string())
}

#[cfg(not(feature = "fhe"))]
#[expect(clippy::unnecessary_wraps, reason = "the build with fhe finds faults")]
fn opens(
    _study: &Study,
    _set: &KeySet,
    _key: &KeyPair,
    _place: usize,
    _sealed: &[u8],
) -> Result<bool, String> {
    Ok(false)
}

/// Memory for the keys that evaluation expands; nothing where the system does not tell.
#[cfg(feature = "fhe")]
fn memory() -> Option<Finding> {
    use tacit_he::{EvaluationKeys, keys::available_mb};
    Some(enough(available_mb()?, EvaluationKeys::MEMORY_MB))
}

#[cfg(not(feature = "fhe"))]
fn memory() -> Option<Finding> {
    None
}

#[cfg(any(feature = "fhe", test))]
fn enough(available: u64, needed: u64) -> Finding {
    let what =
        format!("{available} MB of memory are free, and evaluating on fhe takes {needed} MB");
    if available >= needed {
        return Finding::good("memory", what);
    }
    Finding::bad(
        "memory",
        what,
        Side::Analyst,
        "end other programs on the machine of this site, or give it more memory",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_evaluator_evaluates_and_key_holders_do_unless_they_trust_it() {
        let mut terms = FheTerms {
            holders: vec!["south".into(), "west".into()],
            evaluator: "north".into(),
            keys: "dealer".into(),
            verify: Verify::Reevaluate,
            wait_days: None,
        };
        let of = |terms: &FheTerms| ["north", "south", "east"].map(|name| evaluates(terms, name));
        assert_eq!(of(&terms), [true, true, false]);
        terms.verify = Verify::Trust;
        assert_eq!(of(&terms), [true, false, false]);
    }

    #[test]
    fn too_little_memory_is_a_fault_that_says_what_to_do() {
        assert!(enough(1800, 1800).ok);
        let short = enough(1799, 1800);
        assert!(!short.ok && short.what.contains("1799 MB") && short.fix.is_some(), "{short:?}");
    }
}
