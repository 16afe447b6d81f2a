//! SASL client side, for outbound SMTP with credentials and for tests: PLAIN and SCRAM-SHA-256(-PLUS).

use aws_lc_rs::constant_time;

use super::scram;
use crate::{Secret, TlsInfo};

/// Most PBKDF2 iterations a server may ask for: one login must not cost seconds of processor time.
const MAX_ITERATIONS: u32 = 1_000_000;

/// The server's message does not fit, or it does not know our password either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server's SCRAM message is wrong")]
pub struct BadServer;

/// The one message of PLAIN (RFC 4616), not encoded.
pub fn plain(name: &str, password: &Secret) -> Vec<u8> {
    let mut message = vec![0];
    message.extend_from_slice(name.as_bytes());
    message.push(0);
    message.extend_from_slice(password.expose());
    message
}

/// A SCRAM-SHA-256 client after its first message.
#[derive(Debug)]
pub struct Scram {
    password: Secret,
    gs2_header: String,
    binding: Vec<u8>,
    nonce: String,
    bare: String,
}

/// A client that waits for the server's signature.
#[derive(Debug)]
pub struct ScramFinal {
    signature: [u8; 32],
}

impl Scram {
    /// Begins and gives the first message. With `plus`, binds to the channel; `None` when it cannot be bound.
    pub fn begin(name: &str, password: Secret, plus: Option<&TlsInfo>) -> Option<(Self, Vec<u8>)> {
        let (gs2_header, binding) = match plus {
            None => ("n,,".to_owned(), Vec::new()),
            Some(tls) => {
                let exporter = tls.binding.clone().map(|data| ("tls-exporter", data));
                let end_point = tls
                    .end_point
                    .clone()
                    .map(|data| ("tls-server-end-point", data));
                let (kind, data) = exporter.or(end_point)?;
                (format!("p={kind},,"), data)
            }
        };
        Some(Self::with_nonce(
            name,
            password,
            (gs2_header, binding),
            scram::nonce(),
        ))
    }

    pub(super) fn with_nonce(
        name: &str,
        password: Secret,
        (gs2_header, binding): (String, Vec<u8>),
        nonce: String,
    ) -> (Self, Vec<u8>) {
        let bare = format!("n={},r={nonce}", scram::escape_name(name));
        let message = format!("{gs2_header}{bare}").into_bytes();
        let client = Self {
            password,
            gs2_header,
            binding,
            nonce,
            bare,
        };
        (client, message)
    }

    /// The answer to the server's first message: `r=…,s=…,i=…`.
    pub fn prove(self, server_first: &[u8]) -> Result<(ScramFinal, Vec<u8>), BadServer> {
        let text = std::str::from_utf8(server_first).map_err(|_| BadServer)?;
        let mut fields = text.split(',');
        let mut field = |prefix: &str| {
            fields
                .next()
                .and_then(|f| f.strip_prefix(prefix))
                .ok_or(BadServer)
        };
        let nonce = field("r=")?;
        let salt = scram::decode(field("s=")?).ok_or(BadServer)?;
        let iterations: u32 = field("i=")?.parse().map_err(|_| BadServer)?;
        let fresh = nonce.len() > self.nonce.len() && nonce.starts_with(&self.nonce);
        if !fresh
            || !scram::is_nonce(nonce)
            || !(scram::MIN_ITERATIONS..=MAX_ITERATIONS).contains(&iterations)
        {
            return Err(BadServer);
        }
        let mut binding = self.gs2_header.into_bytes();
        binding.extend_from_slice(&self.binding);
        let without_proof = format!("c={},r={nonce}", scram::encode(&binding));
        let message = format!("{},{text},{without_proof}", self.bare);
        let salted = scram::salted_password(self.password.expose(), &salt, iterations);
        let client_key = scram::mac(&salted, b"Client Key");
        let stored_key = scram::sha256(&client_key);
        let server_key = scram::mac(&salted, b"Server Key");
        let proof = scram::xor(&client_key, &scram::mac(&stored_key, message.as_bytes()));
        let signature = scram::mac(&server_key, message.as_bytes());
        let answer = format!("{without_proof},p={}", scram::encode(&proof));
        Ok((ScramFinal { signature }, answer.into_bytes()))
    }
}

impl ScramFinal {
    /// Whether the server knows the password too: its message is `v=` and the signature.
    pub fn verify(&self, server_final: &[u8]) -> Result<(), BadServer> {
        let text = std::str::from_utf8(server_final).map_err(|_| BadServer)?;
        let first = text.split(',').next().unwrap_or_default();
        let signature = first
            .strip_prefix("v=")
            .and_then(scram::decode)
            .ok_or(BadServer)?;
        constant_time::verify_slices_are_equal(&signature, &self.signature).map_err(|_| BadServer)
    }
}
