//! [`Disclosure`]: the rules of release that a study states.

use serde::{Deserialize, Serialize};

/// The rules of release in force, resolved from a profile's name and a study's own numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disclosure {
    /// Name of the profile they start from.
    pub profile: String,
    /// The first count that is shown: 1 to `threshold - 1` are hidden.
    pub threshold: u64,
    /// A site that holds some but fewer hides the number; a site holding none passes.
    pub site_floor: Option<u64>,
    /// Shown counts are rounded to the nearest multiple.
    pub rounding: Option<u64>,
    /// A mean needs at least this many contributing.
    pub mean_threshold: Option<u64>,
}
