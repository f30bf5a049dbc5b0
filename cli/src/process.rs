//! The processes of a sandbox or demo: started, watched and ended by their identifier.
//!
//! A party says that it is ready by one line on standard output; everything else goes to its log.
//! A process identifier on disk may be stale, and may by now belong to somebody else: it counts
//! only if that process runs `site serve` with this very configuration.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::error::{Exit, Failure, Result};

/// First word of the line by which a party says that it is ready.
pub const READY: &str = "ready";

/// How long a party may take to check its data and be ready.
const START: Duration = Duration::from_mins(5);

/// How long a party may take to end after SIGTERM, before SIGKILL.
const STOP: Duration = Duration::from_secs(8);

/// A party's folder, with `site.toml`, `pid` and `log` in it.
#[derive(Clone, Debug)]
pub struct Party {
    /// Its name in the study.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
}

/// The news that a started party is ready, which is still to come.
pub struct Starting {
    party: Party,
    /// Length of the log before this start: what lies before it is of earlier runs.
    logged: u64,
    ready: mpsc::Receiver<String>,
}

/// The process of a party that was started. If it was started tied, it ends when this process
/// ends: it watches a pipe that we hold.
pub struct Process {
    child: Child,
    _alive: Option<ChildStdin>,
}

impl Party {
    /// Its configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.join("site.toml")
    }

    /// Its log.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join("pid")
    }

    /// The running process, if there is one.
    pub fn running(&self) -> Option<u32> {
        let pid = std::fs::read_to_string(self.pid_file()).ok()?.trim().parse().ok()?;
        self.is_ours(pid).then_some(pid)
    }

    /// Starts the process; `tied` lets it end with this one. Who must not lose sight of it keeps it
    /// at once, and then waits for the news.
    ///
    /// # Errors
    /// If the log cannot be written or the program cannot be started.
    pub fn start(&self, tied: bool, verbose: u8) -> Result<(Process, Starting)> {
        let path = self.log();
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log = log.map_err(|e| Failure::file(&path, &e))?;
        let logged = log.metadata().map_or(0, |about| about.len());
        // What a party that was killed left behind goes with its next start.
        let temporary = self.folder.join("tmp");
        let _ = std::fs::remove_dir_all(&temporary);
        std::fs::create_dir_all(&temporary).map_err(|e| Failure::file(&temporary, &e))?;
        let program = std::env::current_exe()?;
        let mut command = Command::new(program);
        command.args(["site", "serve", "--config"]).arg(self.config());
        command.args(std::iter::repeat_n("-v", usize::from(verbose)));
        if tied {
            command.arg("--exit-with-parent");
        }
        let mut child = command
            .env("TMPDIR", &temporary)
            .stdin(if tied { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0)
            .spawn()?;
        if !tied {
            std::fs::write(self.pid_file(), child.id().to_string())?;
        }
        let (send, ready) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                let mut line = String::new();
                if BufReader::new(stdout).read_line(&mut line).is_ok() {
                    let _ = send.send(line);
                }
            });
        }
        let alive = child.stdin.take();
        let process = Process { child, _alive: alive };
        Ok((process, Starting { party: self.clone(), logged, ready }))
    }

    /// Asks the running process to end; `None` if none is running.
    pub fn ask_to_end(&self) -> Option<u32> {
        let pid = self.running();
        match pid {
            Some(pid) => signal(pid, Signal::TERM),
            None => self.forget(),
        }
        pid
    }

    /// Waits for the end of a process that was asked to end, and ends it if that takes too long.
    pub fn end(&self, pid: u32) {
        let deadline = Instant::now() + STOP;
        while self.is_ours(pid) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        if self.is_ours(pid) {
            signal(pid, Signal::KILL);
        }
        self.forget();
    }

    fn forget(&self) {
        let _ = std::fs::remove_file(self.pid_file());
    }

    /// The last lines of the log, of those from byte `from` on.
    pub fn log_tail(&self, from: u64, lines: usize) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(self.log())?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(8192).max(from)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = read().unwrap_or_default();
        let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    fn is_ours(&self, pid: u32) -> bool {
        let alive = process(pid).is_some_and(|pid| test_kill_process(pid).is_ok());
        if !alive {
            return false;
        }
        // A zombie has no command line; a stranger has another one.
        match std::fs::read(format!("/proc/{pid}/cmdline")) {
            Ok(line) => {
                let line = String::from_utf8_lossy(&line);
                let config = self.config();
                line.split('\0').any(|word| Path::new(word) == config)
            }
            Err(_) => !Path::new("/proc/self").exists(),
        }
    }
}

impl Starting {
    /// Waits until the party is ready. Returns what it said.
    ///
    /// # Errors
    /// If it ends or takes too long, and may then still run; the message holds the end of its log.
    pub fn ready(self) -> Result<String> {
        let line = self.ready.recv_timeout(START).unwrap_or_default();
        if let Some(said) = line.strip_prefix(READY) {
            return Ok(said.trim().to_owned());
        }
        let name = &self.party.name;
        Err(Failure::new(
            Exit::Setup,
            "party_start",
            format!("{name} did not start:\n{}", self.party.log_tail(self.logged, 12)),
        )
        .help(format!("its log: {}", self.party.log().display())))
    }
}

impl Process {
    /// Identifier of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks the process to end; [`Process::end`] waits for it. Asked twice, a party ends at once and
    /// leaves its temporary files.
    pub fn ask_to_end(&self) {
        signal(self.child.id(), Signal::TERM);
    }

    /// Waits for the end of a process that was asked to end, and ends it if that takes too long.
    pub fn end(&mut self) {
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
    }

    /// Ends the process at once.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = process(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// A process other than the first one and the group of this one, which 0 and negatives would mean.
fn process(pid: u32) -> Option<Pid> {
    let raw = i32::try_from(pid).ok().filter(|&raw| raw > 1)?;
    Pid::from_raw(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_shown_from_this_start_on() {
        let folder = tempfile::tempdir().unwrap();
        let party = Party { name: "north".into(), folder: folder.path().to_owned() };
        std::fs::write(party.log(), "of yesterday\nof today\nof now\n").unwrap();
        assert_eq!(party.log_tail(13, 12), "of today\nof now");
        assert_eq!(party.log_tail(13, 1), "of now");
        assert_eq!(party.log_tail(31, 12), "");
    }
}
