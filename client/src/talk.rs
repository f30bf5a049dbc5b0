//! [`Talk`]: the conversations with all parties of a query at once.
//!
//! Every party is asked on a thread of its own, and one thread each reads its replies into one
//! queue, so that whatever happens first anywhere is seen first.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use tacit_governance::{
    SessionParties, SessionParty,
    session::{self, Mismatch, Reply, Request},
};
use tacit_net::mesh::{Conversation, Endpoint, Peer, PublicKey};

use crate::{Error, Result, reach::other_transport};

/// How long a reading thread waits before it looks whether it is still needed.
const TICK: Duration = Duration::from_millis(200);

/// What comes from a party.
#[derive(Debug)]
pub(crate) enum Event {
    /// It was reached.
    Reached,
    /// It said something.
    Said(Box<Reply>),
    /// It speaks another version of the protocol, or over another transport.
    Differs(Mismatch),
    /// This side's own end of the computation is done.
    Ran,
    /// It cannot be reached, left, or said something senseless.
    Lost(String),
}

/// The conversations with all parties of a query.
pub(crate) struct Talk {
    conversations: Arc<Mutex<Vec<Option<Arc<Conversation>>>>>,
    events: Receiver<(usize, Event)>,
    /// So that a wait without anybody left takes its time.
    sender: Sender<(usize, Event)>,
    /// Session indices of the parties that are talked to: all but the analyst.
    pub parties: Vec<usize>,
}

impl Talk {
    /// Begins a conversation with every party of `session` but the analyst.
    pub fn begin(endpoint: &Endpoint, session: &SessionParties, request: &Request) -> Result<Self> {
        let message = session::encode(request)?;
        let conversations = Arc::new(Mutex::new(vec![None; session.parties.len()]));
        let (sender, events) = channel();
        let parties: Vec<usize> =
            (0..session.parties.len()).filter(|&index| index != session.analyst).collect();
        for &index in &parties {
            let (endpoint, peer) = (endpoint.clone(), peer(&session.parties[index]));
            let (message, sender) = (message.clone(), sender.clone());
            let conversations = Arc::downgrade(&conversations);
            std::thread::spawn(move || {
                let conversation = match endpoint.request(&peer, message) {
                    Ok(conversation) => Arc::new(conversation),
                    Err(error) => {
                        let differs = other_transport(&endpoint, &peer, &error);
                        let lost = || Event::Lost(cause(&error));
                        let _ = sender.send((index, differs.map_or_else(lost, Event::Differs)));
                        return;
                    }
                };
                // If nobody waits any more, the conversation ends here.
                let Some(open) = conversations.upgrade() else { return };
                open.lock().unwrap_or_else(PoisonError::into_inner)[index] =
                    Some(conversation.clone());
                drop(open);
                if sender.send((index, Event::Reached)).is_ok() {
                    let wanted = || conversations.strong_count() > 0;
                    read(index, &conversation, &sender, &wanted);
                }
            });
        }
        Ok(Self { conversations, events, sender, parties })
    }

    /// The next event; `None` if there is none within `timeout`.
    pub fn next(&self, timeout: Duration) -> Option<(usize, Event)> {
        self.events.recv_timeout(timeout).ok()
    }

    /// Where an event can be put in.
    pub fn sender(&self) -> Sender<(usize, Event)> {
        self.sender.clone()
    }

    /// Says something to one party; that it is gone shows in the events.
    pub fn tell(&self, index: usize, request: &Request) {
        let conversation = {
            let open = self.conversations.lock().unwrap_or_else(PoisonError::into_inner);
            open.get(index).cloned().flatten()
        };
        if let (Some(conversation), Ok(message)) = (conversation, session::encode(request)) {
            let _ = conversation.send(message);
        }
    }

    /// Says something to all.
    pub fn tell_all(&self, request: &Request) {
        self.parties.iter().for_each(|&index| self.tell(index, request));
    }
}

fn read(
    index: usize,
    conversation: &Conversation,
    events: &Sender<(usize, Event)>,
    wanted: &dyn Fn() -> bool,
) {
    while wanted() {
        let event = match conversation.receive(TICK) {
            Ok(None) => continue,
            Ok(Some(bytes)) => match session::decode(&bytes) {
                Ok(reply) => Event::Said(Box::new(reply)),
                Err(tacit_governance::Error::ConfigMismatch(mismatch)) => Event::Differs(mismatch),
                Err(error) => Event::Lost(format!("sent what makes no sense ({error})")),
            },
            Err(error) => Event::Lost(cause(&error)),
        };
        let last = matches!(event, Event::Lost(_));
        if events.send((index, event)).is_err() || last {
            return;
        }
    }
}

/// What happened to a party, to be read after its name.
pub(crate) fn cause(error: &tacit_net::Error) -> String {
    use tacit_net::Error as Net;
    match error {
        Net::Unreachable { address, fault, .. } => {
            format!("cannot be reached at {address}: {fault}")
        }
        Net::Ended { cause, .. } | Net::Lost { cause, .. } => format!("is gone: {cause}"),
        Net::Deadline { seconds, .. } => format!("did not answer within {seconds} s"),
        Net::Frame { expected, got, .. } => format!("sent {got}, expected {expected}"),
        other => format!("was lost: {other}"),
    }
}

/// A session's party as the transport knows it.
pub(crate) fn peer(party: &SessionParty) -> Peer {
    Peer {
        name: party.name.clone(),
        key: PublicKey(*party.key.as_bytes()),
        address: party.address.clone(),
    }
}

/// A mismatch that `party` noticed with `other`, or with this side.
pub(crate) fn mismatch(party: &str, other: &str, mismatch: Mismatch) -> Error {
    Error::ConfigMismatch {
        party: party.to_owned(),
        other: other.to_owned(),
        what: mismatch.what,
        theirs: mismatch.ours,
        ours: mismatch.theirs,
    }
}
