//! Single steps of receiving and reading, each by itself: parsers, summary, preparing a body, the log with and without
//! company, the index. The store lies in the system's temporary folder: durable figures are those of its disk.

use std::hint::black_box;
use std::sync::Arc;

use congvu_bench::letter;
use congvu_imap::ask::{self, Ask};
use congvu_imap::response::Done;
use congvu_imap::server as imap;
use congvu_smtp::ask::{Answer, Kind};
use congvu_smtp::server as smtp;
use congvu_store::tx::Quota;
use congvu_store::{
    AccountId, Error, Flags, LedgerId, MailboxId, NewBody, NewMessage, Options, Read, Store, Uid,
};
use congvu_wire::{Machine, Step};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Messages of the mailbox that is read.
const MESSAGES: u32 = 1_000;
/// Deliveries at once.
const TOGETHER: usize = 20;

/// One whole SMTP transaction through the machine, every question answered with yes.
fn smtp_session(config: &Arc<smtp::Config>, input: &[u8]) -> usize {
    let mut server = smtp::Server::new(Arc::clone(config));
    let (mut input, mut said) = (input.chunks(16 * 1024), 0);
    loop {
        match server.step() {
            Step::Ask(_) | Step::Wait(_) => server.answer(Answer::Accept),
            Step::Write(octets) => said += octets.len(),
            Step::Read => match input.next() {
                Some(octets) => server.input(octets),
                None => server.end_of_input(),
            },
            Step::StartTls | Step::Close => return said,
        }
    }
}

/// IMAP commands that need no answer of a service.
fn imap_session(input: &[u8]) -> usize {
    let mut server = imap::Server::new(imap::Config::default());
    let (mut input, mut said) = (Some(input), 0);
    loop {
        match server.step() {
            Step::Write(octets) => said += octets.len(),
            Step::Read => match input.take() {
                Some(octets) => server.input(octets),
                None => return said,
            },
            Step::Ask(Ask::Open) => server.answer(ask::Answer::Reply {
                untagged: Vec::new(),
                done: Some(Done::ok("Hello")),
            }),
            Step::Ask(_) | Step::Wait(_) | Step::StartTls | Step::Close => return said,
        }
    }
}

fn parsers(criterion: &mut Criterion) {
    let letter = letter();
    let mut group = criterion.benchmark_group("parsers");
    group.throughput(Throughput::Bytes(letter.len() as u64));
    let config = Arc::new(smtp::Config::new(Kind::Mx, "mx.so.test"));
    let mut session =
        b"EHLO xa.test\r\nMAIL FROM:<vanthu@xa.test>\r\nRCPT TO:<u1@so.test>\r\nDATA\r\n".to_vec();
    session.extend_from_slice(&letter);
    session.extend_from_slice(b".\r\nQUIT\r\n");
    assert!(smtp_session(&config, &session) > 100, "it was not greeted");
    group.bench_function("smtp, a whole session", |bencher| {
        bencher.iter(|| smtp_session(&config, black_box(&session)));
    });
    group.bench_function("message, summary and its stored form", |bencher| {
        bencher.iter(|| congvu_message::summarize(black_box(&letter)).encode());
    });
    group.finish();
    let mut group = criterion.benchmark_group("parsers");
    let commands = b"a1 CAPABILITY\r\na2 NOOP\r\na3 NOOP\r\n\
        a4 FETCH 1:100,200:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Subject Date)])\r\n\
        a5 SEARCH OR FROM \"an\" TEXT \"xin\" SINCE 1-Nov-2026\r\na6 NOOP\r\n";
    assert!(imap_session(commands) > 200, "it was not greeted");
    group.bench_function("imap, greeting and the first commands", |bencher| {
        bencher.iter(|| imap_session(black_box(commands)));
    });
    group.finish();
}

fn new() -> NewMessage {
    NewMessage {
        flags: Flags::default(),
        keywords: Vec::new(),
        date: 0,
        zone: 0,
    }
}

async fn deliver(store: &Store, mailbox: MailboxId, body: NewBody) -> Uid {
    let placed = store.transact(move |tx| tx.append(mailbox, &body, &new(), Quota::Enforce));
    placed.await.expect("there is room").uid
}

async fn inbox(store: &Store, account: AccountId) -> MailboxId {
    let found = store.transact(move |tx| {
        tx.create_home(account, &[LedgerId(account.0)])?;
        let inbox = tx.mailbox_named(account, "INBOX")?;
        Ok::<_, Error>(inbox.ok_or(Error::NoMailbox)?.id)
    });
    found.await.expect("a new home")
}

fn store(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, _) = Store::open(folder.path(), Options::default()).expect("a new store");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .build()
        .expect("threads");
    let letter = letter();
    let summary = congvu_message::summarize(&letter).encode();
    let mut group = criterion.benchmark_group("store");
    group.bench_function("prepare a body", |bencher| {
        bencher.iter(|| store.prepare(black_box(&letter), &summary));
    });
    let body = store.prepare(&letter, &summary).expect("a letter");
    let filled = runtime.block_on(async {
        let filled = inbox(&store, AccountId(1)).await;
        let fill = move |tx: &mut congvu_store::Tx<'_>| {
            (0..MESSAGES)
                .try_for_each(|_| tx.append(filled, &body, &new(), Quota::Enforce).map(drop))
        };
        store.transact(fill).await.expect("there is room");
        filled
    });
    let alone = runtime.block_on(inbox(&store, AccountId(2)));
    group.bench_function("deliver, durable, one at a time", |bencher| {
        bencher.iter(|| {
            let body = store.prepare(&letter, &summary).expect("a letter");
            runtime.block_on(deliver(&store, alone, body))
        });
    });
    group.throughput(Throughput::Elements(TOGETHER as u64));
    group.bench_function("deliver, durable, twenty at once", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                let mut tasks = tokio::task::JoinSet::new();
                for _ in 0..TOGETHER {
                    let store = store.clone();
                    let body = store.prepare(&letter, &summary).expect("a letter");
                    tasks.spawn(async move { deliver(&store, alone, body).await });
                }
                tasks.join_all().await
            })
        });
    });
    group.throughput(Throughput::Elements(u64::from(MESSAGES)));
    group.bench_function("index, scan a thousand messages", |bencher| {
        bencher.iter(|| {
            let read = store.read(move |tx| tx.messages(filled, Uid(1), Uid(u32::MAX), 1_024));
            let found = runtime.block_on(read).expect("messages");
            assert_eq!(found.len(), MESSAGES as usize);
        });
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("index, one mailbox", |bencher| {
        bencher.iter(|| {
            let read = store.read(move |tx| tx.mailbox_named(AccountId(1), "inbox"));
            runtime.block_on(read).expect("a mailbox")
        });
    });
    group.finish();
    runtime.block_on(store.close()).expect("closed");
}

criterion_group!(benches, parsers, store);
criterion_main!(benches);
