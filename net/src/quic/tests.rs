//! What a peer that holds a good key but does not keep to the protocol can do.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quinn::Connection;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};

use super::{Endpoint, LinkOptions, Options, Peer, QuicLink, SecretKey};
use crate::mesh::carrier::{self, Port};
use crate::mesh::connect;
use crate::mesh::wire::{ACK, BUSY, FrameHead, Header, Kind, Notice, Purpose};
use crate::{Error, Link, Round};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const SESSION: [u8; 32] = [9; 32];
const SOON: Duration = Duration::from_secs(3);

/// An honest listening party, and a hostile one whose connections are in our hands.
struct Pair {
    honest: Endpoint,
    hostile: Endpoint,
}

impl Pair {
    fn new() -> Self {
        let options = |seed| Options {
            parked: 8,
            idle: Duration::from_millis(1500),
            keep_alive: Duration::from_millis(300),
            ..Options::new(SecretKey::from_seed([seed; 32]))
        };
        let honest = Endpoint::bind(options(1).listen(ANY)).unwrap();
        let hostile = Endpoint::bind(options(2)).unwrap();
        honest.allow([(hostile.key(), "hostile".into())]);
        Self { honest, hostile }
    }

    fn peer(&self) -> Peer {
        let address = Some(self.honest.local_address().to_string());
        Peer { name: "honest".into(), key: self.honest.key(), address }
    }

    fn run<T>(&self, work: impl AsyncFnOnce(Connection) -> T) -> T {
        let until = Instant::now() + SOON;
        self.hostile.handle().block_on(async {
            let shared = &self.hostile.shared;
            let connected = connect::connect(shared, &self.peer(), until.into()).await.unwrap();
            let carrier::Connection::Quic(connection) = connected else { panic!("not QUIC") };
            work(connection).await
        })
    }

    /// Opens a session's stream and writes `bytes` after its header.
    fn inject(&self, session: [u8; 32], bytes: &[u8]) -> (quinn::SendStream, quinn::RecvStream) {
        self.run(async |connection| {
            let (mut send, receive) = connection.open_bi().await.unwrap();
            let header = Header { purpose: Purpose::Session, session, epoch: 0 };
            send.write_all(&header.encode()).await.unwrap();
            send.write_all(bytes).await.unwrap();
            (send, receive)
        })
    }

    fn link(&self) -> QuicLink {
        self.open().unwrap()
    }

    fn open(&self) -> crate::Result<QuicLink> {
        let key = self.hostile.key();
        let peer = Peer { name: "hostile".into(), key, address: None };
        let options = LinkOptions {
            session: SESSION,
            epoch: 0,
            me: 0,
            peers: vec![None, Some(peer)],
            connect_deadline: SOON,
            round_deadline: Duration::from_millis(500),
        };
        self.honest.link(options)
    }

    /// The honest party's error when it awaits `length` bytes and `bytes` come.
    fn refused(&self, bytes: &[u8], length: usize) -> Error {
        let _streams = self.inject(SESSION, bytes);
        let round = Round { send: vec![], expect: vec![(1, length)] };
        self.link().exchange(round).unwrap_err()
    }
}

fn head(round: u32, kind: Kind, length: u32) -> Bytes {
    FrameHead { round, kind, length }.encode()
}

#[test]
fn a_length_that_is_not_due_is_refused_before_its_bytes_come() {
    for length in [0, 4, 6, 65_537, u32::MAX] {
        let error = Pair::new().refused(&head(0, Kind::Data, length), 5);
        let early = length > 0 && length < 65_537;
        // A small frame is read first; here it never comes whole.
        let frame = matches!(error, Error::Frame { peer: 1, .. });
        assert!(frame || (early && error.culprit() == Some(1)), "{length}: {error}");
    }
}

#[test]
fn a_wrong_round_and_an_unknown_kind_are_refused() {
    let unknown = [0, 0, 0, 0, 77, 0, 0, 0, 0];
    let oversize = head(0, Kind::Hello, 70_000);
    for bytes in [&head(1, Kind::Data, 0)[..], &unknown, &oversize] {
        let error = Pair::new().refused(bytes, 0);
        assert!(matches!(error, Error::Frame { peer: 1, .. }), "{error}");
    }
}

