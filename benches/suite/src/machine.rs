//! What this machine is and what it does at best: a record carries it, so that records of two
//! machines can be compared.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use aes::{
    Aes128,
    cipher::{BlockCipherEncrypt, KeyInit},
};
use sha2::{Digest as _, Sha256};
use tacit_net::{quic, tcp};

use crate::{
    Result,
    record::{Build, Machine, Reference},
};

/// Bytes of a copy and of a transfer by each party.
const BULK: usize = 80_000_000;

/// Rounds of a reference.
const ROUNDS: usize = 500;

/// The references, measured now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct References {
    /// AES-128 in counter mode, one thread, bytes a second.
    pub aes: f64,
    /// Memory copy, one thread, bytes a second.
    pub copy: f64,
    /// Plain quinn on loopback.
    pub quic: Plain,
    /// Plain rustls over TCP on loopback.
    pub tcp: Plain,
    /// Parties of the last two.
    pub parties: usize,
}

/// What a transport does on loopback with nothing around it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Plain {
    /// Bytes a second that all parties together move.
    pub transfer: f64,
    /// Seconds of a full-mesh round of 100 bytes.
    pub round: f64,
}

impl Plain {
    /// The best of a few times.
    fn measure(
        parties: usize,
        transfer: fn(usize, usize) -> tacit_net::Result<Duration>,
        rounds: fn(usize, usize, usize) -> tacit_net::Result<Duration>,
    ) -> Result<Self> {
        let (mut bulk, mut round) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..3 {
            bulk = bulk.min(transfer(parties, BULK)?.as_secs_f64());
            round = round.min(rounds(parties, ROUNDS, 100)?.as_secs_f64());
        }
        Ok(Self { transfer: (parties * BULK) as f64 / bulk, round: round / ROUNDS as f64 })
    }
}

impl References {
    /// Measures them, each a few times; the best counts.
    ///
    /// # Errors
    /// If the network of this machine does not work.
    pub fn measure(parties: usize) -> Result<Self> {
        Ok(Self {
            aes: aes(),
            copy: copy(),
            quic: Plain::measure(parties, quic::bare::transfer, quic::bare::rounds)?,
            tcp: Plain::measure(parties, tcp::bare::transfer, tcp::bare::rounds)?,
            parties,
        })
    }

    /// What this machine does without a network: parties on several machines share nothing else.
    pub fn alone() -> Self {
        Self { aes: aes(), copy: copy(), quic: Plain::default(), tcp: Plain::default(), parties: 1 }
    }

    /// As they stand in a record: those that were measured.
    pub fn list(&self) -> Vec<Reference> {
        let parties = self.parties;
        let entry = |id: &str, name: String, value: f64, unit: &str| Reference {
            id: id.into(),
            name,
            value,
            unit: unit.into(),
        };
        let mut list = vec![
            entry("aes", "AES-128 in counter mode, one thread".into(), self.aes / 1e9, "GB/s"),
            entry("copy", "memory copy, one thread".into(), self.copy / 1e9, "GB/s"),
        ];
        for (id, name, plain) in
            [("quic", "plain quinn", self.quic), ("tcp", "plain rustls over TCP", self.tcp)]
        {
            list.push(entry(
                &format!("{id}-transfer"),
                format!("{name} on loopback, {parties} parties, all bytes"),
                plain.transfer / 1e9,
                "GB/s",
            ));
            list.push(entry(
                &format!("{id}-round"),
                format!("{name} on loopback, {parties} parties, full-mesh round of 100 bytes"),
                plain.round * 1e6,
                "µs",
            ));
        }
        list.retain(|reference| reference.value > 0.0);
        list
    }
}

fn best(times: usize, mut work: impl FnMut()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..times).map(time).fold(f64::INFINITY, f64::min)
}

fn aes() -> f64 {
    const BLOCKS: usize = 128;
    const BATCHES: usize = 50_000;
    let cipher = Aes128::new(&[7; 16].into());
    let mut batch = [aes::Block::default(); BLOCKS];
    let seconds = best(3, || {
        let mut counter = 0_u128;
        for _ in 0..BATCHES {
            for block in &mut batch {
                *block = counter.to_le_bytes().into();
                counter += 1;
            }
            cipher.encrypt_blocks(&mut batch);
            black_box(&batch);
        }
    });
    (16 * BLOCKS * BATCHES) as f64 / seconds
}

fn copy() -> f64 {
    let from = vec![1_u8; BULK];
    let mut to = vec![0_u8; BULK];
    let seconds = best(5, || black_box(&mut to).copy_from_slice(black_box(&from)));
    BULK as f64 / seconds
}

/// This program.
pub fn build() -> Build {
    let file = std::env::current_exe().and_then(std::fs::read).unwrap_or_default();
    let digest = Sha256::digest(file);
    Build {
        version: env!("CARGO_PKG_VERSION").into(),
        profile: if cfg!(debug_assertions) { "debug" } else { "release" }.into(),
        digest: hex(&digest),
    }
}

/// Hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// This machine.
pub fn machine() -> Machine {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim())
    };
    let flags: Vec<&str> =
        field("flags").split_whitespace().chain(field("Features").split_whitespace()).collect();
    let wide = ["aes", "sse2", "avx2", "vaes", "avx512f", "gfni", "asimd", "sve"];
    let cpu = match field("model name") {
        "" => "unknown",
        name => name,
    };
    Machine {
        cpu: cpu.into(),
        cores: std::thread::available_parallelism().map_or(1, |n| n.get() as u64),
        instructions: wide.iter().filter(|w| flags.contains(w)).map(|w| (*w).to_owned()).collect(),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
    }
}

/// Bytes of memory that can be had without swapping, where the system tells.
pub fn available_memory() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("MemAvailable:"))?;
    Some(1024 * line.split_whitespace().nth(1)?.parse::<u64>().ok()?)
}
