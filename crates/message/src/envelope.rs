//! One header block to the ENVELOPE of RFC 9051 section 7.5.2 and to the MIME fields of a part.

use crate::date;
use crate::guard::{Bound, FIELDS_MAX, REFERENCES_MAX};
use crate::header::{self, Field};
use crate::list::{self, Budget};
use crate::params;
use crate::summary::{Envelope, Mailbox, Part};
use crate::words;

/// All mailboxes of the From field of a header block, for whoever judges them: an envelope keeps only as many
/// as all its fields may have together. `None`: more than [`crate::guard::ADDRESSES_MAX`].
pub fn authors(block: &[u8]) -> Option<Vec<Mailbox>> {
    let mut budget = Budget::default();
    let value = header::find(block, "From").map_or(b"".as_slice(), |field| field.value);
    let list = list::parse(value, &mut budget);
    (!budget.exceeded).then_some(list)
}

/// Reads the envelope of a header block. Of a field that may stand once, the first one counts; several
/// To, Cc or Bcc are read as one list.
pub(crate) fn read(block: &[u8], budget: &mut Budget) -> Envelope {
    let mut envelope = Envelope::default();
    let mut sender = Vec::new();
    let mut reply_to = Vec::new();
    for field in header::fields(block).take(FIELDS_MAX) {
        let mut once = |list: &mut Vec<Mailbox>| {
            if list.is_empty() {
                *list = list::parse(field.value, budget);
            }
        };
        match field.name.to_ascii_lowercase().as_slice() {
            b"from" => once(&mut envelope.from),
            b"sender" => once(&mut sender),
            b"reply-to" => once(&mut reply_to),
            b"to" => envelope.to.append(&mut list::parse(field.value, budget)),
            b"cc" => envelope.cc.append(&mut list::parse(field.value, budget)),
            b"bcc" => envelope.bcc.append(&mut list::parse(field.value, budget)),
            b"date" => {
                envelope.date.get_or_insert_with(|| plain(&field));
            }
            b"subject" => {
                envelope
                    .subject
                    .get_or_insert_with(|| words::decode(field.value));
            }
            b"message-id" => {
                envelope.message_id.get_or_insert_with(|| {
                    let value = plain(&field);
                    ids(&value).next().map_or(value.clone(), str::to_owned)
                });
            }
            b"in-reply-to" => {
                envelope.in_reply_to.get_or_insert_with(|| plain(&field));
            }
            b"references" if envelope.references.is_empty() => {
                let value = plain(&field);
                let all: Vec<&str> = ids(&value).collect();
                let from = all.len().saturating_sub(REFERENCES_MAX);
                envelope.references = all[from..].iter().map(|&id| id.to_owned()).collect();
            }
            _ => {}
        }
    }
    envelope.sent = envelope.date.as_deref().and_then(date::parse);
    envelope.sender = if sender.is_empty() {
        envelope.from.clone()
    } else {
        sender
    };
    envelope.reply_to = if reply_to.is_empty() {
        envelope.from.clone()
    } else {
        reply_to
    };
    envelope
}

/// Reads the MIME fields of a part's header block into `part`; the places stay as they are.
/// `digest`: the default type is message/rfc822 (RFC 2046 section 5.1.5).
pub(crate) fn read_mime(block: &[u8], part: &mut Part, digest: bool) -> Result<(), Bound> {
    let mut content_type = None;
    for (number, field) in header::fields(block).enumerate() {
        if number >= FIELDS_MAX {
            return Err(Bound::Fields);
        }
        match field.name.to_ascii_lowercase().as_slice() {
            b"content-type" => {
                content_type.get_or_insert_with(|| params::parse(field.value));
            }
            b"content-transfer-encoding" if part.encoding.is_empty() => {
                part.encoding = token(&params::parse(field.value).head);
            }
            b"content-id" => {
                part.id.get_or_insert_with(|| plain(&field));
            }
            b"content-description" => {
                part.description
                    .get_or_insert_with(|| words::decode(field.value));
            }
            b"content-md5" => {
                part.md5.get_or_insert_with(|| plain(&field));
            }
            b"content-disposition" => {
                let found = || {
                    let parsed = params::parse(field.value);
                    (token(&parsed.head), parsed.params)
                };
                if part.disposition.is_none() {
                    part.disposition = Some(found()).filter(|(kind, _)| !kind.is_empty());
                }
            }
            b"content-language" if part.language.is_empty() => {
                let value = plain(&field);
                let tags = value
                    .split(',')
                    .map(str::trim)
                    .filter(|tag| !tag.is_empty());
                part.language = tags
                    .take(crate::guard::PARAMS_MAX)
                    .map(str::to_owned)
                    .collect();
            }
            b"content-location" => {
                part.location.get_or_insert_with(|| plain(&field));
            }
            _ => {}
        }
    }
    if part.encoding.is_empty() {
        "7bit".clone_into(&mut part.encoding);
    }
    let parsed = content_type.unwrap_or_default();
    let (kind, subtype) = parsed.head.split_once('/').unwrap_or_default();
    (part.kind, part.subtype) = (token(kind), token(subtype));
    part.params = parsed.params;
    if part.kind.is_empty() || part.subtype.is_empty() {
        // No type, or none that can be read: RFC 2045 section 5.2.
        let (kind, subtype) = if digest {
            ("message", "rfc822")
        } else {
            ("text", "plain")
        };
        kind.clone_into(&mut part.kind);
        subtype.clone_into(&mut part.subtype);
        if !digest && !part.params.iter().any(|(name, _)| name == "charset") {
            part.params
                .push(("charset".to_owned(), "us-ascii".to_owned()));
        }
    }
    Ok(())
}

