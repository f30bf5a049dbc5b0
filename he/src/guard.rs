//! The guard before a key holder's share: it decrypts what was approved, once, and nothing else.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use crate::{Error, Program, Result, Squashed, flooding::Flooding, keys::Scope};

/// What a key holder approved for one plan.
#[derive(Clone, Debug)]
struct Approval {
    statement: [u8; 32],
    blocks: usize,
    spent: bool,
}

/// Whether a key holder evaluates again before it decrypts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// It does, and refuses what differs in a bit. The default.
    #[default]
    Reevaluate,
    /// It believes the evaluator; results say "evaluator: semi-honest".
    Trust,
}

/// The right to decrypt these ciphertexts once. Neither `Clone` nor to be made elsewhere.
#[must_use = "a permit that is not used is spent all the same"]
#[derive(Debug)]
pub struct Permit {
    keys: [u8; 32],
    ciphertexts: [u8; 32],
}

impl Permit {
    /// Keys and ciphertexts that it is for.
    pub(crate) fn spend(self) -> ([u8; 32], [u8; 32]) {
        (self.keys, self.ciphertexts)
    }
}

/// Approvals of one set of keys, in memory.
///
/// # Security
/// It forgets when it is dropped. A service must store a plan's digest as spent *before* it sends a
/// partial decryption, and give it back through [`Guard::spent_before`] when it starts again: one
/// plan decrypted twice halves what the noise hides.
#[derive(Debug)]
pub struct Guard {
    scope: Scope,
    keys: [u8; 32],
    approvals: HashMap<[u8; 32], Approval>,
    decrypted: HashSet<[u8; 32]>,
}

impl Guard {
    /// A guard that approves nothing yet.
    pub fn new(scope: Scope, keys: [u8; 32]) -> Self {
        Self { scope, keys, approvals: HashMap::new(), decrypted: HashSet::new() }
    }

    /// Marks a plan as decrypted before this guard existed.
    pub fn spent_before(&mut self, plan: [u8; 32]) {
        let approval = Approval { statement: [0; 32], blocks: 0, spent: true };
        self.approvals.insert(plan, approval);
    }

    /// Approves the decryption of what `program` opens, evaluated on the uploads that `statement`
    /// (see [`crate::statement`]) names, for the plan with this digest.
    ///
    /// # Errors
    /// [`Error::Refused`] if the plan was approved or decrypted before; [`Error::Input`] if it opens
    /// more than the noise has room for.
    pub fn approve(
        &mut self,
        plan: [u8; 32],
        program: &Program,
        statement: [u8; 32],
    ) -> Result<()> {
        Flooding::new(self.scope.holders, program.released())?;
        if self.approvals.contains_key(&plan) {
            return Err(Error::Refused("this plan was approved before".into()));
        }
        let approval = Approval { statement, blocks: program.released(), spent: false };
        self.approvals.insert(plan, approval);
        Ok(())
    }

