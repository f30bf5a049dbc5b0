//! The dialing side: one connection per peer, dialed when first needed, with visible back-off.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quinn::{ClientConfig, Connection, ConnectionError, TransportErrorCode};
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::endpoint::{Peer, Shared};
use super::rendezvous::Arrival;
use super::wire::{ACK, BUSY, End, HEADER, Header, Inlet, Purpose};
use super::{accept, tls, transport};
use crate::Fault;

/// Wait after the first failed attempt; it doubles up to [`BACKOFF_LIMIT`].
const BACKOFF: Duration = Duration::from_millis(100);

/// Longest wait between two attempts.
const BACKOFF_LIMIT: Duration = Duration::from_secs(2);

/// Name that TLS asks for; keys are pinned, so it means nothing.
const SERVER_NAME: &str = "tacit";

/// The connection to one peer, and why it could not be had last time.
#[derive(Default)]
pub(super) struct Slot {
    connection: tokio::sync::Mutex<Option<Connection>>,
    fault: Mutex<Option<Fault>>,
}

impl Slot {
    fn note(&self, fault: &Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault.clone());
    }

    fn fault(&self) -> Fault {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.clone().unwrap_or(Fault::Silent)
    }
}

/// Trying again will not help.
pub(super) fn is_final(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::RefusedOurKey | Fault::WrongKey | Fault::OtherProtocol | Fault::NoAddress
    )
}

fn live(connection: &Connection) -> bool {
    connection.close_reason().is_none()
}

/// The connection to a peer: the one that exists, or a new one, tried until `until`.
pub(super) async fn connect(
    shared: &Arc<Shared>,
    peer: &Peer,
    until: Instant,
) -> Result<Connection, Fault> {
    let slot = shared.slot(peer)?;
    let Ok(mut current) = timeout_at(until, slot.connection.lock()).await else {
        return Err(slot.fault());
    };
    if let Some(connection) = current.as_ref().filter(|connection| live(connection)) {
        return Ok(connection.clone());
    }
    *current = None;
    let mut pause = BACKOFF;
    let mut told = false;
    loop {
        let fault = match timeout_at(until, dial(shared, peer)).await {
            Ok(Ok(connection)) => {
                *current = Some(connection.clone());
                return Ok(connection);
            }
            Ok(Err(fault)) => fault,
            Err(_) => return Err(Fault::Silent),
        };
        slot.note(&fault);
        let next = Instant::now() + pause;
        if is_final(&fault) || next >= until {
            return Err(fault);
        }
        if std::mem::replace(&mut told, true) {
            tracing::debug!(peer = %peer.name, %fault, "cannot connect, next attempt in {pause:?}");
        } else {
            tracing::warn!(peer = %peer.name, %fault, "cannot connect, trying on");
        }
        sleep_until(next).await;
        pause = (pause * 2).min(BACKOFF_LIMIT);
    }
}

/// As [`connect`], with one attempt.
pub(super) async fn once(
    shared: &Arc<Shared>,
    peer: &Peer,
    until: Instant,
) -> Result<Connection, Fault> {
    let slot = shared.slot(peer)?;
    let Ok(mut current) = timeout_at(until, slot.connection.lock()).await else {
        return Err(slot.fault());
    };
    if let Some(connection) = current.as_ref().filter(|connection| live(connection)) {
        return Ok(connection.clone());
    }
    let dialed = timeout_at(until, dial(shared, peer)).await;
    let connection = dialed.unwrap_or(Err(Fault::Silent)).inspect_err(|fault| slot.note(fault))?;
    *current = Some(connection.clone());
    Ok(connection)
}

/// One attempt.
async fn dial(shared: &Arc<Shared>, peer: &Peer) -> Result<Connection, Fault> {
    let name = peer.address.as_deref().ok_or(Fault::NoAddress)?;
    let address = resolve(shared, name).await?;
    let (crypto, other_key) = tls::client(shared.certified.clone(), peer.key)
        .map_err(|error| Fault::Other(error.to_string()))?;
    let mut config = ClientConfig::new(crypto);
    let loopback = transport::is_loopback(address);
    config.transport_config(transport::transport(&shared.options, loopback, false));
    let connecting = shared
        .quinn
        .connect_with(config, address, SERVER_NAME)
        .map_err(|error| Fault::Other(error.to_string()))?;
    let explain = |error: ConnectionError| {
        if other_key.load(Ordering::Relaxed) { Fault::WrongKey } else { fault_of(&error) }
    };
    let welcomed = async {
        let connection = connecting.await.map_err(explain)?;
        // The peer checks our key after we have finished the handshake: wait for its word.
        let stream = connection.accept_uni().await.map_err(explain)?;
        let header = Inlet::new(stream).array::<HEADER>().await.map_err(|end| match end {
            End::Lost(error) => explain(error),
            _ => Fault::OtherProtocol,
        })?;
        match Header::decode(&header) {
            Some(Header { purpose: Purpose::Welcome, .. }) => Ok(connection),
            _ => Err(Fault::OtherProtocol),
        }
    };
    let connection = tokio::select! {
        biased;
        result = timeout(shared.options.idle, welcomed) => result.map_err(|_| Fault::Silent)??,
        () = port_closed(address) => return Err(Fault::NothingListens),
    };
    tracing::debug!(peer = %peer.name, %address, "connected");
    tokio::spawn(accept::notices(Arc::downgrade(shared), connection.clone(), peer.key));
    Ok(connection)
}

