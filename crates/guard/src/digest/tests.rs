//! Digests: whom, when, once; and that nothing in them is a stranger's.

use congvu_directory::Directory;
use congvu_directory::edit::account::{self, NewAccount};
use congvu_directory::edit::agency::{self, NewAgency};
use congvu_directory::edit::domain::{self, NewDomain};
use congvu_directory::edit::hold;
use congvu_directory::record::FilterPolicy;
use congvu_directory::record::{Held, Kind};
use congvu_message::{Address, Summary};
use congvu_store::calendar::DAY as DAY_LENGTH;
use congvu_store::quarantine::{End, NewLetter, Reason};
use congvu_store::{Options, Store, Uid};

use super::*;
use crate::quarantine::{self, Opened, Released};

struct House {
    guard: Guard,
    account: AccountId,
    agency: congvu_directory::AgencyId,
    _folder: tempfile::TempDir,
}

impl House {
    async fn new(web_url: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path(), Options::default()).unwrap();
        let directory = Directory::new(store);
        let (agency, account) = directory
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
                let account = account::create(tx, &NewAccount::new(Kind::Person, address))?;
                tx.resume_calendar(Timestamp(0))?;
                Ok((agency.id, account.id))
            })
            .await
            .unwrap();
        let settings = Settings {
            web_url: web_url.map(str::to_owned),
            ..Settings::default()
        };
        Self {
            guard: Guard::new(directory, settings),
            account,
            agency,
            _folder: folder,
        }
    }

    async fn hold(&self, subject: &str) -> Letter {
        let new = NewLetter {
            account: self.account,
            trace: "t1".into(),
            sender: "x@evil.test".into(),
            from: "\u{202e}Bộ <b>Nội vụ</b> <a@evil.test>".into(),
            subject: subject.into(),
            reasons: vec![Reason {
                name: "RULE".into(),
                vi: "liên kết đến a.test".into(),
                en: "a link to a.test".into(),
            }],
            date: 1,
            zone: 420,
            ..NewLetter::default()
        };
        let body = self.guard.store().prepare(b"text", b"").unwrap();
        let held = self
            .guard
            .store()
            .transact(move |tx| tx.hold_letter(&new, &body))
            .await;
        held.unwrap().unwrap()
    }

    /// The octets of the messages in INBOX.
    async fn inbox(&self) -> Vec<String> {
        let account = self.account;
        let store = self.guard.store();
        let messages = store
            .read(move |r| {
                let inbox = r.mailbox_named(account, "INBOX")?.unwrap();
                r.messages(inbox.id, Uid(0), Uid(u32::MAX), 100)
            })
            .await
            .unwrap();
        let mut all = Vec::new();
        for message in messages {
            let body = store.body(message.body, message.frame).await.unwrap();
            let octets = store.octets(&body, 0, u64::MAX).await.unwrap();
            all.push(String::from_utf8(octets).unwrap());
        }
        all
    }

    async fn sent(&self, due: Due, now: i64) -> (u64, u64) {
        let sent = self.guard.send_digests(due, Timestamp(now)).await.unwrap();
        (sent.digests, sent.letters)
    }

    /// Days pass.
    async fn wait(&self, days: u64) {
        self.guard
            .store()
            .transact(move |tx| tx.count_time(days * DAY_LENGTH, Timestamp(0)))
            .await
            .unwrap();
    }

    async fn expire(&self) -> u64 {
        let account = self.account;
        let store = self.guard.store();
        let due = store
            .read(|r| quarantine::due_accounts(r, AccountId(0)))
            .await
            .unwrap();
        let gone = store
            .transact(move |tx| quarantine::expire(tx, account, 100))
            .await
            .unwrap();
        assert_eq!(due.due.len(), usize::from(gone > 0));
        gone
    }
}

/// Texts of a letter, decoded.
fn words(raw: &str) -> String {
    let summary: Summary = congvu_message::summarize(raw.as_bytes());
    congvu_message::text::words_in(raw.as_bytes(), &summary.root)
}

