//! Bringing back what was deleted, and forgetting it.

use congvu_store::calendar::{CalendarRead as _, DAY};
use congvu_store::deleted::{DeletedId, DeletedMessage, DeletedRead as _, Removal};
use congvu_store::feed::ChangeKind;
use congvu_store::tx::Quota;
use congvu_store::{
    AccountId, Error, FlagChange, Flags, LedgerId, Mailbox, MailboxId, ModSeq, Read, Store,
    Timestamp, Topic, Uid,
};

use crate::world::{ACCOUNT, LEDGER, append, dump, mailbox, new_message, octets, open, store};

async fn expunge(store: &Store, mailbox: MailboxId, uids: &[u32]) {
    let uids: Vec<Uid> = uids.iter().copied().map(Uid).collect();
    let wanted = uids.clone();
    let gone = store
        .transact(move |tx| tx.expunge(mailbox, &wanted))
        .await
        .unwrap();
    assert_eq!(gone, uids);
}

/// Deleted messages of a mailbox, read in small pages.
async fn deleted(store: &Store, mailbox: MailboxId) -> Vec<DeletedMessage> {
    store
        .read(move |tx| {
            let removed = tx.deleted_mailbox(ACCOUNT, mailbox)?;
            let (mut all, mut after) = (Vec::new(), None);
            loop {
                let page = tx.deleted_messages(mailbox, removed.as_ref(), after, 2)?;
                assert!(page.messages.len() <= 2);
                all.extend(page.messages);
                after = page.next;
                if after.is_none() {
                    return Ok::<_, Error>(all);
                }
            }
        })
        .await
        .unwrap()
}

async fn ids(store: &Store, mailbox: MailboxId) -> Vec<DeletedId> {
    let all = deleted(store, mailbox).await;
    all.into_iter().map(|message| message.id).collect()
}

async fn back(
    store: &Store,
    ids: &[DeletedId],
    into: Option<&'static str>,
) -> congvu_store::Undeleted {
    let ids = ids.to_vec();
    store
        .transact(move |tx| tx.undelete(ACCOUNT, &ids, into, Quota::Enforce))
        .await
        .unwrap()
}

async fn delete(store: &Store, name: &'static str) {
    store
        .transact(move |tx| tx.delete_mailbox(ACCOUNT, name))
        .await
        .unwrap();
}

async fn create(store: &Store, name: &'static str) -> Mailbox {
    store
        .transact(move |tx| tx.create_mailbox(ACCOUNT, name, None))
        .await
        .unwrap()
}

async fn pass(store: &Store, milliseconds: u64) {
    store
        .transact(move |tx| tx.count_time(milliseconds, Timestamp(0)))
        .await
        .unwrap();
}

async fn kept_for(store: &Store, days: u32) -> Option<ModSeq> {
    store.read(move |tx| tx.kept_for(days)).await.unwrap()
}

