//! FETCH (RFC 9051 section 6.4.5).

use super::parser::LIST;
use super::{Command, Parsed, Parser, Refusal};
use crate::ask::{Ask, Fetch, FetchItem, Rfc822, Section, SectionText};

/// Deepest part number: MIME nesting is bounded at the same depth when a message is parsed.
const PART_LEVELS: usize = 100;

/// Most header names in one HEADER.FIELDS; Thunderbird asks for about 30.
const HEADER_NAMES: usize = 200;

/// The items that are a word alone; BODY and BINARY, which may bear a section, are in [`item`].
const WORDS: [(&str, FetchItem); 10] = [
    ("UID", FetchItem::Uid),
    ("FLAGS", FetchItem::Flags),
    ("INTERNALDATE", FetchItem::InternalDate),
    ("RFC822.SIZE", FetchItem::Size),
    ("ENVELOPE", FetchItem::Envelope),
    ("BODYSTRUCTURE", FetchItem::BodyStructure),
    ("BODY", FetchItem::Body),
    // RFC 3501 section 6.4.5
    ("RFC822", FetchItem::Rfc822(Rfc822::All)),
    ("RFC822.HEADER", FetchItem::Rfc822(Rfc822::Header)),
    ("RFC822.TEXT", FetchItem::Rfc822(Rfc822::Text)),
];

/// ```text
/// fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")
/// ```
pub(super) fn fetch(p: &mut Parser<'_>) -> Parsed<Command> {
    arguments(p, false)
}

/// ```text
/// uid = "UID" SP fetch
/// ```
/// UID is answered whether asked for or not (RFC 9051 section 6.4.9).
pub(super) fn uid_fetch(p: &mut Parser<'_>) -> Parsed<Command> {
    arguments(p, true)
}

fn arguments(p: &mut Parser<'_>, uid: bool) -> Parsed<Command> {
    p.sp()?;
    let set = p.sequence_set()?;
    p.sp()?;
    let mut items = match p.peek() {
        Some(b'(') => p.list(LIST, item)?,
        _ => match macro_items(p) {
            Some(items) => items,
            None => vec![item(p)?],
        },
    };
    if items.is_empty() {
        return Err(Refusal::bad("FETCH without items"));
    }
    if uid && !items.contains(&FetchItem::Uid) {
        items.insert(0, FetchItem::Uid);
    }
    Ok(Command::Ask(Ask::Fetch(Fetch { set, uid, items })))
}

fn macro_items(p: &mut Parser<'_>) -> Option<Vec<FetchItem>> {
    let mut items = vec![FetchItem::Flags, FetchItem::InternalDate, FetchItem::Size];
    if p.keyword("FAST") {
        return Some(items);
    }
    items.push(FetchItem::Envelope);
    if p.keyword("ALL") {
        return Some(items);
    }
    items.push(FetchItem::Body);
    p.keyword("FULL").then_some(items)
}

/// ```text
/// fetch-att = "ENVELOPE" / "FLAGS" / "INTERNALDATE" / "RFC822.SIZE" / "BODY" ["STRUCTURE"] / "UID" /
///             "BODY" section [partial] / "BODY.PEEK" section [partial] /
///             "BINARY" [".PEEK"] section-binary [partial] / "BINARY.SIZE" section-binary    RFC 3516
/// ```
fn item(p: &mut Parser<'_>) -> Parsed<FetchItem> {
    let word = p.word();
    if p.peek() != Some(b'[') {
        let known = WORDS.iter().find(|(known, _)| *known == word);
        return known
            .map(|(_, item)| item.clone())
            .ok_or(Refusal::bad("Unknown item of FETCH"));
    }
    let peek = matches!(word.as_str(), "BODY.PEEK" | "BINARY.PEEK");
    match word.as_str() {
        "BODY" | "BODY.PEEK" => Ok(FetchItem::Section {
            section: section(p)?,
            peek,
            partial: partial(p)?,
        }),
        "BINARY" | "BINARY.PEEK" => Ok(FetchItem::Binary {
            part: section_binary(p)?,
            peek,
            partial: partial(p)?,
        }),
        "BINARY.SIZE" => Ok(FetchItem::BinarySize(section_binary(p)?)),
        _ => Err(Refusal::bad("Unknown item of FETCH")),
    }
}

