//! STORE.

use crate::world::{Client, World, letter};

async fn three() -> (World, Client) {
    let world = World::new().await;
    let mut client = world.login("lan").await;
    for subject in ["một", "hai", "ba"] {
        client.append("INBOX", "", &letter(subject, "x")).await;
    }
    client.ok("SELECT INBOX").await;
    // Nobody is recent any more.
    client.ok("SELECT INBOX").await;
    (world, client)
}

#[tokio::test]
async fn all_actions() {
    let (_world, mut client) = three().await;
    let got = client.untagged("STORE 1:2 +FLAGS (\\Flagged \\SEEN)").await;
    assert_eq!(
        got,
        [
            "* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen))",
            "* 2 FETCH (UID 2 FLAGS (\\Flagged \\Seen))"
        ]
    );
    let got = client.untagged("UID STORE 2 -FLAGS \\Seen").await;
    assert_eq!(got, ["* 2 FETCH (UID 2 FLAGS (\\Flagged))"]);
    let got = client.untagged("STORE 2 FLAGS (\\Answered)").await;
    assert_eq!(got, ["* 2 FETCH (UID 2 FLAGS (\\Answered))"]);
    assert!(
        client
            .untagged("STORE 3 +FLAGS.SILENT (\\Draft)")
            .await
            .is_empty()
    );
    assert!(client.untagged("NOOP").await.is_empty());
    assert_eq!(
        client.untagged("FETCH 3 FLAGS").await,
        ["* 3 FETCH (FLAGS (\\Draft))"]
    );
    assert_eq!(
        client.untagged("STORE 3 FLAGS ()").await,
        ["* 3 FETCH (UID 3 FLAGS ())"]
    );
    client.refused("STORE 1 +FLAGS (\\Nonsense)", "BAD ").await;
    client.refused("STORE 1 +FLAGS (\\Recent)", "BAD ").await;
    client.refused("STORE 9 +FLAGS (\\Seen)", "BAD ").await;
    assert!(
        client
            .untagged("UID STORE 9 +FLAGS (\\Seen)")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn new_keywords_are_announced_to_everybody() {
    let (world, mut client) = three().await;
    let mut other = world.select("lan", "INBOX").await;
    let got = client.untagged("STORE 1 +FLAGS ($Khan $Mat)").await;
    assert_eq!(
        got[0],
        "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Khan $Mat)"
    );
    assert!(got[1].contains("[PERMANENTFLAGS ("), "{got:?}");
    assert_eq!(got[2], "* 1 FETCH (UID 1 FLAGS ($Khan $Mat))");
    let got = other.untagged("NOOP").await;
    assert_eq!(
        got[0],
        "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Khan $Mat)"
    );
    assert_eq!(got[2], "* 1 FETCH (UID 1 FLAGS ($Khan $Mat))");
    assert_eq!(
        other.untagged("STORE 1 -FLAGS ($KHAN)").await,
        ["* 1 FETCH (UID 1 FLAGS ($Mat))"]
    );
}

#[tokio::test]
async fn keywords_are_limited() {
    let (_world, mut client) = three().await;
    for block in 0..4 {
        let names: Vec<String> = (0..64).map(|number| format!("k{block}x{number}")).collect();
        client
            .ok(&format!("STORE 1 +FLAGS.SILENT ({})", names.join(" ")))
            .await;
    }
    client
        .refused("STORE 1 +FLAGS (onemore)", "NO [LIMIT]")
        .await;
}
