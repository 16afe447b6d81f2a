//! Building: letters, the fields a submission server adds, the Received field.
//!
//! Everything written here is ASCII, folded at 78 columns where a blank allows it, and can hold no octet
//! of a stranger that would end a field. Notices (DSN) are in `notice`.

use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::IpAddr;

use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address as Written;
use mail_builder::headers::raw::Raw;

use crate::date;
use crate::header;

/// Columns after which a line is folded (RFC 5322 section 2.1.1).
const COLUMNS: usize = 78;
/// Octets of one name or address inside a field we write; host names have 255.
const WORD_MAX: usize = 255;

/// A simple letter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Letter<'a> {
    /// Display name and address of the author.
    pub from: (&'a str, &'a str),
    /// Display names and addresses.
    pub to: Vec<(&'a str, &'a str)>,
    /// Subject.
    pub subject: &'a str,
    /// Text, lines ended by LF.
    pub text: &'a str,
    /// The same as HTML, for readers that show it.
    pub html: Option<&'a str>,
    /// Made by a program that no answer helps (RFC 3834 section 5): readers who are away do not answer it.
    pub automatic: bool,
    /// Domain of the Message-ID.
    pub host: &'a str,
    /// When, as seconds since 1970.
    pub seconds: i64,
    /// Zone of the Date field, minutes east of UTC.
    pub zone: i16,
}

impl Letter<'_> {
    /// The complete message.
    pub fn build(&self) -> Vec<u8> {
        let to: Vec<Written<'_>> = self
            .to
            .iter()
            .map(|&(name, address)| {
                Written::new_address(Some(name).filter(|n| !n.is_empty()), address)
            })
            .collect();
        let (name, address) = self.from;
        let mut message = Vec::new();
        let mut builder = MessageBuilder::new()
            .header("Date", Raw::new(date::format(self.seconds, self.zone)))
            .header("Message-ID", Raw::new(message_id(self.host)))
            .from(Written::new_address(
                Some(name).filter(|n| !n.is_empty()),
                address,
            ))
            .to(Written::new_list(to))
            .subject(self.subject)
            .text_body(self.text);
        if let Some(html) = self.html {
            builder = builder.html_body(html);
        }
        if self.automatic {
            builder = builder.header("Auto-Submitted", Raw::new("auto-generated"));
        }
        builder.serialize(&mut message);
        message
    }
}

/// A new Message-ID with angle brackets, unique in the world: 128 random bits at `host`.
pub fn message_id(host: &str) -> String {
    format!("<{}@{}>", unique(), word(host))
}

/// 32 hexadecimal digits that will not come again.
pub fn unique() -> String {
    // Each state has fresh keys, taken from the operating system's randomness for the first in a thread.
    let number = |salt: u8| {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u8(salt);
        hasher.write_u128(
            std::time::UNIX_EPOCH
                .elapsed()
                .map_or(0, |since| since.as_nanos()),
        );
        hasher.finish()
    };
    format!("{:016x}{:016x}", number(1), number(2))
}

/// The fields that a submission lacks and must have (RFC 6409 section 8): Message-ID and Date; complete,
/// to be put before the message. Empty when nothing is missing.
pub fn missing(raw: &[u8], host: &str, seconds: i64, zone: i16) -> String {
    let block = &raw[..header::body_start(raw)];
    let mut fields = String::new();
    if header::find(block, "Date").is_none() {
        push_field(&mut fields, "Date", &date::format(seconds, zone));
    }
    if header::find(block, "Message-ID").is_none() {
        push_field(&mut fields, "Message-ID", &message_id(host));
    }
    fields
}

/// What a Received field says (RFC 5321 section 4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received<'a> {
    /// What the client called itself; any text.
    pub helo: &'a str,
    /// Where it came from.
    pub remote: IpAddr,
    /// Our name.
    pub by: &'a str,
    /// How it came.
    pub with: With<'a>,
    /// Our id of the message.
    pub id: &'a str,
    /// The one recipient; `None` if there are several, so that nobody learns of the others.
    pub recipient: Option<&'a str>,
    /// When, as seconds since 1970.
    pub seconds: i64,
    /// Zone of the date, minutes east of UTC.
    pub zone: i16,
}

