//! Greeting, login, ID, the count of sessions, logins that are revoked.

use crate::world::{PASSWORD, World};

#[tokio::test]
async fn wrong_passwords_are_refused() {
    let world = World::new().await;
    let mut client = world.connect().await;
    client
        .refused("LOGIN lan@xa.test wrong", "NO [AUTHENTICATIONFAILED]")
        .await;
    client.refused("SELECT INBOX", "BAD ").await;
    client
        .ok(&format!(
            "LOGIN lan@xa.test {{{}+}}\r\n{PASSWORD}",
            PASSWORD.len()
        ))
        .await;
    client.ok("SELECT INBOX").await;
}

#[tokio::test]
async fn id_tells_the_version_only_after_login() {
    let world = World::new().await;
    let mut client = world.connect().await;
    let before = client.untagged("ID NIL").await;
    assert!(
        before[0].contains("\"name\" \"Congvu\"") && !before[0].contains("version"),
        "{before:?}"
    );
    let mut client = world.login("lan").await;
    let after = client
        .untagged("ID (\"name\" \"test\" \"version\" NIL)")
        .await;
    assert!(after[0].contains("\"version\""), "{after:?}");
}

#[tokio::test]
async fn one_account_has_so_many_sessions() {
    let world = World::new().await;
    let policy = congvu_directory::record::Policy {
        sessions: Some(2),
        ..congvu_directory::record::Policy::default()
    };
    world
        .directory
        .change(move |tx| {
            let agency = congvu_directory::find::agency(tx, "xa")?;
            congvu_directory::edit::agency::set_policy(tx, agency.id, policy)
        })
        .await
        .unwrap();
    let login = format!("LOGIN lan@xa.test {{{}+}}\r\n{PASSWORD}", PASSWORD.len());
    let _first = world.login("lan").await;
    let mut second = world.login("lan").await;
    let mut third = world.connect().await;
    third.refused(&login, "NO [LIMIT]").await;
    let _other = world.login("minh").await;
    second.ok("LOGOUT").await;
    assert!(second.closed);
    third.ok(&login).await;
}

#[tokio::test]
async fn a_disabled_account_loses_its_sessions() {
    let world = World::new().await;
    let mut working = world.select("lan", "INBOX").await;
    let mut idling = world.select("lan", "INBOX").await;
    let mut other = world.select("minh", "INBOX").await;
    idling.send(b"i IDLE\r\n").await;
    idling.take();
    assert!(!idling.glance().await);
    let id = world.id("lan").await;
    world
        .directory
        .change(move |tx| congvu_directory::edit::account::set_enabled(tx, id, false))
        .await
        .unwrap();
    working.send(b"w FETCH 1 BODY[]\r\n").await;
    let said = working.take();
    assert!(said[0].starts_with("* BYE "), "{said:?}");
    assert!(working.closed);
    let said = idling.wait().await;
    assert!(said[0].starts_with("* BYE "), "{said:?}");
    assert!(idling.closed);
    other.ok("NOOP").await;
}
