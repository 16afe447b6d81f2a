//! Address lists of header fields (From, To, Cc …) as the ENVELOPE wants them, groups included.
//!
//! Reads what people's programs write, not only what RFC 5322 allows; never fails. Addresses of the SMTP
//! envelope, which must be right, are `address::Address`.

use crate::guard::ADDRESSES_MAX;
use crate::header::unfold;
use crate::summary::Mailbox;
use crate::token::Cursor;
use crate::words;

/// How many addresses may still be read of one message.
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
    /// More were there.
    pub(crate) exceeded: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            left: ADDRESSES_MAX,
            exceeded: false,
        }
    }
}

impl Budget {
    fn take(&mut self) -> bool {
        self.exceeded |= self.left == 0;
        self.left = self.left.saturating_sub(1);
        !self.exceeded
    }
}

/// Reads an address list. A missing domain is `Some("")`: `None` would mean a group (RFC 9051 section 7.5.2).
///
/// ```text
/// address-list = address *("," address)                    ; RFC 5322 section 3.4
/// address      = mailbox / group
/// group        = display-name ":" [group-list] ";"
/// mailbox      = [display-name] "<" [route] addr-spec ">" / addr-spec
/// ```
pub(crate) fn parse(value: &[u8], budget: &mut Budget) -> Vec<Mailbox> {
    let flat = unfold(value);
    let mut reader = Reader {
        cursor: Cursor::new(&flat),
        list: Vec::new(),
        current: Current::default(),
        in_group: false,
    };
    reader.run(budget);
    reader.list
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    list: Vec<Mailbox>,
    current: Current,
    in_group: bool,
}

/// The address that is being read.
#[derive(Default)]
struct Current {
    words: Vec<Word>,
    angle: Option<(String, String)>,
    comment: Option<String>,
}

struct Word {
    bytes: Vec<u8>,
    /// An `@` outside quotes.
    at: bool,
    /// Blanks stand before it.
    space: bool,
}

