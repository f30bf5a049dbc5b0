//! What a peer that holds a good key but does not keep to the protocol can do.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use super::carrier::{Connection, Port, Sink, Source};
use super::endpoint::Shared;
use super::pipe::{End, Inlet};
use super::wire::{ACK, BUSY, FrameHead, Header, Kind, MALFORMED, Notice, Purpose};
use super::{Endpoint, LinkOptions, MeshLink, Options, Peer, SecretKey, Transport, connect};
use crate::{Error, Link, Round, tcp};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const SESSION: [u8; 32] = [9; 32];
const SOON: Duration = Duration::from_secs(3);

/// An honest listening party, and a hostile one whose connections are in our hands.
pub(crate) struct Pair {
    pub(crate) honest: Endpoint,
    pub(crate) hostile: Endpoint,
}

/// A stream that the hostile party opened, and what comes back on it.
type Stream = (Sink, Inlet);

impl Pair {
    pub(crate) fn new(over: Transport) -> Self {
        let options = |seed| Options {
            parked: 8,
            idle: Duration::from_millis(1500),
            keep_alive: Duration::from_millis(300),
            ..Options::new(SecretKey::from_seed([seed; 32])).over(over)
        };
        let honest = Endpoint::bind(options(1).listen(ANY)).unwrap();
        let hostile = Endpoint::bind(options(2)).unwrap();
        honest.allow([(hostile.key(), "hostile".into())]);
        Self { honest, hostile }
    }

    pub(crate) fn peer(&self) -> Peer {
        let address = Some(self.honest.local_address().to_string());
        Peer { name: "honest".into(), key: self.honest.key(), address }
    }

    pub(crate) fn run<T>(&self, work: impl AsyncFnOnce(&Arc<Shared>, Connection) -> T) -> T {
        let until = Instant::now() + SOON;
        self.hostile.handle().block_on(async {
            let shared = &self.hostile.shared;
            let connected = connect::connect(shared, &self.peer(), until.into()).await.unwrap();
            work(shared, connected).await
        })
    }

    /// Opens a stream and writes `bytes` to it.
    fn open(&self, bytes: &[u8]) -> Stream {
        self.run(async |shared, connection| {
            let (mut sink, inlet) = match &connection {
                Connection::Quic(connection) => {
                    let (send, receive) = connection.open_bi().await.unwrap();
                    (Sink::Quic(send), Inlet::new(Source::Quic(receive)))
                }
                Connection::Tcp(control) => {
                    tcp::connect::attach(shared, control, &self.peer()).await
                }
            };
            let bytes = Bytes::copy_from_slice(bytes);
            assert!(sink.write_all(&mut [bytes, Bytes::new()]).await);
            (sink, inlet)
        })
    }

    /// Opens a session's stream and writes `bytes` after its header.
    fn inject(&self, session: [u8; 32], bytes: &[u8]) -> Stream {
        let header = Header { purpose: Purpose::Session, session, epoch: 0 };
        self.open(&[&header.encode()[..], bytes].concat())
    }

    fn link(&self) -> crate::Result<MeshLink> {
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
        let _stream = self.inject(SESSION, bytes);
        let round = Round { send: vec![], expect: vec![(1, length)] };
        self.link().unwrap().exchange(round).unwrap_err()
    }

    /// What the honest party answers first.
    fn answer(&self, stream: &mut Stream) -> Result<u8, u64> {
        self.hostile.handle().block_on(async {
            match stream.1.array().await {
                Ok([ACK]) => Ok(ACK),
                Ok([code]) => Err(code.into()),
                Err(End::Reset(code)) => Err(code),
                Err(end) => panic!("{}", end.cause(SOON)),
            }
        })
    }
}

fn head(round: u32, kind: Kind, length: u32) -> Bytes {
    FrameHead { round, kind, length }.encode()
}

fn a_length_that_is_not_due_is_refused_before_its_bytes_come(over: Transport) {
    for length in [0, 4, 6, 65_537, u32::MAX] {
        let error = Pair::new(over).refused(&head(0, Kind::Data, length), 5);
        let early = length > 0 && length < 65_537;
        // A small frame is read first; here it never comes whole.
        let frame = matches!(error, Error::Frame { peer: 1, .. });
        assert!(frame || (early && error.culprit() == Some(1)), "{length}: {error}");
    }
}

fn a_wrong_round_and_an_unknown_kind_are_refused(over: Transport) {
    let unknown = [0, 0, 0, 0, 77, 0, 0, 0, 0];
    let oversize = head(0, Kind::Hello, 70_000);
    for bytes in [&head(1, Kind::Data, 0)[..], &unknown, &oversize] {
        let error = Pair::new(over).refused(bytes, 0);
        assert!(matches!(error, Error::Frame { peer: 1, .. }), "{error}");
    }
}

