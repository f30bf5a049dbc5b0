//! The way of a study on several machines, command by command, and what each writes.

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use support::{Sandbox, both, data, fails, ok, path, run, tacit};

/// Three sites, each in a folder of its own, as three operators would have made them.
struct Machines {
    home: tempfile::TempDir,
    served: Vec<Child>,
}

const SITES: [&str; 3] = ["alpha", "beta", "gamma"];

impl Machines {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let rows = data::rows(900);
        for (site, part) in SITES.iter().zip(rows.chunks(300)) {
            let folder = home.path().join(site);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("visits.csv"), data::csv(part, ',')).unwrap();
        }
        Self { home, served: Vec::new() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn serve(&mut self, site: &str) {
        let config = self.at(site).join("site.toml");
        let mut child = tacit()
            .args(["-q", "site", "serve", "--config", path(&config)])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("ready"), "{site}: {line}");
        self.served.push(child);
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for child in &mut self.served {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free_address() -> String {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().to_string()
}

fn string(path: &Path) -> String {
    support::path(path).to_owned()
}

#[test]
fn a_study_is_made_signed_served_asked_and_audited_step_by_step() {
    let mut machines = Machines::new();
    let study = machines.at("study.toml");
    let mut new: Vec<String> =
        ["study", "new", "--name", "Visits", "--rows-at-most", "900"].map(str::to_owned).to_vec();
    new.extend(["--output".into(), string(&study)]);
    for site in SITES {
        let folder = machines.at(site);
        ok(["key", "new", path(&folder.join("key"))]);
        let dictionary = folder.join("visits.toml");
        let file = folder.join("visits.csv");
        ok(["dictionary", "infer", path(&file), "--null", "NA", "--output", path(&dictionary)]);
        let word = ok(["key", "show", path(&folder.join("key"))]);
        let party = format!("{site}={},{},{}", word.trim(), free_address(), dictionary.display());
        new.extend(["--site".into(), party]);
    }
    let key = machines.at("ana.key");
    ok(["key", "new", path(&key)]);
    new.extend(["--analyst".into(), format!("ana={}", machines.at("ana.key.pub").display())]);
    let made = ok(&new);
    assert!(made.contains("wrote"), "{made}");
    fails(4, "file_exists", &new);
    fails(4, "study_unsigned", ["study", "check", path(&study)]);

    for site in SITES {
        let folder = machines.at(site);
        let file = folder.join("visits.csv");
        ok(["dictionary", "check", path(&file), "--study", path(&study), "--null", "NA"]);
        let said = ok(["study", "sign", path(&study), "--key", path(&folder.join("key"))]);
        assert!(said.contains(site), "{said}");
        let config = format!(
            "name = \"{site}\"\nstudy = \"../study.toml\"\nkey = \"key\"\n\
             receipts = \"receipts.jsonl\"\nqueries_per_day = 3\n\
             [tables.visits]\npath = \"visits.csv\"\nnull = [\"NA\"]\n\
             [refuse]\ncolumns = [\"visits.balance\"]\n"
        );
        fs::write(folder.join("site.toml"), config).unwrap();
    }
    let checked = ok(["study", "check", path(&study)]);
    assert_eq!(checked.matches("valid\n").count(), 3, "{checked}");
    for site in SITES {
        machines.serve(site);
    }

    let ask = |sql: &str| {
        ["query", "--study", path(&study), "--key", path(&key), "--format", "csv", sql]
            .map(str::to_owned)
    };
    let answer = ok(ask("SELECT COUNT(*) AS n FROM visits"));
    assert_eq!(answer, "n\n900\n");
    let dry = ok([&ask("SELECT COUNT(*) AS n FROM visits")[..], &["--dry-run".into()]].concat());
    assert_eq!(dry.matches("ready").count(), 3, "{dry}");
    assert!(dry.lines().any(|line| line.contains("ana") && line.contains("asks")), "{dry}");
    // A site's own list, and its number of queries a day.
    let said = fails(3, "policy", ask("SELECT SUM(balance) AS b FROM visits"));
    assert!(said.contains("balance"), "{said}");
    ok(ask("SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex"));
    ok(ask("SELECT region, COUNT(*) AS n FROM visits GROUP BY region"));
    fails(3, "quota", ask("SELECT COUNT(*) AS n FROM visits"));

    let receipts = machines.at("alpha").join("receipts.jsonl");
    let shown = ok(["audit", "show", path(&receipts)]);
    assert!(shown.matches("released").count() >= 3 && shown.contains("ana"), "{shown}");
    assert_eq!(ok(["audit", "show", path(&machines.at("alpha"))]), shown);
    let said = fails(4, "file", ["audit", "show", path(machines.home.path())]);
    assert!(said.contains("no receipts.jsonl") && said.contains("site.toml"), "{said}");
    ok(["audit", "verify", path(&receipts)]);
    ok(["audit", "verify", path(&machines.at("alpha"))]);
    let lines = ok(["audit", "show", path(&receipts), "--format", "json", "--last", "1"]);
    let last: serde_json::Value = serde_json::from_str(&lines).unwrap();
    ok(["audit", "verify", path(&receipts), "--given", last["hash"].as_str().unwrap()]);
    let other = "0".repeat(64);
    fails(4, "receipts", ["audit", "verify", path(&receipts), "--given", &other]);
    let text = fs::read_to_string(&receipts).unwrap();
    fs::write(machines.at("cut.jsonl"), text.replacen("visits", "visitz", 1)).unwrap();
    fails(4, "receipts", ["audit", "verify", path(&machines.at("cut.jsonl"))]);

    let doctor = ["doctor", "--study", path(&study), "--key", path(&key)];
    let healthy = run(doctor);
    let findings = support::text(&healthy.stdout);
    for site in SITES {
        assert!(findings.contains(site), "{}", both(&healthy));
    }
    machines.served[1].kill().unwrap();
    machines.served[1].wait().unwrap();
    let sick = run(doctor);
    assert_eq!(sick.status.code(), Some(1), "{}", both(&sick));
    let findings = support::text(&sick.stdout);
    assert!(findings.contains("beta") && findings.contains("fix:"), "{}", both(&sick));
}

#[test]
fn explain_needs_no_site_and_tells_everything() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("visits.csv");
    fs::write(&file, data::csv(&data::rows(300), ',')).unwrap();
    let sandbox = Sandbox::new("visits", &file, &["--null", "NA", "--sites", "5"]);
    let study = sandbox.study();
    let sql = "SELECT region, AVG(age) AS a, SUM(age) / COUNT(*) AS b FROM visits GROUP BY region";
    let text = ok(["explain", "--study", path(&study), "--link", "35,50", sql]);
    let signed = fs::read(&study).unwrap();
    assert!(run(["explain", "--study", path(&study), sql]).stderr.is_empty());
    fs::write(&study, [&signed, &b"\n"[..]].concat()).unwrap();
    let altered = run(["-q", "explain", "--study", path(&study), sql]);
    let warned = support::text(&altered.stderr);
    assert!(altered.status.success() && warned.contains("of another text"), "{}", both(&altered));
    fs::write(&study, &signed).unwrap();
    for part in [
        "transport     quic",
        "Each site runs on its own rows",
        "Who learns what",
        "Cost on rep3",
        "Cost on additive",
        "trusted dealer",
        "35 ms one way",
        "20 ms one way",
        "bytes sent",
        "peak memory",
        "What may be hidden",
        "What may surprise",
        "GROUP BY",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let dot = ok(["explain", "--study", path(&study), "--format", "dot", sql]);
    assert!(dot.starts_with("digraph"), "{dot}");
    let lowered = ["explain", "--study", path(&study), "--format", "dot", "--engine", "rep3", sql];
    assert!(ok(lowered).len() > dot.len());
    let json = ok(["explain", "--study", path(&study), "--format", "json", sql]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["engines"].as_array().unwrap().len(), 2);
    fails(2, "usage", ["explain", "--study", path(&study), "--link", "fast", sql]);
    let one = ["explain", "--study", path(&study), "--engine", "additive", sql];
    let one = ok(one);
    assert!(one.contains("Cost on additive") && !one.contains("Cost on rep3"), "{one}");
    let none = fails(2, "usage", ["explain", "--study", path(&study), "--engine", "fhe", sql]);
    assert!(none.contains("does not allow it") && none.contains("rep3, additive"), "{none}");
    let small = ok(["explain", "--study", path(&study), "SELECT COUNT(*) AS n FROM visits"]);
    for one in ["1 opening: for the one cell and each of 1 number,", "study: 1 cell, 1 input."] {
        assert!(small.contains(one), "{one} in\n{small}");
    }
}

#[test]
fn explain_tells_what_encrypted_columns_cost_or_that_this_binary_cannot() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("visits.csv");
    fs::write(&file, data::csv(&data::rows(300), ',')).unwrap();
    let sandbox = Sandbox::new("visits", &file, &["--null", "NA", "--engines", "rep3,additive"]);
    let study = sandbox.study();
    let terms = "[engines.fhe]\nholders = [\"north\", \"south\"]\nevaluator = \"east\"\n\
                 keys = \"dealer\"\nverify = \"trust\"\n\n[[party]]\n";
    let text = fs::read_to_string(&study).unwrap();
    fs::write(&study, text.replacen("[[party]]\n", terms, 1)).unwrap();
    let sql = "SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex";
    let explain =
        |more: &[&str]| ok([&["explain", "--study", path(&study)][..], more, &[sql][..]].concat());
    let text = explain(&[]);
    let (_, of_fhe) = text.split_once("Cost on fhe").unwrap();
    let json: serde_json::Value = serde_json::from_str(&explain(&["--format", "json"])).unwrap();
    let query = |more: &[&str]| {
        let key = sandbox.key();
        let asked = ["query", "--study", path(&study), "--key", path(&key)].map(str::to_owned);
        asked.into_iter().chain(more.iter().map(|word| (*word).to_owned())).collect::<Vec<_>>()
    };
    if cfg!(feature = "fhe") {
        for part in [
            "semi-honest, all but one of the key holders (1 of 2)",
            "key holders: north, south, all of them together decrypt",
            "keys: trusted dealer (dealer)",
            "CRS: trusted dealer",
            "evaluator: semi-honest (east)",
            "up to 30 days in all",
            "statistical distance of 2^-40",
            "enter",
            "evaluate",
            "decrypt",
        ] {
            assert!(of_fhe.contains(part), "{part} in\n{of_fhe}");
        }
        let alone = explain(&["--engine", "fhe"]);
        assert!(alone.contains("dealer (dealer)") && !alone.contains("Cost on rep3"), "{alone}");
        assert_eq!(json["engines"][2]["engine"], "fhe");
        assert_eq!(json["engines"][2]["encrypted"]["phases"][1]["parties"][0], "east");
        assert!(json.get("unpriced").is_none());
    } else {
        assert!(of_fhe.contains("cargo build --features fhe"), "{of_fhe}");
        assert_eq!(json["unpriced"][0]["engine"], "fhe");
        let alone = explain(&["--engine", "fhe"]);
        assert!(alone.contains("Cost on fhe") && !alone.contains("Who learns what"), "{alone}");
        for asked in [&["--engine", "fhe", sql][..], &["--jobs"], &["--resume", "ab"]] {
            for site in ["north", "south", "east"] {
                ok([
                    "study",
                    "sign",
                    path(&study),
                    "--key",
                    path(&sandbox.party(site).join("key")),
                ]);
            }
            let told = fails(2, "usage", query(asked));
            assert!(told.contains("cargo build --features fhe"), "{told}");
        }
    }
}

#[test]
fn a_study_over_tcp_works_and_is_named_so_wherever_it_is_told_of() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("visits.csv");
    fs::write(&file, data::csv(&data::rows(300), ',')).unwrap();
    let made = ["--null", "NA", "--engines", "rep3", "--transport", "tcp"];
    let sandbox = Sandbox::started("visits", &file, &made);
    let (study, key) = (sandbox.study(), sandbox.key());
    let sql = "SELECT COUNT(*) AS n FROM visits";
    let shown = ok(["study", "show", path(&study)]);
    assert!(shown.contains("transport  tcp\n"), "{shown}");
    let explained = ok(["explain", "--study", path(&study), sql]);
    assert!(explained.contains("transport     tcp\n"), "{explained}");
    let explained = ok(["explain", "--study", path(&study), "--format", "json", sql]);
    let explained: serde_json::Value = serde_json::from_str(&explained).unwrap();
    assert_eq!(explained["transport"], "tcp");
    assert_eq!(sandbox.json(sql, None)["receipt"]["transport"], "tcp");
    let asked = sandbox.query(sql).output().unwrap();
    assert!(support::text(&asked.stderr).contains(") over tcp, "), "{}", both(&asked));
    let healthy = ok(["doctor", "--study", path(&study), "--key", path(&key)]);
    assert_eq!(healthy.matches("answers over tcp").count(), 3, "{healthy}");
    assert!(!healthy.contains("UDP"), "{healthy}");
}

#[test]
fn completions_cover_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = ok(["completions", shell]);
        assert!(script.contains("sandbox") && script.contains("doctor"), "{shell}");
    }
}

#[test]
fn output_to_a_closed_pipe_is_no_failure() {
    let mut child = tacit().args(["completions", "bash"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
