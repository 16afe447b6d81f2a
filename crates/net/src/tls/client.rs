//! The client side of TLS: opportunistic (any certificate, yet a true handshake) or verified.
//!
//! Invariant: `verified` in the facts is never taken on trust; it is worked out from the chain
//! that the server sent, in both modes.

use std::path::Path;
use std::sync::Arc;

use congvu_wire::TlsInfo;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, TlsStream};

use super::{TlsError, exporter, facts, provider};

/// The roots of trust of Debian and its relatives (package ca-certificates).
pub const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Certification authorities that we believe.
#[derive(Debug, Clone)]
pub struct Roots(Arc<RootCertStore>);

impl Roots {
    /// Reads a PEM file with any number of certificates, [`SYSTEM_ROOTS`] for example. Blocking.
    pub fn load(path: &Path) -> Result<Self, TlsError> {
        let failed = |reason: String| TlsError::Roots {
            path: path.to_owned(),
            reason,
        };
        let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|error| {
                failed(match error {
                    pem::Error::Io(error) => error.to_string(),
                    other => other.to_string(),
                })
            })?;
        let mut store = RootCertStore::empty();
        // A root that rustls cannot read must not take the other hundred away.
        store.add_parsable_certificates(certificates);
        if store.is_empty() {
            return Err(failed("no usable certificate in it".to_owned()));
        }
        Ok(Self(Arc::new(store)))
    }

    /// The system's roots.
    pub fn system() -> Result<Self, TlsError> {
        Self::load(Path::new(SYSTEM_ROOTS))
    }
}

/// Makes client sides; keeps the sessions to resume.
#[derive(Debug, Clone)]
pub struct TlsClient {
    opportunistic: Arc<ClientConfig>,
    verified: Option<Arc<ClientConfig>>,
    verifier: Option<Arc<WebPkiServerVerifier>>,
}

impl TlsClient {
    /// Without roots nothing can be verified, and [`TlsClient::verified`] fails.
    pub fn new(roots: Option<&Roots>) -> Result<Self, TlsError> {
        let verifier = roots
            .map(|roots| {
                WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots.0), provider())
                    .build()
                    .map_err(|error| TlsError::Settings(Error::General(error.to_string())))
            })
            .transpose()?;
        let config = |verifier: Arc<dyn ServerCertVerifier>| -> Result<_, TlsError> {
            let config = ClientConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()?
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth();
            Ok(Arc::new(config))
        };
        let strict = verifier
            .clone()
            .map(|verifier| config(verifier as _))
            .transpose()?;
        let opportunistic = config(Arc::new(Anyone(provider())))?;
        Ok(Self {
            opportunistic,
            verified: strict,
            verifier,
        })
    }

    /// Encryption with whoever answers (RFC 7435): better than clear text, and recorded as
    /// unverified unless the certificate happens to be good.
    pub fn opportunistic(&self, host: &str) -> Result<ClientTls, TlsError> {
        self.side(&self.opportunistic, host)
    }

    /// Encryption with the named host or nobody.
    pub fn verified(&self, host: &str) -> Result<ClientTls, TlsError> {
        let config = self.verified.as_ref().ok_or(TlsError::Unset)?;
        self.side(config, host)
    }

    fn side(&self, config: &Arc<ClientConfig>, host: &str) -> Result<ClientTls, TlsError> {
        let name = ServerName::try_from(host.trim_end_matches('.').to_owned())
            .map_err(|_| TlsError::Name(host.to_owned()))?;
        Ok(ClientTls {
            config: Arc::clone(config),
            verifier: self.verifier.clone(),
            name,
        })
    }
}

/// The client side for one host.
#[derive(Debug, Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    verifier: Option<Arc<WebPkiServerVerifier>>,
    name: ServerName<'static>,
}

impl ClientTls {
    pub(super) async fn connect<S>(&self, stream: S) -> Result<(TlsStream<S>, TlsInfo), TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = connector.connect(self.name.clone(), stream).await?;
        let (_, connection) = stream.get_ref();
        let binding = exporter(connection.protocol_version(), |output, label, context| {
            connection.export_keying_material(output, label, context)
        });
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        let info = TlsInfo {
            sni: match &self.name {
                ServerName::DnsName(name) => Some(name.as_ref().to_owned()),
                _ => None,
            },
            binding,
            verified: self.verifies(connection),
            ..facts(connection, certificate)
        };
        Ok((TlsStream::Client(stream), info))
    }

    fn verifies(&self, connection: &ClientConnection) -> bool {
        let Some(verifier) = &self.verifier else {
            return false;
        };
        let Some([own, intermediates @ ..]) = connection.peer_certificates() else {
            return false;
        };
        verifier
            .verify_server_cert(own, intermediates, &self.name, &[], UnixTime::now())
            .is_ok()
    }
}

/// Takes any certificate, but only from who holds its key: the signatures of the handshake count.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
