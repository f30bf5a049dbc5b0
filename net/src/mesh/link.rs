//! [`MeshLink`]: one party's end of a session over a mesh.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{sleep, timeout, timeout_at};

use super::carrier::{Connection, Exporter};
use super::connect;
use super::endpoint::{Endpoint, Peer, Shared, unreachable};
use super::pipe::{End, FlushGuard, Inlet, Outlet};
use super::rendezvous::{Arrival, Item, Place, place};
use super::wire::{FRAME, FrameHead, Header, Kind, Notice, Purpose};
use crate::link::{check_round, clip};
use crate::mailbox::{Inbox, Mailbox, Packet};
use crate::{Arena, Error, Fault, Frames, Link, Result, Round, Seed};

/// Longest message of [`MeshLink::hello`], in bytes.
pub const HELLO: usize = 64 << 10;

/// How often a link that is being set up looks whether a peer has ended the session meanwhile.
const TICK: Duration = Duration::from_millis(50);

/// Frames up to this length are read before they are asked for, which saves a wake-up each.
const EARLY: usize = 64 << 10;

/// So many small frames may lie here before they are asked for.
const AHEAD: u32 = 4;

/// Rounds of up to this many bytes are driven by the party that waits for them. More than that
/// is sent in several goes while the party does something else, and the hand-over is lost in it.
const DRIVEN: usize = 256 << 10;

/// How long an abort notice is given to arrive.
const TELL: Duration = Duration::from_secs(2);

/// How long after a peer gave its stream up the reason may come.
const REASON_DELAY: Duration = Duration::from_millis(100);

/// What makes up a party's end of a session.
#[derive(Clone, Debug)]
pub struct LinkOptions {
    /// Id of the session, the same at all parties and never used twice.
    pub session: [u8; 32],
    /// Restart epoch, the same at all parties; part of every seed.
    pub epoch: u64,
    /// This party's index in the session.
    pub me: usize,
    /// All parties in session order; `None` for this party and those it never talks to.
    pub peers: Vec<Option<Peer>>,
    /// How long to try to reach the peers.
    pub connect_deadline: Duration,
    /// How long a round may wait for its frames. A peer may be computing all that time; one that
    /// is gone is noticed earlier, by the endpoint's idle time.
    pub round_deadline: Duration,
}

/// A frame that is due from a peer.
#[derive(Clone, Copy, Debug)]
struct Due {
    kind: Kind,
    /// Exact for data, an upper bound for a hello.
    length: usize,
}

impl Due {
    fn fits(self, kind: Kind, length: usize) -> bool {
        let right = match kind {
            Kind::Data => length == self.length,
            Kind::Hello => length <= self.length,
        };
        kind == self.kind && right
    }

    fn describe(kind: Kind, length: usize) -> String {
        match kind {
            Kind::Data => format!("a frame of {length} bytes"),
            Kind::Hello => format!("a hello of {length} bytes"),
        }
    }
}

/// The channel to one peer.
struct Channel {
    outlet: Outlet,
    dues: mpsc::UnboundedSender<Due>,
    sent: u32,
    reader: JoinHandle<()>,
    connection: Connection,
    exporter: Exporter,
    stream: u64,
}

/// One party's end of a session over a mesh. Made by [`Endpoint::link`].
///
/// Dropping it delivers what was posted and then tells every peer that this party has left.
pub struct MeshLink {
    header: Header,
    me: usize,
    deadline: Duration,
    mailbox: Mailbox<Item>,
    channels: Vec<Option<Channel>>,
    places: Vec<Place>,
    closed: bool,
    arena: Arena,
    endpoint: Endpoint,
}

