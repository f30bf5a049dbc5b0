//! A full mesh in one process: every party owns one inbox, and everybody else can post into it.
//! Frames are moved, never copied.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::link::{check_round, clip};
use crate::mailbox::{Inbox, Mailbox, Packet};
use crate::{Arena, Error, Frames, Link, Result, Round, Seed};

/// How long [`Memory`] waits for a frame unless told otherwise.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Frames that may lie at a party from another one before that has to wait: one that only sends must
/// not fill the memory of those who compute.
const AHEAD: usize = 64;

/// How often a party that waits for room looks whether the session is over.
const LOOK: Duration = Duration::from_millis(50);

/// When a frame's first and last bit left the sender, on the virtual clock, in nanoseconds. Zero
/// on a link without a clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stamp {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// One party's end of an in-memory mesh. Made by [`mesh`].
#[derive(Debug)]
pub struct Memory {
    me: usize,
    seed: Seed,
    deadline: Duration,
    mailbox: Mailbox<(Bytes, Stamp)>,
    outboxes: Vec<Inbox<(Bytes, Stamp)>>,
    arena: Arena,
    closed: bool,
}

/// A full mesh of `parties` ends, in session order. Each end is meant for a thread of its own.
///
/// All pairwise seeds follow from `seed`: fixed for tests, random for anything else.
pub fn mesh(parties: usize, seed: [u8; 32]) -> Vec<Memory> {
    let (outboxes, mailboxes): (Vec<_>, Vec<_>) =
        (0..parties).map(|_| Mailbox::new(parties)).unzip();
    let end = |(me, mailbox)| Memory {
        me,
        seed: Seed(seed),
        deadline: DEADLINE,
        mailbox,
        outboxes: outboxes.clone(),
        arena: Arena::default(),
        closed: false,
    };
    mailboxes.into_iter().enumerate().map(end).collect()
}

impl Memory {
    /// Sets how long a round may wait for its frames.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// [`Link::exchange`] with a stamp for the outgoing frames; gives the incoming ones' too.
    pub(crate) fn exchange_stamped(
        &mut self,
        round: Round,
        stamp: Stamp,
    ) -> Result<Vec<(Bytes, Stamp)>> {
        if self.closed {
            return Err(Error::Closed);
        }
        check_round(&round, self.me, self.parties())?;
        let result = self.post(round.send, stamp).and_then(|()| self.collect(&round.expect));
        if let Err(error) = &result {
            let (culprit, reason) = error.verdict();
            self.abort(culprit, &reason);
        }
        result
    }

    fn post(&self, frames: Vec<(usize, Bytes)>, stamp: Stamp) -> Result<()> {
        for (to, frame) in frames {
            self.await_room(to)?;
            // A peer that is gone is noticed where its frame is missed.
            self.outboxes[to].post(self.me, Packet::Data((frame, stamp)));
        }
        Ok(())
    }

    /// Waits until what `to` has not taken yet is not too much.
    fn await_room(&self, to: usize) -> Result<()> {
        let start = Instant::now();
        while !self.outboxes[to].has_room(self.me, AHEAD, LOOK) {
            self.mailbox.verdict()?;
            if start.elapsed() > self.deadline {
                return Err(Error::Deadline { peer: to, seconds: self.deadline.as_secs() });
            }
        }
        Ok(())
    }

    fn collect(&mut self, expect: &[(usize, usize)]) -> Result<Vec<(Bytes, Stamp)>> {
        let frames = self.mailbox.take(expect.iter().map(|(from, _)| *from), self.deadline)?;
        for (&(peer, length), (frame, _)) in expect.iter().zip(&frames) {
            if frame.len() != length {
                return Err(Error::Frame {
                    peer,
                    expected: format!("{length} bytes"),
                    got: format!("{} bytes", frame.len()),
                });
            }
        }
        Ok(frames)
    }

    fn tell(&self, packet: impl Fn() -> Packet<(Bytes, Stamp)>) {
        for (_, outbox) in self.outboxes.iter().enumerate().filter(|(to, _)| *to != self.me) {
            outbox.post(self.me, packet());
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.tell(|| Packet::Gone("it left the session".into()));
    }
}

impl Link for Memory {
    fn me(&self) -> usize {
        self.me
    }

    fn parties(&self) -> usize {
        self.outboxes.len()
    }

    fn exchange(&mut self, round: Round) -> Result<Frames> {
        let frames = self.exchange_stamped(round, Stamp::default())?;
        Ok(frames.into_iter().map(|(frame, _)| frame).collect())
    }

    fn seed(&mut self, peer: usize) -> Result<Seed> {
        if peer == self.me || peer >= self.parties() {
            return Err(Error::Setup(format!("there is no peer {peer}")));
        }
        let mut hash = Sha256::new();
        hash.update(b"tacit memory seed");
        hash.update(self.seed.0);
        hash.update((self.me.min(peer) as u64).to_le_bytes());
        hash.update((self.me.max(peer) as u64).to_le_bytes());
        Ok(Seed(hash.finalize().into()))
    }

    fn arena(&self) -> Arena {
        self.arena.clone()
    }

