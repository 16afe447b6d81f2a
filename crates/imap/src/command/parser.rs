//! A cursor over one complete command: the base rules of the grammar, shared by the commands' parsers.
//!
//! Invariant: any octets at all; every rule either consumes what it names or fails, nesting is counted,
//! and no rule looks at an octet more than a constant number of times. Errors never quote the input.
//! Commands are not here: each has its own file beside this one.

use crate::ask::SequenceSet;
use crate::name::{self, Spelling};
use crate::response::{Code, Status};
use crate::{date, set};

/// Deepest nesting of parentheses, NOT and OR. Real programs stay under ten; CVE-2026-27857 shows what
/// a server without a bound does.
pub(crate) const DEPTH: u8 = 32;

/// Most elements of a list (flags, header names, patterns, items) unless a rule says otherwise.
pub(crate) const LIST: usize = 100;

/// Longest flag or keyword: it is stored with every message that bears it.
pub(crate) const FLAG_OCTETS: usize = 100;

/// Why a command is not executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// NO or BAD.
    pub(crate) status: Status,
    /// Response code.
    pub(crate) code: Option<Code>,
    /// Fixed text.
    pub(crate) text: &'static str,
}

impl Refusal {
    /// The syntax is wrong.
    pub(crate) const fn bad(text: &'static str) -> Self {
        Self {
            status: Status::Bad,
            code: None,
            text,
        }
    }

    /// The syntax is right, but it is not done.
    pub(crate) const fn no(code: Code, text: &'static str) -> Self {
        Self {
            status: Status::No,
            code: Some(code),
            text,
        }
    }
}

/// A rule's result.
pub(crate) type Parsed<T> = Result<T, Refusal>;

/// The cursor.
#[derive(Debug, Clone)]
pub(crate) struct Parser<'a> {
    rest: &'a [u8],
    spelling: Spelling,
    /// UTF8=ACCEPT was enabled: some arguments are then forbidden (RFC 6855 section 3).
    pub(crate) utf8_accept: bool,
    depth: u8,
}

impl<'a> Parser<'a> {
    /// Over a command's octets, literals in place.
    pub(crate) fn new(octets: &'a [u8], spelling: Spelling) -> Self {
        Self {
            rest: octets,
            spelling,
            utf8_accept: false,
            depth: 0,
        }
    }

