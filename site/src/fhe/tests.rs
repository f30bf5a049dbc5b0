//! The order of things that has no ciphertexts in it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tacit_governance::session::{Code, Failure};

use super::evaluations::{Evaluations, Run};
use crate::Shutdown;

type Owner = Arc<Evaluations>;

fn begin(
    all: &Owner,
    session: u8,
    shutdown: &Shutdown,
    work: impl FnOnce(&Owner, &Run) -> Result<(), Failure> + Send + 'static,
) -> Result<Arc<Run>, Failure> {
    fn of(owner: &Owner) -> &Evaluations {
        owner
    }
    all.begin([session; 32], shutdown.clone(), all.clone(), of, work)
}

fn until(what: impl Fn() -> bool) {
    let begin = Instant::now();
    while !what() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn one_evaluation_runs_at_a_time_and_the_same_session_joins_it() {
    let (all, shutdown) = (Arc::new(Evaluations::new(10)), Shutdown::new());
    let (inside, most, begun) = (
        Arc::<AtomicUsize>::default(),
        Arc::<AtomicUsize>::default(),
        Arc::<AtomicUsize>::default(),
    );
    let go = Arc::<AtomicBool>::default();
    for session in [1, 1, 2, 3, 1, 2] {
        let (inside, most, begun, go) = (inside.clone(), most.clone(), begun.clone(), go.clone());
        begin(&all, session, &shutdown, move |_, _| {
            begun.fetch_add(1, Ordering::SeqCst);
            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            until(|| go.load(Ordering::SeqCst));
            inside.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        })
        .unwrap();
    }
    go.store(true, Ordering::SeqCst);
    until(|| (1..4).all(|session| all.running(&[session; 32]).is_none()));
    assert_eq!((most.load(Ordering::SeqCst), begun.load(Ordering::SeqCst)), (1, 3));
}

#[test]
fn an_evaluation_ends_when_it_is_called_off_or_the_service_stops() {
    let (all, shutdown) = (Arc::new(Evaluations::new(10)), Shutdown::new());
    let endless = |_: &Owner, run: &Run| -> Result<(), Failure> {
        while run.went(1, 2) {
            std::thread::sleep(Duration::from_millis(5));
        }
        run.wanted()
    };
    let first = begin(&all, 1, &shutdown, endless).unwrap();
    let waiting = begin(&all, 2, &shutdown, endless).unwrap();
    waiting.end();
    until(|| all.running(&[2; 32]).is_none());
    first.end();
    until(|| all.running(&[1; 32]).is_none());
    let third = begin(&all, 3, &shutdown, endless).unwrap();
    shutdown.stop();
    until(|| all.running(&[3; 32]).is_none());
    assert_eq!(third.wanted().unwrap_err().code, Code::Stopping);
}

#[test]
fn an_evaluation_that_panics_gives_its_place_to_the_next() {
    let (all, shutdown) = (Arc::new(Evaluations::new(10)), Shutdown::new());
    begin(&all, 1, &shutdown, |_, _| panic!("in the middle of an evaluation")).unwrap();
    until(|| all.running(&[1; 32]).is_none());
    let done = Arc::<AtomicBool>::default();
    let tell = done.clone();
    begin(&all, 2, &shutdown, move |_, _| {
        tell.store(true, Ordering::SeqCst);
        Ok(())
    })
    .unwrap();
    until(|| done.load(Ordering::SeqCst));
}

#[test]
fn a_full_queue_refuses_an_evaluation() {
    let (all, shutdown) = (Arc::new(Evaluations::new(0)), Shutdown::new());
    let go = Arc::<AtomicBool>::default();
    let wait = go.clone();
    let (sender, started) = std::sync::mpsc::channel();
    begin(&all, 1, &shutdown, move |_, _| {
        sender.send(()).unwrap();
        until(|| wait.load(Ordering::SeqCst));
        Ok(())
    })
    .unwrap();
    started.recv().unwrap();
    let refused = begin(&all, 2, &shutdown, |_, _| Ok(())).unwrap();
    until(|| refused.over().is_some());
    assert_eq!(refused.over().unwrap().unwrap_err().code, Code::Busy);
    go.store(true, Ordering::SeqCst);
}
