//! The client side of SMTP and LMTP, as one pure machine.
//!
//! Invariant: every transaction ends in exactly one `Ask::Done` with one outcome a recipient, and no
//! outcome says `Delivered` unless the peer said so after the final dot. A password leaves only inside
//! TLS. Whom to connect to, when, and what to do about refusals is the queue's business.

pub mod ask;
mod envelope;
mod flight;
mod setup;
mod stuff;

pub use ask::{
    Answer, Ask, Break, Config, Credentials, Extensions, Outcome, Protocol, ServerReply, Session,
    SessionError, Stage, TlsPolicy, Transaction, Waits,
};

use congvu_wire::line::{Line, LineBuffer};
use congvu_wire::{Machine, Patience, Step, TlsInfo};

use crate::grammar::reply::{Garbage, Lines, ReplyReader};
use flight::{Flight, Want};
use setup::Setup;

/// Octets of a reply line: RFC 5321 section 4.5.3.1.5 has 512, SASL challenges 12,288.
const MAX_LINE: usize = 12_288;

/// One outbound session as a pure machine.
#[derive(Debug)]
pub struct Client {
    config: Config,
    input: LineBuffer,
    reader: ReplyReader,
    output: Vec<u8>,
    state: State,
    session: Session,
    /// The server may still hold a part of the last transaction.
    dirty: bool,
    events: u64,
    ended: bool,
    stopping: bool,
}

#[derive(Debug)]
enum State {
    Setup(Setup),
    /// 220 to STARTTLS came.
    StartTls,
    Handshake,
    /// The next step asks for a transaction.
    Idle,
    AskedNext,
    Flight(Box<Flight>),
    /// The next step reports; whether the connection then closes.
    Report(Vec<Outcome>, bool),
    Reported(bool),
    /// The next step reports; then the connection closes.
    Fail(SessionError),
    Failed,
    Quit,
    Closed,
}

impl Client {
    /// A session that waits for the peer's greeting.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            input: LineBuffer::new(MAX_LINE),
            reader: ReplyReader::default(),
            output: Vec::new(),
            state: State::Setup(Setup::Banner),
            session: Session::default(),
            dirty: false,
            events: 0,
            ended: false,
            stopping: false,
        }
    }

    /// For a driver's end without `Close` (connection lost, handshake failed): the report that the
    /// machine still owes, [`Ask::Done`] or [`Ask::Failed`], if any. Nothing is asked after it.
    pub fn settle(&mut self) -> Option<Ask> {
        self.output.clear();
        if !matches!(self.state, State::Report(..) | State::Fail(_)) {
            self.broke(Break::Closed);
        }
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Report(outcomes, _) => Some(Ask::Done(outcomes)),
            State::Fail(error) => Some(Ask::Failed(error)),
            _ => None,
        }
    }

    /// The connection cannot be used further.
    fn broke(&mut self, how: Break) {
        self.output.clear();
        match &self.state {
            State::Setup(setup) => {
                let stage = setup.stage();
                self.broke_at(stage, how);
            }
            State::StartTls | State::Handshake => self.broke_at(Stage::Tls, how),
            State::Idle | State::AskedNext => self.broke_at(Stage::Idle, how),
            State::Flight(_) => self.crash(how),
            State::Report(..) | State::Reported(_) | State::Fail(_) | State::Failed => {}
            State::Quit | State::Closed => self.state = State::Closed,
        }
    }

    fn broke_at(&mut self, stage: Stage, how: Break) {
        self.fail(SessionError::Broken(stage, how));
    }

    fn fail(&mut self, error: SessionError) {
        self.state = State::Fail(error);
    }

    fn quit(&mut self) {
        self.output.extend_from_slice(b"QUIT\r\n");
        self.state = State::Quit;
    }

    /// The next whole reply.
    fn reply(&mut self) -> Result<Option<Lines>, Garbage> {
        while let Some(line) = self.input.line() {
            let lines = match line {
                // A reply that ends with LF alone still has one meaning.
                Line::Whole(line) | Line::Bare(line) => self.reader.line(&line)?,
                Line::TooLong => return Err(Garbage),
            };
            if lines.is_some() {
                self.events += 1;
                return Ok(lines);
            }
        }
        Ok(None)
    }

    /// Waits for a reply and acts on it.
    fn listen(&mut self) -> Option<Step<Ask>> {
        match self.reply() {
            Ok(Some(lines)) => match std::mem::replace(&mut self.state, State::Closed) {
                State::Setup(setup) => self.set_up(setup, lines),
                State::Flight(flight) => {
                    self.state = State::Flight(flight);
                    self.flight_reply(lines.into_reply());
                }
                // Whatever is said to QUIT: we go.
                _ => {}
            },
            Ok(None) if self.ended => self.broke(Break::Closed),
            Ok(None) => return Some(Step::Read),
            Err(Garbage) => self.broke(Break::Garbage),
        }
        None
    }
}

