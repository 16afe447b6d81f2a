//! Reading structured header values: blanks, comments, quoted strings. Iterative; any octets are survived.

/// A place in an unfolded header value.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn bump(&mut self) {
        self.skip(1);
    }

    pub(crate) fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.bytes.len());
    }

    /// Passes blanks; whether there were any.
    pub(crate) fn blanks(&mut self) -> bool {
        let from = self.at;
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.at > from
    }

    /// Octets up to the first one that `stop` names, which stays.
    pub(crate) fn until(&mut self, stop: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|&b| stop(b)).unwrap_or(rest.len());
        self.skip(length);
        &rest[..length]
    }

    /// The inside of a comment that begins here, nested comments included (RFC 5322 section 3.2.2).
    pub(crate) fn comment(&mut self) -> Vec<u8> {
        let mut inside = Vec::new();
        let mut depth = 0_usize;
        while let Some(b) = self.peek() {
            self.bump();
            match b {
                b'(' => {
                    depth += 1;
                    if depth == 1 {
                        continue;
                    }
                }
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                b'\\' => {
                    inside.extend(self.peek());
                    self.bump();
                    continue;
                }
                _ => {}
            }
            inside.push(b);
        }
        inside
    }

    /// The content of a quoted string that begins here, unescaped (RFC 5322 section 3.2.4).
    pub(crate) fn quoted(&mut self) -> Vec<u8> {
        self.bump();
        let mut content = Vec::new();
        while let Some(b) = self.peek() {
            self.bump();
            match b {
                b'"' => break,
                b'\\' => {
                    content.extend(self.peek());
                    self.bump();
                }
                _ => content.push(b),
            }
        }
        content
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn comments_and_quotes() {
        let comment = |text: &'static str| {
            let mut cursor = Cursor::new(text.as_bytes());
            (String::from_utf8(cursor.comment()).unwrap(), cursor.rest())
        };
        assert_eq!(
            comment("(a (b) c)x"),
            ("a (b) c".to_owned(), b"x".as_slice())
        );
        assert_eq!(comment("(a \\) b)"), ("a ) b".to_owned(), b"".as_slice()));
        assert_eq!(comment("((((a"), ("(((a".to_owned(), b"".as_slice()));
        assert_eq!(comment("(a\\"), ("a".to_owned(), b"".as_slice()));
        let quoted = |text: &'static str| {
            let mut cursor = Cursor::new(text.as_bytes());
            (String::from_utf8(cursor.quoted()).unwrap(), cursor.rest())
        };
        assert_eq!(
            quoted("\"a \\\"b\\\"\"x"),
            ("a \"b\"".to_owned(), b"x".as_slice())
        );
        assert_eq!(quoted("\"open"), ("open".to_owned(), b"".as_slice()));
        assert_eq!(quoted("\"\\"), (String::new(), b"".as_slice()));
    }
}
