//! [`Failure`]: what the user sees when a command cannot do its work: a stable code, what is
//! wrong, and what to do next.

use std::{borrow::Cow, fmt};

use miette::{Diagnostic, LabeledSpan, SourceCode};
use serde_json::json;

use crate::render::value::printable;

/// Result of a command.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Which exit code a failure ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Something differs, or a check found a fault: 1.
    Differs = 1,
    /// Wrong use of the command line: 2.
    Usage = 2,
    /// The question is refused: SQL, disclosure, a site's policy: 3.
    Refused = 3,
    /// Study, key, configuration or data: 4.
    Setup = 4,
    /// A party cannot be reached, was lost, or is too slow: 5.
    Network = 5,
    /// A party departed from the protocol: 6.
    Abort = 6,
    /// Stopped by the user: 130.
    Cancelled = 130,
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure(Box<Inner>);

#[derive(Debug)]
struct Inner {
    exit: Exit,
    code: Cow<'static, str>,
    message: String,
    help: Option<String>,
    source: Option<Snippet>,
}

#[derive(Debug)]
struct Snippet {
    text: String,
    label: LabeledSpan,
}

impl Failure {
    /// With its exit code, stable code and message.
    pub fn new(exit: Exit, code: impl Into<Cow<'static, str>>, message: impl fmt::Display) -> Self {
        Self(Box::new(Inner {
            exit,
            code: code.into(),
            message: clean(&message),
            help: None,
            source: None,
        }))
    }

    /// A failure of study, key, configuration or data.
    pub fn setup(code: impl Into<Cow<'static, str>>, message: impl fmt::Display) -> Self {
        Self::new(Exit::Setup, code, message)
    }

    /// A file that cannot be read or written.
    pub fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        let code: &'static str = match error.kind() {
            std::io::ErrorKind::NotFound => "file_missing",
            std::io::ErrorKind::PermissionDenied => "file_permission",
            std::io::ErrorKind::AlreadyExists => "file_exists",
            _ => "file",
        };
        Self::setup(code, format!("{}: {error}", path.display()))
    }

    /// With what to do next.
    #[must_use]
    pub fn help(mut self, help: impl fmt::Display) -> Self {
        self.0.help = Some(clean(&help));
        self
    }

    /// With a caret under `length` bytes of `text` from byte `start`.
    #[must_use]
    pub fn at(mut self, text: &str, start: usize, length: usize, label: &str) -> Self {
        let start = start.min(text.len());
        let length = length.clamp(1, (text.len() - start).max(1));
        let mut text = text.to_owned();
        if start == text.len() {
            // A label past the last byte is not drawn: give it a place to point at.
            text.push(' ');
        }
        self.0.source =
            Some(Snippet { text, label: LabeledSpan::new(Some(label.to_owned()), start, length) });
        self
    }

    /// The exit code of the process.
    pub fn exit(&self) -> Exit {
        self.0.exit
    }

    /// The stable code.
    pub fn stable_code(&self) -> &str {
        &self.0.code
    }

    /// One line of JSON: `{"error": {"code", "exit", "message", "help"}}`.
    pub fn to_json(&self) -> String {
        let mut error = json!({
            "code": self.0.code,
            "exit": self.0.exit as i32,
            "message": self.0.message,
        });
        if let Some(help) = &self.0.help {
            error["help"] = json!(help);
        }
        if let Some(source) = &self.0.source {
            error["offset"] = json!(source.label.offset());
            error["length"] = json!(source.label.len());
        }
        json!({ "error": error }).to_string()
    }
}

/// Text for a terminal: parts of it may come from a peer, which must not steer the screen.
fn clean(text: &impl fmt::Display) -> String {
    let text = text.to_string();
    let lines: Vec<String> = text.split('\n').map(printable).collect();
    lines.join("\n")
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Failure {}

impl Diagnostic for Failure {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.0.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.0.help.as_ref()?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        let source = self.0.source.as_ref()?;
        Some(&source.text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let source = self.0.source.as_ref()?;
        Some(Box::new(std::iter::once(source.label.clone())))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::setup("io", error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_code_exit_message_and_help() {
        let failure = Failure::setup("study_missing", "no study").help("make one");
        let json: serde_json::Value = serde_json::from_str(&failure.to_json()).unwrap();
        assert_eq!(json["error"]["code"], "study_missing");
        assert_eq!(json["error"]["exit"], 4);
        assert_eq!(json["error"]["help"], "make one");
    }

    #[test]
    fn a_caret_past_the_end_is_drawn_after_the_text() {
        let failure = Failure::new(Exit::Refused, "sql_syntax", "no").at("SELECT", 40, 9, "here");
        let labels: Vec<_> = failure.labels().unwrap().collect();
        assert_eq!(labels[0].offset(), 6);
        let mut drawn = String::new();
        let theme = miette::GraphicalTheme::unicode_nocolor();
        let handler = miette::GraphicalReportHandler::new_themed(theme);
        handler.render_report(&mut drawn, &failure).unwrap();
        assert!(drawn.contains("SELECT") && drawn.contains("here"), "{drawn}");
    }
}
