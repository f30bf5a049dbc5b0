//! Plain quinn beside the mesh: the same transport settings and TLS, no sessions, no blocking
//! threads. Each party has a tokio runtime of its own with tokio's settings, as it has where
//! parties are processes. For benchmarks, which say how much the mesh adds.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, RecvStream, SendStream, ServerConfig, TokioRuntime};
use tokio::runtime::{Builder, Runtime};

use super::transport;
use crate::mesh::{Options, SecretKey, tls};
use crate::{Error, Result};

type Streams = Vec<Option<(SendStream, RecvStream)>>;

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Setup(format!("plain quinn: {error}"))
}

/// Time of `rounds` rounds in which each of `parties` tasks on loopback sends `bytes` bytes to each
/// other and reads as many.
///
/// # Errors
/// [`Error::Setup`] if the network of this machine does not work.
pub fn rounds(parties: usize, rounds: usize, bytes: usize) -> Result<Duration> {
    run(parties, move |me, streams| play(me, streams, rounds, bytes))
}

/// Time in which each of `parties` tasks on loopback sends `bytes` bytes to the next one.
///
/// # Errors
/// [`Error::Setup`] if the network of this machine does not work.
pub fn transfer(parties: usize, bytes: usize) -> Result<Duration> {
    run(parties, move |me, streams| pass_on(me, streams, bytes))
}

async fn play(_me: usize, mut streams: Streams, rounds: usize, bytes: usize) -> Result<()> {
    let frame = Bytes::from(vec![0; bytes]);
    let mut buffer = vec![0; bytes];
    for _ in 0..rounds {
        for (send, _) in streams.iter_mut().flatten() {
            send.write_chunk(frame.clone()).await.map_err(failed)?;
        }
        for (_, receive) in streams.iter_mut().flatten() {
            receive.read_exact(&mut buffer).await.map_err(failed)?;
        }
    }
    Ok(())
}

async fn pass_on(me: usize, mut streams: Streams, bytes: usize) -> Result<()> {
    let parties = streams.len();
    let broken = || failed("a stream is missing");
    let (mut send, own) = streams[(me + 1) % parties].take().ok_or_else(broken)?;
    // Of two parties, the next one is the one before as well.
    let mut receive = match streams[(me + parties - 1) % parties].take() {
        Some((_, receive)) => receive,
        None => own,
    };
    let sending = async {
        send.write_chunk(vec![0; bytes].into()).await.map_err(failed)?;
        Ok(())
    };
    // Into memory, as a frame: a transfer that throws its bytes away is of no use to anybody.
    let receiving = async {
        let mut buffer = vec![0; bytes];
        receive.read_exact(&mut buffer).await.map_err(failed)
    };
    tokio::try_join!(sending, receiving).map(|((), ())| ())
}

fn run<F>(parties: usize, work: impl Fn(usize, Streams) -> F) -> Result<Duration>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let runtimes = (0..parties)
        .map(|_| Builder::new_multi_thread().enable_all().build())
        .collect::<std::io::Result<Vec<Runtime>>>()
        .map_err(failed)?;
    let mut mesh = Mesh::default();
    runtimes[0].block_on(mesh.connect(&runtimes))?;
    let start = Instant::now();
    let streams = mesh.streams.drain(..).enumerate().zip(&runtimes);
    let tasks: Vec<_> =
        streams.map(|((me, streams), runtime)| runtime.spawn(work(me, streams))).collect();
    let time = runtimes[0].block_on(async {
        for task in tasks {
            task.await.map_err(failed)??;
        }
        Ok(start.elapsed())
    });
    drop(mesh);
    time
}

#[derive(Default)]
struct Mesh {
    streams: Vec<Streams>,
    endpoints: Vec<quinn::Endpoint>,
    /// Held, so that a party that is done early does not close them on the others.
    connections: Vec<Connection>,
}

impl Mesh {
    async fn connect(&mut self, runtimes: &[Runtime]) -> Result<()> {
        let parties = runtimes.len();
        let keys: Vec<SecretKey> =
            (0..parties).map(|party| SecretKey::from_seed([party as u8 + 1; 32])).collect();
        let allowed: BTreeMap<_, _> =
            keys.iter().map(|key| (key.public(), String::new())).collect();
        let allowed = Arc::new(RwLock::new(allowed));
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let settings = Options::new(keys[0].clone()).listen(any);
        let transport = transport::transport(&settings, true, true);
        for (key, runtime) in keys.iter().zip(runtimes) {
            let (socket, _) = transport::bind(&settings)?;
            let config = transport::endpoint(&settings, any)?;
            let crypto = tls::server(key.certified()?, allowed.clone())?;
            let crypto = QuicServerConfig::try_from(crypto).map_err(failed)?;
            let mut server = ServerConfig::with_crypto(Arc::new(crypto));
            server.transport_config(transport.clone());
            // quinn spawns onto the runtime that is entered.
            let _context = runtime.enter();
            let endpoint =
                quinn::Endpoint::new(config, Some(server), socket, Arc::new(TokioRuntime));
            self.endpoints.push(endpoint.map_err(failed)?);
        }
        self.streams = (0..parties).map(|_| (0..parties).map(|_| None).collect()).collect();
        for from in 0..parties {
            for to in from + 1..parties {
                let (crypto, _) = tls::client(keys[from].certified()?, keys[to].public())?;
                let crypto = QuicClientConfig::try_from(crypto).map_err(failed)?;
                let mut config = ClientConfig::new(Arc::new(crypto));
                config.transport_config(transport.clone());
                self.pair(from, to, config, runtimes).await?;
            }
        }
        Ok(())
    }

    async fn pair(
        &mut self,
        from: usize,
        to: usize,
        config: ClientConfig,
        runtimes: &[Runtime],
    ) -> Result<()> {
        let (dialer, listener) = (self.endpoints[from].clone(), self.endpoints[to].clone());
        let address = listener.local_addr().map_err(failed)?;
        let dialing = runtimes[from].spawn(async move {
            let connecting = dialer.connect_with(config, address, "tacit").map_err(failed)?;
            let connection = connecting.await.map_err(failed)?;
            let (mut send, receive) = connection.open_bi().await.map_err(failed)?;
            // The other side learns of a stream by its first byte.
            send.write_all(&[0]).await.map_err(failed)?;
            Ok::<_, Error>((connection, send, receive))
        });
        let accepting = runtimes[to].spawn(async move {
            let incoming = listener.accept().await.ok_or_else(|| failed("closed"))?;
            let connection = incoming.await.map_err(failed)?;
            let (send, mut receive) = connection.accept_bi().await.map_err(failed)?;
            receive.read_exact(&mut [0]).await.map_err(failed)?;
            Ok::<_, Error>((connection, send, receive))
        });
        for (me, peer, task) in [(from, to, dialing), (to, from, accepting)] {
            let (connection, send, receive) = task.await.map_err(failed)??;
            self.streams[me][peer] = Some((send, receive));
            self.connections.push(connection);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn plain_quinn_runs_with_these_settings() {
        super::rounds(3, 3, 100).unwrap();
        super::transfer(3, 1_000_000).unwrap();
    }
}