#[tokio::test]
async fn messages_come_back_with_new_uids_and_all_they_had() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    for text in ["one", "two", "three", "four"] {
        append(&store, inbox, text.as_bytes()).await;
    }
    let marks = FlagChange::Add(
        Flags::FLAGGED.union(Flags::DELETED),
        vec!["$Khan".to_owned()],
    );
    store
        .transact(move |tx| tx.change_flags(inbox, Uid(2), &marks))
        .await
        .unwrap();
    expunge(&store, inbox, &[2, 3]).await;
    expunge(&store, inbox, &[1]).await;
    let kept = deleted(&store, inbox).await;
    let uids: Vec<u32> = kept.iter().map(|one| one.id.uid.0).collect();
    assert_eq!(uids, [2, 3, 1], "in the order in which they went");
    assert!(
        kept.iter()
            .all(|one| one.at.0 > 0 && one.since == one.id.modseq)
    );

    let mut watcher = store.watch(Topic::Mailbox(inbox));
    let done = back(&store, &[kept[0].id, kept[2].id], None).await;
    assert_eq!(
        done.placed,
        [(kept[0].id, inbox, Uid(5)), (kept[2].id, inbox, Uid(6))]
    );
    assert!(done.missing.is_empty());
    let told: Vec<_> = watcher.take().changes.iter().map(|one| one.kind).collect();
    assert_eq!(told, [ChangeKind::Added(Uid(5)), ChangeKind::Added(Uid(6))]);
    let now = mailbox(&store, "INBOX").await;
    let message = store
        .read(move |tx| tx.message(inbox, Uid(5)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(message.flags, Flags::FLAGGED, "without \\Deleted");
    assert_eq!(now.keywords[usize::from(message.keywords[0])], "$Khan");
    assert_eq!((message.date, message.zone), (1_700_000_000, 420));
    assert_eq!(message.modseq, now.modseq);
    assert_eq!(octets(&store, &message).await.unwrap(), b"two");
    assert_eq!(ids(&store, inbox).await, [kept[1].id]);
    // The old UIDs stay gone.
    let gone = store
        .read(move |tx| tx.expunged_since(inbox, ModSeq(0)))
        .await
        .unwrap();
    assert_eq!(gone, [Uid(2), Uid(3), Uid(1)]);
    // Nothing comes back twice, and nothing of others.
    let again = back(&store, &[kept[0].id], None).await;
    assert_eq!((again.placed.len(), again.missing.len()), (0, 1));
    store
        .transact(|tx| tx.create_home(AccountId(2), &[LedgerId(2)]))
        .await
        .unwrap();
    let stolen = kept[1].id;
    let stranger = store
        .transact(move |tx| tx.undelete(AccountId(2), &[stolen], None, Quota::Enforce))
        .await
        .unwrap();
    assert_eq!(stranger.missing, [stolen]);
    // Elsewhere, into a mailbox that is made for it.
    let done = back(&store, &[kept[1].id], Some("Tìm lại/2026")).await;
    let made = mailbox(&store, "Tìm lại/2026").await;
    assert_eq!(done.placed, [(kept[1].id, made.id, Uid(1))]);
    let seen = dump(&store).await;
    store.close().await.unwrap();
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (store, report) = open(folder.path());
    assert!(report.rebuilt.is_some());
    assert_eq!(dump(&store).await, seen);
}

#[tokio::test]
async fn quota_binds_unless_told_otherwise_and_deleted_mail_is_not_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    for _ in 0..3 {
        append(&store, inbox, b"ten octets").await;
    }
    expunge(&store, inbox, &[1, 2]).await;
    let ledger = store.read(|tx| tx.ledger(LEDGER)).await.unwrap();
    assert_eq!((ledger.octets, ledger.messages), (10, 1));
    store
        .transact(|tx| tx.set_limits(LEDGER, 20, 0))
        .await
        .unwrap();
    let wanted = ids(&store, inbox).await;
    let both = wanted.clone();
    let over = store
        .transact(move |tx| tx.undelete(ACCOUNT, &both, Some("neu"), Quota::Enforce))
        .await;
    assert!(matches!(over, Err(Error::OverQuota(LEDGER))), "{over:?}");
    assert_eq!(ids(&store, inbox).await, wanted, "all or nothing");
    assert!(
        store
            .read(|tx| tx.mailbox_named(ACCOUNT, "neu"))
            .await
            .unwrap()
            .is_none()
    );
    store
        .transact(move |tx| tx.undelete(ACCOUNT, &wanted, None, Quota::Ignore))
        .await
        .unwrap();
    dump(&store).await;
}

#[tokio::test]
async fn a_deleted_mailbox_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let before = create(&store, "Công văn/2026").await;
    append(&store, before.id, b"one").await;
    append(&store, before.id, b"two").await;
    expunge(&store, before.id, &[1]).await;
    let seen = dump(&store).await;
    delete(&store, "Công văn/2026").await;
    let id = before.id;
    let listed = store
        .read(|tx| tx.deleted_mailboxes(ACCOUNT, None, 10))
        .await
        .unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].mailbox.name, "Công văn/2026");
    let kept: Vec<_> = ids(&store, id)
        .await
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[1], format!("{id}-2-0"));
    let revived = store
        .transact(move |tx| tx.undelete_mailbox(ACCOUNT, id, None, Quota::Enforce))
        .await
        .unwrap();
    assert_eq!(
        (revived.id, revived.uidvalidity, revived.uidnext),
        (id, before.uidvalidity, Uid(3))
    );
    let after = dump(&store).await;
    assert_eq!(after.ledger, seen.ledger);
    assert_eq!(after.subscriptions, seen.subscriptions);
    for ((new, messages, gone), (old, old_messages, old_gone)) in
        after.mailboxes.iter().zip(&seen.mailboxes)
    {
        assert_eq!(
            (&new.name, messages, gone),
            (&old.name, old_messages, old_gone)
        );
    }
    let again = store
        .transact(move |tx| tx.undelete_mailbox(ACCOUNT, id, None, Quota::Enforce))
        .await;
    assert!(matches!(again, Err(Error::NoMailbox)), "{again:?}");
}

