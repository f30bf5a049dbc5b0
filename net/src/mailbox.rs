//! What a link has received and its party has not asked for yet.
//!
//! One mailbox for all peers lets a party that waits for one peer see at once that another one
//! aborts. The waiting thread is woken once per round, when the last awaited frame is in, and not
//! for every frame: on few cores that is what a blocking round costs.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
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
    /// Awaited peers whose frame is not in.
    missing: usize,
    /// What ended the session.
    verdict: Option<Error>,
    closed: bool,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
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
    pub(crate) fn post(&self, from: usize, packet: Packet<T>) {
        let mut state = self.0.lock();
        if state.closed {
            return;
        }
        let state = &mut *state;
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
                state.verdict.get_or_insert(Error::Aborted { by: from, culprit, reason });
                true
            }
            Packet::Bad { expected, got } => {
                state.verdict.get_or_insert(Error::Frame { peer: from, expected, got });
                true
            }
        };
        if wake {
            self.0.ready.notify_one();
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
        let state = State { slots, missing: 0, verdict: None, closed: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), ready: Condvar::new() });
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
        for peer in peers.clone() {
            state.slots[peer].awaited = true;
            state.missing += usize::from(state.slots[peer].frames.is_empty());
        }
        let end = Instant::now() + limit;
        let outcome = loop {
            if let Some(verdict) = &state.verdict {
                break Err(verdict.clone());
            }
            if state.missing == 0 {
                break Ok(());
            }
            let missed = |peer: &usize| state.slots[*peer].frames.is_empty();
            let lost = |peer: usize| Some((peer, state.slots[peer].gone.clone()?));
            if let Some((peer, cause)) = peers.clone().filter(missed).find_map(lost) {
                break Err(Error::Lost { peer, cause });
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let peer = peers.clone().find(missed).unwrap_or_default();
                break Err(Error::Deadline { peer, seconds: limit.as_secs() });
            }
            let waited = self.0.ready.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        state.missing = 0;
        state.slots.iter_mut().for_each(|slot| slot.awaited = false);
        outcome?;
        Ok(peers.filter_map(|peer| state.slots[peer].frames.pop_front()).collect())
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
    }
}

#[cfg(test)]
mod tests {
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
