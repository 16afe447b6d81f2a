//! SEARCH (RFC 9051 section 6.4.4, RFC 4731, RFC 5182).

use super::parser::LIST;
use super::{Command, Parsed, Parser, Refusal};
use crate::ask::{Ask, Search, SearchKey, SearchReturn};
use crate::response::Code;

/// ```text
/// search = "SEARCH" [search-return-opts] SP search-program
/// ```
pub(super) fn search(p: &mut Parser<'_>) -> Parsed<Command> {
    arguments(p, false)
}

/// ```text
/// uid = "UID" SP search
/// ```
pub(super) fn uid_search(p: &mut Parser<'_>) -> Parsed<Command> {
    arguments(p, true)
}

/// ```text
/// search-program = ["CHARSET" SP charset SP] search-key *(SP search-key)
/// ```
/// Both charsets that are accepted are UTF-8 to the parser; US-ASCII is its subset. Deviates: without
/// CHARSET an IMAP4rev1 search is US-ASCII; UTF-8 is taken too, as Dovecot and Cyrus do.
fn arguments(p: &mut Parser<'_>, uid: bool) -> Parsed<Command> {
    p.sp()?;
    let mut returns = None;
    if p.keyword("RETURN") {
        p.sp()?;
        returns = Some(return_options(p)?);
        p.sp()?;
    }
    if p.keyword("CHARSET") {
        p.sp()?;
        let charset = p.astring()?;
        if p.utf8_accept {
            // RFC 6855 section 3: the charsets would contradict each other.
            return Err(Refusal::bad("No CHARSET after ENABLE UTF8=ACCEPT"));
        }
        if !charset.eq_ignore_ascii_case(b"UTF-8") && !charset.eq_ignore_ascii_case(b"US-ASCII") {
            return Err(Refusal::no(
                Code::BadCharset,
                "This charset is not supported",
            ));
        }
        p.sp()?;
    }
    let mut keys = vec![key(p)?];
    while p.eat(b' ') {
        keys.push(key(p)?);
    }
    Ok(Command::Ask(Ask::Search(Search {
        uid,
        returns,
        key: all_of(keys),
    })))
}

/// ```text
/// search-return-opts = SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"
/// search-return-opt  = "MIN" / "MAX" / "ALL" / "COUNT" / "SAVE"
/// ```
fn return_options(p: &mut Parser<'_>) -> Parsed<SearchReturn> {
    let mut returns = SearchReturn::default();
    p.list(LIST, |p| {
        match p.word().as_str() {
            "MIN" => returns.min = true,
            "MAX" => returns.max = true,
            "ALL" => returns.all = true,
            "COUNT" => returns.count = true,
            "SAVE" => returns.save = true, // RFC 5182
            _ => return Err(Refusal::bad("Unknown option of SEARCH RETURN")),
        }
        Ok(())
    })?;
    Ok(returns)
}

fn all_of(mut keys: Vec<SearchKey>) -> SearchKey {
    match (keys.len(), keys.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            keys.extend(last);
            SearchKey::And(keys)
        }
    }
}

