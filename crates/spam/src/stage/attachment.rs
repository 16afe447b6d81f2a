//! Attached files: what they are by their octets and their names, what archives hold, what documents do by themselves.
//!
//! Archives are unpacked only to see the archives and relations in them, [`INFLATED_MAX`] octets of a message and
//! [`LAYERS_MAX`] layers; within [`ATTACHED_MAX`] octets as transferred and [`ENTRIES_MAX`] entries all else is read as it is.
//! A bomb is as harmless as any other file.
//!
//! [`INFLATED_MAX`]: crate::bounds::INFLATED_MAX
//! [`LAYERS_MAX`]: crate::bounds::LAYERS_MAX
//! [`ENTRIES_MAX`]: crate::bounds::ENTRIES_MAX

use congvu_message::Part;
use congvu_message::transfer::{Decoder, Encoding};
use memchr::memmem;

use crate::bounds::{ATTACHED_MAX, LAYERS_MAX, NAME_MAX, PDF_MAX, TEXT_MAX};
use crate::evidence::{Family, Findings, Reason, Rule, UNSCANNABLE, shown};
use crate::facts::{Facts, Login, Own};
use crate::stage::Stage;

mod archive;
mod document;

use archive::Room;
use document::{Act, Page};

/// The stage.
pub(crate) const STAGE: Stage = Stage {
    name: "attachment",
    rules: &[
        ATTACHMENT_PROGRAM,
        ATTACHMENT_DOUBLE_ENDING,
        ATTACHMENT_OTHER_TYPE,
        ATTACHMENT_MACROS,
        ATTACHMENT_ENCRYPTED,
        ATTACHMENT_NOT_ALLOWED,
        ATTACHMENT_PASSWORD_BESIDE,
        ATTACHMENT_NESTED,
        ATTACHMENT_LOADS,
        ATTACHMENT_PACKAGE,
        ATTACHMENT_PDF_ACTS,
        ATTACHMENT_PAGE_SCRIPT,
        ATTACHMENT_SMUGGLES,
    ],
    reads: &[Own::Attachments],
    examine,
};

const ATTACHMENT_PROGRAM: Rule = Rule::new("ATTACHMENT_PROGRAM", Family::Attachment, 1.5);
const ATTACHMENT_DOUBLE_ENDING: Rule =
    Rule::new("ATTACHMENT_DOUBLE_ENDING", Family::Attachment, 1.2);
const ATTACHMENT_OTHER_TYPE: Rule = Rule::new("ATTACHMENT_OTHER_TYPE", Family::Attachment, 1.2);
const ATTACHMENT_MACROS: Rule = Rule::new("ATTACHMENT_MACROS", Family::Attachment, 0.8);
/// People protect salaries and exam questions so.
const ATTACHMENT_ENCRYPTED: Rule = Rule::new("ATTACHMENT_ENCRYPTED", Family::Attachment, 0.5);
const ATTACHMENT_NOT_ALLOWED: Rule = Rule::new("ATTACHMENT_NOT_ALLOWED", Family::Attachment, 1.0);
/// The password keeps scanners out, not readers.
const ATTACHMENT_PASSWORD_BESIDE: Rule =
    Rule::new("ATTACHMENT_PASSWORD_BESIDE", Family::Attachment, 1.0);
const ATTACHMENT_NESTED: Rule = Rule::new("ATTACHMENT_NESTED", Family::Attachment, 0.6);
const ATTACHMENT_LOADS: Rule = Rule::new("ATTACHMENT_LOADS", Family::Attachment, 1.2);
/// People pack drawings and tables into documents.
const ATTACHMENT_PACKAGE: Rule = Rule::new("ATTACHMENT_PACKAGE", Family::Attachment, 0.3);
const ATTACHMENT_PDF_ACTS: Rule = Rule::new("ATTACHMENT_PDF_ACTS", Family::Attachment, 1.2);
/// Forms of the tax office check what is typed in.
const PDF_SCRIPT: f32 = 0.3;
const ATTACHMENT_PAGE_SCRIPT: Rule = Rule::new("ATTACHMENT_PAGE_SCRIPT", Family::Attachment, 0.8);
const ATTACHMENT_SMUGGLES: Rule = Rule::new("ATTACHMENT_SMUGGLES", Family::Attachment, 1.5);

/// Endings of what a double click runs, or of disks that hide it.
const PROGRAMS: [&str; 27] = [
    "exe", "scr", "com", "pif", "bat", "cmd", "vbs", "vbe", "js", "jse", "wsf", "wsh", "hta",
    "ps1", "lnk", "msi", "cpl", "jar", "reg", "iso", "img", "vhd", "vhdx", "one", "apk", "dll",
    "chm",
];
/// Endings that people open without a thought.
const DOCUMENTS: [&str; 14] = [
    "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "rtf", "txt", "jpg", "jpeg", "png", "gif",
    "htm",
];

