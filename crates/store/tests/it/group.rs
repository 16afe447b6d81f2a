//! Many writers, failing and panicking closures, order of the feed, closing.

use congvu_store::feed::ChangeKind;
use congvu_store::tx::Quota;
use congvu_store::{Error, Options, Read, Store, Topic, Uid};

use crate::world::{ACCOUNT, append, dump, mailbox, new_message, open, store};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_get_distinct_uids_and_the_feed_tells_all_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    let mut watcher = store.watch(Topic::Mailbox(inbox));
    let tasks: Vec<_> = (0..40)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                for number in 0..10 {
                    mine.push((
                        append(&store, inbox, format!("{writer} {number}").as_bytes()).await,
                        writer,
                        number,
                    ));
                    if number % 3 == 0 {
                        let failed = store
                            .transact(move |tx| {
                                tx.create_mailbox(ACCOUNT, "never", None)?;
                                Err::<(), _>(Error::NoMailbox)
                            })
                            .await;
                        assert!(matches!(failed, Err(Error::NoMailbox)));
                    }
                }
                mine
            })
        })
        .collect();
    let mut placed = Vec::new();
    for task in tasks {
        placed.extend(task.await.unwrap());
    }
    for (message, writer, number) in &placed {
        let expected = format!("{writer} {number}");
        assert_eq!(
            crate::world::octets(&store, message).await.unwrap(),
            expected.as_bytes()
        );
    }
    let mut uids: Vec<_> = placed.iter().map(|(message, ..)| message.uid).collect();
    uids.sort();
    assert_eq!(uids, (1..=400).map(Uid).collect::<Vec<_>>());
    let batch = watcher.take();
    let told: Vec<_> = batch.changes.iter().map(|change| change.kind).collect();
    assert_eq!(
        told,
        (1..=400)
            .map(|uid| ChangeKind::Added(Uid(uid)))
            .collect::<Vec<_>>()
    );
    assert!(batch.changes.is_sorted_by_key(|change| change.modseq));
    let before = dump(&store).await;
    assert!(
        !before
            .mailboxes
            .iter()
            .any(|(mailbox, ..)| mailbox.name == "never")
    );
    store.close().await.unwrap();
    drop(store);
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (store, report) = open(folder.path());
    assert!(report.damaged.is_empty() && report.cut == 0, "{report:?}");
    assert_eq!(dump(&store).await, before);
}

#[tokio::test]
async fn a_failed_or_panicking_closure_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    append(&store, inbox, b"first").await;
    let before = dump(&store).await;
    let body = store.prepare(b"dropped", b"").unwrap();
    for panics in [false, true] {
        let body = body.clone();
        let outcome = store
            .transact(move |tx| {
                tx.append(inbox, &body, &new_message(), Quota::Enforce)?;
                tx.delete_mailbox(ACCOUNT, "Junk")?;
                assert!(!panics, "on purpose");
                Err::<(), _>(Error::NoAccount)
            })
            .await;
        match outcome {
            Err(Error::NoAccount) if !panics => {}
            Err(Error::Panicked(text)) if panics => assert!(text.contains("on purpose"), "{text}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(dump(&store).await, before);
    let next = append(&store, inbox, b"second").await;
    assert_eq!(next.uid, Uid(2));
    assert_eq!(
        crate::world::octets(&store, &next).await.unwrap(),
        b"second"
    );
}

#[tokio::test]
async fn a_transaction_sees_its_own_writes_and_readers_only_whole_ones() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    let body = store.prepare(b"x", b"").unwrap();
    store
        .transact(move |tx| {
            for expected in 1..=5 {
                tx.append(inbox, &body, &new_message(), Quota::Enforce)?;
                assert_eq!(tx.uids(inbox)?.len(), expected);
            }
            tx.expunge(inbox, &[Uid(2)])?;
            assert_eq!(tx.uids(inbox)?, [Uid(1), Uid(3), Uid(4), Uid(5)]);
            assert_eq!(tx.messages(inbox, Uid(2), Uid(4), 9)?.len(), 2);
            let made = tx.create_mailbox(ACCOUNT, "new", None)?;
            assert_eq!(tx.mailbox_named(ACCOUNT, "new")?, Some(made));
            tx.delete_mailbox(ACCOUNT, "new")?;
            assert_eq!(tx.mailbox_named(ACCOUNT, "new")?, None);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    dump(&store).await;
}

#[tokio::test]
async fn one_process_at_a_time_and_closed_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    match Store::open(folder.path(), Options::default()) {
        Err(Error::Locked(text)) => assert!(text.contains("process"), "{text}"),
        other => panic!("{other:?}"),
    }
    let other = store.clone();
    let mut watcher = store.watch(Topic::All);
    store.close().await.unwrap();
    watcher.changed().await;
    assert!(watcher.take().rescan);
    assert!(matches!(
        other.read(|tx| tx.mailboxes(ACCOUNT)).await,
        Err(Error::Closed)
    ));
    assert!(matches!(
        other.transact(|tx| tx.next("x")).await,
        Err(Error::Closed)
    ));
    other.close().await.unwrap();
    let (again, report) = open(folder.path());
    assert_eq!((report.replayed, report.rebuilt), (0, None));
    assert_eq!(
        again.read(|tx| tx.mailboxes(ACCOUNT)).await.unwrap().len(),
        6
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_whole_states_while_others_write_and_what_the_feed_tells_is_visible() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    let trash = mailbox(&store, "Trash").await.id;
    let mut watcher = store.watch(Topic::Mailbox(inbox));
    let writers: Vec<_> = (0..4_u8)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0..25_u8 {
                    let placed = append(&store, inbox, &[writer, number]).await;
                    if number % 2 == 0 {
                        let uids = [placed.uid];
                        store
                            .transact(move |tx| tx.relocate(inbox, &uids, trash))
                            .await
                            .unwrap();
                    }
                }
            })
        })
        .collect();
    let reader = store.clone();
    let reading = tokio::spawn(async move {
        loop {
            // Counters, ledgers and messages agree in every state, or this panics.
            let seen = dump(&reader).await;
            let there: u32 = seen
                .mailboxes
                .iter()
                .map(|(mailbox, ..)| mailbox.messages)
                .sum();
            if there == 100 {
                break;
            }
            tokio::task::yield_now().await;
        }
    });
    let (mut added, mut expunged) = (0, 0);
    while added < 100 || expunged < 52 {
        watcher.changed().await;
        for change in watcher.take().changes {
            let seen = mailbox(&store, "INBOX").await;
            assert!(seen.modseq >= change.modseq, "told before it was visible");
            match change.kind {
                ChangeKind::Added(_) => added += 1,
                ChangeKind::Expunged(_) => expunged += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    reading.await.unwrap();
}
