//! The simulated network against packets: the same tasks by processes of their own, over QUIC,
//! through a relay that delays every datagram as such a network would.

mod support;
#[path = "support/wan.rs"]
mod wan;

use std::{fs, net::UdpSocket, path::Path, process::Stdio, time::Duration};

use support::{both, ok, path, peer, tacit};
use wan::Wan;

const ONE_WAY_MS: u64 = 10;
const MBIT_PER_S: f64 = 100.0;

/// Median online time of the one record in a folder.
fn seconds(folder: &Path) -> f64 {
    let file = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let record: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    record["online"]["seconds"]["median"].as_f64().unwrap()
}

/// Time of a task over packets, and as simulated.
fn both_ways(task: &str, n: &str) -> (f64, f64) {
    let home = tempfile::tempdir().unwrap();
    let names = ["a", "b", "c"];
    let sockets = names.map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
    let addresses = sockets.each_ref().map(|socket| socket.local_addr().unwrap());
    drop(sockets);
    let keys = names.map(|name| ok(["key", "new", path(&home.path().join(format!("{name}.key")))]));
    let wan = Wan::new(3, Duration::from_millis(ONE_WAY_MS), MBIT_PER_S);
    let mut processes = Vec::new();
    for (me, name) in names.iter().enumerate() {
        let parties = keys.iter().zip(addresses).enumerate().map(|(other, (key, address))| {
            let address = if me == other { address } else { wan.way(me, other, address) };
            peer(names[other], key, address)
        });
        let text: String = parties.collect();
        let file = home.path().join(format!("peers-{name}.toml"));
        fs::write(&file, text).unwrap();
        let key = home.path().join(format!("{name}.key"));
        let out = home.path().join(format!("out-{name}"));
        let mut command = tacit();
        command.args(["bench", "run", task, "--n", n, "--repeat", "3", "--as", name]);
        command.args(["--peers", path(&file), "--key", path(&key), "--out", path(&out)]);
        processes.push(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    }
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", both(&output));
    }
    let out = home.path().join("simulated");
    let link = format!("{ONE_WAY_MS},{MBIT_PER_S}");
    ok(["bench", "run", task, "--n", n, "--repeat", "3", "--link", &link, "--out", path(&out)]);
    (seconds(&home.path().join("out-a")), seconds(&out))
}

#[test]
#[ignore = "it measures time: run it alone on an idle machine"]
fn packets_take_the_simulated_time_within_15_percent_with_many_rounds_and_with_many_bytes() {
    for (task, n) in [("round", "1"), ("mul", "3e6")] {
        let (packets, simulated) = both_ways(task, n);
        let ratio = packets / simulated;
        println!(
            "{task}, {n} rows: {packets:.3} s over packets, {simulated:.3} s simulated: {ratio:.3}"
        );
        assert!((0.85..=1.15).contains(&ratio), "{task}: {packets} s, simulated {simulated} s");
    }
}
