//! IDLE and what comes with it in one packet: fed octet by octet it would be another conversation.

use std::fmt::Write as _;

use congvu_imap::ask::Ask;
use congvu_imap::server::{Config, Server};
use congvu_wire::{Machine, Step, TlsInfo};

use crate::responses;

/// Everything written and asked until the machine reads or waits; questions are answered in turn.
fn run(server: &mut Server, input: &str, answers: &[&str]) -> String {
    server.input(input.as_bytes());
    let mut answers = answers.iter();
    let mut log = String::new();
    loop {
        match server.step() {
            Step::Write(octets) => log.push_str(&String::from_utf8_lossy(&octets)),
            Step::Ask(ask) => {
                write!(log, "? {ask:?}\r\n").expect("a String takes all");
                let answer = answers.next().expect("an answer for each question");
                server.answer(responses::answer(answer).expect("an answer"));
            }
            Step::Wait(ask) => return log + &format!("wait {ask:?}"),
            Step::Read => return log,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn one_packet() {
    let mut server = Server::new(Config::default());
    server.secured(TlsInfo::default());
    run(&mut server, "", &["ok Hello"]);
    run(&mut server, "x LOGIN a b\r\n", &["granted"]);
    // iOS 18 Mail: IDLE, DONE and the next command.
    assert_eq!(
        run(
            &mut server,
            "a IDLE\r\nDONE\r\nb NOOP\r\n",
            &["ok Completed"]
        ),
        format!(
            "+ idling\r\na OK IDLE ended\r\n? {:?}\r\nb OK Completed\r\n",
            Ask::Noop
        )
    );
    // The next command instead of DONE.
    assert_eq!(
        run(&mut server, "c IDLE\r\nd NOOP\r\n", &["ok Completed"]),
        "+ idling\r\nc OK IDLE ended\r\n? Noop\r\nd OK Completed\r\n"
    );
    // The beginning of DONE, then its end.
    assert_eq!(
        run(&mut server, "e IDLE\r\nDO", &[]),
        "+ idling\r\nwait Idle"
    );
    assert_eq!(run(&mut server, "NE\r\n", &[]), "e OK IDLE ended\r\n");
}

/// Autologout counts from the last command, and from IDLE itself, not from what came before it.
#[test]
fn patience() {
    let mut server = Server::new(Config::default());
    server.secured(TlsInfo::default());
    run(&mut server, "", &["ok Hello"]);
    let before = server.patience();
    run(
        &mut server,
        "a NOOP\r\nb CAPABILITY\r\nc ID NIL\r\n",
        &["ok Identified"],
    );
    assert_eq!(
        server.patience(),
        before,
        "commands give nobody more time to log in"
    );
    run(&mut server, "d LOGIN a b\r\n", &["granted"]);
    let logged_in = server.patience();
    assert!(logged_in.limit > before.limit && logged_in.marker != before.marker);
    run(&mut server, "e IDLE\r\n", &[]);
    let idle = server.patience();
    assert_ne!(idle.marker, logged_in.marker);
    run(&mut server, "DO", &[]);
    assert_eq!(server.patience(), idle, "half a line is not a command");
    run(&mut server, "NE\r\n", &[]);
    assert_ne!(server.patience(), idle);
    run(&mut server, "f APPEND a {100000}\r\n", &["ok Go on"]);
    let upload = server.patience();
    run(&mut server, &"x".repeat(60_000), &[]);
    assert_eq!(server.patience(), upload, "drops do not renew the time");
    run(&mut server, &"x".repeat(10_000), &["accept"]);
    assert_ne!(server.patience(), upload);
}
