//! ENABLE (RFC 9051 section 6.3.1, RFC 5161). What can be enabled is in `capability`.

use super::parser::LIST;
use super::{Command, Parsed, Parser, Refusal};

/// ```text
/// enable = "ENABLE" 1*(SP capability)
/// ```
pub(super) fn parse(p: &mut Parser<'_>) -> Parsed<Command> {
    let mut names = Vec::new();
    p.sp()?;
    loop {
        if names.len() == LIST {
            return Err(Refusal::bad("Too many capabilities"));
        }
        names.push(p.atom()?.to_ascii_uppercase());
        if !p.eat(b' ') {
            return Ok(Command::Enable(names));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{all_refused, parse_text};
    use super::*;

    #[test]
    fn capabilities() {
        let expected = Command::Enable(vec!["UTF8=ACCEPT".to_owned(), "IMAP4REV2".to_owned()]);
        assert_eq!(parse_text("ENABLE utf8=accept IMAP4rev2"), Ok(expected));
        all_refused(&["ENABLE", "ENABLE ", "ENABLE A ", "ENABLE (A)"]);
    }
}
