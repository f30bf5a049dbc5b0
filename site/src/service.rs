//! [`Site`]: the process that serves, from its configuration to its last query.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::RecvTimeoutError,
    },
    time::{Duration, Instant},
};

use tacit_governance::{
    KeyPair, Outcome, Party, Record, Role, Timestamp,
    session::{self, Ask, Clock, ClockRequest, Code, Failure, Mismatch, Reply, Request},
};
use tacit_net::mesh::{Conversation, Endpoint, Incoming, Options, PublicKey, SecretKey, Transport};
use tacit_plan::Digest;
use tokio::runtime::Runtime;

use crate::{
    Config, Error, Result, Shutdown,
    asker::Asker,
    book::Book,
    epoch,
    guests::{Flood, Guests, Visit},
    places::Places,
    query,
    served::Served,
};

/// Conversations at once; each takes two threads. Beyond that the answer is "busy".
const MAX_CONVERSATIONS: usize = 256;

/// How long a peer may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long queries may take to end when the service stops.
const GRACE: Duration = Duration::from_secs(5);

/// A party of one study or several, with everything checked and its port open.
pub struct Site {
    shared: Arc<Shared>,
    shutdown: Shutdown,
}

/// What all conversations share.
pub(crate) struct Shared {
    pub endpoint: Endpoint,
    pub served: Vec<Served>,
    pub book: Book,
    pub epoch: u64,
    /// Places for joint computations, where this party is the lead.
    pub joint: Places,
    /// Places for local parts.
    pub local: Places,
    /// Runs the local parts.
    pub runtime: Runtime,
    /// Places for compiling questions.
    pub compiling: Places,
    pub guests: Arc<Guests>,
    /// Questions on `fhe`, if a study that is served here has them.
    #[cfg(feature = "fhe")]
    pub fhe: Option<Arc<crate::fhe::Fhe>>,
    conversations: AtomicUsize,
}

/// What is served, for the line that a service prints when it is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Where it listens.
    pub address: SocketAddr,
    /// Party and study of every study that is served.
    pub studies: Vec<Serves>,
    /// Number of this start.
    pub epoch: u64,
}

/// One study that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serves {
    /// This party's name in the study.
    pub party: String,
    /// What it does.
    pub role: Role,
    /// Name of the study.
    pub study: String,
    /// Digest of the study.
    pub digest: Digest,
}

