//! Command lines: may it, then do it.

use congvu_wire::Step;
use congvu_wire::line::Line;

use super::message::{TOO_BIG, Transaction, gross};
use super::octets::Dots;
use super::say::Said;
use super::{Chunk, MAX_IDLE, Pending, Server, State, Then, legality};
use crate::ask::{Ask, BodyKind, Kind, Reply};
use crate::grammar::command::{self, Verb};
use crate::grammar::{SyntaxError, param};

const LHLO_ONLY: Said = Said(500, (5, 5, 1), "this is LMTP: say LHLO");
const NO_LHLO: Said = Said(500, (5, 5, 1), "this is SMTP: say EHLO");
const NOT_IMPLEMENTED: Said = Said(502, (5, 5, 1), "command not implemented");
const NO_TLS: Said = Said(502, (5, 5, 1), "STARTTLS is not available");
const TLS_ALREADY: Said = Said(503, (5, 5, 1), "TLS is active already");
const AUTH_ELSEWHERE: Said = Said(
    503,
    (5, 5, 1),
    "no login on this port; clients submit mail on port 465 or 587",
);
const AUTH_ALREADY: Said = Said(503, (5, 5, 1), "you are logged in already");
const NEEDS_TLS: Said = Said(530, (5, 7, 0), "say STARTTLS first");
const NEEDS_AUTH: Said = Said(530, (5, 7, 0), "log in first");
const TOO_MANY_RCPTS: Said = Said(
    452,
    (4, 5, 3),
    "too many recipients; send the rest in another transaction",
);
const TOO_MANY_MAILS: Said = Said(
    421,
    (4, 5, 3),
    "too many messages in one session; connect again",
);
const NEEDS_BDAT: Said = Said(503, (5, 5, 1), "a BINARYMIME message is sent with BDAT");

impl Server {
    /// One command, if its line is complete. The state was taken out; each way puts one back.
    pub(super) fn command(&mut self, transaction: Option<Box<Transaction>>) -> Option<Step<Ask>> {
        // A TLS client on a port that begins in the clear would wait for ever.
        let hello = !self.greeted && self.input.octets().starts_with(&[0x16, 0x03]);
        if hello {
            self.forget(transaction, Then::Close);
            return None;
        }
        let line = self.input.line();
        self.state = State::Command(transaction);
        let Some(line) = line else {
            return self.starve();
        };
        self.counts.events += 1;
        let obeyed = match &line {
            Line::Whole(line) => self.obey(line),
            Line::Bare(_) => Err(SyntaxError::BareLineEnd),
            Line::TooLong => Err(SyntaxError::TooLong),
        };
        if let Err(error) = obeyed {
            self.say(error.reply());
            self.fault();
        }
        None
    }

    fn obey(&mut self, line: &[u8]) -> Result<(), SyntaxError> {
        let (verb, rest) = command::split(line)?;
        let transaction = match std::mem::replace(&mut self.state, State::Closed) {
            State::Command(transaction) => transaction,
            state => {
                self.state = state;
                return Ok(());
            }
        };
        let chunk = match (verb, command::bdat(rest)) {
            (Verb::Bdat, Ok((size, last))) => Some((size, last)),
            (Verb::Bdat, Err(error)) => {
                // Nobody knows how many octets follow: obeying them would be command injection.
                self.say(error.reply());
                self.say(Said(
                    421,
                    (4, 5, 2),
                    "closing, since the size of the chunk is unknown",
                ));
                self.state = State::Command(transaction);
                self.finish();
                return Ok(());
            }
            _ => None,
        };
        let phase = self.phase(transaction.as_deref());
        if let Some(said) = self
            .admission(verb)
            .or_else(|| legality::refusal(verb, phase))
        {
            self.refuse(verb, said, transaction, chunk);
            return Ok(());
        }
        if let Some((size, last)) = chunk {
            self.begin_chunk(transaction, size, last);
            return Ok(());
        }
        self.run(verb, rest, transaction)
    }

