//! Questions on encrypted columns: the answers of `rep3`, with parties that come and go.

#![cfg(feature = "fhe")]

#[path = "../src/command/demo/questions.rs"]
#[allow(dead_code, reason = "titles and remarks are for the demo")]
mod questions;
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use support::{Sandbox, both, data, failure, path, tacit, text};

/// How long a phase of a small question may take, and of a large one.
const PATIENCE: Duration = Duration::from_mins(6);
const LONG: Duration = Duration::from_hours(1);

const GROUPED: &str = "SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex";
const SUMS: &str = "SELECT SUM(balance) AS owed, AVG(weight) AS weight FROM visits";
const FEW: &str =
    "SELECT COUNT(*) AS n, AVG(weight) AS weight FROM visits WHERE age = 40 AND region = 'South'";

fn csv(sandbox: &Sandbox, sql: &str, engine: &str) -> Command {
    let mut command = sandbox.query(sql);
    command.args(["--format", "csv", "--status", "--engine", engine]);
    command
}

/// The answer as CSV with statuses.
#[track_caller]
fn answer(sandbox: &Sandbox, command: &mut Command) -> String {
    let output = command.output().expect("the binary runs");
    assert!(output.status.success(), "{}\n{}", both(&output), sandbox.logs());
    text(&output.stdout)
}

/// `tacit query` without a question.
fn open(sandbox: &Sandbox, arguments: &[&str]) -> Command {
    let mut command = tacit();
    command.arg("query").arg("--study").arg(sandbox.study()).arg("--key").arg(sandbox.key());
    command.args(arguments);
    command
}

fn kill(pid: u32) {
    let status = Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

/// The folders of all open questions.
fn jobs(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.folder.join("analyst/fhe-jobs")).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}

