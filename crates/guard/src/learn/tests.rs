//! People, their letters and what they say of them; an attacker too.

use congvu_directory::edit::{account, agency, domain};
use congvu_directory::record::Policy;
use congvu_directory::{AgencyId, Directory, Kind};
use congvu_message::{Address, summarize};
use congvu_spam::statistics::{Class, Score, features};
use congvu_store::tx::Quota;
use congvu_store::{
    AccountId, FlagChange, Flags, Message, NewMessage, Options, Read, SpecialUse, Store, Timestamp,
    Uid,
};
use tempfile::TempDir;

use super::models::Models;
use super::record::{Done, Reset, State, Tally, What};
use super::teacher::Teacher;
use super::*;

/// A house with ten accounts in two agencies, and its teacher.
struct House {
    guard: Guard,
    store: Store,
    models: Arc<Models>,
    teacher: Teacher,
    people: Vec<(AccountId, AgencyId)>,
    folder: TempDir,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path(), Options::default()).unwrap();
        let directory = Directory::new(store.clone());
        let people = directory
            .change(|tx| {
                let mut people = Vec::new();
                for code in ["a", "b"] {
                    let new = agency::NewAgency {
                        code: code.to_owned(),
                        name: format!("Sở {code}"),
                        parent: None,
                        policy: Policy::default(),
                    };
                    let agency = agency::create(tx, &new)?;
                    let name = format!("{code}.test");
                    let new = domain::NewDomain {
                        name: name.clone(),
                        agency: agency.id,
                        alias_of: None,
                    };
                    domain::create(tx, &new)?;
                    for number in 0..5 {
                        let address = Address {
                            local: format!("p{number}"),
                            domain: name.clone(),
                        };
                        let new = account::NewAccount::new(Kind::Person, address);
                        people.push((account::create(tx, &new)?.id, agency.id));
                    }
                }
                Ok::<_, congvu_directory::Error>(people)
            })
            .await
            .unwrap();
        let guard = Guard::new(Directory::new(store.clone()), settings());
        let teacher = Teacher::load(store.clone(), Arc::clone(guard.models())).await;
        Self {
            teacher: teacher.unwrap(),
            store,
            models: Arc::clone(guard.models()),
            guard,
            people,
            folder,
        }
    }

    /// Another process over the same store.
    async fn again(self) -> Self {
        let Self {
            store,
            people,
            guard,
            folder,
            teacher,
            ..
        } = self;
        drop((teacher, guard));
        store.close().await.unwrap();
        drop(store);
        let (store, _) = Store::open(folder.path(), Options::default()).unwrap();
        let guard = Guard::new(Directory::new(store.clone()), settings());
        let teacher = Teacher::load(store.clone(), Arc::clone(guard.models())).await;
        Self {
            teacher: teacher.unwrap(),
            store,
            models: Arc::clone(guard.models()),
            guard,
            people,
            folder,
        }
    }

    async fn settle(&mut self) {
        while self.teacher.step().await.unwrap() {}
    }

    /// A letter of somebody in one of their mailboxes.
    async fn deliver(&self, person: usize, mailbox: &'static str, text: &str) -> Message {
        let raw = raw(text);
        let summary = summarize(&raw).encode();
        let body = self.store.prepare(&raw, &summary).unwrap();
        let account = self.people[person].0;
        self.store
            .transact(move |tx| {
                let mailbox = tx.mailbox_named(account, mailbox)?.unwrap();
                let message = NewMessage {
                    flags: Flags::default(),
                    keywords: Vec::new(),
                    date: 0,
                    zone: 0,
                };
                tx.append(mailbox.id, &body, &message, Quota::Enforce)
            })
            .await
            .unwrap()
    }

    async fn say(&self, person: usize, text: &str, class: Class) -> Option<u64> {
        let message = self.deliver(person, "INBOX", text).await;
        self.say_of(person, &message, class).await
    }

    async fn say_of(&self, person: usize, message: &Message, class: Class) -> Option<u64> {
        let said = Label {
            account: Some(self.people[person].0),
            class,
            source: Source::Move,
            letter: stored(message),
            judged: Some(false),
        };
        self.store
            .transact(move |tx| label(tx, &said))
            .await
            .unwrap()
    }

    /// Moves a message as IMAP does.
    async fn move_to(&self, person: usize, from: &'static str, to: &'static str, uid: Uid) -> Uid {
        let account = self.people[person].0;
        self.store
            .transact(move |tx| {
                let from = tx.mailbox_named(account, from)?.unwrap();
                let to = tx.mailbox_named(account, to)?.unwrap();
                let pairs = tx.relocate(from.id, &[uid], to.id)?;
                let placed: Vec<Uid> = pairs.iter().map(|pair| pair.1).collect();
                moved(tx, &from, &to, &placed)?;
                Ok::<_, congvu_store::Error>(placed[0])
            })
            .await
            .unwrap()
    }

    async fn flag(&self, person: usize, mailbox: &'static str, uid: Uid, change: FlagChange) {
        let account = self.people[person].0;
        self.store
            .transact(move |tx| {
                let mailbox = tx.mailbox_named(account, mailbox)?.unwrap();
                let changed = tx.change_flags_of(mailbox.id, &[uid], &change)?;
                flagged(tx, mailbox.id, &changed, &change)
            })
            .await
            .unwrap();
    }

    /// What everything that applies to somebody says of a text; without anybody, what the house says.
    async fn score(&self, person: Option<usize>, text: &str) -> Score {
        let raw = raw(text);
        let summary = summarize(&raw);
        let features = features(&congvu_spam::Letter::read(&raw, &summary));
        let accounts: Vec<_> = person
            .map(|person| self.people[person])
            .into_iter()
            .collect();
        let found = self.models.corrections(&self.store, &accounts).await;
        let deltas: Vec<&Delta> = found.values().map(AsRef::as_ref).collect();
        self.models.house.score_with(&features, &deltas)
    }

    async fn journal(&self) -> Vec<(bool, Source, Option<bool>)> {
        let entries = self
            .store
            .read(|r| r.scan::<record::Entry>(&[0], &[], 1000))
            .await
            .unwrap();
        let said = entries
            .into_iter()
            .filter_map(|entry| match entry.body.act {
                record::Act::Learn {
                    spam,
                    source,
                    judged,
                    ..
                } => Some((spam, source, judged)),
                _ => None,
            });
        said.collect()
    }

    async fn state(&self) -> State {
        let state = self.store.read(|r| r.get::<State>(&())).await.unwrap();
        state.unwrap_or_default()
    }
}

