//! [`Backend`]: what a question is answered with.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use tacit_mpc::EngineKind;

use crate::{Error, Result};

/// What a question is answered with: an engine of multi-party computation, or homomorphic
/// encryption. Its name is the one that studies and `--engine` have for it.
///
/// ```
/// use tacit_client::Backend;
///
/// assert_eq!("fhe".parse::<Backend>().unwrap(), Backend::Fhe);
/// assert!("fhr".parse::<Backend>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Backend {
    /// All compute parties work on shares at the same time.
    Mpc(EngineKind),
    /// Sites encrypt, one evaluates, all key holders decrypt, each when it is there.
    Fhe,
}

impl Backend {
    /// All of them: the engines in their own order, then homomorphic encryption.
    pub const ALL: [Self; 4] = {
        let [clear, rep3, additive] = EngineKind::ALL;
        [Self::Mpc(clear), Self::Mpc(rep3), Self::Mpc(additive), Self::Fhe]
    };

    /// The engine of multi-party computation, if it is one.
    pub fn engine(self) -> Option<EngineKind> {
        match self {
            Self::Mpc(engine) => Some(engine),
            Self::Fhe => None,
        }
    }

    /// Whether this build has it.
    pub fn is_built(self) -> bool {
        self != Self::Fhe || cfg!(feature = "fhe")
    }

    /// Refuses what this build does not have.
    ///
    /// # Errors
    /// [`Error::Usage`] with how to build it.
    pub fn require_built(self) -> Result<()> {
        if self.is_built() { Ok(()) } else { Err(not_built()) }
    }
}

/// What is said where this build lacks homomorphic evaluation.
pub(crate) fn not_built() -> Error {
    let what = "this binary was built without homomorphic evaluation: cargo build --features fhe";
    Error::Usage(what.to_owned())
}

impl From<EngineKind> for Backend {
    fn from(engine: EngineKind) -> Self {
        Self::Mpc(engine)
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mpc(engine) => engine.fmt(f),
            Self::Fhe => f.pad("fhe"),
        }
    }
}

impl FromStr for Backend {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = || Self::ALL.map(|backend| backend.to_string());
        Self::ALL.into_iter().find(|backend| backend.to_string() == name).ok_or_else(|| {
            let near = known();
            let near = tacit_plan::suggest::did_you_mean(name, near.iter().map(String::as_str));
            Error::Usage(format!(
                "there is no engine {name:?}{near}; there are {}",
                known().join(", ")
            ))
        })
    }
}

impl TryFrom<String> for Backend {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}

impl From<Backend> for String {
    fn from(backend: Backend) -> Self {
        backend.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_are_what_files_hold() {
        for backend in Backend::ALL {
            let name = backend.to_string();
            assert_eq!(name.parse::<Backend>().unwrap(), backend);
            let file = serde_json::to_string(&backend).unwrap();
            assert_eq!(file, format!("\"{name}\""));
            assert_eq!(serde_json::from_str::<Backend>(&file).unwrap(), backend);
        }
        assert_eq!(format!("{:<5}|", Backend::Fhe), "fhe  |");
    }

    #[test]
    fn an_unknown_name_is_told_with_the_nearest() {
        let error = "rep4".parse::<Backend>().unwrap_err().to_string();
        assert!(error.contains("did you mean") && error.contains("fhe"), "{error}");
        assert!(serde_json::from_str::<Backend>("\"spdz\"").is_err());
    }

    #[test]
    fn engines_are_always_built_and_fhe_by_its_feature() {
        for engine in EngineKind::ALL {
            assert_eq!(Backend::from(engine).engine(), Some(engine));
            assert!(Backend::from(engine).require_built().is_ok());
        }
        assert_eq!(Backend::Fhe.require_built().is_ok(), cfg!(feature = "fhe"));
    }
}