impl Machine for Client {
    type Ask = Ask;
    type Answer = Answer;

    fn input(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Closed) {
            self.input.push(bytes);
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.events += 1;
        match (&self.state, answer) {
            (State::AskedNext, Answer::Transaction(transaction)) => self.take_off(&transaction),
            (State::AskedNext, _) => self.quit(),
            (State::Flight(_), answer) => self.body(answer),
            (State::Reported(false), _) => self.state = State::Idle,
            (State::Reported(true) | State::Failed, _) => self.state = State::Closed,
            // Nobody asked.
            _ => {}
        }
    }

    fn step(&mut self) -> Step<Ask> {
        loop {
            if !self.output.is_empty() {
                return Step::Write(std::mem::take(&mut self.output));
            }
            let step = match &mut self.state {
                State::Setup(setup) if self.stopping => {
                    let stage = setup.stage();
                    self.broke_at(stage, Break::Aborted);
                    None
                }
                State::Setup(_) | State::Quit => self.listen(),
                State::StartTls => {
                    // What stands there came before the handshake and could be anybody's.
                    self.input.clear();
                    self.reader = ReplyReader::default();
                    self.state = State::Handshake;
                    Some(Step::StartTls)
                }
                State::Idle if self.stopping => {
                    self.quit();
                    None
                }
                State::Idle => {
                    self.state = State::AskedNext;
                    Some(Step::Ask(Ask::Next(self.session.clone())))
                }
                State::Flight(_) => match self.want() {
                    Some(Want::Body) => Some(Step::Ask(Ask::Body)),
                    _ => self.listen(),
                },
                State::Report(outcomes, close) => {
                    let ask = Ask::Done(std::mem::take(outcomes));
                    self.state = State::Reported(*close);
                    Some(Step::Ask(ask))
                }
                State::Fail(error) => {
                    let ask = Ask::Failed(error.clone());
                    self.state = State::Failed;
                    Some(Step::Ask(ask))
                }
                State::Handshake | State::AskedNext | State::Reported(_) | State::Failed => {
                    Some(Step::Read)
                }
                State::Closed => Some(Step::Close),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    fn secured(&mut self, tls: TlsInfo) {
        self.session.tls = Some(tls);
        self.input.clear();
        self.events += 1;
        if matches!(self.state, State::Handshake) {
            // RFC 3207 section 4.2: ask again what the server offers.
            self.session.extensions = Extensions::default();
            self.say_hello(Setup::Ehlo);
        }
    }

    fn end_of_input(&mut self) {
        self.ended = true;
        if matches!(self.state, State::Handshake) {
            self.broke(Break::Closed);
        }
    }

    fn shutdown(&mut self) {
        self.stopping = true;
    }

    fn expire(&mut self) {
        self.broke(Break::Timeout);
    }

    fn patience(&self) -> Patience {
        let stage = match &self.state {
            State::Setup(setup) => setup.stage(),
            State::Flight(_) => self.flight_stage(),
            _ => Stage::Idle,
        };
        let waits = &self.config.waits;
        let limit = match (&self.state, stage) {
            (State::Quit, _) => waits.quit,
            (_, Stage::End) => waits.end,
            (_, Stage::Data) => waits.data,
            _ => waits.reply,
        };
        Patience {
            marker: self.events,
            limit,
        }
    }
}
