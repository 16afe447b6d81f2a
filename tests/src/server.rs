//! The program under test as a running server: its own folder, two agencies, four accounts, ports chosen
//! by the kernel.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::PATIENCE;
use crate::program::{Output, congvu, finish, run};

/// A person of the first agency.
pub const AN: &str = "an@xa.test";
/// The clerk's post of the first agency, operated by [`AN`].
pub const VANTHU_XA: &str = "vanthu@xa.test";
/// A person of the second agency.
pub const BINH: &str = "binh@so.test";
/// The clerk's post of the second agency, operated by [`BINH`].
pub const VANTHU_SO: &str = "vanthu@so.test";
/// Everybody's password.
pub const PASSWORD: &str = "mat-khau-thu-nghiem-2026";

/// What differs from the usual server.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    settings: String,
    dns: Option<SocketAddr>,
    tmpfs: Option<String>,
}

impl Setup {
    /// Mail for a domain goes to this address in clear.
    #[must_use]
    pub fn route(mut self, domain: &str, address: &str) -> Self {
        let (host, port) = address.rsplit_once(':').expect("host:port");
        let _ = writeln!(
            self.settings,
            "[[route]]\ndomain = \"{domain}\"\nto = \"relay\"\nhost = \"{host}\"\nport = {port}"
        );
        self
    }

    /// Adds settings in TOML.
    #[must_use]
    pub fn settings(mut self, text: &str) -> Self {
        self.settings.push_str(text);
        self.settings.push('\n');
        self
    }

    /// Its data folder is a tmpfs with these options. It takes the right to mount, and is unmounted with the
    /// server.
    #[must_use]
    pub fn tmpfs(mut self, options: &str) -> Self {
        self.tmpfs = Some(options.to_owned());
        self
    }

    /// Asks this name server.
    #[must_use]
    pub fn dns(mut self, address: SocketAddr) -> Self {
        self.dns = Some(address);
        self
    }
}

/// A server under test; ended when dropped.
pub struct Server {
    folder: TempDir,
    child: Option<Child>,
    log: Mutex<Log>,
    listeners: BTreeMap<String, SocketAddr>,
    mounted: bool,
}

/// The server's log: what was read so far, and what comes.
struct Log {
    lines: Vec<String>,
    coming: Receiver<String>,
}

impl Log {
    /// The first line, from the beginning, that fits; waits for it.
    fn wait(&mut self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        assert!(
            self.waited(what, &fits),
            "the server ended before its log said {what:?}; it said:\n{}",
            self.lines.join("\n")
        );
        let line = self.lines.iter().find(|line| fits(line));
        line.cloned().unwrap_or_default()
    }

