//! Messages out of and into accounts: what comes back is what was, nothing comes twice, and what lies beside the
//! messages leads nowhere.

use std::path::Path;

use congvu_admin::change::{QuotaChange, Subject};
use congvu_admin::mail::export::{Export, Format, export};
use congvu_admin::mail::files::{Import, Moved, import};
use congvu_admin::{Change, Error, NewPassword, Query, Reply, Request, Site};
use congvu_directory::{Kind, find};
use congvu_message::summary::summarize;
use congvu_store::tx::Quota;
use congvu_store::{Flags, NewMessage, Options, Read, Store, Timestamp, Uid};

use crate::store::quiet;
use crate::{Desk, add_account};

/// A message with all that must come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) octets: Vec<u8>,
    flags: u8,
    keywords: Vec<String>,
    pub(crate) date: i64,
    zone: i16,
    saved: i64,
}

/// The mailboxes of an account in order, with their messages.
pub(crate) type Content = Vec<(String, Vec<Letter>)>;

/// `an@` and `binh@xa.test`; the store is closed.
pub(crate) async fn world() -> (tempfile::TempDir, Site) {
    let desk = Desk::furnished().await;
    desk.done(add_account("binh@xa.test", Kind::Person, NewPassword::None))
        .await;
    desk.admin.directory().store().close().await.unwrap();
    let Desk { admin, folder, .. } = desk;
    drop(admin);
    let site = Site {
        data: folder.path().to_owned(),
        socket: folder.path().join("no.sock"),
    };
    (folder, site)
}

pub(crate) fn random_letter(random: &mut fastrand::Rng, number: usize) -> Letter {
    let words: [&[u8]; 12] = [
        b"\r\n",
        b"From ",
        b">From x\r\n",
        b"\r\n\r\n",
        b"Status: RO\r\n",
        b"X-Congvu: 1 date=5\r\n",
        b"ab",
        "Công văn".as_bytes(),
        b"\n",
        b"\r",
        b"\xff\x00",
        b"From a Thu Nov 19 08:00:00 2026\r\n",
    ];
    let mut octets = format!("Subject: {number}\r\n").into_bytes();
    let most = if random.bool() { 8 } else { 12 };
    for _ in 0..random.usize(..20) {
        octets.extend_from_slice(words[random.usize(..most)]);
    }
    let mut keywords: Vec<String> = (0..40)
        .filter(|_| random.u8(..12) == 0)
        .map(|k| format!("$k{k}"))
        .collect();
    keywords.sort();
    Letter {
        octets,
        flags: random.u8(..32),
        keywords,
        date: random.i64(-5_000_000_000..5_000_000_000),
        zone: random.i16(-720..840),
        saved: random.i64(0..2_000_000_000_000),
    }
}

pub(crate) fn open(site: &Site) -> Store {
    Store::open(&site.data, Options::default()).unwrap().0
}

pub(crate) async fn fill(site: &Site, address: &str, content: &Content) {
    let store = open(site);
    for (name, letters) in content {
        for letter in letters {
            let summary = summarize(&letter.octets).encode();
            let body = store.prepare(&letter.octets, &summary).unwrap();
            let (name, letter, address) = (name.clone(), letter.clone(), address.to_owned());
            store
                .transact::<_, Error, _>(move |tx| {
                    let address = congvu_message::Address::parse(&address).unwrap();
                    let account = find::account(tx, &address)?.id;
                    let mailbox = match tx.mailbox_named(account, &name)? {
                        Some(mailbox) => mailbox,
                        None => tx.create_mailbox(account, &name, None)?,
                    };
                    let message = NewMessage {
                        flags: Flags(letter.flags),
                        keywords: letter.keywords.clone(),
                        date: letter.date,
                        zone: letter.zone,
                    };
                    let saved = Timestamp(letter.saved);
                    tx.append_saved(mailbox.id, &body, &message, saved, Quota::Ignore)?;
                    Ok(())
                })
                .await
                .unwrap();
        }
    }
    store.close().await.unwrap();
}

