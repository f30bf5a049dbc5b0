//! A runtime for the few calls of the command line that are asynchronous.

use crate::error::Result;

/// Runs a future to its end on a runtime of its own.
///
/// # Errors
/// If the system gives no threads.
pub fn block_on<T>(future: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    Ok(runtime.block_on(future))
}
