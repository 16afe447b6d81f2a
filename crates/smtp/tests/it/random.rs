//! Any octets in any state of the server: no panic, no spinning, bounded memory, and no delivery of what was refused.

use std::sync::Arc;

use congvu_smtp::ask::{Answer, Ask, Kind, Reply};
use congvu_smtp::server::{Config, Server};
use congvu_wire::sasl::{Denial, SaslAnswer, SaslAsk, ScramKeys};
use congvu_wire::{Machine, Step, TlsInfo};

const LINES: &[&[u8]] = &[
    b"EHLO client.test\r\n",
    b"HELO client.test\r\n",
    b"LHLO client.test\r\n",
    b"MAIL FROM:<a@a.test>\r\n",
    b"MAIL FROM:<a@a.test> BODY=BINARYMIME SIZE=10\r\n",
    b"MAIL FROM:<\xe1\xbb\x85@a.test> SMTPUTF8\r\n",
    b"RCPT TO:<b@b.test>\r\n",
    b"RCPT TO:<postmaster> NOTIFY=NEVER ORCPT=rfc822;a\r\n",
    b"DATA\r\n",
    b"BDAT 5\r\n",
    b"BDAT 5 LAST\r\n",
    b"BDAT 0 LAST\r\n",
    b"BDAT 18446744073709551615\r\n",
    b"BDAT x\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"QUIT\r\n",
    b"VRFY x\r\n",
    b"HELP\r\n",
    b"STARTTLS\r\n",
    b"AUTH PLAIN\r\n",
    b"AUTH PLAIN AGFAYS50ZXN0AHg=\r\n",
    b"AUTH LOGIN\r\n",
    b"AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9YWJj\r\n",
    b"AGFAYS50ZXN0AHg=\r\n",
    b"Yz1iaXdzLHI9YWJjLHA9QUFBQQ==\r\n",
    b"*\r\n",
    b"GET / HTTP/1.1\r\n",
    b"\r\n",
    b".\r\n",
    b"Subject: x\r\n",
    b"..\r\n",
    b"hello",
    b"\n",
    b"\r",
    b".\n",
    b"\0",
    b"\x16\x03\x01",
    b"\xff\xfe",
];

fn soup(rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut soup = Vec::new();
    for _ in 0..rng.usize(1..40) {
        let mut line = rng.choice(LINES).expect("not empty").to_vec();
        if rng.u8(..) < 30 {
            let at = rng.usize(..line.len());
            line[at] = rng.u8(..);
        }
        let times = if rng.u8(..) == 0 { 3_000 } else { 1 };
        soup.extend(line.repeat(times));
    }
    soup
}

fn answer(rng: &mut fastrand::Rng, ask: &Ask) -> Answer {
    let refusal = |code| Reply::new(code, (u8::try_from(code / 100).unwrap_or(5), 0, 0), "no");
    match (rng.u8(..) % 12, ask) {
        (0, _) => Answer::Reply(refusal(550)),
        (1, _) => Answer::Reply(refusal(451)),
        (2, _) if rng.u8(..) < 20 => Answer::Reply(refusal(421)),
        (3, Ask::Deliver) => Answer::Replies(vec![refusal(250), refusal(550)]),
        (4, Ask::Sasl(_)) => Answer::Sasl(SaslAnswer::Denied(Denial::Credentials)),
        (_, Ask::Sasl(SaslAsk::Keys { .. })) => Answer::Sasl(SaslAnswer::Keys(ScramKeys {
            salt: vec![1; 16],
            iterations: 4096,
            keys: Vec::new(),
        })),
        (_, Ask::Sasl(_)) => Answer::Sasl(SaslAnswer::Granted),
        _ => Answer::Accept,
    }
}

