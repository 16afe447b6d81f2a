//! Compaction with errors and power cuts at every act, and bits that flip in what it wrote.

use std::io::{Error as IoError, ErrorKind};
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use super::*;
use crate::log::segment::{Act, Fault};

/// A disk that calls a hook before each act, once it is armed.
struct Hooked {
    armed: Arc<AtomicBool>,
    disk: Disk,
}

fn hooked(hook: impl Fn(Act, usize) -> std::io::Result<()> + Send + Sync + 'static) -> Hooked {
    let armed = Arc::new(AtomicBool::new(false));
    let (on, count) = (Arc::clone(&armed), AtomicUsize::new(0));
    let fault: Fault = Arc::new(move |act| {
        if !on.load(Ordering::Relaxed) || act == Act::Room {
            return Ok(());
        }
        hook(act, count.fetch_add(1, Ordering::Relaxed))
    });
    Hooked {
        armed,
        disk: Disk::failing(fault),
    }
}

/// Acts of one compaction of the store below.
async fn acts() -> Vec<Act> {
    let folder = tempfile::tempdir().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let acts = Arc::clone(&seen);
    let hooked = hooked(move |act, _| {
        acts.lock().unwrap().push(act);
        Ok(())
    });
    let store = sparse(folder.path(), &hooked.disk, 60, 5).await;
    hooked.armed.store(true, Ordering::Relaxed);
    store.compact(ASKED).unwrap();
    hooked.armed.store(false, Ordering::Relaxed);
    let acts = seen.lock().unwrap().clone();
    for act in [Act::Create, Act::Write, Act::Sync, Act::Rename, Act::Remove] {
        assert!(acts.contains(&act), "{act:?} in {acts:?}");
    }
    acts
}

#[tokio::test]
async fn a_power_cut_before_any_act_loses_nothing() {
    for nth in 0..acts().await.len() {
        let folder = tempfile::tempdir().unwrap();
        let (store_at, cut_at) = (folder.path().join("a"), folder.path().join("b"));
        let (from, to) = (store_at.clone(), cut_at.clone());
        let hooked = hooked(move |_, now| {
            if now == nth {
                copy(&from, &to);
            }
            Ok(())
        });
        let store = sparse(&store_at, &hooked.disk, 60, 5).await;
        let before = shown(&store).await;
        hooked.armed.store(true, Ordering::Relaxed);
        store.compact(ASKED).unwrap();
        hooked.armed.store(false, Ordering::Relaxed);
        // What was not synced may be anything.
        for path in segment_files(&cut_at) {
            if path.extension().is_some_and(|end| end == NEW_FILE) {
                let length = std::fs::metadata(&path).unwrap().len();
                std::fs::write(&path, vec![0xA5; usize::try_from(length / 2).unwrap()]).unwrap();
            }
        }
        lose_index(&cut_at, true);
        let (cut, _) = open(&cut_at);
        assert_eq!(shown(&cut).await, before, "act {nth}");
        check(&cut, &cut_at).await;
        let names = segment_files(&cut_at);
        assert!(
            names
                .iter()
                .all(|path| path.extension().is_some_and(|end| end == "log")),
            "{names:?}"
        );
        cut.compact(ASKED).unwrap();
        assert_eq!(shown(&cut).await, before, "act {nth}");
        check(&cut, &cut_at).await;
    }
}

const NEW_FILE: &str = crate::log::segment::NEW;

