//! Parameters of MAIL and RCPT, with the RFC that brings each.

use super::{SyntaxError, path, xtext};
use crate::ask::{BodyKind, Mail, Notify, Rcpt, Ret};

/// Octets of an ENVID (RFC 3461 section 4.4).
const MAX_ENVID: usize = 100;
/// Octets of an ORCPT (RFC 3461 section 4.2).
const MAX_ORCPT: usize = 500;
/// Octets of AUTH=: an address in xtext, each octet as three.
const MAX_AUTH: usize = 3 * 256;

/// What follows `MAIL FROM:`. `auth` tells whether AUTH= was offered.
///
/// ```text
/// mail            = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF   ; RFC 5321 section 4.1.1.2
/// Mail-parameters = esmtp-param *(SP esmtp-param)
/// esmtp-param     = esmtp-keyword ["=" esmtp-value]
///   "SIZE=" 1*20DIGIT                                                     ; RFC 1870
///   "BODY=" ( "7BIT" / "8BITMIME" / "BINARYMIME" )                        ; RFC 6152, RFC 3030
///   "SMTPUTF8"                                                            ; RFC 6531
///   "RET=" ( "FULL" / "HDRS" ) , "ENVID=" xtext                           ; RFC 3461
///   "AUTH=" ( xtext / "<>" )                                              ; RFC 4954
/// ```
pub fn mail(text: &str, auth: bool) -> Result<Mail, SyntaxError> {
    const SYNTAX: SyntaxError = SyntaxError::Arguments("MAIL FROM:<address> [parameters]");
    let (from, rest) = path::cut(text).ok_or(SYNTAX)?;
    let mut mail = Mail {
        from: from.into(),
        ..Mail::default()
    };
    let mut seen = Seen::default();
    for (keyword, value) in params(rest) {
        match (seen.once(keyword)?, value) {
            ("SIZE", Some(value)) => {
                let digits = value.len() <= 20 && value.bytes().all(|o| o.is_ascii_digit());
                let size = value.parse().ok().filter(|_| digits);
                mail.size = Some(size.ok_or(SyntaxError::Value("SIZE"))?);
            }
            ("BODY", Some(value)) => {
                mail.body = match value.to_ascii_uppercase().as_str() {
                    "7BIT" => BodyKind::SevenBit,
                    "8BITMIME" => BodyKind::EightBit,
                    "BINARYMIME" => BodyKind::Binary,
                    _ => return Err(SyntaxError::Value("BODY")),
                };
            }
            ("SMTPUTF8", None) => mail.utf8 = true,
            ("RET", Some(value)) => {
                mail.ret = Some(match value.to_ascii_uppercase().as_str() {
                    "FULL" => Ret::Full,
                    "HDRS" => Ret::Headers,
                    _ => return Err(SyntaxError::Value("RET")),
                });
            }
            ("ENVID", Some(value)) => {
                let envid = xtext::decode(value).filter(|_| value.len() <= MAX_ENVID);
                let envid = envid.filter(|envid| !envid.is_empty());
                mail.envid = Some(envid.ok_or(SyntaxError::Value("ENVID"))?);
            }
            ("AUTH", Some(value)) if auth => {
                let address = xtext::decode(value).filter(|_| value.len() <= MAX_AUTH);
                mail.auth = Some(address.ok_or(SyntaxError::Value("AUTH"))?);
            }
            ("SIZE" | "BODY" | "RET" | "ENVID", None) | ("SMTPUTF8", Some(_)) => {
                return Err(SyntaxError::Value("it needs a value, or must not have one"));
            }
            _ => return Err(SyntaxError::Parameter),
        }
    }
    path::check_sender(from).map_err(SyntaxError::Sender)?;
    if !from.is_ascii() && !mail.utf8 {
        return Err(SyntaxError::NeedsUtf8);
    }
    Ok(mail)
}

