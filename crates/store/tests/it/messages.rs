//! Appending, flags, copies, moves, expunging, quotas, records of others.

use congvu_store::feed::ChangeKind;
use congvu_store::tx::{Quota, RECORD};
use congvu_store::{Error, FlagChange, Flags, ModSeq, NewMessage, Read, Record, Table, Topic, Uid};

use crate::world::{ACCOUNT, LEDGER, append, dump, mailbox, new_message, octets, store};

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[tokio::test]
async fn what_is_appended_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await;
    let mut watcher = store.watch(Topic::Mailbox(inbox.id));
    let message = append(&store, inbox.id, "Kính gửi".as_bytes()).await;
    assert_eq!(
        (message.uid, message.size, message.date, message.zone),
        (Uid(1), 11, 1_700_000_000, 420)
    );
    assert!(message.modseq > inbox.modseq);
    assert_eq!(
        octets(&store, &message).await.unwrap(),
        "Kính gửi".as_bytes()
    );
    watcher.changed().await;
    let batch = watcher.take();
    assert_eq!(batch.changes.len(), 1);
    assert_eq!(
        (batch.changes[0].kind, batch.changes[0].modseq),
        (ChangeKind::Added(Uid(1)), message.modseq)
    );
    assert_eq!(
        store
            .read(move |tx| tx.message(inbox.id, Uid(1)))
            .await
            .unwrap(),
        Some(message)
    );
    assert_eq!(
        store
            .read(move |tx| tx.message(inbox.id, Uid(2)))
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn one_body_serves_all_mailboxes() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let boxes = [
        mailbox(&store, "INBOX").await.id,
        mailbox(&store, "Archive").await.id,
    ];
    let body = store.prepare(b"circular", b"").unwrap();
    let placed = store
        .transact(move |tx| {
            boxes
                .iter()
                .map(|id| tx.append(*id, &body, &new_message(), Quota::Enforce))
                .collect::<Result<Vec<_>, _>>()
        })
        .await
        .unwrap();
    assert_eq!(placed[0].body, placed[1].body);
    assert_eq!(octets(&store, &placed[1]).await.unwrap(), b"circular");
}

#[tokio::test]
async fn flags_and_keywords_change_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    append(&store, inbox, b"x").await;
    let change =
        |change: FlagChange| store.transact(move |tx| tx.change_flags(inbox, Uid(1), &change));
    let (one, changed) = change(FlagChange::Add(Flags::SEEN, words(&["$Khan", "b"])))
        .await
        .unwrap();
    assert!(changed && one.flags == Flags::SEEN && one.keywords == [0, 1]);
    let (_, changed) = change(FlagChange::Add(Flags::SEEN, words(&["B", "$khan"])))
        .await
        .unwrap();
    assert!(!changed, "keywords are the same in any case");
    let (two, changed) = change(FlagChange::Remove(
        Flags::SEEN.union(Flags::DRAFT),
        words(&["b", "unknown"]),
    ))
    .await
    .unwrap();
    assert!(changed && two.flags == Flags::default() && two.keywords == [0]);
    assert!(two.modseq > one.modseq);
    let (three, _) = change(FlagChange::Replace(Flags::DELETED, words(&["c"])))
        .await
        .unwrap();
    assert_eq!((three.flags, three.keywords), (Flags::DELETED, vec![2]));
    let mailbox = mailbox(&store, "INBOX").await;
    assert_eq!(mailbox.keywords, ["$Khan", "b", "c"]);
    assert_eq!(
        (mailbox.unseen, mailbox.deleted, mailbox.modseq),
        (1, 1, three.modseq)
    );
    let missing = store
        .transact(move |tx| {
            tx.change_flags(inbox, Uid(9), &FlagChange::Add(Flags::SEEN, Vec::new()))
        })
        .await;
    assert!(
        matches!(missing, Err(Error::NoMessage(id, Uid(9))) if id == inbox),
        "{missing:?}"
    );
    let many: Vec<String> = (0..257).map(|number| format!("k{number}")).collect();
    let over = change(FlagChange::Add(Flags::SEEN, many)).await;
    assert!(matches!(over, Err(Error::Limit(_))), "{over:?}");
    let long = change(FlagChange::Add(Flags::SEEN, vec!["k".repeat(129)])).await;
    assert!(matches!(long, Err(Error::Limit(_))), "{long:?}");
    dump(&store).await;
}

