//! Real mail clients against the real program: what civil servants and their scripts use.

use std::fs;
use std::path::Path;

use congvu_tests::imap::Imap;
use congvu_tests::program::run;
use congvu_tests::server::{AN, BINH, PASSWORD, Server, VANTHU_SO};

/// Logs in and selects INBOX.
fn inbox(server: &Server, name: &str) -> Imap {
    let mut imap = Imap::login(server.listener("imaps"), name, PASSWORD).expect("login");
    assert!(imap.command("SELECT INBOX").expect("select").ok());
    imap
}

/// All of a mailbox's messages as one text.
fn letters(imap: &mut Imap) -> String {
    imap.command("FETCH 1:* BODY.PEEK[]")
        .expect("fetch")
        .untagged
        .join("\n")
}

#[test]
fn swaks_sends_with_every_mechanism_and_over_lmtp() {
    let server = Server::start();
    let submission = server.listener("submission").to_string();
    let submissions = server.listener("submissions").to_string();
    for (mechanism, port, tls) in [
        ("PLAIN", &submission, "--tls"),
        ("LOGIN", &submission, "--tls"),
        ("LOGIN", &submissions, "--tls-on-connect"),
    ] {
        let subject = format!("Subject: swaks {mechanism} {tls}");
        let args = [
            "--server",
            port,
            tls,
            "--auth",
            mechanism,
            "--auth-user",
            AN,
            "--auth-password",
            PASSWORD,
            "--from",
            AN,
            "--to",
            BINH,
            "--header",
            &subject,
        ];
        run("swaks", &args, "").expect("swaks");
    }
    let lmtp = server.listener("lmtp").to_string();
    let args = [
        "--server",
        &lmtp,
        "--protocol",
        "LMTP",
        "--from",
        "ngoai@example.org",
        "--to",
        BINH,
        "--header",
        "Subject: swaks lmtp",
    ];
    run("swaks", &args, "").expect("swaks over LMTP");
    let all = letters(&mut inbox(&server, BINH));
    for subject in [
        "swaks PLAIN --tls",
        "swaks LOGIN --tls",
        "swaks LOGIN --tls-on-connect",
        "swaks lmtp",
    ] {
        assert!(
            all.contains(&format!("Subject: {subject}\r\n")),
            "{subject} is missing in {all}"
        );
    }
    let wrong = [
        "--server",
        &submission,
        "--tls",
        "--auth",
        "PLAIN",
        "--auth-user",
        AN,
        "--auth-password",
        "sai",
        "--from",
        AN,
        "--to",
        BINH,
    ];
    let output = run("swaks", &wrong, "");
    assert!(
        output.code != 0 && output.all().contains("535 5.7.8"),
        "{}",
        output.all()
    );
}

#[test]
fn msmtp_sends_with_scram() {
    let server = Server::start();
    let folder = server.folder();
    for (mechanism, name) in [("plain", "a"), ("login", "b"), ("scram-sha-256", "c")] {
        let config = folder.join(format!("msmtp-{name}"));
        let address = server.listener("submission");
        let text = format!(
            "account default\nhost {}\nport {}\ntls on\ntls_starttls on\ntls_certcheck off\nauth {mechanism}\nuser {AN}\npassword {PASSWORD}\nfrom {AN}\n",
            address.ip(),
            address.port()
        );
        fs::write(&config, text).expect("write");
        run("chmod", &["600", &config.to_string_lossy()], "").expect("chmod");
        let message =
            format!("From: {AN}\nTo: {BINH}\nSubject: msmtp {mechanism}\n\nvào nhà nước\n.\n");
        run("msmtp", &["-C", &config.to_string_lossy(), BINH], &message).expect(mechanism);
    }
    let all = letters(&mut inbox(&server, BINH));
    for mechanism in ["plain", "login", "scram-sha-256"] {
        assert!(
            all.contains(&format!("Subject: msmtp {mechanism}\r\n")),
            "{mechanism} is missing in {all}"
        );
    }
    assert!(all.contains("vào nhà nước\r\n.\r\n"), "{all}");
}

