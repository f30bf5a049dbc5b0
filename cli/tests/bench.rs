//! `tacit bench` as a user meets it.

mod support;

use std::fs;

use support::{both, fails, ok, path, run, text};

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
    assert!(said.contains("sotr") && said.contains("less-20"), "{said}");
    let said = fails(2, "usage", ["bench", "run", "mul", "--link", "memory,pigeons"]);
    assert!(said.contains("pigeons") && said.contains("35/50"), "{said}");
    let said = fails(2, "usage", ["bench", "run", "mul", "--engine", "rep4"]);
    assert!(said.contains("--engine") && said.contains("rep4"), "{said}");
    fails(2, "usage", ["bench", "run", "mul", "--n", "0"]);
    fails(2, "usage", ["bench", "run", "mul", "--repeat", "0"]);
    // The second size is refused although the first would fit.
    let output = run(["--json", "bench", "run", "mul", "--n", "10,4e9"]);
    assert_eq!(output.status.code(), Some(4), "{}", both(&output));
    assert!(output.stdout.is_empty(), "{}", both(&output));
    let said = text(&output.stderr);
    assert!(said.contains("MB") && said.contains("\"memory\""), "{said}");
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
        (b"1 3\n1 1 1\n\n2 1 0 7 2 XOR\n", "line 4: wire 7 is used before"),
        (b"9 999999999999\n1 1 1\n\n2 1 0 1 2 XOR\n", "too many"),
        (b"\xff\xfe\0", "UTF-8"),
    ];
    for (bytes, why) in due {
        fs::write(&file, bytes).unwrap();
        let said = fails(4, "file", run);
        assert!(said.contains("broken.txt") && said.contains(why), "{said}");
    }
}
