//! What a run would take on another network, without waiting for it.
//!
//! Every party has a virtual clock. Each frame carries the time at which its first and last bit
//! left; the receiver's clock moves to when the last bit is in. Nobody sleeps, and the outcome
//! depends on the frames alone, not on how the threads were scheduled.
//!
//! The model: the frames that a party posts in one round share its bandwidth evenly, and it goes
//! on at once (the next round's frames queue behind them). After the one-way latency a frame comes
//! in while still being sent; frames from several peers share the receiver's bandwidth in the
//! order in which they start to arrive. Headers, loss, slow start and computing are left out;
//! [`Simulated::compute`] adds the last by hand.

use std::time::Duration;

use crate::memory::{self, Memory, Stamp};
use crate::{Arena, Frames, Link, Result, Round, Seed};

/// A network: the same latency between all parties and the same bandwidth at each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// Time for a bit from one party to another.
    pub one_way: Duration,
    /// Bits per second that a party can send, and as many that it can receive.
    pub bits_per_second: f64,
}

impl Profile {
    /// Machines of one data centre: 0.1 ms one way, 10 Gbit/s.
    pub const LAN: Self = Self { one_way: Duration::from_micros(100), bits_per_second: 10e9 };

    /// Hospitals of one country over the internet: 20 ms one way, 100 Mbit/s.
    pub const WAN: Self = Self { one_way: Duration::from_millis(20), bits_per_second: 100e6 };

    /// Seconds that `rounds` dependent rounds take in which the busiest party sends (or receives,
    /// if that is more) `bytes` bytes in total.
    ///
    /// ```
    /// use tacit_net::Profile;
    /// assert_eq!(Profile::WAN.seconds(14, 1_250_000), 14.0 * 0.02 + 0.1);
    /// ```
    pub fn seconds(&self, rounds: u64, bytes: u64) -> f64 {
        rounds as f64 * self.one_way.as_secs_f64() + bytes as f64 * 8.0 / self.bits_per_second
    }

    /// Nanoseconds to put `bytes` on the wire.
    fn transmission(&self, bytes: usize) -> u64 {
        (bytes as f64 * 8e9 / self.bits_per_second).ceil() as u64
    }

