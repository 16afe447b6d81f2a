//! `congvu import`, `export` and `restore --account` as an administrator runs them beside the server.

use std::path::Path;

use crate::store::{Running, add_people, config, ends};

fn letter(number: u32) -> String {
    format!(
        "Subject: Công văn số {number}\nFrom: an@xa.test\nMessage-ID: <{number}@xa.test>\n\nNội dung\n"
    )
}

fn maildir(root: &Path) {
    for folder in ["cur", "new", ".Sent Items/cur", ".Sent Items/new"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    for number in 1..=20 {
        let name = format!("cur/179000000{number:02}.M1P1.host:2,S");
        std::fs::write(root.join(name), letter(number)).unwrap();
    }
    std::fs::write(root.join(".Sent Items/cur/1.M1P1.host:2,S"), letter(99)).unwrap();
}

#[test]
fn messages_come_and_go_beside_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let here = |name: &str| folder.path().join(name).display().to_string();
    let config_file = config(folder.path(), "data");
    let server = Running::start(&config_file);
    add_people(&config_file);
    for address in ["an@xa.test", "binh@xa.test"] {
        ends(
            &config_file,
            &["account", "add", address, "--generate-password"],
            0,
        );
    }
    maildir(&folder.path().join("old"));
    let from = here("old");
    let import = ["import", "--account", "an@xa.test", "--from", &from];
    let text = ends(&config_file, &[&import[..], &["--dry-run"]].concat(), 0);
    assert!(
        text.contains("21 of 21 messages would be put there"),
        "{text}"
    );
    let text = ends(&config_file, &import, 0);
    assert!(text.contains("21 of 21 messages put there"), "{text}");
    let text = ends(&config_file, &import, 0);
    assert!(text.contains("21 were there already"), "{text}");

    let backup = here("backup");
    ends(&config_file, &["backup", "--to", &backup], 0);
    let restore = ["restore", "--from", &backup, "--account", "an@xa.test"];
    let one = [
        &restore[..],
        &["--subject", "CONG VAN SO 7", "--into", "Khôi phục"],
    ]
    .concat();
    let text = ends(&config_file, &[&one[..], &["--dry-run"]].concat(), 0);
    assert!(
        text.contains("missing") && text.contains("Công văn số 7"),
        "{text}"
    );
    let text = ends(&config_file, &one, 0);
    assert!(
        text.contains("put, UID 1") && text.contains("Khôi phục (new)"),
        "{text}"
    );
    let text = ends(&config_file, &one, 0);
    assert!(text.contains("there, UID 1"), "{text}");
    let json = ends(
        &config_file,
        &[&["--json"], &restore[..], &["--to-account", "binh@xa.test"]].concat(),
        0,
    );
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&value["placed"], &value["address"]),
        (&21.into(), &"binh@xa.test".into())
    );
    ends(&config_file, &[&restore[..], &["--uid", "1"]].concat(), 2);
    ends(
        &config_file,
        &[&restore[..], &["--to", &here("new")]].concat(),
        2,
    );
    ends(&config_file, &restore[..3], 2);

    let to = here("out");
    let export = [
        "export",
        "--account",
        "binh@xa.test",
        "--to",
        &to,
        "--format",
        "mbox",
    ];
    let text = ends(&config_file, &export, 0);
    assert!(text.contains("21 messages"), "{text}");
    ends(&config_file, &export, 1);
    assert!(folder.path().join("out/Sent").is_file());
    let audit = ends(&config_file, &["audit"], 0);
    for act in ["account import", "account restore", "account export"] {
        assert!(audit.contains(act), "{audit}");
    }
    assert!(ends(&config_file, &["store", "check"], 0).ends_with("the store is whole\n"));
    server.stop(&config_file);
}
