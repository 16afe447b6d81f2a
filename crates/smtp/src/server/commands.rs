//! Command lines: may it, then do it.

use congvu_wire::Step;
use congvu_wire::line::Line;

use super::message::{TOO_BIG, Transaction, gross};
use super::octets::Dots;
use super::say::Said;
use super::{Chunk, MAX_IDLE, Pending, Server, State, Then, legality};
use crate::ask::{Ask, BodyKind, Kind, Mail, Rcpt, Reply};
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

const UNKNOWN_CHUNK: Said = Said(
    421,
    (4, 5, 2),
    "closing, since the size of the chunk is unknown",
);
const TOO_IDLE: Said = Said(421, (4, 7, 0), "too many commands without a message");

/// A command with its arguments, or why it is not obeyed.
enum Order<'a> {
    Refuse(Said),
    /// A BDAT that is refused: its octets come all the same.
    Skip(u64, Said),
    Bdat(u64, bool),
    Hello(Then),
    Auth(&'a str, Option<&'a [u8]>),
    Mail(Mail),
    Rcpt(Rcpt),
    /// No arguments.
    Bare,
}

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
        let (octets, whole) = match &line {
            Line::Whole(octets) => (octets.as_slice(), Ok(())),
            Line::Bare(octets) => (octets.as_slice(), Err(SyntaxError::BareLineEnd)),
            Line::TooLong => (&[][..], Err(SyntaxError::TooLong)),
        };
        if let Err(error) = whole.and_then(|()| self.obey(octets)) {
            self.say(error.reply());
            if command::is_bdat(octets) {
                // Nobody knows how many octets follow: obeying them would be command injection.
                self.say(UNKNOWN_CHUNK);
                self.finish();
            } else {
                self.fault();
            }
        }
        None
    }

    /// One well-ended line. An error leaves the state as it was.
    fn obey(&mut self, line: &[u8]) -> Result<(), SyntaxError> {
        let (verb, rest) = command::split(line)?;
        let chunk = if verb == Verb::Bdat {
            Some(command::bdat(rest)?)
        } else {
            None
        };
        let State::Command(transaction) = &self.state else {
            return Ok(());
        };
        let phase = self.phase(transaction.as_deref());
        let refusal = self
            .admission(verb)
            .or_else(|| legality::refusal(verb, phase));
        let order = match (refusal, chunk) {
            (Some(said), Some((size, _))) => Order::Skip(size, said),
            (Some(said), None) => Order::Refuse(said),
            (None, Some((size, last))) => Order::Bdat(size, last),
            (None, None) => self.parse(verb, rest)?,
        };
        if let State::Command(transaction) = std::mem::replace(&mut self.state, State::Closed) {
            self.run(verb, order, transaction);
        }
        Ok(())
    }

    /// The arguments of a command that is legal now.
    fn parse<'a>(&mut self, verb: Verb, rest: &'a str) -> Result<Order<'a>, SyntaxError> {
        Ok(match verb {
            Verb::Helo | Verb::Ehlo | Verb::Lhlo => Order::Hello(Then::Hello {
                name: command::hello(rest)?,
                extended: verb != Verb::Helo,
                early: !self.input.is_empty(),
            }),
            Verb::Rset | Verb::Quit | Verb::StartTls | Verb::Data => {
                command::nothing(rest)?;
                Order::Bare
            }
            Verb::Auth => {
                let (mechanism, initial) = command::auth(rest)?;
                Order::Auth(mechanism, initial)
            }
            Verb::Mail => {
                let auth = self.config.kind == Kind::Submission;
                Order::Mail(param::mail(command::from(rest)?, auth)?)
            }
            Verb::Rcpt => {
                let State::Command(Some(transaction)) = &mut self.state else {
                    return Err(SyntaxError::Unknown);
                };
                let rcpt = command::to(rest).and_then(|path| param::rcpt(path, transaction.utf8));
                if rcpt.is_err() {
                    transaction.refused = transaction.refused.saturating_add(1);
                }
                Order::Rcpt(rcpt?)
            }
            _ => Order::Bare,
        })
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

    /// What the command does. Each way puts a state back.
    fn run(&mut self, verb: Verb, order: Order<'_>, transaction: Option<Box<Transaction>>) {
        if matches!(
            verb,
            Verb::Helo
                | Verb::Ehlo
                | Verb::Lhlo
                | Verb::Mail
                | Verb::Rset
                | Verb::Noop
                | Verb::Vrfy
        ) {
            self.counts.idle += 1;
            if self.counts.idle > MAX_IDLE {
                self.state = State::Command(transaction);
                self.say(TOO_IDLE);
                self.finish();
                return;
            }
        }
        match (verb, order, transaction) {
            (_, Order::Skip(size, said), transaction) => {
                self.state = State::Skip(transaction, size, said.into());
            }
            (verb, Order::Refuse(said), transaction) => {
                self.state = State::Command(transaction);
                self.say(said);
                // After a refused MAIL the pipelined rest is refused too, and Apple's clients try AUTH on
                // port 25: neither is an attack.
                if said != AUTH_ELSEWHERE && !matches!(verb, Verb::Rcpt | Verb::Data) {
                    self.fault();
                }
            }
            // RFC 5321 section 4.1.4: a new EHLO ends the transaction.
            (_, Order::Hello(hello), transaction) => self.forget(transaction, hello),
            (_, Order::Auth(mechanism, initial), transaction) => {
                self.state = State::Command(transaction);
                self.begin_login(mechanism, initial);
            }
            (_, Order::Mail(mail), _) => self.mail(mail),
            (_, Order::Rcpt(rcpt), Some(transaction)) => self.rcpt(rcpt, transaction),
            (_, Order::Bdat(size, last), Some(transaction)) => {
                self.begin_chunk(transaction, size, last);
            }
            (Verb::Data, _, Some(transaction)) => self.begin_data(transaction),
            (Verb::Rset, _, transaction) => {
                self.say(Said(250, (2, 0, 0), "forgotten"));
                self.forget(transaction, Then::Command);
            }
            (Verb::Quit, _, transaction) => {
                self.say(Said(221, (2, 0, 0), "bye"));
                self.forget(transaction, Then::Close);
            }
            (Verb::Foreign, _, transaction) => self.forget(transaction, Then::Close),
            (Verb::StartTls, ..) => {
                self.say(Said(220, (2, 0, 0), "begin TLS"));
                self.state = State::StartTls;
            }
            (Verb::Vrfy, _, transaction) => {
                // RFC 5321 section 7.3: who exists is told to nobody.
                self.say(Said(252, (2, 0, 0), "send mail, and you will see"));
                self.state = State::Command(transaction);
            }
            // NOOP; the table lets nothing else through.
            (_, _, transaction) => {
                self.say(Said(250, (2, 0, 0), "ok"));
                self.state = State::Command(transaction);
            }
        }
    }

    fn mail(&mut self, mail: Mail) {
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
    }

    fn rcpt(&mut self, rcpt: Rcpt, transaction: Box<Transaction>) {
        if transaction.accepted >= self.config.rcpt_max {
            self.say(TOO_MANY_RCPTS);
            self.state = State::Command(Some(transaction));
        } else {
            self.state = State::Asks(Ask::Rcpt(rcpt), Pending::Rcpt(transaction));
        }
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

    fn begin_chunk(&mut self, mut transaction: Box<Transaction>, size: u64, last: bool) {
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
}
