//! A private Postfix from Debian: its own configuration, queue and port; stopped when dropped.
//!
//! Needs root, as Postfix's master does.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tempfile::TempDir;

use crate::PATIENCE;
use crate::program::run;

/// A running Postfix.
pub struct Postfix {
    folder: TempDir,
    /// Where its smtpd listens.
    pub address: SocketAddr,
}

impl Postfix {
    /// Starts one. `settings` are added to its main.cf; `{folder}` in them is its folder.
    ///
    /// # Panics
    /// When Postfix cannot be started; with what it said.
    pub fn start(settings: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("congvu-postfix")
            .tempdir()
            .expect("a folder");
        let root = folder.path();
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).expect("permissions");
        for name in ["conf", "queue", "data", "mail"] {
            fs::create_dir(root.join(name)).expect("a folder");
        }
        let owner = |path: &Path| {
            run("chown", &["postfix", &path.to_string_lossy()], "").expect("chown to postfix");
        };
        owner(&root.join("data"));
        owner(&root.join("mail"));
        let id = |what: &str| {
            run("id", &[what, "postfix"], "")
                .expect("id")
                .trim()
                .to_owned()
        };
        let port = TcpListener::bind("127.0.0.1:0")
            .expect("a port")
            .local_addr()
            .expect("an address");
        let main = format!(
            "compatibility_level = 3.7\nqueue_directory = {0}/queue\ndata_directory = {0}/data\ncommand_directory = /usr/sbin\n\
             daemon_directory = /usr/lib/postfix/sbin\nmail_owner = postfix\nsetgid_group = postdrop\nmaillog_file = {0}/maillog\n\
             maillog_file_prefixes = {0}\nmyhostname = cong.postfix.test\nmyorigin = postfix.test\nmydestination =\ninet_interfaces = 127.0.0.1\n\
             inet_protocols = ipv4\nmynetworks = 127.0.0.0/8\nalias_maps =\nrelayhost =\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n\
             virtual_mailbox_base = {0}/mail\nvirtual_uid_maps = static:{1}\nvirtual_gid_maps = static:{2}\nvirtual_minimum_uid = 1\nvirtual_mailbox_limit = 0\n\
             smtp_host_lookup = native\nmessage_size_limit = 52428800\n{3}\n",
            root.display(),
            id("-u"),
            id("-g"),
            settings.replace("{folder}", &root.to_string_lossy())
        );
        fs::write(root.join("conf/main.cf"), main).expect("main.cf");
        let master = format!("127.0.0.1:{} inet n - n - - smtpd\n{MASTER}", port.port());
        fs::write(root.join("conf/master.cf"), master).expect("master.cf");
        let conf = root.join("conf").to_string_lossy().into_owned();
        run("/usr/sbin/postfix", &["-c", &conf, "start"], "").expect("postfix start");
        Self {
            folder,
            address: port,
        }
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("maillog")).unwrap_or_default()
    }

    /// Waits until a file with this text lies in its mail folder.
    ///
    /// # Panics
    /// After [`PATIENCE`], with its log.
    pub fn wait_for_mail(&self, text: &str) -> String {
        let start = Instant::now();
        loop {
            if let Some(found) = find(&self.folder.path().join("mail"), text) {
                return found;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "no letter with {text:?} in Postfix\n{}",
                self.log()
            );
            std::thread::yield_now();
            // Postfix tells nobody when it has written a file: looking again is the only event.
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let conf = self
            .folder
            .path()
            .join("conf")
            .to_string_lossy()
            .into_owned();
        let _ = run("/usr/sbin/postfix", &["-c", &conf, "stop"], "");
    }
}

fn find(folder: &Path, text: &str) -> Option<String> {
    let entries: Vec<PathBuf> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    entries.into_iter().find_map(|path| {
        if path.is_dir() {
            return find(&path, text);
        }
        fs::read(&path)
            .ok()
            .map(|octets| String::from_utf8_lossy(&octets).into_owned())
            .filter(|found| found.contains(text))
    })
}

const MASTER: &str = "\
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
virtual   unix  - n n - - virtual
lmtp      unix  - - n - - lmtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
";
