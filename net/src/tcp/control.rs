//! [`Control`]: the connection that stands for a pair of endpoints, beside their streams.
//!
//! It carries signs of life, abort notices and the questions of a ping. A message is
//! `kind u8, length u16` and a body, little endian.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use subtle::ConstantTimeEq;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::wire::Wire;
use crate::Arena;
use crate::mesh::accept::notice;
use crate::mesh::endpoint::Shared;
use crate::mesh::key::PublicKey;
use crate::mesh::pipe::{End, Inlet};
use crate::mesh::wire::{HEADER, NOTICE};

/// Messages that may wait to be sent. Answers beyond that are dropped: the peer does not read.
const QUEUE: usize = 64;

/// A sign of life.
const BEAT: u8 = 0;
/// Asks for an answer; the body is a number.
const PING: u8 = 1;
/// The answer, with the number.
const PONG: u8 = 2;
/// A session is over: header and body as in an abort over QUIC.
const TELL: u8 = 3;

/// What a connection ended by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// No sign of life for the idle time.
    Silent,
    /// The peer closed it.
    Closed,
    /// The peer's process ended, or what came made no sense.
    Broken,
    /// This side closed it.
    Here,
}

/// The connection that stands for a pair of endpoints.
pub(crate) struct Control {
    id: usize,
    key: PublicKey,
    /// What a stream shows to belong to it; known to both ends alone.
    token: [u8; 32],
    wire: Arc<Wire>,
    /// Its streams.
    wires: Mutex<Vec<Weak<Wire>>>,
    /// Streams opened so far.
    opened: AtomicU64,
    queue: mpsc::Sender<Bytes>,
    asked: AtomicU64,
    answers: Mutex<HashMap<u64, oneshot::Sender<()>>>,
    ending: OnceLock<Ending>,
    over: Notify,
}

/// What [`Control::run`] needs beside the connection itself.
pub(super) struct Ends {
    inlet: Inlet,
    queue: mpsc::Receiver<Bytes>,
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn message(kind: u8, body: &[u8]) -> Bytes {
    let length = body.len() as u16;
    [&[kind], &length.to_le_bytes()[..], body].concat().into()
}

impl Control {
    pub(super) fn new(
        id: usize,
        key: PublicKey,
        token: [u8; 32],
        wire: Arc<Wire>,
        inlet: Inlet,
    ) -> (Arc<Self>, Ends) {
        let (sender, queue) = mpsc::channel(QUEUE);
        let control = Self {
            id,
            key,
            token,
            wire,
            wires: Mutex::default(),
            opened: AtomicU64::new(0),
            queue: sender,
            asked: AtomicU64::new(0),
            answers: Mutex::default(),
            ending: OnceLock::new(),
            over: Notify::new(),
        };
        (Arc::new(control), Ends { inlet, queue })
    }

    pub(crate) fn id(&self) -> usize {
        self.id
    }

    pub(super) fn token(&self) -> [u8; 32] {
        self.token
    }

    pub(super) fn has_token(&self, token: &[u8; 32]) -> bool {
        self.token.ct_eq(token).into()
    }

    pub(crate) fn live(&self) -> bool {
        self.ending.get().is_none()
    }

    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ending.get().copied()
    }

    /// The number of the next stream.
    pub(super) fn number(&self) -> u64 {
        self.opened.fetch_add(1, Ordering::Relaxed)
    }

    /// Its streams that are open.
    pub(super) fn streams(&self) -> usize {
        guard(&self.wires).iter().filter(|wire| wire.strong_count() > 0).count()
    }

    /// Takes a stream as its own; false if it is over.
    pub(super) fn adopt(&self, wire: &Arc<Wire>) -> bool {
        let mut wires = guard(&self.wires);
        wires.retain(|wire| wire.strong_count() > 0);
        if self.live() {
            wires.push(Arc::downgrade(wire));
        }
        self.live()
    }

    /// Closes it and all its streams.
    pub(crate) fn close(&self) {
        self.end(Ending::Here);
        self.cut();
    }

    fn end(&self, ending: Ending) {
        if self.ending.set(ending).is_ok() {
            self.wire.leave();
            guard(&self.answers).clear();
            self.over.notify_one();
        }
    }

    fn cut(&self) {
        for wire in guard(&self.wires).drain(..).filter_map(|wire| wire.upgrade()) {
            wire.cut();
        }
    }

    /// Sends an abort notice, and waits until the peer has it.
    pub(crate) async fn tell(&self, notice: &[u8]) -> Option<()> {
        self.queue.send(message(TELL, notice)).await.ok()?;
        self.ping().await.map(drop)
    }

    /// Waits for an answer; gives the time that it took, and `None` if the connection ends.
    pub(crate) async fn ping(&self) -> Option<Duration> {
        let (sender, answer) = oneshot::channel();
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        {
            let mut answers = guard(&self.answers);
            answers.retain(|_, sender| !sender.is_closed());
            answers.insert(number, sender);
        }
        if !self.live() {
            return None;
        }
        let start = Instant::now();
        self.queue.send(message(PING, &number.to_le_bytes())).await.ok()?;
        answer.await.ok()?;
        Some(start.elapsed())
    }

    /// Serves it until it ends, and then its streams: those that the peer left may still have
    /// bytes under way, for up to the idle time.
    pub(super) async fn run(
        &self,
        shared: Weak<Shared>,
        ends: Ends,
        idle: Duration,
        keep_alive: Duration,
    ) {
        let Ends { mut inlet, queue } = ends;
        let ending = tokio::select! {
            ending = self.listen(shared, &mut inlet, idle) => ending,
            () = self.talk(queue, keep_alive) => Ending::Broken,
            () = self.over.notified() => Ending::Here,
        };
        self.end(ending);
        if matches!(ending, Ending::Closed | Ending::Broken) && self.streams() > 0 {
            sleep(idle).await;
        }
        self.cut();
    }

    async fn listen(&self, shared: Weak<Shared>, inlet: &mut Inlet, idle: Duration) -> Ending {
        let arena = Arena::default();
        loop {
            let next = async {
                let [kind, low, high] = inlet.array().await?;
                let length = usize::from(u16::from_le_bytes([low, high]));
                if length > HEADER + NOTICE {
                    return Ok(None);
                }
                Ok(Some((kind, inlet.bytes(length, &arena).await?)))
            };
            let (kind, body) = match timeout(idle, next).await {
                Ok(Ok(Some(message))) => message,
                Ok(Err(End::Finished)) => return Ending::Closed,
                Ok(Ok(None) | Err(_)) => return Ending::Broken,
                Err(_) => return Ending::Silent,
            };
            let number = <[u8; 8]>::try_from(&body[..]).map(u64::from_le_bytes);
            match (kind, number) {
                (BEAT, _) => {}
                (PING, Ok(_)) => drop(self.queue.try_send(message(PONG, &body))),
                (PONG, Ok(number)) => {
                    if let Some(sender) = guard(&self.answers).remove(&number) {
                        let _ = sender.send(());
                    }
                }
                (TELL, _) => drop(notice(&shared, &body, self.key)),
                _ => return Ending::Broken,
            }
        }
    }

    async fn talk(&self, mut queue: mpsc::Receiver<Bytes>, keep_alive: Duration) {
        let mut beats = interval(keep_alive);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next = tokio::select! {
                Some(next) = queue.recv() => next,
                _ = beats.tick() => message(BEAT, &[]),
            };
            if self.wire.write_all(&mut [next]).await.is_err() {
                // What the peer said last can still be read; there its end shows too.
                std::future::pending::<()>().await;
            }
        }
    }
}
