//! Attached files: what they are by their octets and their names, and what archives hold.
//!
//! Nothing is unpacked. Of an archive the headers of its entries are read, of an Office document the names in it, within
//! [`ATTACHED_MAX`] octets of a message and [`ENTRIES_MAX`] entries; a bomb is as harmless as any other file.

use congvu_message::Part;
use congvu_message::transfer::{Decoder, Encoding};
use memchr::memmem;

use crate::bounds::{ATTACHED_MAX, ENTRIES_MAX};
use crate::evidence::{Family, Findings, Reason, Rule, UNSCANNABLE, shown};
use crate::facts::{Facts, Login, Own};
use crate::stage::Stage;

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

fn examine(facts: &Facts<'_>, out: &mut Findings) {
    let mut room = ATTACHED_MAX;
    for part in facts.letter.parts() {
        if out.expired() {
            return;
        }
        let name = part.file_name().unwrap_or_default();
        if part.kind == "text" && name.is_empty() {
            continue;
        }
        let octets = decoded(facts, part, &mut room, out);
        named(name, out);
        allowed(facts, name, out);
        content(name, &octets, out);
    }
}

/// The beginning of an attachment, as far as there is room.
fn decoded(facts: &Facts<'_>, part: &Part, room: &mut usize, out: &mut Findings) -> Vec<u8> {
    let Some(encoding) = Encoding::named(&part.encoding) else {
        return Vec::new();
    };
    let octets = facts.letter.octets(part);
    let mut decoder = Decoder::new(encoding);
    let mut head = Vec::new();
    let first = octets.len().min(256);
    decoder.push(&octets[..first], &mut head);
    // Pictures, sound and text are known by their first octets.
    let deep = is_archive(&head) || is_ole(&head);
    let most = if deep { octets.len().min(*room) } else { first };
    decoder.push(&octets[first.min(most)..most], &mut head);
    decoder.finish(&mut head);
    *room = room.saturating_sub(most);
    if deep && most < octets.len() && !out.has(UNSCANNABLE.name) {
        out.add(
            &UNSCANNABLE,
            Reason::new(
                "tệp đính kèm quá lớn, chỉ xét phần đầu",
                "attachments too large: only their beginning was examined",
            ),
        );
    }
    head
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

fn content(name: &str, octets: &[u8], out: &mut Findings) {
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
    } else if is_archive(octets) {
        archive(name, octets, out);
    } else if is_ole(octets) && has_macros(octets) {
        macros(name, out);
    }
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

/// Programs of Windows, Linux and macOS, and shortcuts.
fn is_program(octets: &[u8]) -> bool {
    const SHORTCUT: &[u8] = &[0x4C, 0, 0, 0, 0x01, 0x14, 0x02, 0];
    const ONENOTE: &[u8] = &[0xE4, 0x52, 0x5C, 0x7B, 0x8C, 0xD8, 0xA7, 0x4D];
    let magic = [
        b"\x7fELF".as_slice(),
        b"\xcf\xfa\xed\xfe",
        b"\xce\xfa\xed\xfe",
        SHORTCUT,
        ONENOTE,
    ];
    // The octets after MZ count pages, which a text that begins so does not.
    let windows = octets.starts_with(b"MZ") && octets.get(2..64).is_some_and(|s| s.contains(&0));
    windows || magic.iter().any(|magic| octets.starts_with(magic))
}

fn is_archive(octets: &[u8]) -> bool {
    octets.starts_with(b"PK\x03\x04")
}

/// The container of old Office documents.
fn is_ole(octets: &[u8]) -> bool {
    octets.starts_with(&[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1])
}

/// The directory of the container names the project of the macros, in UTF-16.
fn has_macros(octets: &[u8]) -> bool {
    let name: Vec<u8> = "_VBA_PROJECT".bytes().flat_map(|b| [b, 0]).collect();
    memmem::find(octets, &name).is_some()
}

/// The header before each entry: flags at 6, length of the name at 26, the name at 30. Archives stored within the archive
/// show theirs too.
fn archive(name: &str, octets: &[u8], out: &mut Findings) {
    for at in memmem::find_iter(octets, b"PK\x03\x04").take(ENTRIES_MAX) {
        let header = &octets[at..];
        let (Some(flags), Some(&[low, high])) = (header.get(6), header.get(26..28)) else {
            return;
        };
        let length = usize::from(u16::from_le_bytes([low, high]));
        let Some(entry) = header.get(30..30 + length) else {
            return;
        };
        let entry = String::from_utf8_lossy(entry);
        if flags & 1 != 0 {
            let file = shown(name);
            once(
                &ATTACHMENT_ENCRYPTED,
                format!("tệp nén “{file}” được đặt mật khẩu, không xét được"),
                format!("the archive “{file}” is encrypted and cannot be examined"),
                out,
            );
        }
        if entry.ends_with("vbaProject.bin") {
            macros(name, out);
        }
        named(&entry, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let mut out = Findings::within(std::time::Duration::MAX);
            archive("a.zip", &entry.repeat(50_000), &mut out);
            assert!(out.len() <= STAGE.rules.len());
        }
    }
}
