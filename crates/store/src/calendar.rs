//! The calendar of retention: how long something has been kept, in days that have surely passed.
//!
//! No wall clock is asked: a clock that jumps ten years ahead must not end anybody's undelete window. A day
//! has passed when a running server has counted it by its monotonic clock; at a start the time since
//! the last count is believed up to one day. At the beginning of each day the number of the transaction under
//! way is noted; what an older transaction deleted has been kept since that day at least. So a window may
//! last longer than it says (while the server is off), and at each start at most a day shorter.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::error::Result;
use crate::id::{ModSeq, Timestamp};
use crate::keys;
use crate::source::Source as _;
use crate::tx::{Read, Tx};

/// Milliseconds of a day.
pub const DAY: u64 = 24 * 60 * 60 * 1000;
/// Longest window, days: notes of older days are not kept.
pub const LONGEST: u32 = 3_650;
/// Old notes removed at once.
const FORGOTTEN: usize = 1_024;

/// What has been counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Count {
    /// Days that have passed.
    day: u32,
    /// Milliseconds of the day under way.
    part: u64,
    /// The wall clock when it was counted.
    wall: Timestamp,
}

/// The transaction under way when a day began, and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    number: ModSeq,
    time: Timestamp,
}

/// How long things have been kept, for every reader.
pub trait CalendarRead: Read {
    /// What was deleted up to this transaction has been kept for `days`; `None`: nothing has.
    fn kept_for(&self, days: u32) -> Result<Option<ModSeq>> {
        if days == 0 {
            return Ok(Some(ModSeq(u64::MAX)));
        }
        Ok(note_before(self, days)?.map(|note| note.number))
    }

    /// What bears the time of a transaction up to this has been kept for `days`; `None`: nothing has. 0 days
    /// are no time at all.
    fn kept_since(&self, days: u32) -> Result<Option<Timestamp>> {
        Ok(note_before(self, days)?.map(|note| note.time))
    }

    /// Days for which what this transaction deleted has surely been kept.
    fn days_kept(&self, deleted: ModSeq) -> Result<u32> {
        // Notes ascend with the days: the first one at or behind the transaction.
        let today = today(self)?;
        let (mut low, mut high) = (today.saturating_sub(LONGEST), today.saturating_add(1));
        while low < high {
            let middle = low + (high - low) / 2;
            let noted = self.raw(&keys::day(middle))?;
            let noted: Option<Note> = noted
                .map(|value| codec::decode("day", &value))
                .transpose()?;
            if noted.is_some_and(|noted| noted.number < deleted) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(today.saturating_sub(low))
    }
}

impl<T: Read + ?Sized> CalendarRead for T {}

/// What was noted when the day began that is so many days back.
fn note_before<R: Read + ?Sized>(read: &R, days: u32) -> Result<Option<Note>> {
    let Some(day) = today(read)?.checked_sub(days) else {
        return Ok(None);
    };
    read.raw(&keys::day(day))?
        .map(|value| codec::decode("day", &value))
        .transpose()
}

fn today<R: Read + ?Sized>(read: &R) -> Result<u32> {
    Ok(count(read)?.map_or(0, |count| count.day))
}

fn count<R: Read + ?Sized>(read: &R) -> Result<Option<Count>> {
    read.raw(keys::CALENDAR)?
        .map(|value| codec::decode("calendar", &value))
        .transpose()
}

impl Tx<'_> {
    /// A server starts: the time since the last count is believed up to one day.
    pub fn resume_calendar(&mut self, wall: Timestamp) -> Result<()> {
        let since = count(self)?.map_or(0, |count| wall.0.saturating_sub(count.wall.0));
        let credit = u64::try_from(since).unwrap_or(0).min(DAY);
        self.count_time(credit, wall)
    }

    /// Time has passed while the server ran: milliseconds of a clock that does not jump.
    pub fn count_time(&mut self, milliseconds: u64, wall: Timestamp) -> Result<()> {
        let known = count(self)?;
        let mut now = known.unwrap_or_default();
        if known.is_none() {
            self.note_day(now.day)?;
        }
        now.part = now.part.saturating_add(milliseconds);
        while now.part >= DAY {
            now.part -= DAY;
            now.day = now.day.saturating_add(1);
            self.note_day(now.day)?;
        }
        now.wall = wall;
        self.store(keys::CALENDAR.to_vec(), &codec::encode(&now))?;
        self.forget_days(now.day)
    }

    fn note_day(&mut self, day: u32) -> Result<()> {
        let note = Note {
            number: self.modseq(),
            time: self.now(),
        };
        self.store(keys::day(day), &codec::encode(&note))
    }

    /// No window reaches back this far.
    fn forget_days(&mut self, today: u32) -> Result<()> {
        let Some(oldest) = today.checked_sub(LONGEST) else {
            return Ok(());
        };
        let mut old = Vec::new();
        self.visit(&keys::day(0), &keys::day(oldest), &mut |key, _| {
            old.push(key.to_vec());
            Ok(if old.len() < FORGOTTEN {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
        for key in old {
            self.erase(key);
        }
        Ok(())
    }
}