    /// The permit to decrypt `received`, which the evaluator says is the result of the plan. With
    /// [`Verify::Reevaluate`] `own` is this key holder's own evaluation of the same statement. What was
    /// refused may be tried again; what was permitted is spent.
    ///
    /// # Errors
    /// [`Error::Refused`] with the reason.
    pub fn permit(
        &mut self,
        plan: [u8; 32],
        statement: [u8; 32],
        received: &Squashed,
        verify: Verify,
        own: Option<&Squashed>,
    ) -> Result<Permit> {
        let refused = |what: &str| Err(Error::Refused(what.into()));
        let Some(approval) = self.approvals.get_mut(&plan) else {
            return refused("no such plan was approved");
        };
        if approval.spent {
            return refused("this plan was decrypted before");
        }
        if approval.statement != statement {
            return refused(
                "the evaluation is of other inputs, or on other arithmetic, than approved",
            );
        }
        if approval.blocks != received.len() {
            return refused("there are not as many ciphertexts as the plan opens");
        }
        match (verify, own) {
            (Verify::Reevaluate, None) => return refused("it was not evaluated again here"),
            (Verify::Reevaluate, Some(own)) if own != received => {
                return refused("what the evaluator sent is not the plan's result");
            }
            _ => {}
        }
        // Fresh noise on a ciphertext that was decrypted before, in whatever plan, would be averaged.
        let digest = |block: &Vec<u128>| -> [u8; 32] {
            let mut hash = Sha256::new();
            for word in block {
                hash.update(word.to_le_bytes());
            }
            hash.finalize().into()
        };
        let blocks: HashSet<[u8; 32]> = received.blocks.iter().map(digest).collect();
        if blocks.len() != received.len() || !blocks.is_disjoint(&self.decrypted) {
            return refused("one of the ciphertexts would be decrypted twice");
        }
        self.decrypted.extend(blocks);
        approval.spent = true;
        Ok(Permit { keys: self.keys, ciphertexts: received.digest() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squash::WORDS;

    fn squashed(blocks: u128) -> Squashed {
        Squashed { blocks: (0..blocks).map(|i| vec![i; WORDS]).collect() }
    }

    fn reason(result: Result<Permit>) -> String {
        result.unwrap_err().to_string()
    }

    /// A program that opens one block: a bit of one party.
    fn program() -> Program {
        let mut b = tacit_mpc::Builder::new();
        let x: tacit_mpc::Bit = b.enter(0, 1);
        b.reveal(x, 1, "x");
        let circuit = b.finish();
        let fields = crate::fields(&circuit, 2, |_, _| 1).unwrap();
        Program::new(&circuit, &fields).unwrap()
    }

    #[test]
    fn only_what_was_approved_is_decrypted_and_only_once() {
        let scope = Scope::new([1; 32], 2).unwrap();
        let mut guard = Guard::new(scope, [2; 32]);
        let (plan, other, statement) = ([3; 32], [4; 32], [5; 32]);
        let (result, input) = (squashed(1), Squashed { blocks: vec![vec![9; WORDS]] });
        guard.approve(plan, &program(), statement).unwrap();
        let mut ask = |plan, statement, received: &Squashed, own| {
            guard.permit(plan, statement, received, Verify::Reevaluate, own)
        };
        let text = reason(ask(other, statement, &result, Some(&result)));
        assert!(text.contains("no such plan"), "{text}");
        let text = reason(ask(plan, [6; 32], &result, Some(&result)));
        assert!(text.contains("other inputs"), "{text}");
        let text = reason(ask(plan, statement, &squashed(2), Some(&result)));
        assert!(text.contains("not as many"), "{text}");
        let text = reason(ask(plan, statement, &result, None));
        assert!(text.contains("not evaluated again"), "{text}");
        let text = reason(ask(plan, statement, &input, Some(&result)));
        assert!(text.contains("not the plan's result"), "{text}");
        let permit = ask(plan, statement, &result, Some(&result)).unwrap();
        assert_eq!(permit.spend(), ([2; 32], result.digest()));
        let text = reason(ask(plan, statement, &result, Some(&result)));
        assert!(text.contains("decrypted before"), "{text}");
        assert!(guard.approve(plan, &program(), statement).is_err());
    }

    #[test]
    fn a_ciphertext_of_another_plan_is_not_decrypted_again() {
        let scope = Scope::new([1; 32], 2).unwrap();
        let mut guard = Guard::new(scope, [2; 32]);
        let result = squashed(1);
        for plan in [[3; 32], [4; 32]] {
            guard.approve(plan, &program(), [5; 32]).unwrap();
        }
        let _permit = guard.permit([3; 32], [5; 32], &result, Verify::Trust, None).unwrap();
        let text = reason(guard.permit([4; 32], [5; 32], &result, Verify::Trust, None));
        assert!(text.contains("decrypted twice"), "{text}");
    }

    #[test]
    fn what_was_spent_before_a_restart_stays_spent() {
        let scope = Scope::new([1; 32], 2).unwrap();
        let mut guard = Guard::new(scope, [2; 32]);
        guard.spent_before([3; 32]);
        assert!(guard.approve([3; 32], &program(), [5; 32]).is_err());
        let result = squashed(1);
        let text = reason(guard.permit([3; 32], [5; 32], &result, Verify::Trust, None));
        assert!(text.contains("decrypted before"), "{text}");
    }
}
