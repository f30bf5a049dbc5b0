//! `tacit query`.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use clap::Args;
use tacit_client::{Answer, Backend, Cancel, Client, DryRun, Progress, RunReceipt};

use crate::{
    args::StudyArgument,
    command::jobs,
    context::Context,
    error::{Exit, Failure, Result},
    progress::Drawn,
    render::{self, Format, Style, number},
    signals,
};

/// Arguments of `tacit query`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[command(after_help = "\
The answer goes to standard output; progress (on a terminal), a note on hidden cells and the cost
go to standard error. SHOW TABLES and DESCRIBE t are answered from the study, without a key.

Examples:
  tacit query --study study.toml --key analyst.key \\
      \"SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex\"
  tacit query --study study.toml --key analyst.key --format csv --status --output out.csv \\
      --file question.sql
  tacit query --study study.toml \"DESCRIBE visits\"

On fhe parties need not be there at the same time, and a question outlives this program:
  tacit query --study study.toml --key analyst.key --engine fhe --wait 5 --file question.sql
  tacit query --study study.toml --key analyst.key --jobs
  tacit query --study study.toml --key analyst.key --resume 1f2e3d4c")]
pub struct Arguments {
    #[command(flatten)]
    study: StudyArgument,
    /// Your key, which the study names as an analyst's
    #[arg(long, value_name = "FILE", env = "TACIT_KEY")]
    key: Option<PathBuf>,
    /// The question
    sql: Option<String>,
    /// Read the question from a file (- for standard input)
    #[arg(long, value_name = "FILE", conflicts_with = "sql")]
    file: Option<PathBuf>,
    /// rep3, additive, fhe or clear, of those that the study allows
    #[arg(long, value_name = "NAME")]
    engine: Option<String>,
    /// How to write the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// With csv: a column COLUMN_status (exact, hidden, null) after every column
    #[arg(long)]
    status: bool,
    /// Draw the last column as bars below the table
    #[arg(long)]
    bars: bool,
    /// Write the answer to a file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Compile, price and see who can be reached; run nothing
    #[arg(long)]
    dry_run: bool,
    /// On fhe: how long to wait for absent parties, once nobody else has anything to do
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[cfg_attr(not(feature = "fhe"), allow(dead_code, reason = "nothing waits on other engines"))]
    wait: u64,
    /// On fhe: go on with a question that is open, by the first letters of its session
    #[arg(long, value_name = "SESSION", conflicts_with_all = ["sql", "file", "engine", "dry_run"])]
    resume: Option<String>,
    /// On fhe: list the questions that are open (with --format json for programs)
    #[arg(
        long,
        conflicts_with_all = [
            "sql", "file", "engine", "dry_run", "resume", "status", "bars", "output",
        ]
    )]
    jobs: bool,
    /// On fhe: end a question that is open, at all parties
    #[arg(
        long,
        value_name = "SESSION",
        conflicts_with_all = [
            "sql", "file", "engine", "dry_run", "resume", "jobs", "status", "bars", "output",
        ]
    )]
    give_up: Option<String>,
}

/// Runs it.
///
/// # Errors
/// If the question is refused, or a party cannot be reached or is lost.
pub fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    if arguments.jobs || arguments.give_up.is_some() || arguments.resume.is_some() {
        return run_open(arguments, context);
    }
    let sql = question(arguments.sql.as_deref(), arguments.file.as_deref())?;
    let chosen = arguments.engine.as_deref().map(|name| engine("--engine", name)).transpose()?;
    deliverable(arguments)?;
    let refused = |error| Failure::of_question(error, &sql);
    let client = match &arguments.key {
        Some(_) => asking(arguments)?,
        None => Client::open_study(&arguments.study.study)?,
    };
    let statement = client.compile(&sql).map_err(refused)?;
    if let Some(table) = client.show(&statement) {
        let answer = Answer { table, receipt: None };
        return deliver(&answer, arguments, &client, context);
    }
    if arguments.key.is_none() {
        return Err(no_key());
    }
    if arguments.dry_run {
        let dry = client.dry_run(&sql, chosen).map_err(refused)?;
        context.print(&render::dry_run::text(&dry, &context.terminal))?;
        return all_ready(&dry);
    }
    let answer = watched(context, |progress, cancel| client.ask(&sql, chosen, progress, cancel));
    let answer = answer.map_err(|error| unfinished(error, arguments, refused))?;
    deliver(&answer, arguments, &client, context)?;
    #[cfg(feature = "fhe")]
    closed(&client, &answer)?;
    Ok(())
}

