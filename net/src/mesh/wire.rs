//! What is written on streams.
//!
//! Only the side that dialed a connection opens streams on it. Such a stream starts with a fixed
//! [`Header`]; the accepting side answers with one byte ([`ACK`]) once it has found or kept a place
//! for it. Then come frames: of a session `round u32, kind u8, length u32`, of a conversation
//! `length u32`, little endian. `round` is the number of the frame in its direction.
//!
//! An abort travels beside the streams, so that neither a full window nor a large frame can hold
//! it up.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::link::REASON;

const MAGIC: [u8; 4] = *b"TCT1";

/// Bytes of a [`Header`].
pub(crate) const HEADER: usize = 4 + 1 + 32 + 8;

/// Bytes before a session's frame.
pub(crate) const FRAME: usize = 4 + 1 + 4;

/// The accepting side has a place for the stream.
pub(crate) const ACK: u8 = 6;

/// Code of a stream that was turned away because a table is full.
pub(crate) const BUSY: u32 = 1;

/// Code of a stream whose header makes no sense.
pub(crate) const MALFORMED: u32 = 2;

/// Code of a stream that belongs to a connection which the accepting side does not know.
pub(crate) const STALE: u32 = 3;

/// Code of a connection that one side closed in order.
pub(crate) const DONE: u32 = 0;

/// Largest abort notice after its header.
pub(crate) const NOTICE: usize = REASON + 64;

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Frames of a session.
    Session,
    /// Messages outside any session.
    Conversation,
    /// An abort of a session; unidirectional.
    Abort,
    /// The accepting side lets the dialing side know that its key was accepted; unidirectional.
    Welcome,
    /// What follows is a stream of a connection (TCP, where each stream is a TLS connection of its
    /// own): `session` is the token of that connection, `epoch` the number of the stream.
    Attach,
}

/// First bytes of every stream. Session and epoch are zero where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) purpose: Purpose,
    pub(crate) session: [u8; 32],
    pub(crate) epoch: u64,
}

impl Header {
    pub(crate) fn plain(purpose: Purpose) -> Self {
        Self { purpose, session: [0; 32], epoch: 0 }
    }

    pub(crate) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = self.purpose as u8;
        bytes[5..37].copy_from_slice(&self.session);
        bytes[37..].copy_from_slice(&self.epoch.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; HEADER]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&MAGIC)?;
        let purpose = match rest.get_u8() {
            0 => Purpose::Session,
            1 => Purpose::Conversation,
            2 => Purpose::Abort,
            3 => Purpose::Welcome,
            4 => Purpose::Attach,
            _ => return None,
        };
        let mut session = [0; 32];
        rest.copy_to_slice(&mut session);
        Some(Self { purpose, session, epoch: rest.get_u64_le() })
    }
}

/// Kind of a session's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Payload of a round.
    Data,
    /// A message of the agreement before the first round.
    Hello,
}

/// What stands before a session's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub(crate) round: u32,
    pub(crate) kind: Kind,
    pub(crate) length: u32,
}

impl FrameHead {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(FRAME);
        bytes.put_u32_le(self.round);
        bytes.put_u8(self.kind as u8);
        bytes.put_u32_le(self.length);
        bytes.freeze()
    }

    /// `None` for an unknown kind.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let round = bytes.get_u32_le();
        let kind = match bytes.get_u8() {
            0 => Kind::Data,
            1 => Kind::Hello,
            _ => return None,
        };
        Some(Self { round, kind, length: bytes.get_u32_le() })
    }
}

/// Body of an abort.
#[derive(Serialize, Deserialize)]
pub(crate) struct Notice {
    pub(crate) culprit: Option<u64>,
    pub(crate) reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_and_bad_ones_are_refused() {
        let header = Header { purpose: Purpose::Abort, session: [5; 32], epoch: 1 << 40 };
        let mut bytes = header.encode();
        assert_eq!(Header::decode(&bytes), Some(header));
        bytes[4] = 9;
        assert_eq!(Header::decode(&bytes), None);
        bytes[4] = 0;
        bytes[0] = 0;
        assert_eq!(Header::decode(&bytes), None);
    }

    #[test]
    fn frame_heads_survive_and_unknown_kinds_are_refused() {
        let head = FrameHead { round: 7, kind: Kind::Hello, length: u32::MAX };
        let bytes = head.encode();
        assert_eq!(FrameHead::decode(&bytes), Some(head));
        let mut bytes = bytes.to_vec();
        bytes[4] = 2;
        assert_eq!(FrameHead::decode(&bytes), None);
    }
}
