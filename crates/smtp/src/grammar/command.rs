//! Command lines: the verb, and the arguments of all commands but MAIL and RCPT (`param`).

use super::SyntaxError;

/// Octets of a domain in EHLO (RFC 5321 section 4.5.3.1.2).
const MAX_HELLO: usize = 255;

/// The verb of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the command's own name")]
pub enum Verb {
    Helo,
    Ehlo,
    Lhlo,
    Mail,
    Rcpt,
    Data,
    Bdat,
    Rset,
    Noop,
    Quit,
    Vrfy,
    StartTls,
    Auth,
    /// Known to SMTP, but not implemented here: 502.
    Other,
    /// A request of another protocol (HTTP): somebody uses a browser to speak to us (cross-protocol
    /// attacks); the connection closes at once.
    Foreign,
}

/// All verbs, as they are written.
const VERBS: [(&str, Verb); 31] = [
    ("HELO", Verb::Helo),
    ("EHLO", Verb::Ehlo),
    ("LHLO", Verb::Lhlo),
    ("MAIL", Verb::Mail),
    ("RCPT", Verb::Rcpt),
    ("DATA", Verb::Data),
    ("BDAT", Verb::Bdat),
    ("RSET", Verb::Rset),
    ("NOOP", Verb::Noop),
    ("QUIT", Verb::Quit),
    ("VRFY", Verb::Vrfy),
    ("STARTTLS", Verb::StartTls),
    ("AUTH", Verb::Auth),
    ("EXPN", Verb::Other),
    ("HELP", Verb::Other),
    ("SEND", Verb::Other),
    ("SOML", Verb::Other),
    ("SAML", Verb::Other),
    ("TURN", Verb::Other),
    ("ETRN", Verb::Other),
    ("ATRN", Verb::Other),
    ("BURL", Verb::Other),
    ("GET", Verb::Foreign),
    ("POST", Verb::Foreign),
    ("PUT", Verb::Foreign),
    ("HEAD", Verb::Foreign),
    ("PATCH", Verb::Foreign),
    ("DELETE", Verb::Foreign),
    ("TRACE", Verb::Foreign),
    ("OPTIONS", Verb::Foreign),
    ("CONNECT", Verb::Foreign),
];

/// A line as text, cut into its verb and the rest after one blank. Blanks at the end are dropped: some
/// clients leave them (RFC 5321 section 4.1.1 wants them tolerated).
pub fn split(line: &[u8]) -> Result<(Verb, &str), SyntaxError> {
    let word = line.split(|&o| o == b' ').next().unwrap_or_default();
    let found = VERBS
        .iter()
        .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word));
    let Some(&(_, verb)) = found else {
        return Err(SyntaxError::Unknown);
    };
    let rest = line.get(word.len() + 1..).unwrap_or_default();
    if rest.iter().any(u8::is_ascii_control) {
        return Err(SyntaxError::Octets);
    }
    let rest = match (std::str::from_utf8(rest), verb) {
        (Ok(rest), _) => rest,
        // The name in HELO may be in any charset; `hello` replaces it.
        (Err(_), Verb::Helo | Verb::Ehlo | Verb::Lhlo) => "?",
        (Err(_), _) => return Err(SyntaxError::Octets),
    };
    Ok((verb, rest.trim_end_matches(' ')))
}

/// Whether a line, however broken, asks for BDAT: then octets of any number follow it.
pub fn is_bdat(line: &[u8]) -> bool {
    line.get(..4)
        .is_some_and(|word| word.eq_ignore_ascii_case(b"BDAT"))
        && line.get(4).is_none_or(|o| !o.is_ascii_alphanumeric())
}

/// ```text
/// ehlo = "EHLO" SP ( Domain / address-literal ) CRLF        ; RFC 5321 section 4.1.1.1
/// ```
/// Deviates: any printable word is taken, since clients send what their computer is called; it decides
/// nothing. Windows sends names with `_` and, in Vietnamese installations, 8-bit ones: those octets become
/// `?`, so that the name can stand in a header.
pub fn hello(rest: &str) -> Result<String, SyntaxError> {
    let word = rest.trim_start_matches(' ');
    if word.is_empty() || word.len() > MAX_HELLO || word.contains(' ') {
        return Err(SyntaxError::Arguments("EHLO hostname"));
    }
    Ok(word
        .chars()
        .map(|c| if c.is_ascii_graphic() { c } else { '?' })
        .collect())
}

