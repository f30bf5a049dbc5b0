//! A forwarder of UDP datagrams that keeps a copy of every payload.

use std::{
    collections::HashMap,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Stands before one party: listens where the study says, forwards to where the party listens.
pub struct Proxy {
    captured: Arc<Mutex<Vec<u8>>>,
    stop: Arc<AtomicBool>,
}

impl Proxy {
    /// Forwards between `front` and `target` until dropped.
    pub fn start(front: SocketAddr, target: SocketAddr) -> Self {
        let captured = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let front = UdpSocket::bind(front).expect("the front port is free");
        let (copy, halt) = (captured.clone(), stop.clone());
        std::thread::spawn(move || forward(&front, target, &copy, &halt));
        Self { captured, stop }
    }

    /// Everything that went through so far, in both directions.
    pub fn captured(&self) -> Vec<u8> {
        self.captured.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

fn forward(
    front: &UdpSocket,
    target: SocketAddr,
    copy: &Arc<Mutex<Vec<u8>>>,
    halt: &Arc<AtomicBool>,
) {
    front.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut behind: HashMap<SocketAddr, UdpSocket> = HashMap::new();
    let mut buffer = vec![0; 65536];
    while !halt.load(Ordering::Acquire) {
        let Ok((length, from)) = front.recv_from(&mut buffer) else { continue };
        copy.lock().unwrap().extend_from_slice(&buffer[..length]);
        let socket = behind.entry(from).or_insert_with(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(target).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let (back, front) = (socket.try_clone().unwrap(), front.try_clone().unwrap());
            let (copy, halt) = (copy.clone(), halt.clone());
            std::thread::spawn(move || {
                let mut buffer = vec![0; 65536];
                while !halt.load(Ordering::Acquire) {
                    let Ok(length) = back.recv(&mut buffer) else { continue };
                    copy.lock().unwrap().extend_from_slice(&buffer[..length]);
                    let _ = front.send_to(&buffer[..length], from);
                }
            });
            socket
        });
        let _ = socket.send(&buffer[..length]);
    }
}
