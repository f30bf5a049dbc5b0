//! Bad input gets a clear error with a stable code and exit code, and nothing is lost.

mod support;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio};

use support::{Sandbox, both, data, fails, failure, ok, path, run, tacit, text};

fn small() -> (tempfile::TempDir, Sandbox) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("visits.csv");
    fs::write(&file, data::csv(&data::rows(300), ',')).unwrap();
    let sandbox = Sandbox::new("visits", &file, &["--null", "NA", "--engines", "rep3"]);
    (home, sandbox)
}

#[track_caller]
fn refused(sandbox: &Sandbox, exit: i32, code: &str, sql: &str) -> String {
    let (study, key) = (sandbox.study(), sandbox.key());
    fails(exit, code, ["query", "--study", path(&study), "--key", path(&key), sql])
}

#[test]
fn a_question_that_cannot_be_answered_says_why_and_what_works() {
    let (_home, sandbox) = small();
    let said = refused(
        &sandbox,
        3,
        "unknown_column",
        "SELECT regoin, COUNT(*) FROM visits GROUP BY regoin",
    );
    assert!(said.contains("regoin") && said.to_lowercase().contains("region"), "{said}");
    let said = refused(&sandbox, 3, "unknown_table", "SELECT COUNT(*) FROM vists");
    assert!(said.contains("vists") && said.contains("visits"), "{said}");
    refused(&sandbox, 3, "syntax", "SELECT COUNT(*) FORM visits");
    let sql = "SELECT COUNT(*)\nFROM visits WERE age > 3";
    let output = sandbox.query(sql).output().unwrap();
    let error = text(&output.stderr);
    assert!(error.contains("WERE") || error.contains("age > 3"), "a caret in the text: {error}");
    assert_eq!(output.status.code(), Some(3), "{error}");
    for (sql, named) in [
        (
            "SELECT a.age, COUNT(*) FROM visits a JOIN visits b ON a.age = b.age GROUP BY a.age",
            "JOIN",
        ),
        ("SELECT MAX(age) FROM visits", "MAX"),
        ("SELECT age FROM visits", ""),
        ("SELECT COUNT(DISTINCT patient) FROM visits", "DISTINCT"),
        ("SELECT note, COUNT(*) FROM visits GROUP BY note", "note"),
        ("SELECT age + sex, COUNT(*) FROM visits GROUP BY 1", ""),
    ] {
        let output = sandbox.query(sql).arg("--json").output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{sql}\n{}", both(&output));
        let message = failure(&output)["message"].as_str().unwrap().to_owned();
        assert!(message.to_uppercase().contains(&named.to_uppercase()), "{sql}: {message}");
    }
}

