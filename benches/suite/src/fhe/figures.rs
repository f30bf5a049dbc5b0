//! [`Figures`]: what was measured, as a record and as text.

use serde::{Deserialize, Serialize};
use tacit_he::Calibration;

use crate::record::{Build, Machine};

/// Version of the record's layout.
pub const SCHEMA: u32 = 1;

/// Aggregates of an upload that is measured.
pub(super) const AGGREGATES: usize = 100;

/// All figures; times in seconds on the clock with all cores at work, sizes in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Version of the layout.
    pub schema: u32,
    /// Who is trusted for what.
    pub security: String,
    /// Name of the parameter set.
    pub parameters: String,
    /// Key holders.
    pub holders: u64,
    /// Keys.
    pub keys: Keys,
    /// Uploads of 100 aggregates, by width.
    pub uploads: Vec<Upload>,
    /// A cell over three sites, by width.
    pub cells: Vec<Cell>,
    /// What is done to an opened ciphertext of five bits.
    pub opened: Opened,
    /// The grouped COUNT.
    pub count: Count,
    /// Seconds per block on one core, as a bill reckons with.
    pub calibration: Calibration,
    /// What ran.
    pub build: Build,
    /// Where it ran.
    pub machine: Machine,
}

/// Making and expanding keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Making all of them, the reference string of the proofs included.
    pub make: f64,
    /// Expanding those of evaluation.
    pub expand: f64,
    /// Those of evaluation, as they travel.
    pub evaluation_bytes: u64,
    /// That of encryption.
    pub encryption_bytes: u64,
    /// The reference string.
    pub reference_bytes: u64,
    /// A holder's share.
    pub share_bytes: u64,
}

/// One upload of 100 aggregates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    /// Bits of an aggregate.
    pub bits: u32,
    /// Encrypting and proving.
    pub encrypt: f64,
    /// Checking the proofs.
    pub accept: f64,
    /// Its size.
    pub bytes: u64,
}

/// One cell, each operation on what the one before made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Bits of a count.
    pub bits: u32,
    /// Entering and adding up what three sites sent.
    pub sum: f64,
    /// Comparing with the threshold.
    pub compare: f64,
    /// Putting zero in the place of what is hidden.
    pub suppress: f64,
    /// Ciphertexts of five bits that it opens.
    pub opened: f64,
}

impl Cell {
    /// All that comes before squashing.
    pub fn evaluated(&self) -> f64 {
        self.sum + self.compare + self.suppress
    }
}

/// One opened ciphertext of five bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// Squashing its noise.
    pub squash: f64,
    /// A key holder's part.
    pub partial: f64,
    /// Putting all parts together.
    pub combine: f64,
    /// A squashed ciphertext.
    pub squashed_bytes: u64,
    /// A part of it.
    pub partial_bytes: u64,
}

/// The grouped COUNT with its rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// Groups.
    pub cells: u64,
    /// Bits of a count.
    pub bits: u32,
    /// Ciphertexts of five bits that are opened.
    pub opened: u64,
    /// One site's upload.
    pub encrypt: f64,
    /// Checking all uploads.
    pub accept: f64,
    /// Evaluating up to squashing.
    pub evaluate: f64,
    /// Squashing.
    pub squash: f64,
    /// One holder's part, after it has evaluated again or believes the evaluator.
    pub partial: f64,
    /// Combining and reading.
    pub combine: f64,
    /// Uploads of all sites, the result and all parts.
    pub bytes: u64,
    /// What the bill reckoned for the evaluation with the calibration of this run.
    pub billed: f64,
    /// The same question on `rep3` in the same process: seconds, rounds, bytes sent by all.
    pub rep3: Rep3,
}

impl Count {
    /// From encryption to the opened columns, keys existing, when the evaluator is believed or holders
    /// evaluate again on machines of their own at the same time.
    pub fn whole(&self) -> f64 {
        self.encrypt + self.accept + self.evaluate + self.squash + self.partial + self.combine
    }
}

/// The same question on `rep3`, all parties as threads of this process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rep3 {
    /// From shares to the opened columns.
    pub seconds: f64,
    /// Network rounds.
    pub rounds: u64,
    /// Bytes that all parties sent.
    pub bytes: u64,
}

/// The figures as text for people.
pub fn text(figures: &Figures) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let mut line = |what: &str, value: String| {
        let _ = writeln!(text, "{what:<58}{value:>14}");
    };
    let seconds = |s: f64| format!("{s:.3} s");
    let bytes = |n: u64| format!("{n} B");
    let keys = &figures.keys;
    line("keys: made", seconds(keys.make));
    line("keys: for evaluation", bytes(keys.evaluation_bytes));
    line("keys: for encryption", bytes(keys.encryption_bytes));
    line("keys: reference string of the proofs", bytes(keys.reference_bytes));
    line("keys: a share of the decryption key", bytes(keys.share_bytes));
    line("keys: expanded for evaluation", seconds(keys.expand));
    for upload in &figures.uploads {
        let what = format!("{AGGREGATES} aggregates of {} bits", upload.bits);
        line(&format!("{what}: encrypted and proved"), seconds(upload.encrypt));
        line(&format!("{what}: proofs checked"), seconds(upload.accept));
        line(&format!("{what}: upload"), bytes(upload.bytes));
    }
    for cell in &figures.cells {
        let what = format!("a cell of {} bits over three sites", cell.bits);
        line(&format!("{what}: entered, added up"), seconds(cell.sum));
        line(&format!("{what}: compared"), seconds(cell.compare));
        line(&format!("{what}: suppressed"), seconds(cell.suppress));
        line(&format!("{what}: all before squashing"), seconds(cell.evaluated()));
        line(&format!("{what}: squashed"), seconds(cell.opened * figures.opened.squash));
        line(&format!("{what}: a holder's part"), seconds(cell.opened * figures.opened.partial));
        line(&format!("{what}: combined"), seconds(cell.opened * figures.opened.combine));
    }
    let opened = &figures.opened;
    line("five opened bits: squashed, seconds", seconds(opened.squash));
    line("five opened bits: squashed, size", bytes(opened.squashed_bytes));
    line("five opened bits: a part of it, size", bytes(opened.partial_bytes));
    let count = &figures.count;
    let what = format!("COUNT over {} groups of {} bits", count.cells, count.bits);
    line(&format!("{what}: a site encrypts"), seconds(count.encrypt));
    line(&format!("{what}: proofs checked"), seconds(count.accept));
    line(&format!("{what}: evaluated"), seconds(count.evaluate));
    line(&format!("{what}: squashed"), seconds(count.squash));
    line(&format!("{what}: a holder's part"), seconds(count.partial));
    line(&format!("{what}: combined"), seconds(count.combine));
    line(&format!("{what}: all"), seconds(count.whole()));
    line(&format!("{what}: billed"), seconds(count.billed));
    line(&format!("{what}: carried"), bytes(count.bytes));
    line("the same on rep3 in memory", seconds(count.rep3.seconds));
    line("the same on rep3: sent by all", bytes(count.rep3.bytes));
    line("the same on rep3: rounds", count.rep3.rounds.to_string());
    text
}