    fn latency(&self) -> u64 {
        u64::try_from(self.one_way.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// One party's end of a simulated mesh. Made by [`mesh`].
#[derive(Debug)]
pub struct Simulated {
    inner: Memory,
    profile: Profile,
    /// This party's clock, and when its line out and its line in are free: nanoseconds.
    now: u64,
    free_out: u64,
    free_in: u64,
}

/// A full mesh of `parties` ends on the network `profile`; seeds as in [`memory::mesh`].
pub fn mesh(parties: usize, seed: [u8; 32], profile: Profile) -> Vec<Simulated> {
    let end = |inner| Simulated { inner, profile, now: 0, free_out: 0, free_in: 0 };
    memory::mesh(parties, seed).into_iter().map(end).collect()
}

impl Simulated {
    /// Virtual time since the start at this party, its last frame sent included.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.now.max(self.free_out))
    }

    /// Changes how long a round may wait for its frames, in real time: while others compute.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.inner = self.inner.with_deadline(deadline);
        self
    }

    /// Moves this party's clock forward by time spent on computing.
    pub fn compute(&mut self, time: Duration) {
        self.now = self.now.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Moves this party's clock to `time` after the start, unless it is later already.
    pub fn wait_until(&mut self, time: Duration) {
        self.now = self.now.max(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Puts `bytes` bytes on the line out: when the first and the last bit leave.
    fn depart(&mut self, bytes: usize) -> Stamp {
        let start = self.now.max(self.free_out);
        let end = start.saturating_add(self.profile.transmission(bytes));
        self.free_out = end;
        Stamp { start, end }
    }

    /// The line in takes the frames in the order in which their first bits arrive.
    fn arrive(&mut self, mut frames: Vec<(Stamp, usize)>) {
        frames.sort_by_key(|(stamp, _)| stamp.start);
        let latency = self.profile.latency();
        for (stamp, bytes) in frames {
            let first = stamp.start.saturating_add(latency).max(self.free_in);
            self.free_in = first.saturating_add(self.profile.transmission(bytes));
            self.now = self.now.max(self.free_in).max(stamp.end.saturating_add(latency));
        }
    }
}

impl Link for Simulated {
    fn me(&self) -> usize {
        self.inner.me()
    }

    fn parties(&self) -> usize {
        self.inner.parties()
    }

    fn exchange(&mut self, round: Round) -> Result<Frames> {
        let stamp = self.depart(round.send.iter().map(|(_, frame)| frame.len()).sum());
        let frames = self.inner.exchange_stamped(round, stamp)?;
        self.arrive(frames.iter().map(|(frame, stamp)| (*stamp, frame.len())).collect());
        Ok(frames.into_iter().map(|(frame, _)| frame).collect())
    }

    fn seed(&mut self, peer: usize) -> Result<Seed> {
        self.inner.seed(peer)
    }

    fn arena(&self) -> Arena {
        self.inner.arena()
    }

    fn abort(&mut self, culprit: Option<usize>, reason: &str) {
        self.inner.abort(culprit, reason);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use bytes::Bytes;

    use super::*;

    fn run(parties: usize, profile: Profile, rounds: usize, bytes: usize) -> Vec<Duration> {
        let work = move |mut link: Simulated| {
            let peers: Vec<usize> = (0..parties).filter(|&p| p != link.me()).collect();
            for _ in 0..rounds {
                let send = peers.iter().map(|&p| (p, Bytes::from(vec![0; bytes]))).collect();
                let expect = peers.iter().map(|&p| (p, bytes)).collect();
                link.exchange(Round { send, expect }).unwrap();
            }
            link.elapsed()
        };
        let mesh = mesh(parties, [0; 32], profile);
        let threads: Vec<_> = mesh.into_iter().map(|l| thread::spawn(move || work(l))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    }

    #[test]
    fn empty_rounds_cost_one_latency_each() {
        for elapsed in run(3, Profile::WAN, 5, 0) {
            assert_eq!(elapsed, Duration::from_millis(100));
        }
    }

    #[test]
    fn time_of_lockstep_rounds_equals_the_estimate() {
        for elapsed in run(3, Profile::WAN, 4, 125_000) {
            let seconds = Profile::WAN.seconds(4, 4 * 2 * 125_000);
            assert!((elapsed.as_secs_f64() - seconds).abs() < 1e-6, "{elapsed:?} {seconds}");
        }
    }

    #[test]
    fn the_same_run_takes_the_same_virtual_time() {
        assert_eq!(run(4, Profile::LAN, 20, 1000), run(4, Profile::LAN, 20, 1000));
    }

    #[test]
    fn a_late_peer_is_named_after_the_deadline_in_real_time() {
        let mut mesh = mesh(2, [0; 32], Profile::WAN);
        let _silent = mesh.pop();
        let mut link = mesh.pop().unwrap().with_deadline(Duration::from_millis(20));
        let error = link.exchange(Round { send: vec![], expect: vec![(1, 4)] }).unwrap_err();
        assert_eq!(error.culprit(), Some(1), "{error}");
    }

    #[test]
    fn two_senders_share_the_receivers_line() {
        let mut mesh = mesh(3, [0; 32], Profile::WAN);
        let bytes = 12_500; // one millisecond at 100 Mbit/s
        for sender in [1, 2] {
            let send = vec![(0, Bytes::from(vec![0; bytes]))];
            mesh[sender].exchange(Round { send, expect: vec![] }).unwrap();
            assert_eq!(mesh[sender].elapsed(), Duration::from_millis(1));
        }
        mesh[0].exchange(Round { send: vec![], expect: vec![(1, bytes), (2, bytes)] }).unwrap();
        assert_eq!(mesh[0].elapsed(), Duration::from_millis(22));
        mesh[0].compute(Duration::from_millis(3));
        assert_eq!(mesh[0].elapsed(), Duration::from_millis(25));
    }
}
