//! Records are found wherever they stand, and go when their time is over.

use std::time::Duration;

use super::*;
use crate::store::{Options, Store};

const KEEP: Duration = Duration::from_hours(24 * 90);

fn accepted(id: &str, rcpts: Vec<String>) -> Accepted {
    Accepted {
        id: id.into(),
        about: None,
        door: Door::Mx,
        client: Client {
            address: Some("198.51.100.7".parse().expect("an address")),
            hello: "mail.so.test".into(),
            tls: Some(Tls::new("TLSv1.3", "TLS_AES_256_GCM_SHA384")),
            account: None,
        },
        sender: "An.Nguyen@so.test".into(),
        message_id: Some(format!("<{id}@so.test>")),
        size: 10_240,
        judged: None,
        rcpts,
        others: Vec::new(),
        placed: vec![Placed {
            account: AccountId(7),
            mailbox: MailboxId(40),
            uid: Uid(3),
        }],
        full: Vec::new(),
        queued: None,
    }
}

async fn write(store: &Store, event: Event) {
    store
        .transact(move |tx| tx.trace(event.clone()))
        .await
        .expect("written");
}

async fn all(store: &Store, key: Key) -> Vec<Trace> {
    let mut found = Vec::new();
    let mut from = Some(Place::default());
    while let Some(place) = from {
        let wanted = Wanted {
            prints: vec![key.print()],
            since: None,
            until: None,
        };
        let step = store.read(move |r| r.traces(&wanted, place)).await;
        let step = step.expect("read");
        assert!(step.next.is_none_or(|next| next > place), "{place:?}");
        found.extend(step.traces);
        from = step.next;
    }
    found
}

fn open() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, _) = Store::open(folder.path(), Options::default()).expect("a store");
    (folder, store)
}

#[test]
fn a_usual_record_is_small() {
    let letter = accepted("0123456789abcde", vec!["an@bo.gov.test".into()]);
    let record = Trace {
        place: Place::default(),
        at: Timestamp(1_795_323_600_000),
        event: Event::Accepted(letter),
    };
    let octets = record.encode();
    assert!(octets.len() <= 150, "{}", octets.len());
    let back = Trace::decode(&Place::default().octets(), &octets).expect("own encoding");
    assert_eq!(back, record);
    assert!(matches!(
        Trace::decode(&Place::default().octets(), &[9, 0]),
        Err(Error::Newer { found: 9, .. })
    ));
    assert!(Trace::decode(&[1], &octets).is_err());
    assert!(Trace::decode(&Place::default().octets(), &[VERSION, 77]).is_err());
}

