//! Two sessions on one mailbox: what each is told, and when.

use crate::world::{Client, World, letter};

async fn two() -> (World, Client, Client) {
    let world = World::new().await;
    let mut one = world.login("lan").await;
    for subject in ["một", "hai", "ba", "bốn"] {
        one.append("INBOX", "", &letter(subject, "x")).await;
    }
    one.ok("SELECT INBOX").await;
    let two = world.select("lan", "INBOX").await;
    (world, one, two)
}

#[tokio::test]
async fn expunges_wait_for_a_command_that_may_say_them() {
    let (_world, mut one, mut two) = two().await;
    two.ok("STORE 2 +FLAGS.SILENT (\\Deleted)").await;
    two.ok("EXPUNGE").await;
    // The numbers stay while FETCH, STORE and SEARCH by number work with them.
    assert_eq!(one.untagged("FETCH 4 UID").await, ["* 4 FETCH (UID 4)"]);
    let lines = one.refused("FETCH 1:4 UID", "NO [EXPUNGEISSUED]").await;
    assert_eq!(
        lines[..3],
        [
            "* 1 FETCH (UID 1)",
            "* 3 FETCH (UID 3)",
            "* 4 FETCH (UID 4)"
        ]
    );
    let lines = one
        .refused("STORE 2 +FLAGS (\\Seen)", "NO [EXPUNGEISSUED]")
        .await;
    assert_eq!(lines.len(), 1);
    let lines = one.command("SEARCH ALL").await;
    assert_eq!(lines[0], "* SEARCH 1 3 4");
    one.refused("COPY 1:2 Archive", "NO [EXPUNGEISSUED]").await;
    assert_eq!(
        one.untagged("STATUS Archive (MESSAGES)").await[0],
        "* STATUS \"Archive\" (MESSAGES 0)"
    );
    assert_eq!(
        one.untagged("FETCH 3 UID").await,
        ["* 3 FETCH (UID 4)"],
        "said with STATUS"
    );
}

#[tokio::test]
async fn uid_commands_say_expunges() {
    let (_world, mut one, mut two) = two().await;
    two.ok("STORE 1,4 +FLAGS.SILENT (\\Deleted)").await;
    two.ok("EXPUNGE").await;
    let lines = one.untagged("UID FETCH 1:3 UID").await;
    assert_eq!(
        lines,
        [
            "* 2 FETCH (UID 2)",
            "* 3 FETCH (UID 3)",
            "* 1 EXPUNGE",
            "* 3 EXPUNGE"
        ]
    );
}

#[tokio::test]
async fn flags_and_arrivals_are_said_after_any_command() {
    let (world, mut one, mut two) = two().await;
    two.ok("STORE 1 +FLAGS (\\Seen)").await;
    let mut third = world.login("lan").await;
    third.append("INBOX", "", &letter("năm", "x")).await;
    let lines = one.untagged("FETCH 2 UID").await;
    assert_eq!(
        lines,
        [
            "* 2 FETCH (UID 2)",
            "* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))",
            "* 5 EXISTS",
            "* 5 RECENT"
        ]
    );
    assert_eq!(
        two.untagged("LIST \"\" INBOX").await,
        [
            "* LIST (\\HasNoChildren) \"/\" INBOX",
            "* 5 EXISTS",
            "* 0 RECENT"
        ]
    );
}

#[tokio::test]
async fn what_thunderbird_passes_over_is_said_again() {
    let (_world, mut one, mut two) = two().await;
    two.append("INBOX", "", &letter("năm", "x")).await;
    assert_eq!(
        one.untagged("UID FETCH 1 UID").await,
        ["* 1 FETCH (UID 1)", "* 5 EXISTS", "* 4 RECENT"]
    );
    one.send(b"i IDLE\r\n").await;
    one.take();
    assert_eq!(one.wait().await, ["* 5 EXISTS"]);
    assert!(!one.glance().await);
}

#[tokio::test]
async fn a_message_that_came_and_went_is_never_mentioned() {
    let (world, mut one, mut two) = two().await;
    let mut third = world.login("lan").await;
    third
        .append("INBOX", "(\\Deleted)", &letter("năm", "x"))
        .await;
    two.ok("NOOP").await;
    two.ok("EXPUNGE").await;
    assert!(one.untagged("NOOP").await.is_empty());
}

#[tokio::test]
async fn a_deleted_mailbox_empties() {
    let (_world, mut one, mut two) = two().await;
    two.ok("CREATE tam").await;
    two.append("tam", "", &letter("một", "x")).await;
    one.ok("SELECT tam").await;
    two.ok("DELETE tam").await;
    let lines = one.untagged("NOOP").await;
    assert!(lines[0].starts_with("* NO [NONEXISTENT]"), "{lines:?}");
    assert_eq!(lines[1..], ["* 1 EXPUNGE"]);
    assert!(one.untagged("NOOP").await.is_empty());
    assert!(one.untagged("UID FETCH 1:* FLAGS").await.is_empty());
    one.ok("SELECT INBOX").await;
}

#[tokio::test]
async fn a_session_that_slept_through_very_much() {
    let (world, mut one, _two) = two().await;
    let account = world.id("lan").await;
    let body = world
        .store
        .prepare(
            b"Subject: x\r\n\r\ny\r\n",
            &congvu_message::summarize(b"Subject: x\r\n\r\ny\r\n").encode(),
        )
        .unwrap();
    let (flagged, gone) = world
        .store
        .transact(move |tx| {
            use congvu_store::{FlagChange, Flags, NewMessage, Read, Uid};
            let inbox = tx.mailbox_named(account, "INBOX")?.unwrap().id;
            let message = NewMessage {
                flags: Flags::default(),
                keywords: Vec::new(),
                date: 0,
                zone: 0,
            };
            for _ in 0..5000 {
                tx.append(inbox, &body, &message, congvu_store::tx::Quota::Ignore)?;
            }
            let (flagged, _) =
                tx.change_flags(inbox, Uid(3), &FlagChange::Add(Flags::FLAGGED, Vec::new()))?;
            let gone = tx.expunge(inbox, &[Uid(1), Uid(2), Uid(100)])?;
            Ok::<_, congvu_store::Error>((flagged.uid, gone.len()))
        })
        .await
        .unwrap();
    assert_eq!((flagged.0, gone), (3, 3));
    let lines = one.untagged("NOOP").await;
    assert_eq!(
        lines[0],
        "* 3 FETCH (UID 3 FLAGS (\\Flagged \\Recent))",
        "{:?}",
        &lines[..4]
    );
    assert_eq!(lines[1..3], ["* 1 EXPUNGE", "* 1 EXPUNGE"]);
    assert_eq!(lines[3], "* 5001 EXISTS");
    assert_eq!(
        one.untagged("FETCH 5001 UID").await,
        ["* 5001 FETCH (UID 5004)"]
    );
}
