//! Questions on `fhe` over real connections with real ciphertexts, driven step by step, as an analyst's
//! program or an attacker in its place would.
#![cfg(feature = "fhe")]

#[path = "../common/mod.rs"]
mod common;

mod attacks;
mod child;
mod courier;
mod keys;
mod phases;
mod refusals;

use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{Terms, World};
use tacit_governance::{FheTerms, Outcome, Verify};

/// One count: few ciphertexts.
const SQL: &str = "SELECT COUNT(*) AS n FROM visits WHERE age >= 50";

/// Another one, whose circuit is the same.
const NARROW: &str = "SELECT COUNT(*) AS n FROM visits WHERE age = 51";

/// Tests that evaluate take all cores and much memory: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The reason of a site's last receipt, which is a refusal in this phase.
fn refused(world: &World, name: &str, phase: &str) -> String {
    let record = world.receipts(name).pop().unwrap();
    assert_eq!(record.phase.as_deref(), Some(phase));
    let Outcome::Refused { reason } = record.outcome else { panic!("{record:?}") };
    reason
}

/// Four sites: 0 evaluates and holds a key, 1 and 2 hold keys, 3 has data alone.
fn world(verify: Verify) -> World {
    let fhe = FheTerms {
        holders: vec!["site0".into(), "site1".into(), "site2".into()],
        evaluator: "site0".into(),
        keys: "dealer".into(),
        verify,
        wait_days: None,
    };
    World::of(&Terms { sites: 4, compute: 4, fhe: Some(fhe), ..Terms::default() })
}
