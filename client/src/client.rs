//! [`Client`]: a study, and perhaps a key to ask with.

use std::path::{Path, PathBuf};

use tacit_governance::{KeyPair, Study};
use tacit_mpc::{Circuit, EngineKind};
use tacit_plan::Plan;
use tacit_sql::{ResultTable, Statement};

use crate::{Answer, Cancel, Error, Explanation, Finding, Profile, Progress, Result};

/// A study, and perhaps a key to ask with. Blocking; call it from an ordinary thread.
pub struct Client {
    study: Study,
    folder: PathBuf,
    key: Option<KeyPair>,
}

impl Client {
    /// Opens a study to ask with `key`: checks the study, its signatures, its validity, the mode
    /// of the key file, and that the key is an analyst's of the study.
    ///
    /// # Errors
    /// [`Error::Governance`], each of them with what to do.
    pub fn open(study: &Path, key: &Path) -> Result<Self>;

    /// Opens a study without a key: to compile and explain, which needs no site. Signatures are
    /// not looked at.
    ///
    /// # Errors
    /// [`Error::Governance`] if the study cannot be read or contradicts itself.
    pub fn open_study(study: &Path) -> Result<Self>;

    /// The study.
    pub fn study(&self) -> &Study;

    /// Compiles a question as every party will.
    ///
    /// # Errors
    /// [`Error::Sql`] with the place in the text and the nearest query that works.
    pub fn compile(&self, sql: &str) -> Result<Statement>;

    /// The answer to SHOW TABLES and DESCRIBE, from the study alone; `None` for a query.
    pub fn show(&self, statement: &Statement) -> Option<ResultTable>;

    /// Everything that can be told about a query without running it. `profiles` are networks to
    /// estimate for, beside LAN and WAN.
    ///
    /// # Errors
    /// [`Error::Sql`]; [`Error::Usage`] for SHOW TABLES and DESCRIBE.
    pub fn explain(&self, sql: &str, profiles: &[Profile]) -> Result<Explanation>;

    /// The circuit that would run (lowered for `engine`), or the one the operators wrote (`None`);
    /// for `Circuit::dot` and `Circuit::json`.
    ///
    /// # Errors
    /// As [`Client::explain`]; [`Error::NotAllowed`].
    pub fn circuit(&self, sql: &str, engine: Option<EngineKind>) -> Result<Circuit>;

    /// Asks, waits, checks and releases. Without `engine` it is the first that the study allows of
    /// rep3 and additive; `clear` runs only when it is named.
    ///
    /// SHOW TABLES and DESCRIBE are answered from the study, without a receipt.
    ///
    /// # Errors
    /// Every one has a stable [`Error::code`] and names the party and the side at fault.
    pub fn ask(
        &self,
        sql: &str,
        engine: Option<EngineKind>,
        progress: &mut dyn FnMut(Progress),
        cancel: &Cancel,
    ) -> Result<Answer>;

    /// What `ask` would do, without running anything at a site: compiles, prices, and looks which
    /// parties can be reached.
    ///
    /// # Errors
    /// As [`Client::ask`] up to the point where parties are asked.
    pub fn dry_run(&self, sql: &str, engine: Option<EngineKind>) -> Result<DryRun>;

    /// Looks at the study, the key, every party, the clocks and this machine's UDP buffers.
    pub fn doctor(&self) -> Vec<Finding>;
}