/// What follows `RCPT TO:`. `utf8` tells whether this transaction's MAIL had SMTPUTF8.
///
/// ```text
/// rcpt = "RCPT TO:" ( "<Postmaster>" / Forward-path ) [SP Rcpt-parameters] CRLF   ; RFC 5321 section 4.1.1.3
///   "NOTIFY=" ( "NEVER" / 1#( "SUCCESS" / "FAILURE" / "DELAY" ) )                 ; RFC 3461
///   "ORCPT=" atom ";" xtext                                                       ; RFC 3461, RFC 6533
/// ```
pub fn rcpt(text: &str, utf8: bool) -> Result<Rcpt, SyntaxError> {
    const SYNTAX: SyntaxError = SyntaxError::Arguments("RCPT TO:<address> [parameters]");
    let (to, rest) = path::cut(text).ok_or(SYNTAX)?;
    let mut rcpt = Rcpt {
        to: to.into(),
        ..Rcpt::default()
    };
    let mut seen = Seen::default();
    for (keyword, value) in params(rest) {
        match (seen.once(keyword)?, value) {
            ("NOTIFY", Some(value)) => {
                rcpt.notify = Some(notify(value).ok_or(SyntaxError::Value("NOTIFY"))?);
            }
            ("ORCPT", Some(value)) => {
                rcpt.orcpt = Some(orcpt(value, utf8).ok_or(SyntaxError::Value("ORCPT"))?);
            }
            _ => return Err(SyntaxError::Parameter),
        }
    }
    path::check_recipient(to).map_err(SyntaxError::Recipient)?;
    if !to.is_ascii() && !utf8 {
        return Err(SyntaxError::NeedsUtf8);
    }
    Ok(rcpt)
}

fn notify(value: &str) -> Option<Notify> {
    let mut notify = Notify::default();
    if value.eq_ignore_ascii_case("NEVER") {
        return Some(notify);
    }
    for word in value.split(',') {
        match word.to_ascii_uppercase().as_str() {
            "SUCCESS" => notify.success = true,
            "FAILURE" => notify.failure = true,
            "DELAY" => notify.delay = true,
            _ => return None,
        }
    }
    Some(notify)
}

fn orcpt(value: &str, utf8: bool) -> Option<String> {
    if value.len() > MAX_ORCPT {
        return None;
    }
    let (kind, address) = value.split_once(';')?;
    let atom = |o: u8| o.is_ascii_alphanumeric() || o == b'-';
    if kind.is_empty() || !kind.bytes().all(atom) || address.is_empty() {
        return None;
    }
    // RFC 6533: with SMTPUTF8 the address may stand there as it is.
    if kind.eq_ignore_ascii_case("utf-8") && utf8 && !address.is_ascii() {
        let printable = address
            .chars()
            .all(|c| !c.is_control() && !c.is_whitespace());
        return printable.then(|| value.to_owned());
    }
    Some(format!("{kind};{}", xtext::decode(address)?))
}

/// Keywords and values, in order.
fn params(rest: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let words = rest.split(' ').filter(|word| !word.is_empty());
    words.map(|word| match word.split_once('=') {
        Some((keyword, value)) => (keyword, Some(value)),
        None => (word, None),
    })
}

