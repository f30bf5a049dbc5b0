//! The mesh over QUIC: one UDP port, one connection per pair, one stream for each session and
//! conversation, whose windows are 4 MiB (64 MiB for a connection).
//!
//! An abort travels on a unidirectional stream of its own. [`crate::mesh`] has what both transports
//! share.

pub(crate) mod accept;
pub mod bare;
pub(crate) mod connect;
pub(crate) mod transport;

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::TokioRuntime;

use crate::mesh::Options;
use crate::mesh::endpoint::Shared;
use crate::{Error, Result};
pub use transport::Buffers;

/// Opens the UDP port. Must be called on the endpoint's runtime.
pub(crate) fn bind(options: &Options) -> Result<(quinn::Endpoint, SocketAddr, Buffers)> {
    let setup = |error: std::io::Error| Error::Setup(format!("cannot start: {error}"));
    let (socket, buffers) = transport::bind(options)?;
    let local = socket.local_addr().map_err(setup)?;
    let config = transport::endpoint(options, local)?;
    let quinn =
        quinn::Endpoint::new(config, None, socket, Arc::new(TokioRuntime)).map_err(setup)?;
    Ok((quinn, local, buffers))
}

/// Lets peers in. Must be called on the endpoint's runtime.
pub(crate) fn listen(shared: &Arc<Shared>, quinn: &quinn::Endpoint) -> Result<()> {
    let configs = accept::Configs::new(shared)?;
    quinn.set_server_config(Some(configs.far()));
    tokio::spawn(accept::serve(Arc::downgrade(shared), quinn.clone(), configs));
    Ok(())
}
