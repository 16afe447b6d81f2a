//! LOGIN and AUTHENTICATE (RFC 9051 sections 6.2.2 and 6.2.3): the dialogue around `congvu_wire::sasl`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use congvu_wire::sasl::{
    Denial, Exchange, Failure, MAX_PASSWORD, MAX_RESPONSE, Policy, SaslAnswer, SaslAsk, SaslStep,
    Unavailable, name,
};
use congvu_wire::{Secret, Step};

use super::read::Refused;
use super::{Doing, FAILED_LOGINS, Pending, Server};
use crate::ask::{Answer, Ask};
use crate::command::Refusal;
use crate::response::{Code, Done, Status};
use crate::session::State;

/// What both a wrong password and an unknown account hear.
const WRONG: &str = "Wrong name or password";

/// A login under way.
#[derive(Debug)]
pub(super) struct Login {
    tag: String,
    /// `None` for the LOGIN command, whose one question the service answers alone.
    exchange: Option<Exchange>,
}

impl Server {
    /// The LOGIN command.
    pub(super) fn login(&mut self, tag: String, raw: &[u8], password: Secret) {
        if self.tls.is_none() && !self.config.allow_plaintext {
            return self.needs_tls(&tag);
        }
        let sound = (1..=MAX_PASSWORD).contains(&password.expose().len());
        match name(raw).filter(|_| sound) {
            Some(authcid) => {
                let ask = SaslAsk::Password { authcid, password };
                self.ask(
                    Ask::Sasl(ask),
                    Pending::Login(Login {
                        tag,
                        exchange: None,
                    }),
                );
            }
            None => self.login_failed(&tag, &Done::no(Some(Code::AuthenticationFailed), WRONG)),
        }
    }

    /// The AUTHENTICATE command.
    pub(super) fn authenticate(&mut self, tag: String, mechanism: &str, initial: Option<&[u8]>) {
        let policy = Policy {
            tls: self.tls.as_ref(),
            allow_plaintext: self.config.allow_plaintext,
        };
        match Exchange::begin(mechanism, initial, &policy) {
            Ok((exchange, step)) => self.follow(tag, exchange, step),
            Err(Unavailable::NeedsTls) => self.needs_tls(&tag),
            Err(Unavailable::Unknown) => {
                let refusal = Refusal::no(Code::Cannot, "This mechanism is not offered");
                self.refuse(Refused::new(Some(tag), refusal));
            }
        }
    }

    /// The service's answer.
    pub(super) fn login_answered(&mut self, login: Login, answer: Answer) {
        let Answer::Sasl(answer) = answer else {
            return self.broken();
        };
        let Login { tag, exchange } = login;
        match (exchange, answer) {
            (Some(mut exchange), answer) => {
                let step = exchange.answer(answer);
                self.follow(tag, exchange, step);
            }
            (None, SaslAnswer::Granted) => self.logged_in(&tag),
            (None, SaslAnswer::Denied(denial)) => self.denied(&tag, denial),
            (None, SaslAnswer::Keys(_)) => self.denied(&tag, Denial::Unavailable),
        }
    }

    /// A line of the client in an exchange.
    pub(super) fn login_response(&mut self, login: Login) -> Option<Step<Ask>> {
        let line = match self.frames.peek_line(MAX_RESPONSE) {
            Ok(Some(line)) => line.to_vec(),
            Ok(None) => return self.more(Doing::Login(login)),
            Err(_) => {
                self.bye("The response is too long or does not end with CRLF");
                return None;
            }
        };
        self.frames.skip_line();
        let Login { tag, exchange } = login;
        if let Some(mut exchange) = exchange {
            let step = exchange.respond(&line);
            self.follow(tag, exchange, step);
        }
        None
    }

    fn follow(&mut self, tag: String, exchange: Exchange, step: SaslStep) {
        match step {
            SaslStep::Challenge(octets) => {
                self.encoder.go_on(&STANDARD.encode(octets));
                self.doing = Doing::Login(Login {
                    tag,
                    exchange: Some(exchange),
                });
            }
            SaslStep::Ask(ask) => self.ask(
                Ask::Sasl(ask),
                Pending::Login(Login {
                    tag,
                    exchange: Some(exchange),
                }),
            ),
            SaslStep::Granted(_) => self.logged_in(&tag),
            SaslStep::Denied(denial) => self.denied(&tag, denial),
            SaslStep::Failed(Failure::Refused) => self.denied(&tag, Denial::Credentials),
            // RFC 9051 section 6.2.2: BAD for both.
            SaslStep::Failed(Failure::Cancelled) => self.login_failed(&tag, &bad("Cancelled")),
            SaslStep::Failed(Failure::Malformed) => {
                self.login_failed(&tag, &bad("Malformed response"));
            }
        }
    }

    fn logged_in(&mut self, tag: &str) {
        self.state.advance(|state| match state {
            State::NotAuthenticated(nobody) => State::Authenticated(nobody.login()),
            other => other,
        });
        self.bad = 0;
        self.marker += 1;
        self.doing = Doing::Read;
        let capabilities = self.capabilities();
        self.encoder
            .ok_with_capabilities(tag, &capabilities, "Logged in");
    }

    fn denied(&mut self, tag: &str, denial: Denial) {
        let done = match denial {
            Denial::Credentials => Done::no(Some(Code::AuthenticationFailed), WRONG),
            Denial::Disabled => {
                Done::no(Some(Code::AuthorizationFailed), "This account is disabled")
            }
            // K-9 takes a wrong password for an hour's pause; this is not one.
            Denial::TooMany => Done::no(Some(Code::Limit), "Too many connections of this account"),
            Denial::Unavailable => Done::no(
                Some(Code::Unavailable),
                "Logins are not possible at the moment",
            ),
        };
        self.login_failed(tag, &done);
    }

    fn login_failed(&mut self, tag: &str, done: &Done) {
        self.marker += 1;
        self.tagged(tag, done);
        if let State::NotAuthenticated(nobody) = &mut self.state {
            nobody.failures += 1;
            if nobody.failures >= FAILED_LOGINS {
                self.bye("Too many failed logins");
            }
        }
    }

    fn needs_tls(&mut self, tag: &str) {
        let refusal = Refusal::no(Code::PrivacyRequired, "Logins need TLS");
        self.refuse(Refused::new(Some(tag.to_owned()), refusal));
    }
}

fn bad(text: &str) -> Done {
    Done {
        status: Status::Bad,
        code: None,
        text: text.to_owned(),
    }
}
