//! Evaluating: one party computes on ciphertexts, and whoever doubts it computes the same again.
//!
//! All tasks of a [`Program`] whose inputs are there run side by side, one to a core. A task itself runs
//! on one core alone: `tfhe` chooses between two ways of propagating carries by the number of threads that
//! it sees, and two machines with different numbers of cores would round differently. With a fixed
//! transform (see [`crate::fix_transform`]) the result is then the same to the bit wherever
//! [`crate::arithmetic`] is, so that a key holder can evaluate again and compare.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use sha2::{Digest, Sha256};
use tacit_mpc::Kind;
use tfhe::{
    integer::{
        BooleanBlock, IntegerCiphertext, RadixCiphertext,
        ciphertext::IntegerCompactCiphertextListExpansionMode,
    },
    shortint::Ciphertext,
};

use crate::{
    Accepted, Error, EvaluationKeys, Result, Session,
    compute::Computer,
    digits::Digits,
    parameters::fix_transform,
    program::{Program, Task, Work},
    squash::Squashed,
};

/// A ciphertext within an evaluation.
#[derive(Clone)]
pub(crate) enum Cipher {
    Number(RadixCiphertext),
    Bit(BooleanBlock),
    Digits(Digits),
}

/// What a party entered: the digits of its rows in order.
pub(crate) struct Entered {
    rows: Vec<Vec<Ciphertext>>,
}

impl Entered {
    pub(crate) fn row(&self, index: usize) -> Result<&[Ciphertext]> {
        let row = self.rows.get(index).map(Vec::as_slice);
        row.ok_or_else(|| Error::Input("a row of an upload is not there".into()))
    }
}

/// How far an evaluation is: told to whoever watches, who may stop it.
pub(crate) struct Count<'a> {
    done: AtomicUsize,
    total: usize,
    watch: &'a (dyn Fn(usize, usize) -> bool + Sync),
}

impl Count<'_> {
    /// Goes on unless whoever watches says no.
    fn go(&self) -> Result<()> {
        let done = self.done.load(Ordering::Relaxed);
        if (self.watch)(done, self.total) { Ok(()) } else { Err(Error::Stopped) }
    }

    fn add(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}

/// Evaluates a program on uploads and squashes what is opened.
///
/// `uploads` has an entry for every party that enters something; `threads` is how many cores to use
/// (0: all), and does not change the result. `watch` is called between any two tasks, squashing
/// included, from several threads, with the number of tasks that are done and of all; if it returns
/// `false`, no further task begins.
///
/// # Errors
/// [`Error::Input`] if an upload is missing, there twice, of other fields or of another session;
/// [`Error::Setup`] if one is under other keys; [`Error::Stopped`].
pub fn evaluate(
    keys: &EvaluationKeys,
    program: &Program,
    uploads: &[Accepted],
    threads: usize,
    watch: &(dyn Fn(usize, usize) -> bool + Sync),
) -> Result<Squashed> {
    fix_transform();
    let threads = match threads {
        0 => thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let total = uploads.len() + program.tasks.len() + program.released();
    let count = Count { done: AtomicUsize::new(0), total, watch };
    let entered = enter(keys, program, uploads, threads, &count)?;
    let computer = Computer { keys, program, entered: &entered };
    let tasks = &program.tasks;
    let results: Vec<Mutex<Option<Arc<Cipher>>>> = tasks.iter().map(|_| Mutex::default()).collect();
    let layers = layers(tasks);
    let last = last(tasks, &layers);
    for (at, layer) in layers.iter().enumerate() {
        side_by_side(threads, layer, &count, |&task: &usize| -> Result<()> {
            let needs = tasks[task].needs.iter().map(|&need| read(&results[need]));
            let needs: Vec<Arc<Cipher>> = needs.collect::<Result<_>>()?;
            let made = computer.run(&tasks[task].work, &needs)?;
            if let Ok(mut place) = results[task].lock() {
                *place = Some(Arc::new(made));
            }
            Ok(())
        })?;
        for (result, last) in results.iter().zip(&last) {
            if *last == Some(at)
                && let Ok(mut place) = result.lock()
            {
                *place = None;
            }
        }
    }
    let (mut digits, mut bits) = (Vec::new(), Vec::new());
    for (task, result) in tasks.iter().zip(&results) {
        if !matches!(task.work, Work::Item(_)) {
            continue;
        }
        match &*read(result)? {
            Cipher::Number(number) => digits.extend_from_slice(number.blocks()),
            Cipher::Bit(bit) => bits.push(bit.clone().into_raw_parts()),
            Cipher::Digits(_) => {
                return Err(Error::Input("what is opened is not refreshed".into()));
            }
        }
    }
    let statement = statement(keys.digest, program, uploads);
    let layout = program.outputs.layout();
    let squashed =
        crate::squash::squash(keys, &layout, &digits, &bits, statement, threads, &count)?;
    // All is done: there is nothing left to stop.
    watch(total, total);
    Ok(squashed)
}

fn read(place: &Mutex<Option<Arc<Cipher>>>) -> Result<Arc<Cipher>> {
    let found = place.lock().ok().and_then(|place| place.clone());
    found.ok_or_else(|| Error::Input("a value is used before it is made".into()))
}

/// Tasks by the length of the longest chain before them.
pub(crate) fn layers(tasks: &[Task]) -> Vec<Vec<usize>> {
    let mut depth = vec![0; tasks.len()];
    let mut layers: Vec<Vec<usize>> = Vec::new();
    for (at, task) in tasks.iter().enumerate() {
        depth[at] = task.needs.iter().map(|&need| depth[need] + 1).max().unwrap_or(0);
        if layers.len() <= depth[at] {
            layers.resize(depth[at] + 1, vec![]);
        }
        layers[depth[at]].push(at);
    }
    layers
}

/// Of every task, the layer after which its value is not needed any more; what is opened is kept.
pub(crate) fn last(tasks: &[Task], layers: &[Vec<usize>]) -> Vec<Option<usize>> {
    let mut last = vec![None; tasks.len()];
    for (at, layer) in layers.iter().enumerate() {
        for &task in layer {
            tasks[task].needs.iter().for_each(|&need| last[need] = Some(at));
        }
    }
    last
}

/// Runs jobs on so many threads, each of which is alone in the library's eyes.
pub(crate) fn side_by_side<T: Sync>(
    threads: usize,
    jobs: &[T],
    count: &Count,
    run: impl Fn(&T) -> Result<()> + Sync,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let worker = || -> Result<()> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let pool = pool.map_err(|error| Error::Setup(format!("no thread: {error}")))?;
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            count.go()?;
            pool.install(|| run(job))?;
            count.add();
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.min(jobs.len())).map(|_| scope.spawn(worker)).collect();
        let ended = workers.into_iter().map(|worker| {
            worker.join().unwrap_or_else(|_| Err(Error::Setup("an evaluation failed".into())))
        });
        // All are joined before the first error is returned.
        ended.collect::<Vec<_>>().into_iter().collect()
    })
}

