//! AUTHENTICATE (RFC 9051 section 6.2.2, RFC 4959) and LOGIN (RFC 9051 section 6.2.3).

use congvu_wire::Secret;

use super::{Command, Parsed, Parser};

/// ```text
/// authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp] *(CRLF base64)
/// initial-resp = base64 / "="                                                  RFC 4959
/// ```
pub(super) fn authenticate(p: &mut Parser<'_>) -> Parsed<Command> {
    p.sp()?;
    let mechanism = p.atom()?.to_ascii_uppercase();
    let initial = p
        .eat(b' ')
        .then(|| p.run(|b| b.is_ascii_graphic()).to_vec());
    Ok(Command::Authenticate { mechanism, initial })
}

/// ```text
/// login    = "LOGIN" SP userid SP password
/// userid   = astring
/// password = astring
/// ```
pub(super) fn login(p: &mut Parser<'_>) -> Parsed<Command> {
    p.sp()?;
    let name = p.userid()?;
    p.sp()?;
    let password = Secret::new(p.astring()?);
    Ok(Command::Login { name, password })
}

#[cfg(test)]
mod tests {
    use super::super::{all_refused, parse_text};
    use super::*;

    #[test]
    fn logins() {
        let expected = Command::Login {
            name: b"a@b.test".to_vec(),
            password: Secret::new(*b"p\"w"),
        };
        for text in [
            "LOGIN a@b.test \"p\\\"w\"",
            "LOGIN {8}\r\na@b.test {3+}\r\np\"w",
        ] {
            assert_eq!(parse_text(text).as_ref(), Ok(&expected));
        }
        all_refused(&["LOGIN", "LOGIN a", "LOGIN a b c", "LOGIN (a) b"]);
    }

    #[test]
    fn imaplib_does_not_quote_the_name_of_a_post_and_its_reader() {
        let expected = Command::Login {
            name: b"vanthu@b.test*an@b.test".to_vec(),
            password: Secret::new(*b"p*w"),
        };
        assert_eq!(
            parse_text("LOGIN vanthu@b.test*an@b.test \"p*w\"").as_ref(),
            Ok(&expected)
        );
        all_refused(&["LOGIN a p*w"]);
    }

    #[test]
    fn mechanisms() {
        let with = |initial: Option<&[u8]>| Command::Authenticate {
            mechanism: "PLAIN".to_owned(),
            initial: initial.map(<[u8]>::to_vec),
        };
        assert_eq!(parse_text("AUTHENTICATE plain"), Ok(with(None)));
        assert_eq!(parse_text("AUTHENTICATE PLAIN ="), Ok(with(Some(b"="))));
        assert_eq!(
            parse_text("AUTHENTICATE PLAIN AGEA="),
            Ok(with(Some(b"AGEA=")))
        );
        all_refused(&[
            "AUTHENTICATE",
            "AUTHENTICATE PLAIN a b",
            "AUTHENTICATE PLAIN a ",
        ]);
    }
}