#[tokio::test]
async fn a_taken_name_gets_a_number_and_a_name_borne_since_gets_a_new_uidvalidity() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let first = create(&store, "a").await;
    append(&store, first.id, b"one").await;
    delete(&store, "a").await;
    let second = create(&store, "a").await;
    let id = first.id;
    let revived = store
        .transact(move |tx| tx.undelete_mailbox(ACCOUNT, id, None, Quota::Enforce))
        .await
        .unwrap();
    assert_eq!((revived.name.as_str(), revived.id), ("a (2)", first.id));
    assert!(revived.uidvalidity > second.uidvalidity);
    assert_eq!(revived.uidnext, Uid(2));
    // The same when the other one is gone again: a client may have seen it under the name.
    delete(&store, "a (2)").await;
    append(&store, second.id, b"two").await;
    delete(&store, "a").await;
    let revived = store
        .transact(move |tx| tx.undelete_mailbox(ACCOUNT, id, Some("a"), Quota::Enforce))
        .await
        .unwrap();
    assert_eq!(revived.name, "a");
    assert!(revived.uidvalidity > second.uidvalidity);
    let taken = second.id;
    let taken = store
        .transact(move |tx| tx.undelete_mailbox(ACCOUNT, taken, Some("A/../b"), Quota::Enforce))
        .await
        .unwrap();
    assert_eq!(taken.name, "A/../b", "a name like any other");
    let inbox = mailbox(&store, "INBOX").await.id;
    let live = store
        .transact(move |tx| tx.undelete_mailbox(ACCOUNT, inbox, None, Quota::Enforce))
        .await;
    assert!(matches!(live, Err(Error::NoMailbox)), "{live:?}");
    dump(&store).await;
}

#[tokio::test]
async fn single_messages_of_a_deleted_mailbox_come_back_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let old = create(&store, "Dự án").await;
    for text in ["one", "two", "three"] {
        append(&store, old.id, text.as_bytes()).await;
    }
    expunge(&store, old.id, &[3]).await;
    delete(&store, "Dự án").await;
    let kept = ids(&store, old.id).await;
    assert_eq!(kept.len(), 3);
    let done = back(&store, &[kept[0], kept[1]], None).await;
    let made = mailbox(&store, "Dự án").await;
    assert_ne!(made.id, old.id);
    assert!(made.uidvalidity > old.uidvalidity);
    assert_eq!(done.placed.len(), 2);
    assert_eq!(ids(&store, old.id).await, [kept[2]]);
    let id = old.id;
    let revived = store
        .transact(move |tx| tx.undelete_mailbox(ACCOUNT, id, None, Quota::Enforce))
        .await
        .unwrap();
    assert_eq!((revived.messages, revived.size), (1, 3));
    let gone = store
        .read(move |tx| tx.expunged_since(id, ModSeq(0)))
        .await
        .unwrap();
    assert_eq!(gone, [Uid(3), Uid(1)]);
    dump(&store).await;
}

#[tokio::test]
async fn a_removed_home_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let made = create(&store, "a/b").await;
    append(&store, made.id, b"one").await;
    // Deleted before the home was removed: stays deleted.
    let earlier = create(&store, "c").await;
    append(&store, earlier.id, b"two").await;
    delete(&store, "c").await;
    store
        .transact(|tx| tx.set_subscribed(ACCOUNT, "a", false))
        .await
        .unwrap();
    let seen = dump(&store).await;
    store.transact(|tx| tx.remove_home(ACCOUNT)).await.unwrap();
    let none = store
        .transact(|tx| tx.undelete(ACCOUNT, &[], None, Quota::Enforce))
        .await;
    assert!(matches!(none, Err(Error::NoAccount)), "{none:?}");
    store
        .transact(|tx| tx.undelete_home(ACCOUNT, &[LEDGER], Quota::Enforce))
        .await
        .unwrap();
    let after = dump(&store).await;
    assert_eq!(
        (after.ledger, &after.subscriptions),
        (seen.ledger, &seen.subscriptions)
    );
    for ((new, messages, _), (old, old_messages, _)) in after.mailboxes.iter().zip(&seen.mailboxes)
    {
        let known = |m: &Mailbox| {
            (
                m.id,
                m.name.clone(),
                m.uidvalidity,
                m.uidnext,
                m.special_use,
            )
        };
        assert_eq!((known(new), messages), (known(old), old_messages));
    }
    let left = store
        .read(|tx| tx.deleted_mailboxes(ACCOUNT, None, 10))
        .await
        .unwrap();
    assert_eq!(left.len(), 1);
    let again = store
        .transact(|tx| tx.undelete_home(ACCOUNT, &[LEDGER], Quota::Enforce))
        .await;
    assert!(matches!(again, Err(Error::MailboxExists)), "{again:?}");
    let nobody = store
        .transact(|tx| tx.undelete_home(AccountId(9), &[], Quota::Enforce))
        .await;
    assert!(matches!(nobody, Err(Error::NoAccount)), "{nobody:?}");
}