/// ```text
/// search-key = "ALL" / "ANSWERED" / "BCC" SP astring / "BEFORE" SP date / "BODY" SP astring / "CC" SP astring /
///              "DELETED" / "FLAGGED" / "FROM" SP astring / "KEYWORD" SP flag-keyword / "ON" SP date / "SEEN" /
///              "SINCE" SP date / "SUBJECT" SP astring / "TEXT" SP astring / "TO" SP astring / "UNANSWERED" /
///              "UNDELETED" / "UNFLAGGED" / "UNKEYWORD" SP flag-keyword / "UNSEEN" / "DRAFT" /
///              "HEADER" SP header-fld-name SP astring / "LARGER" SP number64 / "NOT" SP search-key /
///              "OR" SP search-key SP search-key / "SENTBEFORE" SP date / "SENTON" SP date / "SENTSINCE" SP date /
///              "SMALLER" SP number64 / "UID" SP sequence-set / "UNDRAFT" / sequence-set /
///              "(" search-key *(SP search-key) ")"
/// search-key =/ "NEW" / "OLD" / "RECENT"                                                       RFC 3501
/// ```
fn key(p: &mut Parser<'_>) -> Parsed<SearchKey> {
    match p.peek() {
        Some(b'(') => return p.nested(parenthesised),
        Some(b'0'..=b'9' | b'*' | b'$') => return p.sequence_set().map(SearchKey::Sequence),
        _ => {}
    }
    let word = p.word();
    Ok(match word.as_str() {
        "ALL" => SearchKey::All,
        "NEW" => SearchKey::New,
        "OLD" => SearchKey::Old,
        "RECENT" => SearchKey::Recent,
        "ANSWERED" | "DELETED" | "DRAFT" | "FLAGGED" | "SEEN" => flag(&word),
        "UNANSWERED" | "UNDELETED" | "UNDRAFT" | "UNFLAGGED" | "UNSEEN" => {
            not(flag(word.trim_start_matches("UN")))
        }
        "KEYWORD" => keyword(p)?,
        "UNKEYWORD" => not(keyword(p)?),
        "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => SearchKey::Header(word, text(p)?),
        "HEADER" => {
            p.sp()?;
            SearchKey::Header(p.ascii("Expected a header field name")?, text(p)?)
        }
        "BODY" => SearchKey::Body(text(p)?),
        "TEXT" => SearchKey::Text(text(p)?),
        "BEFORE" => SearchKey::Before(date(p)?),
        "ON" => SearchKey::On(date(p)?),
        "SINCE" => SearchKey::Since(date(p)?),
        "SENTBEFORE" => SearchKey::SentBefore(date(p)?),
        "SENTON" => SearchKey::SentOn(date(p)?),
        "SENTSINCE" => SearchKey::SentSince(date(p)?),
        "LARGER" => SearchKey::Larger(size(p)?),
        "SMALLER" => SearchKey::Smaller(size(p)?),
        "UID" => {
            p.sp()?;
            SearchKey::Uid(p.sequence_set()?)
        }
        "NOT" => not(p.nested(after_space)?),
        "OR" => p.nested(|p| {
            Ok(SearchKey::Or(
                Box::new(after_space(p)?),
                Box::new(after_space(p)?),
            ))
        })?,
        _ => return Err(Refusal::bad("Unknown search key")),
    })
}

fn parenthesised(p: &mut Parser<'_>) -> Parsed<SearchKey> {
    // The whole command bounds the number of keys.
    let keys = p.list(usize::MAX, key)?;
    if keys.is_empty() {
        return Err(Refusal::bad("Empty parentheses in SEARCH"));
    }
    Ok(all_of(keys))
}

fn after_space(p: &mut Parser<'_>) -> Parsed<SearchKey> {
    p.sp()?;
    key(p)
}

fn not(key: SearchKey) -> SearchKey {
    SearchKey::Not(Box::new(key))
}

/// `SEEN` is `\Seen`.
fn flag(word: &str) -> SearchKey {
    let (first, rest) = word.split_at(1);
    SearchKey::Flag(format!("\\{first}{}", rest.to_ascii_lowercase()))
}

fn keyword(p: &mut Parser<'_>) -> Parsed<SearchKey> {
    p.sp()?;
    p.flag().map(SearchKey::Flag)
}

fn text(p: &mut Parser<'_>) -> Parsed<String> {
    p.sp()?;
    String::from_utf8(p.astring()?).map_err(|_| Refusal::bad("The search text is not UTF-8"))
}

fn date(p: &mut Parser<'_>) -> Parsed<i64> {
    p.sp()?;
    p.date()
}

fn size(p: &mut Parser<'_>) -> Parsed<u64> {
    p.sp()?;
    p.number64()
}

#[cfg(test)]
mod tests {
    use super::super::{all_refused, ask_of, parse_text};
    use super::*;
    use crate::ask::SequenceSet;

