//! AUTH (RFC 4954): the SASL exchange inside the session.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use congvu_wire::Step;
use congvu_wire::line::Line;
use congvu_wire::sasl::{Denial, Exchange, Failure, SaslStep, Unavailable};

use super::say::Said;
use super::{MAX_LOGIN_FAILURES, Pending, Server, State};
use crate::ask::Ask;

const UNKNOWN: Said = Said(504, (5, 5, 4), "mechanism not offered");
const NEEDS_TLS: Said = Said(538, (5, 7, 11), "logins need TLS; say STARTTLS first");
const CANCELLED: Said = Said(501, (5, 7, 0), "login cancelled");
const MALFORMED: Said = Said(501, (5, 5, 2), "malformed login");
const WRONG: Said = Said(535, (5, 7, 8), "wrong name or password");
const DISABLED: Said = Said(535, (5, 7, 13), "this account is disabled");
const TOO_MANY: Said = Said(454, (4, 7, 0), "too many sessions of this account");
const NOT_NOW: Said = Said(454, (4, 7, 0), "logins are not possible at the moment");

impl Server {
    pub(super) fn begin_login(&mut self, mechanism: &str, initial: Option<&[u8]>) {
        match Exchange::begin(mechanism, initial, &self.policy()) {
            Ok((exchange, step)) => self.login_step(Box::new(exchange), step),
            Err(Unavailable::Unknown) => {
                self.say(UNKNOWN);
                self.fault();
            }
            Err(Unavailable::NeedsTls) => {
                self.say(NEEDS_TLS);
                self.fault();
            }
        }
    }

    /// A line of the client inside the exchange.
    pub(super) fn login_line(&mut self, mut exchange: Box<Exchange>) -> Option<Step<Ask>> {
        let Some(line) = self.input.line() else {
            self.state = State::Login(exchange);
            return self.starve();
        };
        self.counts.events += 1;
        let step = match line {
            Line::Whole(line) => exchange.respond(&line),
            Line::Bare(_) | Line::TooLong => SaslStep::Failed(Failure::Malformed),
        };
        self.login_step(exchange, step);
        None
    }

    pub(super) fn login_step(&mut self, exchange: Box<Exchange>, step: SaslStep) {
        self.state = State::Command(None);
        match step {
            SaslStep::Challenge(challenge) => {
                self.output.plain(334, &[STANDARD.encode(challenge)]);
                self.state = State::Login(exchange);
            }
            SaslStep::Ask(ask) => self.state = State::Asks(Ask::Sasl(ask), Pending::Sasl(exchange)),
            SaslStep::Granted(name) => {
                self.login = Some(name);
                self.say(Said(235, (2, 7, 0), "welcome"));
            }
            SaslStep::Denied(denial) => self.login_failed(match denial {
                Denial::Credentials => WRONG,
                Denial::Disabled => DISABLED,
                Denial::TooMany => TOO_MANY,
                Denial::Unavailable => NOT_NOW,
            }),
            SaslStep::Failed(failure) => self.login_failed(match failure {
                Failure::Cancelled => CANCELLED,
                Failure::Malformed => MALFORMED,
                Failure::Refused => WRONG,
            }),
        }
    }

    fn login_failed(&mut self, said: Said) {
        self.say(said);
        self.counts.login_failures += 1;
        if self.counts.login_failures >= MAX_LOGIN_FAILURES {
            self.say(Said(421, (4, 7, 0), "too many failed logins"));
            self.finish();
        }
    }
}