impl MeshLink {
    pub(crate) fn open(endpoint: &Endpoint, options: LinkOptions) -> Result<Self> {
        let LinkOptions { session, epoch, me, peers, connect_deadline, round_deadline } = options;
        if me >= peers.len() || peers[me].is_some() {
            return Err(Error::Setup(format!("party {me} cannot be in a session like this")));
        }
        let mut keys: Vec<_> = peers.iter().flatten().map(|peer| peer.key).collect();
        keys.push(endpoint.key());
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::Setup("two parties of this session have the same key".into()));
        }
        let header = Header { purpose: Purpose::Session, session, epoch };
        let (inbox, mailbox) = Mailbox::new(peers.len());
        let mut link = Self {
            header,
            me,
            deadline: round_deadline,
            mailbox,
            channels: peers.iter().map(|_| None).collect(),
            places: Vec::new(),
            closed: false,
            arena: Arena::default(),
            endpoint: endpoint.clone(),
        };
        let (sender, opened) = channel();
        let until = Instant::now() + connect_deadline;
        for (index, peer) in peers.iter().enumerate() {
            if let Some(peer) = peer {
                link.join(index, peer, &inbox, until, sender.clone())?;
            }
        }
        drop(sender);
        loop {
            let (index, result) = match opened.recv_timeout(TICK) {
                Ok(opened) => opened,
                Err(RecvTimeoutError::Disconnected) => break,
                // Who is told that the session is over need not wait for the rest.
                Err(RecvTimeoutError::Timeout) => match link.mailbox.verdict() {
                    Ok(()) => continue,
                    Err(error) => {
                        let (culprit, reason) = error.verdict();
                        link.abort(culprit, &reason);
                        return Err(error);
                    }
                },
            };
            match result {
                Ok(channel) => link.channels[index] = Some(channel),
                Err(fault) => {
                    let peer = peers[index].as_ref().ok_or(Error::Closed)?;
                    let error = unreachable(Some(index), peer, fault);
                    // If others gave up first, theirs is the cause.
                    let error = link.mailbox.verdict().err().unwrap_or(error);
                    let (culprit, reason) = error.verdict();
                    link.abort(culprit, &reason);
                    return Err(error);
                }
            }
        }
        Ok(link)
    }

    /// Starts setting up the channel to one peer.
    fn join(
        &mut self,
        index: usize,
        peer: &Peer,
        inbox: &Inbox<Item>,
        until: Instant,
        opened: Sender<(usize, Result<Channel, Fault>)>,
    ) -> Result<()> {
        let shared = self.endpoint.shared.clone();
        let dials = match (&peer.address, shared.options.listen) {
            (None, None) => {
                let name = &peer.name;
                return Err(Error::Setup(format!("neither {name} nor this party listens")));
            }
            (None, Some(_)) => false,
            (Some(_), None) => true,
            (Some(_), Some(_)) => shared.key < peer.key,
        };
        let place = place(peer.key, &self.header);
        let Some(arrival) = shared.rendezvous.open(place, index, inbox.clone(), !dials) else {
            return Err(Error::Setup("this session is open already".into()));
        };
        self.places.push(place);
        let (header, peer, inbox) = (self.header, peer.clone(), inbox.clone());
        let arena = self.arena.clone();
        self.endpoint.handle().spawn(async move {
            let arrival = if dials {
                connect::open(&shared, &peer, header, until.into()).await
            } else {
                await_peer(&shared, &peer, arrival, until).await
            };
            let channel =
                arrival.map(|arrival| Channel::new(&shared, index, arrival, inbox, arena));
            let _ = opened.send((index, channel));
        });
        Ok(())
    }

    /// Sends a message to every peer and gives theirs by session index (`None` for this party and
    /// those without a channel): the agreement before the first round. Not part of the payload.
    ///
    /// # Errors
    /// As [`Link::exchange`]; [`Error::Setup`] if the message is longer than [`HELLO`].
    pub fn hello(&mut self, message: &[u8], deadline: Duration) -> Result<Vec<Option<Bytes>>> {
        if self.closed {
            return Err(Error::Closed);
        }
        if message.len() > HELLO {
            let length = message.len();
            return Err(Error::Setup(format!("a hello of {length} bytes exceeds {HELLO}")));
        }
        let peers: Vec<usize> =
            (0..self.channels.len()).filter(|&peer| self.channels[peer].is_some()).collect();
        let message = Bytes::copy_from_slice(message);
        let send = peers.iter().map(|&peer| (peer, message.clone())).collect();
        let due = Due { kind: Kind::Hello, length: HELLO };
        let dues: Vec<(usize, Due)> = peers.iter().map(|&peer| (peer, due)).collect();
        let result = self.play(Kind::Hello, send, &dues, deadline);
        let mut messages = vec![None; self.channels.len()];
        for (peer, message) in peers.into_iter().zip(self.settle(result)?) {
            messages[peer] = Some(message);
        }
        Ok(messages)
    }

    /// Changes how long a round may wait for its frames.
    pub fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = deadline;
    }

    fn channel(&mut self, peer: usize) -> Result<&mut Channel> {
        let channel = self.channels.get_mut(peer).and_then(Option::as_mut);
        channel.ok_or_else(|| Error::Setup(format!("there is no channel to party {peer}")))
    }

    fn post(&mut self, peer: usize, kind: Kind, body: Bytes) -> Result<()> {
        let length = u32::try_from(body.len())
            .map_err(|_| Error::Setup(format!("a frame to party {peer} exceeds 4 GiB")))?;
        let channel = self.channel(peer)?;
        let head = FrameHead { round: channel.sent, kind, length };
        channel.sent = channel.sent.wrapping_add(1);
        channel.outlet.send(head.encode(), body);
        Ok(())
    }

    fn due(&mut self, peer: usize, due: Due) -> Result<()> {
        // If the reader is gone, its last packet says why.
        let _ = self.channel(peer)?.dues.send(due);
        Ok(())
    }

    /// Posts frames and waits for those that are due.
    fn play(
        &mut self,
        kind: Kind,
        send: Vec<(usize, Bytes)>,
        dues: &[(usize, Due)],
        limit: Duration,
    ) -> Result<Frames> {
        let bytes: usize = send.iter().map(|(_, frame)| frame.len()).sum();
        let bytes = dues.iter().fold(bytes, |sum, (_, due)| sum.saturating_add(due.length));
        let endpoint = self.endpoint.clone();
        let engine = endpoint.engine();
        let driver = engine.driver().filter(|_| bytes <= DRIVEN);
        let Some(driver) = driver else {
            self.post_all(kind, send, dues)?;
            engine.urge();
            let items = self.mailbox.take(dues.iter().map(|(peer, _)| *peer), limit)?;
            return check(dues, items);
        };
        let items = driver.run(async {
            // Posted here, the frames leave from this thread and in one wake.
            self.post_all(kind, send, dues)?;
            let _turn = driver.step_in();
            receive(&mut self.mailbox, dues, limit).await
        })?;
        check(dues, items)
    }

    fn post_all(
        &mut self,
        kind: Kind,
        send: Vec<(usize, Bytes)>,
        dues: &[(usize, Due)],
    ) -> Result<()> {
        for &(from, due) in dues {
            self.due(from, due)?;
        }
        send.into_iter().try_for_each(|(to, frame)| self.post(to, kind, frame))
    }

    /// Ends the session at all parties if something failed at this one.
    fn settle<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            let (culprit, reason) = error.verdict();
            self.abort(culprit, &reason);
        }
        result
    }
}

