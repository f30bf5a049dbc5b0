//! What strangers, and peers that do not keep to the protocol, can do over TCP alone.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::connect::bare;
use super::control::Control;
use super::wire::Wire;
use crate::mesh::carrier::Connection;
use crate::mesh::pipe::Inlet;
use crate::mesh::tests::Pair;
use crate::mesh::wire::{ACK, HEADER, Header, MALFORMED, Purpose, STALE};
use crate::mesh::{Endpoint, Options, SecretKey, Transport};
use crate::{Error, Fault};

const SECOND: Duration = Duration::from_secs(1);

fn pair() -> Pair {
    Pair::new(Transport::Tcp)
}

fn control(pair: &Pair) -> Arc<Control> {
    pair.run(async |_, connection| match connection {
        Connection::Tcp(control) => control,
        Connection::Quic(_) => panic!("not TCP"),
    })
}

/// A TLS connection with the hostile party's key, after `bytes`.
fn wire(pair: &Pair, bytes: &[u8]) -> (Arc<Wire>, Inlet) {
    pair.hostile.handle().block_on(async {
        let (wire, inlet) = bare(&pair.hostile.shared, &pair.peer()).await;
        wire.write_all(&mut [Bytes::copy_from_slice(bytes)]).await.unwrap();
        (wire, inlet)
    })
}

fn byte(pair: &Pair, inlet: &mut Inlet) -> Option<u8> {
    pair.hostile.handle().block_on(inlet.array()).ok().map(|[byte]| byte)
}

/// Waits until the honest party has closed a socket; gives what it said.
fn closed(socket: &mut TcpStream, within: Duration) -> Vec<u8> {
    socket.set_read_timeout(Some(within)).unwrap();
    let mut said = Vec::new();
    if let Err(error) = socket.read_to_end(&mut said) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    said
}

#[test]
fn bytes_that_are_no_tls_end_their_socket_alone() {
    let pair = pair();
    let conversation = pair.hostile.request(&pair.peer(), b"before".to_vec()).unwrap();
    // A record that claims more than a record may hold, another version, and a hello cut short.
    let long = [&[22, 3, 1, 0xff, 0xff][..], &vec![0; 70_000]].concat();
    let old = [&[22, 3, 1, 0, 4, 1, 0, 0, 0][..], &[0; 64]].concat();
    for bytes in [b"GET / HTTP/1.1\r\n\r\n".to_vec(), vec![0; 1000], vec![0xff; 100_000], long, old]
    {
        let mut socket = TcpStream::connect(pair.honest.local_address()).unwrap();
        // It may be closed before all is written.
        let _ = socket.write_all(&bytes);
        closed(&mut socket, 3 * SECOND);
    }
    conversation.send(b"after".to_vec()).unwrap();
    let site = pair.honest.incoming().recv_timeout(SECOND).unwrap().conversation;
    assert_eq!(site.receive(SECOND).unwrap().unwrap(), b"before");
    assert_eq!(site.receive(SECOND).unwrap().unwrap(), b"after");
}

#[test]
fn sockets_that_say_nothing_keep_nobody_out_and_are_closed_in_time() {
    let pair = pair();
    let address = pair.honest.local_address();
    let start = Instant::now();
    let mut silent: Vec<_> = (0..400).map(|_| TcpStream::connect(address).unwrap()).collect();
    pair.hostile.ping(&pair.peer()).unwrap();
    // Of more than 256 the oldest have given way.
    assert!(closed(&mut silent[0], 2 * SECOND).is_empty());
    assert!(start.elapsed() < 4 * SECOND);
    closed(silent.last_mut().unwrap(), 7 * SECOND);
    pair.hostile.ping(&pair.peer()).unwrap();
}

#[test]
fn sockets_that_were_refused_and_stay_open_keep_nobody_out() {
    let any = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    let options = |seed| Options {
        connections: 300,
        ..Options::new(SecretKey::from_seed([seed; 32])).over(Transport::Tcp)
    };
    let honest = Endpoint::bind(options(1).listen(any)).unwrap();
    let pair = Pair { honest, hostile: Endpoint::bind(options(2)).unwrap() };
    pair.honest.allow([(pair.hostile.key(), "hostile".into())]);
    let refused = || {
        let mut socket = TcpStream::connect(pair.honest.local_address()).unwrap();
        // It may be closed before all is written.
        let _ = socket.write_all(b"GET / HTTP/1.1\r\n\r\n");
        socket
    };
    let refused: Vec<_> = (0..400).map(|_| refused()).collect();
    pair.hostile.ping(&pair.peer()).unwrap();
    drop(refused);
}