#[tokio::test]
async fn days_pass_only_while_they_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    append(&store, inbox, b"one").await;
    append(&store, inbox, b"two").await;
    expunge(&store, inbox, &[1]).await;
    let first = ids(&store, inbox).await[0].modseq;
    assert_eq!(kept_for(&store, 0).await, Some(ModSeq(u64::MAX)));
    assert_eq!(kept_for(&store, 1).await, None);
    // The first count begins day 0; what is older counts from there.
    let resume = |wall: i64| store.transact(move |tx| tx.resume_calendar(Timestamp(wall)));
    resume(1_000).await.unwrap();
    pass(&store, DAY / 2).await;
    expunge(&store, inbox, &[2]).await;
    let second = ids(&store, inbox).await[1].modseq;
    pass(&store, DAY / 2).await;
    let cut = kept_for(&store, 1).await.unwrap();
    assert!(first <= cut && second > cut, "{first} {second} {cut}");
    let days = |modseq| store.read(move |tx| tx.days_kept(modseq));
    assert_eq!(
        (days(first).await.unwrap(), days(second).await.unwrap()),
        (1, 0)
    );
    // A clock that jumps ten years ahead while the server is off is believed one day.
    let ten_years = i64::try_from(3_650 * DAY).unwrap();
    resume(ten_years).await.unwrap();
    assert_eq!(days(first).await.unwrap(), 2);
    assert_eq!(days(second).await.unwrap(), 1);
    assert_eq!(kept_for(&store, 3).await, None);
    let times =
        store.read(|tx| Ok::<_, Error>((tx.kept_since(0)?, tx.kept_since(2)?, tx.kept_since(3)?)));
    let (now, before, never) = times.await.unwrap();
    assert!(now >= before && before.is_some() && never.is_none());
    // Set back, it is not believed at all, nor when it is put right.
    resume(0).await.unwrap();
    assert_eq!(days(first).await.unwrap(), 2);
    resume(3_600_000).await.unwrap();
    assert_eq!(days(first).await.unwrap(), 2);
    // Notes older than any window are forgotten; the window of ten years still works.
    pass(&store, 3_700 * DAY).await;
    assert!(kept_for(&store, 3_650).await.is_some());
    assert_eq!(days(first).await.unwrap(), 3_650);
    pass(&store, DAY).await;
    assert!(kept_for(&store, 3_650).await.is_some());
}