#[test]
fn curl_sends_lists_fetches_and_appends() {
    let server = Server::start();
    let letter = server.folder().join("letter");
    fs::write(
        &letter,
        format!("From: {AN}\r\nTo: {BINH}\r\nSubject: curl\r\n\r\nbody of curl\r\n"),
    )
    .expect("write");
    let letter = letter.to_string_lossy().into_owned();
    let user = format!("{AN}:{PASSWORD}");
    let url = format!("smtp://{}", server.listener("submission"));
    run(
        "curl",
        &[
            "-sS",
            "-k",
            "--ssl-reqd",
            &url,
            "--mail-from",
            AN,
            "--mail-rcpt",
            BINH,
            "-u",
            &user,
            "-T",
            &letter,
        ],
        "",
    )
    .expect("curl over SMTP");
    let user = format!("{BINH}:{PASSWORD}");
    let imaps = format!("imaps://{}", server.listener("imaps"));
    let list = run(
        "curl",
        &["-sS", "-k", &format!("{imaps}/"), "-u", &user],
        "",
    )
    .expect("curl LIST");
    for special in ["\\Drafts", "\\Sent", "\\Junk", "\\Trash", "\\Archive"] {
        assert!(list.contains(special), "{special} is missing in {list}");
    }
    let fetched = run(
        "curl",
        &["-sS", "-k", &format!("{imaps}/INBOX;UID=1"), "-u", &user],
        "",
    )
    .expect("curl FETCH");
    assert!(fetched.ends_with("body of curl\r\n"), "{fetched}");
    run(
        "curl",
        &[
            "-sS",
            "-k",
            &format!("{imaps}/Archive"),
            "-u",
            &user,
            "-T",
            &letter,
        ],
        "",
    )
    .expect("curl APPEND");
    let found = run(
        "curl",
        &[
            "-sS",
            "-k",
            &format!("{imaps}/Archive?SUBJECT%20curl"),
            "-u",
            &user,
        ],
        "",
    )
    .expect("curl SEARCH");
    assert!(found.contains("SEARCH 1"), "{found}");
}

#[test]
fn python_sends_reads_searches_moves_and_deletes() {
    let server = Server::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/smtplib_imaplib.py");
    let port = |name: &str| server.listener(name).port().to_string();
    let args = [
        &*script.to_string_lossy(),
        "127.0.0.1",
        &port("submission"),
        &port("submissions"),
        &port("imap"),
        &port("imaps"),
        AN,
        BINH,
        PASSWORD,
    ];
    let said = run("python3", &args, "").expect("smtplib and imaplib");
    assert!(said.contains("all well"), "{said}");
}

#[test]
fn neomutt_sends_and_reads() {
    let server = Server::start();
    let folder = server.folder();
    let rc = folder.join("neomuttrc");
    let certificates = folder.join("accepted");
    fs::write(&certificates, "").expect("write");
    // Debian 12's neomutt takes SCRAM-SHA-256-PLUS wherever it is offered and then has no channel binding
    // for it, and knows no name for SCRAM without it: PLAIN over TLS is left.
    let text = format!(
        "set from = \"{AN}\"\nset realname = \"Nguyễn Văn An\"\nset smtp_url = \"smtp://{name}@{}\"\nset smtp_pass = \"{PASSWORD}\"\nset ssl_force_tls = yes\n\
         set ssl_starttls = yes\nset smtp_authenticators = \"plain\"\nset imap_authenticators = \"plain\"\nset certificate_file = \"{}\"\nset ssl_verify_host = no\nset ssl_verify_dates = no\nset record = \"\"\n\
         set imap_user = \"{BINH}\"\nset imap_pass = \"{PASSWORD}\"\nset folder = \"imaps://{}\"\nset quit = yes\nset copy = no\nset wait_key = no\nset beep = no\n",
        server.listener("submission"),
        certificates.display(),
        server.listener("imaps"),
        name = AN.replace('@', "%40"),
    );
    // The server's own certificate is the one to trust.
    fs::write(
        &certificates,
        fs::read(server.certificate()).expect("certificate"),
    )
    .expect("write");
    fs::write(&rc, text).expect("write");
    let rc = rc.to_string_lossy().into_owned();
    let home = folder.to_string_lossy().into_owned();
    run(
        "env",
        &[
            &format!("HOME={home}"),
            "neomutt",
            "-F",
            &rc,
            "-s",
            "Thư của neomutt",
            "--",
            BINH,
        ],
        "Kính gửi đồng chí\n",
    )
    .expect("neomutt sends");
    assert!(letters(&mut inbox(&server, BINH)).contains("neomutt"));
    // Reading needs a terminal: `script` gives one. All messages are copied out, then it quits.
    let copy = folder.join("copied");
    let keys = format!(
        "push '<tag-pattern>~A<enter><tag-prefix><copy-message>{}<enter><quit>'",
        copy.display()
    );
    let line = format!(
        "neomutt -F {rc} -f imaps://{}/INBOX -e 'set confirmcreate=no confirmappend=no' -e \"{keys}\"",
        server.listener("imaps")
    );
    let output = run(
        "env",
        &[
            &format!("HOME={home}"),
            "TERM=xterm",
            "script",
            "-qec",
            &line,
            "/dev/null",
        ],
        "",
    );
    let copied = fs::read_to_string(&copy).unwrap_or_default();
    assert!(
        copied.contains("Subject:") && copied.contains("neomutt"),
        "{copied}\n{}",
        output.all()
    );
}

