//! [`Document`]: a study as it is written down, field by field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tacit_plan::{DisclosureTerms, Table};

use crate::PublicKey;

/// Version of the document's form that this build reads and writes.
pub const STUDY_VERSION: u32 = 1;

/// Cells of a result, unless the study says otherwise.
pub const DEFAULT_MAX_CELLS: u64 = 100_000;

/// Days that a question on `fhe` may wait for absent parties, unless the study says otherwise.
pub const DEFAULT_WAIT_DAYS: u32 = 30;

/// What a party does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Holds data, enters it, and may compute.
    Site,
    /// Asks, and alone receives results.
    Analyst,
    /// Gives multiplication triples, or makes the keys of `fhe`; holds no data.
    Dealer,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Site => "site",
            Self::Analyst => "analyst",
            Self::Dealer => "dealer",
        })
    }
}

/// What carries the frames between the parties. No side falls back to another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// QUIC over UDP.
    #[default]
    Quic,
    /// TLS over TCP, for networks that block UDP.
    Tcp,
}

impl Transport {
    /// The protocol whose ports it uses, as firewalls name it.
    pub fn ports(self) -> &'static str {
        match self {
            Self::Quic => "UDP",
            Self::Tcp => "TCP",
        }
    }
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Quic => "quic",
            Self::Tcp => "tcp",
        })
    }
}

impl std::str::FromStr for Transport {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "quic" => Ok(Self::Quic),
            "tcp" => Ok(Self::Tcp),
            _ => Err("it is quic or tcp".to_owned()),
        }
    }
}

/// A party of the study.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// `[a-z0-9-]`, at most 32 letters.
    pub name: String,
    /// What it does.
    pub role: Role,
    /// Its public key, pinned: whoever holds the secret half is this party.
    pub key: PublicKey,
    /// `host:port` where it serves: a UDP port, or a TCP port if that is the transport. An analyst has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// Who computes with an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineTerms {
    /// Names of the sites that compute.
    pub compute: Vec<String>,
}

/// Who computes with the engine `additive`, and where its triples come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdditiveTerms {
    /// Names of the sites that compute.
    pub compute: Vec<String>,
    /// `"dealer"`: the study's dealer, who is trusted not to work together with a site.
    pub triples: String,
}

/// Who does what where sites encrypt their aggregates under a joint key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FheTerms {
    /// Names of the key holders: sites, at least two. All of them together decrypt, and no fewer.
    pub holders: Vec<String>,
    /// Name of the site that evaluates.
    pub evaluator: String,
    /// `"dealer"`: the study's dealer makes the keys and the reference string of the proofs, and is
    /// trusted to forget them.
    pub keys: String,
    /// Whether key holders evaluate again before they decrypt.
    #[serde(default, skip_serializing_if = "is_default")]
    pub verify: Verify,
    /// How many days after it was asked a question may wait for absent parties;
    /// [`DEFAULT_WAIT_DAYS`] if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_days: Option<u32>,
}

/// Whether key holders evaluate again before they take part in decryption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// They do, and refuse what differs in a bit.
    #[default]
    Reevaluate,
    /// They believe the evaluator; results say "evaluator: semi-honest".
    Trust,
}

impl FheTerms {
    /// How many days a question may wait for absent parties.
    pub fn wait_days(&self) -> u32 {
        self.wait_days.unwrap_or(DEFAULT_WAIT_DAYS)
    }
}

/// The engines that the study allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engines {
    /// Replicated sharing among exactly three sites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rep3: Option<EngineTerms>,
    /// Additive sharing among two or more sites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additive: Option<AdditiveTerms>,
    /// Threshold homomorphic encryption: sites encrypt, one evaluates, all key holders decrypt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fhe: Option<FheTerms>,
    /// No secrecy among the compute sites: for tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear: Option<EngineTerms>,
}

impl Engines {
    /// Names of the engines that are allowed, the preferred one first.
    pub fn names(&self) -> Vec<&'static str> {
        [
            ("rep3", self.rep3.is_some()),
            ("additive", self.additive.is_some()),
            ("fhe", self.fhe.is_some()),
            ("clear", self.clear.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, allowed)| allowed.then_some(name))
        .collect()
    }

    /// Names of the sites that compute with an engine; `None` if it is not allowed.
    pub fn compute(&self, engine: &str) -> Option<&[String]> {
        match engine {
            "rep3" => self.rep3.as_ref().map(|terms| &*terms.compute),
            "additive" => self.additive.as_ref().map(|terms| &*terms.compute),
            "fhe" => self.fhe.as_ref().map(|terms| std::slice::from_ref(&terms.evaluator)),
            "clear" => self.clear.as_ref().map(|terms| &*terms.compute),
            _ => None,
        }
    }
}

/// A study as it is written down in TOML.
///
/// Fields that this build does not know are refused: a rule that is not understood is not kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// [`STUDY_VERSION`].
    pub version: u32,
    /// Its name, for people.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// First moment of validity: RFC 3339, or a day, which then counts from its start in UTC.
    #[serde(deserialize_with = "moment")]
    pub valid_from: String,
    /// Last moment of validity: RFC 3339, or a day, which then counts to its end in UTC.
    #[serde(deserialize_with = "moment")]
    pub valid_until: String,
    /// Upper bound on the rows of a table at one site: a power of ten, at most 10^12.
    pub rows_at_most: u64,
    /// Cells that a result may have; [`DEFAULT_MAX_CELLS`] if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cells: Option<u64>,
    /// What carries the frames; QUIC if not given.
    #[serde(default, skip_serializing_if = "is_default")]
    pub transport: Transport,
    /// The rules of release.
    #[serde(default)]
    pub disclosure: DisclosureTerms,
    /// The engines that are allowed.
    #[serde(default)]
    pub engines: Engines,
    /// The parties, in the order that sessions keep.
    #[serde(rename = "party")]
    pub parties: Vec<Party>,
    /// The data dictionary.
    pub tables: BTreeMap<String, Table>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A moment as text, or as TOML's own dates and times.
fn moment<'de, D: serde::Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    match toml::Value::deserialize(d)? {
        toml::Value::String(text) => Ok(text),
        toml::Value::Datetime(moment) => Ok(moment.to_string()),
        _ => Err(serde::de::Error::custom(
            "a moment is a day or an RFC 3339 time, e.g. \"2027-12-31\"",
        )),
    }
}
