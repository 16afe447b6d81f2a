//! TLS with rustls and aws-lc-rs alone: TLS 1.2 and 1.3, certificates by name, reload, facts of a
//! finished handshake.
//!
//! Invariant: a handshake sees only octets that came after it was decided on; a certificate set is
//! swapped whole or not at all. DANE and MTA-STS decide elsewhere which client side to use.

mod certificate;
mod client;
mod der;
mod server;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest;
use congvu_wire::TlsInfo;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::{CommonState, ProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsStream;

pub use certificate::{CertificateFacts, CertificateFile, CertificateProblem};
pub use client::{ClientTls, Roots, SYSTEM_ROOTS, TlsClient};
pub use server::ServerTls;

/// Label of RFC 9266 section 3.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";
/// Length of RFC 9266 section 3, octets.
const EXPORTER_LENGTH: usize = 32;

/// What a handshake needs, for either side.
#[derive(Debug, Clone)]
pub enum Tls {
    /// We are the server.
    Server(ServerTls),
    /// We are the client.
    Client(ClientTls),
}

/// Why there is no encrypted channel.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The peer, its certificate or the connection.
    #[error("{0}")]
    Handshake(#[from] io::Error),
    /// The peer took too long.
    #[error("the peer did not finish the handshake in time")]
    Slow,
    /// The machine asked for TLS where none is set up.
    #[error("no certificate is set up for this connection")]
    Unset,
    /// The channel is encrypted already, or broken.
    #[error("the connection is not in clear text")]
    Twice,
    /// rustls refuses the settings.
    #[error("{0}")]
    Settings(#[from] rustls::Error),
    /// The name is neither a host name nor an address.
    #[error("{0:?} is not a host name that a certificate could be for")]
    Name(String),
    /// The roots of trust cannot be read.
    #[error("cannot read certification authorities from {path}: {reason}")]
    Roots {
        /// The file.
        path: PathBuf,
        /// The system's or the parser's answer.
        reason: String,
    },
}

impl Tls {
    /// Does the handshake over `stream`.
    pub(crate) async fn handshake<S>(&self, stream: S) -> Result<(TlsStream<S>, TlsInfo), TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        match self {
            Self::Server(server) => server.accept(stream).await,
            Self::Client(client) => client.connect(stream).await,
        }
    }
}

/// The one provider of cryptography in the process.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Facts common to both sides; `certificate` is the server's.
fn facts(state: &CommonState, certificate: Option<&CertificateDer<'_>>) -> TlsInfo {
    let version = match state.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLS",
    };
    let cipher = state
        .negotiated_cipher_suite()
        .map_or_else(String::new, |suite| {
            // rustls calls the suites of TLS 1.3 TLS13_…, IANA calls them TLS_….
            let name = format!("{:?}", suite.suite());
            name.strip_prefix("TLS13_")
                .map_or_else(|| name.clone(), |rest| format!("TLS_{rest}"))
        });
    TlsInfo {
        version: version.to_owned(),
        cipher,
        end_point: certificate.and_then(end_point),
        ..TlsInfo::default()
    }
}

/// `tls-exporter` (RFC 9266). Before TLS 1.3 it is safe only with the extended master secret
/// (section 4.2), which rustls does not report, so then there is none.
fn exporter(
    version: Option<ProtocolVersion>,
    export: impl FnOnce([u8; EXPORTER_LENGTH], &[u8], Option<&[u8]>) -> Exported,
) -> Option<Vec<u8>> {
    if version != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    export([0; EXPORTER_LENGTH], EXPORTER_LABEL, Some(b""))
        .ok()
        .map(Vec::from)
}

type Exported = Result<[u8; EXPORTER_LENGTH], rustls::Error>;

/// `tls-server-end-point` (RFC 5929 section 4.1): the certificate hashed with the hash of its own
/// signature, SHA-256 where that is MD5 or SHA-1. Not defined for signatures without one hash.
fn end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let algorithm = match der::signature_hash(certificate)? {
        der::SignatureHash::Sha256OrWeaker => &digest::SHA256,
        der::SignatureHash::Sha384 => &digest::SHA384,
        der::SignatureHash::Sha512 => &digest::SHA512,
    };
    Some(digest::digest(algorithm, certificate).as_ref().to_vec())
}
