//! [`Link`]: one party's end of a full mesh, and what travels over it.

use bytes::Bytes;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{Arena, Error, Result};

/// Longest reason that an abort carries, in bytes.
pub(crate) const REASON: usize = 1024;

/// A secret that two parties of a session share and nobody else knows.
///
/// Masks that both parties can draw without talking come from it. It is wiped on drop and has no
/// plain `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed(pub [u8; 32]);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// What one party sends and awaits in one network round.
///
/// Lengths are in bytes of payload. A party that is in neither list takes no part in the round.
#[derive(Default, Debug)]
pub struct Round {
    /// One frame per receiver, at most one for each.
    pub send: Vec<(usize, Bytes)>,
    /// `(sender, exact length)`: a frame of any other length is refused before it is stored.
    pub expect: Vec<(usize, usize)>,
}

/// The frames that came in, in the order of [`Round::expect`].
pub type Frames = Vec<Bytes>;

/// One party's end of a full mesh. Blocking; the only seam to I/O.
///
/// Never call it from a `rayon` worker or from inside an async runtime.
pub trait Link: Send {
    /// This party's index in the session, `0..parties()`.
    fn me(&self) -> usize;

    /// Number of parties in the session: compute parties, data holders, the analyst, a dealer.
    fn parties(&self) -> usize;

    /// Posts every outgoing frame, then waits for the frames expected. One call, one round.
    ///
    /// # Errors
    /// [`crate::Error::Lost`] and [`crate::Error::Deadline`] name the peer;
    /// [`crate::Error::Aborted`] carries the first culprit as told by the peer that noticed it.
    fn exchange(&mut self, round: Round) -> Result<Frames>;

    /// The seed shared with `peer`, bound to the channel, the session and the restart epoch.
    /// Both ends return the same bytes.
    ///
    /// # Errors
    /// If the channel to `peer` is gone.
    fn seed(&mut self, peer: usize) -> Result<Seed>;

    /// The memory that frames of this link come from. Outgoing frames may come from anywhere; those
    /// that are taken here are used again once the transport is done with them.
    fn arena(&self) -> Arena;

    /// Tells every peer that this session is over because of `culprit`, best effort, and closes.
    /// Later calls of [`Link::exchange`] fail.
    fn abort(&mut self, culprit: Option<usize>, reason: &str);
}

impl<L: Link + ?Sized> Link for Box<L> {
    fn me(&self) -> usize {
        (**self).me()
    }
    fn parties(&self) -> usize {
        (**self).parties()
    }
    fn exchange(&mut self, round: Round) -> Result<Frames> {
        (**self).exchange(round)
    }
    fn seed(&mut self, peer: usize) -> Result<Seed> {
        (**self).seed(peer)
    }
    fn arena(&self) -> Arena {
        (**self).arena()
    }
    fn abort(&mut self, culprit: Option<usize>, reason: &str) {
        (**self).abort(culprit, reason);
    }
}

/// Refuses a round that names a party that cannot be meant, or one twice in a direction.
pub(crate) fn check_round(round: &Round, me: usize, parties: usize) -> Result<()> {
    let check = |direction: &str, peers: &mut dyn Iterator<Item = usize>| {
        let mut seen = vec![false; parties];
        for peer in peers {
            if peer == me || peer >= parties || std::mem::replace(&mut seen[peer], true) {
                return Err(Error::Setup(format!(
                    "a round of party {me} of {parties} cannot {direction} {peer}"
                )));
            }
        }
        Ok(())
    };
    check("send to", &mut round.send.iter().map(|(to, _)| *to))?;
    check("await", &mut round.expect.iter().map(|(from, _)| *from))
}

/// The reason of an abort, cut to [`REASON`] bytes at a character's end. It ends up on terminals and in
/// logs of others: what would steer those, or forge a line, becomes a space.
pub(crate) fn clip(reason: &str) -> String {
    let mut end = reason.len().min(REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let steers = |c: char| {
        let direction = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        c.is_control() || direction
    };
    reason[..end].replace(steers, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_short_and_steers_no_terminal() {
        assert_eq!(clip("data: the täble is gone"), "data: the täble is gone");
        assert_eq!(clip("a\u{1b}[2J\r\nWARN b\u{9b}\u{202e}c"), "a [2J  WARN b  c");
        let long = clip(&"ä".repeat(REASON));
        assert!(long.len() <= REASON && long.chars().all(|c| c == 'ä'));
    }
}
