//! Limits of octets and messages.

use crate::world::{World, letter};

#[tokio::test]
async fn limits_are_shown_and_bind() {
    let world = World::new().await;
    world.account("hoa", 10 * 1024, 3).await;
    let mut client = world.login("hoa").await;
    let small = letter("một", "x");
    client.append("INBOX", "", &small).await;
    assert_eq!(
        client.untagged("GETQUOTAROOT inbox").await,
        [
            "* QUOTAROOT INBOX \"account\"",
            "* QUOTA \"account\" (STORAGE 1 10 MESSAGE 1 3)",
        ]
    );
    assert_eq!(
        client.untagged("GETQUOTA account").await,
        ["* QUOTA \"account\" (STORAGE 1 10 MESSAGE 1 3)"]
    );
    client.refused("GETQUOTA other", "NO [NONEXISTENT]").await;
    client
        .refused("GETQUOTAROOT nothing", "NO [NONEXISTENT]")
        .await;
    // Refused before the literal is sent.
    client
        .refused("APPEND INBOX {20000}", "NO [OVERQUOTA]")
        .await;
    client.append("INBOX", "", &small).await;
    client.append("INBOX", "", &small).await;
    client.refused("APPEND INBOX {10}", "NO [OVERQUOTA]").await;
    client.ok("SELECT INBOX").await;
    client.refused("COPY 1 Archive", "NO [OVERQUOTA]").await;
    client.ok("MOVE 1 Trash").await;
    client.ok("STORE 1:2 +FLAGS.SILENT (\\Deleted)").await;
    client.ok("EXPUNGE").await;
    client.append("INBOX", "", &small).await;
}

#[tokio::test]
async fn without_limits_there_is_nothing_to_show() {
    let world = World::new().await;
    let mut client = world.login("lan").await;
    assert_eq!(
        client.untagged("GETQUOTAROOT INBOX").await,
        ["* QUOTAROOT INBOX"]
    );
    client.refused("GETQUOTA account", "NO [NONEXISTENT]").await;
}