    fn abort(&mut self, culprit: Option<usize>, reason: &str) {
        if !std::mem::replace(&mut self.closed, true) {
            self.tell(|| Packet::Abort { culprit, reason: clip(reason) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn all_to_all(link: &mut Memory, byte: u8) -> Result<Frames> {
        let peers: Vec<usize> = (0..link.parties()).filter(|&p| p != link.me()).collect();
        link.exchange(Round {
            send: peers.iter().map(|&p| (p, Bytes::from(vec![byte; p + 1]))).collect(),
            expect: peers.iter().map(|&p| (p, link.me() + 1)).collect(),
        })
    }

    #[test]
    fn frames_arrive_in_the_order_of_expect() {
        let mesh = mesh(3, [0; 32]);
        let results: Vec<_> = thread::scope(|scope| {
            let run = |mut link: Memory| {
                for _ in 0..100 {
                    let byte = link.me() as u8;
                    let frames = all_to_all(&mut link, byte).unwrap();
                    let senders: Vec<u8> = frames.iter().map(|frame| frame[0]).collect();
                    let peers: Vec<u8> = (0..3).filter(|p| *p != byte).collect();
                    assert_eq!(senders, peers);
                }
            };
            let handles: Vec<_> = mesh.into_iter().map(|l| scope.spawn(move || run(l))).collect();
            handles.into_iter().map(thread::ScopedJoinHandle::join).collect()
        });
        assert!(results.iter().all(Result::is_ok));
    }

    #[test]
    fn a_dropped_end_is_named_by_everybody() {
        let mut mesh = mesh(4, [0; 32]);
        drop(mesh.pop());
        let errors: Vec<Error> = thread::scope(|scope| {
            let run = |mut link: Memory| {
                // Party 0 does not wait for the lost one: it must hear of it all the same.
                let expect = if link.me() == 0 { vec![(1, 1)] } else { vec![(3, 1)] };
                link.exchange(Round { send: vec![], expect }).unwrap_err()
            };
            let handles: Vec<_> = mesh.into_iter().map(|l| scope.spawn(move || run(l))).collect();
            handles.into_iter().map(|h| h.join().unwrap()).collect()
        });
        for error in errors {
            assert_eq!(error.culprit(), Some(3), "{error}");
        }
    }

    #[test]
    fn a_late_peer_is_named_after_the_deadline() {
        let mut mesh = mesh(2, [0; 32]);
        let _silent = mesh.pop();
        let mut link = mesh.pop().unwrap().with_deadline(Duration::from_millis(20));
        let error = link.exchange(Round { send: vec![], expect: vec![(1, 4)] }).unwrap_err();
        assert!(matches!(error, Error::Deadline { peer: 1, .. }), "{error}");
        assert!(matches!(link.exchange(Round::default()), Err(Error::Closed)));
    }

    #[test]
    fn abort_reaches_a_party_that_waits_for_another() {
        let mut mesh = mesh(3, [0; 32]);
        let (_two, mut one, mut zero) = (mesh.pop(), mesh.pop().unwrap(), mesh.pop().unwrap());
        one.abort(Some(2), "bad share");
        let error = zero.exchange(Round { send: vec![], expect: vec![(2, 4)] }).unwrap_err();
        assert!(
            matches!(&error, Error::Aborted { by: 1, culprit: Some(2), reason } if reason == "bad share"),
            "{error}"
        );
    }

    #[test]
    fn a_frame_of_another_length_is_refused() {
        let mut mesh = mesh(2, [0; 32]);
        let (mut one, mut zero) = (mesh.pop().unwrap(), mesh.pop().unwrap());
        one.exchange(Round { send: vec![(0, Bytes::from_static(b"abc"))], expect: vec![] })
            .unwrap();
        let error = zero.exchange(Round { send: vec![], expect: vec![(1, 4)] }).unwrap_err();
        assert!(matches!(error, Error::Frame { peer: 1, .. }), "{error}");
    }

    #[test]
    fn a_party_that_only_sends_waits_for_those_who_receive() {
        let mut mesh = mesh(2, [0; 32]);
        let (one, mut zero) = (mesh.pop().unwrap(), mesh.pop().unwrap());
        let mut one = one.with_deadline(Duration::from_millis(60));
        let mut send = || one.exchange(Round { send: vec![(0, Bytes::new())], expect: vec![] });
        for _ in 0..AHEAD {
            send().unwrap();
        }
        let take = |zero: &mut Memory| zero.exchange(Round { send: vec![], expect: vec![(1, 0)] });
        take(&mut zero).unwrap();
        send().unwrap();
        let error = send().unwrap_err();
        assert!(matches!(error, Error::Deadline { peer: 0, .. }), "{error}");
        assert!(matches!(take(&mut zero), Err(Error::Aborted { by: 1, culprit: Some(0), .. })));
    }

    #[test]
    fn a_round_with_an_impossible_party_is_refused() {
        let mut mesh = mesh(2, [0; 32]);
        let mut zero = mesh.swap_remove(0);
        for send in [vec![(0, Bytes::new())], vec![(2, Bytes::new())], vec![(1, Bytes::new()); 2]] {
            assert!(matches!(zero.exchange(Round { send, expect: vec![] }), Err(Error::Setup(_))));
        }
    }

    #[test]
    fn seeds_are_equal_on_both_ends_and_differ_by_pair() {
        let mut mesh = mesh(3, [9; 32]);
        let ab = mesh[0].seed(1).unwrap();
        assert_eq!(ab.0, mesh[1].seed(0).unwrap().0);
        assert_ne!(ab.0, mesh[0].seed(2).unwrap().0);
        assert!(mesh[0].seed(0).is_err());
    }
}
