//! A small machine, conversations with it, and every way to leave a script.

use super::*;
use crate::line::{Line, LineBuffer};
use crate::{Patience, Step};

/// Says each line twice; asks about lines that begin with `?`; waits on `idle`.
struct Echo {
    lines: LineBuffer,
    state: u8,
    ended: bool,
    output: Vec<u8>,
}

impl Machine for Echo {
    type Ask = String;
    type Answer = String;
    fn input(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }
    fn answer(&mut self, answer: String) {
        self.state = 0;
        self.output = format!("{answer}\r\n").into_bytes();
    }
    fn step(&mut self) -> Step<String> {
        if !self.output.is_empty() {
            return Step::Write(std::mem::take(&mut self.output));
        }
        match self.lines.line() {
            Some(Line::Whole(line)) => {
                let text = String::from_utf8_lossy(&line).into_owned();
                self.state = u8::from(text == "idle");
                if self.state == 1 {
                    return Step::Wait("idle".into());
                }
                if text.starts_with('?') {
                    return Step::Ask(text);
                }
                if text == "tls" {
                    self.lines.clear();
                    return Step::StartTls;
                }
                Step::Write(format!("{text}\r\n{text}\r\n").into_bytes())
            }
            Some(_) => Step::Close,
            None if self.ended => Step::Close,
            None if self.state == 1 => Step::Wait("idle".into()),
            None => Step::Read,
        }
    }
    fn secured(&mut self, _tls: TlsInfo) {
        self.output = b"safe\r\n".to_vec();
    }
    fn end_of_input(&mut self) {
        self.ended = true;
    }
    fn shutdown(&mut self) {}
    fn expire(&mut self) {}
    fn patience(&self) -> Patience {
        Patience {
            marker: 0,
            limit: std::time::Duration::from_secs(1),
        }
    }
}

struct Texts;
impl Actor<Echo> for Texts {
    fn ask(&mut self, ask: &String) -> String {
        ask.clone()
    }
    fn answer(&mut self, text: &str) -> Result<String, String> {
        Ok(text.into())
    }
}

fn play(text: &str) -> Result<(), Failure> {
    Script::parse(text)?.play(|| {
        let echo = Echo {
            lines: LineBuffer::new(100),
            state: 0,
            ended: false,
            output: Vec::new(),
        };
        (echo, Texts)
    })
}

#[test]
fn a_conversation_is_followed() {
    let script = "# comment\n@ key a value\n\
        C: a\nC: b\nS: a\nS: a\nS: …\nS~ b\\r\\n\n\
        C: ?what\n? ?what\n! this\nS: this\n\
        C: idle\n? idle\nC: x\nS: x\nS: x\n\
        C: idle\n? id…\n! woken\nS: woken\n\
        C: tls\nC: thrown away\nTLS\nS: safe\nEOF\nCLOSE\n";
    assert_eq!(play(script), Ok(()));
    assert_eq!(
        Script::parse(script).expect("parses").settings(),
        [("key".to_owned(), "a value".to_owned())]
    );
}

#[test]
fn every_departure_is_a_failure() {
    for (script, line) in [
        ("C: a\nS: b\n", 2),
        ("C: a\nS: a\nC: b\n", 3),
        ("C: a\nS: a\n", 2),
        ("C: ?a\nS: a\n", 2),
        ("C: ?a\n? ?b\n", 2),
        ("C: ?a\n? ?a\n", 2),
        ("C: a\nS: a\nS: a\nCLOSE\n", 4),
        ("! a\n", 1),
        ("X: a\n", 1),
        ("C~ \\q\n", 1),
    ] {
        let failure = play(script).expect_err(script);
        assert_eq!(failure.line, line, "{script}: {failure}");
    }
}

#[test]
fn escapes_are_read_back() {
    let octets: Vec<u8> = (0..=255).collect();
    assert_eq!(unescape(&escape(&octets)), Ok(octets));
    assert_eq!(escape("công vụ\r\n".as_bytes()), "công vụ\\r\\n");
}