    fn refuse(
        &mut self,
        verb: Verb,
        said: Said,
        transaction: Option<Box<Transaction>>,
        chunk: Option<(u64, bool)>,
    ) {
        if let Some((size, _)) = chunk {
            self.state = State::Skip(transaction, size, said.into());
            return;
        }
        self.state = State::Command(transaction);
        self.say(said);
        // After a refused MAIL the pipelined rest is refused too, and Apple's clients try AUTH on port 25:
        // neither is an attack.
        if said != AUTH_ELSEWHERE && !matches!(verb, Verb::Rcpt | Verb::Data) {
            self.fault();
        }
    }

    /// What the kind of listener, TLS and login do not let through.
    fn admission(&self, verb: Verb) -> Option<Said> {
        let kind = self.config.kind;
        match verb {
            Verb::Helo | Verb::Ehlo if kind == Kind::Lmtp => Some(LHLO_ONLY),
            Verb::Lhlo if kind != Kind::Lmtp => Some(NO_LHLO),
            Verb::StartTls if self.tls.is_some() => Some(TLS_ALREADY),
            Verb::StartTls if !self.config.tls => Some(NO_TLS),
            Verb::Auth if kind != Kind::Submission => Some(AUTH_ELSEWHERE),
            Verb::Auth if self.login.is_some() => Some(AUTH_ALREADY),
            Verb::Mail if kind == Kind::Submission && self.greeted => {
                if self.tls.is_none() && !self.config.allow_plaintext {
                    Some(NEEDS_TLS)
                } else if self.login.is_none() {
                    Some(NEEDS_AUTH)
                } else {
                    None
                }
            }
            Verb::Other => Some(NOT_IMPLEMENTED),
            _ => None,
        }
    }

    /// The command is legal: its arguments, then its effect.
    fn run(
        &mut self,
        verb: Verb,
        rest: &str,
        transaction: Option<Box<Transaction>>,
    ) -> Result<(), SyntaxError> {
        let ran = match (verb, transaction) {
            (Verb::Helo | Verb::Ehlo | Verb::Lhlo, transaction) => {
                match command::hello(rest) {
                    Ok(name) => {
                        let extended = verb != Verb::Helo;
                        // RFC 5321 section 4.1.4: a new EHLO ends the transaction.
                        self.forget(transaction, Then::Hello { name, extended });
                        self.idle();
                        return Ok(());
                    }
                    Err(error) => (transaction, Err(error)),
                }
            }
            (Verb::Rset, transaction) => match command::nothing(rest) {
                Ok(()) => {
                    self.say(Said(250, (2, 0, 0), "forgotten"));
                    self.forget(transaction, Then::Command);
                    self.idle();
                    return Ok(());
                }
                Err(error) => (transaction, Err(error)),
            },
            (Verb::Quit, transaction) => match command::nothing(rest) {
                Ok(()) => {
                    self.say(Said(221, (2, 0, 0), "bye"));
                    self.forget(transaction, Then::Close);
                    return Ok(());
                }
                Err(error) => (transaction, Err(error)),
            },
            (Verb::Noop, transaction) => {
                self.say(Said(250, (2, 0, 0), "ok"));
                self.state = State::Command(transaction);
                self.idle();
                return Ok(());
            }
            (Verb::Vrfy, transaction) => {
                // RFC 5321 section 7.3: who exists is told to nobody.
                self.say(Said(252, (2, 0, 0), "send mail, and you will see"));
                self.state = State::Command(transaction);
                self.idle();
                return Ok(());
            }
            (Verb::Foreign, transaction) => {
                self.forget(transaction, Then::Close);
                return Ok(());
            }
            (Verb::StartTls, transaction) => match command::nothing(rest) {
                Ok(()) => {
                    self.say(Said(220, (2, 0, 0), "begin TLS"));
                    self.state = State::StartTls;
                    return Ok(());
                }
                Err(error) => (transaction, Err(error)),
            },
            (Verb::Auth, transaction) => match command::auth(rest) {
                Ok((mechanism, initial)) => {
                    self.state = State::Command(transaction);
                    self.begin_login(mechanism, initial);
                    return Ok(());
                }
                Err(error) => (transaction, Err(error)),
            },
            (Verb::Mail, None) => (None, self.mail(rest)),
            (Verb::Rcpt, Some(transaction)) => match self.rcpt(rest, transaction) {
                Ok(()) => return Ok(()),
                Err((transaction, error)) => (Some(transaction), Err(error)),
            },
            (Verb::Data, Some(transaction)) => match command::nothing(rest) {
                Ok(()) => {
                    self.begin_data(transaction);
                    return Ok(());
                }
                Err(error) => (Some(transaction), Err(error)),
            },
            // The table and the admission let nothing else through.
            (_, transaction) => (transaction, Err(SyntaxError::Unknown)),
        };
        match ran {
            (_, Ok(())) => Ok(()),
            (transaction, Err(error)) => {
                self.state = State::Command(transaction);
                Err(error)
            }
        }
    }

