//! Replies of a server, read by the client: bounded, tolerant of sloppy texts, strict about codes.

use crate::client::ServerReply;

/// Lines of one reply: EHLO has about twenty; more than this is no reply.
const MAX_LINES: usize = 200;
/// Octets kept of a reply's joined text: enough for any explanation, small enough to store.
const MAX_TEXT: usize = 2_048;

/// What a client got is no SMTP reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an SMTP reply")]
pub struct Garbage;

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// 200–599.
    pub code: u16,
    /// The texts after the codes, sanitized: printable, no controls.
    pub texts: Vec<String>,
}

/// Collects the lines of one reply after another.
#[derive(Debug, Default)]
pub struct ReplyReader {
    code: Option<u16>,
    texts: Vec<String>,
}

impl ReplyReader {
    /// The next line, without its end. `Some` when the reply is complete.
    ///
    /// ```text
    /// Reply-line = *( Reply-code "-" [ textstring ] CRLF )
    ///              Reply-code [ SP textstring ] CRLF            ; RFC 5321 section 4.2
    /// Reply-code = %x32-35 %x30-35 %x30-39
    /// ```
    /// Deviates: any second digit is taken; only the first decides what the client does (RFC 5321 section
    /// 4.3.2 asks for that).
    pub fn line(&mut self, line: &[u8]) -> Result<Option<Lines>, Garbage> {
        let (digits, rest) = line.split_at_checked(3).ok_or(Garbage)?;
        let code = match *digits {
            [a @ b'2'..=b'5', b, c] if b.is_ascii_digit() && c.is_ascii_digit() => {
                u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
            }
            _ => return Err(Garbage),
        };
        if self.code.is_some_and(|first| first != code) || self.texts.len() >= MAX_LINES {
            return Err(Garbage);
        }
        let (last, text) = match rest {
            [] => (true, &[][..]),
            [b' ', text @ ..] => (true, text),
            [b'-', text @ ..] => (false, text),
            _ => return Err(Garbage),
        };
        self.code = Some(code);
        self.texts.push(sanitize(text));
        if !last {
            return Ok(None);
        }
        self.code = None;
        Ok(Some(Lines {
            code,
            texts: std::mem::take(&mut self.texts),
        }))
    }
}

impl Lines {
    /// As it is reported: the enhanced code cut off each line, the lines joined.
    pub fn into_reply(self) -> ServerReply {
        let mut enhanced = None;
        let mut text = String::new();
        for line in &self.texts {
            let (status, rest) = match line.split_once(' ').unwrap_or((line, "")) {
                (word, rest) if status(word).is_some_and(|s| u16::from(s.0) == self.code / 100) => {
                    (status(word), rest)
                }
                _ => (None, line.as_str()),
            };
            enhanced = enhanced.or(status);
            if !text.is_empty() && !rest.is_empty() {
                text.push(' ');
            }
            text.push_str(rest);
        }
        let mut end = text.len().min(MAX_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        ServerReply {
            code: self.code,
            enhanced,
            text,
        }
    }
}

/// `class "." subject "." detail`, RFC 3463 section 2.
fn status(word: &str) -> Option<(u8, u16, u16)> {
    let mut numbers = word.split('.');
    let mut number = |digits: usize| {
        let text = numbers.next()?;
        let sound =
            !text.is_empty() && text.len() <= digits && text.bytes().all(|o| o.is_ascii_digit());
        sound.then(|| text.parse::<u16>().ok()).flatten()
    };
    let class = u8::try_from(number(1)?).ok()?;
    let status = (class, number(3)?, number(3)?);
    numbers.next().is_none().then_some(status)
}

fn sanitize(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&[u8]]) -> Result<Option<Lines>, Garbage> {
        let mut reader = ReplyReader::default();
        let mut last = Ok(None);
        for line in lines {
            last = reader.line(line);
            if last != Ok(None) {
                break;
            }
        }
        last
    }

    #[test]
    fn replies() {
        let reply = read(&[b"550-5.1.1 No such", b"550 5.1.1 user\x1b here"]);
        let reply = reply.expect("reply").expect("complete").into_reply();
        let expected = ServerReply {
            code: 550,
            enhanced: Some((5, 1, 1)),
            text: "No such user? here".into(),
        };
        assert_eq!(reply, expected);
        let plain = |line: &[u8]| {
            read(&[line])
                .expect("reply")
                .expect("complete")
                .into_reply()
        };
        assert_eq!(plain(b"250").text, "");
        assert_eq!(plain(b"250 2.1.0").enhanced, Some((2, 1, 0)));
        assert_eq!(plain(b"550 4.1.0 x").enhanced, None);
        assert_eq!(plain(b"550 4.1.0 x").text, "4.1.0 x");
        assert_eq!(plain(b"250 2.0.0.1 x").enhanced, None);
        assert_eq!(plain(b"250 2.1000.0 x").enhanced, None);
        assert_eq!(
            plain("550 Không có người này".as_bytes()).text,
            "Không có người này"
        );
        let long = [b"550 ".to_vec(), "ễ".repeat(MAX_TEXT).into_bytes()].concat();
        assert!(plain(&long).text.len() <= MAX_TEXT);
    }

    #[test]
    fn garbage() {
        for bad in [
            &b""[..],
            b"25",
            b"HTTP/1.1 400",
            b"150 x",
            b"650 x",
            b"2x0 x",
            b"250x",
            b"250\tx",
        ] {
            assert_eq!(read(&[bad]), Err(Garbage), "{}", bad.escape_ascii());
        }
        assert_eq!(read(&[b"250-a", b"251 b"]), Err(Garbage));
        assert_eq!(read(&vec![&b"250-a"[..]; MAX_LINES + 1]), Err(Garbage));
        assert_eq!(read(&[b"250-a"]), Ok(None));
    }
}
