//! Dialing over TCP.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Port;
use super::control::Control;
use super::wire::{Broken, Source, Wire};
use crate::Fault;
use crate::mesh::carrier::{self, Connection, Exporter, Loss, Sink};
use crate::mesh::connect::is_final;
use crate::mesh::endpoint::{Peer, Shared};
use crate::mesh::pipe::{End, Inlet};
use crate::mesh::rendezvous::Arrival;
use crate::mesh::tls::{self, alerts};
use crate::mesh::wire::{ACK, BUSY, HEADER, Header, Purpose, STALE};

/// Name that TLS asks for; keys are pinned, so it means nothing.
const SERVER_NAME: &str = "tacit";

/// Wait after a stream could not be opened though its connection lives.
const PAUSE: Duration = Duration::from_millis(100);

/// One attempt to connect to a peer, until `until` or for the idle time.
pub(crate) async fn dial(
    shared: &Arc<Shared>,
    port: &Arc<Port>,
    peer: &Peer,
    until: Instant,
) -> Result<Connection, Fault> {
    let idle = shared.options.idle;
    let until = until.min(Instant::now() + idle);
    let socket = timeout_at(until, socket(peer)).await.map_err(|_| Fault::Silent)??;
    let welcomed = timeout_at(until, welcomed(shared, port, peer, socket)).await;
    let (control, ends) = welcomed.map_err(|_| Fault::Mute)??;
    port.enter(&control);
    tracing::debug!(peer = %peer.name, "connected");
    let (weak, keep_alive) = (Arc::downgrade(shared), shared.options.keep_alive);
    let (port, own) = (port.clone(), control.clone());
    tokio::spawn(async move {
        own.run(weak, ends, idle, keep_alive).await;
        port.forget(&own);
    });
    Ok(Connection::Tcp(control))
}

async fn welcomed(
    shared: &Arc<Shared>,
    port: &Port,
    peer: &Peer,
    socket: TcpStream,
) -> Result<(Arc<Control>, super::control::Ends), Fault> {
    let (wire, mut read) = shake(shared, peer, socket).await?;
    let hello = Bytes::copy_from_slice(&Header::plain(Purpose::Welcome).encode());
    // A failed write shows in the read.
    let _ = wire.write_all(&mut [hello]).await;
    // The peer checks our key after we have finished the handshake: wait for its word.
    let mut source = Source::new(wire.clone(), None);
    if read.is_empty() {
        source.read_plain(&mut read).await.map_err(|broken| fault_of(&broken))?;
    }
    let mut inlet = Inlet::with(carrier::Source::Tcp(source), read);
    match inlet.array().await {
        Ok([ACK]) => {}
        Ok([code]) if u32::from(code) == BUSY => return Err(Fault::Busy),
        _ => return Err(Fault::OtherProtocol),
    }
    let header = inlet.array::<HEADER>().await.ok().and_then(|bytes| Header::decode(&bytes));
    match header {
        Some(Header { purpose: Purpose::Welcome, session, .. }) => {
            Ok(Control::new(port.number(), peer.key, session, wire, inlet))
        }
        _ => Err(Fault::OtherProtocol),
    }
}

/// A TLS connection to a peer.
async fn reach(shared: &Shared, peer: &Peer) -> Result<(Arc<Wire>, VecDeque<Bytes>), Fault> {
    shake(shared, peer, socket(peer).await?).await
}

/// A socket to a peer: its addresses are tried one after the other.
async fn socket(peer: &Peer) -> Result<TcpStream, Fault> {
    let name = peer.address.as_deref().ok_or(Fault::NoAddress)?;
    let unknown = || Fault::Other(format!("the address {name} cannot be resolved"));
    let addresses: Vec<SocketAddr> = lookup_host(name).await.map_err(|_| unknown())?.collect();
    let mut fault = unknown();
    for address in addresses {
        fault = match TcpStream::connect(address).await {
            Ok(socket) => return Ok(socket),
            Err(error) => match error.kind() {
                ErrorKind::ConnectionRefused => Fault::NothingListens,
                ErrorKind::TimedOut => Fault::Silent,
                _ => Fault::Other(error.to_string()),
            },
        };
    }
    Err(fault)
}