    fn mail(&mut self, rest: &str) -> Result<(), SyntaxError> {
        let auth = self.config.kind == Kind::Submission;
        let mail = param::mail(command::from(rest)?, auth)?;
        self.state = State::Command(None);
        if self.counts.transactions >= self.config.mail_max {
            self.say(TOO_MANY_MAILS);
            self.finish();
        } else if mail.size.is_some_and(|size| size > self.config.size_max) {
            self.say(TOO_BIG);
        } else {
            let transaction = Box::new(Transaction::new(&mail));
            self.state = State::Asks(Ask::Mail(mail), Pending::Mail(transaction));
        }
        Ok(())
    }

    fn rcpt(
        &mut self,
        rest: &str,
        transaction: Box<Transaction>,
    ) -> Result<(), (Box<Transaction>, SyntaxError)> {
        let parsed = command::to(rest).and_then(|path| param::rcpt(path, transaction.utf8));
        let rcpt = match parsed {
            Ok(rcpt) => rcpt,
            Err(error) => {
                let mut transaction = transaction;
                transaction.refused = transaction.refused.saturating_add(1);
                return Err((transaction, error));
            }
        };
        if transaction.accepted >= self.config.rcpt_max {
            self.say(TOO_MANY_RCPTS);
            self.state = State::Command(Some(transaction));
        } else {
            self.state = State::Asks(Ask::Rcpt(rcpt), Pending::Rcpt(transaction));
        }
        Ok(())
    }

    fn begin_data(&mut self, mut transaction: Box<Transaction>) {
        if transaction.body == BodyKind::Binary {
            self.say(NEEDS_BDAT);
            self.state = State::Command(Some(transaction));
            return;
        }
        self.output
            .plain(354, &["send the message, end it with a dot".to_owned()]);
        transaction.message = Some(super::message::Message::default());
        self.state = State::Data(transaction, Dots::new());
    }

    fn begin_chunk(&mut self, transaction: Option<Box<Transaction>>, size: u64, last: bool) {
        let Some(mut transaction) = transaction else {
            self.state = State::Command(None);
            return;
        };
        let message = transaction.message.get_or_insert_default();
        if message.would_exceed(size, self.config.size_max) {
            message.fail(TOO_BIG.into());
        }
        let left = size;
        self.state = State::Chunk(transaction, Chunk { size, left, last });
    }

    /// Throws away what a refused BDAT announced (RFC 3030 section 2), then replies.
    pub(super) fn skip(
        &mut self,
        transaction: Option<Box<Transaction>>,
        left: u64,
        reply: Reply,
    ) -> Option<Step<Ask>> {
        let here = self.input.octets().len();
        let used = usize::try_from(left).map_or(here, |left| left.min(here));
        self.input.consume(used);
        self.counts.octets = self.counts.octets.saturating_add(used as u64);
        let left = left - used as u64;
        if left == 0 {
            self.say(reply);
            self.state = State::Command(transaction);
            self.counts.events += 1;
            return None;
        }
        let too_much = left > gross(self.config.size_max);
        self.state = State::Skip(transaction, left, reply);
        if too_much {
            self.say(TOO_BIG);
            self.finish();
            return None;
        }
        self.starve()
    }

    /// A command that does nothing was obeyed.
    fn idle(&mut self) {
        self.counts.idle += 1;
        if self.counts.idle > MAX_IDLE && matches!(self.state, State::Command(_)) {
            self.say(Said(421, (4, 7, 0), "too many commands without a message"));
            self.finish();
        }
    }
}
