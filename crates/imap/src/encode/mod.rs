//! Typed responses into octets, for the session's revision and what is enabled.
//!
//! Invariant: every response is a sentence of the grammar whatever a message's headers say: text with CR,
//! LF, NUL or 8-bit octets never reaches a quoted string that does not allow it, `NIL` stands only where
//! the grammar has it, a status text is never empty. MailKit, himalaya and others break on less.
//! What is answered is the service's choice; it is not here.

mod code;
mod envelope;
mod fetch;
#[cfg(test)]
mod grammar_tests;
mod mailbox;
mod search;
mod string;
mod structure;

use std::collections::VecDeque;
use std::fmt::Arguments;
use std::io::Write as _;

use crate::command::parser::is_atom_char;
use crate::response::{Done, FetchData, Status, Untagged};
use crate::session::Enabled;

/// How a command's responses are written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Encoder {
    out: Vec<u8>,
    /// What the client enabled.
    pub enabled: Enabled,
    /// The tag of the present command, for ESEARCH.
    pub tag: String,
    /// The present command is LSUB.
    pub lsub: bool,
}

/// A literal whose octets are still to come, in the middle of a FETCH response.
#[derive(Debug)]
pub(crate) struct Open {
    /// Octets to come.
    pub left: u64,
    /// literal8: NUL is itself.
    pub binary: bool,
    /// Items that follow the literal.
    rest: VecDeque<FetchData>,
}

impl Encoder {
    /// What was written so far; the buffer is empty again.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Octets written and not taken yet.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// One untagged response, or the beginning of one.
    ///
    /// ```text
    /// response-data = "*" SP (resp-cond-state / resp-cond-bye / mailbox-data / message-data / …) CRLF
    /// ```
    pub(crate) fn untagged(&mut self, response: Untagged) -> Option<Open> {
        match response {
            Untagged::Status(done) => self.status("*", &done),
            Untagged::Exists(n) => self.line(format_args!("* {n} EXISTS")),
            // RFC 9051 appendix E: IMAP4rev2 has no RECENT.
            Untagged::Recent(_) if self.enabled.rev2 => {}
            Untagged::Recent(n) => self.line(format_args!("* {n} RECENT")),
            Untagged::Expunge(n) => self.line(format_args!("* {n} EXPUNGE")),
            Untagged::Flags(flags) => {
                self.raw("* FLAGS ");
                self.flags(&flags);
                self.crlf();
            }
            Untagged::List(entry) => self.list_entry(&entry),
            Untagged::MailboxStatus(status) => self.mailbox_status(&status),
            Untagged::Namespace => self.raw("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"),
            Untagged::Search(result) => self.search(&result),
            Untagged::Fetch { seq, items } => return self.fetch(seq, items),
            Untagged::Quota { root, resources } => self.quota(&root, &resources),
            Untagged::QuotaRoot { mailbox, roots } => self.quota_root(&mailbox, &roots),
            Untagged::Id(pairs) => self.id(&pairs),
        }
        None
    }

    /// Continues after the octets of an open literal.
    pub(crate) fn resume(&mut self, open: Open) -> Option<Open> {
        self.fetch_items(open.rest, true)
    }

    /// The octets of an open literal.
    pub(crate) fn octets(&mut self, octets: &[u8], binary: bool) {
        if binary || !octets.contains(&0) {
            self.out.extend_from_slice(octets);
        } else {
            self.out.extend(octets.iter().map(|&b| without_nul(b)));
        }
    }

    /// The tagged result.
    ///
    /// ```text
    /// response-tagged = tag SP resp-cond-state CRLF
    /// ```
    pub(crate) fn tagged(&mut self, tag: &str, done: &Done) {
        self.status(tag, done);
    }

    /// The greeting and the end of a login, with what the client can do now.
    pub(crate) fn ok_with_capabilities(&mut self, tag: &str, capabilities: &str, text: &str) {
        self.put(format_args!("{tag} OK [CAPABILITY {capabilities}] "));
        self.status_text(text);
        self.crlf();
    }

    /// `* BYE text`
    pub(crate) fn bye(&mut self, text: &str) {
        self.status(
            "*",
            &Done {
                status: Status::Bye,
                code: None,
                text: text.to_owned(),
            },
        );
    }

    /// ```text
    /// continue-req = "+" SP (resp-text / base64) CRLF
    /// ```
    /// Never without text after the space for a literal: the Gmail app waits for ever otherwise.
    pub(crate) fn go_on(&mut self, text: &str) {
        self.raw("+ ");
        self.raw(text);
        self.crlf();
    }

