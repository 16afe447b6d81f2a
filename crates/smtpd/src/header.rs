//! What happens to the header section of a message that passes through: fields that must not go on are
//! taken out, those that a submission lacks are added, and what matters for judging is counted.
//!
//! Octets are never changed inside a field, so signatures over the other fields stay valid. Return-Path
//! and Received are put in front by `intake`.
//!
//! Decisions:
//! - Bcc and Resent-Bcc are removed from submissions. RFC 6409 leaves it to the client, and most remove it; the few that
//!   do not would show blind recipients to everybody. A copy that the client keeps itself is not touched.
//! - What other filters said is removed from mail from outside, wherever it claims to come from: rules of mail clients
//!   believe such fields, and every spammer can write them. Hardly anybody signs them.
//! - Authentication-Results that carry our own name are removed wherever they come from: only we may
//!   speak as ourselves (RFC 8601 section 5).

use congvu_message::date;
use congvu_message::header::{self, HeaderError};
use congvu_store::Timestamp;

/// How to treat a header section.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Treatment<'a> {
    /// Our name.
    pub hostname: &'a str,
    /// Add what is missing and drop Bcc: RFC 6409 section 8. For accounts and relay peers.
    pub complete: bool,
    /// Drop what other filters said: mail from outside.
    pub outside: bool,
    /// Domain of a Message-ID that we add.
    pub domain: &'a str,
    /// The message's id, for that Message-ID.
    pub id: &'a str,
    /// When, for a Date that we add.
    pub at: Timestamp,
    /// Minutes east of UTC.
    pub zone: i16,
}

/// A treated header section and what was seen in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// The section as it goes on, with the empty line if it had one.
    pub octets: Vec<u8>,
    /// Received fields.
    pub hops: usize,
    /// Received fields written by us.
    pub own_hops: usize,
    /// From fields.
    pub froms: usize,
    /// What breaks the rules for submissions, if anything.
    pub fault: Option<HeaderError>,
    /// A CR or LF that is not part of CRLF.
    pub bare: bool,
}

/// Treats a header section: everything up to and including the empty line, or all there is.
pub(crate) fn treat(block: &[u8], treatment: &Treatment<'_>) -> Header {
    let mut seen = Header {
        octets: Vec::with_capacity(block.len() + 256),
        hops: header::received(block),
        own_hops: 0,
        froms: header::count(block, "From"),
        fault: header::check(block).err(),
        bare: has_bare(block),
    };
    if treatment.complete {
        add_missing(block, treatment, &mut seen.octets);
    }
    // Without a field at its very beginning (after the "From " line that mbox writers leave) there is no header
    // section, and our own fields must not run into the text.
    let first = header::fields(block)
        .next()
        .map_or(block.len(), |field| field.at);
    let kept_from = if is_mbox_line(block.get(..first).unwrap_or_default()) {
        first
    } else {
        0
    };
    if first != kept_from && !block.starts_with(b"\r\n") {
        seen.octets.extend_from_slice(b"\r\n");
        seen.octets.extend_from_slice(block);
        return seen;
    }
    let mut done = kept_from;
    for field in header::fields(block) {
        // Lines that are no fields stay where they are.
        seen.octets
            .extend_from_slice(block.get(done..field.at).unwrap_or_default());
        done = field.at + field.raw.len();
        seen.own_hops +=
            usize::from(field.is("Received") && written_by(field.value, treatment.hostname));
        if !dropped(&field, treatment) {
            seen.octets.extend_from_slice(field.raw);
        }
    }
    seen.octets
        .extend_from_slice(block.get(done..).unwrap_or_default());
    seen
}

fn dropped(field: &header::Field<'_>, treatment: &Treatment<'_>) -> bool {
    field.is("Return-Path")
        || (treatment.complete && (field.is("Bcc") || field.is("Resent-Bcc")))
        || (treatment.outside && is_of_filter(field.name))
        || (field.is("Authentication-Results")
            && authserv_id(field.value).eq_ignore_ascii_case(treatment.hostname.as_bytes()))
}

/// Beginnings of the names of fields by which filters tell their verdict to mail clients, ours among them.
const OF_FILTERS: [&str; 10] = [
    "x-spam",
    "x-bogosity",
    "x-rspamd",
    "x-dspam",
    "x-antispam",
    "x-anti-spam",
    "x-microsoft-antispam",
    "x-forefront-antispam",
    "x-ms-exchange-organization-scl",
    "x-congvu",
];

