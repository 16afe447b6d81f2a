//! TLS in trace records: the names that occur in every record are kept as numbers.

use serde::{Deserialize, Serialize};

use super::short;

/// Encryption as the handshake named it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    version: Word,
    cipher: Word,
}

/// A name that is known by a number, because it occurs in every record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Word {
    Known(u8),
    Other(String),
}

/// Their numbers are kept for ever; new ones come at the end.
const WORDS: [&str; 11] = [
    "TLSv1.2",
    "TLSv1.3",
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

impl Word {
    fn of(text: &str) -> Self {
        let known = WORDS.iter().position(|word| *word == text);
        match known.and_then(|at| u8::try_from(at).ok()) {
            Some(at) => Self::Known(at),
            None => Self::Other(short(text)),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Known(at) => WORDS.get(usize::from(*at)).copied().unwrap_or("?"),
            Self::Other(text) => text,
        }
    }
}

impl Tls {
    /// From the handshake's own names.
    pub fn new(version: &str, cipher: &str) -> Self {
        Self {
            version: Word::of(version),
            cipher: Word::of(cipher),
        }
    }

    /// `TLSv1.3`.
    pub fn version(&self) -> &str {
        self.version.text()
    }

    /// `TLS_AES_256_GCM_SHA384`.
    pub fn cipher(&self) -> &str {
        self.cipher.text()
    }
}