#[test]
fn wrong_arguments_are_told_with_what_was_meant() {
    let output = run(["qurey"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("query"), "{}", both(&output));
    fails(2, "usage", ["query", "--study", "s", "--fromat", "csv"]);
    fails(2, "usage", ["sandbox", "new", "x", "--table", "no-file"]);
    let (_home, sandbox) = small();
    let (study, key) = (sandbox.study(), sandbox.key());
    let base = ["query", "--study", path(&study), "--key", path(&key)];
    let with = |more: &[&'static str]| [&base[..], more].concat();
    fails(2, "usage", with(&[]));
    let said = fails(2, "usage", with(&["--engine", "rep4", "SHOW TABLES"]));
    assert!(said.contains("rep3"), "{said}");
    fails(2, "usage", with(&["--status", "SHOW TABLES"]));
    let said =
        fails(3, "not_allowed", with(&["--engine", "additive", "SELECT COUNT(*) FROM visits"]));
    assert!(said.contains("rep3"), "what is allowed: {said}");
    fails(4, "file_missing", with(&["--file", "/nowhere/q.sql"]));
    let said = fails(4, "file_missing", with(&["--output", "/nowhere/out.csv", "SHOW TABLES"]));
    assert!(said.contains("/nowhere") && said.contains("make this folder first"), "{said}");
    let help = ok(["--help"]);
    assert!(help.contains("Exit codes") && help.contains("Examples"), "{help}");
}

#[test]
fn a_study_or_key_that_is_not_right_is_refused_each_with_its_own_message() {
    let (home, sandbox) = small();
    let study = sandbox.study();
    let key = sandbox.key();
    let original = fs::read(&study).unwrap();
    let sql = "SELECT COUNT(*) FROM visits";
    let ask = |key: &Path| {
        vec![
            "query".to_owned(),
            "--study".into(),
            path(&study).into(),
            "--key".into(),
            path(key).into(),
            sql.into(),
        ]
    };

    // One byte.
    let mut changed = original.clone();
    *changed.iter_mut().find(|byte| **byte == b'#').unwrap() = b'#';
    let at = changed.windows(4).position(|four| four == b"day\n" || four == b"days").unwrap_or(2);
    changed[at] ^= 1;
    fs::write(&study, &changed).unwrap();
    let said = fails(4, "study_altered", ask(&key));
    for site in ["north", "south", "east"] {
        assert!(said.contains(site), "{said}");
    }
    fs::write(&study, &original).unwrap();

    // One signature is another's.
    let signature = |site: &str| sandbox.folder.join(format!("study.toml.{site}.sig"));
    let south = fs::read(signature("south")).unwrap();
    fs::copy(signature("north"), signature("south")).unwrap();
    let said = fails(4, "study_altered", ask(&key));
    assert!(said.contains("south") && !said.contains("north"), "{said}");
    fs::remove_file(signature("south")).unwrap();
    let said = fails(4, "study_unsigned", ask(&key));
    assert!(said.contains("south"), "{said}");
    fs::write(signature("south"), south).unwrap();

    // Keys.
    let missing = home.path().join("no-key");
    let said = fails(4, "key_missing", ask(&missing));
    assert!(said.contains("no-key"), "{said}");
    let other = home.path().join("other");
    ok(["key", "new", path(&other)]);
    assert_eq!(fs::metadata(&other).unwrap().permissions().mode() & 0o777, 0o600);
    let said = fails(4, "party", ask(&other));
    assert!(said.contains("analyst"), "who may ask: {said}");
    let said = fails(4, "party", ask(&sandbox.party("north").join("key")));
    assert!(said.contains("north"), "{said}");
    fs::set_permissions(&other, fs::Permissions::from_mode(0o644)).unwrap();
    let said = fails(4, "key_readable_by_others", ask(&other));
    assert!(said.contains("chmod 600"), "{said}");
    fails(4, "file_exists", ["key", "new", path(&other)]);

    // Unknown fields, and a validity that is over.
    let text = String::from_utf8(original).unwrap();
    let unknown = text.replacen("[disclosure]\n", "[disclosure]\ncolour = \"red\"\n", 1);
    fs::write(&study, unknown).unwrap();
    let said = fails(4, "study", ask(&key));
    assert!(said.contains("colour"), "{said}");
    let valid = text.lines().find(|line| line.starts_with("valid_")).unwrap();
    let lines = text.lines().map(|line| match line {
        line if line.starts_with("valid_from") => "valid_from = \"2020-01-01\"",
        line if line.starts_with("valid_until") => "valid_until = \"2020-12-31\"",
        line => line,
    });
    assert!(!valid.is_empty());
    fs::write(&study, lines.collect::<Vec<_>>().join("\n") + "\n").unwrap();
    for site in ["north", "south", "east"] {
        ok(["study", "sign", path(&study), "--key", path(&sandbox.party(site).join("key"))]);
    }
    let said = fails(4, "study_expired", ask(&key));
    assert!(said.contains("2020-12-31"), "{said}");
    fails(4, "study_expired", ["study", "check", path(&study)]);
    let output = run(["sandbox", "start", path(&sandbox.folder)]);
    assert!(text_of(&output).contains("expired"), "{}", both(&output));
    fails(4, "file", ["query", "--study", "/nowhere/study.toml", "--key", path(&key), sql]);
}

fn text_of(output: &std::process::Output) -> String {
    text(&output.stderr)
}

#[test]
fn data_that_cannot_be_read_say_where_and_leave_no_sandbox() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("sandbox");
    let make = |name: &str, bytes: &[u8]| {
        let file = home.path().join(name);
        fs::write(&file, bytes).unwrap();
        let table = format!("t={}", file.display());
        let said = fails(4, "data", ["sandbox", "new", path(&folder), "--table", &table]);
        assert!(!folder.exists(), "{name} left a sandbox");
        said
    };
    assert!(make("empty.csv", b"").contains("empty"));
    assert!(make("header.csv", b"a,b\n").contains("header"));
    let ragged = make("ragged.csv", b"a,b\n1,2\n1,2,3\n");
    assert!(ragged.contains("row 2") && ragged.contains('3'), "{ragged}");
    let latin = make("latin.csv", b"a,b\nM\xfcller,1\n");
    assert!(latin.contains("UTF-8"), "{latin}");
    let twice = make("twice.csv", b"a,a\n1,2\n");
    assert!(twice.contains("both called"), "{twice}");
    let missing = fails(4, "data", ["sandbox", "new", path(&folder), "--table", "t=/nowhere.csv"]);
    assert!(missing.contains("/nowhere.csv"), "{missing}");

    let good = home.path().join("good.csv");
    fs::write(&good, data::csv(&data::rows(50), ',')).unwrap();
    let table = format!("t={}", good.display());
    let new = |more: &[&'static str]| {
        let base = ["sandbox", "new", path(&folder), "--table", &table].map(str::to_owned);
        base.into_iter().chain(more.iter().map(|s| (*s).to_owned())).collect::<Vec<_>>()
    };
    let said = fails(4, "unknown_column", new(&["--split", "regon"]));
    assert!(said.contains("Region"), "{said}");
    fails(4, "split_values", new(&["--split", "flag"]));
    fails(4, "engine", new(&["--sites", "2", "--engines", "rep3"]));
    let said = fails(2, "usage", new(&["--sites", "3", "--engines", "rep4"]));
    assert!(said.contains("--engines rep4"), "{said}");
    fails(4, "disclosure", new(&["--disclosure", "ohdis"]));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("mine"), "kept").unwrap();
    fails(4, "file_exists", new(&[]));
    assert_eq!(fs::read_to_string(folder.join("mine")).unwrap(), "kept");
}

