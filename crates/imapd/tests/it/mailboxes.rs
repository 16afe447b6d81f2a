//! CREATE, DELETE, RENAME, SUBSCRIBE, LIST, LSUB, NAMESPACE.

use crate::world::{World, letter};

#[tokio::test]
async fn a_new_account_has_its_mailboxes() {
    let world = World::new().await;
    let mut client = world.login("lan").await;
    let mut lines = client.untagged("LIST \"\" \"*\"").await;
    lines.sort();
    assert_eq!(
        lines,
        [
            "* LIST (\\HasNoChildren \\Archive) \"/\" \"Archive\"",
            "* LIST (\\HasNoChildren \\Drafts) \"/\" \"Drafts\"",
            "* LIST (\\HasNoChildren \\Junk) \"/\" \"Junk\"",
            "* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent\"",
            "* LIST (\\HasNoChildren \\Trash) \"/\" \"Trash\"",
            "* LIST (\\HasNoChildren) \"/\" INBOX",
        ]
    );
    assert_eq!(client.untagged("LSUB \"\" \"*\"").await.len(), 6);
    assert_eq!(
        client.untagged("LIST \"\" \"\"").await,
        ["* LIST (\\Noselect) \"/\" \"\""]
    );
    assert_eq!(
        client.untagged("NAMESPACE").await,
        ["* NAMESPACE ((\"\" \"/\")) NIL NIL"]
    );
    assert_eq!(
        client.untagged("LIST \"\" inbox").await,
        ["* LIST (\\HasNoChildren) \"/\" INBOX"]
    );
}

#[tokio::test]
async fn vietnamese_names_in_every_form() {
    let world = World::new().await;
    let mut client = world.login("lan").await;
    client.ok("CREATE \"V&AQM-n b&HqM-n &AREevw-n\"").await;
    let listed = client.untagged("LIST \"\" \"V*\"").await;
    assert_eq!(
        listed,
        ["* LIST (\\HasNoChildren) \"/\" \"V&AQM-n b&HqM-n &AREevw-n\""]
    );
    client.ok("ENABLE UTF8=ACCEPT").await;
    let listed = client.untagged("LIST \"\" \"V*\"").await;
    assert_eq!(listed, ["* LIST (\\HasNoChildren) \"/\" \"Văn bản đến\""]);
    // The same name with combining marks, as macOS writes it.
    client
        .ok("SELECT \"Va\u{306}n ba\u{309}n đe\u{302}\u{301}n\"")
        .await;
    client
        .append("\"Văn bản đến\"", "", &letter("một", "x"))
        .await;
    assert_eq!(
        client.untagged("NOOP").await.len(),
        0,
        "said with the APPEND"
    );
    client
        .refused(
            "CREATE \"Va\u{306}n ba\u{309}n đe\u{302}\u{301}n\"",
            "NO [ALREADYEXISTS]",
        )
        .await;
    let listed = client.untagged("LIST \"\" \"Va\u{306}n %\"").await;
    assert_eq!(listed, ["* LIST (\\HasNoChildren) \"/\" \"Văn bản đến\""]);
}

#[tokio::test]
async fn names_that_were_not_in_normal_form_are_told() {
    let world = World::new().await;
    let mut client = world.login("lan").await;
    client.ok("ENABLE IMAP4rev2").await;
    let nfd = "Ho\u{309}a to\u{302}\u{301}c";
    let created = client.untagged(&format!("CREATE \"{nfd}\"")).await;
    let old_name = format!("\"Hỏa tốc\" (\"OLDNAME\" (\"{nfd}\"))");
    assert_eq!(created, [format!("* LIST (\\Subscribed) \"/\" {old_name}")]);
    let selected = client.untagged(&format!("SELECT \"{nfd}\"")).await;
    assert!(
        selected.contains(&format!("* LIST () \"/\" {old_name}")),
        "{selected:?}"
    );
    let selected = client.untagged("SELECT \"Hỏa tốc\"").await;
    assert!(
        selected.contains(&"* LIST () \"/\" \"Hỏa tốc\"".to_owned()),
        "{selected:?}"
    );
}

