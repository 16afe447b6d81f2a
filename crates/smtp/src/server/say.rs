//! Replies on their way out: fixed ones, the service's, and their form on the wire.

use crate::ask::Reply;

/// A fixed reply: code, enhanced status, text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said(
    pub(super) u16,
    pub(super) (u8, u16, u16),
    pub(super) &'static str,
);

impl From<Said> for Reply {
    fn from(Said(code, enhanced, text): Said) -> Self {
        Self::new(code, enhanced, text)
    }
}

/// Octets of text in one reply line, so that code, enhanced status and CRLF stay within the 512 octets of
/// RFC 5321 section 4.5.3.1.5.
const MAX_TEXT: usize = 480;

/// Replies that wait to be written, so that pipelined commands are answered in one packet (RFC 2920).
#[derive(Debug, Default)]
pub(super) struct Output(Vec<u8>);

impl Output {
    /// Adds a reply: each line with its enhanced status (RFC 2034), controls and 8-bit octets as `?`.
    pub(super) fn reply(&mut self, reply: &Reply) {
        let (class, subject, detail) = reply.enhanced;
        let status = format!("{class}.{subject}.{detail} ");
        self.lines(reply.code, &status, &split(&reply.text));
    }

    /// Adds a reply without enhanced status: the banner, EHLO's list, 354 and 334.
    pub(super) fn plain(&mut self, code: u16, lines: &[String]) {
        self.lines(code, "", lines);
    }

    fn lines(&mut self, code: u16, status: &str, lines: &[String]) {
        let last = lines.len().saturating_sub(1);
        for (index, line) in lines.iter().enumerate() {
            let mark = if index == last { ' ' } else { '-' };
            self.0
                .extend_from_slice(format!("{code}{mark}{status}").as_bytes());
            let printable = |o: u8| {
                if o == b' ' || o.is_ascii_graphic() {
                    o
                } else {
                    b'?'
                }
            };
            self.0.extend(line.bytes().map(printable));
            self.0.extend_from_slice(b"\r\n");
        }
    }

    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        (!self.0.is_empty()).then(|| std::mem::take(&mut self.0))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Cuts a long text at blanks where there are any; at least one line.
fn split(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_ascii_whitespace() {
        for piece in word.as_bytes().chunks(MAX_TEXT) {
            let piece = String::from_utf8_lossy(piece);
            let line = lines.last_mut().expect("never empty");
            if line.len() + 1 + piece.len() > MAX_TEXT && !line.is_empty() {
                lines.push(piece.into_owned());
                continue;
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&piece);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let mut output = Output::default();
        output.reply(&Reply::new(550, (5, 7, 1), text));
        String::from_utf8(output.take().expect("something")).expect("ASCII")
    }

    #[test]
    fn replies_cannot_break_their_line() {
        assert_eq!(said("no"), "550 5.7.1 no\r\n");
        assert_eq!(said(""), "550 5.7.1 \r\n");
        assert_eq!(said("a\r\n250 b\0ễ"), "550 5.7.1 a 250 b????\r\n");
    }

    #[test]
    fn long_texts_become_lines() {
        let text = said(&"mười ".repeat(300));
        let lines: Vec<&str> = text.trim_end().split("\r\n").collect();
        assert!(lines.len() > 3);
        assert!(lines.iter().all(|line| line.len() <= 510));
        assert!(
            lines
                .iter()
                .rev()
                .skip(1)
                .all(|line| line.starts_with("550-5.7.1 "))
        );
        assert!(
            lines
                .last()
                .is_some_and(|line| line.starts_with("550 5.7.1 "))
        );
        assert!(
            said(&"x".repeat(5_000))
                .lines()
                .all(|line| line.len() <= 510)
        );
    }
}
