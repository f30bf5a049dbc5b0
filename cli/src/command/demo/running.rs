//! [`Running`]: the hospitals' processes and the folder that they live in. Both end with it.

use std::{
    io::ErrorKind,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    error::{Exit, Failure, Result},
    process::{Process, Starting},
    sandbox::Sandbox,
    signals,
};

/// How often the folder is removed, 10 ms apart, until it is gone.
const REMOVALS: u32 = 100;

/// The hospitals' processes and their folder. Dropping it ends the processes and removes the
/// folder; so does Ctrl-C. If this process is killed, they see their standard input close.
pub struct Running(Arc<Mutex<Option<Held>>>);

struct Held {
    processes: Vec<Process>,
    /// Removed after the processes.
    folder: tempfile::TempDir,
}

impl Running {
    /// Makes the folder; from before that on Ctrl-C cleans up. Returns the folder, too.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn new() -> Result<(Self, PathBuf)> {
        let held = Arc::new(Mutex::new(None));
        let mut of_main = held.lock().unwrap_or_else(PoisonError::into_inner);
        let of_signal = Arc::clone(&held);
        signals::on_interrupt(move |_| {
            end(&of_signal);
            std::process::exit(Exit::Cancelled as i32);
        });
        let folder = tempfile::Builder::new().prefix("tacit-demo-").tempdir()?;
        let path = folder.path().to_owned();
        *of_main = Some(Held { processes: Vec::new(), folder });
        drop(of_main);
        Ok((Self(held), path))
    }

    /// Starts every party and waits until all are ready.
    ///
    /// # Errors
    /// If one does not start.
    pub fn start(&self, sandbox: &Sandbox, verbose: u8) -> Result<()> {
        let starting: Vec<Starting> = sandbox
            .parties()
            .iter()
            .map(|party| {
                // Kept before it is ready, and never after the end, so that none outlives the demo.
                let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let held = held.as_mut().ok_or_else(interrupted)?;
                let (process, starting) = party.start(true, verbose)?;
                held.processes.push(process);
                Ok(starting)
            })
            .collect::<Result<_>>()?;
        for party in starting {
            party.ready()?;
        }
        Ok(())
    }
}

fn interrupted() -> Failure {
    Failure::new(Exit::Cancelled, "cancelled", "interrupted")
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&self.0);
    }
}

/// Ends the processes and removes the folder, once; whoever calls it again waits for that.
fn end(held: &Mutex<Option<Held>>) {
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(Held { mut processes, folder }) = held.take() else { return };
    processes.iter().for_each(Process::ask_to_end);
    processes.iter_mut().for_each(Process::end);
    let path = folder.keep();
    // What was interrupted may write once more while its folder goes.
    for _ in 0..REMOVALS {
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                std::thread::sleep(Duration::from_millis(10));
            }
            _ => return,
        }
    }
}
