//! Torn tails, damage in the middle, indexes that are missing, alien, empty or broken.

use congvu_store::{Error, MailboxId, Store};

use crate::world::{
    ACCOUNT, Dump, append, copy, dump, mailbox, octets, open, options, other_boot, segments, store,
};

/// A closed store with `count` messages of one transaction each, and what it shows.
async fn filled(folder: &std::path::Path, count: usize) -> (Dump, MailboxId) {
    let store = store(folder).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    for number in 0..count {
        let text = format!("message {number} {}", "x".repeat(number * 7 % 400));
        append(&store, inbox, text.as_bytes()).await;
    }
    let dump = dump(&store).await;
    store.close().await.unwrap();
    (dump, inbox)
}

#[tokio::test]
async fn a_missing_alien_or_broken_index_is_rebuilt_to_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (expected, _) = filled(folder.path(), 300).await;
    assert!(segments(folder.path()).len() > 1, "several segments");
    let alien = tempfile::tempdir().unwrap();
    filled(alien.path(), 3).await;
    let index = folder.path().join("index");
    let damages: [(&str, &dyn Fn()); 6] = [
        ("missing", &|| std::fs::remove_dir_all(&index).unwrap()),
        ("alien", &|| {
            std::fs::remove_dir_all(&index).unwrap();
            copy(&alien.path().join("index"), &index);
        }),
        ("empty", &|| {
            std::fs::remove_dir_all(&index).unwrap();
            std::fs::create_dir(&index).unwrap();
        }),
        ("garbage", &|| {
            std::fs::write(index.join("db"), vec![0xA5; 9_000_000]).unwrap();
        }),
        ("cut", &|| {
            std::fs::File::options()
                .write(true)
                .open(index.join("db"))
                .unwrap()
                .set_len(0)
                .unwrap();
        }),
        ("other boot", &|| other_boot(folder.path())),
    ];
    for (name, damage) in damages {
        damage();
        let (store, report) = open(folder.path());
        assert!(report.rebuilt.is_some(), "{name}: {report:?}");
        assert_eq!(dump(&store).await, expected, "{name}");
        store.close().await.unwrap();
    }
    let aside = std::fs::read_dir(folder.path()).unwrap().filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("index.broken-")
    });
    assert_eq!(aside.count(), 1, "only the newest is kept");
}

#[tokio::test]
async fn what_sled_leaves_when_killed_does_not_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (expected, _) = filled(folder.path(), 3).await;
    std::fs::write(
        folder.path().join("index/snap.0000000000000FFF.generating"),
        b"half",
    )
    .unwrap();
    let (store, report) = open(folder.path());
    assert_eq!(report.rebuilt, None);
    assert_eq!(dump(&store).await, expected);
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_the_rest_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (before, inbox) = filled(folder.path(), 5).await;
    let path = segments(folder.path()).pop().unwrap();
    let whole = std::fs::metadata(&path).unwrap().len();
    let (store, _) = open(folder.path());
    append(&store, inbox, b"the last one").await;
    let after = dump(&store).await;
    store.close().await.unwrap();
    let octets = std::fs::read(&path).unwrap();
    let begin = usize::try_from(whole).unwrap();
    for cut in [
        begin + 1,
        begin + 31,
        begin + 32,
        begin + 60,
        begin + 100,
        octets.len() - 1,
    ] {
        let copied = tempfile::tempdir().unwrap();
        copy(folder.path(), copied.path());
        let path = segments(copied.path()).pop().unwrap();
        std::fs::write(&path, &octets[..cut]).unwrap();
        other_boot(copied.path());
        let (store, report) = open(copied.path());
        assert_eq!(
            (report.cut, report.damaged),
            ((cut - begin) as u64, Vec::new())
        );
        assert_eq!(dump(&store).await, before);
        // The log goes on where it was cut.
        let next = append(&store, inbox, b"another").await;
        assert_eq!(
            next.uid,
            after
                .mailboxes
                .iter()
                .find(|(mailbox, ..)| mailbox.id == inbox)
                .unwrap()
                .1
                .last()
                .unwrap()
                .uid
        );
        let then = dump(&store).await;
        store.close().await.unwrap();
        other_boot(copied.path());
        let (store, report) = open(copied.path());
        assert_eq!((report.cut, report.damaged), (0, Vec::new()));
        assert_eq!(dump(&store).await, then);
    }
    let (store, _) = open(folder.path());
    assert_eq!(dump(&store).await, after);
}

#[tokio::test]
async fn damage_in_the_middle_is_reported_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (expected, inbox) = filled(folder.path(), 40).await;
    let messages = expected
        .mailboxes
        .iter()
        .find(|(mailbox, ..)| mailbox.id == inbox)
        .unwrap()
        .1
        .clone();
    let victim = &messages[20];
    let path = segments(folder.path()).into_iter().next().unwrap();
    let mut octets_of_log = std::fs::read(&path).unwrap();
    let at = usize::try_from(victim.body.0).unwrap();
    octets_of_log[at + 40] ^= 1;
    std::fs::write(&path, octets_of_log).unwrap();
    other_boot(folder.path());
    let (store, report) = open(folder.path());
    assert_eq!(report.damaged.len(), 1, "{report:?}");
    assert!(
        report.damaged[0].contains(&format!("body {}", victim.body)),
        "{report:?}"
    );
    assert_eq!(report.cut, 0);
    assert_eq!(dump(&store).await, expected);
    for message in &messages {
        let read = octets(&store, message).await;
        assert_eq!(read.is_err(), message == victim, "{message:?}");
    }
}