#[test]
fn mbsync_keeps_a_mirror_and_its_second_run_changes_nothing() {
    let server = Server::start();
    let mut imap = inbox(&server, BINH);
    for number in 1..=5 {
        let message = format!(
            "From: {AN}\r\nSubject: {number}\r\nMessage-ID: <{number}@xa.test>\r\n\r\nbody {number}\r\n"
        );
        assert!(
            imap.append("INBOX", "\\Seen", message.as_bytes())
                .expect("append")
                .ok()
        );
    }
    assert!(
        imap.command("CREATE \"V&AQM-n b&HqM-n &AREevw-n/2026\"")
            .expect("create")
            .ok()
    );
    let folder = server.folder().join("mirror");
    fs::create_dir_all(&folder).expect("folder");
    let address = server.listener("imaps");
    let rc = folder.join("mbsyncrc");
    let text = format!(
        "IMAPAccount a\nHost localhost\nPort {}\nUser {BINH}\nPass {PASSWORD}\nSSLType IMAPS\nCertificateFile {}\nSystemCertificates no\n\n\
         IMAPStore far\nAccount a\n\nMaildirStore near\nPath {mail}/\nInbox {mail}/INBOX\nSubFolders Verbatim\n\n\
         Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n",
        address.port(),
        server.certificate().display(),
        mail = folder.join("mail").display()
    );
    fs::write(&rc, text).expect("write");
    fs::create_dir_all(folder.join("mail")).expect("folder");
    let rc = rc.to_string_lossy().into_owned();
    run("mbsync", &["-c", &rc, "c"], "").expect("first run");
    let before = snapshot(&folder.join("mail"));
    assert_eq!(
        before
            .iter()
            .filter(|(name, _)| name.contains("/INBOX/cur/") || name.contains("/INBOX/new/"))
            .count(),
        5,
        "{before:?}"
    );
    assert!(
        before.iter().any(|(name, _)| name.contains("2026")),
        "{before:?}"
    );
    let listing = imap
        .command("UID FETCH 1:* (FLAGS)")
        .expect("fetch")
        .untagged;
    run("mbsync", &["-c", &rc, "c"], "").expect("second run");
    assert_eq!(
        snapshot(&folder.join("mail")),
        before,
        "the second run changed the mirror"
    );
    assert_eq!(
        imap.command("UID FETCH 1:* (FLAGS)")
            .expect("fetch")
            .untagged,
        listing,
        "the second run changed the mailbox"
    );
    // A message removed on the server goes from the mirror.
    assert!(
        imap.command("UID STORE 2 +FLAGS (\\Deleted)")
            .expect("store")
            .ok()
    );
    assert!(imap.command("UID EXPUNGE 2").expect("expunge").ok());
    run("mbsync", &["-c", &rc, "c"], "").expect("third run");
    let after = snapshot(&folder.join("mail"));
    assert_eq!(
        after
            .iter()
            .filter(|(name, _)| name.contains("/INBOX/cur/") || name.contains("/INBOX/new/"))
            .count(),
        4,
        "{after:?}"
    );
}

/// Names and contents below a folder, without mbsync's own state files.
fn snapshot(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)
            .expect("folder")
            .map(|entry| entry.expect("entry").path())
        {
            if entry.is_dir() {
                found.push((entry.to_string_lossy().into_owned(), Vec::new()));
                open.push(entry);
            } else if !entry.to_string_lossy().contains("/.") {
                found.push((
                    entry.to_string_lossy().into_owned(),
                    fs::read(&entry).expect("file"),
                ));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn fetchmail_takes_the_letters_away() {
    let server = Server::start();
    let mut imap = inbox(&server, VANTHU_SO);
    for number in 1..=3 {
        let message = format!("From: {AN}\r\nSubject: {number}\r\n\r\nfetched {number}\r\n");
        assert!(
            imap.append("INBOX", "", message.as_bytes())
                .expect("append")
                .ok()
        );
    }
    let folder = server.folder();
    let rc = folder.join("fetchmailrc");
    let address = server.listener("imaps");
    let text = format!(
        "poll {} protocol imap port {} username \"{VANTHU_SO}\" password \"{PASSWORD}\" ssl no sslcertck mda \"cat >> {}\"\n",
        address.ip(),
        address.port(),
        folder.join("fetched").display()
    );
    fs::write(&rc, text).expect("write");
    let rc = rc.to_string_lossy().into_owned();
    run("chmod", &["700", &rc], "").expect("chmod");
    let home = format!("HOME={}", folder.display());
    run(
        "env",
        &[
            &home,
            &format!("FETCHMAILHOME={}", folder.display()),
            "fetchmail",
            "-f",
            &rc,
            "--nokeep",
            "--nosyslog",
        ],
        "",
    )
    .expect("fetchmail");
    let fetched = fs::read_to_string(folder.join("fetched")).expect("fetched");
    for number in 1..=3 {
        assert!(fetched.contains(&format!("fetched {number}")), "{fetched}");
    }
    let status = imap.command("STATUS INBOX (MESSAGES)").expect("status");
    assert_eq!(status.number("MESSAGES"), Some(0), "{status:?}");
}
