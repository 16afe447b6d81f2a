//! The client side of IMAP (RFC 9051, RFC 3501) as one pure machine: logs in, lists, opens read-only, fetches.
//!
//! Invariant: a password leaves only inside TLS unless the caller allows clear text, and only after what the
//! server said before the handshake was thrown away. Nothing on the server is changed: EXAMINE and BODY.PEEK.
//! Which mailboxes and messages, and what becomes of them, is the service's business.

pub mod ask;
mod read;

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use congvu_wire::sasl::client::{Scram, ScramFinal};
use congvu_wire::{Machine, Patience, Step, TlsInfo};

pub use ask::{
    Answer, Ask, Body, Command, Config, Credentials, Fetched, Listed, Outcome, Selected, Session,
    SessionError, TlsPolicy,
};
use read::{Garbage, Piece, Reader, Value, values};

/// Longest text of a server that is passed on, characters.
const TEXT: usize = 300;
/// How long the server may be silent: opening a mailbox of a million messages takes some servers minutes.
const SILENCE: Duration = Duration::from_mins(5);

/// One outbound session as a pure machine.
#[derive(Debug)]
pub struct Client {
    config: Config,
    reader: Reader,
    output: Vec<u8>,
    state: State,
    session: Session,
    /// Number of the last tag.
    tag: u64,
    selected: Selected,
    events: u64,
    ended: bool,
    stopping: bool,
}

#[derive(Debug)]
enum State {
    Greeting,
    /// CAPABILITY: before TLS or login, and after the login.
    Capability(bool),
    StartTls,
    Handshake,
    Login(Login),
    Namespace,
    Idle,
    AskedNext,
    Command,
    /// The next step asks this; then the command goes on.
    Tell(Box<Ask>),
    Told,
    /// The next step tells how the command ended.
    Report(Outcome),
    Reported,
    Fail(SessionError),
    Failed,
    Logout,
    Closed,
}

/// What the server answers next in a login.
#[derive(Debug)]
enum Login {
    /// PLAIN without SASL-IR: the message waits for the continuation.
    Plain(String),
    ScramBegin(Scram, String),
    ScramFirst(Scram),
    ScramFinal(ScramFinal),
    /// Only the tagged answer.
    Last,
}

impl Client {
    /// A session that waits for the server's greeting.
    pub fn new(config: Config) -> Self {
        Self {
            reader: Reader::new(config.largest),
            config,
            output: Vec::new(),
            state: State::Greeting,
            session: Session::default(),
            tag: 0,
            selected: Selected::default(),
            events: 0,
            ended: false,
            stopping: false,
        }
    }

    fn fail(&mut self, error: SessionError) {
        self.output.clear();
        self.state = State::Fail(error);
    }

    /// The connection cannot be used further; after the goodbye nobody minds.
    fn broke(&mut self, error: SessionError) {
        match self.state {
            State::Fail(_) => {}
            State::Failed | State::Logout | State::Closed => self.state = State::Closed,
            _ => self.fail(error),
        }
    }

    /// Sends a command under a new tag.
    fn say(&mut self, command: &[u8], next: State) {
        self.tag += 1;
        self.output
            .extend_from_slice(format!("C{} ", self.tag).as_bytes());
        self.output.extend_from_slice(command);
        self.output.extend_from_slice(b"\r\n");
        self.state = next;
    }

