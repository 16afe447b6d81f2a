//! The server side of TLS: several certificates by name, swapped while running.

use std::sync::{Arc, PoisonError, RwLock};

use congvu_wire::TlsInfo;
use rustls::pki_types::ServerName;
use rustls::server::{
    Acceptor, ClientHello, ProducesTickets, ServerConfig, ServerSessionMemoryCache,
    StoresServerSessions,
};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{LazyConfigAcceptor, TlsStream};

use super::certificate::{Certificate, CertificateFacts, CertificateFile, CertificateProblem};
use super::{TlsError, exporter, facts};

/// Sessions remembered for clients without tickets: about 1 kB each.
const SESSIONS_KEPT: usize = 4096;

/// Certificates of the server. Cheap to clone; all clones see a reload.
#[derive(Debug, Clone)]
pub struct ServerTls(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    set: RwLock<Arc<Vec<Entry>>>,
    tickets: Arc<dyn ProducesTickets>,
    sessions: Arc<dyn StoresServerSessions>,
}

/// A certificate with the settings that present it. One configuration a certificate, so that the
/// certificate sent is known for certain when its hash binds a SASL exchange.
#[derive(Debug)]
struct Entry {
    certificate: Certificate,
    config: Arc<ServerConfig>,
}

impl ServerTls {
    /// Reads all files; the first certificate also serves clients that ask for no known name.
    /// Blocking (small files): at start, before connections, or on a blocking thread.
    pub fn load(files: &[CertificateFile]) -> Result<Self, Vec<CertificateProblem>> {
        let certificates = read(files)?;
        let tickets =
            rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|error| vec![refused(&error)])?;
        let sessions = ServerSessionMemoryCache::new(SESSIONS_KEPT);
        let set = assemble(certificates, &tickets, &(sessions.clone() as _))?;
        Ok(Self(Arc::new(Shared {
            set: RwLock::new(Arc::new(set)),
            tickets,
            sessions,
        })))
    }

    /// Reads all files anew; on any problem everything stays as it was. Blocking.
    pub fn reload(&self, files: &[CertificateFile]) -> Result<(), Vec<CertificateProblem>> {
        let set = assemble(read(files)?, &self.0.tickets, &self.0.sessions)?;
        *self.0.set.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
        Ok(())
    }

    /// The certificates in use.
    pub fn certificates(&self) -> Vec<CertificateFacts> {
        self.set()
            .iter()
            .map(|entry| entry.certificate.facts.clone())
            .collect()
    }

    fn set(&self) -> Arc<Vec<Entry>> {
        Arc::clone(&self.0.set.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) async fn accept<S>(&self, stream: S) -> Result<(TlsStream<S>, TlsInfo), TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let (config, key, sni) = {
            let set = self.set();
            let hello = start.client_hello();
            let sni = hello
                .server_name()
                .map(|name| name.trim_end_matches('.').to_owned());
            let entry = choose(&set, sni.as_deref(), &hello).ok_or(TlsError::Unset)?;
            (
                Arc::clone(&entry.config),
                Arc::clone(&entry.certificate.key),
                sni,
            )
        };
        let stream = start.into_stream(config).await?;
        let (_, connection) = stream.get_ref();
        let binding = exporter(connection.protocol_version(), |output, label, context| {
            connection.export_keying_material(output, label, context)
        });
        let info = TlsInfo {
            sni,
            binding,
            ..facts(connection, key.cert.first())
        };
        Ok((TlsStream::Server(stream), info))
    }
}

/// The first certificate for the name whose key the client can check; without one, the first whose
/// key it can check; without that, the first. A mail client with a wrong name should fail on the
/// certificate, where its user sees the reason, not on the handshake.
fn choose<'a>(set: &'a [Entry], sni: Option<&str>, hello: &ClientHello<'_>) -> Option<&'a Entry> {
    let schemes = hello.signature_schemes();
    let name = sni.and_then(|sni| ServerName::try_from(sni).ok());
    let named = |entry: &&Entry| {
        name.as_ref()
            .is_some_and(|name| entry.certificate.covers(name))
    };
    let suits = |entry: &&Entry| entry.certificate.suits(schemes);
    set.iter()
        .find(|entry| named(entry) && suits(entry))
        .or_else(|| set.iter().find(suits))
        .or_else(|| set.first())
}

fn read(files: &[CertificateFile]) -> Result<Vec<Certificate>, Vec<CertificateProblem>> {
    let mut certificates = Vec::new();
    let mut problems = Vec::new();
    for file in files {
        match Certificate::load(file) {
            Ok(certificate) => certificates.push(certificate),
            Err(problem) => problems.push(problem),
        }
    }
    if files.is_empty() {
        problems.push(CertificateProblem::Empty);
    }
    if problems.is_empty() {
        Ok(certificates)
    } else {
        Err(problems)
    }
}

fn assemble(
    certificates: Vec<Certificate>,
    tickets: &Arc<dyn ProducesTickets>,
    sessions: &Arc<dyn StoresServerSessions>,
) -> Result<Vec<Entry>, Vec<CertificateProblem>> {
    certificates
        .into_iter()
        .map(|certificate| {
            let key = CertifiedKey::clone(&certificate.key);
            let mut config = ServerConfig::builder_with_provider(super::provider())
                .with_safe_default_protocol_versions()
                .map_err(|error| vec![refused(&error)])?
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
            config.ticketer = Arc::clone(tickets);
            config.session_storage = Arc::clone(sessions);
            Ok(Entry {
                certificate,
                config: Arc::new(config),
            })
        })
        .collect()
}

fn refused(error: &rustls::Error) -> CertificateProblem {
    CertificateProblem::Key(std::path::PathBuf::new(), error.to_string())
}
