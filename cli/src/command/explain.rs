//! `tacit explain`.

use std::path::PathBuf;

use clap::Args;
use tacit_client::{Backend, Client, Explanation, Profile};

use crate::{
    args::StudyArgument,
    command::query::question,
    context::Context,
    error::{Exit, Failure, Result},
    render,
};

/// Arguments of `tacit explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Runs nothing and needs no site, and takes a draft that nobody has signed, with a warning: the plan, the SQL that each site will run on its own rows, the
circuit, who learns what, and for every engine that the study allows the exact rounds and bytes.

Examples:
  tacit explain --study study.toml \"SELECT sex, COUNT(*) FROM visits GROUP BY sex\"
  tacit explain --study study.toml --link 35ms,50mbit --file question.sql
  tacit explain --study study.toml --format dot --file question.sql | dot -Tsvg > circuit.svg")]
pub struct Arguments {
    #[command(flatten)]
    study: StudyArgument,
    /// The question
    sql: Option<String>,
    /// Read the question from a file (- for standard input)
    #[arg(long, value_name = "FILE", conflicts_with = "sql")]
    file: Option<PathBuf>,
    /// Text for people, JSON, or the circuit as a Graphviz graph
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// On this engine alone; with --format dot, the circuit as it runs there
    #[arg(long, value_name = "NAME")]
    engine: Option<String>,
    /// A network to estimate seconds for: lan, wan, or ONE-WAY-MS,MBIT such as 35,50 or 35/50
    #[arg(long, value_name = "MS,MBIT")]
    link: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Dot,
}

/// Runs it.
///
/// # Errors
/// If the study cannot be read or the question is refused.
pub fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let sql = question(arguments.sql.as_deref(), arguments.file.as_deref())?;
    let links = arguments.link.iter().map(|link| profile(link));
    let links: Vec<Profile> = links.collect::<Result<_>>()?;
    let client = Client::open_study(&arguments.study.study)?;
    for doubt in client.doubts() {
        Context::warn(&format!(
            "{doubt}: this may not be the study that the sites serve (see tacit doctor)"
        ));
    }
    let refused = |error| Failure::of_question(error, &sql);
    let engine = arguments.engine.as_deref();
    let engine = engine.map(|name| super::query::engine("--engine", name)).transpose()?;
    if arguments.format == Format::Dot {
        let circuit = client.circuit(&sql, engine).map_err(refused)?;
        return context.print(&circuit.dot());
    }
    let mut explanation = client.explain(&sql, &links).map_err(refused)?;
    if let Some(engine) = engine {
        only(engine, &mut explanation)?;
    }
    match arguments.format {
        Format::Json => context.write(|out| {
            serde_json::to_writer_pretty(&mut *out, &explanation)?;
            writeln!(out)
        }),
        _ => context.print(&render::explain::text(&explanation, &context.terminal)),
    }
}

/// Leaves what concerns one engine.
fn only(engine: Backend, explanation: &mut Explanation) -> Result<()> {
    let priced = explanation.engines.iter().map(|one| one.engine);
    let allowed: Vec<Backend> =
        priced.chain(explanation.unpriced.iter().map(|one| one.engine)).collect();
    if !allowed.contains(&engine) {
        let names: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        let message = format!("--engine {engine}: the study does not allow it");
        let help = format!("the study allows: {}", names.join(", "));
        return Err(Failure::new(Exit::Usage, "usage", message).help(help));
    }
    explanation.engines.retain(|one| one.engine == engine);
    explanation.unpriced.retain(|one| one.engine == engine);
    // Of an engine that cannot be priced it is not known.
    let learns = explanation.engines.first().map(|one| one.learns.clone());
    explanation.learns = learns.unwrap_or_default();
    Ok(())
}

/// `lan`, `wan`, `35,50`, `35/50` or `35ms,50mbit`.
fn profile(text: &str) -> Result<Profile> {
    let lower = text.to_ascii_lowercase();
    let parsed = match lower.split_once([',', '/']) {
        Some((latency, bandwidth)) => {
            let unit = |part: &str, unit: &str| {
                let part = part.trim();
                if part.ends_with(unit) { part.to_owned() } else { format!("{part}{unit}") }
            };
            format!("{},{}", unit(latency, "ms"), unit(bandwidth, "mbit")).parse()
        }
        None => lower.parse(),
    };
    parsed.map_err(|_| {
        Failure::new(Exit::Usage, "usage", format!("--link {text}: not a network"))
            .help("write milliseconds one way and Mbit/s, such as --link 35,50; or --link lan, --link wan")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_with_and_without_units() {
        for text in ["35,50", "35/50", "35ms,50mbit", "35ms, 50", "35 ms / 50 mbit"] {
            let link = profile(text).unwrap();
            assert_eq!((link.latency_ms, link.mbit_per_s), (35.0, 50.0));
        }
        assert_eq!(profile("fast").unwrap_err().exit(), Exit::Usage);
    }
}
