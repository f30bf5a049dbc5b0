//! Imports point only downward, and what is heavy stays where it belongs.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

/// Floor of every crate of the workspace; a crate may use crates of lower floors only.
const FLOORS: [(&str, u32); 13] = [
    ("tacit-net", 0),
    ("tacit-plan", 1),
    ("tacit-mpc", 1),
    ("tacit-protocols", 2),
    ("tacit-he", 2),
    ("tacit-bench", 3),
    ("tacit-governance", 3),
    ("tacit-sql", 3),
    ("tacit-site", 4),
    ("tacit-client", 4),
    ("tacit-cli", 5),
    ("tacit-benches", 6),
    ("tacit-examples", 6),
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

fn floor(name: &str) -> Option<u32> {
    FLOORS.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, floor)| *floor)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn imports_point_only_downward() {
    let metadata = metadata();
    let members: Vec<&Value> = list(&metadata, "packages")
        .iter()
        .filter(|p| text(p, "name").starts_with("tacit-"))
        .collect();
    assert_eq!(members.len(), FLOORS.len(), "a crate is missing in the list of floors");
    for package in members {
        let name = text(package, "name");
        let own = floor(name).unwrap_or_else(|| panic!("{name} has no floor"));
        for dependency in list(package, "dependencies") {
            let used = text(dependency, "name");
            // Tests may look upward: a law is checked with whatever shows it.
            if text(dependency, "kind") == "dev" {
                continue;
            }
            if let Some(below) = floor(used) {
                assert!(below < own, "{name} (floor {own}) uses {used} (floor {below})");
            }
        }
    }
}

/// Names of all packages that `root` is built from, without its tests.
fn closure(metadata: &Value, root: &str) -> BTreeSet<String> {
    let name_of = |id: &str| {
        list(metadata, "packages")
            .iter()
            .find(|p| text(p, "id") == id)
            .map(|p| text(p, "name").to_owned())
            .unwrap_or_default()
    };
    let nodes = list(&metadata["resolve"], "nodes");
    let mut names = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut todo: Vec<String> =
        nodes.iter().map(|n| text(n, "id").to_owned()).filter(|id| name_of(id) == root).collect();
    while let Some(id) = todo.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        names.insert(name_of(&id));
        let Some(node) = nodes.iter().find(|n| text(n, "id") == id) else { continue };
        for dependency in list(node, "deps") {
            let normal = list(dependency, "dep_kinds").iter().any(|k| text(k, "kind") != "dev");
            if normal {
                todo.push(text(dependency, "pkg").to_owned());
            }
        }
    }
    names
}

#[test]
fn light_crates_stay_light() {
    let metadata = metadata();
    for (crate_name, refused) in [
        ("tacit-mpc", &["datafusion", "tfhe"][..]),
        ("tacit-protocols", &["datafusion", "tfhe"][..]),
        ("tacit-plan", &["datafusion", "tfhe", "tokio", "quinn"][..]),
        ("tacit-governance", &["datafusion", "tfhe", "tokio", "quinn"][..]),
        ("tacit-bench", &["datafusion", "tfhe"][..]),
        ("tacit-cli", &["tfhe"][..]),
    ] {
        let names = closure(&metadata, crate_name);
        assert!(names.contains(crate_name), "{crate_name} was not found");
        for name in refused {
            assert!(!names.contains(*name), "{crate_name} pulls in {name}");
        }
    }
}

#[test]
fn only_the_transport_knows_quinn() {
    let metadata = metadata();
    for package in list(&metadata, "packages").iter().filter(|p| floor(text(p, "name")).is_some()) {
        let name = text(package, "name");
        for dependency in list(package, "dependencies") {
            if text(dependency, "name") == "quinn" {
                assert!(matches!(name, "tacit-net"), "{name} uses quinn");
            }
            if text(dependency, "name") == "datafusion" && text(dependency, "kind") != "dev" {
                assert!(matches!(name, "tacit-sql"), "{name} uses datafusion");
            }
        }
    }
}
