//! Accepting over TCP: lets peers in, and sorts what they open.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::Port;
use super::control::Control;
use super::wire::{Source, Wire};
use crate::mesh::accept::{Opened, PATIENCE, sort};
use crate::mesh::carrier::{self, Connection, Exporter, Sink};
use crate::mesh::endpoint::Shared;
use crate::mesh::key::PublicKey;
use crate::mesh::pipe::Inlet;
use crate::mesh::wire::{ACK, BUSY, HEADER, Header, MALFORMED, Purpose, STALE};

/// Handshakes under way at once. Beyond that the oldest gives way to the newest, so that who opens
/// sockets and says nothing keeps nobody out.
const HANDSHAKES: usize = 256;

/// Wait after the system refused another socket, and for the place of one that gave way.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until the endpoint is closed.
pub(super) async fn serve(
    shared: Weak<Shared>,
    port: Arc<Port>,
    listener: TcpListener,
    config: Arc<ServerConfig>,
    sockets: Arc<Semaphore>,
) {
    let mut handshakes: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let (socket, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(PAUSE).await;
                continue;
            }
        };
        handshakes.retain(|handshake| !handshake.is_finished());
        if handshakes.len() >= HANDSHAKES
            && let Some(oldest) = handshakes.pop_front()
        {
            oldest.abort();
        }
        let Some(permit) = place(&sockets, &mut handshakes).await else {
            tracing::warn!(%remote, "too many connections, turned one away");
            continue;
        };
        let (shared, port, config) = (shared.clone(), port.clone(), config.clone());
        let handshake = tokio::spawn(async move {
            let greeting = greet(shared, port, config, socket, remote, permit);
            if timeout(PATIENCE, greeting).await.is_err() {
                tracing::debug!(%remote, "a handshake was not finished in time");
            }
        });
        handshakes.push_back(handshake.abort_handle());
    }
}

/// A place for a socket. If all are taken, the oldest handshake gives way, which takes a moment.
async fn place(
    sockets: &Arc<Semaphore>,
    handshakes: &mut VecDeque<AbortHandle>,
) -> Option<OwnedSemaphorePermit> {
    if let Ok(permit) = sockets.clone().try_acquire_owned() {
        return Some(permit);
    }
    if let Some(oldest) = handshakes.pop_front() {
        oldest.abort();
    }
    timeout(PAUSE, sockets.clone().acquire_owned()).await.ok()?.ok()
}

/// Shakes hands, and finds out what the peer wants.
async fn greet(
    weak: Weak<Shared>,
    port: Arc<Port>,
    config: Arc<ServerConfig>,
    socket: TcpStream,
    remote: SocketAddr,
    permit: OwnedSemaphorePermit,
) {
    let Some(idle) = weak.upgrade().map(|shared| shared.options.idle) else { return };
    let Ok(tls) = ServerConnection::new(config) else { return };
    let (wire, early) = match Wire::open(socket, tls.into(), idle, Some(permit)).await {
        Ok(opened) => opened,
        Err(error) => {
            tracing::warn!(%remote, %error, "refused a connection");
            return;
        }
    };
    let Some(key) = wire.peer() else { return };
    let mut inlet = Inlet::with(carrier::Source::Tcp(Source::new(wire.clone(), None)), early);
    let Ok(header) = inlet.array::<HEADER>().await else { return };
    match Header::decode(&header) {
        Some(Header { purpose: Purpose::Welcome, .. }) => {
            welcome(&weak, port, key, wire, inlet).await;
        }
        Some(Header { purpose: Purpose::Attach, session, epoch }) => {
            attach(weak, key, (session, epoch), wire, inlet).await;
        }
        _ => {
            tracing::warn!(peer = %key, "a connection with a senseless header was dropped");
            wire.refuse(MALFORMED).await;
        }
    }
}

/// Greets a peer that has proved its key, and serves the connection that stands for the pair.
async fn welcome(
    weak: &Weak<Shared>,
    port: Arc<Port>,
    key: PublicKey,
    wire: Arc<Wire>,
    inlet: Inlet,
) {
    let (Some(shared), Some(token)) = (weak.upgrade(), token()) else { return };
    let (control, ends) = Control::new(port.number(), key, token, wire.clone(), inlet);
    if !shared.admit(key, &Connection::Tcp(control.clone())) {
        wire.refuse(BUSY).await;
        return;
    }
    port.enter(&control);
    let (idle, keep_alive) = (shared.options.idle, shared.options.keep_alive);
    drop(shared);
    let weak = weak.clone();
    tokio::spawn(async move {
        let header = Header { session: token, ..Header::plain(Purpose::Welcome) };
        let welcome = [&[ACK], &header.encode()[..]].concat();
        let _ = timeout(PATIENCE, wire.write_all(&mut [welcome.into()])).await;
        control.run(weak.clone(), ends, idle, keep_alive).await;
        port.forget(&control);
        if let Some(shared) = weak.upgrade() {
            shared.inbound.lock().unwrap_or_else(PoisonError::into_inner).remove(&control.id());
        }
        tracing::debug!(peer = %key, "a connection ended");
    });
}

/// Takes a stream in, if its connection is there and its key has not too many.
async fn attach(
    weak: Weak<Shared>,
    key: PublicKey,
    (token, stream): ([u8; 32], u64),
    wire: Arc<Wire>,
    mut receive: Inlet,
) {
    let Some(shared) = weak.upgrade() else { return };
    let (mut found, mut streams) = (None, 0);
    for (other, connection) in
        shared.inbound.lock().unwrap_or_else(PoisonError::into_inner).values()
    {
        let Connection::Tcp(control) = connection else { continue };
        if *other == key {
            streams += control.streams();
            if control.has_token(&token) {
                found = Some(control.clone());
            }
        }
    }
    let Some(control) = found.filter(|control| control.live()) else {
        wire.refuse(STALE).await;
        return;
    };
    if streams >= shared.options.connections.div_ceil(2) || !control.adopt(&wire) {
        wire.refuse(BUSY).await;
        return;
    }
    receive.belong(&control);
    let opened = Opened {
        connection: Connection::Tcp(control),
        key,
        send: Sink::Tcp(wire.clone()),
        receive,
        exporter: Exporter::Tcp(wire),
        stream,
    };
    tokio::spawn(sort(weak.clone(), opened));
}

/// A token that nobody guesses; `None` if the system gives no randomness.
fn token() -> Option<[u8; 32]> {
    let mut token = [0; 32];
    getrandom::fill(&mut token).ok().map(|()| token)
}
