//! Progress of a query on the terminal: phase, rounds, bytes, time left. Never a value.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tacit_client::Progress;

use crate::{
    render::{number, value::printable},
    terminal::Terminal,
};

/// A line that is drawn over and over, and wiped at the end.
pub struct Drawn {
    bar: ProgressBar,
    joint: Option<Instant>,
}

impl Drawn {
    /// Draws nothing where standard error is no terminal.
    pub fn new(terminal: &Terminal) -> Self {
        let bar = if terminal.progress {
            ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr())
        } else {
            ProgressBar::hidden()
        };
        let template = if terminal.unicode { "{spinner} {bar:24} {msg}" } else { "{bar:24} {msg}" };
        let mut style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        if !terminal.unicode {
            style = style.progress_chars("#> ").tick_chars("-\\|/ ");
        }
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, joint: None }
    }

    /// Shows what has just happened.
    pub fn show(&mut self, progress: &Progress) {
        match progress {
            Progress::Asking { engine, parties } => {
                self.bar.set_message(format!("asking {} ({engine})", parties.join(", ")));
            }
            Progress::Accepted { party, ready, parties } => {
                self.bar.set_length(*parties as u64);
                self.bar.set_position(*ready as u64);
                self.bar.set_message(format!("local part: {party} is ready, {ready} of {parties}"));
            }
            Progress::Queued { ahead } => {
                let before = number::plural(*ahead, "query", "queries");
                self.bar.set_message(format!("waiting: {before} before this one"));
            }
            Progress::Round { round, rounds, bytes, total } => {
                let since = *self.joint.get_or_insert_with(Instant::now);
                self.bar.set_length(*rounds);
                self.bar.set_position(*round);
                let left = left(since.elapsed(), *bytes, *total)
                    .map(|left| format!(", {} left", number::duration(left)));
                self.bar.set_message(format!(
                    "joint part: round {round} of {rounds}, {} of {}{}",
                    number::bytes(*bytes),
                    number::bytes(*total),
                    left.unwrap_or_default(),
                ));
            }
            Progress::Made { party, what, ready, due } => {
                self.joint = None;
                self.bar.set_length(*due as u64);
                self.bar.set_position(*ready as u64);
                self.bar.set_message(format!("{party} gave its {what}, {ready} of {due}"));
            }
            Progress::Evaluating { party, again, done, total } => {
                let since = *self.joint.get_or_insert_with(Instant::now);
                self.bar.set_length((*total).max(1));
                self.bar.set_position(*done);
                let left = left(since.elapsed(), *done, *total)
                    .map(|left| format!(", {} left", number::duration(left)));
                self.bar.set_message(format!(
                    "{party} evaluates{}: {} %{}",
                    if *again { " again, to check" } else { "" },
                    done * 100 / (*total).max(1),
                    left.unwrap_or_default(),
                ));
            }
            Progress::Waiting { parties } if !parties.is_empty() => {
                let parties: Vec<String> =
                    parties.iter().map(|awaited| printable(&awaited.to_string())).collect();
                self.bar.set_message(format!("waiting for {}", parties.join("; ")));
            }
            Progress::Releasing => self.bar.set_message("putting the answer together"),
            _ => {}
        }
    }

    /// Wipes the line.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// Time left if the rest goes as fast as what is done; not told in the first second.
fn left(spent: Duration, done: u64, total: u64) -> Option<Duration> {
    if spent < Duration::from_secs(1) || done == 0 || done >= total {
        return None;
    }
    Some(spent.mul_f64((total - done) as f64 / done as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_told_when_it_means_something() {
        assert_eq!(left(Duration::from_millis(10), 1, 9), None);
        assert_eq!(left(Duration::from_secs(2), 1, 3), Some(Duration::from_secs(4)));
        assert_eq!(left(Duration::from_secs(2), 3, 3), None);
    }
}
