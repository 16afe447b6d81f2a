//! Notices about delivery: the multipart/report of RFC 3464 and RFC 6522, for people in Vietnamese and English.
//!
//! The report itself is plain ASCII, also for internationalized addresses (RFC 6533 section 3), so that it
//! can be sent to everybody. A notice goes out with the reverse-path `<>`; nobody answers one with another.
//! When to send one is the queue's business; plain data comes in here.

use std::fmt::Write as _;

use mail_builder::encoders::base64::Base64Encoder;
use mail_builder::headers::Header as _;
use mail_builder::headers::text::Text;
use mail_builder::mime::MimePart;

use crate::address::Address;
use crate::compose::{message_id, push_field, unique};
use crate::date;
use crate::header;

/// Octets of an original returned whole; of a longer one the header is returned. Enough to recognize a
/// letter by, and a forged sender is not flooded with attachments.
pub const RETURN_MAX: usize = 128 * 1024;
/// Octets of a header returned.
const RETURN_HEADER_MAX: usize = 64 * 1024;
/// Octets of a diagnostic text: a whole multi-line reply.
const DIAGNOSTIC_MAX: usize = 1000;

/// A notice to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice<'a> {
    /// Our host name: Reporting-MTA, and the domain of the sender address `postmaster@`.
    pub host: &'a str,
    /// To whom: the reverse-path of the original.
    pub to: &'a str,
    /// ENVID of the original, decoded.
    pub envid: Option<&'a str>,
    /// When the original arrived here, seconds since 1970.
    pub arrived: i64,
    /// Now, seconds since 1970.
    pub now: i64,
    /// Zone of the dates, minutes east of UTC.
    pub zone: i16,
    /// At least one.
    pub recipients: Vec<Recipient<'a>>,
    /// What is returned of the original.
    pub original: Original<'a>,
}

/// What has become of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient<'a> {
    /// The address that was tried.
    pub address: &'a str,
    /// ORCPT as `type;address`, decoded.
    pub orcpt: Option<&'a str>,
    /// What was done.
    pub action: Action,
    /// RFC 3463 status code.
    pub status: (u8, u16, u16),
    /// Name of the server that answered.
    pub remote: Option<&'a str>,
    /// Its reply, or what went wrong.
    pub diagnostic: Option<&'a str>,
    /// When it was tried last, seconds since 1970.
    pub last_attempt: Option<i64>,
    /// Until when it will be tried (delays), seconds since 1970.
    pub retry_until: Option<i64>,
}

/// RFC 3464 section 2.3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Given up.
    Failed,
    /// Not yet; tried again.
    Delayed,
    /// Handed to a server that sends no notices.
    Relayed,
    /// Put into the mailbox.
    Delivered,
}

/// The original message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Original<'a> {
    /// The whole, for RET=FULL; the header alone is returned when it is longer than [`RETURN_MAX`].
    Full(&'a [u8]),
    /// Its beginning, of which the header is returned.
    Headers(&'a [u8]),
}

/// A built notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The message.
    pub octets: Vec<u8>,
    /// Its own header holds a UTF-8 address: it can only be sent with SMTPUTF8.
    pub utf8: bool,
    /// It holds octets above 127.
    pub eight_bit: bool,
}

