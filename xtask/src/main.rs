//! Developer commands: `cargo xtask` runs fmt, clippy, tests and tidy; `cargo xtask tidy` only the last;
//! `cargo xtask bench` measures a running server.
//!
//! Plain `std`, so that it builds in a second.

mod bench;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let root = root();
    let outcome = match args.first().map(String::as_str) {
        None => all(&root),
        Some("fmt") => cargo(&root, &["fmt", "--all", "--", "--check"]),
        Some("clippy") => clippy(&root),
        Some("test") => test(&root),
        Some("bench") => bench::run(&root, &args[1..]),
        Some("tidy") => tidy::check(&root),
        Some(other) => Err(format!(
            "no command {other:?}; commands: fmt, clippy, test, tidy (none = these four), bench"
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask stands in the workspace root")
        .to_owned()
}

fn all(root: &Path) -> Result<(), String> {
    cargo(root, &["fmt", "--all", "--", "--check"])?;
    tidy::check(root)?;
    clippy(root)?;
    test(root)
}

fn clippy(root: &Path) -> Result<(), String> {
    cargo(
        root,
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
    )
}

fn test(root: &Path) -> Result<(), String> {
    cargo(root, &["test", "--workspace", "--locked"])
}

fn cargo(root: &Path, args: &[&str]) -> Result<(), String> {
    eprintln!("+ cargo {}", args.join(" "));
    let status = Command::new("cargo")
        .args(args)
        .current_dir(root)
        .status()
        .map_err(|error| format!("cargo: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("cargo {} failed", args.join(" ")))
    }
}