/// What is looked at of one message.
struct Scan<'f, 'm> {
    facts: &'f Facts<'m>,
    /// Octets as transferred that may still be decoded.
    room: usize,
    /// What may still be unpacked.
    inner: Room,
    encrypted: bool,
}

fn examine(facts: &Facts<'_>, out: &mut Findings) {
    let mut scan = Scan {
        facts,
        room: ATTACHED_MAX,
        inner: Room::default(),
        encrypted: false,
    };
    for part in facts.letter.parts() {
        if out.expired() {
            return;
        }
        let name = part.file_name().unwrap_or_default();
        if part.kind == "text" && name.is_empty() {
            continue;
        }
        let octets = scan.decoded(part, out);
        named(name, out);
        allowed(facts, name, out);
        scan.content(name, &octets, out);
    }
    if scan.encrypted {
        password(facts, out);
    }
}

/// How much of a file is looked at.
enum Depth {
    /// Its first octets say what it is.
    Magic,
    /// All of it.
    Whole,
    /// The first octets so many, and as many from its end.
    Ends(usize),
    /// The first octets so many.
    Start(usize),
}

/// By the first octets decoded. Pictures, sound and text are known by them.
fn depth(head: &[u8], name: &str) -> Depth {
    if archive::is_archive(head) || document::is_ole(head) || head.starts_with(b"{\\rt") {
        Depth::Whole
    } else if head.starts_with(b"%PDF") {
        Depth::Ends(PDF_MAX)
    } else if is_page(head, name) {
        Depth::Start(2 * TEXT_MAX)
    } else if !head.is_empty() && head.iter().all(|&b| b == 0) {
        // The first sectors of a disk image are empty.
        Depth::Start(48 * 1024)
    } else {
        Depth::Magic
    }
}

/// A page of the web or an SVG picture, by name or by its first octets.
fn is_page(head: &[u8], name: &str) -> bool {
    let (last, _) = endings(name);
    let named = ["htm", "html", "shtml", "xhtml", "xht", "svg"].contains(&last.as_str());
    let start = head.trim_ascii_start();
    let begins = |tag: &[u8]| {
        start
            .get(..tag.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(tag))
    };
    named || begins(b"<html") || begins(b"<!doctype html") || begins(b"<svg") || begins(b"<script")
}

impl Scan<'_, '_> {
    /// As much of an attachment as is needed, as far as there is room.
    fn decoded(&mut self, part: &Part, out: &mut Findings) -> Vec<u8> {
        const HEAD: usize = 256;
        let Some(encoding) = Encoding::named(&part.encoding) else {
            return Vec::new();
        };
        let octets = self.facts.letter.octets(part);
        let mut decoder = Decoder::new(encoding);
        let mut head = Vec::new();
        let first = octets.len().min(HEAD);
        decoder.push(&octets[..first], &mut head);
        let wanted = match depth(&head, part.file_name().unwrap_or_default()) {
            Depth::Magic => first,
            Depth::Whole => octets.len(),
            Depth::Ends(most) | Depth::Start(most) if octets.len() <= most => octets.len(),
            Depth::Start(most) => most,
            Depth::Ends(most) => {
                let most = most.min(self.room);
                decoder.push(&octets[first.min(most)..most], &mut head);
                self.room = self.room.saturating_sub(2 * most);
                // From the beginning of a line, where groups of four begin.
                let tail = &octets[octets.len() - most..];
                let line = memchr::memchr(b'\n', tail).map_or(0, |at| at + 1);
                let mut decoder = Decoder::new(encoding);
                decoder.push(&tail[line..], &mut head);
                decoder.finish(&mut head);
                return head;
            }
        };
        let most = wanted.min(self.room).max(first);
        decoder.push(&octets[first..most], &mut head);
        decoder.finish(&mut head);
        self.room = self.room.saturating_sub(most);
        if most < wanted {
            too_large(out);
        }
        head
    }

    fn content(&mut self, name: &str, octets: &[u8], out: &mut Findings) {
        if is_program(octets) {
            program(name, out);
            let (last, _) = endings(name);
            if DOCUMENTS.contains(&last.as_str()) {
                let file = shown(name);
                once(
                    &ATTACHMENT_OTHER_TYPE,
                    format!("tệp “{file}” thực ra là chương trình"),
                    format!("the file “{file}” is a program by its content"),
                    out,
                );
            }
        } else if archive::is_archive(octets) {
            self.archive(name, octets, out);
        } else if octets.starts_with(b"%PDF") {
            pdf(name, octets, out);
        } else if is_page(octets, name) {
            page(name, octets, out);
        } else {
            ole(name, octets, out);
        }
    }

