//! Who may connect, and what a stranger can do.

mod common;

use std::any::Any;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use common::{ANY, World, all_to_all, key, options, over_both};
use tacit_net::mesh::{Endpoint, Incoming, MESSAGE, Peer, Transport};
use tacit_net::{Error, Fault};

const SECOND: Duration = Duration::from_secs(1);

fn fault(error: Error) -> Fault {
    match error {
        Error::Unreachable { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

/// A port that a process has and nobody serves; free again when this is dropped.
struct Taken {
    address: SocketAddr,
    _socket: Box<dyn Any>,
}

fn taken(over: Transport) -> Taken {
    match over {
        Transport::Quic => {
            let socket = UdpSocket::bind(ANY).unwrap();
            Taken { address: socket.local_addr().unwrap(), _socket: Box::new(socket) }
        }
        Transport::Tcp => {
            let socket = TcpListener::bind(ANY).unwrap();
            Taken { address: socket.local_addr().unwrap(), _socket: Box::new(socket) }
        }
    }
}

fn an_unknown_key_is_refused_and_told_so(over: Transport) {
    let world = World::new(over, 1, 0);
    let stranger = Endpoint::bind(options(over, 7)).unwrap();
    let error = stranger.ping(&world.peers[0]).unwrap_err();
    assert!(error.to_string().contains("is our key in its study?"), "{error}");
    assert_eq!(fault(error), Fault::RefusedOurKey);
    world.endpoints[0].allow([(stranger.key(), "new".into())]);
    stranger.ping(&world.peers[0]).unwrap();
}

fn a_key_taken_off_the_list_is_cut_off(over: Transport) {
    let world = World::new(over, 1, 1);
    let conversation = world.endpoints[1].request(&world.peers[0], b"hi".to_vec()).unwrap();
    world.endpoints[0].allow([]);
    let error = conversation.receive(3 * SECOND).unwrap_err();
    assert!(matches!(error, Error::Ended { .. }), "{error}");
    let again = world.endpoints[1].ping(&world.peers[0]).unwrap_err();
    assert_eq!(fault(again), Fault::RefusedOurKey);
}

fn another_server_key_is_told_apart(over: Transport) {
    let world = World::new(over, 1, 1);
    let wrong = Peer { key: key(50).public(), ..world.peers[0].clone() };
    let error = world.endpoints[1].ping(&wrong).unwrap_err();
    assert!(error.to_string().contains("another key than the study pins"), "{error}");
    assert_eq!(fault(error), Fault::WrongKey);
}

fn a_closed_port_is_told_apart(over: Transport) {
    let world = World::new(over, 0, 1);
    let free = taken(over).address;
    let peer = Peer { name: "a".into(), key: key(1).public(), address: Some(free.to_string()) };
    let start = Instant::now();
    assert_eq!(fault(world.endpoints[0].ping(&peer).unwrap_err()), Fault::NothingListens);
    assert!(start.elapsed() < 3 * SECOND);
}

fn a_silent_port_and_an_unknown_address_are_told_apart(over: Transport) {
    let world = World::new(over, 0, 1);
    let socket = taken(over);
    let address = Some(socket.address.to_string());
    let mut peer = Peer { name: "a".into(), key: key(1).public(), address };
    let silent = fault(world.endpoints[0].ping(&peer).unwrap_err());
    // The system takes a TCP connection for a process that does not.
    assert_eq!(silent, if over == Transport::Tcp { Fault::Mute } else { Fault::Silent });
    peer.address = Some("no such host:1".into());
    assert!(matches!(fault(world.endpoints[0].ping(&peer).unwrap_err()), Fault::Other(_)));
    peer.address = None;
    assert_eq!(fault(world.endpoints[0].ping(&peer).unwrap_err()), Fault::NoAddress);
}

fn a_peer_that_listens_over_the_other_transport_is_found_there_alone(over: Transport) {
    let world = World::new(over, 1, 0);
    let other = Endpoint::bind(options(over.other(), 7)).unwrap();
    let stranger = Endpoint::bind(options(over.other(), 8)).unwrap();
    world.endpoints[0].allow([(other.key(), "other".into())]);
    let peer = &world.peers[0];
    assert_eq!(fault(other.ping(peer).unwrap_err()), Fault::NothingListens);
    other.ping_over(over, peer, SECOND).unwrap();
    assert_eq!(fault(stranger.ping_over(over, peer, SECOND).unwrap_err()), Fault::RefusedOurKey);
    // Nothing is left of it, and nothing falls back to it.
    let start = Instant::now();
    while world.endpoints[0].connections() > 0 {
        assert!(start.elapsed() < 3 * SECOND);
        thread::sleep(Duration::from_millis(10));
    }
    let error = other.request(peer, b"question".to_vec()).unwrap_err();
    assert_eq!(fault(error), Fault::NothingListens);
    assert_eq!(world.endpoints[0].connections(), 0);
    let taken = taken(over);
    let nobody = Peer { address: Some(taken.address.to_string()), ..peer.clone() };
    let start = Instant::now();
    fault(other.ping_over(over, &nobody, SECOND / 2).unwrap_err());
    assert!(start.elapsed() < SECOND, "its patience is kept");
}

fn a_port_in_use_is_said_to_be_in_use(over: Transport) {
    let taken = taken(over);
    let error = Endpoint::bind(options(over, 0).listen(taken.address)).unwrap_err();
    assert!(error.to_string().contains("the port is in use"), "{error}");
}

#[test]
fn hostile_datagrams_do_not_disturb_a_session() {
    let world = World::new(Transport::Quic, 2, 0);
    let stop = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        for endpoint in &world.endpoints {
            let (address, stop) = (endpoint.local_address(), &stop);
            scope.spawn(move || {
                let socket = UdpSocket::bind(ANY).unwrap();
                let mut state = 1u64;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let mut bytes = vec![0; 1 + (state % 1400) as usize];
                    for byte in &mut bytes {
                        // xorshift64
                        state ^= state << 13;
                        state ^= state >> 7;
                        state ^= state << 17;
                        *byte = state as u8;
                    }
                    // Half of them look like the first packet of a connection.
                    if state.is_multiple_of(2) && bytes.len() > 10 {
                        bytes[0] |= 0xc0;
                        bytes[1..5].copy_from_slice(&[0, 0, 0, 1]);
                    }
                    let _ = socket.send_to(&bytes, address);
                    thread::sleep(Duration::from_micros(200));
                }
            });
        }
        world.run(1, |mut link| {
            for _ in 0..200 {
                all_to_all(&mut link, 2000).unwrap();
            }
        });
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

fn a_conversation_goes_both_ways_and_its_end_is_seen(over: Transport) {
    let world = World::new(over, 1, 1);
    let incoming = world.endpoints[0].incoming();
    let analyst = world.endpoints[1].request(&world.peers[0], b"question".to_vec()).unwrap();
    let site = incoming.recv_timeout(3 * SECOND).unwrap();
    assert_eq!((site.from, site.name.as_str()), (world.peers[1].key, "site-1"));
    let site = site.conversation;
    assert_eq!(site.receive(3 * SECOND).unwrap().unwrap(), b"question");
    assert_eq!(site.receive(Duration::from_millis(20)).unwrap(), None);
    let big = vec![5; MESSAGE];
    site.send(big.clone()).unwrap();
    site.send(Vec::new()).unwrap();
    assert!(matches!(site.send(vec![0; MESSAGE + 1]), Err(Error::Setup(_))));
    assert_eq!(analyst.receive(3 * SECOND).unwrap().unwrap(), big);
    assert_eq!(analyst.receive(3 * SECOND).unwrap().unwrap(), b"");
    assert!(!site.ended());
    // The analyst cancels.
    drop(analyst);
    let start = Instant::now();
    assert!(matches!(site.receive(3 * SECOND), Err(Error::Ended { .. })));
    assert!(start.elapsed() < SECOND);
    assert!(site.ended());
}

fn what_was_sent_before_the_end_of_a_conversation_arrives(over: Transport) {
    let world = World::new(over, 1, 1);
    let incoming = world.endpoints[0].incoming();
    let analyst = world.endpoints[1].request(&world.peers[0], b"question".to_vec()).unwrap();
    let site = incoming.recv_timeout(3 * SECOND).unwrap().conversation;
    for i in 0..50 {
        site.send(vec![i; 200_000]).unwrap();
    }
    drop(site);
    for i in 0..50 {
        assert_eq!(analyst.receive(3 * SECOND).unwrap().unwrap(), vec![i; 200_000]);
    }
    assert!(matches!(analyst.receive(3 * SECOND), Err(Error::Ended { .. })));
}

fn a_vanished_peer_ends_a_conversation(over: Transport) {
    let mut world = World::new(over, 1, 1);
    let incoming = world.endpoints[0].incoming();
    let analyst = world.endpoints[1].request(&world.peers[0], Vec::new()).unwrap();
    let site = incoming.recv_timeout(3 * SECOND).unwrap().conversation;
    world.endpoints.clear();
    drop(analyst);
    assert!(matches!(site.receive(SECOND), Ok(Some(_)) | Err(_)));
    assert!(matches!(site.receive(3 * SECOND), Err(Error::Ended { .. })));
}

#[test]
fn the_sockets_report_what_the_kernel_gave() {
    let buffers = World::new(Transport::Quic, 1, 0).endpoints[0].socket_buffers().unwrap();
    assert!(buffers.send > 0 && buffers.receive > 0);
    assert_eq!(buffers.short(), buffers.send < buffers.asked || buffers.receive < buffers.asked);
}

fn an_answer_that_comes_before_the_question_is_read(over: Transport) {
    let world = World::new(over, 2, 0);
    let incoming = world.endpoints[0].incoming();
    thread::scope(|scope| {
        scope.spawn(move || {
            while let Ok(Incoming { conversation, .. }) = incoming.recv_timeout(SECOND) {
                conversation.send(b"busy".to_vec()).unwrap();
            }
        });
        for _ in 0..200 {
            let asking = world.endpoints[1].request(&world.peers[0], vec![1; 100]).unwrap();
            assert_eq!(asking.receive(SECOND).unwrap().unwrap(), b"busy");
        }
    });
}

over_both! {
    an_unknown_key_is_refused_and_told_so,
    a_key_taken_off_the_list_is_cut_off,
    another_server_key_is_told_apart,
    a_closed_port_is_told_apart,
    a_silent_port_and_an_unknown_address_are_told_apart,
    a_peer_that_listens_over_the_other_transport_is_found_there_alone,
    a_port_in_use_is_said_to_be_in_use,
    a_conversation_goes_both_ways_and_its_end_is_seen,
    what_was_sent_before_the_end_of_a_conversation_arrives,
    a_vanished_peer_ends_a_conversation,
    an_answer_that_comes_before_the_question_is_read,
}
