//! `tacit sandbox new`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use tacit_plan::{Disclosure, DisclosureTerms};
use tacit_sql::Source;

use crate::{
    context::Context,
    engines::{self, FheOptions},
    error::{Exit, Failure, Result},
    render::number,
    sandbox::{Order, Sandbox, Split, TableOrder, site_names},
};

/// Arguments of `tacit sandbox new`.
#[derive(Debug, Args)]
#[command(after_help = "\
The first three sites compute; two sites get the engine additive, whose triples come from a dealer
(one more process, which holds no data). The engine clear keeps nothing secret among the compute
sites and is there only when --engines names it; so is fhe, whose keys are made at once: that takes
about a minute, 2.5 GB of memory and 400 MB of disk.

Examples:
  tacit sandbox new demo/ --table visits=visits.csv
  tacit sandbox new demo/ --table visits=visits.csv --person visits=patient_id --sites 5 \\
      --split region --null NA --engines rep3
  tacit sandbox new demo/ --table visits=visits.csv --engines rep3,fhe")]
pub struct Arguments {
    /// A new folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// A table and its file (CSV with a header, or Parquet); may be given several times
    #[arg(long, value_name = "NAME=FILE", required = true)]
    table: Vec<String>,
    /// Number of sites
    #[arg(long, default_value_t = 3)]
    sites: usize,
    /// hash, or a column: each site gets some of its values
    #[arg(long, value_name = "hash|COLUMN", default_value = "hash")]
    split: String,
    /// Engines that the study allows, of rep3, additive, fhe and clear [default: rep3 and
    /// additive, as they fit]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    engines: Vec<String>,
    /// How many sites compute with additive [default: the first three, or both of two]
    #[arg(long, value_name = "NUMBER")]
    compute: Option<usize>,
    #[command(flatten)]
    fhe: FheOptions,
    /// The column that tells persons apart: counts are then of persons
    #[arg(long, value_name = "TABLE=COLUMN")]
    person: Vec<String>,
    /// What separates the fields of a CSV file [default: found out]
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<char>,
    /// A word that means "missing", besides the empty field; may be given several times
    #[arg(long, value_name = "WORD")]
    null: Vec<String>,
    /// What carries the frames between the parties: quic, or tcp where UDP is blocked
    #[arg(long, value_name = "quic|tcp", default_value_t)]
    transport: tacit_governance::Transport,
    /// Disclosure profile
    #[arg(long, value_name = "PROFILE", default_value = "default")]
    disclosure: String,
    /// The first count that is shown [default: the profile's]
    #[arg(long, value_name = "NUMBER")]
    threshold: Option<u64>,
    /// A site that holds some but fewer hides the number [default: none]
    #[arg(long, value_name = "NUMBER")]
    site_floor: Option<u64>,
}

/// Makes the sandbox.
///
/// # Errors
/// If the arguments contradict each other, or the data cannot be read.
pub fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let folder = arguments.folder.clone();
    let order = order(arguments)?;
    let sandbox = Sandbox::make(&folder, &order, &|text| context.note(text))?;
    for warning in &sandbox.facts.warnings {
        context.note(&format!("warning: {warning}"));
    }
    context.print(&summary(&sandbox, &order))?;
    let first = &order.tables[0].name;
    let shown = folder.display();
    context.note(&format!(
        "next:\n  tacit sandbox start {shown}\n  tacit study show {shown}/study.toml\n  \
         tacit query --study {shown}/study.toml --key {shown}/analyst/key \
         \"SELECT COUNT(*) AS n FROM {first}\""
    ));
    Ok(())
}

fn order(arguments: Arguments) -> Result<Order> {
    if !(2..=32).contains(&arguments.sites) {
        return Err(usage("--sites: from 2 to 32"));
    }
    let persons = arguments
        .person
        .iter()
        .map(|pair| named("--person", "TABLE=COLUMN", pair))
        .collect::<Result<Vec<_>>>()?;
    let tables = arguments
        .table
        .iter()
        .map(|pair| {
            let (name, file) = named("--table", "NAME=FILE", pair)?;
            let person = persons.iter().find(|(table, _)| *table == name);
            Ok(TableOrder {
                name: name.to_owned(),
                source: Source {
                    path: file.into(),
                    delimiter: arguments.delimiter,
                    null: arguments.null.clone(),
                    format: None,
                },
                person: person.map(|(_, column)| (*column).to_owned()),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    if let Some((table, _)) =
        persons.iter().find(|(name, _)| !tables.iter().any(|t| t.name == *name))
    {
        return Err(usage(&format!("--person {table}: there is no --table of that name")));
    }
    let disclosure = DisclosureTerms {
        profile: arguments.disclosure,
        threshold: arguments.threshold,
        site_floor: arguments.site_floor,
        ..DisclosureTerms::default()
    };
    let _: Disclosure = disclosure.resolve()?;
    Ok(Order {
        name: format!("sandbox of {}", tables[0].name),
        sites: site_names(arguments.sites),
        tables,
        split: match arguments.split.as_str() {
            "hash" => Split::Hash,
            column => Split::Column(column.to_owned()),
        },
        engines: engines::named("--engines", &arguments.engines)?,
        compute: arguments.compute,
        fhe: arguments.fhe,
        disclosure,
        transport: arguments.transport,
    })
}

fn named<'a>(argument: &str, form: &str, pair: &'a str) -> Result<(&'a str, &'a str)> {
    match pair.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name, value)),
        _ => Err(usage(&format!("{argument} {pair}: write {form}"))),
    }
}

fn usage(message: &str) -> Failure {
    Failure::new(Exit::Usage, "usage", message)
}

fn summary(sandbox: &Sandbox, order: &Order) -> String {
    let mut text = format!("wrote {}\n", sandbox.folder.display());
    for site in &sandbox.facts.sites {
        let tables = sandbox.facts.rows.get(site).into_iter().flatten();
        let rows =
            tables.map(|(table, rows)| format!("{table} {}", number::plural(*rows, "row", "rows")));
        let _ = writeln!(text, "  sites/{site}: {}", rows.collect::<Vec<_>>().join(", "));
    }
    if sandbox.facts.dealer {
        text += "  dealer: gives the engine additive its triples; it holds no data, and is trusted \
                 not to work together with a site\n";
    }
    if sandbox.facts.keys {
        text += "  study.keys/: the keys of the engine fhe, and every key holder's sealed share; the \
                 dealer that made them takes no part in questions, and is trusted to have forgotten \
                 them\n";
    }
    text += "  analyst: the key to ask with\n";
    let _ = writeln!(
        text,
        "  study.toml: signed by {}; tables: {}",
        order.sites.join(", "),
        order.tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>().join(", ")
    );
    text
}
