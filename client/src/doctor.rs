//! What `tacit doctor` is made of: findings, each with the side at fault and the fix.

use serde::{Deserialize, Serialize};

use crate::Side;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Whether it is as it should be.
    pub ok: bool,
    /// Short name of the check: `key`, `study`, `signatures`, `validity`, `reach NAME`, `clock NAME`, `udp`.
    pub check: String,
    /// What was found.
    pub what: String,
    /// Who has to mend it, if anything is to be mended.
    pub side: Option<Side>,
    /// What to do.
    pub fix: Option<String>,
}

impl Finding {
    pub(crate) fn good(check: impl Into<String>, what: impl Into<String>) -> Self {
        Self { ok: true, check: check.into(), what: what.into(), side: None, fix: None }
    }

    pub(crate) fn bad(
        check: impl Into<String>,
        what: impl Into<String>,
        side: Side,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            ok: false,
            check: check.into(),
            what: what.into(),
            side: Some(side),
            fix: Some(fix.into()),
        }
    }
}
