//! IDLE: what wakes it, what it keeps when it is dropped.

use std::time::Duration;

use congvu_imapd::Settings;

use crate::world::{Client, World, letter};

async fn idle(client: &mut Client) {
    client.send(b"i IDLE\r\n").await;
    let said = client.take();
    assert!(said[0].starts_with("+ "), "{said:?}");
    assert!(!client.glance().await, "nothing to say yet");
}

#[tokio::test]
async fn a_letter_wakes_it() {
    let world = World::new().await;
    let mut one = world.select("lan", "INBOX").await;
    let mut two = world.login("lan").await;
    idle(&mut one).await;
    two.append("INBOX", "", &letter("một", "x")).await;
    assert_eq!(one.wait().await, ["* 1 EXISTS", "* 1 RECENT"]);
    two.ok("SELECT INBOX").await;
    two.ok("STORE 1 +FLAGS.SILENT (\\Seen \\Deleted)").await;
    assert_eq!(
        one.wait().await,
        ["* 1 FETCH (UID 1 FLAGS (\\Deleted \\Seen \\Recent))"]
    );
    two.ok("EXPUNGE").await;
    assert_eq!(one.wait().await, ["* 1 EXPUNGE"]);
    one.send(b"DONE\r\n").await;
    assert_eq!(one.take(), ["i OK IDLE ended"]);
}

#[tokio::test]
async fn nothing_is_lost_when_the_client_is_faster() {
    let world = World::new().await;
    let mut one = world.select("lan", "INBOX").await;
    let mut two = world.login("lan").await;
    idle(&mut one).await;
    two.append("INBOX", "", &letter("một", "x")).await;
    one.send(b"DONE\r\n").await;
    one.take();
    assert_eq!(one.untagged("NOOP").await, ["* 1 EXISTS", "* 1 RECENT"]);
}

#[tokio::test]
async fn iphones_pipeline_around_it() {
    let world = World::new().await;
    let mut one = world.select("lan", "INBOX").await;
    one.send(b"a IDLE\r\nDONE\r\nb NOOP\r\n").await;
    let said = one.take();
    assert_eq!(
        said.last().map(|line| line.starts_with("b OK")),
        Some(true),
        "{said:?}"
    );
}

#[tokio::test]
async fn it_says_that_it_is_still_here() {
    let world = World::with(Settings {
        keep_alive: Duration::from_millis(10),
        ..Settings::default()
    })
    .await;
    let mut one = world.select("lan", "INBOX").await;
    let mut two = world.login("lan").await;
    for client in [&mut one, &mut two] {
        idle(client).await;
        assert_eq!(client.wait().await, ["* OK Still here"]);
        assert_eq!(client.wait().await, ["* OK Still here"]);
    }
}