#[tokio::test]
async fn records_are_found_in_pages_and_behind_them() {
    let (_folder, store) = open();
    let mut keeper = Keeper::default();
    for number in 0..2_500 {
        let rcpts = vec![format!("u{number}@bo.test"), "all@bo.test".into()];
        write(
            &store,
            Event::Accepted(accepted(&format!("id{number}"), rcpts)),
        )
        .await;
    }
    assert!(keeper.step(&store, KEEP).await.expect("a step"));
    while keeper.step(&store, KEEP).await.expect("a step") {}
    for number in [0, 1, 799, 1_600, 2_499] {
        for key in [
            Key::Id(format!("id{number}")),
            Key::MessageId(format!("<id{number}@so.test>")),
            Key::MessageId(format!("id{number}@so.test")),
            Key::Address(format!("U{number}@bo.test")),
        ] {
            let found = all(&store, key.clone()).await;
            assert_eq!(found.len(), 1, "{key:?}");
        }
    }
    assert_eq!(
        all(&store, Key::Address("all@bo.test".into())).await.len(),
        2_500
    );
    assert_eq!(all(&store, Key::Account(AccountId(7))).await.len(), 2_500);
    assert!(all(&store, Key::Id("id2500".into())).await.is_empty());
    // What comes behind the pages is found as well.
    write(&store, Event::Accepted(accepted("late", Vec::new()))).await;
    assert_eq!(all(&store, Key::Id("late".into())).await.len(), 1);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn a_circular_is_told_in_pieces() {
    let (_folder, store) = open();
    let rcpts: Vec<String> = (0..5_000)
        .map(|n| format!("nguoi-nhan-{n}@bo.gov.test"))
        .collect();
    let mut letter = accepted("circular", rcpts.clone());
    letter.placed = (0..5_000)
        .map(|n| Placed {
            account: AccountId(n),
            mailbox: MailboxId(u64::MAX - n),
            uid: Uid(u32::MAX),
        })
        .collect();
    write(&store, Event::Accepted(letter)).await;
    let mut keeper = Keeper::default();
    keeper.step(&store, KEEP).await.expect("a step");
    keeper.live(Duration::from_hours(7));
    while keeper.step(&store, KEEP).await.expect("a step") {}
    let found = all(&store, Key::Id("circular".into())).await;
    let (mut named, mut placed) = (Vec::new(), 0);
    for trace in found {
        match trace.event {
            Event::Accepted(letter) => {
                named.extend(letter.rcpts);
                placed += letter.placed.len();
            }
            Event::More(more) => {
                named.extend(more.rcpts);
                placed += more.placed.len();
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((named, placed), (rcpts, 5_000));
    assert_eq!(all(&store, Key::Account(AccountId(4_999))).await.len(), 1);
    store.close().await.expect("closed");
}

#[tokio::test]
async fn records_go_when_their_time_was_lived_through_and_not_before() {
    let (folder, store) = open();
    let mut keeper = Keeper::default();
    write(&store, Event::Accepted(accepted("first", Vec::new()))).await;
    keeper.step(&store, KEEP).await.expect("a step");
    keeper.live(Duration::from_hours(7));
    while keeper.step(&store, KEEP).await.expect("a step") {}
    // Off for what the clock calls forty years: at most a week is believed.
    store
        .transact(|tx| {
            let state = tx.get::<keep::State>(&())?.expect("written by the keeper");
            let clock = Timestamp(state.clock.0 - 40 * 365 * 86_400_000);
            tx.put(&keep::State { clock, ..state })
        })
        .await
        .expect("changed");
    store.close().await.expect("closed");
    let (store, _) = Store::open(folder.path(), Options::default()).expect("a store");
    let mut keeper = Keeper::default();
    while keeper.step(&store, KEEP).await.expect("a step") {}
    assert_eq!(all(&store, Key::Id("first".into())).await.len(), 1);
    keeper.live(Duration::from_hours(24 * 82));
    while keeper.step(&store, KEEP).await.expect("a step") {}
    assert_eq!(all(&store, Key::Id("first".into())).await.len(), 1);
    write(&store, Event::Accepted(accepted("second", Vec::new()))).await;
    keeper.live(Duration::from_hours(24 * 9));
    while keeper.step(&store, KEEP).await.expect("a step") {}
    assert!(all(&store, Key::Id("first".into())).await.is_empty());
    assert_eq!(all(&store, Key::Id("second".into())).await.len(), 1);
    store.close().await.expect("closed");
}

#[test]
fn moves_are_told_in_runs() {
    let pairs: Vec<_> = [(1, 11), (2, 12), (3, 13), (5, 14), (6, 15)]
        .into_iter()
        .map(|(old, new)| (Uid(old), Uid(new)))
        .collect();
    let events = Removed::events(MailboxId(1), AccountId(2), Some(MailboxId(3)), &pairs);
    let [Event::Removed(removed)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(removed.runs, [(1, 11, 3), (5, 14, 2)]);
    let prints = events[0].prints();
    assert_eq!(prints.len(), 10);
    for key in [(1, 2), (1, 6), (3, 12), (3, 15)] {
        let key = Key::Placed(MailboxId(key.0), Uid(key.1));
        assert!(prints.contains(&key.print()), "{key:?}");
    }
}