/// Cuts `FROM:` off the arguments of MAIL.
pub fn from(rest: &str) -> Result<&str, SyntaxError> {
    after(rest, "FROM:").ok_or(SyntaxError::Arguments("MAIL FROM:<address> [parameters]"))
}

/// Cuts `TO:` off the arguments of RCPT.
pub fn to(rest: &str) -> Result<&str, SyntaxError> {
    after(rest, "TO:").ok_or(SyntaxError::Arguments("RCPT TO:<address> [parameters]"))
}

fn after<'a>(rest: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = rest.trim_start_matches(' ');
    let (head, tail) = rest.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(tail)
}

/// Commands without arguments: DATA, RSET, QUIT, STARTTLS.
pub fn nothing(rest: &str) -> Result<(), SyntaxError> {
    if rest.is_empty() {
        return Ok(());
    }
    Err(SyntaxError::Arguments("this command has no arguments"))
}

/// ```text
/// bdat-cmd   = "BDAT" SP chunk-size [ SP end-marker ] CR LF     ; RFC 3030 section 2
/// chunk-size = 1*DIGIT
/// end-marker = "LAST"
/// ```
pub fn bdat(rest: &str) -> Result<(u64, bool), SyntaxError> {
    const SYNTAX: SyntaxError = SyntaxError::Arguments("BDAT size [LAST]");
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    let size = words
        .next()
        .filter(|word| word.bytes().all(|o| o.is_ascii_digit()));
    let size = size.and_then(|word| word.parse().ok()).ok_or(SYNTAX)?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return Err(SYNTAX),
    };
    if words.next().is_some() {
        return Err(SYNTAX);
    }
    Ok((size, last))
}

/// ```text
/// "AUTH" SP sasl-mech [SP initial-response]                     ; RFC 4954 section 4
/// initial-response = base64 / "="
/// ```
pub fn auth(rest: &str) -> Result<(&str, Option<&[u8]>), SyntaxError> {
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    match (words.next(), words.next(), words.next()) {
        (Some(mechanism), initial, None) => Ok((mechanism, initial.map(str::as_bytes))),
        _ => Err(SyntaxError::Arguments("AUTH mechanism [initial-response]")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs() {
        for (line, expected) in [
            (&b"QUIT"[..], Ok((Verb::Quit, ""))),
            (b"quit  ", Ok((Verb::Quit, ""))),
            (b"Mail FROM:<>", Ok((Verb::Mail, "FROM:<>"))),
            (b"EXPN x", Ok((Verb::Other, "x"))),
            (b"GET / HTTP/1.1", Ok((Verb::Foreign, "/ HTTP/1.1"))),
            (b"EHLO m\xe1y", Ok((Verb::Ehlo, "?"))),
            (b"", Err(SyntaxError::Unknown)),
            (b" QUIT", Err(SyntaxError::Unknown)),
            (b"QUITX", Err(SyntaxError::Unknown)),
            (b"QUIT\t", Err(SyntaxError::Unknown)),
            (b"MAIL FROM:<a\0b@c.test>", Err(SyntaxError::Octets)),
            (b"MAIL FROM:<a\xff@c.test>", Err(SyntaxError::Octets)),
            (b"NOOP \x7f", Err(SyntaxError::Octets)),
        ] {
            assert_eq!(split(line), expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn hello_names() {
        assert_eq!(hello("[127.0.0.1]").as_deref(), Ok("[127.0.0.1]"));
        assert_eq!(hello("MAY_TINH").as_deref(), Ok("MAY_TINH"));
        assert_eq!(hello("máy").as_deref(), Ok("m?y"));
        for bad in ["", " ", "a b", &"a".repeat(256)] {
            assert!(hello(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bdat_sizes() {
        for (rest, expected) in [
            ("0", Some((0, false))),
            ("10 LAST", Some((10, true))),
            ("10  last", Some((10, true))),
            ("18446744073709551615", Some((u64::MAX, false))),
            ("18446744073709551616", None),
            ("-1", None),
            ("+1", None),
            ("", None),
            ("LAST", None),
            ("1 END", None),
            ("1 LAST x", None),
        ] {
            assert_eq!(bdat(rest).ok(), expected, "{rest}");
        }
    }

    #[test]
    fn auth_arguments() {
        assert_eq!(auth("PLAIN"), Ok(("PLAIN", None)));
        assert_eq!(auth("PLAIN ="), Ok(("PLAIN", Some(&b"="[..]))));
        assert!(auth("").is_err());
        assert!(auth("PLAIN a b").is_err());
    }
}
