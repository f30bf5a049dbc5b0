//! What the terminal can show.

use std::io::IsTerminal as _;

use miette::{GraphicalReportHandler, GraphicalTheme};

use crate::error::Failure;

/// What standard output and standard error can show.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "four abilities that do not depend on each other")]
pub struct Terminal {
    /// Standard output may be coloured.
    pub color: bool,
    /// Box-drawing and block characters may be used.
    pub unicode: bool,
    /// Progress may be drawn on standard error.
    pub progress: bool,
    /// Standard error may be coloured.
    pub error_color: bool,
    /// Columns of the terminal; 100 where there is none.
    pub width: usize,
}

impl Terminal {
    /// Of this process. `NO_COLOR`, when set and not empty, turns colour off.
    pub fn of_process() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            error_color: std::io::stderr().is_terminal() && !set("NO_COLOR") && !dumb,
            color: std::io::stdout().is_terminal() && !set("NO_COLOR") && !dumb,
            unicode: is_utf8(|name| std::env::var(name).ok()),
            progress: std::io::stderr().is_terminal() && !dumb,
            width: std::env::var("COLUMNS")
                .ok()
                .and_then(|columns| columns.parse().ok())
                .or_else(columns)
                .unwrap_or(100)
                .clamp(40, 200),
        }
    }

    /// A file: no colour, plain characters.
    #[cfg(test)]
    pub fn plain() -> Self {
        Self { error_color: false, color: false, unicode: false, progress: false, width: 100 }
    }

    /// A failure for people, with a caret where it points into a text.
    pub fn report(&self, failure: &Failure) -> String {
        let theme = match (self.error_color, self.unicode) {
            (true, true) => GraphicalTheme::unicode(),
            (false, true) => GraphicalTheme::unicode_nocolor(),
            (true, false) => GraphicalTheme::ascii(),
            (false, false) => GraphicalTheme::none(),
        };
        let handler =
            GraphicalReportHandler::new_themed(theme).with_links(false).with_width(self.width);
        let mut text = String::new();
        match handler.render_report(&mut text, failure) {
            Ok(()) => text,
            Err(_) => format!("error: {failure}"),
        }
    }
}

/// Columns of the terminal at standard output, if there is one.
fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// Whether the locale is UTF-8; a locale that is not set at all counts as UTF-8, since programs
/// started without one (services, containers) write to logs that are.
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(variable)
        .find(|value| !value.is_empty())
        .is_none_or(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("utf-8") || value.contains("utf8")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_locale_that_is_set_decides() {
        assert!(is_utf8(|_| None));
        assert!(!is_utf8(|name| (name == "LANG").then(|| "C".into())));
        assert!(is_utf8(|name| match name {
            "LC_ALL" => Some("en_US.UTF-8".into()),
            _ => Some("C".into()),
        }));
    }
}
