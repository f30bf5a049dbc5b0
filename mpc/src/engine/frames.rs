//! The frames of one round, cut into sections that jobs write and read in circuit order.

use std::cell::Cell;

use bytes::Bytes;
use tacit_net::Buffer;

use crate::{
    Error, Kind, Result, Shape, field,
    linear::{Ring, with_ring},
    words,
};

/// Lengths in bytes of the frames of a round at one party.
#[derive(Default)]
pub struct FrameLengths {
    /// To whom how much.
    pub(crate) sends: Vec<(usize, usize)>,
    /// From whom how much.
    pub(crate) awaits: Vec<(usize, usize)>,
}

impl FrameLengths {
    /// Whether the frames to `to` and from `from` have exactly `bytes` bytes.
    pub fn are(&self, to: usize, from: usize, bytes: usize) -> bool {
        self.sends.contains(&(to, bytes)) && self.awaits.contains(&(from, bytes))
    }
}

/// The frames that leave in a round. Their lengths come from the price list and are fixed before
/// any job writes.
pub struct Outbox {
    frames: Vec<(usize, Buffer, usize)>,
    whole: Vec<usize>,
}

impl Outbox {
    /// Empty frames: receiver and a buffer of the exact length.
    pub(crate) fn new(frames: impl IntoIterator<Item = (usize, Buffer)>) -> Self {
        let frames = frames.into_iter().map(|(to, frame)| (to, frame, 0)).collect();
        Self { frames, whole: Vec::new() }
    }

    fn cut(&mut self, at: usize, bytes: usize) -> Result<&mut [u8]> {
        let (to, frame, used) = &mut self.frames[at];
        let end = *used + bytes;
        let start = std::mem::replace(used, end);
        frame.bytes_mut().get_mut(start..end).ok_or_else(|| over(*to))
    }

    fn find(&self, to: usize) -> Result<usize> {
        self.frames.iter().position(|f| f.0 == to).ok_or_else(|| over(to))
    }

    /// The next `bytes` bytes for `to`.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine sends more than it priced.
    pub fn section(&mut self, to: usize, bytes: usize) -> Result<&mut [u8]> {
        if bytes == 0 {
            return Ok(&mut []);
        }
        let at = self.find(to)?;
        self.cut(at, bytes)
    }

    /// A column for `to`: the next [`Shape::bytes`] bytes.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine sends more than it priced.
    pub fn column(&mut self, to: usize, shape: Shape, column: &[u64]) -> Result<()> {
        words::put(column, self.section(to, shape.bytes())?);
        Ok(())
    }

    /// The whole frame for `to`, as words. Only on machines whose order of bytes is that of the
    /// wire.
    ///
    /// # Errors
    /// [`Error::Engine`] if there is no such frame or something was written to it.
    pub fn whole(&mut self, to: usize) -> Result<&mut [u64]> {
        let at = self.find(to)?;
        let (to, frame, used) = &mut self.frames[at];
        if *used != 0 {
            return Err(over(*to));
        }
        *used = frame.bytes().len();
        self.whole.push(*to);
        Ok(frame)
    }

    /// The next `bytes` bytes for every one of `peers`, written once.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine sends more than it priced.
    pub fn to_all(
        &mut self,
        peers: &[usize],
        bytes: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<()> {
        let Some((&first, rest)) = peers.split_first() else {
            return Ok(());
        };
        if bytes == 0 {
            return Ok(());
        }
        let first = self.find(first)?;
        write(self.cut(first, bytes)?);
        let end = self.frames[first].2;
        for &peer in rest {
            let at = self.find(peer)?;
            self.cut(at, bytes)?;
            let [from, to] = self.frames.get_disjoint_mut([first, at]).map_err(|_| over(peer))?;
            let to_bytes = &mut to.1.bytes_mut()[to.2 - bytes..to.2];
            to_bytes.copy_from_slice(&from.1.bytes()[end - bytes..end]);
        }
        Ok(())
    }

    /// Receivers of frames that a job took whole.
    pub(crate) fn taken_whole(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.whole)
    }

    /// The frames, all of them full.
    pub(crate) fn seal(self) -> Result<Vec<(usize, Bytes)>> {
        self.frames
            .into_iter()
            .map(|(to, frame, used)| {
                if used == frame.bytes().len() {
                    Ok((to, frame.freeze()))
                } else {
                    Err(Error::Engine(format!("less is sent to party {to} than was priced")))
                }
            })
            .collect()
    }
}

fn over(to: usize) -> Error {
    Error::Engine(format!("more is sent to party {to} than was priced"))
}

/// The frames that came in a round.
#[derive(Default)]
pub struct Inbox {
    frames: Vec<(usize, Bytes, Cell<usize>)>,
    sent: Vec<(usize, Bytes)>,
}

impl Inbox {
    /// Frames that came, and those of the frames that left which a job keeps.
    pub(crate) fn new(
        frames: impl IntoIterator<Item = (usize, Bytes)>,
        sent: Vec<(usize, Bytes)>,
    ) -> Self {
        let frames = frames.into_iter().map(|(from, f)| (from, f, Cell::new(0))).collect();
        Self { frames, sent }
    }

