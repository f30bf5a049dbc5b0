//! Who takes part in a session, and which engine they run.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The roles of the parties of a session, by session index.
///
/// Everybody on the list of `parties` may enter columns and receive openings; `compute` run the
/// engine; the `dealer` holds no data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// Number of parties of the session.
    pub parties: usize,
    /// The compute parties, in the order that the engine counts them.
    pub compute: Vec<usize>,
    /// The party that deals triples, for an engine that needs one.
    pub dealer: Option<usize>,
}

impl Roster {
    /// Place of a session party among the compute parties.
    pub fn place(&self, party: usize) -> Option<usize> {
        self.compute.iter().position(|&p| p == party)
    }
}

/// A kind of engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// No sharing at all: compute parties see everything.
    Clear,
    /// Replicated sharing among three, semi-honest, honest majority (Araki et al. 2016).
    Rep3,
    /// Additive sharing among two or more, semi-honest, triples from a dealer.
    Additive,
}

impl EngineKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Clear, Self::Rep3, Self::Additive];

    /// How many addends a number is a sum of: see [`crate::Op::Addend`].
    pub fn addends(self, compute: usize) -> usize {
        match self {
            Self::Clear => 1,
            Self::Rep3 => 2,
            Self::Additive => compute,
        }
    }

    /// Whether this engine can run among these parties.
    ///
    /// # Errors
    /// [`Error::Engine`]: an index out of range or twice, the wrong number of compute parties, no
    /// dealer where one is needed, a dealer that computes.
    pub fn check(self, roster: &Roster) -> Result<()> {
        let wrong = |what: String| Err(Error::Engine(what));
        let n = roster.compute.len();
        if let Some(p) = roster.compute.iter().find(|&&p| p >= roster.parties) {
            return wrong(format!("there is no compute party {p}"));
        }
        if (1..n).any(|i| roster.compute[..i].contains(&roster.compute[i])) {
            return wrong("a compute party is listed twice".into());
        }
        match self {
            Self::Clear if n < 1 => wrong("clear needs a compute party".into()),
            Self::Rep3 if n != 3 => wrong(format!("rep3 needs three compute parties, not {n}")),
            Self::Additive if n < 2 => {
                wrong(format!("additive needs two compute parties or more, not {n}"))
            }
            Self::Additive => match roster.dealer {
                None => wrong("additive needs a dealer".into()),
                Some(d) if d >= roster.parties => wrong(format!("there is no party {d} to deal")),
                Some(d) if roster.compute.contains(&d) => {
                    wrong("the dealer must not compute".into())
                }
                Some(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// What the engine promises, in words for people.
    pub fn security(self) -> &'static str {
        match self {
            Self::Clear => "none: compute parties see everything",
            Self::Rep3 => "semi-honest, honest majority (1 of 3)",
            Self::Additive => "semi-honest, all but one",
        }
    }

    /// Where multiplication triples come from, if the engine uses any.
    pub fn triples(self) -> Option<&'static str> {
        match self {
            Self::Clear | Self::Rep3 => None,
            Self::Additive => Some("trusted dealer"),
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Clear => "clear",
            Self::Rep3 => "rep3",
            Self::Additive => "additive",
        })
    }
}

impl FromStr for EngineKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.to_string() == name).ok_or_else(|| {
            Error::Engine(format!("there is no engine {name:?}; there are clear, rep3, additive"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster(parties: usize, compute: &[usize], dealer: Option<usize>) -> Roster {
        Roster { parties, compute: compute.to_vec(), dealer }
    }

    #[test]
    fn names_are_read_back() {
        for kind in EngineKind::ALL {
            assert_eq!(kind.to_string().parse::<EngineKind>().unwrap(), kind);
        }
        assert!("spdz".parse::<EngineKind>().is_err());
    }

    #[test]
    fn rosters_that_do_not_fit_are_refused() {
        use EngineKind::{Additive, Clear, Rep3};
        assert!(Rep3.check(&roster(4, &[0, 1, 2], None)).is_ok());
        assert!(Rep3.check(&roster(4, &[0, 1], None)).is_err());
        assert!(Rep3.check(&roster(4, &[0, 1, 1], None)).is_err());
        assert!(Rep3.check(&roster(4, &[0, 1, 4], None)).is_err());
        assert!(Additive.check(&roster(4, &[0, 1], Some(2))).is_ok());
        assert!(Additive.check(&roster(4, &[0, 1], None)).is_err());
        assert!(Additive.check(&roster(4, &[0, 1], Some(1))).is_err());
        assert!(Additive.check(&roster(4, &[0, 1], Some(9))).is_err());
        assert!(Additive.check(&roster(4, &[0], Some(1))).is_err());
        assert!(Clear.check(&roster(4, &[], None)).is_err());
    }
}