fn parked_streams_are_bounded_and_the_rest_is_told_busy(over: Transport) {
    let pair = Pair::new(over);
    let mut streams: Vec<_> = (0..7).map(|i| pair.inject([i; 32], &[])).collect();
    let answers: Vec<_> = streams.iter_mut().map(|stream| pair.answer(stream)).collect();
    assert!(answers.iter().all(|answer| matches!(answer, Ok(_) | Err(1))), "{answers:?}");
    assert_eq!(BUSY, 1);
    // Half of the table of eight is the most that one key gets.
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 4);
}

fn senseless_streams_are_dropped_and_the_connection_goes_on(over: Transport) {
    let pair = Pair::new(over);
    for bytes in [&[0xff; 45][..], &[b'G'; 100], &Header::plain(Purpose::Attach).encode()] {
        let mut stream = pair.open(bytes);
        assert_eq!(pair.answer(&mut stream), Err(MALFORMED.into()));
    }
    pair.run(async |_, connection| {
        if let Connection::Quic(connection) = connection {
            for bytes in [&[0xff; 45][..], b"GET / HTTP/1.1\r\n\r\n", b""] {
                let mut send = connection.open_uni().await.unwrap();
                send.write_all(bytes).await.unwrap();
                let _ = send.finish();
            }
        } else {
            connection.tell(Bytes::from_static(b"senseless")).await.unwrap();
        }
    });
    let incoming = pair.honest.incoming();
    let _conversation = pair.hostile.request(&pair.peer(), b"hello".to_vec()).unwrap();
    incoming.recv_timeout(SOON).unwrap();
    assert_eq!(pair.honest.connections(), 1);
}

fn a_message_that_is_too_long_ends_the_conversation(over: Transport) {
    let pair = Pair::new(over);
    let incoming = pair.honest.incoming();
    let header = Header::plain(Purpose::Conversation).encode();
    let _stream = pair.open(&[&header[..], &u32::MAX.to_le_bytes()].concat());
    let conversation = incoming.recv_timeout(SOON).unwrap().conversation;
    let error = conversation.receive(SOON).unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
}

fn a_peer_without_the_hybrid_key_exchange_is_refused(over: Transport) {
    let pair = Pair::new(over);
    let provider = CryptoProvider { kx_groups: vec![kx_group::X25519], ..default_provider() };
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let address = pair.honest.local_address();
    // Alert 40, handshake_failure: no group in common.
    pair.hostile.handle().block_on(async {
        match &pair.hostile.shared.port {
            Port::Quic(quinn) => {
                let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(config).unwrap();
                let config = quinn::ClientConfig::new(Arc::new(crypto));
                let error =
                    quinn.connect_with(config, address, "tacit").unwrap().await.unwrap_err();
                let quinn::ConnectionError::ConnectionClosed(close) = error else {
                    panic!("{error}")
                };
                assert_eq!(close.error_code, quinn::TransportErrorCode::crypto(40));
            }
            Port::Tcp(_) => {
                let name = ServerName::try_from("tacit").unwrap();
                let tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
                let socket = TcpStream::connect(address).await.unwrap();
                let opened = tcp::Wire::open(socket, tls.into(), SOON, None).await;
                let error = opened.map(|_| ()).unwrap_err().to_string();
                assert!(error.contains("HandshakeFailure"), "{error}");
            }
        }
    });
}

fn a_notice_that_comes_before_its_link_ends_the_link_at_once(over: Transport) {
    let pair = Pair::new(over);
    let notice = |session: [u8; 32]| {
        let notice = Notice { culprit: Some(1), reason: "no data".into() };
        let header = Header { purpose: Purpose::Abort, session, epoch: 0 };
        [&header.encode()[..], &postcard::to_stdvec(&notice).unwrap()].concat()
    };
    pair.run(async |_, connection| {
        // The first is for the link; of the rest, as many are kept as one key may have.
        for session in [SESSION].into_iter().chain((20..40).map(|i| [i; 32])) {
            connection.tell(notice(session).into()).await.unwrap();
        }
    });
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(pair.honest.shared.rendezvous.kept(), 4);
    let begin = Instant::now();
    let error = pair.link().unwrap_err();
    assert!(matches!(error, Error::Aborted { by: 1, .. }), "{error}");
    assert!(begin.elapsed() < SOON / 2);
}

macro_rules! over_both {
    ($($name:ident),* $(,)?) => {
        mod over_quic {
            $(#[test]
            fn $name() {
                super::$name(super::Transport::Quic);
            })*
        }
        mod over_tcp {
            $(#[test]
            fn $name() {
                super::$name(super::Transport::Tcp);
            })*
        }
    };
}

over_both! {
    a_length_that_is_not_due_is_refused_before_its_bytes_come,
    a_wrong_round_and_an_unknown_kind_are_refused,
    parked_streams_are_bounded_and_the_rest_is_told_busy,
    senseless_streams_are_dropped_and_the_connection_goes_on,
    a_message_that_is_too_long_ends_the_conversation,
    a_peer_without_the_hybrid_key_exchange_is_refused,
    a_notice_that_comes_before_its_link_ends_the_link_at_once,
}