    /// Waits for a line that fits; `false` when the log ended before.
    fn waited(&mut self, what: &str, fits: impl Fn(&str) -> bool) -> bool {
        let start = Instant::now();
        if self.lines.iter().any(|line| fits(line)) {
            return true;
        }
        loop {
            match self
                .coming
                .recv_timeout(PATIENCE.saturating_sub(start.elapsed()))
            {
                Ok(line) => {
                    self.lines.push(line);
                    if self.lines.last().is_some_and(|line| fits(line)) {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!(
                        "the log does not say {what:?}; it says:\n{}",
                        self.lines.join("\n")
                    )
                }
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}

impl Server {
    /// A usual server.
    pub fn start() -> Self {
        Self::with(&Setup::default())
    }

    /// A server with settings of its own.
    ///
    /// # Panics
    /// When it does not come up, with what it said.
    pub fn with(setup: &Setup) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("congvu-test")
            .tempdir()
            .expect("a folder");
        let server = Self::configured(folder, setup);
        server.provision();
        let mut server = server;
        server.restart();
        server
    }

    fn configured(folder: TempDir, setup: &Setup) -> Self {
        let root = folder.path();
        let (chain, key) = certificate();
        let mut text = format!(
            "[server]\nhostname = \"mail.xa.test\"\ndata = \"{0}/data\"\n[control]\nsocket = \"{0}/control.sock\"\n[log]\nformat = \"text\"\n\
             [[tls.certificate]]\nchain = \"{1}\"\nkey = \"{2}\"\n\
             [rates]\naccount-messages = {{ hour = 0, day = 0 }}\naccount-recipients = {{ hour = 0, day = 0 }}\nnetwork-messages = {{ hour = 0, day = 0 }}\n",
            root.display(),
            chain.display(),
            key.display()
        );
        if let Some(dns) = setup.dns {
            let _ = writeln!(text, "[dns]\nservers = [\"{dns}\"]");
        }
        for kind in ["mx", "submission", "submissions", "lmtp", "imap", "imaps"] {
            let _ = writeln!(
                text,
                "[[listener]]\nkind = \"{kind}\"\naddresses = [\"127.0.0.1:0\"]"
            );
        }
        text.push_str(&setup.settings);
        fs::create_dir(root.join("data")).expect("the data folder");
        if let Some(options) = &setup.tmpfs {
            let data = root.join("data").to_string_lossy().into_owned();
            let args = ["-t", "tmpfs", "-o", options, "tmpfs", &data];
            run("mount", &args, "").expect("mount");
        }
        fs::write(root.join("congvu.toml"), text).expect("the configuration");
        let (_, coming) = channel();
        Self {
            folder,
            child: None,
            log: Mutex::new(Log {
                lines: Vec::new(),
                coming,
            }),
            listeners: BTreeMap::new(),
            mounted: setup.tmpfs.is_some(),
        }
    }

    /// Two agencies, four accounts, through the command line on the store itself.
    fn provision(&self) {
        let password = self.folder().join("password");
        fs::write(&password, PASSWORD).expect("the password file");
        let password = password.to_string_lossy().into_owned();
        for (agency, domain, person, post) in [
            ("xa", "xa.test", AN, VANTHU_XA),
            ("so", "so.test", BINH, VANTHU_SO),
        ] {
            self.done(&["agency", "add", agency, "--name", agency]);
            self.done(&["domain", "add", domain, "--agency", agency]);
            self.done(&["account", "add", person, "--password-file", &password]);
            self.done(&["post", "add", post, "--password-file", &password]);
            self.done(&["operator", "add", post, person]);
        }
    }

    /// Runs a command that must succeed; its standard output.
    ///
    /// # Panics
    /// When it fails.
    pub fn done(&self, args: &[&str]) -> String {
        self.cli(args, "").expect(&args.join(" "))
    }

    /// Runs `congvu` with this server's configuration.
    pub fn cli(&self, args: &[&str], input: &str) -> Output {
        command(&self.config(), args, input)
    }

    /// Starts it (again) and waits until it listens.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn restart(&mut self) {
        self.begin();
        self.up();
    }

    /// Starts it (again); what it said when it did not come up.
    ///
    /// # Errors
    /// Its log, when it ended instead.
    ///
    /// # Panics
    /// When it runs already, or neither comes up nor ends.
    pub fn try_restart(&mut self) -> Result<(), String> {
        self.begin();
        let log = self.log.get_mut().expect("log");
        if log.waited("server started", |line| line.contains("server started")) {
            self.up();
            return Ok(());
        }
        let said = log.lines.join("\n");
        self.ended();
        Err(said)
    }

    /// Starts it (again).
    ///
    /// # Panics
    /// When it runs already.
    pub fn begin(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let mut command = Command::new(congvu());
        command.arg("--config").arg(self.config()).arg("serve");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("congvu serve");
        let stderr = child.stderr.take().expect("its log is a pipe");
        let (lines, coming) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let Ok(line) = line else { return };
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        self.child = Some(child);
        self.listeners.clear();
        self.log = Mutex::new(Log {
            lines: Vec::new(),
            coming,
        });
    }

    /// Waits until it listens.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn up(&mut self) {
        let log = self.log.get_mut().expect("log");
        log.wait("server started", |line| line.contains("server started"));
        self.listeners = log
            .lines
            .iter()
            .filter(|line| line.contains("listening"))
            .filter_map(|line| {
                Some((
                    field(line, "listener")?,
                    field(line, "address")?.parse().ok()?,
                ))
            })
            .collect();
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("kill");
        child.wait().expect("wait");
    }

    /// Sends a signal by name.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        run("kill", &[&format!("-{name}"), &pid], "").expect("kill");
    }

