//! What a link has received and its party has not asked for yet.
//!
//! One inbox for all peers, rather than one channel per pair, lets a party that waits for one peer
//! see at once that another one aborts.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// What comes into an inbox, beside the session index of its sender.
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

/// Where a sender puts its packets.
pub(crate) type Inbox<T> = Sender<(usize, Packet<T>)>;

/// The receiving half, sorted by sender.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    inbox: Receiver<(usize, Packet<T>)>,
    waiting: Vec<VecDeque<T>>,
    gone: Vec<Option<String>>,
}

impl<T> Mailbox<T> {
    pub(crate) fn new(parties: usize) -> (Inbox<T>, Self) {
        let (sender, inbox) = channel();
        let waiting = (0..parties).map(|_| VecDeque::new()).collect();
        (sender, Self { inbox, waiting, gone: vec![None; parties] })
    }

    /// The next frame of `from`, awaited until `end`, which is `limit` after the wait began.
    ///
    /// An abort by anybody ends the wait; that another peer is gone does not.
    pub(crate) fn take(&mut self, from: usize, end: Instant, limit: Duration) -> Result<T> {
        loop {
            if let Some(frame) = self.waiting[from].pop_front() {
                return Ok(frame);
            }
            if let Some(cause) = &self.gone[from] {
                return Err(Error::Lost { peer: from, cause: cause.clone() });
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.inbox.recv_timeout(left) {
                Ok((sender, packet)) => self.sort(sender, packet)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(Error::Deadline { peer: from, seconds: limit.as_secs() });
                }
            }
        }
    }

    /// The error that ends the session, if one has come in already.
    pub(crate) fn verdict(&mut self) -> Result<()> {
        while let Ok((sender, packet)) = self.inbox.try_recv() {
            self.sort(sender, packet)?;
        }
        Ok(())
    }

    fn sort(&mut self, from: usize, packet: Packet<T>) -> Result<()> {
        match packet {
            Packet::Data(frame) => self.waiting[from].push_back(frame),
            Packet::Gone(cause) => self.gone[from] = Some(cause),
            Packet::Abort { culprit, reason } => {
                return Err(Error::Aborted { by: from, culprit, reason });
            }
            Packet::Bad { expected, got } => {
                return Err(Error::Frame { peer: from, expected, got });
            }
        }
        Ok(())
    }
}