    fn send(&mut self, line: &str, next: State) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
        self.state = next;
    }

    fn offers(&self, name: &str) -> bool {
        self.session.capabilities.iter().any(|known| known == name)
    }

    /// Waits for a response and acts on it.
    fn listen(&mut self) -> Option<Step<Ask>> {
        match self.reader.response() {
            Ok(Some(pieces)) => self.response(pieces),
            Ok(None) if self.ended => self.broke(SessionError::Closed),
            Ok(None) => return Some(Step::Read),
            Err(Garbage) => self.broke(SessionError::Garbage),
        }
        None
    }

    fn response(&mut self, pieces: Vec<Piece>) {
        let Some(Piece::Text(first)) = pieces.first() else {
            return;
        };
        if let Some(rest) = first.strip_prefix(b"+") {
            let text = rest.trim_ascii().to_vec();
            self.continuation(&text);
        } else if first.starts_with(b"* ") {
            self.untagged(pieces);
        } else {
            let tag = format!("C{} ", self.tag);
            match first.strip_prefix(tag.as_bytes()) {
                Some(rest) => {
                    let rest = rest.to_vec();
                    self.tagged(&rest);
                }
                // A line that nobody asked for; a server that sends nothing else runs out of time.
                None => self.reader.progress -= 1,
            }
        }
    }

    fn untagged(&mut self, pieces: Vec<Piece>) {
        let Some(Piece::Text(first)) = pieces.first() else {
            return;
        };
        let line = first.get(2..).unwrap_or_default();
        let (word, rest) = split(line);
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("OK") || is("NO") || is("BAD") || is("BYE") || is("PREAUTH") {
            let (bye, ok) = (is("BYE"), is("OK"));
            let rest = rest.to_vec();
            self.code(&rest);
            match self.state {
                State::Greeting if ok => self.say(b"CAPABILITY", State::Capability(false)),
                State::Greeting => self.fail(SessionError::Refused(printable(&rest))),
                State::Logout => {}
                _ if bye => self.fail(SessionError::Refused(printable(&rest))),
                _ => {}
            }
            return;
        }
        if matches!(self.state, State::Greeting) {
            self.fail(SessionError::Garbage);
            return;
        }
        let mut values = values(pieces);
        // `*`
        values.remove(0);
        let name = match values.first() {
            Some(Value::Atom(name)) => name.to_ascii_uppercase(),
            _ => return,
        };
        let number: Option<u32> = std::str::from_utf8(&name).ok().and_then(|n| n.parse().ok());
        let commanded = matches!(self.state, State::Command);
        match (name.as_slice(), number, values.get(1)) {
            (b"CAPABILITY", ..) => {
                let words = values.iter().skip(1).filter_map(Value::string);
                self.session.capabilities = words
                    .map(|word| String::from_utf8_lossy(&word).to_ascii_uppercase())
                    .collect();
            }
            (b"NAMESPACE", ..) => {
                (self.session.prefix, self.session.others) = read::namespaces(&values[1..]);
            }
            (b"LIST", ..) if commanded => {
                if let Some(listed) = read::listed(&values[1..]) {
                    self.state = State::Tell(Box::new(Ask::Listed(listed)));
                }
            }
            (_, Some(count), Some(Value::Atom(what))) => {
                if what.eq_ignore_ascii_case(b"EXISTS") {
                    self.selected.exists = count;
                } else if what.eq_ignore_ascii_case(b"FETCH")
                    && commanded
                    && let Some(Value::List(list)) = values.into_iter().nth(2)
                {
                    let fetched = read::fetched(list);
                    self.state = State::Tell(Box::new(Ask::Fetched(fetched)));
                }
            }
            _ => {}
        }
    }

    /// `[UIDVALIDITY 5] text`
    fn code(&mut self, text: &[u8]) {
        let Some(inner) = text.strip_prefix(b"[") else {
            return;
        };
        let inner = inner
            .split(|octet| *octet == b']')
            .next()
            .unwrap_or_default();
        let (name, rest) = split(inner);
        let number = std::str::from_utf8(rest)
            .ok()
            .and_then(|n| n.trim().parse().ok());
        if name.eq_ignore_ascii_case(b"UIDVALIDITY") {
            self.selected.uidvalidity = number.unwrap_or(0);
        } else if name.eq_ignore_ascii_case(b"UIDNEXT") {
            self.selected.uidnext = number;
        }
    }

    fn tagged(&mut self, line: &[u8]) {
        let (word, rest) = split(line);
        let ok = word.eq_ignore_ascii_case(b"OK");
        let text = printable(rest);
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Capability(true) => {
                if self.offers("NAMESPACE") {
                    self.say(b"NAMESPACE", State::Namespace);
                } else {
                    self.state = State::Idle;
                }
            }
            State::Capability(false) if ok => self.after_capability(),
            State::StartTls if ok => {
                // What stands there came before the handshake and could be anybody's.
                self.reader.clear();
                self.session.capabilities.clear();
                self.state = State::Handshake;
            }
            State::Login(Login::Last) if ok => self.say(b"CAPABILITY", State::Capability(true)),
            State::Login(Login::ScramFirst(_) | Login::ScramFinal(_)) if ok => {
                self.fail(SessionError::FalseServer);
            }
            State::Login(_) => self.fail(SessionError::Login(text)),
            State::Namespace => self.state = State::Idle,
            State::Command => {
                self.code(rest);
                self.state = State::Report(Outcome {
                    ok,
                    text,
                    selected: self.selected,
                });
            }
            State::Logout => {}
            _ => self.fail(SessionError::Refused(text)),
        }
    }

    fn after_capability(&mut self) {
        match (&self.session.tls, self.config.tls) {
            (None, TlsPolicy::Clear) => self.log_in(),
            (None, _) if self.offers("STARTTLS") => self.say(b"STARTTLS", State::StartTls),
            (None, _) => self.fail(SessionError::NoTls),
            (Some(tls), TlsPolicy::Verified) if !tls.verified => {
                self.fail(SessionError::Unverified);
            }
            _ => self.log_in(),
        }
    }

    fn log_in(&mut self) {
        let Credentials {
            name,
            acting_as,
            password,
        } = self.config.credentials.clone();
        let initial = self.offers("SASL-IR");
        if acting_as.is_none() {
            let tls = self.session.tls.clone();
            let bound = tls
                .filter(|_| self.offers("AUTH=SCRAM-SHA-256-PLUS"))
                .and_then(|tls| Scram::begin(&name, password.clone(), Some(&tls)))
                .map(|begun| ("SCRAM-SHA-256-PLUS", begun));
            let unbound = || {
                self.offers("AUTH=SCRAM-SHA-256")
                    .then(|| Scram::begin(&name, password.clone(), None))
                    .flatten()
                    .map(|begun| ("SCRAM-SHA-256", begun))
            };
            if let Some((mechanism, (scram, first))) = bound.or_else(unbound) {
                let first = STANDARD.encode(first);
                let (line, login) = if initial {
                    (
                        format!("AUTHENTICATE {mechanism} {first}"),
                        Login::ScramFirst(scram),
                    )
                } else {
                    (
                        format!("AUTHENTICATE {mechanism}"),
                        Login::ScramBegin(scram, first),
                    )
                };
                self.say(line.as_bytes(), State::Login(login));
                return;
            }
        }
        if self.offers("AUTH=PLAIN") {
            let mut message = acting_as.unwrap_or_default().into_bytes();
            message.push(0);
            message.extend_from_slice(name.as_bytes());
            message.push(0);
            message.extend_from_slice(password.expose());
            let message = STANDARD.encode(message);
            let (line, login) = if initial {
                (format!("AUTHENTICATE PLAIN {message}"), Login::Last)
            } else {
                ("AUTHENTICATE PLAIN".to_owned(), Login::Plain(message))
            };
            self.say(line.as_bytes(), State::Login(login));
            return;
        }
        let quoted = quote(name.as_bytes()).zip(quote(password.expose()));
        match quoted {
            Some((name, password)) if acting_as.is_none() && !self.offers("LOGINDISABLED") => {
                let mut line = b"LOGIN ".to_vec();
                line.extend_from_slice(&name);
                line.push(b' ');
                line.extend_from_slice(&password);
                self.say(&line, State::Login(Login::Last));
            }
            _ => self.fail(SessionError::NoAuth),
        }
    }

    fn continuation(&mut self, text: &[u8]) {
        let login = match std::mem::replace(&mut self.state, State::Closed) {
            State::Login(login) => login,
            other => {
                self.state = other;
                return;
            }
        };
        match login {
            Login::Plain(message) => self.send(&message, State::Login(Login::Last)),
            Login::ScramBegin(scram, first) => {
                self.send(&first, State::Login(Login::ScramFirst(scram)));
            }
            Login::ScramFirst(scram) => {
                let proven = STANDARD
                    .decode(text)
                    .ok()
                    .and_then(|text| scram.prove(&text).ok());
                match proven {
                    Some((last, message)) => {
                        let line = STANDARD.encode(message);
                        self.send(&line, State::Login(Login::ScramFinal(last)));
                    }
                    None => self.fail(SessionError::FalseServer),
                }
            }
            Login::ScramFinal(last) => {
                let right = STANDARD
                    .decode(text)
                    .is_ok_and(|text| last.verify(&text).is_ok());
                if right {
                    self.send("", State::Login(Login::Last));
                } else {
                    self.fail(SessionError::FalseServer);
                }
            }
            // A mechanism that wants more than we have: give it up, and hear why.
            Login::Last => self.send("*", State::Login(Login::Last)),
        }
    }

    fn command(&mut self, command: &Command) {
        self.selected = Selected::default();
        let line = match command {
            Command::List if self.offers("SPECIAL-USE") && self.offers("LIST-EXTENDED") => {
                b"LIST \"\" \"*\" RETURN (SPECIAL-USE)".to_vec()
            }
            Command::List => b"LIST \"\" \"*\"".to_vec(),
            Command::Examine(name) => {
                let Some(name) = quote(name) else {
                    self.state = State::Report(Outcome {
                        ok: false,
                        text: "a mailbox name with line ends".to_owned(),
                        selected: Selected::default(),
                    });
                    return;
                };
                [b"EXAMINE ".as_slice(), &name].concat()
            }
            Command::Flags(first, last) => {
                format!("UID FETCH {first}:{last} (UID FLAGS)").into_bytes()
            }
            Command::Records(first, last) => {
                let labels = if self.offers("X-GM-EXT-1") {
                    " X-GM-LABELS"
                } else {
                    ""
                };
                format!("UID FETCH {first}:{last} (UID FLAGS INTERNALDATE RFC822.SIZE{labels})")
                    .into_bytes()
            }
            Command::Messages(uids) => format!(
                "UID FETCH {} (UID FLAGS INTERNALDATE BODY.PEEK[])",
                set(uids)
            )
            .into_bytes(),
        };
        self.say(&line, State::Command);
    }
}

