//! How a message can be followed: its id in replies, logs and queue, and the Received field.

use std::fmt::Write;
use std::net::IpAddr;

use congvu_message::date;
use congvu_store::Timestamp;

use crate::facts::Connection;

/// Digits of ids: lower-case letters and digits that are not mistaken for each other.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Digits of the time: 45 bits of milliseconds last until the year 3084, and ids sort by time.
const TIME_DIGITS: u32 = 9;
/// Random digits: 30 bits, so that two messages of one millisecond collide once in a billion.
const RANDOM_DIGITS: u32 = 6;
/// Longest client name written down: a domain's 255 octets.
const NAME_MOST: usize = 255;

/// A new id of 15 digits.
pub(crate) fn id(at: Timestamp) -> String {
    let time = u64::try_from(at.0).unwrap_or(0);
    let mut id = String::with_capacity(15);
    digits(&mut id, time, TIME_DIGITS);
    digits(&mut id, fastrand::u64(..), RANDOM_DIGITS);
    id
}

fn digits(out: &mut String, number: u64, count: u32) {
    for place in (0..count).rev() {
        out.push(char::from(
            DIGITS[usize::try_from(number >> (5 * place) & 31).unwrap_or(0)],
        ));
    }
}

/// What a Received field says.
#[derive(Debug)]
pub(crate) struct Stamp<'a> {
    /// From whom and how.
    pub connection: &'a Connection,
    /// Who we are.
    pub hostname: &'a str,
    /// The message's id.
    pub id: &'a str,
    /// Whether SMTPUTF8 was used.
    pub utf8: bool,
    /// The recipient, only if there is a single one: others must not learn of each other.
    pub rcpt: Option<&'a str>,
    /// When.
    pub at: Timestamp,
    /// Minutes east of UTC.
    pub zone: i16,
}

impl Stamp<'_> {
    /// The whole field with its line ends.
    ///
    /// ```text
    /// Time-stamp-line = "Received:" FWS From-domain By-domain Opt-info [CFWS] ";" FWS date-time CRLF
    /// ```
    /// RFC 5321 section 4.4. The version and cipher of TLS stand in a comment.
    pub(crate) fn received(&self) -> String {
        let name = self
            .connection
            .hello
            .as_ref()
            .map_or("unknown", |hello| client_name(&hello.name));
        let literal = match self.connection.peer.remote.ip().to_canonical() {
            IpAddr::V4(v4) => format!("[{v4}]"),
            IpAddr::V6(v6) => format!("[IPv6:{v6}]"),
        };
        let mut field = format!(
            "Received: from {name} ({literal})\r\n\tby {}",
            self.hostname
        );
        let _ = write!(field, " with {}", self.connection.protocol(self.utf8));
        if let Some(tls) = &self.connection.tls {
            let _ = write!(
                field,
                "\r\n\t({} {})",
                comment(&tls.version),
                comment(&tls.cipher)
            );
        }
        let _ = write!(field, "\r\n\tid {}", self.id);
        if let Some(rcpt) = self.rcpt {
            let _ = write!(field, "\r\n\tfor <{rcpt}>");
        }
        let _ = write!(
            field,
            ";\r\n\t{}\r\n",
            date::format(self.at.seconds(), self.zone)
        );
        field
    }
}

/// The client's name if it can stand in a header field as it is.
fn client_name(name: &str) -> &str {
    let usable =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    if !name.is_empty() && name.len() <= NAME_MOST && name.chars().all(usable) {
        name
    } else {
        "unknown"
    }
}

fn comment(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        .collect()
}

#[cfg(test)]
mod tests {
    use congvu_smtp::ask::Kind;
    use congvu_wire::{Peer, TlsInfo};

    use super::*;
    use crate::facts::Hello;

    #[test]
    fn ids_are_short_and_sort_by_time() {
        let (a, b) = (
            id(Timestamp(1_795_000_000_000)),
            id(Timestamp(1_795_000_000_001)),
        );
        assert_eq!(a.len(), 15);
        assert!(a < b);
        assert_ne!(id(Timestamp(5)), id(Timestamp(5)));
    }

    #[test]
    fn writes_received() {
        let check = |name: &str, remote: &str, rcpt, expected: &str| {
            let peer = Peer {
                remote: remote.parse().expect("an address"),
                local: "192.0.2.1:25".parse().expect("an address"),
            };
            let mut connection = Connection::new(peer, Kind::Mx, false);
            connection.hello = Some(Hello {
                name: name.into(),
                extended: true,
            });
            connection.tls = Some(TlsInfo {
                version: "TLSv1.3".into(),
                cipher: "TLS_AES_256_GCM_SHA384".into(),
                ..TlsInfo::default()
            });
            let stamp = Stamp {
                connection: &connection,
                hostname: "mx.bo.test",
                id: "0abc",
                utf8: false,
                rcpt,
                at: Timestamp(1_795_323_600_000),
                zone: 420,
            };
            assert_eq!(stamp.received(), expected);
        };
        check(
            "mail.so.test",
            "[::ffff:198.51.100.7]:999",
            Some("an@bo.test"),
            "Received: from mail.so.test ([198.51.100.7])\r\n\tby mx.bo.test with ESMTPS\r\n\
             \t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n\tid 0abc\r\n\tfor <an@bo.test>;\r\n\tSun, 22 Nov 2026 12:00:00 +0700\r\n",
        );
        check(
            "x) by evil (",
            "[2001:db8::1]:999",
            None,
            "Received: from unknown ([IPv6:2001:db8::1])\r\n\tby mx.bo.test with ESMTPS\r\n\
             \t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n\tid 0abc;\r\n\tSun, 22 Nov 2026 12:00:00 +0700\r\n",
        );
    }
}
