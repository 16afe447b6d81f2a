//! The server side of SMTP: MX, submission and LMTP, as one pure machine.
//!
//! Invariant: a message is the service's only after `Ask::Deliver` was answered with success; whatever
//! breaks before, `Ask::Reset` (or the end of the connection) makes the service forget it. What stands in
//! the input buffer before a TLS handshake is never obeyed. Policy, recipients and storage are not here:
//! the service (`smtpd`) decides them.

mod answers;
mod auth;
mod commands;
mod config;
mod hello;
mod legality;
mod message;
mod octets;
mod say;
mod transfer;

pub use config::Config;

use std::sync::Arc;

use congvu_wire::line::LineBuffer;
use congvu_wire::sasl::Exchange;
use congvu_wire::{Machine, Patience, Step, TlsInfo};

use crate::ask::{Answer, Ask, Reply};
use legality::Phase;
use message::Transaction;
use octets::Dots;
use say::{Output, Said};

/// Octets of a message that must arrive within [`Config::data_patience`]: at five minutes a line of 220
/// octets a second is still served, a drip is not.
pub const PROGRESS: u64 = 64 << 10;

/// Octets of a command line, its end not counted: RFC 4954 section 4 asks for 12,288 with AUTH; every
/// other command with all its parameters is far below.
const MAX_LINE: usize = 12_288;

/// Octets of replies that are held back for pipelining before they are written anyway.
const FLUSH: usize = 4 << 10;

/// Bad commands of a connection without a delivered message between them; the next one ends it. (How many
/// unknown recipients are too many depends on who asks: the service decides, with a 421.)
const MAX_FAULTS: u32 = 20;

/// Commands that lead nowhere (NOOP, VRFY, RSET, EHLO, and MAIL) without a delivered message between them.
/// Clients that keep a connection warm send one a minute.
const MAX_IDLE: u32 = 100;

/// Failed logins of a connection: as many as a person's client tries, too few to guess.
const MAX_LOGIN_FAILURES: u32 = 5;

/// One inbound session as a pure machine.
#[derive(Debug)]
pub struct Server {
    config: Arc<Config>,
    input: LineBuffer,
    output: Output,
    state: State,
    /// The channel's handshake.
    tls: Option<TlsInfo>,
    /// Whether EHLO was said, since the last handshake.
    greeted: bool,
    /// Who logged in, since the last handshake.
    login: Option<String>,
    counts: Counts,
    ended: bool,
    stopping: bool,
}

/// What a connection used up.
#[derive(Debug, Default)]
struct Counts {
    faults: u32,
    idle: u32,
    login_failures: u32,
    transactions: u32,
    /// Octets of messages, refused chunks included, that arrived.
    octets: u64,
    /// Commands and answers.
    events: u64,
}

#[derive(Debug)]
enum State {
    /// Nothing was said.
    New,
    /// Reads a command; the open transaction, if any.
    Command(Option<Box<Transaction>>),
    /// Reads a line of a SASL exchange.
    Login(Box<Exchange>),
    /// Reads DATA.
    Data(Box<Transaction>, Dots),
    /// Reads a chunk of BDAT.
    Chunk(Box<Transaction>, Chunk),
    /// Throws a refused chunk away, then says why.
    Skip(Option<Box<Transaction>>, u64, Reply),
    /// The next step asks this.
    Asks(Ask, Pending),
    /// The service was asked.
    Asked(Pending),
    /// 220 was said to STARTTLS.
    StartTls,
    /// The driver was told to do the handshake.
    Handshake,
    /// Says what there is to say, then closes.
    Closing,
    Closed,
}

/// A chunk of BDAT under way.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    /// Octets it has.
    size: u64,
    /// Octets still to come.
    left: u64,
    last: bool,
}

/// What the answer to a question leads to.
#[derive(Debug)]
enum Pending {
    Open,
    Hello {
        extended: bool,
    },
    Sasl(Box<Exchange>),
    Mail(Box<Transaction>),
    Rcpt(Box<Transaction>),
    /// A piece of DATA; reading goes on.
    Data(Box<Transaction>, Dots),
    /// A piece of a chunk; reading goes on.
    Chunk(Box<Transaction>, Chunk),
    /// The last piece of a message.
    Whole(Box<Transaction>),
    Deliver(Box<Transaction>),
    /// The transaction is forgotten; the reply was said already.
    Reset(Then),
}

/// What follows a reset.
#[derive(Debug)]
enum Then {
    Command,
    Hello {
        name: String,
        extended: bool,
        early: bool,
    },
    Close,
}

impl Then {
    fn state(self) -> State {
        match self {
            Self::Command => State::Command(None),
            Self::Hello {
                name,
                extended,
                early,
            } => State::Asks(
                Ask::Hello {
                    name,
                    extended,
                    early,
                },
                Pending::Hello { extended },
            ),
            Self::Close => State::Closing,
        }
    }
}

