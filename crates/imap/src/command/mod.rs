//! The commands: one table of all of them, one file for each command's grammar.
//!
//! An extension adds a row here and a file beside this one, or a line to a command's own table. Legality
//! is data ([`Verb::legal`]); what a command does is in `imapd`, or in `server` where the machine answers alone.

mod append;
mod authenticate;
mod create;
mod enable;
mod fetch;
mod id;
mod list;
mod mailbox;
pub(crate) mod parser;
mod quota;
#[cfg(test)]
mod random_tests;
mod search;
mod select;
mod sets;
mod status;
mod store;

pub(crate) use append::{Head, head};
pub(crate) use parser::{Parsed, Parser, Refusal};

use congvu_wire::Secret;

use crate::ask::Ask;
use crate::name::Spelling;
use crate::session::Enabled;

/// Longest tag: it comes back with every answer.
const TAG_OCTETS: usize = 128;

/// What a command line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// The service answers it.
    Ask(Ask),
    /// CAPABILITY.
    Capability,
    /// LOGOUT.
    Logout,
    /// STARTTLS.
    StartTls,
    /// AUTHENTICATE, with the base64 text of the initial response (RFC 4959; `=` is an empty one).
    Authenticate {
        mechanism: String,
        initial: Option<Vec<u8>>,
    },
    /// LOGIN.
    Login { name: Vec<u8>, password: Secret },
    /// ENABLE, capability names in upper case.
    Enable(Vec<String>),
    /// IDLE.
    Idle,
}

/// In which states a command is legal (RFC 9051 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Legal {
    /// Any state.
    Any,
    /// Not authenticated.
    Before,
    /// Authenticated or selected.
    Authenticated,
    /// Selected.
    Selected,
    /// Selected, and not read-only.
    Writable,
}

/// A row of the table.
pub(crate) struct Verb {
    /// Upper case; UID commands with their second word.
    pub name: &'static str,
    /// Where it is legal.
    pub legal: Legal,
    /// The grammar after the name, up to the end of the command.
    parse: fn(&mut Parser<'_>) -> Parsed<Command>,
}

const fn verb(
    name: &'static str,
    legal: Legal,
    parse: fn(&mut Parser<'_>) -> Parsed<Command>,
) -> Verb {
    Verb { name, legal, parse }
}

/// Every command.
static VERBS: &[Verb] = &[
    // RFC 9051 section 6.1, any state
    verb("CAPABILITY", Legal::Any, |_| Ok(Command::Capability)),
    verb("NOOP", Legal::Any, |_| Ok(Command::Ask(Ask::Noop))),
    verb("LOGOUT", Legal::Any, |_| Ok(Command::Logout)),
    verb("ID", Legal::Any, id::parse), // RFC 2971
    // RFC 9051 section 6.2, not authenticated
    verb("STARTTLS", Legal::Before, |_| Ok(Command::StartTls)),
    verb("AUTHENTICATE", Legal::Before, authenticate::authenticate),
    verb("LOGIN", Legal::Before, authenticate::login),
    // RFC 9051 section 6.3, authenticated
    verb("ENABLE", Legal::Authenticated, enable::parse), // RFC 5161
    verb("SELECT", Legal::Authenticated, select::select),
    verb("EXAMINE", Legal::Authenticated, select::examine),
    verb("CREATE", Legal::Authenticated, create::parse),
    verb("DELETE", Legal::Authenticated, mailbox::delete),
    verb("RENAME", Legal::Authenticated, mailbox::rename),
    verb("SUBSCRIBE", Legal::Authenticated, mailbox::subscribe),
    verb("UNSUBSCRIBE", Legal::Authenticated, mailbox::unsubscribe),
    verb("LIST", Legal::Authenticated, list::list),
    verb("LSUB", Legal::Authenticated, list::lsub), // RFC 3501 section 6.3.9
    verb("NAMESPACE", Legal::Authenticated, |_| {
        Ok(Command::Ask(Ask::Namespace))
    }), // RFC 2342
    verb("STATUS", Legal::Authenticated, status::parse),
    verb("APPEND", Legal::Authenticated, append::incomplete),
    verb("IDLE", Legal::Authenticated, |_| Ok(Command::Idle)), // RFC 2177
    verb("GETQUOTA", Legal::Authenticated, quota::getquota),   // RFC 9208
    verb("GETQUOTAROOT", Legal::Authenticated, quota::getquotaroot),
    verb("SETQUOTA", Legal::Authenticated, quota::setquota),
    // RFC 9051 section 6.4, selected
    verb("CHECK", Legal::Selected, |_| Ok(Command::Ask(Ask::Noop))), // RFC 3501 section 6.4.1
    verb("CLOSE", Legal::Selected, |_| Ok(Command::Ask(Ask::Close))),
    verb("UNSELECT", Legal::Selected, |_| {
        Ok(Command::Ask(Ask::Unselect))
    }), // RFC 3691
    verb("EXPUNGE", Legal::Writable, |_| {
        Ok(Command::Ask(Ask::Expunge(None)))
    }),
    verb("SEARCH", Legal::Selected, search::search),
    verb("FETCH", Legal::Selected, fetch::fetch),
    verb("STORE", Legal::Writable, store::store),
    verb("COPY", Legal::Selected, sets::copy),
    verb("MOVE", Legal::Writable, sets::moving), // RFC 6851
    verb("UID EXPUNGE", Legal::Writable, sets::uid_expunge), // RFC 4315
    verb("UID SEARCH", Legal::Selected, search::uid_search),
    verb("UID FETCH", Legal::Selected, fetch::uid_fetch),
    verb("UID STORE", Legal::Writable, store::uid_store),
    verb("UID COPY", Legal::Selected, sets::uid_copy),
    verb("UID MOVE", Legal::Writable, sets::uid_move),
];

/// A command whose arguments are not read yet.
pub(crate) struct Line<'a> {
    pub tag: String,
    pub verb: &'static Verb,
    parser: Parser<'a>,
}

/// Reads tag and name. Without a tag there is nothing to answer to: `Err((None, …))`.
///
/// ```text
/// command = tag SP name [SP arguments]
/// tag     = 1*<any ASTRING-CHAR except "+">
/// ```
pub(crate) fn line(octets: &[u8], enabled: Enabled) -> Result<Line<'_>, (Option<String>, Refusal)> {
    let mut parser = Parser::new(octets, enabled.spelling());
    parser.utf8_accept = enabled.utf8_accept;
    let tag = tag(&mut parser).ok_or((None, Refusal::bad("Expected a tag")))?;
    let no_verb = |text| (Some(tag.clone()), Refusal::bad(text));
    parser
        .sp()
        .map_err(|_| no_verb("Expected a space after the tag"))?;
    let mut name = parser.word();
    if name == "UID" && parser.eat(b' ') {
        name.push(' ');
        name.push_str(&parser.word());
    }
    let verb = VERBS
        .iter()
        .find(|verb| verb.name == name)
        .ok_or_else(|| no_verb("Unknown command"))?;
    Ok(Line { tag, verb, parser })
}

