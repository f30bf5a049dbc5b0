//! `tacit audit`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use tacit_governance::{Entry, receipts};
use tacit_plan::Digest;

use crate::{
    context::Context,
    error::{Failure, Result},
    render::{number, table, value::printable},
};

/// Name that the receipts of a site have, unless it chose another one.
const FILE: &str = "receipts.jsonl";

/// Characters of a question that a line shows.
const SQL_SHOWN: usize = 60;

/// Commands of `tacit audit`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What a site took part in: who asked what, when, at what cost, and how it ended
    #[command(after_help = "\
Examples:
  tacit audit show receipts.jsonl
  tacit audit show receipts.jsonl --last 1 --format json")]
    Show(Show),
    /// Check the chain of hashes, and that receipts which were given out are in it
    #[command(after_help = "\
A chain shows by itself that no line was changed, dropped, doubled or moved. That its end was not
cut off shows the hash which every analyst got with a result (JSON: receipt.receipts).

Example:
  tacit audit verify receipts.jsonl --given 3f1c...")]
    Verify(Verify),
}

/// Arguments of `tacit audit show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The receipts of a site: the file, or the folder in which it is called receipts.jsonl
    receipts: PathBuf,
    /// Only the last ones
    #[arg(long, value_name = "NUMBER")]
    last: Option<usize>,
    /// A table, or the records as JSON lines
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Arguments of `tacit audit verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The receipts of a site: the file, or the folder in which it is called receipts.jsonl
    receipts: PathBuf,
    /// Hash of a receipt that an analyst was given; may be given several times
    #[arg(long, value_name = "HASH")]
    given: Vec<Digest>,
}

/// Runs it.
///
/// # Errors
/// If the receipts cannot be read or their chain is broken.
pub fn run(command: &Command, context: &Context) -> Result<()> {
    match command {
        Command::Show(arguments) => show(arguments, context),
        Command::Verify(arguments) => verify(arguments, context),
    }
}

/// The file itself, or the one of the usual name in a folder.
fn file(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let file = path.join(FILE);
    if file.is_file() {
        return Ok(file);
    }
    let message = format!("{}: a folder, in which there is no {FILE}", path.display());
    Err(Failure::setup("file", message)
        .help("name the file that the site's site.toml has under `receipts`"))
}

fn show(arguments: &Show, context: &Context) -> Result<()> {
    let mut entries = std::collections::VecDeque::new();
    let most = arguments.last.unwrap_or(usize::MAX);
    receipts::read(&file(&arguments.receipts)?, &mut |entry| {
        entries.push_back(entry);
        if entries.len() > most {
            entries.pop_front();
        }
        Ok(())
    })?;
    if arguments.format == Format::Json {
        return context.write(|out| {
            for entry in &entries {
                let line = serde_json::json!({
                    "sequence": entry.sequence,
                    "hash": entry.hash,
                    "record": entry.record,
                });
                writeln!(out, "{line}")?;
            }
            Ok(())
        });
    }
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    let header = ["#", "time", "analyst", "engine", "rounds", "outcome", "question", "hash"];
    context.print(&table::words(&header, &rows, &[0, 4], &context.terminal))?;
    if entries
        .iter()
        .any(|entry| matches!(rounds(entry), Some((counted, billed)) if counted < billed))
    {
        context.note(
            "note: a receipt is written before what it speaks of happens: that of a release before \
             the round in which output shares leave, and that of a party which only enters before \
             its first. So it counts fewer rounds than were billed.",
        );
    }
    Ok(())
}

/// Rounds of a receipt as counted, and as billed.
fn rounds(entry: &Entry) -> Option<(u64, u64)> {
    let of = |cost: &Option<serde_json::Value>| cost.as_ref()?.get("rounds")?.as_u64();
    Some((of(&entry.record.ledger)?, of(&entry.record.bill)?))
}

fn row(entry: &Entry) -> Vec<String> {
    let record = &entry.record;
    let rounds = rounds(entry).map_or_else(String::new, |(counted, billed)| {
        if counted == billed { counted.to_string() } else { format!("{counted} of {billed}") }
    });
    // What has phases leaves a receipt for each: "decrypt: released".
    let outcome = match &record.phase {
        Some(phase) => format!("{phase}: {}", record.outcome),
        None => record.outcome.to_string(),
    };
    let sql = record.sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = sql.chars().take(SQL_SHOWN).collect();
    if shown.len() < sql.len() {
        shown += "...";
    }
    vec![
        entry.sequence.to_string(),
        record.time.clone(),
        record.analyst.clone(),
        record.engine.clone(),
        rounds,
        printable(&outcome),
        printable(&shown),
        entry.hash.short(),
    ]
}

fn verify(arguments: &Verify, context: &Context) -> Result<()> {
    let report = receipts::verify(&file(&arguments.receipts)?, &arguments.given)?;
    context.print(&format!(
        "{}: the chain holds; last hash {}\n",
        number::plural(report.receipts, "receipt", "receipts"),
        report.last
    ))?;
    if !arguments.given.is_empty() {
        let given = number::plural(arguments.given.len() as u64, "receipt", "receipts");
        context.print(&format!("of them, as given: {given}\n"))?;
    }
    if report.torn > 0 {
        context.note(&format!(
            "note: a last line of {} was cut off in writing; what it speaks of was not released",
            number::plural(report.torn, "byte", "bytes")
        ));
    }
    Ok(())
}
