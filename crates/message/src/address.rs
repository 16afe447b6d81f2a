//! Mail addresses: `local@domain`, IDN domains, SMTPUTF8 local parts.

/// A syntactically valid address (RFC 5321 section 4.1.2, RFC 6531). The domain is lower case in
/// A-label (ASCII) form; the local part is as written, unquoted, NFC.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Unquoted local part, at most 64 octets.
    pub local: String,
    /// A-label domain, lower case, at most 255 octets; or an address literal `[192.0.2.1]`.
    pub domain: String,
}
