//! Learning from people, through the real server: two move look-alike letters to Junk, and theirs are judged by it.

use std::fs;

use congvu_tests::imap::{Imap, quoted};
use congvu_tests::server::{AN, BINH, PASSWORD, Server, Setup, VANTHU_SO, VANTHU_XA};
use congvu_tests::smtp::Smtp;
use serde_json::Value;

/// A letter from outside; the number makes it another one.
fn letter(to: &str, id: &str, text: &str) -> String {
    format!(
        "From: Quang cao <qc{id}@ngoai.example>\nTo: {to}\nMessage-ID: <{id}@ngoai.example>\n\
         Date: Sun, 22 Nov 2026 08:00:00 +0700\nSubject: Tin {id}\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}\n"
    )
}

fn offer(number: usize) -> String {
    let gift = ["xe máy", "điện thoại", "vàng", "chuyến du lịch"][number % 4];
    format!(
        "Nạp đầu nhận thưởng {gift}! Mã dự thưởng {number}{number}, bấm ngay kẻo lỡ, quà tặng miễn phí cho hội viên mới."
    )
}

fn work(number: usize) -> String {
    let what = ["báo cáo quý", "giấy mời họp", "quyết định", "công văn"][number % 4];
    format!(
        "Kính gửi quý cơ quan, Ủy ban nhân dân xã xin gửi {what} số {number}/UBND-VP để biết và phối hợp thực hiện."
    )
}

/// Brings a letter from outside.
fn bring(server: &Server, to: &str, id: &str, text: &str) {
    let mut smtp = Smtp::plain(server.listener("mx")).expect("connect");
    smtp.command("EHLO ngoai.example").expect("EHLO");
    let from = format!("qc{id}@ngoai.example");
    let reply = smtp.deliver(&from, &[to], &letter(to, id, text));
    assert_eq!(reply.expect("deliver").code, 250);
}

/// The probability in a letter's header, wherever it was put.
fn probability(server: &Server, to: &str, id: &str) -> f32 {
    let mut imap = Imap::login(server.listener("imaps"), to, PASSWORD).expect("login");
    for mailbox in ["INBOX", "Junk"] {
        assert!(
            imap.command(&format!("SELECT {mailbox}"))
                .expect("select")
                .ok()
        );
        let wanted = quoted(&format!("<{id}@ngoai.example>"));
        let found = imap.command(&format!("UID SEARCH HEADER Message-ID {wanted}"));
        let found = found.expect("search");
        let line = found.find("SEARCH").unwrap_or_default();
        let Some(uid) = line
            .split_whitespace()
            .last()
            .and_then(|uid| uid.parse::<u32>().ok())
        else {
            continue;
        };
        let fetch = format!("UID FETCH {uid} BODY.PEEK[HEADER.FIELDS (X-Spam-Status)]");
        let fetched = imap.command(&fetch).expect("fetch");
        let header = fetched.find("p=").expect("a probability");
        println!("{to} {id} {header}");
        let (_, value) = header.split_once("p=").expect("a probability");
        let end = value.find(' ').unwrap_or(value.len());
        return value[..end].parse().expect("a number");
    }
    panic!("{id} is nowhere");
}

fn move_all(server: &Server, of: &str, from: &str, to: &str) {
    let mut imap = Imap::login(server.listener("imaps"), of, PASSWORD).expect("login");
    assert!(
        imap.command(&format!("SELECT {from}"))
            .expect("select")
            .ok()
    );
    let moved = imap.command(&format!("MOVE 1:* {to}")).expect("move");
    assert!(moved.ok());
}

/// The counts, once everything is learned.
fn settled(server: &Server) -> Value {
    loop {
        let told = server.done(&["spam", "stats", "--json"]);
        let stats: Value = serde_json::from_str(&told).expect("JSON");
        if stats["waiting"] == 0 {
            return stats;
        }
        std::thread::yield_now();
    }
}

