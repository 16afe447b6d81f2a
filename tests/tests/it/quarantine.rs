//! The quarantine as people meet it: a letter is held, its owner is told, and a link, an administrator or the end of its
//! time takes it out. Links are opened with curl over HTTPS.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use congvu_tests::imap::Imap;
use congvu_tests::program::{Output, run};
use congvu_tests::server::{AN, BINH, PASSWORD, Server, Setup};
use congvu_tests::smtp::Smtp;
use serde_json::Value;

/// A server with pages, whose second agency holds what others call suspicious.
fn server() -> Server {
    let setup = Setup::default().settings(
        "[[listener]]\nkind = \"web\"\naddresses = [\"127.0.0.1:0\"]\n\
         [filter]\nweb-url = \"https://mail.xa.test\"\n",
    );
    let server = Server::with(&setup);
    server.done(&[
        "agency",
        "filter",
        "so",
        "--labelled",
        "0.5",
        "--junk",
        "0.6",
        "--quarantine",
        "0.7",
    ]);
    server
}

/// A letter in the name of a ministry from elsewhere, with a link that poses as a page of the state: two kinds of
/// evidence. Its id.
fn phish(server: &Server, subject: &str) -> String {
    let mut mx = Smtp::plain(server.listener("mx")).expect("connect");
    mx.command("EHLO client.example").expect("EHLO");
    let message = format!(
        "From: =?utf-8?B?QuG7mSBDw7RuZyBhbg==?= <ke@client.example>\nSubject: {subject}\nMIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n\n\
         <p>Mời dân xem <a href=\"http://evil.example/x\">https://dichvucong.gov.vn</a></p>\n"
    );
    let reply = mx.deliver("ke@client.example", &[BINH], &message);
    let reply = reply.expect("deliver");
    assert_eq!(reply.code, 250, "{reply:?}");
    reply.text.rsplit(' ').next().expect("an id").to_owned()
}

fn listed(server: &Server) -> Vec<Value> {
    let text = server.done(&["quarantine", "list", "--json"]);
    let page: Value = serde_json::from_str(&text).expect("JSON");
    let entries = page.get("entries").unwrap_or(&page);
    entries.as_array().expect("a list").clone()
}

fn number(letter: &Value) -> String {
    letter["number"].to_string()
}

/// Messages of INBOX.
fn inbox(server: &Server, who: &str) -> u64 {
    let mut imap = Imap::login(server.listener("imaps"), who, PASSWORD).expect("login");
    let status = imap.command("STATUS INBOX (MESSAGES)").expect("status");
    status.number("MESSAGES").expect("a count")
}

/// The text of the newest message of INBOX, decoded.
fn newest(server: &Server, who: &str) -> String {
    let mut imap = Imap::login(server.listener("imaps"), who, PASSWORD).expect("login");
    assert!(imap.command("SELECT INBOX").expect("select").ok());
    let fetched = imap.command("FETCH * (BODY.PEEK[1])").expect("fetch");
    let text = fetched.find("BODY[1]").expect("a part");
    // The lines of the literal; what is not base64 is quoted-printable.
    let lines: String = text.lines().skip(1).collect();
    let base64: String = lines.chars().take_while(|c| *c != ')').collect();
    match STANDARD.decode(base64.trim()) {
        Ok(octets) => String::from_utf8(octets).expect("UTF-8"),
        Err(_) => text.replace("=\r\n", "").replace("=3D", "="),
    }
}

/// Asks for a page; the status and the page.
fn curl(server: &Server, path: &str, more: &[&str]) -> (String, String) {
    let address = server.listener("web");
    let resolve = format!("mail.xa.test:{}:127.0.0.1", address.port());
    let certificate = server.certificate().to_string_lossy().into_owned();
    let url = format!("https://mail.xa.test:{}{path}", address.port());
    let mut args = vec![
        "--silent",
        "--show-error",
        "--cacert",
        &certificate,
        "--resolve",
        &resolve,
        "--write-out",
        "\n%{http_code}",
    ];
    args.extend(more);
    args.push(&url);
    let Output { stdout, stderr, .. } = run("curl", &args, "");
    let (page, status) = stdout
        .rsplit_once('\n')
        .unwrap_or_else(|| panic!("{stderr}"));
    (status.to_owned(), page.to_owned())
}

fn form(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"form\" value=\"").expect("a form");
    format!("form={}", rest.split('"').next().expect("a value"))
}

/// The first link of a digest, as a path.
fn link(digest: &str) -> String {
    let (_, rest) = digest
        .split_once("https://mail.xa.test/q/")
        .expect("a link");
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
    format!("/q/{}", &rest[..end.unwrap_or(rest.len())])
}

