//! `tacit doctor`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use tacit_client::{Client, Finding};

use crate::{
    args::StudyArgument,
    context::Context,
    error::{Exit, Failure, Result},
};

/// Arguments of `tacit doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Looks at the key, the study, its signatures and validity, every party over the study's transport,
the clocks, and this machine's UDP buffers. A party that is not reached is looked for over the other
transport, too: that tells a network that blocks UDP from a machine that is down. Exits with 1 if
anything is wrong.

Example:
  tacit doctor --study study.toml --key analyst.key")]
pub struct Arguments {
    #[command(flatten)]
    study: StudyArgument,
    /// Your key: an analyst's or a site's
    #[arg(long, value_name = "FILE", env = "TACIT_KEY")]
    key: Option<PathBuf>,
    /// Write the findings as JSON
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs it.
///
/// # Errors
/// If a check found a fault.
pub fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let findings = Client::doctor(&arguments.study.study, arguments.key.as_deref());
    match arguments.format {
        Format::Json => context.write(|out| {
            serde_json::to_writer_pretty(&mut *out, &findings)?;
            writeln!(out)
        })?,
        Format::Text => context.print(&text(&findings, context))?,
    }
    let faults = findings.iter().filter(|finding| !finding.ok).count();
    if faults == 0 {
        return Ok(());
    }
    let checks: Vec<&str> = findings
        .iter()
        .filter(|finding| !finding.ok)
        .map(|finding| finding.check.as_str())
        .collect();
    Err(Failure::new(
        Exit::Differs,
        "doctor",
        format!("{faults} of {} checks failed: {}", findings.len(), checks.join(", ")),
    ))
}

fn text(findings: &[Finding], context: &Context) -> String {
    let (good, bad) = if context.terminal.unicode { ("✓", "✗") } else { ("ok", "NO") };
    let widest = findings.iter().map(|f| f.check.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        let mark = if finding.ok { good } else { bad };
        let pad = widest - finding.check.chars().count();
        let _ = writeln!(text, "{mark} {}{:pad$}  {}", finding.check, "", finding.what);
        let indent = " ".repeat(widest + mark.chars().count() + 3);
        if let Some(side) = &finding.side {
            let _ = writeln!(text, "{indent}at fault: {side}");
        }
        if let Some(fix) = &finding.fix {
            let _ = writeln!(text, "{indent}fix: {fix}");
        }
    }
    text
}
