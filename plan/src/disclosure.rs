//! [`Disclosure`]: the rules of release that a study states, and the named profiles that they
//! start from.
//!
//! A profile is a set of numbers that is in force somewhere today:
//!
//! | profile | first count shown | rounding | a mean needs |
//! | --- | --- | --- | --- |
//! | `default`, `pcornet`, `cms` | 11 | | |
//! | `ohdsi`, `darwin` | 5 | | |
//! | `nhs-hes` | 8 | 5 | 8 |
//! | `opensafely` | 8 | 5 | |
//! | `datashield` | 3 | | |
//!
//! A study's own numbers ([`DisclosureTerms`]) override those of its profile.

use serde::{Deserialize, Serialize};

use crate::{Error, Result, suggest};

/// Largest threshold, floor or rounding that a study may state: more is a slip of the pen, and
/// the circuits' comparisons stay narrow.
const LARGEST: u64 = 1_000_000;

/// Name, threshold, rounding, mean threshold.
const PROFILES: [(&str, u64, Option<u64>, Option<u64>); 8] = [
    ("default", 11, None, None),
    ("ohdsi", 5, None, None),
    ("darwin", 5, None, None),
    ("pcornet", 11, None, None),
    ("cms", 11, None, None),
    ("nhs-hes", 8, Some(5), Some(8)),
    ("opensafely", 8, Some(5), None),
    ("datashield", 3, None, None),
];

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

/// What a study says about release: a profile, and numbers of its own that override it.
///
/// A `site_floor`, `rounding` or `mean_threshold` of 0 switches off what the profile states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisclosureTerms {
    /// Name of a profile.
    #[serde(default = "default_profile")]
    pub profile: String,
    /// See [`Disclosure::threshold`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u64>,
    /// See [`Disclosure::site_floor`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_floor: Option<u64>,
    /// See [`Disclosure::rounding`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounding: Option<u64>,
    /// See [`Disclosure::mean_threshold`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_threshold: Option<u64>,
}

fn default_profile() -> String {
    "default".to_owned()
}

impl Default for DisclosureTerms {
    fn default() -> Self {
        Self {
            profile: default_profile(),
            threshold: None,
            site_floor: None,
            rounding: None,
            mean_threshold: None,
        }
    }
}

impl DisclosureTerms {
    /// The rules in force.
    ///
    /// # Errors
    /// A profile that is not known or not built, or numbers that contradict each other.
    pub fn resolve(&self) -> Result<Disclosure> {
        let mut rules = Disclosure::profile(&self.profile)?;
        if let Some(threshold) = self.threshold {
            rules.threshold = threshold;
            // A profile's mean threshold never falls below the study's own threshold.
            rules.mean_threshold = rules.mean_threshold.map(|mean| mean.max(threshold));
        }
        let own = |own: Option<u64>, profile: Option<u64>| match own {
            Some(0) => None,
            Some(number) => Some(number),
            None => profile,
        };
        rules.site_floor = own(self.site_floor, rules.site_floor);
        rules.rounding = own(self.rounding, rules.rounding);
        rules.mean_threshold = own(self.mean_threshold, rules.mean_threshold);
        rules.validate()?;
        Ok(rules)
    }
}

impl Default for Disclosure {
    /// The profile `default`: 1 to 10 hidden.
    fn default() -> Self {
        Self {
            profile: default_profile(),
            threshold: 11,
            site_floor: None,
            rounding: None,
            mean_threshold: None,
        }
    }
}

impl Disclosure {
    /// The rules of a named profile.
    ///
    /// # Errors
    /// A name that is not known (with the nearest that is), or a profile that is not built yet.
    pub fn profile(name: &str) -> Result<Self> {
        if name == "statistics-norway" {
            return Err(Error::Disclosure(
                "profile \"statistics-norway\" needs complementary suppression, which is not \
                 built yet; choose another profile, e.g. \"datashield\" (threshold 3)"
                    .to_owned(),
            ));
        }
        let Some(&(profile, threshold, rounding, mean_threshold)) =
            PROFILES.iter().find(|profile| profile.0 == name)
        else {
            let names = Self::profiles();
            return Err(Error::Disclosure(format!(
                "no profile {name:?}{}; there are {}",
                suggest::did_you_mean(name, names.iter().copied()),
                names.join(", ")
            )));
        };
        Ok(Self {
            profile: profile.to_owned(),
            threshold,
            site_floor: None,
            rounding,
            mean_threshold,
        })
    }

