//! `tacit bench`.

mod fhe;
mod folder;
mod peers;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};
use tacit_bench::{
    BUDGET, Budget, File, LinkKind, Record, References, Setting, TASKS, Work, distinct, seconds,
    suite, summary,
};
use tacit_mpc::{EngineKind, bristol::Form};

use self::folder::Folder;

use crate::{
    context::Context,
    error::{Exit, Failure, Result},
};

/// Repetitions unless told otherwise.
const REPEAT: usize = 5;

const RUN_HELP: &str = "\
Parties on machines of their own: every party makes a key (tacit key new a.key), and all get the same
file, in which the first one asks (and, for additive, the last one deals triples):

  [[party]]
  name = \"a\"
  key = \"ed25519:...\"            (tacit key show a.key)
  address = \"bench-a.example:7700\"

Then each runs the same command with its own key:

  tacit bench run round mul --peers peers.toml --key a.key --out figures/

The sites of a study measure the same way with --study study.toml in the place of --peers, while
their services are stopped.

Nobody starts unless all have the same program, parties, tasks, rows and repetitions. Frames go over
QUIC, or over TCP if the first line of the file is transport = \"tcp\" or the study says so; every
party gets the records.";

const COMPARE_HELP: &str = "\
The ratio is the speed of B over that of A, by the medians of their times: 2 is twice as fast. The
range is what the repetitions allow: the fastest of B beside the slowest of A, and the reverse.
A caution says what makes two records hard to compare (another machine, build, or other references).
Records that only one side has are named and not compared.

Exit codes: 0 compared; 1 with --fail-below, if a ratio is below it; 2 wrong use; 4 no records, a
record of another schema version, or no record that both sides have.

Examples:
  tacit bench compare before/ after/
  tacit bench compare before/ after/ --fail-below 0.9      (for a build server: no more than 10 % slower)";

/// The commands.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
All parties run on this machine, one thread each. A record is written only if the values are those
of plain Rust and the bytes are those of the bill; triples from a dealer stand in its name.

Examples:
  tacit bench run --out figures/            (every figure to reach, in up to 10 minutes)
  tacit bench run mul ltz --out before/
  tacit bench run round --link quic,wan,35/50
  tacit bench run --circuit adder64.txt --n 1000 --engine rep3,additive
  tacit bench circuit > aes128.txt
  tacit bench compare before/ after/
  tacit bench report after/")]
pub enum Command {
    /// The tasks, and what is counted as one
    List,
    /// Measure
    #[command(after_help = RUN_HELP)]
    Run(Box<Run>),
    /// Measure homomorphic evaluation phase by phase, with rep3 beside it
    Fhe(fhe::Arguments),
    /// Write the circuit of AES-128 in Bristol Fashion
    Circuit(Circuit),
    /// Set two folders (or files) of records beside each other
    #[command(after_help = COMPARE_HELP)]
    Compare(Compare),
    /// Draw a folder of records: a page, Markdown or CSV
    Report(Report),
}

/// Arguments of `tacit bench run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The tasks (see tacit bench list); without any, all of them. Without any option that says
    /// what to run, those that are to reach a figure run at its size and over its link, and the
    /// rest on up to 100,000 rows, all in up to 10 minutes
    #[arg(value_name = "TASK")]
    tasks: Vec<String>,
    /// A circuit in Bristol Fashion to run as well
    #[arg(long, value_name = "FILE")]
    circuit: Vec<PathBuf>,
    /// Engines, separated by commas: rep3 (if none is named), additive, clear
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    engine: Vec<EngineKind>,
    /// Rows, such as 1000000 or 1e6; each task has its own by default
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = rows)]
    n: Vec<usize>,
    /// Links, separated by commas: memory (if none is named), quic and tcp (loopback), lan and wan
    /// (simulated), or ONE-WAY-MS,MBIT such as 35,50 or 35/50
    #[arg(long, value_name = "LINK")]
    link: Vec<String>,
    /// Compute parties of additive and clear, 3 by default (rep3 always has three)
    #[arg(long, value_name = "K")]
    parties: Option<usize>,
    /// Repetitions, at most: each measurement is made at least once, and begins no repetition
    /// after its share of --minutes
    #[arg(long, value_name = "K", default_value_t = REPEAT)]
    repeat: usize,
    /// Time for everything; 8 for the whole suite, no bound otherwise
    #[arg(long, value_name = "M", value_parser = minutes)]
    minutes: Option<Duration>,
    /// Write the records into this folder; without it they are only summed up in a line each
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Parties on machines of their own")]
    together: peers::Together,
}

