//! `tacit bench fhe`.

use std::path::PathBuf;

use clap::Args;

use crate::{
    context::Context,
    error::{Exit, Failure, Result},
};

/// Arguments of `tacit bench fhe`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Key holders
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=3))]
    holders: u8,
    /// Groups of the grouped COUNT
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    cells: u16,
    /// Bits of its counts
    #[arg(long, value_name = "W", default_value_t = 24, value_parser = clap::value_parser!(u8).range(4..=40))]
    bits: u8,
    /// Write the figures into this folder as fhe.json
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs it: some minutes.
///
/// # Errors
/// If this binary is without homomorphic evaluation, if memory is short, or if a result is wrong.
#[cfg(feature = "fhe")]
pub fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    use tacit_bench::fhe;

    if cfg!(debug_assertions) {
        context.note("this is a debug build: its figures say nothing about speed");
    }
    if let Some(out) = &arguments.out {
        std::fs::create_dir_all(out).map_err(|error| Failure::file(out, &error))?;
    }
    let order = fhe::Order {
        holders: arguments.holders.into(),
        cells: arguments.cells.into(),
        bits: arguments.bits.into(),
        ..fhe::Order::default()
    };
    let figures = fhe::measure(&order, &mut |what| context.note(what)).map_err(super::failure)?;
    context.print(&fhe::text(&figures))?;
    if let Some(out) = &arguments.out {
        let path = out.join("fhe.json");
        let json = serde_json::to_string_pretty(&figures)
            .map_err(|error| Failure::new(Exit::Setup, "internal", error))?;
        std::fs::write(&path, json + "\n").map_err(|error| Failure::file(&path, &error))?;
        context.note(&format!("wrote {}", path.display()));
    }
    Ok(())
}

/// Says that it cannot.
///
/// # Errors
/// Always.
#[cfg(not(feature = "fhe"))]
pub fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let _ = (arguments, context);
    let message = "this binary was built without homomorphic evaluation";
    Err(Failure::new(Exit::Usage, "no_fhe", message)
        .help("build it with: cargo build --features fhe"))
}
