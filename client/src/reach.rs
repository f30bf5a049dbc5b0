//! Whether a party can be reached, and if it cannot, what can be told about the reason.
//!
//! A study names one transport and nobody falls back to the other one. But a party that is not
//! found over it is looked for over the other one, and that tells apart what looks the same: a
//! service that was made for another study, a network that blocks one of the two, a machine that is
//! down.

use std::time::Duration;

use tacit_governance::{
    Party, Timestamp,
    session::{self, ClockRequest, Mismatch, Reply, Request},
};
use tacit_net::{
    Error as Net, Fault,
    mesh::{Endpoint, Peer, PublicKey, Transport},
};
use tacit_plan::Digest;

use crate::{Finding, Side};

/// Clocks that differ by more than this may make one party see a study as expired.
const CLOCK_SECONDS: f64 = 30.0;

/// How long a party may take to say its time.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the other transport is tried.
const OTHER: Duration = Duration::from_millis(1500);

/// What was found at one party.
pub(crate) struct Reached {
    pub findings: Vec<Finding>,
    /// The study that it serves, if it said so.
    pub study: Option<Digest>,
}

/// Reachability, study and clock of one party.
pub(crate) fn reach(endpoint: &Endpoint, party: &Party, study: Digest) -> Reached {
    let mut served = None;
    let findings = look(endpoint, party, study, &mut served);
    Reached { findings, study: served }
}

fn look(
    endpoint: &Endpoint,
    party: &Party,
    study: Digest,
    served: &mut Option<Digest>,
) -> Vec<Finding> {
    let name = &party.name;
    let check = format!("reach {name}");
    let peer = Peer {
        name: name.clone(),
        key: PublicKey(*party.key.as_bytes()),
        address: party.address.clone(),
    };
    let round_trip = match endpoint.ping(&peer) {
        Ok(round_trip) => round_trip,
        Err(error) => return vec![not_reached(endpoint, &peer, &error)],
    };
    let milliseconds = round_trip.as_secs_f64() * 1e3;
    let mut findings = vec![Finding::good(
        check,
        format!("{name} answers over {}, round trip {milliseconds:.1} ms", endpoint.transport()),
    )];
    let sent = Timestamp::now().as_microsecond();
    let clock = session::encode(&Request::Clock(ClockRequest { study }))
        .ok()
        .and_then(|request| endpoint.request(&peer, request).ok())
        .and_then(|conversation| conversation.receive(PATIENCE).ok().flatten())
        .map(|bytes| session::decode::<Reply>(&bytes));
    let back = Timestamp::now().as_microsecond();
    let clock = match clock {
        Some(Ok(Reply::Clock(clock))) => clock,
        Some(Err(tacit_governance::Error::ConfigMismatch(mismatch))) => {
            findings.push(Finding::bad(
                format!("version {name}"),
                mismatch.to_string(),
                Side::Party(name.clone()),
                format!("run the same version of tacit here and at {name}"),
            ));
            return findings;
        }
        _ => {
            findings.push(Finding::bad(
                format!("clock {name}"),
                format!("{name} did not say its time"),
                Side::Party(name.clone()),
                format!("see the log of {name}"),
            ));
            return findings;
        }
    };
    *served = Some(clock.study);
    let ahead = (clock.microseconds - (sent / 2 + back / 2)) as f64 / 1e6;
    let what = format!("the clock of {name} is {ahead:+.1} s from this one");
    findings.push(if ahead.abs() <= CLOCK_SECONDS {
        Finding::good(format!("clock {name}"), what)
    } else {
        let fix = "synchronise both clocks (NTP); see first which one is wrong";
        Finding::bad(format!("clock {name}"), what, Side::Party(name.clone()), fix)
    });
    if clock.study != study {
        findings.push(Finding::bad(
            format!("study {name}"),
            format!("{name} serves the study {}, here it is {}", clock.study, study),
            Side::Party(name.clone()),
            format!("compare the files; {name} is restarted after a change"),
        ));
    } else if let Err(reason) = clock.ready {
        let fix = format!("see the log of {name}");
        findings.push(Finding::bad(
            format!("ready {name}"),
            reason,
            Side::Party(name.clone()),
            fix,
        ));
    }
    findings
}

