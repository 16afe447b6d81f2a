//! The transcript runner: a conversation with a machine, written down as a text file, replayed as a test.
//!
//! Each script runs twice, once with the client's octets in as few pieces as possible and once octet by
//! octet; both must give the same conversation. The form of a file, one directive a line:
//!
//! ```text
//! # A comment. Empty lines are skipped.
//! @ key value      a setting; the caller reads it before it makes the machine
//! C: NOOP          the client sends this line and CRLF; neighbouring C lines go out together (pipelining)
//! C~ a\r\n.\x00b   the client sends exactly these octets
//! C* 300 abc\r\n   the client sends these octets 300 times
//! S: 250 2.0.0 ok  the machine writes this line and CRLF
//! S: 334 …         a final … stands for any rest of the line
//! S~ + \r\n        the machine writes exactly these octets
//! ? mail from=x    the machine asks; the caller's `Actor::ask` renders the question (a final … as above)
//! ! accept         the answer, parsed by the caller's `Actor::answer`
//! TLS              the machine wants the handshake; the runner performs it (`Actor::tls`)
//! SECURED          the channel is encrypted from the start (implicit TLS)
//! EOF              the client closes its side
//! SHUTDOWN         the server is told to stop
//! EXPIRE           the machine's patience ran out
//! CLOSE            the machine closes the connection
//! ```
//!
//! `C:`, `C~`, `C*`, `S:` and `S~` know the escapes `\r \n \t \0 \\ \xHH`. Before the client sends anything the
//! machine must have said all it has to say: output or questions that no line expects are failures. A
//! question asked with `Step::Wait` may be followed by `!` or by client lines. Output that was written before
//! a question may also stand after it (when pipelined replies are held back is the machine's choice).

use std::fmt;

use crate::{Machine, Step, TlsInfo};

/// What a protocol brings to its transcripts: how questions are written and answers are read.
pub trait Actor<M: Machine> {
    /// The question as it stands on a `?` line.
    fn ask(&mut self, ask: &M::Ask) -> String;
    /// The answer on a `!` line.
    fn answer(&mut self, text: &str) -> Result<M::Answer, String>;
    /// The facts of the handshake for `TLS` and `SECURED`.
    fn tls(&mut self) -> TlsInfo {
        TlsInfo {
            version: "TLSv1.3".into(),
            cipher: "TLS_AES_256_GCM_SHA384".into(),
            ..TlsInfo::default()
        }
    }
}

/// A parsed file.
#[derive(Debug, Clone)]
pub struct Script {
    settings: Vec<(String, String)>,
    directives: Vec<(usize, Directive)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Directive {
    Client(Vec<u8>),
    Line(String),
    Raw(Vec<u8>),
    Ask(String),
    Answer(String),
    Tls,
    Secured,
    Eof,
    Shutdown,
    Expire,
    Close,
}

/// Where a conversation left its script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Line of the file, from 1.
    pub line: usize,
    /// What was expected and what came.
    pub text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

impl std::error::Error for Failure {}

impl Script {
    /// Parses a file.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let mut script = Self {
            settings: Vec::new(),
            directives: Vec::new(),
        };
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let fail = |text: String| Failure { line: number, text };
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(rest) = line.strip_prefix("@ ") {
                let (key, value) = rest.split_once(' ').unwrap_or((rest, ""));
                script.settings.push((key.into(), value.into()));
                continue;
            }
            let directive = Directive::parse(line).map_err(fail)?;
            script.directives.push((number, directive));
        }
        Ok(script)
    }

    /// The settings (`@ key value`), in order.
    pub fn settings(&self) -> &[(String, String)] {
        &self.settings
    }

    /// Plays the script twice (see the file's head); `make` gives a fresh machine and actor each time.
    pub fn play<M: Machine, A: Actor<M>>(
        &self,
        mut make: impl FnMut() -> (M, A),
    ) -> Result<(), Failure> {
        for octet_by_octet in [false, true] {
            let (machine, actor) = make();
            let mut player = Player {
                machine,
                actor,
                unsent: Vec::new(),
                sent: 0,
                output: Vec::new(),
                asked: None,
                closed: false,
                octet_by_octet,
            };
            let play = player.play(&self.directives);
            play.map_err(|failure| Failure {
                text: format!(
                    "{}{}",
                    failure.text,
                    if octet_by_octet {
                        " (fed octet by octet)"
                    } else {
                        ""
                    }
                ),
                ..failure
            })?;
        }
        Ok(())
    }
}

