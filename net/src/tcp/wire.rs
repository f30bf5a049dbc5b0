//! [`Wire`]: one TLS connection over TCP, written by the party and read by the endpoint's thread.

use std::collections::VecDeque;
use std::io::{self, BufRead, ErrorKind, IoSlice, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes};
use rustls::Connection;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::control::Control;
use crate::mesh::carrier::Loss;
use crate::mesh::key::PublicKey;
use crate::mesh::pipe::End;

/// Bytes read from the socket at a time: four records.
const READ: usize = 64 << 10;

/// Bytes that may be encrypted and not yet written, and so the most that the system gets at a time:
/// with sixteen records rather than four a bulk transfer takes a tenth less time of the processor.
const WRITE: usize = 256 << 10;

/// How long the end of a connection that was refused is awaited, so that the peer reads why.
const LINGER: Duration = Duration::from_secs(1);

/// Why a wire carries nothing more.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The peer ended it in order.
    Finished,
    /// The peer, or the network, broke it off.
    Socket(io::Error),
    /// What came is no TLS, or the peer refused what went.
    Tls(rustls::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Finished => f.write_str("it closed the connection"),
            Self::Socket(error) => write!(f, "the connection broke off: {error}"),
            Self::Tls(error) => error.fmt(f),
        }
    }
}

/// A socket and the TLS state on top of it.
pub(crate) struct Wire {
    socket: TcpStream,
    tls: Mutex<Connection>,
    /// The peer ended it in order.
    finished: AtomicBool,
    /// Its share of the sockets that an endpoint accepts.
    _permit: Option<OwnedSemaphorePermit>,
}