/// All mailboxes that hold messages.
pub(crate) async fn content(site: &Site, address: &str) -> Content {
    let store = open(site);
    let address = address.to_owned();
    let found = store
        .read::<_, Error, _>(move |r| {
            let address = congvu_message::Address::parse(&address).unwrap();
            let account = find::account(r, &address)?.id;
            let mut found = Vec::new();
            for mailbox in r.mailboxes(account)? {
                let messages = r.messages(mailbox.id, Uid(1), Uid(u32::MAX), 1_000)?;
                found.push((mailbox, messages));
            }
            Ok(found)
        })
        .await
        .unwrap();
    let mut content = Content::new();
    for (mailbox, messages) in found {
        let mut letters = Vec::new();
        for message in messages {
            let body = store.open_body(message.body, message.frame).unwrap();
            let mut keywords: Vec<String> = message
                .keywords
                .iter()
                .map(|k| mailbox.keywords[usize::from(*k)].clone())
                .collect();
            keywords.sort();
            letters.push(Letter {
                octets: body.octets(0, u64::MAX).unwrap(),
                flags: message.flags.0,
                keywords,
                date: message.date,
                zone: message.zone,
                saved: message.saved.0,
            });
        }
        if !letters.is_empty() {
            content.push((mailbox.name, letters));
        }
    }
    store.close().await.unwrap();
    content
}

fn into(address: &str, from: &Path) -> Import {
    Import {
        address: address.into(),
        from: from.to_owned(),
        format: None,
        into: None,
        as_named: false,
        dry_run: false,
        ignore_quota: false,
    }
}

async fn run(site: &Site, what: &Import) -> Moved {
    import(site, what, quiet()).await.unwrap()
}

