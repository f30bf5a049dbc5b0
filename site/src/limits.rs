//! [`Limits`]: what one question, and one analyst, may take of this machine.

use serde::{Deserialize, Serialize};
use tacit_mpc::Bill;

/// The `[limits]` of `site.toml`.
///
/// ```toml
/// [limits]
/// memory_mib = 4096               # a circuit that needs more is refused
/// traffic_mib = 65536             # sent and received by this party in one query
/// conversations = 64              # open at once, of one analyst
/// refusals_per_minute = 20        # beyond that, questions are turned away unread
/// fhe_open = 256                  # questions on fhe that have not ended, of one analyst
/// fhe_store_mib = 4096            # kept for all questions on fhe
/// fhe_minutes = 60                # of evaluation here, as calibrated
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most MiB that a circuit's columns and frames may take at once, by its bill.
    pub memory_mib: u64,
    /// Most MiB that this party may send and receive in one query, by its bill.
    pub traffic_mib: u64,
    /// Conversations that one analyst may hold open: its queries that run or wait.
    pub conversations: usize,
    /// Questions of one analyst that may be refused or called off within a minute. Each leaves a
    /// receipt; those beyond leave one together.
    pub refusals_per_minute: u64,
    /// Questions on `fhe` of one analyst that have not ended.
    pub fhe_open: usize,
    /// Most MiB of ciphertexts that are kept for all questions on `fhe`.
    pub fhe_store_mib: u64,
    /// Most minutes that an evaluation may take on this machine, as the study's calibration says.
    pub fhe_minutes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mib: 4 << 10,
            traffic_mib: 64 << 10,
            // Fifty queries at once are served.
            conversations: 64,
            refusals_per_minute: 20,
            fhe_open: 256,
            fhe_store_mib: 4 << 10,
            fhe_minutes: 60,
        }
    }
}

impl Limits {
    /// Whether nothing was changed.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the numbers allow any work at all.
    pub(crate) fn sound(&self) -> Result<(), String> {
        let least = [
            self.memory_mib,
            self.traffic_mib,
            self.refusals_per_minute,
            self.conversations as u64,
            self.fhe_open as u64,
            self.fhe_store_mib,
            self.fhe_minutes,
        ];
        if least.contains(&0) {
            return Err("[limits]: each must be 1 or more".to_owned());
        }
        Ok(())
    }

    /// Whether this site, party `me` of the session, runs what this bill states.
    ///
    /// # Errors
    /// Which limit it exceeds and where that is set, for the analyst.
    pub(crate) fn check(&self, bill: &Bill, me: usize) -> Result<(), String> {
        let traffic =
            bill.parties.get(me).map_or(0, |cost| cost.sent.saturating_add(cost.received));
        let bounds = [
            ("needs", "of memory", bill.peak_bytes, self.memory_mib, "memory_mib"),
            ("sends and receives", "here", traffic, self.traffic_mib, "traffic_mib"),
        ];
        for (does, what, bytes, mib, name) in bounds {
            if bytes > mib.saturating_mul(1 << 20) {
                return Err(format!(
                    "the question {does} {} MiB {what}, and this site allows {mib}: ask for fewer \
                     cells, or have limits.{name} raised in its site.toml",
                    bytes.div_ceil(1 << 20)
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tacit_mpc::PartyCost;

    use super::*;

    #[test]
    fn a_bill_above_a_limit_is_refused_with_the_limits_name() {
        let limits = Limits { memory_mib: 2, traffic_mib: 3, ..Limits::default() };
        let bill = |peak_bytes, sent, received| Bill {
            rounds: 1,
            parties: vec![PartyCost { rounds: 1, sent, received }],
            triples: 0,
            bit_triples: 0,
            peak_bytes,
        };
        limits.check(&bill(2 << 20, 3 << 19, 3 << 19), 0).unwrap();
        let memory = limits.check(&bill((2 << 20) + 1, 0, 0), 0).unwrap_err();
        assert!(memory.contains("3 MiB") && memory.contains("limits.memory_mib"), "{memory}");
        let traffic = limits.check(&bill(0, 3 << 20, 1), 0).unwrap_err();
        assert!(traffic.contains("limits.traffic_mib"), "{traffic}");
    }
}