/// Works on questions that are open.
fn run_open(arguments: &Arguments, context: &Context) -> Result<()> {
    jobs::lacking()?;
    deliverable(arguments)?;
    if arguments.key.is_none() {
        return Err(no_key());
    }
    let client = asking(arguments)?;
    if arguments.jobs {
        return jobs::list(&client, arguments.format, context);
    }
    if let Some(session) = &arguments.give_up {
        return jobs::give_up(&client, session, context);
    }
    #[cfg(feature = "fhe")]
    if let Some(session) = &arguments.resume {
        let answer = watched(context, |progress, cancel| client.resume(session, progress, cancel));
        let answer = answer.map_err(|error| unfinished(error, arguments, Failure::from))?;
        deliver(&answer, arguments, &client, context)?;
        return closed(&client, &answer);
    }
    Ok(())
}

/// A client that asks with the key that was given.
fn asking(arguments: &Arguments) -> Result<Client> {
    let key = arguments.key.as_ref().ok_or_else(no_key)?;
    #[cfg_attr(not(feature = "fhe"), allow(unused_mut, reason = "only fhe waits"))]
    let mut client = Client::open(&arguments.study.study, key)?;
    #[cfg(feature = "fhe")]
    client.set_wait(std::time::Duration::from_secs(arguments.wait));
    Ok(client)
}

/// Runs something with a line of progress, and a switch that Ctrl-C throws.
fn watched<T>(
    context: &Context,
    run: impl FnOnce(&mut dyn FnMut(Progress), &Cancel) -> tacit_client::Result<T>,
) -> tacit_client::Result<T> {
    let cancel = Cancel::new();
    signals::on_interrupt({
        let cancel = cancel.clone();
        move |_| cancel.cancel()
    });
    let mut drawn = Drawn::new(&context.terminal);
    let ran = run(&mut |progress| drawn.show(&progress), &cancel);
    drawn.clear();
    ran
}

/// A question that was left says with which line it goes on.
fn unfinished(
    error: tacit_client::Error,
    arguments: &Arguments,
    otherwise: impl FnOnce(tacit_client::Error) -> Failure,
) -> Failure {
    let (tacit_client::Error::Unfinished { session, .. }, Some(key)) = (&error, &arguments.key)
    else {
        return otherwise(error);
    };
    let help = format!(
        "an evaluation that runs goes on; everything else waits until this is run again, when the parties \
         are there:\n  tacit query --study {} --key {} --resume {}",
        arguments.study.study.display(),
        key.display(),
        jobs::short(session)
    );
    Failure::from(error).help(help)
}

/// What was answered on `fhe` and written is not kept any longer.
#[cfg(feature = "fhe")]
fn closed(client: &Client, answer: &Answer) -> Result<()> {
    match answer.receipt.as_ref().filter(|receipt| receipt.engine == Backend::Fhe) {
        Some(receipt) => Ok(client.close(&receipt.session)?),
        None => Ok(()),
    }
}

/// Finds out before anything is asked whether an answer can be written as it is wanted.
fn deliverable(arguments: &Arguments) -> Result<()> {
    if arguments.status && arguments.format != Format::Csv {
        return Err(usage("--status belongs to --format csv; json and ndjson always carry it"));
    }
    arguments.output.as_ref().map_or(Ok(()), |path| writable(path))
}

fn no_key() -> Failure {
    usage("asking needs your key: --key FILE, or TACIT_KEY")
}