#[test]
fn a_value_outside_the_dictionary_is_reported_by_row_and_column_and_not_served() {
    let (home, sandbox) = small();
    let bad = home.path().join("bad.csv");
    let mut text = data::csv(&data::rows(20), ',');
    text = text.replacen(",F,", ",X,", 1);
    fs::write(&bad, &text).unwrap();
    let study = sandbox.study();
    let base = ["dictionary", "check", path(&bad), "--study", path(&study), "--null", "NA"];
    let output = tacit().arg("--json").args(base).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", both(&output));
    let said = support::text(&output.stdout);
    assert!(said.contains("column sex") && said.contains("row "), "{said}");
    let served = sandbox.party("north").join("data/visits.csv");
    ok(["dictionary", "check", path(&served), "--study", path(&study), "--null", "NA"]);
    fs::write(&served, text).unwrap();
    let output = run(["sandbox", "start", path(&sandbox.folder)]);
    assert_eq!(output.status.code(), Some(4), "{}", both(&output));
    assert!(text_of(&output).contains("sex"), "{}", both(&output));
    let status = fails(1, "party_down", ["sandbox", "status", path(&sandbox.folder)]);
    assert!(status.contains("north"), "{status}");
}

#[test]
fn a_port_in_use_is_named() {
    let (_home, sandbox) = small();
    let study = fs::read_to_string(sandbox.study()).unwrap();
    let address = study.lines().find_map(|line| line.strip_prefix("address = ")).unwrap();
    let address = address.trim_matches('"');
    let _held = std::net::UdpSocket::bind(address).unwrap();
    let config = sandbox.party("north").join("site.toml");
    let output = tacit()
        .args(["--json", "site", "serve", "--config", path(&config)])
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", both(&output));
    let message = failure(&output)["message"].as_str().unwrap().to_owned();
    assert!(message.contains(address) && message.contains("use"), "{message}");
}

#[test]
fn a_wrong_configuration_is_told_by_field() {
    let (_home, sandbox) = small();
    let config = sandbox.party("north").join("site.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("colour = 1\n{text}")).unwrap();
    let said = fails(4, "config", ["site", "serve", "--config", path(&config)]);
    assert!(said.contains("colour"), "{said}");
    fails(4, "no_sandbox", ["sandbox", "status", "/nowhere"]);
}
