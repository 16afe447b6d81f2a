//! SCRAM-SHA-256 (RFC 5802, RFC 7677): keys, messages and proofs. The order of messages is in `exchange`.

use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::{MAX_NAME, ScramKey, prepare};

/// Fewest PBKDF2 iterations (RFC 7677 section 4).
pub const MIN_ITERATIONS: u32 = 4096;

/// Longest nonce taken from a peer. Common clients send 24 to 48 octets.
const MAX_NONCE: usize = 256;

/// Keys of a password. `iterations` under 1 counts as 1; callers use [`MIN_ITERATIONS`] or more.
pub fn derive(password: &[u8], salt: &[u8], iterations: u32) -> ScramKey {
    let salted = salted_password(password, salt, iterations);
    ScramKey {
        stored_key: sha256(&mac(&salted, b"Client Key")),
        server_key: mac(&salted, b"Server Key"),
    }
}

/// A fresh salt for [`derive`].
pub fn salt() -> [u8; 16] {
    let mut salt = [0; 16];
    rand::fill(&mut salt).expect("the system's random source works");
    salt
}

/// A fresh nonce: 144 random bits as base64 (its alphabet has no comma).
pub(super) fn nonce() -> String {
    let mut octets = [0; 18];
    rand::fill(&mut octets).expect("the system's random source works");
    STANDARD.encode(octets)
}

pub(super) fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut salted = [0; 32];
    let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        salt,
        &prepare(password),
        &mut salted,
    );
    salted
}

pub(super) fn mac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
    let mut octets = [0; 32];
    octets.copy_from_slice(tag.as_ref());
    octets
}

pub(super) fn sha256(data: &[u8]) -> [u8; 32] {
    let mut octets = [0; 32];
    octets.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    octets
}

pub(super) fn xor(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    std::array::from_fn(|i| a[i] ^ b[i])
}

/// Base64 with or without padding; anything else is refused.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD
        .decode(text)
        .or_else(|_| STANDARD_NO_PAD.decode(text))
        .ok()
}

pub(super) fn encode(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

/// Whether the proof was made with the password of this key; constant time.
pub(super) fn proves(key: &ScramKey, auth_message: &[u8], proof: &[u8; 32]) -> bool {
    let client_key = xor(&mac(&key.stored_key, auth_message), proof);
    constant_time::verify_slices_are_equal(&sha256(&client_key), &key.stored_key).is_ok()
}

/// What a client says about channel binding (RFC 5802 section 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Binding {
    /// `n`: it cannot.
    Unsupported,
    /// `y`: it can, but thinks that the server cannot.
    Unoffered,
    /// `p=name`: it does.
    Used(String),
}

/// The first message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientFirst {
    pub(super) binding: Binding,
    /// `a=`: whom to act for.
    pub(super) act_as: Option<String>,
    pub(super) authcid: String,
    pub(super) nonce: String,
    /// Up to and with the second comma.
    pub(super) gs2_header: String,
    /// After it.
    pub(super) bare: String,
}

impl ClientFirst {
    /// ```text
    /// client-first-message = gs2-header client-first-message-bare
    /// gs2-header      = gs2-cbind-flag "," [ authzid ] ","
    /// gs2-cbind-flag  = ("p=" cb-name) / "n" / "y"
    /// authzid         = "a=" saslname
    /// client-first-message-bare = [reserved-mext ","] username "," nonce ["," extensions]
    /// ```
    /// RFC 5802 section 7. `reserved-mext` (`m=`) must be refused; extensions are ignored.
    pub(super) fn parse(message: &str) -> Option<Self> {
        let (flag, rest) = message.split_once(',')?;
        let (act_as, bare) = rest.split_once(',')?;
        let binding = match flag {
            "n" => Binding::Unsupported,
            "y" => Binding::Unoffered,
            _ => {
                let name = flag.strip_prefix("p=")?;
                let known = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
                if name.is_empty() || name.len() > 64 || !name.chars().all(known) {
                    return None;
                }
                Binding::Used(name.into())
            }
        };
        let act_as = match act_as {
            "" => None,
            some => Some(saslname(some.strip_prefix("a=")?)?),
        };
        let mut fields = bare.split(',');
        let authcid = saslname(fields.next()?.strip_prefix("n=")?)?;
        let nonce = fields.next()?.strip_prefix("r=")?;
        if !is_nonce(nonce) {
            return None;
        }
        Some(Self {
            binding,
            act_as,
            authcid,
            nonce: nonce.into(),
            gs2_header: message.strip_suffix(bare)?.into(),
            bare: bare.into(),
        })
    }
}

