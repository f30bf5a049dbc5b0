//! Plain rustls over TCP beside the mesh: the same keys and ciphers, blocking sockets of the
//! standard library, a thread for each party (and each direction of a transfer). For benchmarks,
//! which say how much the mesh adds.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Barrier, RwLock};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection, StreamOwned};

use crate::mesh::{SecretKey, tls};
use crate::{Error, Result};

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Setup(format!("plain TLS over TCP: {error}"))
}

/// One end of a TLS connection.
trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

type End = Box<dyn Stream>;

/// Time of `rounds` rounds in which each of `parties` threads on loopback sends `bytes` bytes to
/// each other and reads as many.
///
/// # Errors
/// [`Error::Setup`] if the network of this machine does not work.
pub fn rounds(parties: usize, rounds: usize, bytes: usize) -> Result<Duration> {
    let mut ends: Vec<Vec<End>> = (0..parties).map(|_| Vec::new()).collect();
    for from in 0..parties {
        for to in from + 1..parties {
            let (here, there) = pair(from, to)?;
            ends[from].push(here);
            ends[to].push(there);
        }
    }
    let play = |mut ends: Vec<End>| {
        let frame = vec![0; bytes];
        let mut buffer = vec![0; bytes];
        for _ in 0..rounds {
            for end in &mut ends {
                end.write_all(&frame)?;
                end.flush()?;
            }
            for end in &mut ends {
                end.read_exact(&mut buffer)?;
            }
        }
        Ok(ends)
    };
    run(ends, &play)
}

/// Time in which each of `parties` threads on loopback sends `bytes` bytes to the next one.
///
/// # Errors
/// [`Error::Setup`] if the network of this machine does not work.
pub fn transfer(parties: usize, bytes: usize) -> Result<Duration> {
    let mut ends = Vec::new();
    for from in 0..parties {
        let (here, there) = pair(from, (from + 1) % parties)?;
        ends.extend([(true, here), (false, there)]);
    }
    let play = |(sends, mut end): (bool, End)| {
        if sends {
            end.write_all(&vec![0; bytes])?;
            end.flush()?;
        } else {
            // Into memory, as a frame.
            end.read_exact(&mut vec![0; bytes])?;
        }
        Ok((sends, end))
    };
    run(ends, &play)
}

/// Runs one thread for each of `ends`; nobody closes them before all are done.
fn run<E: Send>(
    ends: Vec<E>,
    work: &(impl Fn(E) -> std::io::Result<E> + Sync),
) -> Result<Duration> {
    let ready = Barrier::new(ends.len() + 1);
    thread::scope(|scope| {
        let start = |ends: E| {
            let ready = &ready;
            scope.spawn(move || {
                ready.wait();
                work(ends)
            })
        };
        let threads: Vec<ScopedJoinHandle<'_, std::io::Result<E>>> =
            ends.into_iter().map(start).collect();
        ready.wait();
        let begin = Instant::now();
        let mut kept = Vec::new();
        for thread in threads {
            let ended = thread.join().map_err(|_| failed("a thread panicked"))?;
            kept.push(ended.map_err(failed)?);
        }
        Ok(begin.elapsed())
    })
}

/// Both ends of a connection, handshake done.
fn pair(from: usize, to: usize) -> Result<(End, End)> {
    let key = |party: usize| SecretKey::from_seed([party as u8 + 1; 32]);
    let (client, server) = (key(from), key(to));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let allowed = Arc::new(RwLock::new(BTreeMap::from([(client.public(), String::new())])));
    let config = Arc::new(tls::server(server.certified()?, allowed)?);
    let accepting = thread::spawn(move || -> Result<End> {
        let (mut socket, _) = listener.accept().map_err(failed)?;
        socket.set_nodelay(true).map_err(failed)?;
        let mut tls = ServerConnection::new(config).map_err(failed)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket).map_err(failed)?;
        }
        Ok(Box::new(StreamOwned::new(tls, socket)))
    });
    let (config, _) = tls::client(client.certified()?, server.public())?;
    let name = ServerName::try_from("tacit").map_err(failed)?;
    let mut tls = ClientConnection::new(Arc::new(config), name).map_err(failed)?;
    let mut socket = TcpStream::connect(address).map_err(failed)?;
    socket.set_nodelay(true).map_err(failed)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket).map_err(failed)?;
    }
    let there = accepting.join().map_err(|_| failed("a thread panicked"))??;
    Ok((Box::new(StreamOwned::new(tls, socket)), there))
}

#[cfg(test)]
mod tests {
    #[test]
    fn plain_tls_runs_with_these_settings() {
        super::rounds(3, 3, 100).unwrap();
        super::transfer(3, 1_000_000).unwrap();
        super::transfer(2, 10).unwrap();
    }
}