impl Link for MeshLink {
    fn me(&self) -> usize {
        self.me
    }

    fn parties(&self) -> usize {
        self.channels.len()
    }

    fn exchange(&mut self, round: Round) -> Result<Frames> {
        if self.closed {
            return Err(Error::Closed);
        }
        check_round(&round, self.me, self.parties())?;
        let all = round.send.iter().map(|(to, _)| to).chain(round.expect.iter().map(|(p, _)| p));
        for &peer in all {
            self.channel(peer)?;
        }
        let due = |&(from, length): &(usize, usize)| (from, Due { kind: Kind::Data, length });
        let dues: Vec<(usize, Due)> = round.expect.iter().map(due).collect();
        let frames = self.play(Kind::Data, round.send, &dues, self.deadline);
        self.settle(frames)
    }

    fn seed(&mut self, peer: usize) -> Result<Seed> {
        let Header { session, epoch, .. } = self.header;
        let channel = self.channel(peer)?;
        let mut context = Vec::with_capacity(48);
        context.extend_from_slice(&session);
        context.extend_from_slice(&epoch.to_le_bytes());
        context.extend_from_slice(&channel.stream.to_le_bytes());
        let mut seed = Seed([0; 32]);
        if !channel.exporter.draw(&mut seed.0, b"tacit seed", &context) {
            return Err(Error::Lost { peer, cause: "no seed can be drawn from it".into() });
        }
        Ok(seed)
    }

    fn arena(&self) -> Arena {
        self.arena.clone()
    }

    fn abort(&mut self, culprit: Option<usize>, reason: &str) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let notice = Notice { culprit: culprit.map(|c| c as u64), reason: clip(reason) };
        let Ok(body) = postcard::to_stdvec(&notice) else { return };
        let header = Header { purpose: Purpose::Abort, ..self.header };
        let message: Bytes = [&header.encode()[..], &body].concat().into();
        for channel in self.channels.iter_mut().filter_map(Option::take) {
            let guard = self.endpoint.shared.flushing.begin();
            self.endpoint.handle().spawn(tell(channel, message.clone(), guard));
        }
        self.endpoint.engine().urge();
    }
}

impl Drop for MeshLink {
    fn drop(&mut self) {
        for place in &self.places {
            self.endpoint.shared.rendezvous.close(place);
        }
        // What comes next is not a round of this session.
        self.endpoint.engine().urge();
    }
}

impl std::fmt::Debug for MeshLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parties = self.channels.len();
        f.debug_struct("MeshLink")
            .field("me", &self.me)
            .field("parties", &parties)
            .finish_non_exhaustive()
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Channel {
    fn new(
        shared: &Arc<Shared>,
        peer: usize,
        arrival: Arrival,
        inbox: Inbox<Item>,
        arena: Arena,
    ) -> Self {
        let Arrival { send, receive, connection, exporter, stream } = arrival;
        let (dues, due) = mpsc::unbounded_channel();
        let idle = shared.options.idle;
        Self {
            outlet: Outlet::new(send, shared.flushing.clone()),
            dues,
            sent: 0,
            reader: tokio::spawn(async move {
                let last = match read(receive, due, &inbox, peer, &arena).await {
                    Ok(packet) => packet,
                    Err(end) => {
                        if end.may_be_told() {
                            sleep(REASON_DELAY).await;
                        }
                        Packet::Gone(end.cause(idle))
                    }
                };
                inbox.post(peer, last);
            }),
            connection,
            exporter,
            stream,
        }
    }
}

