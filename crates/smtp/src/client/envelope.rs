//! MAIL and RCPT as they are sent: only parameters that the server offered.

use congvu_message::Address;

use super::ask::{Extensions, ServerReply, Transaction};
use crate::ask::{BodyKind, Mail, Rcpt, Ret};
use crate::grammar::xtext;

/// A refusal in the server's place.
fn ours(code: u16, enhanced: (u8, u16, u16), text: &str) -> ServerReply {
    ServerReply {
        code,
        enhanced: Some(enhanced),
        text: text.into(),
    }
}

/// Why this server cannot take the message at all, whoever receives it.
pub(super) fn unsupported(transaction: &Transaction, offers: &Extensions) -> Option<ServerReply> {
    let mail = &transaction.mail;
    if mail.utf8 && !offers.utf8 {
        return Some(ours(
            550,
            (5, 6, 7),
            "the next server does not support SMTPUTF8",
        ));
    }
    if mail.body == BodyKind::Binary && !(offers.chunking && offers.binary) {
        return Some(ours(
            550,
            (5, 6, 3),
            "the next server does not support BINARYMIME",
        ));
    }
    if let (Some(size), Some(Some(limit))) = (mail.size, offers.size)
        && limit > 0
        && size > limit
    {
        let text = format!("message too big: {size} octets, the next server takes {limit}");
        return Some(ours(552, (5, 3, 4), &text));
    }
    None
}

/// The MAIL line with CRLF, and whether it says SMTPUTF8.
///
/// Deviates: an 8-bit message goes to a server without 8BITMIME as it is (RFC 6152 section 3 would have it
/// converted): such servers pass eight bits, and a conversion would break signatures.
pub(super) fn mail(mail: &Mail, offers: &Extensions) -> Result<(Vec<u8>, bool), ServerReply> {
    use std::fmt::Write as _;
    let from = match mail.from.as_str() {
        "" => String::new(),
        from => wire(from, offers, "sender")?,
    };
    let mut line = format!("MAIL FROM:<{from}>");
    if let (Some(size), Some(_)) = (mail.size, offers.size) {
        let _ = write!(line, " SIZE={size}");
    }
    match mail.body {
        BodyKind::Binary => line.push_str(" BODY=BINARYMIME"),
        BodyKind::EightBit if offers.eight_bit => line.push_str(" BODY=8BITMIME"),
        BodyKind::EightBit | BodyKind::SevenBit => {}
    }
    let utf8 = offers.utf8 && (mail.utf8 || !from.is_ascii());
    if utf8 {
        line.push_str(" SMTPUTF8");
    }
    if offers.dsn {
        match mail.ret {
            Some(Ret::Full) => line.push_str(" RET=FULL"),
            Some(Ret::Headers) => line.push_str(" RET=HDRS"),
            None => {}
        }
        if let Some(envid) = &mail.envid {
            let _ = write!(line, " ENVID={}", xtext::encode(envid));
        }
    }
    line.push_str("\r\n");
    Ok((line.into_bytes(), utf8))
}

/// A RCPT line with CRLF. `utf8` tells whether MAIL said SMTPUTF8.
pub(super) fn rcpt(rcpt: &Rcpt, offers: &Extensions, utf8: bool) -> Result<Vec<u8>, ServerReply> {
    use std::fmt::Write as _;
    let to = if rcpt.to.eq_ignore_ascii_case("postmaster") {
        rcpt.to.clone()
    } else {
        wire(&rcpt.to, offers, "recipient")?
    };
    if !to.is_ascii() && !utf8 {
        return Err(ours(
            553,
            (5, 6, 7),
            "the recipient's address needs SMTPUTF8",
        ));
    }
    let mut line = format!("RCPT TO:<{to}>");
    if offers.dsn {
        if let Some(notify) = rcpt.notify {
            let words = [
                (notify.success, "SUCCESS"),
                (notify.failure, "FAILURE"),
                (notify.delay, "DELAY"),
            ];
            let words: Vec<&str> = words
                .iter()
                .filter(|(set, _)| *set)
                .map(|(_, word)| *word)
                .collect();
            let words = if words.is_empty() {
                "NEVER".to_owned()
            } else {
                words.join(",")
            };
            let _ = write!(line, " NOTIFY={words}");
        }
        if let Some(orcpt) = rcpt
            .orcpt
            .as_deref()
            .and_then(|orcpt| original(orcpt, utf8))
        {
            let _ = write!(line, " ORCPT={orcpt}");
        }
    }
    line.push_str("\r\n");
    Ok(line.into_bytes())
}

/// The address in its one form for the wire; nothing that is no address can come through here.
fn wire(path: &str, offers: &Extensions, whose: &str) -> Result<String, ServerReply> {
    let address = Address::parse(path).map_err(|error| {
        let text = format!("bad {whose} address: {error}");
        ours(553, (5, 1, 3), &text)
    })?;
    if !address.is_ascii() && !offers.utf8 {
        let text =
            format!("the {whose}'s address needs SMTPUTF8, which the next server does not support");
        return Err(ours(553, (5, 6, 7), &text));
    }
    Ok(address.to_wire())
}

