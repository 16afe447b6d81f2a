//! Sorted mail on disk: a folder with `ham/` and `spam/`, or a manifest that lists files in time order.
//!
//! A manifest has one message a line, fields separated by tabs; one of the first two is `ham` or `spam`, the other the
//! file's path from the manifest's folder. Further fields and lines without a label are passed over.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::statistics::Class;

/// Why a corpus cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Neither `ham/` and `spam/` nor a manifest with labels.
    #[error("{}: no messages; a corpus is a folder with ham/ and spam/, or a TSV file of labels and paths", .0.display())]
    Empty(PathBuf),
    /// A measure needs both.
    #[error("{}: only {class}; both ham and spam are needed", folder.display())]
    OneSided {
        /// Where it is.
        folder: PathBuf,
        /// What there is.
        class: &'static str,
    },
}

/// A message of a corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its file, from the corpus's folder.
    pub path: String,
    /// What it is.
    pub class: Class,
}

/// A corpus: where its files are and in which order.
#[derive(Debug, Clone)]
pub struct Corpus {
    folder: PathBuf,
    /// The messages.
    pub entries: Vec<Entry>,
    /// The order is the order of time.
    pub in_time: bool,
}

impl Corpus {
    /// Finds the messages; reads none of them.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let corpus = if path.is_dir() {
            Self::folder(path)?
        } else {
            Self::manifest(path)?
        };
        if corpus.entries.is_empty() {
            return Err(Error::Empty(path.to_owned()));
        }
        Ok(corpus)
    }

    fn folder(path: &Path) -> Result<Self, Error> {
        let mut entries = Vec::new();
        for (name, class) in [("ham", Class::Ham), ("spam", Class::Spam)] {
            let folder = path.join(name);
            if folder.is_dir() {
                collect(&folder, name, class, &mut entries)?;
            }
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self {
            folder: path.to_owned(),
            entries,
            in_time: false,
        })
    }

    fn manifest(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|source| at(path, source))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let label = |word: &str| match word {
            "ham" => Some(Class::Ham),
            "spam" => Some(Class::Spam),
            _ => None,
        };
        let entries = text.lines().filter_map(|line| {
            let mut fields = line.split('\t');
            let (first, second) = (fields.next()?, fields.next()?);
            let (path, class) = match (label(first), label(second)) {
                (Some(class), _) => (second, class),
                (None, Some(class)) => (first, class),
                (None, None) => return None,
            };
            Some(Entry {
                path: path.to_owned(),
                class,
            })
        });
        Ok(Self {
            entries: entries.collect(),
            folder,
            in_time: true,
        })
    }

    /// The octets of a message.
    pub fn read(&self, entry: &Entry) -> Result<Vec<u8>, Error> {
        let path = self.folder.join(&entry.path);
        fs::read(&path).map_err(|source| at(&path, source))
    }

    /// Whether there are both ham and spam.
    pub fn check(&self) -> Result<(), Error> {
        let has = |class| self.entries.iter().any(|entry| entry.class == class);
        let class = match (has(Class::Ham), has(Class::Spam)) {
            (true, true) => return Ok(()),
            (true, false) => "ham",
            (false, _) => "spam",
        };
        Err(Error::OneSided {
            folder: self.folder.clone(),
            class,
        })
    }

    /// Another order, the same for the same seed.
    pub fn shuffle(&mut self, seed: u64) {
        fastrand::Rng::with_seed(seed).shuffle(&mut self.entries);
        self.in_time = false;
    }

    /// Two halves with the same share of spam, by chance.
    pub fn halves(mut self, seed: u64) -> (Self, Self) {
        self.shuffle(seed);
        let mut counts = [0_usize; 2];
        let (first, second) = self.entries.iter().cloned().partition(|entry| {
            let count = &mut counts[usize::from(entry.class == Class::Spam)];
            *count += 1;
            *count % 2 == 1
        });
        let half = |entries| Self {
            folder: self.folder.clone(),
            entries,
            in_time: false,
        };
        (half(first), half(second))
    }
}

fn collect(folder: &Path, name: &str, class: Class, out: &mut Vec<Entry>) -> Result<(), Error> {
    let files = fs::read_dir(folder).map_err(|source| at(folder, source))?;
    for file in files {
        let file = file.map_err(|source| at(folder, source))?;
        let path = format!("{name}/{}", file.file_name().to_string_lossy());
        let kind = file
            .file_type()
            .map_err(|source| at(&file.path(), source))?;
        if kind.is_dir() {
            collect(&file.path(), &path, class, out)?;
        } else if kind.is_file() {
            out.push(Entry { path, class });
        }
    }
    Ok(())
}

fn at(path: &Path, source: io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        source,
    }
}
