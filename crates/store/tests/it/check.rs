//! Checks and salvage: whole stores are found whole, every damage is found and named, and costs nothing
//! but itself.

#![allow(
    clippy::redundant_closure_for_method_calls,
    reason = "the methods themselves are of one lifetime, not of any"
)]

use std::collections::BTreeSet;
use std::path::Path;

use congvu_store::check::{Check, Findings, Place};
use congvu_store::page::{Hex, Position};
use congvu_store::salvage::Salvage;
use congvu_store::stats::Count;
use congvu_store::{Error, FlagChange, Flags, LogFiles, MailboxId, Message, Store, Uid};

use crate::world::{ACCOUNT, append, dump, mailbox, octets, open, options, segments, store};

async fn position(store: &Store) -> Position {
    store
        .read(|tx| tx.position())
        .await
        .expect("an open store has one")
}

/// Everything that `congvu store check` does, beside an open store.
async fn check(store: &Store, folder: &Path) -> Findings {
    let files = LogFiles::of_store(folder).unwrap();
    let mut check = Check::new();
    let end = position(store).await.lsn;
    check.log(&files, Some(end), &mut |_, _| {}).unwrap();
    index(store, folder, check).await
}

async fn index(store: &Store, folder: &Path, mut check: Check) -> Findings {
    let mut from = Some(Hex::default());
    while let Some(place) = from {
        let page = store.read(move |tx| tx.index_page(&place)).await.unwrap();
        check.page(&page);
        from = page.next;
    }
    let mut problems = Vec::new();
    for id in check.mailboxes() {
        let found: Result<_, Error> = store.read(move |tx| tx.check_mailbox(id)).await;
        problems.extend(found.unwrap());
    }
    let found: Result<_, Error> = store.read(|tx| tx.check_homes()).await;
    problems.extend(found.unwrap());
    let end = position(store).await.lsn;
    let files = LogFiles::of_store(folder).unwrap();
    let mut findings = check.finish(&files, Some(end)).unwrap();
    for problem in problems {
        findings.add(problem);
    }
    findings
}

/// A store with messages, flags, copies, expunged ones and a deleted mailbox.
async fn filled(folder: &Path) -> (Store, MailboxId, Vec<Message>) {
    let store = store(folder).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    let sent = mailbox(&store, "Sent").await.id;
    let mut messages = Vec::new();
    for number in 0..60 {
        // Such that compression does not make one segment of it.
        let octets: Vec<u8> = (0..number * 71 % 4_000).map(|_| fastrand::u8(..)).collect();
        messages.push(append(&store, inbox, &octets).await);
    }
    store
        .transact(move |tx| {
            let seen = FlagChange::Add(Flags::SEEN, vec!["$Quan_trọng".to_owned()]);
            tx.change_flags(inbox, Uid(5), &seen)?;
            tx.copy(
                inbox,
                &[Uid(1), Uid(2)],
                sent,
                congvu_store::tx::Quota::Enforce,
            )?;
            tx.expunge(inbox, &[Uid(7), Uid(8)])?;
            tx.create_mailbox(ACCOUNT, "Dự thảo", None)?;
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    messages.retain(|message| ![Uid(7), Uid(8)].contains(&message.uid));
    (store, inbox, messages)
}

#[tokio::test]
async fn a_whole_store_is_found_whole_also_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (store, inbox, _) = filled(folder.path()).await;
    assert!(segments(folder.path()).len() > 1, "several segments");
    let findings = check(&store, folder.path()).await;
    assert_eq!(findings.problems, []);
    assert_eq!(
        (findings.messages, findings.bodies, findings.torn),
        (60, 60, 0)
    );
    assert_eq!(findings.octets, position(&store).await.lsn.0);

    let files = LogFiles::of_store(folder.path()).unwrap();
    let mut check = Check::new();
    let end = position(&store).await.lsn;
    check.log(&files, Some(end), &mut |_, _| {}).unwrap();
    append(&store, inbox, b"while the check was under way").await;
    store
        .transact(move |tx| tx.expunge(inbox, &[Uid(3)]))
        .await
        .unwrap();
    let findings = index(&store, folder.path(), check).await;
    assert_eq!(findings.problems, []);
}

#[tokio::test]
async fn a_flipped_bit_in_any_frame_is_found_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, messages) = filled(folder.path()).await;
    let victim = messages[20].clone();
    let body = usize::try_from(victim.body.0).unwrap();
    let frame = usize::try_from(victim.frame).unwrap();
    // Body head, body chunk, commit, group (they stand one after another), segment.
    let places = [
        (body + 40, true),
        (body + frame - 1, true),
        (body + frame + 40, false),
        (body - 50, false),
        (10, false),
    ];
    let path = segments(folder.path()).into_iter().next().unwrap();
    let whole = std::fs::read(&path).unwrap();
    assert!(body + frame + 100 < whole.len(), "in the first segment");
    for (at, is_body) in places {
        let mut bad = whole.clone();
        bad[at] ^= 4;
        std::fs::write(&path, bad).unwrap();
        let findings = check(&store, folder.path()).await;
        let log: Vec<_> = findings
            .problems
            .iter()
            .filter(|problem| problem.place == Place::Log)
            .collect();
        assert_eq!(log.len(), 1, "{at}: {findings:?}");
        let lsn = usize::try_from(log[0].lsn.unwrap().0).unwrap();
        assert!(lsn <= at && at < lsn + 5_000, "{at}: {log:?}");
        let named: Vec<_> = findings
            .problems
            .iter()
            .filter(|problem| problem.place == Place::Body)
            .map(|problem| (problem.account, problem.mailbox.as_deref(), problem.uid))
            .collect();
        let expected = (Some(ACCOUNT), Some("INBOX"), Some(victim.uid));
        let expected = if is_body { vec![expected] } else { Vec::new() };
        assert_eq!(named, expected, "{at}: {findings:?}");
    }
    std::fs::write(&path, whole).unwrap();
    assert_eq!(check(&store, folder.path()).await.problems, []);
}

