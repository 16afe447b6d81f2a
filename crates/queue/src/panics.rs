//! A letter that makes its worker panic: set aside after three tries, while others flow. Only the tests can
//! make one, with this trace id; no letter is known that does.

use congvu_directory::Directory;
use congvu_net::Stopper;
use congvu_net::connect::Source;
use congvu_net::dns::{Resolver, Zone};
use congvu_net::tls::TlsClient;
use congvu_smtp::client::{TlsPolicy, Waits};
use congvu_store::queue::{
    BodyKind, Entry, Lane, NewEntry, NewRcpt, QueueId, QueueRead, QueueWrite,
};
use congvu_store::{BodyId, Options, Read, Store, Topic};
use remote::Remote;

use crate::board::PANICS_MOST;
use crate::{Queue, Route, Schedule, Settings, Way};

#[path = "../tests/it/remote.rs"]
#[allow(dead_code, reason = "shared with the integration tests")]
mod remote;

const CURSED: &str = "cursed";

/// Where a worker has a letter in its hand.
pub(crate) fn strike(entry: &Entry) {
    assert!(entry.trace != CURSED, "a letter that ends its worker");
}

async fn enqueue(store: &Store, trace: &str) -> QueueId {
    let body = store.prepare(b"Subject: x\r\n\r\nx\r\n", b"").unwrap();
    let new = NewEntry {
        lane: Lane::Normal,
        sender: String::new(),
        body: BodyId::default(),
        frame: 0,
        skip: 0,
        size: 17,
        account: None,
        envid: None,
        ret: None,
        utf8: false,
        body_kind: BodyKind::SevenBit,
        hold: None,
        trace: trace.to_owned(),
    };
    let rcpt = NewRcpt {
        address: format!("{trace}@x.test"),
        domain: "x.test".into(),
        ..NewRcpt::default()
    };
    store
        .transact(move |tx| {
            let body = tx.attach(&body)?;
            let new = NewEntry {
                body,
                ..new.clone()
            };
            tx.enqueue(&new, std::slice::from_ref(&rcpt))
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn a_letter_that_panics_its_worker_is_set_aside_and_others_flow() {
    let mut server = Remote::start(|_, _| None).await;
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(folder.path(), Options::default()).unwrap();
    let settings = Settings {
        hello: "us.test".into(),
        zone: 0,
        schedule: Schedule::default(),
        connections: 1,
        per_destination: 1,
        routes: vec![Route {
            domain: "*".into(),
            to: Way::Relay("127.0.0.1".into()),
            port: server.address.port(),
            tls: TlsPolicy::Never,
            credentials: None,
        }],
        source: Source::default(),
        port: 25,
        waits: Waits::default(),
        resolver: Resolver::fixed(Zone::default()),
        tls: TlsClient::new(None).unwrap(),
    };
    let cursed = enqueue(&store, CURSED).await;
    for number in 0..5 {
        enqueue(&store, &format!("fine{number}")).await;
    }
    let stopper = Stopper::new();
    let queue = Queue::new(Directory::new(store.clone()), settings);
    let signal = stopper.signal();
    let running = tokio::spawn(async move { queue.run(signal).await });
    let mut watcher = store.watch(Topic::Queue);
    for _ in 0..5 {
        server.message().await;
    }
    for times in 1..=PANICS_MOST {
        loop {
            let entry = store.read(move |r| r.queue_entry(cursed)).await;
            let entry = entry.unwrap().expect("never lost");
            let rcpts = store.read(move |r| r.queue_rcpts(cursed, None, 1)).await;
            let attempts = rcpts.unwrap()[0].attempts;
            if times == PANICS_MOST && entry.hold.is_some() {
                break;
            }
            if times < PANICS_MOST && attempts == times {
                assert_eq!(entry.hold, None);
                break;
            }
            watcher.changed().await;
            watcher.take();
        }
        // It waits for a minute between its tries; nobody here does.
        if times < PANICS_MOST {
            assert!(crate::manage::retry(&store, cursed, None).await.unwrap());
        }
    }
    let later = enqueue(&store, "later").await;
    server.message().await;
    loop {
        let gone = store.read(move |r| r.get::<Entry>(&later)).await.unwrap();
        if gone.is_none() {
            break;
        }
        watcher.changed().await;
        watcher.take();
    }
    assert!(stopper.stop(std::time::Duration::from_mins(1)).await);
    running.await.unwrap();
}
