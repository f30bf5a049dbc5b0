//! The work on ciphertexts: evaluating what was given, and this holder's part of the decryption.

use tacit_governance::{
    phases::{Kind, Parcel},
    session::{Code, Failure},
};
use tacit_he::{Accepted, Decryption, Error, Guard, Memory, Squashed, Verify};
use tacit_plan::Digest;

use super::{
    Fhe,
    evaluations::Run,
    job::Job,
    store::{Slot, Store},
    trouble::Trouble,
};

impl Memory for Store {
    fn part(&self, plan: &[u8; 32]) -> tacit_he::Result<Option<Vec<u8>>> {
        Self::part(self, plan).map_err(|trouble| kept(&trouble))
    }

    fn decrypted(&self, block: &[u8; 32]) -> tacit_he::Result<bool> {
        Self::decrypted(self, block).map_err(|trouble| kept(&trouble))
    }

    fn spend(&self, plan: &[u8; 32], blocks: &[[u8; 32]], part: &[u8]) -> tacit_he::Result<()> {
        Self::spend(self, plan, blocks, part).map_err(|trouble| kept(&trouble))
    }
}

fn kept(trouble: &Trouble) -> Error {
    Error::Store(trouble.to_string())
}

impl Fhe {
    /// Evaluates what was given and keeps what this party needs of it.
    pub(super) fn evaluate(&self, job: &Job, run: &Run) -> Result<(), Failure> {
        let at_me = |trouble: Trouble| trouble.failure(&job.name);
        let session = &job.agreement.session;
        let squashed = if let Some(squashed) = self.own(job, &self.approved(job)?)? {
            squashed
        } else {
            // Before hours of work for nothing.
            self.store.room(job.evaluation_bytes(), self.caps).map_err(at_me)?;
            let uploads = self.uploads(job)?;
            run.wanted()?;
            let keys = job.keys.evaluation()?;
            let watch = |done: usize, total: usize| run.went(done, total);
            tacit_he::evaluate(&keys, &job.program, &uploads, 0, &watch).map_err(|error| match (
                &error,
                run.wanted(),
            ) {
                (Error::Stopped, Err(stopped)) => stopped,
                _ => failure(&error, job),
            })?
        };
        if job.holds() && job.reevaluates() {
            let statement = squashed.statement().unwrap_or([0; 32]);
            let bytes = [&statement[..], &squashed.to_bytes()].concat();
            self.store.put(session, Slot::Own, None, &bytes, self.caps).map_err(at_me)?;
        }
        if job.evaluates() {
            let bytes = job.result(&squashed);
            let parcel = Parcel::sign(&self.key, &job.scope(), Kind::Result, job.me(), &bytes);
            let slot = Slot::Parcel(Kind::Result, job.agreement.me);
            self.store.put(session, slot, Some(&parcel), &bytes, self.caps).map_err(at_me)?;
        }
        Ok(())
    }

    /// What this party evaluated before, if it keeps that; it states what is approved.
    fn own(&self, job: &Job, approved: &[u8; 32]) -> Result<Option<Squashed>, Failure> {
        let at_me = |trouble: Trouble| trouble.failure(&job.name);
        let bytes = self.store.bytes(&job.agreement.session, Slot::Own).map_err(at_me)?;
        let Some(bytes) = bytes else { return Ok(None) };
        let (statement, bytes) = kept_of(&bytes, approved, &job.name)?;
        let due = job.program.released();
        Squashed::kept(bytes, due, *statement).map(Some).map_err(|error| failure(&error, job))
    }

    /// What an evaluation of the uploads that were accepted here has to state.
    fn approved(&self, job: &Job) -> Result<[u8; 32], Failure> {
        let digest = |&from: &usize| Ok((from, Digest::of_bytes(&self.upload(job, from)?).0));
        let uploads =
            job.session.holders.iter().map(digest).collect::<Result<Vec<_>, Failure>>()?;
        let keys = job.agreement.keys.0;
        Ok(tacit_he::statement_of(keys, &job.program, Some(&job.proofs()), &uploads))
    }

    /// The bytes of an upload.
    fn upload(&self, job: &Job, from: usize) -> Result<Vec<u8>, Failure> {
        let slot = Slot::Parcel(Kind::Upload, from as u32);
        let bytes = self.store.bytes(&job.agreement.session, slot);
        bytes.map_err(|trouble| trouble.failure(&job.name))?.ok_or_else(|| {
            let what = format!("the upload of {} was not given", job.session.name(from));
            Failure::new(Code::Message, what)
        })
    }

    /// All uploads, with their proofs checked anew: the store is a file.
    fn uploads(&self, job: &Job) -> Result<Vec<Accepted>, Failure> {
        let accept = |&from: &usize| Self::accept(job, from, &self.upload(job, from)?);
        job.session.holders.iter().map(accept).collect()
    }

