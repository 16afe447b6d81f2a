//! `congvu migrate imap` from another Congvu: everything comes over, once, and goes on where it was.

use std::path::{Path, PathBuf};

use crate::store::{Running, add_people, config, ends};

fn letters(root: &Path, count: u32) {
    for folder in [
        "cur",
        "new",
        ".Văn bản/cur",
        ".Văn bản/new",
        ".Sent/cur",
        ".Sent/new",
    ] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    for number in 0..count {
        let folder = ["cur", ".Văn bản/cur", ".Sent/cur"][usize::try_from(number % 3).unwrap()];
        let name = format!(
            "{folder}/17900{number:05}.M1P1.host:2,{}",
            ["", "S", "FS"][usize::try_from(number % 3).unwrap()]
        );
        let text = format!("Subject: số {number}\n\nNội dung\n");
        std::fs::write(root.join(name), text).unwrap();
    }
}

const PEOPLE: [&str; 2] = ["an@xa.test", "binh@xa.test"];

/// The old server, with an imaps listener and two accounts; and its URL.
fn old_server(folder: &Path, password: &str) -> (Running, PathBuf, String) {
    std::fs::create_dir(folder.join("old")).unwrap();
    let old = config(&folder.join("old"), "data");
    let mut text = std::fs::read_to_string(&old).unwrap();
    text.push_str("[[listener]]\nkind = \"imaps\"\naddresses = [\"127.0.0.1:0\"]\n");
    std::fs::write(&old, text).unwrap();
    let server = Running::start(&old);
    add_people(&old);
    letters(&folder.join("maildir"), 60);
    for address in PEOPLE {
        ends(
            &old,
            &["account", "add", address, "--password-file", password],
            0,
        );
        import(&old, folder, address);
    }
    let status = ends(&old, &["--json", "status"], 0);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let listeners = status["listeners"].as_array().unwrap();
    let mut names = listeners.iter().filter_map(|line| line.as_str());
    let imaps = names.find(|line| line.starts_with("imaps")).unwrap();
    let port = imaps.rsplit_once(':').unwrap().1;
    let from = format!("imaps://127.0.0.1:{port}");
    (server, old, from)
}

fn import(config: &Path, folder: &Path, address: &str) {
    let from = folder.join("maildir").display().to_string();
    ends(
        config,
        &[
            "import",
            "--account",
            address,
            "--from",
            &from,
            "--keep-names",
        ],
        0,
    );
}

/// The new one, which does not run.
fn new_store(folder: &Path) -> PathBuf {
    std::fs::create_dir_all(folder.join("new/data")).unwrap();
    let new = config(&folder.join("new"), "data");
    add_people(&new);
    for address in PEOPLE {
        ends(&new, &["account", "add", address, "--generate-password"], 0);
    }
    new
}

/// What came is what was; save dates are those of each side.
fn same(folder: &Path, there: &Path, here: &Path) {
    let export = |config: &Path, to: &str| {
        let to = folder.join(to).display().to_string();
        let args = [
            "export",
            "--account",
            "an@xa.test",
            "--to",
            &to,
            "--format",
            "mbox",
        ];
        ends(config, &args, 0);
    };
    export(there, "there");
    export(here, "here");
    for file in ["INBOX", "Sent", "Văn bản"] {
        let read = |side: &str| -> Vec<String> {
            let text = std::fs::read_to_string(folder.join(side).join(file)).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with("X-Congvu"));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(read("here"), read("there"), "{file}");
    }
}

#[test]
fn accounts_move_from_another_server() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "con cò bay lả bay la\n").unwrap();
    let password = password.display().to_string();
    let (server, old, from) = old_server(folder.path(), &password);
    let new = new_store(folder.path());
    let migrate = [
        "migrate",
        "imap",
        "--from",
        &from,
        "--account",
        "an@xa.test",
        "--password-file",
        &password,
    ];
    // Our certificate is our own: nothing is sent to whom it does not name.
    let text = ends(&new, &migrate, 1);
    assert!(text.contains("not complete: TLS"), "{text}");
    let trusting = [&migrate[..], &["--allow-unverified"]].concat();
    let text = ends(&new, &trusting, 0);
    assert!(text.contains("60 of 60 messages put there"), "{text}");
    let text = ends(&new, &trusting, 0);
    assert!(text.contains("0 of 0 messages put there"), "{text}");

    // Further messages there, and many accounts from a file; one of them is not known there.
    letters(&folder.path().join("maildir"), 66);
    import(&old, folder.path(), "an@xa.test");
    let csv = folder.path().join("accounts.csv");
    std::fs::write(
        &csv,
        "account,user,password\nan@xa.test,,con cò bay lả bay la\nbinh@xa.test,binh@xa.test,con cò bay lả bay la\n\
         binh@xa.test,ai@xa.test,con cò bay lả bay la\n",
    )
    .unwrap();
    let csv = csv.display().to_string();
    let many = [
        "--json",
        "migrate",
        "imap",
        "--from",
        &from,
        "--accounts",
        &csv,
        "--at-once",
        "1",
        "--allow-unverified",
    ];
    let json = ends(&new, &many, 1);
    let done: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&done[0]["placed"], &done[0]["present"]),
        (&6.into(), &0.into()),
        "{json}"
    );
    assert_eq!(done[1]["placed"], 60, "{json}");
    let why = done[2]["broken_off"].as_str().unwrap();
    assert!(why.contains("login was refused"), "{json}");

    same(folder.path(), &old, &new);
    server.stop(&old);
    assert!(ends(&new, &["store", "check"], 0).ends_with("the store is whole\n"));
    let audit = ends(&new, &["audit"], 0);
    assert!(
        audit.contains("account migrate") && !audit.contains("con cò"),
        "{audit}"
    );
    ends(
        &new,
        &[
            "migrate",
            "imap",
            "--from",
            "ftp://x",
            "--account",
            "an@xa.test",
        ],
        2,
    );
    ends(&new, &["migrate", "imap", "--from", &from], 2);
}
