//! APPEND (RFC 9051 section 6.3.12): the head of the command, up to the message's literal.
//!
//! The framer stops at every literal; [`head`] then says whether it is the message, whose octets are not
//! buffered but streamed. MULTIAPPEND (RFC 3502) would call it again after a message with [`message`] alone.

use super::{Command, Parsed, Parser, Refusal, line};
use crate::ask::Append;
use crate::response::Code;
use crate::session::Enabled;

/// What stands before a literal of an APPEND.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Head {
    /// Another literal (the mailbox name), or another command.
    Other,
    /// The message comes next.
    Message { tag: String, append: Append },
    /// Wrong before the message was reached.
    Refused { tag: String, refusal: Refusal },
}

/// Looks at a command that is complete up to a literal's header (`… {310}`).
///
/// ```text
/// append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal
/// ```
pub(crate) fn head(so_far: &[u8], enabled: Enabled) -> Head {
    let Ok(line) = line(so_far, enabled) else {
        return Head::Other;
    };
    if line.verb.name != "APPEND" {
        return Head::Other;
    }
    let (tag, mut p) = (line.tag, line.parser);
    if ends_with_mailbox_literal(&mut p.clone()) {
        return Head::Other;
    }
    let parsed = p.sp().and_then(|()| p.mailbox()).and_then(|mailbox| {
        p.sp()?;
        message(&mut p, mailbox, enabled)
    });
    match parsed {
        Ok(append) => Head::Message { tag, append },
        Err(refusal) => Head::Refused { tag, refusal },
    }
}

/// The name itself is the literal that comes.
fn ends_with_mailbox_literal(p: &mut Parser<'_>) -> bool {
    p.sp().is_ok() && p.peek() == Some(b'{') && {
        p.run(|b| b != b'}');
        p.eat(b'}') && p.end().is_ok()
    }
}

/// ```text
/// append-opts  = [SP flag-list] [SP date-time]
/// append-data  = literal / literal8                   RFC 3516, RFC 4466
/// append-data  =/ "UTF8" SP "(" literal8 ")"          RFC 6855
/// ```
fn message(p: &mut Parser<'_>, mailbox: String, enabled: Enabled) -> Parsed<Append> {
    let mut append = Append {
        mailbox,
        flags: Vec::new(),
        date: None,
        size: 0,
        binary: false,
        utf8: false,
    };
    if p.peek() == Some(b'(') {
        append.flags = p.flag_list()?;
        p.sp()?;
    }
    if p.peek() == Some(b'"') {
        append.date = Some(p.date_time()?);
        p.sp()?;
    }
    if p.keyword("UTF8") {
        if !enabled.utf8_accept {
            return Err(Refusal::bad("APPEND UTF8 needs ENABLE UTF8=ACCEPT"));
        }
        p.sp()?;
        p.expect(b'(', "Expected a parenthesis after UTF8")?;
        append.utf8 = true;
    }
    append.binary = p.eat(b'~');
    if append.utf8 && !append.binary {
        return Err(Refusal::bad("Expected a literal8 after UTF8"));
    }
    p.expect(b'{', "Expected the message as a literal")?;
    // The framer has read the same number; one that does not fit is too big whatever it is.
    append.size = p
        .number64()
        .map_err(|_| Refusal::no(Code::TooBig, "The message is too big"))?;
    p.eat(b'+');
    p.expect(b'}', "Expected the message as a literal")?;
    p.end()?;
    Ok(append)
}

/// An APPEND that ended without a message.
pub(super) fn incomplete(p: &mut Parser<'_>) -> Parsed<Command> {
    p.sp()?;
    p.mailbox()?;
    Err(Refusal::bad("Expected the message as a literal"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Head {
        head(
            format!("a APPEND {text}").as_bytes(),
            Enabled {
                utf8_accept: true,
                rev2: false,
            },
        )
    }

    fn check(
        text: &str,
        flags: &[&str],
        date: Option<(i64, i16)>,
        size: u64,
        (binary, utf8): (bool, bool),
    ) {
        let flags = flags.iter().map(|&f| f.to_owned()).collect();
        let append = Append {
            mailbox: "INBOX".to_owned(),
            flags,
            date,
            size,
            binary,
            utf8,
        };
        assert_eq!(
            read(text),
            Head::Message {
                tag: "a".to_owned(),
                append
            },
            "{text}"
        );
    }

    #[test]
    fn heads() {
        check("inbox {310}", &[], None, 310, (false, false));
        check("{5}\r\ninbox {310+}", &[], None, 310, (false, false));
        check(
            "\"INBOX\" (\\Seen $x) {1}",
            &["\\Seen", "$x"],
            None,
            1,
            (false, false),
        );
        check(
            "INBOX () \" 1-Jan-1970 00:00:01 +0000\" {1}",
            &[],
            Some((1, 0)),
            1,
            (false, false),
        );
        check("INBOX ~{12}", &[], None, 12, (true, false));
        check(
            "INBOX (\\Seen) UTF8 (~{12+}",
            &["\\Seen"],
            None,
            12,
            (true, true),
        );
    }

    #[test]
    fn literals_before_the_message() {
        assert_eq!(read("{5}"), Head::Other);
        assert_eq!(read("{5+}"), Head::Other);
        assert_eq!(head(b"a LOGIN {5}", Enabled::default()), Head::Other);
        assert_eq!(head(b"{5}", Enabled::default()), Head::Other);
    }

    #[test]
    fn errors() {
        for text in [
            "inbox (\\Recent) {1}",
            "inbox \"x\" {1}",
            "inbox (a {1}",
            "inbox UTF8 ({1}",
            "inbox {x}",
            "inbox  {1}",
            "inbox \"{1}",
            "inbox {99999999999999999999}",
            "x{1}",
            "\"{1}",
            "(a) {1}",
        ] {
            assert!(
                matches!(read(text), Head::Refused { .. }),
                "{text}: {:?}",
                read(text)
            );
        }
        let utf8 = head(b"a APPEND inbox UTF8 (~{1}", Enabled::default());
        assert!(matches!(utf8, Head::Refused { .. }));
    }
}
