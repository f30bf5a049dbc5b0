//! `tacit demo`: three hospitals and an analyst, as separate processes on this machine that talk
//! over QUIC or TCP, with real data that the binary carries.

mod pooled;
mod questions;
mod running;

use std::fmt::Write as _;
use std::{path::Path, time::Instant};

use clap::Args;
use tacit_client::{Answer, Cancel, Client, Explanation, RunReceipt};
use tacit_governance::Transport;
use tacit_mpc::EngineKind;
use tacit_plan::DisclosureTerms;
use tacit_sql::{ResultTable, Source, Statement};

use self::{
    pooled::{Pooled, compare},
    questions::{QUESTIONS, Question},
    running::Running,
};
use crate::{
    context::Context,
    engines::FheOptions,
    error::{Exit, Failure, Result},
    progress::Drawn,
    render::{self, Format, Style, number},
    sandbox::{Order, Sandbox, Split, TableOrder},
};

/// Diabetes 130-US hospitals (see `data/README.md` for origin and licence).
const DATA: &[u8] = include_bytes!("../../../data/encounters.csv");

/// The table.
const TABLE: &str = "encounters";

/// Unequal hospitals: each gets the encounters of one source of admission.
const HOSPITALS: [&str; 3] = ["county", "riverside", "lakeside"];

/// Rows of a long answer that are shown from its start and from its end.
const SHOWN: (usize, usize) = (8, 4);

/// Arguments of `tacit demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Starts three site processes on the loopback interface, asks five questions, and compares every
answer with the one of the pooled data. Leaves no process and no file behind. Exits with 1 if
anything differs.

Examples:
  tacit demo
  tacit demo --transport tcp")]
pub struct Arguments {
    /// What carries the frames between the parties: quic, or tcp where UDP is blocked
    #[arg(long, value_name = "quic|tcp", default_value_t)]
    transport: Transport,
}

/// Runs it.
///
/// # Errors
/// If a hospital does not start or an answer differs from the pooled one.
pub fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let begin = Instant::now();
    let (running, folder) = Running::new()?;
    let file = folder.join("encounters.csv");
    std::fs::write(&file, DATA).map_err(|error| Failure::file(&file, &error))?;
    let sandbox =
        Sandbox::make(&folder.join("study"), &order(&file, arguments.transport), &|text| {
            context.note(text);
        })?;
    running.start(&sandbox, context.verbose)?;

    let client = Client::open(&sandbox.study(), &sandbox.analyst_key())?;
    context.print(&introduction(&sandbox, &client, begin))?;
    let pooled = Pooled::open(client.study(), TABLE, &file, &folder.join("cache"))?;
    let mut differ = Vec::new();
    for (i, question) in QUESTIONS.iter().enumerate() {
        let title = format!("{}. {}", i + 1, question.title);
        context.print(&format!(
            "\n{}\n\n{}\n\n",
            heading(&title, context),
            indent(question.sql)
        ))?;
        if let Err(failure) = ask(question, i == 0, &client, &pooled, context) {
            if failure.exit() != Exit::Differs {
                return Err(failure);
            }
            context.print(&format!("DIFFERS: {failure}\n"))?;
            differ.push(i + 1);
        }
    }
    drop(running);
    if !differ.is_empty() {
        let message = format!("questions {differ:?} differ from the pooled data");
        return Err(Failure::new(Exit::Differs, "differs", message));
    }
    context.print(&format!(
        "\n{}\n\nAll {} answers equal those of the pooled data, in {}. Nothing is left behind.\n\
         Try it with data of your own:\n\n  \
         tacit sandbox new my-study --table visits=FILE.csv --sites 3\n  \
         tacit sandbox start my-study\n  \
         tacit query --study my-study/study.toml --key my-study/analyst/key \"SHOW TABLES\"\n  \
         tacit explain --study my-study/study.toml \"SELECT COUNT(*) FROM visits\"\n  \
         tacit sandbox stop my-study\n",
        heading("Done", context),
        QUESTIONS.len(),
        number::duration(begin.elapsed()),
    ))
}

fn order(file: &Path, transport: Transport) -> Order {
    Order {
        name: "Diabetes encounters of three hospitals".into(),
        sites: HOSPITALS.map(str::to_owned).to_vec(),
        tables: vec![TableOrder { name: TABLE.into(), source: Source::new(file), person: None }],
        split: Split::Column("admission_source".into()),
        engines: Some(vec![EngineKind::Rep3.into()]),
        compute: None,
        fhe: FheOptions::default(),
        disclosure: DisclosureTerms::default(),
        transport,
    }
}

fn introduction(sandbox: &Sandbox, client: &Client, begin: Instant) -> String {
    let carried = match client.study().transport() {
        Transport::Quic => "QUIC",
        Transport::Tcp => "TLS over TCP",
    };
    let hospitals = sandbox.parties().into_iter().map(|party| {
        let rows = sandbox.facts.rows.get(&party.name).and_then(|tables| tables.get(TABLE));
        let address = client.study().party(&party.name).ok().and_then(|p| p.address.clone());
        format!(
            "  {:<10} {:>6} encounters, a process of its own at {} ({carried})\n",
            party.name,
            number::grouped(rows.copied().unwrap_or_default()),
            address.unwrap_or_default()
        )
    });
    format!(
        "Three hospitals hold diabetes encounters and may not pool them. An analyst asks questions\n\
         over all of them. (Real data: UCI, doi:10.24432/C5230J, CC BY 4.0.)\n\n{}  {:<10} {:>6} \
         of it: asks, and alone receives answers\n\nReady after {}.\n",
        hospitals.collect::<String>(),
        "analyst",
        "none",
        number::duration(begin.elapsed()),
    )
}