/// Which keywords came already: each may stand once.
#[derive(Default)]
struct Seen(Vec<&'static str>);

impl Seen {
    fn once(&mut self, keyword: &str) -> Result<&'static str, SyntaxError> {
        const KNOWN: [&str; 8] = [
            "SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH", "NOTIFY", "ORCPT",
        ];
        let known = KNOWN
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(keyword));
        let known = known.ok_or(SyntaxError::Parameter)?;
        if self.0.contains(&known) {
            return Err(SyntaxError::Value(known));
        }
        self.0.push(known);
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: Result<impl Sized, SyntaxError>) -> u16 {
        result.map_or_else(|error| error.reply().code, |_| 250)
    }

    #[test]
    fn mail_with_everything() {
        let parsed = mail(
            "<an@a.test> SIZE=12345 body=8bitmime SMTPUTF8 RET=HDRS ENVID=QQ+2B1 AUTH=<>",
            true,
        );
        let expected = Mail {
            from: "an@a.test".into(),
            size: Some(12345),
            body: BodyKind::EightBit,
            utf8: true,
            ret: Some(Ret::Headers),
            envid: Some("QQ+1".into()),
            auth: Some("<>".into()),
        };
        assert_eq!(parsed, Ok(expected));
    }

    #[test]
    fn mail_codes() {
        for (text, expected) in [
            ("<>", 250),
            (" <a@b.test>", 250),
            ("<a@b.test> ", 250),
            ("<a@b.test>  SIZE=0", 250),
            ("<a@b.test> SIZE=18446744073709551615", 250),
            ("<a@b.test> SIZE=18446744073709551616", 501),
            ("<a@b.test> SIZE=+1", 501),
            ("<a@b.test> SIZE=", 501),
            ("<a@b.test> SIZE", 501),
            ("<a@b.test> SIZE=1 size=1", 501),
            ("<a@b.test> BODY=9BIT", 501),
            ("<a@b.test> SMTPUTF8=1", 501),
            ("<a@b.test> RET=ALL", 501),
            ("<a@b.test> ENVID=a+0D+0AX", 501),
            ("<a@b.test> ENVID=", 501),
            ("<a@b.test> AUTH=<>", 555),
            ("<a@b.test> NOTIFY=NEVER", 555),
            ("<a@b.test> XFOO=1", 555),
            ("<nguyễn@b.test> SMTPUTF8", 250),
            ("<nguyễn@b.test>", 553),
            ("<a@bộ.test>", 553),
            ("<@x.test:a@b.test>", 501),
            ("<a@b..test>", 501),
            ("<a>", 501),
            ("a@b.test", 501),
            ("<a@b.test>SIZE=1", 501),
            ("", 501),
        ] {
            assert_eq!(code(mail(text, false)), expected, "{text}");
        }
    }

    #[test]
    fn rcpt_with_everything() {
        let parsed = rcpt(
            "<an@a.test> NOTIFY=success,DELAY ORCPT=rfc822;an+2Bx@a.test",
            false,
        );
        let expected = Rcpt {
            to: "an@a.test".into(),
            notify: Some(Notify {
                success: true,
                failure: false,
                delay: true,
            }),
            orcpt: Some("rfc822;an+x@a.test".into()),
        };
        assert_eq!(parsed, Ok(expected));
        let orcpt = rcpt("<an@a.test> ORCPT=utf-8;nguyễn@a.test", true).map(|r| r.orcpt);
        assert_eq!(orcpt, Ok(Some("utf-8;nguyễn@a.test".into())));
    }

    #[test]
    fn rcpt_codes() {
        for (text, expected) in [
            ("<postmaster>", 250),
            ("<Postmaster> NOTIFY=NEVER", 250),
            ("<a@[192.0.2.1]>", 250),
            ("<>", 501),
            ("<an>", 501),
            ("<a@b.test> NOTIFY=NEVER,SUCCESS", 501),
            ("<a@b.test> NOTIFY=", 501),
            ("<a@b.test> ORCPT=rfc822", 501),
            ("<a@b.test> ORCPT=rfc822;", 501),
            ("<a@b.test> ORCPT=rfc822;a+0Ab", 501),
            ("<a@b.test> ORCPT=utf-8;nguyễn@a.test", 501),
            ("<a@b.test> NOTIFY", 555),
            ("<a@b.test> SIZE=1", 555),
            ("<nguyễn@a.test>", 553),
        ] {
            assert_eq!(code(rcpt(text, false)), expected, "{text}");
        }
        let long = format!("<a@b.test> ORCPT=rfc822;{}", "a".repeat(MAX_ORCPT));
        assert_eq!(code(rcpt(&long, false)), 501);
    }
}