impl Notice<'_> {
    /// Builds the message.
    pub fn build(&self) -> Built {
        let (kind, returned, encoding) = self.returned();
        let human = self.human();
        let report = self.report();
        let boundary = boundary(&[human.as_slice(), report.as_bytes(), &returned]);
        let mut octets = self.header(&boundary);
        let utf8 = !octets.is_ascii();
        let part = |octets: &mut Vec<u8>, header: &str, body: &[u8]| {
            octets.extend_from_slice(format!("\r\n--{boundary}\r\n{header}").as_bytes());
            octets.extend_from_slice(body);
        };
        part(&mut octets, "", &human);
        part(
            &mut octets,
            "Content-Type: message/delivery-status\r\n\r\n",
            report.as_bytes(),
        );
        part(
            &mut octets,
            &format!("Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"),
            &returned,
        );
        octets.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        let eight_bit = !octets.is_ascii();
        Built {
            octets,
            utf8,
            eight_bit,
        }
    }

    /// The most serious thing it tells.
    fn action(&self) -> Action {
        self.recipients
            .iter()
            .map(|recipient| recipient.action)
            .min()
            .unwrap_or(Action::Delivered)
    }

    fn header(&self, boundary: &str) -> Vec<u8> {
        let subject = match self.action() {
            Action::Failed => "Không gửi được thư / Undelivered mail",
            Action::Delayed => "Thư bị chậm, đang gửi lại / Delayed mail, still being retried",
            Action::Relayed | Action::Delivered => "Thư đã được chuyển / Mail delivered",
        };
        let mut fields = String::new();
        push_field(&mut fields, "Date", &date::format(self.now, self.zone));
        push_field(&mut fields, "Message-ID", &message_id(self.host));
        let mut octets = fields.into_bytes();
        let mut encoded = |name: &str, text: &str, rest: &str| {
            octets.extend_from_slice(name.as_bytes());
            octets.extend_from_slice(b": ");
            Text::new(text).write_header(&mut octets, name.len() + 2);
            if !rest.is_empty() {
                octets.truncate(octets.trim_ascii_end().len());
                octets.extend_from_slice(format!("\r\n {rest}\r\n").as_bytes());
            }
        };
        encoded(
            "From",
            "Hệ thống thư",
            &format!("<postmaster@{}>", self.host),
        );
        encoded("Subject", subject, "");
        let mut fields = String::new();
        // The one field that may need UTF-8: to whom.
        let to: String = self.to.chars().filter(|c| !c.is_control()).collect();
        let _ = write!(fields, "To: <{to}>\r\n");
        push_field(&mut fields, "Auto-Submitted", "auto-replied");
        if let Some(id) = self.original_id() {
            push_field(&mut fields, "In-Reply-To", &id);
            push_field(&mut fields, "References", &id);
        }
        push_field(&mut fields, "MIME-Version", "1.0");
        let kind =
            format!("multipart/report; report-type=delivery-status; boundary=\"{boundary}\"");
        push_field(&mut fields, "Content-Type", &kind);
        octets.extend_from_slice(fields.as_bytes());
        octets
    }

    /// The original's Message-ID, if it is a plain one, so that the notice stands beside it in the client.
    fn original_id(&self) -> Option<String> {
        let (Original::Full(raw) | Original::Headers(raw)) = self.original;
        let id = header::find(raw, "Message-ID")?.text();
        let plain = id.len() < 250
            && id.starts_with('<')
            && id.ends_with('>')
            && id.bytes().all(|b| b.is_ascii_graphic());
        plain.then_some(id)
    }

    /// The part for people.
    fn human(&self) -> Vec<u8> {
        let mut text = String::new();
        for english in [false, true] {
            let intro = if english {
                format!(
                    "This is the mail system of {}. Please do not answer this notice.\n",
                    self.host
                )
            } else {
                format!(
                    "Đây là thông báo tự động của hệ thống thư {}. Xin đừng trả lời thư này.\n",
                    self.host
                )
            };
            text.push_str(&intro);
            for action in [
                Action::Failed,
                Action::Delayed,
                Action::Relayed,
                Action::Delivered,
            ] {
                self.paragraph(&mut text, action, english);
            }
            if !english {
                text.push_str(
                    "\n----------------------------------------------------------------------\n\n",
                );
            }
        }
        let mut part = Vec::new();
        MimePart::new("text/plain", text).write_part(&mut part);
        part
    }

    fn paragraph(&self, text: &mut String, action: Action, english: bool) {
        let concerned: Vec<_> = self
            .recipients
            .iter()
            .filter(|recipient| recipient.action == action)
            .collect();
        if concerned.is_empty() {
            return;
        }
        text.push('\n');
        text.push_str(match (action, english) {
            (Action::Failed, false) => {
                "Thư quý vị gửi KHÔNG đến được những người nhận sau đây. Hệ thống sẽ không gửi lại nữa.\n"
            }
            (Action::Failed, true) => "Your message could NOT be delivered to these recipients. It will not be tried again.\n",
            (Action::Delayed, false) => {
                "Thư quý vị gửi chưa đến được những người nhận sau đây. Hệ thống đang tiếp tục gửi lại; quý vị \
                 không cần làm gì.\n"
            }
            (Action::Delayed, true) => {
                "Your message has not reached these recipients yet. It is still being retried; you need do nothing.\n"
            }
            (Action::Relayed, false) => {
                "Thư quý vị gửi đã được chuyển cho máy chủ tiếp theo, nơi không gửi xác nhận phát thư.\n"
            }
            (Action::Relayed, true) => "Your message was handed on to a server that does not confirm delivery.\n",
            (Action::Delivered, false) => "Thư quý vị gửi đã đến hộp thư của những người nhận sau đây.\n",
            (Action::Delivered, true) => "Your message was delivered to the mailboxes of these recipients.\n",
        });
        for recipient in concerned {
            let _ = write!(text, "\n  <{}>\n", shown(recipient.address));
            if let Some(diagnostic) = recipient.diagnostic {
                let (said, told) = if english {
                    ("Server", "Reason")
                } else {
                    ("Máy chủ", "Lý do")
                };
                if let Some(remote) = recipient.remote {
                    let _ = writeln!(text, "    {said}: {}", line(remote));
                }
                let _ = writeln!(text, "    {told}: {}", line(diagnostic));
            }
            if let Some(until) = recipient.retry_until {
                let words = if english {
                    "Retried until"
                } else {
                    "Còn gửi lại đến"
                };
                let _ = writeln!(text, "    {words}: {}", date::format(until, self.zone));
            }
        }
    }

    /// The message/delivery-status part.
    ///
    /// ```text
    /// delivery-status-content = per-message-fields 1*( CRLF per-recipient-fields )   ; RFC 3464 section 2.1
    /// ```
    fn report(&self) -> String {
        let mut out = String::new();
        if let Some(envid) = self.envid {
            push_field(&mut out, "Original-Envelope-Id", envid);
        }
        push_field(&mut out, "Reporting-MTA", &format!("dns; {}", self.host));
        push_field(
            &mut out,
            "Arrival-Date",
            &date::format(self.arrived, self.zone),
        );
        for recipient in &self.recipients {
            out.push_str("\r\n");
            if let Some((kind, address)) = recipient.orcpt.and_then(|orcpt| orcpt.split_once(';')) {
                push_field(
                    &mut out,
                    "Original-Recipient",
                    &format!("{kind};{}", escape(address)),
                );
            }
            let kind = if recipient.address.is_ascii() {
                "rfc822"
            } else {
                "utf-8"
            };
            push_field(
                &mut out,
                "Final-Recipient",
                &format!("{kind};{}", escape(recipient.address)),
            );
            let action = match recipient.action {
                Action::Failed => "failed",
                Action::Delayed => "delayed",
                Action::Relayed => "relayed",
                Action::Delivered => "delivered",
            };
            push_field(&mut out, "Action", action);
            let (class, subject, detail) = recipient.status;
            push_field(&mut out, "Status", &format!("{class}.{subject}.{detail}"));
            if let Some(remote) = recipient.remote {
                push_field(&mut out, "Remote-MTA", &format!("dns; {}", line(remote)));
            }
            if let Some(diagnostic) = recipient.diagnostic {
                push_field(
                    &mut out,
                    "Diagnostic-Code",
                    &format!("smtp; {}", line(diagnostic)),
                );
            }
            if let Some(last) = recipient.last_attempt {
                push_field(
                    &mut out,
                    "Last-Attempt-Date",
                    &date::format(last, self.zone),
                );
            }
            if let Some(until) = recipient.retry_until {
                push_field(
                    &mut out,
                    "Will-Retry-Until",
                    &date::format(until, self.zone),
                );
            }
        }
        out
    }

    /// Content type, octets and encoding of the returned part.
    fn returned(&self) -> (&'static str, Vec<u8>, &'static str) {
        let (Original::Full(raw) | Original::Headers(raw)) = self.original;
        let body_start = header::body_start(raw);
        let mut block = &raw[..body_start];
        if block.len() > RETURN_HEADER_MAX {
            let cut = &block[..RETURN_HEADER_MAX];
            block = &cut[..cut.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1)];
        }
        let whole =
            matches!(self.original, Original::Full(_)) && raw.len() <= RETURN_MAX && is_plain(raw);
        let octets = if whole { raw } else { block };
        // RFC 6532 lets message/global be encoded; message/rfc822 may not be (RFC 2046 section 5.2.1).
        match (whole, block.is_ascii()) {
            (true, true) if octets.is_ascii() => ("message/rfc822", octets.to_vec(), "7bit"),
            (true, true) => ("message/rfc822", octets.to_vec(), "8bit"),
            (true, false) => ("message/global", base64(octets), "base64"),
            (false, true) if is_plain(octets) => ("text/rfc822-headers", octets.to_vec(), "7bit"),
            (false, true) => ("text/rfc822-headers", base64(octets), "base64"),
            (false, false) => ("message/global-headers", base64(octets), "base64"),
        }
    }
}