#[tokio::test]
async fn copies_and_moves_keep_what_belongs_to_the_message() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let (inbox, sent) = (
        mailbox(&store, "INBOX").await.id,
        mailbox(&store, "Sent").await.id,
    );
    for number in 0..3 {
        let body = store
            .prepare(format!("text {number}").as_bytes(), b"")
            .unwrap();
        let new = NewMessage {
            keywords: words(&["x", "y"][..number.min(2)]),
            flags: Flags::SEEN,
            date: i64::try_from(number).unwrap(),
            zone: 0,
        };
        store
            .transact(move |tx| tx.append(inbox, &body, &new, Quota::Enforce))
            .await
            .unwrap();
    }
    let uids = [Uid(3), Uid(77), Uid(1), Uid(3)];
    let pairs = store
        .transact(move |tx| tx.copy(inbox, &uids, sent, Quota::Enforce))
        .await
        .unwrap();
    assert_eq!(pairs, [(Uid(3), Uid(1)), (Uid(1), Uid(2))]);
    let copied = store
        .read(move |tx| tx.message(sent, Uid(1)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (copied.flags, copied.date, copied.keywords.len()),
        (Flags::SEEN, 2, 2)
    );
    assert_eq!(octets(&store, &copied).await.unwrap(), b"text 2");

    let before = mailbox(&store, "INBOX").await.modseq;
    let pairs = store
        .transact(move |tx| tx.relocate(inbox, &[Uid(2), Uid(9)], sent))
        .await
        .unwrap();
    assert_eq!(pairs, [(Uid(2), Uid(3))]);
    assert_eq!(
        store
            .read(move |tx| tx.expunged_since(inbox, before))
            .await
            .unwrap(),
        [Uid(2)]
    );
    let same = store
        .transact(move |tx| tx.relocate(inbox, &[Uid(1)], inbox))
        .await
        .unwrap();
    assert_eq!(same, [(Uid(1), Uid(4))]);
    assert_eq!(
        store.read(move |tx| tx.uids(inbox)).await.unwrap(),
        [Uid(3), Uid(4)]
    );
    dump(&store).await;
}

#[tokio::test]
async fn expunged_messages_are_listed_by_mod_sequence() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    for _ in 0..5 {
        append(&store, inbox, b"x").await;
    }
    let expunge = |uids: &'static [Uid]| store.transact(move |tx| tx.expunge(inbox, uids));
    assert_eq!(
        expunge(&[Uid(4), Uid(2), Uid(9), Uid(2)]).await.unwrap(),
        [Uid(4), Uid(2)]
    );
    let between = mailbox(&store, "INBOX").await.modseq;
    assert_eq!(expunge(&[Uid(5)]).await.unwrap(), [Uid(5)]);
    assert_eq!(expunge(&[Uid(5)]).await.unwrap(), []);
    let since = |modseq| store.read(move |tx| tx.expunged_since(inbox, modseq));
    assert_eq!(since(ModSeq(0)).await.unwrap(), [Uid(2), Uid(4), Uid(5)]);
    assert_eq!(since(between).await.unwrap(), [Uid(5)]);
    assert_eq!(since(ModSeq(u64::MAX)).await.unwrap(), []);
    assert_eq!(append(&store, inbox, b"new").await.uid, Uid(6));
    dump(&store).await;
}

#[tokio::test]
async fn quotas_bind_when_they_should_and_a_refusal_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let (inbox, sent) = (
        mailbox(&store, "INBOX").await.id,
        mailbox(&store, "Sent").await.id,
    );
    store
        .transact(|tx| tx.set_limits(LEDGER, 10, 3))
        .await
        .unwrap();
    append(&store, inbox, b"12345").await;
    append(&store, inbox, b"12345").await;
    let body = store.prepare(b"1", b"").unwrap();
    let tried = body.clone();
    let before = dump(&store).await;
    let outcome = store
        .transact(move |tx| {
            let refused = tx.append(
                inbox,
                &tried,
                &NewMessage {
                    keywords: words(&["new"]),
                    ..new_message()
                },
                Quota::Enforce,
            );
            assert!(
                matches!(refused, Err(Error::OverQuota(LEDGER))),
                "{refused:?}"
            );
            let copied = tx.copy(inbox, &[Uid(1)], sent, Quota::Enforce);
            assert!(
                matches!(copied, Err(Error::OverQuota(LEDGER))),
                "{copied:?}"
            );
            Ok::<_, Error>(())
        })
        .await;
    outcome.unwrap();
    assert_eq!(dump(&store).await, before);
    store
        .transact(move |tx| tx.relocate(inbox, &[Uid(1)], sent))
        .await
        .unwrap();
    store
        .transact(move |tx| tx.append(inbox, &body, &new_message(), Quota::Ignore))
        .await
        .unwrap();
    assert_eq!(dump(&store).await.ledger.messages, 3);
    store
        .transact(|tx| tx.set_limits(LEDGER, 0, 3))
        .await
        .unwrap();
    let body = store.prepare(b"1", b"").unwrap();
    let refused = store
        .transact(move |tx| tx.append(inbox, &body, &new_message(), Quota::Enforce))
        .await;
    assert!(
        matches!(refused, Err(Error::OverQuota(LEDGER))),
        "{refused:?}"
    );
}

