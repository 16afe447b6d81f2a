//! Running other programs: with input, a deadline, their output kept, and never left behind.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::PATIENCE;

/// What a program said and how it ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Standard output of a program that must succeed.
    ///
    /// # Panics
    /// When it failed, with everything it said.
    pub fn expect(self, what: &str) -> String {
        assert!(
            self.code == 0,
            "{what}: exit code {}\n{}\n{}",
            self.code,
            self.stdout,
            self.stderr
        );
        self.stdout
    }

    /// Both outputs together.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Runs a program to its end.
///
/// # Panics
/// When it cannot be started or takes longer than [`PATIENCE`].
pub fn run<S: AsRef<OsStr>>(program: &str, args: &[S], input: &str) -> Output {
    let mut command = Command::new(program);
    command.args(args);
    finish(command, input)
}

/// Runs a prepared command to its end.
///
/// # Panics
/// When it cannot be started or takes longer than [`PATIENCE`].
pub fn finish(mut command: Command, input: &str) -> Output {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name}: {error}; tests/run installs what the tests need"));
    let mut stdin = child.stdin.take().expect("its input is a pipe");
    let input = input.to_owned();
    // A program that does not read its input must not block the test.
    let feeder = thread::spawn(move || {
        let _ = stdin.write_all(input.as_bytes());
    });
    let stdout = drain(child.stdout.take().expect("its output is a pipe"));
    let stderr = drain(child.stderr.take().expect("its errors are a pipe"));
    let code = wait(&mut child, &name);
    let _ = feeder.join();
    Output {
        code,
        stdout: stdout.join().unwrap_or_default(),
        stderr: stderr.join().unwrap_or_default(),
    }
}

fn drain(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut octets = Vec::new();
        let _ = pipe.read_to_end(&mut octets);
        String::from_utf8_lossy(&octets).into_owned()
    })
}

/// Waits for the end of a child; a watchdog ends it when it takes too long.
fn wait(child: &mut Child, name: &str) -> i32 {
    let (done, ended) = mpsc::channel::<()>();
    let pid = child.id().to_string();
    let watchdog = thread::spawn(move || {
        if ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-9", &pid]).status();
            return true;
        }
        false
    });
    let status = child
        .wait()
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let _ = done.send(());
    let late = watchdog.join().unwrap_or(false);
    assert!(!late, "{name} did not end within {PATIENCE:?}");
    status.code().unwrap_or(-1)
}

/// The program under test, built beside the tests.
///
/// # Panics
/// When it was not built.
pub fn congvu() -> PathBuf {
    if let Some(path) = std::env::var_os("CONGVU") {
        return PathBuf::from(path);
    }
    let mut path = std::env::current_exe().expect("a test knows its own path");
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path.push("congvu");
    assert!(
        path.exists(),
        "{} is missing: cargo build first",
        path.display()
    );
    path
}
