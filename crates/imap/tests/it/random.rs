//! Random octets and random commands in every state: never a panic, bounded output, no spinning, and
//! `End` asked exactly once before `Close`.

use congvu_imap::ask::{Answer, Ask};
use congvu_imap::response::{Done, Status};
use congvu_imap::server::{Config, Server};
use congvu_wire::sasl::{Denial, SaslAnswer, SaslAsk, ScramKeys};
use congvu_wire::{Machine, Step, TlsInfo};
use fastrand::Rng;

use crate::responses;

/// Pieces that commands are made of, and what breaks them.
const WORDS: &[&str] = &[
    "a ",
    "b2 ",
    " ",
    "NOOP",
    "CAPABILITY",
    "LOGIN ",
    "LOGIN a@b.test secret\r\n",
    "AUTHENTICATE PLAIN ",
    "AUTHENTICATE LOGIN\r\n",
    "AGEAYg==",
    "*",
    "SELECT INBOX\r\n",
    "EXAMINE ",
    "CREATE ",
    "LIST \"\" *",
    "(",
    ")",
    "\"",
    "\\",
    "{3}",
    "{3+}\r\nabc",
    "~{2}",
    "{99999999999}",
    "{99999999+}\r\n",
    "\r\n",
    "\r\n",
    "\r\n",
    "\n",
    "\r",
    "\0",
    "APPEND INBOX ",
    "(\\Seen) ",
    "{10}\r\n",
    "{10+}\r\n0123456789\r\n",
    "UTF8 (~{4+}\r\nabcd)\r\n",
    "IDLE\r\n",
    "DONE\r\n",
    "FETCH 1:* ",
    "BODY[]",
    "BODY.PEEK[1.2.HEADER.FIELDS (A B)]<0.9>",
    "ALL",
    "UID ",
    "SEARCH ",
    "OR ",
    "NOT ",
    "RETURN (SAVE) ",
    "CHARSET ",
    "UTF-8 ",
    "STORE 1 +FLAGS ",
    "COPY 1:2 ",
    "MOVE $ ",
    "ENABLE UTF8=ACCEPT IMAP4rev2\r\n",
    "STATUS a ",
    "(MESSAGES)",
    "CLOSE\r\n",
    "UNSELECT\r\n",
    "EXPUNGE\r\n",
    "STARTTLS\r\n",
    "LOGOUT\r\n",
    "c UID FETCH 1:* (FLAGS BODY[])\r\n",
    "d APPEND a {9+}\r\n123",
    "GET / HTTP/1.1\r\n",
    "&AQM-",
    "Văn",
    "\u{16}",
    "INBOX",
];

fn piece(random: &mut Rng) -> Vec<u8> {
    match random.u8(..10) {
        0 => (0..random.usize(..40)).map(|_| random.u8(..)).collect(),
        1 => vec![random.u8(..); random.usize(..3_000)],
        _ => (0..random.usize(1..6))
            .flat_map(|_| {
                random
                    .choice(WORDS)
                    .map_or(&[][..], |word| word.as_bytes())
                    .to_vec()
            })
            .collect(),
    }
}

fn answer(random: &mut Rng, ask: &Ask) -> Answer {
    let done = |status| {
        Some(Done {
            status,
            code: None,
            text: "x\r\ny".to_owned(),
        })
    };
    // Sometimes the service errs, too.
    if random.u16(..200) == 0 {
        return random
            .choice([
                Answer::Accept,
                Answer::Octets(vec![0; 3]),
                Answer::Sasl(SaslAnswer::Granted),
            ])
            .expect("not empty");
    }
    match ask {
        Ask::Open => Answer::Reply {
            untagged: vec![],
            done: done(Status::Ok),
        },
        Ask::Sasl(SaslAsk::Keys { .. }) => Answer::Sasl(SaslAnswer::Keys(ScramKeys {
            salt: vec![1; 16],
            iterations: 4_096,
            keys: vec![],
        })),
        Ask::Sasl(_) if random.bool() => Answer::Sasl(SaslAnswer::Granted),
        Ask::Sasl(_) => Answer::Sasl(SaslAnswer::Denied(Denial::Credentials)),
        Ask::Octets => Answer::Octets(vec![random.u8(..); random.usize(1..2_000)]),
        Ask::AppendData(_) | Ask::AppendAbort | Ask::End if random.u8(..8) > 0 => Answer::Accept,
        Ask::Fetch(_) | Ask::Idle | Ask::More if random.bool() => {
            let text = "fetch 1 uid=1 structure envelope later[]=3000:abc binary[1]=\\0 flags=\\Recent; exists 3; search 1 2 3; more";
            responses::answer(text).expect("an answer")
        }
        _ => Answer::Reply {
            untagged: vec![],
            done: done(if random.u8(..4) > 0 {
                Status::Ok
            } else {
                Status::No
            }),
        },
    }
}

