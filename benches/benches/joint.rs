//! A warm joint grouped count over 3 x 1,000,000 Parquet rows, by running processes, beside
//! DataFusion's own pooled query over the same rows.
//!
//! Needs the binary: `cargo build --release -p tacit-cli` first.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use criterion::{Criterion, criterion_group, criterion_main};
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use tacit_client::{Cancel, Client};

const ROWS: u64 = 3_000_000;
const SQL: &str = "SELECT sex, age, COUNT(*) AS n FROM visits GROUP BY sex, age";

/// The binary beside this benchmark's folder.
fn tacit() -> PathBuf {
    let own = std::env::current_exe().expect("a path");
    let binary = own.ancestors().nth(2).expect("a target folder").join("tacit");
    assert!(binary.exists(), "build the binary first: cargo build --release -p tacit-cli");
    binary
}

fn call(arguments: &[&str]) {
    let output = Command::new(tacit()).args(arguments).output().expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The sandbox's processes end with it.
struct Sandbox(tempfile::TempDir);

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = Command::new(tacit()).args(["sandbox", "stop"]).arg(self.path()).output();
    }
}

impl Sandbox {
    fn path(&self) -> PathBuf {
        self.0.path().join("sandbox")
    }
}

async fn write_rows(path: &Path) {
    let context = SessionContext::new();
    let query = format!(
        "SELECT CASE WHEN value % 2 = 0 THEN 'female' ELSE 'male' END AS sex, \
                20 + (value * 7919) % 70 AS age, \
                (value * 104729) % 1000 AS cost \
         FROM generate_series(1, {ROWS})"
    );
    let rows = context.sql(&query).await.expect("a query");
    let options = datafusion::dataframe::DataFrameWriteOptions::new().with_single_file_output(true);
    rows.write_parquet(&path.to_string_lossy(), options, None).await.expect("a Parquet file");
}

fn resident(pid: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Largest resident memory so far of every process that serves a site of this sandbox, in kB.
fn sites_memory(sandbox: &Path) -> Vec<u64> {
    let of = sandbox.to_string_lossy().into_owned();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| {
            let pid = entry.file_name().to_string_lossy().into_owned();
            let command = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
            (command.contains("serve") && command.contains(&of)).then(|| resident(&pid))?
        })
        .collect()
}

fn joint(c: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = Sandbox(tempfile::tempdir().expect("a folder"));
    let file = folder.0.path().join("visits.parquet");
    runtime.block_on(write_rows(&file));
    let sandbox = folder.path();
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let table = format!("visits={}", text(&file));
    call(&[
        "sandbox",
        "new",
        &text(&sandbox),
        "--table",
        &table,
        "--sites",
        "3",
        "--engines",
        "rep3",
    ]);
    call(&["sandbox", "start", &text(&sandbox)]);
    let client = Client::open(&sandbox.join("study.toml"), &sandbox.join("analyst/key"))
        .expect("the analyst's side");
    let ask = || client.ask(SQL, None, &mut |_| (), &Cancel::new()).expect("an answer");
    println!("as processes, warm: {:?}", ask().receipt.map(|receipt| receipt.times));

    let context = SessionContext::new();
    runtime.block_on(async {
        let options = ParquetReadOptions::default();
        context.register_parquet("visits", text(&file), options).await.expect("the table");
    });
    let pooled = || {
        runtime.block_on(async {
            context.sql(SQL).await.expect("a plan").collect().await.expect("rows")
        })
    };
    assert_eq!(
        pooled().iter().map(datafusion::arrow::array::RecordBatch::num_rows).sum::<usize>(),
        ask().table.rows.len(),
        "the joint answer has as many rows as the pooled one"
    );

    let mut group = c.benchmark_group("grouped count over 3 x 1,000,000 Parquet rows");
    group.sample_size(20);
    group.bench_function("DataFusion, pooled", |b| b.iter(pooled));
    group.bench_function("tacit, joint, rep3, three processes", |b| b.iter(ask));
    group.finish();
    println!("largest resident memory of the sites, kB: {:?}", sites_memory(&sandbox));
}

criterion_group!(benches, joint);
criterion_main!(benches);
