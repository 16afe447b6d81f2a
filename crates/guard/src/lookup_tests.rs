//! Tests of `lookup` with a fixed zone.

use congvu_net::dns::Zone;

use super::*;
use crate::Settings;

fn list(zone: &str, kind: ListKind) -> DnsList {
    DnsList {
        zone: zone.to_owned(),
        kind,
        weight: 1.2,
        codes: Vec::new(),
        whole_name: false,
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn zone(entries: &[(&str, &str)]) -> Zone {
    let mut zone = Zone::default();
    for (name, to) in entries {
        let all = zone.addresses.entry((*name).to_owned()).or_default();
        all.push(address(to));
    }
    zone
}

fn guard(zone: Zone, lists: Vec<DnsList>) -> (Guard, tempfile::TempDir) {
    let (guard, folder) = crate::house::guard();
    guard.reload(Settings {
        resolver: Some(Resolver::fixed(zone)),
        dns_lists: lists,
        ..Settings::default()
    });
    (guard, folder)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

async fn client(guard: &Guard, ip: &str) -> ClientFacts {
    let pending = guard.ask_client(address(ip)).unwrap();
    pending.until(soon()).await.unwrap()
}

fn names(listings: &[Listing]) -> Vec<String> {
    let mut names: Vec<String> = listings
        .iter()
        .map(|listing| format!("{} {} {:?}", listing.entry, listing.list, listing.side))
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn names_of_addresses() {
    let mut zone = zone(&[
        ("mx.partner.test", "203.0.113.5"),
        ("mx.partner.test", "2001:db8::5"),
        ("other.test", "203.0.113.99"),
    ]);
    let ptr = [
        ("203.0.113.5", vec!["other.test", "mx.partner.test"]),
        ("203.0.113.6", vec!["mx.partner.test"]),
        ("203.0.113.7", vec!["broken.test"]),
        ("2001:db8::5", vec!["mx.partner.test"]),
    ];
    for (ip, names) in ptr {
        let names = names.into_iter().map(str::to_owned).collect();
        zone.ptr.insert(address(ip), names);
    }
    zone.broken.push("broken.test".to_owned());
    let (guard, _folder) = guard(zone, Vec::new());
    let name = || "mx.partner.test".to_owned();
    assert_eq!(
        client(&guard, "203.0.113.5").await.ptr,
        Ptr::Confirmed(name())
    );
    assert_eq!(
        client(&guard, "2001:db8::5").await.ptr,
        Ptr::Confirmed(name())
    );
    assert_eq!(
        client(&guard, "203.0.113.6").await.ptr,
        Ptr::Unconfirmed(name())
    );
    assert_eq!(client(&guard, "203.0.113.7").await.ptr, Ptr::Unknown);
    assert_eq!(client(&guard, "203.0.113.8").await.ptr, Ptr::Missing);
    assert!(guard.ask_client(address("10.0.0.1")).is_none());
    assert!(guard.ask_client(address("::ffff:127.0.0.1")).is_none());
}

#[tokio::test]
async fn lists_of_addresses_and_their_codes() {
    let zone = zone(&[
        ("5.113.0.203.block.test", "127.0.0.2"),
        ("5.113.0.203.allow.test", "127.0.0.9"),
        ("5.113.0.203.coded.test", "127.0.0.10"),
        ("6.113.0.203.coded.test", "127.0.0.4"),
        ("5.113.0.203.refusing.test", "127.255.255.254"),
        ("5.113.0.203.lying.test", "198.51.100.1"),
        (
            "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.block.test",
            "127.0.0.2",
        ),
    ]);
    let coded = DnsList {
        codes: vec!["127.0.0.2".parse().unwrap()..="127.0.0.7".parse().unwrap()],
        ..list("coded.test", ListKind::Address)
    };
    let lists = vec![
        list("block.test", ListKind::Address),
        list("allow.test", ListKind::Allow),
        coded,
        list("refusing.test", ListKind::Address),
        list("lying.test", ListKind::Address),
        list("hosts.test", ListKind::Host),
    ];
    let (guard, _folder) = guard(zone, lists);
    assert_eq!(
        names(&client(&guard, "203.0.113.5").await.listings),
        [
            "203.0.113.5 allow.test Allow",
            "203.0.113.5 block.test Block"
        ]
    );
    assert_eq!(
        names(&client(&guard, "203.0.113.6").await.listings),
        ["203.0.113.6 coded.test Block"]
    );
    assert_eq!(
        names(&client(&guard, "2001:db8::5").await.listings),
        ["2001:db8::5 block.test Block"]
    );
}

#[test]
fn refusals_are_no_entries() {
    let plain = list("x.test", ListKind::Address);
    let check = |list: &DnsList, code: &str, expected| {
        let code = code.parse().unwrap();
        assert_eq!(meaning(list, &[code]), expected, "{code}");
    };
    let refused = |code: &str| Meaning::Refused(code.parse().unwrap());
    check(&plain, "127.0.0.2", Meaning::Listed);
    check(&plain, "127.0.1.2", Meaning::Listed);
    for code in [
        "127.0.0.1",
        "127.0.1.255",
        "127.255.255.252",
        "127.255.255.255",
        "10.0.0.2",
    ] {
        check(&plain, code, refused(code));
    }
    check(&plain, "127.1.0.2", Meaning::Nothing);
    let both = [
        "127.0.0.2".parse().unwrap(),
        "127.255.255.255".parse().unwrap(),
    ];
    assert_eq!(meaning(&plain, &both), refused("127.255.255.255"));
    let own = DnsList {
        codes: vec![Ipv4Addr::LOCALHOST..=Ipv4Addr::LOCALHOST],
        ..plain
    };
    check(&own, "127.0.0.1", Meaning::Listed);
    check(&own, "127.0.0.2", Meaning::Nothing);
}

#[tokio::test]
async fn domains_and_hosts() {
    let mut zone = zone(&[
        ("bad.example.dbl.test", "127.0.1.2"),
        ("bad.com.vn.uri.test", "127.0.0.2"),
        ("deep.bad.com.vn.full.test", "127.0.0.2"),
        ("9.2.0.192.uri.test", "127.0.0.2"),
        ("good.example", "203.0.113.5"),
    ]);
    zone.mx
        .insert("null.example".to_owned(), vec![(0, ".".to_owned())]);
    zone.broken.push("broken.example".to_owned());
    let lists = vec![
        list("dbl.test", ListKind::Domain),
        list("uri.test", ListKind::Host),
        DnsList {
            whole_name: true,
            ..list("full.test", ListKind::Host)
        },
    ];
    let (guard, _folder) = guard(zone, lists);
    let client = address("203.0.113.5");
    let sender = async |domain: &str| {
        let pending = guard.ask_sender(domain, client).unwrap();
        pending.until(soon()).await.unwrap()
    };
    assert_eq!(sender("good.example").await.resolves, Resolves::Yes);
    assert_eq!(sender("null.example").await.resolves, Resolves::No);
    assert_eq!(sender("nowhere.example").await.resolves, Resolves::No);
    assert_eq!(sender("broken.example").await.resolves, Resolves::Unknown);
    assert_eq!(
        names(&sender("mail.bad.example").await.listings),
        ["mail.bad.example dbl.test Block"]
    );
    assert!(guard.ask_sender("", client).is_none());
    // Inside, only lists are asked.
    let inside = guard
        .ask_sender("nowhere.example", address("10.0.0.1"))
        .unwrap();
    assert_eq!(
        inside.until(soon()).await.unwrap().resolves,
        Resolves::Unknown
    );

    let host = |name: &str, is_address| LinkHost {
        name: name.to_owned(),
        registered: registered(name).to_owned(),
        is_address,
    };
    let hosts = [
        host("deep.bad.com.vn", false),
        host("fine.example", false),
        LinkHost {
            registered: "192.0.2.9".to_owned(),
            ..host("192.0.2.9", true)
        },
    ];
    assert!(guard.asks_hosts());
    assert_eq!(
        names(&guard.ask_letter(&hosts, "bad.example", soon()).await),
        [
            "192.0.2.9 uri.test Block",
            "bad.example dbl.test Block",
            "deep.bad.com.vn full.test Block",
            "deep.bad.com.vn uri.test Block"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_answered_in_time_is_not_known() {
    let never: Pending<ClientFacts> = Pending::ask(std::future::pending());
    let begun = Instant::now();
    assert!(never.until(begun + WAIT).await.is_none());
    assert_eq!(begun.elapsed(), WAIT);
}