    /// The names of all profiles that are built.
    pub fn profiles() -> Vec<&'static str> {
        PROFILES.iter().map(|profile| profile.0).collect()
    }

    /// Refuses numbers that contradict each other.
    ///
    /// # Errors
    /// Says which number and why.
    pub fn validate(&self) -> Result<()> {
        let refuse = |what: String| Err(Error::Disclosure(what));
        if self.threshold == 0 || self.threshold > LARGEST {
            return refuse(format!(
                "threshold is {}; the first count that is shown is between 1 (nothing is hidden) \
                 and {LARGEST}",
                self.threshold
            ));
        }
        for (name, number) in [
            ("site_floor", self.site_floor),
            ("rounding", self.rounding),
            ("mean_threshold", self.mean_threshold),
        ] {
            if number.is_some_and(|number| !(2..=LARGEST).contains(&number)) {
                return refuse(format!(
                    "{name} is {}; it is between 2 and {LARGEST}, or 0 for none",
                    number.unwrap_or_default()
                ));
            }
        }
        if let Some(rounding) = self.rounding
            && rounding > 2 * self.threshold
        {
            return refuse(format!(
                "rounding to {rounding} would show a count of {} as 0; raise the threshold to at \
                 least {} or round less",
                self.threshold,
                rounding.div_ceil(2)
            ));
        }
        if let Some(mean) = self.mean_threshold
            && mean < self.threshold
        {
            return refuse(format!(
                "mean_threshold is {mean}, below the threshold of {}; a mean never needs fewer \
                 than a count",
                self.threshold
            ));
        }
        Ok(())
    }

    /// How a hidden COUNT is written where only the threshold can have hidden it: `<11`; else
    /// `*`.
    pub fn hidden_count(&self) -> String {
        if self.site_floor.is_none() { format!("<{}", self.threshold) } else { "*".to_owned() }
    }

    /// The rules in plain words, one sentence each.
    pub fn describe(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let few = match self.threshold {
            1 => None,
            2 => Some("1".to_owned()),
            threshold => Some(format!("1 to {}", threshold - 1)),
        };
        match &few {
            None => lines.push("No count is hidden for being small (threshold 1).".to_owned()),
            Some(few) => lines.extend([
                format!("A number to which {few} contribute is hidden; 0 is shown."),
                format!("If {few} pass the WHERE, the whole result is hidden."),
                format!("A group whose COUNT(*) is {few} is hidden in every cell."),
                "A filter on a text column hides zeros as well.".to_owned(),
                format!(
                    "A sum or mean of an argument that takes at most two values is shown only if \
                     the count of each value is 0 or at least {}.",
                    self.threshold
                ),
                format!(
                    "Of two nested counts in a row that differ by {few}, the narrower is hidden."
                ),
            ]),
        }
        if let Some(mean) = self.mean_threshold.filter(|mean| *mean > self.threshold) {
            lines.push(format!("A mean needs at least {mean} contributing."));
        }
        if let Some(floor) = self.site_floor {
            lines.push(format!(
                "A number to which a single site contributes 1 to {} is hidden; a site that \
                 contributes none passes.",
                floor - 1
            ));
        }
        if let Some(rounding) = self.rounding {
            lines.push(format!("Shown counts are rounded to the nearest multiple of {rounding}."));
        }
        lines.push("Which rule hid a number is not told.".to_owned());
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_carry_the_numbers_in_force() {
        let of = |name: &str| {
            let rules = Disclosure::profile(name).unwrap();
            rules.validate().unwrap();
            (rules.threshold, rules.rounding, rules.mean_threshold)
        };
        assert_eq!(of("default"), (11, None, None));
        assert_eq!(of("pcornet"), (11, None, None));
        assert_eq!(of("cms"), (11, None, None));
        assert_eq!(of("ohdsi"), (5, None, None));
        assert_eq!(of("darwin"), (5, None, None));
        assert_eq!(of("nhs-hes"), (8, Some(5), Some(8)));
        assert_eq!(of("opensafely"), (8, Some(5), None));
        assert_eq!(of("datashield"), (3, None, None));
        assert_eq!(Disclosure::default(), Disclosure::profile("default").unwrap());
    }

    #[test]
    fn a_profile_that_is_not_built_says_so_and_an_unknown_one_gets_a_suggestion() {
        let error = Disclosure::profile("statistics-norway").unwrap_err();
        assert!(error.to_string().contains("not built yet"), "{error}");
        let error = Disclosure::profile("opensafley").unwrap_err();
        assert!(error.to_string().contains("did you mean \"opensafely\""), "{error}");
    }

    #[test]
    fn own_numbers_override_the_profile() {
        let rules = DisclosureTerms {
            profile: "nhs-hes".to_owned(),
            threshold: Some(20),
            site_floor: Some(3),
            rounding: Some(0),
            mean_threshold: None,
        }
        .resolve()
        .unwrap();
        assert_eq!(
            (rules.threshold, rules.site_floor, rules.rounding, rules.mean_threshold),
            (20, Some(3), None, Some(20))
        );
    }

    #[test]
    fn contradicting_numbers_are_refused() {
        let refused = |change: fn(&mut Disclosure)| {
            let mut rules = Disclosure::default();
            change(&mut rules);
            rules.validate().is_err()
        };
        assert!(refused(|rules| rules.threshold = 0));
        assert!(refused(|rules| rules.threshold = LARGEST + 1));
        assert!(refused(|rules| rules.site_floor = Some(1)));
        assert!(refused(|rules| rules.rounding = Some(23)));
        assert!(!refused(|rules| rules.rounding = Some(22)));
        assert!(refused(|rules| rules.mean_threshold = Some(10)));
        assert!(!refused(|rules| rules.mean_threshold = Some(11)));
    }

    #[test]
    fn the_description_names_every_number() {
        let text = Disclosure {
            profile: "default".to_owned(),
            threshold: 11,
            site_floor: Some(4),
            rounding: Some(5),
            mean_threshold: Some(30),
        }
        .describe()
        .join("\n");
        for part in ["1 to 10", "1 to 3", "multiple of 5", "at least 30"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
