//! The items of one message.

use std::cell::OnceCell;

use congvu_imap::ask::{FetchItem, Rfc822, Section, SectionText};
use congvu_imap::response::{FetchData, Octets};
use congvu_message::section::{self, Want};
use congvu_message::transfer::Encoding;
use congvu_message::{Part, Summary, header};
use congvu_store::{Body, Result, Store};

use super::{Found, Long, Name, needs_body};
use crate::octets::{CHUNK, Stream};
use crate::summary;

/// Octets an item may have to be answered at once; longer ones are delivered piece by piece.
const INLINE: u64 = CHUNK / 2;

/// Octets of one message kept in memory; past it short items are delivered piece by piece too.
const MEMORY: u64 = 4 * CHUNK;

/// Octets that a response without literals takes in output, roughly.
const PLAIN: u64 = 200;

/// What was built.
#[derive(Default)]
pub(super) struct Built {
    pub(super) items: Vec<FetchData>,
    pub(super) long: Vec<Long>,
    /// Octets of output, roughly.
    pub(super) octets: u64,
    pub(super) unknown_encoding: bool,
}

/// A body with what was read of it.
struct Opened {
    body: Body,
    summary: OnceCell<Summary>,
}

/// Builds the items of a message. Blocking when they need its body.
pub(super) fn build(store: &Store, items: &[FetchItem], found: &mut Found) -> Result<Built> {
    let opened = if items.iter().any(needs_body) {
        let body = if items.iter().all(is_in_front) {
            store.open_front(found.message.body)?
        } else {
            store.open_body(found.message.body, found.message.frame)?
        };
        Some(Opened {
            body,
            summary: OnceCell::new(),
        })
    } else {
        None
    };
    let mut built = Built {
        octets: PLAIN,
        ..Built::default()
    };
    for item in items {
        let message = &found.message;
        match (item, &opened) {
            (FetchItem::Uid, _) => built.items.push(FetchData::Uid(message.uid.0)),
            (FetchItem::Flags, _) => built.items.extend(found.flags.take().map(FetchData::Flags)),
            (FetchItem::InternalDate, _) => built
                .items
                .push(FetchData::InternalDate(message.date, message.zone)),
            (FetchItem::Size, _) => built.items.push(FetchData::Size(u64::from(message.size))),
            (FetchItem::EmailId, _) => built
                .items
                .push(FetchData::EmailId(format!("E{}", message.body))),
            (FetchItem::ModSeq, _) => built.items.push(FetchData::ModSeq(message.modseq.0)),
            (item, Some(opened)) => built.read(item, opened, found)?,
            // `needs_body` says so of every item that is not above.
            (_, None) => {}
        }
    }
    // Not asked for, but changed by reading.
    built.items.extend(found.flags.take().map(FetchData::Flags));
    Ok(built)
}

impl Built {
    fn read(&mut self, item: &FetchItem, opened: &Opened, found: &Found) -> Result<()> {
        match item {
            FetchItem::Envelope => {
                let envelope = opened.summary()?.envelope.clone();
                self.octets += addresses(&envelope) * ADDRESS;
                self.items.push(FetchData::Envelope(Box::new(envelope)));
            }
            FetchItem::Body => self.structure(opened, FetchData::Body)?,
            FetchItem::BodyStructure => self.structure(opened, FetchData::BodyStructure)?,
            FetchItem::Rfc822(which) => {
                let text = match which {
                    Rfc822::All => None,
                    Rfc822::Header => Some(SectionText::Header),
                    Rfc822::Text => Some(SectionText::Text),
                };
                let section = Section {
                    part: Vec::new(),
                    text,
                };
                let stream = opened.section(&section)?;
                self.take(found, Name::Rfc822(*which), stream)?;
            }
            FetchItem::Section {
                section, partial, ..
            } => {
                let source = opened.section(section)?;
                let source = source.map(|source| source.part(*partial));
                let name = Name::Section(section.clone(), partial.map(|(origin, _)| origin));
                self.take(found, name, source)?;
            }
            FetchItem::Binary { part, partial, .. } => {
                let name = Name::Binary(part.clone(), partial.map(|(origin, _)| origin));
                match opened.binary(part, *partial)? {
                    Binary::Octets(stream) => {
                        self.take(found, name, Some(Source::Stream(stream)))?;
                    }
                    Binary::Absent => self.take(found, name, None)?,
                    Binary::UnknownEncoding => self.unknown_encoding = true,
                }
            }
            FetchItem::BinarySize(part) => match opened.binary(part, None)? {
                Binary::Octets(stream) => self
                    .items
                    .push(FetchData::BinarySize(part.clone(), stream.left())),
                Binary::Absent => self.items.push(FetchData::BinarySize(part.clone(), 0)),
                Binary::UnknownEncoding => self.unknown_encoding = true,
            },
            FetchItem::Uid
            | FetchItem::Flags
            | FetchItem::InternalDate
            | FetchItem::Size
            | FetchItem::EmailId
            | FetchItem::ModSeq => {}
        }
        Ok(())
    }

    fn structure(&mut self, opened: &Opened, item: fn(Box<Part>) -> FetchData) -> Result<()> {
        let root = opened.summary()?.root.clone();
        self.octets += parts(&root) * PART;
        self.items.push(item(Box::new(root)));
        Ok(())
    }

    /// Reads short octets at once, keeps long ones for later.
    fn take(&mut self, found: &Found, name: Name, source: Option<Source>) -> Result<()> {
        match source {
            None => self.items.push(name.with(Octets::Nil)),
            Some(Source::Octets(octets)) => {
                self.octets += octets.len() as u64;
                self.items.push(name.with(Octets::Whole(octets)));
            }
            Some(Source::Stream(stream)) if stream.left() <= INLINE && self.octets <= MEMORY => {
                self.octets += stream.left();
                self.items.push(name.with(Octets::Whole(stream.whole()?)));
            }
            Some(Source::Stream(stream)) => {
                self.long.push(Long {
                    seq: found.seq,
                    uid: found.message.uid,
                    name,
                    stream,
                });
            }
        }
        Ok(())
    }
}

