//! A store of many messages, filled directly, then opened without its index: how long, and how much memory.
//!
//! `cargo bench -p congvu-store --bench rebuild -- MESSAGES [OCTETS [folder]]` (200,000 of 2,000 octets). The folder
//! is kept when it is given, so that a server can be started on it; when it holds a store already, that one is opened.
#![allow(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on is over"
)]
#![allow(clippy::cast_precision_loss, reason = "numbers for people")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use congvu_store::tx::Quota;
use congvu_store::{AccountId, Error, Flags, LedgerId, NewMessage, Options, Read, Store};

/// Accounts with an INBOX each.
const ACCOUNTS: u64 = 500;
/// Transactions under way at once.
const AT_ONCE: usize = 64;

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    let number =
        |place: usize, usual: usize| args.get(place).map_or(usual, |arg| arg.parse().unwrap());
    let (messages, octets) = (number(0, 200_000), number(1, 2_000));
    let own = tempfile::tempdir().unwrap();
    let folder = args
        .get(2)
        .map_or(own.path(), |arg| Path::new(arg.as_str()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        if !folder.join("log").exists() {
            fill(folder, messages, octets).await;
        }
        std::fs::remove_dir_all(folder.join("index")).unwrap();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "snap") {
                std::fs::remove_file(path).unwrap();
            }
        }
        let (begun, cpu) = (Instant::now(), cpu());
        let (store, report) = Store::open(folder, Options::default()).unwrap();
        let seconds = begun.elapsed().as_secs_f64();
        let spent = self::cpu() - cpu;
        println!(
            "rebuild: {} commits in {seconds:.2} s, {:.0}/s; CPU {spent:.2} s, {:.1} us each; memory {} MiB, at most {} MiB",
            report.replayed,
            report.replayed as f64 / seconds,
            spent * 1e6 / report.replayed as f64,
            status("VmRSS:"),
            status("VmHWM:"),
        );
        store.close().await.unwrap();
    });
}

async fn fill(folder: &Path, messages: usize, octets: usize) {
    let begun = Instant::now();
    let (store, _) = Store::open(folder, Options::default()).unwrap();
    for account in 1..=ACCOUNTS {
        store
            .transact(move |tx| {
                tx.create_home(AccountId(account), &[LedgerId(account), LedgerId(9_999)])?;
                Ok::<_, Error>(())
            })
            .await
            .unwrap();
    }
    let words = [
        "công", "việc", "của", "chúng", "tôi", "được", "thực", "hiện", "kế", "hoạch",
    ];
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..AT_ONCE {
        let (store, next) = (store.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            let mut random = fastrand::Rng::with_seed(task as u64);
            let mut text = String::new();
            while text.len() < octets {
                text.push_str(random.choice(&words).unwrap());
                text.push(if random.u8(..9) == 0 { '\n' } else { ' ' });
            }
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if number >= messages {
                    break;
                }
                let header = format!("Subject: {number}\r\nMessage-ID: <{number}@x.test>\r\n\r\n");
                let body = store
                    .prepare(format!("{header}{text}").as_bytes(), header.as_bytes())
                    .unwrap();
                let new = NewMessage {
                    flags: Flags::default(),
                    keywords: Vec::new(),
                    date: 1_790_000_000 + i64::try_from(number).unwrap(),
                    zone: 420,
                };
                let account = AccountId(fastrand::u64(1..=ACCOUNTS));
                store
                    .transact(move |tx| {
                        let inbox = tx
                            .mailbox_named(account, "INBOX")?
                            .ok_or(Error::NoMailbox)?;
                        tx.append(inbox.id, &body, &new, Quota::Ignore)
                    })
                    .await
                    .unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    store.close().await.unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "filled: {messages} messages of {octets} octets in {seconds:.1} s, {:.0}/s; log {:.3} of the messages; memory {} MiB, at most {} MiB",
        messages as f64 / seconds,
        size(&folder.join("log")) as f64 / (messages * (octets + 50)) as f64,
        status("VmRSS:"),
        status("VmHWM:"),
    );
}

/// Octets of the files in a folder.
fn size(folder: &Path) -> u64 {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum()
}

/// Seconds of processor time of this process, from `/proc/self/stat`.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split(' ').collect();
    let ticks = |place: usize| fields[place].parse::<f64>().unwrap();
    (ticks(12) + ticks(13)) / 100.0
}

/// A line of `/proc/self/status`, in MiB.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1024
}
