//! The socket and the numbers that QUIC runs with, each with its reason.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::CubicConfig;
use quinn::crypto::{CryptoError, HmacKey};
use quinn::{
    AckFrequencyConfig, ConnectionId, ConnectionIdGenerator, EndpointConfig, MtuDiscoveryConfig,
    TransportConfig, VarInt,
};
use sha2::{Digest, Sha256};
use socket2::{Domain, Protocol, Socket, Type};
use subtle::ConstantTimeEq;

use crate::mesh::Options;
use crate::{Error, Result};

/// Largest UDP payload that is ever sent. Ten of them, which quinn hands to the kernel at once,
/// must fit the 65,507 bytes of one segmented datagram; above that the connection hangs.
const MTU_LIMIT: u16 = 6400;

/// UDP payload on loopback: fewer packets, less CPU per byte; twice the speed of the standard one.
const MTU_LOOPBACK: u16 = 6000;

/// UDP payload that discovery tries to reach on Ethernet.
const MTU_ETHERNET: u16 = 1452;

/// Most that a peer may have under way in one stream: 4 MiB fill 100 ms at 300 Mbit/s.
const STREAM_WINDOW: u32 = 4 << 20;

/// Most that a peer may have under way in all streams: sixteen sessions that do not read must not
/// keep the others from being read.
const CONNECTION_WINDOW: u32 = 64 << 20;

/// Most that is sent and not acknowledged on one connection.
const SEND_WINDOW: u64 = 16 << 20;

/// Streams that a dialing peer may have open at once: sessions and conversations.
const STREAMS: u32 = 1024;

/// Abort notices that may be under way at once.
const NOTICES: u32 = 256;

/// Acknowledge every tenth packet rather than every second: less CPU on bulk.
const ACK_THRESHOLD: u32 = 10;

/// What was asked of the kernel for the UDP socket, and what it gave. Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffers {
    /// Asked for each direction.
    pub asked: usize,
    /// Given for sending.
    pub send: usize,
    /// Given for receiving.
    pub receive: usize,
}

impl Buffers {
    /// Whether the kernel gave less than was asked (`net.core.rmem_max` and `wmem_max` on Linux).
    pub fn short(&self) -> bool {
        self.send < self.asked || self.receive < self.asked
    }
}

/// Whether an address is this machine's own.
pub(crate) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Numbers for a connection; `accepts` is whether the peer may open streams.
pub(crate) fn transport(options: &Options, loopback: bool, accepts: bool) -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    let mut discovery = MtuDiscoveryConfig::default();
    let mut congestion = CubicConfig::default();
    if loopback {
        config.initial_mtu(MTU_LOOPBACK);
        discovery.upper_bound(MTU_LOOPBACK);
        // No queue between the two sockets but their buffers, so start with what those hold.
        congestion.initial_window(1 << 20);
    } else {
        discovery.upper_bound(options.mtu.unwrap_or(MTU_ETHERNET).clamp(1200, MTU_LIMIT));
    }
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(VarInt::from_u32(ACK_THRESHOLD));
    acks.max_ack_delay(Some(Duration::from_millis(5)));
    let idle = u32::try_from(options.idle.as_millis()).unwrap_or(u32::MAX);
    config
        .mtu_discovery_config(Some(discovery))
        .congestion_controller_factory(Arc::new(congestion))
        .ack_frequency_config(Some(acks))
        .max_idle_timeout(Some(VarInt::from_u32(idle).into()))
        .keep_alive_interval(Some(options.keep_alive))
        .initial_rtt(Duration::from_millis(100))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(SEND_WINDOW)
        .max_concurrent_bidi_streams(VarInt::from_u32(if accepts { STREAMS } else { 0 }))
        .max_concurrent_uni_streams(VarInt::from_u32(NOTICES))
        .datagram_receive_buffer_size(None);
    Arc::new(config)
}

/// The endpoint's own numbers.
pub(crate) fn endpoint(options: &Options, local: SocketAddr) -> Result<EndpointConfig> {
    // Bound to the port, so that another process with the same key cannot be made to reset ours.
    let port = if options.listen.is_some() { local.port() } else { 0 };
    let mut purpose = [b"stateless reset".as_slice(), &port.to_le_bytes()].concat();
    if port == 0 {
        purpose.extend(random::<32>()?);
    }
    let mut config = EndpointConfig::new(Arc::new(ResetKey(options.key.derive(&purpose))));
    config.cid_generator(|| Box::new(RandomIds));
    let limit = options.mtu.unwrap_or(MTU_LOOPBACK).clamp(MTU_LOOPBACK, MTU_LIMIT);
    config.max_udp_payload_size(limit).map_err(|e| Error::Setup(e.to_string()))?;
    Ok(config)
}

/// Binds the UDP socket: the given address, or any free port of any family.
pub(crate) fn bind(options: &Options) -> Result<(UdpSocket, Buffers)> {
    let any6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);
    let any4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let socket = match options.listen {
        Some(address) => open(address).map_err(|error| {
            let hint = match error.kind() {
                std::io::ErrorKind::AddrInUse => ": the port is in use",
                _ => "",
            };
            Error::Setup(format!("cannot listen on {address}{hint}: {error}"))
        })?,
        None => open(any6)
            .or_else(|_| open(any4))
            .map_err(|error| Error::Setup(format!("cannot open a UDP socket: {error}")))?,
    };
    let asked = options.buffer;
    // The kernel caps what it gives without an error; `doctor` shows it.
    let _ = socket.set_recv_buffer_size(asked);
    let _ = socket.set_send_buffer_size(asked);
    // Linux reports twice what it counts as payload.
    let scale = if cfg!(target_os = "linux") { 2 } else { 1 };
    let buffers = Buffers {
        asked,
        send: socket.send_buffer_size().unwrap_or(0) / scale,
        receive: socket.recv_buffer_size().unwrap_or(0) / scale,
    };
    Ok((socket.into(), buffers))
}

fn open(address: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Key of stateless resets. It follows from the party's key, so that a restarted endpoint can tell
/// its peers at once that the connections of its predecessor are gone.
struct ResetKey([u8; 32]);

impl ResetKey {
    fn tag(&self, data: &[u8]) -> [u8; 32] {
        let inner = Sha256::new().chain_update(self.0).chain_update(data).finalize();
        Sha256::new().chain_update(self.0).chain_update(inner).finalize().into()
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.copy_from_slice(&self.tag(data)[..signature_out.len()]);
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let same: bool = self.tag(data)[..].ct_eq(signature).into();
        if same { Ok(()) } else { Err(CryptoError) }
    }
}

/// Random connection ids. (quinn's own are checked against a random key, which would make a
/// restarted endpoint drop what it should answer with a reset.)
struct RandomIds;

impl ConnectionIdGenerator for RandomIds {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&random::<8>().unwrap_or_default())
    }

    fn cid_len(&self) -> usize {
        8
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Setup(format!("no randomness from the system: {error}")))?;
    Ok(bytes)
}