/// The enhanced status code in a reply: the one it states, else what its class says.
pub fn status_of(reply: &str) -> Option<(u8, u16, u16)> {
    let mut words = reply.split([' ', '-']).filter(|word| !word.is_empty());
    let code: u16 = words.next().filter(|word| word.len() == 3)?.parse().ok()?;
    let class = u8::try_from(code / 100).ok()?;
    if !matches!(class, 2 | 4 | 5) {
        return None;
    }
    let stated = words.next().and_then(|word| {
        let mut numbers = word.split('.').map(str::parse::<u16>);
        match (
            numbers.next(),
            numbers.next(),
            numbers.next(),
            numbers.next(),
        ) {
            (Some(Ok(first)), Some(Ok(subject)), Some(Ok(detail)), None)
                if first == u16::from(class) && subject < 1000 && detail < 1000 =>
            {
                Some((class, subject, detail))
            }
            _ => None,
        }
    });
    Some(stated.unwrap_or((class, 0, 0)))
}

/// A boundary that stands in none of the parts.
fn boundary(parts: &[&[u8]]) -> String {
    loop {
        let candidate = format!("=_{}", unique());
        let found = |part: &&[u8]| {
            part.windows(candidate.len())
                .any(|window| window == candidate.as_bytes())
        };
        if !parts.iter().any(found) {
            return candidate;
        }
    }
}

