//! Developer commands: `cargo xtask` runs fmt, clippy, tests and tidy; `cargo xtask tidy` only the last;
//! `cargo xtask bench` measures a running server; `cargo xtask crash` kills one again and again;
//! `cargo xtask gen mail` writes made-up mail.
//!
//! Plain `std` (and the generator, which is too), so that it builds in a second.

mod bench;
mod gen_mail;
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
        Some("crash") => crash(&root, &args[1..]),
        Some("gen") => gen_mail::run(&args[1..]),
        Some("tidy") => tidy::check(&root),
        Some(other) => Err(format!(
            "no command {other:?}; commands: fmt, clippy, test, tidy (none = these four), bench, crash, gen"
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

/// `crash [--release] --rounds N [--seed S]`: builds the program and what kills it, and runs that.
fn crash(root: &Path, args: &[String]) -> Result<(), String> {
    let (profile, options): (Vec<&str>, Vec<&str>) = args
        .iter()
        .map(String::as_str)
        .partition(|arg| *arg == "--release");
    // Both in one: apart they would be built with other features of what they use.
    let mut build = vec![
        "build",
        "--locked",
        "-p",
        "congvu",
        "-p",
        "congvu-tests",
        "--bins",
    ];
    build.extend(&profile);
    cargo(root, &build)?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), |target| root.join(target));
    let folder = if profile.is_empty() {
        "debug"
    } else {
        "release"
    };
    let program = target.join(folder).join("crash");
    let status = Command::new(&program)
        .args(options)
        .status()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if status.success() {
        Ok(())
    } else {
        Err("the crash test failed".to_owned())
    }
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
