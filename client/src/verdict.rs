//! [`Verdict`]: what went wrong, when several parties say something about it.
//!
//! A party that is killed is noticed by all others, in different words and moments. What matters to
//! the analyst is the first cause: a mismatch or a failure that a party reports of itself before a
//! loss, and of several losses the one that most parties name.

use std::time::Duration;

use tacit_governance::{
    SessionParties,
    session::{Code, Failure, Mismatch},
};

use crate::{
    Error,
    talk::{cause, mismatch},
};

/// How long others may take to say why they stopped, once one has.
const PATIENCE: Duration = Duration::from_millis(1500);

/// What went wrong.
pub(crate) struct Verdict {
    names: Vec<String>,
    analyst: usize,
    heard: Vec<bool>,
    /// What each party said of its end, and whether it refused.
    said: Vec<Option<(Failure, bool)>>,
    lost: Vec<Option<String>>,
    differs: Option<(usize, Mismatch)>,
    /// Culprit and words of this side's own link.
    own: Option<(Option<usize>, String)>,
    own_failure: Option<Failure>,
}

impl Verdict {
    pub fn new(session: &SessionParties) -> Self {
        let parties = session.parties.len();
        Self {
            names: session.names(),
            analyst: session.analyst,
            heard: vec![false; parties],
            said: vec![None; parties],
            lost: vec![None; parties],
            differs: None,
            own: None,
            own_failure: None,
        }
    }

    /// The party is there.
    pub fn heard(&mut self, index: usize) {
        self.heard[index] = true;
    }

    /// The party cannot be reached or left.
    pub fn lost(&mut self, index: usize, cause: &str) {
        self.lost[index].get_or_insert(cause.to_owned());
    }

    /// The party refused, or took part and failed.
    pub fn failed(&mut self, index: usize, failure: &Failure, refused: bool) {
        self.said[index].get_or_insert((failure.clone(), refused));
    }

    /// The party speaks another version of the protocol, or over another transport.
    pub fn differs(&mut self, index: usize, mismatch: Mismatch) {
        self.differs.get_or_insert((index, mismatch));
    }

    /// This side's own end of the computation failed.
    pub fn own(&mut self, error: &tacit_mpc::Error) {
        match error {
            tacit_mpc::Error::Net(error) => {
                if let tacit_net::Error::Aborted { reason, .. } = error {
                    self.own_failure = Failure::of_reason(reason);
                }
                let known = |culprit: &usize| *culprit < self.names.len();
                self.own = Some((error.culprit().filter(known), cause(error)));
            }
            tacit_mpc::Error::Stopped(reason) => {
                self.own_failure = Failure::of_reason(reason);
                self.own = Some((None, reason.clone()));
            }
            other => self.own = Some((None, other.to_string())),
        }
    }

    /// Whether anything went wrong.
    pub fn is_bad(&self) -> bool {
        self.own.is_some()
            || self.differs.is_some()
            || self.said.iter().any(Option::is_some)
            || self.lost.iter().any(Option::is_some)
    }

    /// How long to wait for what the others say.
    pub fn patience(&self) -> Duration {
        // A refusal stands alone.
        let refused = self.said.iter().flatten().any(|(_, refused)| *refused);
        if refused || self.differs.is_some() { Duration::from_millis(100) } else { PATIENCE }
    }

    /// Whether every one of `parties` has said how it ended.
    pub fn is_complete(&self, parties: &[usize]) -> bool {
        parties.iter().all(|&index| self.said[index].is_some() || self.lost[index].is_some())
    }

    /// The first cause.
    pub fn error(&self, parties: &[usize]) -> Error {
        let analyst = &self.names[self.analyst];
        if let Some((index, found)) = &self.differs {
            // Read on this side: its own value is this side's.
            return Error::ConfigMismatch {
                party: self.names[*index].clone(),
                other: analyst.clone(),
                what: found.what.clone(),
                ours: found.ours.clone(),
                theirs: found.theirs.clone(),
            };
        }
        let said = || {
            let all = self.said.iter().enumerate();
            all.filter_map(|(index, said)| said.as_ref().map(|(failure, no)| (index, failure, *no)))
        };
        for (index, failure, _) in said() {
            if let Some(found) = &failure.mismatch {
                let other = failure.culprit.as_ref().unwrap_or(analyst);
                return mismatch(&self.names[index], other, found.clone());
            }
        }
        let telling = |failure: &Failure| !matches!(failure.code, Code::Network | Code::Cancelled);
        let own_cause = |index: usize, failure: &Failure| {
            failure.culprit.as_ref().is_none_or(|culprit| *culprit == self.names[index])
        };
        let mut reports: Vec<_> = said().filter(|(_, failure, _)| telling(failure)).collect();
        // Who reports of itself comes before who heard of it.
        reports.sort_by_key(|(index, failure, _)| !own_cause(*index, failure));
        if let Some((index, failure, refused)) = reports.first() {
            return self.told(*index, failure, *refused);
        }
        if let Some(failure) = self.own_failure.as_ref().filter(|failure| telling(failure)) {
            let culprit = self.own.as_ref().and_then(|(culprit, _)| *culprit);
            return self.told(culprit.unwrap_or(self.analyst), failure, false);
        }
        self.loss(parties)
    }

    fn told(&self, index: usize, failure: &Failure, refused: bool) -> Error {
        let party = failure.culprit.clone().unwrap_or_else(|| self.names[index].clone());
        let (code, message) = (failure.code.to_string(), failure.message.clone());
        if refused {
            Error::Refused { party, code, message }
        } else {
            Error::Stopped { party, code, message }
        }
    }