/// The value as written, unfolded, controls taken out.
fn plain(field: &Field<'_>) -> String {
    field
        .text()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// A MIME token; empty if it is none. Everything that stands here goes out in BODYSTRUCTURE.
fn token(text: &str) -> String {
    let text = text.trim();
    let fine = text.len() <= 127
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&b));
    if fine {
        text.to_ascii_lowercase()
    } else {
        String::new()
    }
}

/// `msg-id = "<" … ">"`, one after another; what stands between is passed over.
fn ids(value: &str) -> impl Iterator<Item = &str> {
    value.split_inclusive('>').filter_map(|piece| {
        let id = piece.get(piece.rfind('<')?..)?;
        (id.ends_with('>') && !id.contains(char::is_whitespace)).then_some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(block: &str) -> Envelope {
        read(block.as_bytes(), &mut Budget::default())
    }

    #[test]
    fn defaults() {
        let found =
            envelope("From: An <an@x.test>\r\nDate: Sun, 22 Nov 2026 12:00:00 +0700\r\n\r\n");
        assert_eq!(found.sender, found.from);
        assert_eq!(found.reply_to, found.from);
        assert_eq!(found.from[0].mailbox.as_deref(), Some("an"));
        assert_eq!(found.sent, Some((1_795_323_600, 420)));
        assert_eq!(
            found.date.as_deref(),
            Some("Sun, 22 Nov 2026 12:00:00 +0700")
        );
        assert_eq!(found.subject, None);
        let found = envelope("From: a@x.test\r\nSender: b@x.test\r\nReply-To: c@x.test\r\n\r\n");
        assert_eq!(found.sender[0].mailbox.as_deref(), Some("b"));
        assert_eq!(found.reply_to[0].mailbox.as_deref(), Some("c"));
        assert_eq!(
            envelope("From: a@x.test\r\nReply-To:\r\n\r\n").reply_to[0]
                .mailbox
                .as_deref(),
            Some("a")
        );
    }

    #[test]
    fn fields() {
        let found = envelope(
            "To: a@x.test\r\nTO: b@x.test\r\nFrom: c@x.test\r\nfrom: d@x.test\r\nSubject: C\u{f4}ng\r\n văn\r\n\
             Message-ID: \r\n <1@x.test>\r\nIn-Reply-To: <0@x.test> (x)\r\nReferences: <a@b> junk <c\r\n d> <e@f>\r\n\r\n",
        );
        assert_eq!(found.to.len(), 2);
        assert_eq!(found.from.len(), 1);
        assert_eq!(found.subject.as_deref(), Some("Công văn"));
        assert_eq!(found.message_id.as_deref(), Some("<1@x.test>"));
        assert_eq!(found.in_reply_to.as_deref(), Some("<0@x.test> (x)"));
        assert_eq!(found.references, ["<a@b>", "<e@f>"]);
        let many: Vec<String> = (0..80).map(|n| format!("<{n}@x>")).collect();
        let found = envelope(&format!("References: {}\r\n", many.join(" ")));
        assert_eq!(
            (found.references.len(), found.references[0].as_str()),
            (50, "<30@x>")
        );
        assert_eq!(
            envelope("Message-ID: none\r\n").message_id.as_deref(),
            Some("none")
        );
    }

    #[test]
    fn mime_fields() {
        let mut part = Part::default();
        read_mime(
            "Content-Type: TEXT/Html; charset=utf-8\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\
             Content-ID: <1@x>\r\nContent-Description: =?utf-8?q?=C4=91?=\r\nContent-Disposition: inline; filename=a\r\n\
             Content-Language: vi, en\r\n\r\n"
                .as_bytes(),
            &mut part,
            false,
        )
        .unwrap();
        assert_eq!(
            (part.kind.as_str(), part.subtype.as_str()),
            ("text", "html")
        );
        assert_eq!(part.encoding, "quoted-printable");
        assert_eq!(part.description.as_deref(), Some("đ"));
        assert_eq!(part.language, ["vi", "en"]);
        assert_eq!(
            part.disposition,
            Some((
                "inline".to_owned(),
                vec![("filename".to_owned(), "a".to_owned())]
            ))
        );
        let mut part = Part::default();
        read_mime(b"Content-Type: text\r\n\r\n", &mut part, true).unwrap();
        assert_eq!(
            (part.kind.as_str(), part.encoding.as_str()),
            ("message", "7bit")
        );
        let mut part = Part::default();
        read_mime(b"\r\n", &mut part, false).unwrap();
        assert_eq!(part.params, [("charset".to_owned(), "us-ascii".to_owned())]);
    }
}
