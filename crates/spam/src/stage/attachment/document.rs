//! What documents do by themselves: templates from the web, packed files, scripts of PDF, pages that build files.

use memchr::memmem;

use crate::markup::{Piece, pieces};

/// Octets of an attached page that are read.
const PAGE_MAX: usize = 512 * 1024;

/// The container of old Office documents.
pub(super) fn is_ole(octets: &[u8]) -> bool {
    octets.starts_with(&[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1])
}

/// The directory of the container names the project of the macros, in UTF-16.
pub(super) fn has_macros(octets: &[u8]) -> bool {
    names_stream(octets, "_VBA_PROJECT")
}

/// A file that was packed into the document ("Package"), or RTF with the octets of an object.
pub(super) fn has_package(octets: &[u8]) -> bool {
    if octets.starts_with(b"{\\rt") {
        return memmem::find(octets, b"\\objdata").is_some();
    }
    is_ole(octets) && names_stream(octets, "Ole10Native")
}

fn names_stream(octets: &[u8], name: &str) -> bool {
    let name: Vec<u8> = name.bytes().flat_map(|b| [b, 0]).collect();
    memmem::find(octets, &name).is_some()
}

/// The address from which a document loads a template, frame or object when it is opened: relationships (ECMA-376 part 2)
/// whose target is external. Links that are followed by hand are others.
pub(super) fn external(relations: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(relations);
    pieces(&text).find_map(|piece| {
        let Piece::Tag(tag) = piece else {
            return None;
        };
        let loads = [
            "attachedTemplate",
            "oleObject",
            "frame",
            "subDocument",
            "externalLinkPath",
        ];
        let kind = tag.attribute("type")?.rsplit('/').next()?;
        let target = tag.attribute("target")?;
        let from_web = ["http:", "https:", "\\\\", "file://", "mhtml:"]
            .iter()
            .any(|scheme| {
                target
                    .get(..scheme.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            });
        let outside = tag
            .attribute("targetmode")?
            .eq_ignore_ascii_case("external");
        (tag.is("relationship") && outside && loads.contains(&kind) && from_web)
            .then(|| target.to_owned())
    })
}

/// What a PDF does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// It runs a script: forms do.
    Script,
    /// It starts a program, or hides the name of a script.
    Launch,
}

/// Looks at the plain objects of a PDF (ISO 32000-1, 12.6.4).
pub(super) fn pdf_acts(octets: &[u8]) -> Option<Act> {
    let has = |name: &[u8]| {
        memmem::find_iter(octets, name).any(|at| {
            let after = octets.get(at + name.len());
            after.is_none_or(|b| !b.is_ascii_alphanumeric())
        })
    };
    // "/J#61vaScript": names may be written with numbers (7.3.5), which no program needs for letters.
    let hidden = memmem::find_iter(octets, b"/").take(20_000).any(|at| {
        let end = octets.len().min(at + 40);
        let name = &octets[at + 1..end];
        let length = name
            .iter()
            .position(|b| !(b.is_ascii_alphanumeric() || *b == b'#'))
            .unwrap_or(name.len());
        let plain = unescaped(&name[..length]);
        name[..length].contains(&b'#') && ["JavaScript", "JS", "Launch"].contains(&plain.as_str())
    });
    if has(b"/Launch") || hidden {
        return Some(Act::Launch);
    }
    (has(b"/JavaScript") || has(b"/JS")).then_some(Act::Script)
}

fn unescaped(name: &[u8]) -> String {
    let mut out = String::new();
    let mut at = 0;
    while let Some(&b) = name.get(at) {
        let digit = |at: usize| name.get(at).and_then(|&b| char::from(b).to_digit(16));
        if b == b'#'
            && let (Some(high), Some(low)) = (digit(at + 1), digit(at + 2))
        {
            out.extend(u8::try_from(16 * high + low).map(char::from));
            at += 3;
        } else {
            out.push(char::from(b));
            at += 1;
        }
    }
    out
}

/// What a page does when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Page {
    /// It has scripts.
    Scripted,
    /// Its scripts unpack a file or another page and hand it to the reader ("HTML smuggling").
    Smuggles,
}

