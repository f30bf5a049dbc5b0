//! A mesh over the network: one port per party, one connection per pair, any number of sessions.
//!
//! [`Transport`] says what carries it: QUIC ([`crate::quic`]) or TLS over TCP ([`crate::tcp`]). Keys,
//! sessions, frames, checks and errors are the same.
//!
//! # The idea
//! Every party has an [`Endpoint`]. It knows its own Ed25519 key and the set of keys that may
//! connect ([`Endpoint::allow`]); TLS 1.3 proves possession of a pinned key on both sides, so there
//! are no certificates to expire and no names to match. Connections are dialed when first needed
//! and shared from then on.
//!
//! A **session** is a full mesh among some parties: [`Endpoint::link`] gives a
//! [`MeshLink`], which has one stream per peer. Of two listening parties the one with the smaller
//! public key dials and opens the stream; a party without a listening address always dials. Only
//! the side that dialed opens streams on a connection, so several processes may share one key (an
//! analyst's queries, a diagnosis beside a running service) without their sessions being mixed up.
//!
//! A **conversation** ([`Endpoint::request`], [`Endpoint::incoming`]) carries messages outside any
//! session: questions, answers, status.
//!
//! # Blocking
//! The party's thread blocks. While it waits for the frames of a small round it does the endpoint's
//! I/O itself, for all sessions, which spares a hand-over to another thread and back; an I/O thread
//! does it whenever no party has for a millisecond or two, and keeps the connections alive while
//! the party computes. Large rounds are left to the I/O thread ([`Options::threads`] may ask for
//! several, which then do all of it). A frame that fits the window is handed to the transport by the
//! party's thread itself. Incoming frames meet in one mailbox per link: an abort by one peer ends the wait
//! for another, and the party is woken once per round.
//!
//! # Security
//! - Frames are checked against the exact length due before memory is taken. What a peer can make
//!   this side hold without being asked is bounded: small frames up to four per stream, otherwise
//!   the transport's receive windows, and tables of fixed size.
//! - Key exchange is X25519MLKEM768 only. No resumption, no early data.
//! - Seeds ([`crate::Link::seed`]) come from the TLS exporter and are bound to session, epoch and
//!   stream: no two links get the same one.

pub(crate) mod accept;
pub(crate) mod carrier;
pub(crate) mod connect;
mod conversation;
mod drive;
pub(crate) mod endpoint;
pub(crate) mod key;
mod link;
pub(crate) mod pipe;
pub(crate) mod rendezvous;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod tls;
pub(crate) mod wire;

pub use conversation::{Conversation, Incoming, MESSAGE};
pub use endpoint::{Endpoint, Options, Peer, Transport};
pub use key::{PublicKey, SecretKey};
pub use link::{HELLO, LinkOptions, MeshLink};