    /// Waits for its end; the exit code and how long it took.
    ///
    /// # Panics
    /// When it does not run.
    pub fn ended(&mut self) -> (Option<i32>, Duration) {
        let start = Instant::now();
        let mut child = self.child.take().expect("it runs");
        let status = child.wait().expect("wait");
        (status.code(), start.elapsed())
    }

    /// `SIGTERM`, and its end.
    ///
    /// # Panics
    /// When it does not end well.
    pub fn stop(&mut self) {
        self.signal("TERM");
        let (code, _) = self.ended();
        assert_eq!(code, Some(0), "a stopped server ends with 0");
    }

    /// Its process number.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Waits for a line of its log.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait_for_log(&self, text: &str) -> String {
        self.log
            .lock()
            .expect("log")
            .wait(text, |line| line.contains(text))
    }

    /// Waits until nothing is queued.
    ///
    /// # Panics
    /// When something stays.
    pub fn wait_for_empty_queue(&self) {
        let start = Instant::now();
        loop {
            let listed = self.done(&["queue", "list", "--json"]);
            let entries: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
            if entries.as_array().is_some_and(Vec::is_empty) {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "still queued: {listed}\n{}",
                self.log_so_far()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its log until now.
    ///
    /// # Panics
    /// Never in practice: the lock is held by nobody else for long.
    pub fn log_so_far(&self) -> String {
        let mut log = self.log.lock().expect("log");
        while let Ok(line) = log.coming.try_recv() {
            log.lines.push(line);
        }
        log.lines.join("\n")
    }

    /// Where a listener is.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn listener(&self, name: &str) -> SocketAddr {
        self.try_listener(name)
            .unwrap_or_else(|| panic!("no listener {name} in {:?}", self.listeners))
    }

    /// Where a listener is, if it is.
    pub fn try_listener(&self, name: &str) -> Option<SocketAddr> {
        self.listeners.get(name).copied()
    }

    /// Its folder, for files of the test as well.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Its configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("congvu.toml")
    }

    /// Its certificate.
    #[allow(
        clippy::unused_self,
        reason = "every server has one, today the same for all"
    )]
    pub fn certificate(&self) -> &'static Path {
        certificate().0
    }

    /// What transcripts know: addresses and passwords.
    #[allow(clippy::unused_self, reason = "the set-up is the same for all")]
    pub fn variables(&self) -> BTreeMap<String, String> {
        use base64::Engine;
        let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        [
            ("an", AN.to_owned()),
            ("binh", BINH.to_owned()),
            ("vanthuxa", VANTHU_XA.to_owned()),
            ("vanthuso", VANTHU_SO.to_owned()),
            ("password", PASSWORD.to_owned()),
            ("passwordbase64", encode(PASSWORD)),
            ("plainan", encode(&format!("\0{AN}\0{PASSWORD}"))),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if self.mounted {
            let data = self.data();
            let _ = Command::new("umount").arg("-l").arg(data).status();
        }
    }
}

/// Runs `congvu` with a configuration.
pub fn command(config: &Path, args: &[&str], input: &str) -> Output {
    let mut command = Command::new(congvu());
    command.arg("--config").arg(config).args(args);
    finish(command, input)
}

/// `name=value` or `name="value"` in a log line.
fn field(line: &str, name: &str) -> Option<String> {
    let rest = line.split(&format!(" {name}=")).nth(1)?;
    let value = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => rest.split_whitespace().next()?,
    };
    Some(value.to_owned())
}

/// One certificate for all servers of a test program: its chain and its key.
fn certificate() -> (&'static Path, &'static Path) {
    static FILES: OnceLock<(TempDir, PathBuf, PathBuf)> = OnceLock::new();
    let (_, chain, key) = FILES.get_or_init(|| {
        let folder = tempfile::Builder::new()
            .prefix("congvu-certificate")
            .tempdir()
            .expect("a folder");
        let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
        let line = format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=mail.xa.test \
             -addext subjectAltName=DNS:mail.xa.test,DNS:localhost,IP:127.0.0.1 -out {} -keyout {}",
            chain.display(),
            key.display()
        );
        run("openssl", &line.split_whitespace().collect::<Vec<_>>(), "").expect("openssl req");
        (folder, chain, key)
    });
    (chain, key)
}