/// Reads an attached page or SVG picture.
pub(super) fn page(octets: &[u8]) -> Option<Page> {
    /// What a script unpacks with.
    const UNPACK: [&str; 7] = [
        "atob(",
        "unescape(",
        "fromcharcode",
        "decodeuricomponent(",
        "eval(",
        "new uint8array",
        "cryptojs",
    ];
    /// What it hands it over with.
    const HAND: [&str; 8] = [
        "new blob",
        "createobjecturl",
        "mssaveoropenblob",
        "document.write",
        ".download",
        "location.href",
        "location.replace",
        "window.location",
    ];
    let text = String::from_utf8_lossy(&octets[..octets.len().min(PAGE_MAX)]);
    let mut script = String::new();
    let mut scripted = false;
    for piece in pieces(&text) {
        match piece {
            Piece::Raw(raw) => script.push_str(raw),
            Piece::Tag(tag) if !tag.closing => {
                scripted |= tag.is("script");
                for (name, value) in tag.attributes() {
                    let handler = name
                        .get(..2)
                        .is_some_and(|on| on.eq_ignore_ascii_case("on"))
                        && name.len() > 4;
                    let link = ["href", "xlink:href", "src", "data"]
                        .iter()
                        .any(|a| name.eq_ignore_ascii_case(a));
                    let runs = link
                        && value
                            .trim_ascii_start()
                            .get(..11)
                            .is_some_and(|start| start.eq_ignore_ascii_case("javascript:"));
                    if handler || runs {
                        scripted = true;
                        script.push_str(value);
                        script.push('\n');
                    }
                }
            }
            _ => {}
        }
    }
    if !scripted {
        return None;
    }
    script.make_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| script.contains(word));
    Some(if any(&UNPACK) && any(&HAND) {
        Page::Smuggles
    } else {
        Page::Scripted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_from_the_web() {
        let relation = |kind: &str, target: &str, mode: &str| {
            format!(
                "<Relationships><Relationship Id=\"1\" Type=\"http://schemas.example/{kind}\" Target=\"{target}\" TargetMode=\"{mode}\"/></Relationships>"
            )
        };
        let check = |text: String| external(text.as_bytes());
        assert_eq!(
            check(relation(
                "attachedTemplate",
                "https://evil.example/a.dotm",
                "External"
            ))
            .as_deref(),
            Some("https://evil.example/a.dotm")
        );
        assert_eq!(
            check(relation("hyperlink", "https://a.example", "External")),
            None
        );
        assert_eq!(
            check(relation(
                "attachedTemplate",
                "file:///C:/Normal.dotm",
                "Internal"
            )),
            None
        );
        assert_eq!(external(b""), None);
    }

    #[test]
    fn what_a_pdf_does() {
        assert_eq!(
            pdf_acts(b"%PDF-1.7 << /S /JavaScript /JS (x) >>"),
            Some(Act::Script)
        );
        assert_eq!(
            pdf_acts(b"%PDF-1.7 << /S /Launch /F (a.exe) >>"),
            Some(Act::Launch)
        );
        assert_eq!(
            pdf_acts(b"%PDF-1.7 << /S /J#61vaScript >>"),
            Some(Act::Launch)
        );
        assert_eq!(pdf_acts(b"%PDF-1.7 << /JSON /Type#20x >>"), None);
    }

    #[test]
    fn what_a_page_does() {
        assert_eq!(page(b"<html><p>x</p></html>"), None);
        assert_eq!(page(b"<script>var a=1</script>"), Some(Page::Scripted));
        assert_eq!(
            page(b"<SCRIPT>var b=new Blob([atob('TVo=')]);a.download='x.exe'</SCRIPT>"),
            Some(Page::Smuggles)
        );
        assert_eq!(
            page(b"<svg onload=\"window.location=atob('aHR0cA==')\"/>"),
            Some(Page::Smuggles)
        );
        assert_eq!(
            page(b"<svg><a xlink:href=' javascript:x()'/></svg>"),
            Some(Page::Scripted)
        );
    }

    #[test]
    fn hostile() {
        for piece in [
            "<script>",
            "<a on",
            "/#41",
            "/J#",
            "<Relationship type=",
            "<svg onload=x ",
        ] {
            let octets = piece.repeat(50_000);
            page(octets.as_bytes());
            pdf_acts(octets.as_bytes());
            external(octets.as_bytes());
        }
    }
}
