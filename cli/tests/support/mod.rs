//! What the tests of the binary share: running it, sandboxes that end with their test, and data.

#![allow(dead_code, reason = "each test binary uses a part")]

pub mod data;
pub mod pool;

use std::fmt::Write as _;
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// A command of the binary under test, free of the environment's settings.
pub fn tacit() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacit"));
    for variable in ["TACIT_STUDY", "TACIT_KEY", "TACIT_LOG", "COLUMNS"] {
        command.env_remove(variable);
    }
    command.env("LC_ALL", "C.UTF-8").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Runs it.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    tacit().args(arguments).output().expect("the binary runs")
}

/// Runs it and expects success; returns standard output.
#[track_caller]
pub fn ok<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{}", both(&output));
    text(&output.stdout)
}

/// Runs it with `--json` and expects a failure with this exit code and stable code; returns the
/// message and the help.
#[track_caller]
pub fn fails<S: AsRef<OsStr>>(
    exit: i32,
    code: &str,
    arguments: impl IntoIterator<Item = S>,
) -> String {
    let output = tacit().arg("--json").args(arguments).output().expect("the binary runs");
    let failure = failure(&output);
    assert_eq!(failure["code"], code, "{}", both(&output));
    assert_eq!(output.status.code(), Some(exit), "{}", both(&output));
    assert!(output.stdout.is_empty() || exit == 1 || exit == 4, "{}", both(&output));
    let word = |name: &str| failure[name].as_str().unwrap_or_default().to_owned();
    format!("{}\n{}", word("message"), word("help"))
}

/// A party in a file for `tacit bench run --peers`.
pub fn peer(name: &str, key: &str, address: std::net::SocketAddr) -> String {
    let key = key.trim();
    format!("[[party]]\nname = \"{name}\"\nkey = \"{key}\"\naddress = \"{address}\"\n")
}

/// The failure on the last line of standard error.
#[track_caller]
pub fn failure(output: &Output) -> Value {
    let error = text(&output.stderr);
    let last = error.lines().last().unwrap_or_default();
    let parsed: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{}", both(output)));
    parsed["error"].clone()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn both(output: &Output) -> String {
    format!(
        "{}\n-- stdout\n{}\n-- stderr\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    )
}

/// A sandbox whose processes end with it.
pub struct Sandbox {
    _home: tempfile::TempDir,
    pub folder: PathBuf,
}

impl Sandbox {
    /// `tacit sandbox new` with `table` and further arguments.
    #[track_caller]
    pub fn new(table: &str, file: &Path, arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("sandbox");
        let table = format!("{table}={}", file.display());
        let mut all = vec!["sandbox", "new", path(&folder), "--table", &table];
        all.extend(arguments);
        ok(all);
        Self { _home: home, folder }
    }

    /// The same, started.
    #[track_caller]
    pub fn started(table: &str, file: &Path, arguments: &[&str]) -> Self {
        let sandbox = Self::new(table, file, arguments);
        sandbox.start();
        sandbox
    }

    #[track_caller]
    pub fn start(&self) -> String {
        ok(["sandbox", "start", path(&self.folder)])
    }

    pub fn stop(&self) -> Output {
        run(["sandbox", "stop", path(&self.folder)])
    }

    pub fn study(&self) -> PathBuf {
        self.folder.join("study.toml")
    }

    pub fn key(&self) -> PathBuf {
        self.folder.join("analyst/key")
    }

    /// The folder of a party.
    pub fn party(&self, name: &str) -> PathBuf {
        match name {
            "dealer" => self.folder.join("dealer"),
            site => self.folder.join("sites").join(site),
        }
    }

    pub fn pid(&self, name: &str) -> u32 {
        let pid = std::fs::read_to_string(self.party(name).join("pid")).expect("a process");
        pid.trim().parse().expect("a number")
    }

    /// `tacit query` as a command, to be given more arguments.
    pub fn query(&self, sql: &str) -> Command {
        let mut command = tacit();
        command.arg("query").arg("--study").arg(self.study()).arg("--key").arg(self.key());
        command.arg(sql);
        command
    }

    /// The answer as JSON.
    #[track_caller]
    pub fn json(&self, sql: &str, engine: Option<&str>) -> Value {
        let mut command = self.query(sql);
        command.args(["--format", "json"]);
        command.args(engine.map(|engine| format!("--engine={engine}")));
        let output = command.output().expect("the binary runs");
        assert!(output.status.success(), "{sql}\n{}\n{}", both(&output), self.logs());
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// The ends of all logs.
    pub fn logs(&self) -> String {
        let mut logs = String::new();
        for entry in std::fs::read_dir(self.folder.join("sites")).into_iter().flatten().flatten() {
            let log = std::fs::read_to_string(entry.path().join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(15)..];
            let _ = writeln!(logs, "-- {}\n{}", entry.path().display(), tail.join("\n"));
        }
        logs
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A path as the argument of a command.
pub fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
