//! What a link has received and its party has not asked for yet.
//!
//! One mailbox for all peers lets a party that waits for one peer see at once that another one
//! aborts. The waiting thread is woken once per round, when the last awaited frame is in, and not
//! for every frame: on few cores that is what a blocking round costs.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// What comes into a mailbox, beside the session index of its sender.
#[derive(Debug)]
pub(crate) enum Packet<T> {
    /// A frame.
    Data(T),
    /// The sender ended the session and says why.
    Abort { culprit: Option<usize>, reason: String },
    /// Nothing more will come from the sender.
    Gone(String),
    /// The sender broke the rules of the transport.
    Bad { expected: String, got: String },
}

#[derive(Debug)]
struct Slot<T> {
    frames: VecDeque<T>,
    gone: Option<String>,
    awaited: bool,
}

#[derive(Debug)]
struct State<T> {
    slots: Vec<Slot<T>>,
    /// Senders that wait for room.
    waiting: usize,
    /// Awaited peers whose frame is not in.
    missing: usize,
    /// What ended the session.
    verdict: Option<Error>,
    /// To be woken instead of a blocked thread.
    waker: Option<Waker>,
    closed: bool,
}

impl<T> State<T> {
    fn await_peers(&mut self, peers: impl Iterator<Item = usize>) {
        for peer in peers {
            let slot = &mut self.slots[peer];
            if !std::mem::replace(&mut slot.awaited, true) {
                self.missing += usize::from(slot.frames.is_empty());
            }
        }
    }

    fn late(&self, peer: usize) -> bool {
        self.slots[peer].frames.is_empty()
    }

    /// Whether the wait is over, and how.
    fn outcome(&self, peers: impl Iterator<Item = usize>) -> Option<Result<()>> {
        if let Some(verdict) = &self.verdict {
            return Some(Err(verdict.clone()));
        }
        if self.missing == 0 {
            return Some(Ok(()));
        }
        let late = |peer: &usize| self.late(*peer);
        let lost = |peer: usize| Some((peer, self.slots[peer].gone.clone()?));
        peers.filter(late).find_map(lost).map(|(peer, cause)| Err(Error::Lost { peer, cause }))
    }

    fn deadline(&self, mut peers: impl Iterator<Item = usize>, limit: Duration) -> Error {
        let peer = peers.find(|&peer| self.late(peer)).unwrap_or_default();
        Error::Deadline { peer, seconds: limit.as_secs() }
    }

    /// Ends the wait.
    fn collect(
        &mut self,
        peers: impl Iterator<Item = usize>,
        outcome: Result<()>,
    ) -> Result<Vec<T>> {
        self.missing = 0;
        self.waker = None;
        self.slots.iter_mut().for_each(|slot| slot.awaited = false);
        outcome?;
        Ok(peers.filter_map(|peer| self.slots[peer].frames.pop_front()).collect())
    }
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
    /// For senders that wait for room.
    room: Condvar,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where senders put their packets.
#[derive(Debug)]
pub(crate) struct Inbox<T>(Arc<Shared<T>>);

impl<T> Clone for Inbox<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Inbox<T> {
    /// Whether fewer than `limit` frames of `from` lie here, after waiting for that for up to
    /// `time`. An end that is gone has room.
    pub(crate) fn has_room(&self, from: usize, limit: usize, time: Duration) -> bool {
        let mut state = self.0.lock();
        let full = |state: &mut State<T>| !state.closed && state.slots[from].frames.len() >= limit;
        if !full(&mut state) {
            return true;
        }
        state.waiting += 1;
        let waited = self.0.room.wait_timeout_while(state, time, full);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.waiting -= 1;
        !full(&mut state)
    }