    /// The octet under the cursor.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Consumes this octet if it is next.
    pub(crate) fn eat(&mut self, octet: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == octet => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Consumes this octet, which must be next.
    pub(crate) fn expect(&mut self, octet: u8, otherwise: &'static str) -> Parsed<()> {
        if self.eat(octet) {
            Ok(())
        } else {
            Err(Refusal::bad(otherwise))
        }
    }

    /// One space.
    pub(crate) fn sp(&mut self) -> Parsed<()> {
        self.expect(b' ', "Expected a space")
    }

    /// The end of the command.
    pub(crate) fn end(&self) -> Parsed<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Refusal::bad("Unexpected text after the command"))
        }
    }

    /// As many octets as satisfy the predicate.
    pub(crate) fn run(&mut self, allowed: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self
            .rest
            .iter()
            .position(|&b| !allowed(b))
            .unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at(end);
        self.rest = rest;
        run
    }

    /// Letters, digits and the marks that occur in names of commands, items and options; upper case.
    pub(crate) fn word(&mut self) -> String {
        let word =
            self.run(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'=' | b'+'));
        word.iter()
            .map(|b| char::from(b.to_ascii_uppercase()))
            .collect()
    }

    /// Consumes the word if it is next, in any case, and not the beginning of a longer word.
    pub(crate) fn keyword(&mut self, word: &str) -> bool {
        let Some((head, rest)) = self.rest.split_at_checked(word.len()) else {
            return false;
        };
        let ends = rest.first().is_none_or(|&b| !is_atom_char(b));
        if ends && head.eq_ignore_ascii_case(word.as_bytes()) {
            self.rest = rest;
            return true;
        }
        false
    }

    /// One more level of nesting around `inner`.
    pub(crate) fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == DEPTH {
            return Err(Refusal::bad("Nested too deeply"));
        }
        self.depth += 1;
        let value = inner(self);
        self.depth -= 1;
        value
    }

    /// ```text
    /// "(" [item *(SP item)] ")"
    /// ```
    pub(crate) fn list<T>(
        &mut self,
        most: usize,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.expect(b'(', "Expected a parenthesised list")?;
        let mut items = Vec::new();
        if self.eat(b')') {
            return Ok(items);
        }
        loop {
            if items.len() == most {
                return Err(Refusal::bad("Too many elements in a list"));
            }
            items.push(item(self)?);
            if self.eat(b')') {
                return Ok(items);
            }
            self.sp()?;
        }
    }

    /// ```text
    /// atom = 1*ATOM-CHAR
    /// ```
    pub(crate) fn atom(&mut self) -> Parsed<&'a str> {
        ascii(self.run(is_atom_char)).ok_or(Refusal::bad("Expected an atom"))
    }

    /// ```text
    /// astring      = 1*ASTRING-CHAR / string
    /// ASTRING-CHAR = ATOM-CHAR / resp-specials
    /// ```
    pub(crate) fn astring(&mut self) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => match self.run(is_astring_char) {
                [] => Err(Refusal::bad("Expected a string")),
                atom => Ok(atom.to_vec()),
            },
        }
    }

    /// ```text
    /// userid = astring
    /// ```
    /// Deviates: an unquoted userid may contain list-wildcards. Python's imaplib never quotes it, and
    /// `post*person` is how a person reads a post.
    pub(crate) fn userid(&mut self) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => match self.run(|b| is_astring_char(b) || matches!(b, b'*' | b'%')) {
                [] => Err(Refusal::bad("Expected a string")),
                atom => Ok(atom.to_vec()),
            },
        }
    }

    /// ```text
    /// string = quoted / literal
    /// quoted = DQUOTE *QUOTED-CHAR DQUOTE
    /// ```
    /// Octets above 127 pass: whoever uses the string knows its charset.
    pub(crate) fn string(&mut self) -> Parsed<Vec<u8>> {
        if self.peek() == Some(b'{') {
            return self.literal().map(<[u8]>::to_vec);
        }
        self.expect(b'"', "Expected a string")?;
        let mut text = Vec::new();
        loop {
            text.extend_from_slice(self.run(|b| !matches!(b, b'"' | b'\\' | b'\r' | b'\n' | 0)));
            if self.eat(b'"') {
                return Ok(text);
            }
            self.expect(b'\\', "Quoted string without its end")?;
            match self.peek() {
                Some(special @ (b'"' | b'\\')) => {
                    self.eat(special);
                    text.push(special);
                }
                _ => return Err(Refusal::bad("Wrong escape in a quoted string")),
            }
        }
    }

    /// ```text
    /// literal = "{" number64 ["+"] "}" CRLF *CHAR8
    /// ```
    fn literal(&mut self) -> Parsed<&'a [u8]> {
        const BROKEN: Refusal = Refusal::bad("Broken literal");
        self.expect(b'{', "Expected a literal")?;
        let size = set::number64(self.run(|b| b.is_ascii_digit())).ok_or(BROKEN)?;
        self.eat(b'+');
        let octets = self.rest.strip_prefix(b"}\r\n").ok_or(BROKEN)?;
        let size = usize::try_from(size).map_err(|_| BROKEN)?;
        let (literal, rest) = octets.split_at_checked(size).ok_or(BROKEN)?;
        if literal.contains(&0) {
            return Err(Refusal::bad("NUL in a literal"));
        }
        self.rest = rest;
        Ok(literal)
    }

    /// ```text
    /// nstring = string / "NIL"
    /// ```
    pub(crate) fn nstring(&mut self) -> Parsed<Option<Vec<u8>>> {
        if self.keyword("NIL") {
            Ok(None)
        } else {
            self.string().map(Some)
        }
    }

    /// ```text
    /// number64 = 1*DIGIT
    /// ```
    pub(crate) fn number64(&mut self) -> Parsed<u64> {
        set::number64(self.run(|b| b.is_ascii_digit())).ok_or(Refusal::bad("Expected a number"))
    }

    /// ```text
    /// nz-number = digit-nz *DIGIT
    /// ```
    pub(crate) fn nz_number(&mut self) -> Parsed<u32> {
        match set::number(self.run(|b| b.is_ascii_digit())) {
            Some(n) if n > 0 => Ok(n),
            _ => Err(Refusal::bad("Expected a number from 1 to 4294967295")),
        }
    }

    /// A sequence set, see [`set::parse`].
    pub(crate) fn sequence_set(&mut self) -> Parsed<SequenceSet> {
        let text = self.run(|b| b.is_ascii_digit() || matches!(b, b',' | b':' | b'*' | b'$'));
        set::parse(text).ok_or(Refusal::bad("Expected a sequence set"))
    }

    /// ```text
    /// mailbox = "INBOX" / astring
    /// ```
    /// Without a trailing separator: Thunderbird sends one for a mailbox that is to hold others.
    pub(crate) fn mailbox(&mut self) -> Parsed<String> {
        self.mailbox_as_written().map(|(name, _)| name)
    }

    /// A mailbox name, and how it was written if its normal form differs (RFC 9051 section 6.3.9.7). In
    /// modified UTF-7 nobody sees the difference.
    pub(crate) fn mailbox_as_written(&mut self) -> Parsed<(String, Option<String>)> {
        let raw = self.astring()?;
        let mut name = self.name(&raw)?;
        let written = match self.spelling {
            Spelling::Utf8 => String::from_utf8(raw)
                .ok()
                .filter(|raw| !raw.eq_ignore_ascii_case(&name)),
            Spelling::Utf7 => None,
        };
        if name.ends_with(name::SEPARATOR) {
            name.pop();
        }
        if name.is_empty() {
            return Err(Refusal::no(
                Code::Cannot,
                "A mailbox name must not be empty",
            ));
        }
        let written = written.map(|mut written| {
            written.truncate(written.trim_end_matches(name::SEPARATOR).len());
            written
        });
        Ok((name, written))
    }

    /// A name that may be empty or end with the separator (LIST's reference).
    pub(crate) fn reference(&mut self) -> Parsed<String> {
        let raw = self.astring()?;
        self.name(&raw)
    }

    /// ```text
    /// list-mailbox = 1*list-char / string
    /// list-char    = ATOM-CHAR / list-wildcards / resp-specials
    /// ```
    pub(crate) fn pattern(&mut self) -> Parsed<String> {
        let raw = match self.peek() {
            Some(b'"' | b'{') => self.string()?,
            _ => match self.run(|b| is_astring_char(b) || matches!(b, b'%' | b'*')) {
                [] => return Err(Refusal::bad("Expected a mailbox pattern")),
                atom => atom.to_vec(),
            },
        };
        self.name(&raw)
    }

    fn name(&self, raw: &[u8]) -> Parsed<String> {
        name::decode(raw, self.spelling).map_err(|error| match error {
            name::NameError::EightBit => {
                Refusal::bad("8-bit mailbox names need ENABLE UTF8=ACCEPT or IMAP4rev2")
            }
            name::NameError::Utf8 => Refusal::bad("The mailbox name is not UTF-8"),
            name::NameError::Utf7 => Refusal::no(
                Code::Cannot,
                "The mailbox name is not canonical modified UTF-7",
            ),
            name::NameError::Forbidden => {
                Refusal::no(Code::Cannot, "The mailbox name has a control character")
            }
            name::NameError::TooLong => Refusal::no(Code::Limit, "The mailbox name is too long"),
        })
    }

    /// ```text
    /// flag           = "\Answered" / "\Flagged" / "\Deleted" / "\Seen" / "\Draft" / flag-keyword / flag-extension
    /// flag-keyword   = atom
    /// flag-extension = "\" atom
    /// ```
    /// `\Recent` and unknown system flags are not for clients to set.
    pub(crate) fn flag(&mut self) -> Parsed<String> {
        const SYSTEM: [&str; 5] = ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"];
        let system = self.eat(b'\\');
        let atom = self.atom()?;
        if atom.len() > FLAG_OCTETS {
            return Err(Refusal::no(Code::Limit, "The keyword is too long"));
        }
        if !system {
            return Ok(atom.to_owned());
        }
        let known = SYSTEM
            .into_iter()
            .find(|flag| flag.get(1..).is_some_and(|f| f.eq_ignore_ascii_case(atom)));
        known
            .map(str::to_owned)
            .ok_or(Refusal::bad("Not a flag that a client can set"))
    }

    /// ```text
    /// flag-list = "(" [flag *(SP flag)] ")"
    /// ```
    pub(crate) fn flag_list(&mut self) -> Parsed<Vec<String>> {
        self.list(LIST, Self::flag)
    }

    /// ```text
    /// date = date-text / DQUOTE date-text DQUOTE
    /// ```
    /// Days since 1970-01-01.
    pub(crate) fn date(&mut self) -> Parsed<i64> {
        let quoted = self.eat(b'"');
        let text = self.run(|b| b.is_ascii_alphanumeric() || b == b'-');
        let day = date::parse_date(text).ok_or(Refusal::bad("Expected a date like 1-Feb-1994"))?;
        if quoted {
            self.expect(b'"', "Expected the end of the date")?;
        }
        Ok(day)
    }

    /// `date-time`, see [`date::parse_date_time`].
    pub(crate) fn date_time(&mut self) -> Parsed<(i64, i16)> {
        let text = self.string()?;
        date::parse_date_time(&text).ok_or(Refusal::bad(
            "Expected a date-time like \"17-Jul-1996 02:44:25 -0700\"",
        ))
    }

    /// A string as ASCII text.
    pub(crate) fn ascii(&mut self, otherwise: &'static str) -> Parsed<String> {
        let octets = self.astring()?;
        ascii(&octets)
            .map(str::to_owned)
            .ok_or(Refusal::bad(otherwise))
    }
}

