//! The message log: append-only segment files of checksummed frames. It is the truth; the index is
//! made from it.
//!
//! `frame` knows the octets of frames, `segment` the files, `runs` those that compaction rewrote, `pages` reads
//! either by LSN, `writer` appends groups, `scan` walks frames after a crash, `survey` reads all of them for checks. `docs/format.md` describes the same for people.

pub(crate) mod frame;
pub(crate) mod pages;
pub(crate) mod runs;
pub(crate) mod scan;
pub(crate) mod segment;
pub(crate) mod survey;
pub(crate) mod writer;
