//! `congvu store`, `backup` and `restore` as an administrator runs them, beside the server and without.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;

/// A configuration beside its data folder.
pub(crate) fn config(folder: &Path, data: &str) -> std::path::PathBuf {
    let (here, path) = (folder.display(), folder.join(format!("{data}.toml")));
    let text = format!(
        "[server]\nhostname = \"mail.xa.test\"\ndata = \"{here}/{data}\"\n[control]\nsocket = \
         \"{here}/control.sock\"\n[[listener]]\nkind = \"mx\"\naddresses = [\"127.0.0.1:0\"]\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn congvu(config: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_congvu"))
        .arg("--config")
        .arg(config)
        .args(args)
        .output()
        .unwrap()
}

/// Standard output of a command that must end with this code.
pub(crate) fn ends(config: &Path, args: &[&str], code: i32) -> String {
    let output = congvu(config, args);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert_eq!(output.status.code(), Some(code), "{args:?}: {out}\n{err}");
    out
}

pub(crate) fn add_people(config: &Path) {
    ends(
        config,
        &["agency", "add", "XA", "--name", "Xã Bình Minh"],
        0,
    );
    ends(config, &["domain", "add", "xa.test", "--agency", "XA"], 0);
}

#[test]
fn check_backup_restore_rebuild_and_salvage_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let here = |name: &str| folder.path().join(name).display().to_string();
    let config_file = config(folder.path(), "data");
    std::fs::create_dir(folder.path().join("data")).unwrap();
    add_people(&config_file);
    let text = ends(&config_file, &["store", "check"], 0);
    assert!(text.ends_with("the store is whole\n"), "{text}");
    let (backup, restored) = (here("backup"), here("restored"));
    ends(&config_file, &["backup", "--to", &backup], 0);
    ends(&config_file, &["backup", "verify", &backup], 0);
    ends(
        &config_file,
        &["restore", "--from", &backup, "--to", &restored],
        0,
    );
    let other = config(folder.path(), "restored");
    let json = ends(&other, &["--json", "store", "check"], 0);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["whole"], true);
    let agencies = ends(&other, &["agency", "list"], 0);
    assert!(agencies.contains("Xã Bình Minh"), "{agencies}");
    ends(
        &other,
        &["restore", "--from", &backup, "--to", &restored],
        1,
    );
    ends(&other, &["store", "rebuild"], 0);
    assert!(ends(&other, &["store", "stats"], 0).contains("times the octets"));
    assert!(ends(&other, &["store", "stats", "--segments"], 0).contains("SEGMENT"));
    assert!(ends(&other, &["store", "compact", "--rate", "64M"], 0).contains("given back"));
    ends(&other, &["store", "salvage", "--to", &here("salvaged")], 0);

    let log = folder.path().join("data/log/0000000000000000.log");
    let mut octets = std::fs::read(&log).unwrap();
    octets[200] ^= 1;
    std::fs::write(&log, octets).unwrap();
    let text = ends(&config_file, &["store", "check"], 1);
    assert!(text.contains("log: "), "{text}");
    ends(&config_file, &["backup"], 2);
}

/// A running server; ended with its value.
pub(crate) struct Running {
    child: Child,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    /// Returns once it serves.
    pub(crate) fn start(config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_congvu"))
            .arg("serve")
            .arg("--config")
            .arg(config)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut running = Self {
            child,
            reader: None,
        };
        let mut lines = log.lines();
        assert!(lines.any(|line| line.unwrap().contains("server started")));
        // Read on, so that the server never waits for us.
        running.reader = Some(std::thread::spawn(move || lines.for_each(drop)));
        running
    }

    /// Ends it as an administrator does.
    pub(crate) fn stop(mut self, config: &Path) {
        ends(config, &["stop"], 0);
        assert!(self.child.wait().unwrap().success());
        self.reader.take().unwrap().join().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn check_and_backup_beside_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let config_file = config(folder.path(), "data");
    let server = Running::start(&config_file);
    add_people(&config_file);
    let text = ends(&config_file, &["store", "check"], 0);
    assert!(text.ends_with("the store is whole\n"), "{text}");
    let backup = folder.path().join("backup").display().to_string();
    for _ in 0..2 {
        ends(&config_file, &["backup", "--to", &backup], 0);
        ends(&config_file, &["backup", "verify", &backup], 0);
        ends(
            &config_file,
            &["agency", "set", "XA", "--name", "Xã Bình Minh B"],
            0,
        );
    }
    assert!(ends(&config_file, &["store", "stats"], 0).contains("mailboxes"));
    ends(&config_file, &["store", "rebuild"], 1);
    server.stop(&config_file);
}