fn is_of_filter(name: &[u8]) -> bool {
    let starts = |known: &&str| {
        name.get(..known.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(known.as_bytes()))
    };
    OF_FILTERS.iter().any(starts)
}

fn add_missing(block: &[u8], treatment: &Treatment<'_>, out: &mut Vec<u8>) {
    if header::find(block, "Date").is_none() {
        out.extend_from_slice(
            format!(
                "Date: {}\r\n",
                date::format(treatment.at.seconds(), treatment.zone)
            )
            .as_bytes(),
        );
    }
    if header::find(block, "Message-ID").is_none() {
        out.extend_from_slice(
            format!("Message-ID: <{}@{}>\r\n", treatment.id, treatment.domain).as_bytes(),
        );
    }
}

/// `From ` or `>From ` and nothing else before the first field.
fn is_mbox_line(lead: &[u8]) -> bool {
    let one_line = lead.ends_with(b"\n") && lead.split_inclusive(|&b| b == b'\n').nth(1).is_none();
    one_line && (lead.starts_with(b"From ") || lead.starts_with(b">From "))
}

/// Whether a Received value names this host in its `by` clause.
fn written_by(value: &[u8], hostname: &str) -> bool {
    let mut words = value
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    words.any(|word| word.eq_ignore_ascii_case(b"by"))
        && words.next().is_some_and(|word| {
            word.strip_suffix(b";")
                .unwrap_or(word)
                .eq_ignore_ascii_case(hostname.as_bytes())
        })
}

/// The authserv-id of an Authentication-Results value.
///
/// ```text
/// authres-payload = [CFWS] authserv-id [ CFWS authres-version ] ( no-result / 1*resinfo ) [CFWS]   ; RFC 8601 section 2.2
/// authserv-id     = value                                                                        ; token or quoted-string
/// ```
fn authserv_id(value: &[u8]) -> Vec<u8> {
    let mut rest = value;
    let mut depth = 0_u32;
    loop {
        match rest {
            [b'(', tail @ ..] => (depth, rest) = (depth.saturating_add(1), tail),
            [b')', tail @ ..] if depth > 0 => (depth, rest) = (depth - 1, tail),
            [b'\\', _, tail @ ..] if depth > 0 => rest = tail,
            [b, tail @ ..] if depth > 0 || b.is_ascii_whitespace() => rest = tail,
            _ => break,
        }
    }
    if let [b'"', quoted @ ..] = rest {
        let mut id = Vec::new();
        let mut octets = quoted.iter();
        while let Some(&b) = octets.next() {
            match b {
                b'"' => break,
                b'\\' => id.extend(octets.next()),
                b'\r' | b'\n' => {}
                b => id.push(b),
            }
        }
        return id;
    }
    let end = rest
        .iter()
        .position(|&b| b.is_ascii_whitespace() || matches!(b, b';' | b'('))
        .unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default().to_vec()
}