fn enter(
    keys: &EvaluationKeys,
    program: &Program,
    uploads: &[Accepted],
    threads: usize,
    count: &Count,
) -> Result<Vec<Option<Entered>>> {
    for (at, upload) in uploads.iter().enumerate() {
        let site = upload.site;
        if upload.keys != keys.digest {
            return Err(Error::Setup(format!("the upload of site {site} is under other keys")));
        }
        if upload.session != uploads[0].session {
            return Err(Error::Input(format!("the upload of site {site} is of another session")));
        }
        if uploads[..at].iter().any(|other| other.site == site) {
            return Err(Error::rejected(format!("site {site}"), "a second upload"));
        }
        if program.fields.get(site).is_none_or(|fields| *fields != upload.fields) {
            return Err(Error::Input(format!("the upload of site {site} is for another plan")));
        }
    }
    let mut entered = Vec::with_capacity(program.fields.len());
    for (site, fields) in program.fields.iter().enumerate() {
        if fields.is_empty() {
            entered.push(None);
            continue;
        }
        let upload = uploads.iter().find(|upload| upload.site == site);
        let upload =
            upload.ok_or_else(|| Error::Input(format!("site {site} has not sent its part")))?;
        count.go()?;
        entered.push(Some(expand(upload, threads)?));
        count.add();
    }
    Ok(entered)
}

/// The digits of an upload. There is no lookup in it, and no order of threads in the result.
pub(crate) fn expand(upload: &Accepted, threads: usize) -> Result<Entered> {
    let mode = IntegerCompactCiphertextListExpansionMode::NoCastingAndNoUnpacking;
    let wrong = |what: String| Error::rejected(format!("site {}", upload.site), what);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Error::Setup(format!("no thread: {error}")))?;
    let list = pool.install(|| upload.list.expand_without_verification(mode));
    let list = list.map_err(|error| wrong(error.to_string()))?;
    let mut rows = Vec::new();
    for field in &upload.fields {
        for _ in 0..field.shape.rows {
            let at = rows.len();
            let row = match field.shape.kind {
                Kind::Num => {
                    list.get::<RadixCiphertext>(at).map(|row| row.map(|row| row.blocks().to_vec()))
                }
                _ => list
                    .get::<BooleanBlock>(at)
                    .map(|row| row.map(|row| vec![row.into_raw_parts()])),
            };
            let row = row.map_err(|error| wrong(error.to_string()))?;
            rows.push(row.ok_or_else(|| wrong("a row of an upload is not there".into()))?);
        }
    }
    Ok(Entered { rows })
}

/// What an evaluation is of: keys, circuit, uploads, arithmetic and encoding. Two evaluations of the same
/// have equal results.
pub fn statement(keys: [u8; 32], program: &Program, uploads: &[Accepted]) -> [u8; 32] {
    let session = uploads.first().map(|upload| upload.session);
    let uploads: Vec<_> = uploads.iter().map(|upload| (upload.site(), upload.digest())).collect();
    statement_of(keys, program, session.as_ref(), &uploads)
}

/// [`statement`] of uploads that were accepted before, each by its site and the SHA-256 of its bytes: what
/// an evaluation that was kept has to state if it is of these.
pub fn statement_of(
    keys: [u8; 32],
    program: &Program,
    session: Option<&Session>,
    uploads: &[(usize, [u8; 32])],
) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"tacit homomorphic evaluation v2");
    hash.update(keys);
    hash.update(program.circuit());
    // With the encoding of what is squashed.
    hash.update(crate::arithmetic());
    if let Some(Session { study, plan, session }) = session {
        for part in [study, plan, session] {
            hash.update(part);
        }
    }
    let mut uploads = uploads.to_vec();
    uploads.sort_unstable();
    for (site, digest) in uploads {
        hash.update((site as u64).to_le_bytes());
        hash.update(digest);
    }
    hash.finalize().into()
}
