//! Certificates from PEM files, checked before anybody depends on them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, SignatureScheme};

use super::der;

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFile {
    /// PEM, the server's own certificate first, then the intermediate ones.
    pub chain: PathBuf,
    /// PEM, PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
}

/// What an administrator wants to know of a certificate in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The file it came from.
    pub chain: PathBuf,
    /// When it ends, if it says so readably.
    pub not_after: Option<SystemTime>,
}

/// Why a certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateProblem {
    /// The system's answer.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// No certificate in the file.
    #[error("{0} holds no certificate (a block that begins with -----BEGIN CERTIFICATE-----)")]
    NoCertificate(PathBuf),
    /// No usable key in the file.
    #[error("{0} holds no private key without a passphrase (-----BEGIN PRIVATE KEY-----)")]
    NoKey(PathBuf),
    /// The PEM text is damaged.
    #[error("{path} is not a PEM file: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The certificate is not X.509 version 3 as rustls reads it.
    #[error("the certificate in {0} cannot be parsed: {1}")]
    Malformed(PathBuf, String),
    /// Certificate and key belong to different pairs.
    #[error("the key in {key} does not belong to the certificate in {chain}")]
    Mismatch {
        /// The certificate's file.
        chain: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A key kind that the provider does not know.
    #[error("the key in {0} cannot be used: {1}")]
    Key(PathBuf, String),
    /// The set is empty.
    #[error("no certificate is configured")]
    Empty,
}

/// One certificate ready for use.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) facts: CertificateFacts,
}

impl Certificate {
    pub(super) fn load(file: &CertificateFile) -> Result<Self, CertificateProblem> {
        let chain = read_chain(&file.chain)?;
        let key = PrivateKeyDer::from_pem_file(&file.key)
            .map_err(|error| problem(&file.key, error, CertificateProblem::NoKey))?;
        let not_after = chain.first().and_then(|der| der::not_after(der));
        let key =
            CertifiedKey::from_der(chain, key, &super::provider()).map_err(
                |error| match error {
                    Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                        CertificateProblem::Mismatch {
                            chain: file.chain.clone(),
                            key: file.key.clone(),
                        }
                    }
                    Error::InvalidCertificate(why) => {
                        CertificateProblem::Malformed(file.chain.clone(), format!("{why:?}"))
                    }
                    other => CertificateProblem::Key(file.key.clone(), other.to_string()),
                },
            )?;
        let facts = CertificateFacts {
            chain: file.chain.clone(),
            not_after,
        };
        Ok(Self {
            key: Arc::new(key),
            facts,
        })
    }

    /// Whether it is for this host.
    pub(super) fn covers(&self, name: &ServerName<'_>) -> bool {
        self.key
            .end_entity_cert()
            .and_then(ParsedCertificate::try_from)
            .is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, name).is_ok())
    }

    /// Whether its key can sign in a way the client understands.
    pub(super) fn suits(&self, schemes: &[SignatureScheme]) -> bool {
        self.key.key.choose_scheme(schemes).is_some()
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateProblem> {
    let no_certificate = CertificateProblem::NoCertificate;
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| problem(path, error, no_certificate))?;
    if chain.is_empty() {
        Err(no_certificate(path.to_owned()))
    } else {
        Ok(chain)
    }
}

fn problem(
    path: &Path,
    error: pem::Error,
    none: fn(PathBuf) -> CertificateProblem,
) -> CertificateProblem {
    let path = path.to_owned();
    match error {
        pem::Error::Io(error) => CertificateProblem::Unreadable {
            path,
            reason: error.to_string(),
        },
        pem::Error::NoItemsFound => none(path),
        other => CertificateProblem::Damaged {
            path,
            reason: other.to_string(),
        },
    }
}
