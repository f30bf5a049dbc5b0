//! A mesh over QUIC: one UDP port per party, one connection per pair, any number of sessions on it.
//!
//! # The idea
//! Every party has an [`Endpoint`]. It knows its own Ed25519 key and the set of keys that may
//! connect ([`Endpoint::allow`]); TLS 1.3 proves possession of a pinned key on both sides, so there
//! are no certificates to expire and no names to match. Connections are dialed when first needed
//! and shared from then on.
//!
//! A **session** is a full mesh among some parties: [`Endpoint::link`] gives a
//! [`QuicLink`], which has one stream per peer. Of two listening parties the one with the smaller
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
//! several, which then do all of it). A frame that fits the window is handed to quinn by the party's
//! thread itself. Incoming frames meet in one mailbox per link: an abort by one peer ends the wait
//! for another, and the party is woken once per round.
//!
//! # Security
//! - Frames are checked against the exact length due before memory is taken. What a peer can make
//!   this side hold without being asked is bounded: small frames up to four per stream, otherwise
//!   quinn's receive windows (4 MiB per stream, 64 MiB per connection), and tables of fixed size.
//! - Key exchange is X25519MLKEM768 only. No resumption, no early data.
//! - Seeds ([`crate::Link::seed`]) come from the TLS exporter and are bound to session, epoch and
//!   stream: no two links get the same one.

mod accept;
pub mod bare;
mod connect;
mod conversation;
mod drive;
mod endpoint;
mod key;
mod link;
mod rendezvous;
#[cfg(test)]
mod tests;
mod tls;
mod transport;
mod wire;

pub use conversation::{Conversation, Incoming, MESSAGE};
pub use endpoint::{Endpoint, Options, Peer};
pub use key::{PublicKey, SecretKey};
pub use link::{HELLO, LinkOptions, QuicLink};
pub use transport::Buffers;
