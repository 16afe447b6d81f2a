//! The program as an administrator meets it: start, stop, reload, refuse, say why.

use std::fs;
use std::time::Duration;

use congvu_tests::imap::Imap;
use congvu_tests::program::run;
use congvu_tests::server::{AN, BINH, PASSWORD, Server, Setup};
use congvu_tests::smtp::Smtp;

/// A stop takes at most this long, whatever clients do.
const STOP: Duration = Duration::from_secs(10);

#[test]
fn sigterm_says_goodbye_and_refuses_what_is_unfinished() {
    let mut server = Server::start();
    let mut idle = Imap::login(server.listener("imaps"), BINH, PASSWORD).expect("login");
    assert!(idle.command("SELECT INBOX").expect("select").ok());
    idle.idle().expect("IDLE");
    let mut waiting = Smtp::plain(server.listener("mx")).expect("connect");
    waiting.command("EHLO ngoai.example").expect("EHLO");
    let mut sending = Smtp::plain(server.listener("mx")).expect("connect");
    sending.command("EHLO ngoai.example").expect("EHLO");
    sending
        .command("MAIL FROM:<ke@ngoai.example>")
        .expect("MAIL");
    assert_eq!(
        sending
            .command(&format!("RCPT TO:<{BINH}>"))
            .expect("RCPT")
            .code,
        250
    );
    assert_eq!(sending.command("DATA").expect("DATA").code, 354);
    sending
        .connection
        .send(b"Subject: dang viet\r\n\r\nnua chung")
        .expect("half a message");

    server.signal("TERM");
    assert!(idle.until("* BYE").is_ok());
    assert_eq!(waiting.reply().expect("reply").code, 421);
    let last = sending.reply().expect("reply");
    assert!(
        last.code == 421 || last.code == 451 || last.code == 0,
        "{last:?}"
    );
    let (code, took) = server.ended();
    assert_eq!(code, Some(0));
    assert!(took < STOP, "{took:?}");

    server.restart();
    let mut imap = Imap::login(server.listener("imaps"), BINH, PASSWORD).expect("login");
    let status = imap.command("STATUS INBOX (MESSAGES)").expect("status");
    assert_eq!(
        status.number("MESSAGES"),
        Some(0),
        "half a message is no message"
    );
}

#[test]
fn a_bad_reload_changes_nothing_and_says_everything_at_once() {
    let server = Server::start();
    let good = fs::read_to_string(server.config()).expect("configuration");
    let bad = good
        .replace("[control]", "[contol]")
        .replace("kind = \"imaps\"", "kind = \"imapz\"");
    fs::write(server.config(), &bad).expect("write");
    let check = server.cli(&["check"], "");
    assert_ne!(check.code, 0);
    for word in ["contol", "imapz"] {
        assert!(
            check.all().contains(word),
            "{word} is not named in {}",
            check.all()
        );
    }
    server.signal("HUP");
    server.wait_for_log("configuration not reloaded");
    assert!(Imap::login(server.listener("imaps"), AN, PASSWORD).is_ok());
    fs::write(
        server.config(),
        good.replace("[log]\n", "[log]\nlevel = \"debug\"\n"),
    )
    .expect("write");
    assert_eq!(server.cli(&["check"], "").code, 0);
    server.done(&["reload"]);
    server.wait_for_log("configuration reloaded");
    assert!(Imap::login(server.listener("imaps"), AN, PASSWORD).is_ok());
}

#[test]
fn a_second_server_on_the_same_store_is_refused_with_the_reason() {
    let server = Server::start();
    let second = server.cli(&["serve"], "");
    assert_ne!(second.code, 0);
    assert!(
        second.all().contains(&format!("process {}", server.pid())),
        "{}",
        second.all()
    );
    assert!(Imap::login(server.listener("imaps"), AN, PASSWORD).is_ok());
}

#[test]
fn the_folder_of_another_user_is_refused() {
    let mut server = Server::start();
    server.stop();
    let data = server.folder().join("data");
    let given = run("chown", &["65534", &data.to_string_lossy()], "");
    if given.code != 0 {
        println!("only root can give a folder away");
        return;
    }
    let refused = server.cli(&["serve"], "");
    assert_ne!(refused.code, 0);
    assert!(
        refused.all().contains("belongs to user number 65534"),
        "{}",
        refused.all()
    );
}

#[test]
fn commands_work_beside_the_server_and_on_the_store_alone() {
    let mut server = Server::start();
    let list = |server: &Server| {
        let text = server.done(&["account", "list", "--json"]);
        let list: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        list.as_array().expect("an array").len()
    };
    assert_eq!(list(&server), 4);
    let added = server.cli(
        &["account", "add", "chi@xa.test", "--password-stdin"],
        PASSWORD,
    );
    assert_eq!(added.code, 0, "{}", added.all());
    assert_eq!(list(&server), 5);
    assert!(Imap::login(server.listener("imaps"), "chi@xa.test", PASSWORD).is_ok());
    server.done(&["account", "disable", "chi@xa.test"]);
    assert!(Imap::login(server.listener("imaps"), "chi@xa.test", PASSWORD).is_err());
    server.stop();
    assert_eq!(list(&server), 5);
    server.done(&["account", "enable", "chi@xa.test"]);
    let audit = server.done(&["audit", "--json"]);
    assert!(
        audit.contains("chi@xa.test") && !audit.contains(PASSWORD),
        "{audit}"
    );
    server.restart();
    assert!(Imap::login(server.listener("imaps"), "chi@xa.test", PASSWORD).is_ok());
    let twice = server.cli(
        &["account", "add", "chi@xa.test", "--password-stdin"],
        PASSWORD,
    );
    assert_ne!(twice.code, 0);
    assert!(twice.all().contains("chi@xa.test"), "{}", twice.all());
}

#[test]
fn ipv6_is_served() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        println!("this machine has no IPv6 loopback");
        return;
    }
    let server =
        Server::with(&Setup::default().settings(
            "[[listener]]\nname = \"imaps6\"\nkind = \"imaps\"\naddresses = [\"[::1]:0\"]",
        ));
    let address = server.listener("imaps6");
    assert!(address.is_ipv6());
    assert!(Imap::login(address, AN, PASSWORD).is_ok());
}

#[test]
fn quotas_refuse_politely_and_deleting_makes_room() {
    let server = Server::start();
    server.done(&["quota", "set", "--account", BINH, "--size", "60K"]);
    let mut imap = Imap::login(server.listener("imaps"), BINH, PASSWORD).expect("login");
    assert!(imap.command("SELECT INBOX").expect("select").ok());
    let message = format!("Subject: day\r\n\r\n{}", "x".repeat(998).repeat(25));
    assert!(
        imap.append("INBOX", "", message.as_bytes())
            .expect("append")
            .ok()
    );
    assert!(
        imap.append("INBOX", "", message.as_bytes())
            .expect("append")
            .ok()
    );
    let full = imap
        .append("INBOX", "", message.as_bytes())
        .expect("append");
    assert!(full.status.starts_with("NO [OVERQUOTA]"), "{}", full.status);
    let roots = imap.command("GETQUOTAROOT INBOX").expect("quota");
    assert!(roots.find("STORAGE").is_some(), "{roots:?}");
    assert!(
        imap.command("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            .expect("store")
            .ok()
    );
    assert!(imap.command("EXPUNGE").expect("expunge").ok());
    assert!(
        imap.append("INBOX", "", message.as_bytes())
            .expect("append")
            .ok()
    );
}
