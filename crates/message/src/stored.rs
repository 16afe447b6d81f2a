//! The stored form of a [`Summary`]: one version octet, then postcard. Old versions stay readable: version 1 had
//! the words of the message at its end.
//!
//! The tree is stored flat, in preorder with child counts, so that no stored octets can make the reader
//! recurse: decoding builds it with a stack and refuses a depth beyond `guard::DEPTH_MAX`.

use serde::{Deserialize, Serialize};

use crate::guard::{DEPTH_MAX, PARTS_MAX};
use crate::summary::{Envelope, Mailbox, Part, Summary};

/// The version written.
const VERSION: u8 = 2;

/// Why stored octets are no summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SummaryError {
    /// Nothing stored.
    #[error("the summary is empty")]
    Empty,
    /// Written by a newer congvu.
    #[error("the summary has version {0}, newer than {VERSION}")]
    Newer(u8),
    /// Does not decode, or describes an impossible tree.
    #[error("the summary is damaged")]
    Damaged,
}

/// Version 2.
#[derive(Serialize, Deserialize)]
struct Stored {
    date: Option<String>,
    sent: Option<(i64, i16)>,
    subject: Option<String>,
    from: Vec<Mailbox>,
    /// `None`: as From.
    sender: Option<Vec<Mailbox>>,
    /// `None`: as From.
    reply_to: Option<Vec<Mailbox>>,
    to: Vec<Mailbox>,
    cc: Vec<Mailbox>,
    bcc: Vec<Mailbox>,
    in_reply_to: Option<String>,
    message_id: Option<String>,
    references: Vec<String>,
    opaque: Option<String>,
    nodes: Vec<Node>,
}

/// Version 1.
#[derive(Deserialize)]
struct First {
    envelope: Envelope,
    nodes: Vec<Node>,
    _text: String,
    opaque: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Node {
    kind: String,
    subtype: String,
    params: Vec<(String, String)>,
    id: Option<String>,
    description: Option<String>,
    encoding: String,
    md5: Option<String>,
    disposition: Option<(String, Vec<(String, String)>)>,
    language: Vec<String>,
    location: Option<String>,
    header_at: u64,
    body_at: u64,
    end_at: u64,
    lines: u32,
    /// Children that follow, each with its own children.
    children: u32,
    /// The embedded message's envelope; its root follows after the children (there are none then).
    envelope: Option<Envelope>,
}

impl Summary {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut nodes = Vec::new();
        flatten(&self.root, &mut nodes);
        let Envelope {
            date,
            sent,
            subject,
            from,
            sender,
            reply_to,
            to,
            cc,
            bcc,
            in_reply_to,
            message_id,
            references,
        } = self.envelope.clone();
        let stored = Stored {
            date,
            sent,
            subject,
            sender: (sender != from).then_some(sender),
            reply_to: (reply_to != from).then_some(reply_to),
            from,
            to,
            cc,
            bcc,
            in_reply_to,
            message_id,
            references,
            opaque: self.opaque.clone(),
            nodes,
        };
        postcard::to_extend(&stored, vec![VERSION])
            .expect("writing to memory of sized data does not fail")
    }

    /// Reads the stored form. Any octets: never panics.
    pub fn decode(bytes: &[u8]) -> Result<Self, SummaryError> {
        let (&version, rest) = bytes.split_first().ok_or(SummaryError::Empty)?;
        let damaged = |_| SummaryError::Damaged;
        let (envelope, nodes, opaque) = match version {
            VERSION => {
                let stored: Stored = postcard::from_bytes(rest).map_err(damaged)?;
                stored.open()
            }
            1 => {
                let first: First = postcard::from_bytes(rest).map_err(damaged)?;
                (first.envelope, first.nodes, first.opaque)
            }
            0 => return Err(SummaryError::Damaged),
            newer => return Err(SummaryError::Newer(newer)),
        };
        Ok(Self {
            envelope,
            root: unflatten(nodes)?,
            opaque,
        })
    }
}

impl Stored {
    fn open(self) -> (Envelope, Vec<Node>, Option<String>) {
        let envelope = Envelope {
            date: self.date,
            sent: self.sent,
            subject: self.subject,
            sender: self.sender.unwrap_or_else(|| self.from.clone()),
            reply_to: self.reply_to.unwrap_or_else(|| self.from.clone()),
            from: self.from,
            to: self.to,
            cc: self.cc,
            bcc: self.bcc,
            in_reply_to: self.in_reply_to,
            message_id: self.message_id,
            references: self.references,
        };
        (envelope, self.nodes, self.opaque)
    }
}

