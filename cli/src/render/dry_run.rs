//! What `tacit query --dry-run` prints.

use tacit_client::DryRun;

use super::number;
use crate::terminal::Terminal;

/// What asking would do, and who can be reached.
pub fn text(dry: &DryRun, _terminal: &Terminal) -> String {
    let _ = number::bytes(0);
    format!("{dry:?}\n")
}
