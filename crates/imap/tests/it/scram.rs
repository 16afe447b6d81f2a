//! SCRAM through the machine, against the client of `congvu_wire::sasl`: nonces make it no transcript.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use congvu_imap::ask::{Answer, Ask};
use congvu_imap::server::{Config, Server};
use congvu_wire::sasl::client::Scram;
use congvu_wire::sasl::scram::derive;
use congvu_wire::sasl::{Denial, SaslAnswer, SaslAsk, ScramKeys};
use congvu_wire::{Machine, Secret, Step, TlsInfo};

const NAME: &str = "an@bo.test";

/// Steps to the next question or wish to read; what was written meanwhile comes with it.
fn step(server: &mut Server) -> (String, Step<Ask>) {
    let mut written = Vec::new();
    loop {
        match server.step() {
            Step::Write(octets) => written.extend(octets),
            other => return (String::from_utf8(written).expect("ASCII"), other),
        }
    }
}

fn send(server: &mut Server, line: &str) {
    server.input(format!("{line}\r\n").as_bytes());
}

fn challenge(text: &str) -> Vec<u8> {
    let text = text.strip_prefix("+ ").expect("a continuation").trim_end();
    STANDARD.decode(text).expect("base64")
}

/// Logs in and gives the last line.
fn login(password: &str, known: &[&str], plus: bool) -> String {
    let tls = TlsInfo {
        binding: Some(vec![7; 32]),
        ..TlsInfo::default()
    };
    let mut server = Server::new(Config::default());
    server.secured(tls.clone());
    assert!(matches!(step(&mut server).1, Step::Ask(Ask::Open)));
    server.answer(crate::responses::answer("ok Hello").expect("an answer"));
    let (greeting, _) = step(&mut server);
    assert!(
        greeting.contains("AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 "),
        "{greeting}"
    );

    let secret = Secret::new(password.as_bytes());
    let (client, first) =
        Scram::begin(NAME, secret, plus.then_some(&tls)).expect("the channel can be bound");
    let mechanism = if plus {
        "SCRAM-SHA-256-PLUS"
    } else {
        "SCRAM-SHA-256"
    };
    // The two ways to send the first message.
    if plus {
        send(
            &mut server,
            &format!("a AUTHENTICATE {mechanism} {}", STANDARD.encode(first)),
        );
    } else {
        send(&mut server, &format!("a AUTHENTICATE {mechanism}"));
        assert_eq!(step(&mut server).0, "+ \r\n");
        send(&mut server, &STANDARD.encode(first));
    }
    let (_, asked) = step(&mut server);
    assert_eq!(
        asked,
        Step::Ask(Ask::Sasl(SaslAsk::Keys {
            authcid: NAME.to_owned()
        }))
    );
    let salt = vec![1; 16];
    let keys = known
        .iter()
        .map(|known| derive(known.as_bytes(), &salt, 4_096))
        .collect();
    server.answer(Answer::Sasl(SaslAnswer::Keys(ScramKeys {
        salt,
        iterations: 4_096,
        keys,
    })));
    let (text, _) = step(&mut server);
    let (client, proof) = client
        .prove(&challenge(&text))
        .expect("the server's first message");
    send(&mut server, &STANDARD.encode(proof));
    let (_, asked) = step(&mut server);
    let matched = known.iter().position(|known| *known == password);
    assert_eq!(
        asked,
        Step::Ask(Ask::Sasl(SaslAsk::Decided {
            authcid: NAME.to_owned(),
            matched
        }))
    );
    let verdict = if matched.is_some() {
        SaslAnswer::Granted
    } else {
        SaslAnswer::Denied(Denial::Credentials)
    };
    server.answer(Answer::Sasl(verdict));
    let (text, _) = step(&mut server);
    if matched.is_none() {
        return text;
    }
    client
        .verify(&challenge(&text))
        .expect("the server's signature");
    send(&mut server, "");
    step(&mut server).0
}

#[test]
fn logins() {
    for plus in [false, true] {
        let last = login("thư mật", &["other", "thư mật"], plus);
        assert!(
            last.starts_with("a OK [CAPABILITY IMAP4rev1 IMAP4rev2 "),
            "{last}"
        );
        let last = login("wrong", &["right"], plus);
        assert_eq!(
            last,
            "a NO [AUTHENTICATIONFAILED] Wrong name or password\r\n"
        );
    }
}
