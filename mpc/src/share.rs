//! [`Share`]: one party's components of a column, in memory of its own or in a frame.

use std::ops::{Deref, DerefMut, Range};

use bytes::Bytes;
use tacit_net::{Arena, Buffer};
use zerocopy::FromBytes;

/// One party's components of a column.
///
/// # Security
/// Buffers come from an arena that wipes them; there is no `Debug`.
pub struct Share(pub(crate) Vec<Component>);

impl Share {
    /// One of this party's components, one word a row for numbers and elements, packed for bits.
    ///
    /// # Panics
    /// If the scheme has no such component.
    pub fn component(&self, index: usize) -> &[u64] {
        &self.0[index]
    }

    /// The same, to be written.
    ///
    /// # Panics
    /// If the scheme has no such component.
    pub fn component_mut(&mut self, index: usize) -> &mut [u64] {
        &mut self.0[index]
    }
}

/// One component of a share.
pub(crate) enum Component {
    Own(Buffer),
    /// Memory with other readers: a frame that went out or came in (what a product sends is one of
    /// its components, and what it receives another one), or a column of which tiles are read.
    Frame(Bytes),
}

impl Component {
    /// A frame as it lies there, or copied if it cannot be seen as words.
    pub(crate) fn frame(frame: Bytes) -> Self {
        if cfg!(target_endian = "little") && <[u64]>::ref_from_bytes(&frame).is_ok() {
            return Self::Frame(frame);
        }
        let mut copy = Arena::default().take(frame.len());
        crate::words::get(&frame, &mut copy);
        Self::Own(copy)
    }

    /// Makes its memory one that others may read as well, without a copy.
    pub(crate) fn share(&mut self) {
        if let Self::Own(buffer) = self {
            let buffer = std::mem::replace(buffer, Arena::default().take(0));
            *self = Self::Frame(buffer.freeze());
        }
    }

    /// Some of its words, which stay where they are if it is shared and are copied if not.
    pub(crate) fn part(&self, words: Range<usize>) -> Self {
        match self {
            Self::Frame(frame) => Self::Frame(frame.slice(8 * words.start..8 * words.end)),
            Self::Own(buffer) => {
                let mut copy = Arena::default().take(8 * words.len());
                copy.copy_from_slice(&buffer[words]);
                Self::Own(copy)
            }
        }
    }

    /// Whether others may read the same memory.
    pub(crate) fn is_frame(&self) -> bool {
        matches!(self, Self::Frame(_))
    }
}

impl Deref for Component {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        match self {
            Self::Own(buffer) => buffer,
            Self::Frame(frame) => <[u64]>::ref_from_bytes(frame).unwrap_or_default(),
        }
    }
}

impl DerefMut for Component {
    /// A frame has other readers: it is copied before it is written.
    fn deref_mut(&mut self) -> &mut [u64] {
        if let Self::Frame(_) = self {
            let mut copy = Arena::default().take(8 * self.len());
            copy.copy_from_slice(self);
            *self = Self::Own(copy);
        }
        match self {
            Self::Own(buffer) => buffer,
            Self::Frame(_) => &mut [],
        }
    }
}

impl AsMut<[u64]> for Component {
    fn as_mut(&mut self) -> &mut [u64] {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_seen_as_words_wherever_it_lies_and_copied_when_written() {
        for shift in [0, 1] {
            let mut wide = Arena::default().take(32);
            wide.bytes_mut()[shift..shift + 16]
                .copy_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0].repeat(2));
            let frame = wide.freeze().slice(shift..shift + 16);
            let mut component = Component::frame(frame.clone());
            assert_eq!(component[..], [1, 1]);
            component[0] = 5;
            assert_eq!(component[..], [5, 1]);
            assert_eq!(frame[0], 1);
        }
    }

    #[test]
    fn a_part_of_a_shared_column_lies_where_the_column_lies() {
        let mut buffer = Arena::default().take(8 * 4);
        buffer.copy_from_slice(&[1, 2, 3, 4]);
        let place = buffer.as_ptr();
        let mut column = Component::Own(buffer);
        assert_eq!(column.part(1..3)[..], [2, 3]);
        assert_ne!(column.part(0..4).as_ptr(), place);
        column.share();
        let mut part = column.part(1..3);
        assert_eq!((part.as_ptr(), &part[..]), (place.wrapping_add(1), &[2, 3][..]));
        part[0] = 9;
        assert_eq!((column[1], part[0]), (2, 9));
        assert_eq!(column.part(2..2).len(), 0);
    }
}
