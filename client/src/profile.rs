//! [`Profile`]: a network and a machine, for the estimate of seconds in an explanation.
//!
//! A run takes its rounds times what one round costs, its bytes over the bandwidth, and the time
//! to compute. Rounds and bytes are exact (the bill); the rest is what the profile assumes, so an
//! estimate is an estimate and says which profile it is for.

use serde::{Deserialize, Serialize};
use tacit_mpc::Bill;

/// Microseconds that a blocking round costs beside the latency (measured on loopback: see
/// `benches/README.md`).
const ROUND_US: f64 = 50.0;

/// Bytes a second that a party computes and sends when nothing but computing takes time: what
/// comparisons of 64 bits reach with three parties on two cores (see `benches/README.md`).
const COMPUTE_BYTES_PER_SECOND: f64 = 250e6;

/// A network: what a round costs and what a byte costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What it is called.
    pub name: String,
    /// One way, in milliseconds.
    pub latency_ms: f64,
    /// Of each party's line, in 10^6 bits a second.
    pub mbit_per_s: f64,
}

impl Profile {
    /// Machines in one room: 0.1 ms one way, 10 Gbit/s.
    pub fn lan() -> Self {
        Self { name: "lan".into(), latency_ms: 0.1, mbit_per_s: 10_000.0 }
    }

    /// Sites far apart: 20 ms one way, 100 Mbit/s.
    pub fn wan() -> Self {
        Self { name: "wan".into(), latency_ms: 20.0, mbit_per_s: 100.0 }
    }

    /// Seconds that the joint part of a run with this bill is expected to take.
    pub fn seconds(&self, bill: &Bill) -> f64 {
        let dearest =
            bill.parties.iter().map(|party| party.sent.max(party.received)).max().unwrap_or(0)
                as f64;
        bill.rounds as f64 * (self.latency_ms / 1e3 + ROUND_US / 1e6)
            + dearest * 8.0 / (self.mbit_per_s * 1e6)
            + dearest / COMPUTE_BYTES_PER_SECOND
    }
}

/// `lan`, `wan`, or `LATENCYms,BANDWIDTHmbit`, such as `35ms,50mbit`.
impl std::str::FromStr for Profile {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "lan" => return Ok(Self::lan()),
            "wan" => return Ok(Self::wan()),
            _ => {}
        }
        let number = |part: &str, unit: &str| -> Option<f64> {
            let value: f64 = part.trim().strip_suffix(unit)?.trim().parse().ok()?;
            (value.is_finite() && value >= 0.0).then_some(value)
        };
        let lower = text.to_ascii_lowercase();
        lower
            .split_once(',')
            .and_then(|(latency, bandwidth)| {
                let mbit_per_s = number(bandwidth, "mbit")?;
                (mbit_per_s > 0.0).then_some(Self {
                    name: text.to_owned(),
                    latency_ms: number(latency, "ms")?,
                    mbit_per_s,
                })
            })
            .ok_or_else(|| {
                crate::Error::Usage(format!(
                    "{text:?} is no network profile: write lan, wan, or for example 35ms,50mbit"
                ))
            })
    }
}

#[cfg(test)]
mod tests {
    use tacit_mpc::PartyCost;

    use super::*;

    #[test]
    fn profiles_are_read_and_senseless_ones_are_not() {
        assert_eq!("wan".parse::<Profile>().unwrap(), Profile::wan());
        let own: Profile = "35 ms, 50Mbit".parse().unwrap();
        assert_eq!((own.latency_ms, own.mbit_per_s), (35.0, 50.0));
        for text in ["", "fast", "35,50", "-1ms,50mbit", "1ms,0mbit", "NaNms,1mbit"] {
            assert_eq!(text.parse::<Profile>().unwrap_err().code(), "usage", "{text}");
        }
    }

    #[test]
    fn rounds_cost_latency_and_bytes_cost_bandwidth() {
        let bill = |rounds: u64, sent: u64| Bill {
            rounds,
            parties: vec![PartyCost { rounds, sent, received: 0 }],
            triples: 0,
            bit_triples: 0,
            peak_bytes: 0,
        };
        let wan = Profile::wan();
        assert!((wan.seconds(&bill(14, 0)) - 0.28).abs() < 0.01);
        assert!((wan.seconds(&bill(0, 12_500_000)) - 1.0).abs() < 0.1);
        assert!(Profile::lan().seconds(&bill(14, 1000)) < 0.01);
    }
}