/// Plays one connection to its end.
fn play(random: &mut Rng) {
    let config = Config {
        tls_available: random.bool(),
        allow_plaintext: random.bool(),
        append_limit: 5_000,
    };
    let mut server = Server::new(config);
    if random.bool() {
        server.secured(TlsInfo::default());
    }
    let (mut ends, mut pieces, mut steps) = (0, 0, 0);
    let mut begun = random
        .bool()
        .then_some("x LOGIN a b\r\ny ENABLE IMAP4rev2\r\nz SELECT INBOX\r\n");
    loop {
        steps += 1;
        assert!(steps < 100_000, "spinning");
        match server.step() {
            Step::Close => break,
            Step::Write(octets) => assert!(!octets.is_empty() && octets.len() < 1 << 20),
            Step::StartTls => server.secured(TlsInfo::default()),
            Step::Ask(ask) => {
                ends += u32::from(ask == Ask::End);
                let answer = answer(random, &ask);
                server.answer(answer);
            }
            Step::Read | Step::Wait(_) if pieces > 60 => match random.u8(..3) {
                0 => server.end_of_input(),
                1 => server.shutdown(),
                _ => server.expire(),
            },
            Step::Wait(ask) if random.bool() => {
                pieces += 1;
                let answer = answer(random, &ask);
                server.answer(answer);
            }
            Step::Read | Step::Wait(_) => {
                pieces += 1;
                match begun.take() {
                    Some(text) => server.input(text.as_bytes()),
                    None => server.input(&piece(random)),
                }
            }
        }
        server.patience();
    }
    assert_eq!(ends, 1);
    assert_eq!(server.step(), Step::Close);
}

#[test]
fn any_octets() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = Rng::with_seed(seed);
    for _ in 0..3_000 {
        play(&mut random);
    }
}

/// A command of many small parts, and one that never ends: memory and time stay bounded.
#[test]
fn bombs() {
    let bombs: [(&[u8], &[u8]); 8] = [
        (b"a SEARCH ", b"("),
        (b"a SEARCH ", b"NOT "),
        (b"a SEARCH ", b"OR "),
        (b"a FETCH 1 BODY[", b"1."),
        (b"a FETCH ", b"1:2,"),
        (b"a LIST \"\" ", b"*%"),
        (b"a SEARCH TEXT ", b"\\\""),
        (b"a STORE 1 FLAGS (", b"x "),
    ];
    for (head, unit) in bombs {
        let mut server = Server::new(Config::default());
        server.secured(TlsInfo::default());
        let mut sent = 0;
        let mut chunk = unit.repeat(4_000 / unit.len());
        loop {
            match server.step() {
                Step::Close => break,
                Step::Write(_) => {}
                Step::Ask(Ask::Open) => {
                    server.answer(responses::answer("ok Hello").expect("an answer"));
                    server.input(b"x LOGIN a b\r\ny SELECT INBOX\r\n");
                    server.input(head);
                }
                Step::Ask(Ask::Sasl(_)) => server.answer(Answer::Sasl(SaslAnswer::Granted)),
                Step::Ask(Ask::Select { .. }) => {
                    server.answer(responses::answer("ok READ-WRITE x").expect("an answer"));
                }
                Step::Ask(Ask::End) => server.answer(Answer::Accept),
                Step::Read => {
                    sent += chunk.len();
                    assert!(sent < 2 << 20, "read without end");
                    if sent == 13 * chunk.len() {
                        chunk.extend_from_slice(b"\r\n");
                    }
                    server.input(&chunk);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