/// ATOM-CHAR: any CHAR except `(){`, SP, CTL, `%*`, `"\` and `]`.
pub(crate) fn is_atom_char(b: u8) -> bool {
    b.is_ascii_graphic() && !matches!(b, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// ASTRING-CHAR: ATOM-CHAR and `]`.
pub(crate) fn is_astring_char(b: u8) -> bool {
    is_atom_char(b) || b == b']'
}

fn ascii(octets: &[u8]) -> Option<&str> {
    std::str::from_utf8(octets)
        .ok()
        .filter(|text| !text.is_empty() && text.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parser(text: &str) -> Parser<'_> {
        Parser::new(text.as_bytes(), Spelling::Utf7)
    }

    #[test]
    fn strings() {
        fn check(text: &str, expected: Option<&str>) {
            let mut p = parser(text);
            let parsed = p.astring().and_then(|s| p.end().map(|()| s));
            assert_eq!(
                parsed.ok().as_deref(),
                expected.map(str::as_bytes),
                "{text:?}"
            );
        }
        check("atom", Some("atom"));
        check("a]b+~", Some("a]b+~"));
        check("\"a b\"", Some("a b"));
        check("\"\"", Some(""));
        check(r#""a\"b\\c""#, Some(r#"a"b\c"#));
        check("{3}\r\na\"b", Some("a\"b"));
        check("{0+}\r\n", Some(""));
        for broken in [
            "",
            "(",
            "a(b",
            "\"a",
            r#""\n""#,
            "\"a\rb\"",
            "\"a\0b\"",
            "{3}\r\nab",
            "{3}ab",
            "{a}\r\n",
            "{1}\r\n\0",
            "a{1}\r\nb",
            "~{1}\r\na",
            "a%",
            "é",
        ] {
            check(broken, None);
        }
    }

    #[test]
    fn flags() {
        fn check(text: &str, expected: Option<&[&str]>) {
            let mut p = parser(text);
            let parsed = p.flag_list().and_then(|s| p.end().map(|()| s)).ok();
            assert_eq!(
                parsed,
                expected.map(|flags| flags.iter().map(|&f| f.to_owned()).collect()),
                "{text:?}"
            );
        }
        check("()", Some(&[]));
        check(
            "(\\seen $Junk \\DELETED x)",
            Some(&["\\Seen", "$Junk", "\\Deleted", "x"]),
        );
        for broken in [
            "",
            "(",
            "( )",
            "(\\Recent)",
            "(\\*)",
            "(a  b)",
            "(a )",
            "(\\ Seen)",
            "(a\"b)",
            "(\\X-Foo)",
        ] {
            check(broken, None);
        }
        let many = vec!["a"; LIST].join(" ");
        assert!(parser(&format!("({many})")).flag_list().is_ok());
        assert!(parser(&format!("({many} a)")).flag_list().is_err());
    }

    #[test]
    fn mailboxes() {
        fn check(text: &str, expected: Option<&str>) {
            assert_eq!(parser(text).mailbox().ok().as_deref(), expected, "{text:?}");
        }
        check("inbox", Some("INBOX"));
        check("Sent/", Some("Sent"));
        check("\"V&AQM-n b&HqM-n &AREevw-n\"", Some("Văn bản đến"));
        check("\"Văn\"", None);
        check("\"\"", None);
        check("/", None);
    }

    #[test]
    fn keywords_end_at_their_end() {
        assert!(parser("nil").keyword("NIL"));
        assert!(parser("NIL)").keyword("NIL"));
        assert!(!parser("NILs").keyword("NIL"));
        assert!(!parser("NI").keyword("NIL"));
    }
}
