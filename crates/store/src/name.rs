//! Mailbox names: one canonical form, so that two spellings of a name are one mailbox.
//!
//! Canonical is Unicode NFC (macOS clients send `Văn bản` decomposed), `INBOX` in capitals also as
//! the first level of others, levels separated by `/`.

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::error::{Error, Result};

/// Longest name, octets: fits a command line in modified UTF-7 and a key.
pub const LONGEST: usize = 512;
/// Most levels.
pub const DEEPEST: usize = 32;
/// NFC is at most three times longer or shorter than what was sent (UAX #15), so longer input
/// cannot become a name and is not worth normalising.
const LONGEST_INPUT: usize = 3 * LONGEST;

/// The canonical form of a name, or why it is not one.
pub fn canonical(name: &str) -> Result<String> {
    if name.len() > LONGEST_INPUT {
        return Err(Error::MailboxName("longer than 512 octets"));
    }
    let mut name = if is_nfc(name) {
        name.to_owned()
    } else {
        name.nfc().collect()
    };
    if name.len() > LONGEST {
        return Err(Error::MailboxName("longer than 512 octets"));
    }
    if name.split('/').count() > DEEPEST {
        return Err(Error::MailboxName("more than 32 levels"));
    }
    if name.split('/').any(str::is_empty) {
        return Err(Error::MailboxName("an empty level"));
    }
    if name.chars().any(char::is_control) {
        return Err(Error::MailboxName("control characters"));
    }
    if name
        .split('/')
        .next()
        .is_some_and(|first| first.eq_ignore_ascii_case("INBOX"))
    {
        name.replace_range(..5, "INBOX");
    }
    Ok(name)
}

/// Names of the mailboxes above a canonical name, outermost first.
pub(crate) fn parents(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').map(|(at, _)| &name[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_for_all_spellings() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(canonical(name).ok().as_deref(), expected, "{name:?}");
        };
        check("inbox", Some("INBOX"));
        check("InBox/Con", Some("INBOX/Con"));
        check("inboxes", Some("inboxes"));
        check("Văn bản đến", Some("Văn bản đến"));
        check(
            "Va\u{306}n ba\u{309}n đe\u{302}\u{301}n",
            Some("Văn bản đến"),
        );
        check("a/b", Some("a/b"));
        check("", None);
        check("/a", None);
        check("a/", None);
        check("a//b", None);
        check("a\u{1}b", None);
        check("a\nb", None);
        check("a\u{7f}", None);
        check(&"x".repeat(512), Some(&"x".repeat(512)));
        check(&"x".repeat(513), None);
        check(&"a\u{306}".repeat(10_000), None);
        check(&vec!["x"; 32].join("/"), Some(&vec!["x"; 32].join("/")));
        check(&vec!["x"; 33].join("/"), None);
    }

    #[test]
    fn parents_outermost_first() {
        assert_eq!(parents("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(parents("a").count(), 0);
    }
}
