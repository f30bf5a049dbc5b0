//! The mesh over TCP with TLS 1.3, for networks that block UDP and lines where QUIC's cost per
//! packet is dear.
//!
//! # The idea
//! One TLS connection stands for a pair of endpoints ([`crate::mesh`]): it carries signs of life
//! and abort notices. Every session and every conversation has a TLS connection of its own beside
//! it, so that none waits behind the bytes of another one, TCP's own windows hold back a sender
//! whose peer does not read, and an abort passes all of them. Such a stream begins with the token
//! that the accepting side gave when it let the peer in; without it, or with another key, it is
//! turned away.
//!
//! A party encrypts its frames itself and hands them to the socket; what does not fit is left to
//! the endpoint's thread, which reads and decrypts.
//!
//! # Security
//! - The same mutual proof of pinned keys, the same key exchange and the same checks of frames as
//!   over QUIC. Seeds come from the TLS exporter of the stream itself.
//! - A handshake must be finished, and a first header sent, within five seconds; of 256 under way
//!   at once the oldest gives way to the newest. Sockets are bounded ([`Options::connections`]), of
//!   which one key holds at most half for its streams.
//! - Who holds the line can end a connection with a forged segment; it cannot put bytes into it.
//!   (QUIC withstands that.)

mod accept;
pub mod bare;
pub(crate) mod connect;
mod control;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

pub(crate) use control::{Control, Ending};
pub(crate) use wire::{Source, Wire};

use crate::mesh::endpoint::Shared;
use crate::mesh::{Options, tls};
use crate::{Error, Result};

/// Connections that the system may hold ready for this endpoint.
const BACKLOG: i32 = 1024;

/// A TCP port, or none for a party that only dials, and the connections of its endpoint.
pub(crate) struct Port {
    listener: Mutex<Option<std::net::TcpListener>>,
    serving: Mutex<Option<AbortHandle>>,
    controls: Mutex<HashMap<usize, Weak<Control>>>,
    numbers: AtomicUsize,
}

impl Port {
    pub(crate) fn bind(options: &Options) -> Result<(Self, SocketAddr)> {
        let mut local = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let mut listener = None;
        if let Some(address) = options.listen {
            let bound = open(address).and_then(|socket| Ok((socket.local_addr()?, socket)));
            let (at, socket) = bound.map_err(|error| {
                let hint = match error.kind() {
                    std::io::ErrorKind::AddrInUse => ": the port is in use",
                    _ => "",
                };
                Error::Setup(format!("cannot listen on {address}{hint}: {error}"))
            })?;
            (local, listener) = (at, Some(socket));
        }
        let port = Self {
            listener: Mutex::new(listener),
            serving: Mutex::default(),
            controls: Mutex::default(),
            numbers: AtomicUsize::new(0),
        };
        Ok((port, local))
    }

    /// A number for a connection.
    fn number(&self) -> usize {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    fn enter(&self, control: &Arc<Control>) {
        let mut controls = self.controls.lock().unwrap_or_else(PoisonError::into_inner);
        controls.insert(control.id(), Arc::downgrade(control));
    }

    fn forget(&self, control: &Control) {
        let mut controls = self.controls.lock().unwrap_or_else(PoisonError::into_inner);
        controls.remove(&control.id());
    }

    fn controls(&self) -> Vec<Arc<Control>> {
        let controls = self.controls.lock().unwrap_or_else(PoisonError::into_inner);
        controls.values().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.controls().iter().filter(|control| control.live()).count()
    }

    /// Accepts nobody any more, and closes all connections.
    pub(crate) async fn close(&self) {
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(serving) = serving {
            serving.abort();
        }
        self.controls().iter().for_each(|control| control.close());
        tokio::task::yield_now().await;
    }
}

fn open(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A restarted process gets its port back though connections of the last one linger.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Lets peers in. Must be called on the endpoint's runtime.
pub(crate) fn listen(shared: &Arc<Shared>, port: &Arc<Port>) -> Result<()> {
    let listener = port.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(listener) = listener else { return Ok(()) };
    let setup = |error: std::io::Error| Error::Setup(format!("cannot start: {error}"));
    let listener = TcpListener::from_std(listener).map_err(setup)?;
    let config = Arc::new(tls::server(shared.certified.clone(), shared.allowed.clone())?);
    let sockets = Arc::new(Semaphore::new(shared.options.connections));
    let serving = accept::serve(Arc::downgrade(shared), port.clone(), listener, config, sockets);
    let serving = tokio::spawn(serving).abort_handle();
    *port.serving.lock().unwrap_or_else(PoisonError::into_inner) = Some(serving);
    Ok(())
}
