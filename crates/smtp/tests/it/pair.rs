//! The client machine against the server machine: what one says the other understands.

use std::collections::VecDeque;
use std::sync::Arc;

use congvu_smtp::ask::{Answer, Ask, BodyKind, Kind, Mail, Notify, Rcpt, Reply, Ret};
use congvu_smtp::client::{self, Client, Credentials, Outcome, Protocol, TlsPolicy, Transaction};
use congvu_smtp::server::{Config, Server};
use congvu_wire::sasl::{Denial, SaslAnswer, SaslAsk, ScramKeys, scram};
use congvu_wire::{Machine, Secret, Step, TlsInfo};

const PASSWORD: &str = "mật khẩu";

/// What the service on the server's side saw.
#[derive(Default)]
struct Seen {
    mails: Vec<Mail>,
    rcpts: Vec<Rcpt>,
    body: Vec<u8>,
    delivered: Vec<Vec<u8>>,
    logins: Vec<String>,
}

impl Seen {
    fn answer(&mut self, ask: Ask, kind: Kind) -> Answer {
        match ask {
            Ask::Mail(mail) => {
                self.mails.push(mail);
                self.rcpts.clear();
                self.body.clear();
            }
            Ask::Rcpt(rcpt) if rcpt.to.starts_with("unknown") => {
                return Answer::Reply(Reply::new(550, (5, 1, 1), "nobody here"));
            }
            Ask::Rcpt(rcpt) => self.rcpts.push(rcpt),
            Ask::Body(octets) => self.body.extend(octets),
            Ask::Deliver => {
                self.delivered.push(std::mem::take(&mut self.body));
                if kind == Kind::Lmtp {
                    let reply = |rcpt: &Rcpt| {
                        if rcpt.to.starts_with("full") {
                            Reply::new(452, (4, 2, 2), "over quota")
                        } else {
                            Reply::new(250, (2, 0, 0), format!("kept for {}", rcpt.to))
                        }
                    };
                    return Answer::Replies(self.rcpts.iter().map(reply).collect());
                }
            }
            Ask::Sasl(SaslAsk::Keys { .. }) => {
                return Answer::Sasl(SaslAnswer::Keys(ScramKeys {
                    salt: b"0123456789abcdef".to_vec(),
                    iterations: 4096,
                    keys: vec![scram::derive(
                        PASSWORD.as_bytes(),
                        b"0123456789abcdef",
                        4096,
                    )],
                }));
            }
            Ask::Sasl(ask) => {
                let (name, right) = match ask {
                    SaslAsk::Password { authcid, password } => {
                        (authcid, password == Secret::new(PASSWORD))
                    }
                    SaslAsk::Decided { authcid, matched } => (authcid, matched.is_some()),
                    SaslAsk::Keys { authcid } => (authcid, false),
                };
                if !right {
                    return Answer::Sasl(SaslAnswer::Denied(Denial::Credentials));
                }
                self.logins.push(name);
                return Answer::Sasl(SaslAnswer::Granted);
            }
            Ask::Open | Ask::Hello { .. } | Ask::Reset => {}
        }
        Answer::Accept
    }
}

/// What the client sent and how it went.
#[derive(Default)]
struct Sent {
    done: Vec<Vec<Outcome>>,
    failed: Option<client::SessionError>,
    sessions: Vec<client::Session>,
}

/// Lets both talk until both closed. `pieces` are how bodies are cut.
fn converse(
    mut client: Client,
    config: Config,
    transactions: Vec<(Transaction, Vec<u8>)>,
    piece: usize,
) -> (Seen, Sent) {
    let kind = config.kind;
    let mut server = Server::new(Arc::new(config));
    let (mut seen, mut sent) = (Seen::default(), Sent::default());
    let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
    let mut queue: VecDeque<_> = transactions.into();
    let mut body: VecDeque<Vec<u8>> = VecDeque::new();
    let tls = TlsInfo {
        version: "TLSv1.3".into(),
        binding: Some(vec![5; 32]),
        ..TlsInfo::default()
    };
    let (mut client_closed, mut server_closed) = (false, false);
    while !client_closed || !server_closed {
        match server.step() {
            Step::Read if client_closed => server.end_of_input(),
            Step::Read => server.input(&std::mem::take(&mut to_server)),
            Step::Write(octets) => to_client.extend(octets),
            Step::StartTls => server.secured(tls.clone()),
            Step::Ask(ask) => server.answer(seen.answer(ask, kind)),
            Step::Wait(_) => panic!("the server never waits"),
            Step::Close => server_closed = true,
        }
        match client.step() {
            Step::Read if server_closed && to_client.is_empty() => client.end_of_input(),
            Step::Read => client.input(&std::mem::take(&mut to_client)),
            Step::Write(octets) => to_server.extend(octets),
            Step::StartTls => client.secured(tls.clone()),
            Step::Ask(client::Ask::Next(session)) => {
                sent.sessions.push(session);
                client.answer(match queue.pop_front() {
                    Some((transaction, message)) => {
                        body = message.chunks(piece).map(<[u8]>::to_vec).collect();
                        client::Answer::Transaction(transaction)
                    }
                    None => client::Answer::Quit,
                });
            }
            Step::Ask(client::Ask::Body) => {
                let chunk = body.pop_front();
                client.answer(chunk.map_or(client::Answer::End, client::Answer::Chunk));
            }
            Step::Ask(client::Ask::Done(outcomes)) => {
                sent.done.push(outcomes);
                client.answer(client::Answer::Noted);
            }
            Step::Ask(client::Ask::Failed(error)) => {
                sent.failed = Some(error);
                client.answer(client::Answer::Noted);
            }
            Step::Wait(_) => panic!("the client never waits"),
            Step::Close => client_closed = true,
        }
    }
    (seen, sent)
}

