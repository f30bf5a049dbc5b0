//! What the engines do in a second on this machine: three parties in memory, one thread each.
//!
//! ```text
//! cargo run --release -p tacit-mpc --example speed [ENGINE]
//! ```
//!
//! Products and ANDs are timed from the first to the last round of a chain of them (columns random,
//! nothing entered), so that what is measured is multiplication with reused columns and frames.

use std::time::{Duration, Instant};

use tacit_mpc::{
    Builder, Circuit, Column, EngineKind, Num, Result, Roster, bill, run, schedule, testing,
};
use tacit_net::memory;

/// Time from the first network round to the end, at the slowest party.
fn run_all(circuit: &Circuit, engine: EngineKind, roster: &Roster) -> Result<(Duration, u64)> {
    let links = memory::mesh(roster.parties, [7; 32])
        .into_iter()
        .map(|link| link.with_deadline(Duration::from_mins(1)));
    std::thread::scope(|scope| {
        let party = |mut link: memory::Memory| {
            scope.spawn(move || -> Result<(Duration, u64)> {
                let mut first = None;
                let mut rounds = 0;
                run(circuit, engine, roster, &mut link, Vec::new(), &mut |_| {
                    first.get_or_insert_with(Instant::now);
                    rounds += 1;
                    Ok(())
                })?;
                Ok((first.map_or(Duration::ZERO, |first| first.elapsed()), rounds))
            })
        };
        let threads: Vec<_> = links.map(party).collect();
        let mut slowest = (Duration::ZERO, 0);
        for thread in threads {
            slowest = slowest.max(thread.join().unwrap_or_else(|p| std::panic::resume_unwind(p))?);
        }
        Ok(slowest)
    })
}

/// A chain of products.
fn chain<H: tacit_mpc::Handle>(rows: usize, length: usize, to: usize) -> Circuit {
    let mut b = Builder::new();
    let (x, mut y): (H, H) = (b.random(rows), b.random(rows));
    for _ in 0..length {
        y = b.mul(x, y);
    }
    let sum = b.sum(y);
    b.reveal(sum, to, "sum");
    b.finish()
}

fn products(engine: EngineKind, rows: usize, bits: bool) -> Result<()> {
    const LENGTH: usize = 8;
    let session = testing::session(engine, 3, 3);
    let circuit = if bits {
        chain::<tacit_mpc::Bit>(rows, LENGTH, session.analyst)
    } else {
        chain::<Num>(rows, LENGTH, session.analyst)
    };
    let (cpu, wall) = (cpu_seconds(), Instant::now());
    let (time, _) = run_all(&circuit, engine, &session.roster)?;
    let each = (rows * LENGTH) as f64 / time.as_secs_f64();
    let (each, unit) = if bits { (each / 1e9, "G ANDs/s") } else { (each / 1e6, "M products/s") };
    println!(
        "{engine:<9} {rows:>11} rows x {LENGTH}: {each:7.1} {unit} ({:.2} cores busy)",
        (cpu_seconds() - cpu) / wall.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Processor time of this process, where the system tells.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    ticks.filter_map(|word| word.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Small columns: what an instruction costs apart from its rows.
fn dispatch(engine: EngineKind) -> Result<()> {
    let session = testing::session(engine, 3, 3);
    let mut b = Builder::new();
    let xs: Vec<Num> = (0..64).map(|_| b.random(8)).collect();
    let mut ys = xs.clone();
    for _ in 0..100 {
        ys = ys.iter().zip(&xs).map(|(&y, &x)| b.mul(x, y)).collect();
    }
    for (i, y) in ys.into_iter().enumerate() {
        b.reveal(y, session.analyst, i.to_string());
    }
    let (time, rounds) = run_all(&b.finish(), engine, &session.roster)?;
    println!(
        "{engine:<9} 6400 products of 8 rows in {rounds} rounds: {:.1} us a product, {:.0} us a round",
        time.as_secs_f64() * 1e6 / 6400.0,
        time.as_secs_f64() * 1e6 / rounds as f64,
    );
    Ok(())
}

/// Five ripple-carry additions of 32-bit numbers side by side for every cell: about as many
/// instructions, and columns as long, as five aggregates of 10,000 cells with their rules.
fn adders(engine: EngineKind) -> Result<()> {
    const CELLS: usize = 10_000;
    let session = testing::session(engine, 3, 3);
    let mut b = Builder::new();
    let mut inputs = testing::Inputs::new();
    let mut sums = Vec::new();
    for _ in 0..5 {
        let mut planes = |site: usize| -> Vec<tacit_mpc::Bit> {
            (0..32)
                .map(|bit| {
                    let rows = (0..CELLS).map(|row| (row * 7919) >> (bit % 13) & 1 == 1);
                    inputs.entry(site).or_default().push(Column::bits(rows));
                    b.enter(site, CELLS)
                })
                .collect()
        };
        let (x, y) = (planes(0), planes(1));
        let mut carry: tacit_mpc::Bit = b.constant(0, CELLS);
        for (&x, &y) in x.iter().zip(&y) {
            let (p, q) = (b.xor(x, carry), b.xor(y, carry));
            let both = b.and(p, q);
            sums.push(b.xor(p, y));
            carry = b.xor(both, carry);
        }
    }
    for (i, sum) in sums.into_iter().enumerate() {
        b.reveal(sum, session.analyst, i.to_string());
    }
    let circuit = b.finish();
    let start = Instant::now();
    schedule(&circuit, engine, &session.roster)?;
    let laid_out = start.elapsed();
    let start = Instant::now();
    let bill = bill(&circuit, engine, &session.roster)?;
    let billed = start.elapsed();
    let start = Instant::now();
    circuit.digest();
    let digested = start.elapsed();
    let start = Instant::now();
    testing::world(&circuit, engine, &session.roster, &inputs, 1)?;
    println!(
        "{engine:<9} {} instructions on {CELLS} rows: schedule {laid_out:.1?}, bill {billed:.1?}, \
         digest {digested:.1?}, run {:.1?} in {} rounds, peak {} kB",
        circuit.instructions().len(),
        start.elapsed(),
        bill.rounds,
        bill.peak_bytes / 1000,
    );
    Ok(())
}

fn main() -> Result<()> {
    // Name an engine to measure it alone.
    let only = std::env::args().nth(1).map(|name| name.parse()).transpose()?;
    for engine in [EngineKind::Rep3, EngineKind::Additive] {
        if only.is_some_and(|only: EngineKind| only != engine) {
            continue;
        }
        for _ in 0..2 {
            products(engine, 10_000_000, false)?;
        }
        products(engine, 100_000, false)?;
        products(engine, 640_000_000, true)?;
        products(engine, 64_000_000, true)?;
        dispatch(engine)?;
        adders(engine)?;
    }
    Ok(())
}