#[test]
fn a_header_that_does_not_come_is_not_awaited_for_long() {
    let pair = pair();
    let (_wire, mut inlet) = wire(&pair, &[0; HEADER - 1]);
    let start = Instant::now();
    assert_eq!(byte(&pair, &mut inlet), None);
    assert!(start.elapsed() < 7 * SECOND);
}

#[test]
fn a_first_header_that_makes_no_sense_is_refused() {
    let pair = pair();
    let session = Header::plain(Purpose::Session).encode();
    for bytes in [&[0xff; HEADER][..], &session] {
        let (_wire, mut inlet) = wire(&pair, bytes);
        assert_eq!(byte(&pair, &mut inlet), Some(MALFORMED as u8));
    }
}

#[test]
fn a_stream_needs_the_token_of_its_own_keys_connection() {
    let pair = pair();
    let other = Options::new(SecretKey::from_seed([3; 32])).over(Transport::Tcp);
    let other = Endpoint::bind(other).unwrap();
    pair.honest.allow([(pair.hostile.key(), "hostile".into()), (other.key(), "other".into())]);
    let stranger = Pair { honest: pair.honest.clone(), hostile: other };
    let (token, others) = (control(&pair).token(), control(&stranger).token());
    let attach = |session| {
        let header = Header { purpose: Purpose::Attach, session, epoch: 0 }.encode();
        let conversation = Header::plain(Purpose::Conversation).encode();
        let (_wire, mut inlet) = wire(&pair, &[header, conversation].concat());
        byte(&pair, &mut inlet)
    };
    assert_eq!(attach([0; 32]), Some(STALE as u8));
    assert_eq!(attach(others), Some(STALE as u8));
    assert_eq!(attach(token), Some(ACK));
}

#[test]
fn a_senseless_message_ends_the_connection_and_all_its_streams() {
    // An unknown kind, a length beyond the longest message, a question without its number.
    for message in [&[9, 0, 0][..], &[3, 0xff, 0xff], &[1, 2, 0, 7, 7]] {
        let pair = pair();
        let incoming = pair.honest.incoming();
        let (wire, mut inlet) = wire(&pair, &Header::plain(Purpose::Welcome).encode());
        let welcome = pair.hostile.handle().block_on(inlet.array::<{ 1 + HEADER }>());
        let welcome = welcome.ok().and_then(|bytes| Header::decode(bytes[1..].try_into().ok()?));
        let session = welcome.unwrap().session;
        let attach = Header { purpose: Purpose::Attach, session, epoch: 0 }.encode();
        let conversation = Header::plain(Purpose::Conversation).encode();
        let _stream = self::wire(&pair, &[attach, conversation].concat());
        let site = incoming.recv_timeout(SECOND).unwrap().conversation;
        let bytes = Bytes::copy_from_slice(message);
        pair.hostile.handle().block_on(wire.write_all(&mut [bytes])).unwrap();
        let error = site.receive(4 * SECOND).unwrap_err();
        assert!(matches!(error, Error::Ended { .. }), "{error}");
        assert_eq!(pair.honest.connections(), 0);
        pair.hostile.ping(&pair.peer()).unwrap();
    }
}

#[test]
fn a_peer_that_answers_no_more_is_lost_after_the_idle_time() {
    let pair = pair();
    let (_wire, mut inlet) = wire(&pair, &Header::plain(Purpose::Welcome).encode());
    assert_eq!(byte(&pair, &mut inlet), Some(ACK));
    assert_eq!(pair.honest.connections(), 1);
    let start = Instant::now();
    while pair.honest.connections() > 0 {
        assert!(start.elapsed() < 3 * SECOND);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(start.elapsed() > SECOND);
}

#[test]
fn sockets_are_bounded_and_come_back() {
    let options = |seed| Options {
        connections: 8,
        ..Options::new(SecretKey::from_seed([seed; 32])).over(Transport::Tcp)
    };
    let any = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    let honest = Endpoint::bind(options(1).listen(any)).unwrap();
    let pair = Pair { honest, hostile: Endpoint::bind(options(2)).unwrap() };
    pair.honest.allow([(pair.hostile.key(), "hostile".into())]);
    pair.hostile.ping(&pair.peer()).unwrap();
    let incoming = pair.honest.incoming();
    let ask = || pair.hostile.request(&pair.peer(), b"hello".to_vec());
    let kept: Vec<_> = (0..4).map(|_| ask().unwrap()).collect();
    // Half of the sockets is the most that the streams of one key get.
    assert!(matches!(ask(), Err(Error::Unreachable { fault: Fault::Busy, .. })));
    drop(kept);
    // The other side's ends of them are still to be taken up.
    while incoming.try_recv().is_ok() {}
    std::thread::sleep(Duration::from_millis(300));
    ask().unwrap();
}
