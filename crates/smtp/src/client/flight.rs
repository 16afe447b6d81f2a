//! One transaction: envelope, message, replies, and what came of each recipient.

use std::collections::VecDeque;

use super::ask::{Answer, Break, Extensions, Outcome, Protocol, ServerReply, Stage, Transaction};
use super::stuff::Stuffer;
use super::{Client, State, envelope};
use crate::ask::BodyKind;

/// Commands sent ahead of their replies. The replies to so many fit into any socket's buffer, so that
/// two sides that both write cannot block each other for ever (RFC 2920 section 3.1).
const WINDOW: usize = 100;

/// A transaction under way.
#[derive(Debug)]
pub(super) struct Flight {
    /// Lines not yet sent, with what each is.
    unsent: VecDeque<(Vec<u8>, Command)>,
    /// What the next replies are for.
    expected: VecDeque<Command>,
    outcomes: Vec<Option<Outcome>>,
    /// Recipients that the server accepted, in order.
    accepted: Vec<usize>,
    course: Course,
    /// The message goes by BDAT.
    chunked: bool,
    /// Something was said to the server.
    begun: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Rset,
    Mail,
    Rcpt(usize),
    Data,
    /// A chunk of BDAT that is not the last.
    Chunk,
    /// The whole message; of LMTP, for this recipient.
    End(Option<usize>),
    /// The dot after a 354 that should not have come.
    Nothing,
}

#[derive(Debug)]
enum Course {
    Envelope,
    /// The next step asks for octets.
    Pull(Option<Stuffer>),
    /// Octets were asked for.
    Pulled(Option<Stuffer>),
    /// The message is out.
    Sent,
}

/// What a step of a flight wants.
pub(super) enum Want {
    Reply,
    Body,
}

impl Flight {
    /// The transaction as lines; recipients that this server cannot get are decided at once.
    fn new(transaction: &Transaction, offers: &Extensions, dirty: bool) -> Self {
        let chunked = transaction.mail.body == BodyKind::Binary;
        let mut flight = Self {
            unsent: VecDeque::new(),
            expected: VecDeque::new(),
            outcomes: vec![None; transaction.rcpts.len()],
            accepted: Vec::new(),
            course: Course::Envelope,
            chunked,
            begun: false,
        };
        let mail = match envelope::unsupported(transaction, offers) {
            Some(reply) => Err(reply),
            None => envelope::mail(&transaction.mail, offers),
        };
        let (mail, utf8) = match mail {
            Ok(mail) => mail,
            Err(reply) => {
                flight.decide_all(&Outcome::Unsupported(reply));
                return flight;
            }
        };
        let mut rcpts = Vec::new();
        for (index, rcpt) in transaction.rcpts.iter().enumerate() {
            match envelope::rcpt(rcpt, offers, utf8) {
                Ok(line) => rcpts.push((line, Command::Rcpt(index))),
                Err(reply) => flight.decide(index, Outcome::Unsupported(reply)),
            }
        }
        if rcpts.is_empty() {
            return flight;
        }
        if dirty {
            flight
                .unsent
                .push_back((b"RSET\r\n".to_vec(), Command::Rset));
        }
        flight.unsent.push_back((mail, Command::Mail));
        flight.unsent.extend(rcpts);
        if !chunked {
            flight
                .unsent
                .push_back((b"DATA\r\n".to_vec(), Command::Data));
        }
        flight
    }

    fn decide(&mut self, index: usize, outcome: Outcome) {
        if let Some(slot) = self.outcomes.get_mut(index) {
            slot.get_or_insert(outcome);
        }
    }

    fn decide_all(&mut self, outcome: &Outcome) {
        for slot in &mut self.outcomes {
            slot.get_or_insert_with(|| outcome.clone());
        }
    }

    /// Lines that may go out now.
    fn send(&mut self, window: usize, output: &mut Vec<u8>) {
        while self.expected.len() < window {
            // A DATA that nobody is left for is not said; only pipelining may say it too early.
            let hopeless = self.expected.is_empty() && self.accepted.is_empty();
            match self.unsent.front() {
                Some((_, Command::Data)) if hopeless => {
                    self.unsent.clear();
                    return;
                }
                Some(_) => {}
                None => return,
            }
            if let Some((line, command)) = self.unsent.pop_front() {
                output.extend_from_slice(&line);
                self.expected.push_back(command);
                self.begun = true;
            }
        }
    }

