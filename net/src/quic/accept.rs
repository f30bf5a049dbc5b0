//! Accepting over QUIC: lets peers in, and takes the streams that they open.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, Weak};

use quinn::ServerConfig;
use quinn::crypto::rustls::QuicServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::time::timeout;

use super::transport;
use crate::Result;
use crate::mesh::accept::{Opened, PATIENCE, notice, sort};
use crate::mesh::carrier::{Connection, Exporter, Loss, Sink, Source};
use crate::mesh::endpoint::Shared;
use crate::mesh::key::PublicKey;
use crate::mesh::pipe::Inlet;
use crate::mesh::tls;
use crate::mesh::wire::{BUSY, HEADER, Header, NOTICE, Purpose};

/// Handshakes under way above which a caller must first show that it receives at its address.
const HANDSHAKES: usize = 32;

/// Handshakes under way above which callers are turned away.
const HANDSHAKES_LIMIT: usize = 128;

/// What incoming connections get, by whether they come from this machine.
pub(crate) struct Configs {
    near: Arc<ServerConfig>,
    far: Arc<ServerConfig>,
}

impl Configs {
    pub(crate) fn new(shared: &Shared) -> Result<Self> {
        let crypto = tls::server(shared.certified.clone(), shared.allowed.clone())?;
        let crypto = Arc::new(QuicServerConfig::try_from(crypto).map_err(tls::setup)?);
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

    pub(crate) fn far(&self) -> ServerConfig {
        (*self.far).clone()
    }
}

/// Accepts connections until the endpoint is closed.
pub(crate) async fn serve(shared: Weak<Shared>, quinn: quinn::Endpoint, configs: Configs) {
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

fn identity(connection: &quinn::Connection) -> Option<PublicKey> {
    let identity = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    PublicKey::from_spki(identity.first()?)
}

/// Greets a peer that has proved its key, and serves its streams.
async fn welcome(weak: Weak<Shared>, connection: quinn::Connection) {
    let (Some(shared), Some(key)) = (weak.upgrade(), identity(&connection)) else { return };
    if !shared.admit(key, &Connection::Quic(connection.clone())) {
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
        let cause = connection.close_reason().map(|error| Loss::Quic(error).cause(idle));
        tracing::debug!(peer = %key, ?cause, "a connection ended");
    }
}

async fn streams(shared: Weak<Shared>, connection: quinn::Connection, key: PublicKey) {
    while let Ok((send, receive)) = connection.accept_bi().await {
        let opened = Opened {
            connection: Connection::Quic(connection.clone()),
            key,
            stream: send.id().index(),
            send: Sink::Quic(send),
            receive: Inlet::new(Source::Quic(receive)),
            exporter: Exporter::Quic(connection.clone()),
        };
        tokio::spawn(sort(shared.clone(), opened));
    }
}

/// Passes on the abort notices that come over a connection.
pub(crate) async fn notices(shared: Weak<Shared>, connection: quinn::Connection, key: PublicKey) {
    while let Ok(mut stream) = connection.accept_uni().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            let bytes = timeout(PATIENCE, stream.read_to_end(HEADER + NOTICE)).await;
            if let Ok(Ok(bytes)) = bytes {
                notice(&shared, &bytes, key);
            }
        });
    }
}
