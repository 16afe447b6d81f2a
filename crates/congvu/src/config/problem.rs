//! What is wrong with a configuration file: where, what, and what to do about it.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One thing to put right.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Problem {
    #[serde(rename = "file")]
    path: PathBuf,
    /// From 1; `None` for the file as a whole.
    line: Option<usize>,
    #[serde(rename = "problem")]
    what: String,
    remedy: String,
}

impl Problem {
    /// The file itself cannot be read.
    pub(super) fn of_file(path: &Path, error: &std::io::Error) -> Self {
        let remedy = match error.kind() {
            std::io::ErrorKind::NotFound => "name it with --config FILE",
            std::io::ErrorKind::PermissionDenied => "run this as the user of the service",
            _ => "it must be a text file in UTF-8",
        };
        Self {
            path: path.to_owned(),
            line: None,
            what: format!("cannot be read: {error}"),
            remedy: remedy.to_owned(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.what)?;
        if !self.remedy.is_empty() {
            write!(f, "\n    {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Collects problems while a file is read.
pub(super) struct Problems {
    path: PathBuf,
    /// Offset of each line's first octet.
    lines: Vec<usize>,
    found: RefCell<Vec<Problem>>,
}

impl Problems {
    pub(super) fn new(path: &Path, text: &str) -> Self {
        let starts = text
            .bytes()
            .enumerate()
            .filter(|(_, octet)| *octet == b'\n');
        let lines = std::iter::once(0)
            .chain(starts.map(|(at, _)| at + 1))
            .collect();
        Self {
            path: path.to_owned(),
            lines,
            found: RefCell::default(),
        }
    }

    /// Notes a problem at an octet range of the text.
    pub(super) fn add(
        &self,
        span: Option<Range<usize>>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let line = span.map(|span| self.lines.partition_point(|start| *start <= span.start));
        let (what, remedy, path) = (what.into(), remedy.into(), self.path.clone());
        self.found.borrow_mut().push(Problem {
            path,
            line,
            what,
            remedy,
        });
    }

    /// Problems of a text that is not TOML: the first of each line, since the others follow from it.
    pub(super) fn of_syntax(self, errors: &[toml::de::Error]) -> Vec<Problem> {
        for error in errors {
            let what = format!("not TOML: {}", error.message());
            let remedy = "a setting is written as: name = value, texts in \"quotes\"";
            self.add(error.span(), what, remedy);
        }
        let mut found = self.finish().err().unwrap_or_default();
        found.dedup_by_key(|problem| problem.line);
        found
    }

    /// All problems in the order of their lines, if there are any.
    pub(super) fn finish(self) -> Result<(), Vec<Problem>> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|problem| problem.line);
        found.dedup();
        if found.is_empty() { Ok(()) } else { Err(found) }
    }
}