impl Directive {
    fn parse(line: &str) -> Result<Self, String> {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        Ok(match mark {
            "C:" => {
                let mut octets = unescape(rest)?;
                octets.extend_from_slice(b"\r\n");
                Self::Client(octets)
            }
            "C~" => Self::Client(unescape(rest)?),
            "C*" => {
                let (count, what) = rest.split_once(' ').ok_or("C* wants a count and octets")?;
                let count: usize = count.parse().map_err(|_| format!("{count} is no count"))?;
                Self::Client(unescape(what)?.repeat(count))
            }
            "S:" => Self::Line(escape(&unescape_keeping_rest(rest)?)),
            "S~" => Self::Raw(unescape(rest)?),
            "?" => Self::Ask(rest.into()),
            "!" => Self::Answer(rest.into()),
            "TLS" => Self::Tls,
            "SECURED" => Self::Secured,
            "EOF" => Self::Eof,
            "SHUTDOWN" => Self::Shutdown,
            "EXPIRE" => Self::Expire,
            "CLOSE" => Self::Close,
            _ => return Err(format!("unknown directive {mark}")),
        })
    }
}

fn unescape_keeping_rest(text: &str) -> Result<Vec<u8>, String> {
    match text.strip_suffix('…') {
        None => unescape(text),
        Some(head) => {
            let mut octets = unescape(head)?;
            octets.extend_from_slice("…".as_bytes());
            Ok(octets)
        }
    }
}

/// Octets as printable text: what [`unescape`] reads back.
pub fn escape(octets: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\r' => text.push_str("\\r"),
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                '\0' => text.push_str("\\0"),
                '\\' => text.push_str("\\\\"),
                c if c.is_ascii_control() => {
                    let _ = write!(text, "\\x{:02x}", u32::from(c));
                }
                c => text.push(c),
            }
        }
        for octet in chunk.invalid() {
            let _ = write!(text, "\\x{octet:02x}");
        }
    }
    text
}

/// Reads `\r \n \t \0 \\ \xHH`; everything else stands for itself.
pub fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            octets.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        octets.push(match rest.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let hex: String = rest.by_ref().take(2).collect();
                u8::from_str_radix(&hex, 16).map_err(|_| format!("bad escape \\x{hex}"))?
            }
            other => {
                return Err(format!(
                    "bad escape \\{}",
                    other.map_or(String::new(), String::from)
                ));
            }
        });
    }
    Ok(octets)
}

fn matches(expected: &str, found: &str) -> bool {
    match expected.strip_suffix('…') {
        Some(head) => found.starts_with(head),
        None => found == expected,
    }
}

struct Player<M: Machine, A> {
    machine: M,
    actor: A,
    unsent: Vec<u8>,
    sent: usize,
    output: Vec<u8>,
    /// The question under way, and whether it was a `Wait`.
    asked: Option<(String, bool)>,
    closed: bool,
    octet_by_octet: bool,
}

/// What stopped the machine.
enum Stop {
    /// It wants octets and the script has none left for it.
    Read,
    Output,
    Asks(String),
    Tls,
    Close,
}

impl<M: Machine, A: Actor<M>> Player<M, A> {
    fn play(&mut self, directives: &[(usize, Directive)]) -> Result<(), Failure> {
        let mut last = 0;
        for (line, directive) in directives {
            last = *line;
            self.one(directive)
                .map_err(|text| Failure { line: *line, text })?;
        }
        self.settle().map_err(|text| Failure {
            line: last,
            text: format!("after the end of the script: {text}"),
        })
    }

    fn one(&mut self, directive: &Directive) -> Result<(), String> {
        match directive {
            Directive::Client(octets) => {
                // Neighbouring client lines go out as one piece: nothing was stepped since.
                if self.sent > 0 || self.unsent.is_empty() {
                    self.settle()?;
                }
                self.unsent.extend_from_slice(octets);
            }
            Directive::Line(expected) => self.expect_line(expected)?,
            Directive::Raw(expected) => self.expect_raw(expected)?,
            Directive::Ask(expected) => loop {
                match self.more()? {
                    Stop::Output => {}
                    Stop::Asks(found) if matches(expected, &found) => break,
                    stop => {
                        return Err(format!("expected `? {expected}`, {}", self.describe(&stop)));
                    }
                }
            },
            Directive::Answer(text) => {
                if self.asked.take().is_none() {
                    return Err("an answer, but nothing was asked".into());
                }
                let answer = self.actor.answer(text)?;
                self.machine.answer(answer);
            }
            Directive::Tls => match self.run()? {
                Stop::Tls => {
                    self.unsent.clear();
                    self.sent = 0;
                    self.machine.secured(self.actor.tls());
                }
                stop => return Err(format!("expected TLS, {}", self.describe(&stop))),
            },
            Directive::Secured => self.machine.secured(self.actor.tls()),
            Directive::Eof => {
                self.settle()?;
                self.machine.end_of_input();
            }
            Directive::Shutdown => {
                self.settle_unless_asked()?;
                self.machine.shutdown();
            }
            Directive::Expire => {
                self.settle()?;
                self.machine.expire();
            }
            Directive::Close => match self.run()? {
                Stop::Close => {}
                stop => return Err(format!("expected CLOSE, {}", self.describe(&stop))),
            },
        }
        Ok(())
    }