/// Arguments of `tacit bench circuit`.
#[derive(Debug, Args)]
pub struct Circuit {
    /// The new form of the format, or the old one
    #[arg(long, value_enum, default_value = "new")]
    form: FormName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FormName {
    New,
    Old,
}

/// Arguments of `tacit bench compare`.
#[derive(Debug, Args)]
pub struct Compare {
    /// Records: the base
    #[arg(value_name = "A")]
    first: PathBuf,
    /// Records to set beside them
    #[arg(value_name = "B")]
    second: PathBuf,
    /// Exit with 1 if B has less than this part of the speed of A in any record
    #[arg(long, value_name = "RATIO", value_parser = part)]
    fail_below: Option<f64>,
}

/// Arguments of `tacit bench report`.
#[derive(Debug, Args)]
pub struct Report {
    /// Records
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// A page complete by itself (DIR/report.html), or text on standard output
    #[arg(long, value_enum, default_value = "html")]
    format: Format,
    /// Where the page goes
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Html,
    Md,
    Csv,
}

/// Runs it.
///
/// # Errors
/// Unknown names, sizes that do not fit the memory, and runs whose values or bytes are wrong.
pub fn run(command: &Command, context: &Context) -> Result<()> {
    match command {
        Command::List => list(context),
        Command::Run(arguments) => measure(arguments, context),
        Command::Fhe(arguments) => fhe::run(arguments, context),
        Command::Circuit(arguments) => {
            let form = match arguments.form {
                FormName::New => Form::New,
                FormName::Old => Form::Old,
            };
            let text = tacit_bench::aes_circuit(form).map_err(tacit_bench::Error::from);
            context.print(&text.map_err(failure)?)
        }
        Command::Compare(arguments) => compare(arguments, context),
        Command::Report(arguments) => report(arguments, context),
    }
}

fn failure(error: tacit_bench::Error) -> Failure {
    use tacit_bench::Error;
    match error {
        Error::Unknown { .. }
        | Error::Twice { .. }
        | Error::Size { .. }
        | Error::Parties { .. } => Failure::new(Exit::Usage, "usage", error),
        Error::File { .. } => Failure::setup("file", error),
        Error::Memory { .. } => Failure::setup("memory", error),
        Error::Wrong { .. } | Error::Ledger { .. } => {
            Failure::new(Exit::Differs, "wrong_result", error)
        }
        Error::Differs { .. } => Failure::setup("config_mismatch", error),
        Error::Record { .. } | Error::Compare(_) => Failure::setup("record", error),
        Error::Net(tacit_net::Error::Setup(_)) => Failure::setup("bench", error),
        Error::Net(_) | Error::Engine(tacit_mpc::Error::Net(_)) => {
            Failure::new(Exit::Network, "network", error)
        }
        other => Failure::setup("bench", other),
    }
}

/// `1000`, `1_000` or `1e3`.
fn rows(text: &str) -> Result<usize, String> {
    let plain = text.replace('_', "");
    let whole = plain.parse::<usize>().ok();
    let float =
        || plain.parse::<f64>().ok().filter(|n| n.fract() == 0.0 && (1.0..1e15).contains(n));
    let n = whole.or_else(|| float().map(|n| n as usize));
    n.filter(|n| *n > 0).ok_or_else(|| "not a number of rows; write 1000000 or 1e6".into())
}

/// `10` or `0.5`.
fn minutes(text: &str) -> Result<Duration, String> {
    let minutes = text.parse::<f64>().ok().filter(|m| (0.0..=1e5).contains(m));
    minutes
        .map(|minutes| Duration::from_secs_f64(60.0 * minutes))
        .ok_or_else(|| "not a number of minutes; write 10 or 0.5".into())
}

/// A part such as 0.9.
fn part(text: &str) -> Result<f64, String> {
    let part = text.parse::<f64>().ok().filter(|part| *part > 0.0 && part.is_finite());
    part.ok_or_else(|| "not a ratio; write 0.9".into())
}

fn list(context: &Context) -> Result<()> {
    context.write(|out| {
        for task in TASKS {
            let times = match task.depth {
                1 => String::new(),
                depth => format!(", {depth} times one after the other"),
            };
            writeln!(out, "{:<22}{}; {} rows{times}", task.name, task.about, task.n)?;
        }
        Ok(())
    })
}

fn measure(arguments: &Run, context: &Context) -> Result<()> {
    arguments.together.check()?;
    if arguments.together.apart() {
        return peers::run(arguments, context);
    }
    let start = Instant::now();
    let mut settings = settings(arguments)?;
    let whole = arguments.whole_suite();
    let mut refused = None;
    settings.retain(|setting| match setting.check() {
        Ok(()) => true,
        Err(error) if whole && matches!(error, tacit_bench::Error::Memory { .. }) => {
            context.note(&format!("left out: {error}"));
            false
        }
        Err(error) => {
            refused.get_or_insert(error);
            true
        }
    });
    if let Some(error) = refused {
        return Err(failure(error));
    }
    if cfg!(debug_assertions) {
        context.note("this is a debug build: its figures say nothing about speed");
    }
    let budget = arguments.minutes.or_else(|| whole.then_some(BUDGET)).map(Budget::new);
    let files = settings.iter().map(Setting::file_name);
    let mut folder = Folder::prepare(arguments.out.as_deref(), files, context)?;
    context.note("measuring what this machine does at best");
    let mut references: Vec<References> = Vec::new();
    for setting in &settings {
        if references.iter().all(|known| known.parties != setting.parties) {
            references.push(References::measure(setting.parties).map_err(failure)?);
        }
    }
    let count = settings.len();
    let work = |i: usize, setting: &Setting| {
        let known = references.iter().find(|known| known.parties == setting.parties);
        let known = known.copied().unwrap_or_else(References::alone);
        let time = budget.map(|budget| budget.share(count - i));
        context.note(&format!("{} of {count}: {}", i + 1, setting.name()));
        Setting { time, ..setting.clone() }.measure(&known)
    };
    let mut measured = 0;
    let outcome = each(&settings, context, work, |setting, record| {
        measured += 1;
        context.print(&(summary(&record) + "\n"))?;
        let made = record.online.seconds.repetitions;
        if made < setting.repeat as u64 {
            context.note(&format!("{made} of {} repetitions: its time was over", setting.repeat));
        }
        folder.write(&record)
    });
    let of = if measured == count { String::new() } else { format!(" of {count}") };
    let took = start.elapsed().as_secs_f64();
    context.note(&format!("{measured}{of} measurements in {took:.0} s"));
    folder.tell(context);
    outcome
}

/// Does the work on each setting. What one does wrong is no reason to keep the others from being
/// measured: the first failure is told when all had their turn, with the names of all that failed.
fn each<T>(
    settings: &[Setting],
    context: &Context,
    work: impl Fn(usize, &Setting) -> Result<T, tacit_bench::Error>,
    mut done: impl FnMut(&Setting, T) -> Result<()>,
) -> Result<()> {
    let mut failed = Vec::new();
    for (i, setting) in settings.iter().enumerate() {
        match work(i, setting) {
            Ok(made) => done(setting, made)?,
            Err(error) => {
                context.note(&format!("{} failed: {error}", setting.name()));
                failed.push((setting.name(), error));
            }
        }
    }
    let names: Vec<String> = failed.iter().map(|(name, _)| name.clone()).collect();
    let help = format!("without a record: {}", names.join(", "));
    failed.into_iter().next().map_or(Ok(()), |(_, first)| Err(failure(first).help(help)))
}

impl Run {
    /// Whether nothing says what to run.
    fn whole_suite(&self) -> bool {
        self.tasks.is_empty()
            && self.circuit.is_empty()
            && self.engine.is_empty()
            && self.n.is_empty()
            && self.link.is_empty()
    }
}

/// What to measure, in order.
fn settings(arguments: &Run) -> Result<Vec<Setting>> {
    if arguments.repeat == 0 || arguments.repeat > 1000 {
        let message = format!("--repeat {}: 1 to 1000", arguments.repeat);
        return Err(Failure::new(Exit::Usage, "usage", message));
    }
    let engines = match &arguments.engine[..] {
        [] => &[EngineKind::Rep3],
        engines => engines,
    };
    if let Some(parties) = arguments.parties.filter(|&parties| parties != 3)
        && engines.contains(&EngineKind::Rep3)
    {
        let message = format!("--parties {parties}: rep3 has three");
        return Err(Failure::new(Exit::Usage, "usage", message)
            .help("--parties is for other engines alone: --engine additive, --engine clear"));
    }
    if arguments.whole_suite() {
        return Ok(suite(arguments.repeat));
    }
    let mut works = Vec::new();
    for name in &arguments.tasks {
        works.push(Work::named(name).map_err(failure)?);
    }
    for path in &arguments.circuit {
        works.push(Work::File(File::read(path).map_err(failure)?));
    }
    if works.is_empty() {
        works.extend(TASKS.iter().copied().map(Work::Task));
    }
    let mut links = Vec::new();
    for text in &arguments.link {
        links.extend(LinkKind::list(text).map_err(failure)?);
    }
    if links.is_empty() {
        links.push(LinkKind::Memory);
    }
    let mut settings = Vec::new();
    for work in works {
        for &engine in engines {
            for &link in &links {
                let rows = [work.rows()];
                let rows = if arguments.n.is_empty() { &rows[..] } else { &arguments.n };
                for &n in rows {
                    let parties =
                        if engine == EngineKind::Rep3 { 3 } else { arguments.parties.unwrap_or(3) };
                    let (repeat, work) = (arguments.repeat, work.clone());
                    settings.push(Setting { work, n, engine, parties, link, repeat, time: None });
                }
            }
        }
    }
    distinct(&settings).map_err(failure)?;
    Ok(settings)
}

fn compare(arguments: &Compare, context: &Context) -> Result<()> {
    let read = |path: &Path| Record::read_all(path).map_err(failure);
    let (first, second) = (read(&arguments.first)?, read(&arguments.second)?);
    let pairs = tacit_bench::compare(&first, &second).map_err(failure)?;
    let alone = |name: &str, own: &[Record]| {
        let lack = own.iter().filter(|record| pairs.iter().all(|pair| pair.name != record.name));
        let lack: Vec<&str> = lack.map(|record| record.name.as_str()).collect();
        if !lack.is_empty() {
            context.note(&format!("only in {name}: {}", lack.join(", ")));
        }
    };
    alone("A", &first);
    alone("B", &second);
    context.write(|out| {
        writeln!(out, "{:<44} {:>11} {:>11}  speed of B over A (range)", "record", "A", "B")?;
        for pair in &pairs {
            let [ratio, low, high] = pair.ratio;
            let [a, b] = pair.seconds.map(seconds);
            write!(out, "{:<44} {a:>11} {b:>11}  {ratio:.2} ({low:.2} to {high:.2})", pair.name)?;
            if pair.bytes[0] != pair.bytes[1] {
                write!(out, "; bytes {} and {}", pair.bytes[0], pair.bytes[1])?;
            }
            if pair.rounds[0] != pair.rounds[1] {
                write!(out, "; rounds {} and {}", pair.rounds[0], pair.rounds[1])?;
            }
            writeln!(out)?;
            for caution in &pair.caution {
                writeln!(out, "    caution: {caution}")?;
            }
        }
        Ok(())
    })?;
    let Some(least) = arguments.fail_below else { return Ok(()) };
    let slow: Vec<&str> =
        pairs.iter().filter(|pair| pair.ratio[0] < least).map(|pair| pair.name.as_str()).collect();
    if slow.is_empty() {
        return Ok(());
    }
    let message = format!("below {least} of the speed of A: {}", slow.join(", "));
    Err(Failure::new(Exit::Differs, "slower", message)
        .help("look at the cautions and the ranges, then measure both again on an idle machine"))
}

fn report(arguments: &Report, context: &Context) -> Result<()> {
    let records = Record::read_all(&arguments.folder).map_err(failure)?;
    let text = match arguments.format {
        Format::Md => tacit_bench::markdown(&records),
        Format::Csv => tacit_bench::csv(&records),
        Format::Html => tacit_bench::html(&records),
    };
    let path = match (&arguments.output, arguments.format) {
        (Some(path), _) => path.clone(),
        (None, Format::Html) => {
            let folder = arguments.folder.as_path();
            let folder = if folder.is_dir() { folder } else { Path::new(".") };
            folder.join("report.html")
        }
        (None, _) => return context.print(&text),
    };
    std::fs::write(&path, text).map_err(|error| Failure::file(&path, &error))?;
    context.note(&format!("{} is written", path.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_people_write_them() {
        assert_eq!(rows("1e6"), Ok(1_000_000));
        assert_eq!(rows("1_000"), Ok(1000));
        for bad in ["0", "-1", "1.5", "1e99", "many"] {
            assert!(rows(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_one_task_does_wrong_keeps_no_other_from_being_measured() {
        let context = Context::new(crate::args::Global { json: false, quiet: true, verbose: 0 });
        let settings = &suite(1)[..3];
        let work = |i: usize, setting: &Setting| match i {
            1 => Err(tacit_bench::Error::Wrong { name: setting.name() }),
            _ => Ok(i),
        };
        let mut done = Vec::new();
        let outcome = each(settings, &context, work, |_, i| {
            done.push(i);
            Ok(())
        });
        assert_eq!(done, [0, 2]);
        let failure = outcome.unwrap_err();
        assert_eq!(failure.exit(), Exit::Differs);
        assert!(failure.to_string().contains(&settings[1].name()), "{failure}");
    }

    #[test]
    fn minutes_may_be_parts_of_one() {
        assert_eq!(minutes("0.5"), Ok(Duration::from_secs(30)));
        for bad in ["", "-1", "nan", "1e9", "ten"] {
            assert!(minutes(bad).is_err(), "{bad}");
        }
    }
}