#[tokio::test]
async fn an_index_that_differs_from_the_log_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (store, ..) = filled(folder.path()).await;
    store.close().await.unwrap();
    let before = {
        let (store, _) = open(folder.path());
        let before = dump(&store).await;
        store.close().await.unwrap();
        before
    };
    // A log that knows one transaction more or one less than the index.
    let kept = tempfile::tempdir().unwrap();
    crate::world::copy(folder.path(), kept.path());
    let (store, _) = open(folder.path());
    let inbox = mailbox(&store, "INBOX").await.id;
    append(&store, inbox, b"only in the newer log").await;
    let files = LogFiles::of_store(folder.path()).unwrap();
    let (older, _) = open(kept.path());
    assert_eq!(dump(&older).await, before);
    let mut check = Check::new();
    check.log(&files, None, &mut |_, _| {}).unwrap();
    let findings = index(&older, kept.path(), check).await;
    let found: BTreeSet<_> = findings
        .problems
        .iter()
        .map(|problem| problem.place)
        .map(|place| format!("{place:?}"))
        .collect();
    assert_eq!(found, BTreeSet::from(["Index".to_owned()]), "{findings:?}");
}

#[tokio::test]
async fn everything_readable_is_salvaged_without_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let (store, inbox, messages) = filled(folder.path()).await;
    let mut texts = Vec::new();
    for message in &messages {
        texts.push((message.uid, octets(&store, message).await.unwrap()));
    }
    let last = append(&store, inbox, b"its transaction will be damaged").await;
    store.close().await.unwrap();
    drop(store);
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    std::fs::remove_file(folder.path().join("state")).unwrap();
    let victim = messages[10].uid;
    let first = segments(folder.path()).into_iter().next().unwrap();
    flip(&first, messages[10].body.0 + 40);
    let path = segments(folder.path()).pop().unwrap();
    let begin = u64::from_str_radix(path.file_stem().unwrap().to_str().unwrap(), 16).unwrap();
    flip(&path, last.body.0 - begin + u64::from(last.frame) + 40);

    let salvage = Salvage::read(folder.path(), &mut |_, _| {}).unwrap();
    assert_eq!(salvage.damage().len(), 2, "{:?}", salvage.damage());
    let unplaced: Vec<_> = salvage.unplaced().to_vec();
    assert_eq!(unplaced, [last.body]);
    let mut found = Vec::new();
    salvage
        .mailboxes::<Error>(&mut |mailbox| {
            if mailbox.name != "INBOX" {
                return Ok(());
            }
            assert_eq!(mailbox.account, Some(ACCOUNT));
            for message in &mailbox.messages {
                let read = salvage
                    .body(message.body)
                    .and_then(|body| body.octets(0, u64::MAX));
                match read {
                    Ok(octets) => found.push((message.uid, octets)),
                    Err(_) => assert_eq!(message.uid, victim),
                }
            }
            Ok(())
        })
        .unwrap();
    texts.retain(|(uid, _)| *uid != victim);
    assert_eq!(found, texts);
}

fn flip(path: &Path, at: u64) {
    let mut octets = std::fs::read(path).unwrap();
    octets[usize::try_from(at).unwrap()] ^= 1;
    std::fs::write(path, octets).unwrap();
}

#[tokio::test]
async fn a_store_is_counted_and_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let (store, ..) = filled(folder.path()).await;
    let before = dump(&store).await;
    let mut count = Count::new();
    let page = store
        .read(|tx| tx.index_page(&Hex::default()))
        .await
        .unwrap();
    assert_eq!(page.next, None);
    count.page(&page).unwrap();
    let stats = count.finish(folder.path()).unwrap();
    assert_eq!(
        (
            stats.accounts,
            stats.mailboxes,
            stats.messages,
            stats.expunged
        ),
        (1, 7, 60, 2)
    );
    assert_eq!(stats.bodies, 60);
    assert!(stats.live > 0 && stats.kept > 0 && stats.live + stats.kept < stats.log_octets);
    assert_eq!(stats.log_octets, position(&store).await.lsn.0);
    store.close().await.unwrap();
    drop(store);

    let mut told = Vec::new();
    let (store, report) = Store::rebuild(folder.path(), &options(), &mut |done, all| {
        told.push((done, all));
    })
    .unwrap();
    assert_eq!(report.rebuilt.as_deref(), Some("asked for"));
    assert!(told.len() > 60 && told.is_sorted(), "{told:?}");
    assert_eq!(dump(&store).await, before);
    let empty = tempfile::tempdir().unwrap();
    assert!(Store::rebuild(empty.path(), &options(), &mut |_, _| {}).is_err());
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
}
