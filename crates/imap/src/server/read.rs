//! Reading commands: framing, the decision on each literal, legality, and dispatch.

use congvu_wire::Step;

use super::reply::{Kind, Reply};
use super::upload::Upload;
use super::{Doing, Pending, Server};
use crate::ask::Ask;
use crate::capability;
use crate::command::{self, Command, Head, Legal, Refusal};
use crate::frame::{Frame, Literal};
use crate::response::{Code, Done, Status, Untagged};
use crate::session::{Illegal, State};

/// Longest command before login, literals included: twice a SASL response of the greatest length.
const COMMAND_OCTETS_BEFORE: usize = 8 * 1024;

/// Longest literal before login: a name or a password. Nobody who is not logged in fills memory.
const LITERAL_OCTETS_BEFORE: u64 = 1_024;

/// Longest command after login, literals (but for messages) included: eight times what RFC 7162 section 4
/// asks for, because mobile clients name thousands of UIDs one by one.
const COMMAND_OCTETS: usize = 64 * 1024;

/// A command that is not executed, and whom to tell; `*` without a tag.
#[derive(Debug)]
pub(super) struct Refused {
    pub tag: Option<String>,
    pub done: Done,
}

impl Refused {
    pub(super) fn new(tag: Option<String>, refusal: Refusal) -> Self {
        let Refusal { status, code, text } = refusal;
        Self {
            tag,
            done: Done {
                status,
                code,
                text: text.to_owned(),
            },
        }
    }
}

impl Server {
    pub(super) fn limit(&self) -> usize {
        if self.state.is_logged_in() {
            COMMAND_OCTETS
        } else {
            COMMAND_OCTETS_BEFORE
        }
    }

    /// Reads up to the end of a command or a literal that needs a decision.
    pub(super) fn read(&mut self) -> Option<Step<Ask>> {
        // A TLS client on a port without TLS: there is nothing that it would understand.
        if self.frames.first() == Some(0x16) && self.tls.is_none() && !self.state.is_logged_in() {
            self.end();
            return None;
        }
        let frame = self.frames.next(self.limit());
        if self.frames.is_cut() && self.refused.is_none() {
            self.refuse_later(Refusal {
                status: Status::Bad,
                code: Some(Code::TooBig),
                text: "The command is too long",
            });
        }
        match frame {
            Frame::More => return self.more(Doing::Read),
            Frame::TooLong => self.frames.discard(),
            Frame::BareLf => self.bye("Lines end with CRLF"),
            Frame::Endless => self.bye("The command is too long"),
            Frame::Literal(literal) => self.literal(literal),
            Frame::Command => self.command(),
        }
        None
    }

    /// Answers a command that was refused, at its end or instead of a continuation.
    pub(super) fn refuse(&mut self, refused: Refused) {
        self.doing = Doing::Read;
        if let Some(tag) = refused.tag {
            self.tagged(&tag, &refused.done);
        } else {
            self.encoder.untagged(Untagged::Status(refused.done));
            self.count(Status::Bad);
        }
    }

    fn refuse_later(&mut self, refusal: Refusal) {
        let tag = command::tag_of(self.frames.so_far());
        self.refused = Some(Refused::new(tag, refusal));
    }

    fn literal(&mut self, literal: Literal) {
        if self.refused.is_none() && self.begin_upload(literal) {
            return;
        }
        if self.refused.is_none() {
            match self.why_not(literal) {
                Ok(()) => {
                    if literal.sync {
                        self.encoder.go_on("OK");
                    }
                    self.frames.accept(literal);
                    return;
                }
                Err(refused) => self.refused = Some(refused),
            }
        }
        self.skip(literal);
    }

    /// A literal of a refused command: the client waits for our answer, or sends it anyway.
    pub(super) fn skip(&mut self, literal: Literal) {
        if literal.sync {
            self.frames.take();
            if let Some(refused) = self.refused.take() {
                self.refuse(refused);
            }
        } else if !self.frames.swallow(literal) {
            if let Some(refused) = self.refused.take() {
                self.refuse(refused);
            }
            self.bye("The literal is too long");
        }
    }