impl Reader<'_> {
    fn run(&mut self, budget: &mut Budget) {
        loop {
            let space = self.cursor.blanks();
            let Some(b) = self.cursor.peek() else { break };
            match b {
                b'(' => {
                    let comment = self.cursor.comment();
                    self.current
                        .comment
                        .get_or_insert_with(|| words::decode(&comment));
                }
                b'"' => {
                    let bytes = self.cursor.quoted();
                    self.current.words.push(Word {
                        bytes,
                        at: false,
                        space,
                    });
                }
                b'<' => {
                    self.divide(budget);
                    self.cursor.bump();
                    self.current.angle = Some(self.angle());
                }
                b',' | b';' => {
                    self.cursor.bump();
                    self.finish(budget);
                    if b == b';' {
                        self.end_group();
                    }
                }
                b':' if !self.in_group && self.current.angle.is_none() => {
                    self.cursor.bump();
                    if budget.take() {
                        let name = phrase(&self.current.words);
                        self.list.push(Mailbox {
                            name: None,
                            mailbox: Some(name),
                            host: None,
                        });
                        self.in_group = true;
                    }
                    self.current = Current::default();
                }
                b'@' => {
                    self.cursor.bump();
                    if self.current.angle.is_some() {
                        let word = self.current.words.pop();
                        self.divide(budget);
                        self.current.words.extend(word);
                    }
                    self.current.words.push(Word {
                        bytes: b"@".to_vec(),
                        at: true,
                        space,
                    });
                }
                b'[' => {
                    let mut bytes = self
                        .cursor
                        .until(|b| matches!(b, b']' | b',' | b';' | b'>'))
                        .to_vec();
                    if self.cursor.peek() == Some(b']') {
                        self.cursor.bump();
                        bytes.push(b']');
                    }
                    self.current.words.push(Word {
                        bytes,
                        at: false,
                        space,
                    });
                }
                b'>' | b')' | b':' => self.cursor.bump(),
                _ => {
                    let bytes = self.atom();
                    self.current.words.push(Word {
                        bytes,
                        at: false,
                        space,
                    });
                }
            }
        }
        self.finish(budget);
        self.end_group();
    }

    /// `<an@x.test> <binh@y.test>`, `<an@x.test> binh@y.test`: a comma is missing. Mail programs differ in which
    /// of the two they show, so whoever judges an author must see both.
    fn divide(&mut self, budget: &mut Budget) {
        if self.current.angle.is_some() {
            self.finish(budget);
        }
    }

    /// An atom, or a whole encoded word with whatever it holds (`=?utf-8?Q?Nguyễn,_An?=`).
    fn atom(&mut self) -> Vec<u8> {
        let rest = self.cursor.rest();
        if rest.starts_with(b"=?") {
            // An encoded word has 75 octets; those that have more rarely have 250.
            let near = &rest[..rest.len().min(250)];
            let end = near
                .windows(2)
                .enumerate()
                .skip(2)
                .find(|(at, pair)| *pair == b"?=" && near[..*at].split(|&b| b == b'?').count() > 3)
                .map(|(at, _)| at + 2);
            if let Some(end) = end
                && !near[..end]
                    .iter()
                    .any(|b| matches!(b, b' ' | b'\t' | b'<' | b'"'))
            {
                self.cursor.skip(end);
                return near[..end].to_vec();
            }
        }
        let atom = self.cursor.until(|b| {
            matches!(
                b,
                b'(' | b')' | b'<' | b'>' | b'@' | b',' | b';' | b':' | b'"' | b' ' | b'\t'
            )
        });
        atom.to_vec()
    }

    /// After `<`: the address up to `>`; a route before it is dropped.
    fn angle(&mut self) -> (String, String) {
        self.cursor.blanks();
        if self.cursor.peek() == Some(b'@') {
            self.cursor.until(|b| matches!(b, b':' | b'>'));
            if self.cursor.peek() == Some(b':') {
                self.cursor.bump();
            }
            self.cursor.blanks();
        }
        let mut local = Vec::new();
        while self.cursor.peek() == Some(b'"') {
            local.append(&mut self.cursor.quoted());
        }
        let rest = self.cursor.until(|b| b == b'>').trim_ascii();
        self.cursor.bump();
        let (before, host) = match rest.iter().rposition(|&b| b == b'@') {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (rest, b"".as_slice()),
        };
        local.extend_from_slice(before.trim_ascii());
        (text(&local), text(host.trim_ascii()))
    }

    fn finish(&mut self, budget: &mut Budget) {
        let Current {
            words,
            angle,
            comment,
        } = std::mem::take(&mut self.current);
        if (words.is_empty() && angle.is_none()) || !budget.take() {
            return;
        }
        let (name, mailbox, host) = match angle {
            Some((mailbox, host)) => (phrase(&words), mailbox, host),
            None => bare(&words),
        };
        let name = Some(name)
            .filter(|name| !name.is_empty())
            .or(comment)
            .filter(|name| !name.is_empty());
        self.list.push(Mailbox {
            name,
            mailbox: Some(mailbox),
            host: Some(host),
        });
    }

    fn end_group(&mut self) {
        if std::mem::take(&mut self.in_group) {
            self.list.push(Mailbox::default());
        }
    }
}

/// An address without angle brackets: (name, local part, domain). Words that stand apart are the name.
fn bare(words: &[Word]) -> (String, String, String) {
    let Some(at) = words.iter().rposition(|word| word.at) else {
        return match words {
            [one] => (String::new(), text(&one.bytes), String::new()),
            _ => (phrase(words), String::new(), String::new()),
        };
    };
    // `an @ x.test` is legal, so the neighbours of "@" belong to it even across blanks.
    let mut from = at.saturating_sub(1);
    while from > 0 && words.get(from).is_some_and(|word| !word.space) && at > 0 {
        from -= 1;
    }
    let mut to = (at + 2).min(words.len());
    while words.get(to).is_some_and(|word| !word.space) {
        to += 1;
    }
    let concat = |range: &[Word]| {
        text(
            &range
                .iter()
                .flat_map(|word| word.bytes.iter().copied())
                .collect::<Vec<_>>(),
        )
    };
    let mut name = phrase(&words[..from]);
    let after = phrase(&words[to..]);
    if !name.is_empty() && !after.is_empty() {
        name.push(' ');
    }
    name.push_str(&after);
    (name, concat(&words[from..at]), concat(&words[at + 1..to]))
}

