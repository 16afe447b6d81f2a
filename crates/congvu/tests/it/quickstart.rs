//! `congvu quickstart`: the first letter arrives, a kept folder can be gone on with, a temporary one
//! leaves nothing behind.

use std::path::Path;
use std::process::{Command, Output};

/// Runs it to the end of its letter. Ports: whatever is free beside the usual ones.
fn quickstart(keep: Option<&Path>, temporary: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_congvu"));
    command
        .args(["quickstart", "--exit-after-letter"])
        .env("TMPDIR", temporary);
    if let Some(keep) = keep {
        command.arg("--keep").arg(keep);
    }
    command.output().unwrap()
}

fn check_letter(output: &Output) -> String {
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(errors.is_empty(), "{errors}");
    let letter = "    Từ: Sở Nội vụ <vanthu@so-noivu.test>\n    \
                  Gửi: Ủy ban nhân dân xã Bình Minh <vanthu@xa-binhminh.test>\n    Ngày: ";
    assert!(said.contains(letter), "{said}");
    assert!(
        said.contains("Hệ thống thư điện tử công vụ đã sẵn sàng."),
        "{said}"
    );
    said
}

#[test]
fn the_first_letter_arrives_and_nothing_stays() {
    let temporary = tempfile::tempdir().unwrap();
    check_letter(&quickstart(None, temporary.path()));
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn a_kept_folder_is_gone_on_with() {
    let temporary = tempfile::tempdir().unwrap();
    let keep = temporary.path().join("kept");
    let passwords = |said: &str| -> Vec<String> {
        said.lines()
            .filter(|line| line.contains(" password "))
            .map(str::to_owned)
            .collect()
    };
    let first = passwords(&check_letter(&quickstart(Some(&keep), temporary.path())));
    assert_eq!(first.len(), 4);
    let second = passwords(&check_letter(&quickstart(Some(&keep), temporary.path())));
    assert_eq!(first, second);
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let output = quickstart(Some(Path::new("/proc/kept")), Path::new("/tmp"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(
        said.starts_with("congvu quickstart: cannot use the folder /proc/kept: "),
        "{said}"
    );
}