/// ```text
/// section      = "[" [section-spec] "]"
/// section-spec = section-msgtext / (section-part ["." section-text])
/// section-text = section-msgtext / "MIME"
/// ```
fn section(p: &mut Parser<'_>) -> Parsed<Section> {
    p.expect(b'[', "Expected a section")?;
    let part = section_part(p)?;
    let text = match p.peek() {
        Some(b']') => None,
        _ => Some(section_text(p, !part.is_empty())?),
    };
    p.expect(b']', "Expected the end of the section")?;
    Ok(Section { part, text })
}

/// ```text
/// section-binary = "[" [section-part] "]"
/// ```
fn section_binary(p: &mut Parser<'_>) -> Parsed<Vec<u32>> {
    p.expect(b'[', "Expected a section")?;
    let part = section_part(p)?;
    p.expect(b']', "Expected the end of the section")?;
    Ok(part)
}

/// ```text
/// section-part = nz-number *("." nz-number)
/// ```
/// Also consumes the dot before a section-text.
fn section_part(p: &mut Parser<'_>) -> Parsed<Vec<u32>> {
    let mut part = Vec::new();
    while p.peek().is_some_and(|b| b.is_ascii_digit()) {
        if part.len() == PART_LEVELS {
            return Err(Refusal::bad("The part number is too deep"));
        }
        part.push(p.nz_number()?);
        if !p.eat(b'.') {
            return Ok(part);
        }
        if p.peek() == Some(b']') {
            return Err(Refusal::bad("The part number ends with a dot"));
        }
    }
    Ok(part)
}

/// ```text
/// section-msgtext = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT"
/// header-list     = "(" header-fld-name *(SP header-fld-name) ")"
/// ```
fn section_text(p: &mut Parser<'_>, of_part: bool) -> Parsed<SectionText> {
    match p.word().as_str() {
        "HEADER" => Ok(SectionText::Header),
        "TEXT" => Ok(SectionText::Text),
        "MIME" if of_part => Ok(SectionText::Mime),
        "HEADER.FIELDS" => header_list(p).map(SectionText::HeaderFields),
        "HEADER.FIELDS.NOT" => header_list(p).map(SectionText::HeaderFieldsNot),
        _ => Err(Refusal::bad("Unknown section")),
    }
}

fn header_list(p: &mut Parser<'_>) -> Parsed<Vec<String>> {
    p.sp()?;
    let names = p.list(HEADER_NAMES, |p| p.ascii("Expected a header field name"))?;
    if names.is_empty() {
        return Err(Refusal::bad("HEADER.FIELDS without names"));
    }
    Ok(names)
}

/// ```text
/// partial = "<" number64 "." nz-number64 ">"
/// ```
/// Numbers past 32 bits become the largest one: no message is that long.
fn partial(p: &mut Parser<'_>) -> Parsed<Option<(u32, u32)>> {
    if !p.eat(b'<') {
        return Ok(None);
    }
    let origin = p.number64()?;
    p.expect(b'.', "Expected a dot in the partial")?;
    let length = p.number64()?;
    p.expect(b'>', "Expected the end of the partial")?;
    if length == 0 {
        return Err(Refusal::bad("A partial of no octets"));
    }
    let clamp = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Ok(Some((clamp(origin), clamp(length))))
}

#[cfg(test)]
mod tests {
    use super::super::{all_refused, ask_of};
    use super::*;
    use crate::ask::SequenceSet;

    fn check(text: &str, expected: &[FetchItem]) {
        let set = SequenceSet::Ranges(vec![(Some(1), Some(1))]);
        let uid = text.starts_with("UID");
        assert_eq!(
            ask_of(text),
            Ask::Fetch(Fetch {
                set,
                uid,
                items: expected.to_vec()
            }),
            "{text}"
        );
    }

    fn body(part: &[u32], text: Option<SectionText>) -> FetchItem {
        FetchItem::Section {
            section: Section {
                part: part.to_vec(),
                text,
            },
            peek: true,
            partial: None,
        }
    }