/// A display name with its own spacing, decoded.
fn phrase(words: &[Word]) -> String {
    let mut bytes = Vec::new();
    for word in words {
        if word.space && !bytes.is_empty() {
            bytes.push(b' ');
        }
        bytes.extend_from_slice(&word.bytes);
    }
    words::decode(&bytes)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: &[(Option<&str>, Option<&str>, Option<&str>)]) {
        let list = parse(value.as_bytes(), &mut Budget::default());
        let found: Vec<_> = list
            .iter()
            .map(|m| (m.name.as_deref(), m.mailbox.as_deref(), m.host.as_deref()))
            .collect();
        assert_eq!(found, expected, "{value:?}");
    }

    #[test]
    fn mailboxes() {
        let an = (Some("An"), Some("an"), Some("x.test"));
        check("an@x.test", &[(None, Some("an"), Some("x.test"))]);
        check("An <an@x.test>", &[an]);
        check("an@x.test (An)", &[an]);
        check(
            "\"An\" <an@x.test>, b@y.test",
            &[an, (None, Some("b"), Some("y.test"))],
        );
        check(
            "Nguyễn Văn A <a@x.test>",
            &[(Some("Nguyễn Văn A"), Some("a"), Some("x.test"))],
        );
        check(
            "=?utf-8?q?Nguy=E1=BB=85n?= =?utf-8?q?_An?= <a@x.test>",
            &[(Some("Nguyễn An"), Some("a"), Some("x.test"))],
        );
        check(
            "=?utf-8?q?Nguyen,_An?= <a@x.test>",
            &[(Some("Nguyen, An"), Some("a"), Some("x.test"))],
        );
        check(
            "\"Phòng, Ban\" <a@x.test>",
            &[(Some("Phòng, Ban"), Some("a"), Some("x.test"))],
        );
        check("\"a b\"@x.test", &[(None, Some("a b"), Some("x.test"))]);
        check("<\"a@b\"@x.test>", &[(None, Some("a@b"), Some("x.test"))]);
        check("a.b@x.test", &[(None, Some("a.b"), Some("x.test"))]);
        check("An an@x.test", &[an]);
        check("an@x.test An", &[an]);
        check(
            "a@x.test <an@x.test>",
            &[(Some("a@x.test"), Some("an"), Some("x.test"))],
        );
        check(
            "<@r.test,@s.test:an@x.test>",
            &[(None, Some("an"), Some("x.test"))],
        );
        check(
            "a@[IPv6:2001:db8::1], b@y.test",
            &[
                (None, Some("a"), Some("[IPv6:2001:db8::1]")),
                (None, Some("b"), Some("y.test")),
            ],
        );
    }

    #[test]
    fn groups() {
        check(
            "undisclosed-recipients:;",
            &[
                (None, Some("undisclosed-recipients"), None),
                (None, None, None),
            ],
        );
        check(
            "Ban A: a@x.test, B <b@x.test>; c@x.test",
            &[
                (None, Some("Ban A"), None),
                (None, Some("a"), Some("x.test")),
                (Some("B"), Some("b"), Some("x.test")),
                (None, None, None),
                (None, Some("c"), Some("x.test")),
            ],
        );
        check(
            "A: a@x.test",
            &[
                (None, Some("A"), None),
                (None, Some("a"), Some("x.test")),
                (None, None, None),
            ],
        );
    }

    #[test]
    fn broken() {
        check("", &[]);
        check(",,, ;", &[]);
        check("root", &[(None, Some("root"), Some(""))]);
        check("Nguyễn An", &[(Some("Nguyễn An"), Some(""), Some(""))]);
        check("<>", &[(None, Some(""), Some(""))]);
        check("An <an@x.test", &[(Some("An"), Some("an"), Some("x.test"))]);
        check("@", &[(None, Some(""), Some(""))]);
        check("(((((", &[]);
        check("\"", &[(None, Some(""), Some(""))]);
        let two = [
            (None, Some("a"), Some("x.test")),
            (None, Some("b"), Some("y.test")),
        ];
        check("<a@x.test> <b@y.test>", &two);
        check("<a@x.test> b@y.test", &two);
        check("<a@x.test> b @ y.test", &two);
        check("<a@x.test><b@y.test>", &two);
        check("<a@x.test> B", &[(Some("B"), Some("a"), Some("x.test"))]);
        check("a@x.test\0\x1b", &[(None, Some("a"), Some("x.test"))]);
    }

    #[test]
    fn bounded() {
        let many = "a@x.test,".repeat(20_000);
        let mut budget = Budget::default();
        assert_eq!(parse(many.as_bytes(), &mut budget).len(), ADDRESSES_MAX);
        assert!(budget.exceeded);
        for piece in ["(", "<", "\"", "=?", ":", "@", "[", "a ", "=?a?q?"] {
            parse(piece.repeat(100_000).as_bytes(), &mut Budget::default());
        }
    }
}
