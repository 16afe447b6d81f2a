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

mod player;

use std::fmt;

use crate::{Machine, TlsInfo};
use player::Player;

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
            let mut player = Player::new(machine, actor, octet_by_octet);
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

#[cfg(test)]
mod tests;