/// Octets of an address and of a part in output, roughly.
const ADDRESS: u64 = 60;
const PART: u64 = 150;

fn addresses(envelope: &congvu_message::Envelope) -> u64 {
    let lists = [
        &envelope.from,
        &envelope.sender,
        &envelope.reply_to,
        &envelope.to,
        &envelope.cc,
        &envelope.bcc,
    ];
    lists.iter().map(|list| list.len() as u64).sum()
}

/// Parts of a message, also of embedded ones. The depth is bounded by the summary.
fn parts(root: &Part) -> u64 {
    let embedded = root
        .message
        .as_deref()
        .map_or(0, |(envelope, part)| addresses(envelope) + parts(part));
    1 + embedded + root.parts.iter().map(parts).sum::<u64>()
}

/// Octets that are there, or that can be read.
enum Source {
    Octets(Vec<u8>),
    Stream(Stream),
}

impl Source {
    /// `<origin.length>`: cut at the end, empty beyond it (RFC 9051 section 6.4.5).
    fn part(self, partial: Option<(u32, u32)>) -> Self {
        let Some((origin, most)) = partial else {
            return self;
        };
        match self {
            Self::Octets(mut octets) => {
                octets.truncate((origin as usize).saturating_add(most as usize));
                octets.drain(..octets.len().min(origin as usize));
                Self::Octets(octets)
            }
            Self::Stream(stream) => Self::Stream(stream.part(u64::from(origin), u64::from(most))),
        }
    }
}

/// A part without its transfer encoding.
enum Binary {
    Octets(Stream),
    Absent,
    UnknownEncoding,
}

impl Opened {
    /// The summary, read once.
    fn summary(&self) -> Result<&Summary> {
        if let Some(summary) = self.summary.get() {
            return Ok(summary);
        }
        let summary = summary::of(&self.body)?;
        Ok(self.summary.get_or_init(|| summary))
    }

    /// The message's own header, if it is at hand.
    fn header(&self) -> Option<&[u8]> {
        let front = self.body.header();
        let end = header::body_start(front);
        let whole = end < front.len() || front.ends_with(b"\n\r\n") || front.ends_with(b"\n\n");
        (whole && end > 0).then_some(&front[..end])
    }

    fn section(&self, section: &Section) -> Result<Option<Source>> {
        let len = self.body.len();
        if *section == Section::default() {
            return Ok(Some(Source::Stream(Stream::plain(&self.body, 0, len))));
        }
        let (names, others) = match &section.text {
            Some(SectionText::HeaderFields(names)) => (Some(names), false),
            Some(SectionText::HeaderFieldsNot(names)) => (Some(names), true),
            _ => (None, false),
        };
        if section.part.is_empty()
            && let Some(names) = names
            && let Some(header) = self.header()
        {
            let selected = header::select(header, names, others);
            return Ok(Some(Source::Octets(selected)));
        }
        let want = match &section.text {
            None => Want::Whole,
            Some(SectionText::Text) => Want::Text,
            Some(SectionText::Mime) => Want::Mime,
            Some(
                SectionText::Header
                | SectionText::HeaderFields(_)
                | SectionText::HeaderFieldsNot(_),
            ) => Want::Header,
        };
        let Some(found) = section::locate(&self.summary()?.root, &section.part, want) else {
            return Ok(None);
        };
        let stream = Stream::plain(&self.body, found.octets.start, found.octets.end);
        Ok(Some(match names {
            Some(names) => Source::Octets(header::select(&stream.whole()?, names, others)),
            None => Source::Stream(stream),
        }))
    }

    /// RFC 3516 section 4.2. Multiparts, embedded messages and the whole message have no encoding of
    /// their own.
    fn binary(&self, numbers: &[u32], partial: Option<(u32, u32)>) -> Result<Binary> {
        let (skip, most) = partial.map_or((0, u64::MAX), |(origin, most)| {
            (u64::from(origin), u64::from(most))
        });
        let plain =
            |from, end| Binary::Octets(Stream::plain(&self.body, from, end).part(skip, most));
        if numbers.is_empty() {
            return Ok(plain(0, self.body.len()));
        }
        let Some(found) = section::locate(&self.summary()?.root, numbers, Want::Whole) else {
            return Ok(Binary::Absent);
        };
        let part = found.part;
        if part.kind == "multipart" || part.message.is_some() {
            return Ok(plain(part.body_at, part.end_at));
        }
        Ok(match Encoding::named(&part.encoding) {
            None => Binary::UnknownEncoding,
            Some(Encoding::Identity) => plain(part.body_at, part.end_at),
            Some(encoding) => {
                let range = (part.body_at, part.end_at);
                Binary::Octets(Stream::decoded(&self.body, range, encoding, (skip, most))?)
            }
        })
    }
}

/// Whether an item needs no more than the summary and the header, unless that is very long.
fn is_in_front(item: &FetchItem) -> bool {
    match item {
        FetchItem::Section { section, .. } => {
            section.part.is_empty()
                && matches!(
                    section.text,
                    Some(
                        SectionText::Header
                            | SectionText::HeaderFields(_)
                            | SectionText::HeaderFieldsNot(_)
                    )
                )
        }
        FetchItem::Binary { .. } | FetchItem::BinarySize(_) => false,
        FetchItem::Rfc822(which) => *which == Rfc822::Header,
        _ => true,
    }
}