/// Depth is bounded by `guard::DEPTH_MAX` wherever a tree is made.
fn flatten(part: &Part, nodes: &mut Vec<Node>) {
    nodes.push(Node {
        kind: part.kind.clone(),
        subtype: part.subtype.clone(),
        params: part.params.clone(),
        id: part.id.clone(),
        description: part.description.clone(),
        encoding: part.encoding.clone(),
        md5: part.md5.clone(),
        disposition: part.disposition.clone(),
        language: part.language.clone(),
        location: part.location.clone(),
        header_at: part.header_at,
        body_at: part.body_at,
        end_at: part.end_at,
        lines: part.lines,
        children: u32::try_from(part.parts.len()).unwrap_or(u32::MAX),
        envelope: part.message.as_ref().map(|message| message.0.clone()),
    });
    for child in &part.parts {
        flatten(child, nodes);
    }
    if let Some(message) = &part.message {
        flatten(&message.1, nodes);
    }
}

/// A part that still waits for children.
struct Waiting {
    part: Part,
    children: u32,
    envelope: Option<Envelope>,
}

fn unflatten(nodes: Vec<Node>) -> Result<Part, SummaryError> {
    if nodes.len() > PARTS_MAX {
        return Err(SummaryError::Damaged);
    }
    let mut stack: Vec<Waiting> = Vec::new();
    let mut nodes = nodes.into_iter();
    loop {
        let mut current = waiting(nodes.next().ok_or(SummaryError::Damaged)?);
        // Hang every complete part into the one that waits for it.
        while current.children == 0 && current.envelope.is_none() {
            let Some(mut parent) = stack.pop() else {
                return if nodes.next().is_none() {
                    Ok(current.part)
                } else {
                    Err(SummaryError::Damaged)
                };
            };
            if parent.children > 0 {
                parent.children -= 1;
                parent.part.parts.push(current.part);
            } else {
                let envelope = parent.envelope.take().ok_or(SummaryError::Damaged)?;
                parent.part.message = Some(Box::new((envelope, current.part)));
            }
            current = parent;
        }
        // One more than a walk can open: the root itself is on the stack too.
        if stack.len() > DEPTH_MAX {
            return Err(SummaryError::Damaged);
        }
        stack.push(current);
    }
}

fn waiting(node: Node) -> Waiting {
    let part = Part {
        kind: node.kind,
        subtype: node.subtype,
        params: node.params,
        id: node.id,
        description: node.description,
        encoding: node.encoding,
        md5: node.md5,
        disposition: node.disposition,
        language: node.language,
        location: node.location,
        header_at: node.header_at,
        body_at: node.body_at,
        end_at: node.end_at,
        lines: node.lines,
        parts: Vec::new(),
        message: None,
    };
    Waiting {
        part,
        children: node.children,
        envelope: node.envelope,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summarize;

    const MAIL: &[u8] = b"From: a@x.test\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n\
        --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n\
        --c\r\n\r\ntwo\r\n--c\r\nContent-Type: text/html\r\n\r\n<p>three\r\n--c--\r\n--b--\r\n";

    #[test]
    fn round_trip() {
        for raw in [
            MAIL,
            b"",
            b"Subject: x\r\n\r\ny",
            b"From: a@x.test\r\nSender: b@x.test\r\nReply-To: c@x.test\r\n\r\n",
        ] {
            let summary = summarize(raw);
            let stored = summary.encode();
            assert_eq!(Summary::decode(&stored).unwrap(), summary);
            let mut nodes = Vec::new();
            flatten(&summary.root, &mut nodes);
            let first = (&summary.envelope, nodes, "words", &summary.opaque);
            let stored = postcard::to_extend(&first, vec![1]).unwrap();
            assert_eq!(Summary::decode(&stored).unwrap(), summary, "version 1");
        }
        assert_eq!(
            summarize(MAIL).root.parts[1]
                .message
                .as_ref()
                .unwrap()
                .1
                .parts
                .len(),
            2
        );
    }

    #[test]
    fn damage_is_an_error() {
        assert_eq!(Summary::decode(b""), Err(SummaryError::Empty));
        assert_eq!(Summary::decode(&[9, 1, 2]), Err(SummaryError::Newer(9)));
        let stored = summarize(MAIL).encode();
        for length in 0..stored.len() {
            assert!(
                Summary::decode(&stored[..length]).is_err(),
                "cut at {length}"
            );
        }
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..2000 {
            let mut bytes = stored.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(1..bytes.len());
                bytes[at] = random.u8(..);
            }
            // Any outcome but a panic is right.
            let _ = Summary::decode(&bytes);
        }
    }

    #[test]
    fn deep_trees_are_refused() {
        let mut nodes = Vec::new();
        flatten(
            &Part {
                kind: "multipart".into(),
                ..Part::default()
            },
            &mut nodes,
        );
        nodes[0].children = 1;
        let one = postcard::to_allocvec(&nodes[0]).unwrap();
        let deep: Vec<Node> = (0..5000)
            .map(|_| postcard::from_bytes(&one).unwrap())
            .collect();
        assert_eq!(unflatten(deep).unwrap_err(), SummaryError::Damaged);
    }
}
