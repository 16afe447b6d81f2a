//! A small IMAP client that waits for one letter and reads it: enough to show that it arrived, as a
//! machine like all others. No library for clients is here; tests use real mail programs.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use congvu_message::transfer::{self, Encoding};
use congvu_net::connect::{ConnectError, Source, connect};
use congvu_net::tls::{Roots, Tls, TlsClient, TlsError};
use congvu_net::{Ending, Link, Service, Shutdown, drive};
use congvu_wire::{Machine, Patience, Step, TlsInfo};

use super::people::Person;
use super::ports::Ports;

/// Time for each reply; delivery inside one server takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most octets of a reply: the letter has about one kilobyte.
const REPLY_MOST: usize = 1 << 20;

/// Why it was not found.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReaderError {
    #[error("{0}")]
    Connect(#[from] ConnectError),
    #[error("{0}")]
    Tls(#[from] TlsError),
    #[error("the server said: {0}")]
    Refused(String),
    #[error("it did not arrive in time")]
    Late,
    #[error("{0}")]
    Connection(Ending),
}

/// Waits for the letter with this subject in the INBOX and returns it in words.
pub(super) async fn fetch(
    person: &Person,
    ports: &Ports,
    roots: &Path,
    subject: &str,
) -> Result<String, ReaderError> {
    let client = TlsClient::new(Some(&Roots::load(roots)?))?;
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), ports.imaps);
    let (stream, _) = connect(&[address], Source::default()).await?;
    let tls = Some(Tls::Client(client.verified("localhost")?));
    let mut reader = Reader::new(person, subject);
    let link = Link {
        stream,
        tls,
        implicit: true,
    };
    let ending = drive(link, &mut reader, &mut Nobody, Shutdown::never()).await;
    match reader.stage {
        Stage::Done(letter) => Ok(letter),
        Stage::Refused(reply) => Err(ReaderError::Refused(reply)),
        _ if reader.late => Err(ReaderError::Late),
        _ => Err(ReaderError::Connection(ending)),
    }
}

/// What the client waits for.
#[derive(Debug)]
enum Stage {
    Greeting,
    Login,
    Select,
    /// For a message to come.
    Idle,
    /// For the end of IDLE.
    Idled,
    Fetch,
    Done(String),
    Refused(String),
}

struct Reader {
    login: String,
    subject: String,
    input: Vec<u8>,
    stage: Stage,
    /// Messages in the mailbox, and how many of them were looked at.
    exists: u32,
    seen: u32,
    letter: Option<Vec<u8>>,
    marker: u64,
    late: bool,
    closing: bool,
}

/// The reader asks nobody.
struct Nobody;

impl Service<Reader> for Nobody {
    async fn answer(&mut self, (): ()) {}
}

/// One response: its line, and the octets of the literal inside, if any.
struct Response {
    line: String,
    literal: Option<Vec<u8>>,
}

impl Reader {
    fn new(person: &Person, subject: &str) -> Self {
        let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        Self {
            login: format!(
                "a LOGIN {} {}\r\n",
                quote(&person.address),
                quote(&person.password)
            ),
            subject: subject.to_owned(),
            input: Vec::new(),
            stage: Stage::Greeting,
            exists: 0,
            seen: 0,
            letter: None,
            marker: 0,
            late: false,
            closing: false,
        }
    }

    /// Takes one whole response out of the input.
    fn response(&mut self) -> Option<Response> {
        let mut line = Vec::new();
        let mut literal = None;
        let mut rest = self.input.as_slice();
        loop {
            let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
            let (part, after) = rest.split_at_checked(end)?;
            line.extend_from_slice(part);
            rest = after.get(2..)?;
            let Some(length) = literal_length(part) else {
                break;
            };
            let (octets, after) = rest.split_at_checked(length)?;
            literal = Some(octets.to_vec());
            rest = after;
        }
        self.input = rest.to_vec();
        self.marker += 1;
        Some(Response {
            line: String::from_utf8_lossy(&line).into_owned(),
            literal,
        })
    }

