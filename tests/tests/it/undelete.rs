//! What people delete comes back while they watch, is kept by holds, and goes when its time is over.

use congvu_tests::imap::Imap;
use congvu_tests::server::{AN, PASSWORD, Server};

fn letter(subject: &str) -> Vec<u8> {
    format!(
        "From: Binh <binh@so.test>\r\nTo: An <an@xa.test>\r\nSubject: {subject}\r\nMessage-ID: <{}@so.test>\r\n\r\nxin chao\r\n",
        subject.len()
    )
    .into_bytes()
}

fn json(server: &Server, args: &[&str]) -> serde_json::Value {
    let mut args = args.to_vec();
    args.push("--json");
    serde_json::from_str(&server.done(&args)).expect("JSON")
}

fn listed(server: &Server, search: &[&str]) -> Vec<serde_json::Value> {
    let mut args = vec!["message", "list-deleted", AN];
    args.extend(search);
    json(server, &args).as_array().expect("a list").clone()
}

/// Deletes all messages of the selected mailbox.
fn expunge(imap: &mut Imap) {
    assert!(
        imap.command("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            .expect("STORE")
            .ok()
    );
    assert!(imap.command("EXPUNGE").expect("EXPUNGE").ok());
}

#[test]
fn deleted_mail_comes_back_to_a_client_that_idles() {
    let server = Server::start();
    let mut imap = Imap::login(server.listener("imaps"), AN, PASSWORD).expect("login");
    assert!(imap.command("SELECT INBOX").expect("SELECT").ok());
    for subject in ["Công văn hỏa tốc", "Lịch họp", "Mời cơm"] {
        let done = imap.append("INBOX", "\\Flagged", &letter(subject));
        assert!(done.expect("APPEND").ok());
    }
    imap.command("NOOP").expect("NOOP");
    expunge(&mut imap);
    assert_eq!(listed(&server, &[]).len(), 3);
    // Without marks and case, as people type.
    let found = listed(&server, &["--subject", "CONG VAN", "--from", "binh"]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["subject"], "Công văn hỏa tốc");
    assert_eq!(found[0]["mailbox"], "INBOX");
    assert_eq!(found[0]["days_left"], 30);
    assert!(listed(&server, &["--since", "2999-01-01"]).is_empty());
    assert_eq!(listed(&server, &["--deleted-since", "2001-01-01"]).len(), 3);

    let tag = imap.idle().expect("IDLE");
    let dry = server.done(&["message", "undelete", AN, "--subject", "lịch", "--dry-run"]);
    assert!(dry.contains("Lịch họp"), "{dry}");
    let back = server.done(&["message", "undelete", AN, "--subject", "cong van"]);
    assert!(back.contains("1 messages brought back"), "{back}");
    imap.until("* 1 EXISTS").expect("the news");
    assert!(imap.done(&tag).expect("DONE").ok());
    let fetched = imap.command("FETCH 1 (UID FLAGS ENVELOPE)").expect("FETCH");
    let line = fetched.find("* 1 FETCH").expect("FETCH 1");
    assert!(
        line.contains("UID 4 ") && line.contains("\\Flagged"),
        "{line}"
    );
    assert!(!line.contains("\\Deleted"), "{line}");

    // By id, into a mailbox that is made; what is back already is not there any more.
    let id = listed(&server, &["--subject", "lich hop"])[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let into = ["message", "undelete", AN, "--id", &id, "--into", "Tìm lại"];
    let back = json(&server, &into);
    assert_eq!(back["placed"][0]["mailbox"], "Tìm lại");
    let again = server.cli(&into, "");
    assert_eq!(again.code, 1, "{}", again.all());
    assert!(
        again.all().contains("no such deleted message"),
        "{}",
        again.all()
    );
    assert_eq!(server.cli(&["message", "undelete", AN], "").code, 2);
    let audit = server.done(&["audit"]);
    assert!(
        audit.contains("message undelete") && audit.contains(&id),
        "{audit}"
    );
}

#[test]
fn a_deleted_mailbox_and_a_removed_account_come_back_as_they_were() {
    let mut server = Server::start();
    let mut imap = Imap::login(server.listener("imaps"), AN, PASSWORD).expect("login");
    assert!(imap.command("CREATE DuAn/2026").expect("CREATE").ok());
    assert!(
        imap.append("DuAn/2026", "", &letter("một"))
            .expect("APPEND")
            .ok()
    );
    let validity = imap
        .command("STATUS DuAn/2026 (UIDVALIDITY)")
        .expect("STATUS")
        .number("UIDVALIDITY");
    assert!(imap.command("DELETE DuAn/2026").expect("DELETE").ok());
    let gone = json(&server, &["mailbox", "list-deleted", AN]);
    assert_eq!(gone[0]["mailbox"], "DuAn/2026");
    assert_eq!(gone[0]["messages"], 1);
    let back = server.done(&["mailbox", "undelete", AN, "DuAn/2026"]);
    assert_eq!(back.trim(), "DuAn/2026");
    let status = imap
        .command("STATUS DuAn/2026 (MESSAGES UIDNEXT UIDVALIDITY)")
        .expect("STATUS");
    assert_eq!(status.number("MESSAGES"), Some(1));
    assert_eq!(status.number("UIDNEXT"), Some(2));
    assert_eq!(status.number("UIDVALIDITY"), validity);

    server.done(&["account", "remove", AN]);
    assert!(Imap::login(server.listener("imaps"), AN, PASSWORD).is_err());
    let removed = json(&server, &["account", "list-removed"]);
    assert_eq!(removed[0]["address"], AN);
    let refused = server.cli(&["message", "undelete", AN, "--all"], "");
    assert!(
        refused.all().contains("account restore"),
        "{}",
        refused.all()
    );
    // Without a server as well.
    server.stop();
    let restored = server.cli(&["account", "restore", AN, "--password-stdin"], PASSWORD);
    assert_eq!(restored.code, 0, "{}", restored.all());
    server.restart();
    let mut imap = Imap::login(server.listener("imaps"), AN, PASSWORD).expect("login");
    let status = imap
        .command("STATUS DuAn/2026 (MESSAGES UIDVALIDITY)")
        .expect("STATUS");
    assert_eq!(status.number("MESSAGES"), Some(1));
    assert_eq!(status.number("UIDVALIDITY"), validity);
    assert_eq!(server.cli(&["store", "check"], "").code, 0);
}

#[test]
fn a_hold_keeps_what_its_window_would_let_go() {
    let server = Server::start();
    let mut imap = Imap::login(server.listener("imaps"), AN, PASSWORD).expect("login");
    assert!(imap.command("SELECT INBOX").expect("SELECT").ok());
    assert!(
        imap.append("INBOX", "", &letter("một"))
            .expect("APPEND")
            .ok()
    );
    imap.command("NOOP").expect("NOOP");
    expunge(&mut imap);
    server.done(&["hold", "add", "--account", AN, "--reason", "QD 12/2026"]);
    let shown = server.done(&["account", "show", AN]);
    assert!(shown.contains("QD 12/2026"), "{shown}");
    server.done(&["agency", "set", "xa", "--undelete-days", "0"]);
    let purged = json(&server, &["store", "purge"]);
    assert_eq!(
        (&purged["messages"], &purged["held"]),
        (&0.into(), &1.into())
    );
    // Also of an account that goes.
    server.done(&["account", "remove", AN]);
    assert_eq!(json(&server, &["store", "purge"])["accounts"], 0);
    let kept = listed(&server, &[]);
    assert_eq!((kept.len(), &kept[0]["held"]), (1, &true.into()));
    let holds = json(&server, &["hold", "list"]);
    let id = holds[0]["id"].to_string();
    server.done(&["hold", "remove", &id]);
    let purged = json(&server, &["store", "purge"]);
    assert_eq!(
        (&purged["messages"], &purged["accounts"]),
        (&1.into(), &1.into())
    );
    let stats = json(&server, &["store", "stats"]);
    assert_eq!((&stats["expunged"], &stats["kept"]), (&0.into(), &0.into()));
    assert_eq!(server.cli(&["account", "restore", AN], "").code, 1);
    assert_eq!(server.cli(&["store", "check"], "").code, 0);
    assert!(server.done(&["audit"]).contains("store purge"));
}