    fn check(text: &str, expected: SearchKey) {
        assert_eq!(
            ask_of(&format!("SEARCH {text}")),
            Ask::Search(Search {
                uid: false,
                returns: None,
                key: expected
            }),
            "{text}"
        );
    }

    #[test]
    fn keys() {
        let seen = || SearchKey::Flag("\\Seen".to_owned());
        check("ALL", SearchKey::All);
        check("unseen", not(seen()));
        check("UNKEYWORD $Junk", not(SearchKey::Flag("$Junk".to_owned())));
        check(
            "FROM \"a b\"",
            SearchKey::Header("FROM".to_owned(), "a b".to_owned()),
        );
        check(
            "HEADER X-Y \"\"",
            SearchKey::Header("X-Y".to_owned(), String::new()),
        );
        check(
            "SUBJECT {5}\r\nHỏa",
            SearchKey::Header("SUBJECT".to_owned(), "Hỏa".to_owned()),
        );
        check("SINCE 1-Feb-1994", SearchKey::Since(8_797));
        check("SENTON \"1-Jan-1970\"", SearchKey::SentOn(0));
        check("LARGER 5000000000", SearchKey::Larger(5_000_000_000));
        check("$", SearchKey::Sequence(SequenceSet::Saved));
        check(
            "UID 1:*",
            SearchKey::Uid(SequenceSet::Ranges(vec![(Some(1), None)])),
        );
        check(
            "CHARSET utf-8 TEXT \"Văn\"",
            SearchKey::Text("Văn".to_owned()),
        );
        check(
            "SEEN NOT ALL",
            SearchKey::And(vec![seen(), not(SearchKey::All)]),
        );
        check(
            "OR (SEEN) (ALL NEW)",
            SearchKey::Or(
                Box::new(seen()),
                Box::new(SearchKey::And(vec![SearchKey::All, SearchKey::New])),
            ),
        );
    }

    #[test]
    fn return_options_are_read() {
        let options = |text: &str| match ask_of(&format!("UID SEARCH {text}")) {
            Ask::Search(Search {
                uid: true, returns, ..
            }) => returns,
            other => panic!("{other:?}"),
        };
        let none = SearchReturn::default();
        assert_eq!(options("ALL"), None);
        assert_eq!(options("RETURN () ALL"), Some(none));
        assert_eq!(
            options("RETURN (MIN count) 1:5"),
            Some(SearchReturn {
                min: true,
                count: true,
                ..none
            })
        );
        assert_eq!(
            options("RETURN (SAVE) CHARSET UTF-8 ALL"),
            Some(SearchReturn { save: true, ..none })
        );
    }

    #[test]
    fn errors() {
        all_refused(&[
            "SEARCH",
            "SEARCH ",
            "SEARCH FOO",
            "SEARCH ()",
            "SEARCH (ALL",
            "SEARCH ALL)",
            "SEARCH NOT",
            "SEARCH OR ALL",
            "SEARCH FROM",
            "SEARCH RETURN (FOO) ALL",
            "SEARCH RETURN ALL",
            "SEARCH LARGER x",
            "SEARCH ON 1994",
            "SEARCH 0",
            "SEARCH KEYWORD \\Recent",
            "SEARCH HEADER é x",
            "SEARCH CHARSET UTF-8",
            "SEARCH ALL  SEEN",
        ]);
        let refusal = parse_text("SEARCH CHARSET KOI8-R ALL").err();
        assert_eq!(refusal.and_then(|r| r.code), Some(Code::BadCharset));
    }

    #[test]
    fn nesting_is_bounded() {
        for (open, close) in [("NOT ", ""), ("(", ")"), ("OR ALL ", "")] {
            let text =
                |depth: usize| format!("SEARCH {}ALL{}", open.repeat(depth), close.repeat(depth));
            assert!(parse_text(&text(32)).is_ok());
            assert!(parse_text(&text(33)).is_err());
            assert!(parse_text(&text(100_000)).is_err());
        }
    }
}