impl Server {
    /// A session that has said nothing yet.
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            input: LineBuffer::new(MAX_LINE),
            output: Output::default(),
            state: State::New,
            tls: None,
            greeted: false,
            login: None,
            counts: Counts::default(),
            ended: false,
            stopping: false,
        }
    }

    /// Who logged in, if anybody did since the last handshake.
    pub fn login(&self) -> Option<&str> {
        self.login.as_deref()
    }

    fn say(&mut self, reply: impl Into<Reply>) {
        self.output.reply(&reply.into());
    }

    fn phase(&self, transaction: Option<&Transaction>) -> Phase {
        match transaction {
            None if self.greeted => Phase::Greeted,
            None => Phase::Fresh,
            Some(t) if t.message.is_some() => Phase::Chunks,
            Some(t) if t.accepted > 0 => Phase::Rcpt,
            Some(t) if t.refused > 0 => Phase::Refused,
            Some(_) => Phase::Mail,
        }
    }

    /// Ends the connection after what was said; an open transaction is forgotten first.
    fn finish(&mut self) {
        let open = match std::mem::replace(&mut self.state, State::Closing) {
            State::Command(transaction) | State::Skip(transaction, ..) => transaction.is_some(),
            State::Data(..) | State::Chunk(..) => true,
            _ => false,
        };
        if open {
            self.state = State::Asks(Ask::Reset, Pending::Reset(Then::Close));
        }
    }

    /// Forgets the transaction that was just taken out of the state, if there was one.
    fn forget(&mut self, transaction: Option<Box<Transaction>>, then: Then) {
        self.state = match (transaction, then) {
            (Some(_), then) => State::Asks(Ask::Reset, Pending::Reset(then)),
            (None, then) => then.state(),
        };
    }

    /// Something was wrong; too much of it ends the connection.
    fn fault(&mut self) {
        self.counts.faults += 1;
        if self.counts.faults > MAX_FAULTS {
            self.say(Said(421, (4, 7, 0), "too many errors"));
            self.finish();
        }
    }

    /// What stops a state that reads, before it reads more.
    fn interrupted(&mut self) -> bool {
        if self.stopping {
            self.say(Said(421, (4, 3, 2), "the server is shutting down"));
            self.finish();
        }
        self.stopping
    }

    /// Nothing more can be done with what has arrived.
    fn starve(&mut self) -> Option<Step<Ask>> {
        if let Some(octets) = self.output.take() {
            return Some(Step::Write(octets));
        }
        if self.ended {
            self.finish();
            return None;
        }
        Some(Step::Read)
    }
}

impl Machine for Server {
    type Ask = Ask;
    type Answer = Answer;

    fn input(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Closing | State::Closed) {
            self.input.push(bytes);
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.counts.events += 1;
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Asked(pending) => self.answered(pending, answer),
            // Nobody asked.
            state => self.state = state,
        }
    }

    fn step(&mut self) -> Step<Ask> {
        loop {
            let step = match &self.state {
                State::New if self.stopping => {
                    self.interrupted();
                    None
                }
                State::New => {
                    self.state = State::Asks(Ask::Open, Pending::Open);
                    None
                }
                State::Command(_)
                | State::Login(_)
                | State::Data(..)
                | State::Chunk(..)
                | State::Skip(..) => self.read(),
                State::Asks(..) => self.ask(),
                State::StartTls | State::Closing => self.flush_then_leave(),
                State::Asked(_) | State::Handshake => Some(Step::Read),
                State::Closed => Some(Step::Close),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    fn secured(&mut self, tls: TlsInfo) {
        // RFC 3207 section 4.2: everything learned before the handshake is void.
        self.tls = Some(tls);
        self.greeted = false;
        self.login = None;
        self.input.clear();
        if matches!(self.state, State::Handshake) {
            self.state = State::Command(None);
        }
        self.counts.events += 1;
    }

    fn end_of_input(&mut self) {
        self.ended = true;
        if matches!(self.state, State::Handshake) {
            self.state = State::Closed;
        }
    }

    fn shutdown(&mut self) {
        self.stopping = true;
    }

    fn expire(&mut self) {
        if matches!(self.state, State::Handshake) {
            self.state = State::Closed;
            return;
        }
        self.say(Said(421, (4, 4, 2), "you took too long"));
        self.finish();
    }

    fn patience(&self) -> Patience {
        let limit = match self.state {
            State::Data(..) | State::Chunk(..) | State::Skip(..) => self.config.data_patience,
            _ => self.config.command_patience,
        };
        Patience {
            // Events are few against 2^32 and progress is counted in steps, so the sum always moves.
            marker: self.counts.events + self.counts.octets / PROGRESS,
            limit,
        }
    }
}

impl Server {
    fn read(&mut self) -> Option<Step<Ask>> {
        if self.interrupted() {
            return None;
        }
        if self.output.len() >= FLUSH {
            return self.output.take().map(Step::Write);
        }
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Command(transaction) => self.command(transaction),
            State::Login(exchange) => self.login_line(exchange),
            State::Data(transaction, dots) => self.data(transaction, dots),
            State::Chunk(transaction, chunk) => self.chunk(transaction, chunk),
            State::Skip(transaction, left, reply) => self.skip(transaction, left, reply),
            state => {
                self.state = state;
                None
            }
        }
    }

    fn flush_then_leave(&mut self) -> Option<Step<Ask>> {
        if let Some(octets) = self.output.take() {
            return Some(Step::Write(octets));
        }
        if matches!(self.state, State::StartTls) {
            self.input.clear();
            self.state = State::Handshake;
            return Some(Step::StartTls);
        }
        self.state = State::Closed;
        None
    }

    fn ask(&mut self) -> Option<Step<Ask>> {
        // These take long: what was said must not wait for them.
        let slow = matches!(&self.state, State::Asks(Ask::Deliver | Ask::Sasl(_), _));
        if slow && let Some(octets) = self.output.take() {
            return Some(Step::Write(octets));
        }
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Asks(ask, pending) => {
                self.state = State::Asked(pending);
                Some(Step::Ask(ask))
            }
            state => {
                self.state = state;
                None
            }
        }
    }
}