/// A record as another crate would have it.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Note {
    number: u16,
    text: Vec<u8>,
}

impl Record for Note {
    const TABLE: Table = Table::Audit;
    type Key = u16;
    fn key(&self) -> u16 {
        self.number
    }
    fn key_octets(key: &u16) -> Vec<u8> {
        key.to_be_bytes().to_vec()
    }
    fn encode(&self) -> Vec<u8> {
        self.text.clone()
    }
    fn decode(key: &[u8], value: &[u8]) -> Result<Self, Error> {
        let number = key
            .try_into()
            .map_err(|_| Error::Damaged("note".to_owned()))?;
        Ok(Self {
            number: u16::from_be_bytes(number),
            text: value.to_vec(),
        })
    }
}

#[tokio::test]
async fn records_of_others_are_kept_scanned_and_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let seen = store
        .transact(|tx| {
            for number in 0..2_000_u16 {
                tx.put(&Note {
                    number,
                    text: number.to_string().into_bytes(),
                })?;
            }
            tx.delete::<Note>(&7)?;
            tx.delete::<Note>(&9_999)?;
            Ok::<_, Error>((tx.get::<Note>(&6)?, tx.get::<Note>(&7)?))
        })
        .await
        .unwrap();
    assert_eq!(
        seen,
        (
            Some(Note {
                number: 6,
                text: b"6".to_vec()
            }),
            None
        )
    );
    let scan = |prefix: Vec<u8>, from: Vec<u8>, limit: usize| {
        let store = store.clone();
        async move {
            let notes = store
                .read(move |tx| tx.scan::<Note>(&prefix, &from, limit))
                .await
                .unwrap();
            notes.iter().map(|note| note.number).collect::<Vec<_>>()
        }
    };
    assert_eq!(
        scan(vec![], vec![], 5_000).await.len(),
        1_024,
        "a page is bounded"
    );
    assert_eq!(scan(vec![], vec![0, 6], 3).await, [6, 8, 9]);
    assert_eq!(scan(vec![1], vec![], 2).await, [256, 257]);
    assert_eq!(scan(vec![1], vec![0, 3], 1).await, [256]);
    assert_eq!(scan(vec![1], vec![2, 0], 9).await, Vec::<u16>::new());
    assert_eq!(
        scan(vec![7], vec![7, 200], 999).await,
        (1_992..2_000).collect::<Vec<_>>()
    );
    assert_eq!(scan(vec![], vec![], 0).await, Vec::<u16>::new());

    let fits = store
        .transact(|tx| {
            tx.put(&Note {
                number: 1,
                text: vec![7; RECORD],
            })
        })
        .await;
    fits.unwrap();
    let large = store
        .transact(|tx| {
            tx.put(&Note {
                number: 1,
                text: vec![7; RECORD + 1],
            })
        })
        .await;
    assert!(
        matches!(large, Err(Error::TooLarge(size)) if size == RECORD + 1),
        "{large:?}"
    );
}

#[tokio::test]
async fn sequences_never_go_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let next = || store.transact(|tx| tx.next("letters"));
    assert_eq!((next().await.unwrap(), next().await.unwrap()), (1, 2));
    let failed = store
        .transact(|tx| {
            tx.next("letters")?;
            Err::<(), _>(Error::NoAccount)
        })
        .await;
    assert!(matches!(failed, Err(Error::NoAccount)));
    assert_eq!(next().await.unwrap(), 3);
    drop(store);
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (store, _) = crate::world::open(folder.path());
    assert_eq!(store.transact(|tx| tx.next("letters")).await.unwrap(), 4);
    assert_eq!(
        store.read(|tx| tx.mailboxes(ACCOUNT)).await.unwrap().len(),
        6
    );
}
