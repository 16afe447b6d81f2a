//! Raw header fields: a cheap iterator over octets, finding, counting, prepending, field filters.
//!
//! Nothing is decoded here; the values stay the octets of the message, so that HEADER.FIELDS, DKIM and
//! loop detection see what was sent. Decoding is in `text`, `list`, `params`.

/// Octets of a line that RFC 5322 section 2.1.1 allows at most, without CRLF.
pub const LINE_MAX: usize = 998;

/// One field of a header block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Name as written, without colon and without space before it.
    pub name: &'a [u8],
    /// Value with its folding, from after the colon to before the last line end.
    pub value: &'a [u8],
    /// The whole field with its line ends.
    pub raw: &'a [u8],
    /// Where `raw` begins in the block given to [`fields`].
    pub at: usize,
}

impl Field<'_> {
    /// Whether this is the field of that name (ASCII case does not matter).
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The value unfolded (RFC 5322 section 2.2.3) and trimmed of ASCII blanks, invalid UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&unfold(self.value)).into_owned()
    }
}

/// Iterates over the fields at the beginning of `raw`; stops at the empty line that ends the block.
/// A line that is no field and no continuation is passed over, as every mail program does (mbox
/// `From ` lines, broken software); it is still part of the block.
pub fn fields(raw: &[u8]) -> Fields<'_> {
    Fields { raw, at: 0 }
}

/// See [`fields`].
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    raw: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        loop {
            let start = self.at;
            let mut end = line_end(self.raw, start);
            if end == start || is_blank(&self.raw[start..end]) {
                return None;
            }
            while matches!(self.raw.get(end), Some(b' ' | b'\t')) {
                end = line_end(self.raw, end);
            }
            self.at = end;
            let field = &self.raw[start..end];
            if let Some((name, value)) = split(field) {
                return Some(Field {
                    name,
                    value,
                    raw: field,
                    at: start,
                });
            }
        }
    }
}

/// Where the body begins: after the empty line that ends the header block, or at the end.
pub fn body_start(raw: &[u8]) -> usize {
    let mut at = 0;
    while at < raw.len() {
        let end = line_end(raw, at);
        if is_blank(&raw[at..end]) {
            return end;
        }
        at = end;
    }
    at
}

/// The first field of that name.
pub fn find<'a>(raw: &'a [u8], name: &str) -> Option<Field<'a>> {
    fields(raw).find(|field| field.is(name))
}

/// How many fields of that name there are.
pub fn count(raw: &[u8], name: &str) -> usize {
    fields(raw).filter(|field| field.is(name)).count()
}

/// How many relays the message passed, for loop detection (RFC 5321 section 6.3).
pub fn received(raw: &[u8]) -> usize {
    count(raw, "Received")
}

/// What a submitted or relayed header may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A line of the header is neither a field nor a continuation.
    #[error("a header line is not a field")]
    NotAField,
    /// NUL somewhere in the header.
    #[error("the header contains NUL")]
    Nul,
    /// From, Sender, Reply-To, To, Cc, Bcc, Message-ID, In-Reply-To, References, Subject or Date twice
    /// (RFC 5322 section 3.6), or no From.
    #[error("the header has {found} {name} fields")]
    Count {
        /// Field name.
        name: &'static str,
        /// How often it is there.
        found: usize,
    },
}

/// Fields that RFC 5322 section 3.6 allows once.
const ONCE: [&str; 11] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Subject",
    "Date",
];

/// Checks the basics that a submission must keep: every line a field, exactly one From, no field twice
/// that may stand once.
pub fn check(raw: &[u8]) -> Result<(), HeaderError> {
    let block = &raw[..body_start(raw)];
    if block.contains(&0) {
        return Err(HeaderError::Nul);
    }
    let mut found = [0_usize; ONCE.len()];
    let mut covered = 0;
    for field in fields(block) {
        if field.at != covered {
            return Err(HeaderError::NotAField);
        }
        covered = field.at + field.raw.len();
        if let Some(which) = ONCE.iter().position(|name| field.is(name)) {
            found[which] += 1;
        }
    }
    let rest = block.get(covered..).unwrap_or_default();
    if !is_blank(rest) && !rest.is_empty() {
        return Err(HeaderError::NotAField);
    }
    for (name, found) in ONCE.into_iter().zip(found) {
        if found > 1 || (name == "From" && found == 0) {
            return Err(HeaderError::Count { name, found });
        }
    }
    Ok(())
}

/// Puts complete fields (each ended by CRLF) before the message.
pub fn prepend(header: &str, raw: &[u8]) -> Vec<u8> {
    debug_assert!(
        header.is_empty() || header.ends_with("\r\n"),
        "a field without line end"
    );
    let mut whole = Vec::with_capacity(header.len() + raw.len());
    whole.extend_from_slice(header.as_bytes());
    whole.extend_from_slice(raw);
    whole
}

/// The fields whose names are in `names` (`not`: are not in `names`), as HEADER.FIELDS and
/// HEADER.FIELDS.NOT want them (RFC 9051 section 6.4.5.1): raw, in their order, then the empty line.
pub fn select(raw: &[u8], names: &[String], not: bool) -> Vec<u8> {
    let mut chosen = Vec::new();
    for field in fields(raw) {
        if names.iter().any(|name| field.is(name)) != not {
            chosen.extend_from_slice(field.raw);
            // A block cut off inside a field (end of message) still gives whole lines.
            if !field.raw.ends_with(b"\n") {
                chosen.extend_from_slice(b"\r\n");
            }
        }
    }
    chosen.extend_from_slice(b"\r\n");
    chosen
}

