//! What the changes of the queue leave behind.

use tempfile::TempDir;

use super::*;
use crate::id::BodyId;
use crate::queue::{BodyKind, Lane};
use crate::store::{Options, Store};
use crate::tx::Snapshot;

const HOUR: i64 = 3_600_000;

fn new_entry(lane: Lane) -> NewEntry {
    NewEntry {
        lane,
        sender: "an@bo.test".into(),
        body: BodyId(7),
        frame: 0,
        skip: 0,
        size: 100,
        account: None,
        envid: None,
        ret: None,
        utf8: false,
        body_kind: BodyKind::SevenBit,
        hold: None,
        trace: "0abc".into(),
    }
}

fn rcpts(addresses: &[&str]) -> Vec<NewRcpt> {
    let rcpt = |address: &&str| NewRcpt {
        address: (*address).to_owned(),
        domain: address.rsplit('@').next().unwrap_or_default().to_owned(),
        ..NewRcpt::default()
    };
    addresses.iter().map(rcpt).collect()
}

fn deferred(next: Timestamp) -> Outcome {
    Outcome::Deferred {
        next,
        reply: "450 later".into(),
        remote: None,
    }
}

fn delivered() -> Outcome {
    Outcome::Delivered {
        reply: "250 ok".into(),
        remote: Some("mx.example".into()),
    }
}

struct Queue {
    store: Store,
    _folder: TempDir,
}

impl Queue {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let (store, _) = Store::open(folder.path(), Options::default()).expect("a store");
        Self {
            store,
            _folder: folder,
        }
    }

    async fn change<T: Send + 'static>(
        &self,
        f: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> T {
        self.store.transact(f).await.expect("a change")
    }

    async fn read<T: Send + 'static>(
        &self,
        f: impl Fn(&Snapshot<'_>) -> Result<T> + Send + 'static,
    ) -> T {
        self.store.read(f).await.expect("a read")
    }

    async fn enqueue(&self, lane: Lane, addresses: &[&str]) -> QueueId {
        let rcpts = rcpts(addresses);
        self.change(move |tx| tx.enqueue(&new_entry(lane), &rcpts))
            .await
    }

    async fn settle(
        &self,
        id: QueueId,
        domain: &'static str,
        outcomes: Vec<(u32, Outcome)>,
    ) -> Option<Settled> {
        self.change(move |tx| tx.settle(id, domain, &outcomes))
            .await
    }

    /// Tasks due within the next `hours`.
    async fn due(&self, hours: i64) -> Vec<TaskKey> {
        let until = Timestamp(Timestamp::now().0 + hours * HOUR + 60_000);
        self.read(move |r| r.due(until, None, 1_000)).await
    }
}

fn later(hours: i64) -> Timestamp {
    Timestamp(Timestamp::now().0 + hours * HOUR)
}