/// What answers over the transport that is not the study's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Other {
    /// The party: it has proved its key.
    Party,
    /// A machine, which says that nothing has the port.
    Machine,
    /// Something, which is not the party.
    Something,
    /// Nothing.
    Nothing,
}

/// Whether an attempt failed in a way that the other transport may explain.
fn is_open_question(error: &Net) -> bool {
    let Net::Unreachable { fault, .. } = error else { return false };
    matches!(fault, Fault::NothingListens | Fault::Silent | Fault::Mute)
}

fn look_elsewhere(endpoint: &Endpoint, peer: &Peer) -> Other {
    match endpoint.ping_over(endpoint.transport().other(), peer, OTHER) {
        Ok(_) => Other::Party,
        Err(Net::Unreachable { fault, .. }) => match fault {
            // It proves its key before it looks at ours.
            Fault::RefusedOurKey => Other::Party,
            Fault::NothingListens => Other::Machine,
            Fault::Mute | Fault::WrongKey | Fault::OtherProtocol | Fault::Busy => Other::Something,
            _ => Other::Nothing,
        },
        Err(_) => Other::Nothing,
    }
}

/// If a peer that could not be reached serves over the other transport: what both sides are set to.
pub(crate) fn other_transport(endpoint: &Endpoint, peer: &Peer, error: &Net) -> Option<Mismatch> {
    let ours = endpoint.transport();
    let there = is_open_question(error) && look_elsewhere(endpoint, peer) == Other::Party;
    there.then(|| Mismatch {
        what: "transport".to_owned(),
        ours: ours.to_string(),
        theirs: ours.other().to_string(),
    })
}

fn not_reached(endpoint: &Endpoint, peer: &Peer, error: &Net) -> Finding {
    let other = is_open_question(error).then(|| look_elsewhere(endpoint, peer));
    explain(&peer.name, endpoint.transport(), error, other)
}

/// Why a party cannot be reached over `ours`.
fn explain(name: &str, ours: Transport, error: &Net, other: Option<Other>) -> Finding {
    let check = format!("reach {name}");
    let theirs = ours.other();
    let (own, another) = (ports(ours), ports(theirs));
    let network = |what: String, fix: String| {
        Finding::bad(check.clone(), what, Side::Network(name.to_owned()), fix)
    };
    let party = |what: String, fix: String| {
        Finding::bad(check.clone(), what, Side::Party(name.to_owned()), fix)
    };
    let running = format!("see that {name} runs `tacit site serve`, and that {own} to its address");
    let Net::Unreachable { address, fault, .. } = error else {
        return network(error.to_string(), format!("{running} passes"));
    };
    let at = format!("{name} at {address}");
    match (fault, other) {
        (Fault::RefusedOurKey, _) => {
            party(error.to_string(), format!("compare the study here with the one at {name}"))
        }
        (_, Some(Other::Party)) => party(
            format!(
                "{at} answers over {theirs} and not over {ours}, which the study here names: it \
                 serves another study"
            ),
            format!("compare the study here with the one at {name}; every party needs the same"),
        ),
        (Fault::Mute, _) => network(
            format!("{own} to {at} connects, but nothing more comes"),
            format!(
                "see that `tacit site serve` has that port at {name}, and not a proxy before it"
            ),
        ),
        (Fault::Silent, Some(Other::Nothing)) => network(
            format!("{at} gives no answer, neither over {own} nor over {another}"),
            format!(
                "see that its machine is up and has this address, that it runs `tacit site serve`, \
                 and that {own} to it passes"
            ),
        ),
        (Fault::Silent, Some(answers)) => {
            let how = if answers == Other::Machine { "is refused" } else { "is answered" };
            network(
                format!(
                    "{own} to {at} gets no answer, while {another} to the same port {how} at once: \
                     a machine is there, and {own} may be blocked on the way"
                ),
                format!(
                    "{running} passes; where {own} cannot be let through, make the study with \
                     transport = \"{theirs}\""
                ),
            )
        }
        _ => network(error.to_string(), format!("{running} passes")),
    }
}