    pub(crate) fn post(&self, from: usize, packet: Packet<T>) {
        let mut guard = self.0.lock();
        let state = &mut *guard;
        if state.closed {
            return;
        }
        let parties = state.slots.len();
        let slot = &mut state.slots[from];
        let missed = slot.awaited && slot.frames.is_empty();
        let wake = match packet {
            Packet::Data(frame) => {
                slot.frames.push_back(frame);
                state.missing -= usize::from(missed);
                missed && state.missing == 0
            }
            Packet::Gone(cause) => {
                slot.gone.get_or_insert(cause);
                missed
            }
            Packet::Abort { culprit, reason } => {
                // A peer may name anybody: who is not of the session is nobody.
                let culprit = culprit.filter(|&culprit| culprit < parties);
                state.verdict.get_or_insert(Error::Aborted { by: from, culprit, reason });
                true
            }
            Packet::Bad { expected, got } => {
                state.verdict.get_or_insert(Error::Frame { peer: from, expected, got });
                true
            }
        };
        if !wake {
            return;
        }
        let waker = state.waker.take();
        drop(guard);
        match waker {
            Some(waker) => waker.wake(),
            None => self.0.ready.notify_one(),
        }
    }
}

/// The receiving half.
#[derive(Debug)]
pub(crate) struct Mailbox<T>(Arc<Shared<T>>);

impl<T> Mailbox<T> {
    pub(crate) fn new(parties: usize) -> (Inbox<T>, Self) {
        let slot = |_| Slot { frames: VecDeque::new(), gone: None, awaited: false };
        let slots = (0..parties).map(slot).collect();
        let state =
            State { slots, waiting: 0, missing: 0, verdict: None, waker: None, closed: false };
        let [ready, room] = [(); 2].map(|()| Condvar::new());
        let shared = Arc::new(Shared { state: Mutex::new(state), ready, room });
        (Inbox(shared.clone()), Self(shared))
    }

    /// The next frame of each of `peers` (no peer twice), awaited for up to `limit`.
    ///
    /// An abort by anybody ends the wait; that a peer is gone which is not awaited does not.
    pub(crate) fn take(
        &mut self,
        peers: impl Iterator<Item = usize> + Clone,
        limit: Duration,
    ) -> Result<Vec<T>> {
        let mut state = self.0.lock();
        state.waker = None;
        state.await_peers(peers.clone());
        let end = Instant::now() + limit;
        let outcome = loop {
            if let Some(outcome) = state.outcome(peers.clone()) {
                break outcome;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break Err(state.deadline(peers.clone(), limit));
            }
            let waited = self.0.ready.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        let taken = state.collect(peers, outcome);
        if state.waiting > 0 {
            self.0.room.notify_all();
        }
        taken
    }

    /// As [`Mailbox::take`], without blocking: `waker` is woken when there is an outcome. `over` is
    /// the limit once it has passed.
    pub(crate) fn poll_take(
        &mut self,
        peers: impl Iterator<Item = usize> + Clone,
        over: Option<Duration>,
        waker: &Waker,
    ) -> Poll<Result<Vec<T>>> {
        let mut state = self.0.lock();
        state.await_peers(peers.clone());
        let late = |limit| Err(state.deadline(peers.clone(), limit));
        let Some(outcome) = state.outcome(peers.clone()).or_else(|| over.map(late)) else {
            state.waker = Some(waker.clone());
            return Poll::Pending;
        };
        Poll::Ready(state.collect(peers, outcome))
    }

    /// The error that ended the session, if one has come in.
    pub(crate) fn verdict(&self) -> Result<()> {
        self.0.lock().verdict.clone().map_or(Ok(()), Err)
    }
}

impl<T> Drop for Mailbox<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        state.slots.iter_mut().for_each(|slot| slot.frames.clear());
        self.0.room.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    const SOON: Duration = Duration::from_millis(5);

    #[test]
    fn frames_of_one_peer_keep_their_order() {
        let (inbox, mut mailbox) = Mailbox::new(2);
        inbox.post(0, Packet::Data(1));
        inbox.post(0, Packet::Data(2));
        inbox.post(1, Packet::Data(3));
        assert_eq!(mailbox.take([1, 0].into_iter(), SOON).unwrap(), [3, 1]);
        assert_eq!(mailbox.take([0].into_iter(), SOON).unwrap(), [2]);
    }

