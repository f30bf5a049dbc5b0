/// What can be wrong with a dictionary or a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a SHA-256 digest.
    #[error("{0:?} is no digest of 64 hexadecimal digits")]
    Digest(String),
    /// A dictionary that contradicts itself: where and what.
    #[error("{at}: {what}")]
    Dictionary {
        /// `table.column`.
        at: String,
        /// What is wrong and what to do.
        what: String,
    },
    /// A table or column that there is not.
    #[error("there is no {what} {name:?}{}", match .suggestion {
        Some(near) => format!("; did you mean {near:?}?"),
        None if .names.is_empty() => String::new(),
        None => format!("; there are {}", .names.join(", ")),
    })]
    Unknown {
        /// "table" or "column".
        what: &'static str,
        /// The name asked for.
        name: String,
        /// The nearest name.
        suggestion: Option<String>,
        /// The first names that there are.
        names: Vec<String>,
    },
    /// Dictionaries of two sites that do not fit together.
    #[error("{at}: {first} and {second} differ: {what}")]
    Merge {
        /// `table.column`.
        at: String,
        /// One site.
        first: String,
        /// The other.
        second: String,
        /// How they differ and what to do.
        what: String,
    },
    /// Text that is no value of a type.
    #[error("{text:?} is no {type}")]
    Value {
        /// The text, cut.
        text: String,
        /// The type.
        r#type: String,
    },
    /// A profile that is not known, or rules that contradict each other or are not built yet.
    #[error("disclosure: {0}")]
    Disclosure(String),
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn unknown<'a>(
        what: &'static str,
        name: &str,
        names: impl Iterator<Item = &'a str> + Clone,
    ) -> Self {
        Self::Unknown {
            what,
            name: name.chars().take(128).collect(),
            suggestion: crate::suggest::nearest(name, names.clone()).map(str::to_owned),
            names: names.take(20).map(str::to_owned).collect(),
        }
    }
}
