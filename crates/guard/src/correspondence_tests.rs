//! Tests of `correspondence`: who is recognised, and how forgers fail.

use congvu_spam::facts::{Authentication, Outcome, Ptr};

use super::*;

const OURS: AccountId = AccountId(7);
const OTHER: AccountId = AccountId(8);
const DAY: i64 = 86_400;
const START: i64 = 1_700_000_000;
const ID: &str = "18c0ffee@so.test";

fn store() -> (Store, tempfile::TempDir) {
    let (guard, folder) = crate::house::guard();
    (guard.store().clone(), folder)
}

async fn write(store: &Store, to: &[&str], at: i64) {
    let letter = Sent {
        account: OURS,
        message_id: Some(format!("<{ID}>")),
        to: to.iter().map(|one| (*one).to_owned()).collect(),
        at,
    };
    store.transact(move |tx| sent(tx, &letter)).await.unwrap();
}

fn origin(from: &str, mail_from: &str, client: &str, ptr: &Ptr, spf: Outcome) -> Origin {
    let authentication = Authentication {
        spf,
        ..Authentication::default()
    };
    Origin::new(client.parse().ok(), ptr, from, mail_from, &authentication)
}

/// Not checked, from this client without a name.
fn from(address: &str, client: &str) -> Origin {
    origin(address, address, client, &Ptr::Missing, Outcome::Unknown)
}

async fn ask(store: &Store, account: AccountId, origin: &Origin, ids: &[&str]) -> Correspondence {
    let (origin, ids) = (origin.clone(), ids.iter().map(|id| (*id).to_owned()));
    let ids: Vec<String> = ids.collect();
    let found = store
        .read(move |r| find(r, &[account], &origin, &ids))
        .await
        .unwrap();
    let learned = found.learned;
    store.transact(move |tx| learn(tx, &learned)).await.unwrap();
    found.by_account.get(&account).copied().unwrap_or_default()
}

/// How many people the account has written to.
async fn count(store: &Store, account: AccountId) -> usize {
    let mut prefix = account.0.to_be_bytes().to_vec();
    prefix.push(0);
    let page = store
        .read(move |r| r.scan::<Contact>(&prefix, &[], PAGE))
        .await;
    page.unwrap().len()
}

#[tokio::test]
async fn an_answer_is_recognised_and_its_place_is_learned() {
    let (store, _folder) = store();
    write(&store, &["Lan@Partner.test"], START).await;
    let office = from("lan@partner.test", "203.0.113.5");
    let wrote = Correspondence::WroteTo { letters: 1 };
    // The name alone, from anywhere, gains nothing.
    assert_eq!(
        ask(&store, OURS, &office, &[]).await,
        Correspondence::Unknown
    );
    // Another account, another person.
    assert_eq!(
        ask(&store, OTHER, &office, &[ID]).await,
        Correspondence::None
    );
    let stranger = from("x@stranger.test", "203.0.113.5");
    assert_eq!(
        ask(&store, OURS, &stranger, &[]).await,
        Correspondence::None
    );
    // Who names our Message-ID has read the letter.
    assert_eq!(
        ask(&store, OURS, &office, &[ID]).await,
        Correspondence::Answer
    );
    // From then on the office is known, its neighbours too; not so other networks.
    assert_eq!(ask(&store, OURS, &office, &[]).await, wrote);
    let neighbour = from("lan@partner.test", "203.0.113.77");
    assert_eq!(ask(&store, OURS, &neighbour, &[]).await, wrote);
    let forger = from("lan@partner.test", "198.51.100.9");
    assert_eq!(
        ask(&store, OURS, &forger, &[]).await,
        Correspondence::Unknown
    );
    // A colleague answers, whom nobody wrote to.
    let colleague = from("minh@mail.partner.test", "203.0.113.5");
    assert_eq!(
        ask(&store, OURS, &colleague, &[ID]).await,
        Correspondence::Answer
    );
}