/// UIDs as a set with runs.
fn set(uids: &[u32]) -> String {
    let mut text = String::new();
    let mut at = 0;
    while let Some(&first) = uids.get(at) {
        let mut last = first;
        while uids.get(at + 1) == last.checked_add(1).as_ref() {
            last += 1;
            at += 1;
        }
        at += 1;
        if !text.is_empty() {
            text.push(',');
        }
        let _ = write!(text, "{first}");
        if last > first {
            let _ = write!(text, ":{last}");
        }
    }
    text
}

/// A quoted string; `None` when it cannot be one.
fn quote(text: &[u8]) -> Option<Vec<u8>> {
    if text.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)) {
        return None;
    }
    let mut quoted = vec![b'"'];
    for &octet in text {
        if matches!(octet, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(octet);
    }
    quoted.push(b'"');
    Some(quoted)
}

/// The first word and the rest.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|octet| *octet == b' ') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &[]),
    }
}

fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars()
        .filter(|c| !c.is_control())
        .take(TEXT)
        .collect()
}

impl Machine for Client {
    type Ask = Ask;
    type Answer = Answer;

    fn input(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Closed | State::Failed | State::Fail(_)) {
            self.reader.push(bytes);
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.events += 1;
        match (&self.state, answer) {
            (State::AskedNext, Answer::Command(command)) => self.command(&command),
            (State::AskedNext, _) => self.say(b"LOGOUT", State::Logout),
            (State::Told, _) => self.state = State::Command,
            (State::Reported, _) => self.state = State::Idle,
            (State::Failed, _) => self.state = State::Closed,
            // Nobody asked.
            _ => {}
        }
    }