impl Site {
    /// Checks everything that can be checked before anybody asks (the studies, their signatures and
    /// validity, the key and its mode, the whole data against the dictionary, the receipts), and
    /// opens the port.
    ///
    /// # Errors
    /// Each says what is wrong and at which file.
    pub fn open(config: &Config) -> Result<Self> {
        let key = KeyPair::load(&config.key)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("tacit-local")
            .enable_all()
            .build()
            .map_err(|error| Error::State {
                path: "threads".to_owned(),
                cause: error.to_string(),
            })?;
        // Nobody else holds the receipts from here on, so what a killed predecessor left of its
        // converted tables is nobody's.
        let book = Book::open(&config.receipts)?;
        let cache = config.state_folder().join("cache");
        let _ = std::fs::remove_dir_all(&cache);
        let mut served = Vec::new();
        for serving in config.serving() {
            served.push(runtime.block_on(Served::open(&serving, &key.public(), &cache))?);
        }
        let epoch = epoch::advance(&config.state_folder())?;
        #[cfg(feature = "fhe")]
        let fhe = crate::fhe::Fhe::open(
            &config.state_folder(),
            &key,
            &served,
            &config.limits,
            config.max_queue,
        )?;
        let listen = listen(config, &served[0].me)?;
        let secret = SecretKey::from_seed(*key.seed());
        let transport = transport(config, &served)?;
        let endpoint = Endpoint::bind(Options::new(secret).over(transport).listen(listen))?;
        endpoint.allow(served.iter().flat_map(|served| {
            let own = served.me.key;
            let others = served.study.parties().iter().filter(move |party| party.key != own);
            others.map(|party| (PublicKey(*party.key.as_bytes()), party.name.clone()))
        }));
        let shared = Shared {
            endpoint,
            served,
            book,
            epoch,
            joint: Places::new(config.max_sessions, config.max_queue),
            local: Places::new(config.max_local, usize::MAX),
            runtime,
            compiling: Places::new(config.max_local, MAX_CONVERSATIONS),
            guests: Guests::new(&config.limits),
            #[cfg(feature = "fhe")]
            fhe,
            conversations: AtomicUsize::new(0),
        };
        Ok(Self { shared: Arc::new(shared), shutdown: Shutdown::new() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.shared.endpoint.local_address()
    }

    /// What it serves.
    pub fn ready(&self) -> Ready {
        let serves = |served: &Served| Serves {
            party: served.me.name.clone(),
            role: served.me.role,
            study: served.study.name().to_owned(),
            digest: served.study.digest(),
        };
        Ready {
            address: self.address(),
            studies: self.shared.served.iter().map(serves).collect(),
            epoch: self.shared.epoch,
        }
    }

    /// A switch that ends [`Site::serve`].
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Serves until the switch is thrown; `ready` is called once, when questions are taken. Queries
    /// that run then are stopped, and their peers told.
    ///
    /// # Errors
    /// [`Error::Net`] if the port is lost.
    pub fn serve(self, ready: impl FnOnce(&Ready)) -> Result<()> {
        let incoming = self.shared.endpoint.incoming();
        ready(&self.ready());
        while !self.shutdown.is_stopped() {
            self.tell_floods(false);
            match incoming.recv_timeout(Duration::from_millis(200)) {
                Ok(incoming) => self.take_up(incoming),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::Net(tacit_net::Error::Closed));
                }
            }
        }
        self.tell_floods(true);
        let end = Instant::now() + GRACE;
        while self.shared.conversations.load(Ordering::Acquire) > 0 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Writes one receipt for each flood of questions that were turned away.
    fn tell_floods(&self, all: bool) {
        for Flood { study, analyst, questions } in self.shared.guests.floods(Instant::now(), all) {
            tracing::warn!(%analyst, questions, "questions were turned away unread");
            let reason = format!(
                "busy: {questions} more questions were turned away unread, after too many that \
                 were refused or called off within a minute"
            );
            let outcome = Outcome::Refused { reason };
            let mut record = Record::new(Timestamp::now(), &[0; 32], &analyst, outcome);
            record.study = study;
            if let Err(error) = self.shared.book.append(&record) {
                tracing::error!(%error, "the receipt of a flood could not be written");
            }
        }
    }

    /// Serves one conversation on a thread of its own.
    fn take_up(&self, incoming: Incoming) {
        let count = self.shared.conversations.fetch_add(1, Ordering::AcqRel);
        let visit = self.shared.guests.enter(incoming.from.0, Instant::now());
        let many = visit.is_none();
        let guard = Guard { shared: self.shared.clone(), _visit: visit };
        if many {
            let limit = self.shared.guests.limits().conversations;
            let busy = format!(
                "{limit} conversations with this key are open, as many as this party allows \
                 (limits.conversations in its site.toml)"
            );
            return tell(&incoming.conversation, &Reply::Refused(Failure::new(Code::Busy, busy)));
        }
        if count >= MAX_CONVERSATIONS {
            let busy = Failure::new(Code::Busy, "this party serves as many as it may");
            return tell(&incoming.conversation, &Reply::Refused(busy));
        }
        let shutdown = self.shutdown.clone();
        let spawned = std::thread::Builder::new().name("tacit-query".into()).spawn(move || {
            converse(&guard.shared, incoming, shutdown);
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for a conversation");
        }
    }
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Site({:?})", self.ready())
    }
}

/// Counts a conversation, or other work, out when it ends, however it ends.
pub(crate) struct Guard {
    shared: Arc<Shared>,
    _visit: Option<Visit>,
}

#[cfg(feature = "fhe")]
impl Guard {
    /// Counts work in that goes on without a conversation: the service waits for its end, too.
    pub fn of(shared: &Arc<Shared>) -> Self {
        shared.conversations.fetch_add(1, Ordering::AcqRel);
        Self { shared: shared.clone(), _visit: None }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.conversations.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The transport of every study that is served here: a service has one port and one transport.
fn transport(config: &Config, served: &[Served]) -> Result<Transport> {
    let first = &served[0].study;
    for Served { study, .. } in served {
        if study.transport() != first.transport() {
            let what = format!(
                "the study {:?} goes over {} and {:?} over {}: they need a service each",
                first.name(),
                first.transport(),
                study.name(),
                study.transport()
            );
            return Err(Error::Config { at: config.name.clone(), what });
        }
    }
    Ok(match first.transport() {
        tacit_governance::Transport::Quic => Transport::Quic,
        tacit_governance::Transport::Tcp => Transport::Tcp,
    })
}

fn listen(config: &Config, me: &Party) -> Result<SocketAddr> {
    if let Some(listen) = config.listen {
        return Ok(listen);
    }
    let wrong = |what: String| Error::Config { at: config.study.display().to_string(), what };
    let address = me.address.as_deref().ok_or_else(|| {
        wrong(format!("the study gives {} no address: add one, or `listen` here", me.name))
    })?;
    let mut found = address.to_socket_addrs().map_err(|error| {
        wrong(format!("the address {address} of {} cannot be resolved: {error}", me.name))
    })?;
    found.next().ok_or_else(|| wrong(format!("the address {address} leads nowhere")))
}

fn tell(conversation: &Conversation, reply: &Reply) {
    if let Ok(bytes) = session::encode(reply) {
        let _ = conversation.send(bytes);
    }
}

fn converse(shared: &Arc<Shared>, incoming: Incoming, shutdown: Shutdown) {
    let Incoming { from, name, conversation } = incoming;
    let Ok(Some(bytes)) = conversation.receive(PATIENCE) else { return };
    let refuse = |failure: Failure| {
        tracing::warn!(peer = %name, code = %failure.code, "a message was refused");
        tell(&conversation, &Reply::Refused(failure));
    };
    match session::decode::<Request>(&bytes) {
        Ok(Request::Ask(ask)) => match find(shared, &from, &ask) {
            Ok((served, analyst)) => {
                let (study, now) = (served.study.digest(), Instant::now());
                if !shared.guests.listens(from.0, study, &analyst.name, now) {
                    let busy = "too many questions were refused or called off within a minute \
                                (limits.refusals_per_minute in this party's site.toml); ask again \
                                in a minute";
                    return tell(&conversation, &Reply::Refused(Failure::new(Code::Busy, busy)));
                }
                #[cfg(feature = "fhe")]
                if ask.engine == "fhe" {
                    let asker = Asker::with_steps(conversation, shutdown);
                    return crate::fhe::answer(shared, served, analyst, &ask, &asker);
                }
                let asker = Asker::new(conversation, shutdown);
                query::answer(shared, served, analyst, &ask, &asker);
            }
            Err(failure) => refuse(failure),
        },
        Ok(Request::Clock(request)) => {
            tell(&conversation, &Reply::Clock(clock(shared, &request)));
        }
        Ok(_) => refuse(Failure::new(Code::Message, "a conversation begins with a question")),
        Err(tacit_governance::Error::ConfigMismatch(mismatch)) => refuse(mismatch.into()),
        Err(error) => refuse(Failure::new(Code::Message, error.to_string())),
    }
}

/// The study that a question is about, and who asks.
fn find<'a>(
    shared: &'a Shared,
    from: &PublicKey,
    ask: &Ask,
) -> Result<(&'a Served, &'a Party), Failure> {
    let key = tacit_governance::PublicKey::from_bytes(&from.0)
        .map_err(|error| Failure::new(Code::NotAParty, error.to_string()))?;
    let served = shared.served.iter().find(|served| served.study.digest() == ask.study);
    if let Some(served) = served {
        return Ok((served, served.analyst(&key)?));
    }
    // Another study, or another version of one: who is an analyst of what is served is told so.
    let known = shared.served.iter().find(|served| served.analyst(&key).is_ok());
    let Some(served) = known.or(shared.served.first()) else {
        return Err(Failure::new(Code::Study, "no study is served here"));
    };
    served.analyst(&key)?;
    let ours = served.study.digest().to_string();
    let what = "study".to_owned();
    Err(Failure::from(Mismatch { what, ours, theirs: ask.study.to_string() }))
}

fn clock(shared: &Shared, request: &ClockRequest) -> Clock {
    let same = shared.served.iter().find(|served| served.study.digest() == request.study);
    let served = same.or(shared.served.first());
    let now = Timestamp::now();
    let ready = match served {
        Some(served) => served.study.valid_at(now).map_err(|error| error.to_string()),
        None => Err("no study is served here".to_owned()),
    };
    Clock {
        microseconds: now.as_microsecond(),
        study: served.map_or(Digest([0; 32]), |served| served.study.digest()),
        release: env!("CARGO_PKG_VERSION").to_owned(),
        ready,
    }
}