#[tokio::test]
async fn an_error_of_any_act_leaves_a_whole_store_that_compacts_later() {
    for (nth, act) in acts().await.into_iter().enumerate() {
        for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
            let folder = tempfile::tempdir().unwrap();
            let hooked = hooked(move |_, now| {
                if now == nth {
                    Err(IoError::from(kind))
                } else {
                    Ok(())
                }
            });
            let store = sparse(folder.path(), &hooked.disk, 60, 5).await;
            let before = shown(&store).await;
            hooked.armed.store(true, Ordering::Relaxed);
            let outcome = store.compact(ASKED);
            hooked.armed.store(false, Ordering::Relaxed);
            match outcome {
                Ok(compacted) => assert_eq!(compacted.left.len(), 1, "{compacted:?}"),
                Err(error) => assert!(matches!(error, Error::Io { .. }), "{error:?}"),
            }
            assert_eq!(shown(&store).await, before, "{act:?} {nth}");
            // The store itself is not concerned.
            let inbox = mailbox(&store, "INBOX").await;
            deliver(&store, inbox, 5_000).await;
            let before = shown(&store).await;
            check(&store, folder.path()).await;
            store.compact(ASKED).unwrap();
            assert_eq!(shown(&store).await, before, "{act:?} {nth}");
            store.close().await.unwrap();
            drop(store);
            lose_index(folder.path(), nth % 2 == 0);
            let (store, _) = open(folder.path());
            assert_eq!(shown(&store).await, before, "{act:?} {nth}");
            check(&store, folder.path()).await;
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_a_rewritten_segment_is_found_and_costs_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = sparse(folder.path(), &Disk::default(), 30, 3).await;
    store.compact(ASKED).unwrap();
    store.close().await.unwrap();
    drop(store);
    let path = segment_files(folder.path()).remove(0);
    let whole = met(folder.path());
    assert!(whole.damage.is_empty(), "{:?}", whole.damage);
    let octets = std::fs::read(&path).unwrap();
    let step = if octets.len() > 4_000 { 11 } else { 1 };
    let ends = octets.len().saturating_sub(400)..octets.len();
    for at in (0..octets.len()).step_by(step).chain(0..64).chain(ends) {
        let mut bad = octets.clone();
        bad[at] ^= 1 << (at % 8);
        std::fs::write(&path, &bad).unwrap();
        let met = met(folder.path());
        assert!(!met.damage.is_empty(), "octet {at} of {}", octets.len());
        let lost = whole.bodies.difference(&met.bodies).count();
        assert!(
            lost <= 1 && met.bodies.is_subset(&whole.bodies),
            "octet {at}: {lost} bodies"
        );
        assert!(lost == 0 || met.commits == whole.commits, "octet {at}");
    }
    std::fs::write(&path, &octets).unwrap();
    assert_eq!(met(folder.path()).bodies, whole.bodies);
}

#[tokio::test]
async fn a_damaged_segment_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = sparse(folder.path(), &Disk::default(), 60, 3).await;
    let before = shown(&store).await;
    // A dead body's frame and a live one's chunks: neither may vanish silently.
    let path = segment_files(folder.path()).remove(1);
    let octets = std::fs::read(&path).unwrap();
    let mut bad = octets.clone();
    let at = bad.len() / 2;
    bad[at] ^= 4;
    std::fs::write(&path, &bad).unwrap();
    let compacted = store.compact(ASKED).unwrap();
    let after = std::fs::read(&path);
    if compacted.left.is_empty() {
        // The bit was in the chunks of a dead body, which nothing covers but themselves.
        assert!(compacted.dropped > 0);
    } else {
        assert_eq!(compacted.left.len(), 1, "{compacted:?}");
        assert_eq!(after.unwrap(), bad, "untouched");
        std::fs::write(&path, &octets).unwrap();
        store.compact(ASKED).unwrap();
    }
    assert_eq!(shown(&store).await, before);
    check(&store, folder.path()).await;
}

#[tokio::test]
async fn after_lost_transactions_nothing_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = sparse(folder.path(), &Disk::default(), 60, 3).await;
    store.close().await.unwrap();
    drop(store);
    let path = segment_files(folder.path()).remove(0);
    let mut octets = std::fs::read(&path).unwrap();
    // The group's head and the first transaction.
    octets[64..400].fill(0);
    std::fs::write(&path, octets).unwrap();
    lose_index(folder.path(), true);
    let (store, report) = Store::open(folder.path(), options(NEVER)).unwrap();
    assert!(!report.damaged.is_empty());
    assert!(matches!(store.compact(ASKED), Err(Error::Compaction(_))));
    store.close().await.unwrap();
}
