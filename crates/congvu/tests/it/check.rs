//! `congvu check` on each file of `tests/config`: what it says stands beside it in `.err`.
//! With `BLESS=1` in the environment the `.err` files are written anew, to be read before a commit.

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn says_all_problems_with_line_and_remedy() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/config");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    assert!(files.len() >= 5);
    let mut wrong = Vec::new();
    for file in files {
        let output = Command::new(env!("CARGO_BIN_EXE_congvu"))
            .current_dir(&folder)
            .args(["check", "--config"])
            .arg(file.file_name().unwrap())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let beside = file.with_extension("err");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&beside, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if said != expected {
            wrong.push(format!(
                "{}:\n--- said\n{said}--- expected\n{expected}",
                file.display()
            ));
        }
        assert_eq!(
            output.status.success(),
            expected.is_empty(),
            "{}",
            file.display()
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_missing_file_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_congvu"))
        .args(["check", "--config", "/nowhere/congvu.toml"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let expected = "/nowhere/congvu.toml: cannot be read: No such file or directory (os error 2)\n    \
                    name it with --config FILE\n1 problem\n";
    assert_eq!(said, expected);
}

#[test]
fn programs_read_json() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/config");
    let check = |file: &str| -> (Option<i32>, serde_json::Value) {
        let output = Command::new(env!("CARGO_BIN_EXE_congvu"))
            .current_dir(&folder)
            .args(["check", "--json", "--config", file])
            .output()
            .unwrap();
        (
            output.status.code(),
            serde_json::from_slice(&output.stdout).unwrap(),
        )
    };
    assert_eq!(check("good.toml"), (Some(0), serde_json::json!([])));
    let (code, problems) = check("names.toml");
    assert_eq!(code, Some(2));
    let first = serde_json::json!({
        "file": "names.toml",
        "line": 2,
        "problem": "server.host_name is no setting",
        "remedy": "did you mean hostname?",
    });
    assert_eq!(problems[0], first);
}
