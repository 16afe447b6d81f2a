//! Names, identities, branches and subscriptions.

use congvu_store::feed::ChangeKind;
use congvu_store::tx::Quota;
use congvu_store::{AccountId, Error, LedgerId, Read, SpecialUse, Store, Topic, Uid};

use crate::world::{ACCOUNT, LEDGER, append, dump, mailbox, new_message, open, store};

async fn names(store: &Store) -> Vec<String> {
    store
        .read(|tx| tx.mailboxes(ACCOUNT))
        .await
        .unwrap()
        .into_iter()
        .map(|mailbox| mailbox.name)
        .collect()
}

async fn create(store: &Store, name: &'static str) -> Result<congvu_store::Mailbox, Error> {
    store
        .transact(move |tx| tx.create_mailbox(ACCOUNT, name, None))
        .await
}

async fn rename(store: &Store, from: &'static str, to: &'static str) -> Result<(), Error> {
    store
        .transact(move |tx| tx.rename_mailbox(ACCOUNT, from, to))
        .await
}

#[tokio::test]
async fn a_new_home_has_the_standard_mailboxes() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let mailboxes = store.read(|tx| tx.mailboxes(ACCOUNT)).await.unwrap();
    let found: Vec<_> = mailboxes
        .iter()
        .map(|mailbox| (mailbox.name.as_str(), mailbox.special_use))
        .collect();
    assert_eq!(
        found,
        [
            ("Archive", Some(SpecialUse::Archive)),
            ("Drafts", Some(SpecialUse::Drafts)),
            ("INBOX", None),
            ("Junk", Some(SpecialUse::Junk)),
            ("Sent", Some(SpecialUse::Sent)),
            ("Trash", Some(SpecialUse::Trash)),
        ]
    );
    assert_eq!(dump(&store).await.subscriptions.len(), 6);
    assert_eq!(
        store.read(|tx| tx.ledgers(ACCOUNT)).await.unwrap(),
        Some(vec![LEDGER])
    );
    let again = store.transact(|tx| tx.create_home(ACCOUNT, &[])).await;
    assert!(matches!(again, Err(Error::MailboxExists)), "{again:?}");
    let twice = store
        .transact(|tx| tx.create_home(AccountId(2), &[LEDGER, LEDGER]))
        .await;
    assert!(matches!(twice, Err(Error::Limit(_))), "{twice:?}");
    assert_eq!(
        store.read(|tx| tx.ledgers(AccountId(2))).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn names_are_compared_in_nfc_and_inbox_in_any_case() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let made = create(&store, "Văn bản đến").await.unwrap();
    let found = mailbox(&store, "Va\u{306}n ba\u{309}n đe\u{302}\u{301}n").await;
    assert_eq!(found.id, made.id);
    assert_eq!(mailbox(&store, "inBox").await.name, "INBOX");
    assert!(matches!(
        create(&store, "Inbox").await,
        Err(Error::MailboxExists)
    ));
    assert!(matches!(
        create(&store, "a//b").await,
        Err(Error::MailboxName(_))
    ));
    assert!(matches!(
        store.read(|tx| tx.mailbox_named(ACCOUNT, "a//b")).await,
        Ok(None)
    ));
    let nobody = store
        .transact(|tx| tx.create_mailbox(AccountId(9), "x", None))
        .await;
    assert!(matches!(nobody, Err(Error::NoAccount)), "{nobody:?}");
    let second = store
        .transact(|tx| tx.create_mailbox(ACCOUNT, "x", Some(SpecialUse::Junk)))
        .await;
    assert!(matches!(second, Err(Error::SpecialUseTaken)), "{second:?}");
}

