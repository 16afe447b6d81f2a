//! Postfix and Dovecot, as Debian packages them, in a folder of their own on 127.0.0.1: what mail
//! servers commonly are, for comparison in the same run. Needs root, because both change users.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::congvu::free_ports;
use super::imap::Login;

/// Time until a started server must have written its pid file, and a stopped one removed it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A private pair of both.
pub(crate) struct Peer {
    folder: PathBuf,
    pub(crate) smtp: SocketAddr,
    pub(crate) lmtp: SocketAddr,
    pub(crate) login: Login,
}

impl Peer {
    /// Whether both are installed, and we may start them.
    pub(crate) fn installed() -> bool {
        ["/usr/sbin/postfix", "/usr/sbin/dovecot"]
            .iter()
            .all(|program| Path::new(program).exists())
            && fs::metadata("/proc/self")
                .is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
    }

    /// Configures and starts both with accounts u1 to u`accounts`@xa.test.
    pub(crate) fn setup(folder: &Path, accounts: usize) -> Result<Self, String> {
        let [smtp, lmtp, imap] = free_ports()?;
        let peer = Self {
            folder: folder.to_owned(),
            smtp,
            lmtp,
            login: Login {
                address: imap,
                account: "u%@xa.test".to_owned(),
                password: "tai-trong-2026".to_owned(),
            },
        };
        for sub in ["postfix/queue", "postfix/data", "dovecot", "mail"] {
            fs::create_dir_all(folder.join(sub)).map_err(|e| format!("{sub}: {e}"))?;
        }
        let mut path = folder.to_owned();
        while path.starts_with(std::env::temp_dir()) && path != std::env::temp_dir() {
            // Both work under users of their own and must be able to get here.
            let open = fs::Permissions::from_mode(0o755);
            fs::set_permissions(&path, open).map_err(|e| format!("{}: {e}", path.display()))?;
            path.pop();
        }
        let (uid, gid) = ids("nobody")?;
        own(&folder.join("mail"), uid, gid)?;
        own(&folder.join("postfix/data"), ids("postfix")?.0, 0)?;
        peer.dovecot(uid, gid, accounts)?;
        peer.postfix(accounts)?;
        Ok(peer)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        fs::write(self.folder.join(name), text).map_err(|error| format!("{name}: {error}"))
    }

    /// mdbox, the format Dovecot recommends for many messages; long-lived login processes; logins
    /// cached; Sieve at delivery, as nearly everywhere.
    fn dovecot(&self, uid: u32, gid: u32, accounts: usize) -> Result<(), String> {
        let here = self.folder.display();
        let mut users = String::new();
        for number in 1..=accounts {
            let _ = writeln!(
                users,
                "u{number}@xa.test:{{PLAIN}}{}::::::",
                self.login.password
            );
        }
        self.write("dovecot/users", &users)?;
        let (imap, lmtp) = (self.login.address.port(), self.lmtp.port());
        self.write(
            "dovecot/dovecot.conf",
            &format!(
                "base_dir = {here}/dovecot/run\ninstance_name = congvu-bench\nlog_path = {here}/dovecot/log\n\
                 listen = 127.0.0.1\nprotocols = imap lmtp\nssl = no\ndisable_plaintext_auth = no\n\
                 mail_location = mdbox:~/mdbox\nfirst_valid_uid = 1\nauth_cache_size = 10M\n\
                 mail_max_userip_connections = 100000\ndefault_client_limit = 20000\ndefault_vsz_limit = 2G\n\
                 passdb {{\n driver = passwd-file\n args = scheme=PLAIN username_format=%u {here}/dovecot/users\n}}\n\
                 userdb {{\n driver = static\n args = uid={uid} gid={gid} home={here}/mail/%n\n}}\n\
                 service imap-login {{\n service_count = 0\n process_min_avail = 2\n client_limit = 5000\n\
                 inet_listener imap {{\n port = {imap}\n }}\n inet_listener imaps {{\n port = 0\n }}\n}}\n\
                 service imap {{\n process_limit = 5000\n}}\n\
                 service lmtp {{\n unix_listener postfix {{\n mode = 0666\n }}\n\
                 inet_listener lmtp {{\n address = 127.0.0.1\n port = {lmtp}\n }}\n}}\n\
                 namespace inbox {{\n inbox = yes\n separator = /\n}}\n\
                 protocol lmtp {{\n mail_plugins = sieve\n postmaster_address = postmaster@xa.test\n}}\n\
                 plugin {{\n sieve = file:~/sieve;active=~/.dovecot.sieve\n}}\n"
            ),
        )?;
        run(Command::new("/usr/sbin/dovecot")
            .arg("-c")
            .arg(self.folder.join("dovecot/dovecot.conf")))?;
        self.wait("dovecot/run/master.pid", true)
    }