#[test]
fn the_hour_of_the_house() {
    // 22 November 2026, 07:00 in Việt Nam, is midnight UTC.
    let seven = 1_795_305_600_000;
    for (now, expected) in [
        (seven, seven),
        (seven + DAY - 1, seven),
        (seven - 1, seven - DAY),
        (seven + DAY, seven + DAY),
    ] {
        assert_eq!(last_hour(Timestamp(now), 7, 420), Timestamp(expected));
    }
}

#[tokio::test]
async fn once_a_day_and_only_of_what_is_new() {
    let house = House::new(None).await;
    assert_eq!(house.sent(Due::Now, 0).await, (0, 0));
    let first = house.hold("một").await;
    let came = first.at.0;
    let seven = last_hour(Timestamp(came + DAY), 7, 420).0;
    // Not before the hour; then at once, however late; then not again.
    assert_eq!(house.sent(Due::Daily, seven - 1).await, (0, 0));
    assert_eq!(house.sent(Due::Daily, seven + 5 * HOUR).await, (1, 1));
    assert_eq!(house.sent(Due::Daily, seven + 6 * HOUR).await, (0, 0));
    assert_eq!(house.sent(Due::Daily, seven + DAY).await, (0, 0));
    house.hold("hai").await;
    house.hold("ba").await;
    assert_eq!(house.sent(Due::Daily, seven + 7 * HOUR).await, (0, 0));
    assert_eq!(house.sent(Due::Daily, seven + DAY).await, (1, 2));
    // Asked for, it is sent whatever the hour; a stranger's is not.
    house.hold("bốn").await;
    assert_eq!(
        house.sent(Due::Of(AccountId(99)), seven + DAY).await,
        (0, 0)
    );
    let own = house.account;
    assert_eq!(house.sent(Due::Of(own), seven + DAY).await, (1, 1));
    assert_eq!(house.sent(Due::Daily, seven + DAY + HOUR).await, (0, 0));
    // A clock that was far ahead then does not silence it for years.
    house.hold("năm").await;
    assert_eq!(house.sent(Due::Now, seven + 4_000 * DAY).await, (1, 1));
    house.hold("sáu").await;
    assert_eq!(house.sent(Due::Daily, seven + 3 * DAY).await, (1, 1));
    assert_eq!(house.inbox().await.len(), 5);
}

#[tokio::test]
async fn what_strangers_wrote_is_only_text() {
    let house = House::new(None).await;
    house
        .hold("Mời xem https://evil.test/x <script>alert(1)</script>\r\nBcc: all@xa.test")
        .await;
    assert_eq!(house.sent(Due::Now, 1_795_305_600_000).await, (1, 1));
    let raw = house.inbox().await.remove(0);
    assert!(!raw.contains("\nBcc:"), "{raw}");
    assert!(raw.contains("Auto-Submitted: auto-generated"));
    assert!(raw.contains("postmaster@xa.test"));
    let words = words(&raw);
    assert!(words.contains("Mời xem https[:]//evil[.]test/x"), "{words}");
    assert!(words.contains("liên kết đến a[.]test") && words.contains("a link to a[.]test"));
    assert!(!words.contains("https://") && !words.contains('\u{202e}'));
    assert!(words.contains("congvu quarantine release"));
    let html = congvu_message::summarize(raw.as_bytes())
        .root
        .parts
        .remove(1);
    let at = |place: u64| usize::try_from(place).unwrap();
    let (from, to) = (at(html.body_at), at(html.end_at));
    let encoding = congvu_message::transfer::Encoding::named(&html.encoding).unwrap();
    let html = congvu_message::transfer::decode(encoding, &raw.as_bytes()[from..to]);
    let html = String::from_utf8(html).unwrap();
    assert!(
        html.contains("&lt;script&gt;") && !html.contains("<script"),
        "{html}"
    );
    assert!(!html.contains("href"), "{html}");
}

