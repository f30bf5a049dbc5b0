//! [`Error`] and [`Refusal`]: what is wrong with a question, and what would work.

use crate::SourceError;

/// What can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The question cannot be answered: the asker's to mend.
    #[error("{0}")]
    Query(Box<Refusal>),
    /// A site's data: its operator's to mend.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The local part failed at a site. The message names no value.
    #[error("the local part failed: {0}")]
    Local(String),
    /// The local part yielded a group that the plan's domain lacks: the data are not as they were
    /// checked, or the two disagree on an expression.
    #[error("the local part yields a value of {key} that its domain lacks")]
    OutsideDomain {
        /// The key's expression.
        key: String,
    },
    /// The plan or what was opened does not fit together.
    #[error("malformed plan: {0}")]
    Malformed(String),
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A place in a question's text, counted in characters from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
    /// Characters that are meant.
    pub length: usize,
}

/// Why a question is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Stable name of the reason, such as `unknown_column`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where.
    pub place: Option<Place>,
    /// What to do, or the nearest query that works.
    pub suggestion: Option<String>,
}

impl Refusal {
    /// A reason without a place or a suggestion.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), place: None, suggestion: None }
    }

    /// Says what would work.
    #[must_use]
    pub fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, place: Option<Place>) -> Self {
        self.place = self.place.or(place);
        self
    }

    /// The line of `sql` that is meant, with a caret under the place; `None` without a place.
    pub fn excerpt(&self, sql: &str) -> Option<String> {
        let place = self.place?;
        let line = sql.lines().nth(place.line.checked_sub(1)?)?;
        let line: String = line.chars().map(|c| if c == '\t' { ' ' } else { c }).collect();
        let blank = " ".repeat(place.column.saturating_sub(1));
        Some(format!("{line}\n{blank}{}", "^".repeat(place.length.max(1))))
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.message)?;
        if let Some(Place { line, column, .. }) = self.place {
            write!(f, " (line {line}, column {column})")?;
        }
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; {suggestion}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Query(Box::new(refusal))
    }
}

impl Error {
    /// Stable name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Query(refusal) => refusal.code,
            Self::Source(_) => "data",
            Self::Local(_) => "local",
            Self::OutsideDomain { .. } => "outside_domain",
            Self::Malformed(_) => "malformed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpt_puts_the_caret_under_the_place() {
        let place = Place { line: 2, column: 4, length: 3 };
        let refusal = Refusal::new("syntax", "no").at(Some(place));
        assert_eq!(refusal.excerpt("SELECT\nab xyz").unwrap(), "ab xyz\n   ^^^");
    }
}