    fn postfix(&self, accounts: usize) -> Result<(), String> {
        let here = self.folder.display();
        fs::create_dir_all(self.folder.join("postfix/etc")).map_err(|e| e.to_string())?;
        let mut mailboxes = String::new();
        for number in 1..=accounts {
            let _ = writeln!(mailboxes, "u{number}@xa.test u{number}");
        }
        self.write("postfix/etc/mailboxes", &mailboxes)?;
        self.write(
            "postfix/etc/main.cf",
            &format!(
                "compatibility_level = 3.6\nqueue_directory = {here}/postfix/queue\ndata_directory = {here}/postfix/data\n\
                 maillog_file = {here}/postfix/log\nmaillog_file_prefixes = {here}\nmyhostname = mx.xa.test\n\
                 mydestination =\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmynetworks = 127.0.0.0/8\n\
                 alias_maps =\ndefault_transport = error:none\nvirtual_mailbox_domains = xa.test\n\
                 virtual_mailbox_maps = hash:{here}/postfix/etc/mailboxes\n\
                 virtual_transport = lmtp:unix:{here}/dovecot/run/postfix\nmessage_size_limit = 52428800\n\
                 mailbox_size_limit = 0\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
            ),
        )?;
        // The services of the distribution that local delivery needs, without chroot.
        let mut master = format!("{} inet n - n - - smtpd\n", self.smtp);
        for (service, wakeup, most) in [
            ("cleanup", "-", "0"),
            ("qmgr", "300", "1"),
            ("rewrite", "-", "-"),
            ("bounce", "-", "0"),
            ("defer", "-", "0"),
            ("trace", "-", "0"),
            ("error", "-", "-"),
            ("retry", "-", "-"),
            ("lmtp", "-", "-"),
            ("anvil", "-", "1"),
            ("scache", "-", "1"),
            ("proxymap", "-", "-"),
        ] {
            let program = match service {
                "rewrite" => "trivial-rewrite",
                "defer" | "trace" => "bounce",
                "retry" => "error",
                other => other,
            };
            let private = if matches!(service, "cleanup" | "qmgr") {
                "n"
            } else {
                "-"
            };
            let _ = writeln!(
                master,
                "{service} unix {private} - n {wakeup} {most} {program}"
            );
        }
        master.push_str("postlog unix-dgram n - n - 1 postlogd\n");
        self.write("postfix/etc/master.cf", &master)?;
        let etc = self.folder.join("postfix/etc");
        run(Command::new("/usr/sbin/postmap")
            .arg("-c")
            .arg(&etc)
            .arg(format!("hash:{here}/postfix/etc/mailboxes")))?;
        run(Command::new("/usr/sbin/postfix")
            .arg("-c")
            .arg(&etc)
            .arg("start"))?;
        self.wait("postfix/queue/pid/master.pid", true)
    }

    /// Waits until a file is there, or not.
    fn wait(&self, name: &str, there: bool) -> Result<(), String> {
        let start = Instant::now();
        while self.folder.join(name).exists() != there {
            if start.elapsed() > PATIENCE {
                return Err(format!("waited in vain for {name} of the peer"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Both masters; the other processes are their children.
    pub(crate) fn pids(&self) -> Vec<u32> {
        ["dovecot/run/master.pid", "postfix/queue/pid/master.pid"]
            .iter()
            .filter_map(|name| fs::read_to_string(self.folder.join(name)).ok())
            .filter_map(|text| text.trim().parse().ok())
            .collect()
    }

    /// Whether every accepted message has been delivered.
    pub(crate) fn drained(&self) -> bool {
        ["maildrop", "incoming", "active", "deferred"]
            .iter()
            .all(|name| empty(&self.folder.join("postfix/queue").join(name)))
    }

    pub(crate) fn stop(&self) -> Result<(), String> {
        let etc = self.folder.join("postfix/etc");
        run(Command::new("/usr/sbin/postfix")
            .arg("-c")
            .arg(&etc)
            .arg("stop"))?;
        run(Command::new("/usr/bin/doveadm")
            .arg("-c")
            .arg(self.folder.join("dovecot/dovecot.conf"))
            .arg("stop"))?;
        self.wait("dovecot/run/master.pid", false)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // After a good end there is nothing to stop any more.
        if !self.pids().is_empty() {
            let _ = self.stop();
        }
    }
}

/// Whether a folder and those in it hold no file.
fn empty(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return true;
    };
    entries
        .flatten()
        .all(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()) && empty(&entry.path()))
}

/// User and group number of a system user.
fn ids(name: &str) -> Result<(u32, u32), String> {
    let list = fs::read_to_string("/etc/passwd").map_err(|e| format!("/etc/passwd: {e}"))?;
    list.lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&name))
        .and_then(|fields| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)))
        .ok_or_else(|| format!("no user {name} on this machine"))
}

fn own(path: &Path, uid: u32, gid: u32) -> Result<(), String> {
    chown(path, Some(uid), Some(gid)).map_err(|e| format!("{}: {e}", path.display()))
}

fn run(command: &mut Command) -> Result<(), String> {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?} failed"))
    }
}