#[tokio::test]
async fn what_is_purged_is_gone_page_by_page_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    let sent = mailbox(&store, "Sent").await.id;
    for _ in 0..10 {
        append(&store, inbox, b"letter").await;
    }
    append(&store, sent, b"sent").await;
    expunge(&store, sent, &[1]).await;
    expunge(&store, inbox, &[1, 2, 3, 4]).await;
    let cut = ids(&store, inbox).await[0].modseq;
    expunge(&store, inbox, &[5, 6]).await;
    let with = store
        .read(|tx| tx.expunged_mailboxes(MailboxId(0), 10))
        .await
        .unwrap();
    let with: Vec<_> = with.into_iter().map(|(id, _)| id).collect();
    let mut expected = [inbox, sent];
    expected.sort();
    assert_eq!(with, expected);
    let known = |store: &Store| {
        let store = store.clone();
        async move {
            store
                .read(move |tx| tx.expunges_known_since(inbox))
                .await
                .unwrap()
        }
    };
    assert_eq!(known(&store).await, ModSeq(0));
    let purge = |most| store.transact(move |tx| tx.purge_expunged(inbox, cut, most));
    let page = purge(3).await.unwrap();
    assert_eq!((page.messages, page.records, page.done), (3, 3, false));
    assert_eq!(known(&store).await, cut);
    let page = purge(3).await.unwrap();
    assert_eq!((page.messages, page.done), (1, true));
    let page = purge(3).await.unwrap();
    assert_eq!((page.messages, page.done), (0, true));
    let left: Vec<_> = ids(&store, inbox).await.iter().map(|id| id.uid.0).collect();
    assert_eq!(left, [5, 6]);
    let gone = store
        .read(move |tx| tx.expunged_since(inbox, cut))
        .await
        .unwrap();
    assert_eq!(gone, [Uid(5), Uid(6)], "complete from there on");
    let with = store
        .read(move |tx| tx.expunged_mailboxes(MailboxId(0), 10))
        .await
        .unwrap();
    assert_eq!(with.len(), 2);
    let all = store
        .transact(move |tx| tx.purge_expunged(inbox, ModSeq(u64::MAX), 100))
        .await
        .unwrap();
    assert_eq!((all.messages, all.done), (2, true));
    let with = store
        .read(move |tx| tx.expunged_mailboxes(MailboxId(0), 10))
        .await
        .unwrap();
    assert_eq!(with.len(), 1, "the mark alone is nothing to purge");
    // New messages go on as ever.
    let message = append(&store, inbox, b"new").await;
    assert_eq!(message.uid, Uid(11));
    let seen = dump(&store).await;
    store.close().await.unwrap();
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (store, _) = open(folder.path());
    assert_eq!(dump(&store).await, seen);
}

#[tokio::test]
async fn deleted_mailboxes_and_homes_are_purged_with_all_they_held() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let made = create(&store, "a").await.id;
    for _ in 0..40 {
        append(&store, made, b"letter").await;
    }
    expunge(&store, made, &[1, 2, 3]).await;
    delete(&store, "a").await;
    let removals = store.read(|tx| tx.removals(None, 10)).await.unwrap();
    let [removal] = removals[..] else {
        panic!("{removals:?}");
    };
    let mut messages = 0;
    let mut pages = 0;
    loop {
        let page = store
            .transact(move |tx| tx.purge_mailbox(removal, 16))
            .await
            .unwrap();
        messages += page.messages;
        pages += 1;
        if page.done {
            break;
        }
        assert!(page.records <= 32, "{page:?}");
    }
    assert_eq!(messages, 40);
    assert!(pages > 1);
    assert!(
        store
            .read(|tx| tx.removals(None, 10))
            .await
            .unwrap()
            .is_empty()
    );
    let id = made;
    let gone = store
        .transact(move |tx| tx.undelete_mailbox(ACCOUNT, id, None, Quota::Ignore))
        .await;
    assert!(matches!(gone, Err(Error::NoMailbox)), "{gone:?}");

    store.transact(|tx| tx.remove_home(ACCOUNT)).await.unwrap();
    assert!(
        !store.transact(|tx| tx.purge_home(ACCOUNT)).await.unwrap(),
        "mailboxes first"
    );
    let mut after: Option<Removal> = None;
    loop {
        let page = store.read(move |tx| tx.removals(after, 3)).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(*last);
        for removal in page.into_iter().filter(|one| !one.is_home()) {
            store
                .transact(move |tx| tx.purge_mailbox(removal, 100))
                .await
                .unwrap();
        }
    }
    assert!(store.transact(|tx| tx.purge_home(ACCOUNT)).await.unwrap());
    assert!(
        store
            .read(|tx| tx.removals(None, 10))
            .await
            .unwrap()
            .is_empty()
    );
    store.transact(|tx| tx.forget_ledger(LEDGER)).await.unwrap();
    let fits = store.read(|tx| {
        assert_eq!(tx.check_homes()?, []);
        Ok::<_, Error>(())
    });
    fits.await.unwrap();
}

#[tokio::test]
async fn a_mailbox_that_never_held_a_message_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    create(&store, "a").await;
    delete(&store, "a").await;
    assert!(
        store
            .read(|tx| tx.removals(None, 10))
            .await
            .unwrap()
            .is_empty()
    );
    let body = store.prepare(b"x", b"").unwrap();
    let made = create(&store, "a").await.id;
    let placed = store
        .transact(move |tx| tx.append(made, &body, &new_message(), Quota::Enforce))
        .await
        .unwrap();
    assert_eq!(placed.uid, Uid(1));
}