/// The second message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientFinal {
    /// `c=`, decoded: gs2-header and the channel binding data.
    pub(super) binding: Vec<u8>,
    pub(super) nonce: String,
    pub(super) proof: [u8; 32],
    /// The message without `,p=…`.
    pub(super) without_proof: String,
}

impl ClientFinal {
    /// ```text
    /// client-final-message-without-proof = channel-binding "," nonce ["," extensions]
    /// client-final-message = client-final-message-without-proof "," proof
    /// ```
    pub(super) fn parse(message: &str) -> Option<Self> {
        let (without_proof, proof) = message.rsplit_once(",p=")?;
        let mut fields = without_proof.split(',');
        let binding = decode(fields.next()?.strip_prefix("c=")?)?;
        let nonce = fields.next()?.strip_prefix("r=")?;
        Some(Self {
            binding,
            nonce: nonce.into(),
            proof: decode(proof)?.try_into().ok()?,
            without_proof: without_proof.into(),
        })
    }
}

/// `printable = %x21-2B / %x2D-7E`.
pub(super) fn is_nonce(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_NONCE
        && text.bytes().all(|o| o.is_ascii_graphic() && o != b',')
}

/// A name as it stands in a message: `=2C` for a comma, `=3D` for an equals sign, no other `=`.
fn saslname(text: &str) -> Option<String> {
    if text.is_empty() || text.len() > 3 * MAX_NAME {
        return None;
    }
    let mut pieces = text.split('=');
    let mut name = pieces.next()?.to_owned();
    for piece in pieces {
        let (c, rest) = match piece.split_at_checked(2)? {
            ("2C", rest) => (',', rest),
            ("3D", rest) => ('=', rest),
            _ => return None,
        };
        name.push(c);
        name.push_str(rest);
    }
    Some(name)
}

/// The reverse of `saslname`.
pub(super) fn escape_name(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_messages() {
        let good = ClientFirst::parse("p=tls-exporter,a=an,n=a=2Cb=3Dc,r=abc,x=1").expect("good");
        assert_eq!(good.binding, Binding::Used("tls-exporter".into()));
        assert_eq!(good.act_as.as_deref(), Some("an"));
        assert_eq!(good.authcid, "a,b=c");
        assert_eq!(good.gs2_header, "p=tls-exporter,a=an,");
        assert_eq!(good.bare, "n=a=2Cb=3Dc,r=abc,x=1");
        for bad in [
            "",
            "n",
            "n,,",
            "n,,n=,r=a",
            "n,,n=a",
            "n,,n=a,r=",
            "n,,m=x,n=a,r=b",
            "x,,n=a,r=b",
            "p=,,n=a,r=b",
            "p=a b,,n=a,r=b",
            "n,b=x,n=a,r=b",
            "n,,n=a=2c,r=b",
            "n,,n=a=,r=b",
            "n,,n=a=2é,r=b",
            "n,,n=a,r=b\u{7f}",
        ] {
            assert_eq!(ClientFirst::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn final_messages() {
        let proof = encode(&[7; 32]);
        let good = ClientFinal::parse(&format!("c=biws,r=abc,p={proof}")).expect("good");
        assert_eq!(good.binding, b"n,,");
        assert_eq!(good.without_proof, "c=biws,r=abc");
        for bad in [
            "",
            "c=biws,r=abc",
            "c=biws,r=abc,p=",
            "c=biws,r=abc,p=AAAA",
            "c=!,r=abc,p=AAAA",
        ] {
            assert_eq!(ClientFinal::parse(bad), None, "{bad}");
        }
    }
}
