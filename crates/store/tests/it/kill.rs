//! A real process is killed while it writes; what it was told to be kept is there.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use congvu_store::tx::Quota;
use congvu_store::{Read, Uid};

use crate::world::{dump, mailbox, new_message, octets, open, store};

/// Where the child finds its folder.
const FOLDER: &str = "CONGVU_STORE_TEST_FOLDER";

/// Not a test: the child. Delivers with eight tasks and says on standard output what was kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test below in a process of its own"]
async fn child() {
    let folder = std::env::var_os(FOLDER).unwrap();
    let (store, _) = open(folder.as_ref());
    let inbox = mailbox(&store, "INBOX").await.id;
    let tasks = (0..8).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let text = format!("{task} {number} {}", std::process::id());
                let body = store.prepare(text.as_bytes(), b"").unwrap();
                let append = move |tx: &mut congvu_store::Tx<'_>| {
                    tx.append(inbox, &body, &new_message(), Quota::Enforce)
                };
                let uid = store.transact(append).await.unwrap().uid;
                // One write a line: the parent must not see halves.
                std::io::stdout()
                    .write_all(format!("kept {uid} {text}\n").as_bytes())
                    .unwrap();
                if number % 5 == 4 {
                    let gone = store
                        .transact(move |tx| tx.expunge(inbox, &[uid]))
                        .await
                        .unwrap();
                    assert_eq!(gone, [uid]);
                    std::io::stdout()
                        .write_all(format!("gone {uid}\n").as_bytes())
                        .unwrap();
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn what_was_acknowledged_before_a_kill_is_there_after_it() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    store(folder.path()).await.close().await.unwrap();
    let mut kept: BTreeMap<u32, String> = BTreeMap::new();
    let mut gone: Vec<u32> = Vec::new();
    for round in 0..5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kill::child", "--exact", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut left = random.usize(1..400);
        while let Some(Ok(line)) = lines.next() {
            note(&line, &mut kept, &mut gone);
            left -= 1;
            if left == 0 {
                child.kill().unwrap();
                break;
            }
        }
        // What it had said before it died is still in the pipe.
        for line in lines.map_while(Result::ok) {
            note(&line, &mut kept, &mut gone);
        }
        child.wait().unwrap();

        let (store, report) = open(folder.path());
        assert!(
            report.damaged.is_empty() && report.rebuilt.is_none(),
            "round {round}: {report:?}"
        );
        dump(&store).await;
        let inbox = mailbox(&store, "INBOX").await.id;
        for uid in &gone {
            kept.remove(uid);
            let uid = Uid(*uid);
            assert_eq!(
                store.read(move |tx| tx.message(inbox, uid)).await.unwrap(),
                None,
                "round {round}"
            );
        }
        let mut absent = Vec::new();
        for (uid, text) in &kept {
            let key = Uid(*uid);
            match store.read(move |tx| tx.message(inbox, key)).await.unwrap() {
                Some(message) => {
                    let served = octets(&store, &message).await.unwrap();
                    assert_eq!(served, text.as_bytes(), "round {round}, UID {uid}");
                }
                None => absent.push(*uid),
            }
        }
        // Each of the tasks may have been expunging when it died, its answer unheard.
        let due = |uid: &u32| {
            kept[uid]
                .split(' ')
                .nth(1)
                .is_some_and(|number| number.ends_with(['4', '9']))
        };
        assert!(
            absent.len() <= 8 && absent.iter().all(due),
            "round {round}: lost {absent:?}"
        );
        kept.retain(|uid, _| !absent.contains(uid));
        store.close().await.unwrap();
    }
}

/// Takes over one line of the child; other lines are the test runner's.
fn note(line: &str, kept: &mut BTreeMap<u32, String>, gone: &mut Vec<u32>) {
    let mut words = line.splitn(3, ' ');
    match (
        words.next(),
        words.next().and_then(|uid| uid.parse().ok()),
        words.next(),
    ) {
        (Some("kept"), Some(uid), Some(text)) => {
            assert_eq!(
                kept.insert(uid, text.to_owned()),
                None,
                "UID {uid} was given out twice"
            );
        }
        (Some("gone"), Some(uid), None) => gone.push(uid),
        _ => {}
    }
}
