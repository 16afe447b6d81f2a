//! The administrator's commands: every noun and verb through a running server, and some on the store itself.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::serve::Server;

const PASSWORD: &str = "con cò bay lả bay la\n";

/// A folder with a configuration and an empty store, with a server or without.
struct Place {
    folder: PathBuf,
    _kept: Kept,
}

/// Ends with its place.
#[allow(dead_code, reason = "held for its drop")]
enum Kept {
    Folder(tempfile::TempDir),
    Server(Server),
}

/// What a run of the program said.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let (data, socket) = (data.display(), folder.path().join("control.sock"));
        let text = format!(
            "[server]\nhostname = \"mail.xa.test\"\ndata = \"{data}\"\n[control]\nsocket = \"{}\"\n",
            socket.display()
        );
        std::fs::write(folder.path().join("congvu.toml"), text).unwrap();
        Self {
            folder: folder.path().to_owned(),
            _kept: Kept::Folder(folder),
        }
    }

    fn served() -> Self {
        let mut server = Server::start();
        server.wait_for("server started");
        Self {
            folder: server.folder.path().to_owned(),
            _kept: Kept::Server(server),
        }
    }

    /// Runs a command line with a text on standard input.
    fn run(&self, input: &str, arguments: &[&str]) -> Said {
        let mut child = Command::new(env!("CARGO_BIN_EXE_congvu"))
            .arg("--config")
            .arg(self.folder.join("congvu.toml"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that reads nothing may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Said {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// A command, words separated by spaces, that must succeed; what it printed.
    fn ok(&self, line: &str) -> String {
        let said = self.run(PASSWORD, &line.split(' ').collect::<Vec<_>>());
        assert_eq!(said.code, 0, "{line}: {}", said.err);
        said.out
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("{line} --json"))).unwrap()
    }

    /// A command that must fail with this code; what it said about it.
    fn fails(&self, code: i32, line: &str) -> String {
        let said = self.run("", &line.split(' ').collect::<Vec<_>>());
        assert_eq!(
            (said.code, said.out.as_str()),
            (code, ""),
            "{line}: {}",
            said.err
        );
        said.err
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "two tables")]
fn every_noun_and_verb() {
    let place = Place::served();
    for line in [
        "agency add TINH",
        "agency add XA --parent tinh --name Xã",
        "agency rename XA XA.1",
        "agency set XA.1 --name Bình-Minh --sessions 9 --foreign-targets yes",
        "agency set XA.1 --root --sessions inherit",
        "agency disable XA.1",
        "agency enable XA.1",
        "domain add xa.test --agency XA.1",
        "domain add cu.test --agency XA.1 --alias-of xa.test",
        "domain rename xa.test moi.test --keep",
        "domain remove xa.test",
        "domain rename moi.test xa.test",
        "domain disable xa.test",
        "domain enable xa.test",
        "account add an@xa.test --name An --quota 2G --quota-messages 100 --password-stdin",
        "account add binh@xa.test --generate-password",
        "account add chi@xa.test --no-password",
        "account set chi@xa.test --name Chi --agency TINH --kind post",
        "account rename chi@xa.test chi.le@xa.test --keep",
        "account disable chi@xa.test",
        "account enable chi@xa.test",
        "post add vanthu@xa.test --operator an@xa.test --operator binh@xa.test",
        "post set vanthu@xa.test --name Văn-thư",
        "post rename vanthu@xa.test vt@xa.test",
        "post disable vt@xa.test",
        "post enable vt@xa.test",
        "operator remove vt@xa.test binh@xa.test",
        "operator add vt@xa.test binh@xa.test",
        "domain set xa.test --agency TINH --postmaster vt@xa.test",
        "alias add a@xa.test an@xa.test",
        "alias add-target a@xa.test x@elsewhere.test",
        "alias remove-target a@xa.test an@xa.test",
        "alias rename a@xa.test b@xa.test",
        "group add all@xa.test an@xa.test",
        "group add-member all@xa.test binh@xa.test vt@xa.test",
        "group remove-member all@xa.test vt@xa.test",
        "group set all@xa.test --name Tất-cả --agency XA.1",
        "group rename all@xa.test everybody@xa.test",
        "group disable everybody@xa.test",
        "group enable everybody@xa.test",
        "quota set --account an@xa.test --size 1G",
        "quota set --domain xa.test --messages 5000",
        "quota set --agency TINH --size 1T --messages 100000",
        "password set binh@xa.test --password-stdin",
        "password remove binh@xa.test",
        "app-password add an@xa.test Outlook",
        "app-password rename an@xa.test outlook Thunderbird",
    ] {
        place.ok(line);
    }
    // What listings and questions say, as text and as JSON.
    for (line, text) in [
        ("agency list", "Bình-Minh"),
        ("agency list --within TINH", "TINH"),
        ("agency show XA.1", "code:"),
        ("domain list --agency TINH", "vt@xa.test"),
        ("domain show xa.test", "cu.test"),
        (
            "account list --domain xa.test --kind post",
            "chi.le@xa.test",
        ),
        ("account show an@xa.test", "Thunderbird"),
        ("post list --agency XA.1", "vt@xa.test"),
        ("post show vt@xa.test", "an@xa.test, binh@xa.test"),
        ("operator list an@xa.test", "vt@xa.test"),
        ("operator list vt@xa.test", "an@xa.test"),
        ("alias list", "x@elsewhere.test"),
        ("alias show b@xa.test", "x@elsewhere.test"),
        ("group list", "everybody@xa.test"),
        ("group show everybody@xa.test", "  binh@xa.test"),
        ("quota list", "0 of 1G"),
        ("quota show --agency TINH", "0 of 1T"),
        ("app-password list an@xa.test", "never"),
        ("queue list", "NUMBER"),
        ("queue list --after 7 --limit 5", "NUMBER"),
        ("queue retry --all", "0 messages"),
        ("queue retry --domain elsewhere.test", "0 messages"),
        ("audit", "app-password rename"),
        ("status", "imap 127.0.0.1:"),
    ] {
        let out = place.ok(line);
        assert!(out.contains(text), "{line}: {out}");
        let json = place.json(line);
        assert!(json.is_object() || json.is_array(), "{line}: {json}");
    }
    assert_eq!(
        place.json("account show an@xa.test")["usage"]["octets_limit"],
        1 << 30
    );
    assert_eq!(place.json("account list").as_array().unwrap().len(), 4);
    for line in [
        "app-password remove an@xa.test Thunderbird",
        "operator remove vt@xa.test an@xa.test",
        "alias remove b@xa.test",
        "alias remove chi@xa.test",
        "group remove everybody@xa.test",
        "account remove an@xa.test",
        "account remove binh@xa.test",
        "account remove chi.le@xa.test",
        "post remove vt@xa.test",
        "domain remove cu.test",
        "domain remove xa.test",
        "agency remove XA.1",
        "agency remove TINH",
        "reload",
    ] {
        place.ok(line);
    }
    assert_eq!(place.json("agency list"), serde_json::json!([]));
}

#[test]
fn refusals_and_exit_codes() {
    let place = Place::new();
    place.ok("agency add XA");
    place.ok("domain add xa.test --agency XA");
    for (code, line, text) in [
        (1, "agency add xa", "agency exists already: xa"),
        (1, "account show an@xa.test", "see: congvu account list"),
        (1, "agency remove XA", "domain xa.test belongs to it"),
        (1, "queue drop 5", "no such queue entry: 5"),
        (2, "account add an@xa.test", "--password-file"),
        (
            2,
            "account add an@xa.test --password x",
            "unexpected argument",
        ),
        (2, "account add an@xa.test --quota viele", "500M"),
        (
            2,
            "account add an@xa.test --no-password --generate-password",
            "cannot be used with",
        ),
        (
            2,
            "account add an@xa.test --password-file /nonexistent",
            "cannot read /nonexistent",
        ),
        (2, "quota set --size 1G", "--account"),
        (2, "audit --since yesterday", "is not a time"),
        (2, "agency", "Usage"),
        (3, "reload", "congvu serve"),
        (3, "stop", "no server is running"),
    ] {
        let err = place.fails(code, line);
        assert!(err.contains(text), "{line}: {err}");
    }
    let err: Value =
        serde_json::from_str(&place.fails(1, "account show an@xa.test --json")).unwrap();
    assert_eq!(err["error"]["reason"], "missing");
    std::fs::write(place.folder.join("congvu.toml"), "[server]\ndata = 5\n").unwrap();
    assert!(place.fails(2, "agency list").contains("congvu.toml:2"));
}

#[test]
fn accounts_come_from_a_file() {
    let place = Place::new();
    place.ok("agency add XA");
    place.ok("domain add xa.test --agency XA");
    let bad = place.run(
        "address,kind\nan@xa.test,boss\n\nbinh\n",
        &["account", "import", "-", "--dry-run"],
    );
    assert_eq!(bad.code, 1);
    assert!(
        bad.err.contains("line 2: kind is \"boss\"") && bad.err.contains("line 4:"),
        "{}",
        bad.err
    );
    let file = place.folder.join("accounts.csv");
    std::fs::write(
        &file,
        "address,name,password\nan@xa.test,Nguyễn Văn An,\nbinh@xa.test,Bình,-\n",
    )
    .unwrap();
    let line = format!("account import {}", file.display());
    assert!(
        place
            .ok(&format!("{line} --dry-run"))
            .contains("2 accounts would be created")
    );
    let made = place.json(&line);
    assert_eq!(made["accounts"][0]["password"].as_str().unwrap().len(), 23);
    assert_eq!(made["accounts"][1].get("password"), None);
    let again = place.run("", &["account", "import", file.to_str().unwrap()]);
    assert_eq!(
        (
            again.code,
            again.err.matches("account exists already").count()
        ),
        (1, 2),
        "{}",
        again.err
    );
}