#[tokio::test]
async fn parents_children_and_renames() {
    let world = World::new().await;
    let mut client = world.login("lan").await;
    client.ok("CREATE a/b/c").await;
    assert_eq!(
        client
            .untagged("LIST \"\" %")
            .await
            .iter()
            .filter(|l| l.ends_with(" \"a\""))
            .count(),
        1
    );
    assert_eq!(
        client.untagged("LIST \"\" a").await,
        ["* LIST (\\HasChildren) \"/\" \"a\""]
    );
    assert_eq!(
        client.untagged("LIST a/ %").await,
        ["* LIST (\\HasChildren) \"/\" \"a/b\""]
    );
    client.refused("DELETE a", "NO [HASCHILDREN]").await;
    client.refused("DELETE INBOX", "NO ").await;
    client.refused("CREATE a", "NO [ALREADYEXISTS]").await;
    client.refused("CREATE INBOX", "NO [ALREADYEXISTS]").await;
    client.refused("DELETE nothing", "NO [NONEXISTENT]").await;
    client.append("a/b/c", "", &letter("một", "x")).await;
    client.ok("SELECT a/b/c").await;
    client.ok("RENAME a x").await;
    assert_eq!(
        client.untagged("LIST \"\" *c").await,
        ["* LIST (\\HasNoChildren) \"/\" \"x/b/c\""]
    );
    // The open mailbox keeps working under its new name.
    assert_eq!(client.untagged("FETCH 1 UID").await, ["* 1 FETCH (UID 1)"]);
    client.refused("RENAME x INBOX", "NO ").await;
    client.refused("RENAME nothing y", "NO [NONEXISTENT]").await;
    client.append("INBOX", "", &letter("hai", "x")).await;
    client.ok("RENAME INBOX old").await;
    assert_eq!(
        client.untagged("STATUS INBOX (MESSAGES)").await,
        ["* STATUS INBOX (MESSAGES 0)"]
    );
    assert_eq!(
        client.untagged("STATUS old (MESSAGES)").await,
        ["* STATUS \"old\" (MESSAGES 1)"]
    );
}

#[tokio::test]
async fn subscriptions() {
    let world = World::new().await;
    let mut client = world.login("lan").await;
    client.ok("CREATE a/b").await;
    client.ok("UNSUBSCRIBE a").await;
    client
        .refused("SUBSCRIBE nothing", "NO [NONEXISTENT]")
        .await;
    assert_eq!(
        client.untagged("LSUB \"\" a*").await,
        ["* LSUB (\\HasNoChildren) \"/\" \"a/b\""]
    );
    assert_eq!(
        client.untagged("LSUB \"\" a%").await,
        ["* LSUB (\\Noselect \\HasChildren) \"/\" \"a\""]
    );
    assert_eq!(
        client.untagged("LIST (SUBSCRIBED) \"\" a*").await,
        ["* LIST (\\Subscribed \\HasNoChildren) \"/\" \"a/b\""]
    );
    assert_eq!(
        client
            .untagged("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" a")
            .await,
        ["* LIST (\\HasChildren) \"/\" \"a\" (\"CHILDINFO\" (\"SUBSCRIBED\"))"]
    );
    client.refused("LIST (RECURSIVEMATCH) \"\" *", "BAD ").await;
    client.ok("DELETE a/b").await;
    assert_eq!(
        client.untagged("LIST (SUBSCRIBED) \"\" a*").await,
        ["* LIST (\\NonExistent \\Subscribed \\HasNoChildren) \"/\" \"a/b\""]
    );
    assert_eq!(
        client.untagged("LIST \"\" a*").await,
        ["* LIST (\\HasNoChildren) \"/\" \"a\""]
    );
    client.ok("UNSUBSCRIBE a/b").await;
    assert!(
        client
            .untagged("LIST (SUBSCRIBED) \"\" a*")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn extended_list() {
    let world = World::new().await;
    let mut client = world.login("lan").await;
    client.append("Sent", "", &letter("một", "x")).await;
    let lines = client
        .untagged("LIST \"\" (Sent INBOX) RETURN (SUBSCRIBED CHILDREN STATUS (MESSAGES UNSEEN))")
        .await;
    assert_eq!(
        lines,
        [
            "* LIST (\\Subscribed \\HasNoChildren) \"/\" INBOX",
            "* STATUS INBOX (MESSAGES 0 UNSEEN 0)",
            "* LIST (\\Subscribed \\HasNoChildren \\Sent) \"/\" \"Sent\"",
            "* STATUS \"Sent\" (MESSAGES 1 UNSEEN 1)",
        ]
    );
    let lines = client.untagged("LIST (SPECIAL-USE) \"\" *").await;
    assert_eq!(lines.len(), 5);
    client
        .refused("CREATE Luu (USE (\\Archive))", "NO [USEATTR]")
        .await;
    client.ok("DELETE Archive").await;
    client.ok("CREATE Luu (USE (\\Archive))").await;
    assert_eq!(
        client.untagged("LIST \"\" Luu").await,
        ["* LIST (\\HasNoChildren \\Archive) \"/\" \"Luu\""]
    );
}

#[tokio::test]
async fn many_mailboxes_are_listed_in_parts() {
    let world = World::new().await;
    let mut client = world.login("lan").await;
    let account = world.id("lan").await;
    world
        .store
        .transact(move |tx| {
            for number in 0..600 {
                tx.create_mailbox(account, &format!("Hồ sơ/{number:03}"), None)?;
            }
            Ok::<_, congvu_store::Error>(())
        })
        .await
        .unwrap();
    assert_eq!(client.untagged("LIST \"\" H*/%").await.len(), 600);
    assert_eq!(
        client
            .untagged("LIST \"\" * RETURN (STATUS (MESSAGES))")
            .await
            .len(),
        2 * (600 + 1 + 6)
    );
}
