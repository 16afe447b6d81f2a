//! From the greeting to a session that is ready: EHLO, STARTTLS, AUTH.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use congvu_wire::sasl::client::{Scram, ScramFinal, plain};

use super::ask::{Extensions, Protocol, SessionError, Stage, TlsPolicy};
use super::{Break, Client, State};
use crate::grammar::reply::Lines;

/// Which line of the set-up the server answers next.
#[derive(Debug)]
pub(super) enum Setup {
    Banner,
    Ehlo,
    /// The server does not know EHLO.
    Helo,
    StartTls,
    Plain,
    ScramFirst(Scram),
    ScramFinal(ScramFinal),
    /// The server's signature is right.
    ScramDone,
}

impl Setup {
    pub(super) fn stage(&self) -> Stage {
        match self {
            Self::Banner => Stage::Banner,
            Self::Ehlo | Self::Helo => Stage::Hello,
            Self::StartTls => Stage::Tls,
            Self::Plain | Self::ScramFirst(_) | Self::ScramFinal(_) | Self::ScramDone => {
                Stage::Auth
            }
        }
    }
}

impl Client {
    /// The server's answer to what was said last.
    pub(super) fn set_up(&mut self, setup: Setup, lines: Lines) {
        let stage = setup.stage();
        match (setup, lines.code) {
            (Setup::Banner, 220) => self.say_hello(Setup::Ehlo),
            (Setup::Ehlo, 250) => {
                self.learn(&lines);
                self.after_hello();
            }
            (Setup::Helo, 250) => {
                self.learn(&lines);
                self.session.extensions = Extensions::default();
                self.after_hello();
            }
            // A server from before ESMTP (RFC 5321 section 3.2), or one that has it switched off.
            (Setup::Ehlo, 500 | 501 | 502 | 504 | 554) if self.may_helo() => {
                self.say_hello(Setup::Helo);
            }
            (Setup::StartTls, 220) => self.state = State::StartTls,
            (Setup::StartTls, code)
                if self.config.tls == TlsPolicy::Opportunistic && code != 421 =>
            {
                self.log_in();
            }
            (Setup::Plain | Setup::ScramDone, 235) => self.ready(),
            (Setup::ScramFirst(scram), 334) => {
                let answer = challenge(&lines).and_then(|text| scram.prove(&text).ok());
                match answer {
                    Some((last, message)) => {
                        let line = STANDARD.encode(message);
                        self.tell(&line, Setup::ScramFinal(last));
                    }
                    None => self.fail(SessionError::FalseServer),
                }
            }
            (Setup::ScramFinal(last), 334) => {
                let right = challenge(&lines).is_some_and(|text| last.verify(&text).is_ok());
                if right {
                    self.tell("", Setup::ScramDone);
                } else {
                    self.fail(SessionError::FalseServer);
                }
            }
            // Success before the server's proof.
            (Setup::ScramFirst(_) | Setup::ScramFinal(_), 235) => {
                self.fail(SessionError::FalseServer);
            }
            (_, 200..=399) => self.broke_at(stage, Break::Garbage),
            _ => self.fail(SessionError::Refused(stage, lines.into_reply())),
        }
    }

    /// HELO knows neither TLS nor AUTH, so it is no way around them.
    fn may_helo(&self) -> bool {
        let secure = matches!(self.config.tls, TlsPolicy::Never | TlsPolicy::Opportunistic);
        self.config.protocol == Protocol::Smtp
            && self.config.credentials.is_none()
            && (secure || self.session.tls.is_some())
    }