fn settings() -> crate::Settings {
    crate::Settings {
        hostname: "mail.a.test".to_owned(),
        abuse_reports_to: Some("bao@quocgia.example".to_owned()),
        ..crate::Settings::default()
    }
}

fn raw(text: &str) -> Vec<u8> {
    let subject: String = text.chars().take(30).collect();
    format!(
        "Return-Path: <gui@ngoai.example>\r\nReceived: from x ([192.0.2.7])\r\n by mail.a.test with ESMTP id 1\r\n \
         for <p0@a.test>; Sun, 22 Nov 2026 08:00:00 +0700\r\nFrom: Gửi <gui@ngoai.example>\r\nTo: nhan@a.test\r\nSubject: {subject}\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    )
    .into_bytes()
}

/// Letters of one kind, no two alike.
fn spam(number: usize) -> String {
    let prize = ["xe máy", "điện thoại", "vàng", "du lịch"][number % 4];
    format!(
        "Khuyến mãi nạp đầu nhận thưởng {prize}, mã {number}{number}: bấm ngay kẻo lỡ, quà tặng miễn phí hôm nay"
    )
}

fn ham(number: usize) -> String {
    let what = ["báo cáo quý", "giấy mời họp", "quyết định", "công văn"][number % 4];
    format!(
        "Kính gửi quý cơ quan, Ủy ban nhân dân xin gửi {what} số {number}/UBND-VP để biết và phối hợp thực hiện"
    )
}

const SPAM: Class = Class::Spam;
const HAM: Class = Class::Ham;

#[tokio::test(flavor = "multi_thread")]
async fn one_persons_mail_is_judged_by_what_they_say_and_others_mail_is_not() {
    let mut house = House::new().await;
    for number in 0..12 {
        house.say(0, &spam(number), SPAM).await.unwrap();
    }
    house.settle().await;
    let (own, other) = (
        house.score(Some(0), &spam(77)).await.mean(),
        house.score(Some(7), &spam(77)).await.mean(),
    );
    assert!(own > 1.0, "{own}");
    assert!(other.abs() <= VOICE, "{other}");
    // Taken back, each.
    let account = house.people[0].0;
    let (gone, next) = house
        .store
        .transact(move |tx| forget_account(tx, account, Timestamp(0), 0, 100))
        .await
        .unwrap();
    assert_eq!((gone, next), (12, None));
    house.settle().await;
    let back = house.score(Some(0), &spam(77)).await.mean();
    assert!(back.abs() < 1e-4, "{back}");
    assert_eq!(house.models.house.learned(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_persons_teach_the_house() {
    let mut house = House::new().await;
    for number in 0..40 {
        house.say(number % 10, &spam(number), SPAM).await;
        house.say(number % 10, &ham(number), HAM).await;
    }
    house.settle().await;
    let (bad, good) = (
        house.score(None, &spam(99)).await.mean(),
        house.score(None, &ham(99)).await.mean(),
    );
    assert!(bad > 0.8 && good < -0.8, "{bad} {good}");
    assert_eq!(house.models.house.learned(), (40, 40));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_of_one_account_moves_nobody_else() {
    let mut house = House::new().await;
    for number in 0..30 {
        house.say(number % 9 + 1, &ham(number), HAM).await;
        house.say(number % 9 + 1, &spam(number), SPAM).await;
    }
    house.settle().await;
    let before = house.score(Some(7), &ham(1234)).await.mean();
    assert!(before < -0.5, "{before}");
    // A thousand letters of the ministry are called spam by one account.
    for number in 0..1_000 {
        house.say(0, &ham(number), SPAM).await;
    }
    house.settle().await;
    let (other, colleague, own) = (
        house.score(Some(7), &ham(1234)).await.mean(),
        house.score(Some(1), &ham(1234)).await.mean(),
        house.score(Some(0), &ham(1234)).await.mean(),
    );
    assert!(other - before <= VOICE, "{before} {other}");
    assert!(other < 0.0);
    assert!(colleague - before <= 2.0 * VOICE, "{before} {colleague}");
    // The attacker has what they asked for.
    assert!(own > 0.0, "{own}");
    // Its word counts for little by now.
    let scope = Scope::Account(house.people[0].0);
    let pupil = house.store.read(move |r| r.get::<record::Pupil>(&scope));
    let counts = pupil.await.unwrap().unwrap().counts;
    assert!(lesson::worth(&counts) < 0.1);
    assert!(counts.today <= DAY_MAX);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_wrong_label_in_twenty_does_little() {
    let (mut clean, mut noisy) = (House::new().await, House::new().await);
    for number in 0..120 {
        for (class, text) in [(SPAM, spam(number)), (HAM, ham(number))] {
            clean.say(number % 10, &text, class).await;
            let wrong = number % 20 == 7;
            let said = if wrong { class.opposite() } else { class };
            noisy.say(number % 10, &text, said).await;
        }
    }
    clean.settle().await;
    noisy.settle().await;
    for number in 500..520 {
        let (bad, good) = (
            noisy.score(None, &spam(number)).await.mean(),
            noisy.score(None, &ham(number)).await.mean(),
        );
        assert!(bad > 0.5 && good < -0.5, "{bad} {good}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_are_labels_but_not_to_trash() {
    let mut house = House::new().await;
    let message = house.deliver(0, "INBOX", &spam(1)).await;
    let uid = house.move_to(0, "INBOX", "Junk", message.uid).await;
    assert_eq!(house.journal().await, [(true, Source::Move, Some(false))]);
    // Thrown away: no opinion of it changes.
    let uid = house.move_to(0, "Junk", "Trash", uid).await;
    assert_eq!(house.journal().await.len(), 1);
    let uid = house.move_to(0, "Trash", "Junk", uid).await;
    assert_eq!(house.journal().await.len(), 1);
    // To the archive: a mistake, and the label is taken back.
    house.move_to(0, "Junk", "Archive", uid).await;
    assert_eq!(house.journal().await[1..], [(false, Source::Move, None)]);
    // What the filter put into Junk and a person takes out.
    let message = house.deliver(1, "Junk", &ham(1)).await;
    house.move_to(1, "Junk", "INBOX", message.uid).await;
    assert_eq!(
        house.journal().await[2..],
        [(false, Source::Move, Some(true))]
    );
    house.settle().await;
    assert_eq!(house.models.house.learned(), (2, 0));
    let tallies = house.store.read(|r| r.scan::<Tally>(b"T", &[], 10));
    let sum = |count: fn(&TallyCounts) -> u32, tallies: &[Tally]| -> u32 {
        tallies.iter().map(|tally| count(&tally.counts)).sum()
    };
    let tallies = tallies.await.unwrap();
    assert_eq!(sum(|counts| counts.false_positives, &tallies), 1);
    assert_eq!(sum(|counts| counts.missed, &tallies), 0);
    assert_eq!(sum(|counts| counts.revoked, &tallies), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn keywords_are_labels_once() {
    let house = House::new().await;
    let add = |word: &str| FlagChange::Add(Flags::default(), vec![word.to_owned()]);
    let message = house.deliver(0, "INBOX", &spam(1)).await;
    house.flag(0, "INBOX", message.uid, add("$junk")).await;
    house.flag(0, "INBOX", message.uid, add("Junk")).await;
    house.move_to(0, "INBOX", "Junk", message.uid).await;
    assert_eq!(house.journal().await, [(true, Source::Flag, Some(false))]);
    // A client that marks everything it looked at says little.
    let message = house.deliver(1, "INBOX", &ham(1)).await;
    house.flag(1, "INBOX", message.uid, add("NonJunk")).await;
    let answered = FlagChange::Add(Flags::ANSWERED, Vec::new());
    house.flag(1, "INBOX", message.uid, answered).await;
    assert_eq!(
        house.journal().await[1..],
        [(false, Source::Answered, Some(false))]
    );
    // Of a letter in Junk it says what it means.
    let message = house.deliver(1, "Junk", &ham(2)).await;
    house.flag(1, "Junk", message.uid, add("$NotJunk")).await;
    assert_eq!(
        house.journal().await[2..],
        [(false, Source::Flag, Some(true))]
    );
    // Other words are none of our business.
    house.flag(1, "Junk", message.uid, add("$Label1")).await;
    assert_eq!(house.journal().await.len(), 3);
    // Taken away again.
    let message = house.deliver(2, "INBOX", &spam(2)).await;
    house.flag(2, "INBOX", message.uid, add("$Junk")).await;
    let away = FlagChange::Remove(Flags::default(), vec!["$Junk".to_owned()]);
    house.flag(2, "INBOX", message.uid, away).await;
    let account = house.people[2].0;
    let left = house
        .store
        .transact(move |tx| forget_account(tx, account, Timestamp(0), 0, 10));
    assert_eq!(left.await.unwrap().0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_below_junk_is_junk() {
    let house = House::new().await;
    let account = house.people[0].0;
    let (junk, other) = house
        .store
        .transact(move |tx| {
            let junk = tx.mailbox_named(account, "Junk")?.unwrap();
            assert_eq!(junk.special_use, Some(SpecialUse::Junk));
            let below = tx.create_mailbox(account, "Junk/2026", None)?;
            let below = is_junk(tx, &below)?;
            let other = tx.create_mailbox(account, "Junkyard", None)?;
            let other = is_junk(tx, &other)?;
            Ok::<_, congvu_store::Error>((below, other))
        })
        .await
        .unwrap();
    assert!(junk && !other);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_start_everything_is_as_it_was() {
    let mut house = House::new().await;
    let mut labels = Vec::new();
    for number in 0..60 {
        labels.extend(house.say(number % 10, &spam(number), SPAM).await);
        labels.extend(house.say(number % 10, &ham(number), HAM).await);
    }
    for label in [labels[3], labels[40], labels[41]] {
        let done = house.store.transact(move |tx| forget_label(tx, label));
        assert!(done.await.unwrap());
    }
    // Some were learned before the end, some are only in the journal.
    house.teacher.step().await.unwrap();
    house.teacher.step().await.unwrap();
    assert!(house.state().await.taught < 100);
    let mut house = house.again().await;
    house.settle().await;
    let weights = |house: &House| -> Vec<Vec<f32>> {
        (0..congvu_spam::statistics::model::PAGES)
            .map(|page| house.models.house.page(page))
            .collect()
    };
    let (before, learned) = (weights(&house), house.models.house.learned());
    assert_eq!(learned.0 + learned.1, 117);
    let own = house.score(Some(3), &spam(5)).await.mean();
    let house = house.again().await;
    assert_eq!(house.models.house.learned(), learned);
    let close = |a: &f32, b: &f32| (a - b).abs() < 1e-6;
    let now = weights(&house);
    assert!(
        before
            .iter()
            .flatten()
            .zip(now.iter().flatten())
            .all(|(a, b)| close(a, b))
    );
    assert!((house.score(Some(3), &spam(5)).await.mean() - own).abs() < 1e-4);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_weights_are_learned_again() {
    let mut house = House::new().await;
    for number in 0..20 {
        house.say(number % 10, &spam(number), SPAM).await;
        house.say(number % 10, &ham(number), HAM).await;
    }
    house.settle().await;
    let before = house.score(None, &spam(3)).await.mean();
    house.store.transact(|tx| tx.put(&Broken)).await.unwrap();
    let house = house.again().await;
    assert!((house.score(None, &spam(3)).await.mean() - before).abs() < 1e-5);
}

/// A page that is none.
struct Broken;

impl congvu_store::Record for Broken {
    const TABLE: congvu_store::Table = congvu_store::Table::Weights;
    type Key = ();
    fn key(&self) {}
    fn key_octets((): &()) -> Vec<u8> {
        vec![0, 0, 0]
    }
    fn encode(&self) -> Vec<u8> {
        vec![1, 2, 3]
    }
    fn decode(_: &[u8], _: &[u8]) -> congvu_store::Result<Self> {
        Ok(Self)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_can_be_forgotten_at_once() {
    let mut house = House::new().await;
    for number in 0..10 {
        house.say(number, &spam(number), SPAM).await;
    }
    house.settle().await;
    house.store.transact(forget_all).await.unwrap();
    // Said again after it, and learned anew.
    let message = house.deliver(0, "INBOX", &spam(1)).await;
    house.say_of(0, &message, SPAM).await.unwrap();
    house.settle().await;
    assert_eq!(house.models.house.learned(), (0, 1));
    let reset = house.store.read(|r| r.get::<Reset>(&())).await.unwrap();
    assert_eq!(reset.unwrap().entry, 11);
    let house = house.again().await;
    assert_eq!(house.models.house.learned(), (0, 1));
    let own = house.score(Some(5), &spam(1)).await.mean();
    assert!(own.abs() <= VOICE, "{own}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lesson_is_small_and_pages_follow_in_turn() {
    let mut house = House::new().await;
    for number in 0..8 {
        house.say(number, &spam(number), SPAM).await;
    }
    house.settle().await;
    let sizes = house
        .store
        .read(|r| {
            let done = r.scan::<Done>(&[2], &[], 100)?;
            let size = |done: &Done| congvu_store::Record::encode(done).len();
            assert!(
                done.iter()
                    .all(|done| matches!(done.what, What::Learned(_)))
            );
            Ok::<_, congvu_store::Error>(done.iter().map(size).collect::<Vec<_>>())
        })
        .await
        .unwrap();
    assert_eq!(sizes.len(), 8);
    assert!(sizes.iter().all(|&size| size < 4_096), "{sizes:?}");
    let pages = house
        .store
        .read(|r| r.scan::<record::Page>(&[0], &[], 1000));
    // Eight of 1,024 lessons, so eight of 1,024 parts of 384 pages.
    assert_eq!(pages.await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn abuse_is_reported_once_when_two_agree() {
    let mut house = House::new().await;
    house.say(0, &spam(1), SPAM).await.unwrap();
    house.settle().await;
    assert_eq!(house.guard.report_abuse_once().await.unwrap(), 0);
    house.say(7, &spam(2), SPAM).await.unwrap();
    house.settle().await;
    assert_eq!(house.guard.report_abuse_once().await.unwrap(), 1);
    assert_eq!(house.guard.report_abuse_once().await.unwrap(), 0);
    let house = house.again().await;
    assert_eq!(house.guard.report_abuse_once().await.unwrap(), 0);
    let queued = house.store.read(|r| {
        use congvu_store::queue::{QueueId, QueueRead as _};
        r.queue_entries(QueueId(0), 10)
    });
    let queued = queued.await.unwrap();
    assert_eq!(queued.len(), 1);
    let report = house.store.open_body(queued[0].body, 0).unwrap();
    let report = String::from_utf8(report.octets(0, report.len()).unwrap()).unwrap();
    for there in [
        "Feedback-Type: abuse",
        "Source-IP: 192.0.2.7",
        "Reported-Domain: ngoai.example",
        "Original-Mail-From: <gui@ngoai.example>",
        "Incidents: 2",
    ] {
        assert!(report.contains(there), "{there}: {report}");
    }
    for gone in ["p0@", "p2@", "b.test", "nhan@"] {
        assert!(!report.contains(gone), "{gone}: {report}");
    }
}
