//! Reports of abuse: the multipart/report of RFC 5965, one for an incident, with the header of the letter.
//!
//! Of the header only fields that tell where a letter came from are passed on, and in them nothing of its recipients: a
//! report leaves the house. It is plain ASCII but for the part for people.

use std::fmt::Write as _;
use std::net::IpAddr;

use mail_builder::encoders::base64::Base64Encoder;

use crate::compose::{message_id, push_field, unique};
use crate::{date, header};

/// Octets of the header passed on: where a letter came from stands in front.
const HEADER_MAX: usize = 16 * 1024;
/// Octets of one field.
const FIELD_MAX: usize = 2 * 1024;

/// Fields that are passed on: who sent what when, by which way and with which program.
const PASSED: [&str; 15] = [
    "received",
    "return-path",
    "from",
    "sender",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "dkim-signature",
    "authentication-results",
    "user-agent",
    "x-mailer",
    "precedence",
];

/// A report to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback<'a> {
    /// Our host name.
    pub host: &'a str,
    /// Name and version of this program.
    pub agent: &'a str,
    /// To whom.
    pub to: &'a str,
    /// Where the letter came from.
    pub source: Option<IpAddr>,
    /// MAIL FROM of the letter; empty for the null reverse-path.
    pub mail_from: Option<&'a str>,
    /// The domain that the report is about: that of From.
    pub domain: Option<&'a str>,
    /// When the letter arrived, seconds since 1970.
    pub arrived: i64,
    /// Now, seconds since 1970.
    pub now: i64,
    /// Zone of the dates, minutes east of UTC.
    pub zone: i16,
    /// How many letters like this one the report stands for.
    pub incidents: usize,
    /// The letter's header.
    pub header: &'a [u8],
    /// Addresses that must not leave the house.
    pub secret: &'a [String],
}

