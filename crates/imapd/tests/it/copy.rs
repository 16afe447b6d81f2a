//! COPY, MOVE, EXPUNGE, CLOSE.

use crate::world::{Client, World, letter};

async fn three() -> (World, Client) {
    let world = World::new().await;
    let mut client = world.login("lan").await;
    for subject in ["một", "hai", "ba"] {
        client
            .append("INBOX", "(\\Flagged $Khan)", &letter(subject, "x"))
            .await;
    }
    client.ok("SELECT INBOX").await;
    client.ok("SELECT INBOX").await;
    (world, client)
}

#[tokio::test]
async fn copy_keeps_flags_and_says_the_uids() {
    let (_world, mut client) = three().await;
    let lines = client.ok("COPY 3,1 Archive").await;
    let code = lines.last().unwrap();
    assert!(
        code.starts_with("OK [COPYUID ") && code.contains(" 1,3 1:2]"),
        "{code}"
    );
    let lines = client.ok("UID COPY 2 INBOX").await;
    assert_eq!(lines[..lines.len() - 1], ["* 4 EXISTS", "* 1 RECENT"]);
    client.refused("COPY 1 nothing", "NO [TRYCREATE]").await;
    assert_eq!(
        client.ok("UID COPY 99 Archive").await,
        ["OK COPY completed"]
    );
    client.refused("COPY 9 Archive", "BAD ").await;
    client.ok("SELECT Archive").await;
    assert!(client.untagged("FETCH 1 FLAGS").await[0].contains("\\Flagged $Khan"));
}

#[tokio::test]
async fn moves() {
    let (world, mut client) = three().await;
    let mut other = world.select("lan", "INBOX").await;
    let lines = client.ok("MOVE 1,3 Trash").await;
    assert!(
        lines[0].starts_with("* OK [COPYUID ") && lines[0].contains(" 1,3 1:2]"),
        "{lines:?}"
    );
    assert_eq!(
        lines[1..],
        ["* 1 EXPUNGE", "* 2 EXPUNGE", "OK MOVE completed"]
    );
    // Apple Mail tries again what is done already.
    assert_eq!(client.ok("UID MOVE 1,3 Trash").await, ["OK MOVE completed"]);
    assert_eq!(other.untagged("NOOP").await, ["* 1 EXPUNGE", "* 2 EXPUNGE"]);
    client.refused("MOVE 1 nothing", "NO [TRYCREATE]").await;
    assert_eq!(
        client.untagged("STATUS Trash (MESSAGES)").await,
        ["* STATUS \"Trash\" (MESSAGES 2)"]
    );
    assert_eq!(
        client.untagged("FETCH 1:* UID").await,
        ["* 1 FETCH (UID 2)"]
    );
    other.ok("EXAMINE INBOX").await;
    other.refused("MOVE 1 Trash", "NO ").await;
}

#[tokio::test]
async fn expunge_and_close() {
    let (world, mut client) = three().await;
    client.ok("STORE 1:3 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(client.untagged("UID EXPUNGE 2,7").await, ["* 2 EXPUNGE"]);
    assert_eq!(
        client.untagged("EXPUNGE").await,
        ["* 1 EXPUNGE", "* 1 EXPUNGE"]
    );
    assert!(client.untagged("EXPUNGE").await.is_empty());
    client
        .append("INBOX", "(\\Deleted)", &letter("bốn", "x"))
        .await;
    client.append("INBOX", "", &letter("năm", "x")).await;
    let mut other = world.select("lan", "INBOX").await;
    client.ok("UNSELECT").await;
    assert!(other.untagged("NOOP").await.is_empty());
    other.ok("EXAMINE INBOX").await;
    other.ok("CLOSE").await;
    client.ok("SELECT INBOX").await;
    assert_eq!(client.ok("CLOSE").await.len(), 1);
    client.ok("SELECT INBOX").await;
    assert_eq!(
        client.untagged("FETCH 1:* UID").await,
        ["* 1 FETCH (UID 5)"]
    );
}

#[tokio::test]
async fn what_people_do_with_letters_is_remembered_in_the_same_transaction() {
    let (world, mut client) = three().await;
    client.ok("MOVE 1 Junk").await;
    // A client without MOVE: the copy is the act, the expunge of the original says nothing.
    client.ok("UID COPY 2 Junk").await;
    client.ok("UID STORE 2 +FLAGS.SILENT (\\Deleted)").await;
    client.ok("UID EXPUNGE 2").await;
    client.ok("UID STORE 3 +FLAGS ($Junk)").await;
    assert_eq!(
        world.labels().await,
        ["spam move", "spam move", "spam flag"]
    );
    // Out of Junk; thrown away without MOVE.
    client.ok("SELECT Junk").await;
    client.ok("COPY 1 INBOX").await;
    client.ok("UID COPY 2 Trash").await;
    client.ok("UID STORE 2 +FLAGS (\\Deleted)").await;
    client.ok("EXPUNGE").await;
    assert_eq!(world.labels().await[3..], ["ham move"]);
    // What a client uploads is no judgement of a letter that came here.
    client
        .append("Junk", "($Junk)", &letter("tải lên", "x"))
        .await;
    assert_eq!(world.labels().await.len(), 4);
}