#[tokio::test]
async fn what_is_exported_comes_back_equal_and_only_once() {
    let (_folder, site) = world().await;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut all = Content::new();
    for name in [
        "INBOX",
        "INBOX/Con",
        "Sent",
        "Văn bản đến",
        "Văn bản đến/Năm 2026.q1",
        "a.sbd",
        "x&y",
        "50%25",
        "cur",
        "Đã lưu",
    ] {
        let mut letters: Vec<Letter> = (0..random.usize(1..6))
            .map(|number| random_letter(&mut random, number))
            .collect();
        // Two equal ones are two.
        letters.push(letters[0].clone());
        all.push((name.to_owned(), letters));
    }
    fill(&site, "an@xa.test", &all).await;
    let before = content(&site, "an@xa.test").await;
    assert_eq!(before.len(), all.len());
    for format in [Format::Maildir, Format::Mbox] {
        let to = tempfile::tempdir().unwrap();
        let what = Export {
            address: "an@xa.test".into(),
            to: to.path().to_owned(),
            format,
            mailboxes: Vec::new(),
        };
        let done = export(&site, &what, quiet()).await.unwrap();
        let count: usize = all.iter().map(|(_, letters)| letters.len()).sum();
        assert_eq!((done.messages, done.bad.len()), (count as u64, 0));
        // Not into a folder that holds something.
        assert!(export(&site, &what, quiet()).await.is_err());

        let would = Import {
            dry_run: true,
            ..into("binh@xa.test", to.path())
        };
        let dry = run(&site, &would).await;
        if format == Format::Maildir {
            assert_eq!(dry.tally.placed, count as u64);
            assert_eq!(content(&site, "binh@xa.test").await, Content::new());
        }
        let back = into("binh@xa.test", to.path());
        let first = run(&site, &back).await;
        assert_eq!(first.bad, []);
        assert_eq!(first.tally.read, count as u64);
        let placed = if format == Format::Maildir { count } else { 0 };
        assert_eq!(first.tally.placed, placed as u64, "{format:?}");
        assert_eq!(content(&site, "binh@xa.test").await, before, "{format:?}");
        let again = run(&site, &back).await;
        assert_eq!((again.tally.placed, again.tally.present), (0, count as u64));

        // Into a part of the account of their own, also from mbox.
        let below = Import {
            into: Some(format!("Cũ {format:?}")),
            ..into("vanthu@xa.test", to.path())
        };
        assert_eq!(run(&site, &below).await.tally.placed, count as u64);
        let mut expected: Content = before
            .iter()
            .map(|(name, letters)| {
                let name = match name.strip_prefix("INBOX") {
                    Some(rest) => format!("Cũ {format:?}{rest}"),
                    None => format!("Cũ {format:?}/{name}"),
                };
                (name, letters.clone())
            })
            .collect();
        let mut found = content(&site, "vanthu@xa.test").await;
        found.retain(|(name, _)| name.starts_with(&format!("Cũ {format:?}")));
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        found.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(found, expected);
    }
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

pub(crate) fn names(content: &Content) -> Vec<(&str, usize)> {
    content
        .iter()
        .map(|(name, letters)| (name.as_str(), letters.len()))
        .collect()
}

#[tokio::test]
async fn the_folders_of_other_programs() {
    let (_folder, site) = world().await;
    let other = tempfile::tempdir().unwrap();
    let root = other.path().join("dovecot");
    for part in [
        "cur",
        "new",
        "tmp",
        ".Gesendet/cur",
        ".Gesendet/new",
        ".A.&ARAA4w- g&Hu0-i/cur",
        ".A.&ARAA4w- g&Hu0-i/new",
    ] {
        std::fs::create_dir_all(root.join(part)).unwrap();
    }
    write(
        &root.join("new/1790000001.M1P1.host"),
        "Subject: mới\n\nb\n",
    );
    write(
        &root.join("cur/1790000000.M1P1.host,S=14:2,FSab"),
        "Subject: a\n\nb\n",
    );
    write(&root.join("dovecot-keywords"), "0 $Label1\n1 Khẩn\n");
    write(
        &root.join(".Gesendet/cur/1.M1P1.host:2,S"),
        "Subject: s\n\nb\n",
    );
    write(
        &root.join(".A.&ARAA4w- g&Hu0-i/cur/1.M1P1.host:2,S"),
        "Subject: s\n\nb\n",
    );
    let done = run(&site, &into("an@xa.test", &root)).await;
    assert_eq!(done.bad, []);
    let found = content(&site, "an@xa.test").await;
    assert_eq!(names(&found), [("A/Đã gửi", 1), ("INBOX", 2), ("Sent", 1)]);
    let inbox = &found[1].1;
    assert_eq!(inbox[0].octets, b"Subject: a\r\n\r\nb\r\n");
    assert_eq!((inbox[0].flags, inbox[1].flags), (1 | 4, 0));
    assert_eq!(inbox[0].keywords, ["$Label1"]);

    let root = other.path().join("thunderbird");
    let letter = |subject: &str| {
        format!(
            "From - Thu Nov 19 08:00:00 2026\nX-Mozilla-Status: 0001\nSubject: {subject}\n\nb\n\n"
        )
    };
    write(&root.join("Inbox"), &(letter("1") + &letter("2")));
    write(&root.join("Inbox.msf"), "From nothing\n");
    write(&root.join("Inbox.sbd/Dự án"), &letter("3"));
    write(&root.join("Sent"), &letter("4"));
    write(&root.join("Empty"), "");
    write(&root.join("Apple.mbox/mbox"), &letter("5"));
    let done = run(&site, &into("binh@xa.test", &root)).await;
    assert_eq!(done.bad, []);
    let found = content(&site, "binh@xa.test").await;
    assert_eq!(
        names(&found),
        [("Apple", 1), ("INBOX", 2), ("INBOX/Dự án", 1), ("Sent", 1)]
    );
    // Read in Thunderbird meanwhile: the same letter all the same.
    let changed = std::fs::read_to_string(root.join("Sent")).unwrap();
    write(&root.join("Sent"), &changed.replace("0001", "0007"));
    let again = run(&site, &into("binh@xa.test", &root)).await;
    assert_eq!((again.tally.placed, again.tally.present), (0, 5));

    // One file alone.
    let done = run(&site, &into("vanthu@xa.test", &root.join("Sent"))).await;
    assert_eq!(done.mailboxes[0].mailbox, "Sent");
}

#[tokio::test]
async fn what_lies_beside_messages_leads_nowhere() {
    let (_folder, site) = world().await;
    let other = tempfile::tempdir().unwrap();
    let secret = other.path().join("secret");
    write(
        &secret.join("mail"),
        "From a Thu Nov 19 08:00:00 2026\nSubject: secret\n\nb\n",
    );
    let root = other.path().join("in");
    for part in ["cur", "new"] {
        std::fs::create_dir_all(root.join(part)).unwrap();
    }
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, root.join(name)).unwrap();
    link(&secret.join("mail"), "cur/1.M1P1.host:2,S");
    link(&secret, ".Linked");
    link(Path::new("/etc/passwd"), "dovecot-keywords");
    write(&root.join("cur/2.M1P1.host:2,S"), "");
    std::fs::create_dir(root.join("cur/3.M1P1.host:2,S")).unwrap();
    write(&root.join("cur/4.M1P1.host:2,Sb"), "Subject: good\n\nb\n");
    write(
        &root.join(".a\u{1}b.../cur/1.M1.host"),
        "Subject: odd\n\nb\n",
    );
    std::fs::create_dir_all(root.join(".a\u{1}b.../new")).unwrap();
    let done = run(&site, &into("an@xa.test", &root)).await;
    assert_eq!(done.bad_count, 5, "{:?}", done.bad);
    assert!(!done.is_whole());
    let found = content(&site, "an@xa.test").await;
    assert_eq!(names(&found), [("INBOX", 1), ("ab/_/_/_", 1)]);
    assert_eq!(found[0].1[0].octets, b"Subject: good\r\n\r\nb\r\n");

    for nothing in [other.path().join("missing"), secret.join("mail").join("x")] {
        assert!(
            import(&site, &into("an@xa.test", &nothing), quiet())
                .await
                .is_err()
        );
    }
    write(&secret.join("text"), "no mail\n");
    for no_mail in [secret.join("text"), root.join(".a\u{1}b.../new")] {
        let refused = import(&site, &into("an@xa.test", &no_mail), quiet()).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
    let nobody = import(&site, &into("nobody@xa.test", &root), quiet()).await;
    assert!(nobody.is_err());
}

#[tokio::test]
async fn limits_are_told_and_acts_are_audited() {
    let (folder, site) = world().await;
    let other = tempfile::tempdir().unwrap();
    let letter = |n: u32| format!("From a Thu Nov 19 08:00:00 2026\nSubject: {n}\n\nb\n\n");
    let path = other.path().join("Inbox");
    write(&path, &(1..=5).map(letter).collect::<String>());
    let desk = |store| Desk {
        admin: congvu_admin::Admin::local(congvu_directory::Directory::new(store)),
        who: congvu_admin::audit::Who::default(),
        folder: tempfile::tempdir().unwrap(),
    };
    let limited = desk(open(&site));
    limited
        .done(Change::Quota(QuotaChange::Set {
            subject: Subject::Account("an@xa.test".into()),
            octets: None,
            messages: Some(3),
        }))
        .await;
    limited.admin.directory().store().close().await.unwrap();
    drop(limited);
    let first = run(&site, &into("an@xa.test", &path)).await;
    assert_eq!((first.tally.placed, first.tally.over_quota), (3, 2));
    assert!(!first.is_whole());
    let forced = Import {
        ignore_quota: true,
        ..into("an@xa.test", &path)
    };
    let second = run(&site, &forced).await;
    assert_eq!((second.tally.placed, second.tally.present), (2, 3));

    let desk = desk(open(&site));
    let Reply::Audit(page) = desk
        .ask(Query::Audit {
            since: None,
            until: None,
            after: None,
        })
        .await
    else {
        panic!("no audit records");
    };
    let acts: Vec<_> = page
        .entries
        .iter()
        .filter(|entry| entry.act == "account import")
        .map(|entry| (entry.subject.as_str(), entry.result.as_str()))
        .collect();
    assert_eq!(acts.len(), 4);
    assert_eq!(acts[0], ("an@xa.test", "begun"));
    assert!(
        acts[3]
            .1
            .starts_with("done: 0 read, 2 placed, 3 there already")
    );
    // Not over a connection for other requests.
    let refused = desk
        .perform(Request::Mail(congvu_admin::mail::MailRequest::Mailboxes))
        .await;
    assert!(refused.is_err());
    drop(folder);
}
