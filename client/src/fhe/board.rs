//! [`Board`]: what is known of a question on `fhe` while its parcels are carried, and what each party
//! is to do next.
//!
//! Every party is attended by a thread of its own. They meet here: what one party makes is what others
//! wait for.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tacit_governance::{
    Timestamp, Verify,
    phases::{Kind, Scope, State},
};
use tacit_plan::Digest;

use super::{
    job::{Carried, Due, Job},
    prepared::Prepared,
};
use crate::{Awaited, Error, Progress, Result};

/// A parcel, by its maker's session index.
pub(super) type Item = (Kind, usize);

/// What is known of a question while it is carried.
pub(super) struct Board {
    pub prepared: Prepared,
    pub scope: Scope,
    inner: Mutex<Inner>,
    changed: Condvar,
}

struct Inner {
    job: Job,
    have: BTreeSet<Item>,
    parties: Vec<Party>,
    /// The first thing that ends the question or this visit.
    failed: Option<Error>,
    closed: bool,
    news: VecDeque<Progress>,
}

#[derive(Default)]
struct Party {
    /// Why it is not there; `None` while it is, or while it is looked for the first time.
    absent: Option<String>,
    /// What it has of what others and itself made.
    holds: BTreeSet<Item>,
}

/// What a party is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Make it.
    Make(Kind),
    /// Take it.
    Take(Item),
    /// Nothing before others have made something.
    Wait,
    /// Nothing any more.
    Done,
}

/// How a question stands.
pub(super) struct Standing {
    /// Whether everything was made.
    pub complete: bool,
    /// Whether a party that is there has something to do.
    pub working: bool,
    /// Parties that have something to do and are not there.
    pub awaited: Vec<Awaited>,
}

impl Board {
    /// The board of a job, with what lies on disk.
    pub fn new(prepared: Prepared, scope: Scope, job: Job) -> Self {
        let parties = prepared.names.iter().map(|_| Party::default()).collect();
        let mut inner = Inner {
            have: BTreeSet::new(),
            parties,
            failed: None,
            closed: false,
            news: VecDeque::new(),
            job,
        };
        inner.have = due(&prepared)
            .into_iter()
            .filter(|&item| inner.job.has(&named(&prepared, item)))
            .collect();
        Self { prepared, scope, inner: Mutex::new(inner), changed: Condvar::new() }
    }

    /// What party `index` is to do next.
    pub fn next(&self, index: usize) -> Next {
        self.lock().next(&self.prepared, index)
    }

    /// A party was reached and says how far it is.
    ///
    /// # Errors
    /// [`Error::ConfigMismatch`] if what is evaluated here and again there could never be equal;
    /// [`Error::Stopped`] if it has forgotten what it made; [`Error::Job`].
    pub fn met(&self, index: usize, state: &State) -> Result<()> {
        let mut inner = self.lock();
        let name = &self.prepared.names[index];
        let mut holds: BTreeSet<Item> =
            state.uploads.iter().map(|&site| (Kind::Upload, site as usize)).collect();
        holds.extend(state.result.then_some((Kind::Result, self.prepared.roles.evaluator)));
        let due: BTreeSet<Item> = due(&self.prepared).into_iter().collect();
        holds.retain(|item| due.contains(item));
        if inner.have.contains(&(Kind::Upload, index)) && !holds.contains(&(Kind::Upload, index)) {
            // A new upload would not be the one that others have.
            let message = "it has forgotten what it made for this question (its store is new), so that \
                           the question cannot go on; give it up, and ask again";
            return Err(Error::Stopped {
                party: name.clone(),
                code: "forgotten".to_owned(),
                message: message.to_owned(),
            });
        }
        for &item in holds.iter().filter(|(_, from)| *from != index) {
            inner.job.facts.given.insert((name.clone(), named(&self.prepared, item)));
        }
        let arithmetic = Digest(state.arithmetic);
        inner.job.facts.arithmetic.insert(name.clone(), arithmetic);
        inner.parties[index].holds = holds;
        inner.parties[index].absent = None;
        inner.job.save()?;
        inner.compare(&self.prepared)?;
        drop(inner);
        self.changed.notify_all();
        Ok(())
    }

    /// A party is not there, or no longer.
    pub fn absent(&self, index: usize, why: &str) {
        self.lock().parties[index].absent = Some(why.to_owned());
        self.changed.notify_all();
    }

