//! What is derived from a message once, at arrival, and stored beside it, so that nothing is parsed twice.

/// The summary of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// RFC 9051 ENVELOPE.
    pub envelope: Envelope,
    /// The root part.
    pub root: Part,
    /// Folded search text (see `fold`), bounded.
    pub text: String,
    /// Why the message was not parsed and is served as one opaque part, if so.
    pub opaque: Option<String>,
}

/// RFC 9051 section 7.5.2 ENVELOPE. Texts are decoded Unicode; the encoder re-encodes them for clients
/// without UTF8=ACCEPT.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Envelope {
    /// Date field as written.
    pub date: Option<String>,
    /// Date field as seconds since 1970 and zone in minutes, if it parses.
    pub sent: Option<(i64, i16)>,
    /// Subject, decoded.
    pub subject: Option<String>,
    /// From.
    pub from: Vec<Mailbox>,
    /// Sender, or From.
    pub sender: Vec<Mailbox>,
    /// Reply-To, or From.
    pub reply_to: Vec<Mailbox>,
    /// To.
    pub to: Vec<Mailbox>,
    /// Cc.
    pub cc: Vec<Mailbox>,
    /// Bcc.
    pub bcc: Vec<Mailbox>,
    /// In-Reply-To as written.
    pub in_reply_to: Option<String>,
    /// Message-ID as written, with angle brackets.
    pub message_id: Option<String>,
    /// References: ids with angle brackets, last 50.
    pub references: Vec<String>,
}

/// One address of an envelope, or a group's beginning (`mailbox` = group name, `host` None) or end
/// (both None), as in RFC 9051.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mailbox {
    /// Display name, decoded.
    pub name: Option<String>,
    /// Local part or group name.
    pub mailbox: Option<String>,
    /// Domain.
    pub host: Option<String>,
}

/// A MIME part (RFC 9051 BODYSTRUCTURE) with the places of its octets in the message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// Type, lower case: `text`.
    pub kind: String,
    /// Subtype, lower case: `plain`.
    pub subtype: String,
    /// Parameters, decoded (RFC 2231), at most 100.
    pub params: Vec<(String, String)>,
    /// Content-ID.
    pub id: Option<String>,
    /// Content-Description, decoded.
    pub description: Option<String>,
    /// Content-Transfer-Encoding, lower case; `7bit` when absent.
    pub encoding: String,
    /// Content-MD5.
    pub md5: Option<String>,
    /// Content-Disposition with parameters.
    pub disposition: Option<(String, Vec<(String, String)>)>,
    /// Content-Language.
    pub language: Vec<String>,
    /// Content-Location.
    pub location: Option<String>,
    /// Where the part's own header begins in the message (the whole message: 0).
    pub header_at: u64,
    /// Where its body begins.
    pub body_at: u64,
    /// Where its body ends (before the CRLF of the boundary).
    pub end_at: u64,
    /// Number of lines of the body (text and message/rfc822).
    pub lines: u32,
    /// Children of a multipart; the one child of a message/rfc822 is in `message`.
    pub parts: Vec<Part>,
    /// message/rfc822: the embedded message's envelope and root part.
    pub message: Option<Box<(Envelope, Part)>>,
}
