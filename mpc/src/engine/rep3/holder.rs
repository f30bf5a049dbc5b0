//! Whoever enters or is opened to without computing.

use zeroize::Zeroizing;

use super::{Client, Inbox, Job, KEY, Op, Outbox, Prg, Result, input, total, unknown};
use crate::{
    linear::{Ring, with_ring},
    words,
};

/// A party that does not compute.
pub(super) struct Holder {
    pub(super) compute: [usize; 3],
    /// Keys of x_0 and x_1; none at a party that enters nothing.
    pub(super) keys: Vec<Zeroizing<[u8; 16]>>,
}

impl Client for Holder {
    fn enter(&mut self, job: &mut Job<'_>, out: &mut Outbox) -> Result<()> {
        let Op::Enter { slot, .. } = job.op else { return Err(unknown(job.at, job.op)) };
        let mut z = Zeroizing::new(input(job)?.words()[..job.shape.words()].to_vec());
        with_ring!(job.shape.kind, R => {
            for key in &self.keys {
                Prg::new(**key).with(job.masks, &mut z, R::sub);
            }
        });
        words::clean(job.shape, &mut z);
        for place in [1, 2] {
            let to = self.compute[place];
            if *slot == 0 {
                out.section(to, KEY)?.copy_from_slice(&*self.keys[2 - place]);
            }
            words::put(&z, out.section(to, job.shape.bytes())?);
        }
        Ok(())
    }

    fn open(&mut self, job: &mut Job<'_>, inbox: &Inbox) -> Result<()> {
        let mut z = Zeroizing::new(vec![0; job.shape.words()]);
        job.opened = Some(total(job.shape, &mut z, &self.compute, inbox)?);
        Ok(())
    }
}