impl Feedback<'_> {
    /// Builds the message: ASCII, lines ended by CRLF.
    pub fn build(&self) -> Vec<u8> {
        let boundary = format!("=_{}", unique());
        let mut out = String::new();
        push_field(&mut out, "Date", &date::format(self.now, self.zone));
        push_field(&mut out, "Message-ID", &message_id(self.host));
        let from = format!("<postmaster@{}>", clean(self.host));
        push_field(&mut out, "From", &from);
        push_field(&mut out, "To", &format!("<{}>", clean(self.to)));
        let subject = format!("Abuse report: {}", clean(self.domain.unwrap_or("spam")));
        push_field(&mut out, "Subject", &subject);
        push_field(&mut out, "Auto-Submitted", "auto-generated");
        push_field(&mut out, "MIME-Version", "1.0");
        let kind =
            format!("multipart/report; report-type=feedback-report; boundary=\"{boundary}\"");
        push_field(&mut out, "Content-Type", &kind);
        let _ = write!(
            out,
            "\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\
             \r\n--{boundary}\r\nContent-Type: message/feedback-report\r\n\r\n{}\
             \r\n--{boundary}\r\nContent-Type: text/rfc822-headers\r\n\r\n{}\
             \r\n--{boundary}--\r\n",
            self.people(),
            self.report(),
            self.passed(),
        );
        out.into_bytes()
    }

    /// The part for people.
    fn people(&self) -> String {
        let domain = clean(self.domain.unwrap_or("-"));
        let text = format!(
            "Người dùng của máy chủ {host} đã báo {n} thư rác như thư có phần đầu đính kèm (tên miền: {domain}).\r\n\
             Địa chỉ người nhận đã được lược bỏ.\r\n\r\n\
             Users of {host} reported {n} unwanted letters like the one whose header is attached (domain: {domain}).\r\n\
             Addresses of recipients were removed.\r\n",
            host = clean(self.host),
            n = self.incidents,
        );
        let mut out = Vec::new();
        Base64Encoder::new()
            .wrap_lines()
            .encode_into(text.as_bytes(), &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The part for programs (RFC 5965 section 3).
    fn report(&self) -> String {
        let mut out = String::new();
        push_field(&mut out, "Feedback-Type", "abuse");
        push_field(&mut out, "User-Agent", &clean(self.agent));
        push_field(&mut out, "Version", "1");
        if let Some(from) = self.mail_from {
            push_field(
                &mut out,
                "Original-Mail-From",
                &format!("<{}>", clean(from)),
            );
        }
        push_field(
            &mut out,
            "Arrival-Date",
            &date::format(self.arrived, self.zone),
        );
        if let Some(source) = self.source {
            push_field(&mut out, "Source-IP", &source.to_string());
        }
        if let Some(domain) = self.domain {
            push_field(&mut out, "Reported-Domain", &clean(domain));
        }
        push_field(&mut out, "Incidents", &self.incidents.to_string());
        push_field(
            &mut out,
            "Reporting-MTA",
            &format!("dns; {}", clean(self.host)),
        );
        out
    }

    /// What is passed on of the header.
    fn passed(&self) -> String {
        let mut out = String::new();
        for field in header::fields(self.header) {
            let passed = PASSED
                .iter()
                .any(|name| field.name.eq_ignore_ascii_case(name.as_bytes()));
            if !passed || out.len() >= HEADER_MAX {
                continue;
            }
            let name = String::from_utf8_lossy(field.name);
            let value = &field.value[..field.value.len().min(FIELD_MAX)];
            let mut value = unfolded(value);
            if name.eq_ignore_ascii_case("received") {
                value = without_recipient(&value);
            }
            push_field(&mut out, &name, &self.redacted(&value));
        }
        out
    }

    /// A text without the addresses of the house, in any case of letters.
    fn redacted(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for secret in self.secret.iter().filter(|secret| !secret.is_empty()) {
            let secret = secret.to_ascii_lowercase();
            while let Some(at) = out.to_ascii_lowercase().find(&secret) {
                out.replace_range(at..at + secret.len(), "redacted");
            }
        }
        out
    }
}

/// A field's value on one line, ASCII.
fn unfolded(value: &[u8]) -> String {
    let text: String = value
        .iter()
        .map(|&b| match b {
            b'\t' | b'\r' | b'\n' => ' ',
            0x20..=0x7e => char::from(b),
            _ => '?',
        })
        .collect();
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// A Received field without its FOR clause (RFC 5321 section 4.4).
fn without_recipient(value: &str) -> String {
    let Some(at) = value.find(" for <") else {
        return value.to_owned();
    };
    let (before, rest) = value.split_at(at);
    let end = rest.find('>').map_or(rest.len(), |end| end + 1);
    format!("{before}{}", &rest[end..])
}

/// ASCII without controls, so that nobody writes a field for us.
fn clean(text: &str) -> String {
    text.chars()
        .take(320)
        .map(|c| {
            if c.is_ascii_graphic() || c == ' ' {
                c
            } else {
                '?'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summarize;

    #[test]
    fn a_report_says_where_from_and_not_to_whom() {
        let header = b"Return-Path: <bulk@qc.example>\r\nX-Spam-Status: p=0.99\r\nReceived: from qc.example\r\n ([192.0.2.7])\r\n\tby mail.xa.test with ESMTP id 123\r\n for <lan@xa.test>; Sun, 22 Nov 2026 08:00:00 +0700\r\n\
            From: bulk@qc.example\r\nTo: lan@xa.test\r\nCc: minh@xa.test\r\nSubject: Gui Lan@XA.test, mua\r\n \xe1\xbb\x8b\r\n\
            List-Unsubscribe: <https://qc.example/?lan@xa.test>\r\n\r\n";
        let built = Feedback {
            host: "mail.xa.test",
            agent: "Congvu/0",
            to: "bao@quocgia.example",
            source: "192.0.2.7".parse().ok(),
            mail_from: Some("bulk@qc.example\r\nX: y"),
            domain: Some("qc.example"),
            arrived: 0,
            now: 0,
            zone: 420,
            incidents: 3,
            header,
            secret: &["lan@xa.test".to_owned(), "minh@xa.test".to_owned()],
        }
        .build();
        let text = String::from_utf8(built.clone()).unwrap();
        let text = text.replace("\r\n ", " ");
        assert!(text.is_ascii());
        for there in [
            "report-type=feedback-report",
            "Feedback-Type: abuse\r\n",
            "Version: 1\r\n",
            "Source-IP: 192.0.2.7\r\n",
            "Incidents: 3\r\n",
            "Reported-Domain: qc.example\r\n",
            "id 123; Sun, 22 Nov",
            "Subject: Gui redacted, mua",
        ] {
            assert!(text.contains(there), "{there}: {text}");
        }
        for gone in [
            "lan@",
            "minh@",
            "X-Spam",
            "List-Unsub",
            "\r\nTo: lan",
            "\r\nX: y",
        ] {
            assert!(
                !text.to_lowercase().contains(&gone.to_lowercase()),
                "{gone}: {text}"
            );
        }
        let summary = summarize(&built);
        let kinds: Vec<_> = summary
            .root
            .parts
            .iter()
            .map(|part| format!("{}/{}", part.kind, part.subtype))
            .collect();
        assert_eq!(
            kinds,
            [
                "text/plain",
                "message/feedback-report",
                "text/rfc822-headers"
            ]
        );
    }
}
