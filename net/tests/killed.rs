//! A party whose process is killed, as a power cut would do it.

mod common;

use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use common::{World, all_to_all, key, options, over_both, until_error};
use tacit_net::mesh::{Endpoint, LinkOptions, Peer, Transport};
use tacit_net::{Error, Result};

const ADDRESSES: &str = "TACIT_NET_TEST_ADDRESSES";
const OVER: &str = "TACIT_NET_TEST_TRANSPORT";

/// The third party's life, when the test below starts this program anew; else nothing.
#[test]
fn third_party() {
    let Ok(addresses) = std::env::var(ADDRESSES) else { return };
    let peer = |(i, address): (usize, &str)| {
        let key = key(i as u8).public();
        Some(Peer { name: format!("site-{i}"), key, address: Some(address.into()) })
    };
    let mut peers: Vec<_> = addresses.split(',').enumerate().map(peer).collect();
    peers.push(None);
    let tcp = std::env::var(OVER).is_ok_and(|over| over == Transport::Tcp.to_string());
    let over = if tcp { Transport::Tcp } else { Transport::Quic };
    let endpoint = Endpoint::bind(options(over, 2)).unwrap();
    let mut link = endpoint.link(session(2, peers)).unwrap();
    until_error(&mut link);
}

fn session(me: usize, peers: Vec<Option<Peer>>) -> LinkOptions {
    LinkOptions {
        session: [1; 32],
        epoch: 0,
        me,
        peers,
        connect_deadline: Duration::from_secs(10),
        round_deadline: Duration::from_secs(30),
    }
}

fn a_killed_process_is_named_by_all_others_within_the_idle_time(over: Transport) {
    let world = World::new(over, 2, 1);
    let addresses: Vec<String> =
        world.endpoints[..2].iter().map(|e| e.local_address().to_string()).collect();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "third_party"])
        .env(ADDRESSES, addresses.join(","))
        .env(OVER, over.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let running = Barrier::new(3);
    let running = &running;
    let world = &world;
    let party = move |me: usize| -> Result<(Error, Instant)> {
        let mut link = world.link(me, 1)?;
        link.set_deadline(Duration::from_secs(30));
        for _ in 0..20 {
            all_to_all(&mut link, 100)?;
        }
        running.wait();
        Ok((until_error(&mut link), Instant::now()))
    };
    thread::scope(|scope| {
        let parties = [0, 1].map(|me| scope.spawn(move || party(me)));
        running.wait();
        child.kill().unwrap();
        let killed = Instant::now();
        child.wait().unwrap();
        for party in parties {
            let (error, noticed) = party.join().unwrap().unwrap();
            assert_eq!(error.culprit(), Some(2), "{error}");
            assert!(noticed - killed < Duration::from_secs(4));
        }
    });
}

over_both! {
    a_killed_process_is_named_by_all_others_within_the_idle_time,
}
