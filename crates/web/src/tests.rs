//! Pages over a pipe: HTTP as clients write it, without sockets and TLS.

use congvu_directory::Directory;
use congvu_directory::edit::account::{self, NewAccount};
use congvu_directory::edit::agency::{self, NewAgency};
use congvu_directory::edit::domain::{self, NewDomain};
use congvu_directory::record::Kind;
use congvu_guard::Settings;
use congvu_guard::quarantine::Link;
use congvu_message::Address;
use congvu_store::quarantine::{End, NewLetter, QuarantineRead as _, Reason};
use congvu_store::tx::Quota;
use congvu_store::{AccountId, Options, Read as _, Store};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::*;

struct House {
    pages: Pages,
    guard: Guard,
    account: AccountId,
    _folder: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path(), Options::default()).unwrap();
        let directory = Directory::new(store);
        let account = directory
            .change(|tx| {
                let agency = agency::create(
                    tx,
                    &NewAgency {
                        code: "XA".into(),
                        ..NewAgency::default()
                    },
                )?;
                domain::create(
                    tx,
                    &NewDomain {
                        name: "xa.test".into(),
                        agency: agency.id,
                        alias_of: None,
                    },
                )?;
                let address = Address::parse("an@xa.test").expect("an address");
                account::create(tx, &NewAccount::new(Kind::Person, address))
            })
            .await
            .unwrap();
        let guard = Guard::new(directory, Settings::default());
        Self {
            pages: Pages::new(guard.clone(), Vec::new()),
            guard,
            account: account.id,
            _folder: folder,
        }
    }

    /// A link to a new letter, which ends in so many hours.
    async fn link(&self, hours: i64) -> (String, congvu_store::quarantine::Letter) {
        let new = NewLetter {
            account: self.account,
            from: "<script>x</script> <a@evil.test>".into(),
            rcpt: "an@xa.test".into(),
            subject: "Mời họp http://evil.test/".into(),
            reasons: vec![Reason {
                name: "RULE".into(),
                vi: "vì một lẽ".into(),
                en: "for a reason".into(),
            }],
            ..NewLetter::default()
        };
        let body = self.guard.store().prepare(b"text", b"").unwrap();
        let held = self
            .guard
            .store()
            .transact(move |tx| tx.hold_letter(&new, &body))
            .await;
        let letter = held.unwrap().unwrap();
        let until = Timestamp(Timestamp::now().0 + hours * 3_600_000);
        let link = Link::new(letter.id, self.account, until);
        (self.guard.links().await.unwrap().write(&link), letter)
    }

    /// Sends octets, and reads the answer to its end.
    async fn ask(&self, request: &str) -> String {
        let (mut near, far) = duplex(64 * 1024);
        let peer = Peer {
            remote: "192.0.2.7:999".parse().unwrap(),
            local: "192.0.2.1:443".parse().unwrap(),
        };
        let pages = self.pages.clone();
        let serving = tokio::spawn(async move { pages.serve(peer, far, Shutdown::never()).await });
        near.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = near.read_to_string(&mut answer).await;
        serving.await.unwrap();
        answer
    }

    async fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
            .await
    }

    async fn post(&self, path: &str, body: &str) -> String {
        let length = body.len();
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ))
        .await
    }

    async fn messages(&self) -> u32 {
        let account = self.account;
        let inbox = self
            .guard
            .store()
            .read(move |r| r.mailbox_named(account, "INBOX"))
            .await;
        inbox.unwrap().unwrap().messages
    }
}

