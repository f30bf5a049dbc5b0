//! The accepting side: lets peers in, and sorts the streams that they open.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use quinn::{Connection, RecvStream, SendStream, ServerConfig};
use rustls::pki_types::CertificateDer;
use tokio::time::{sleep, timeout};

use super::conversation::{Conversation, Incoming};
use super::endpoint::Shared;
use super::key::PublicKey;
use super::rendezvous::{Arrival, Taken, place};
use super::wire::{ACK, BUSY, HEADER, Header, Inlet, MALFORMED, NOTICE, Notice, Outlet, Purpose};
use super::{tls, transport};
use crate::Result;
use crate::link::clip;
use crate::mailbox::Packet;

/// How long a handshake, or the header of a stream, may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Handshakes under way above which a caller must first show that it receives at its address.
const HANDSHAKES: usize = 32;

/// Handshakes under way above which callers are turned away.
const HANDSHAKES_LIMIT: usize = 128;

/// What incoming connections get, by whether they come from this machine.
pub(super) struct Configs {
    near: Arc<ServerConfig>,
    far: Arc<ServerConfig>,
}

impl Configs {
    pub(super) fn new(shared: &Shared) -> Result<Self> {
        let crypto = tls::server(shared.certified.clone(), shared.allowed.clone())?;
        let config = |loopback| {
            let mut config = ServerConfig::with_crypto(crypto.clone());
            config
                .transport_config(transport::transport(&shared.options, loopback, true))
                .max_incoming(HANDSHAKES_LIMIT)
                .incoming_buffer_size(64 << 10)
                .incoming_buffer_size_total(4 << 20);
            Arc::new(config)
        };
        Ok(Self { near: config(true), far: config(false) })
    }

    pub(super) fn far(&self) -> ServerConfig {
        (*self.far).clone()
    }
}

/// Accepts connections until the endpoint is closed.
pub(super) async fn serve(shared: Weak<Shared>, quinn: quinn::Endpoint, configs: Configs) {
    let handshakes = Arc::new(AtomicUsize::new(0));
    while let Some(incoming) = quinn.accept().await {
        let Some(strong) = shared.upgrade() else { return };
        let under_way = handshakes.load(Ordering::Relaxed);
        if quinn.open_connections() >= strong.options.connections || under_way > HANDSHAKES_LIMIT {
            incoming.refuse();
            continue;
        }
        if under_way > HANDSHAKES && !incoming.remote_address_validated() {
            let _ = incoming.retry();
            continue;
        }
        let remote = incoming.remote_address();
        let near = transport::is_loopback(remote);
        let config = if near { configs.near.clone() } else { configs.far.clone() };
        let Ok(connecting) = incoming.accept_with(config) else { continue };
        handshakes.fetch_add(1, Ordering::Relaxed);
        let handshakes = handshakes.clone();
        let shared = shared.clone();
        tokio::spawn(async move {
            let result = timeout(PATIENCE, connecting).await;
            handshakes.fetch_sub(1, Ordering::Relaxed);
            match result {
                Ok(Ok(connection)) => welcome(shared, connection).await,
                Ok(Err(error)) => tracing::warn!(%remote, %error, "refused a connection"),
                Err(_) => tracing::debug!(%remote, "a handshake was not finished in time"),
            }
        });
    }
}

fn identity(connection: &Connection) -> Option<PublicKey> {
    let identity = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    PublicKey::from_spki(identity.first()?)
}

/// Greets a peer that has proved its key, and serves its streams.
async fn welcome(weak: Weak<Shared>, connection: Connection) {
    let (Some(shared), Some(key)) = (weak.upgrade(), identity(&connection)) else { return };
    if !shared.admit(key, &connection) {
        connection.close(BUSY.into(), b"too many connections with this key");
        return;
    }
    let id = connection.stable_id();
    let idle = shared.options.idle;
    drop(shared);
    let hello = Header::plain(Purpose::Welcome).encode();
    if let Ok(mut stream) = connection.open_uni().await {
        let _ = stream.write_all(&hello).await;
        let _ = stream.finish();
        let listening = notices(weak.clone(), connection.clone(), key);
        tokio::join!(listening, streams(weak.clone(), connection.clone(), key));
    }
    if let Some(shared) = weak.upgrade() {
        shared.inbound.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let cause = connection.close_reason().map(|error| super::wire::cause(&error, idle));
        tracing::debug!(peer = %key, ?cause, "a connection ended");
    }
}

async fn streams(shared: Weak<Shared>, connection: Connection, key: PublicKey) {
    while let Ok((send, receive)) = connection.accept_bi().await {
        tokio::spawn(sort(shared.clone(), connection.clone(), key, send, receive));
    }
}

async fn sort(
    weak: Weak<Shared>,
    connection: Connection,
    key: PublicKey,
    mut send: SendStream,
    receive: RecvStream,
) {
    let mut receive = Inlet::new(receive);
    let header = timeout(PATIENCE, receive.array::<HEADER>()).await;
    let header = match header {
        Ok(Ok(bytes)) => Header::decode(&bytes),
        _ => None,
    };
    let Some(shared) = weak.upgrade() else { return };
    let Some(header) = header else {
        tracing::warn!(peer = %key, "a stream with a senseless header was dropped");
        let _ = send.reset(MALFORMED.into());
        return;
    };
    match header.purpose {
        Purpose::Session => {
            let place = place(key, &header);
            if !shared.rendezvous.has_room(&place) {
                let _ = send.reset(BUSY.into());
                return;
            }
            let _ = send.write_all(&[ACK]).await;
            let (id, stream) = (connection.stable_id(), send.id().index());
            let arrival = Arrival { send, receive, connection, stream };
            if let Some(Taken::Parked) = shared.rendezvous.arrive(place, arrival) {
                let patience = shared.rendezvous.patience;
                drop(shared);
                sleep(patience).await;
                if let Some(shared) = weak.upgrade() {
                    shared.rendezvous.expire(&place, id, stream);
                }
            }
        }
        Purpose::Conversation => {
            let _ = send.write_all(&[ACK]).await;
            let name = shared.name_of(&key);
            let outlet = Outlet::new(send, shared.flushing.clone());
            let conversation = Conversation::new(&shared, name.clone(), outlet, receive);
            shared.deliver(Incoming { from: key, name, conversation });
        }
        Purpose::Abort | Purpose::Welcome => {
            let _ = send.reset(MALFORMED.into());
        }
    }
}

/// Passes on the abort notices that come over a connection.
pub(super) async fn notices(shared: Weak<Shared>, connection: Connection, key: PublicKey) {
    while let Ok(stream) = connection.accept_uni().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            let _ = timeout(PATIENCE, notice(shared, stream, key)).await;
        });
    }
}

async fn notice(shared: Weak<Shared>, mut stream: RecvStream, key: PublicKey) -> Option<()> {
    let bytes = stream.read_to_end(HEADER + NOTICE).await.ok()?;
    let (head, body) = bytes.split_first_chunk::<HEADER>()?;
    let header = Header::decode(head).filter(|header| header.purpose == Purpose::Abort)?;
    let Notice { culprit, reason } = postcard::from_bytes(body).ok()?;
    let culprit = culprit.and_then(|culprit| usize::try_from(culprit).ok());
    let packet = Packet::Abort { culprit, reason: clip(&reason) };
    shared.upgrade()?.rendezvous.notify(place(key, &header), packet);
    Some(())
}
