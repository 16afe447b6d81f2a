//! `congvu migrate imap` from another Congvu: everything comes over, once, and goes on where it was.

use std::path::Path;

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

#[test]
fn accounts_move_from_another_server() {
    let folder = tempfile::tempdir().unwrap();
    let here = |name: &str| folder.path().join(name).display().to_string();
    let password = folder.path().join("password");
    std::fs::write(&password, "con cò bay lả bay la\n").unwrap();
    let password = password.display().to_string();

    // The old server, with an imap listener and two accounts.
    std::fs::create_dir(folder.path().join("old")).unwrap();
    let old = config(&folder.path().join("old"), "data");
    let mut text = std::fs::read_to_string(&old).unwrap();
    text.push_str("[[listener]]\nkind = \"imaps\"\naddresses = [\"127.0.0.1:0\"]\n");
    std::fs::write(&old, text).unwrap();
    let server = Running::start(&old);
    add_people(&old);
    letters(&folder.path().join("maildir"), 60);
    for address in ["an@xa.test", "binh@xa.test"] {
        ends(
            &old,
            &["account", "add", address, "--password-file", &password],
            0,
        );
        ends(
            &old,
            &[
                "import",
                "--account",
                address,
                "--from",
                &here("maildir"),
                "--keep-names",
            ],
            0,
        );
    }
    let status = ends(&old, &["--json", "status"], 0);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let listeners = status["listeners"].as_array().unwrap();
    let imaps = listeners
        .iter()
        .find_map(|line| line.as_str().filter(|l| l.starts_with("imaps")));
    let port = imaps.unwrap().rsplit_once(':').unwrap().1;
    let from = format!("imaps://127.0.0.1:{port}");

    // The new one, without a running server.
    std::fs::create_dir(folder.path().join("new")).unwrap();
    let new = config(&folder.path().join("new"), "data");
    std::fs::create_dir(folder.path().join("new/data")).unwrap();
    add_people(&new);
    for address in ["an@xa.test", "binh@xa.test"] {
        ends(&new, &["account", "add", address, "--generate-password"], 0);
    }
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
    ends(
        &old,
        &[
            "import",
            "--account",
            "an@xa.test",
            "--from",
            &here("maildir"),
            "--keep-names",
        ],
        0,
    );
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
    assert!(
        done[2]["broken_off"]
            .as_str()
            .unwrap()
            .contains("login was refused"),
        "{json}"
    );
    server.stop(&old);

    // What came is what was.
    let export = |config: &Path, to: &str| {
        let to = here(to);
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
    export(&old, "there");
    export(&new, "here");
    for file in ["INBOX", "Sent", "Văn bản"] {
        let read = |side: &str| -> Vec<String> {
            let text = std::fs::read_to_string(folder.path().join(side).join(file)).unwrap();
            // Save dates are those of each side.
            let lines = text.lines().filter(|line| !line.starts_with("X-Congvu"));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(read("here"), read("there"), "{file}");
    }
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