/// The `with` clause: RFC 3848, RFC 6531 section 4.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "four independent facts of the session make the keyword"
)]
pub struct With<'a> {
    /// LMTP rather than SMTP.
    pub lmtp: bool,
    /// EHLO or LHLO was said.
    pub extended: bool,
    /// The client logged in.
    pub authenticated: bool,
    /// MAIL had SMTPUTF8.
    pub utf8: bool,
    /// TLS version and cipher suite.
    pub tls: Option<(&'a str, &'a str)>,
}

impl With<'_> {
    /// `ESMTPSA` and its kin.
    pub fn keyword(&self) -> String {
        let base = match (self.lmtp, self.utf8, self.extended) {
            (true, true, _) => "UTF8LMTP",
            (true, false, _) => "LMTP",
            (false, true, _) => "UTF8SMTP",
            (false, false, true) => "ESMTP",
            // AUTH and STARTTLS exist only after EHLO.
            (false, false, false) => return "SMTP".to_owned(),
        };
        let tls = if self.tls.is_some() { "S" } else { "" };
        let auth = if self.authenticated { "A" } else { "" };
        format!("{base}{tls}{auth}")
    }
}

impl Received<'_> {
    /// The complete field with its line end.
    pub fn field(&self) -> String {
        let address = match self.remote.to_canonical() {
            IpAddr::V4(address) => format!("[{address}]"),
            IpAddr::V6(address) => format!("[IPv6:{address}]"),
        };
        let mut value = format!(
            "from {} ({address}) by {} with {}",
            word(self.helo),
            word(self.by),
            self.with.keyword()
        );
        if let Some((version, cipher)) = self.with.tls {
            let _ = write!(value, " ({} {})", word(version), word(cipher));
        }
        let _ = write!(value, " id {}", word(self.id));
        if let Some(recipient) = self
            .recipient
            .filter(|address| address.bytes().all(is_addressable))
        {
            let _ = write!(value, " for <{recipient}>");
        }
        let _ = write!(value, "; {}", date::format(self.seconds, self.zone));
        let mut field = String::new();
        push_field(&mut field, "Received", &value);
        field
    }
}

/// Appends `name: value` and CRLF, folded at blanks. Octets that are no printable ASCII become `?`.
pub fn push_field(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push(':');
    let mut column = name.len() + 1;
    for part in value.split(' ').filter(|part| !part.is_empty()) {
        // A blank before each word; a new line when the word does not fit any more.
        if column + 1 + part.len() > COLUMNS && column > name.len() + 1 {
            out.push_str("\r\n");
            column = 0;
        }
        out.push(' ');
        out.extend(
            part.chars()
                .map(|c| if c.is_ascii_graphic() { c } else { '?' }),
        );
        column += 1 + part.len();
    }
    out.push_str("\r\n");
}

/// One word of a structured field: what could end it, open a comment or a literal is replaced.
fn word(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-._:[]+=/".contains(c);
    let word: String = text
        .chars()
        .take(WORD_MAX)
        .map(|c| if safe(c) { c } else { '?' })
        .collect();
    if word.is_empty() {
        "unknown".to_owned()
    } else {
        word
    }
}