    /// A line made of safe parts.
    pub(crate) fn line(&mut self, text: Arguments<'_>) {
        self.put(text);
        self.crlf();
    }

    fn put(&mut self, text: Arguments<'_>) {
        self.out
            .write_fmt(text)
            .expect("writing to a Vec cannot fail");
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn crlf(&mut self) {
        self.raw("\r\n");
    }

    /// ```text
    /// "(" [item *(SP item)] ")"
    /// ```
    fn list<T>(&mut self, items: impl IntoIterator<Item = T>, mut item: impl FnMut(&mut Self, T)) {
        self.raw("(");
        for (i, value) in items.into_iter().enumerate() {
            if i > 0 {
                self.raw(" ");
            }
            item(self, value);
        }
        self.raw(")");
    }

    /// ```text
    /// flag-list = "(" [flag *(SP flag)] ")"
    /// ```
    /// `\Recent` is left out for IMAP4rev2, and so is what is no flag at all, wherever it came from.
    fn flags(&mut self, flags: &[String]) {
        let rev2 = self.enabled.rev2;
        let shown = flags
            .iter()
            .filter(|flag| is_flag(flag))
            .filter(|flag| !(rev2 && flag.eq_ignore_ascii_case("\\Recent")));
        self.list(shown, |e, flag| e.raw(flag));
    }

    /// ```text
    /// id-response = "ID" SP ("(" *(string SP nstring) ")" / nil)    RFC 2971
    /// ```
    fn id(&mut self, pairs: &[(String, String)]) {
        self.raw("* ID ");
        if pairs.is_empty() {
            self.raw("NIL");
        } else {
            self.list(pairs, |e, (field, value)| {
                e.string(field);
                e.raw(" ");
                e.string(value);
            });
        }
        self.crlf();
    }
}

/// ```text
/// flag-perm = ["\"] atom / "\*"
/// ```
fn is_flag(flag: &str) -> bool {
    let atom = flag.strip_prefix('\\').unwrap_or(flag);
    flag == "\\*" || !atom.is_empty() && atom.bytes().all(is_atom_char)
}

/// A literal holds no NUL (RFC 9051 section 4.3); 0x80 stands for it, as servers have done since UW-IMAP.
fn without_nul(octet: u8) -> u8 {
    if octet == 0 { 0x80 } else { octet }
}

/// What a response looks like, for the tests of the encoder's files.
#[cfg(test)]
pub(crate) fn text_of(enabled: Enabled, response: Untagged) -> String {
    let mut encoder = Encoder {
        enabled,
        tag: "a1".to_owned(),
        ..Encoder::default()
    };
    assert!(encoder.untagged(response).is_none());
    String::from_utf8_lossy(&encoder.take()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REV1: Enabled = Enabled {
        utf8_accept: false,
        rev2: false,
    };
    const REV2: Enabled = Enabled {
        utf8_accept: false,
        rev2: true,
    };

    #[test]
    fn recent_is_of_the_old_revision() {
        let flags = || Untagged::Flags(vec!["\\Recent".to_owned(), "\\Seen".to_owned()]);
        assert_eq!(text_of(REV1, Untagged::Recent(3)), "* 3 RECENT\r\n");
        assert_eq!(text_of(REV2, Untagged::Recent(3)), "");
        assert_eq!(text_of(REV1, flags()), "* FLAGS (\\Recent \\Seen)\r\n");
        assert_eq!(text_of(REV2, flags()), "* FLAGS (\\Seen)\r\n");
        let flags = ["\\*", "$x", "", "\\", "a b", "a\r\n* BYE", "é"].map(str::to_owned);
        assert_eq!(
            text_of(REV2, Untagged::Flags(flags.to_vec())),
            "* FLAGS (\\* $x)\r\n"
        );
    }

    #[test]
    fn identity() {
        let pairs = vec![
            ("name".to_owned(), "Congvu".to_owned()),
            ("x".to_owned(), "a\"b".to_owned()),
        ];
        assert_eq!(
            text_of(REV1, Untagged::Id(pairs)),
            "* ID (\"name\" \"Congvu\" \"x\" \"a\\\"b\")\r\n"
        );
        assert_eq!(text_of(REV1, Untagged::Id(vec![])), "* ID NIL\r\n");
        assert_eq!(
            text_of(REV1, Untagged::Namespace),
            "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"
        );
    }
}
