//! A corpus on disk: `ham/`, `spam/` and `order.tsv`, the manifest in the order of time.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use crate::{BEGIN, Form, Generator, Letter, SPACING};

/// How many letters of which form.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Office letters.
    pub ham: u64,
    /// Unwanted ones, spread over the same time.
    pub spam: u64,
    /// The number of the first of each: letters of other numbers are other letters.
    pub from: u64,
    /// How spam is written; `None`: mixed.
    pub form: Option<Form>,
}

/// Writes a corpus into a folder, which is made. Files there of the same names are replaced.
///
/// # Errors
///
/// What the file system says.
pub fn write(folder: &Path, generator: &Generator, size: Size) -> io::Result<()> {
    for name in ["ham", "spam"] {
        fs::create_dir_all(folder.join(name))?;
    }
    let mut lines: Vec<(u64, String)> = Vec::new();
    let mut put = |name: &str, number: u64, letter: &Letter| {
        let path = format!("{name}/{number:06}-{}.eml", letter.genre);
        lines.push((
            letter.time,
            format!("{name}\t{path}\t{}\t{}", letter.time, letter.form.name()),
        ));
        fs::write(folder.join(path), &letter.raw)
    };
    let span = SPACING * size.ham.max(size.spam);
    let time = |number: u64, count: u64| BEGIN + number * span / count.max(1);
    for number in 0..size.ham {
        let letter = generator.ham_at(size.from + number, time(number, size.ham));
        put("ham", size.from + number, &letter)?;
    }
    for number in 0..size.spam {
        let form = size
            .form
            .unwrap_or_else(|| generator.mixed(size.from + number));
        // Half a step later, so that the classes alternate.
        let at = time(number, size.spam) + span / size.spam.max(1) / 2;
        let letter = generator.spam_at(size.from + number, form, at);
        put("spam", size.from + number, &letter)?;
    }
    lines.sort();
    let mut manifest = String::from("label\tpath\ttime\tform\n");
    for (_, line) in lines {
        let _ = writeln!(manifest, "{line}");
    }
    fs::write(folder.join("order.tsv"), manifest)
}