/// Waits for the frames that are due, on the thread that drives the endpoint.
async fn receive(
    mailbox: &mut Mailbox<Item>,
    dues: &[(usize, Due)],
    limit: Duration,
) -> Result<Vec<Item>> {
    let peers = dues.iter().map(|(peer, _)| *peer);
    let mut at_once = true;
    let arrived = poll_fn(|context| {
        let arrived = mailbox.poll_take(peers.clone(), None, context.waker());
        at_once &= arrived.is_ready();
        arrived
    });
    let items = match timeout(limit, arrived).await {
        Ok(items) => items,
        Err(_) => {
            poll_fn(|context| mailbox.poll_take(peers.clone(), Some(limit), context.waker())).await
        }
    };
    if at_once {
        // What this party posted has not been sent yet.
        yield_now().await;
    }
    items
}

/// Refuses frames that are not what was due.
fn check(dues: &[(usize, Due)], items: Vec<Item>) -> Result<Frames> {
    let check = |(&(peer, due), (kind, bytes)): (&(usize, Due), Item)| {
        if due.fits(kind, bytes.len()) {
            return Ok(bytes);
        }
        Err(Error::Frame {
            peer,
            expected: Due::describe(due.kind, due.length),
            got: Due::describe(kind, bytes.len()),
        })
    };
    dues.iter().zip(items).map(check).collect()
}

/// Reads frames for as long as the peer keeps to the rules; gives the packet that ends it.
async fn read(
    mut inlet: Inlet,
    mut dues: mpsc::UnboundedReceiver<Due>,
    inbox: &Inbox<Item>,
    peer: usize,
    arena: &Arena,
) -> Result<Packet<Item>, End> {
    // Dues whose frames have not come, or the number of frames that came before their dues.
    let mut waiting: VecDeque<Due> = VecDeque::new();
    let mut ahead = 0u32;
    let mut round = 0u32;
    loop {
        let head = FrameHead::decode(&inlet.array::<FRAME>().await?);
        let Some(FrameHead { kind, length, .. }) = head.filter(|head| head.round == round) else {
            let got = match head {
                Some(head) => format!("frame {}", head.round),
                None => "a frame of unknown kind".into(),
            };
            return Ok(Packet::Bad { expected: format!("frame {round}"), got });
        };
        round = round.wrapping_add(1);
        let length = length as usize;
        let early = length <= EARLY;
        loop {
            while let Ok(due) = dues.try_recv() {
                waiting.push_back(due);
            }
            while ahead > 0 && waiting.pop_front().is_some() {
                ahead -= 1;
            }
            if !waiting.is_empty() || (early && ahead < AHEAD) {
                break;
            }
            match dues.recv().await {
                Some(due) => waiting.push_back(due),
                None => return Ok(Packet::Gone("the session is over".into())),
            }
        }
        match waiting.pop_front() {
            Some(due) if !due.fits(kind, length) => {
                let expected = Due::describe(due.kind, due.length);
                return Ok(Packet::Bad { expected, got: Due::describe(kind, length) });
            }
            Some(_) => {}
            None => ahead += 1,
        }
        let bytes = inlet.bytes(length, arena).await?;
        inbox.post(peer, Packet::Data((kind, bytes)));
    }
}

/// Waits for the stream of a peer that dials; if none comes, finds out why.
async fn await_peer(
    shared: &Arc<Shared>,
    peer: &Peer,
    arrival: oneshot::Receiver<Arrival>,
    until: Instant,
) -> Result<Arrival, Fault> {
    let diagnosis = async {
        let left = until.saturating_duration_since(Instant::now());
        sleep(left / 2).await;
        match peer.address {
            None => None,
            Some(_) => connect::once(shared, peer, until.into()).await.err(),
        }
    };
    tokio::pin!(diagnosis);
    let absent = |fault: Option<Fault>| fault.unwrap_or(Fault::Absent);
    let mut arrival = std::pin::pin!(timeout_at(until.into(), arrival));
    tokio::select! {
        result = &mut arrival => result.ok().and_then(Result::ok).ok_or(Fault::Absent),
        fault = &mut diagnosis => match fault {
            Some(fault) if connect::is_final(&fault) => Err(fault),
            fault => arrival.await.ok().and_then(Result::ok).ok_or_else(|| absent(fault)),
        }
    }
}

/// Sends an abort notice, and ends the stream only when the peer has it.
async fn tell(mut channel: Channel, message: Bytes, _guard: FlushGuard) {
    let _ = timeout(TELL, channel.connection.tell(message)).await;
    channel.outlet.cancel();
}