/// The protocol whose ports a transport uses, as firewalls name it.
fn ports(transport: Transport) -> &'static str {
    match transport {
        Transport::Quic => "UDP",
        Transport::Tcp => "TCP",
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use tacit_net::mesh::{Options, SecretKey};

    use super::*;

    fn endpoint(over: Transport, seed: u8) -> Options {
        let quick = Duration::from_millis(500);
        let options = Options::new(SecretKey::from_seed([seed; 32])).over(over);
        Options { idle: quick, connect: quick, ..options }
    }

    /// A finding about somebody at `address`, with key 1, made over `over`.
    fn finding(over: Transport, address: std::net::SocketAddr) -> Finding {
        let endpoint = Endpoint::bind(endpoint(over, 2)).unwrap();
        let (name, key) = ("riverside".to_owned(), SecretKey::from_seed([1; 32]).public());
        let peer = Peer { name, key, address: Some(address.to_string()) };
        let error = endpoint.ping(&peer).unwrap_err();
        not_reached(&endpoint, &peer, &error)
    }

    #[test]
    fn a_port_that_is_silent_to_one_transport_and_refused_to_the_other_is_told_as_it_is() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let found = finding(Transport::Quic, address);
        let due = format!(
            "UDP to riverside at {address} gets no answer, while TCP to the same port is refused at \
             once: a machine is there, and UDP may be blocked on the way"
        );
        assert_eq!(found.what, due);
        assert_eq!(found.side, Some(Side::Network("riverside".into())));
        assert!(found.fix.unwrap().ends_with("make the study with transport = \"tcp\""));
        let _listener = TcpListener::bind(address).unwrap();
        let found = finding(Transport::Quic, address);
        assert!(found.what.contains("TCP to the same port is answered at once"), "{found:?}");
        // The other way round what is silent takes the connection, and says nothing.
        let found = finding(Transport::Tcp, address);
        assert!(found.what.contains("connects, but nothing more comes"), "{found:?}");
    }

    #[test]
    fn a_party_that_serves_over_the_other_transport_is_told_with_both() {
        for over in [Transport::Quic, Transport::Tcp] {
            let any = "127.0.0.1:0".parse().unwrap();
            let party = Endpoint::bind(endpoint(over.other(), 1).listen(any)).unwrap();
            let address = party.local_address();
            // Whether or not it knows our key.
            for known in [false, true] {
                let ours = SecretKey::from_seed([2; 32]).public();
                party.allow(known.then(|| (ours, "analyst".to_owned())));
                let found = finding(over, address);
                let due = format!("answers over {} and not over {over}, which", over.other());
                assert!(found.what.contains(&due), "{found:?}");
                assert_eq!(found.side, Some(Side::Party("riverside".into())));
            }
        }
    }

    #[test]
    fn nothing_is_said_of_a_network_where_nothing_answers_or_the_machine_does() {
        let error = |fault| Net::Unreachable {
            peer: None,
            name: "riverside".into(),
            address: "192.0.2.1:7000".into(),
            fault,
        };
        let over = Transport::Quic;
        let found = explain("riverside", over, &error(Fault::Silent), Some(Other::Nothing));
        assert!(found.what.contains("neither over UDP nor over TCP"), "{found:?}");
        for other in [Other::Nothing, Other::Machine, Other::Something] {
            let down = explain("riverside", over, &error(Fault::NothingListens), Some(other));
            assert!(down.what.ends_with("is its service running?"), "{down:?}");
            assert!(!down.fix.unwrap().contains("transport ="));
        }
        let fault = error(Fault::RefusedOurKey);
        let refused = explain("riverside", over, &fault, None);
        assert_eq!(refused.side, Some(Side::Party("riverside".into())));
    }
}
