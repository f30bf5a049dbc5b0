//! What `tacit doctor` is made of: findings, each with the side at fault and the fix.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tacit_governance::{KeyPair, Party, Role, SignatureState, Study, Timestamp};
use tacit_net::{
    mesh::{Endpoint, Options, SecretKey},
    quic::Buffers,
};
use tacit_plan::Digest;

use crate::{
    Side,
    client::carrier,
    doctor_keys,
    reach::{Reached, reach},
};

/// UDP buffers of this many bytes hold a round trip of 100 Mbit/s over 80 ms.
const ENOUGH: usize = 1 << 20;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Whether it is as it should be.
    pub ok: bool,
    /// Short name of the check: `key`, `study`, `signatures`, `validity`, `reach NAME`, `clock NAME`,
    /// `udp`, `tcp`; where the study allows `fhe`, `keys`, `share` and `memory`.
    pub check: String,
    /// What was found.
    pub what: String,
    /// Who has to mend it, if anything is to be mended.
    pub side: Option<Side>,
    /// What to do.
    pub fix: Option<String>,
}

impl Finding {
    pub(crate) fn good(check: impl Into<String>, what: impl Into<String>) -> Self {
        Self { ok: true, check: check.into(), what: what.into(), side: None, fix: None }
    }

    pub(crate) fn bad(
        check: impl Into<String>,
        what: impl Into<String>,
        side: Side,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            ok: false,
            check: check.into(),
            what: what.into(),
            side: Some(side),
            fix: Some(fix.into()),
        }
    }
}

/// Looks at everything that the analyst's side can see; what does not depend on a broken part is
/// looked at nevertheless.
pub(crate) fn examine(study: &Path, key: Option<&Path>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let key = key.map(|path| (path, KeyPair::load(path)));
    match &key {
        None => {}
        Some((path, Ok(key))) => findings.push(Finding::good(
            "key",
            format!("{} holds {}, readable by its owner alone", path.display(), key.public()),
        )),
        Some((_, Err(error))) => findings.push(Finding::bad(
            "key",
            error.to_string(),
            Side::Analyst,
            "tacit key new makes one; chmod 600 closes one that others can read",
        )),
    }
    let key = key.and_then(|(_, key)| key.ok());
    match Study::open(study) {
        Ok(found) => examine_study(study, &found, key.as_ref(), &mut findings),
        Err(error) => findings.push(Finding::bad(
            "study",
            error.to_string(),
            Side::Analyst,
            "get the study file from the sites again",
        )),
    }
    findings
}

fn examine_study(path: &Path, study: &Study, key: Option<&KeyPair>, findings: &mut Vec<Finding>) {
    findings.push(Finding::good(
        "study",
        format!(
            "{} is well-formed, digest {}, transport {}",
            study.name(),
            study.digest().short(),
            study.transport()
        ),
    ));
    match tacit_governance::verify_all(path) {
        Err(error) => findings.push(Finding::bad(
            "signatures",
            error.to_string(),
            Side::Analyst,
            "the signature files must lie beside the study",
        )),
        Ok(states) => {
            let wrong = states.iter().filter(|(_, state)| *state != SignatureState::Valid);
            let mut wrong = wrong.peekable();
            if wrong.peek().is_none() {
                findings.push(Finding::good("signatures", "every site has signed these bytes"));
            }
            for (site, state) in wrong {
                findings.push(Finding::bad(
                    "signatures",
                    format!("the signature of {site} is {state}"),
                    Side::Party(site.clone()),
                    format!(
                        "compare the study with {site}'s copy; then {site} runs tacit study sign"
                    ),
                ));
            }
        }
    }
    findings.push(match study.valid_at(Timestamp::now()) {
        Ok(()) => Finding::good("validity", "the study is in force"),
        Err(error) => Finding::bad(
            "validity",
            error.to_string(),
            Side::Analyst,
            "look at this machine's clock; else the sites agree on a new study and sign it",
        ),
    });
    findings.extend(doctor_keys::examine(study, path, key));
    let Some(key) = key else { return };
    let party = study.party_of(&key.public());
    match party {
        Some(party) => findings
            .push(Finding::good("key", format!("it is the key of {} {}", party.role, party.name))),
        None => findings.push(Finding::bad(
            "key",
            format!("the key {} is no party's of this study", key.public()),
            Side::Analyst,
            "use the key that the study names, or have this one added and the study signed again",
        )),
    }
    let transport = study.transport();
    let options = Options::new(SecretKey::from_seed(*key.seed())).over(carrier(transport));
    match Endpoint::bind(options) {
        Err(error) => findings.push(Finding::bad(
            transport.ports().to_lowercase(),
            error.to_string(),
            Side::Analyst,
            format!("see that this machine allows {} sockets", transport.ports()),
        )),
        Ok(endpoint) => {
            findings.extend(endpoint.socket_buffers().map(buffers));
            if party.is_some() {
                // A dealer that makes keys alone serves nobody.
                let serves = |other: &Party| {
                    other.role != Role::Dealer || study.engines().additive.is_some()
                };
                let others = study.parties().iter().filter(|other| serves(other));
                let others = others.filter(|other| other.key != key.public());
                let asked: Vec<_> = others
                    .filter(|other| other.address.is_some())
                    .map(|other| {
                        let (endpoint, other) = (endpoint.clone(), other.clone());
                        let digest = study.digest();
                        std::thread::spawn(move || reach(&endpoint, &other, digest))
                    })
                    .collect();
                let reached: Vec<Reached> =
                    asked.into_iter().filter_map(|thread| thread.join().ok()).collect();
                let signed =
                    findings.iter().all(|finding| finding.ok || finding.check != "signatures");
                match odd(study.digest(), signed, &reached) {
                    Some(theirs) => blame_this_file(study.digest(), theirs, reached, findings),
                    None => findings.extend(reached.into_iter().flat_map(|one| one.findings)),
                }
            }
        }
    }
}

