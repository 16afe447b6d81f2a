//! `congvu serve` as a process: it starts, greets, reloads, and ends with a farewell.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

/// No step of these tests takes longer, on however slow a machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running server; ended with its value.
pub(crate) struct Server {
    child: Child,
    log: BufReader<ChildStderr>,
    pub(crate) folder: tempfile::TempDir,
}

impl Server {
    /// Starts with listeners on ports of the kernel's choice.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_config(folder.path(), "");
        Self::start_in(folder)
    }

    fn start_in(folder: tempfile::TempDir) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_congvu"))
            .arg("serve")
            .arg("--config")
            .arg(folder.path().join("congvu.toml"))
            .env("NOTIFY_SOCKET", folder.path().join("notify.sock"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log, folder }
    }

    /// Reads the log up to a line with this text.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            assert!(
                self.log.read_line(&mut line).unwrap() > 0,
                "no {text:?} in the log:\n{all}"
            );
            all.push_str(&line);
            if line.contains(text) {
                return all;
            }
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_config(folder: &Path, more: &str) {
    let here = folder.display();
    let listener =
        |kind: &str| format!("[[listener]]\nkind = \"{kind}\"\naddresses = [\"127.0.0.1:0\"]\n");
    let text = format!(
        "[server]\nhostname = \"mail.so-noivu.test\"\ndata = \"{here}/data\"\n\
         [control]\nsocket = \"{here}/control.sock\"\n[log]\nlevel = \"debug\"\n{}{}{more}",
        listener("mx"),
        listener("imap"),
    );
    std::fs::write(folder.join("congvu.toml"), text).unwrap();
}

/// The port of a listener, from the log.
fn port(log: &str, listener: &str) -> u16 {
    let line = log
        .lines()
        .find(|l| l.contains(&format!("listener=\"{listener}\"")))
        .unwrap();
    let digits = line.rsplit_once("127.0.0.1:").unwrap().1;
    digits
        .chars()
        .take_while(char::is_ascii_digit)
        .collect::<String>()
        .parse()
        .unwrap()
}

fn connect(port: u16) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(stream)
}

fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    line
}

#[test]
fn greets_and_says_goodbye() {
    let mut server = Server::start();
    let log = server.wait_for("server started");
    let mut smtp = connect(port(&log, "mx"));
    assert!(line(&mut smtp).starts_with("220 mail.so-noivu.test "));
    let mut imap = connect(port(&log, "imap"));
    assert!(line(&mut imap).starts_with("* OK "));
    smtp.get_mut().write_all(b"EHLO client.test\r\n").unwrap();
    while line(&mut smtp).starts_with("250-") {}

    server.signal("-TERM");
    let mut rest = String::new();
    smtp.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("421 4.3.2 "), "{rest}");
    let mut rest = String::new();
    imap.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("* BYE "), "{rest}");
    server.wait_for("server stopped");
    assert!(server.child.wait().unwrap().success());
    assert!(!server.folder.path().join("control.sock").exists());
}

#[test]
fn a_bad_file_changes_nothing() {
    let mut server = Server::start();
    let log = server.wait_for("server started");
    let folder = server.folder.path().to_owned();
    write_config(&folder, "[limits]\nmessage-size = \"5 cân\"\n");
    server.signal("-HUP");
    let log_of_reload = server.wait_for("everything stays as it was");
    assert!(
        log_of_reload.contains("limits.message-size: \\\"5 cân\\\" is not a size"),
        "{log_of_reload}"
    );
    let size = |smtp: &mut BufReader<TcpStream>| loop {
        let line = line(smtp);
        if let Some((_, size)) = line.split_once("SIZE ") {
            return size.trim().to_owned();
        }
        assert!(line.starts_with('2'), "{line}");
    };
    let mut smtp = connect(port(&log, "mx"));
    smtp.get_mut().write_all(b"EHLO client.test\r\n").unwrap();
    assert_eq!(size(&mut smtp), (70 << 20).to_string());

    write_config(&folder, "[limits]\nmessage-size = \"5 MiB\"\n");
    server.signal("-HUP");
    server.wait_for("configuration reloaded");
    let mut smtp = connect(port(&log, "mx"));
    smtp.get_mut().write_all(b"EHLO client.test\r\n").unwrap();
    assert_eq!(size(&mut smtp), (5 << 20).to_string());
}

#[test]
fn a_second_server_is_refused() {
    let mut server = Server::start();
    server.wait_for("server started");
    let output = Command::new(env!("CARGO_BIN_EXE_congvu"))
        .arg("serve")
        .arg("--config")
        .arg(server.folder.path().join("congvu.toml"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot open the store in"), "{said}");
}

#[test]
fn tells_systemd() {
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), "");
    let notices = UnixDatagram::bind(folder.path().join("notify.sock")).unwrap();
    notices.set_read_timeout(Some(PATIENCE)).unwrap();
    let notice = || {
        let mut buffer = [0; 512];
        let length = notices.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let mut server = Server::start_in(folder);
    assert_eq!(notice().trim(), "READY=1");
    server.signal("-HUP");
    let reloading = notice();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(notice().trim(), "READY=1");
    server.signal("-INT");
    assert_eq!(notice().trim(), "STOPPING=1");
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn the_log_can_be_json() {
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), "");
    let path = folder.path().join("congvu.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("[log]", "[log]\nformat = \"json\"")).unwrap();
    let mut server = Server::start_in(folder);
    let log = server.wait_for("server started");
    for line in log.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            event["timestamp"].is_string() && event["message"].is_string(),
            "{line}"
        );
    }
}
