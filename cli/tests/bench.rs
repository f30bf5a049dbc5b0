//! `tacit bench` as a user meets it.

mod support;

use std::{
    fs,
    net::UdpSocket,
    path::PathBuf,
    process::{Output, Stdio},
};

use support::{both, fails, failure, ok, path, peer, run, tacit, text};

#[test]
fn a_report_shows_every_figure_to_reach_and_a_comparison_ends_with_its_code() {
    let home = tempfile::tempdir().unwrap();
    let (a, b) = (home.path().join("a"), home.path().join("b"));
    for folder in [&a, &b] {
        let said = ok([
            "bench",
            "run",
            "mul",
            "eqz",
            "--n",
            "1e3",
            "--repeat",
            "2",
            "--out",
            path(folder),
        ]);
        assert!(said.contains("rep3/mul/1000/memory"), "{said}");
    }
    ok(["bench", "report", path(&a)]);
    let page = fs::read_to_string(a.join("report.html")).unwrap();
    let markdown = ok(["bench", "report", path(&a), "--format", "md"]);
    let csv = ok(["bench", "report", path(&a), "--format", "csv"]);
    for task in ["mul", "and", "ltz", "eqz", "less-20", "sort", "shuffle", "aes", "dispatch"] {
        assert!(page.contains(&format!(">{task}: ")), "{task}");
        assert!(markdown.contains(&format!("| {task}: ")), "{task}");
        assert!(csv.contains(&format!(",{task},")), "{task}");
    }
    assert!(markdown.contains("not measured"), "{markdown}");

    let compare = ["bench", "compare", path(&a), path(&b)];
    let said = ok(compare);
    assert!(said.contains("rep3/eqz/1000/memory"), "{said}");
    assert!(said.contains(" µs ") || said.contains(" ms "), "{said}");
    ok([&compare[..], &["--fail-below", "0.000001"]].concat());
    let said = fails(1, "slower", [&compare[..], &["--fail-below", "1e9"]].concat());
    assert!(said.contains("rep3/mul/1000/memory"), "{said}");
    let record = b.join("rep3_mul_1000_memory.json");
    let old = fs::read_to_string(&record).unwrap().replacen("\"schema\": ", "\"schema\": 9", 1);
    fs::write(&record, old).unwrap();
    let said = fails(4, "record", compare);
    assert!(said.contains("schema 9") && said.contains("rep3_mul_1000_memory.json"), "{said}");
    let help = ok(["bench", "compare", "--help"]);
    assert!(help.contains("Exit codes") && help.contains("--fail-below"), "{help}");
}

#[test]
fn what_cannot_be_measured_is_told_before_anything_runs() {
    let said = fails(2, "usage", ["bench", "run", "sotr"]);
    assert!(said.contains("did you mean \"sort\"?") && said.contains("less-20"), "{said}");
    let said = fails(2, "usage", ["bench", "run", "mul", "--link", "memory,pigeons"]);
    assert!(said.contains("pigeons") && said.contains("35/50"), "{said}");
    let said = fails(2, "usage", ["bench", "run", "mul", "--engine", "rep4"]);
    assert!(said.contains("--engine") && said.contains("rep4"), "{said}");
    fails(2, "usage", ["bench", "run", "mul", "--n", "0"]);
    fails(2, "usage", ["bench", "run", "mul", "--repeat", "0"]);
    let additive = ["bench", "run", "mul", "--engine", "additive", "--parties"];
    for parties in ["0", "65", "18446744073709551615"] {
        let said = fails(2, "usage", [&additive[..], &[parties]].concat());
        assert!(said.contains("1 to 64"), "{said}");
    }
    let said = fails(2, "usage", ["bench", "run", "mul", "--engine", "rep3", "--parties", "4"]);
    assert!(said.contains("rep3 has three"), "{said}");
    for (option, value) in [("--key", "a.key"), ("--as", "a"), ("--listen", "127.0.0.1:7700")] {
        let said = fails(2, "usage", ["bench", "run", "mul", "--n", "1", option, value]);
        assert!(said.contains(option) && said.contains("--peers"), "{said}");
    }
    // The second size is refused although the first would fit.
    let output = run(["--json", "bench", "run", "mul", "--n", "10,4e9"]);
    assert_eq!(output.status.code(), Some(4), "{}", both(&output));
    assert!(output.stdout.is_empty(), "{}", both(&output));
    let said = text(&output.stderr);
    assert!(said.contains("MB") && said.contains("\"memory\""), "{said}");
}

