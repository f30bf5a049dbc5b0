//! Parties that are down, are killed, or hold another study; and a user who gives up.

mod support;

use std::{
    fs,
    process::{Child, Command, Output},
    time::{Duration, Instant},
};

use support::{Sandbox, both, data, fails, failure, ok, path, run};

const SQL: &str = "SELECT age, region, sex, smoker, COUNT(*) AS n, AVG(weight) AS w, AVG(score) AS s \
                   FROM visits GROUP BY age, region, sex, smoker";

fn sandbox(rows: u64, arguments: &[&str]) -> Sandbox {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("visits.csv");
    fs::write(&file, data::csv(&data::rows(rows), ',')).unwrap();
    Sandbox::started("visits", &file, &[&["--null", "NA"], arguments].concat())
}

fn kill(pid: u32, signal: &str) {
    let status = Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

/// A query that is under way: `party` has written to its log that it takes part, or `usual` is
/// over.
fn asked(sandbox: &Sandbox, party: &str, usual: Duration) -> Child {
    let log = sandbox.party(party).join("log");
    let length = fs::read(&log).unwrap().len();
    let query = sandbox
        .query(SQL)
        .arg("--json")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while fs::read(&log).unwrap().len() == length && begin.elapsed() < usual {
        std::thread::sleep(Duration::from_millis(1));
    }
    query
}

/// Ends within 10 s, and the failure names `party`.
#[track_caller]
fn names(output: &Output, since: Instant, party: &str) {
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}\n{}", since.elapsed(), both(output));
    let failure = failure(output);
    assert_eq!(output.status.code(), Some(5), "{}", both(output));
    assert!(failure["message"].as_str().unwrap().contains(party), "{failure}");
}

#[test]
fn a_killed_site_is_named_within_ten_seconds_and_start_repairs_it() {
    let sandbox = sandbox(2000, &["--engines", "rep3"]);
    let before = sandbox.json(SQL, None);
    let warm = Instant::now();
    sandbox.json(SQL, None);
    let usual = warm.elapsed();

    // Down at the start.
    for party in ["south", "north"] {
        kill(sandbox.pid(party), "-KILL");
        let begin = Instant::now();
        let output = sandbox.query(SQL).arg("--json").output().unwrap();
        names(&output, begin, party);
        let down = fails(1, "party_down", ["sandbox", "status", path(&sandbox.folder)]);
        assert!(down.contains(&format!("down: {party}")), "{down}");
        let dry = sandbox.query(SQL).args(["--dry-run", "--json"]).output().unwrap();
        assert_eq!(dry.status.code(), Some(5), "{}", both(&dry));
        let message = failure(&dry)["message"].clone();
        assert_eq!(message, format!("not ready: {party}"));
        sandbox.start();
        assert_eq!(sandbox.json(SQL, None)["rows"], before["rows"]);
    }

    // In every phase: killed after ever longer parts of a run, and once just after the site
    // wrote to its log that it takes part.
    let mut mid = 0;
    for (step, party) in (0..8_u32).zip(["east", "north", "south"].into_iter().cycle()) {
        let query = asked(&sandbox, party, usual);
        std::thread::sleep(usual * step / 24);
        kill(sandbox.pid(party), "-KILL");
        let begin = Instant::now();
        let output = query.wait_with_output().unwrap();
        if output.status.success() {
            // It had sent its part already.
            assert!(begin.elapsed() < Duration::from_secs(10));
        } else {
            names(&output, begin, party);
            mid += 1;
        }
        sandbox.start();
    }
    assert!(mid >= 2, "kills hit a run: {mid}");
    assert_eq!(sandbox.json(SQL, None)["rows"], before["rows"]);
    for site in ["north", "south", "east"] {
        ok(["audit", "verify", path(&sandbox.party(site).join("receipts.jsonl"))]);
    }
}

#[test]
fn two_versions_of_a_study_are_refused_before_any_share() {
    let sandbox = sandbox(200, &["--engines", "rep3"]);
    let study = sandbox.study();
    // The sites serve the first version; the analyst gets another, signed by all.
    let text = fs::read_to_string(&study).unwrap();
    fs::write(&study, text.replacen("rows_at_most = ", "max_cells = 5000\nrows_at_most = ", 1))
        .unwrap();
    for site in ["north", "south", "east"] {
        ok(["study", "sign", path(&study), "--key", path(&sandbox.party(site).join("key"))]);
    }
    let output = sandbox.query(SQL).arg("--json").output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", both(&output));
    let failure = failure(&output);
    assert_eq!(failure["code"], "config_mismatch", "{failure}");
    assert!(failure["message"].as_str().unwrap().contains("study"), "{failure}");

    // One site alone with the new version.
    kill(sandbox.pid("east"), "-TERM");
    std::thread::sleep(Duration::from_millis(500));
    sandbox.start();
    let output = sandbox.query(SQL).arg("--json").output().unwrap();
    assert_eq!(support::failure(&output)["code"], "config_mismatch", "{}", both(&output));
}

#[test]
fn ctrl_c_cancels_a_query_and_the_sites_go_on_serving() {
    let sandbox = sandbox(2000, &["--engines", "rep3"]);
    sandbox.json(SQL, None);
    let warm = Instant::now();
    sandbox.json(SQL, None);
    let usual = warm.elapsed();
    let mut cancelled = 0;
    for step in 0..5_u32 {
        let query = asked(&sandbox, "north", usual);
        std::thread::sleep(usual * step / 8);
        kill(query.id(), "-INT");
        let begin = Instant::now();
        let output = query.wait_with_output().unwrap();
        assert!(begin.elapsed() < Duration::from_secs(10), "{}", both(&output));
        if !output.status.success() {
            assert_eq!(output.status.code().unwrap_or(130), 130, "{}", both(&output));
            cancelled += 1;
        }
    }
    assert!(cancelled > 0);
    sandbox.json(SQL, None);
}

#[test]
fn many_queries_at_once_all_get_the_same_answer() {
    let sandbox = sandbox(300, &["--engines", "rep3"]);
    let sql = "SELECT region, COUNT(*) AS n FROM visits GROUP BY region";
    let expected = sandbox.json(sql, None)["rows"].clone();
    let running: Vec<_> = (0..12)
        .map(|_| {
            let mut query = sandbox.query(sql);
            query.args(["--format", "json"]).stdout(std::process::Stdio::piped());
            query.stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for query in running {
        let output = query.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", both(&output));
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["rows"], expected);
    }
}

#[test]
fn stop_ends_every_process_and_start_starts_only_what_is_down() {
    let sandbox = sandbox(100, &["--sites", "2"]);
    let pids = ["north", "south", "dealer"].map(|party| sandbox.pid(party));
    let again = sandbox.start();
    assert_eq!(again.matches("up (process").count(), 3, "{again}");
    kill(pids[2], "-KILL");
    let repaired = sandbox.start();
    assert_eq!(repaired.matches("started").count(), 1, "{repaired}");
    assert!(repaired.contains("dealer: started"), "{repaired}");
    let dealer = sandbox.pid("dealer");
    sandbox.stop();
    for pid in [pids[0], pids[1], dealer] {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&line).contains("serve"), "{pid} still runs");
    }
    let status = run(["sandbox", "status", path(&sandbox.folder)]);
    assert_eq!(support::text(&status.stdout).matches("down").count(), 3, "{}", both(&status));
}
