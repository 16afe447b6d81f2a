//! The filter at reception: where letters from outside go, what is said of them, what lists and agencies change.

use congvu_tests::imap::Imap;
use congvu_tests::server::{AN, BINH, PASSWORD, Server};
use congvu_tests::smtp::{Reply, Smtp};

/// An ordinary letter from outside. What another filter said of it is nobody's business.
fn ordinary(subject: &str) -> String {
    format!(
        "X-Spam-Status: No, score=-9\nFrom: Chi <chi@ngoai.example>\nTo: {AN}, {BINH}\nSubject: {subject}\n\
         Date: Sun, 22 Nov 2026 12:00:00 +0700\nMessage-ID: <{subject}@ngoai.example>\n\nKính gửi anh chị, mời họp sáng mai.\n"
    )
}

/// One that pretends: a name of the state before a foreign address, a link that says what it is not.
fn phishing(subject: &str) -> String {
    format!(
        "From: =?utf-8?q?T=E1=BB=95ng_c=E1=BB=A5c_Thu=E1=BA=BF?= <hotro@thue-gov.example>\nTo: {AN}\nSubject: {subject}\n\
         Date: Sun, 22 Nov 2026 12:00:00 +0700\nMessage-ID: <{subject}@thue-gov.example>\nMIME-Version: 1.0\n\
         Content-Type: text/html; charset=utf-8\n\n<p>Tài khoản của bạn sẽ bị khóa. Đăng nhập ngay: \
         <a href=\"http://www.gdt-gov-vn.example/login\">https://www.gdt.gov.vn</a></p>\n"
    )
}

fn send(server: &Server, from: &str, to: &[&str], message: &str) -> Reply {
    let mut mx = Smtp::plain(server.listener("mx")).expect("connect");
    mx.command("EHLO may.ngoai.example").expect("EHLO");
    mx.deliver(from, to, message).expect("deliver")
}

/// Everything in a mailbox, one text a message: flags and all octets.
fn mailbox(server: &Server, who: &str, name: &str) -> Vec<String> {
    let mut imap = Imap::login(server.listener("imaps"), who, PASSWORD).expect("login");
    let selected = imap
        .command(&format!("EXAMINE \"{name}\""))
        .expect("select");
    assert!(selected.ok(), "{name}");
    let fetched = imap
        .command("FETCH 1:* (FLAGS BODY.PEEK[])")
        .expect("fetch");
    fetched
        .untagged
        .into_iter()
        .filter(|line| line.contains("FETCH"))
        .collect()
}

/// The one message of a mailbox with that subject.
fn only(server: &Server, who: &str, name: &str, subject: &str) -> String {
    let all = mailbox(server, who, name);
    let wanted = format!("Subject: {subject}");
    let found: Vec<&String> = all.iter().filter(|text| text.contains(&wanted)).collect();
    assert_eq!(found.len(), 1, "{who} {name} {subject}: {all:?}");
    found[0].clone()
}

#[test]
fn an_ordinary_letter_stays_and_is_told() {
    let server = Server::start();
    let reply = send(&server, "chi@ngoai.example", &[AN, BINH], &ordinary("hop"));
    assert_eq!(reply.code, 250);
    for who in [AN, BINH] {
        let letter = only(&server, who, "INBOX", "hop");
        assert!(
            letter.contains("X-Spam-Status: p=0.") && letter.contains(" inbox"),
            "{letter}"
        );
        assert!(
            !letter.contains("score=-9") && !letter.contains("NghiNgo"),
            "{letter}"
        );
    }
    let told = server.done(&["trace", "hop@ngoai.example"]);
    assert!(told.contains("filter: inbox"), "{told}");
    server.wait_for_log("verdict=\"inbox\"");
    // What our own people send is not judged.
    let mut smtp = Smtp::tls(server.listener("submissions")).expect("connect");
    smtp.command("EHLO client.test").expect("EHLO");
    assert_eq!(smtp.login(AN, PASSWORD).expect("AUTH").code, 235);
    let own = format!("From: {AN}\nSubject: noi-bo\n\nnội dung\n");
    assert_eq!(smtp.deliver(AN, &[BINH], &own).expect("deliver").code, 250);
    assert!(!only(&server, BINH, "INBOX", "noi-bo").contains("X-Spam"));
}