#[test]
fn a_folder_that_cannot_be_written_to_is_refused_before_anything_runs() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let mul = ["--json", "bench", "run", "mul", "round", "--n", "10", "--repeat", "1", "--out"];
    for bad in [file.as_path(), &file.join("sub"), "/proc/tacit".as_ref()] {
        let output = run([&mul[..], &[path(bad)]].concat());
        assert_eq!(output.status.code(), Some(4), "{}", both(&output));
        let said = both(&output);
        assert!(said.contains(path(bad)) && !said.contains("measure"), "{said}");
    }
    let out = home.path().join("new/deep");
    let mul = ["bench", "run", "mul", "round", "--n", "10", "--repeat", "1", "--out", path(&out)];
    let first = both(&run(mul));
    assert!(first.contains("2 records are in ") && !first.contains("replaced"), "{first}");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 2, "nothing but the records");
    let again = both(&run([&mul[..], &["and"]].concat()));
    let due = format!("2 records of an earlier run in {} will be replaced", path(&out));
    assert!(again.contains(&due) && again.contains("3 records are in "), "{again}");
}

#[test]
fn two_circuits_of_one_name_are_refused_in_one_run_and_told_apart_by_a_comparison() {
    let home = tempfile::tempdir().unwrap();
    let folder = |name: &str| home.path().join(name);
    let files: Vec<PathBuf> = [("x", "AND"), ("y", "XOR")]
        .map(|(name, gate)| {
            fs::create_dir(folder(name)).unwrap();
            let file = folder(name).join("c.txt");
            fs::write(&file, format!("1 3\n1 1 1\n\n2 1 0 1 2 {gate}\n")).unwrap();
            file
        })
        .into();
    let out = folder("both");
    let [x, y] = [&files[0], &files[1]].map(|file| ["--circuit", path(file)]);
    let run = ["bench", "run", "--n", "100", "--repeat", "1", "--out"];
    let said = fails(2, "usage", [&run[..], &[path(&out)], &x, &y].concat());
    assert!(said.contains("rep3/circuit-c/100/memory"), "{said}");
    fails(2, "usage", ["bench", "run", "mul", "mul", "--n", "1"]);
    assert!(!out.exists(), "nothing ran");
    for (out, file) in [("a", &x), ("b", &y)] {
        ok([&run[..], &[path(&folder(out))], file].concat());
    }
    let said = ok(["bench", "compare", path(&folder("a")), path(&folder("b"))]);
    assert!(said.contains("caution: other circuit"), "{said}");
}

#[test]
fn a_network_may_be_given_with_a_comma_or_a_slash() {
    let run = ["bench", "run", "round", "--n", "1", "--repeat", "1", "--link", "35,50,1/2,memory"];
    let said = ok(run);
    for link in ["simulated-35ms-50mbit", "simulated-1ms-2mbit", "memory"] {
        assert!(said.contains(&format!("rep3/round/1/{link}")), "{said}");
    }
}

#[test]
fn the_circuit_of_aes_is_written_and_runs_from_its_file() {
    let home = tempfile::tempdir().unwrap();
    for form in ["new", "old"] {
        let file = home.path().join(format!("aes-{form}.txt"));
        fs::write(&file, ok(["bench", "circuit", "--form", form])).unwrap();
        let said = ok([
            "bench",
            "run",
            "--circuit",
            path(&file),
            "--n",
            "3",
            "--repeat",
            "1",
            "--engine",
            "rep3",
        ]);
        assert!(said.contains(&format!("rep3/circuit-aes-{form}/3/memory")), "{said}");
    }
}

#[test]
fn a_circuit_file_that_is_none_is_refused_with_its_name_and_line() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("broken.txt");
    let run = ["bench", "run", "--circuit", path(&file)];
    fails(4, "file", run);
    let due: [(&[u8], &str); 4] = [
        (b"2 4\n1 1 1\n\n2 1 0 1 2 XOR\n", "1 of 2 gates"),
        (b"1 3\n1 1 1\n\n2 1 0 7 2 XOR\n", "line 4: wire 7 is out of range"),
        (b"9 999999999999\n1 1 1\n\n2 1 0 1 2 XOR\n", "too many"),
        (b"\xff\xfe\0", "no text"),
    ];
    for (bytes, why) in due {
        fs::write(&file, bytes).unwrap();
        let said = fails(4, "file", run);
        assert!(said.contains("broken.txt") && said.contains(why), "{said}");
    }
}

