//! Links between the parties of a session: in memory, simulated, and over the network.
//!
//! A protocol is written as rounds. In one round a party posts at most one frame to each other
//! party and then waits for the frames that are due to it. That is all of [`Link`], and everything
//! here is either a link or a wrapper around one:
//!
//! | type | what it is for |
//! | --- | --- |
//! | [`Memory`] | a full mesh of channels in one process, one thread per party |
//! | [`Simulated`] | the same mesh on a virtual clock: what the run would take on a LAN or a WAN |
//! | [`Counted`] | the only place that counts rounds and bytes |
//! | [`Tampered`], [`Cut`] | a party that lies or leaves, for tests |
//! | [`mesh`] | the real thing: mutual TLS 1.3 with pinned keys, over QUIC or TCP |
//!
//! Every link obeys the same rules. A frame has the exact length that the receiver expects or it
//! is refused before memory is taken. A peer that leaves or stalls is named, and whoever notices
//! first tells all others ([`Error::Aborted`] carries that first culprit), so that everybody names
//! the same party.

mod arena;
mod counted;
mod error;
mod link;
mod mailbox;
pub mod memory;
pub mod mesh;
pub mod quic;
pub mod simulated;
mod tampered;
pub mod tcp;

pub use arena::{Arena, Buffer};
pub use counted::{Counted, Ledger, Traffic};
pub use error::{Error, Fault, Result};
pub use link::{Frames, Link, Round, Seed};
pub use memory::Memory;
pub use simulated::{Profile, Simulated};
pub use tampered::{Cut, Hook, Tampered};
