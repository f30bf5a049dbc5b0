//! The dialing side: one connection per peer, dialed when first needed, with visible back-off.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::carrier::{Connection, Port};
use super::endpoint::{Peer, Shared};
use super::pipe::End;
use super::rendezvous::Arrival;
use super::wire::{BUSY, Header};
use crate::{Fault, quic, tcp};

/// Wait after the first failed attempt; it doubles up to [`BACKOFF_LIMIT`].
const BACKOFF: Duration = Duration::from_millis(100);

/// Longest wait between two attempts.
const BACKOFF_LIMIT: Duration = Duration::from_secs(2);

/// The connection to one peer, and why it could not be had last time.
#[derive(Default)]
pub(crate) struct Slot {
    connection: tokio::sync::Mutex<Option<Connection>>,
    fault: Mutex<Option<Fault>>,
}

impl Slot {
    fn note(&self, fault: &Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault.clone());
    }

    fn fault(&self) -> Fault {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.clone().unwrap_or(Fault::Silent)
    }
}

/// Trying again will not help.
pub(crate) fn is_final(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::RefusedOurKey | Fault::WrongKey | Fault::OtherProtocol | Fault::NoAddress
    )
}

/// The connection to a peer: the one that exists, or a new one, tried until `until`.
pub(crate) async fn connect(
    shared: &Arc<Shared>,
    peer: &Peer,
    until: Instant,
) -> Result<Connection, Fault> {
    let slot = shared.slot(peer)?;
    let Ok(mut current) = timeout_at(until, slot.connection.lock()).await else {
        return Err(slot.fault());
    };
    if let Some(connection) = current.as_ref().filter(|connection| connection.live()) {
        return Ok(connection.clone());
    }
    *current = None;
    let mut pause = BACKOFF;
    let mut told = false;
    loop {
        let fault = match dial(shared, peer, until).await {
            Ok(connection) => {
                *current = Some(connection.clone());
                return Ok(connection);
            }
            Err(fault) => fault,
        };
        slot.note(&fault);
        let next = Instant::now() + pause;
        if is_final(&fault) || next >= until {
            return Err(fault);
        }
        if std::mem::replace(&mut told, true) {
            tracing::debug!(peer = %peer.name, %fault, "cannot connect, next attempt in {pause:?}");
        } else {
            tracing::warn!(peer = %peer.name, %fault, "cannot connect, trying on");
        }
        sleep_until(next).await;
        pause = (pause * 2).min(BACKOFF_LIMIT);
    }
}

/// As [`connect`], with one attempt.
pub(crate) async fn once(
    shared: &Arc<Shared>,
    peer: &Peer,
    until: Instant,
) -> Result<Connection, Fault> {
    let slot = shared.slot(peer)?;
    let Ok(mut current) = timeout_at(until, slot.connection.lock()).await else {
        return Err(slot.fault());
    };
    if let Some(connection) = current.as_ref().filter(|connection| connection.live()) {
        return Ok(connection.clone());
    }
    let connection = dial(shared, peer, until).await.inspect_err(|fault| slot.note(fault))?;
    *current = Some(connection.clone());
    Ok(connection)
}

/// One attempt, until `until` at most.
async fn dial(shared: &Arc<Shared>, peer: &Peer, until: Instant) -> Result<Connection, Fault> {
    match &shared.port {
        Port::Quic(quinn) => {
            let dialed = timeout_at(until, quic::connect::dial(shared, quinn, peer)).await;
            dialed.unwrap_or(Err(Fault::Silent))
        }
        Port::Tcp(port) => tcp::connect::dial(shared, port, peer, until).await,
    }
}

/// Opens a stream to a peer and waits until the peer has a place for it.
///
/// If the connection turns out to be a dead one, a new one is made.
pub(crate) async fn open(
    shared: &Arc<Shared>,
    peer: &Peer,
    header: Header,
    until: Instant,
) -> Result<Arrival, Fault> {
    loop {
        let connection = connect(shared, peer, until).await?;
        let Ok(result) = timeout_at(until, open_on(shared, &connection, peer, header)).await else {
            return Err(Fault::Silent);
        };
        match result {
            Ok(arrival) => return Ok(arrival),
            Err(End::Lost(loss)) => {
                let cause = loss.cause(shared.options.idle);
                tracing::debug!(peer = %peer.name, cause, "the connection was dead, dialing again");
            }
            Err(End::Reset(code)) if code == u64::from(BUSY) => return Err(Fault::Busy),
            Err(End::Reset(_) | End::Finished) => return Err(Fault::OtherProtocol),
        }
    }
}

async fn open_on(
    shared: &Arc<Shared>,
    connection: &Connection,
    peer: &Peer,
    header: Header,
) -> Result<Arrival, End> {
    match connection {
        Connection::Quic(connection) => quic::connect::open_on(connection, header).await,
        Connection::Tcp(control) => tcp::connect::open_on(shared, control, peer, header).await,
    }
}