/// Only the tag, of a command that is refused for another reason.
pub(crate) fn tag_of(octets: &[u8]) -> Option<String> {
    tag(&mut Parser::new(octets, Spelling::Utf7))
}

fn tag(parser: &mut Parser<'_>) -> Option<String> {
    let tag = parser.run(|b| parser::is_astring_char(b) && b != b'+');
    let ends = parser.peek().is_none_or(|b| b == b' ');
    (ends && (1..=TAG_OCTETS).contains(&tag.len()))
        .then(|| String::from_utf8_lossy(tag).into_owned())
}

impl Line<'_> {
    /// Reads the arguments to the end.
    pub(crate) fn parse(mut self) -> Parsed<Command> {
        let command = (self.verb.parse)(&mut self.parser)?;
        self.parser.end()?;
        Ok(command)
    }
}

/// A rule applied to a whole text, for the tests of the commands' files.
#[cfg(test)]
pub(crate) fn parse_text(text: &str) -> Parsed<Command> {
    let full = format!("a {text}");
    match line(full.as_bytes(), Enabled::default()) {
        Ok(line) => line.parse(),
        Err((_, refusal)) => Err(refusal),
    }
}

/// The question that a command becomes, for the tests of the commands' files.
#[cfg(test)]
pub(crate) fn ask_of(text: &str) -> Ask {
    match parse_text(text) {
        Ok(Command::Ask(ask)) => ask,
        other => panic!("{text}: {other:?}"),
    }
}

/// None of these is a command.
#[cfg(test)]
pub(crate) fn all_refused(texts: &[&str]) {
    for text in texts {
        assert!(parse_text(text).is_err(), "{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        fn check(text: &str, expected: Option<&str>) {
            assert_eq!(tag_of(text.as_bytes()).as_deref(), expected, "{text:?}");
        }
        check("a1 NOOP", Some("a1"));
        check("A.1]~", Some("A.1]~"));
        for broken in [
            "",
            " NOOP",
            "+ NOOP",
            "a+ NOOP",
            "* NOOP",
            "a\"b NOOP",
            "é NOOP",
            "a\rb",
        ] {
            check(broken, None);
        }
        check(&"t".repeat(TAG_OCTETS), Some(&"t".repeat(TAG_OCTETS)));
        check(&"t".repeat(TAG_OCTETS + 1), None);
    }

    #[test]
    fn names() {
        assert_eq!(ask_of("noop"), Ask::Noop);
        assert_eq!(ask_of("Check"), Ask::Noop);
        assert_eq!(parse_text("IDLE"), Ok(Command::Idle));
        all_refused(&[
            "",
            "NOOP ",
            "NOOP x",
            "NOOPX",
            "UID",
            "UID NOOP",
            "UID  FETCH 1 UID",
            "XYZZY",
            "NOOP\r",
            "NO\0OP",
        ]);
    }

    #[test]
    fn every_name_is_there_once() {
        for verb in VERBS {
            assert_eq!(
                VERBS.iter().filter(|other| other.name == verb.name).count(),
                1,
                "{}",
                verb.name
            );
        }
    }
}
