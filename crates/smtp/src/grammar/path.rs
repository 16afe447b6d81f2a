//! Reverse-path and forward-path of MAIL and RCPT.

use congvu_message::Address;
use congvu_message::address::AddressError;

/// Cuts `<path>` off the front: the path without its brackets, and what follows.
///
/// ```text
/// Reverse-path = Path / "<>"                                    ; RFC 5321 section 4.1.2
/// Path         = "<" [ A-d-l ":" ] Mailbox ">"
/// ```
///
/// A `>` inside a quoted local part does not end the path. Blanks before `<` are skipped: Outlook 365
/// for Windows sends `MAIL FROM: <x>`.
pub fn cut(text: &str) -> Option<(&str, &str)> {
    let inner = text.trim_start_matches(' ').strip_prefix('<')?;
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => {
                let rest = inner.get(at + 1..)?;
                let separated = rest.is_empty() || rest.starts_with(' ');
                return separated.then_some((inner.get(..at)?, rest));
            }
            _ => {}
        }
    }
    None
}

/// Whether a sender's path is legal. Empty is the null path of notices. Source routes are refused
/// (RFC 5321 appendix C allows it); `%` and `!` are ordinary characters of a local part.
pub fn check_sender(path: &str) -> Result<(), AddressError> {
    if path.is_empty() {
        return Ok(());
    }
    Address::parse(path).map(drop)
}

/// Whether a recipient's path is legal: an address, or `postmaster` alone (RFC 5321 section 4.1.1.3).
pub fn check_recipient(path: &str) -> Result<(), AddressError> {
    if path.eq_ignore_ascii_case("postmaster") {
        return Ok(());
    }
    Address::parse(path).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_at_their_bracket() {
        for (input, expected) in [
            ("<a@b.test>", Some(("a@b.test", ""))),
            ("<> SIZE=1", Some(("", " SIZE=1"))),
            ("  <a@b.test> X", Some(("a@b.test", " X"))),
            ("<\"a>b\"@c.test> X", Some(("\"a>b\"@c.test", " X"))),
            ("<\"a\\\">\"@c.test>", Some(("\"a\\\">\"@c.test", ""))),
            ("<a@b.test>X", None),
            ("<a@b.test", None),
            ("a@b.test", None),
            ("<\"a>", None),
            ("", None),
        ] {
            assert_eq!(cut(input), expected, "{input}");
        }
    }

    #[test]
    fn routed_forms() {
        assert_eq!(
            check_recipient("@a.test,@b.test:c@d.test"),
            Err(AddressError::Route)
        );
        assert!(check_recipient("c%d.test@a.test").is_ok());
        assert!(check_recipient("a.test!c@d.test").is_ok());
        assert!(check_recipient("PostMaster").is_ok());
        assert!(check_recipient("").is_err());
        assert!(check_recipient("\"\"@a.test").is_err());
        assert!(check_sender("").is_ok());
        assert!(check_sender("postmaster").is_err());
    }
}