/// Lines of at most 998 octets, CRLF only, no NUL: can stand in a message as it is.
fn is_plain(raw: &[u8]) -> bool {
    !raw.contains(&0)
        && raw.split_inclusive(|&b| b == b'\n').all(|line| {
            let text = line.strip_suffix(b"\r\n").unwrap_or(line);
            text.len() <= header::LINE_MAX && !text.contains(&b'\r') && !text.contains(&b'\n')
        })
}

fn base64(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Base64Encoder::new()
        .wrap_lines()
        .encode_into(octets, &mut out);
    out
}

/// `utf-8-addr-xtext` of RFC 6533 section 3: `\x{1EBF}` for what is no printable ASCII.
fn escape(address: &str) -> String {
    let mut out = String::with_capacity(address.len());
    for c in address.chars() {
        if c.is_ascii_graphic() && (c != '\\' || address.is_ascii()) {
            out.push(c);
        } else {
            let _ = write!(out, "\\x{{{:X}}}", u32::from(c));
        }
    }
    out
}

/// An address as a person knows it: the domain in Unicode.
fn shown(address: &str) -> String {
    match Address::parse(address) {
        Ok(parsed) if !parsed.domain.is_empty() => {
            format!("{}@{}", parsed.local, parsed.domain_unicode())
        }
        _ => line(address),
    }
}