#[test]
fn parked_streams_are_bounded_and_the_rest_is_told_busy() {
    let pair = Pair::new();
    let mut streams: Vec<_> = (0..7).map(|i| pair.inject([i; 32], &[])).collect();
    let answers: Vec<bool> = pair.hostile.handle().block_on(async {
        let mut answers = Vec::new();
        for (_, receive) in &mut streams {
            let mut ack = [0];
            answers.push(match receive.read_exact(&mut ack).await {
                Ok(()) => ack == [ACK],
                Err(quinn::ReadExactError::ReadError(quinn::ReadError::Reset(code))) => {
                    assert_eq!(code, BUSY.into());
                    false
                }
                Err(error) => panic!("{error}"),
            });
        }
        answers
    });
    // Half of the table of eight is the most that one key gets.
    assert_eq!(answers.iter().filter(|&&kept| kept).count(), 4);
}

#[test]
fn senseless_streams_are_dropped_and_the_connection_goes_on() {
    let pair = Pair::new();
    pair.run(async |connection| {
        for bytes in [&[0xff; 45][..], b"GET / HTTP/1.1\r\n\r\n", b""] {
            let (mut send, _) = connection.open_bi().await.unwrap();
            send.write_all(bytes).await.unwrap();
            let _ = send.finish();
            let mut send = connection.open_uni().await.unwrap();
            send.write_all(bytes).await.unwrap();
            let _ = send.finish();
        }
    });
    let incoming = pair.honest.incoming();
    let _conversation = pair.hostile.request(&pair.peer(), b"hello".to_vec()).unwrap();
    incoming.recv_timeout(SOON).unwrap();
    assert_eq!(pair.honest.connections(), 1);
}

#[test]
fn a_message_that_is_too_long_ends_the_conversation() {
    let pair = Pair::new();
    let incoming = pair.honest.incoming();
    let _stream = pair.run(async |connection| {
        let (mut send, receive) = connection.open_bi().await.unwrap();
        send.write_all(&Header::plain(Purpose::Conversation).encode()).await.unwrap();
        send.write_all(&u32::MAX.to_le_bytes()).await.unwrap();
        (send, receive)
    });
    let conversation = incoming.recv_timeout(SOON).unwrap().conversation;
    let error = conversation.receive(SOON).unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
}

#[test]
fn a_peer_without_the_hybrid_key_exchange_is_refused() {
    let pair = Pair::new();
    let mut provider = default_provider();
    provider.kx_groups = vec![kx_group::X25519];
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(config).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(crypto));
    let error = pair.hostile.handle().block_on(async {
        let Port::Quic(quinn) = &pair.hostile.shared.port else { panic!("not QUIC") };
        let connecting = quinn.connect_with(config, pair.honest.local_address(), "tacit");
        connecting.unwrap().await.unwrap_err()
    });
    // Alert 40, handshake_failure: no group in common.
    let quinn::ConnectionError::ConnectionClosed(close) = error else { panic!("{error}") };
    assert_eq!(close.error_code, quinn::TransportErrorCode::crypto(40));
}

#[test]
fn a_notice_that_comes_before_its_link_ends_the_link_at_once() {
    let pair = Pair::new();
    let notice = |session: [u8; 32]| {
        let notice = Notice { culprit: Some(1), reason: "no data".into() };
        let header = Header { purpose: Purpose::Abort, session, epoch: 0 };
        [&header.encode()[..], &postcard::to_stdvec(&notice).unwrap()].concat()
    };
    pair.run(async |connection| {
        // The first is for the link; of the rest, as many are kept as one key may have.
        for session in [SESSION].into_iter().chain((20..40).map(|i| [i; 32])) {
            let mut send = connection.open_uni().await.unwrap();
            send.write_all(&notice(session)).await.unwrap();
            let _ = send.finish();
            let _ = send.stopped().await;
        }
    });
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(pair.honest.shared.rendezvous.kept(), 4);
    let begin = Instant::now();
    let error = pair.open().unwrap_err();
    assert!(matches!(error, Error::Aborted { by: 1, .. }), "{error}");
    assert!(begin.elapsed() < SOON / 2);
}
