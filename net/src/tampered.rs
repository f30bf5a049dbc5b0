//! Parties that misbehave, for tests: one that lies ([`Tampered`]) and one that leaves ([`Cut`]).

use bytes::Bytes;

use crate::{Arena, Error, Frames, Link, Result, Round, Seed};

/// Sees and may change an outgoing frame: the party's round (from 0, rounds in which it sends and
/// awaits nothing left out), the receiver, the bytes.
pub type Hook = Box<dyn FnMut(u64, usize, &mut Vec<u8>) + Send>;

/// A link whose outgoing frames pass through a hook.
pub struct Tampered<L> {
    inner: L,
    round: u64,
    hook: Hook,
}

impl<L: Link> Tampered<L> {
    /// Lets `hook` see and change every frame that leaves through `inner`.
    pub fn new(inner: L, hook: impl FnMut(u64, usize, &mut Vec<u8>) + Send + 'static) -> Self {
        Self { inner, round: 0, hook: Box::new(hook) }
    }
}

impl<L: std::fmt::Debug> std::fmt::Debug for Tampered<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tampered").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<L: Link> Link for Tampered<L> {
    fn me(&self) -> usize {
        self.inner.me()
    }

    fn parties(&self) -> usize {
        self.inner.parties()
    }

    fn exchange(&mut self, mut round: Round) -> Result<Frames> {
        for (to, frame) in &mut round.send {
            let mut bytes = Vec::from(std::mem::take(frame));
            (self.hook)(self.round, *to, &mut bytes);
            *frame = Bytes::from(bytes);
        }
        if !round.send.is_empty() || !round.expect.is_empty() {
            self.round += 1;
        }
        self.inner.exchange(round)
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

/// A party that vanishes at the start of its round `at` (from 0) without a word.
#[derive(Debug)]
pub struct Cut<L> {
    inner: Option<L>,
    me: usize,
    parties: usize,
    left: u64,
}

impl<L: Link> Cut<L> {
    /// Drops `inner` when its round `at` begins; this and later calls give [`Error::Closed`].
    pub fn new(inner: L, at: u64) -> Self {
        Self { me: inner.me(), parties: inner.parties(), inner: Some(inner), left: at }
    }
}

impl<L: Link> Link for Cut<L> {
    fn me(&self) -> usize {
        self.me
    }

    fn parties(&self) -> usize {
        self.parties
    }

    fn exchange(&mut self, round: Round) -> Result<Frames> {
        if !round.send.is_empty() || !round.expect.is_empty() {
            if self.left == 0 {
                self.inner = None;
            }
            self.left = self.left.saturating_sub(1);
        }
        self.inner.as_mut().ok_or(Error::Closed)?.exchange(round)
    }

    fn seed(&mut self, peer: usize) -> Result<Seed> {
        self.inner.as_mut().ok_or(Error::Closed)?.seed(peer)
    }

    fn arena(&self) -> Arena {
        self.inner.as_ref().map(Link::arena).unwrap_or_default()
    }

    fn abort(&mut self, culprit: Option<usize>, reason: &str) {
        if let Some(inner) = &mut self.inner {
            inner.abort(culprit, reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory;

    fn frame(bytes: &'static [u8]) -> Bytes {
        Bytes::from_static(bytes)
    }

    #[test]
    fn the_hook_changes_the_chosen_frame_only() {
        let mut mesh = memory::mesh(2, [0; 32]);
        let mut honest = mesh.pop().unwrap();
        let mut liar = Tampered::new(mesh.pop().unwrap(), |round, to, bytes| {
            assert_eq!(to, 1);
            if round == 1 {
                bytes[0] ^= 1;
            }
        });
        liar.exchange(Round { send: vec![(1, frame(b"ab"))], expect: vec![] }).unwrap();
        liar.exchange(Round::default()).unwrap();
        liar.exchange(Round { send: vec![(1, frame(b"ab"))], expect: vec![] }).unwrap();
        let mut next =
            || honest.exchange(Round { send: vec![], expect: vec![(0, 2)] }).unwrap().remove(0);
        assert_eq!(next(), frame(b"ab"));
        assert_eq!(next(), frame(b"`b"));
    }

    #[test]
    fn a_cut_party_vanishes_at_its_round() {
        let mut mesh = memory::mesh(2, [0; 32]);
        let mut honest = mesh.pop().unwrap();
        let mut leaver = Cut::new(mesh.pop().unwrap(), 1);
        leaver.exchange(Round { send: vec![(1, frame(b"a"))], expect: vec![] }).unwrap();
        let late = leaver.exchange(Round { send: vec![(1, frame(b"b"))], expect: vec![] });
        assert!(matches!(late, Err(Error::Closed)));
        honest.exchange(Round { send: vec![], expect: vec![(0, 1)] }).unwrap();
        let error = honest.exchange(Round { send: vec![], expect: vec![(0, 1)] }).unwrap_err();
        assert!(matches!(error, Error::Lost { peer: 0, .. }), "{error}");
    }
}
