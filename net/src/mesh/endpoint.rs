//! [`Endpoint`]: a party's port, its key, and the peers it lets in.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rustls::sign::CertifiedKey;
use tokio::runtime::Handle;

use super::carrier::{Connection, Port};
use super::connect::{self, Slot};
use super::conversation::{Conversation, Incoming};
use super::drive::Engine;
use super::key::{PublicKey, SecretKey};
use super::link::{LinkOptions, MeshLink};
use super::pipe::{Flushing, Outlet};
use super::rendezvous::Rendezvous;
use super::tls::Allowed;
use super::wire::{Header, Purpose};
use crate::quic::{self, Buffers};
use crate::{Error, Fault, Result, tcp};

/// Conversations that may wait to be taken up.
const QUEUE: usize = 256;

/// Connections that one key may hold at once: an analyst's concurrent queries, each a process.
const CONNECTIONS_PER_KEY: usize = 256;

/// How long a close waits for last frames to arrive.
const DRAIN: Duration = Duration::from_secs(5);

/// A party to talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Name for messages.
    pub name: String,
    /// Key that it must prove to hold.
    pub key: PublicKey,
    /// `host:port`; `None` for a party that does not listen and dials us.
    pub address: Option<String>,
}

/// What carries the frames. Both sides of a connection use the same one; neither falls back to
/// the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transport {
    /// QUIC over UDP: one port and one connection for everything.
    #[default]
    Quic,
    /// TLS 1.3 over TCP, for networks that block UDP and lines where its cost per packet is dear.
    Tcp,
}

impl Transport {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Quic => Self::Tcp,
            Self::Tcp => Self::Quic,
        }
    }
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Quic => "quic",
            Self::Tcp => "tcp",
        })
    }
}

/// Settings of an [`Endpoint`].
#[derive(Clone, Debug)]
pub struct Options {
    /// This party's key.
    pub key: SecretKey,
    /// What carries the frames.
    pub transport: Transport,
    /// Where to listen; `None` for a party that only dials.
    pub listen: Option<SocketAddr>,
    /// A peer without a sign of life for this long is gone.
    pub idle: Duration,
    /// Interval of signs of life.
    pub keep_alive: Duration,
    /// How long [`Endpoint::request`] tries to connect.
    pub connect: Duration,
    /// QUIC: largest UDP payload to try on paths that are not loopback (up to 6400), for jumbo frames.
    pub mtu: Option<u16>,
    /// QUIC: UDP buffer to ask the kernel for, in bytes for each direction.
    pub buffer: usize,
    /// Connections open at once, from all peers; over TCP the streams count as well.
    pub connections: usize,
    /// Streams of sessions that nobody here has asked for yet.
    pub parked: usize,
    /// How long such a stream is kept.
    pub patience: Duration,
    /// Threads for I/O and encryption. With one, a party that waits for the frames of a small
    /// round does the I/O itself, which halves the cost of a round. Several never do that; they
    /// share out bulk, for lines that bring more than one core decrypts (some gigabits a second).
    pub threads: usize,
}

impl Options {
    /// Defaults: QUIC, idle 4 s, signs of life every second, 10 s to connect, 8 MiB of UDP buffers,
    /// 1024 connections, 512 parked streams for up to 60 s, one thread.
    pub fn new(key: SecretKey) -> Self {
        Self {
            key,
            transport: Transport::default(),
            listen: None,
            idle: Duration::from_secs(4),
            keep_alive: Duration::from_secs(1),
            connect: Duration::from_secs(10),
            mtu: None,
            buffer: 8 << 20,
            connections: 1024,
            parked: 512,
            patience: Duration::from_mins(1),
            threads: 1,
        }
    }

    /// Listens on `address`.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }

    /// Uses `transport`.
    #[must_use]
    pub fn over(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }
}

/// What the tasks of an endpoint share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) key: PublicKey,
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) port: Port,
    pub(crate) local: SocketAddr,
    pub(crate) allowed: Allowed,
    pub(crate) rendezvous: Rendezvous,
    pub(crate) flushing: Flushing,
    pub(crate) inbound: Mutex<HashMap<usize, (PublicKey, Connection)>>,
    slots: Mutex<HashMap<(PublicKey, String), Arc<Slot>>>,
    incoming: Mutex<SyncSender<Incoming>>,
}

impl Shared {
    pub(crate) fn slot(&self, peer: &Peer) -> Result<Arc<Slot>, Fault> {
        let address = peer.address.clone().ok_or(Fault::NoAddress)?;
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(slots.entry((peer.key, address)).or_default().clone())
    }

