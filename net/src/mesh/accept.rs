//! The accepting side: sorts the streams that peers open, and the notices that they send.

use std::sync::Weak;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::carrier::{Connection, Exporter, Sink};
use super::conversation::{Conversation, Incoming};
use super::endpoint::Shared;
use super::key::PublicKey;
use super::pipe::{Inlet, Outlet};
use super::rendezvous::{Arrival, Taken, place};
use super::wire::{BUSY, HEADER, Header, MALFORMED, Notice, Purpose};
use crate::link::clip;
use crate::mailbox::Packet;

/// How long a handshake, or the header of a stream, may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// A stream that a peer opened.
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    pub(crate) key: PublicKey,
    pub(crate) send: Sink,
    pub(crate) receive: Inlet,
    pub(crate) exporter: Exporter,
    /// Number of the stream on its connection.
    pub(crate) stream: u64,
}

/// Reads what a stream is for, and brings it there.
pub(crate) async fn sort(weak: Weak<Shared>, opened: Opened) {
    let Opened { connection, key, mut send, mut receive, exporter, stream } = opened;
    let header = timeout(PATIENCE, receive.array::<HEADER>()).await;
    let header = match header {
        Ok(Ok(bytes)) => Header::decode(&bytes),
        _ => None,
    };
    let Some(shared) = weak.upgrade() else { return };
    let Some(header) = header else {
        tracing::warn!(peer = %key, "a stream with a senseless header was dropped");
        send.refuse(MALFORMED);
        return;
    };
    match header.purpose {
        Purpose::Session => {
            let place = place(key, &header);
            if !shared.rendezvous.has_room(&place) {
                send.refuse(BUSY);
                return;
            }
            send.accept().await;
            let id = connection.id();
            let arrival = Arrival { send, receive, connection, exporter, stream };
            if let Some(Taken::Parked) = shared.rendezvous.arrive(place, arrival) {
                let patience = shared.rendezvous.patience;
                drop(shared);
                sleep(patience).await;
                if let Some(shared) = weak.upgrade() {
                    shared.rendezvous.expire(&place, id, stream);
                }
            }
        }
        Purpose::Conversation => {
            send.accept().await;
            let name = shared.name_of(&key);
            let outlet = Outlet::new(send, shared.flushing.clone());
            let conversation = Conversation::new(&shared, name.clone(), outlet, receive);
            shared.deliver(Incoming { from: key, name, conversation });
        }
        Purpose::Abort | Purpose::Welcome | Purpose::Attach => {
            send.refuse(MALFORMED);
        }
    }
}

/// Passes an abort notice on to the link that it is meant for; `None` if it makes no sense.
pub(crate) fn notice(shared: &Weak<Shared>, bytes: &[u8], key: PublicKey) -> Option<()> {
    let (head, body) = bytes.split_first_chunk::<HEADER>()?;
    let header = Header::decode(head).filter(|header| header.purpose == Purpose::Abort)?;
    let Notice { culprit, reason } = postcard::from_bytes(body).ok()?;
    let culprit = culprit.and_then(|culprit| usize::try_from(culprit).ok());
    let packet = Packet::Abort { culprit, reason: clip(&reason) };
    shared.upgrade()?.rendezvous.notify(place(key, &header), packet);
    Some(())
}
