//! Where the two ends of a session meet: streams and abort notices that came before anybody asked
//! for them, and links that wait for a stream.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::carrier::{Connection, Exporter, Sink};
use super::key::PublicKey;
use super::pipe::Inlet;
use super::wire::Header;
use crate::mailbox::{Inbox, Packet};

/// One peer's end of one session.
pub(crate) type Place = (PublicKey, [u8; 32], u64);

/// A frame as it is queued for a link: whether it is a hello, and its bytes.
pub(crate) type Item = (super::wire::Kind, bytes::Bytes);

/// A session's stream to one peer, header and acknowledgement done.
pub(crate) struct Arrival {
    pub(crate) send: Sink,
    pub(crate) receive: Inlet,
    pub(crate) connection: Connection,
    /// Where its seed comes from.
    pub(crate) exporter: Exporter,
    /// Number of the stream on its connection; the same on both ends.
    pub(crate) stream: u64,
}

/// The key under which a session is kept.
pub(crate) fn place(peer: PublicKey, header: &Header) -> Place {
    (peer, header.session, header.epoch)
}

#[derive(Default)]
struct Tables {
    desks: HashMap<Place, (usize, Inbox<Item>)>,
    waiting: HashMap<Place, oneshot::Sender<Arrival>>,
    parked: HashMap<Place, Arrival>,
    /// Notices for links that are not open yet, with when they came.
    notices: HashMap<Place, (Instant, Packet<Item>)>,
}

/// Bounded tables, shared by the link side and the accepting side.
pub(crate) struct Rendezvous {
    tables: Mutex<Tables>,
    limit: usize,
    pub(crate) patience: Duration,
}

/// How a stream was received.
pub(crate) enum Taken {
    /// A link has it.
    Now,
    /// It is kept until a link asks for it.
    Parked,
}

impl Rendezvous {
    pub(crate) fn new(limit: usize, patience: Duration) -> Self {
        Self { tables: Mutex::default(), limit, patience }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a link's desk for notices from a peer, and with `awaits` a promise of the peer's
    /// stream; `None` if this session is open already.
    pub(crate) fn open(
        &self,
        place: Place,
        index: usize,
        inbox: Inbox<Item>,
        awaits: bool,
    ) -> Option<oneshot::Receiver<Arrival>> {
        let mut tables = self.tables();
        if tables.desks.contains_key(&place) {
            return None;
        }
        if let Some((came, packet)) = tables.notices.remove(&place)
            && came.elapsed() < self.patience
        {
            inbox.post(index, packet);
        }
        tables.desks.insert(place, (index, inbox));
        let (sender, receiver) = oneshot::channel();
        if awaits {
            match tables.parked.remove(&place) {
                Some(arrival) => drop(sender.send(arrival)),
                None => drop(tables.waiting.insert(place, sender)),
            }
        }
        Some(receiver)
    }

    /// Closes a desk and whatever still waits behind it.
    pub(crate) fn close(&self, place: &Place) {
        let mut tables = self.tables();
        tables.desks.remove(place);
        tables.waiting.remove(place);
        tables.parked.remove(place);
    }

    /// Hands a notice to the link that it is meant for, or keeps it until that link opens. A
    /// session's first notice counts; beyond the limit none is kept.
    pub(crate) fn notify(&self, place: Place, packet: Packet<Item>) {
        let mut tables = self.tables();
        if let Some((index, inbox)) = tables.desks.get(&place) {
            inbox.post(*index, packet);
            return;
        }
        tables.notices.retain(|_, (came, _)| came.elapsed() < self.patience);
        let from_peer = tables.notices.keys().filter(|(key, ..)| *key == place.0).count();
        if tables.notices.len() < self.limit && from_peer < self.limit.div_ceil(2) {
            tables.notices.entry(place).or_insert_with(|| (Instant::now(), packet));
        }
    }

    /// Notices that are kept.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.tables().notices.len()
    }

    /// Whether there is room for a stream: a link waits for it, or it can be parked.
    pub(crate) fn has_room(&self, place: &Place) -> bool {
        let tables = self.tables();
        let from_peer = tables.parked.keys().filter(|(key, ..)| *key == place.0).count();
        tables.waiting.contains_key(place)
            || (!tables.parked.contains_key(place)
                && !tables.desks.contains_key(place)
                && tables.parked.len() < self.limit
                && from_peer < self.limit.div_ceil(2))
    }

    /// Gives a stream to the link that waits for it, or parks it.
    pub(crate) fn arrive(&self, place: Place, mut arrival: Arrival) -> Option<Taken> {
        let mut tables = self.tables();
        if let Some(sender) = tables.waiting.remove(&place) {
            match sender.send(arrival) {
                Ok(()) => return Some(Taken::Now),
                Err(back) => arrival = back,
            }
        }
        if tables.parked.len() >= self.limit
            || tables.parked.contains_key(&place)
            || tables.desks.contains_key(&place)
        {
            return None;
        }
        tables.parked.insert(place, arrival);
        Some(Taken::Parked)
    }

    /// Drops a parked stream if it is still the one that was parked.
    pub(crate) fn expire(&self, place: &Place, connection: usize, stream: u64) {
        let mut tables = self.tables();
        if tables.parked.get(place).is_some_and(|arrival| {
            arrival.stream == stream && arrival.connection.id() == connection
        }) {
            tables.parked.remove(place);
        }
    }
}
