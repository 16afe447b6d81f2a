//! A message as DATA wants it: CRLF line ends, a dot before each dot that begins a line, and the end.
//!
//! Invariant: CR LF `.` CR LF comes out once, at the end, whatever goes in; no CR and no LF stands alone, so
//! that no server behind can see another end (outbound SMTP smuggling).

/// Stuffs a message piece by piece.
#[derive(Debug)]
pub(super) struct Stuffer {
    line_start: bool,
    /// A CR came whose LF may still come.
    cr: bool,
}

impl Stuffer {
    pub(super) fn new() -> Self {
        Self {
            line_start: true,
            cr: false,
        }
    }

    /// Appends the next octets to `out`. A bare LF or CR becomes CRLF: such messages arrive only by ways
    /// that do not come through SMTP (the server machine refuses them).
    pub(super) fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let mut rest = octets;
        while let Some((&octet, after)) = rest.split_first() {
            if std::mem::take(&mut self.cr) {
                self.end_line(out);
                if octet == b'\n' {
                    rest = after;
                    continue;
                }
            }
            match octet {
                b'\r' => {
                    self.cr = true;
                    rest = after;
                }
                b'\n' => {
                    self.end_line(out);
                    rest = after;
                }
                _ => {
                    if self.line_start && octet == b'.' {
                        out.push(b'.');
                    }
                    self.line_start = false;
                    let text = rest.iter().position(|&o| o == b'\r' || o == b'\n');
                    let (text, after) = rest.split_at(text.unwrap_or(rest.len()));
                    out.extend_from_slice(text);
                    rest = after;
                }
            }
        }
    }

    /// Appends the end. A last line without its end gets one.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        if self.cr || !self.line_start {
            self.end_line(out);
        }
        out.extend_from_slice(b".\r\n");
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\r\n");
        self.line_start = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_ends_once() {
        for (input, expected) in [
            (&b""[..], &b".\r\n"[..]),
            (b"a\r\n", b"a\r\n.\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b".\r\n", b"..\r\n.\r\n"),
            (b"..a\r\n.b", b"...a\r\n..b\r\n.\r\n"),
            (b"a.\r\n", b"a.\r\n.\r\n"),
            (b"a\n.\nb\n", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r.\rb\r", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r\r\n.\r\n", b"a\r\n\r\n..\r\n.\r\n"),
            (b"a\n\r.\r\n", b"a\r\n\r\n..\r\n.\r\n"),
            (b"\r\n\r\n", b"\r\n\r\n.\r\n"),
        ] {
            for step in 1..=input.len().max(1) {
                let mut out = Vec::new();
                let mut stuffer = Stuffer::new();
                for piece in input.chunks(step) {
                    stuffer.push(piece, &mut out);
                }
                stuffer.finish(&mut out);
                assert_eq!(out, expected, "{} step {step}", input.escape_ascii());
            }
        }
    }
}
