//! Plays every file of `tests/sessions`.
//!
//! Settings: `@ begin greeted|authenticated|selected|examined` (what happened before the first line),
//! `@ enable IMAP4rev2` (after the login), `@ tls off`, `@ plaintext on`, `@ limit 1000`.

use std::path::Path;

use congvu_imap::server::{Config, Server};
use congvu_wire::transcript::Script;
use congvu_wire::{Machine, Step, TlsInfo};

use crate::actor::ImapActor;

#[test]
fn every_session() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "txt"))
        .collect();
    files.sort();
    assert!(files.len() >= 40, "{} files", files.len());
    let mut failures = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("UTF-8");
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let played = Script::parse(&text)
            .and_then(|script| script.play(|| (prepared(script.settings()), ImapActor)));
        if let Err(failure) = played {
            failures.push(format!("{name} {failure}"));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// A machine as the settings want it.
fn prepared(settings: &[(String, String)]) -> Server {
    let setting = |key: &str| {
        settings
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value.as_str())
    };
    let begin = setting("begin");
    let mut config = Config {
        append_limit: 1_000,
        ..Config::default()
    };
    config.tls_available = setting("tls") != Some("off");
    config.allow_plaintext = setting("plaintext") == Some("on");
    if let Some(limit) = setting("limit") {
        config.append_limit = limit.parse().expect("a number");
    }
    let mut server = Server::new(config);
    match begin {
        None => return server,
        Some("greeted") => answer(&mut server, "ok Hello"),
        Some(state) => {
            server.secured(TlsInfo::default());
            answer(&mut server, "ok Hello");
            send(&mut server, "x LOGIN a@b.test secret");
            answer(&mut server, "granted");
            if let Some(names) = setting("enable") {
                send(&mut server, &format!("x ENABLE {names}"));
                answer(&mut server, "ok Enabled");
            }
            match state {
                "authenticated" => {}
                "selected" => {
                    send(&mut server, "x SELECT INBOX");
                    answer(&mut server, "ok READ-WRITE Opened");
                }
                "examined" => {
                    send(&mut server, "x EXAMINE INBOX");
                    answer(&mut server, "ok READ-ONLY Opened");
                }
                other => panic!("unknown beginning {other}"),
            }
        }
    }
    server
}

fn send(server: &mut Server, line: &str) {
    server.input(format!("{line}\r\n").as_bytes());
}

/// Lets it write and ask once, and answers.
fn answer(server: &mut Server, text: &str) {
    loop {
        match server.step() {
            Step::Write(_) => {}
            Step::Ask(_) => break,
            other => panic!("{other:?}"),
        }
    }
    server.answer(crate::responses::answer(text).expect("an answer"));
    while let Step::Write(_) = server.step() {}
}
