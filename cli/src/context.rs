//! [`Context`]: what every command is given.

use std::io::{self, Write as _};

use tracing_subscriber::filter::{EnvFilter, LevelFilter};

use crate::{
    args::Global,
    error::{Exit, Failure, Result},
    terminal::Terminal,
};

/// Code of the failure that stands for "the reader of our output is gone".
pub const CLOSED_PIPE: &str = "closed_pipe";

/// What every command is given: how to speak.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// What the terminal can show.
    pub terminal: Terminal,
    /// Failures are written as JSON.
    pub json: bool,
    /// No progress, notes or costs.
    pub quiet: bool,
    /// Times `-v` was given.
    pub verbose: u8,
}

impl Context {
    /// From the global arguments and the environment.
    pub fn new(global: Global) -> Self {
        let mut terminal = Terminal::of_process();
        terminal.progress &= !global.quiet && !global.json;
        Self { terminal, json: global.json, quiet: global.quiet, verbose: global.verbose }
    }

    /// What is logged. Who wants quiet, or reads failures as JSON from standard error, is not told
    /// of what may yet go well.
    fn level(&self, service: bool) -> LevelFilter {
        match self.verbose + u8::from(service) {
            0 if self.quiet || self.json => LevelFilter::ERROR,
            0 => LevelFilter::WARN,
            1 => LevelFilter::INFO,
            2 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        }
    }

    /// Starts logging to standard error: warnings, and more with each `-v`; a service says what it
    /// does by default. `TACIT_LOG` overrides it.
    pub fn trace(&self, service: bool) {
        let level = self.level(service);
        // Other people's crates at their finest would print what they are given.
        let others = level.min(LevelFilter::WARN);
        let default = format!(
            "{others},{}",
            [
                "tacit",
                "tacit_cli",
                "tacit_client",
                "tacit_site",
                "tacit_net",
                "tacit_governance",
                "tacit_mpc",
                "tacit_sql"
            ]
            .map(|name| format!("{name}={level}"))
            .join(",")
        );
        let filter = std::env::var("TACIT_LOG").ok().filter(|filter| !filter.is_empty());
        let filter = EnvFilter::new(filter.unwrap_or(default));
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(io::stderr)
            .with_ansi(false)
            .with_target(self.verbose > 0)
            .try_init();
    }

    /// Writes data to standard output.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn print(&self, text: &str) -> Result<()> {
        self.write(|out| out.write_all(text.as_bytes()))
    }

    /// Writes data to standard output with a function.
    ///
    /// # Errors
    /// If it cannot be written.
    #[allow(clippy::unused_self, reason = "where data goes is the context's to say")]
    pub fn write(&self, write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> Result<()> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        write(&mut out).and_then(|()| out.flush()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::new(Exit::Differs, CLOSED_PIPE, error),
            _ => Failure::setup("io", format!("standard output: {error}")),
        })
    }

    /// Says on standard error what must not be missed, also to who wants quiet.
    pub fn warn(text: &str) {
        let _ = writeln!(io::stderr(), "warning: {}", text.trim_end());
    }

    /// Says something beside the data, on standard error.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{}", text.trim_end());
        }
    }

    /// Tells a failure.
    pub fn report(&self, failure: &Failure) {
        let text = if self.json { failure.to_json() } else { self.terminal.report(failure) };
        let _ = writeln!(io::stderr(), "{}", text.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_quiet_or_json_sees_no_warning_that_may_come_to_nothing() {
        let level = |quiet, json, verbose, service| {
            let terminal = Terminal::of_process();
            Context { terminal, json, quiet, verbose }.level(service)
        };
        assert_eq!(level(false, false, 0, false), LevelFilter::WARN);
        assert_eq!(level(true, false, 0, false), LevelFilter::ERROR);
        assert_eq!(level(false, true, 0, false), LevelFilter::ERROR);
        assert_eq!(level(true, true, 1, false), LevelFilter::INFO);
        assert_eq!(level(true, false, 0, true), LevelFilter::INFO);
    }
}