/// Asks, prints, compares.
fn ask(
    question: &Question,
    first: bool,
    client: &Client,
    pooled: &Pooled,
    context: &Context,
) -> Result<()> {
    let refused = |error| Failure::of_question(error, question.sql);
    let explanation = client.explain(question.sql, &[]).map_err(refused)?;
    let Statement::Query(plan) = client.compile(question.sql).map_err(refused)? else {
        return Err(Failure::new(Exit::Differs, "internal", "not a query"));
    };
    let mut drawn = Drawn::new(&context.terminal);
    let answer = client
        .ask(question.sql, None, &mut |progress| drawn.show(&progress), &Cancel::new())
        .map_err(refused);
    drawn.clear();
    let answer = answer?;
    context.print(&picture(&answer, question.bars, client, context))?;
    context.print(&format!("\n{}\n\n", question.remark))?;

    let compared = compare(&answer.table, &pooled.answer(&plan)?)?;
    context.print(&format!("  pooled data   {compared}\n"))?;
    let Some(receipt) = &answer.receipt else {
        return Err(Failure::new(Exit::Differs, "differs", "the answer has no receipt"));
    };
    context.print(&costs(receipt, context))?;
    context.print(&learned(&explanation, first, context.terminal.width))?;
    if receipt.bill != receipt.ledger {
        let message = "the bill differs from the ledger";
        return Err(Failure::new(Exit::Differs, "differs", message));
    }
    Ok(())
}

fn picture(answer: &Answer, bars: bool, client: &Client, context: &Context) -> String {
    let style = Style {
        format: Format::Table,
        status: false,
        threshold: client.study().disclosure().threshold,
        terminal: context.terminal,
    };
    let table = &answer.table;
    let bars = bars.then(|| render::bars::picture(table, style.threshold, &context.terminal));
    if let Some(bars) = bars.flatten() {
        return bars;
    }
    let (head, tail) = SHOWN;
    if table.rows.len() <= head + tail + 1 {
        return render::table::result(table, &style);
    }
    let rows = |rows: &[Vec<tacit_sql::ResultValue>]| ResultTable {
        columns: table.columns.clone(),
        rows: rows.to_vec(),
        notes: Vec::new(),
    };
    let both = [&table.rows[..head], &table.rows[table.rows.len() - tail..]].concat();
    let text = render::table::result(&rows(&both), &style);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let left = table.rows.len() - head - tail;
    lines.insert(head + 2, format!("  ... {left} more rows ..."));
    lines.join("\n") + "\n"
}

/// What each party sent, as billed before the run and as counted in it.
fn costs(receipt: &RunReceipt, context: &Context) -> String {
    let (bill, ledger) = (&receipt.bill, &receipt.ledger);
    let rows: Vec<Vec<String>> = bill
        .parties
        .iter()
        .zip(&ledger.parties)
        .map(|(billed, counted)| {
            vec![
                counted.party.clone(),
                number::grouped(billed.sent),
                number::grouped(counted.sent),
                number::grouped(billed.received),
                number::grouped(counted.received),
            ]
        })
        .collect();
    let header = ["party", "sent: billed", "counted", "received: billed", "counted"];
    let table = render::table::words(&header, &rows, &[1, 2, 3, 4], &context.terminal);
    format!(
        "  engine        {} ({})\n  rounds        {} billed, {} counted\n  \
         time          local {}, joint {}, in all {}\n  bytes\n{}\n",
        receipt.engine,
        receipt.security,
        bill.rounds,
        ledger.rounds,
        number::seconds(receipt.times.local),
        number::seconds(receipt.times.joint),
        number::seconds(receipt.times.total),
        indent(&indent(&table)),
    )
}

/// Who learned what; at length the first time.
fn learned(explanation: &Explanation, first: bool, width: usize) -> String {
    let mut text = String::from("  learned\n");
    let (audiences, lines) = if first { (9, 9) } else { (2, 2) };
    for (who, what) in render::explain::audiences(&explanation.learns).iter().take(audiences) {
        text += &wrapped(who, "    ", width.min(100));
        for what in what.iter().take(lines) {
            text += &wrapped(what, "      - ", width.min(100));
        }
    }
    text
}

/// A sentence in lines of at most `width`, hanging under its bullet.
fn wrapped(text: &str, bullet: &str, width: usize) -> String {
    let mut lines = String::from(bullet);
    let mut column = bullet.chars().count();
    let indent = column;
    for (i, word) in text.split_whitespace().enumerate() {
        let length = word.chars().count();
        if i > 0 && column + 1 + length > width {
            let _ = write!(lines, "\n{:indent$}", "");
            column = indent;
        } else if i > 0 {
            lines.push(' ');
            column += 1;
        }
        lines += word;
        column += length;
    }
    lines + "\n"
}

fn heading(text: &str, context: &Context) -> String {
    if context.terminal.color { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
}

fn indent(text: &str) -> String {
    let lines = text.lines().map(|line| format!("  {line}").trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}
