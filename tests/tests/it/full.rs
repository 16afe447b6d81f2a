//! A disk that is full, or has no room for another file: what cannot be kept is refused before anything is
//! acknowledged, reading goes on, and when there is room again nothing need be restarted.
//!
//! The disk is a small tmpfs. That takes the right to mount: the test runs itself again in a mount namespace
//! of its own, so that nothing of it stays behind, and says so when that is not allowed.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use congvu_tests::imap::Imap;
use congvu_tests::server::{AN, BINH, PASSWORD, Server, Setup};
use congvu_tests::smtp::{Reply, Smtp};

/// Set inside the namespace.
const INSIDE: &str = "CONGVU_PRIVATE_MOUNTS";
/// Of the small disk, MiB.
const DISK: u64 = 192;

/// Runs the named test again where it may mount; `true` = this is there.
fn inside(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let allowed = Command::new("unshare")
        .args([
            "-m", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt",
        ])
        .output()
        .is_ok_and(|output| output.status.success());
    if !allowed {
        println!("skipped: mounting a tmpfs in a namespace (unshare -m) is not allowed here");
        return false;
    }
    let program = std::env::current_exe().expect("a test knows its own path");
    let output = Command::new("unshare")
        .arg("-m")
        .arg(program)
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    println!("{said}");
    false
}

/// A server on a small disk.
struct Small {
    server: Server,
    kept: Vec<String>,
    number: u32,
}

impl Small {
    fn new(options: &str, settings: &str) -> Self {
        Self {
            server: Server::with(&Setup::default().tmpfs(options).settings(settings)),
            kept: Vec::new(),
            number: 0,
        }
    }

    fn subject(&mut self) -> String {
        self.number += 1;
        format!("letter {} end", self.number)
    }

    /// Delivers a letter by SMTP; what is acknowledged is remembered.
    fn send(&mut self) -> Reply {
        let subject = self.subject();
        let mut smtp = Smtp::tls(self.server.listener("submissions")).expect("connect");
        smtp.command("EHLO load.test").expect("EHLO");
        assert_eq!(smtp.login(AN, PASSWORD).expect("AUTH").code, 235);
        let text = format!("From: {AN}\r\nSubject: {subject}\r\n\r\n{}", noise(120_000));
        let reply = smtp.deliver(AN, &[BINH], &text).expect("a reply");
        if reply.code == 250 {
            self.kept.push(subject);
        }
        reply
    }

    /// Appends one by IMAP; the status.
    fn append(&mut self, octets: usize) -> String {
        let subject = self.subject();
        let text = format!("Subject: {subject}\r\n\r\n{}", noise(octets));
        let outcome = self
            .imap()
            .append("INBOX", "", text.as_bytes())
            .expect("APPEND");
        if outcome.ok() {
            self.kept.push(subject);
        }
        outcome.status
    }

    /// Deletes the message that was kept first.
    fn delete_one(&mut self) {
        let mut imap = self.imap();
        imap.command("SELECT INBOX").expect("SELECT");
        for command in ["STORE 1 +FLAGS.SILENT (\\Deleted)", "EXPUNGE"] {
            let outcome = imap.command(command).expect(command);
            assert!(
                outcome.ok(),
                "{command}: {}: {}",
                outcome.status,
                self.server.log_so_far()
            );
        }
        self.kept.remove(0);
    }

    fn imap(&self) -> Imap {
        Imap::login(self.server.listener("imaps"), BINH, PASSWORD).expect("login")
    }