    /// What to say to a response; nothing if there is more to wait for.
    fn follow(&mut self, response: Response) -> Option<String> {
        let Response { line, literal } = response;
        if let Some(number) = line
            .strip_prefix("* ")
            .and_then(|r| r.strip_suffix(" EXISTS"))
        {
            self.exists = number.parse().unwrap_or(self.exists);
            if matches!(self.stage, Stage::Idle) && self.exists > self.seen {
                self.stage = Stage::Idled;
                return Some("DONE\r\n".to_owned());
            }
        }
        if literal.is_some() {
            self.letter = literal;
        }
        if matches!(self.stage, Stage::Greeting) && line.starts_with("* OK") {
            self.stage = Stage::Login;
            return Some(self.login.clone());
        }
        let refused = ["a NO", "a BAD", "* BYE"]
            .iter()
            .any(|no| line.starts_with(no));
        if refused {
            self.stage = Stage::Refused(line);
            self.closing = true;
            return None;
        }
        if line.starts_with("a OK") {
            self.next()
        } else {
            None
        }
    }

    /// The command before has succeeded.
    fn next(&mut self) -> Option<String> {
        match self.stage {
            Stage::Login => {
                self.stage = Stage::Select;
                Some("a SELECT INBOX\r\n".to_owned())
            }
            Stage::Select | Stage::Idled => Some(self.look()),
            Stage::Fetch => {
                let letter = self.letter.take().unwrap_or_default();
                match show(&letter, &self.subject) {
                    Some(text) => {
                        self.stage = Stage::Done(text);
                        self.closing = true;
                        Some("a LOGOUT\r\n".to_owned())
                    }
                    None => Some(self.look()),
                }
            }
            _ => None,
        }
    }

    /// Fetches the newest message not looked at, or waits for one.
    fn look(&mut self) -> String {
        if self.exists > self.seen {
            self.seen += 1;
            self.stage = Stage::Fetch;
            format!("a FETCH {} BODY.PEEK[]\r\n", self.seen)
        } else {
            self.stage = Stage::Idle;
            "a IDLE\r\n".to_owned()
        }
    }
}

/// The number in `{123}` at the end of a line.
fn literal_length(line: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(line).ok()?;
    let (_, number) = text.strip_suffix('}')?.rsplit_once('{')?;
    number.parse().ok()
}

/// The letter as a mail program would show it; `None` if it is another one.
fn show(letter: &[u8], subject: &str) -> Option<String> {
    let summary = congvu_message::summarize(letter);
    let envelope = &summary.envelope;
    if envelope.subject.as_deref() != Some(subject) {
        return None;
    }
    let names = |mailboxes: &[congvu_message::Mailbox]| -> String {
        let name = |m: &congvu_message::Mailbox| {
            format!(
                "{} <{}@{}>",
                m.name.as_deref().unwrap_or_default(),
                m.mailbox.as_deref().unwrap_or_default(),
                m.host.as_deref().unwrap_or_default()
            )
        };
        mailboxes.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    let root = &summary.root;
    let range = usize::try_from(root.body_at).ok()?..usize::try_from(root.end_at).ok()?;
    let encoding = Encoding::named(&root.encoding)?;
    let text = transfer::decode(encoding, letter.get(range)?);
    Some(format!(
        "Từ: {}\nGửi: {}\nNgày: {}\nChủ đề: {subject}\n\n{}",
        names(&envelope.from),
        names(&envelope.to),
        envelope.date.as_deref().unwrap_or_default(),
        String::from_utf8_lossy(&text)
    ))
}

impl Machine for Reader {
    type Ask = ();
    type Answer = ();

    fn input(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        if self.input.len() > REPLY_MOST {
            self.stage = Stage::Refused("a reply without end".to_owned());
            self.closing = true;
        }
    }

    fn answer(&mut self, (): ()) {}

    fn step(&mut self) -> Step<()> {
        while !self.closing {
            let Some(response) = self.response() else {
                return Step::Read;
            };
            if let Some(command) = self.follow(response) {
                return Step::Write(command.into_bytes());
            }
        }
        Step::Close
    }

    fn secured(&mut self, _tls: TlsInfo) {}

    fn end_of_input(&mut self) {
        self.closing = true;
    }

    fn shutdown(&mut self) {
        self.closing = true;
    }

    fn expire(&mut self) {
        self.late = true;
        self.closing = true;
    }

    fn patience(&self) -> Patience {
        Patience {
            marker: self.marker,
            limit: PATIENCE,
        }
    }
}
