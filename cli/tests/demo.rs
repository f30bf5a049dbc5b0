//! The demo: joint equals pooled, and no process and no file is left behind.

mod support;

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use support::{both, tacit, text};

/// Processes whose command line names `folder`.
fn processes_in(folder: &Path) -> Vec<String> {
    let wanted = folder.to_str().unwrap();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(wanted) && line.contains("serve")).collect()
}

fn demo(home: &Path) -> Command {
    let mut demo = tacit();
    demo.arg("demo").env("TMPDIR", home);
    demo
}

#[test]
fn every_answer_equals_the_pooled_one_over_both_transports_and_nothing_is_left() {
    let said = [("quic", "(QUIC)"), ("tcp", "(TLS over TCP)")].map(|(transport, shown)| {
        let home = tempfile::tempdir().unwrap();
        let output = demo(home.path()).args(["--transport", transport]).output().unwrap();
        assert!(output.status.success(), "{}", both(&output));
        let said = text(&output.stdout);
        assert_eq!(said.matches(shown).count(), 3, "{said}");
        assert!(said.matches("pooled data   equal").count() >= 4, "{said}");
        assert!(said.contains("hidden by the rules: "), "{said}");
        assert!(said.contains("tacit sandbox new"), "{said}");
        assert_eq!(processes_in(home.path()), Vec::<String>::new());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        lasting(&said)
    });
    let [quic, tcp] = &said;
    assert_eq!(quic.matches("sent: billed").count(), 5, "{quic}");
    assert_eq!(quic, tcp);
}

/// What a demo says, but for its times and for ports and the transport: answers and bills.
fn lasting(said: &str) -> String {
    let times = ["Ready after ", "  time  ", "All 5 answers "];
    let lines = said.lines().filter(|line| !times.iter().any(|time| line.starts_with(time)));
    let lines = lines.map(|line| match line.split_once(" at 127.0.0.1:") {
        Some((before, _)) => format!("{before}\n"),
        None => format!("{line}\n"),
    });
    lines.collect()
}

#[test]
fn a_demo_that_is_interrupted_or_killed_leaves_no_process() {
    // At the first hospital's start, at the last one's, and among the questions.
    let moments = [(1, 0), (3, 0), (3, 700)].map(|(count, ms)| (count, Duration::from_millis(ms)));
    let ends = moments.iter().flat_map(|&moment| [("-INT", moment), ("-KILL", moment)]);
    for (signal, (count, later)) in ends {
        let home = tempfile::tempdir().unwrap();
        let mut child = demo(home.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let started =
            holds_within(Duration::from_secs(30), || processes_in(home.path()).len() >= count);
        assert!(started, "{count} hospitals were started");
        std::thread::sleep(later);
        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        child.wait().unwrap();
        let ended = holds_within(Duration::from_secs(10), || processes_in(home.path()).is_empty());
        assert!(ended, "{signal} at {count} hospitals: {:?}", processes_in(home.path()));
        if signal == "-INT" {
            let left: Vec<_> = fs::read_dir(home.path()).unwrap().flatten().collect();
            assert!(left.is_empty(), "{count} hospitals, {later:?} later: {left:?}");
        }
    }
}

fn holds_within(time: Duration, holds: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + time;
    while !holds() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}