    /// Notes an incoming connection; false if its key has too many or has just been taken off.
    pub(crate) fn admit(&self, key: PublicKey, connection: &Connection) -> bool {
        let mut inbound = self.inbound.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.allowed.read().unwrap_or_else(PoisonError::into_inner).contains_key(&key);
        let count = inbound.values().filter(|(other, _)| *other == key).count();
        if !known || count >= CONNECTIONS_PER_KEY {
            return false;
        }
        inbound.insert(connection.id(), (key, connection.clone()));
        true
    }

    pub(crate) fn name_of(&self, key: &PublicKey) -> String {
        let allowed = self.allowed.read().unwrap_or_else(PoisonError::into_inner);
        allowed.get(key).cloned().unwrap_or_else(|| key.to_string())
    }

    /// Queues a conversation; if the queue is full or nobody listens it ends here.
    pub(crate) fn deliver(&self, incoming: Incoming) {
        let queue = self.incoming.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Err(TrySendError::Full(incoming) | TrySendError::Disconnected(incoming)) =
            queue.try_send(incoming)
        {
            tracing::warn!(peer = %incoming.name, "no room for another conversation");
        }
    }
}

/// A party's port. Cheap to clone; the port is released, after a drain, with the last clone and
/// the last link and conversation made from it.
///
/// Its methods block: call them from ordinary threads, not from inside an async runtime.
#[derive(Clone)]
pub struct Endpoint {
    pub(crate) shared: Arc<Shared>,
    guard: Arc<Guard>,
    first: Arc<Mutex<Option<Receiver<Incoming>>>>,
    buffers: Option<Buffers>,
}

impl Endpoint {
    /// Opens the port and starts the threads for it.
    ///
    /// # Errors
    /// [`Error::Setup`] if the port is in use or the key cannot be used.
    pub fn bind(options: Options) -> Result<Self> {
        let certified = options.key.certified()?;
        let setup = |error: std::io::Error| Error::Setup(format!("cannot start: {error}"));
        let engine = Engine::start(options.threads).map_err(setup)?;
        let entered = engine.handle().enter();
        let (port, local, buffers) = match options.transport {
            Transport::Quic => {
                let (quinn, local, buffers) = quic::bind(&options)?;
                (Port::Quic(quinn), local, Some(buffers))
            }
            Transport::Tcp => {
                let (port, local) = tcp::Port::bind(&options)?;
                (Port::Tcp(Arc::new(port)), local, None)
            }
        };
        drop(entered);
        let (sender, receiver) = sync_channel(QUEUE);
        let listens = options.listen.is_some();
        let shared = Arc::new(Shared {
            key: options.key.public(),
            rendezvous: Rendezvous::new(options.parked, options.patience),
            options,
            certified,
            port: port.clone(),
            local,
            allowed: Arc::new(RwLock::new(BTreeMap::new())),
            flushing: Flushing::default(),
            inbound: Mutex::default(),
            slots: Mutex::default(),
            incoming: Mutex::new(sender),
        });
        if listens {
            let _entered = engine.handle().enter();
            match &port {
                Port::Quic(quinn) => quic::listen(&shared, quinn)?,
                Port::Tcp(port) => tcp::listen(&shared, port)?,
            }
        }
        let flushing = shared.flushing.clone();
        let guard = Arc::new(Guard { engine, port, flushing });
        let first = Arc::new(Mutex::new(Some(receiver)));
        Ok(Self { shared, guard, first, buffers })
    }

    /// This party's public key.
    pub fn key(&self) -> PublicKey {
        self.shared.key
    }

    /// What carries the frames.
    pub fn transport(&self) -> Transport {
        self.shared.options.transport
    }

    /// The address that the port is bound to. Over TCP a party that only dials has no port; it
    /// gives an unspecified address with port 0.
    pub fn local_address(&self) -> SocketAddr {
        self.shared.local
    }

    /// What the kernel gave for the UDP socket, if there is one.
    pub fn socket_buffers(&self) -> Option<Buffers> {
        self.buffers
    }