/// A file of three parties on loopback whose keys lie beside it.
fn peers(home: &tempfile::TempDir) -> PathBuf {
    let sockets: Vec<UdpSocket> = (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let party = |(name, socket): (&str, &UdpSocket)| {
        let key = ok(["key", "new", path(&home.path().join(format!("{name}.key")))]);
        peer(name, &key, socket.local_addr().unwrap())
    };
    let text: String = ["a", "b", "c"].into_iter().zip(&sockets).map(party).collect();
    let file = home.path().join("peers.toml");
    fs::write(&file, text).unwrap();
    file
}

/// All three run `tacit bench run` with these arguments each.
fn together(home: &tempfile::TempDir, arguments: [&[&str]; 3]) -> Vec<Output> {
    let file = peers(home);
    let start = |(name, arguments): (&str, &[&str])| {
        let key = home.path().join(format!("{name}.key"));
        let out = home.path().join(format!("out-{name}"));
        let who = ["--peers", path(&file), "--as", name, "--key", path(&key), "--out", path(&out)];
        let mut command = tacit();
        command.args(["--json", "bench", "run"]).args(arguments).args(who);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let processes: Vec<_> = ["a", "b", "c"].into_iter().zip(arguments).map(start).collect();
    processes.into_iter().map(|process| process.wait_with_output().unwrap()).collect()
}

#[test]
fn parties_in_processes_of_their_own_measure_together_and_all_get_the_record() {
    let home = tempfile::tempdir().unwrap();
    let arguments = ["mul", "round", "--n", "100", "--repeat", "2"];
    for output in together(&home, [&arguments; 3]) {
        assert!(output.status.success(), "{}", both(&output));
        assert!(text(&output.stdout).contains("rep3/mul/100/quic-apart"), "{}", both(&output));
    }
    for name in ["a", "b", "c"] {
        let record = home.path().join(format!("out-{name}/rep3_mul_100_quic-apart.json"));
        let record: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(record).unwrap()).unwrap();
        assert_eq!(record["online"]["seconds"]["repetitions"], 2);
        assert!(record["peers"][0].as_str().unwrap().starts_with("a 127.0.0.1:"));
    }
}

#[test]
fn parties_with_other_parameters_end_with_what_differs_and_both_sides() {
    let home = tempfile::tempdir().unwrap();
    let (usual, other) = (["mul", "--n", "100"], ["mul", "--n", "200"]);
    let outputs = together(&home, [&usual, &usual, &other]);
    for (output, peer) in outputs.iter().zip(["c", "c", "a"]) {
        assert_eq!(output.status.code(), Some(4), "{}", both(output));
        let failure = failure(output);
        assert_eq!(failure["code"], "config_mismatch", "{failure}");
        let said = failure["message"].as_str().unwrap();
        assert!(
            said.contains("--n") && said.contains("\"100\"") && said.contains("\"200\""),
            "{said}"
        );
        assert!(said.ends_with(&format!("at {peer}")), "{said}");
        assert!(failure["help"].as_str().unwrap().ends_with("the same --peers"), "{failure}");
    }
    assert_eq!(fs::read_dir(home.path().join("out-a")).unwrap().count(), 0, "nothing ran");
}

#[test]
fn a_party_that_is_not_in_the_file_or_has_another_key_is_refused_at_once() {
    let home = tempfile::tempdir().unwrap();
    let file = peers(&home);
    let (a, b) = (home.path().join("a.key"), home.path().join("b.key"));
    let with = |name: &'static str, key| {
        [
            "bench",
            "run",
            "mul",
            "--n",
            "1",
            "--peers",
            path(&file),
            "--as",
            name,
            "--key",
            path(key),
        ]
        .map(str::to_owned)
    };
    let said = fails(4, "peers", with("d", &a));
    assert!(said.contains("\"d\"") && said.contains("a, b, c"), "{said}");
    let said = fails(4, "peers", with("a", &b));
    assert!(said.contains("not that of a"), "{said}");
    fails(2, "usage", ["bench", "run", "mul", "--peers", path(&file)]);
}

#[test]
fn the_sites_of_a_study_measure_together_over_its_transport_and_nobody_else_does() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("visits.csv");
    fs::write(&file, support::data::csv(&support::data::rows(30), ',')).unwrap();
    let made = ["--null", "NA", "--engines", "rep3", "--transport", "tcp"];
    let sandbox = support::Sandbox::new("visits", &file, &made);
    let study = sandbox.study();
    let start = |site: &str| {
        let key = sandbox.party(site).join("key");
        let mut command = tacit();
        command.args(["--json", "bench", "run", "mul", "--n", "10", "--repeat", "1"]);
        command.args(["--study", path(&study), "--key", path(&key)]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let processes = ["north", "south", "east"].map(start);
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", both(&output));
        assert!(text(&output.stdout).contains("rep3/mul/10/tcp-apart"), "{}", both(&output));
    }
    // What has the port of a site is most likely its service.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let north = sandbox.party("north").join("key");
    let base = ["bench", "run", "mul", "--n", "1", "--study", path(&study), "--listen", &at];
    let said = fails(4, "bench", [&base[..], &["--key", path(&north)]].concat());
    assert!(said.contains("the port is in use") && said.contains("stop it"), "{said}");
    let key = sandbox.key();
    let base = ["bench", "run", "mul", "--n", "1", "--study", path(&study), "--key", path(&key)];
    let said = fails(4, "peers", base);
    assert!(said.contains("none of the parties"), "{said}");
    let said = fails(4, "peers", [&base[..], &["--engine", "additive"]].concat());
    assert!(said.contains("additive") && said.contains("rep3"), "{said}");
}