fn form(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"form\" value=\"").unwrap();
    let (value, _) = rest.split_once('"').unwrap();
    format!("form={value}")
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn opening_releases_nothing_and_the_button_once() {
    let house = House::new().await;
    let (link, _) = house.link(1).await;
    let path = format!("/q/{link}");
    let mut page = String::new();
    for _ in 0..3 {
        page = house.get(&path).await;
        assert_eq!(status(&page), "200", "{page}");
    }
    let head = house
        .ask(&format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
        .await;
    assert!(
        status(&head) == "200" && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    assert_eq!(house.messages().await, 0);
    assert!(!page.contains("<script>"), "{page}");
    assert!(
        page.contains("http[:]//evil[.]test/") && !page.contains("href"),
        "{page}"
    );
    assert!(page.contains("vì một lẽ") && page.contains("for a reason"));
    for field in [
        "content-security-policy: default-src 'none'; form-action 'self'; frame-ancestors 'none'",
        "cache-control: no-store",
        "referrer-policy: no-referrer",
        "x-content-type-options: nosniff",
    ] {
        assert!(page.contains(field), "{field} in {page}");
    }
    // A form that is not from the page releases nothing, and brings a new one.
    for wrong in ["", "form=", "form=AAAA", "other=1"] {
        let again = house.post(&path, wrong).await;
        assert!(
            status(&again) == "200" && again.contains("name=\"form\""),
            "{again}"
        );
    }
    assert_eq!(house.messages().await, 0);
    let done = house.post(&path, &form(&page)).await;
    assert!(
        status(&done) == "200" && done.contains("Đã nhận thư"),
        "{done}"
    );
    assert_eq!(house.messages().await, 1);
    for _ in 0..2 {
        let second = house.post(&path, &form(&page)).await;
        assert!(
            status(&second) == "410" && second.contains("already"),
            "{second}"
        );
    }
    assert_eq!(status(&house.get(&path).await), "410");
    assert_eq!(house.messages().await, 1);
}

#[tokio::test]
async fn what_is_no_link_is_answered_alike() {
    let house = House::new().await;
    let (link, letter) = house.link(1).await;
    let (ended, _) = house.link(-2).await;
    let body = |answer: &str| answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    let nothing = house.get("/").await;
    assert_eq!(status(&nothing), "404");
    for path in [
        "/q".to_owned(),
        "/q/".to_owned(),
        "/q/AAAA".to_owned(),
        format!("/q/{}A", &link[..link.len() - 1]),
        format!("/q/{link}/x"),
        format!("/q/{}", "A".repeat(500)),
        "/q/%00%ff".to_owned(),
        "/../etc/passwd".to_owned(),
    ] {
        let answer = house.get(&path).await;
        // An address that is not UTF-8 is refused before any link is looked at.
        assert!(
            ["404", "400"].contains(&status(&answer)),
            "{path}: {answer}"
        );
        if status(&answer) == "404" {
            assert_eq!(body(&answer), body(&nothing), "{path}");
        }
    }
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH"] {
        let answer = house
            .ask(&format!("{method} /q/{link} HTTP/1.1\r\nHost: x\r\n\r\n"))
            .await;
        assert_eq!(status(&answer), "404", "{answer}");
    }
    assert_eq!(status(&house.get(&format!("/q/{ended}")).await), "410");
    // Deleted by an administrator.
    let id = letter.id;
    house
        .guard
        .store()
        .transact(move |tx| tx.drop_letter(id, End::Deleted, "x"))
        .await
        .unwrap();
    let gone = house.get(&format!("/q/{link}")).await;
    assert!(
        status(&gone) == "410" && gone.contains("administrator"),
        "{gone}"
    );
    let known = house.guard.store().read(move |r| r.letter_known(id)).await;
    assert_eq!(known.unwrap().unwrap().end.unwrap().0, End::Deleted);
}

#[tokio::test]
async fn who_is_wrong_too_often_is_told_to_wait_whatever_he_asks() {
    let house = House::new().await;
    let (link, _) = house.link(1).await;
    let mut wrong = 0;
    while status(&house.get("/q/AAAA").await) == "404" {
        wrong += 1;
        assert!(wrong < 100);
    }
    assert_eq!(wrong, 30);
    assert_eq!(status(&house.get(&format!("/q/{link}")).await), "429");
}

#[tokio::test]
async fn a_full_mailbox_keeps_the_letter_where_it_is() {
    let house = House::new().await;
    let (link, letter) = house.link(1).await;
    let account = house.account;
    house
        .guard
        .store()
        .transact(move |tx| {
            let ledgers = tx.ledgers(account)?.unwrap_or_default();
            tx.set_limits(ledgers[0], 1, 0)
        })
        .await
        .unwrap();
    let path = format!("/q/{link}");
    let page = house.get(&path).await;
    let full = house.post(&path, &form(&page)).await;
    assert!(
        status(&full) == "409" && full.contains("Hộp thư đầy"),
        "{full}"
    );
    let id = letter.id;
    let released = house
        .guard
        .store()
        .transact(move |tx| tx.release_letter(id, "", Quota::Ignore))
        .await;
    assert!(released.is_ok());
}

#[tokio::test]
async fn large_forms_and_headers_are_refused() {
    let house = House::new().await;
    let (link, _) = house.link(1).await;
    let path = format!("/q/{link}");
    let answer = house
        .post(&path, &format!("form={}", "A".repeat(BODY_MOST)))
        .await;
    assert_eq!(status(&answer), "404", "{answer}");
    let field = format!("X: {}\r\n", "a".repeat(HEADER_MOST));
    let answer = house
        .ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n{field}\r\n"))
        .await;
    assert_eq!(status(&answer), "431", "{answer}");
    assert_eq!(house.messages().await, 0);
}

#[tokio::test(start_paused = true)]
async fn slow_clients_are_cut() {
    let house = House::new().await;
    let (link, _) = house.link(1).await;
    let begin = tokio::time::Instant::now();
    // A header that never ends, and a form that never comes.
    for request in [
        format!("GET /q/{link} HTTP/1.1\r\nHost: x\r\n"),
        format!("POST /q/{link} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nform="),
        String::new(),
    ] {
        house.ask(&request).await;
    }
    assert!(begin.elapsed() <= CONNECTION_TIME * 3);
    assert_eq!(house.messages().await, 0);
}