    /// Whether a literal is worth a continuation: a command that is known, legal and not too long.
    fn why_not(&self, literal: Literal) -> Result<(), Refused> {
        let line = command::line(self.frames.so_far(), self.state.enabled())
            .map_err(|(tag, refusal)| Refused::new(tag, refusal))?;
        if let Err(illegal) = self.state.permits(line.verb.legal) {
            return Err(Refused::new(Some(line.tag), why(illegal)));
        }
        let most = if self.state.is_logged_in() {
            COMMAND_OCTETS as u64
        } else {
            LITERAL_OCTETS_BEFORE
        };
        let room = self.limit().saturating_sub(self.frames.len()) as u64;
        if literal.size > most.min(room) {
            let text = "The literal is too long";
            return Err(Refused::new(
                Some(line.tag),
                Refusal {
                    status: Status::Bad,
                    code: Some(Code::TooBig),
                    text,
                },
            ));
        }
        Ok(())
    }

    /// If this literal is the message of an APPEND, begins to take it.
    fn begin_upload(&mut self, literal: Literal) -> bool {
        if !self.state.is_logged_in() {
            return false;
        }
        let (tag, begun) = match command::head(self.frames.so_far(), self.state.enabled()) {
            Head::Other => return false,
            Head::Message { append, tag } if append.size > self.config.append_limit => (
                tag.clone(),
                Err(Refused::new(
                    Some(tag),
                    Refusal::no(Code::TooBig, "The message is too big"),
                )),
            ),
            Head::Message { append, tag } => (tag, Ok(append)),
            Head::Refused { tag, refusal } => (tag.clone(), Err(Refused::new(Some(tag), refusal))),
        };
        let utf8 = begun.as_ref().is_ok_and(|append| append.utf8);
        let upload = Upload::new(tag, literal, utf8);
        match begun {
            Ok(append) => {
                self.frames.take();
                self.ask(Ask::AppendStart(append), Pending::UploadStart(upload));
            }
            Err(refused) if literal.sync || literal.size > self.config.append_limit => {
                self.refused = Some(refused);
                self.skip(literal);
            }
            // Messages of a usual size are read to their end, so that the connection survives.
            Err(refused) => {
                self.frames.take();
                self.doing = Doing::Upload(upload.unwelcome(refused.done));
            }
        }
        true
    }

    fn command(&mut self) {
        let octets = self.frames.take();
        if let Some(refused) = self.refused.take() {
            return self.refuse(refused);
        }
        if !self.state.is_logged_in() && is_http(&octets) {
            return self.bye("This is not a web server");
        }
        let enabled = self.state.enabled();
        let parsed = command::line(&octets, enabled).and_then(|line| {
            let (tag, legal) = (line.tag.clone(), line.verb.legal);
            let checked = self.state.permits(legal).map_err(why);
            match checked.and_then(|()| line.parse()) {
                Ok(command) => Ok((tag, command)),
                Err(refusal) => Err((Some(tag), refusal)),
            }
        });
        match parsed {
            Ok((tag, command)) => self.execute(tag, command),
            Err((tag, refusal)) => self.refuse(Refused::new(tag, refusal)),
        }
    }

    fn execute(&mut self, tag: String, command: Command) {
        // The time begins anew with the command, or IDLE would inherit the silence before it.
        self.marker += u64::from(self.state.is_logged_in());
        self.encoder.enabled = self.state.enabled();
        self.encoder.tag.clone_from(&tag);
        self.encoder.lsub = matches!(&command, Command::Ask(Ask::List(list)) if list.lsub);
        match command {
            Command::Capability => {
                let capabilities = self.capabilities();
                self.encoder
                    .line(format_args!("* CAPABILITY {capabilities}"));
                self.tagged(&tag, &Done::ok("Capabilities listed"));
            }
            Command::Logout => {
                self.encoder.bye("Logging out");
                self.encoder.tagged(&tag, &Done::ok("Logged out"));
                self.end();
            }
            Command::StartTls => self.start_tls(&tag),
            Command::Authenticate { mechanism, initial } => {
                self.authenticate(tag, &mechanism, initial.as_deref());
            }
            Command::Login { name, password } => self.login(tag, &name, password),
            Command::Enable(names) => self.enable(tag, &names),
            Command::Idle => {
                self.encoder.go_on("idling");
                self.doing = Doing::Idle(Reply::new(tag, Kind::Idle));
            }
            Command::Ask(Ask::Noop) if !self.state.is_logged_in() => {
                self.tagged(&tag, &Done::ok("Nothing done"));
            }
            Command::Ask(ask) => self.ask_command(tag, ask),
        }
    }

