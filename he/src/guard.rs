//! The guard before a key holder's share: it decrypts what was approved, once, and nothing else.
//!
//! What was decrypted is kept by a [`Memory`], since phases may lie days and restarts apart. The order is
//! what makes it safe: check, compute the part, store the part and what it spends in one durable
//! step, and only then give the bytes out. A holder that is stopped before that step has decrypted
//! nothing; one that is stopped after it gives the same bytes when it is asked again, so the same
//! ciphertext is never hidden by two different noises.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use sha2::{Digest, Sha256};

use crate::{Error, KeyShare, Result, Squashed, decrypt::partial, squash};

/// Whether a key holder evaluates again before it decrypts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// It does, and refuses what differs in a bit. The default.
    #[default]
    Reevaluate,
    /// It believes the evaluator; results say "evaluator: semi-honest".
    Trust,
}

/// What a key holder remembers of one set of keys, for as long as it holds a share of them.
///
/// # Security
/// What is forgotten can be decrypted again, under fresh noise, which then hides half as much.
pub trait Memory {
    /// The part that was given for this plan, if one was.
    ///
    /// # Errors
    /// [`Error::Store`] if it cannot be looked up.
    fn part(&self, plan: &[u8; 32]) -> Result<Option<Vec<u8>>>;

    /// Whether the ciphertext with this digest was decrypted, in whatever plan.
    ///
    /// # Errors
    /// [`Error::Store`] if it cannot be looked up.
    fn decrypted(&self, block: &[u8; 32]) -> Result<bool>;

    /// Keeps a part and marks its plan and its ciphertexts, all of it or nothing, and returns once
    /// that would survive a loss of power.
    ///
    /// # Errors
    /// [`Error::Store`] if it could not be kept, or if plan or ciphertexts were marked meanwhile.
    fn spend(&self, plan: &[u8; 32], blocks: &[[u8; 32]], part: &[u8]) -> Result<()>;
}

impl<M: Memory + ?Sized> Memory for &M {
    fn part(&self, plan: &[u8; 32]) -> Result<Option<Vec<u8>>> {
        (**self).part(plan)
    }

    fn decrypted(&self, block: &[u8; 32]) -> Result<bool> {
        (**self).decrypted(block)
    }

    fn spend(&self, plan: &[u8; 32], blocks: &[[u8; 32]], part: &[u8]) -> Result<()> {
        (**self).spend(plan, blocks, part)
    }
}

/// What a key holder is asked to decrypt, and what it knows about that.
#[derive(Clone, Copy, Debug)]
pub struct Decryption<'a> {
    /// Names what is decrypted once: [`plan_digest`] of circuit and session.
    pub plan: [u8; 32],
    /// Number of ciphertexts that the approved program opens: [`crate::Program::released`].
    pub released: usize,
    /// What the holder approved: [`crate::statement`] of its own keys, program and accepted uploads.
    pub approved: [u8; 32],
    /// What the ciphertexts state that they were evaluated from: with [`Verify::Reevaluate`] that of
    /// this holder's own evaluation. With [`Verify::Trust`] they state nothing, and it is `approved`.
    pub statement: [u8; 32],
    /// [`Squashed::digest`] of what the evaluator says is the result.
    pub claimed: [u8; 32],
    /// The ciphertexts: with [`Verify::Reevaluate`] this holder's own evaluation, with
    /// [`Verify::Trust`] what the evaluator sent.
    pub squashed: &'a Squashed,
    /// Whether the evaluator is believed.
    pub verify: Verify,
}

/// Names a run for a [`Guard`]: the circuit's digest and the session's identifier.
pub fn plan_digest(circuit: &[u8; 32], session: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"tacit homomorphic plan v1");
    hash.update(circuit);
    hash.update(session);
    hash.finalize().into()
}

/// Stands before a share and decrypts with it.
#[derive(Debug)]
pub struct Guard<M> {
    memory: M,
    /// One decryption at a time: two at once could both find that nothing was spent.
    turn: Mutex<()>,
}

impl<M: Memory> Guard<M> {
    /// A guard that knows what `memory` holds.
    pub fn new(memory: M) -> Self {
        Self { memory, turn: Mutex::new(()) }
    }

