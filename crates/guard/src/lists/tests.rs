//! Entries, look-ups, ends and refusals of lists.

use congvu_store::{Options, Store};
use tempfile::TempDir;

use super::*;

#[track_caller]
fn check(text: &str, link: bool, expected: &str) {
    let read = match Entry::read(text, link) {
        Ok(entry) => format!("{entry:?}"),
        Err(error) => error.to_string(),
    };
    assert!(read.contains(expected), "{text}: {read}");
}

#[test]
fn entries_as_people_write_them() {
    check("An@So.Example", false, "Address(\"an@so.example\")");
    check("Sở.example", false, "Domain(\"xn--s-lym.example\")");
    check("@so.example", false, "Domain(\"so.example\")");
    check("*.so.example", false, "Domain(\"so.example\")");
    check("192.0.2.7", false, "Network(\"192.0.2.7/32\")");
    check("192.0.2.0/24", false, "Network(\"192.0.2.0/24\")");
    check("2001:db8::/32", false, "Network(\"2001:db8::/32\")");
    check("2001:db8::/33", false, "give an IPv4 network");
    check("0.0.0.0/0", false, "give an IPv4 network");
    check("192.0.2.1/24", false, "write 192.0.2.0/24");
    check(
        "https://www.x.example/login?a",
        true,
        "Link(\"www.x.example\")",
    );
    check("example", false, "two names or more");
    check("", false, "cannot be listed");
    check("a@", false, "cannot be listed");
}

fn store() -> (Store, TempDir) {
    let folder = TempDir::new().unwrap();
    let options = Options {
        cache: 8 << 20,
        segment: 16 << 20,
        ..Options::default()
    };
    (Store::open(folder.path(), options).unwrap().0, folder)
}

fn listed(scope: Scope, text: &str, side: Side) -> Listed {
    let link = text.starts_with("http");
    Listed {
        scope,
        entry: Entry::read(text, link).unwrap(),
        side,
        until: None,
        reason: "vì thế".to_owned(),
        by: "root".to_owned(),
        added: Timestamp(0),
    }
}

async fn put(store: &Store, one: &Listed) -> Result<()> {
    let one = one.clone();
    store.transact(move |tx| set(tx, &one)).await
}

async fn found(store: &Store, scope: Scope, addresses: &[&str], host: &str) -> Vec<String> {
    let sender = Sender {
        addresses: addresses.iter().map(|&text| text.to_owned()).collect(),
        client: Some("192.0.2.7".parse().unwrap()),
        hosts: vec![host.to_owned()],
        now: 1_000,
    };
    let found = store.read(move |r| look(r, scope, &sender)).await.unwrap();
    let shown = |one: congvu_spam::facts::Listing| format!("{} {}", side_name(one.side), one.entry);
    found.into_iter().map(shown).collect()
}

#[tokio::test]
async fn the_most_exact_entry_of_a_scope_counts() {
    let (store, _folder) = store();
    let house = Scope::House;
    let allow = |text| listed(house, text, Side::Allow);
    let block = |text| listed(house, text, Side::Block);
    assert!(
        found(&store, house, &["a@x.b.example"], "x.evil.example")
            .await
            .is_empty()
    );
    put(&store, &block("192.0.2.0/24")).await.unwrap();
    assert_eq!(
        found(&store, house, &["a@x.b.example"], "").await,
        ["block 192.0.2.0/24"]
    );
    put(&store, &allow("b.example")).await.unwrap();
    assert_eq!(
        found(&store, house, &["a@x.b.example"], "").await,
        ["allow b.example"]
    );
    put(&store, &block("x.b.example")).await.unwrap();
    assert_eq!(
        found(&store, house, &["a@x.b.example"], "").await,
        ["block x.b.example"]
    );
    put(&store, &allow("a@x.b.example")).await.unwrap();
    assert_eq!(
        found(&store, house, &["a@x.b.example"], "").await,
        ["allow a@x.b.example"]
    );
    // MAIL FROM counts where From is not listed.
    assert_eq!(
        found(&store, house, &["c@d.example", "a@x.b.example"], "").await,
        ["allow a@x.b.example"]
    );
    put(&store, &block("https://evil.example")).await.unwrap();
    assert_eq!(
        found(&store, house, &["a@x.b.example"], "x.evil.example").await,
        ["allow a@x.b.example", "block evil.example"]
    );
    assert!(store.read(|r| any_links(r)).await.unwrap());
    // Other scopes have lists of their own.
    let account = Scope::Account(congvu_store::AccountId(1));
    assert!(
        found(&store, account, &["a@x.b.example"], "x.evil.example")
            .await
            .is_empty()
    );
    // What is said again replaces what was said; what is removed is gone, and counted.
    put(&store, &block("a@x.b.example")).await.unwrap();
    assert_eq!(
        found(&store, house, &["a@x.b.example"], "").await,
        ["block a@x.b.example"]
    );
    for text in ["a@x.b.example", "x.b.example", "b.example", "192.0.2.0/24"] {
        let entry = Entry::read(text, false).unwrap();
        store
            .transact(move |tx| remove(tx, house, &entry))
            .await
            .unwrap();
    }
    let entry = Entry::Link("evil.example".to_owned());
    store
        .transact(move |tx| remove(tx, house, &entry))
        .await
        .unwrap();
    assert!(!store.read(|r| any_links(r)).await.unwrap());
    let counts = store.read(|r| Counts::of(r, Scope::House)).await.unwrap();
    assert_eq!(counts.all(), 0);
}

#[tokio::test]
async fn what_is_over_counts_for_nothing_and_goes() {
    let (store, _folder) = store();
    let now = Timestamp::now();
    let mut short = listed(Scope::House, "b.example", Side::Block);
    short.until = Some(now.seconds() + 100);
    put(&store, &short).await.unwrap();
    put(&store, &listed(Scope::House, "c.example", Side::Block))
        .await
        .unwrap();
    // Of an account that never was.
    let orphan = Scope::Account(congvu_store::AccountId(9));
    put(&store, &listed(orphan, "d.example", Side::Allow))
        .await
        .unwrap();
    let later = Timestamp(now.0 + 200_000);
    assert_eq!(purge(&store, now).await.unwrap(), 1);
    assert_eq!(purge(&store, later).await.unwrap(), 1);
    assert_eq!(purge(&store, later).await.unwrap(), 0);
    let (left, next) = store.read(|r| page(r, None, None)).await.unwrap();
    assert_eq!((left.len(), next), (1, None));
    assert_eq!(left[0].entry, Entry::Domain("c.example".to_owned()));
}

#[tokio::test]
async fn refusals() {
    let (store, _folder) = store();
    let mut one = listed(Scope::House, "b.example", Side::Block);
    one.reason.clear();
    assert!(
        put(&store, &one)
            .await
            .unwrap_err()
            .to_string()
            .contains("say why")
    );
    one.scope = Scope::Account(congvu_store::AccountId(1));
    put(&store, &one).await.unwrap();
    one.until = Some(5);
    assert!(
        put(&store, &one)
            .await
            .unwrap_err()
            .to_string()
            .contains("in the past")
    );
    let missing = Entry::Domain("z.example".to_owned());
    let gone = store
        .transact(move |tx| remove(tx, Scope::House, &missing))
        .await;
    assert!(matches!(gone, Err(Error::Missing(_))));
}