#[tokio::test]
async fn forgers_fail() {
    let (store, _folder) = store();
    write(&store, &["lan@partner.test"], START).await;
    // An answer from a domain that the letter never went to: the thread was stolen, or sent on.
    let elsewhere = from("lan@evil.test", "198.51.100.9");
    assert_eq!(
        ask(&store, OURS, &elsewhere, &[ID]).await,
        Correspondence::None
    );
    // The right name with another envelope.
    let mixed = origin(
        "lan@partner.test",
        "x@evil.test",
        "198.51.100.9",
        &Ptr::Missing,
        Outcome::Unknown,
    );
    assert_eq!(
        ask(&store, OURS, &mixed, &[ID]).await,
        Correspondence::Unknown
    );
    // Disproven: the Message-ID helps nothing either.
    let failed = origin(
        "lan@partner.test",
        "lan@partner.test",
        "198.51.100.9",
        &Ptr::Missing,
        Outcome::Fail,
    );
    assert_eq!(
        ask(&store, OURS, &failed, &[ID]).await,
        Correspondence::Unknown
    );
    // A confirmed name of another domain is no place of the correspondent.
    let named = Ptr::Confirmed("mail.evil.test".to_owned());
    let named = origin(
        "lan@partner.test",
        "lan@partner.test",
        "198.51.100.9",
        &named,
        Outcome::Unknown,
    );
    assert_eq!(
        ask(&store, OURS, &named, &[]).await,
        Correspondence::Unknown
    );
}

#[tokio::test]
async fn proven_senders_and_their_own_machines_are_recognised_anywhere() {
    let (store, _folder) = store();
    write(&store, &["lan@partner.test"], START).await;
    write(&store, &["lan@partner.test"], START + 9).await;
    let wrote = Correspondence::WroteTo { letters: 2 };
    let proven = origin(
        "lan@partner.test",
        "lan@partner.test",
        "203.0.113.5",
        &Ptr::Unknown,
        Outcome::Pass,
    );
    assert_eq!(ask(&store, OURS, &proven, &[]).await, wrote);
    // The place of the proven letter was learned.
    assert_eq!(
        ask(&store, OURS, &from("lan@partner.test", "203.0.113.6"), &[]).await,
        wrote
    );
    let own = Ptr::Confirmed("mx9.partner.test".to_owned());
    let own = origin(
        "lan@partner.test",
        "lan@partner.test",
        "198.51.100.1",
        &own,
        Outcome::Unknown,
    );
    assert_eq!(ask(&store, OURS, &own, &[]).await, wrote);
}

#[tokio::test]
async fn circulars_make_no_correspondents() {
    let (store, _folder) = store();
    let many: Vec<String> = (0..=TO_MOST).map(|n| format!("p{n}@far.test")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    write(&store, &many, START).await;
    assert_eq!(count(&store, OURS).await, 0);
    write(&store, &many[1..], START).await;
    assert_eq!(count(&store, OURS).await, TO_MOST);
}

#[tokio::test]
async fn the_old_are_forgotten() {
    let (store, _folder) = store();
    write(&store, &["old@far.test"], START).await;
    write(&store, &["new@far.test"], START + 300 * DAY).await;
    let now = START + 350 * DAY;
    assert_eq!(forget(&store, now).await.unwrap(), 0);
    let now = START + (PERSON_DAYS + 1) * DAY;
    assert_eq!(forget(&store, now).await.unwrap(), 1);
    assert_eq!(count(&store, OURS).await, 1);
    // The letter goes before the person.
    assert_eq!(forget(&store, START + 421 * DAY).await.unwrap(), 1);
    assert_eq!(count(&store, OURS).await, 1);
}

#[test]
fn too_many_contacts() {
    let contact = |n: usize| {
        (
            OURS,
            What::Person(format!("{n:05}@x.test")),
            i64::try_from(n).unwrap(),
        )
    };
    let mut all: Vec<_> = (0..CONTACTS_MOST + 3).map(contact).collect();
    all.push((OURS, What::Letter(ID.to_owned()), 0));
    let gone = beyond(&mut all);
    let names: Vec<_> = gone.into_iter().map(|(_, what)| what).collect();
    let name = |n: usize| What::Person(format!("{n:05}@x.test"));
    assert_eq!(names, [name(2), name(1), name(0)]);
}

#[test]
fn message_ids_of_a_thread() {
    let head =
        b"References: <a@x.test> <b@x.test>\r\n <c@x.test>\r\nIn-Reply-To: <c@x.test>\r\n\r\n";
    assert_eq!(named(head), ["c@x.test", "b@x.test", "a@x.test"]);
    let many: Vec<String> = (0..50).map(|n| format!("<{n}@x.test>")).collect();
    let many = many.join(" ");
    let head = format!(
        "References: {many} <no> <{}@x.test>\r\n\r\n",
        "y".repeat(300)
    );
    let found = named(head.as_bytes());
    assert_eq!(found.len(), NAMED_MOST);
    assert_eq!(found[0], "49@x.test");
    assert!(named(b"Subject: x\r\n\r\n").is_empty());
}
