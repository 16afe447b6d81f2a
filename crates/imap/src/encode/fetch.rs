//! FETCH responses (RFC 9051 section 7.5.2), whose last literal may be open.

use std::collections::VecDeque;

use super::{Encoder, Open};
use crate::ask::{Rfc822, Section, SectionText};
use crate::date;
use crate::response::{FetchData, Octets};

impl Encoder {
    /// ```text
    /// message-data = nz-number SP "FETCH" SP msg-att
    /// msg-att      = "(" (msg-att-dynamic / msg-att-static) *(SP (msg-att-dynamic / msg-att-static)) ")"
    /// ```
    pub(super) fn fetch(&mut self, seq: u32, items: Vec<FetchData>) -> Option<Open> {
        if items.is_empty() {
            return None;
        }
        self.put(format_args!("* {seq} FETCH ("));
        self.fetch_items(items.into(), false)
    }

    /// The items from here on; `after` an item, a space comes first.
    pub(super) fn fetch_items(
        &mut self,
        mut items: VecDeque<FetchData>,
        after: bool,
    ) -> Option<Open> {
        let mut first = !after;
        while let Some(item) = items.pop_front() {
            if !std::mem::take(&mut first) {
                self.raw(" ");
            }
            if let Some((left, binary)) = self.fetch_item(item) {
                return Some(Open {
                    left,
                    binary,
                    rest: items,
                });
            }
        }
        self.raw(")\r\n");
        None
    }

    /// ```text
    /// msg-att-dynamic = "FLAGS" SP "(" [flag-fetch *(SP flag-fetch)] ")"
    /// msg-att-static  = "ENVELOPE" SP envelope / "INTERNALDATE" SP date-time / "RFC822.SIZE" SP number64 /
    ///                   "BODY" ["STRUCTURE"] SP body / "BODY" section ["<" number ">"] SP nstring /
    ///                   "BINARY" section-binary SP (nstring / literal8) / "BINARY.SIZE" section-binary SP number /
    ///                   "UID" SP uniqueid
    /// ```
    /// An open literal's octets to come, and whether it is a literal8.
    fn fetch_item(&mut self, item: FetchData) -> Option<(u64, bool)> {
        match item {
            FetchData::Uid(uid) => self.put(format_args!("UID {uid}")),
            FetchData::Flags(flags) => {
                self.raw("FLAGS ");
                self.flags(&flags);
            }
            FetchData::InternalDate(seconds, east) => {
                let mut text = String::from("INTERNALDATE ");
                date::write_date_time(&mut text, seconds, east);
                self.raw(&text);
            }
            FetchData::Size(size) => self.put(format_args!("RFC822.SIZE {size}")),
            FetchData::Envelope(envelope) => {
                self.raw("ENVELOPE ");
                self.envelope(&envelope);
            }
            FetchData::Body(part) => {
                self.raw("BODY ");
                self.structure(&part, false);
            }
            FetchData::BodyStructure(part) => {
                self.raw("BODYSTRUCTURE ");
                self.structure(&part, true);
            }
            FetchData::Rfc822(which, octets) => {
                self.raw(match which {
                    Rfc822::All => "RFC822 ",
                    Rfc822::Header => "RFC822.HEADER ",
                    Rfc822::Text => "RFC822.TEXT ",
                });
                return self.content(octets, false);
            }
            FetchData::Section(section, origin, octets) => {
                self.section(&section);
                self.origin(origin);
                return self.content(octets, false);
            }
            FetchData::Binary(part, origin, octets) => {
                self.put(format_args!("BINARY[{}]", numbers(&part)));
                self.origin(origin);
                return self.content(octets, true);
            }
            FetchData::BinarySize(part, size) => {
                self.put(format_args!("BINARY.SIZE[{}] {size}", numbers(&part)));
            }
            FetchData::EmailId(id) => self.put(format_args!("EMAILID ({id})")), // RFC 8474
            FetchData::ModSeq(n) => self.put(format_args!("MODSEQ ({n})")),     // RFC 7162
        }
        None
    }

    /// ```text
    /// section = "[" [section-spec] "]"
    /// ```
    fn section(&mut self, section: &Section) {
        self.raw("BODY[");
        self.raw(&numbers(&section.part));
        if let Some(text) = &section.text {
            if !section.part.is_empty() {
                self.raw(".");
            }
            match text {
                SectionText::Header => self.raw("HEADER"),
                SectionText::Text => self.raw("TEXT"),
                SectionText::Mime => self.raw("MIME"),
                SectionText::HeaderFields(names) => {
                    self.raw("HEADER.FIELDS ");
                    self.list(names, |e, name| e.astring(name));
                }
                SectionText::HeaderFieldsNot(names) => {
                    self.raw("HEADER.FIELDS.NOT ");
                    self.list(names, |e, name| e.astring(name));
                }
            }
        }
        self.raw("]");
    }