#[test]
fn a_letter_that_pretends_is_junk_refused_or_taken_as_its_agency_wants() {
    let server = Server::start();
    let filter = |agency: &str, args: &[&str]| {
        let all = [&["agency", "filter", agency], args].concat();
        server.done(&all)
    };
    filter("xa", &["--quarantine", "never"]);
    filter("so", &["--quarantine", "never"]);
    assert_eq!(
        send(&server, "x@thue-gov.example", &[AN], &phishing("mot")).code,
        250
    );
    let letter = only(&server, AN, "Junk", "mot");
    assert!(
        letter.contains("$Junk") && letter.contains("$Phishing"),
        "{letter}"
    );
    assert!(
        letter.contains(" junk;") && letter.contains("NAME_OF_BODY"),
        "{letter}"
    );

    // Refused where everybody's agency refuses, otherwise kept for all.
    filter(
        "xa",
        &["--junk", "0.8", "--quarantine", "0.85", "--reject", "0.85"],
    );
    let refused = send(&server, "x@thue-gov.example", &[AN], &phishing("hai"));
    assert_eq!(refused.code, 550, "{}", refused.text);
    assert!(
        refused.text.contains("5.7.1") && refused.text.contains("postmaster@"),
        "{}",
        refused.text
    );
    assert_eq!(
        send(&server, "x@thue-gov.example", &[AN, BINH], &phishing("ba")).code,
        250
    );
    only(&server, BINH, "Junk", "ba");
    let shown = server.done(&["agency", "show", "xa"]);
    assert!(shown.contains("reject from 0.85"), "{shown}");

    // An agency that wants none of it.
    filter("xa", &["--enabled", "no"]);
    assert_eq!(
        send(&server, "x@thue-gov.example", &[AN], &phishing("bon")).code,
        250
    );
    let letter = only(&server, AN, "INBOX", "bon");
    assert!(!letter.contains("X-Spam-Status"), "{letter}");

    let wrong = server.cli(
        &[
            "agency",
            "filter",
            "xa",
            "--labelled",
            "0.96",
            "--junk",
            "0.9",
        ],
        "",
    );
    assert_eq!(wrong.code, 1);
    assert!(
        wrong.stderr.contains("labelled begins at 0.96"),
        "{}",
        wrong.stderr
    );
    assert_eq!(
        server
            .cli(&["agency", "filter", "xa", "--junk", "1.5"], "")
            .code,
        2
    );
}

#[test]
fn a_list_holds_for_whose_it_is() {
    let server = Server::start();
    server.done(&["list", "block", "chi@ngoai.example", "--account", AN]);
    assert_eq!(
        send(&server, "chi@ngoai.example", &[AN, BINH], &ordinary("chan")).code,
        250
    );
    let junk = only(&server, AN, "Junk", "chan");
    let inbox = only(&server, BINH, "INBOX", "chan");
    // Nobody reads what another blocks.
    assert!(!junk.contains("LIST_BLOCKED") && !inbox.contains("LIST_BLOCKED"));
    let to_one = send(&server, "chi@ngoai.example", &[AN], &ordinary("rieng"));
    assert_eq!(to_one.code, 250);
    assert!(only(&server, AN, "Junk", "rieng").contains("LIST_BLOCKED +6.0"));

    server.done(&["list", "remove", "chi@ngoai.example", "--account", AN]);
    assert_eq!(
        send(&server, "chi@ngoai.example", &[AN], &ordinary("lai")).code,
        250
    );
    only(&server, AN, "INBOX", "lai");

    // The house blocks a domain, and says why; whoever sends from below it is junk for all.
    let no_reason = server.cli(&["list", "block", "ngoai.example"], "");
    assert_eq!(no_reason.code, 1);
    assert!(no_reason.stderr.contains("say why"), "{}", no_reason.stderr);
    server.done(&["list", "block", "xau.example", "--link", "--reason", "x"]);
    server.done(&[
        "list",
        "block",
        "ngoai.example",
        "--days",
        "7",
        "--reason",
        "Công văn 12",
    ]);
    assert_eq!(
        send(&server, "chi@ngoai.example", &[BINH], &ordinary("nha")).code,
        250
    );
    only(&server, BINH, "Junk", "nha");
    let shown = server.done(&["list", "show", "--json"]);
    for part in [
        "\"side\": \"block\"",
        "\"kind\": \"domain\"",
        "\"kind\": \"link\"",
        "Công văn 12",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(server.done(&["audit", "--json"]).contains("list block"));
}