    /// The bytes of this holder's part (see [`crate::Partial::from_bytes`]). Asked again for the same
    /// plan and the same ciphertexts, it gives the bytes that it gave before.
    ///
    /// Cost: some microseconds a ciphertext, and one write of the memory.
    ///
    /// # Errors
    /// [`Error::Refused`] if the evaluation is of something else than approved, if `squashed` has not
    /// as many ciphertexts as the plan opens or is not what the evaluator claims, if it was not
    /// evaluated here though it has to be, if the plan was decrypted before with other ciphertexts, or
    /// one of these ciphertexts was decrypted before; [`Error::Input`] if there are more than the
    /// noise has room for; [`Error::Store`] of the memory; [`Error::Randomness`].
    ///
    /// # Security
    /// Nothing leaves before the memory has kept it. What was refused has spent nothing.
    pub fn decrypt(&self, share: &KeyShare, what: &Decryption) -> Result<Vec<u8>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = |what: &str| Err(Error::Refused(what.into()));
        let digest = check(what)?;
        if let Some(part) = self.memory.part(&what.plan)? {
            // A part begins with the digest of its ciphertexts.
            if part.first_chunk() == Some(&digest) {
                return Ok(part);
            }
            return refused("this plan was decrypted before, and these ciphertexts are others");
        }
        let blocks = squash::block_digests(what.squashed);
        if blocks.iter().collect::<HashSet<_>>().len() != blocks.len() {
            return refused("one of the ciphertexts would be decrypted twice");
        }
        for block in &blocks {
            if self.memory.decrypted(block)? {
                return refused("one of the ciphertexts was decrypted before, in another plan");
            }
        }
        let part = partial(share, what.squashed)?.to_bytes();
        self.memory.spend(&what.plan, &blocks, &part)?;
        Ok(part)
    }
}

/// What is looked at before the memory: the digest of the ciphertexts if all of it fits.
fn check(what: &Decryption) -> Result<[u8; 32]> {
    let refused = |what: &str| Err(Error::Refused(what.into()));
    if what.approved != what.statement {
        return refused("the evaluation is of other inputs, or on other arithmetic, than approved");
    }
    if what.squashed.len() != what.released {
        return refused("there are not as many ciphertexts as the plan opens");
    }
    if what.verify == Verify::Reevaluate && what.squashed.statement() != Some(what.approved) {
        return refused("it was not evaluated again here");
    }
    let digest = what.squashed.digest();
    if digest != what.claimed {
        return refused("what the evaluator sent is not the plan's result");
    }
    Ok(digest)
}

/// A [`Memory`] that forgets when it is dropped: for tests and measurements alone.
#[derive(Debug, Default)]
pub struct Forgetful {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    parts: HashMap<[u8; 32], Vec<u8>>,
    blocks: HashSet<[u8; 32]>,
}

impl Memory for Forgetful {
    fn part(&self, plan: &[u8; 32]) -> Result<Option<Vec<u8>>> {
        Ok(self.kept().parts.get(plan).cloned())
    }

    fn decrypted(&self, block: &[u8; 32]) -> Result<bool> {
        Ok(self.kept().blocks.contains(block))
    }

    fn spend(&self, plan: &[u8; 32], blocks: &[[u8; 32]], part: &[u8]) -> Result<()> {
        let mut kept = self.kept();
        if kept.parts.contains_key(plan) || blocks.iter().any(|block| kept.blocks.contains(block)) {
            return Err(Error::Store("it was spent meanwhile".into()));
        }
        kept.parts.insert(*plan, part.to_vec());
        kept.blocks.extend(blocks);
        Ok(())
    }
}

impl Forgetful {
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::{keys::Scope, squash::WORDS};

    const APPROVED: [u8; 32] = [5; 32];

    fn share() -> KeyShare {
        let scope = Scope::new([1; 32], 2).unwrap();
        KeyShare::new(scope, [2; 32], 0, Zeroizing::new(vec![1; KeyShare::WORDS])).unwrap()
    }

    fn squashed(blocks: u128) -> Squashed {
        let blocks = (0..blocks).map(|i| vec![i; WORDS]).collect();
        Squashed::new(blocks, Some(APPROVED))
    }