#[tokio::test]
async fn an_entry_lives_until_its_last_recipient_is_final() {
    let queue = Queue::new();
    let id = queue
        .enqueue(Lane::Normal, &["a@x.test", "b@x.test", "c@y.test"])
        .await;
    let due = queue.due(0).await;
    let domains: Vec<_> = due.iter().map(|task| task.domain.as_str()).collect();
    assert_eq!(domains, ["x.test", "y.test"]);
    let task = due[0].clone();
    let (entry, found) = queue
        .read(move |r| r.task(&task, 10))
        .await
        .expect("a task");
    assert_eq!(
        (entry.waiting, found.len(), found[1].address.as_str()),
        (3, 2, "b@x.test")
    );

    let next = later(2);
    let settled = queue
        .settle(id, "x.test", vec![(0, delivered()), (1, deferred(next))])
        .await
        .expect("an entry");
    assert_eq!(
        (
            settled.finished,
            settled.entry.waiting,
            settled.rcpts[1].attempts
        ),
        (false, 2, 1)
    );
    let due = queue.due(0).await;
    assert_eq!(due.len(), 1, "{due:?}");
    assert_eq!(queue.read(|r| r.next_due(later(1))).await, Some(next));
    assert_eq!(queue.due(3).await.len(), 2);

    assert!(
        !queue
            .settle(id, "y.test", vec![(2, delivered())])
            .await
            .expect("an entry")
            .finished
    );
    // Settling a recipient that is final already changes nothing.
    assert!(
        queue
            .settle(id, "y.test", vec![(2, deferred(next))])
            .await
            .expect("an entry")
            .rcpts
            .is_empty()
    );
    assert!(
        queue
            .settle(id, "x.test", vec![(1, delivered())])
            .await
            .expect("an entry")
            .finished
    );
    assert_eq!(
        queue.settle(id, "x.test", vec![(1, delivered())]).await,
        None
    );
    assert!(queue.due(100).await.is_empty());
    assert!(
        queue
            .read(move |r| r.queue_rcpts(id, None, 10))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn urgent_lanes_come_first_and_pages_follow_each_other() {
    let queue = Queue::new();
    let normal = queue.enqueue(Lane::Normal, &["a@x.test", "a@y.test"]).await;
    let urgent = queue.enqueue(Lane::HoaToc, &["a@x.test"]).await;
    let all = queue.due(0).await;
    assert_eq!(
        all.iter().map(|task| task.entry).collect::<Vec<_>>(),
        [urgent, normal, normal]
    );
    let mut paged: Vec<TaskKey> = Vec::new();
    loop {
        let after = paged.last().cloned();
        let page = queue
            .read(move |r| r.due(later(1), after.as_ref(), 1))
            .await;
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, all);
}

#[tokio::test]
async fn held_entries_are_not_due() {
    let queue = Queue::new();
    let id = queue.enqueue(Lane::Normal, &["a@x.test", "b@y.test"]).await;
    assert!(queue.change(move |tx| tx.hold(id, "inspection")).await);
    assert!(queue.due(100).await.is_empty());
    // An attempt that was under way still settles, and brings nothing back.
    queue
        .settle(id, "x.test", vec![(0, deferred(later(1)))])
        .await;
    assert!(queue.due(100).await.is_empty());
    let mut counts = Counts::default();
    counts = queue
        .read(move |r| {
            let mut counts = counts;
            r.queue_count(QueueId(0), &mut counts).map(|_| counts)
        })
        .await;
    assert_eq!(
        (counts.entries, counts.held, counts.waiting, counts.octets),
        (1, 1, 2, 100)
    );
    assert!(queue.change(move |tx| tx.release(id)).await);
    assert!(!queue.change(move |tx| tx.release(id)).await);
    assert_eq!(queue.due(0).await.len(), 1);
    assert_eq!(queue.due(2).await.len(), 2);
    assert!(queue.change(move |tx| tx.retry(id, None)).await);
    assert_eq!(queue.due(0).await.len(), 2);
    assert!(queue.change(move |tx| tx.drop_entry(id)).await.is_some());
    assert!(queue.due(100).await.is_empty());
    assert_eq!(queue.read(move |r| r.queue_entry(id)).await, None);
}

#[tokio::test]
async fn many_recipients_need_many_pages() {
    let queue = Queue::new();
    let addresses: Vec<String> = (0..2_500).map(|n| format!("u{n}@x.test")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let id = queue.enqueue(Lane::Normal, &addresses).await;
    let outcomes = (0..2_499).map(|index| (index, delivered())).collect();
    let settled = queue
        .settle(id, "x.test", outcomes)
        .await
        .expect("an entry");
    assert_eq!((settled.finished, settled.entry.waiting), (false, 1));
    let task = queue.due(0).await.remove(0);
    let (_, left) = queue
        .read(move |r| r.task(&task, 10))
        .await
        .expect("a task");
    assert_eq!(
        left.iter().map(|rcpt| rcpt.index).collect::<Vec<_>>(),
        [2_499]
    );
    assert!(
        queue
            .settle(id, "x.test", vec![(2_499, delivered())])
            .await
            .expect("an entry")
            .finished
    );
}

#[tokio::test]
async fn nothing_senseless_is_queued() {
    let queue = Queue::new();
    for rcpts in [vec![], vec![NewRcpt::default()]] {
        let refused = queue
            .store
            .transact(move |tx| tx.enqueue(&new_entry(Lane::Normal), &rcpts))
            .await;
        assert!(matches!(refused, Err(Error::Limit(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_new_entry_is_due_at_the_time_of_the_store() {
    let queue = Queue::new();
    let before = queue.read(|r| r.last_time()).await;
    let id = queue.enqueue(Lane::Normal, &["a@x.test"]).await;
    let time = queue.read(|r| r.last_time()).await;
    assert!(time >= before);
    let arrived = queue.read(move |r| r.queue_entry(id)).await;
    assert_eq!(arrived.map(|entry| entry.arrived), Some(time));
    let due = queue.read(move |r| r.due(time, None, 10)).await;
    assert_eq!(due.len(), 1);
}
