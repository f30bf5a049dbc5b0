//! How parties meet on a link: they compare agreements before any share, and tell each other why a
//! session ends.

use tacit_plan::Digest;

use crate::{
    Error,
    session::{Agreement, Code, Failure, Mismatch, decode},
};

impl Agreement {
    /// Checks the greeting of session party `from`: the bytes of its agreement, which must say the
    /// same as this party's and the epoch that all were told to start with.
    ///
    /// # Errors
    /// A mismatch with both values, or a message that is none. The culprit is for the caller, who
    /// knows the names.
    pub fn meet(&self, from: usize, epochs: &[u64], greeting: &[u8]) -> Result<(), Failure> {
        let theirs: Self = decode(greeting).map_err(|error| match error {
            Error::ConfigMismatch(mismatch) => Failure::from(mismatch),
            other => Failure::new(Code::Message, other.to_string()),
        })?;
        self.compare(&theirs)?;
        let told = epochs.get(from).copied();
        let (what, ours, theirs) = if theirs.me as usize != from {
            ("party index", from as u64, u64::from(theirs.me))
        } else if told != Some(theirs.epoch) {
            ("restart epoch", told.unwrap_or_default(), theirs.epoch)
        } else {
            return Ok(());
        };
        let (ours, theirs) = (ours.to_string(), theirs.to_string());
        Err(Mismatch { what: what.to_owned(), ours, theirs }.into())
    }
}

/// The restart epochs of all parties, in link order, as the one number that goes into every seed.
pub fn mixed_epoch(epochs: &[u64]) -> u64 {
    let bytes: Vec<u8> = epochs.iter().flat_map(|epoch| epoch.to_le_bytes()).collect();
    let Digest(hash) = Digest::of_bytes(&bytes);
    u64::from_le_bytes(std::array::from_fn(|i| hash[i]))
}

impl Failure {
    /// What the other parties of a session are told: `code: message`.
    pub fn reason(&self) -> String {
        format!("{}: {}", self.code, self.message)
    }

    /// Reads the reason that a peer gave. `None` if it is no failure's but the transport's own.
    pub fn of_reason(reason: &str) -> Option<Self> {
        // The engine puts this before what its owner said.
        let reason = reason.strip_prefix("stopped: ").unwrap_or(reason);
        let (word, message) = reason.split_once(": ")?;
        let code = serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()?;
        Some(Self::new(code, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{PROTOCOL_VERSION, encode, encode_as};

    fn agreement(me: u32) -> Agreement {
        Agreement {
            version: PROTOCOL_VERSION,
            study: Digest([1; 32]),
            session: [2; 32],
            plan: Digest([3; 32]),
            circuit: Digest([4; 32]),
            engine: "rep3".into(),
            keys: Digest([0; 32]),
            parties: ["a", "b", "c"].map(str::to_owned).to_vec(),
            me,
            epoch: 10 + u64::from(me),
        }
    }

    #[test]
    fn equal_agreements_meet_and_others_say_what_differs() {
        let epochs = [10, 11, 12];
        let ours = agreement(0);
        assert!(ours.meet(1, &epochs, &encode(&agreement(1)).unwrap()).is_ok());
        let differs = |greeting: &[u8], from: usize| {
            let failure = ours.meet(from, &epochs, greeting).unwrap_err();
            failure.mismatch.unwrap().what
        };
        let other = Agreement { study: Digest([9; 32]), ..agreement(1) };
        assert_eq!(differs(&encode(&other).unwrap(), 1), "study");
        assert_eq!(differs(&encode(&agreement(1)).unwrap(), 2), "party index");
        let restarted = Agreement { epoch: 99, ..agreement(1) };
        assert_eq!(differs(&encode(&restarted).unwrap(), 1), "restart epoch");
        assert_eq!(differs(&encode_as(7, &agreement(1)).unwrap(), 1), "protocol version");
        let senseless = ours
            .meet(1, &epochs, &[&PROTOCOL_VERSION.to_le_bytes()[..], &[255]].concat())
            .unwrap_err();
        assert_eq!(senseless.code, Code::Message);
    }

    #[test]
    fn a_code_survives_an_abort_frame() {
        let failure = Failure::new(Code::Receipt, "disk full: 3");
        assert_eq!(Failure::of_reason(&failure.reason()), Some(failure.clone()));
        let through_the_engine = format!("stopped: {}", failure.reason());
        assert_eq!(Failure::of_reason(&through_the_engine), Some(failure));
        assert_eq!(Failure::of_reason("party 2 is gone: x"), None);
    }

    #[test]
    fn a_restart_of_any_party_changes_the_epoch_of_all() {
        assert_ne!(mixed_epoch(&[1, 2, 3]), mixed_epoch(&[1, 2, 4]));
    }
}
