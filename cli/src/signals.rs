//! Ctrl-C and SIGTERM.

use std::sync::mpsc;

use tokio::signal::unix::{SignalKind, signal};

use crate::error::Exit;

/// Calls `first` with the signal's name when the process is asked to end, once, on a thread of its own. Whoever asks a
/// second time ends the process at once. Returns when signals are caught.
pub fn on_interrupt(first: impl FnOnce(&'static str) + Send + 'static) {
    let (caught, ready) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            let interrupt = signal(SignalKind::interrupt());
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (interrupt, signal(SignalKind::terminate()))
            else {
                return;
            };
            drop(caught);
            let name = tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
            };
            first(name);
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(Exit::Cancelled as i32);
        });
    });
    // Nothing is sent: the other end is dropped once they are caught, or cannot be.
    let _ = ready.recv();
}