/// Shakes hands.
async fn shake(
    shared: &Shared,
    peer: &Peer,
    socket: TcpStream,
) -> Result<(Arc<Wire>, VecDeque<Bytes>), Fault> {
    let other = |error: rustls::Error| Fault::Other(error.to_string());
    let (config, other_key) = tls::client(shared.certified.clone(), peer.key)
        .map_err(|error| Fault::Other(error.to_string()))?;
    let server = ServerName::try_from(SERVER_NAME).map_err(|e| Fault::Other(e.to_string()))?;
    let tls = ClientConnection::new(Arc::new(config), server).map_err(other)?;
    let opened = Wire::open(socket, tls.into(), shared.options.idle, None).await;
    opened.map_err(|broken| {
        if other_key.load(Ordering::Relaxed) { Fault::WrongKey } else { fault_of(&broken) }
    })
}

fn fault_of(broken: &Broken) -> Fault {
    match broken {
        Broken::Tls(rustls::Error::AlertReceived(alert)) => {
            let code = u8::from(*alert);
            if alerts::KEY.contains(&code) {
                Fault::RefusedOurKey
            } else if alerts::PROTOCOL.contains(&code) {
                Fault::OtherProtocol
            } else {
                Fault::Other(broken.to_string())
            }
        }
        Broken::Tls(rustls::Error::InvalidMessage(_) | rustls::Error::PeerIncompatible(_)) => {
            Fault::OtherProtocol
        }
        other => Fault::Other(other.to_string()),
    }
}

/// Opens a stream beside its connection, and waits until the peer has a place for it.
pub(crate) async fn open_on(
    shared: &Arc<Shared>,
    control: &Arc<Control>,
    peer: &Peer,
    header: Header,
) -> Result<Arrival, End> {
    let lost = || End::Lost(Loss::Tcp(control.clone()));
    let (wire, early) = loop {
        if !control.live() {
            return Err(lost());
        }
        match timeout(shared.options.idle, reach(shared, peer)).await {
            Ok(Ok(reached)) => break reached,
            Ok(Err(fault)) if is_final(&fault) => {
                control.close();
                return Err(lost());
            }
            _ => sleep(PAUSE).await,
        }
    };
    if !control.adopt(&wire) {
        return Err(lost());
    }
    let stream = control.number();
    let attach = Header { purpose: Purpose::Attach, session: control.token(), epoch: stream };
    let message = [attach.encode(), header.encode()].concat();
    // A failed write shows in the read.
    let _ = wire.write_all(&mut [message.into()]).await;
    let source = Source::new(wire.clone(), Some(control.clone()));
    let mut receive = Inlet::with(carrier::Source::Tcp(source), early);
    match receive.array().await? {
        [ACK] => {}
        [code] if u32::from(code) == STALE => {
            control.close();
            return Err(lost());
        }
        [code] => return Err(End::Reset(code.into())),
    }
    Ok(Arrival {
        send: Sink::Tcp(wire.clone()),
        receive,
        connection: Connection::Tcp(control.clone()),
        exporter: Exporter::Tcp(wire),
        stream,
    })
}

/// A stream on which nothing but its token has been written, for tests.
#[cfg(test)]
pub(crate) async fn attach(shared: &Shared, control: &Arc<Control>, peer: &Peer) -> (Sink, Inlet) {
    let (wire, early) = reach(shared, peer).await.unwrap();
    let token = Header { purpose: Purpose::Attach, session: control.token(), epoch: 0 };
    wire.write_all(&mut [Bytes::copy_from_slice(&token.encode())]).await.unwrap();
    let source = Source::new(wire.clone(), Some(control.clone()));
    (Sink::Tcp(wire), Inlet::with(carrier::Source::Tcp(source), early))
}

/// A TLS connection on which nothing has been written, for tests.
#[cfg(test)]
pub(super) async fn bare(shared: &Shared, peer: &Peer) -> (Arc<Wire>, Inlet) {
    let (wire, early) = reach(shared, peer).await.unwrap();
    let source = Source::new(wire.clone(), None);
    (wire, Inlet::with(carrier::Source::Tcp(source), early))
}
