//! The server machine: one connection from greeting to BYE.
//!
//! Invariant: commands are executed one at a time, in the order in which they came, and everything a
//! command has to say is taken by the socket before the next one is read. Whatever the client sends, the
//! machine ends in `Close` after asking `End` once, and an APPEND that did not end is aborted before.
//! `read` frames and dispatches, `reply` writes answers, `login` and `upload` are the two dialogues.

mod login;
mod read;
mod reply;
mod upload;

use std::time::Duration;

use congvu_wire::{Machine, Patience, Step, TlsInfo};

use crate::ask::{Answer, Ask};
use crate::encode::Encoder;
use crate::frame::Frames;
use crate::response::{Code, Done, Status};
use crate::session::{NotAuthenticated, State};
use login::Login;
use read::Refused;
use reply::Reply;
use upload::{AfterAbort, Upload};

/// Time to log in. A client does it in seconds; a person typing into openssl in less than two minutes.
pub const LOGIN_PATIENCE: Duration = Duration::from_mins(2);

/// Autologout. RFC 9051 section 5.4 demands at least 30 minutes, also in IDLE, and clients renew IDLE after 29.
pub const COMMAND_PATIENCE: Duration = Duration::from_mins(30);

/// Time for 64 KiB of a message: 220 octets a second, less than the worst mobile link brings.
pub const UPLOAD_PATIENCE: Duration = Duration::from_mins(5);

/// BAD answers in a row before the connection is closed. What makes ten is not a mail client.
pub const BAD_COMMANDS: u8 = 10;

/// Logins that may fail in one connection: a mistyped password and its corrections.
pub const FAILED_LOGINS: u8 = 5;

/// Output that is collected before the socket gets it: a few large writes instead of many small ones.
const WRITE_OCTETS: usize = 64 * 1024;

/// What a listener knows about its connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// STARTTLS can be offered.
    pub tls_available: bool,
    /// Logins without TLS: for listeners on the loopback interface only.
    pub allow_plaintext: bool,
    /// Largest message that APPEND takes, in octets.
    pub append_limit: u64,
}

impl Default for Config {
    /// STARTTLS, no plain-text logins, 100 MiB: a scanned dossier and its base64.
    fn default() -> Self {
        Self {
            tls_available: true,
            allow_plaintext: false,
            append_limit: 100 << 20,
        }
    }
}

/// What the machine is at.
#[derive(Debug)]
enum Doing {
    /// Nothing happened yet.
    Begin,
    /// A command is read.
    Read,
    /// This is asked next.
    Ask(Box<Ask>, Pending),
    /// The answer is awaited.
    Await(Pending),
    /// An answer is written.
    Reply(Reply),
    /// IDLE: the client says DONE or the service something new.
    Idle(Reply),
    /// A response of a SASL exchange is read.
    Login(Login),
    /// The octets of a message are read.
    Upload(Upload),
    /// The end of the APPEND command is read.
    UploadEnd(Upload),
    /// STARTTLS was answered.
    Handshake,
    /// Everything is said.
    Closed,
}

/// What an answer is for.
#[derive(Debug)]
enum Pending {
    Open,
    Login(Login),
    Reply(Reply),
    /// The octets of a literal.
    Octets(Reply),
    UploadStart(Upload),
    UploadData(Upload),
    UploadAbort(AfterAbort),
    End,
}

/// The machine. See [`Ask`] and [`Answer`] for what it asks.
#[derive(Debug)]
pub struct Server {
    config: Config,
    frames: Frames,
    encoder: Encoder,
    state: State,
    doing: Doing,
    tls: Option<TlsInfo>,
    /// Why the command whose end is being looked for is refused.
    refused: Option<Refused>,
    /// BAD answers in a row.
    bad: u8,
    marker: u64,
    end_of_input: bool,
    /// The connection is to end, with this BYE.
    stop: Option<&'static str>,
}

impl Server {
    /// A machine before its greeting.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            frames: Frames::new(),
            encoder: Encoder::default(),
            state: State::NotAuthenticated(NotAuthenticated::default()),
            doing: Doing::Begin,
            tls: None,
            refused: None,
            bad: 0,
            marker: 0,
            end_of_input: false,
            stop: None,
        }
    }

    fn capabilities(&self) -> String {
        crate::capability::list(&self.config, self.tls.as_ref(), &self.state)
    }

    fn ask(&mut self, ask: Ask, pending: Pending) {
        self.doing = Doing::Ask(Box::new(ask), pending);
    }

    /// Whether the connection can end now without breaking a command or a literal off in the middle.
    fn at_rest(&self) -> bool {
        matches!(
            self.doing,
            Doing::Begin
                | Doing::Read
                | Doing::Idle(_)
                | Doing::Login(_)
                | Doing::Upload(_)
                | Doing::UploadEnd(_)
                | Doing::Handshake
        )
    }

    /// Says BYE and ends.
    fn bye(&mut self, text: &str) {
        self.encoder.bye(text);
        self.end();
    }

    /// Ends without a word: an APPEND under way is aborted, the service hears of the end.
    fn end(&mut self) {
        self.state = State::Logout;
        self.stop = None;
        self.refused = None;
        match std::mem::replace(&mut self.doing, Doing::Closed) {
            Doing::Begin | Doing::Closed => {}
            Doing::Upload(upload) | Doing::UploadEnd(upload) if upload.is_welcome() => {
                self.ask(Ask::AppendAbort, Pending::UploadAbort(AfterAbort::End));
            }
            _ => self.ask(Ask::End, Pending::End),
        }
    }

    /// The command is finished.
    fn tagged(&mut self, tag: &str, done: &Done) {
        self.doing = Doing::Read;
        self.marker += u64::from(self.state.is_logged_in());
        if done.status == Status::Bye {
            self.encoder
                .untagged(crate::response::Untagged::Status(done.clone()));
            self.end();
            return;
        }
        self.encoder.tagged(tag, done);
        self.count(done.status);
    }

    /// Counts what is wrong; too much of it ends the connection.
    fn count(&mut self, status: Status) {
        match status {
            Status::Bad => self.bad += 1,
            // Before a login, NOOP does not wash off what was tried.
            _ if self.state.is_logged_in() => self.bad = 0,
            _ => {}
        }
        if self.bad >= BAD_COMMANDS {
            self.bye("Too many bad commands");
        }
    }

    fn greet(&mut self, answer: Answer) {
        self.doing = Doing::Read;
        let Answer::Reply { untagged, done } = answer else {
            return self.broken();
        };
        for response in untagged {
            self.encoder.untagged(response);
        }
        match done {
            Some(done) if done.status == Status::Ok => {
                self.encoder
                    .ok_with_capabilities("*", &self.capabilities(), &done.text);
            }
            Some(done) => {
                self.encoder
                    .untagged(crate::response::Untagged::Status(Done {
                        status: Status::Bye,
                        ..done
                    }));
                self.end();
            }
            None => self.broken(),
        }
    }

    /// The service answered something else than what was asked.
    fn broken(&mut self) {
        self.encoder
            .untagged(crate::response::Untagged::Status(Done {
                status: Status::Bye,
                code: Some(Code::ServerBug),
                text: "Internal error".to_owned(),
            }));
        self.end();
    }
}