    /// Everything acknowledged is there, once, and nothing else.
    fn compare(&self) {
        let mut imap = self.imap();
        imap.command("EXAMINE INBOX").expect("EXAMINE");
        let fetched = imap
            .command("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            .expect("FETCH");
        assert!(fetched.ok(), "{}", fetched.status);
        let mut there: Vec<String> = fetched
            .untagged
            .iter()
            .filter_map(|line| {
                Some(
                    line.split_once("Subject: ")?
                        .1
                        .split_once("\r\n")?
                        .0
                        .to_owned(),
                )
            })
            .collect();
        there.sort();
        let mut kept = self.kept.clone();
        kept.sort();
        assert_eq!(there, kept, "{}", self.server.log_so_far());
    }

    fn ballast(&self) -> PathBuf {
        self.server.data().join("ballast")
    }

    /// Leaves so many MiB free.
    fn leave(&self, mib: u64) {
        let _ = fs::remove_file(self.ballast());
        let free = free(&self.server.data().to_string_lossy());
        let octets = free.saturating_sub(mib * 1024 * 1024);
        let made = Command::new("fallocate")
            .args(["-l", &octets.max(1).to_string()])
            .arg(self.ballast())
            .status()
            .expect("fallocate");
        assert!(made.success(), "{free} octets are free");
    }

    /// After the disk has room again: the running server goes on, and the next one finds everything.
    fn goes_on(mut self) {
        assert_eq!(self.send().code, 250, "{}", self.server.log_so_far());
        let status = self.append(2_000_000);
        assert!(status.starts_with("OK"), "{status}");
        self.compare();
        self.server.stop();
        self.server.restart();
        self.compare();
        let checked = self.server.cli(&["store", "check"], "");
        assert_eq!(checked.code, 0, "{}", checked.all());
    }
}

/// Octets that hardly compress, in lines.
fn noise(octets: usize) -> String {
    let mut text = String::with_capacity(octets + 80);
    while text.len() < octets {
        for _ in 0..4 {
            let _ = write!(text, "{:016x}", fastrand::u64(..));
        }
        text.push_str("\r\n");
    }
    text
}

/// Free octets of a file system.
fn free(path: &str) -> u64 {
    let output = Command::new("df")
        .args(["--output=avail", "-B1", path])
        .output()
        .expect("df");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = text.split_whitespace().nth(1);
    number.and_then(|number| number.parse().ok()).expect("df")
}

#[test]
fn a_full_disk_refuses_before_it_acknowledges_and_goes_on_by_itself() {
    if !inside("full::a_full_disk_refuses_before_it_acknowledges_and_goes_on_by_itself") {
        return;
    }
    let mut small = Small::new(&format!("size={DISK}m"), "");
    assert_eq!(small.send().code, 250);
    assert!(small.append(3_000).starts_with("OK"));

    for _ in 0..3 {
        assert!(small.append(3_000).starts_with("OK"));
    }

    // Below limits.disk-reserve: no more mail from others, but people still work.
    small.leave(80);
    let reply = small.send();
    assert_eq!(reply.code, 452, "{reply:?}");
    assert!(reply.text.contains("4.3.1"), "{reply:?}");
    let status = small.append(3_000);
    assert!(status.starts_with("OK"), "{status}");
    small.compare();

    // Below what the log leaves to others: no new messages at all.
    small.leave(40);
    assert_eq!(small.send().code, 452);
    for octets in [3_000, 3_000_000] {
        let status = small.append(octets);
        assert!(status.starts_with("NO [UNAVAILABLE]"), "{status}");
    }
    small.compare();
    small.delete_one();

    // Nothing at all is left: reading goes on, also after a new start, and so does deleting.
    small.leave(0);
    small.compare();
    small.delete_one();
    small.compare();
    small.server.kill();
    small.server.restart();
    small.compare();
    small.delete_one();
    assert_eq!(small.send().code, 452);

    fs::remove_file(small.ballast()).expect("the ballast");
    small.goes_on();
}

#[test]
fn a_disk_without_room_for_another_file_is_no_loss() {
    if !inside("full::a_disk_without_room_for_another_file_is_no_loss") {
        return;
    }
    // Small segments, so that the log wants a new file soon.
    let settings = "[store]\nsegment-size = \"64 KiB\"";
    let mut small = Small::new(&format!("size={DISK}m,nr_inodes=400"), settings);
    assert_eq!(small.send().code, 250);
    let folder = small.server.data().join("ballast");
    fs::create_dir(&folder).expect("a folder");
    let mut files = 0;
    while fs::write(folder.join(files.to_string()), "").is_ok() {
        files += 1;
    }
    assert!(files > 10, "files were made until there was no room");
    let mut refused = 0;
    for _ in 0..30 {
        let reply = small.send();
        match reply.code {
            250 => {}
            452 => {
                refused += 1;
                break;
            }
            _ => panic!("{reply:?}: {}", small.server.log_so_far()),
        }
    }
    assert!(refused > 0, "a segment was begun without a file");
    let status = small.append(3_000);
    assert!(status.starts_with("NO [UNAVAILABLE]"), "{status}");
    small.compare();
    fs::remove_dir_all(&folder).expect("the ballast");
    small.goes_on();
}
