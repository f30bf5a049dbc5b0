//! What the libraries' errors mean to a user: exit code, stable code, and what to do next.

use tacit_governance::Error as Governance;
use tacit_sql::{Place, Refusal};

use crate::error::{Exit, Failure};

impl Failure {
    /// An error of a question, with a caret in its text.
    pub fn of_question(error: tacit_client::Error, sql: &str) -> Self {
        match error {
            tacit_client::Error::Sql(tacit_sql::Error::Query(refusal)) => {
                refused(&refusal, Some(sql))
            }
            other => other.into(),
        }
    }
}

fn refused(refusal: &Refusal, sql: Option<&str>) -> Failure {
    let mut failure = Failure::new(Exit::Refused, refusal.code, &refusal.message);
    if let Some(suggestion) = &refusal.suggestion {
        failure = failure.help(suggestion);
    }
    match (sql, refusal.place) {
        (Some(sql), Some(place)) => {
            let (start, length) = span(sql, place);
            failure.at(sql, start, length, "here")
        }
        _ => failure,
    }
}

/// Bytes of a place that is counted in characters from 1.
fn span(sql: &str, place: Place) -> (usize, usize) {
    let lines = sql.split_inclusive('\n');
    let before: usize = lines.take(place.line.saturating_sub(1)).map(str::len).sum();
    let bytes = |text: &str, characters: usize| -> usize {
        text.chars().take(characters).map(char::len_utf8).sum()
    };
    let start = before + bytes(&sql[before..], place.column.saturating_sub(1));
    (start, bytes(&sql[start..], place.length.max(1)))
}

impl From<tacit_client::Error> for Failure {
    fn from(error: tacit_client::Error) -> Self {
        use tacit_client::Error;
        let advice = error.advice();
        let exit = exit_of(error.code());
        let code = error.code().to_owned();
        let failure = match error {
            Error::Governance(error) => return error.into(),
            Error::Sql(error) => return error.into(),
            Error::Usage(_) => Self::new(Exit::Usage, code, error),
            Error::NotAllowed { .. } => Self::new(Exit::Refused, code, error),
            Error::ConfigMismatch { .. } => Self::setup(code, error),
            Error::PeerLost { .. } => Self::new(Exit::Network, code, error),
            Error::Refused { .. } => Self::new(exit.unwrap_or(Exit::Refused), code, error),
            Error::Stopped { .. } => Self::new(exit.unwrap_or(Exit::Network), code, error),
            Error::Cancelled => Self::new(Exit::Cancelled, code, error),
            _ => Self::new(exit.unwrap_or(Exit::Differs), code, error),
        };
        match advice {
            Some(advice) => failure.help(advice),
            None => failure,
        }
    }
}

/// Exit code of a code that came from a party.
fn exit_of(code: &str) -> Option<Exit> {
    Some(match code {
        "peer_lost" | "busy" | "network" | "stopping" | "waiting" | "overdue" => Exit::Network,
        "abort" => Exit::Abort,
        "config_mismatch" | "study" | "not_a_party" | "receipt" | "data" | "job" | "forgotten" => {
            Exit::Setup
        }
        "cancelled" => Exit::Cancelled,
        "query" | "policy" | "quota" | "not_allowed" => Exit::Refused,
        "message" | "internal" => Exit::Differs,
        _ => return None,
    })
}

impl From<Governance> for Failure {
    fn from(error: Governance) -> Self {
        let (code, help) = match &error {
            Governance::Io { .. } => ("file", None),
            Governance::Exists(_) => ("file_exists", Some("choose another name, or --force")),
            Governance::NoKey(_) => ("key_missing", None),
            Governance::OpenKey { .. } => ("key_readable_by_others", None),
            Governance::Key(_) => ("key", None),
            Governance::Study { .. } => ("study", None),
            Governance::Unsigned { .. } => ("study_unsigned", None),
            Governance::Altered { .. } => ("study_altered", None),
            Governance::Validity { what, .. } if *what == "expired" => (
                "study_expired",
                Some("the sites agree on a new validity and sign again (tacit study sign)"),
            ),
            Governance::Validity { .. } => ("study_not_yet_valid", None),
            Governance::Party(_) => ("party", None),
            Governance::Engine(_) => ("engine", None),
            Governance::ConfigMismatch(_) => ("config_mismatch", None),
            Governance::Message(_) => ("message", None),
            Governance::Locked(_) => {
                ("receipts_locked", Some("is this site running already? end that process first"))
            }
            Governance::Receipts { .. } => ("receipts", None),
            Governance::KeySet { .. } => ("fhe_keys", None),
            Governance::Plan(_) => ("dictionary", None),
            _ => ("governance", None),
        };
        let failure = Self::setup(code, error);
        match help {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

impl From<tacit_sql::Error> for Failure {
    fn from(error: tacit_sql::Error) -> Self {
        let code = error.code();
        match error {
            tacit_sql::Error::Query(refusal) => refused(&refusal, None),
            tacit_sql::Error::Source(_) => Self::setup(code, error),
            _ => Self::new(Exit::Differs, code, error),
        }
    }
}

impl From<tacit_plan::Error> for Failure {
    fn from(error: tacit_plan::Error) -> Self {
        let code = match error {
            tacit_plan::Error::Disclosure(_) => "disclosure",
            _ => "dictionary",
        };
        Self::setup(code, error)
    }
}

impl From<tacit_site::Error> for Failure {
    fn from(error: tacit_site::Error) -> Self {
        use tacit_site::Error;
        let code = error.code();
        match error {
            Error::Governance(error) => error.into(),
            Error::Sql(error) => error.into(),
            Error::Net(_) => Self::new(Exit::Network, code, error),
            _ => Self::setup(code, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_characters_becomes_bytes() {
        let sql = "SELECT\n 'ü', agee FROM t";
        let place = Place { line: 2, column: 7, length: 4 };
        let (start, length) = span(sql, place);
        assert_eq!(&sql[start..start + length], "agee");
        let past = Place { line: 9, column: 1, length: 1 };
        assert_eq!(span(sql, past), (sql.len(), 0));
    }
}