    /// The party that most name as lost.
    fn loss(&self, parties: &[usize]) -> Error {
        let mut votes = vec![0; self.names.len()];
        if let Some((Some(culprit), _)) = &self.own
            && let Some(vote) = votes.get_mut(*culprit)
        {
            *vote += 2;
        }
        for (failure, _) in self.said.iter().flatten() {
            let named = failure.culprit.as_ref().filter(|_| failure.code == Code::Network);
            if let Some(index) = named.and_then(|name| self.names.iter().position(|n| n == name)) {
                votes[index] += 2;
            }
        }
        for (index, _) in self.lost.iter().enumerate().filter(|(_, lost)| lost.is_some()) {
            votes[index] += 1;
        }
        votes[self.analyst] = 0;
        let most = votes.iter().copied().max().unwrap_or(0);
        let Some(index) = votes.iter().position(|&vote| vote == most && most > 0) else {
            let (_, words) = self.own.clone().unwrap_or_default();
            let first = self.said.iter().flatten().next();
            let message = first.map_or(words, |(failure, _)| failure.message.clone());
            return Error::Internal(format!("the run ended without a cause: {message}"));
        };
        let own = self.own.as_ref().filter(|(culprit, _)| *culprit == Some(index));
        let heard = self.said.iter().flatten().find_map(|(failure, _)| {
            let about = failure.culprit.as_ref() == Some(&self.names[index]);
            let words = failure.message.strip_prefix(&self.names[index])?;
            about.then(|| words.trim_start().to_owned())
        });
        let lost = self.lost[index].clone();
        let words = lost.or(heard).or(own.map(|(_, words)| words.clone()));
        let silent = parties.iter().filter(|&&other| other != index && !self.heard[other]);
        Error::PeerLost {
            party: self.names[index].clone(),
            cause: words.unwrap_or_else(|| "was lost".to_owned()),
            silent: silent.map(|&other| self.names[other].clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tacit_governance::{KeyPair, Role, SessionParty};

    use super::*;

    const SITES: [usize; 3] = [0, 1, 2];

    fn verdict() -> Verdict {
        let party = |name: &str, role: Role| SessionParty {
            name: name.to_owned(),
            role,
            key: KeyPair::from_seed(&[7; 32]).public(),
            address: None,
        };
        let mut parties: Vec<_> = ["a", "b", "c"].map(|name| party(name, Role::Site)).into();
        parties.push(party("asker", Role::Analyst));
        Verdict::new(&SessionParties {
            engine: "rep3".into(),
            parties,
            compute: SITES.into(),
            key_holders: Vec::new(),
            holders: SITES.into(),
            dealer: None,
            analyst: 3,
        })
    }

    fn network(culprit: &str) -> Failure {
        Failure::new(Code::Network, format!("{culprit} is gone: x")).by(culprit)
    }

    #[test]
    fn a_lost_party_is_named_as_most_name_it() {
        let mut verdict = verdict();
        // b was killed; c, which waited for a, blames a.
        verdict.failed(0, &network("b"), false);
        verdict.failed(2, &network("a"), false);
        verdict.lost(1, "is gone: no sign of life");
        let error = verdict.error(&SITES);
        assert_eq!((error.code(), error.party()), ("peer_lost", Some("b")));
        assert!(error.to_string().contains("no sign of life"), "{error}");
    }

    #[test]
    fn parties_that_never_answered_are_listed() {
        let mut verdict = verdict();
        verdict.heard(0);
        verdict.lost(1, "cannot be reached at x: y");
        verdict.lost(2, "cannot be reached at x: y");
        let Error::PeerLost { party, silent, .. } = verdict.error(&SITES) else { panic!() };
        assert_eq!((party.as_str(), silent), ("b", vec!["c".to_owned()]));
    }

    #[test]
    fn what_a_party_says_of_itself_comes_before_what_others_heard() {
        let mut verdict = verdict();
        verdict.failed(0, &Failure::new(Code::Receipt, "heard of it").by("b"), false);
        verdict.failed(1, &Failure::new(Code::Receipt, "disk full").by("b"), false);
        verdict.lost(2, "is gone: x");
        let error = verdict.error(&SITES);
        assert_eq!((error.code(), error.party()), ("receipt", Some("b")));
        assert!(error.to_string().contains("disk full"), "{error}");
    }

    #[test]
    fn a_mismatch_is_told_with_both_values_and_both_names() {
        let mut verdict = verdict();
        let found = Mismatch { what: "plan".into(), ours: "1".into(), theirs: "2".into() };
        verdict.failed(0, &Failure::from(found).by("c"), false);
        let text = verdict.error(&SITES).to_string();
        assert_eq!(text, "a and c differ in the plan: 1 at a, 2 at c");
    }

    #[test]
    fn what_only_the_own_link_heard_is_told() {
        let mut verdict = verdict();
        verdict.own(&tacit_mpc::Error::Net(tacit_net::Error::Aborted {
            by: 0,
            culprit: Some(1),
            reason: "stopped: data: the table is gone".into(),
        }));
        let error = verdict.error(&SITES);
        assert_eq!((error.code(), error.party()), ("data", Some("b")));
    }

    #[test]
    fn a_blame_on_nobody_of_the_session_is_nobodys() {
        let mut verdict = verdict();
        verdict.own(&tacit_mpc::Error::Net(tacit_net::Error::Aborted {
            by: 0,
            culprit: Some(99),
            reason: "stopped: data: the table is gone".into(),
        }));
        assert_eq!(verdict.error(&SITES).code(), "data");
    }
}