    /// A party has taken what was given to it.
    ///
    /// # Errors
    /// [`Error::Job`].
    pub fn taken(&self, index: usize, item: Item) -> Result<()> {
        let mut inner = self.lock();
        inner.parties[index].holds.insert(item);
        if item.1 != index {
            let given = (self.prepared.names[index].clone(), named(&self.prepared, item));
            if inner.job.facts.given.insert(given) {
                inner.job.save()?;
            }
        }
        drop(inner);
        self.changed.notify_all();
        Ok(())
    }

    /// A party has made something, which was checked.
    ///
    /// # Errors
    /// [`Error::Job`].
    pub fn keep(&self, item: Item, carried: &Carried, bytes: &[u8]) -> Result<()> {
        let mut inner = self.lock();
        inner.job.keep(&named(&self.prepared, item), carried, bytes)?;
        inner.have.insert(item);
        inner.parties[item.1].holds.insert(item);
        let of_kind = |(kind, _): &&Item| *kind == item.0;
        let ready = inner.have.iter().filter(of_kind).count();
        let all = due(&self.prepared);
        inner.news.push_back(Progress::Made {
            party: self.prepared.names[item.1].clone(),
            what: item.0.to_string(),
            ready,
            due: all.iter().filter(of_kind).count(),
        });
        drop(inner);
        self.changed.notify_all();
        Ok(())
    }

    /// A parcel with its bytes, looked at again since it lay on disk.
    ///
    /// # Errors
    /// [`Error::Job`] if it is missing, altered or damaged.
    pub fn carried(
        &self,
        item: Item,
        maker: &tacit_governance::PublicKey,
    ) -> Result<(Carried, Vec<u8>)> {
        let due = named(&self.prepared, item);
        let length = self.prepared.length(item.0, item.1);
        let inner = self.lock();
        let found =
            inner.job.carried(&due, |parcel| check(parcel, item, length, maker, &self.scope))?;
        found.ok_or_else(|| Error::Job {
            path: inner.job.folder().to_owned(),
            what: format!("{due} was here, and was removed while this question went on"),
        })
    }

    /// Tells whoever watches.
    pub fn tell(&self, progress: Progress) {
        self.lock().news.push_back(progress);
        self.changed.notify_all();
    }

    /// Ends it with the first cause.
    pub fn fail(&self, error: Error) {
        let mut inner = self.lock();
        inner.failed.get_or_insert(error);
        inner.closed = true;
        drop(inner);
        self.changed.notify_all();
    }

    /// Lets every thread end.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Whether every thread is to end.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits for news, at most so long.
    pub fn wait(&self, timeout: Duration) {
        let inner = self.lock();
        if inner.news.is_empty() && !inner.closed {
            let _ = self.changed.wait_timeout(inner, timeout);
        }
    }

