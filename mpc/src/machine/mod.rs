//! One compute party of a run: its columns and what it shares among all instructions.

mod level;
mod tiles;

use level::Level;

use crate::{
    Circuit, Column, Kind, Result, Schedule,
    engine::{Engine, FrameLengths, Inbox, Outbox, Scheme},
    execute::Opened,
    pool::Pool,
    schedule::Task,
};

/// The columns of a run at one compute party.
pub(crate) struct Machine<'a> {
    level: Level<'a>,
    context: Context,
}

/// What the instructions of a circuit and of the blocks in it have in common.
struct Context {
    /// Of a column, by kind.
    components: [usize; Kind::ALL.len()],
    engine: Box<dyn Engine>,
    one: Vec<u64>,
    me: usize,
    inputs: Vec<Column>,
    pool: Pool,
    opened: Opened,
    /// Lengths of the frames of the round at hand.
    frames: FrameLengths,
    /// Bytes of them that have become columns.
    moved: u64,
}

impl<'a> Machine<'a> {
    pub(crate) fn new(
        circuit: &'a Circuit,
        schedule: &'a Schedule,
        scheme: &dyn Scheme,
        engine: Box<dyn Engine>,
        me: usize,
        inputs: Vec<Column>,
        pool: Pool,
    ) -> Self {
        let context = Context {
            components: Kind::ALL.map(|kind| scheme.components(kind)),
            one: engine.one().to_vec(),
            engine,
            me,
            inputs,
            pool,
            opened: Vec::new(),
            frames: FrameLengths::default(),
            moved: 0,
        };
        Self { level: Level::new(circuit, schedule, 0, None), context }
    }

    /// Settles deferred checks before anything is opened.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.context.engine.settle()
    }

    /// Frames to write in a round in which others are awaited.
    pub(crate) fn outbox(
        &mut self,
        sends: impl Iterator<Item = (usize, usize)>,
        awaits: impl Iterator<Item = (usize, usize)>,
    ) -> Outbox {
        let Context { frames, pool, .. } = &mut self.context;
        *frames = FrameLengths { sends: sends.collect(), awaits: awaits.collect() };
        Outbox::new(frames.sends.iter().map(|&(to, bytes)| (to, pool.frame(bytes))))
    }

    /// Counts the frames that will come in.
    pub(crate) fn expect(&mut self) {
        for &(_, bytes) in &self.context.frames.awaits {
            self.context.pool.hold(bytes as u64);
        }
    }

    /// Hands the engine what came ahead.
    pub(crate) fn prepare(&mut self, inbox: &Inbox) -> Result<()> {
        self.context.engine.prepare(inbox)
    }

    /// Takes the frames of a round back, `bytes` in all.
    pub(crate) fn recycle(&mut self, bytes: u64, inbox: Inbox) {
        self.context.pool.release(bytes - std::mem::take(&mut self.context.moved));
        drop(inbox);
    }

    /// What was opened here, and the most bytes that were alive at once.
    pub(crate) fn done(mut self) -> (Opened, u64) {
        (std::mem::take(&mut self.context.opened), self.context.pool.peak())
    }

    /// Starts every task of a layer.
    pub(crate) fn start(&mut self, tasks: &[Task], out: &mut Outbox) -> Result<()> {
        self.level.start(&mut self.context, tasks, out)
    }

    /// Finishes every task of a layer; the results of those in their last round are there.
    pub(crate) fn finish(&mut self, tasks: &[Task], inbox: &Inbox) -> Result<()> {
        self.level.finish(&mut self.context, tasks, inbox)
    }

    /// Runs an instruction that needs no round.
    pub(crate) fn local(&mut self, at: usize) -> Result<()> {
        self.level.local(&mut self.context, at)
    }
}