fn buffers(buffers: Buffers) -> Finding {
    let Buffers { asked, send, receive } = buffers;
    let what = format!(
        "UDP buffers: {} kB to send and {} kB to receive, asked for {} kB",
        send >> 10,
        receive >> 10,
        asked >> 10
    );
    if !buffers.short() {
        return Finding::good("udp", what);
    }
    let fix = format!("sysctl -w net.core.rmem_max={asked} net.core.wmem_max={asked}");
    if send.min(receive) >= ENOUGH {
        // A hint, not a fault: everything works, the largest transfers could be faster.
        return Finding { fix: Some(fix), ..Finding::good("udp", what) };
    }
    Finding::bad("udp", what + "; large transfers may be slow", Side::Analyst, fix)
}

/// The study that every party serves which answered, if it is the file here that differs: there are
/// several of them, or the signatures beside the file do not fit it either.
fn odd(ours: Digest, signed: bool, reached: &[Reached]) -> Option<Digest> {
    let mut served = reached.iter().filter_map(|one| one.study);
    let first = served.next().filter(|first| *first != ours)?;
    let mut others = 0;
    for other in served {
        if other != first {
            return None;
        }
        others += 1;
    }
    (others > 0 || !signed).then_some(first)
}

/// One finding against the file here instead of one against each party.
fn blame_this_file(
    ours: Digest,
    theirs: Digest,
    reached: Vec<Reached>,
    findings: &mut Vec<Finding>,
) {
    let fix = "get the study file and its signatures from the sites again";
    for finding in findings.iter_mut().filter(|f| !f.ok && f.check == "signatures") {
        finding.side = Some(Side::Analyst);
        finding.fix = Some(fix.to_owned());
    }
    let all = reached.into_iter().flat_map(|one| one.findings);
    findings.extend(all.filter(|finding| !finding.check.starts_with("study ")));
    let what = format!(
        "the file here is the odd one: every party that answered serves the study {theirs}, here \
         it is {ours}"
    );
    findings.push(Finding::bad("study", what, Side::Analyst, fix));
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Digest = Digest([1; 32]);
    const NEW: Digest = Digest([2; 32]);
    const OTHER: Digest = Digest([3; 32]);

    fn reached(studies: &[Option<Digest>]) -> Vec<Reached> {
        let one = |(at, study): (usize, &Option<Digest>)| Reached {
            findings: vec![Finding::bad(
                format!("study site{at}"),
                "differs",
                Side::Party(format!("site{at}")),
                "compare",
            )],
            study: *study,
        };
        studies.iter().enumerate().map(one).collect()
    }

    #[test]
    fn the_file_here_is_the_odd_one_where_all_others_agree() {
        let odd = |signed, studies: &[Option<Digest>]| odd(OURS, signed, &reached(studies));
        assert_eq!(odd(true, &[Some(NEW), None, Some(NEW)]), Some(NEW));
        assert_eq!(odd(true, &[Some(NEW), Some(OURS)]), None);
        assert_eq!(odd(true, &[Some(OURS), Some(OURS)]), None);
        assert_eq!(odd(true, &[Some(NEW), Some(OTHER)]), None);
        assert_eq!(odd(true, &[None, None]), None);
        // One against one: the signatures tell.
        assert_eq!(odd(true, &[Some(NEW)]), None);
        assert_eq!(odd(false, &[Some(NEW)]), Some(NEW));
    }

    #[test]
    fn an_odd_file_is_the_only_thing_to_blame() {
        let unsigned = |site: &str| {
            Finding::bad("signatures", "altered", Side::Party(site.to_owned()), "sign again")
        };
        let mut findings = vec![unsigned("site0"), unsigned("site1")];
        blame_this_file(OURS, NEW, reached(&[Some(NEW), Some(NEW)]), &mut findings);
        assert_eq!(findings.len(), 3);
        assert!(findings.iter().all(|finding| finding.side == Some(Side::Analyst)));
        assert!(findings[2].what.contains("the file here is the odd one"));
    }
}
