//! What an administrator does with the queue.

use congvu_queue::manage;
use congvu_store::queue::QueueId;

use crate::remote::Remote;
use crate::world::{Stored, World};

#[tokio::test]
async fn held_entries_wait_until_they_are_released() {
    let mut remote = Remote::start(|_, _| None).await;
    let mut world = World::new(&[("x.test", &[remote.address])]).await;
    let held = world.send("an@bo.test", &["a@x.test"]).await;
    let dropped = world.send("an@bo.test", &["b@x.test"]).await;
    assert!(
        manage::hold(&world.store, held, "asked for".into())
            .await
            .unwrap()
    );
    assert!(
        manage::drop_entry(&world.store, dropped)
            .await
            .unwrap()
            .is_some()
    );
    let free = world.send("an@bo.test", &["c@x.test"]).await;
    world.run();
    assert_eq!(remote.hear("RCPT").await.1, "RCPT TO:<c@x.test>");
    world
        .until("one entry left", async |world| {
            world.entries().await.len() == 1
        })
        .await;
    assert_eq!(manage::show(&world.store, free).await.unwrap(), None);
    let shown = manage::show(&world.store, held).await.unwrap().unwrap();
    assert_eq!(shown.entry.hold.as_deref(), Some("asked for"));
    assert_eq!((shown.rcpts.len(), shown.rcpts[0].attempts), (1, 0));
    assert!(manage::release(&world.store, held).await.unwrap());
    assert_eq!(remote.hear("RCPT").await.1, "RCPT TO:<a@x.test>");
    world.emptied().await;
    world.stop().await;
}

#[tokio::test]
async fn lists_and_counts() -> Stored<()> {
    let world = World::new(&[]).await;
    for _ in 0..5 {
        world.send("an@bo.test", &["a@x.test", "b@y.test"]).await;
    }
    let all = manage::list(&world.store, QueueId(0), 100).await?;
    assert_eq!(all.len(), 5);
    let rest = manage::list(&world.store, QueueId(all[2].id.0 + 1), 1).await?;
    assert_eq!(
        rest.iter().map(|entry| entry.id).collect::<Vec<_>>(),
        [all[3].id]
    );
    manage::hold(&world.store, all[0].id, String::new()).await?;
    assert_eq!(
        manage::retry_all(&world.store, Some("y.test".into())).await?,
        4
    );
    assert_eq!(
        manage::retry_all(&world.store, Some("z.test".into())).await?,
        0
    );
    let counts = manage::counts(&world.store).await?;
    assert_eq!((counts.entries, counts.held, counts.waiting), (5, 1, 10));
    assert_eq!(manage::retry_all(&world.store, None).await?, 4);
    assert!(!manage::retry(&world.store, QueueId(99), None).await?);
    assert!(!manage::release(&world.store, all[1].id).await?);
    assert_eq!(manage::drop_entry(&world.store, QueueId(99)).await?, None);
    Ok(())
}
