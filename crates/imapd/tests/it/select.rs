//! SELECT, EXAMINE, STATUS, RECENT, in both revisions.

use crate::world::{World, letter};

fn has(lines: &[String], wanted: &str) -> bool {
    lines.iter().any(|line| line.contains(wanted))
}

#[tokio::test]
async fn select_says_all_of_rev1() {
    let world = World::new().await;
    let mut client = world.login("lan").await;
    client
        .append("INBOX", "(\\Seen)", &letter("một", "x"))
        .await;
    client.append("INBOX", "($Khan)", &letter("hai", "x")).await;
    let lines = client.ok("SELECT inbox").await;
    for wanted in [
        "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Khan)",
        "[PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Khan \\*)]",
        "* 2 EXISTS",
        "* 2 RECENT",
        "[UNSEEN 2]",
        "[UIDNEXT 3]",
        "[UIDVALIDITY ",
    ] {
        assert!(has(&lines, wanted), "{wanted}: {lines:?}");
    }
    assert!(!has(&lines, "* LIST"), "{lines:?}");
    assert!(
        lines.last().unwrap().starts_with("OK [READ-WRITE]"),
        "{lines:?}"
    );
    let lines = client.ok("EXAMINE INBOX").await;
    assert!(
        has(&lines, "[CLOSED]") && has(&lines, "* 0 RECENT") && has(&lines, "[PERMANENTFLAGS ()]"),
        "{lines:?}"
    );
    assert!(
        lines.last().unwrap().starts_with("OK [READ-ONLY]"),
        "{lines:?}"
    );
    client.refused("STORE 1 +FLAGS (\\Deleted)", "NO ").await;
    client.refused("EXPUNGE", "NO ").await;
    client.refused("SELECT nothing", "NO [NONEXISTENT]").await;
    client.refused("FETCH 1 FLAGS", "BAD ").await;
}

#[tokio::test]
async fn select_says_all_of_rev2() {
    let world = World::new().await;
    let mut client = world.login("lan").await;
    client.append("Sent", "", &letter("một", "x")).await;
    client.ok("ENABLE IMAP4rev2").await;
    let lines = client.ok("SELECT Sent").await;
    assert!(has(&lines, "* LIST (\\Sent) \"/\" "), "{lines:?}");
    assert!(
        !has(&lines, "RECENT") && !has(&lines, "UNSEEN") && !has(&lines, "\\Recent"),
        "{lines:?}"
    );
    let lines = client.untagged("FETCH 1 FLAGS").await;
    assert_eq!(lines, ["* 1 FETCH (FLAGS ())"]);
}

#[tokio::test]
async fn a_message_is_recent_to_one_session() {
    let world = World::new().await;
    let mut one = world.login("lan").await;
    one.append("INBOX", "", &letter("một", "x")).await;
    assert_eq!(
        one.untagged("STATUS INBOX (MESSAGES RECENT)").await,
        ["* STATUS INBOX (MESSAGES 1 RECENT 1)"]
    );
    assert!(has(&one.ok("EXAMINE INBOX").await, "* 1 RECENT"));
    assert!(has(&one.ok("SELECT INBOX").await, "* 1 RECENT"));
    assert!(has(&one.untagged("FETCH 1 FLAGS").await, "\\Recent"));
    let mut two = world.login("lan").await;
    assert!(has(&two.ok("SELECT INBOX").await, "* 0 RECENT"));
    // What arrives belongs to whoever is told first.
    one.append("Drafts", "", &letter("hai", "x")).await;
    let mut three = world.login("lan").await;
    three.append("INBOX", "", &letter("ba", "x")).await;
    assert_eq!(two.untagged("NOOP").await, ["* 2 EXISTS", "* 1 RECENT"]);
    assert_eq!(one.untagged("NOOP").await, ["* 2 EXISTS", "* 1 RECENT"]);
    assert!(has(&two.untagged("FETCH 2 FLAGS").await, "\\Recent"));
    assert!(!has(&one.untagged("FETCH 2 FLAGS").await, "\\Recent"));
    two.ok("CLOSE").await;
    assert!(has(&three.ok("SELECT INBOX").await, "* 0 RECENT"));
}

#[tokio::test]
async fn status_of_everything() {
    let world = World::new().await;
    let mut client = world.login("lan").await;
    let text = letter("một", "x");
    client.append("INBOX", "(\\Deleted)", &text).await;
    client.append("INBOX", "(\\Seen)", &text).await;
    let lines = client
        .untagged("STATUS INBOX (MESSAGES UIDNEXT UNSEEN DELETED SIZE)")
        .await;
    assert_eq!(
        lines,
        [format!(
            "* STATUS INBOX (MESSAGES 2 UIDNEXT 3 UNSEEN 1 DELETED 1 SIZE {})",
            2 * text.len()
        )]
    );
    client
        .refused("STATUS nothing (MESSAGES)", "NO [NONEXISTENT]")
        .await;
    client.ok("SELECT INBOX").await;
    client.ok("EXPUNGE").await;
    assert_eq!(
        client.untagged("STATUS INBOX (MESSAGES)").await,
        ["* STATUS INBOX (MESSAGES 1)"]
    );
}