    /// Checks an upload: its form, its columns and its proofs.
    pub(super) fn accept(job: &Job, from: usize, bytes: &[u8]) -> Result<Accepted, Failure> {
        let accepted =
            tacit_he::accept(&job.keys.encryption, &job.proofs(), from, job.fields(from), bytes);
        accepted.map_err(|error| {
            let name = job.session.name(from);
            let what = match &error {
                Error::Rejected { what, .. } => format!("refused from {name}: {what}"),
                other => other.to_string(),
            };
            Failure::new(Code::Abort, what).by(name)
        })
    }

    /// This holder's part of the decryption: kept, with what it spends, when this returns. The plan was
    /// evaluated here before, unless the study trusts the evaluator.
    pub(super) fn part(&self, job: &Job) -> Result<Vec<u8>, Failure> {
        let at_me = |trouble: Trouble| trouble.failure(&job.name);
        let session = &job.agreement.session;
        let slot = Slot::Parcel(Kind::Result, job.evaluator() as u32);
        let given = self.store.bytes(session, slot).map_err(at_me)?;
        let given = given.ok_or_else(|| {
            let who = job.session.name(job.evaluator());
            Failure::new(Code::Message, format!("the result of {who} was not given"))
        })?;
        let share = job.keys.share(&self.key)?;
        let (claimed, received) = job.read_result(&given).map_err(|error| failure(&error, job))?;
        let missing = || Failure::new(Code::Internal, "there is nothing to decrypt");
        let approved = self.approved(job)?;
        let (squashed, statement, verify) = if job.reevaluates() {
            let own = self.own(job, &approved)?.ok_or_else(missing)?;
            let statement = own.statement().ok_or_else(missing)?;
            (own, statement, Verify::Reevaluate)
        } else {
            (received.ok_or_else(missing)?, approved, Verify::Trust)
        };
        let decryption = Decryption {
            plan: job.spends(),
            released: job.program.released(),
            approved,
            statement,
            claimed,
            squashed: &squashed,
            verify,
        };
        let part = Guard::new(&self.store).decrypt(&share, &decryption);
        drop(share);
        match part {
            Ok(part) => {
                // Space alone: what is decrypted is not needed again.
                let _ = self.store.forget(session, Slot::Own);
                Ok(part)
            }
            Err(error @ Error::Refused(_)) => {
                // A right one may be given in its place.
                if !job.evaluates() {
                    self.store.forget(session, slot).map_err(at_me)?;
                }
                Err(Failure::new(Code::Abort, error.to_string())
                    .by(job.session.name(job.evaluator())))
            }
            Err(error) => Err(failure(&error, job)),
        }
    }
}

/// The statement and the ciphertexts of an evaluation that was kept, if it states what was approved. What
/// another build evaluated would be read otherwise now; and as the evaluator's result may be of that build,
/// too, evaluating again would not help.
fn kept_of<'a>(
    bytes: &'a [u8],
    approved: &[u8; 32],
    me: &str,
) -> Result<(&'a [u8; 32], &'a [u8]), Failure> {
    let Some((statement, bytes)) = bytes.split_first_chunk::<32>() else {
        return Err(Trouble::Store("an evaluation is not whole".into()).failure(me));
    };
    if statement != approved {
        let what = format!(
            "what {me} keeps of this question was evaluated by another build of tacit, or of other \
             uploads: give the question up, and ask it anew"
        );
        return Err(Failure::new(Code::Policy, what));
    }
    Ok((statement, bytes))
}

/// An error of the library as the analyst is told it.
pub(super) fn failure(error: &Error, job: &Job) -> Failure {
    let me = &job.name;
    let code = match error {
        Error::Store(cause) => return Trouble::Store(cause.clone()).failure(me),
        Error::Unsupported { .. } | Error::Input(_) => Code::Query,
        Error::Setup(_) | Error::Key(_) => Code::Study,
        Error::Rejected { .. } | Error::Refused(_) => Code::Abort,
        Error::Memory { .. } => Code::Busy,
        _ => Code::Internal,
    };
    Failure::new(code, format!("{me}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_evaluation_of_something_else_is_not_decrypted_and_nobody_is_blamed() {
        let kept = [[1; 32], [7; 32]].concat();
        assert_eq!(kept_of(&kept, &[1; 32], "north"), Ok((&[1; 32], &kept[32..])));
        let other = kept_of(&kept, &[2; 32], "north").unwrap_err();
        assert_eq!((other.code, other.culprit.as_deref()), (Code::Policy, None));
        assert!(other.message.contains("another build") && other.message.contains("ask it anew"));
        let short = kept_of(&kept[..31], &[1; 32], "north").unwrap_err();
        assert_eq!(short.culprit.as_deref(), Some("north"));
    }
}
