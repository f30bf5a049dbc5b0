//! TLS 1.3 with pinned keys on both sides and hybrid post-quantum key exchange only.
//!
//! # Security
//! A peer proves possession of a pinned Ed25519 key in the handshake. There is no resumption and no
//! early data, so a key that leaves the allowed set cannot come back by a ticket. The only group
//! offered is X25519MLKEM768: a peer that cannot do it is refused, never served with less.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme};

use super::key::PublicKey;
use crate::{Error, Result};

/// Application protocol: a peer that speaks another version is refused in the handshake.
pub(crate) const ALPN: &[u8] = b"tacit/1";

/// Keys that may connect, with the names they go by.
pub(crate) type Allowed = Arc<RwLock<BTreeMap<PublicKey, String>>>;

/// AES-128 first: it costs least per packet, and QUIC needs it for its first packets anyway.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = default_provider();
    provider.kx_groups = vec![kx_group::X25519MLKEM768];
    provider.cipher_suites = vec![
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    Arc::new(provider)
}

/// Alerts of TLS (RFC 8446, section 6) by what they mean to the side that dialed.
pub(crate) mod alerts {
    /// Not with this key.
    pub(crate) const KEY: [u8; 6] = [42, 43, 46, 48, 49, 116];
    /// Not with this protocol (versions, groups, ALPN).
    pub(crate) const PROTOCOL: [u8; 4] = [40, 70, 71, 120];
}

fn refused() -> rustls::Error {
    rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

pub(crate) fn setup(error: impl std::fmt::Display) -> Error {
    Error::Setup(format!("TLS cannot be set up: {error}"))
}

/// The accepting side: lets in every key of `allowed`, looked up anew for each connection.
pub(crate) fn server(key: Arc<CertifiedKey>, allowed: Allowed) -> Result<rustls::ServerConfig> {
    let provider = provider();
    let verifier = Arc::new(AllowedClients { provider: provider.clone(), allowed });
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(setup)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(key)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The dialing side: accepts `expected` only, and raises the flag if another key is presented.
pub(crate) fn client(
    key: Arc<CertifiedKey>,
    expected: PublicKey,
) -> Result<(rustls::ClientConfig, Arc<AtomicBool>)> {
    let provider = provider();
    let other = Arc::new(AtomicBool::new(false));
    let verifier =
        Arc::new(PinnedServer { provider: provider.clone(), expected, other: other.clone() });
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(setup)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(key)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok((config, other))
}

fn verify(
    provider: &CryptoProvider,
    message: &[u8],
    key: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let spki = SubjectPublicKeyInfoDer::from(key.as_ref());
    verify_tls13_signature_with_raw_key(
        message,
        &spki,
        signature,
        &provider.signature_verification_algorithms,
    )
}

#[derive(Debug)]
struct PinnedServer {
    provider: Arc<CryptoProvider>,
    expected: PublicKey,
    other: Arc<AtomicBool>,
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if PublicKey::from_spki(key).is_some_and(|key| key.same(&self.expected)) {
            return Ok(ServerCertVerified::assertion());
        }
        self.other.store(true, Ordering::Relaxed);
        Err(refused())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _key: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(refused())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify(&self.provider, message, key, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct AllowedClients {
    provider: Arc<CryptoProvider>,
    allowed: Allowed,
}

impl ClientCertVerifier for AllowedClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let key = PublicKey::from_spki(key).ok_or_else(refused)?;
        let allowed = self.allowed.read().unwrap_or_else(PoisonError::into_inner);
        // Every pinned key is looked at, so the time does not tell which one matched.
        let known = allowed.keys().fold(false, |known, pinned| known | pinned.same(&key));
        if known { Ok(ClientCertVerified::assertion()) } else { Err(refused()) }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _key: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(refused())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify(&self.provider, message, key, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