fn session(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let kind = *rng
        .choice(&[Kind::Mx, Kind::Submission, Kind::Lmtp])
        .expect("not empty");
    let mut config = Config::new(kind, "mx.test");
    config.size_max = 2_000;
    config.tls = rng.bool();
    config.allow_plaintext = rng.bool();
    let mut server = Server::new(Arc::new(config));
    let mut unsent = [b"EHLO c.test\r\n".to_vec(), soup(&mut rng)].concat();
    if kind == Kind::Lmtp {
        unsent[..4].copy_from_slice(b"LHLO");
    }
    let mut marker = server.patience().marker;
    let mut transaction = false;
    let mut accepted = 0;
    for _ in 0..200_000 {
        match server.step() {
            Step::Read if unsent.is_empty() => match rng.u8(..) % 3 {
                0 => server.end_of_input(),
                1 => server.shutdown(),
                _ => server.expire(),
            },
            Step::Read => {
                let piece = rng.usize(1..=unsent.len().min(5_000));
                server.input(&unsent.drain(..piece).collect::<Vec<u8>>());
            }
            Step::Write(octets) => {
                assert!(octets.ends_with(b"\r\n"), "seed {seed}");
                assert!(octets.is_ascii(), "seed {seed}");
            }
            Step::StartTls => server.secured(TlsInfo::default()),
            Step::Ask(ask) => {
                let answer = answer(&mut rng, &ask);
                let yes = match &answer {
                    Answer::Accept => true,
                    Answer::Reply(reply) => reply.code < 300,
                    _ => false,
                };
                match &ask {
                    Ask::Mail(_) => {
                        assert!(!transaction, "seed {seed}");
                        (transaction, accepted) = (yes, 0);
                    }
                    Ask::Rcpt(_) => {
                        assert!(transaction, "seed {seed}");
                        accepted += usize::from(yes);
                    }
                    Ask::Body(octets) => {
                        assert!(transaction && accepted > 0, "seed {seed}");
                        assert!(
                            !octets.is_empty() && octets.len() <= 64 << 10,
                            "seed {seed}"
                        );
                    }
                    Ask::Deliver => {
                        assert!(transaction && accepted > 0, "seed {seed}");
                        transaction = false;
                    }
                    Ask::Reset => transaction = false,
                    Ask::Open | Ask::Hello { .. } | Ask::Sasl(_) => {
                        assert!(!transaction, "seed {seed}");
                    }
                }
                server.answer(answer);
            }
            Step::Wait(_) => panic!("the SMTP server never waits; seed {seed}"),
            Step::Close => return,
        }
        let now = server.patience().marker;
        assert!(now >= marker, "seed {seed}");
        marker = now;
    }
    panic!("the session never ends; seed {seed}");
}

#[test]
fn server_survives_anything() {
    let first = fastrand::u64(..);
    println!("first seed {first}");
    for offset in 0..3_000 {
        session(first.wrapping_add(offset));
    }
}