/// Writes to a socket without waiting.
struct Out<'a>(&'a TcpStream);

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes what is encrypted; false if the socket takes no more now.
fn flush(tls: &mut Connection, socket: &TcpStream) -> io::Result<bool> {
    while tls.wants_write() {
        match tls.write_tls(&mut Out(socket)) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

impl Wire {
    /// Shakes hands; gives what came right behind as well. If it fails, the peer is told why.
    pub(crate) async fn open(
        socket: TcpStream,
        mut tls: Connection,
        idle: Duration,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<(Arc<Self>, VecDeque<Bytes>), Broken> {
        socket.set_nodelay(true)?;
        // A stream may be silent for long, and what stands between may forget it.
        let _ = SockRef::from(&socket).set_tcp_keepalive(&TcpKeepalive::new().with_time(idle));
        tls.set_buffer_limit(Some(WRITE));
        let (finished, accepted) = (AtomicBool::new(false), permit.is_some());
        let wire = Arc::new(Self { socket, tls: Mutex::new(tls), finished, _permit: permit });
        let mut raw = vec![0; READ];
        let mut early = VecDeque::new();
        loop {
            wire.write_all(&mut []).await?;
            if !wire.lock().is_handshaking() {
                return Ok((wire, early));
            }
            let result = wire.read(&mut raw, &mut [], &mut early, true).await;
            if let Err(error) = result {
                if matches!(error, Broken::Tls(_)) {
                    // The alert, and time to read it.
                    let told = async move {
                        let _ = wire.write_all(&mut []).await;
                        wire.linger().await;
                    };
                    if accepted {
                        // As part of the handshake, which gives way to newer ones.
                        told.await;
                    } else {
                        tokio::spawn(told);
                    }
                }
                return Err(error);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key that the peer has proved to hold.
    pub(super) fn peer(&self) -> Option<PublicKey> {
        PublicKey::from_spki(self.lock().peer_certificates()?.first()?)
    }

    /// As [`Connection::export_keying_material`]; false if that is not possible.
    pub(crate) fn export(&self, secret: &mut [u8; 32], label: &[u8], context: &[u8]) -> bool {
        self.lock().export_keying_material(secret, label, Some(context)).is_ok()
    }

    /// Encrypts and writes as much as the socket takes; true if nothing is left to do.
    pub(crate) fn write_now(&self, parts: &mut [Bytes]) -> io::Result<bool> {
        let mut tls = self.lock();
        loop {
            if !flush(&mut tls, &self.socket)? {
                return Ok(false);
            }
            let mut slices = [IoSlice::new(&[]); 2];
            let filled = parts.iter().filter(|part| !part.is_empty()).zip(&mut slices);
            let count = filled.map(|(part, slice)| *slice = IoSlice::new(part)).count();
            if count == 0 {
                return Ok(true);
            }
            let mut written = tls.writer().write_vectored(&slices[..count])?;
            for part in parts.iter_mut() {
                let here = written.min(part.len());
                part.advance(here);
                written -= here;
            }
        }
    }

    /// Writes everything.
    pub(crate) async fn write_all(&self, parts: &mut [Bytes]) -> io::Result<()> {
        while !self.write_now(parts)? {
            self.socket.writable().await?;
        }
        Ok(())
    }

    /// Waits for bytes and decrypts them: into `buffer` as far as they fit, whose number it gives;
    /// the rest is appended. With `once`, returns after one read even if nothing came of it.
    async fn read(
        &self,
        raw: &mut [u8],
        buffer: &mut [u8],
        chunks: &mut VecDeque<Bytes>,
        once: bool,
    ) -> Result<usize, Broken> {
        loop {
            if self.finished.load(Ordering::Acquire) {
                return Err(Broken::Finished);
            }
            let length = match self.socket.try_read(raw) {
                Ok(0) => return Err(Broken::Socket(ErrorKind::UnexpectedEof.into())),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.socket.readable().await?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let (filled, rest) = self.decrypt(&raw[..length], buffer)?;
            let came = filled > 0 || !rest.is_empty();
            if !rest.is_empty() {
                chunks.push_back(rest.into());
            }
            if came || once {
                return Ok(filled);
            }
        }
    }

    /// Decrypts into `buffer`, gives how far that is filled, and what did not fit.
    fn decrypt(&self, mut bytes: &[u8], buffer: &mut [u8]) -> Result<(usize, Vec<u8>), Broken> {
        let mut filled = 0;
        let mut rest = Vec::new();
        let mut tls = self.lock();
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes)?;
            let state = match tls.process_new_packets() {
                Ok(state) => state,
                Err(error) => {
                    // The alert that says why, as far as it can be sent.
                    let _ = flush(&mut tls, &self.socket);
                    return Err(Broken::Tls(error));
                }
            };
            let mut left = state.plaintext_bytes_to_read();
            let mut reader = tls.reader();
            while left > 0 {
                let part = reader.fill_buf()?;
                let length = part.len();
                let here = length.min(buffer.len() - filled);
                buffer[filled..filled + here].copy_from_slice(&part[..here]);
                filled += here;
                if here < length {
                    rest.reserve(length - here + bytes.len());
                    rest.extend_from_slice(&part[here..]);
                }
                reader.consume(length);
                left = left.saturating_sub(length.max(1));
            }
            if state.peer_has_closed() {
                self.finished.store(true, Ordering::Release);
                // One side's end is the end of both: it lets the peer know that all has come.
                tls.send_close_notify();
                let _ = flush(&mut tls, &self.socket);
                self.shutdown(Shutdown::Write);
                break;
            }
        }
        // Answers of TLS itself, as far as they can be sent now.
        let _ = flush(&mut tls, &self.socket);
        Ok((filled, rest))
    }

    /// Ends it, and waits until the peer has everything and has ended it too.
    pub(crate) async fn end(&self) {
        if self.finished.load(Ordering::Acquire) {
            return;
        }
        self.lock().send_close_notify();
        if self.write_all(&mut []).await.is_ok() {
            self.shutdown(Shutdown::Write);
            self.drain().await;
        }
    }

    /// Ends it without waiting.
    pub(super) fn leave(&self) {
        let mut tls = self.lock();
        tls.send_close_notify();
        let _ = flush(&mut tls, &self.socket);
        self.shutdown(Shutdown::Write);
    }

    /// Answers with a code, and ends it when the peer has read that.
    pub(crate) async fn refuse(&self, code: u32) {
        let code = Bytes::copy_from_slice(&[code as u8]);
        let _ = timeout(LINGER, self.write_all(&mut [code])).await;
        let _ = timeout(LINGER, self.end()).await;
    }

    async fn linger(&self) {
        self.shutdown(Shutdown::Write);
        let _ = timeout(LINGER, self.drain()).await;
    }

    /// Reads to the end. A socket that is closed with bytes unread takes back what it sent last.
    async fn drain(&self) {
        let mut raw = vec![0; READ];
        while self.socket.readable().await.is_ok() {
            match self.socket.try_read(&mut raw) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    /// Cuts it off.
    pub(super) fn cut(&self) {
        self.shutdown(Shutdown::Both);
    }

    fn shutdown(&self, how: Shutdown) {
        // It fails only on a socket that is cut off already.
        let _ = SockRef::from(&self.socket).shutdown(how);
    }
}

/// The receiving end of a wire.
pub(crate) struct Source {
    wire: Arc<Wire>,
    /// The connection that it belongs to, if it is not that itself.
    control: Option<Arc<Control>>,
    raw: Vec<u8>,
}

impl Source {
    pub(super) fn new(wire: Arc<Wire>, control: Option<Arc<Control>>) -> Self {
        Self { wire, control, raw: vec![0; READ] }
    }

    /// As [`Source::read`], with the cause as it is.
    pub(super) async fn read_plain(&mut self, chunks: &mut VecDeque<Bytes>) -> Result<(), Broken> {
        self.wire.read(&mut self.raw, &mut [], chunks, false).await.map(drop)
    }

    /// Waits for bytes: puts them into `buffer` as far as they fit, gives their number, and appends
    /// the rest.
    pub(crate) async fn read(
        &mut self,
        buffer: &mut [u8],
        chunks: &mut VecDeque<Bytes>,
    ) -> Result<usize, End> {
        let read = self.wire.read(&mut self.raw, buffer, chunks, false).await;
        read.map_err(|broken| match (broken, &self.control) {
            (Broken::Finished, _) => End::Finished,
            (_, Some(control)) => End::Lost(Loss::Tcp(control.clone())),
            (broken, None) => End::Lost(Loss::Cut(broken.to_string())),
        })
    }

    /// From now on a stream of that connection.
    pub(crate) fn belong(&mut self, control: Arc<Control>) {
        self.control = Some(control);
    }
}