    fn archive(&mut self, name: &str, octets: &[u8], out: &mut Findings) {
        let seen = archive::read(octets, &mut self.inner);
        let file = shown(name);
        if seen.encrypted {
            self.encrypted = true;
            once(
                &ATTACHMENT_ENCRYPTED,
                format!("tệp nén “{file}” được đặt mật khẩu, không xét được"),
                format!("the archive “{file}” is encrypted and cannot be examined"),
                out,
            );
        }
        if seen.closed || seen.layers >= LAYERS_MAX {
            once(
                &ATTACHMENT_NESTED,
                format!("tệp nén “{file}” gói nhiều lớp"),
                format!("the archive “{file}” has archives within archives"),
                out,
            );
        }
        if seen.cut {
            too_large(out);
        }
        for entry in &seen.names {
            if entry.ends_with("vbaProject.bin") {
                macros(name, out);
            }
            named(entry, out);
        }
        for (entry, piece) in &seen.pieces {
            if out.expired() {
                return;
            }
            let loads = (archive::ending(entry) == "rels").then(|| document::external(piece));
            if let Some(target) = loads.flatten() {
                let target = shown(&target).replace('.', "[.]");
                once(
                    &ATTACHMENT_LOADS,
                    format!("tài liệu “{file}” tự tải {target} khi mở"),
                    format!("the document “{file}” loads {target} when it is opened"),
                    out,
                );
            } else if is_page(piece, entry) {
                page(entry, piece, out);
            } else {
                ole(name, piece, out);
            }
        }
    }
}

fn too_large(out: &mut Findings) {
    if !out.has(UNSCANNABLE.name) {
        out.add(
            &UNSCANNABLE,
            Reason::new(
                "tệp đính kèm quá lớn, chỉ xét phần đầu",
                "attachments too large: only their beginning was examined",
            ),
        );
    }
}

fn ole(name: &str, octets: &[u8], out: &mut Findings) {
    if document::is_ole(octets) && document::has_macros(octets) {
        macros(name, out);
    }
    if document::has_package(octets) {
        let file = shown(name);
        once(
            &ATTACHMENT_PACKAGE,
            format!("tài liệu “{file}” gói một tệp khác bên trong"),
            format!("the document “{file}” has another file packed in it"),
            out,
        );
    }
}

fn pdf(name: &str, octets: &[u8], out: &mut Findings) {
    let file = shown(name);
    let (weight, vi, en) = match document::pdf_acts(octets) {
        None => return,
        Some(Act::Script) => (
            PDF_SCRIPT,
            "chạy mã lệnh khi mở",
            "runs a script when it is opened",
        ),
        Some(Act::Launch) => (
            ATTACHMENT_PDF_ACTS.weight,
            "mở chương trình khác hoặc giấu mã lệnh",
            "starts a program or hides a script",
        ),
    };
    if !out.has(ATTACHMENT_PDF_ACTS.name) {
        out.weigh(
            &ATTACHMENT_PDF_ACTS,
            weight,
            Reason::new(
                format!("tệp PDF “{file}” {vi}"),
                format!("the PDF “{file}” {en}"),
            ),
        );
    }
}

fn page(name: &str, octets: &[u8], out: &mut Findings) {
    let file = shown(name);
    match document::page(octets) {
        None => {}
        Some(Page::Scripted) => once(
            &ATTACHMENT_PAGE_SCRIPT,
            format!("trang web đính kèm “{file}” có mã lệnh"),
            format!("the attached page “{file}” has scripts"),
            out,
        ),
        Some(Page::Smuggles) => once(
            &ATTACHMENT_SMUGGLES,
            format!("trang web đính kèm “{file}” tự giải ra tệp hoặc trang khác"),
            format!("the attached page “{file}” unpacks a file or another page"),
            out,
        ),
    }
}

/// The letter tells the password of what it brings: a word for it, and within a few words something with a digit.
fn password(facts: &Facts<'_>, out: &mut Findings) {
    const WORDS: [&[u8]; 6] = [
        b" mat khau ",
        b" password ",
        b" pass ",
        b" mk ",
        b" passcode ",
        b" pasword ",
    ];
    /// Words after it: "mật khẩu giải nén tệp là".
    const NEAR: usize = 7;
    let text = &facts.letter.folded().spaced;
    let told = WORDS.iter().any(|word| {
        memmem::find_iter(text, word).take(50).any(|at| {
            let after = &text[at + word.len()..];
            let mut words = after.split(|&b| b == b' ').take(NEAR);
            words.any(|word| (3..=24).contains(&word.len()) && word.iter().any(u8::is_ascii_digit))
        })
    });
    if told {
        once(
            &ATTACHMENT_PASSWORD_BESIDE,
            "mật khẩu của tệp nén viết ngay trong thư".to_owned(),
            "the password of the archive stands in the letter".to_owned(),
            out,
        );
    }
}

