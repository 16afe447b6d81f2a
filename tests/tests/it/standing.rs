//! What DNS, memory and correspondence say of a sender, in the running server.

use std::net::UdpSocket;
use std::time::Instant;

use congvu_tests::PATIENCE;
use congvu_tests::dns::Dns;
use congvu_tests::imap::Imap;
use congvu_tests::server::{AN, BINH, PASSWORD, Server, Setup, VANTHU_XA};
use congvu_tests::smtp::{Reply, Smtp};

/// Our letter, and what every answer to it names.
const ASKED: &str = "<hoi-gia@xa.test>";
/// A letter of the other side in which much is doubtful.
const DOUBTFUL: &str = "To: an@xa.test\nSubject: Thong tin\nContent-Type: text/html; charset=utf-8\n\n\
    <p>Xin xem <a href=\"http://mail.gov.vn@203.0.113.9/dang-nhap\">dichvucong.gov.vn</a></p>\n";

const LISTS: &str = "[[filter.dns-list]]\nzone = \"dbl.test\"\nkind = \"domain\"\nweight = 1.2\n\
    [[filter.dns-list]]\nzone = \"uri.test\"\nkind = \"host\"\n";

/// Sends a letter from outside, as a machine that gives no proper name.
fn arrive(server: &Server, from: &str, to: &str, message: &str) -> Reply {
    let mut mx = Smtp::plain(server.listener("mx")).expect("connect");
    mx.command("EHLO localhost").expect("EHLO");
    mx.deliver(from, &[to], message).expect("deliver")
}

/// How many letters a mailbox has, 0 if it is not there.
fn count(imap: &mut Imap, mailbox: &str) -> u64 {
    let status = imap.command(&format!("STATUS {mailbox} (MESSAGES)"));
    status.expect("status").number("MESSAGES").unwrap_or(0)
}

/// What the filter wrote into the last letter that came.
fn status(imap: &mut Imap, mailbox: &str) -> String {
    assert!(
        imap.command(&format!("SELECT {mailbox}"))
            .expect("select")
            .ok()
    );
    let fetched = imap.command("FETCH * BODY.PEEK[HEADER.FIELDS (X-Spam-Status)]");
    let fetched = fetched.expect("fetch");
    fetched.find("p=").expect("the field").to_owned()
}

fn from(address: &str, text: &str) -> String {
    format!(
        "From: {address}\nTo: {AN}\nDate: Sun, 22 Nov 2026 12:00:00 +0700\nMessage-ID: <1@x.test>\nSubject: Chao\n\n{text}\n"
    )
}

#[test]
fn lists_are_evidence_and_their_refusals_are_not() {
    let dns = Dns::start(
        "bad.test.dbl.test A 127.0.1.2\nrefused.test.dbl.test A 127.255.255.254\nevil.test.uri.test A 127.0.0.2\n",
    );
    let server = Server::with(&Setup::default().dns(dns.address).settings(LISTS));
    let mut imap = Imap::login(server.listener("imaps"), AN, PASSWORD).expect("login");

    let listed = arrive(&server, "x@bad.test", AN, &from("x@bad.test", "xin chao"));
    assert_eq!(listed.code, 250, "{listed:?}");
    assert!(status(&mut imap, "INBOX").contains("DOMAIN_LISTED +1.2"));

    let link = from("x@good.test", "https://www.evil.test/gia");
    assert_eq!(arrive(&server, "x@good.test", AN, &link).code, 250);
    let said = status(&mut imap, "INBOX");
    assert!(
        said.contains("URIBL_LISTED") && !said.contains("DOMAIN_LISTED"),
        "{said}"
    );

    let refused = arrive(
        &server,
        "x@refused.test",
        AN,
        &from("x@refused.test", "chao"),
    );
    assert_eq!(refused.code, 250);
    assert!(!status(&mut imap, "INBOX").contains("LISTED"));
    server.wait_for_log("DNS list refuses to answer");
}

#[test]
fn a_dead_resolver_keeps_nothing_out_and_changes_nothing() {
    // Takes questions and never answers.
    let deaf = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = deaf.local_addr().expect("its address");
    let server = Server::with(&Setup::default().dns(address).settings(LISTS));
    let letter = from("x@bad.test", "https://www.evil.test/gia");
    assert_eq!(arrive(&server, "x@bad.test", AN, &letter).code, 250);
    let mut imap = Imap::login(server.listener("imaps"), AN, PASSWORD).expect("login");
    let said = status(&mut imap, "INBOX");
    assert!(!said.contains("LISTED"), "{said}");
}

