//! The frames of one round, cut into sections that jobs write and read in circuit order.

use std::cell::Cell;

use bytes::Bytes;

use crate::{Error, Result};

/// The frames that leave in a round. Their lengths come from the price list and are fixed before
/// any job writes.
pub struct Outbox {
    frames: Vec<(usize, Vec<u8>, usize)>,
}

impl Outbox {
    /// Empty frames: receiver and a buffer of the exact length.
    pub(crate) fn new(frames: impl IntoIterator<Item = (usize, Vec<u8>)>) -> Self {
        Self { frames: frames.into_iter().map(|(to, frame)| (to, frame, 0)).collect() }
    }

    fn cut(&mut self, at: usize, bytes: usize) -> Result<&mut [u8]> {
        let (to, frame, used) = &mut self.frames[at];
        let end = *used + bytes;
        let start = std::mem::replace(used, end);
        frame.get_mut(start..end).ok_or_else(|| over(*to))
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
        let (_, mut frame, used) = std::mem::take(&mut self.frames[first]);
        for &peer in rest {
            self.section(peer, bytes)?.copy_from_slice(&frame[used - bytes..used]);
        }
        std::mem::swap(&mut self.frames[first].1, &mut frame);
        self.frames[first].0 = peers[0];
        self.frames[first].2 = used;
        Ok(())
    }

    /// The frames, all of them full.
    pub(crate) fn seal(self) -> Result<Vec<(usize, Bytes)>> {
        self.frames
            .into_iter()
            .map(|(to, frame, used)| {
                if used == frame.len() {
                    Ok((to, Bytes::from(frame)))
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
}

impl Inbox {
    pub(crate) fn new(frames: impl IntoIterator<Item = (usize, Bytes)>) -> Self {
        Self { frames: frames.into_iter().map(|(from, f)| (from, f, Cell::new(0))).collect() }
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

    /// The next `bytes` bytes from `from`, to keep.
    pub(crate) fn keep(&self, from: usize, bytes: usize) -> Result<Bytes> {
        let section = self.section(from, bytes)?;
        let frame = self.frames.iter().find(|f| f.0 == from);
        Ok(frame.map_or_else(Bytes::new, |f| f.1.slice_ref(section)))
    }

    /// Gives the frames back.
    pub(crate) fn into_frames(self) -> impl Iterator<Item = Bytes> {
        self.frames.into_iter().map(|f| f.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_sends_other_than_priced_is_stopped() {
        let mut out = Outbox::new([(1, vec![0; 4])]);
        assert!(out.section(2, 1).is_err());
        out.section(1, 3).unwrap().fill(7);
        assert!(Outbox::new([(1, vec![0; 4])]).seal().is_err());
        assert!(out.section(1, 2).is_err());
    }

    #[test]
    fn what_is_sent_to_all_is_the_same() {
        let mut out = Outbox::new([(3, vec![0; 2]), (1, vec![0; 3])]);
        out.section(1, 1).unwrap()[0] = 9;
        out.to_all(&[1, 3], 2, |bytes| bytes.copy_from_slice(&[5, 6])).unwrap();
        let frames = out.seal().unwrap();
        assert_eq!(frames[0], (3, Bytes::from_static(&[5, 6])));
        assert_eq!(frames[1], (1, Bytes::from_static(&[9, 5, 6])));
    }
}