    fn ask_command(&mut self, tag: String, ask: Ask) {
        let read_only = self.state.permits(Legal::Writable).is_err();
        let (ask, kind) = match ask {
            Ask::Select { read_only, .. } => {
                // RFC 9051 section 6.3.2: the old mailbox is closed whatever becomes of the new one.
                if self.state.unselect() {
                    self.encoder.untagged(Untagged::Status(
                        Done::ok("Previous mailbox closed").with(Code::Closed),
                    ));
                }
                (ask, Kind::Select { read_only })
            }
            // RFC 9051 section 6.4.1: CLOSE removes nothing from a read-only mailbox.
            Ask::Close if read_only => (Ask::Unselect, Kind::Unselect),
            Ask::Close | Ask::Unselect => (ask, Kind::Unselect),
            other => (other, Kind::Plain),
        };
        self.ask(ask, Pending::Reply(Reply::new(tag, kind)));
    }

    /// RFC 9051 section 6.2.1.
    fn start_tls(&mut self, tag: &str) {
        if self.tls.is_some() || !self.config.tls_available {
            let text = if self.tls.is_some() {
                "TLS is active already"
            } else {
                "TLS is not available"
            };
            return self.refuse(Refused::new(Some(tag.to_owned()), Refusal::bad(text)));
        }
        self.tagged(tag, &Done::ok("Begin TLS now"));
        self.frames.clear();
        self.doing = Doing::Handshake;
    }

    /// RFC 9051 section 6.3.1. The untagged answer comes even when it is empty: mutt and Evolution wait for it.
    fn enable(&mut self, tag: String, names: &[String]) {
        let new = self
            .state
            .enabled_mut()
            .map(|enabled| capability::enable(enabled, names))
            .unwrap_or_default();
        self.encoder.enabled = self.state.enabled();
        self.encoder.line(format_args!(
            "* ENABLED{}{}",
            if new.is_empty() { "" } else { " " },
            new.join(" ")
        ));
        if new.is_empty() {
            self.tagged(&tag, &Done::ok("Nothing new enabled"));
        } else {
            self.ask(
                Ask::Enabled(new),
                Pending::Reply(Reply::new(tag, Kind::Plain)),
            );
        }
    }
}

fn why(illegal: Illegal) -> Refusal {
    match illegal {
        Illegal::LoggedIn => Refusal::bad("Logged in already"),
        Illegal::NotLoggedIn => Refusal::bad("Log in first"),
        Illegal::NotSelected => Refusal::bad("Select a mailbox first"),
        Illegal::ReadOnly => Refusal::no(Code::ReadOnly, "The mailbox is open read-only"),
    }
}

impl State {
    /// Moves to `Selected`.
    pub(super) fn select(&mut self, read_only: bool) {
        self.advance(|state| match state {
            Self::Authenticated(session) => Self::Selected(session.select(read_only)),
            other => other,
        });
    }
}

/// A browser, or a page that makes one send mail commands (ALPACA).
fn is_http(line: &[u8]) -> bool {
    const VERBS: [&[u8]; 9] = [
        b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH",
    ];
    let mut words = line.splitn(2, |&b| b == b' ');
    let verb = words.next().is_some_and(|word| VERBS.contains(&word));
    let target = words.next().unwrap_or_default();
    verb && (target.starts_with(b"/")
        || target.starts_with(b"*")
        || target.starts_with(b"http")
        || target.ends_with(b"HTTP/1.1")
        || target.ends_with(b"HTTP/1.0"))
}