    fn expect_line(&mut self, expected: &str) -> Result<(), String> {
        loop {
            if let Some(end) = self.output.windows(2).position(|w| w == b"\r\n") {
                let line: Vec<u8> = self.output.drain(..end + 2).collect();
                let found = escape(line.get(..end).unwrap_or_default());
                if matches(expected, &found) {
                    return Ok(());
                }
                return Err(format!("expected `S: {expected}`, found `S: {found}`"));
            }
            match self.more()? {
                Stop::Output => {}
                stop => {
                    return Err(format!(
                        "expected `S: {expected}`, {}",
                        self.describe(&stop)
                    ));
                }
            }
        }
    }

    fn expect_raw(&mut self, expected: &[u8]) -> Result<(), String> {
        while self.output.len() < expected.len() {
            match self.more()? {
                Stop::Output => {}
                stop => {
                    let expected = escape(expected);
                    return Err(format!(
                        "expected `S~ {expected}`, {}",
                        self.describe(&stop)
                    ));
                }
            }
        }
        let found: Vec<u8> = self.output.drain(..expected.len()).collect();
        if found == expected {
            return Ok(());
        }
        Err(format!(
            "expected `S~ {}`, found `S~ {}`",
            escape(expected),
            escape(&found)
        ))
    }

    /// Until the machine wants octets that the script has not: nothing unexpected may come before.
    fn settle(&mut self) -> Result<(), String> {
        if self.closed && self.output.is_empty() {
            return Ok(());
        }
        if matches!(self.asked, Some((_, true))) && self.unsent.is_empty() {
            return Ok(());
        }
        match self.run()? {
            Stop::Read => Ok(()),
            Stop::Asks(_) if matches!(self.asked, Some((_, true))) && self.unsent.is_empty() => {
                Ok(())
            }
            stop => Err(self.describe(&stop)),
        }
    }

    fn settle_unless_asked(&mut self) -> Result<(), String> {
        if self.asked.is_some() {
            Ok(())
        } else {
            self.settle()
        }
    }

    fn run(&mut self) -> Result<Stop, String> {
        if !self.output.is_empty() {
            return Ok(Stop::Output);
        }
        self.more()
    }

    fn more(&mut self) -> Result<Stop, String> {
        if self.closed {
            return Ok(Stop::Close);
        }
        let waited = match self.asked.take() {
            Some((ask, false)) => return Err(format!("`? {ask}` was not answered")),
            Some((ask, true)) => {
                self.feed();
                Some(ask)
            }
            None => None,
        };
        let mut idle = 0;
        // A machine that writes nothing again and again would spin for ever.
        while idle < 1_000 {
            match self.machine.step() {
                Step::Read => {
                    if !self.feed() {
                        return Ok(Stop::Read);
                    }
                }
                Step::Write(octets) if octets.is_empty() => idle += 1,
                Step::Write(octets) => {
                    self.output.extend_from_slice(&octets);
                    return Ok(Stop::Output);
                }
                Step::StartTls => return Ok(Stop::Tls),
                Step::Ask(ask) => {
                    let text = self.actor.ask(&ask);
                    self.asked = Some((text.clone(), false));
                    return Ok(Stop::Asks(text));
                }
                Step::Wait(ask) => {
                    let text = self.actor.ask(&ask);
                    // The same question again while the client's line is still incomplete.
                    if waited.as_ref() == Some(&text) && self.feed() {
                        continue;
                    }
                    self.asked = Some((text.clone(), true));
                    return Ok(Stop::Asks(text));
                }
                Step::Close => {
                    self.closed = true;
                    return Ok(Stop::Close);
                }
            }
        }
        Err("the machine never stops".into())
    }

    fn feed(&mut self) -> bool {
        let rest = self.unsent.get(self.sent..).unwrap_or_default();
        let piece = if self.octet_by_octet {
            rest.get(..1).unwrap_or_default()
        } else {
            rest
        };
        if piece.is_empty() {
            return false;
        }
        self.machine.input(piece);
        self.sent += piece.len();
        if self.sent == self.unsent.len() {
            self.unsent.clear();
            self.sent = 0;
        }
        true
    }

    fn describe(&self, stop: &Stop) -> String {
        match stop {
            Stop::Read if self.output.is_empty() => "but the machine waits for the client".into(),
            Stop::Read | Stop::Output => format!("found output `{}`", escape(&self.output)),
            Stop::Asks(ask) => format!("found `? {ask}`"),
            Stop::Tls => "found TLS".into(),
            Stop::Close => "found CLOSE".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Patience;
    use crate::line::{Line, LineBuffer};

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
}