    /// The frame that left for `to`, if it was taken whole.
    pub(crate) fn sent(&self, to: usize) -> Result<Bytes> {
        let frame = self.sent.iter().find(|f| f.0 == to);
        frame.map(|f| f.1.clone()).ok_or_else(|| over(to))
    }

    /// The next `bytes` bytes from `from`.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine awaits more than it priced.
    pub fn section(&self, from: usize, bytes: usize) -> Result<&[u8]> {
        if bytes == 0 {
            return Ok(&[]);
        }
        let missing =
            || Error::Engine(format!("more is awaited from party {from} than was priced"));
        let (_, frame, used) = self.frames.iter().find(|f| f.0 == from).ok_or_else(missing)?;
        let start = used.replace(used.get() + bytes);
        frame.get(start..start + bytes).ok_or_else(missing)
    }

    /// A column from `from`, the next [`Shape::bytes`] bytes, over `column`.
    ///
    /// # Errors
    /// As [`Inbox::add`].
    pub fn column(&self, from: usize, shape: Shape, column: &mut [u64]) -> Result<()> {
        words::get(self.checked(from, shape)?, column);
        words::clean(shape, column);
        Ok(())
    }

    /// A column from `from`, the next [`Shape::bytes`] bytes, added to `column` in the ring of its
    /// kind.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine awaits more than it priced; [`Error::Abort`] if an element
    /// of the field is not canonical: nobody who follows the protocol sends that.
    pub fn add(&self, from: usize, shape: Shape, column: &mut [u64]) -> Result<()> {
        let bytes = self.checked(from, shape)?;
        with_ring!(shape.kind, R => words::get_with(bytes, column, R::add));
        words::clean(shape, column);
        Ok(())
    }

    fn checked(&self, from: usize, shape: Shape) -> Result<&[u8]> {
        let bytes = self.section(from, shape.bytes())?;
        if shape.kind == Kind::Field {
            let (words, _) = bytes.as_chunks::<8>();
            let above = |word: &[u8; 8]| u64::from(u64::from_le_bytes(*word) >= field::MODULUS);
            if words.iter().fold(0, |any, word| any | above(word)) != 0 {
                let what = "an element of the field that is not below 2^61 - 1".into();
                return Err(Error::Abort { culprit: Some(from), what });
            }
        }
        Ok(bytes)
    }

    /// The next `bytes` bytes from `from`, to keep.
    pub(crate) fn keep(&self, from: usize, bytes: usize) -> Result<Bytes> {
        let section = self.section(from, bytes)?;
        let frame = self.frames.iter().find(|f| f.0 == from);
        Ok(frame.map_or_else(Bytes::new, |f| f.1.slice_ref(section)))
    }
}

#[cfg(test)]
mod tests {
    use tacit_net::Arena;

    use super::*;

    fn buffer(bytes: usize) -> Buffer {
        Arena::default().take(bytes)
    }

    #[test]
    fn an_engine_that_sends_other_than_priced_is_stopped() {
        let mut out = Outbox::new([(1, buffer(4))]);
        assert!(out.section(2, 1).is_err());
        out.section(1, 3).unwrap().fill(7);
        assert!(Outbox::new([(1, buffer(4))]).seal().is_err());
        assert!(out.section(1, 2).is_err());
    }

    #[test]
    fn an_element_that_is_not_canonical_names_its_sender() {
        let shape = |kind| Shape { kind, rows: 2 };
        for (word, fits) in [(field::MODULUS - 1, true), (field::MODULUS, false), (u64::MAX, false)]
        {
            let frame: Vec<u8> =
                [7, word].iter().flat_map(|word: &u64| word.to_le_bytes()).collect();
            let inbox = || Inbox::new([(3, Bytes::from(frame.clone()))], vec![]);
            let mut column = [1, 1];
            inbox().column(3, shape(Kind::Num), &mut column).unwrap();
            assert_eq!(column, [7, word]);
            let mut column = [1, 1];
            match (inbox().add(3, shape(Kind::Field), &mut column), fits) {
                (Ok(()), true) => assert_eq!(column, [8, 0]),
                (Err(Error::Abort { culprit: Some(3), .. }), false) => {}
                (other, _) => panic!("{word}: {other:?}"),
            }
            assert_eq!(inbox().column(3, shape(Kind::Field), &mut column).is_ok(), fits);
        }
    }

    #[test]
    fn what_is_sent_to_all_is_the_same() {
        let mut out = Outbox::new([(3, buffer(2)), (1, buffer(3))]);
        out.section(1, 1).unwrap()[0] = 9;
        out.to_all(&[1, 3], 2, |bytes| bytes.copy_from_slice(&[5, 6])).unwrap();
        let frames = out.seal().unwrap();
        assert_eq!(frames[0], (3, Bytes::from_static(&[5, 6])));
        assert_eq!(frames[1], (1, Bytes::from_static(&[9, 5, 6])));
    }
}