    /// Where a break happens now, and whether the message may have arrived.
    fn place(&self) -> (Stage, bool) {
        match (&self.course, self.expected.front()) {
            (Course::Sent, Some(Command::End(_))) => (Stage::End, true),
            (Course::Envelope, Some(Command::Rset)) => (Stage::Idle, false),
            (Course::Envelope, Some(Command::Mail) | None) => (Stage::Mail, false),
            (Course::Envelope, Some(Command::Rcpt(_))) => (Stage::Rcpt, false),
            _ => (Stage::Data, false),
        }
    }

    fn reply(&mut self, reply: ServerReply) -> Result<(), Break> {
        let Some(command) = self.expected.pop_front() else {
            return Err(if reply.code == 421 {
                Break::Said(reply)
            } else {
                Break::Garbage
            });
        };
        let success = reply.is_success();
        // The server goes; at the end of the message a 421 still says clearly that it was not taken.
        if reply.code == 421 && !matches!(command, Command::End(_)) {
            self.expected.push_front(command);
            return Err(Break::Said(reply));
        }
        match command {
            Command::Rset | Command::Mail if success => {}
            Command::Rset => self.refuse_all(&refused(Stage::Idle, reply)?),
            Command::Mail => self.refuse_all(&refused(Stage::Mail, reply)?),
            Command::Rcpt(index) if success => {
                if self.outcomes.get(index).is_some_and(Option::is_none) {
                    self.accepted.push(index);
                }
            }
            Command::Rcpt(index) => self.decide(index, refused(Stage::Rcpt, reply)?),
            Command::Data if reply.code == 354 && !self.accepted.is_empty() => {
                self.course = Course::Pull(Some(Stuffer::new()));
            }
            Command::Data if reply.code == 354 => {
                // RFC 2920 section 3.1: nobody is there, but the server waits for a message.
                self.unsent.push_back((b".\r\n".to_vec(), Command::Nothing));
            }
            Command::Chunk if success => self.course = Course::Pull(None),
            Command::Data | Command::Chunk => self.refuse_all(&refused(Stage::Data, reply)?),
            Command::End(whose) => {
                let outcome = if success {
                    Outcome::Delivered(reply)
                } else {
                    refused(Stage::End, reply)?
                };
                match whose {
                    Some(index) => self.decide(index, outcome),
                    None => self.decide_all(&outcome),
                }
            }
            Command::Nothing => {}
        }
        Ok(())
    }

    fn refuse_all(&mut self, outcome: &Outcome) {
        self.unsent.clear();
        self.accepted.clear();
        self.decide_all(outcome);
    }

    /// Nothing is left to say or to hear.
    fn is_over(&self) -> bool {
        self.unsent.is_empty()
            && self.expected.is_empty()
            && match self.course {
                Course::Envelope => self.outcomes.iter().all(Option::is_some),
                Course::Sent => true,
                Course::Pull(_) | Course::Pulled(_) => self.accepted.is_empty(),
            }
    }
}

/// A reply that is neither success nor refusal is no answer to these commands.
fn refused(stage: Stage, reply: ServerReply) -> Result<Outcome, Break> {
    if reply.code < 400 {
        return Err(Break::Garbage);
    }
    Ok(Outcome::Refused(stage, reply))
}

impl Client {
    pub(super) fn take_off(&mut self, transaction: &Transaction) {
        let flight = Flight::new(transaction, &self.session.extensions, self.dirty);
        self.state = State::Flight(Box::new(flight));
        self.advance();
    }

    /// Sends what may be sent, and lands when all is decided.
    pub(super) fn advance(&mut self) {
        let window = if self.session.extensions.pipelining {
            WINDOW
        } else {
            1
        };
        let State::Flight(flight) = &mut self.state else {
            return;
        };
        flight.send(window, &mut self.output);
        let none_in_doubt = flight.unsent.is_empty() && flight.expected.is_empty();
        // BDAT begins once the recipients are known.
        if flight.chunked
            && none_in_doubt
            && matches!(flight.course, Course::Envelope)
            && !flight.accepted.is_empty()
        {
            flight.course = Course::Pull(None);
        }
        if flight.is_over() {
            self.land(false);
        }
    }

