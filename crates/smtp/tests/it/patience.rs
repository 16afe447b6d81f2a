//! The peer's time: it starts anew only when something is complete.

use std::sync::Arc;
use std::time::Duration;

use congvu_smtp::ask::{Answer, Kind};
use congvu_smtp::client::{self, Client, Protocol, TlsPolicy};
use congvu_smtp::server::{Config, PROGRESS, Server};
use congvu_wire::{Machine, Step};

/// Until it reads; everything is accepted.
fn settle(server: &mut Server) {
    loop {
        match server.step() {
            Step::Read => return,
            Step::Ask(_) => server.answer(Answer::Accept),
            Step::Write(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_dripping_client_gains_no_time() {
    let mut config = Config::new(Kind::Mx, "mx.test");
    config.data_patience = Duration::from_secs(7);
    let command = config.command_patience;
    let mut server = Server::new(Arc::new(config));
    settle(&mut server);
    let mut say = |text: &[u8]| {
        let mut markers = Vec::new();
        for octet in text {
            server.input(&[*octet]);
            settle(&mut server);
            markers.push(server.patience().marker);
        }
        let changes = markers.windows(2).filter(|pair| pair[0] != pair[1]).count();
        (changes, server.patience().limit)
    };
    assert_eq!(say(b"HELO c.test\r\n"), (1, command));
    assert_eq!(say(b"MAIL FROM:<>\r\n"), (1, command));
    assert_eq!(say(b"RCPT TO:<b@b.test>\r\n"), (1, command));
    assert_eq!(say(b"DATA\r\n"), (1, Duration::from_secs(7)));
    let line = b"0123456789abcdef\r\n".repeat(10);
    assert_eq!(say(&line), (0, Duration::from_secs(7)));
    let much = vec![b'x'; usize::try_from(PROGRESS).expect("small")];
    let (changes, _) = say(&much);
    // One for the progress, at most two for the pieces that the service took.
    assert!((1..=3).contains(&changes), "{changes}");
}

#[test]
fn the_end_of_a_message_may_take_long() {
    let mut client = Client::new(client::Config {
        protocol: Protocol::Smtp,
        hello: "our.test".into(),
        tls: TlsPolicy::Never,
        credentials: None,
        waits: congvu_smtp::client::Waits::default(),
    });
    let mut limits = Vec::new();
    let replies: [&[u8]; 7] = [
        b"220 x\r\n",
        b"250 x\r\n",
        b"250 ok\r\n",
        b"250 ok\r\n",
        b"354 ok\r\n",
        b"250 ok\r\n",
        b"221 bye\r\n",
    ];
    let mut replies = replies.into_iter();
    let mut sent = false;
    loop {
        match client.step() {
            Step::Read => {
                limits.push(client.patience().limit.as_secs() / 60);
                client.input(replies.next().expect("no more questions"));
            }
            Step::Write(_) => {}
            Step::Ask(client::Ask::Next(_)) if !std::mem::replace(&mut sent, true) => {
                let rcpt = congvu_smtp::ask::Rcpt {
                    to: "b@b.test".into(),
                    ..Default::default()
                };
                client.answer(client::Answer::Transaction(client::Transaction {
                    rcpts: vec![rcpt],
                    ..Default::default()
                }));
            }
            Step::Ask(client::Ask::Next(_)) => client.answer(client::Answer::Quit),
            Step::Ask(client::Ask::Body) => client.answer(client::Answer::End),
            Step::Ask(_) => client.answer(client::Answer::Noted),
            Step::Close => break,
            other => panic!("{other:?}"),
        }
    }
    // Greeting, EHLO, MAIL, RCPT, DATA, the end, QUIT.
    assert_eq!(limits, [5, 5, 5, 5, 3, 10, 1]);
}