/// Fails if a party would not take part.
fn all_ready(dry: &DryRun) -> Result<()> {
    let missing = dry.parties.iter().filter(|party| !party.ready);
    let missing: Vec<&str> = missing.map(|party| party.party.as_str()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("not ready: {}", missing.join(", "));
    Err(Failure::new(Exit::Network, "party_not_ready", message)
        .help("the table says why; tacit doctor --study FILE asks every party"))
}

/// The text of a question: the argument, a file, or standard input.
///
/// # Errors
/// If there is none.
pub fn question(sql: Option<&str>, file: Option<&Path>) -> Result<String> {
    let text = match (sql, file) {
        (Some(sql), _) => sql.to_owned(),
        (None, Some(file)) if file == Path::new("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
        (None, Some(file)) => {
            std::fs::read_to_string(file).map_err(|error| Failure::file(file, &error))?
        }
        (None, None) => String::new(),
    };
    if text.trim().is_empty() {
        return Err(usage("no question: write the SQL as an argument, or --file FILE"));
    }
    Ok(text)
}

/// An engine by its name, as it was given with this flag.
///
/// # Errors
/// With the flag and the names there are.
pub fn engine(flag: &str, name: &str) -> Result<Backend> {
    name.to_ascii_lowercase().parse().map_err(|_| {
        let engines = ["rep3", "additive", "fhe", "clear"];
        let near = tacit_plan::suggest::did_you_mean(name, engines);
        usage(&format!("{flag} {name}: there is none of that name{near}"))
            .help(format!("engines: {}", engines.join(", ")))
    })
}

fn usage(message: &str) -> Failure {
    Failure::new(Exit::Usage, "usage", message)
}

/// Finds out before anything is asked whether the answer can be written.
fn writable(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let about = std::fs::metadata(folder).map_err(|error| {
        let failure = Failure::file(folder, &error);
        if error.kind() == std::io::ErrorKind::NotFound {
            return failure.help("--output: make this folder first, or write to another one");
        }
        failure
    })?;
    if path.is_dir() || !about.is_dir() {
        return Err(Failure::setup("file", format!("{}: not a file", path.display())));
    }
    Ok(())
}

fn deliver(
    answer: &Answer,
    arguments: &Arguments,
    client: &Client,
    context: &Context,
) -> Result<()> {
    let style = Style {
        format: arguments.format,
        status: arguments.status,
        threshold: client.study().disclosure().threshold,
        terminal: context.terminal,
    };
    let bars = arguments
        .bars
        .then(|| render::bars::picture(&answer.table, style.threshold, &context.terminal));
    let write = |out: &mut dyn std::io::Write| {
        render::write(answer, &style, out)?;
        match bars.flatten() {
            Some(bars) => write!(out, "\n{bars}"),
            None => Ok(()),
        }
    };
    match &arguments.output {
        Some(path) => {
            // Beside it first: a full disk leaves no half answer.
            let mut beside = path.as_os_str().to_owned();
            beside.push(".part");
            let beside = PathBuf::from(beside);
            let file = std::fs::File::create(&beside).map_err(|e| Failure::file(&beside, &e))?;
            let mut file = std::io::BufWriter::new(file);
            write(&mut file)
                .and_then(|()| {
                    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
                })
                .and_then(|()| std::fs::rename(&beside, path))
                .map_err(|error| Failure::file(path, &error))?;
            context.note(&format!(
                "wrote {} ({})",
                path.display(),
                number::plural(answer.table.rows.len() as u64, "row", "rows")
            ));
        }
        None => context.write(write)?,
    }
    for note in &answer.table.notes {
        context.note(&format!("note: {}", render::value::printable(note)));
    }
    let hidden = answer.table.hidden();
    if hidden > 0 {
        context.note(&format!(
            "hidden: {} by the disclosure rules of the study (profile {})",
            number::plural(hidden as u64, "value is hidden", "values are hidden"),
            client.study().disclosure().profile,
        ));
    }
    if let Some(receipt) = &answer.receipt {
        context.note(&cost(receipt));
    }
    Ok(())
}

/// The cost of a run in one line.
pub fn cost(receipt: &RunReceipt) -> String {
    if receipt.engine == Backend::Fhe {
        return encrypted_cost(receipt);
    }
    let triples = receipt.triples.as_ref().map(|source| format!("; triples: {source}"));
    format!(
        "cost: {} ({}{}) over {}, {}, {} sent by all parties, local {}, joint {}, total {}",
        receipt.engine,
        receipt.security,
        triples.unwrap_or_default(),
        receipt.transport,
        number::plural(receipt.ledger.rounds, "round", "rounds"),
        number::bytes(receipt.ledger.bytes()),
        number::seconds(receipt.times.local),
        number::seconds(receipt.times.joint),
        number::seconds(receipt.times.total),
    )
}

/// The same of a run on encrypted columns, which has phases instead of rounds.
fn encrypted_cost(receipt: &RunReceipt) -> String {
    let slowest = |name: &str| {
        let of = receipt.phases.iter().filter(|phase| phase.phase == name);
        number::seconds(of.map(|phase| phase.seconds).fold(0.0, f64::max))
    };
    format!(
        "cost: {} ({}{}) over {}, {} sent by all parties, enter {}, evaluate {}, decrypt {}, total {}",
        receipt.engine,
        receipt.security,
        trusted(receipt).iter().fold(String::new(), |all, word| all + "; " + word),
        receipt.transport,
        number::bytes(receipt.ledger.bytes()),
        slowest("enter"),
        slowest("evaluate"),
        slowest("decrypt"),
        number::seconds(receipt.times.total),
    )
}

/// Who was trusted for what in a run: sources of triples, of keys and of the reference string, and the
/// evaluator.
pub fn trusted(receipt: &RunReceipt) -> Vec<String> {
    let named = [
        ("triples", &receipt.triples),
        ("keys", &receipt.keys),
        ("CRS", &receipt.crs),
        ("evaluator", &receipt.evaluator),
    ];
    let said = named.into_iter().filter_map(|(name, who)| Some((name, who.as_ref()?)));
    said.map(|(name, who)| format!("{name}: {who}")).collect()
}