/// Waits until the one open question has this parcel.
#[track_caller]
fn wait_for(sandbox: &Sandbox, query: &mut Child, parcel: &str, patience: Duration) {
    let begin = Instant::now();
    while !jobs(sandbox).iter().any(|job| job.join(parcel).exists()) {
        let ended = query.try_wait().unwrap();
        assert!(ended.is_none(), "ended before {parcel}: {ended:?}\n{}", sandbox.logs());
        assert!(begin.elapsed() < patience, "no {parcel}\n{}", sandbox.logs());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn begun(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
}

/// Goes on with the one open question once every party is there again.
#[track_caller]
fn resumed(sandbox: &Sandbox) -> String {
    sandbox.start();
    let job = jobs(sandbox).pop().expect("an open question");
    let session = job.file_name().unwrap().to_str().unwrap().to_owned();
    let listed = answer(sandbox, &mut open(sandbox, &["--jobs"]));
    assert!(listed.contains(&session[..8]), "{listed}");
    let listed = answer(sandbox, &mut open(sandbox, &["--jobs", "--format", "json"]));
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["session"], session.as_str(), "{listed}");
    let output = open(sandbox, &["--jobs", "--format", "md"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", both(&output));
    let arguments = ["--resume", &session[..6], "--format", "csv", "--status"];
    answer(sandbox, &mut open(sandbox, &arguments))
}

/// The question was left because this party is away, and the line how to go on is told.
#[track_caller]
fn assert_waits(output: &Output, party: &str) {
    let failure = failure(output);
    assert_eq!(output.status.code(), Some(5), "{}", both(output));
    assert_eq!(failure["code"], "waiting", "{}", both(output));
    assert!(failure["message"].as_str().unwrap().contains(party), "{failure}");
    assert!(failure["help"].as_str().unwrap().contains("--resume"), "{failure}");
}

#[test]
#[ignore = "slow: real ciphertexts"]
fn encrypted_answers_equal_those_on_shares_whoever_comes_and_goes() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("visits.csv");
    fs::write(&file, data::csv(&data::rows(220), ',')).unwrap();
    let sandbox = Sandbox::started(
        "visits",
        &file,
        &["--null", "NA", "--sites", "3", "--engines", "rep3,fhe"],
    );
    let shares = |sql: &str| answer(&sandbox, &mut csv(&sandbox, sql, "rep3"));
    let due = [GROUPED, SUMS, FEW].map(shares);
    assert!(due[2].contains("hidden"), "{}", due[2]);

    // Groups, with a site that is killed as soon as it has sent its part.
    let mut query = begun(csv(&sandbox, GROUPED, "fhe").args(["--json", "--wait", "3"]));
    wait_for(&sandbox, &mut query, "east.upload", PATIENCE);
    kill(sandbox.pid("east"));
    let output = query.wait_with_output().unwrap();
    let found = if output.status.success() {
        text(&output.stdout)
    } else {
        assert_waits(&output, "east");
        resumed(&sandbox)
    };
    assert_eq!(found, due[0]);
    assert!(jobs(&sandbox).is_empty(), "an answered question is closed");
    sandbox.start();

    // Sums, with a key holder that is killed while it decrypts, and a program that is killed, too.
    let mut query = begun(&mut csv(&sandbox, SUMS, "fhe"));
    wait_for(&sandbox, &mut query, "north.result", PATIENCE);
    kill(sandbox.pid("south"));
    kill(query.id());
    let _ = query.wait_with_output();
    assert_eq!(resumed(&sandbox), due[1]);

    // So few that all is hidden, with the receipt of the run.
    let mut command = sandbox.query(FEW);
    let output = command.args(["--format", "json", "--engine", "fhe"]).output().unwrap();
    assert!(output.status.success(), "{}\n{}", both(&output), sandbox.logs());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["rows"][0][0]["status"], "hidden");
    let receipt = &json["receipt"];
    assert_eq!(receipt["engine"], "fhe");
    assert_eq!(receipt["keys"], "trusted dealer");
    assert_eq!(receipt["evaluator"], "reevaluated by every key holder");
    assert_eq!(receipt["ledger"], receipt["bill"]);
    let cost = text(&output.stderr);
    assert!(cost.contains("keys: trusted dealer; CRS: trusted dealer; evaluator:"), "{cost}");
    // Every site can find its receipts.
    for site in ["north", "south", "east"] {
        let given = receipt["receipts"][format!("{site}/enter")].as_str().unwrap().to_owned();
        let receipts = fs::read_to_string(sandbox.party(site).join("receipts.jsonl")).unwrap();
        assert!(receipts.contains("\"phase\":\"enter\""), "{receipts}");
        support::ok(["audit", "verify", path(&sandbox.party(site)), "--given", &given]);
    }
}

/// `TACIT_FHE_DEMO=1 cargo test --release --features fhe --test fhe -- --include-ignored demo --nocapture`:
/// the demo's questions, whole. Hours on two cores. `TACIT_FHE_DEMO=2,5` asks some of them.
#[test]
#[ignore = "slow: real ciphertexts"]
fn the_questions_of_the_demo_have_the_answers_of_shares() {
    let Ok(wanted) = std::env::var("TACIT_FHE_DEMO") else {
        println!("NOT CHECKED: TACIT_FHE_DEMO is not set");
        return;
    };
    let wanted: Vec<usize> = match &*wanted {
        "1" => (1..=questions::QUESTIONS.len()).collect(),
        some => some.split(',').map(|number| number.trim().parse().unwrap()).collect(),
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/encounters.csv");
    let begin = Instant::now();
    let arguments = ["--split", "admission_source", "--sites", "3", "--engines", "rep3,fhe"];
    let sandbox = Sandbox::new("encounters", &file, &arguments);
    for site in ["north", "south", "east"] {
        // A slow or busy machine would refuse the large question.
        let path = sandbox.party(site).join("site.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}\n[limits]\nfhe_minutes = 1000\n")).unwrap();
    }
    sandbox.start();
    println!("a sandbox with its keys: {:.1} s", begin.elapsed().as_secs_f64());
    for (at, question) in questions::QUESTIONS.iter().enumerate() {
        if !wanted.contains(&(at + 1)) {
            continue;
        }
        let begin = Instant::now();
        let due = answer(&sandbox, &mut csv(&sandbox, question.sql, "rep3"));
        let shares = begin.elapsed().as_secs_f64();
        let begin = Instant::now();
        let mut query = begun(csv(&sandbox, question.sql, "fhe").args(["--json", "--wait", "60"]));
        // One site is not there any more once it has sent its part.
        wait_for(&sandbox, &mut query, "east.upload", LONG);
        kill(sandbox.pid("east"));
        let output = query.wait_with_output().unwrap();
        let away = begin.elapsed().as_secs_f64();
        let found = if output.status.success() {
            text(&output.stdout)
        } else {
            assert_waits(&output, "east");
            resumed(&sandbox)
        };
        assert_eq!(found, due, "{}", question.sql);
        sandbox.start();
        println!(
            "{}. {} cells: rep3 {shares:.1} s, fhe {:.1} s, of it {away:.1} s without east; equal",
            at + 1,
            due.lines().count().saturating_sub(1),
            begin.elapsed().as_secs_f64(),
        );
    }
}