    /// Replaces the set of keys that may connect, with the names they go by. Connections of keys
    /// that are no longer in it are closed.
    pub fn allow(&self, peers: impl IntoIterator<Item = (PublicKey, String)>) {
        let peers: BTreeMap<PublicKey, String> = peers.into_iter().collect();
        let inbound = self.shared.inbound.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, connection) in inbound.values() {
            if !peers.contains_key(key) {
                connection.close("this key is no longer allowed");
            }
        }
        *self.shared.allowed.write().unwrap_or_else(PoisonError::into_inner) = peers;
    }

    /// Connections open at this moment, dialed and accepted: one for each pair of endpoints that
    /// talk.
    pub fn connections(&self) -> usize {
        self.shared.port.connections()
    }

    /// Sets up this party's end of a session.
    ///
    /// # Errors
    /// [`Error::Unreachable`] with the session index of a peer that could not be reached, or did
    /// not join, within the deadline for connecting; [`Error::Aborted`] if a peer gave up
    /// meanwhile; [`Error::Setup`] if this session is open here already, if two parties have the
    /// same key, or if neither side of a pair listens.
    pub fn link(&self, options: LinkOptions) -> Result<MeshLink> {
        MeshLink::open(self, options)
    }

    /// Begins a conversation with its first message.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Setup`] if the message is too long.
    pub fn request(&self, peer: &Peer, message: Vec<u8>) -> Result<Conversation> {
        let until = Instant::now() + self.shared.options.connect;
        let (shared, target) = (self.shared.clone(), peer.clone());
        let mut conversation = self.wait(peer, async move {
            let header = Header::plain(Purpose::Conversation);
            let arrival = connect::open(&shared, &target, header, until.into()).await?;
            let outlet = Outlet::new(arrival.send, shared.flushing.clone());
            Ok(Conversation::new(&shared, target.name, outlet, arrival.receive))
        })?;
        conversation.endpoint = Some(self.clone());
        match conversation.send(message) {
            // It answered before it was asked, as one that is busy does: the answer can be read.
            Ok(()) | Err(Error::Ended { .. }) => Ok(conversation),
            Err(error) => Err(error),
        }
    }

    /// Conversations that peers begin. Those that began before the first call wait; a later call
    /// takes over from an earlier one.
    pub fn incoming(&self) -> Receiver<Incoming> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.unwrap_or_else(|| {
            let (sender, receiver) = sync_channel(QUEUE);
            *self.shared.incoming.lock().unwrap_or_else(PoisonError::into_inner) = sender;
            receiver
        })
    }

    /// Connects to a peer if there is no connection yet, and gives the round-trip time.
    ///
    /// # Errors
    /// [`Error::Unreachable`] with the [`Fault`], within about the idle time.
    pub fn ping(&self, peer: &Peer) -> Result<Duration> {
        let until = Instant::now() + self.shared.options.idle;
        let (shared, target) = (self.shared.clone(), peer.clone());
        self.wait(peer, async move {
            let connection = connect::once(&shared, &target, until.into()).await?;
            let answer = tokio::time::timeout_at(until.into(), connection.round_trip()).await;
            answer.ok().flatten().ok_or(Fault::Silent)
        })
    }

    /// As [`Endpoint::ping`], over a transport that may be another one than this endpoint's, within
    /// `patience`: to find out why a peer is not where it should be. Hands are shaken and a round
    /// trip is made, and the connection is closed; nothing else ever goes over it.
    ///
    /// # Errors
    /// [`Error::Unreachable`] with the [`Fault`]; [`Error::Setup`] if no socket can be had.
    pub fn ping_over(&self, over: Transport, peer: &Peer, patience: Duration) -> Result<Duration> {
        let options = Options {
            transport: over,
            listen: None,
            idle: patience,
            ..self.shared.options.clone()
        };
        Self::bind(options)?.ping(peer)
    }

    /// Runs a task on the endpoint's runtime and waits for it.
    fn wait<T: Send + 'static>(
        &self,
        peer: &Peer,
        task: impl Future<Output = Result<T, Fault>> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = sync_channel(1);
        self.handle().spawn(async move {
            let _ = sender.send(task.await);
        });
        let result = receiver.recv().map_err(|_| Error::Closed)?;
        result.map_err(|fault| unreachable(None, peer, fault))
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.engine().handle()
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.guard.engine
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("key", &self.shared.key)
            .field("local", &self.shared.local)
            .finish_non_exhaustive()
    }
}

/// The error for a peer that cannot be reached.
pub(crate) fn unreachable(index: Option<usize>, peer: &Peer, fault: Fault) -> Error {
    let address = peer.address.clone().unwrap_or_else(|| "an unknown address".into());
    Error::Unreachable { peer: index, name: peer.name.clone(), address, fault }
}

/// Owns the runtime; when the last user is gone, sends out what is queued and closes.
struct Guard {
    /// Ends after [`Guard::drop`]; then the port is free.
    engine: Engine,
    port: Port,
    flushing: Flushing,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (port, flushing) = (self.port.clone(), self.flushing.clone());
        let (sender, done) = sync_channel::<()>(1);
        self.engine.handle().spawn(async move {
            let end = Instant::now() + DRAIN;
            while !flushing.idle() && Instant::now() < end {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            port.close().await;
            drop(sender);
        });
        self.engine.urge();
        let _ = done.recv_timeout(DRAIN + Duration::from_secs(1));
    }
}