#[tokio::test]
async fn a_branch_is_renamed_whole_and_keeps_its_identities() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    create(&store, "a/b/c").await.unwrap();
    create(&store, "ab").await.unwrap();
    let before = mailbox(&store, "a/b").await;
    append(&store, before.id, b"one").await;
    store
        .transact(|tx| tx.set_subscribed(ACCOUNT, "a/b/c", false))
        .await
        .unwrap();
    rename(&store, "a", "x/y").await.unwrap();
    let names = names(&store).await;
    let ours: Vec<_> = names
        .iter()
        .filter(|name| name.starts_with(['a', 'x']))
        .map(String::as_str)
        .collect();
    assert_eq!(ours, ["ab", "x", "x/y", "x/y/b", "x/y/b/c"]);
    let after = mailbox(&store, "x/y/b").await;
    assert_eq!(
        (after.id, after.uidvalidity, after.uidnext),
        (before.id, before.uidvalidity, Uid(2))
    );
    let subscribed = dump(&store).await.subscriptions;
    assert!(subscribed.contains(&"x/y/b".to_owned()) && subscribed.contains(&"a/b".to_owned()));
    assert!(!subscribed.contains(&"x/y/b/c".to_owned()));

    assert!(matches!(
        rename(&store, "x", "x/z").await,
        Err(Error::MailboxName(_))
    ));
    assert!(matches!(
        rename(&store, "nothing", "n").await,
        Err(Error::NoMailbox)
    ));
    assert!(matches!(
        rename(&store, "x", "ab").await,
        Err(Error::MailboxExists)
    ));
    assert!(matches!(
        rename(&store, "x", "inbox").await,
        Err(Error::MailboxExists)
    ));
    assert_eq!(
        self::names(&store).await,
        names,
        "a refused rename leaves no trace, also no parents"
    );
}

#[tokio::test]
async fn renaming_inbox_moves_its_messages() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    create(&store, "INBOX/con").await.unwrap();
    let inbox = mailbox(&store, "INBOX").await;
    for text in [b"one", b"two"] {
        append(&store, inbox.id, text).await;
    }
    rename(&store, "inbox", "Cũ/2025").await.unwrap();
    let (inbox, old) = (
        mailbox(&store, "INBOX").await,
        mailbox(&store, "Cũ/2025").await,
    );
    assert_eq!(
        (inbox.messages, inbox.uidnext, old.messages, old.uidnext),
        (0, Uid(3), 2, Uid(3))
    );
    mailbox(&store, "INBOX/con").await;
    assert_eq!(
        store.read(move |tx| tx.uids(old.id)).await.unwrap(),
        [Uid(1), Uid(2)]
    );
    dump(&store).await;
}

#[tokio::test]
async fn a_deleted_mailbox_is_gone_and_its_name_gets_a_new_uidvalidity() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let first = create(&store, "a").await.unwrap();
    create(&store, "a/b").await.unwrap();
    let message = append(&store, first.id, b"text").await;
    let delete = |name: &'static str| store.transact(move |tx| tx.delete_mailbox(ACCOUNT, name));
    assert!(matches!(delete("a").await, Err(Error::HasChildren)));
    assert!(matches!(delete("INBOX").await, Err(Error::Inbox)));
    assert!(matches!(delete("nothing").await, Err(Error::NoMailbox)));
    delete("a/b").await.unwrap();
    let mut watcher = store.watch(Topic::Mailbox(first.id));
    delete("a").await.unwrap();
    assert_eq!(
        watcher.take().changes.last().map(|change| change.kind),
        Some(ChangeKind::Removed)
    );
    let seen = store
        .read(move |tx| {
            let page = tx.messages(first.id, Uid(0), Uid(9), 9)?;
            Ok::<_, Error>((tx.message(first.id, message.uid)?, page, tx.uids(first.id)?))
        })
        .await
        .unwrap();
    assert_eq!(seen, (None, Vec::new(), Vec::new()));
    let body = store.prepare(b"x", b"").unwrap();
    let late = store
        .transact(move |tx| tx.append(first.id, &body, &new_message(), Quota::Ignore))
        .await;
    assert!(matches!(late, Err(Error::NoMailbox)), "{late:?}");
    assert!(
        dump(&store).await.subscriptions.contains(&"a".to_owned()),
        "subscriptions outlive mailboxes"
    );
    let second = create(&store, "a").await.unwrap();
    assert!(second.uidvalidity > first.uidvalidity && second.id != first.id);
}