/// `type;address` encoded again (RFC 3461 section 4.2; RFC 6533 section 3 for `utf-8`).
fn original(orcpt: &str, utf8: bool) -> Option<String> {
    use std::fmt::Write as _;
    let (kind, address) = orcpt.split_once(';')?;
    if !kind.bytes().all(|o| o.is_ascii_alphanumeric() || o == b'-') {
        return None;
    }
    if !kind.eq_ignore_ascii_case("utf-8") {
        return Some(format!("{kind};{}", xtext::encode(address)));
    }
    let mut encoded = format!("{kind};");
    for c in address.chars() {
        match c {
            '!'..='~' if c != '+' && c != '=' => encoded.push(c),
            c if utf8 && !c.is_ascii() && !c.is_control() && !c.is_whitespace() => encoded.push(c),
            c => {
                let _ = write!(encoded, "\\x{{{:X}}}", u32::from(c));
            }
        }
    }
    Some(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::Notify;

    fn all() -> Extensions {
        Extensions {
            eight_bit: true,
            utf8: true,
            chunking: true,
            binary: true,
            dsn: true,
            size: Some(Some(1000)),
            ..Extensions::default()
        }
    }

    fn text(line: Result<Vec<u8>, ServerReply>) -> Result<String, u16> {
        line.map(|line| String::from_utf8(line).expect("text"))
            .map_err(|reply| reply.code)
    }

    fn line(made: Result<(Vec<u8>, bool), ServerReply>) -> Result<Vec<u8>, ServerReply> {
        made.map(|(line, _)| line)
    }

    #[test]
    fn mail_says_what_was_offered() {
        let full = Mail {
            from: "Nguyễn@BỘ.test".into(),
            size: Some(10),
            body: BodyKind::EightBit,
            utf8: true,
            ret: Some(Ret::Headers),
            envid: Some("a+b".into()),
            auth: None,
        };
        assert_eq!(
            text(line(mail(&full, &all()))).as_deref(),
            Ok(
                "MAIL FROM:<Nguyễn@xn--b-8xm.test> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb\r\n"
            )
        );
        let none = Extensions::default();
        assert_eq!(text(line(mail(&full, &none))), Err(553));
        let plain = Mail {
            from: "an@bộ.test".into(),
            utf8: false,
            ..full
        };
        assert_eq!(
            text(line(mail(&plain, &none))).as_deref(),
            Ok("MAIL FROM:<an@xn--b-8xm.test>\r\n")
        );
        assert_eq!(
            text(line(mail(&Mail::default(), &none))).as_deref(),
            Ok("MAIL FROM:<>\r\n")
        );
        let evil = Mail {
            from: "a@b.test>\r\nRCPT TO:<c@d.test".into(),
            ..Mail::default()
        };
        assert_eq!(text(line(mail(&evil, &all()))), Err(553));
    }

    #[test]
    fn rcpt_says_what_was_offered() {
        let full = Rcpt {
            to: "an@a.test".into(),
            notify: Some(Notify {
                success: true,
                failure: true,
                delay: false,
            }),
            orcpt: Some("rfc822;an+x@a.test".into()),
        };
        assert_eq!(
            text(rcpt(&full, &all(), false)).as_deref(),
            Ok("RCPT TO:<an@a.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;an+2Bx@a.test\r\n")
        );
        let plain = Extensions::default();
        assert_eq!(
            text(rcpt(&full, &plain, false)).as_deref(),
            Ok("RCPT TO:<an@a.test>\r\n")
        );
        assert_eq!(
            original("utf-8;nguyễn@a.test", true).as_deref(),
            Some("utf-8;nguyễn@a.test")
        );
        assert_eq!(
            original("utf-8;é@a.test", false).as_deref(),
            Some("utf-8;\\x{E9}@a.test")
        );
        assert_eq!(
            original("rfc822;a\r\nb", true).as_deref(),
            Some("rfc822;a+0D+0Ab")
        );
        assert_eq!(original("x y;a", true), None);
    }

    #[test]
    fn what_no_parameter_can_help() {
        let with = |change: fn(&mut Mail)| {
            let mut transaction = Transaction::default();
            change(&mut transaction.mail);
            transaction
        };
        let (plain, all) = (Extensions::default(), all());
        let code = |t: &Transaction, offers| unsupported(t, offers).map(|reply| reply.code);
        let utf8 = with(|mail| mail.utf8 = true);
        assert_eq!((code(&utf8, &plain), code(&utf8, &all)), (Some(550), None));
        let binary = with(|mail| mail.body = BodyKind::Binary);
        assert_eq!(
            (code(&binary, &plain), code(&binary, &all)),
            (Some(550), None)
        );
        let big = with(|mail| mail.size = Some(1001));
        assert_eq!((code(&big, &plain), code(&big, &all)), (None, Some(552)));
    }
}