    #[test]
    fn a_missing_frame_is_blamed_on_its_sender_and_the_others_are_kept() {
        let (inbox, mut mailbox) = Mailbox::new(3);
        inbox.post(0, Packet::Data(1));
        inbox.post(2, Packet::Gone("bye".into()));
        let error = mailbox.take([0, 1].into_iter(), SOON).unwrap_err();
        assert!(matches!(error, Error::Deadline { peer: 1, .. }), "{error}");
        let error = mailbox.take([0, 1, 2].into_iter(), SOON).unwrap_err();
        assert!(matches!(error, Error::Lost { peer: 2, .. }), "{error}");
        assert_eq!(mailbox.take([0].into_iter(), SOON).unwrap(), [1]);
    }

    #[test]
    fn a_waiting_task_is_woken_once_and_by_the_last_frame() {
        struct Count(AtomicUsize);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        let woken = || count.0.load(Ordering::Relaxed);
        let (inbox, mut mailbox) = Mailbox::new(3);
        for round in 1..4 {
            assert!(mailbox.poll_take([1, 2].into_iter(), None, &waker).is_pending());
            inbox.post(1, Packet::Data(1));
            inbox.post(1, Packet::Data(1));
            inbox.post(0, Packet::Gone("bye".into()));
            assert_eq!(woken(), round - 1);
            inbox.post(2, Packet::Data(2));
            assert_eq!(woken(), round);
            let taken = mailbox.poll_take([2, 1].into_iter(), None, &waker);
            assert!(matches!(taken, Poll::Ready(Ok(frames)) if frames == [2, 1]));
            mailbox.take([1].into_iter(), SOON).unwrap();
        }
        let limit = Duration::from_secs(7);
        assert!(mailbox.poll_take([1].into_iter(), None, &waker).is_pending());
        let late = mailbox.poll_take([1].into_iter(), Some(limit), &waker);
        assert!(matches!(late, Poll::Ready(Err(Error::Deadline { peer: 1, seconds: 7 }))));
        assert!(mailbox.poll_take([1].into_iter(), None, &waker).is_pending());
        inbox.post(2, Packet::Abort { culprit: None, reason: "a".into() });
        assert_eq!(woken(), 4);
    }

    #[test]
    fn a_sender_waits_for_room_until_a_frame_is_taken_or_nobody_will() {
        let (inbox, mut mailbox) = Mailbox::new(1);
        inbox.post(0, Packet::Data(1));
        assert!(inbox.has_room(0, 2, SOON));
        inbox.post(0, Packet::Data(2));
        assert!(!inbox.has_room(0, 2, SOON));
        let long = Duration::from_mins(1);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| inbox.has_room(0, 2, long));
            mailbox.take([0].into_iter(), SOON).unwrap();
            assert!(waits.join().unwrap());
        });
        inbox.post(0, Packet::Data(3));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| inbox.has_room(0, 2, long));
            drop(mailbox);
            assert!(waits.join().unwrap());
        });
    }

    #[test]
    fn a_culprit_who_is_not_of_the_session_is_nobody() {
        for (named, due) in [(Some(1), 1), (Some(2), 0), (Some(usize::MAX), 0), (None, 0)] {
            let (inbox, mut mailbox) = Mailbox::<()>::new(2);
            inbox.post(0, Packet::Abort { culprit: named, reason: "a".into() });
            let error = mailbox.take([1].into_iter(), SOON).unwrap_err();
            assert_eq!(error.culprit(), Some(due), "{error}");
        }
    }

    #[test]
    fn the_first_verdict_stays() {
        let (inbox, mut mailbox) = Mailbox::<()>::new(2);
        inbox.post(0, Packet::Abort { culprit: Some(1), reason: "a".into() });
        inbox.post(1, Packet::Abort { culprit: Some(0), reason: "b".into() });
        for _ in 0..2 {
            let error = mailbox.take([1].into_iter(), SOON).unwrap_err();
            assert_eq!(error.culprit(), Some(1), "{error}");
        }
    }
}