#[tokio::test]
async fn a_link_releases_once_and_only_by_its_form() {
    let house = House::new(Some("https://mail.xa.test/")).await;
    let letter = house.hold("một").await;
    let now = letter.at;
    assert_eq!(house.sent(Due::Now, now.0).await, (1, 1));
    let words = words(&house.inbox().await[0]);
    let (_, after) = words.split_once("https://mail.xa.test/q/").unwrap();
    let link: String = after.chars().take_while(|c| !c.is_whitespace()).collect();
    let guard = &house.guard;
    // Opened as often as anybody likes.
    let mut form = String::new();
    for _ in 0..3 {
        match guard.open_link(&link, now).await.unwrap() {
            Opened::Letter(found, sent) => {
                assert_eq!(found.id, letter.id);
                form = sent;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(house.inbox().await.len(), 1);
    let late = Timestamp(now.0 + 32 * DAY);
    assert_eq!(guard.open_link(&link, late).await.unwrap(), Opened::Over);
    assert_eq!(guard.open_link("AAAA", now).await.unwrap(), Opened::Unknown);
    for (wrong, expected) in [("", Released::Again), (link.as_str(), Released::Again)] {
        let done = guard.release_by_link(&link, wrong, now).await.unwrap();
        assert_eq!(done, expected);
    }
    let done = guard.release_by_link(&link, &form, late).await.unwrap();
    assert_eq!(done, Released::No(Opened::Over));
    let done = guard.release_by_link(&link, &form, now).await.unwrap();
    assert!(matches!(done, Released::Now(_)), "{done:?}");
    for _ in 0..2 {
        let done = guard.release_by_link(&link, &form, now).await.unwrap();
        assert_eq!(done, Released::No(Opened::Ended(End::Released)));
    }
    assert_eq!(house.inbox().await.len(), 2);
    // Another process of the same house knows the link.
    let other = Guard::new(guard.directory().clone(), Settings::default());
    assert_eq!(
        other.open_link(&link, now).await.unwrap(),
        Opened::Ended(End::Released)
    );
}

#[tokio::test]
async fn letters_end_with_their_days_when_they_were_told_and_nothing_holds_them() {
    let house = House::new(None).await;
    let letter = house.hold("một").await;
    house.wait(31).await;
    // Nobody was told yet.
    assert_eq!(house.expire().await, 0);
    assert_eq!(house.sent(Due::Now, letter.at.0).await, (1, 1));
    let account = house.account;
    let held = house
        .guard
        .directory()
        .change(move |tx| hold::add(tx, Held::Account(account), "an", "12/KT", "test"))
        .await
        .unwrap();
    assert_eq!(house.expire().await, 0);
    let id = letter.id;
    let refused = house
        .guard
        .store()
        .transact(move |tx| quarantine::delete(tx, id, "test"))
        .await;
    assert!(matches!(refused, Err(Error::Held(_))), "{refused:?}");
    house
        .guard
        .directory()
        .change(move |tx| hold::remove(tx, held.id))
        .await
        .unwrap();
    assert_eq!(house.expire().await, 1);
    assert_eq!(house.expire().await, 0);
    // What became of it is known for some time.
    let released = house
        .guard
        .store()
        .transact(move |tx| quarantine::release(tx, id, "", Quota::Enforce))
        .await;
    match released {
        Err(Error::Ended(known)) => assert_eq!(known.end.unwrap().0, End::Expired),
        other => panic!("{other:?}"),
    }
    let forget = || {
        house
            .guard
            .store()
            .transact(|tx| quarantine::forget_ended(tx, QuarantineId(0), 100))
    };
    forget().await.unwrap();
    let known = || house.guard.store().read(move |r| r.letter_known(id));
    assert!(known().await.unwrap().is_some());
    house.wait(61).await;
    forget().await.unwrap();
    assert!(known().await.unwrap().is_none());
}

#[tokio::test]
async fn an_agency_says_for_how_long() {
    let house = House::new(None).await;
    let letter = house.hold("một").await;
    assert_eq!(house.sent(Due::Now, letter.at.0).await, (1, 1));
    let agency = house.agency;
    let policy = |days| FilterPolicy {
        quarantine_days: Some(days),
        ..FilterPolicy::default()
    };
    for wrong in [0, 366] {
        let refused = house
            .guard
            .directory()
            .change(move |tx| agency::set_filter(tx, agency, policy(wrong)))
            .await;
        assert!(refused.is_err());
    }
    house
        .guard
        .directory()
        .change(move |tx| agency::set_filter(tx, agency, policy(3)))
        .await
        .unwrap();
    house.wait(3).await;
    assert_eq!(house.expire().await, 0);
    house.wait(1).await;
    assert_eq!(house.expire().await, 1);
}