/// One bounded line without controls.
fn line(text: &str) -> String {
    let cut = &text[..text.floor_char_boundary(DIAGNOSTIC_MAX)];
    cut.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::{Part, summarize};

    const MAIL: &[u8] = "From: an@x.test\r\nMessage-ID: <1@x.test>\r\nSubject: =?utf-8?q?=C4=91?=\r\n\r\nNội dung\r\n".as_bytes();

    fn notice(action: Action, original: Original<'_>) -> Notice<'_> {
        Notice {
            host: "mx.y.test",
            to: "an@x.test",
            envid: Some("QQ314159"),
            arrived: 1_795_323_600,
            now: 1_795_338_000,
            zone: 420,
            recipients: vec![
                Recipient {
                    address: "b@z.test",
                    orcpt: Some("rfc822;c@z.test"),
                    action,
                    status: (5, 1, 1),
                    remote: Some("mx.z.test"),
                    diagnostic: Some("550 5.1.1 no such\r\nuser"),
                    last_attempt: Some(1_795_338_000),
                    retry_until: None,
                },
                Recipient {
                    address: "ế@z.test",
                    orcpt: None,
                    action: Action::Delayed,
                    status: (4, 4, 1),
                    remote: None,
                    diagnostic: None,
                    last_attempt: None,
                    retry_until: Some(1_795_755_600),
                },
            ],
            original,
        }
    }

    fn body<'a>(raw: &'a [u8], part: &Part) -> &'a str {
        let place = |at: u64| usize::try_from(at).unwrap();
        std::str::from_utf8(&raw[place(part.body_at)..place(part.end_at)]).unwrap()
    }

    #[test]
    fn failure() {
        let built = notice(Action::Failed, Original::Full(MAIL)).build();
        let raw = &built.octets;
        assert!(!built.utf8 && built.eight_bit);
        let summary = summarize(raw);
        let root = &summary.root;
        assert_eq!(
            (root.kind.as_str(), root.subtype.as_str()),
            ("multipart", "report")
        );
        assert_eq!(root.param("report-type"), Some("delivery-status"));
        let types: Vec<_> = root
            .parts
            .iter()
            .map(|part| format!("{}/{}", part.kind, part.subtype))
            .collect();
        assert_eq!(
            types,
            ["text/plain", "message/delivery-status", "message/rfc822"]
        );
        assert_eq!(
            body(raw, &root.parts[1]),
            "Original-Envelope-Id: QQ314159\r\nReporting-MTA: dns; mx.y.test\r\n\
             Arrival-Date: Sun, 22 Nov 2026 12:00:00 +0700\r\n\r\n\
             Original-Recipient: rfc822;c@z.test\r\nFinal-Recipient: rfc822;b@z.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\
             Remote-MTA: dns; mx.z.test\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n\
             Last-Attempt-Date: Sun, 22 Nov 2026 16:00:00 +0700\r\n\r\n\
             Final-Recipient: utf-8;\\x{1EBF}@z.test\r\nAction: delayed\r\nStatus: 4.4.1\r\n\
             Will-Retry-Until: Fri, 27 Nov 2026 12:00:00 +0700\r\n"
        );
        assert_eq!(body(raw, &root.parts[2]).as_bytes(), MAIL);
        assert_eq!(
            summary.envelope.subject.as_deref(),
            Some("Không gửi được thư / Undelivered mail")
        );
        assert_eq!(
            summary.envelope.from[0].name.as_deref(),
            Some("Hệ thống thư")
        );
        assert_eq!(
            summary.envelope.from[0].mailbox.as_deref(),
            Some("postmaster")
        );
        assert_eq!(summary.envelope.in_reply_to.as_deref(), Some("<1@x.test>"));
        assert_eq!(
            header::find(raw, "Auto-Submitted").unwrap().text(),
            "auto-replied"
        );
        for words in [
            "không đến được",
            "could not be delivered",
            "550 5.1.1 no such user",
            "ế@z.test",
            "còn gửi lại đến",
        ] {
            let text = crate::fold::normalize(&crate::text::words_in(raw, &summary.root));
            assert!(text.contains(words), "{words}: {text}");
        }
        assert_eq!(header::check(raw), Ok(()));
    }

    #[test]
    fn headers_only() {
        let long = [
            b"Subject: x\r\n\r\n".as_slice(),
            &b"line\r\n".repeat(RETURN_MAX / 4),
        ]
        .concat();
        for (original, expected) in [
            (Original::Headers(MAIL), "text/rfc822-headers"),
            (Original::Full(&long), "text/rfc822-headers"),
            (
                Original::Full(b"Subject: x\r\n\r\na\0b"),
                "text/rfc822-headers",
            ),
            (
                Original::Full(b"Subject: x\r\n\r\na\rb"),
                "text/rfc822-headers",
            ),
            (
                Original::Full("Subject: đ\r\n\r\nx".as_bytes()),
                "message/global",
            ),
            (
                Original::Headers("Subject: đ\r\n\r\nx".as_bytes()),
                "message/global-headers",
            ),
            (Original::Headers(b""), "text/rfc822-headers"),
        ] {
            let built = notice(Action::Delayed, original).build();
            assert!(!built.eight_bit, "{expected}");
            let text = String::from_utf8(built.octets).unwrap();
            assert!(
                text.contains(&format!("Content-Type: {expected}\r\n")),
                "{text}"
            );
        }
    }

    #[test]
    fn internationalized_sender() {
        let built = Notice {
            to: "ăn@x.test",
            ..notice(Action::Delivered, Original::Headers(MAIL))
        }
        .build();
        assert!(built.utf8);
        assert_eq!(
            summarize(&built.octets).envelope.to[0].mailbox.as_deref(),
            Some("ăn")
        );
    }

    #[test]
    fn hostile_texts_stay_in_their_place() {
        let mut hostile = notice(Action::Failed, Original::Headers(MAIL));
        hostile.recipients[0].diagnostic = Some("550 x\r\n\r\nFinal-Recipient: rfc822;evil@x.test");
        hostile.recipients[0].orcpt = Some("rfc822;a\r\nAction: delivered");
        hostile.envid = Some("a\r\nReporting-MTA: dns; evil");
        let built = hostile.build();
        let summary = summarize(&built.octets);
        let report = body(&built.octets, &summary.root.parts[1]);
        assert_eq!(report.matches("\r\nFinal-Recipient").count(), 2, "{report}");
        assert_eq!(report.matches("\r\nReporting-MTA").count(), 1, "{report}");
        assert_eq!(report.matches("\r\nAction").count(), 2, "{report}");
    }

    #[test]
    fn statuses() {
        let check = |reply, expected| assert_eq!(status_of(reply), expected, "{reply:?}");
        check("550 5.1.1 gone", Some((5, 1, 1)));
        check("550-5.1.1 gone", Some((5, 1, 1)));
        check("450 try later", Some((4, 0, 0)));
        check("550 4.1.1 mixed", Some((5, 0, 0)));
        check("250", Some((2, 0, 0)));
        check("354 go", None);
        check("connection refused", None);
        check("", None);
    }
}