    fn step(&mut self) -> Step<Ask> {
        loop {
            if !self.output.is_empty() {
                return Step::Write(std::mem::take(&mut self.output));
            }
            let step = match std::mem::replace(&mut self.state, State::Closed) {
                State::Idle if self.stopping => {
                    self.say(b"LOGOUT", State::Logout);
                    None
                }
                State::Idle => {
                    self.state = State::AskedNext;
                    Some(Step::Ask(Ask::Next(self.session.clone())))
                }
                State::Handshake => {
                    self.state = State::Handshake;
                    Some(Step::StartTls)
                }
                State::Tell(ask) => {
                    self.state = State::Told;
                    Some(Step::Ask(*ask))
                }
                State::Report(outcome) => {
                    self.state = State::Reported;
                    Some(Step::Ask(Ask::Done(outcome)))
                }
                State::Fail(error) => {
                    self.state = State::Failed;
                    Some(Step::Ask(Ask::Failed(error)))
                }
                State::Closed => Some(Step::Close),
                State::AskedNext | State::Told | State::Reported | State::Failed => {
                    // The driver answers before it steps again.
                    Some(Step::Close)
                }
                State::Logout if self.ended => Some(Step::Close),
                other => {
                    self.state = other;
                    self.listen()
                }
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    fn secured(&mut self, tls: TlsInfo) {
        self.session.tls = Some(tls);
        self.reader.clear();
        self.events += 1;
        if matches!(self.state, State::Handshake) {
            // RFC 9051 section 6.2.1: what the server offered before does not count.
            self.say(b"CAPABILITY", State::Capability(false));
        }
    }

    fn end_of_input(&mut self) {
        self.ended = true;
        if matches!(self.state, State::Handshake) {
            self.fail(SessionError::Closed);
        }
    }

    fn shutdown(&mut self) {
        self.stopping = true;
    }

    fn expire(&mut self) {
        self.broke(SessionError::Timeout);
    }

    fn patience(&self) -> Patience {
        Patience {
            marker: self.events.wrapping_add(self.reader.progress),
            limit: SILENCE,
        }
    }
}