    /// Waits so long before a party is looked for again.
    pub fn pause(&self, timeout: Duration) {
        let end = Instant::now() + timeout;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            let inner = self.lock();
            if inner.closed {
                return;
            }
            let _ = self.changed.wait_timeout(inner, left);
        }
    }

    /// What has happened since it was last asked, and the error that ended it.
    pub fn news(&self) -> (Vec<Progress>, Option<Error>) {
        let mut inner = self.lock();
        (inner.news.drain(..).collect(), inner.failed.take())
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        let inner = self.lock();
        let mut standing = Standing { complete: true, working: false, awaited: Vec::new() };
        for index in 0..self.prepared.names.len() {
            let next = inner.next(&self.prepared, index);
            standing.complete &= next == Next::Done;
            let what = match next {
                Next::Make(Kind::Upload) => "to encrypt its part",
                Next::Make(Kind::Result) => "to evaluate",
                Next::Make(Kind::Part) => "to decrypt its part",
                Next::Take(_) => "to take what others have sent",
                Next::Wait | Next::Done => continue,
            };
            match &inner.parties[index].absent {
                None => standing.working = true,
                Some(why) => standing.awaited.push(Awaited {
                    party: self.prepared.names[index].clone(),
                    what: what.to_owned(),
                    why: why.clone(),
                }),
            }
        }
        standing
    }

    /// Whether it has waited for as long as its study allows; if so, what is missing.
    pub fn overdue(&self, now: Timestamp) -> Option<Error> {
        let inner = self.lock();
        inner.job.facts.is_overdue(now).then(|| Error::Overdue {
            days: inner.job.facts.wait_days,
            missing: inner.job.missing().into_iter().map(ToString::to_string).collect(),
        })
    }

    /// Whether it was made, and lies here.
    pub fn has(&self, item: Item) -> bool {
        self.lock().have.contains(&item)
    }

    /// Whether any party has made anything.
    pub fn is_empty(&self) -> bool {
        self.lock().have.is_empty()
    }

    /// Names of the parties that were ever reached.
    pub fn reached(&self) -> Vec<String> {
        self.lock().job.facts.arithmetic.keys().cloned().collect()
    }

    /// What was given to whom, by session index.
    pub fn given(&self) -> Vec<(usize, Item)> {
        let inner = self.lock();
        let index = |name: &String| self.prepared.names.iter().position(|other| other == name);
        let given = inner.job.facts.given.iter();
        given.filter_map(|(to, due)| Some((index(to)?, (due.kind, index(&due.from)?)))).collect()
    }

    /// Works on the job on disk.
    pub fn with_job<T>(&self, work: impl FnOnce(&mut Job) -> T) -> T {
        work(&mut self.lock().job)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn next(&self, prepared: &Prepared, index: usize) -> Next {
        let roles = &prepared.roles;
        let makes = roles.makes(index);
        let Some(&missing) = makes.iter().find(|&&kind| !self.have.contains(&(kind, index))) else {
            return Next::Done;
        };
        if missing == Kind::Upload {
            return Next::Make(Kind::Upload);
        }
        let holds = &self.parties[index].holds;
        let mut needs: Vec<Item> = roles.sites.iter().map(|&site| (Kind::Upload, site)).collect();
        if missing == Kind::Part {
            needs.push((Kind::Result, roles.evaluator));
        }
        let lacks: Vec<Item> = needs.into_iter().filter(|item| !holds.contains(item)).collect();
        match lacks.iter().find(|item| self.have.contains(*item)) {
            Some(&item) => Next::Take(item),
            None if !lacks.is_empty() => Next::Wait,
            None if missing == Kind::Result && !self.settled(prepared) => Next::Wait,
            None => Next::Make(missing),
        }
    }

    /// Whether everybody whose evaluations are compared has said how it computes.
    fn settled(&self, prepared: &Prepared) -> bool {
        let known = &self.job.facts.arithmetic;
        comparing(prepared).iter().all(|&index| known.contains_key(&prepared.names[index]))
    }

    /// Refuses parties whose evaluations can never be equal.
    fn compare(&self, prepared: &Prepared) -> Result<()> {
        let known = |index: &usize| {
            let name = &prepared.names[*index];
            Some((name, self.job.facts.arithmetic.get(name)?))
        };
        let of: Vec<(&String, &Digest)> = comparing(prepared).iter().filter_map(known).collect();
        let Some((first, others)) = of.split_first() else { return Ok(()) };
        match others.iter().find(|(_, digest)| *digest != first.1) {
            None => Ok(()),
            Some((name, digest)) => Err(Error::ConfigMismatch {
                party: (*name).clone(),
                other: first.0.clone(),
                what: "arithmetic".to_owned(),
                ours: first.1.short(),
                theirs: digest.short(),
            }),
        }
    }
}

/// Whose evaluations are compared bit by bit.
fn comparing(prepared: &Prepared) -> Vec<usize> {
    let roles = &prepared.roles;
    match roles.verify {
        Verify::Trust => Vec::new(),
        Verify::Reevaluate => {
            let others = roles.key_holders.iter().filter(|&&holder| holder != roles.evaluator);
            std::iter::once(roles.evaluator).chain(others.copied()).collect()
        }
    }
}

/// Everything that has to be made, in order.
pub(super) fn due(prepared: &Prepared) -> Vec<Item> {
    let all = (0..prepared.names.len())
        .flat_map(|index| prepared.roles.makes(index).into_iter().map(move |kind| (kind, index)));
    let mut all: Vec<Item> = all.collect();
    all.sort_unstable();
    all
}

/// An item by its maker's name, as it lies on disk.
pub(super) fn named(prepared: &Prepared, (kind, from): Item) -> Due {
    let from = prepared.names.get(from).cloned().unwrap_or_default();
    Due { kind, from }
}

/// Whether a header is that of `item`, of the length that the bill says, signed by its maker.
pub(super) fn check(
    parcel: &tacit_governance::phases::Parcel,
    item: Item,
    length: u64,
    maker: &tacit_governance::PublicKey,
    scope: &Scope,
) -> Result<(), String> {
    if (parcel.kind, parcel.from as usize) != item {
        return Err(format!("it is the {} of another party", parcel.kind));
    }
    if parcel.length != length {
        return Err(format!(
            "the {} has {} bytes, and the bill says {length}",
            parcel.kind, parcel.length
        ));
    }
    parcel.check(maker, scope).map_err(|error| error.to_string())
}