async fn resolve(shared: &Shared, name: &str) -> Result<SocketAddr, Fault> {
    let unknown = || Fault::Other(format!("the address {name} cannot be resolved"));
    let six = shared.local.is_ipv6();
    let mut found = lookup_host(name).await.map_err(|_| unknown())?;
    found.find(|address| six || address.is_ipv4()).ok_or_else(unknown)
}

/// Returns when the machine says that no process has the port. A connected socket hears that, the
/// shared one does not. The byte it sends is no QUIC packet and is ignored.
async fn port_closed(address: SocketAddr) {
    let probe = async {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => ([0; 4], 0).into(),
            SocketAddr::V6(_) => ([0; 16], 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(address).await?;
        socket.send(&[0]).await?;
        socket.recv(&mut [0]).await
    };
    match probe.await {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
        _ => std::future::pending().await,
    }
}

fn fault_of(error: &ConnectionError) -> Fault {
    /// TLS alerts (RFC 8446, section 6) that mean: not with this key.
    const KEY_ALERTS: [u8; 6] = [42, 43, 46, 48, 49, 116];
    /// TLS alerts that mean: not with this protocol (versions, groups, ALPN).
    const PROTOCOL_ALERTS: [u8; 4] = [40, 70, 71, 120];
    let alert = |code: TransportErrorCode, alerts: &[u8]| {
        alerts.iter().any(|&alert| code == TransportErrorCode::crypto(alert))
    };
    match error {
        ConnectionError::TimedOut => Fault::Silent,
        ConnectionError::VersionMismatch => Fault::OtherProtocol,
        ConnectionError::ConnectionClosed(close) if alert(close.error_code, &KEY_ALERTS) => {
            Fault::RefusedOurKey
        }
        ConnectionError::ConnectionClosed(close) if alert(close.error_code, &PROTOCOL_ALERTS) => {
            Fault::OtherProtocol
        }
        ConnectionError::ConnectionClosed(close)
            if close.error_code == TransportErrorCode::CONNECTION_REFUSED =>
        {
            Fault::Busy
        }
        ConnectionError::ApplicationClosed(close) if close.error_code == BUSY.into() => Fault::Busy,
        other => Fault::Other(other.to_string()),
    }
}

/// Opens a stream to a peer and waits until the peer has a place for it.
///
/// If the connection turns out to be a dead one, a new one is made.
pub(super) async fn open(
    shared: &Arc<Shared>,
    peer: &Peer,
    header: Header,
    until: Instant,
) -> Result<Arrival, Fault> {
    loop {
        let connection = connect(shared, peer, until).await?;
        let Ok(result) = timeout_at(until, open_on(&connection, header)).await else {
            return Err(Fault::Silent);
        };
        match result {
            Ok(arrival) => return Ok(arrival),
            Err(End::Lost(error)) => {
                tracing::debug!(peer = %peer.name, %error, "the connection was dead, dialing again");
            }
            Err(End::Reset(code)) if code == u64::from(BUSY) => return Err(Fault::Busy),
            Err(End::Reset(_) | End::Finished) => return Err(Fault::OtherProtocol),
        }
    }
}

async fn open_on(connection: &Connection, header: Header) -> Result<Arrival, End> {
    let (mut send, receive) = connection.open_bi().await.map_err(End::Lost)?;
    let mut receive = Inlet::new(receive);
    // A failed write shows in the read.
    let _ = send.write_all(&header.encode()).await;
    let [ack] = receive.array().await?;
    if ack != ACK {
        return Err(End::Finished);
    }
    let stream = send.id().index();
    Ok(Arrival { send, receive, connection: connection.clone(), stream })
}
