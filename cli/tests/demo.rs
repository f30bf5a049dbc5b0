//! The demo: joint equals pooled, and no process and no file is left behind.

mod support;

use std::{fs, path::Path, process::Command, time::Duration};

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
fn every_answer_equals_the_pooled_one_and_nothing_is_left() {
    let home = tempfile::tempdir().unwrap();
    let output = demo(home.path()).output().unwrap();
    assert!(output.status.success(), "{}", both(&output));
    let said = text(&output.stdout);
    assert!(said.matches("pooled data   equal").count() >= 4, "{said}");
    assert!(said.contains("hidden by the rules: "), "{said}");
    assert!(said.contains("tacit sandbox new"), "{said}");
    assert_eq!(processes_in(home.path()), Vec::<String>::new());
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn a_demo_that_is_interrupted_or_killed_leaves_no_process() {
    for signal in ["-INT", "-KILL"] {
        let home = tempfile::tempdir().unwrap();
        let mut child = demo(home.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..600 {
            if processes_in(home.path()).len() == 3 {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(processes_in(home.path()).len(), 3, "the hospitals were started");
        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        child.wait().unwrap();
        for _ in 0..100 {
            if processes_in(home.path()).is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(processes_in(home.path()), Vec::<String>::new(), "{signal}");
        if signal == "-INT" {
            assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        }
    }
}