/// A value without its folding: line ends taken out, ASCII blanks around it trimmed. Works on octets:
/// `A0` inside a UTF-8 sequence (`à` is `C3 A0`) is no blank.
pub fn unfold(value: &[u8]) -> Vec<u8> {
    let mut flat: Vec<u8> = value
        .iter()
        .copied()
        .filter(|b| !matches!(b, b'\r' | b'\n'))
        .collect();
    let end = flat
        .iter()
        .rposition(|b| !matches!(b, b' ' | b'\t'))
        .map_or(0, |last| last + 1);
    flat.truncate(end);
    let start = flat
        .iter()
        .position(|b| !matches!(b, b' ' | b'\t'))
        .unwrap_or(0);
    flat.drain(..start);
    flat
}

/// Name and value of a field with its line ends; `None` if there is no name.
fn split(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = field.iter().position(|&b| b == b':')?;
    let mut name = &field[..colon];
    // obs-field-name: blanks before the colon (RFC 5322 section 4.5).
    while let [rest @ .., b' ' | b'\t'] = name {
        name = rest;
    }
    // ftext = %d33-57 / %d59-126; RFC 6532 leaves field names in ASCII.
    if name.is_empty() || !name.iter().all(|b| (33..=126).contains(b)) {
        return None;
    }
    let mut value = &field[colon + 1..];
    if let [rest @ .., b'\n'] = value {
        value = rest;
        if let [rest @ .., b'\r'] = value {
            value = rest;
        }
    }
    Some((name, value))
}

/// Where the line that begins at `at` ends, its line feed included.
pub(crate) fn line_end(raw: &[u8], at: usize) -> usize {
    raw.get(at..)
        .and_then(|rest| memchr::memchr(b'\n', rest))
        .map_or(raw.len(), |found| at + found + 1)
}

/// An empty line, with CRLF or LF.
pub(crate) fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\r\n" | b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &[u8] = b"Received: a\r\n\tb\r\nFrom : An <an@x.test>\r\nSubject: =?utf-8?q?H=E1=BB=8Dp?=\r\n  tiep\r\n\
        X-Empty:\r\nreceived: c\r\n\r\nBody: no field\r\n";

    #[test]
    fn iterates() {
        let found: Vec<(String, String)> = fields(MAIL)
            .map(|field| {
                (
                    String::from_utf8_lossy(field.name).into_owned(),
                    field.text(),
                )
            })
            .collect();
        let expected = [
            ("Received", "a\tb"),
            ("From", "An <an@x.test>"),
            ("Subject", "=?utf-8?q?H=E1=BB=8Dp?=  tiep"),
            ("X-Empty", ""),
            ("received", "c"),
        ];
        assert_eq!(
            found,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!(received(MAIL), 2);
        assert_eq!(&MAIL[body_start(MAIL)..], b"Body: no field\r\n");
        assert_eq!(find(MAIL, "FROM").unwrap().text(), "An <an@x.test>");
    }

    #[test]
    fn selects() {
        let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let check = |list: &[&str], not, expected: &str| {
            assert_eq!(
                String::from_utf8(select(MAIL, &names(list), not)).unwrap(),
                expected
            );
        };
        check(
            &["received"],
            false,
            "Received: a\r\n\tb\r\nreceived: c\r\n\r\n",
        );
        check(
            &["RECEIVED", "subject"],
            true,
            "From : An <an@x.test>\r\nX-Empty:\r\n\r\n",
        );
        check(&["absent"], false, "\r\n");
        assert_eq!(select(b"A: b", &names(&["a"]), false), b"A: b\r\n\r\n");
    }

    #[test]
    fn odd_blocks() {
        let names = |raw: &'static [u8]| fields(raw).map(|f| f.name).collect::<Vec<_>>();
        assert_eq!(names(b""), [b"" as &[u8]; 0]);
        assert_eq!(names(b"\r\nA: b\r\n"), [b"" as &[u8]; 0]);
        assert_eq!(names(b"From x Mon\nA: b\n\nC: d"), [b"A"]);
        assert_eq!(names(b" leading\r\nA: b\r\n"), [b"A"]);
        assert_eq!(names(b":x\r\nA:\r\n"), [b"A"]);
        assert_eq!(body_start(b"A: b\r\n"), 6);
        assert_eq!(body_start(b"A: b"), 4);
        assert_eq!(body_start(b"\r\nx"), 2);
        assert_eq!(
            unfold(" vào nhà nước, Ngày à\r\n".as_bytes()),
            "vào nhà nước, Ngày à".as_bytes()
        );
    }

    #[test]
    fn basics() {
        assert_eq!(check(b"From: a@x.test\r\n\r\n"), Ok(()));
        assert_eq!(check(b"From: a@x.test\r\nX: 1\r\nX: 2"), Ok(()));
        assert_eq!(
            check(b"To: a@x.test\r\n\r\n"),
            Err(HeaderError::Count {
                name: "From",
                found: 0
            })
        );
        assert_eq!(
            check(b"From: a\r\nfrom: b\r\n\r\n"),
            Err(HeaderError::Count {
                name: "From",
                found: 2
            })
        );
        assert_eq!(
            check(b"From: a\r\nnonsense\r\n\r\n"),
            Err(HeaderError::NotAField)
        );
        assert_eq!(
            check(b"nonsense\r\nFrom: a\r\n\r\n"),
            Err(HeaderError::NotAField)
        );
        assert_eq!(check(b"From: a\r\nX: \0\r\n\r\n"), Err(HeaderError::Nul));
    }
}
