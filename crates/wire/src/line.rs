//! Lines out of octets: bounded, and strict about what ends a line.
//!
//! Invariant: the buffer never holds more than one limit plus what one `push` brought, and an overlong
//! line costs no memory: its rest is thrown away as it comes. What a line means is not here.

/// One line, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// The octets before CRLF; no CR and no LF among them.
    Whole(Vec<u8>),
    /// It ended with LF alone, or a CR stood inside: two readers could disagree where it ends
    /// (command injection), so it must not be obeyed. The octets come without the final line end.
    Bare(Vec<u8>),
    /// Longer than the limit; thrown away up to its end.
    TooLong,
}

/// Collects octets and cuts lines.
#[derive(Debug, Clone)]
pub struct LineBuffer {
    /// What arrived; consumed octets stay in front until they are half of it, so that many short lines
    /// cost no more than one long one.
    octets: Vec<u8>,
    /// Where the octets that are not consumed begin.
    start: usize,
    /// Octets before this index hold no LF (never less than `start`).
    scanned: usize,
    limit: usize,
    discarding: bool,
}

impl LineBuffer {
    /// A buffer for lines of at most `limit` octets, their end not counted.
    pub fn new(limit: usize) -> Self {
        Self {
            octets: Vec::new(),
            start: 0,
            scanned: 0,
            limit,
            discarding: false,
        }
    }

    /// Octets from the peer.
    pub fn push(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// The next line, if it is complete.
    pub fn line(&mut self) -> Option<Line> {
        let unseen = self.octets.get(self.scanned..).unwrap_or_default();
        let Some(offset) = unseen.iter().position(|&o| o == b'\n') else {
            self.scanned = self.octets.len();
            // One more than the limit may be the CR of the line's end.
            if self.discarding || self.octets().len() > self.limit + 1 {
                self.discarding = true;
                self.clear_octets();
            }
            return None;
        };
        let length = self.scanned - self.start + offset;
        let mut line = self.take(length + 1);
        if std::mem::take(&mut self.discarding) {
            return Some(Line::TooLong);
        }
        line.pop();
        let ended_well = line.last() == Some(&b'\r');
        if ended_well {
            line.pop();
        }
        Some(if line.len() > self.limit {
            Line::TooLong
        } else if ended_well && !line.contains(&b'\r') {
            Line::Whole(line)
        } else {
            Line::Bare(line)
        })
    }

    /// What has arrived and is not consumed, for framing that is not by lines (literals, chunks, DATA).
    pub fn octets(&self) -> &[u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }

    /// Takes `count` octets (or all there are) off the front.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let octets = self.octets();
        let taken = octets.get(..count).unwrap_or(octets).to_vec();
        self.consume(taken.len());
        taken
    }

    /// Drops `count` octets (or all there are) off the front.
    pub fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.octets.len());
        self.scanned = self.scanned.max(self.start);
        if self.start * 2 >= self.octets.len() {
            self.octets.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
    }

    /// Forgets everything: before a TLS handshake (RFC 3207 section 5).
    pub fn clear(&mut self) {
        self.clear_octets();
        self.discarding = false;
    }

    /// Nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.octets().is_empty()
    }

    fn clear_octets(&mut self) {
        self.octets.clear();
        self.start = 0;
        self.scanned = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(limit: usize, input: &[u8], step: usize) -> Vec<Line> {
        let mut buffer = LineBuffer::new(limit);
        let mut found = Vec::new();
        for piece in input.chunks(step) {
            buffer.push(piece);
            while let Some(line) = buffer.line() {
                found.push(line);
            }
            assert!(buffer.octets().len() <= limit + 2, "bounded");
        }
        found
    }

    #[test]
    fn lines_are_cut_the_same_however_they_arrive() {
        let whole = |s: &str| Line::Whole(s.into());
        let bare = |s: &str| Line::Bare(s.into());
        let table: [(&[u8], Vec<Line>); 7] = [
            (b"NOOP\r\nQUIT\r\n", vec![whole("NOOP"), whole("QUIT")]),
            (b"\r\n", vec![whole("")]),
            (b"NOOP\nQUIT\r\n", vec![bare("NOOP"), whole("QUIT")]),
            (b"NO\rOP\r\n", vec![bare("NO\rOP")]),
            (b"NOOP\r\r\n", vec![bare("NOOP\r")]),
            (
                b"123456789\r\nok\r\n12345678\r\n",
                vec![Line::TooLong, whole("ok"), whole("12345678")],
            ),
            (b"unfinished", vec![]),
        ];
        for (input, expected) in table {
            for step in 1..=input.len() {
                assert_eq!(
                    lines(8, input, step),
                    expected,
                    "{} step {step}",
                    input.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn an_endless_line_costs_no_memory() {
        let mut buffer = LineBuffer::new(100);
        for _ in 0..10_000 {
            buffer.push(&[b'x'; 512]);
            assert_eq!(buffer.line(), None);
            assert!(buffer.octets().len() <= 101);
        }
        buffer.push(b"\r\nQUIT\r\n");
        assert_eq!(buffer.line(), Some(Line::TooLong));
        assert_eq!(buffer.line(), Some(Line::Whole(b"QUIT".to_vec())));
    }

    #[test]
    fn raw_octets_and_lines_mix() {
        let mut buffer = LineBuffer::new(100);
        buffer.push(b"BDAT 3\r\nab\nNOOP\r\n");
        assert_eq!(buffer.line(), Some(Line::Whole(b"BDAT 3".to_vec())));
        assert_eq!(buffer.take(3), b"ab\n");
        assert_eq!(buffer.line(), Some(Line::Whole(b"NOOP".to_vec())));
        assert!(buffer.is_empty());
    }
}
