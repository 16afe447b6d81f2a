//! Our own server for a run: built, configured for 127.0.0.1 in a folder of its own, provisioned
//! through the control socket, started and stopped.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use super::imap::Login;

/// Accounts with a password, the first ones: hashes are slow on purpose, and few log in.
const READERS: usize = 20;

/// Time until a started server must answer; an index may be rebuilt before.
const START: Duration = Duration::from_mins(10);

/// What it takes to start it.
pub(crate) struct Congvu {
    program: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) mx: SocketAddr,
    pub(crate) lmtp: SocketAddr,
    pub(crate) login: Login,
    child: Option<Child>,
}

impl Congvu {
    /// Builds the release binary, writes the configuration, starts and provisions accounts u1 to
    /// u`accounts`@xa.test.
    pub(crate) fn setup(root: &Path, folder: &Path, accounts: usize) -> Result<Self, String> {
        let program = build(root)?;
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let [mx, lmtp, imap] = free_ports()?;
        let here = folder.display();
        let config = format!(
            "[server]\nhostname = \"mx.xa.test\"\ndata = \"{here}/data\"\n\
             [control]\nsocket = \"{here}/control.sock\"\n\
             [limits]\nrecipients = 5000\n\
             [limits.connections-per-address]\nmx = 1000\nlmtp = 1000\nimap = 10000\n\
             [rates]\nnetwork-messages = {{ hour = 0, day = 0 }}\n\
             [[listener]]\nkind = \"mx\"\naddresses = [\"{mx}\"]\n\
             [[listener]]\nkind = \"lmtp\"\naddresses = [\"{lmtp}\"]\n\
             [[listener]]\nkind = \"imap\"\naddresses = [\"{imap}\"]\nclear-text = true\n"
        );
        let path = folder.join("congvu.toml");
        fs::write(&path, config).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut congvu = Self {
            program,
            folder: folder.to_owned(),
            mx,
            lmtp,
            login: Login {
                address: imap,
                account: "u%@xa.test".to_owned(),
                password: "tai-trong-2026".to_owned(),
            },
            child: None,
        };
        congvu.start()?;
        congvu.provision(accounts)?;
        Ok(congvu)
    }

    /// Starts it; the time until it greets.
    pub(crate) fn start(&mut self) -> Result<Duration, String> {
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.folder.join("log"))
            .map_err(|error| error.to_string())?;
        let start = Instant::now();
        let child = Command::new(&self.program)
            .arg("--config")
            .arg(self.folder.join("congvu.toml"))
            .arg("serve")
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{}: {error}", self.program.display()))?;
        let child = self.child.insert(child);
        // The control socket comes last.
        let control = self.folder.join("control.sock");
        while TcpStream::connect(self.mx).is_err() || !control.exists() {
            if start.elapsed() > START || matches!(child.try_wait(), Ok(Some(_))) {
                return Err(format!(
                    "congvu does not start; its log is in {}",
                    self.folder.display()
                ));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(start.elapsed())
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.child.iter().map(Child::id).collect()
    }

    /// Ends it by its own order and waits.
    pub(crate) fn stop(&mut self) -> Result<(), String> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        self.order("\"stop\"")?;
        child.wait().map(drop).map_err(|error| error.to_string())
    }

    /// Gives an order through the control socket: a length and JSON, each way.
    fn order(&self, json: &str) -> Result<(), String> {
        let broken = |error: std::io::Error| format!("control socket: {error}");
        let mut socket = UnixStream::connect(self.folder.join("control.sock")).map_err(broken)?;
        let length = u32::try_from(json.len()).map_err(|error| error.to_string())?;
        let mut frame = length.to_be_bytes().to_vec();
        frame.extend_from_slice(json.as_bytes());
        socket.write_all(&frame).map_err(broken)?;
        let mut length = [0; 4];
        socket.read_exact(&mut length).map_err(broken)?;
        let mut answer = String::new();
        socket
            .take(u32::from_be_bytes(length).into())
            .read_to_string(&mut answer)
            .map_err(broken)?;
        if answer.starts_with("{\"reply\"") {
            Ok(())
        } else {
            Err(format!("{json:.80}: {answer:.400}"))
        }
    }

    fn provision(&self, accounts: usize) -> Result<(), String> {
        self.order(r#"{"change":{"agency":{"add":{"code":"xa","name":"Bench","parent":null}}}}"#)?;
        self.order(
            r#"{"change":{"domain":{"add":{"domain":"xa.test","agency":"xa","alias_of":null}}}}"#,
        )?;
        let mut csv = "address,password\\n".to_owned();
        for number in 1..=accounts {
            let password = match number {
                1..=READERS => self.login.password.as_str(),
                _ => "-",
            };
            let _ = write!(csv, "u{number}@xa.test,{password}\\n");
        }
        self.order(&format!(
            r#"{{"change":{{"account":{{"import":{{"csv":"{csv}","dry_run":false}}}}}}}}"#
        ))
    }
}

impl Drop for Congvu {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // A run that failed: nothing of it is needed any more.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn build(root: &Path) -> Result<PathBuf, String> {
    super::super::cargo(root, &["build", "--release", "--locked", "-p", "congvu"])?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), |target| root.join(target));
    Ok(target.join("release/congvu"))
}

/// Free ports of 127.0.0.1; all are held until the last is chosen.
pub(crate) fn free_ports<const N: usize>() -> Result<[SocketAddr; N], String> {
    let mut held = Vec::new();
    let mut ports = [SocketAddr::from(([127, 0, 0, 1], 0)); N];
    for port in &mut ports {
        let listener = TcpListener::bind(*port).map_err(|error| error.to_string())?;
        *port = listener.local_addr().map_err(|error| error.to_string())?;
        held.push(listener);
    }
    Ok(ports)
}