fn client(protocol: Protocol, tls: TlsPolicy, credentials: Option<(&str, &str)>) -> Client {
    Client::new(client::Config {
        protocol,
        hello: "[127.0.0.1]".into(),
        tls,
        waits: congvu_smtp::client::Waits::default(),
        credentials: credentials.map(|(name, password)| Credentials {
            name: name.into(),
            password: Secret::new(password),
        }),
    })
}

fn server(kind: Kind) -> Config {
    let mut config = Config::new(kind, "mx.test");
    config.tls = true;
    config
}

fn transaction(from: &str, to: &[&str]) -> Transaction {
    let rcpt = |to: &&str| Rcpt {
        to: (*to).into(),
        ..Rcpt::default()
    };
    Transaction {
        mail: Mail {
            from: from.into(),
            ..Mail::default()
        },
        rcpts: to.iter().map(rcpt).collect(),
    }
}

fn codes(outcomes: &[Outcome]) -> Vec<String> {
    let code = |outcome: &Outcome| match outcome {
        Outcome::Delivered(reply) => format!("delivered {}", reply.code),
        Outcome::Refused(stage, reply) => format!("refused {stage:?} {}", reply.code),
        Outcome::Unsupported(reply) => format!("unsupported {}", reply.code),
        other => format!("{other:?}"),
    };
    outcomes.iter().map(code).collect()
}

#[test]
fn messages_arrive_as_they_were_however_they_are_cut() {
    let messages: [&[u8]; 5] = [
        b"Subject: x\r\n\r\n.\r\n..\r\n...a\r\n.b\r\n",
        b"",
        b".\r\n",
        b"\r\n.\r\n\r\n",
        &b"0123456789 ".repeat(10_000),
    ];
    for piece in [1, 2, 3, 1_000, 100_000] {
        let queue = messages
            .iter()
            .map(|m| (transaction("a@a.test", &["b@b.test"]), m.to_vec()));
        let client = client(Protocol::Smtp, TlsPolicy::Opportunistic, None);
        let (seen, sent) = converse(client, server(Kind::Mx), queue.collect(), piece);
        assert_eq!(sent.failed, None);
        assert_eq!(sent.done.len(), messages.len());
        assert!(
            sent.done
                .iter()
                .all(|outcomes| codes(outcomes) == ["delivered 250"])
        );
        for (delivered, message) in seen.delivered.iter().zip(messages) {
            // DATA cannot say that the last line has no end.
            let mut expected = message.to_vec();
            if !message.is_empty() && !message.ends_with(b"\r\n") {
                expected.extend_from_slice(b"\r\n");
            }
            assert!(*delivered == expected, "piece {piece}");
        }
        let last = sent.sessions.last().expect("asked");
        assert!(last.tls.is_some());
        assert_eq!((last.name.as_str(), last.transactions), ("mx.test", 5));
        assert_eq!(last.extensions.rcpt_max, Some(1000));
    }
}

#[test]
fn binary_messages_go_in_chunks() {
    let message: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let mut mail = transaction("a@a.test", &["b@b.test", "unknown@b.test"]);
    mail.mail.body = BodyKind::Binary;
    let nobody = Transaction {
        rcpts: mail.rcpts[1..].to_vec(),
        ..mail.clone()
    };
    let queue = vec![
        (nobody, message.clone()),
        (mail.clone(), message.clone()),
        (mail, Vec::new()),
    ];
    let client = client(Protocol::Smtp, TlsPolicy::Never, None);
    let (seen, sent) = converse(client, server(Kind::Mx), queue, 7_777);
    assert_eq!(codes(&sent.done[0]), ["refused Rcpt 550"]);
    assert_eq!(codes(&sent.done[1]), ["delivered 250", "refused Rcpt 550"]);
    assert_eq!(codes(&sent.done[2]), ["delivered 250", "refused Rcpt 550"]);
    assert!(seen.delivered == [message, Vec::new()]);
}

