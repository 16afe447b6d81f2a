//! A real Postfix before congvu and behind it.

use congvu_tests::imap::Imap;
use congvu_tests::postfix::Postfix;
use congvu_tests::server::{AN, BINH, PASSWORD, Server, Setup};
use congvu_tests::smtp::Smtp;

fn send(server: &Server, to: &str, message: &str) -> String {
    let mut smtp = Smtp::tls(server.listener("submissions")).expect("connect");
    smtp.command("EHLO client.test").expect("EHLO");
    assert_eq!(smtp.login(AN, PASSWORD).expect("AUTH").code, 235);
    let reply = smtp.deliver(AN, &[to], message).expect("deliver");
    assert_eq!(reply.code, 250, "{reply:?}");
    reply.text
}

#[test]
fn postfix_before_congvu_hands_letters_in() {
    let server = Server::start();
    let mx = server.listener("mx");
    let postfix = Postfix::start(&format!(
        "relay_domains = xa.test so.test\ntransport_maps = inline:{{ xa.test=smtp:[{0}]:{1}, so.test=smtp:[{0}]:{1} }}\nsmtp_tls_security_level = may\n",
        mx.ip(),
        mx.port()
    ));
    let mut smtp = Smtp::plain(postfix.address).expect("connect to postfix");
    smtp.command("EHLO client.test").expect("EHLO");
    let message =
        "From: ngoai@example.org\nTo: nhieu nguoi\nSubject: qua Postfix\n\nvào nhà nước\n.\n..\n";
    assert_eq!(
        smtp.deliver("ngoai@example.org", &[AN, BINH], message)
            .expect("deliver")
            .code,
        250
    );
    for account in [AN, BINH] {
        let mut imap = Imap::login(server.listener("imaps"), account, PASSWORD).expect("login");
        imap.command("SELECT INBOX").expect("select");
        imap.wait_for_messages(1).expect("the letter arrives");
        let letter = imap
            .command("FETCH 1 BODY.PEEK[]")
            .expect("fetch")
            .untagged
            .join("\n");
        assert!(
            letter.contains("Subject: qua Postfix")
                && letter.contains("vào nhà nước\r\n.\r\n..\r\n"),
            "{letter}"
        );
        assert!(
            letter.contains("Return-Path: <ngoai@example.org>"),
            "{letter}"
        );
        assert!(postfix.log().contains("status=sent"), "{}", postfix.log());
    }
}

#[test]
fn postfix_before_congvu_gets_refusals_and_bounces_itself() {
    let server = Server::start();
    let mx = server.listener("mx");
    let postfix = Postfix::start(&format!(
        "relay_domains = xa.test so.test\ntransport_maps = inline:{{ xa.test=smtp:[{0}]:{1}, so.test=smtp:[{0}]:{1} }}\n",
        mx.ip(),
        mx.port()
    ));
    let mut smtp = Smtp::plain(postfix.address).expect("connect to postfix");
    smtp.command("EHLO client.test").expect("EHLO");
    // Postfix accepts, congvu refuses the recipient, Postfix sends its report to the sender: An.
    let reply = smtp
        .deliver(
            AN,
            &["khongcoai@so.test"],
            "From: an@xa.test\nSubject: lac\n\nx\n",
        )
        .expect("deliver");
    assert_eq!(reply.code, 250);
    let mut imap = Imap::login(server.listener("imaps"), AN, PASSWORD).expect("login");
    imap.command("SELECT INBOX").expect("select");
    imap.wait_for_messages(1).expect("the report arrives");
    let report = imap
        .command("FETCH 1 BODY.PEEK[]")
        .expect("fetch")
        .untagged
        .join("\n");
    assert!(
        report.contains("Return-Path: <>") && report.contains("5.1.1"),
        "{report}"
    );
}

#[test]
fn postfix_behind_congvu_takes_letters_over() {
    let postfix = Postfix::start(
        "virtual_mailbox_domains = postfix.test\nvirtual_mailbox_maps = inline:{ chi@postfix.test=chi/, dung@postfix.test=dung/ }\n",
    );
    let setup = Setup::default().route("postfix.test", &postfix.address.to_string());
    let server = Server::with(&setup);
    send(
        &server,
        "chi@postfix.test",
        "From: an@xa.test\nTo: chi@postfix.test\nSubject: ra ngoai\n\nvào nhà nước\n.\n",
    );
    let letter = postfix.wait_for_mail("Subject: ra ngoai");
    assert!(letter.contains("vào nhà nước\n.\n"), "{letter}");
    assert!(letter.contains("Return-Path: <an@xa.test>"), "{letter}");
    server.wait_for_empty_queue();

    // An unknown mailbox there: one report here, and the queue is empty again.
    send(
        &server,
        "khongcoai@postfix.test",
        "From: an@xa.test\nSubject: khong toi\n\nx\n",
    );
    let mut imap = Imap::login(server.listener("imaps"), AN, PASSWORD).expect("login");
    imap.command("SELECT INBOX").expect("select");
    imap.wait_for_messages(1).expect("the report arrives");
    let report = imap
        .command("FETCH 1 BODY.PEEK[]")
        .expect("fetch")
        .untagged
        .join("\n");
    for part in [
        "multipart/report",
        "Action: failed",
        "khongcoai@postfix.test",
        "Return-Path: <>",
        "Status: 5.1.1",
    ] {
        assert!(report.contains(part), "{part} is missing in {report}");
    }
    server.wait_for_empty_queue();
}