fn has_bare(block: &[u8]) -> bool {
    let lone = |(at, &b): (usize, &u8)| match b {
        b'\n' => at == 0 || block.get(at - 1) != Some(&b'\r'),
        b'\r' => block.get(at + 1) != Some(&b'\n'),
        _ => false,
    };
    block.iter().enumerate().any(lone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn treated(block: &str, complete: bool) -> Header {
        let treatment = Treatment {
            outside: !complete,
            hostname: "mx.bo.test",
            complete,
            domain: "bo.test",
            id: "0abc",
            at: Timestamp(1_795_323_600_000),
            zone: 420,
        };
        treat(block.as_bytes(), &treatment)
    }

    fn check(block: &str, complete: bool, expected: &str) {
        assert_eq!(
            String::from_utf8_lossy(&treated(block, complete).octets),
            expected,
            "{block:?}"
        );
    }

    #[test]
    fn takes_out_what_must_not_go_on() {
        check(
            "Return-Path: <x@y.test>\r\nFrom: a@b.test\r\nBcc: c@d.test\r\n\r\n",
            false,
            "From: a@b.test\r\nBcc: c@d.test\r\n\r\n",
        );
        check(
            "From: a@b.test\r\nBcc: c@d.test,\r\n e@f.test\r\nResent-Bcc: g@h.test\r\nDate: x\r\nMessage-ID: <1@b>\r\n\r\n",
            true,
            "From: a@b.test\r\nDate: x\r\nMessage-ID: <1@b>\r\n\r\n",
        );
        check(
            "From: a\r\nAuthentication-Results: other.test; spf=pass\r\n\r\n",
            false,
            "From: a\r\nAuthentication-Results: other.test; spf=pass\r\n\r\n",
        );
        for forged in [
            "mx.bo.test; spf=pass",
            "(x (y\\)) ) MX.BO.TEST 1; none",
            "\"mx.bo\\.test\"; dkim=pass",
            "\r\n mx.bo.test(c); none",
        ] {
            check(
                &format!("Authentication-Results: {forged}\r\nFrom: a\r\n\r\n"),
                false,
                "From: a\r\n\r\n",
            );
        }
    }

    #[test]
    fn other_filters_are_not_passed_on() {
        check(
            "X-Spam-Status: No,\r\n\tscore=-9\r\nFrom: a\r\nx-spam: n\r\nX-Rspamd-Score: 0\r\nX-Spammer: x\r\nX-Sp: y\r\n\r\n",
            false,
            "From: a\r\nX-Sp: y\r\n\r\n",
        );
        let kept = "Date: x\r\nMessage-ID: <1@b>\r\nFrom: a@b.test\r\nX-Spam-Flag: NO\r\n\r\n";
        check(kept, true, kept);
    }

    #[test]
    fn adds_what_a_submission_lacks() {
        check(
            "From: a@bo.test\r\n\r\n",
            true,
            "Date: Sun, 22 Nov 2026 12:00:00 +0700\r\nMessage-ID: <0abc@bo.test>\r\nFrom: a@bo.test\r\n\r\n",
        );
        check("From: a@bo.test\r\n\r\n", false, "From: a@bo.test\r\n\r\n");
    }

    #[test]
    fn text_without_header_stays_text() {
        check("hello\r\n", false, "\r\nhello\r\n");
        check(
            " From: folded@into.test\r\n\r\n",
            false,
            "\r\n From: folded@into.test\r\n\r\n",
        );
        check("\r\n", false, "\r\n");
        check("From x Mon\r\nFrom: a\r\n\r\n", false, "From: a\r\n\r\n");
        check(
            "From: a\r\nno field\r\nTo: b\r\n\r\n",
            false,
            "From: a\r\nno field\r\nTo: b\r\n\r\n",
        );
    }

    #[test]
    fn counts() {
        let header = treated(
            "Received: from a by MX.bo.test with SMTP; x\r\nReceived: from b\r\n by c.test; y\r\nFrom: a\r\nFrom: b\r\n\r\n",
            false,
        );
        assert_eq!(
            (header.hops, header.own_hops, header.froms, header.bare),
            (2, 1, 2, false)
        );
        assert_eq!(
            header.fault,
            Some(HeaderError::Count {
                name: "From",
                found: 2
            })
        );
        assert!(treated("From: a\nTo: b\r\n\r\n", false).bare);
        assert!(treated("From: a\rTo: b\r\n\r\n", false).bare);
    }

    #[test]
    fn what_was_taken_out_does_not_come_back() {
        const PIECES: [&str; 16] = [
            "From: a\r\n",
            "Return-Path: <x>\r\n",
            "return-path :",
            "Bcc: b\r\n",
            " folded\r\n",
            "\t",
            "\r\n",
            "\n",
            "\r",
            ":",
            "From x Mon\r\n",
            "Authentication-Results: mx.bo.test; x\r\n",
            "X-Spam-Status: No\r\n",
            "\"",
            "ế",
            "no field\r\n",
        ];
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..20_000 {
            let block: String = (0..random.usize(..12))
                .map(|_| PIECES[random.usize(..PIECES.len())])
                .collect();
            let once = treated(&block, false).octets;
            // What was taken out must not come together again from the rest.
            for field in header::fields(&once) {
                assert!(
                    !field.is("Return-Path") && !field.is("X-Spam-Status"),
                    "{block:?}"
                );
                let forged =
                    field.is("Authentication-Results") && authserv_id(field.value) == b"mx.bo.test";
                assert!(!forged, "{block:?}");
            }
            assert!(once.len() <= block.len() + 2, "{block:?}");
        }
    }
}
