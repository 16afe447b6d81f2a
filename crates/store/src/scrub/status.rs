//! How far the scrub is and how it ended last: the file `scrub`, a few lines of text. It is a help, not a
//! truth: when it is lost, a pass begins anew.

use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::{Lsn, Timestamp};

const NAME: &str = "scrub";

/// How far the scrub of a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Status {
    /// The store's number.
    pub store: u64,
    /// Up to where the pass under way has read the log; `None` = none is under way.
    pub at: Option<Lsn>,
    /// When the pass under way, or else the last one, began.
    pub begun: Option<Timestamp>,
    /// What that pass found.
    pub problems: u64,
    /// Whole bodies that it read.
    pub bodies: u64,
    /// When the last whole pass ended.
    pub finished: Option<Timestamp>,
    /// What that one found.
    pub finished_problems: u64,
}

impl Status {
    /// Of a store that was never scrubbed.
    pub(super) fn of(store: u64) -> Self {
        Self {
            store,
            ..Self::default()
        }
    }

    pub(super) fn begin(&mut self) {
        self.at = Some(Lsn(0));
        self.begun = Some(Timestamp::now());
        (self.problems, self.bodies) = (0, 0);
    }

    pub(super) fn finish(&mut self) {
        self.at = None;
        self.finished = Some(Timestamp::now());
        self.finished_problems = self.problems;
    }

    /// From a store's folder; `None` when it is missing or makes no sense.
    pub fn read(folder: &Path) -> Option<Self> {
        Self::decode(&std::fs::read_to_string(folder.join(NAME)).ok()?)
    }

    fn decode(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let rest = |line: &'_ str| {
                line.strip_prefix(name)?
                    .strip_prefix(' ')
                    .map(str::to_owned)
            };
            text.lines().find_map(rest)
        };
        let number = |name: &str| field(name)?.parse::<u64>().ok();
        let time = |name: &str| field(name)?.parse().ok().map(Timestamp);
        Some(Self {
            store: u64::from_str_radix(&field("store")?, 16).ok()?,
            at: field("at")
                .and_then(|digits| u64::from_str_radix(&digits, 16).ok())
                .map(Lsn),
            begun: time("begun"),
            problems: number("problems").unwrap_or_default(),
            bodies: number("bodies").unwrap_or_default(),
            finished: time("finished"),
            finished_problems: number("finished-problems").unwrap_or_default(),
        })
    }

    fn encode(&self) -> String {
        let mut text = format!("store {:016x}\n", self.store);
        if let Some(at) = self.at {
            let _ = writeln!(text, "at {:016x}", at.0);
        }
        for (name, time) in [("begun", self.begun), ("finished", self.finished)] {
            if let Some(time) = time {
                let _ = writeln!(text, "{name} {}", time.0);
            }
        }
        let _ = write!(
            text,
            "problems {}\nbodies {}\nfinished-problems {}\n",
            self.problems, self.bodies, self.finished_problems
        );
        text
    }

    /// Replaces the file.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let (path, new) = (folder.join(NAME), folder.join("scrub.new"));
        std::fs::write(&new, self.encode())
            .and_then(|()| std::fs::rename(&new, &path))
            .map_err(|error| Error::io(format!("writing {}", path.display()), &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_and_nonsense_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Status::read(folder.path()), None);
        let mut status = Status::of(7);
        for _ in 0..2 {
            status.write(folder.path()).unwrap();
            assert_eq!(Status::read(folder.path()), Some(status));
            status.begin();
            status.at = Some(Lsn(0xabc));
            status.problems = 3;
        }
        status.finish();
        status.write(folder.path()).unwrap();
        assert_eq!(Status::read(folder.path()), Some(status));
        assert_eq!((status.at, status.finished_problems), (None, 3));
        assert_eq!(Status::decode("at 5\n"), None);
    }
}
