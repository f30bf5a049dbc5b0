//! A slow network on loopback: a relay that keeps every datagram back for as long as a line of a
//! given latency and bandwidth would take. What passes are the packets that QUIC really sends, with
//! its headers, acknowledgements and pacing.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    net::{SocketAddr, UdpSocket},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

/// Largest datagram.
const MOST: usize = 65_536;

/// Bytes that a network adds to a datagram: IP and UDP headers.
const HEADERS: usize = 28;

/// When a datagram is due, the order in which it came, and what it is.
type Waiting = (Instant, u64, Datagram);

/// A datagram on its way.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Datagram {
    /// Whose line in it still has to pass: lines in serve in the order of arrival, not of departure.
    to: Option<usize>,
    socket: usize,
    address: SocketAddr,
    bytes: Vec<u8>,
}

/// Every party has a line out and a line in; a datagram waits for both, and for the latency between.
pub struct Wan {
    latency: Duration,
    bytes_per_second: f64,
    state: Mutex<State>,
    woken: Condvar,
    sockets: Mutex<Vec<UdpSocket>>,
}

struct State {
    out_free: Vec<Instant>,
    in_free: Vec<Instant>,
    waiting: BinaryHeap<Reverse<Waiting>>,
    count: u64,
}

impl Wan {
    /// Among so many parties.
    pub fn new(parties: usize, latency: Duration, mbit_per_s: f64) -> Arc<Self> {
        let now = Instant::now();
        let wan = Arc::new(Self {
            latency,
            bytes_per_second: mbit_per_s * 1e6 / 8.0,
            state: Mutex::new(State {
                out_free: vec![now; parties],
                in_free: vec![now; parties],
                waiting: BinaryHeap::new(),
                count: 0,
            }),
            woken: Condvar::new(),
            sockets: Mutex::new(Vec::new()),
        });
        let own = wan.clone();
        thread::spawn(move || own.deliver());
        wan
    }

    /// The address at which party `from` reaches party `to`, who listens at `address`.
    pub fn way(self: &Arc<Self>, from: usize, to: usize, address: SocketAddr) -> SocketAddr {
        let near = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let far = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let entrance = near.local_addr().expect("an address");
        let (near_at, far_at) = {
            let mut sockets = self.sockets.lock().expect("sockets");
            sockets.push(near.try_clone().expect("a socket"));
            sockets.push(far.try_clone().expect("a socket"));
            (sockets.len() - 2, sockets.len() - 1)
        };
        // Where the party that comes in at this end is.
        let guest = Arc::new(Mutex::new(None));
        let (wan, seen) = (self.clone(), guest.clone());
        thread::spawn(move || {
            let mut buffer = vec![0; MOST];
            while let Ok((length, sender)) = near.recv_from(&mut buffer) {
                *seen.lock().expect("a guest") = Some(sender);
                wan.post(from, to, far_at, address, &buffer[..length]);
            }
        });
        let wan = self.clone();
        thread::spawn(move || {
            let mut buffer = vec![0; MOST];
            while let Ok((length, _)) = far.recv_from(&mut buffer) {
                let back = *guest.lock().expect("a guest");
                if let Some(back) = back {
                    wan.post(to, from, near_at, back, &buffer[..length]);
                }
            }
        });
        entrance
    }

    fn post(&self, from: usize, to: usize, socket: usize, address: SocketAddr, datagram: &[u8]) {
        let line = self.line(datagram);
        let mut state = self.state.lock().expect("a network");
        let start = state.out_free[from].max(Instant::now());
        state.out_free[from] = start + line;
        state.count += 1;
        let bytes = datagram.to_vec();
        let datagram = Datagram { to: Some(to), socket, address, bytes };
        let entry = (start + self.latency, state.count, datagram);
        state.waiting.push(Reverse(entry));
        self.woken.notify_one();
    }

    /// Time that a datagram takes on a line.
    fn line(&self, datagram: &[u8]) -> Duration {
        Duration::from_secs_f64((datagram.len() + HEADERS) as f64 / self.bytes_per_second)
    }

    fn deliver(&self) {
        let mut state = self.state.lock().expect("a network");
        loop {
            let now = Instant::now();
            match state.waiting.peek() {
                None => state = self.woken.wait(state).expect("a network"),
                Some(Reverse((due, ..))) if *due > now => {
                    let rest = *due - now;
                    state = self.woken.wait_timeout(state, rest).expect("a network").0;
                }
                Some(_) => {
                    let Some(Reverse((due, count, mut datagram))) = state.waiting.pop() else {
                        continue;
                    };
                    if let Some(to) = datagram.to.take() {
                        let done = due.max(state.in_free[to]) + self.line(&datagram.bytes);
                        state.in_free[to] = done;
                        state.waiting.push(Reverse((done, count, datagram)));
                        continue;
                    }
                    let Datagram { socket, address, bytes, .. } = datagram;
                    // A datagram that cannot be handed over is lost, as on any network.
                    let sockets = self.sockets.lock().expect("sockets");
                    let _ = sockets[socket].send_to(&bytes, address);
                }
            }
        }
    }
}
