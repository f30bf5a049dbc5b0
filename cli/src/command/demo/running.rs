//! [`Running`]: the hospitals' processes and the folder that they live in. Both end with it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    error::{Exit, Result},
    process::{Starting, Tied},
    sandbox::Sandbox,
    signals,
};

/// The hospitals' processes and their folder. Dropping it ends the processes and removes the
/// folder; so does Ctrl-C. If this process is killed, they see their standard input close.
pub struct Running(Arc<Mutex<Option<Held>>>);

struct Held {
    processes: Vec<Tied>,
    /// Removed when dropped, after the processes.
    folder: tempfile::TempDir,
}

impl Running {
    /// Takes the folder into its care; from here on Ctrl-C cleans up.
    pub fn new(folder: tempfile::TempDir) -> Self {
        let held = Held { processes: Vec::new(), folder };
        let held = Arc::new(Mutex::new(Some(held)));
        let of_signal = Arc::clone(&held);
        signals::on_interrupt(move |_| {
            end(&of_signal);
            std::process::exit(Exit::Cancelled as i32);
        });
        Self(held)
    }

    /// Starts every party and waits until all are ready.
    ///
    /// # Errors
    /// If one does not start.
    pub fn start(&self, sandbox: &Sandbox, verbose: u8) -> Result<()> {
        let starting: Vec<Starting> = sandbox
            .parties()
            .iter()
            .map(|party| party.start(true, verbose))
            .collect::<Result<_>>()?;
        for party in starting {
            let (process, _) = party.ready()?;
            let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(held) = held.as_mut() {
                held.processes.push(process);
            }
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&self.0);
    }
}

fn end(held: &Mutex<Option<Held>>) {
    let taken = held.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(mut held) = taken {
        held.processes.iter().for_each(Tied::ask_to_end);
        held.processes.iter_mut().for_each(Tied::end);
        let path = held.folder.path().to_owned();
        drop(held);
        // The question that was interrupted may have written once more.
        let _ = std::fs::remove_dir_all(path);
    }
}