    #[test]
    fn words_and_macros() {
        use FetchItem::{Body, BodyStructure, Envelope, Flags, InternalDate, Size, Uid};
        check("FETCH 1 flags", &[Flags]);
        check(
            "FETCH 1 (UID BODYSTRUCTURE BODY)",
            &[Uid, BodyStructure, Body],
        );
        check("UID FETCH 1 FLAGS", &[Uid, Flags]);
        check("UID FETCH 1 (FLAGS UID)", &[Flags, Uid]);
        check("FETCH 1 FAST", &[Flags, InternalDate, Size]);
        check("FETCH 1 all", &[Flags, InternalDate, Size, Envelope]);
        check("FETCH 1 FULL", &[Flags, InternalDate, Size, Envelope, Body]);
        check(
            "FETCH 1 RFC822.HEADER",
            &[FetchItem::Rfc822(Rfc822::Header)],
        );
    }

    #[test]
    fn sections() {
        check("FETCH 1 BODY.PEEK[]", &[body(&[], None)]);
        check(
            "FETCH 1 body.peek[1.2.header]",
            &[body(&[1, 2], Some(SectionText::Header))],
        );
        check(
            "FETCH 1 BODY.PEEK[3.MIME]",
            &[body(&[3], Some(SectionText::Mime))],
        );
        check(
            "FETCH 1 BODY.PEEK[TEXT]",
            &[body(&[], Some(SectionText::Text))],
        );
        let names = || vec!["From".to_owned(), "x-Y".to_owned()];
        check(
            "FETCH 1 BODY.PEEK[HEADER.FIELDS (From \"x-Y\")]",
            &[body(&[], Some(SectionText::HeaderFields(names())))],
        );
        check(
            "FETCH 1 BODY.PEEK[1.HEADER.FIELDS.NOT (From {3}\r\nx-Y)]",
            &[body(&[1], Some(SectionText::HeaderFieldsNot(names())))],
        );
        let section = Section {
            part: vec![1],
            text: None,
        };
        check(
            "FETCH 1 (BODY[1]<10.20>)",
            &[FetchItem::Section {
                section,
                peek: false,
                partial: Some((10, 20)),
            }],
        );
        let huge = FetchItem::Section {
            section: Section::default(),
            peek: false,
            partial: Some((u32::MAX, 1)),
        };
        check("FETCH 1 BODY[]<4294967296.1>", &[huge]);
    }

    #[test]
    fn binary() {
        check(
            "FETCH 1 BINARY[1.2]",
            &[FetchItem::Binary {
                part: vec![1, 2],
                peek: false,
                partial: None,
            }],
        );
        check(
            "FETCH 1 BINARY.PEEK[]<0.5>",
            &[FetchItem::Binary {
                part: vec![],
                peek: true,
                partial: Some((0, 5)),
            }],
        );
        check("FETCH 1 BINARY.SIZE[3]", &[FetchItem::BinarySize(vec![3])]);
    }

    #[test]
    fn errors() {
        all_refused(&[
            "FETCH 1",
            "FETCH 1 ()",
            "FETCH 1 (ALL)",
            "FETCH 1 FOO",
            "FETCH 1 FLAGS UID",
            "FETCH 1 (FLAGS",
            "FETCH 0 FLAGS",
            "FETCH 1 BODY[",
            "FETCH 1 BODY[1.]",
            "FETCH 1 BODY[0]",
            "FETCH 1 BODY[MIME]",
            "FETCH 1 BODY[1..2]",
            "FETCH 1 BODY[.1]",
            "FETCH 1 BODY[HEADER.FIELDS]",
            "FETCH 1 BODY[HEADER.FIELDS ()]",
            "FETCH 1 BODY[]<0.0>",
            "FETCH 1 BODY[]<0>",
            "FETCH 1 BODY[]<-1.5>",
            "FETCH 1 BINARY[TEXT]",
            "FETCH 1 BINARY",
            "FETCH 1 BINARY.SIZE[1]<0.1>",
            "FETCH 1 RFC822.PEEK",
            "FETCH 1 BODY[1 TEXT]",
            "FETCH 1 FLAGS (CHANGEDSINCE 1)",
        ]);
        let deep = vec!["1"; PART_LEVELS + 1].join(".");
        all_refused(&[&format!("FETCH 1 BODY[{deep}]")]);
    }
}