    fn origin(&mut self, origin: Option<u32>) {
        match origin {
            Some(origin) => self.put(format_args!("<{origin}> ")),
            None => self.raw(" "),
        }
    }

    /// ```text
    /// literal  = "{" number64 "}" CRLF *CHAR8
    /// literal8 = "~{" number64 "}" CRLF *OCTET
    /// ```
    fn content(&mut self, octets: Octets, binary: bool) -> Option<(u64, bool)> {
        let mark = if binary { "~" } else { "" };
        match octets {
            Octets::Nil => {
                self.raw("NIL");
                None
            }
            Octets::Whole(octets) => {
                self.put(format_args!("{mark}{{{}}}\r\n", octets.len()));
                self.octets(&octets, binary);
                None
            }
            Octets::Later { len, mut first } => {
                self.put(format_args!("{mark}{{{len}}}\r\n"));
                first.truncate(usize::try_from(len).unwrap_or(usize::MAX));
                let left = len - first.len() as u64;
                self.octets(&first, binary);
                (left > 0).then_some((left, binary))
            }
        }
    }
}

fn numbers(part: &[u32]) -> String {
    part.iter()
        .map(u32::to_string)
        .collect::<Vec<_>>()
        .join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::Untagged;
    use crate::session::Enabled;

    fn check(items: Vec<FetchData>, expected: &str) {
        let text = super::super::text_of(Enabled::default(), Untagged::Fetch { seq: 7, items });
        assert_eq!(text, format!("* 7 FETCH ({expected})\r\n"));
    }

    fn whole(octets: &str) -> Octets {
        Octets::Whole(octets.as_bytes().to_vec())
    }

    #[test]
    fn items() {
        let flags = FetchData::Flags(vec!["\\Seen".to_owned()]);
        check(
            vec![FetchData::Uid(9), flags, FetchData::Size(5_000_000_000)],
            "UID 9 FLAGS (\\Seen) RFC822.SIZE 5000000000",
        );
        check(
            vec![FetchData::InternalDate(0, 420)],
            "INTERNALDATE \" 1-Jan-1970 07:00:00 +0700\"",
        );
        check(
            vec![FetchData::ModSeq(12), FetchData::EmailId("M1".to_owned())],
            "MODSEQ (12) EMAILID (M1)",
        );
        check(vec![FetchData::Flags(vec![])], "FLAGS ()");
    }

    #[test]
    fn sections() {
        let section = |part: &[u32], text| Section {
            part: part.to_vec(),
            text,
        };
        check(
            vec![FetchData::Section(
                section(&[], None),
                None,
                whole("a\r\nb"),
            )],
            "BODY[] {4}\r\na\r\nb",
        );
        check(
            vec![FetchData::Section(
                section(&[1, 2], Some(SectionText::Mime)),
                Some(3),
                whole(""),
            )],
            "BODY[1.2.MIME]<3> {0}\r\n",
        );
        check(
            vec![FetchData::Section(section(&[9], None), None, Octets::Nil)],
            "BODY[9] NIL",
        );
        let names = vec!["From".to_owned(), "x y".to_owned()];
        check(
            vec![FetchData::Section(
                section(&[], Some(SectionText::HeaderFields(names))),
                None,
                whole("\r\n"),
            )],
            "BODY[HEADER.FIELDS (From \"x y\")] {2}\r\n\r\n",
        );
        check(
            vec![FetchData::Rfc822(Rfc822::Header, whole("x"))],
            "RFC822.HEADER {1}\r\nx",
        );
        check(
            vec![
                FetchData::Binary(vec![1], Some(0), whole("a\0")),
                FetchData::BinarySize(vec![1], 2),
            ],
            "BINARY[1]<0> ~{2}\r\na\0 BINARY.SIZE[1] 2",
        );
    }

    #[test]
    fn a_literal_has_no_nul() {
        let mut encoder = Encoder::default();
        encoder.content(Octets::Whole(b"a\0b".to_vec()), false);
        assert_eq!(encoder.take(), b"{3}\r\na\x80b");
    }

    #[test]
    fn a_literal_may_be_open() {
        let mut encoder = Encoder::default();
        let later = Octets::Later {
            len: 5,
            first: b"ab".to_vec(),
        };
        let items = vec![
            FetchData::Section(Section::default(), None, later),
            FetchData::Uid(3),
        ];
        let open = encoder.fetch(1, items).expect("open");
        assert_eq!((open.left, open.binary), (3, false));
        encoder.octets(b"cde", open.binary);
        assert!(encoder.resume(open).is_none());
        assert_eq!(encoder.take(), b"* 1 FETCH (BODY[] {5}\r\nabcde UID 3)\r\n");
    }

    #[test]
    fn an_overlong_beginning_is_cut() {
        let mut encoder = Encoder::default();
        assert_eq!(
            encoder.content(
                Octets::Later {
                    len: 2,
                    first: b"abc".to_vec()
                },
                false
            ),
            None
        );
        assert_eq!(encoder.take(), b"{2}\r\nab");
    }
}
