//! How the server machine's questions and answers are written in transcripts.

use std::fmt::Write as _;
use std::sync::Arc;

use congvu_smtp::ask::{Answer, Ask, BodyKind, Kind, Mail, Rcpt, Reply, Ret};
use congvu_smtp::server::{Config, Server};
use congvu_wire::TlsInfo;
use congvu_wire::sasl::{Denial, SaslAnswer, SaslAsk};
use congvu_wire::transcript::{Actor, Script, escape};

/// Longer bodies are written as their length.
const SHOWN: usize = 200;

pub(crate) struct ServerActor;

/// A server as the script's settings want it: `@ kind mx|submission|lmtp`, `@ size N`, `@ rcpts N`,
/// `@ mails N`, `@ tls`, `@ plaintext`.
pub(crate) fn server(script: &Script) -> (Server, ServerActor) {
    let mut config = Config::new(Kind::Mx, "mx.test");
    for (key, value) in script.settings() {
        let number = || {
            value
                .parse()
                .unwrap_or_else(|_| panic!("{key} wants a number"))
        };
        match key.as_str() {
            "machine" => {}
            "kind" => {
                let kind = match value.as_str() {
                    "mx" => Kind::Mx,
                    "submission" => Kind::Submission,
                    "lmtp" => Kind::Lmtp,
                    _ => panic!("unknown kind {value}"),
                };
                config = Config::new(kind, "mx.test");
            }
            "size" => config.size_max = u64::from(number()),
            "rcpts" => config.rcpt_max = number(),
            "mails" => config.mail_max = number(),
            "tls" => config.tls = true,
            "plaintext" => config.allow_plaintext = true,
            _ => panic!("unknown setting {key}"),
        }
    }
    (Server::new(Arc::new(config)), ServerActor)
}

impl Actor<Server> for ServerActor {
    fn ask(&mut self, ask: &Ask) -> String {
        match ask {
            Ask::Open => "open".into(),
            // What is early depends on how octets are cut; transcripts are run in several cuts.
            Ask::Hello {
                name,
                extended,
                early: _,
            } => {
                format!("{} {name}", if *extended { "ehlo" } else { "helo" })
            }
            Ask::Sasl(SaslAsk::Password { authcid, password }) => {
                format!("password {authcid} {}", escape(password.expose()))
            }
            Ask::Sasl(SaslAsk::Keys { authcid }) => format!("keys {authcid}"),
            Ask::Sasl(SaslAsk::Decided { authcid, matched }) => {
                format!("decided {authcid} {matched:?}")
            }
            Ask::Mail(mail) => show_mail(mail),
            Ask::Rcpt(rcpt) => show_rcpt(rcpt),
            Ask::Body(octets) if octets.len() > SHOWN => format!("body of {} octets", octets.len()),
            Ask::Body(octets) => format!("body {}", escape(octets)),
            Ask::Deliver => "deliver".into(),
            Ask::Reset => "reset".into(),
        }
    }

    fn answer(&mut self, text: &str) -> Result<Answer, String> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        Ok(match word {
            "accept" => Answer::Accept,
            "reply" => Answer::Reply(parse_reply(rest)?),
            "replies" => Answer::Replies(
                rest.split(" | ")
                    .map(parse_reply)
                    .collect::<Result<_, _>>()?,
            ),
            "granted" => Answer::Sasl(SaslAnswer::Granted),
            "denied" => Answer::Sasl(SaslAnswer::Denied(match rest {
                "credentials" => Denial::Credentials,
                "disabled" => Denial::Disabled,
                "too-many" => Denial::TooMany,
                "unavailable" => Denial::Unavailable,
                _ => return Err(format!("unknown denial {rest}")),
            })),
            _ => return Err(format!("unknown answer {word}")),
        })
    }

    fn tls(&mut self) -> TlsInfo {
        TlsInfo {
            version: "TLSv1.3".into(),
            binding: Some(vec![7; 32]),
            ..TlsInfo::default()
        }
    }
}

fn show_mail(mail: &Mail) -> String {
    let mut text = format!("mail <{}>", mail.from);
    if let Some(size) = mail.size {
        let _ = write!(text, " size={size}");
    }
    text += match mail.body {
        BodyKind::SevenBit => "",
        BodyKind::EightBit => " 8bit",
        BodyKind::Binary => " binary",
    };
    if mail.utf8 {
        text += " utf8";
    }
    text += match mail.ret {
        None => "",
        Some(Ret::Full) => " ret=full",
        Some(Ret::Headers) => " ret=headers",
    };
    if let Some(envid) = &mail.envid {
        let _ = write!(text, " envid={envid}");
    }
    if let Some(auth) = &mail.auth {
        let _ = write!(text, " auth={auth}");
    }
    text
}

fn show_rcpt(rcpt: &Rcpt) -> String {
    let mut text = format!("rcpt <{}>", rcpt.to);
    if let Some(notify) = rcpt.notify {
        let words = [
            (notify.success, "success"),
            (notify.failure, "failure"),
            (notify.delay, "delay"),
        ];
        let words: Vec<&str> = words
            .iter()
            .filter(|(set, _)| *set)
            .map(|(_, word)| *word)
            .collect();
        let words = if words.is_empty() {
            "never".into()
        } else {
            words.join(",")
        };
        let _ = write!(text, " notify={words}");
    }
    if let Some(orcpt) = &rcpt.orcpt {
        let _ = write!(text, " orcpt={orcpt}");
    }
    text
}

fn parse_reply(text: &str) -> Result<Reply, String> {
    let mut words = text.splitn(3, ' ');
    let bad = || format!("bad reply {text}");
    let code = words.next().and_then(|w| w.parse().ok()).ok_or_else(bad)?;
    let status = words.next().ok_or_else(bad)?;
    let numbers: Vec<u16> = status.split('.').filter_map(|n| n.parse().ok()).collect();
    let [class, subject, detail] = numbers[..] else {
        return Err(bad());
    };
    let class = u8::try_from(class).map_err(|_| bad())?;
    Ok(Reply::new(
        code,
        (class, subject, detail),
        words.next().unwrap_or_default(),
    ))
}
