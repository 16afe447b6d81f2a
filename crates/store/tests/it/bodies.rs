//! Octets in, octets out: sizes around every border, partial reads, drafts, damage.

use congvu_store::body::CHUNK;
use congvu_store::draft::IN_MEMORY;
use congvu_store::tx::Quota;
use congvu_store::{BodyId, Error};

use crate::world::{append, mailbox, new_message, octets, segments, store};

/// Octets that zstd cannot shrink, or can, by turns.
fn text(length: usize, random: &mut fastrand::Rng) -> Vec<u8> {
    let dense = random.bool();
    (0..length)
        .map(|at| {
            if dense {
                random.u8(..)
            } else {
                b"Kinh gui \r\n"[at % 11]
            }
        })
        .collect()
}

#[tokio::test]
async fn every_size_comes_back_whole_and_in_parts() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    for length in [
        0,
        1,
        100,
        CHUNK - 1,
        CHUNK,
        CHUNK + 1,
        3 * CHUNK + 7,
        IN_MEMORY + CHUNK,
        3 * IN_MEMORY,
    ] {
        let expected = text(length, &mut random);
        let summary = text(random.usize(0..20_000), &mut random);
        let body = store.prepare(&expected, &summary).unwrap();
        assert_eq!(body.len(), length as u64);
        let message = store
            .transact(move |tx| tx.append(inbox, &body, &new_message(), Quota::Enforce))
            .await
            .unwrap();
        for hint in [message.frame, 0] {
            let body = store.body(message.body, hint).await.unwrap();
            assert_eq!(
                (body.len(), body.summary(), body.is_empty()),
                (length as u64, &summary[..], length == 0)
            );
            assert!(
                body.octets(0, u64::MAX).unwrap() == expected,
                "{length} octets"
            );
            for _ in 0..20 {
                let from = random.usize(0..=length);
                let count = random.usize(0..=length);
                let part = store
                    .octets(&body, from as u64, count as u64)
                    .await
                    .unwrap();
                assert!(
                    part == expected[from..(from + count).min(length)],
                    "{from}+{count} of {length}"
                );
            }
            assert!(body.octets(length as u64 + 5, 9).unwrap().is_empty());
        }
    }
    let left: Vec<_> = std::fs::read_dir(folder.path().join("tmp"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "temporary files have no names");
}

#[tokio::test]
async fn a_draft_grows_bit_by_bit_and_gets_a_front() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    for length in [0, 10, CHUNK, 2 * IN_MEMORY + 5] {
        let tail = text(length, &mut random);
        let mut draft = store.draft();
        let mut rest = &tail[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(random.usize(1..=rest.len().min(70_000)));
            draft.write(now).unwrap();
            rest = later;
        }
        assert!(draft.raw().unwrap() == tail);
        draft.prepend(b"Second: 2\r\n").unwrap();
        draft.prepend(b"First: 1\r\n").unwrap();
        let expected = [b"First: 1\r\nSecond: 2\r\n", &tail[..]].concat();
        assert_eq!(draft.len(), expected.len() as u64);
        assert!(draft.raw().unwrap() == expected);
        assert!(matches!(
            draft.prepend(&vec![b'x'; CHUNK]),
            Err(Error::TooLarge(_))
        ));
        let body = draft.finish(b"s").unwrap();
        let message = store
            .transact(move |tx| tx.append(inbox, &body, &new_message(), Quota::Enforce))
            .await
            .unwrap();
        assert!(octets(&store, &message).await.unwrap() == expected);
    }
}

#[tokio::test]
async fn what_is_no_body_is_none_and_damage_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let inbox = mailbox(&store, "INBOX").await.id;
    let dense: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
        .take(30_000)
        .collect();
    let message = append(&store, inbox, &dense).await;
    for wrong in [0, 1, message.body.0 + 1, message.body.0 - 1, u64::MAX] {
        let answer = store.body(BodyId(wrong), 0).await;
        assert!(matches!(answer, Err(Error::NoBody)), "{wrong}: {answer:?}");
    }
    store.close().await.unwrap();
    let closed = store.transact(|tx| tx.next("x")).await;
    assert!(matches!(closed, Err(Error::Closed)), "{closed:?}");

    let path = segments(folder.path()).pop().unwrap();
    let whole = std::fs::read(&path).unwrap();
    let first = u64::from_str_radix(path.file_stem().unwrap().to_str().unwrap(), 16).unwrap();
    let at = usize::try_from(message.body.0 - first).unwrap();
    let mut refused = 0;
    for place in (at..at + message.frame as usize).step_by(997) {
        let mut bad = whole.clone();
        bad[place] ^= 0x40;
        std::fs::write(&path, bad).unwrap();
        let (store, _) = crate::world::open(folder.path());
        match octets(&store, &message).await {
            Err(Error::Damaged(_) | Error::NoBody | Error::Newer { .. }) => refused += 1,
            Err(error) => panic!("{place}: {error}"),
            Ok(_) => panic!("octet {place} damaged and served"),
        }
    }
    assert!(refused > 20);
}
