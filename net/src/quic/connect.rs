//! Dialing over QUIC.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, ConnectionError, TransportErrorCode};
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;

use super::{accept, transport};
use crate::Fault;
use crate::mesh::carrier::{Connection, Exporter, Loss, Sink, Source};
use crate::mesh::endpoint::{Peer, Shared};
use crate::mesh::pipe::{End, Inlet};
use crate::mesh::rendezvous::Arrival;
use crate::mesh::tls::{self, alerts};
use crate::mesh::wire::{ACK, BUSY, HEADER, Header, Purpose};

/// Name that TLS asks for; keys are pinned, so it means nothing.
const SERVER_NAME: &str = "tacit";

/// One attempt.
pub(crate) async fn dial(
    shared: &Arc<Shared>,
    quinn: &quinn::Endpoint,
    peer: &Peer,
) -> Result<Connection, Fault> {
    let name = peer.address.as_deref().ok_or(Fault::NoAddress)?;
    let address = resolve(shared, name).await?;
    let (crypto, other_key) = tls::client(shared.certified.clone(), peer.key)
        .map_err(|error| Fault::Other(error.to_string()))?;
    let crypto =
        QuicClientConfig::try_from(crypto).map_err(|error| Fault::Other(error.to_string()))?;
    let mut config = ClientConfig::new(Arc::new(crypto));
    let loopback = transport::is_loopback(address);
    config.transport_config(transport::transport(&shared.options, loopback, false));
    let connecting = quinn
        .connect_with(config, address, SERVER_NAME)
        .map_err(|error| Fault::Other(error.to_string()))?;
    let explain = |error: ConnectionError| {
        if other_key.load(Ordering::Relaxed) { Fault::WrongKey } else { fault_of(&error) }
    };
    let welcomed = async {
        let connection = connecting.await.map_err(explain)?;
        // The peer checks our key after we have finished the handshake: wait for its word.
        let stream = connection.accept_uni().await.map_err(explain)?;
        let header =
            Inlet::new(Source::Quic(stream)).array::<HEADER>().await.map_err(|end| match end {
                End::Lost(Loss::Quic(error)) => explain(error),
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
    Ok(Connection::Quic(connection))
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
    let alert = |code: TransportErrorCode, codes: &[u8]| {
        codes.iter().any(|&alert| code == TransportErrorCode::crypto(alert))
    };
    match error {
        ConnectionError::TimedOut => Fault::Silent,
        ConnectionError::VersionMismatch => Fault::OtherProtocol,
        ConnectionError::ConnectionClosed(close) if alert(close.error_code, &alerts::KEY) => {
            Fault::RefusedOurKey
        }
        ConnectionError::ConnectionClosed(close) if alert(close.error_code, &alerts::PROTOCOL) => {
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

/// Opens a stream, and waits until the peer has a place for it.
pub(crate) async fn open_on(
    connection: &quinn::Connection,
    header: Header,
) -> Result<Arrival, End> {
    let lost = |error| End::Lost(Loss::Quic(error));
    let (mut send, receive) = connection.open_bi().await.map_err(lost)?;
    let mut receive = Inlet::new(Source::Quic(receive));
    // A failed write shows in the read.
    let _ = send.write_all(&header.encode()).await;
    let [ack] = receive.array().await?;
    if ack != ACK {
        return Err(End::Finished);
    }
    Ok(Arrival {
        stream: send.id().index(),
        send: Sink::Quic(send),
        receive,
        connection: Connection::Quic(connection.clone()),
        exporter: Exporter::Quic(connection.clone()),
    })
}