#[test]
fn what_two_people_call_spam_is_judged_worse_for_them_and_hardly_for_others() {
    let mut server = Server::start();
    // What is wanted in this house.
    let folder = server.folder().join("ham");
    fs::create_dir(&folder).expect("a folder");
    for number in 0..30 {
        let text = letter(AN, &format!("cv{number}"), &work(number));
        fs::write(folder.join(format!("{number}.eml")), text).expect("a letter");
    }
    server.done(&["spam", "learn", "ham", &folder.to_string_lossy()]);
    settled(&server);
    for to in [AN, BINH, VANTHU_SO] {
        bring(
            &server,
            to,
            &format!("truoc-{to}").replace('@', "-"),
            &offer(99),
        );
    }
    let id = |when: &str, to: &str| format!("{when}-{to}").replace('@', "-");
    let before: Vec<f32> = [AN, BINH, VANTHU_SO]
        .map(|to| probability(&server, to, &id("truoc", to)))
        .to_vec();
    for number in 0..12 {
        for to in [AN, BINH] {
            bring(&server, to, &id(&format!("m{number}"), to), &offer(number));
        }
    }
    move_all(&server, AN, "INBOX", "Junk");
    move_all(&server, BINH, "INBOX", "Junk");
    // Killed while the labels are being learned: each counts once.
    server.kill();
    server.restart();
    let stats = settled(&server);
    assert_eq!(stats["spam"], 26, "{stats}");
    assert_eq!(stats["missed"], 26, "{stats}");

    // The same after another start without an end.
    server.kill();
    server.restart();
    server.wait_for_log("filter loaded");
    for to in [AN, BINH, VANTHU_SO] {
        bring(&server, to, &id("roi", to), &offer(78));
        bring(&server, to, &id("viec", to), &work(78));
    }
    let after: Vec<f32> = [AN, BINH, VANTHU_SO]
        .map(|to| probability(&server, to, &id("roi", to)))
        .to_vec();
    println!("before {before:?} after {after:?}");
    assert!(after[0] > before[0] + 0.15, "{before:?} {after:?}");
    assert!(after[1] > before[1] + 0.15, "{before:?} {after:?}");
    assert!(after[2] < before[2] + 0.1, "{before:?} {after:?}");
    for to in [AN, BINH, VANTHU_SO] {
        let wanted = probability(&server, to, &id("viec", to));
        assert!(wanted < 0.5, "{to} {wanted}");
    }

    // Moved back: taken back, and said to be wanted.
    move_all(&server, AN, "Junk", "INBOX");
    let stats = settled(&server);
    assert!(stats["revoked"].as_u64() >= Some(13), "{stats}");
    bring(&server, AN, "lai", &offer(79));
    let back = probability(&server, AN, "lai");
    assert!(back < after[0] - 0.1, "{back} {after:?}");

    // What the other one said is taken back by an administrator, and everything at last.
    server.done(&["spam", "forget", "--account", BINH]);
    let stats = settled(&server);
    assert_eq!(stats["spam"], 0, "{stats}");
    let told = server.done(&["spam", "labels", "--account", BINH]);
    assert_eq!(told.matches("revoked").count(), 13, "{told}");
    let told = server.done(&["spam", "stats"]);
    assert!(told.contains("unwanted, but let through"), "{told}");
    server.done(&["spam", "forget", "--all"]);
    let stats = settled(&server);
    assert_eq!(
        (&stats["ham"], &stats["spam"]),
        (&0.into(), &0.into()),
        "{stats}"
    );
    let audited = server.done(&["audit"]);
    for act in ["spam learn", "spam forget-account", "spam forget-all"] {
        assert!(audited.contains(act), "{audited}");
    }
}

#[test]
fn a_forwarded_letter_is_a_label_of_whoever_is_logged_in() {
    let settings =
        format!("[filter]\nreport-spam = \"{VANTHU_XA}\"\nreport-ham = \"{VANTHU_SO}\"\n");
    let server = Server::with(&Setup::default().settings(&settings));
    bring(&server, AN, "thu-1", &offer(1));
    bring(&server, AN, "thu-2", &offer(2));
    let attached = format!(
        "From: {AN}\nTo: {VANTHU_XA}\nMessage-ID: <bao-1@xa.test>\nSubject: Fwd\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nXem thu kem theo.\n--b\n\
         Content-Type: message/rfc822\n\n{}\n--b--\n",
        letter(AN, "thu-1", &offer(1))
    );
    let named = format!(
        "From: {AN}\nTo: {VANTHU_SO}\nMessage-ID: <bao-2@xa.test>\nReferences: <thu-2@ngoai.example>\nSubject: Fwd\n\nxin loi\n"
    );
    // From outside, nobody is believed.
    let mut mx = Smtp::plain(server.listener("mx")).expect("connect");
    mx.command("EHLO ngoai.example").expect("EHLO");
    let reply = mx.deliver("la@ngoai.example", &[VANTHU_XA], &attached);
    assert_eq!(reply.expect("deliver").code, 250);
    let mut smtp = Smtp::tls(server.listener("submissions")).expect("connect");
    smtp.command("EHLO client.test").expect("EHLO");
    assert_eq!(smtp.login(AN, PASSWORD).expect("AUTH").code, 235);
    for (to, report) in [(VANTHU_XA, &attached), (VANTHU_SO, &named)] {
        assert_eq!(smtp.deliver(AN, &[to], report).expect("deliver").code, 250);
    }
    // Moved as well: said once.
    let mut imap = Imap::login(server.listener("imaps"), AN, PASSWORD).expect("login");
    assert!(imap.command("SELECT INBOX").expect("select").ok());
    assert!(imap.command("MOVE 1 Junk").expect("move").ok());
    let stats = settled(&server);
    let told = server.done(&["spam", "labels"]);
    assert_eq!(
        (&stats["spam"], &stats["ham"]),
        (&1.into(), &1.into()),
        "{told}"
    );
    assert_eq!(told.matches("report").count(), 2, "{told}");
    assert_eq!(told.matches(AN).count(), 2, "{told}");
    // The report is a letter besides.
    let mut imap = Imap::login(server.listener("imaps"), VANTHU_SO, PASSWORD).expect("login");
    assert!(imap.command("SELECT INBOX").expect("select").ok());
    imap.wait_for_messages(1).expect("the report");
}
