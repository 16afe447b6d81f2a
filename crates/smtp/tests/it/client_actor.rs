//! How the client machine's questions and answers are written in transcripts. There `C` is the peer, the
//! server, and `S` is our machine.

use congvu_smtp::ask::{BodyKind, Mail, Notify, Rcpt, Ret};
use congvu_smtp::client::{
    Answer, Ask, Break, Client, Config, Credentials, Outcome, Protocol, ServerReply, SessionError,
    TlsPolicy, Transaction,
};
use congvu_wire::transcript::{Actor, Script, unescape};
use congvu_wire::{Secret, TlsInfo};

pub(crate) struct ClientActor {
    verified: bool,
}

/// A client as the script's settings want it: `@ lmtp`, `@ tls never|opportunistic|required|verified`,
/// `@ login name password`, `@ verified`.
pub(crate) fn client(script: &Script) -> (Client, ClientActor) {
    let mut config = Config {
        protocol: Protocol::Smtp,
        hello: "our.test".into(),
        tls: TlsPolicy::Opportunistic,
        credentials: None,
        waits: congvu_smtp::client::Waits::default(),
    };
    let mut verified = false;
    for (key, value) in script.settings() {
        match key.as_str() {
            "lmtp" => config.protocol = Protocol::Lmtp,
            "tls" => {
                config.tls = match value.as_str() {
                    "never" => TlsPolicy::Never,
                    "opportunistic" => TlsPolicy::Opportunistic,
                    "required" => TlsPolicy::Required,
                    "verified" => TlsPolicy::Verified,
                    _ => panic!("unknown policy {value}"),
                }
            }
            "login" => {
                let (name, password) = value.split_once(' ').expect("name and password");
                config.credentials = Some(Credentials {
                    name: name.into(),
                    password: Secret::new(password),
                });
            }
            "verified" => verified = true,
            _ => panic!("unknown setting {key}"),
        }
    }
    (Client::new(config), ClientActor { verified })
}

impl Actor<Client> for ClientActor {
    fn ask(&mut self, ask: &Ask) -> String {
        match ask {
            Ask::Next(session) => {
                let tls = if session.tls.is_some() { " tls" } else { "" };
                format!("next {}{tls}", session.name)
            }
            Ask::Body => "body".into(),
            Ask::Done(outcomes) => {
                let outcomes: Vec<String> = outcomes.iter().map(show_outcome).collect();
                format!("done {}", outcomes.join(" | "))
            }
            Ask::Failed(error) => match error {
                SessionError::Refused(stage, reply) => {
                    format!("failed refused {stage:?} {}", show(reply))
                }
                SessionError::Broken(stage, how) => {
                    format!("failed broken {stage:?} {}", show_break(how))
                }
                other => format!("failed {other:?}"),
            },
        }
    }

    fn answer(&mut self, text: &str) -> Result<Answer, String> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        Ok(match word {
            "send" => Answer::Transaction(transaction(rest)?),
            "quit" => Answer::Quit,
            "chunk" => Answer::Chunk(unescape(rest)?),
            "end" => Answer::End,
            "abort" => Answer::Abort,
            "noted" => Answer::Noted,
            _ => return Err(format!("unknown answer {word}")),
        })
    }

    fn tls(&mut self) -> TlsInfo {
        TlsInfo {
            version: "TLSv1.3".into(),
            verified: self.verified,
            ..TlsInfo::default()
        }
    }
}

/// `from to,to key=value …`; `<>` for the null sender.
fn transaction(text: &str) -> Result<Transaction, String> {
    let mut words = text.split(' ');
    let from = words.next().ok_or("no sender")?;
    let to = words.next().ok_or("no recipients")?;
    let mut transaction = Transaction {
        mail: Mail {
            from: if from == "<>" {
                String::new()
            } else {
                from.into()
            },
            ..Mail::default()
        },
        rcpts: to
            .split(',')
            .map(|to| Rcpt {
                to: to.into(),
                ..Rcpt::default()
            })
            .collect(),
    };
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("size", size) => transaction.mail.size = Some(size.parse().map_err(|_| "bad size")?),
            ("8bit", _) => transaction.mail.body = BodyKind::EightBit,
            ("binary", _) => transaction.mail.body = BodyKind::Binary,
            ("utf8", _) => transaction.mail.utf8 = true,
            ("headers", _) => transaction.mail.ret = Some(Ret::Headers),
            ("envid", envid) => transaction.mail.envid = Some(envid.into()),
            ("never", _) => {
                for rcpt in &mut transaction.rcpts {
                    rcpt.notify = Some(Notify::default());
                    rcpt.orcpt = Some(format!("rfc822;{}", rcpt.to));
                }
            }
            _ => return Err(format!("unknown property {word}")),
        }
    }
    Ok(transaction)
}

fn show_outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Delivered(reply) => format!("delivered {}", show(reply)),
        Outcome::Refused(stage, reply) => {
            let how = if reply.is_permanent() {
                "for good"
            } else {
                "for now"
            };
            format!("refused {how} {stage:?} {}", show(reply))
        }
        Outcome::Unsupported(reply) => format!("unsupported {}", show(reply)),
        Outcome::Unsent(stage, how) => format!("unsent {stage:?} {}", show_break(how)),
        Outcome::Unknown(how) => format!("unknown {}", show_break(how)),
    }
}

fn show_break(how: &Break) -> String {
    match how {
        Break::Said(reply) => format!("said {}", show(reply)),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn show(reply: &ServerReply) -> String {
    let enhanced = reply.enhanced.map(|(a, b, c)| format!(" {a}.{b}.{c}"));
    format!(
        "{}{} {}",
        reply.code,
        enhanced.unwrap_or_default(),
        reply.text
    )
}
