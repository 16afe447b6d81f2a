//! `cargo xtask bench queue`: builds the program and what fills a queue and watches it, and runs that.

use std::path::Path;
use std::process::Command;

/// Runs with the options of the measuring program, and `--program PATH`.
pub(crate) fn run(root: &Path, args: &[String]) -> Result<(), String> {
    let mut options = Vec::new();
    let mut program = None;
    let mut rest = args.iter();
    while let Some(option) = rest.next() {
        if option == "--program" {
            program = Some(rest.next().ok_or("--program wants a path")?);
        } else {
            options.push(option);
        }
    }
    let mut build = vec![
        "build",
        "--locked",
        "-p",
        "congvu-tests",
        "--bin",
        "backlog",
    ];
    let mut profile = "debug";
    // How fast the measuring program itself is matters little: with a server that is given, it is not
    // worth a release build.
    if program.is_none() {
        build.extend(["-p", "congvu", "--bin", "congvu", "--release"]);
        profile = "release";
    }
    super::super::cargo(root, &build)?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), |target| root.join(target));
    let measuring = target.join(profile).join("backlog");
    let mut command = Command::new(&measuring);
    command.args(options);
    if let Some(program) = program {
        command.env("CONGVU", program);
    }
    let status = command
        .status()
        .map_err(|error| format!("{}: {error}", measuring.display()))?;
    if status.success() {
        Ok(())
    } else {
        Err("the queue was not measured".to_owned())
    }
}