fn is_addressable(b: u8) -> bool {
    b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'(' | b')' | b';')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summarize;

    #[test]
    fn received_fields() {
        let received = Received {
            helo: "mail.x.test",
            remote: "192.0.2.1".parse().unwrap(),
            by: "mx.y.test",
            with: With {
                extended: true,
                authenticated: true,
                tls: Some(("TLSv1.3", "TLS_AES_256_GCM_SHA384")),
                ..With::default()
            },
            id: "abc",
            recipient: Some("b@y.test"),
            seconds: 1_795_323_600,
            zone: 420,
        };
        assert_eq!(
            received.field(),
            "Received: from mail.x.test ([192.0.2.1]) by mx.y.test with ESMTPSA (TLSv1.3\r\n \
             TLS_AES_256_GCM_SHA384) id abc for <b@y.test>; Sun, 22 Nov 2026 12:00:00\r\n +0700\r\n"
        );
        let hostile = Received {
            helo: "x\r\nBcc: all@y.test\r\n(",
            remote: "::ffff:192.0.2.1".parse().unwrap(),
            recipient: Some("ă@y.test"),
            with: With::default(),
            ..received
        };
        let field = hostile.field();
        assert!(
            field.starts_with(
                "Received: from x??Bcc:?all?y.test??? ([192.0.2.1]) by mx.y.test with SMTP id"
            ),
            "{field}"
        );
        assert_eq!(header::fields(field.as_bytes()).count(), 1);
    }

    #[test]
    fn keywords() {
        let check = |with: With<'_>, expected| assert_eq!(with.keyword(), expected);
        check(With::default(), "SMTP");
        check(
            With {
                extended: true,
                ..With::default()
            },
            "ESMTP",
        );
        check(
            With {
                extended: true,
                tls: Some(("", "")),
                ..With::default()
            },
            "ESMTPS",
        );
        check(
            With {
                lmtp: true,
                ..With::default()
            },
            "LMTP",
        );
        check(
            With {
                extended: true,
                utf8: true,
                tls: Some(("", "")),
                authenticated: true,
                ..With::default()
            },
            "UTF8SMTPSA",
        );
    }

    #[test]
    fn missing_fields() {
        let fields = missing(b"From: a@x.test\r\n\r\nDate: no\r\n", "x.test", 0, 420);
        assert!(
            fields.starts_with("Date: Thu, 01 Jan 1970 07:00:00 +0700\r\nMessage-ID: <"),
            "{fields}"
        );
        assert!(fields.ends_with("@x.test>\r\n"));
        assert_eq!(
            missing(b"DATE: x\r\nmessage-id: <y>\r\n\r\n", "x.test", 0, 0),
            ""
        );
        assert_ne!(message_id("x.test"), message_id("x.test"));
    }

    #[test]
    fn letters() {
        let letter = Letter {
            from: ("Nguyễn Thị An", "an@xa.test"),
            to: vec![("Văn thư", "vanthu@tinh.test"), ("", "b@tinh.test")],
            subject: "Thư đầu tiên",
            text: "Kính gửi,\n\nĐây là thư thử.\n",
            html: None,
            automatic: false,
            host: "xa.test",
            seconds: 1_795_323_600,
            zone: 420,
        };
        let raw = letter.build();
        assert!(
            raw.is_ascii()
                && !raw
                    .windows(2)
                    .any(|pair| pair[1] == b'\n' && pair[0] != b'\r')
        );
        assert_eq!(header::check(&raw), Ok(()));
        let summary = summarize(&raw);
        assert_eq!(summary.envelope.subject.as_deref(), Some("Thư đầu tiên"));
        assert_eq!(
            summary.envelope.from[0].name.as_deref(),
            Some("Nguyễn Thị An")
        );
        assert_eq!(summary.envelope.to[1].mailbox.as_deref(), Some("b"));
        assert_eq!(summary.envelope.sent, Some((1_795_323_600, 420)));
        let text = crate::fold::normalize(&crate::text::words_in(&raw, &summary.root));
        assert_eq!(text, "kính gửi, đây là thư thử.");
        assert_eq!(
            header::count(&raw, "Message-ID") + header::count(&raw, "Date"),
            2
        );
    }

    #[test]
    fn letters_of_programs_have_both_forms_and_say_so() {
        let raw = Letter {
            from: ("", "postmaster@xa.test"),
            to: vec![("", "an@xa.test")],
            subject: "Thư bị giữ",
            text: "Văn bản\n",
            html: Some("<p>Văn bản</p>"),
            automatic: true,
            host: "xa.test",
            ..Letter::default()
        }
        .build();
        assert!(raw.is_ascii() && header::check(&raw) == Ok(()));
        let found = header::find(&raw, "Auto-Submitted").unwrap();
        assert_eq!(found.value.trim_ascii(), b"auto-generated");
        let root = summarize(&raw).root;
        assert_eq!(
            (root.kind.as_str(), root.subtype.as_str()),
            ("multipart", "alternative")
        );
        assert_eq!(root.parts.len(), 2);
    }

    #[test]
    fn folding() {
        let mut out = String::new();
        push_field(&mut out, "X", &"word ".repeat(40));
        assert!(out.lines().all(|line| line.len() <= COLUMNS), "{out}");
        let mut out = String::new();
        push_field(&mut out, "X", "a\r\nb đ \t c");
        assert_eq!(out, "X: a??b ? ? c\r\n");
    }
}