#[tokio::test]
async fn uidvalidity_and_uids_go_on_after_restarts_and_rebuilds() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let a = create(&store, "a").await.unwrap();
    append(&store, a.id, b"one").await;
    let last = append(&store, a.id, b"two").await;
    store
        .transact(move |tx| tx.expunge(a.id, &[last.uid]))
        .await
        .unwrap();
    store
        .transact(|tx| tx.create_mailbox(ACCOUNT, "b", None))
        .await
        .unwrap();
    store
        .transact(|tx| tx.delete_mailbox(ACCOUNT, "b"))
        .await
        .unwrap();
    let highest = create(&store, "c").await.unwrap();
    drop(store);
    for rebuild in [false, true] {
        if rebuild {
            std::fs::remove_dir_all(folder.path().join("index")).unwrap();
        }
        let (store, report) = open(folder.path());
        assert_eq!(report.damaged, Vec::<String>::new());
        let a = mailbox(&store, "a").await;
        let expected = if rebuild { 4 } else { 3 };
        assert_eq!(append(&store, a.id, b"three").await.uid, Uid(expected));
        let name = if rebuild { "d" } else { "e" };
        let made = create(&store, name).await.unwrap();
        assert!(made.uidvalidity > highest.uidvalidity && made.id > highest.id);
        assert_eq!(mailbox(&store, "a").await.uidvalidity, a.uidvalidity);
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn recent_is_claimed_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    append(&store, inbox, b"one").await;
    let claim = || store.transact(move |tx| tx.claim_recent(inbox));
    assert_eq!(claim().await.unwrap(), Uid(1));
    assert_eq!(claim().await.unwrap(), Uid(2));
    append(&store, inbox, b"two").await;
    assert_eq!(mailbox(&store, "INBOX").await.recent_from, Uid(2));
    assert_eq!(claim().await.unwrap(), Uid(2));
    assert_eq!(claim().await.unwrap(), Uid(3));
}

#[tokio::test]
async fn a_removed_home_is_gone_with_its_sums() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let agency = LedgerId(7);
    store
        .transact(move |tx| tx.set_ledgers(ACCOUNT, &[LEDGER, agency]))
        .await
        .unwrap();
    let inbox = mailbox(&store, "INBOX").await.id;
    append(&store, inbox, b"12345").await;
    let sums = |id| store.read(move |tx| tx.ledger(id));
    assert_eq!(
        (
            sums(agency).await.unwrap().octets,
            sums(LEDGER).await.unwrap().octets
        ),
        (5, 5)
    );
    store
        .transact(move |tx| tx.set_ledgers(ACCOUNT, &[LEDGER]))
        .await
        .unwrap();
    assert_eq!(
        (
            sums(agency).await.unwrap().octets,
            sums(LEDGER).await.unwrap().octets
        ),
        (0, 5)
    );
    store.transact(|tx| tx.remove_home(ACCOUNT)).await.unwrap();
    assert_eq!(
        (
            sums(LEDGER).await.unwrap().octets,
            sums(LEDGER).await.unwrap().messages
        ),
        (0, 0)
    );
    assert!(names(&store).await.is_empty());
    assert!(matches!(
        store.read(|tx| tx.mailbox_named(ACCOUNT, "INBOX")).await,
        Ok(None)
    ));
    assert!(matches!(create(&store, "x").await, Err(Error::NoAccount)));
    store
        .transact(|tx| tx.create_home(ACCOUNT, &[]))
        .await
        .unwrap();
    assert!(mailbox(&store, "INBOX").await.id > inbox);
}
