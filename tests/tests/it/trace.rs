//! `congvu trace`: what became of a letter.

use congvu_tests::imap::Imap;
use congvu_tests::server::{AN, BINH, PASSWORD, Server, Setup};
use congvu_tests::smtp::Smtp;

#[test]
fn a_letter_is_followed_from_the_sender_to_its_end() {
    // Nobody listens there: what goes out waits.
    let server = Server::with(&Setup::default().route("ngoai.example", "127.0.0.1:1"));
    let mut smtp = Smtp::tls(server.listener("submissions")).expect("connect");
    smtp.command("EHLO client.test").expect("EHLO");
    assert_eq!(smtp.login(AN, PASSWORD).expect("AUTH").code, 235);
    let message = format!("From: {AN}\nMessage-ID: <theo-doi@xa.test>\nSubject: mat\n\nnoi dung\n");
    let reply = smtp.deliver(AN, &[BINH, "ke@ngoai.example"], &message);
    let reply = reply.expect("deliver");
    let id = reply.text.rsplit(' ').next().expect("an id").to_owned();

    let mut imap = Imap::login(server.listener("imaps"), BINH, PASSWORD).expect("login");
    assert!(imap.command("SELECT INBOX").expect("select").ok());
    imap.wait_for_messages(1).expect("the letter arrives");
    assert!(imap.command("MOVE 1 Archive").expect("move").ok());
    assert!(imap.command("SELECT Archive").expect("select").ok());
    let flagged = imap.command("STORE 1 +FLAGS (\\Deleted)").expect("store");
    assert!(flagged.ok());
    assert!(imap.command("EXPUNGE").expect("expunge").ok());
    server.wait_for_log("recipient settled");

    for what in [
        id.as_str(),
        "<theo-doi@xa.test>",
        AN,
        BINH,
        "ke@ngoai.example",
    ] {
        let told = server.done(&["trace", what]);
        for text in [
            format!("letter {id}"),
            format!("logged in as {AN}"),
            "TLSv1.3 TLS_AES_256_GCM_SHA384".to_owned(),
            "Message-ID <theo-doi@xa.test>".to_owned(),
            format!("placed: {BINH}: INBOX (UID 1)"),
            "not delivered yet".to_owned(),
            format!("moved by {BINH}: INBOX (UID 1) -> Archive (UID 1)"),
            format!("expunged by {BINH}: Archive (UID 1)"),
        ] {
            assert!(told.contains(&text), "{what}: {text}: {told}");
        }
        assert!(
            !told.contains("noi dung") && !told.contains("Subject"),
            "{told}"
        );
    }

    // One that never came in.
    let mut mx = Smtp::plain(server.listener("mx")).expect("connect");
    mx.command("EHLO ngoai.example").expect("EHLO");
    mx.command("MAIL FROM:<ke@ngoai.example>").expect("MAIL");
    let refused = mx.command("RCPT TO:<khongcoai@xa.test>").expect("RCPT");
    assert_eq!(refused.code, 550);
    let told = loop {
        let output = server.cli(&["trace", "khongcoai@xa.test", "--json"], "");
        if output.code == 0 {
            break output.stdout;
        }
        // Refusals are written together, once a second.
        std::thread::yield_now();
    };
    assert!(
        told.contains("550 5.1.1") && told.contains("\"event\": \"refused\""),
        "{told}"
    );
    let unknown = server.cli(&["trace", "khongbao gio@xa.test"], "");
    assert_eq!(unknown.code, 1);
}