#[test]
fn a_doubtful_letter_is_asked_to_come_again_once() {
    let settings = "[filter.greylist]\nenabled = true\nfrom = 0.3\nbelow = 1\nwait = \"0s\"";
    let mut server = Server::with(&Setup::default().settings(settings));
    let letter = format!("From: x@stranger.test\n{DOUBTFUL}");
    let first = arrive(&server, "x@stranger.test", AN, &letter);
    assert_eq!(first.code, 451, "{first:?}");
    assert!(first.text.starts_with("4.7.1 "), "{first:?}");
    assert_eq!(arrive(&server, "x@stranger.test", AN, &letter).code, 250);
    // To somebody else it is a first attempt again.
    assert_eq!(arrive(&server, "x@stranger.test", BINH, &letter).code, 451);
    // What is hardly doubtful, and what is urgent, is not asked.
    let clean = from("y@stranger.test", "xin chao");
    let mut mx = Smtp::plain(server.listener("mx")).expect("connect");
    mx.command("EHLO mail.stranger.test").expect("EHLO");
    let reply = mx
        .deliver("y@stranger.test", &[AN], &clean)
        .expect("deliver");
    assert_eq!(reply.code, 250, "{reply:?}");
    let urgent = letter.replace("Thong tin", "[HOA TOC] Thong tin");
    assert_eq!(arrive(&server, "z@stranger.test", AN, &urgent).code, 250);
    // Nor who would get no answer to the question.
    assert_eq!(arrive(&server, "", AN, &letter).code, 250);

    // Who passed is known after a restart too.
    server.stop();
    server.restart();
    assert_eq!(arrive(&server, "x@stranger.test", AN, &letter).code, 250);
    assert_eq!(arrive(&server, "w@stranger.test", AN, &letter).code, 451);
}

#[test]
fn an_answer_reaches_the_inbox_though_its_words_are_doubtful() {
    // Nobody listens there: our letter waits in the queue.
    let setup = Setup::default().route("partner.test", "127.0.0.1:1");
    let server = Server::with(&setup);
    let mut smtp = Smtp::tls(server.listener("submissions")).expect("connect");
    smtp.command("EHLO client.test").expect("EHLO");
    assert_eq!(smtp.login(AN, PASSWORD).expect("AUTH").code, 235);
    let asked = format!(
        "From: {AN}\nTo: lan@partner.test\nMessage-ID: {ASKED}\nSubject: Hoi gia\n\nXin bao gia.\n"
    );
    let sent = smtp.deliver(AN, &["lan@partner.test"], &asked);
    assert_eq!(sent.expect("deliver").code, 250);

    let mut imap = Imap::login(server.listener("imaps"), AN, PASSWORD).expect("login");
    let answer = |from: &str| format!("From: {from}\nIn-Reply-To: {ASKED}\n{DOUBTFUL}");
    let plain = |from: &str| format!("From: {from}\n{DOUBTFUL}");
    // A stranger who somehow knows of our letter, and one who only knows our correspondent's name.
    for (sender, letter) in [
        ("x@stranger.test", answer("x@stranger.test")),
        ("lan@partner.test", plain("lan@partner.test")),
    ] {
        assert_eq!(arrive(&server, sender, AN, &letter).code, 250);
    }
    assert_eq!(
        (count(&mut imap, "INBOX"), count(&mut imap, "Junk")),
        (0, 2)
    );

    assert_eq!(
        arrive(&server, "lan@partner.test", AN, &answer("lan@partner.test")).code,
        250
    );
    assert_eq!(count(&mut imap, "INBOX"), 1);
    assert!(status(&mut imap, "INBOX").contains("ANSWER -3.0"));
    // From then on the place is known.
    assert_eq!(
        arrive(&server, "lan@partner.test", AN, &plain("lan@partner.test")).code,
        250
    );
    assert!(status(&mut imap, "INBOX").contains("WROTE_TO -2.0"));
}

#[test]
fn what_two_people_report_is_told_to_the_third() {
    let server = Server::start();
    let text = "Sang nay troi mua to, duong vao lang ngap sau, xe khong di duoc nen ca lop phai nghi hoc. Co giao bao thu bay se hoc bu, \
        moi nguoi nho mang theo sach vo, but chi va ao mua, em nao o xa thi den som hon nua gio de kip vao lop.";
    for person in [AN, BINH] {
        assert_eq!(
            arrive(
                &server,
                "x@stranger.test",
                person,
                &from("x@stranger.test", text)
            )
            .code,
            250
        );
        let mut imap = Imap::login(server.listener("imaps"), person, PASSWORD).expect("login");
        assert!(imap.command("SELECT INBOX").expect("select").ok());
        assert!(imap.command("MOVE 1 Junk").expect("move").ok());
    }
    // Learning follows the moves by itself; the same text from elsewhere, written otherwise, shows when it has.
    let copy = from(
        "y@other.test",
        &text.to_uppercase().replace(" NGHI ", " N.G.H.Ỉ "),
    );
    let mut imap = Imap::login(server.listener("imaps"), VANTHU_XA, PASSWORD).expect("login");
    let begun = Instant::now();
    loop {
        assert_eq!(arrive(&server, "y@other.test", VANTHU_XA, &copy).code, 250);
        let said = status(&mut imap, "INBOX");
        if said.contains("BULK_REPORTED") && said.contains("REPUTATION_BAD") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{said}");
    }
}
