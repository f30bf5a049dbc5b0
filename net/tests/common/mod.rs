//! Endpoints on loopback with fixed keys, over either transport.
#![allow(dead_code)]

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use tacit_net::mesh::{
    Endpoint, LinkOptions, MeshLink, Options, Peer, PublicKey, SecretKey, Transport,
};
use tacit_net::{Error, Frames, Link, Result, Round};

pub const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Makes each of these functions a test over QUIC and one over TCP.
macro_rules! over_both {
    ($($name:ident),* $(,)?) => {
        mod quic {
            $(#[test]
            fn $name() {
                super::$name(tacit_net::mesh::Transport::Quic);
            })*
        }
        mod tcp {
            $(#[test]
            fn $name() {
                super::$name(tacit_net::mesh::Transport::Tcp);
            })*
        }
    };
}
pub(crate) use over_both;

pub fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number + 1; 32])
}

/// Settings with short times, so that the loss of a peer shows quickly.
pub fn options(over: Transport, number: u8) -> Options {
    Options {
        idle: Duration::from_millis(1500),
        keep_alive: Duration::from_millis(300),
        connect: Duration::from_secs(3),
        ..Options::new(key(number)).over(over)
    }
}

/// Parties that all listen and know each other, plus dialing-only ones at the end.
pub struct World {
    pub over: Transport,
    pub endpoints: Vec<Endpoint>,
    pub peers: Vec<Peer>,
}

impl World {
    pub fn new(over: Transport, listening: usize, dialing: usize) -> Self {
        let all = listening + dialing;
        let endpoints: Vec<Endpoint> = (0..all)
            .map(|i| {
                let options = options(over, i as u8);
                let options = if i < listening { options.listen(ANY) } else { options };
                Endpoint::bind(options).unwrap()
            })
            .collect();
        let peers: Vec<Peer> = (0..all)
            .map(|i| Peer {
                name: format!("site-{i}"),
                key: endpoints[i].key(),
                address: (i < listening).then(|| endpoints[i].local_address().to_string()),
            })
            .collect();
        let world = Self { over, endpoints, peers };
        for endpoint in &world.endpoints {
            endpoint.allow(world.names());
        }
        world
    }

    pub fn names(&self) -> Vec<(PublicKey, String)> {
        self.peers.iter().map(|peer| (peer.key, peer.name.clone())).collect()
    }

    pub fn session(&self, me: usize, session: u8) -> LinkOptions {
        LinkOptions {
            session: [session; 32],
            epoch: 0,
            me,
            peers: self
                .peers
                .iter()
                .enumerate()
                .map(|(i, peer)| (i != me).then(|| peer.clone()))
                .collect(),
            connect_deadline: Duration::from_secs(8),
            round_deadline: Duration::from_secs(8),
        }
    }

    pub fn link(&self, me: usize, session: u8) -> Result<MeshLink> {
        self.endpoints[me].link(self.session(me, session))
    }

    /// Runs one party per thread and gives what each returned.
    pub fn run<T: Send>(&self, session: u8, work: impl Fn(MeshLink) -> T + Sync) -> Vec<T> {
        thread::scope(|scope| {
            let work = &work;
            let handles: Vec<_> = (0..self.peers.len())
                .map(|me| scope.spawn(move || work(self.link(me, session).unwrap())))
                .collect();
            handles.into_iter().map(|handle| handle.join().unwrap()).collect()
        })
    }
}

pub fn others(link: &impl Link) -> Vec<usize> {
    (0..link.parties()).filter(|&peer| peer != link.me()).collect()
}

/// A round in which everybody sends `length` bytes to everybody.
pub fn all_to_all(link: &mut impl Link, length: usize) -> Result<Frames> {
    let peers = others(link);
    let me = link.me() as u8;
    link.exchange(Round {
        send: peers.iter().map(|&peer| (peer, Bytes::from(vec![me; length]))).collect(),
        expect: peers.iter().map(|&peer| (peer, length)).collect(),
    })
}

/// Rounds until one fails.
pub fn until_error(link: &mut impl Link) -> Error {
    loop {
        if let Err(error) = all_to_all(link, 100) {
            return error;
        }
    }
}
