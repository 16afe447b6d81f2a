//! What is derived from a message once, at arrival, and stored beside it, so that nothing is parsed twice.
//!
//! [`summarize`] never fails and never panics. The stored form is versioned (`stored`); structure is
//! found in `walk`, bounds are in `guard`. The words of a message are not part of it: they are read from its
//! octets when somebody searches (`text`).

use serde::{Deserialize, Serialize};

use crate::envelope;
use crate::guard::{Bound, PART_HEADER_MAX};
use crate::header;
use crate::list::Budget;
use crate::walk;

/// The summary of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// RFC 9051 ENVELOPE.
    pub envelope: Envelope,
    /// The root part.
    pub root: Part,
    /// Why the message was not parsed and is served as one opaque part, if so.
    pub opaque: Option<String>,
}

/// RFC 9051 section 7.5.2 ENVELOPE. Texts are decoded Unicode; the encoder re-encodes them for clients
/// without UTF8=ACCEPT.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
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
/// (both None), as in RFC 9051. An address that was written without a domain has the host `""`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mailbox {
    /// Display name, decoded.
    pub name: Option<String>,
    /// Local part or group name.
    pub mailbox: Option<String>,
    /// Domain.
    pub host: Option<String>,
}

/// A MIME part (RFC 9051 BODYSTRUCTURE) with the places of its octets in the message.
///
/// A part of kind `multipart` has at least one child; one of type message/rfc822 or message/global has
/// `message`. Both hold by construction, so that BODYSTRUCTURE is always well formed.
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

/// Derives the summary of a message. Linear in its size, bounded in memory.
pub fn summarize(raw: &[u8]) -> Summary {
    let (envelope, root, opaque) = match walk::walk(raw) {
        Ok((envelope, root)) => (envelope, root, None),
        Err(bound) => {
            let (envelope, root) = as_opaque(raw);
            (envelope, root, Some(bound.to_string()))
        }
    };
    Summary {
        envelope,
        root,
        opaque,
    }
}

/// Whether a message stays within the bounds of [`crate::guard`]; the error says which it exceeds.
pub fn check_bounds(raw: &[u8]) -> Result<(), Bound> {
    walk::walk(raw).map(|_| ())
}

impl Summary {
    /// The summary of the same message with `octets` of whole header fields put in front of it. They must be fields that
    /// a summary has nothing of (trace fields and the like).
    pub fn shift(&mut self, octets: u64) {
        self.root.body_at += octets;
        self.root.end_at += octets;
        let mut waiting: Vec<&mut Part> = Vec::new();
        below(&mut self.root, &mut waiting);
        while let Some(part) = waiting.pop() {
            part.header_at += octets;
            part.body_at += octets;
            part.end_at += octets;
            below(part, &mut waiting);
        }
    }
}

/// Adds the parts directly inside a part.
fn below<'a>(part: &'a mut Part, out: &mut Vec<&'a mut Part>) {
    out.extend(part.parts.iter_mut());
    if let Some(message) = &mut part.message {
        out.push(&mut message.1);
    }
}

impl Envelope {
    /// Octets of its texts.
    pub(crate) fn weight(&self) -> usize {
        let lists = [
            &self.from,
            &self.sender,
            &self.reply_to,
            &self.to,
            &self.cc,
            &self.bcc,
        ];
        let of_lists = lists
            .into_iter()
            .flatten()
            .flat_map(|m| [&m.name, &m.mailbox, &m.host]);
        let texts = [
            &self.date,
            &self.subject,
            &self.in_reply_to,
            &self.message_id,
        ];
        let found = of_lists
            .chain(texts)
            .flatten()
            .map(String::len)
            .sum::<usize>();
        found + self.references.iter().map(String::len).sum::<usize>()
    }
}

impl Part {
    /// Octets of its texts, those of its children not.
    pub(crate) fn weight(&self) -> usize {
        let params = self
            .disposition
            .as_ref()
            .map_or(&[] as &[_], |(_, params)| params);
        let pairs = self
            .params
            .iter()
            .chain(params)
            .map(|(name, value)| name.len() + value.len());
        let texts = [&self.id, &self.description, &self.md5, &self.location];
        pairs.sum::<usize>()
            + texts.into_iter().flatten().map(String::len).sum::<usize>()
            + self.language.iter().map(String::len).sum::<usize>()
    }

    /// Octets of the body as transferred.
    pub fn size(&self) -> u64 {
        self.end_at.saturating_sub(self.body_at)
    }

    /// A parameter of Content-Type.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// The file name of Content-Disposition, or the name of Content-Type.
    pub fn file_name(&self) -> Option<&str> {
        let of_disposition = self
            .disposition
            .as_ref()
            .and_then(|(_, params)| params.iter().find(|(name, _)| name == "filename"))
            .map(|(_, value)| value.as_str());
        of_disposition
            .or_else(|| self.param("name"))
            .filter(|name| !name.is_empty())
    }
}

/// The whole body as one part that nobody looks into, with the envelope of what of the header is bounded.
fn as_opaque(raw: &[u8]) -> (Envelope, Part) {
    let body_at = header::body_start(raw);
    let mut top = &raw[..body_at.min(PART_HEADER_MAX)];
    if top.len() < body_at {
        // Cut at a line, so that no half field is read.
        top = &top[..top.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1)];
    }
    let envelope = envelope::read(top, &mut Budget::default());
    let as_u64 = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let part = Part {
        kind: "application".to_owned(),
        subtype: "octet-stream".to_owned(),
        encoding: "8bit".to_owned(),
        body_at: as_u64(body_at),
        end_at: as_u64(raw.len()),
        ..Part::default()
    };
    (envelope, part)
}