#[test]
fn many_recipients_pass_the_window() {
    let names: Vec<String> = (0..950).map(|n| format!("r{n}@b.test")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let queue = vec![(transaction("", &names), b"x\r\n".to_vec())];
    let client = client(Protocol::Smtp, TlsPolicy::Never, None);
    let (seen, sent) = converse(client, server(Kind::Mx), queue, 10);
    assert_eq!(seen.rcpts.len(), 950);
    assert_eq!(sent.done[0].len(), 950);
    assert!(
        codes(&sent.done[0])
            .iter()
            .all(|code| code == "delivered 250")
    );
}

#[test]
fn everything_a_transaction_says_is_understood() {
    let mut full = transaction("nguyễn@a.test", &["vănthư@b.test"]);
    full.mail = Mail {
        from: "nguyễn@a.test".into(),
        size: Some(3),
        body: BodyKind::EightBit,
        utf8: true,
        ret: Some(Ret::Full),
        envid: Some("a b+c=d".into()),
        auth: None,
    };
    full.rcpts[0].notify = Some(Notify {
        success: true,
        failure: true,
        delay: true,
    });
    full.rcpts[0].orcpt = Some("utf-8;vănthư@b.test".into());
    let queue = vec![(full.clone(), b"x\r\n".to_vec())];
    let client = client(Protocol::Smtp, TlsPolicy::Required, None);
    let (seen, sent) = converse(client, server(Kind::Mx), queue, 10);
    assert_eq!(codes(&sent.done[0]), ["delivered 250"]);
    assert_eq!(seen.mails, [full.mail]);
    assert_eq!(seen.rcpts, full.rcpts);
}

#[test]
fn lmtp_tells_of_each_recipient() {
    let to = ["b@b.test", "unknown@b.test", "full@b.test", "c@b.test"];
    let queue = vec![(transaction("a@a.test", &to), b"x\r\n".to_vec())];
    let mut config = server(Kind::Lmtp);
    config.tls = false;
    let client = client(Protocol::Lmtp, TlsPolicy::Opportunistic, None);
    let (seen, sent) = converse(client, config, queue, 10);
    assert_eq!(
        codes(&sent.done[0]),
        [
            "delivered 250",
            "refused Rcpt 550",
            "refused End 452",
            "delivered 250"
        ]
    );
    let Outcome::Delivered(reply) = &sent.done[0][3] else {
        panic!("the last one is delivered");
    };
    assert_eq!(reply.text, "kept for c@b.test");
    assert_eq!(seen.delivered.len(), 1);
}

#[test]
fn logins() {
    let queue = || vec![(transaction("a@a.test", &["b@b.test"]), b"x\r\n".to_vec())];
    let right = Some(("an@a.test", PASSWORD));
    let client_with = |tls, login| client(Protocol::Smtp, tls, login);
    let (seen, sent) = converse(
        client_with(TlsPolicy::Required, right),
        server(Kind::Submission),
        queue(),
        10,
    );
    assert_eq!(codes(&sent.done[0]), ["delivered 250"]);
    assert_eq!(seen.logins, ["an@a.test"]);
    assert!(
        sent.sessions[0]
            .extensions
            .auth
            .contains(&"SCRAM-SHA-256-PLUS".to_owned())
    );

    let wrong = Some(("an@a.test", "sai"));
    let (seen, sent) = converse(
        client_with(TlsPolicy::Required, wrong),
        server(Kind::Submission),
        queue(),
        10,
    );
    assert!(
        matches!(
            sent.failed,
            Some(client::SessionError::Refused(
                client::Stage::Auth,
                client::ServerReply { code: 535, .. }
            ))
        ),
        "{:?}",
        sent.failed
    );
    assert!(seen.logins.is_empty() && seen.mails.is_empty());

    // In the clear nothing is even tried.
    let (seen, sent) = converse(
        client_with(TlsPolicy::Never, right),
        server(Kind::Submission),
        queue(),
        10,
    );
    assert_eq!(sent.failed, Some(client::SessionError::NoAuth));
    assert!(seen.logins.is_empty());
    let (_, sent) = converse(
        client_with(TlsPolicy::Never, None),
        server(Kind::Submission),
        queue(),
        10,
    );
    assert_eq!(codes(&sent.done[0]), ["refused Mail 530"]);
}