/// Reports a rule unless it has reported.
fn once(rule: &Rule, vi: String, en: String, out: &mut Findings) {
    if !out.has(rule.name) {
        out.add(rule, Reason::new(vi, en));
    }
}

/// The last two endings of a file name, lower case, the last one first. Blanks and dots at the end are cut as Windows
/// does.
fn endings(name: &str) -> (String, String) {
    let name = &name[name.ceil_char_boundary(name.len().saturating_sub(NAME_MAX))..];
    let name = name.trim_end_matches([' ', '.', '\t', '"']).to_lowercase();
    let mut parts = name.rsplit('.');
    let last = parts.next().unwrap_or_default();
    let before = parts.next();
    // A name without any dot has no ending.
    match before {
        None => (String::new(), String::new()),
        Some(before) => {
            let second = parts.next().map_or("", |_| before.trim());
            (last.to_owned(), second.to_owned())
        }
    }
}

fn named(name: &str, out: &mut Findings) {
    let (last, before) = endings(name);
    if !PROGRAMS.contains(&last.as_str()) {
        return;
    }
    let file = shown(name);
    if DOCUMENTS.contains(&before.as_str()) {
        once(
            &ATTACHMENT_DOUBLE_ENDING,
            format!("tệp “{file}” giả làm tài liệu .{before}"),
            format!("the file “{file}” poses as a .{before} document"),
            out,
        );
    }
    program(name, out);
}

fn program(name: &str, out: &mut Findings) {
    let file = shown(name);
    once(
        &ATTACHMENT_PROGRAM,
        format!("tệp chạy được: “{file}”"),
        format!("a file that can be run: “{file}”"),
        out,
    );
}

/// What the agency lets in, where it says so.
fn allowed(facts: &Facts<'_>, name: &str, out: &mut Findings) {
    let taken = &facts.policy.attachments;
    let (last, _) = endings(name);
    let listed = |ending: &String| ending.trim_start_matches('.').eq_ignore_ascii_case(&last);
    let inside = facts.connection.login != Login::Nobody;
    if inside || name.is_empty() || taken.is_empty() || taken.iter().any(listed) {
        return;
    }
    let file = shown(name);
    once(
        &ATTACHMENT_NOT_ALLOWED,
        format!("cơ quan không nhận loại tệp này: “{file}”"),
        format!("the agency does not take such files: “{file}”"),
        out,
    );
}

fn macros(name: &str, out: &mut Findings) {
    let file = shown(name);
    once(
        &ATTACHMENT_MACROS,
        format!("tài liệu “{file}” có macro"),
        format!("the document “{file}” has macros"),
        out,
    );
}

/// Programs of Windows, Linux and macOS, shortcuts, and disks that hide them.
fn is_program(octets: &[u8]) -> bool {
    const SHORTCUT: &[u8] = &[0x4C, 0, 0, 0, 0x01, 0x14, 0x02, 0];
    const ONENOTE: &[u8] = &[0xE4, 0x52, 0x5C, 0x7B, 0x8C, 0xD8, 0xA7, 0x4D];
    let magic = [
        b"\x7fELF".as_slice(),
        b"\xcf\xfa\xed\xfe",
        b"\xce\xfa\xed\xfe",
        SHORTCUT,
        ONENOTE,
        // Disks: VHD and VHDX.
        b"conectix",
        b"vhdxfile",
    ];
    // The octets after MZ count pages, which a text that begins so does not.
    let windows = octets.starts_with(b"MZ") && octets.get(2..64).is_some_and(|s| s.contains(&0));
    // ISO 9660: the first volume descriptor, after sixteen sectors.
    let disk = octets.get(0x8001..0x8006) == Some(b"CD001");
    windows || disk || magic.iter().any(|magic| octets.starts_with(magic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds::ENTRIES_MAX;

    #[test]
    fn endings_as_windows_sees_them() {
        let check = |name: &str, last: &str, before: &str| {
            assert_eq!(
                endings(name),
                (last.to_owned(), before.to_owned()),
                "{name}"
            );
        };
        check("a.PDF.exe", "exe", "pdf");
        check("a.pdf       .exe. ", "exe", "pdf");
        check("pdf.exe", "exe", "");
        check("exe", "", "");
        check("", "", "");
    }

    #[test]
    fn hostile_archives_are_bounded() {
        for tail in [b"".as_slice(), b"\0", &[0xFF; 26], &[0xFF; 40], &[0; 30]] {
            let entry = [b"PK\x03\x04".as_slice(), tail].concat();
            let mut room = Room::default();
            let seen = archive::read(&entry.repeat(50_000), &mut room);
            assert!(seen.names.len() <= ENTRIES_MAX);
            assert!(seen.names.iter().all(|name| name.len() <= 3 * NAME_MAX));
        }
    }
}