impl Machine for Server {
    type Ask = Ask;
    type Answer = Answer;

    fn input(&mut self, bytes: &[u8]) {
        if !matches!(self.doing, Doing::Closed | Doing::Handshake) {
            self.frames.push(bytes);
        }
    }

    fn answer(&mut self, answer: Answer) {
        let doing = std::mem::replace(&mut self.doing, Doing::Read);
        match doing {
            Doing::Await(Pending::Open) => self.greet(answer),
            Doing::Await(Pending::Login(login)) => self.login_answered(login, answer),
            Doing::Await(Pending::Reply(reply)) | Doing::Idle(reply) => {
                self.answered(reply, answer);
            }
            Doing::Await(Pending::Octets(reply)) => self.octets_answered(reply, answer),
            Doing::Await(Pending::UploadStart(upload)) => self.upload_begun(upload, answer),
            Doing::Await(Pending::UploadData(upload)) => self.upload_continued(upload, answer),
            Doing::Await(Pending::UploadAbort(after)) => self.after_abort(after),
            Doing::Await(Pending::End) => self.doing = Doing::Closed,
            // Nothing was asked: the answer goes nowhere.
            other => self.doing = other,
        }
    }

    fn step(&mut self) -> Step<Ask> {
        loop {
            if self.at_rest()
                && let Some(text) = self.stop.take()
            {
                self.bye(text);
            }
            if self.encoder.len() > 0 && !matches!(self.doing, Doing::Reply(_))
                || self.encoder.len() >= WRITE_OCTETS
            {
                return Step::Write(self.encoder.take());
            }
            match std::mem::replace(&mut self.doing, Doing::Closed) {
                Doing::Begin => self.ask(Ask::Open, Pending::Open),
                Doing::Ask(ask, pending) => {
                    self.doing = Doing::Await(pending);
                    return Step::Ask(*ask);
                }
                Doing::Handshake => {
                    self.doing = Doing::Handshake;
                    return Step::StartTls;
                }
                Doing::Closed => return Step::Close,
                // The driver owes an answer.
                Doing::Await(pending) => {
                    self.doing = Doing::Await(pending);
                    return Step::Read;
                }
                doing => {
                    self.doing = doing;
                    if let Some(step) = self.go_on() {
                        return step;
                    }
                }
            }
        }
    }

    fn secured(&mut self, tls: TlsInfo) {
        self.frames.clear();
        self.refused = None;
        self.tls = Some(tls);
        if matches!(self.doing, Doing::Handshake) {
            // RFC 9051 section 6.2.1: what was said before does not count, and no second greeting comes.
            self.state = State::NotAuthenticated(NotAuthenticated::default());
            self.marker += 1;
            self.doing = Doing::Read;
        }
    }

    fn end_of_input(&mut self) {
        self.end_of_input = true;
    }

    fn shutdown(&mut self) {
        self.stop = Some("Server is shutting down");
    }

    fn expire(&mut self) {
        self.stop = Some(if self.state.is_logged_in() {
            "Idle for too long"
        } else {
            "Too slow to log in"
        });
    }

    fn patience(&self) -> Patience {
        let limit = match self.doing {
            Doing::Upload(_) => UPLOAD_PATIENCE,
            _ if self.state.is_logged_in() => COMMAND_PATIENCE,
            _ => LOGIN_PATIENCE,
        };
        Patience {
            marker: self.marker,
            limit,
        }
    }
}

impl Server {
    /// One thing that needs no answer of the service; `None` when there is more to do at once.
    fn go_on(&mut self) -> Option<Step<Ask>> {
        match std::mem::replace(&mut self.doing, Doing::Read) {
            Doing::Read => self.read(),
            Doing::Reply(reply) => {
                self.write_reply(reply);
                None
            }
            Doing::Idle(reply) => self.idle(reply),
            Doing::Login(login) => self.login_response(login),
            Doing::Upload(upload) => self.upload(upload),
            Doing::UploadEnd(upload) => self.upload_end(upload),
            other => {
                self.doing = other;
                None
            }
        }
    }

    /// More input, unless there will be none.
    fn more(&mut self, doing: Doing) -> Option<Step<Ask>> {
        self.doing = doing;
        if self.end_of_input {
            self.end();
            return None;
        }
        Some(Step::Read)
    }
}