/// Each state of a server, reached by these lines, meets each line.
#[test]
fn every_state_meets_every_line() {
    let mail = "MAIL FROM:<a@a.test>\r\n";
    let binary = "MAIL FROM:<a@a.test> BODY=BINARYMIME\r\n";
    let rcpt = "RCPT TO:<b@b.test>\r\n";
    let prefixes = [
        String::new(),
        mail.to_owned(),
        format!("{mail}{rcpt}"),
        format!("{mail}{rcpt}DATA\r\n"),
        format!("{mail}{rcpt}DATA\r\nhalf a line"),
        format!("{mail}{rcpt}DATA\r\nx\r\n."),
        format!("{mail}{rcpt}BDAT 3\r\n"),
        format!("{mail}{rcpt}BDAT 3\r\nabc"),
        format!("{binary}{rcpt}BDAT 30000 LAST\r\n"),
        "BDAT 1000\r\n".to_owned(),
        "AUTH LOGIN\r\n".to_owned(),
        "AUTH LOGIN YW5AYS50ZXN0\r\n".to_owned(),
        "AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9YWJj\r\n".to_owned(),
        "STARTTLS\r\n".to_owned(),
    ];
    let mut rng = fastrand::Rng::with_seed(1);
    for kind in [Kind::Mx, Kind::Submission, Kind::Lmtp] {
        let hello = if kind == Kind::Lmtp {
            "LHLO c.test\r\n"
        } else {
            "EHLO c.test\r\n"
        };
        let login = if kind == Kind::Submission {
            "AUTH PLAIN AGFAYS50ZXN0AHg=\r\n"
        } else {
            ""
        };
        for (prefix, line) in prefixes
            .iter()
            .flat_map(|p| LINES.iter().map(move |l| (p, l)))
        {
            let login = if prefix.starts_with("AUTH") {
                ""
            } else {
                login
            };
            let mut config = Config::new(kind, "mx.test");
            config.allow_plaintext = true;
            config.tls = true;
            let mut server = Server::new(Arc::new(config));
            let start = format!("{hello}{login}{prefix}");
            let mut unsent = [start.as_bytes(), line].concat();
            let mut said = Vec::new();
            for steps in 0.. {
                assert!(steps < 1_000, "{prefix} {}", line.escape_ascii());
                match server.step() {
                    Step::Read if unsent.is_empty() => server.end_of_input(),
                    Step::Read => server.input(&std::mem::take(&mut unsent)),
                    Step::Write(octets) => said.extend(octets),
                    Step::StartTls => server.secured(TlsInfo::default()),
                    Step::Ask(Ask::Sasl(ask)) => {
                        // Always the right answer: `answer` draws lots only for the rest.
                        let sasl = match ask {
                            SaslAsk::Keys { .. } => answer(&mut rng, &Ask::Sasl(ask)),
                            _ => Answer::Sasl(SaslAnswer::Granted),
                        };
                        server.answer(sasl);
                    }
                    Step::Ask(_) => server.answer(Answer::Accept),
                    Step::Wait(_) => panic!("the SMTP server never waits"),
                    Step::Close => break,
                }
            }
            // Whole lines, each with a code: nothing of the input comes back.
            let said = String::from_utf8(said).expect("ASCII");
            for reply in said.split_terminator("\r\n") {
                let code = reply.get(..3).and_then(|code| code.parse::<u16>().ok());
                assert!(
                    code.is_some_and(|code| (200..600).contains(&code)),
                    "{prefix}: {reply}"
                );
            }
        }
    }
}

/// All that a server asks and says about these octets, cut by `cut`; everything is accepted.
fn heard(octets: &[u8], mut cut: impl FnMut(usize) -> usize) -> (Vec<Ask>, Vec<u8>) {
    let mut config = Config::new(Kind::Mx, "mx.test");
    config.size_max = 100_000;
    let mut server = Server::new(Arc::new(config));
    let (mut asked, mut said) = (Vec::new(), Vec::new());
    let mut rest = octets;
    loop {
        match server.step() {
            Step::Read if rest.is_empty() => server.end_of_input(),
            Step::Read => {
                let (piece, after) = rest.split_at(cut(rest.len()));
                server.input(piece);
                rest = after;
            }
            Step::Write(octets) => said.extend(octets),
            Step::Ask(mut ask) => {
                // What came together with EHLO is told, and is another thing with each cut.
                if let Ask::Hello { early, .. } = &mut ask {
                    *early = false;
                }
                asked.push(ask);
                server.answer(Answer::Accept);
            }
            Step::Close => return (asked, said),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn how_octets_are_cut_changes_nothing() {
    let first = fastrand::u64(..);
    println!("first seed {first}");
    for seed in (0..300).map(|offset| first.wrapping_add(offset)) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut octets = b"EHLO c.test\r\n".to_vec();
        for _ in 0..4 {
            octets.extend(b"MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\n");
            octets.extend(if rng.bool() {
                &b"DATA\r\n"[..]
            } else {
                b"BDAT 500 LAST\r\n"
            });
            octets.extend(soup(&mut rng));
        }
        let whole = heard(&octets, |all| all);
        let most = rng.usize(1..3_000);
        assert!(
            whole == heard(&octets, |all| rng.usize(1..=most).min(all)),
            "seed {seed}"
        );
    }
}
