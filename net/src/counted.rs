//! The one place that counts.
//!
//! A bill that is computed before a run can only be checked against a ledger that nobody fills by
//! hand. So engines and protocols never count; they run over a [`Counted`] link, and afterwards
//! its [`Ledger`] must equal the bill to the byte.

use serde::{Deserialize, Serialize};

use crate::{Arena, Frames, Link, Result, Round, Seed};

/// Payload bytes between this party and one peer. Headers, handshakes and encryption are apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Bytes from this party to the peer.
    pub sent: u64,
    /// Bytes from the peer to this party.
    pub received: u64,
}

/// What one party's link carried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Calls of [`Link::exchange`] in which this party sent or awaited anything.
    pub rounds: u64,
    /// Traffic by session index of the peer; this party's own entry stays zero.
    pub peers: Vec<Traffic>,
}

impl Ledger {
    /// Payload bytes sent to all peers.
    pub fn sent(&self) -> u64 {
        self.peers.iter().map(|peer| peer.sent).sum()
    }

    /// Payload bytes received from all peers.
    pub fn received(&self) -> u64 {
        self.peers.iter().map(|peer| peer.received).sum()
    }
}

/// A link that keeps a [`Ledger`].
#[derive(Debug)]
pub struct Counted<L> {
    inner: L,
    ledger: Ledger,
}

impl<L: Link> Counted<L> {
    /// Counts everything that goes over `inner` from now on.
    pub fn new(inner: L) -> Self {
        let peers = vec![Traffic::default(); inner.parties()];
        Self { inner, ledger: Ledger { rounds: 0, peers } }
    }

    /// What was carried up to now.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The link inside.
    pub fn get_ref(&self) -> &L {
        &self.inner
    }

    /// The link inside, to set it; what goes over it is not counted.
    pub fn get_mut(&mut self) -> &mut L {
        &mut self.inner
    }

    /// Gives the link back.
    pub fn into_inner(self) -> L {
        self.inner
    }
}

impl<L: Link> Link for Counted<L> {
    fn me(&self) -> usize {
        self.inner.me()
    }

    fn parties(&self) -> usize {
        self.inner.parties()
    }

    /// A round counts when it is posted, its incoming bytes when they came.
    fn exchange(&mut self, round: Round) -> Result<Frames> {
        if !round.send.is_empty() || !round.expect.is_empty() {
            self.ledger.rounds += 1;
        }
        for (to, frame) in &round.send {
            if let Some(peer) = self.ledger.peers.get_mut(*to) {
                peer.sent += frame.len() as u64;
            }
        }
        let expect = round.expect.clone();
        let frames = self.inner.exchange(round)?;
        for (from, length) in expect {
            self.ledger.peers[from].received += length as u64;
        }
        Ok(frames)
    }

    fn seed(&mut self, peer: usize) -> Result<Seed> {
        self.inner.seed(peer)
    }

    fn arena(&self) -> Arena {
        self.inner.arena()
    }

    fn abort(&mut self, culprit: Option<usize>, reason: &str) {
        self.inner.abort(culprit, reason);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::memory;

    #[test]
    fn ledger_counts_payload_and_skips_empty_rounds() {
        let mut mesh = memory::mesh(2, [1; 32]).into_iter().map(Counted::new);
        let (mut a, mut b) = (mesh.next().unwrap(), mesh.next().unwrap());
        let other = std::thread::spawn(move || {
            b.exchange(Round { send: vec![(0, Bytes::from_static(b"abc"))], expect: vec![(0, 0)] })
                .unwrap();
            b.exchange(Round::default()).unwrap();
            b.ledger().clone()
        });
        a.exchange(Round { send: vec![(1, Bytes::new())], expect: vec![(1, 3)] }).unwrap();
        assert_eq!(a.ledger().rounds, 1);
        assert_eq!(a.ledger().peers[1], Traffic { sent: 0, received: 3 });
        let other = other.join().unwrap();
        assert_eq!(other.rounds, 1);
        assert_eq!((other.sent(), other.received()), (3, 0));
    }
}