    fn tell(&mut self, line: &str, next: Setup) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
        self.state = State::Setup(next);
    }

    pub(super) fn say_hello(&mut self, setup: Setup) {
        if self.config.tls == TlsPolicy::Verified
            && self.session.tls.as_ref().is_some_and(|tls| !tls.verified)
        {
            self.fail(SessionError::Unverified);
            return;
        }
        let verb = match (self.config.protocol, &setup) {
            (Protocol::Lmtp, _) => "LHLO",
            (Protocol::Smtp, Setup::Helo) => "HELO",
            (Protocol::Smtp, _) => "EHLO",
        };
        let line = format!("{verb} {}", self.config.hello);
        self.tell(&line, setup);
    }

    fn after_hello(&mut self) {
        let required = matches!(self.config.tls, TlsPolicy::Required | TlsPolicy::Verified);
        if self.session.tls.is_some() || self.config.tls == TlsPolicy::Never {
            self.log_in();
        } else if self.session.extensions.starttls {
            self.tell("STARTTLS", Setup::StartTls);
        } else if required {
            self.fail(SessionError::NoTls);
        } else {
            self.log_in();
        }
    }

    /// Passwords travel only inside TLS, and as a proof where the server knows how.
    fn log_in(&mut self) {
        let Some(credentials) = self.config.credentials.clone() else {
            self.ready();
            return;
        };
        let Some(tls) = self.session.tls.clone() else {
            self.fail(SessionError::NoAuth);
            return;
        };
        let offered = |name: &str| self.session.extensions.auth.iter().any(|a| a == name);
        let plus = offered("SCRAM-SHA-256-PLUS");
        let scram = offered("SCRAM-SHA-256");
        let clear = offered("PLAIN");
        let (name, password) = (credentials.name.as_str(), credentials.password);
        let bound = plus
            .then(|| Scram::begin(name, password.clone(), Some(&tls)))
            .flatten();
        if let Some((client, first)) = bound {
            let line = format!("AUTH SCRAM-SHA-256-PLUS {}", STANDARD.encode(first));
            self.tell(&line, Setup::ScramFirst(client));
        } else if scram && let Some((client, first)) = Scram::begin(name, password.clone(), None) {
            let line = format!("AUTH SCRAM-SHA-256 {}", STANDARD.encode(first));
            self.tell(&line, Setup::ScramFirst(client));
        } else if clear {
            let line = format!("AUTH PLAIN {}", STANDARD.encode(plain(name, &password)));
            self.tell(&line, Setup::Plain);
        } else {
            self.fail(SessionError::NoAuth);
        }
    }

    fn ready(&mut self) {
        self.state = State::Idle;
    }

    /// The lines of EHLO: our peer's name, then a keyword each.
    ///
    /// ```text
    /// ehlo-ok-rsp = ( "250-" Domain [ SP ehlo-greet ] CRLF *( "250-" ehlo-line CRLF ) … )
    /// ehlo-line   = ehlo-keyword *( SP ehlo-param )            ; RFC 5321 section 4.1.1.1
    /// ```
    fn learn(&mut self, lines: &Lines) {
        let mut texts = lines.texts.iter();
        let name = texts
            .next()
            .and_then(|text| text.split(' ').next())
            .unwrap_or_default();
        let printable = |c: &char| c.is_ascii_graphic();
        self.session.name = name.chars().filter(printable).take(255).collect();
        let mut offers = Extensions::default();
        for text in texts {
            let mut words = text.split(' ').filter(|word| !word.is_empty());
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            match keyword.as_str() {
                "PIPELINING" => offers.pipelining = true,
                "8BITMIME" => offers.eight_bit = true,
                "SMTPUTF8" => offers.utf8 = true,
                "CHUNKING" => offers.chunking = true,
                "BINARYMIME" => offers.binary = true,
                "DSN" => offers.dsn = true,
                "STARTTLS" => offers.starttls = true,
                "SIZE" => offers.size = Some(words.next().and_then(|word| word.parse().ok())),
                "AUTH" => offers.auth = words.map(str::to_ascii_uppercase).collect(),
                "LIMITS" => {
                    for word in words {
                        match word.split_once('=') {
                            Some(("RCPTMAX", number)) => offers.rcpt_max = number.parse().ok(),
                            Some(("MAILMAX", number)) => offers.mail_max = number.parse().ok(),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        self.session.extensions = offers;
    }
}

/// The decoded text of a 334.
fn challenge(lines: &Lines) -> Option<Vec<u8>> {
    let text = lines.texts.first()?;
    STANDARD.decode(text.trim()).ok()
}