#[tokio::test]
async fn numbers_that_a_lost_transaction_may_have_given_out_do_not_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let (before, inbox) = filled(folder.path(), 3).await;
    let path = segments(folder.path()).pop().unwrap();
    let (store, _) = open(folder.path());
    let lost = append(&store, inbox, b"its transaction will be damaged").await;
    let made = store
        .transact(|tx| tx.create_mailbox(ACCOUNT, "later", None))
        .await
        .unwrap();
    store.close().await.unwrap();
    let mut octets_of_log = std::fs::read(&path).unwrap();
    let at = usize::try_from(lost.body.0 + u64::from(lost.frame)).unwrap();
    octets_of_log[at + 33] ^= 1;
    std::fs::write(&path, octets_of_log).unwrap();
    for _ in 0..2 {
        other_boot(folder.path());
        let (store, report) = open(folder.path());
        assert_eq!(report.damaged.len(), 1, "{report:?}");
        let seen = mailbox(&store, "INBOX").await;
        assert_eq!(seen.messages, 3, "the message is lost");
        assert!(seen.uidnext > lost.uid && seen.modseq >= made.modseq);
        store.close().await.unwrap();
    }
    let (store, _) = open(folder.path());
    let next = append(&store, inbox, b"new").await;
    assert!(next.uid > lost.uid && next.modseq > made.modseq);
    let after = dump(&store).await;
    let keep = |dump: &Dump| {
        let found = dump
            .mailboxes
            .iter()
            .find(|(mailbox, ..)| mailbox.id == inbox);
        found.unwrap().1[..3].to_vec()
    };
    assert_eq!(keep(&after), keep(&before));
    let another = store
        .transact(|tx| tx.create_mailbox(ACCOUNT, "another", None))
        .await
        .unwrap();
    assert!(another.id > made.id && another.uidvalidity > made.uidvalidity);
}

#[tokio::test]
async fn a_log_that_lost_its_end_is_reported_and_uids_do_not_come_again() {
    for clean in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let (before, inbox) = filled(folder.path(), 3).await;
        let path = segments(folder.path()).pop().unwrap();
        let whole = std::fs::metadata(&path).unwrap().len();
        let (store, _) = open(folder.path());
        let lost = append(&store, inbox, b"its octets will be gone").await;
        store.close().await.unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len(whole).unwrap();
        if !clean {
            // Killed on this boot, by a state that says so; the index is ahead of the log.
            let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
            other_boot(folder.path());
            let state = folder.path().join("state");
            let text = std::fs::read_to_string(&state).unwrap();
            std::fs::write(&state, text.replace("another", boot.trim())).unwrap();
        }
        let (store, report) = open(folder.path());
        assert_eq!(report.damaged.len(), 1, "{report:?}");
        assert!(report.rebuilt.is_some(), "{report:?}");
        let shown = dump(&store).await;
        assert_eq!(shown.ledger, before.ledger);
        let next = append(&store, inbox, b"new").await;
        assert!(next.uid > lost.uid && next.modseq > lost.modseq);
    }
}

#[tokio::test]
async fn a_log_that_is_gone_or_of_another_store_is_not_papered_over() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 1).await;
    let other = tempfile::tempdir().unwrap();
    filled(other.path(), 1).await;
    std::fs::remove_dir_all(folder.path().join("log")).unwrap();
    let gone = Store::open(folder.path(), options());
    assert!(matches!(gone, Err(Error::Damaged(_))), "{gone:?}");
    std::fs::remove_dir_all(folder.path().join("log")).unwrap();
    copy(&other.path().join("log"), &folder.path().join("log"));
    let alien = Store::open(folder.path(), options());
    assert!(matches!(alien, Err(Error::Damaged(_))), "{alien:?}");
}

#[tokio::test]
async fn nobody_else_can_look_inside() {
    use std::os::unix::fs::PermissionsExt as _;
    // The folder itself may be an administrator's, open to all.
    let folder = tempfile::tempdir().unwrap();
    let open_to_all = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open_to_all).unwrap();
    filled(folder.path(), 1).await;
    for name in ["log", "index", "tmp"] {
        let mode = std::fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700, "{name}");
    }
}

#[tokio::test]
async fn a_creation_that_was_cut_short_is_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("log")).unwrap();
    std::fs::write(folder.path().join("log/0000000000000000.log"), b"CvL1").unwrap();
    let (store, report) = open(folder.path());
    assert_eq!((report.cut, report.rebuilt), (0, None));
    drop(store);
    let (_, report) = open(folder.path());
    assert_eq!(report.rebuilt, None);
}
