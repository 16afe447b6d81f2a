//! A private Dovecot from Debian: its own configuration, mail and port; stopped when dropped.
//!
//! Needs root, as Dovecot's master does.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::PATIENCE;
use crate::program::run;

/// A running Dovecot with the account `an` and the master user `boss`.
pub struct Dovecot {
    folder: TempDir,
    master: Child,
    /// Where it speaks IMAP with STARTTLS; clear text too, from this machine.
    pub address: SocketAddr,
}

/// Password of everybody there.
pub const PASSWORD: &str = "mat khau \"cu\"";

impl Dovecot {
    /// Starts one: names begin with `INBOX.`, sent mail is `Gesendet`.
    ///
    /// # Panics
    /// When Dovecot cannot be started; with what it said.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("congvu-dovecot")
            .tempdir()
            .expect("a folder");
        let root = folder.path();
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).expect("permissions");
        for name in ["run", "state", "mail"] {
            fs::create_dir(root.join(name)).expect("a folder");
        }
        let here = root.display();
        let certificate = format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost \
             -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE -out {here}/cert.pem -keyout {here}/key.pem"
        );
        run("openssl", &certificate.split(' ').collect::<Vec<_>>(), "").expect("openssl req");
        let address = TcpListener::bind("127.0.0.1:0")
            .expect("a port")
            .local_addr()
            .expect("an address");
        fs::write(root.join("users"), format!("an:{{PLAIN}}{PASSWORD}\n")).expect("users");
        fs::write(root.join("masters"), format!("boss:{{PLAIN}}{PASSWORD}\n")).expect("masters");
        let text = CONFIG
            .replace("{folder}", &here.to_string())
            .replace("{port}", &address.port().to_string());
        let config = root.join("dovecot.conf");
        fs::write(&config, text).expect("dovecot.conf");
        run("chown", &["nobody:nogroup", &format!("{here}/mail")], "").expect("chown");
        // In the foreground: its children would keep our pipes open otherwise.
        let master = Command::new("/usr/sbin/dovecot")
            .args(["-F", "-c", &config.to_string_lossy()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dovecot");
        let dovecot = Self {
            folder,
            master,
            address,
        };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            let log = fs::read_to_string(dovecot.folder.path().join("log"));
            assert!(start.elapsed() < PATIENCE, "no dovecot: {log:?}");
            // Dovecot tells nobody when it listens: trying again is the only event.
            std::thread::sleep(Duration::from_millis(50));
        }
        dovecot
    }

    /// Its certificate, which is its own authority.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        let pid = self.master.id().to_string();
        // Its children end with it.
        let _ = run("kill", &["-TERM", &pid], "");
        let _ = self.master.wait();
    }
}

const CONFIG: &str = "\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain
auth_master_user_separator = *
mail_location = maildir:{folder}/mail/%u
first_valid_uid = 1
passdb {
  driver = passwd-file
  args = {folder}/masters
  master = yes
}
passdb {
  driver = passwd-file
  args = {folder}/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home={folder}/mail/%u
}
namespace inbox {
  inbox = yes
  separator = .
  prefix = INBOX.
  mailbox Gesendet {
    special_use = \\Sent
    auto = create
  }
}
service imap-login {
  inet_listener imap {
    port = {port}
  }
  inet_listener imaps {
    port = 0
  }
}
";
