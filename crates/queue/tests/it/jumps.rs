//! The wall clock jumps: letters are neither returned in a mass nor kept for ever. To a letter, a clock that
//! jumps forward is the same as its own instant of arrival moving back, and so the tests do it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use congvu_queue::{Schedule, manage};
use congvu_store::Timestamp;
use congvu_store::queue::{Entry, QueueId, QueueRead};

use crate::remote::Remote;
use crate::world::{MAIL, World};

const DAY: i64 = 86_400_000;
/// Letters of a test: enough to see a mass.
const LETTERS: usize = 30;

/// Moves the arrival of a letter.
async fn move_arrival(world: &World, id: QueueId, by: i64) {
    world
        .store
        .transact(move |tx| {
            let entry = tx.queue_entry(id)?.expect("it waits");
            let arrived = Timestamp(entry.arrived.0.saturating_add(by));
            tx.put(&Entry { arrived, ..entry })
        })
        .await
        .unwrap();
}

/// Letters that arrived `by` milliseconds off the clock, at a server that refuses for now, later takes them.
/// `put_off` is how far ahead the clock of that time put their next attempt, if it made one.
async fn jump(by: i64, put_off: Option<Duration>) {
    let refusing = Arc::new(AtomicBool::new(true));
    let refuses = Arc::clone(&refusing);
    let mut remote = Remote::start(move |_, line| {
        (line.starts_with("RCPT") && refuses.load(Ordering::SeqCst))
            .then(|| "451 4.3.0 later".into())
    })
    .await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    // The schedule of the real world: it decides what is returned.
    world.settings.schedule = Schedule::default();
    let mut ids = Vec::new();
    for _ in 0..LETTERS {
        let id = world.send("an@bo.test", &["a@x.test"]).await;
        move_arrival(&world, id, by).await;
        if let Some(ahead) = put_off {
            world.put_off(id, "x.test", ahead).await;
        }
        ids.push(id);
    }
    let before = u32::from(put_off.is_some());
    world.run();
    world
        .until("every letter was tried", async |world| {
            for id in &ids {
                if world.attempts(*id).await <= before {
                    return false;
                }
            }
            true
        })
        .await;
    assert_eq!(world.entries().await.len(), LETTERS);
    assert!(world.inbox("an@bo.test").await.is_empty(), "returned");
    refusing.store(false, Ordering::SeqCst);
    manage::retry_all(&world.store, None).await.unwrap();
    world.emptied().await;
    world.stop().await;
    let heard = remote.heard();
    let whole = format!("MESSAGE {MAIL}");
    let arrived = heard.iter().filter(|(_, line)| *line == whole);
    assert_eq!(arrived.count(), LETTERS);
    assert!(world.inbox("an@bo.test").await.is_empty(), "returned");
}

#[tokio::test]
async fn ten_years_forward_returns_nothing() {
    jump(-3_650 * DAY, None).await;
}

#[tokio::test]
async fn a_day_back_keeps_nothing_waiting() {
    jump(DAY, Some(Duration::from_hours(24))).await;
}