    /// Reports; `close` when the connection cannot be used again.
    fn land(&mut self, close: bool) {
        if let State::Flight(flight) = std::mem::replace(&mut self.state, State::Closed) {
            // After the end of a message the server stands where it stood after EHLO.
            self.dirty = (self.dirty || flight.begun) && !matches!(flight.course, Course::Sent);
            self.session.transactions = self.session.transactions.saturating_add(1);
            let unanswered = Outcome::Unsent(Stage::Rcpt, Break::Garbage);
            let outcomes = flight.outcomes.into_iter();
            let outcomes = outcomes
                .map(|o| o.unwrap_or_else(|| unanswered.clone()))
                .collect();
            self.state = State::Report(outcomes, close);
        }
    }

    /// What the flight waits for.
    pub(super) fn want(&mut self) -> Option<Want> {
        let State::Flight(flight) = &mut self.state else {
            return None;
        };
        Some(
            match std::mem::replace(&mut flight.course, Course::Envelope) {
                Course::Pull(stuffer) => {
                    flight.course = Course::Pulled(stuffer);
                    Want::Body
                }
                course => {
                    flight.course = course;
                    Want::Reply
                }
            },
        )
    }

    pub(super) fn flight_reply(&mut self, reply: ServerReply) {
        let State::Flight(flight) = &mut self.state else {
            return;
        };
        let goodbye = reply.code == 421;
        let lmtp = self.config.protocol == Protocol::Lmtp;
        match flight.reply(reply.clone()) {
            Err(how) => self.broke(how),
            // LMTP owes no reply for a message to nobody, so nobody could tell how it ended.
            Ok(()) if lmtp && matches!(flight.unsent.front(), Some((_, Command::Nothing))) => {
                self.broke(Break::Garbage);
            }
            Ok(()) if goodbye => {
                // 421 at the end of the message: the rest of LMTP's recipients get the same.
                flight.decide_all(&Outcome::Refused(Stage::End, reply));
                self.land(true);
            }
            Ok(()) => self.advance(),
        }
    }

    /// The sender's octets.
    pub(super) fn body(&mut self, answer: Answer) {
        let lmtp = self.config.protocol == Protocol::Lmtp;
        let State::Flight(flight) = &mut self.state else {
            return;
        };
        let course = std::mem::replace(&mut flight.course, Course::Envelope);
        match (course, answer) {
            (Course::Pulled(Some(mut stuffer)), Answer::Chunk(octets)) => {
                stuffer.push(&octets, &mut self.output);
                flight.course = Course::Pull(Some(stuffer));
            }
            (Course::Pulled(None), Answer::Chunk(octets)) if octets.is_empty() => {
                flight.course = Course::Pull(None);
            }
            (Course::Pulled(None), Answer::Chunk(octets)) => {
                self.output
                    .extend_from_slice(format!("BDAT {}\r\n", octets.len()).as_bytes());
                self.output.extend_from_slice(&octets);
                flight.expected.push_back(Command::Chunk);
                flight.course = Course::Pulled(None);
            }
            (Course::Pulled(stuffer), Answer::End) => {
                match stuffer {
                    Some(stuffer) => stuffer.finish(&mut self.output),
                    None => self.output.extend_from_slice(b"BDAT 0 LAST\r\n"),
                }
                if lmtp {
                    let accepted = flight.accepted.iter();
                    flight
                        .expected
                        .extend(accepted.map(|&index| Command::End(Some(index))));
                } else {
                    flight.expected.push_back(Command::End(None));
                }
                flight.course = Course::Sent;
            }
            (course, _) => {
                flight.course = course;
                self.broke(Break::Aborted);
            }
        }
    }

    /// The connection is gone while a transaction is open.
    pub(super) fn crash(&mut self, how: Break) {
        if let State::Flight(flight) = &mut self.state {
            let (stage, in_doubt) = flight.place();
            let outcome = if in_doubt {
                Outcome::Unknown(how)
            } else {
                Outcome::Unsent(stage, how)
            };
            flight.decide_all(&outcome);
        }
        self.land(true);
    }

    /// Where the flight is, for patience.
    pub(super) fn flight_stage(&self) -> Stage {
        match &self.state {
            State::Flight(flight) => flight.place().0,
            _ => Stage::Idle,
        }
    }
}
