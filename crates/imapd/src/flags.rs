//! Flags and keywords between their IMAP names and the store's bits and indexes.
//!
//! Names are compared without regard to ASCII case (RFC 9051 section 2.3.2). `\Recent` is a matter of
//! the view, never of the store.

use congvu_store::{Flags, Message};

/// The system flags in the order in which they are shown.
const SYSTEM: [(&str, Flags); 5] = [
    ("\\Answered", Flags::ANSWERED),
    ("\\Flagged", Flags::FLAGGED),
    ("\\Deleted", Flags::DELETED),
    ("\\Seen", Flags::SEEN),
    ("\\Draft", Flags::DRAFT),
];

/// Flags as the store takes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// System flags.
    pub(crate) flags: Flags,
    /// Keywords, each once.
    pub(crate) keywords: Vec<String>,
    /// Whether there was a system flag that does not exist (or `\Recent`, which nobody can set).
    pub(crate) unknown: bool,
}

/// Reads names as written by a client.
pub(crate) fn parse(names: &[String]) -> Parsed {
    let mut parsed = Parsed::default();
    for name in names {
        if let Some(flag) = system(name) {
            parsed.flags = parsed.flags.union(flag);
        } else if name.starts_with('\\') {
            parsed.unknown = true;
        } else if !parsed
            .keywords
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
        {
            parsed.keywords.push(name.clone());
        }
    }
    parsed
}

/// The bit of a system flag.
pub(crate) fn system(name: &str) -> Option<Flags> {
    SYSTEM
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|&(_, flag)| flag)
}

/// The index of a keyword in a mailbox.
pub(crate) fn keyword(name: &str, keywords: &[String]) -> Option<u16> {
    keywords
        .iter()
        .position(|known| known.eq_ignore_ascii_case(name))
        .and_then(|index| u16::try_from(index).ok())
}

/// What FLAGS of a FETCH response shows.
pub(crate) fn of_message(message: &Message, keywords: &[String], recent: bool) -> Vec<String> {
    let mut names: Vec<String> = SYSTEM
        .iter()
        .filter(|(_, flag)| message.flags.contains(*flag))
        .map(|(name, _)| (*name).to_owned())
        .collect();
    names.extend(
        message
            .keywords
            .iter()
            .filter_map(|&index| keywords.get(usize::from(index)).cloned()),
    );
    if recent {
        names.push("\\Recent".to_owned());
    }
    names
}

/// What the FLAGS response shows: all that a message of the mailbox can carry.
pub(crate) fn applicable(keywords: &[String]) -> Vec<String> {
    SYSTEM
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .chain(keywords.iter().cloned())
        .collect()
}

/// What PERMANENTFLAGS shows: nothing can be changed in a mailbox opened by EXAMINE; otherwise all, and
/// new keywords as long as there is room.
pub(crate) fn permanent(keywords: &[String], read_only: bool) -> Vec<String> {
    if read_only {
        return Vec::new();
    }
    let mut names = applicable(keywords);
    if keywords.len() < MOST_KEYWORDS {
        names.push("\\*".to_owned());
    }
    names
}

/// The store's limit of keywords a mailbox; past it `\*` is no longer promised.
const MOST_KEYWORDS: usize = 256;

#[cfg(test)]
mod tests {
    use super::{applicable, keyword, parse, permanent};
    use congvu_store::Flags;

    #[test]
    fn names_in_any_case() {
        let names = ["\\sEEN", "\\Deleted", "$Junk", "$junk", "Khẩn"].map(str::to_owned);
        let parsed = parse(&names);
        assert_eq!(parsed.flags, Flags::SEEN.union(Flags::DELETED));
        assert_eq!(parsed.keywords, ["$Junk", "Khẩn"]);
        assert!(!parsed.unknown);
        assert!(parse(&["\\Recent".to_owned()]).unknown);
        assert_eq!(keyword("$JUNK", &parsed.keywords), Some(0));
        assert_eq!(keyword("$x", &parsed.keywords), None);
    }

    #[test]
    fn lists() {
        let keywords = vec!["$Junk".to_owned()];
        assert_eq!(applicable(&keywords).len(), 6);
        assert_eq!(
            permanent(&keywords, false).last().map(String::as_str),
            Some("\\*")
        );
        assert!(permanent(&keywords, true).is_empty());
        let full = vec![String::new(); 256];
        assert_ne!(
            permanent(&full, false).last().map(String::as_str),
            Some("\\*")
        );
    }
}
