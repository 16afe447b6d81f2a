//! Any server at all: the client reports each transaction once, believes no delivery that was not said,
//! and never closes without a word.

use congvu_smtp::ask::{Mail, Rcpt};
use congvu_smtp::client::{
    Answer, Ask, Client, Config, Credentials, Outcome, Protocol, TlsPolicy, Transaction,
};
use congvu_wire::{Machine, Secret, Step, TlsInfo};

const REPLIES: &[&[u8]] = &[
    b"220 server.test\r\n",
    b"250 ok\r\n",
    b"250-server.test\r\n250-PIPELINING\r\n250-SIZE 100000\r\n250-8BITMIME\r\n250 STARTTLS\r\n",
    b"250-server.test\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250 AUTH PLAIN SCRAM-SHA-256\r\n",
    b"250 2.1.0 ok\r\n",
    b"250 2.1.5 ok\r\n",
    b"354 go on\r\n",
    b"235 2.7.0 ok\r\n",
    b"334 \r\n",
    b"334 cj1hYmM=\r\n",
    b"550 5.1.1 no\r\n",
    b"451-4.3.0 later\r\n451 4.3.0 please\r\n",
    b"421 4.3.2 bye\r\n",
    b"502 what?\r\n",
    b"999 x\r\n",
    b"\r\n",
    b"250-",
    b"\xff\0\r\n",
];

fn random_client(rng: &mut fastrand::Rng) -> Client {
    let policies = [
        TlsPolicy::Never,
        TlsPolicy::Opportunistic,
        TlsPolicy::Required,
        TlsPolicy::Verified,
    ];
    Client::new(Config {
        protocol: if rng.bool() {
            Protocol::Smtp
        } else {
            Protocol::Lmtp
        },
        hello: "our.test".into(),
        tls: *rng.choice(&policies).expect("not empty"),
        waits: congvu_smtp::client::Waits::default(),
        credentials: rng.bool().then(|| Credentials {
            name: "an@a.test".into(),
            password: Secret::new("x"),
        }),
    })
}

/// A whole session with a server that says anything; every transaction is reported once, and what is
/// reported delivered was followed by a success after the end.
fn outbound(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut client = random_client(&mut rng);
    let sane = rng.bool();
    let (mut open, mut ended, mut told) = (None, false, false);
    for _ in 0..20_000 {
        match client.step() {
            Step::Read => match rng.u8(..) % 60 {
                0 => client.end_of_input(),
                1 => client.expire(),
                2 => {
                    client.shutdown();
                    told = true;
                }
                n if sane && n < 40 => {
                    let most = 7;
                    client.input(REPLIES[rng.usize(..most)]);
                }
                _ => client.input(rng.choice(REPLIES).expect("not empty")),
            },
            Step::Write(octets) => assert!(!octets.is_empty(), "seed {seed}"),
            Step::StartTls => client.secured(TlsInfo::default()),
            Step::Ask(Ask::Next(_)) => {
                assert_eq!(open, None, "seed {seed}");
                if rng.u8(..) < 30 {
                    told = true;
                    client.answer(Answer::Quit);
                    continue;
                }
                let count = rng.usize(1..300);
                let from = if rng.bool() { "a@a.test" } else { "no address" };
                let rcpts = (0..count).map(|n| Rcpt {
                    to: format!("r{n}@b.test"),
                    ..Rcpt::default()
                });
                (open, ended) = (Some(count), false);
                client.answer(Answer::Transaction(Transaction {
                    mail: Mail {
                        from: from.into(),
                        ..Mail::default()
                    },
                    rcpts: rcpts.collect(),
                }));
            }
            Step::Ask(Ask::Body) => {
                assert!(open.is_some() && !ended, "seed {seed}");
                let answer = match rng.u8(..) % 8 {
                    0 => Answer::Abort,
                    1..4 => Answer::End,
                    _ => Answer::Chunk(b"Subject: x\r\n.\n".to_vec()),
                };
                ended = answer == Answer::End;
                client.answer(answer);
            }
            Step::Ask(Ask::Done(outcomes)) => {
                assert_eq!(open.take(), Some(outcomes.len()), "seed {seed}");
                told = true;
                for outcome in &outcomes {
                    let after_end = matches!(outcome, Outcome::Delivered(_) | Outcome::Unknown(_));
                    assert!(ended || !after_end, "seed {seed}");
                }
                client.answer(Answer::Noted);
            }
            Step::Ask(Ask::Failed(_)) => {
                assert_eq!(open, None, "seed {seed}");
                told = true;
                client.answer(Answer::Noted);
            }
            Step::Wait(_) => panic!("the SMTP client never waits; seed {seed}"),
            Step::Close => {
                assert_eq!(open, None, "seed {seed}");
                assert!(told, "closed without a word; seed {seed}");
                assert_eq!(client.settle(), None, "seed {seed}");
                return;
            }
        }
        // The connection breaks under the driver's hands.
        if rng.u16(..) < 30 {
            match client.settle() {
                Some(Ask::Done(outcomes)) => {
                    assert_eq!(open.take(), Some(outcomes.len()), "seed {seed}");
                }
                _ => assert_eq!(open, None, "seed {seed}"),
            }
            assert_eq!(client.step(), Step::Close, "seed {seed}");
            return;
        }
    }
    panic!("the session never ends; seed {seed}");
}

#[test]
fn client_survives_anything() {
    let first = fastrand::u64(..);
    println!("first seed {first}");
    for offset in 0..3_000 {
        outbound(first.wrapping_add(offset));
    }
}
