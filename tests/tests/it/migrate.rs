//! Moving in from a real Dovecot: everything once, also after a kill, and what changed there since.

use std::fs;
use std::process::{Command, Stdio};

use congvu_tests::dovecot::{self, Dovecot};
use congvu_tests::imap::{Imap, quoted};
use congvu_tests::program::congvu;
use congvu_tests::server::{AN, BINH, PASSWORD, Server};

const LETTERS: usize = 300;

fn there(dovecot: &Dovecot) -> Imap {
    let mut imap = Imap::plain(dovecot.address).expect("connect to dovecot");
    let login = format!("LOGIN an {}", quoted(dovecot::PASSWORD));
    assert!(imap.command(&login).expect("LOGIN").ok());
    imap
}

fn here(server: &Server, mailbox: &str) -> Imap {
    let mut imap = Imap::login(server.listener("imaps"), AN, PASSWORD).expect("login");
    let outcome = imap
        .command(&format!("SELECT {}", quoted(mailbox)))
        .expect("SELECT");
    assert!(outcome.ok(), "{mailbox}: {}", outcome.status);
    imap
}

/// Subjects of a mailbox, with the flags beside them.
fn subjects(imap: &mut Imap) -> Vec<String> {
    let outcome = imap
        .command("UID FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        .expect("FETCH");
    let mut found: Vec<String> = outcome
        .untagged
        .iter()
        .filter(|line| line.contains("Subject"))
        .cloned()
        .collect();
    found.sort();
    found
}

const NAMES: [(&str, &str); 4] = [
    ("INBOX", "INBOX"),
    ("V&AQM-n b&HqM-n", "INBOX.V&AQM-n b&HqM-n"),
    ("A/B", "INBOX.A.B"),
    ("Sent", "INBOX.Gesendet"),
];

/// Letters in four mailboxes.
fn fill(old: &mut Imap) {
    for (_, name) in [NAMES[1], NAMES[2]] {
        let outcome = old.command(&format!("CREATE {}", quoted(name)));
        assert!(outcome.expect("CREATE").ok());
    }
    for number in 0..LETTERS {
        let flags = ["", "\\Seen", "\\Flagged $Label1"][number % 3];
        let letter = format!("Subject: so {number}\r\n\r\nnoi dung {number}\r\n");
        let outcome = old
            .append(NAMES[number % 4].1, flags, letter.as_bytes())
            .expect("APPEND");
        assert!(outcome.ok(), "{}", outcome.status);
    }
}

/// Every mailbox holds what it held there, with its flags.
fn same(server: &Server, old: &mut Imap) {
    for (here_name, there_name) in NAMES {
        let mut new = here(server, here_name);
        let examine = format!("EXAMINE {}", quoted(there_name));
        assert!(old.command(&examine).expect("EXAMINE").ok());
        let (ours, theirs) = (subjects(&mut new), subjects(old));
        assert_eq!(ours.len(), LETTERS / 4, "{here_name}");
        let flagged =
            |lines: &[String], name: &str| lines.iter().filter(|line| line.contains(name)).count();
        for name in ["\\Seen", "\\Flagged", "$Label1"] {
            assert_eq!(
                flagged(&ours, name),
                flagged(&theirs, name),
                "{here_name} {name}"
            );
        }
    }
}

fn parsed(json: &str) -> serde_json::Value {
    serde_json::from_str(json).expect("JSON")
}

#[test]
fn mailboxes_come_from_dovecot_once_whatever_happens() {
    let dovecot = Dovecot::start();
    let server = Server::start();
    let mut old = there(&dovecot);
    fill(&mut old);
    let password = server.folder().join("there");
    fs::write(&password, dovecot::PASSWORD).expect("the password");
    let password = password.display().to_string();
    let authority = dovecot.certificate().display().to_string();
    let from = format!("imap://localhost:{}", dovecot.address.port());
    let common = [
        "--json",
        "migrate",
        "imap",
        "--from",
        &from,
        "--user",
        "an",
        "--ca",
        &authority,
        "--password-file",
    ];
    let migrate = [&common[..], &[&password, "--account", AN]].concat();

    // Killed as soon as something is here.
    let mut inbox = here(&server, "INBOX");
    let mut killed = Command::new(congvu())
        .arg("--config")
        .arg(server.config())
        .args(&migrate)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("congvu migrate");
    inbox.wait_for_messages(1).expect("the first letters");
    killed.kill().expect("kill");
    killed.wait().expect("its end");
    let done = parsed(&server.done(&migrate));
    assert_eq!(
        done[0]["present"], 0,
        "the ledger knows what came before: {done}"
    );
    same(&server, &mut old);

    // There: one read, one expunged, one new. Here: one deleted, one with a keyword of its own.
    assert!(old.command("SELECT INBOX").expect("SELECT").ok());
    old.command("STORE 1 +FLAGS (\\Seen \\Answered)")
        .expect("STORE");
    old.command("STORE 2 +FLAGS (\\Deleted)").expect("STORE");
    old.command("EXPUNGE").expect("EXPUNGE");
    old.append("INBOX", "", b"Subject: moi\r\n\r\nx\r\n")
        .expect("APPEND");
    let mut inbox = here(&server, "INBOX");
    inbox.command("STORE 1 +FLAGS ($mine)").expect("STORE");
    inbox.command("STORE 5 +FLAGS (\\Deleted)").expect("STORE");
    inbox.command("EXPUNGE").expect("EXPUNGE");
    let done = parsed(&server.done(&migrate));
    assert_eq!(
        (&done[0]["placed"], &done[0]["followed"]),
        (&1.into(), &1.into()),
        "{done}"
    );
    let mut inbox = here(&server, "INBOX");
    assert_eq!(
        subjects(&mut inbox).len(),
        LETTERS / 4,
        "one deleted here, one new"
    );
    let first = inbox
        .command("FETCH 1 FLAGS")
        .expect("FETCH")
        .untagged
        .join("");
    for flag in ["\\Seen", "\\Answered", "$mine"] {
        assert!(first.contains(flag), "{first}");
    }

    // A master user opens it too, and a wrong password opens nothing.
    let master = [
        &common[..],
        &[&password, "--account", BINH, "--master-user", "boss"],
    ]
    .concat();
    let done = parsed(&server.done(&master));
    assert_eq!(done[0]["placed"], LETTERS, "{done}");
    let wrong = [&common[..], &["-", "--account", AN]].concat();
    let wrong = server.cli(&wrong, "wrong");
    assert!(
        wrong.code == 1 && wrong.stdout.contains("login was refused"),
        "{}",
        wrong.all()
    );
    assert!(
        server
            .done(&["store", "check"])
            .ends_with("the store is whole\n")
    );
}