    /// What is approved: one ciphertext of plan 3.
    fn asked(squashed: &Squashed) -> Decryption<'_> {
        Decryption {
            plan: [3; 32],
            released: 1,
            approved: APPROVED,
            statement: APPROVED,
            claimed: squashed.digest(),
            squashed,
            verify: Verify::Reevaluate,
        }
    }

    fn reason(result: Result<Vec<u8>>) -> String {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{error}");
        error.to_string()
    }

    #[test]
    fn only_what_was_approved_is_decrypted_and_only_once() {
        let (memory, share) = (Forgetful::default(), share());
        let guard = Guard::new(&memory);
        let (result, two) = (squashed(1), squashed(2));
        let input = Squashed::new(vec![vec![9; WORDS]], None);
        let text =
            reason(guard.decrypt(&share, &Decryption { statement: [6; 32], ..asked(&result) }));
        assert!(text.contains("other inputs"), "{text}");
        let text = reason(guard.decrypt(&share, &asked(&two)));
        assert!(text.contains("not as many"), "{text}");
        // The evaluator says that a site's input is the result.
        let text = reason(
            guard.decrypt(&share, &Decryption { claimed: input.digest(), ..asked(&result) }),
        );
        assert!(text.contains("not the plan's result"), "{text}");
        // What was received cannot stand for what was evaluated here, nor can what was evaluated here of
        // something else.
        let other = Squashed::new(vec![vec![9; WORDS]], Some([6; 32]));
        for input in [&input, &other] {
            let text = reason(guard.decrypt(&share, &asked(input)));
            assert!(text.contains("not evaluated again"), "{text}");
        }
        assert!(memory.kept().parts.is_empty(), "what was refused has spent nothing");
        let part = guard.decrypt(&share, &asked(&result)).unwrap();
        assert_eq!(part[..32], result.digest());
        assert_eq!(guard.decrypt(&share, &asked(&result)).unwrap(), part, "the same bytes again");
        let trusting = Decryption { verify: Verify::Trust, ..asked(&input) };
        let text = reason(guard.decrypt(&share, &trusting));
        assert!(text.contains("decrypted before, and these ciphertexts are others"), "{text}");
    }

    #[test]
    fn a_ciphertext_of_another_plan_is_not_decrypted_again() {
        let guard = Guard::new(Forgetful::default());
        let (share, result) = (share(), squashed(1));
        guard.decrypt(&share, &asked(&result)).unwrap();
        let other = Decryption { plan: [4; 32], ..asked(&result) };
        let text = reason(guard.decrypt(&share, &other));
        assert!(text.contains("decrypted before, in another plan"), "{text}");
        let twice = Squashed::new(vec![vec![7; WORDS]; 2], Some(APPROVED));
        let twice = Decryption { plan: [4; 32], released: 2, ..asked(&twice) };
        let text = reason(guard.decrypt(&share, &twice));
        assert!(text.contains("decrypted twice"), "{text}");
    }

    #[test]
    fn a_new_guard_of_the_same_memory_gives_the_same_bytes() {
        let memory = Forgetful::default();
        let (share, result) = (share(), squashed(1));
        let part = Guard::new(&memory).decrypt(&share, &asked(&result)).unwrap();
        assert_eq!(Guard::new(&memory).decrypt(&share, &asked(&result)).unwrap(), part);
    }

    /// A memory whose disk is full.
    struct Full;

    impl Memory for Full {
        fn part(&self, _: &[u8; 32]) -> Result<Option<Vec<u8>>> {
            Ok(None)
        }

        fn decrypted(&self, _: &[u8; 32]) -> Result<bool> {
            Ok(false)
        }

        fn spend(&self, _: &[u8; 32], _: &[[u8; 32]], _: &[u8]) -> Result<()> {
            Err(Error::Store("no space left".into()))
        }
    }

    #[test]
    fn nothing_leaves_that_could_not_be_kept() {
        let error = Guard::new(Full).decrypt(&share(), &asked(&squashed(1))).unwrap_err();
        assert!(error.to_string().contains("no space left"), "{error}");
    }

    #[test]
    fn two_at_once_get_the_same_part() {
        let guard = Guard::new(Forgetful::default());
        let (share, result) = (share(), squashed(1));
        let parts: Vec<Vec<u8>> = std::thread::scope(|threads| {
            let run = || guard.decrypt(&share, &asked(&result)).unwrap();
            let all: Vec<_> = (0..8).map(|_| threads.spawn(run)).collect();
            all.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(parts.iter().all(|part| *part == parts[0]));
    }

    #[test]
    fn a_plan_is_named_by_circuit_and_session() {
        let plan = plan_digest(&[1; 32], &[2; 32]);
        assert_eq!(plan, plan_digest(&[1; 32], &[2; 32]));
        assert_ne!(plan, plan_digest(&[2; 32], &[1; 32]));
    }
}