#[test]
fn a_held_letter_is_told_and_released_once_by_its_link() {
    let mut server = server();
    let id = phish(&server, "Nhan qua");
    assert_eq!(inbox(&server, BINH), 0);
    let held = listed(&server);
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!(held[0]["account"], BINH);
    assert_eq!(held[0]["agency"], "so");
    assert_eq!(held[0]["told"], false);
    let told = server.done(&["trace", &id]);
    assert!(told.contains("held in quarantine"), "{told}");

    // Nobody is told of nothing, and each once.
    let said = server.done(&["quarantine", "digest", "--now", "--account", AN]);
    assert!(said.starts_with("accounts told: 0"), "{said}");
    let said = server.done(&["quarantine", "digest", "--now"]);
    assert!(said.starts_with("accounts told: 1; letters: 1"), "{said}");
    let said = server.done(&["quarantine", "digest", "--now"]);
    assert!(said.starts_with("accounts told: 0"), "{said}");
    assert_eq!(inbox(&server, BINH), 1);
    assert_eq!(listed(&server)[0]["told"], true);
    let path = link(&newest(&server, BINH));

    // Opened by anything, nothing happens.
    let (status, page) = curl(&server, &path, &[]);
    assert_eq!(status, "200", "{page}");
    assert!(
        page.contains("Nhan qua") && !page.contains("evil.example"),
        "{page}"
    );
    assert_eq!(curl(&server, &path, &["--head"]).0, "200");
    let mut tampered = path.clone();
    let last = if tampered.ends_with('A') { 'B' } else { 'A' };
    tampered.replace_range(tampered.len() - 2..tampered.len() - 1, &last.to_string());
    assert_eq!(curl(&server, &tampered, &[]).0, "404");
    assert_eq!(curl(&server, "/", &[]).0, "404");
    assert_eq!(curl(&server, &path, &["--data", "form=AAAA"]).0, "200");
    let large = format!("form={}", "A".repeat(5_000));
    assert_eq!(curl(&server, &path, &["--data", &large]).0, "404");
    assert_eq!(inbox(&server, BINH), 1);

    // The link survives a kill, the letter too; the button releases once.
    server.kill();
    server.restart();
    let form = form(&curl(&server, &path, &[]).1);
    let (status, page) = curl(&server, &path, &["--data", &form]);
    assert!(status == "200" && page.contains("Released"), "{page}");
    server.kill();
    server.restart();
    let (status, page) = curl(&server, &path, &["--data", &form]);
    assert!(status == "410" && page.contains("already"), "{page}");
    assert_eq!(curl(&server, &path, &[]).0, "410");
    assert_eq!(inbox(&server, BINH), 2);
    assert!(listed(&server).is_empty());
    let told = server.done(&["trace", &id]);
    assert!(
        told.contains("released from quarantine") && told.contains("INBOX (UID 2)"),
        "{told}"
    );
    server.stop();
    let checked = server.done(&["store", "check"]);
    assert!(!checked.contains("problem"), "{checked}");
}

#[test]
fn an_administrator_looks_releases_and_deletes() {
    let server = server();
    for subject in ["mot", "hai", "ba", "\u{1b}]0;x\u{7}bon"] {
        phish(&server, subject);
    }
    let held = listed(&server);
    assert_eq!(held.len(), 4);
    let shown = server.done(&["quarantine", "show", &number(&held[0])]);
    for text in [
        "subject  mot",
        "LINK_POSES_AS",
        "Subject: mot",
        "Mời dân xem",
        BINH,
    ] {
        assert!(shown.contains(text), "{text} in {shown}");
    }
    let shown = server.done(&["quarantine", "show", &number(&held[3])]);
    assert!(
        !shown.contains('\u{1b}') && !shown.contains('\u{7}'),
        "{shown}"
    );
    let table = server.done(&["quarantine", "list", "--agency", "so"]);
    assert!(
        table.contains("mot") && !table.contains('\u{1b}'),
        "{table}"
    );
    let others = server.done(&["quarantine", "list", "--agency", "xa", "--json"]);
    assert!(!others.contains("mot"), "{others}");
    server.done(&["quarantine", "release", &number(&held[0])]);
    assert_eq!(inbox(&server, BINH), 1);
    let again = server.cli(&["quarantine", "release", &number(&held[0])], "");
    assert!(
        again.code == 1 && again.stderr.contains("released"),
        "{}",
        again.stderr
    );
    // An order to keep things keeps this too.
    let order = server.done(&["hold", "add", "--account", BINH, "--reason", "12/KT"]);
    let refused = server.cli(&["quarantine", "delete", &number(&held[1])], "");
    assert!(
        refused.code == 1 && refused.stderr.contains("hold"),
        "{}",
        refused.stderr
    );
    let order = order
        .split_whitespace()
        .next()
        .expect("a number")
        .to_owned();
    server.done(&["hold", "remove", &order]);
    server.done(&["quarantine", "delete", &number(&held[1])]);
    server.done(&["quarantine", "release", "--account", BINH]);
    assert_eq!(inbox(&server, BINH), 3);
    assert!(listed(&server).is_empty());
    let unknown = server.cli(&["quarantine", "show", "99999"], "");
    assert_eq!(unknown.code, 1);
    let audit = server.done(&["audit"]);
    for act in ["quarantine release", "quarantine delete"] {
        assert!(audit.contains(act), "{act} in {audit}");
    }
    // People's labels: each release says that the filter was wrong.
    let stats = server.done(&["store", "stats"]);
    assert!(stats.contains("in quarantine"), "{stats}");
}

#[test]
fn who_sends_nothing_or_too_much_is_cut() {
    let server = server();
    let address = server.listener("web");
    // Without TLS there is no answer in clear text.
    let mut plain = TcpStream::connect(address).expect("connect");
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("write");
    plain
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a time");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/"));
    let long = format!("X-Long: {}", "a".repeat(40_000));
    let (status, _) = curl(&server, "/", &["--header", &long]);
    // The answer, or the end of a connection that is closed on what it does not read.
    assert!(["431", "000"].contains(&status.as_str()), "{status}");
    let (status, _) = curl(&server, "/../../etc/passwd", &["--path-as-is"]);
    assert_eq!(status, "404");
}
