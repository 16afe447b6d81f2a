//! What archives say of their content: names, encryption, archives within. ZIP is unpacked within bounds to see the next
//! layer; of RAR and 7z the plain headers are read.
//!
//! Layouts: PKWARE APPNOTE 4.3.7 (ZIP), the technical notes of RAR 4 and RAR 5, `7zFormat.txt`. Any octets are read in
//! bounded time: each step goes forward.

use memchr::memmem;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

use crate::bounds::{ENTRIES_MAX, INFLATED_MAX, LAYERS_MAX, NAME_MAX};

/// What was found in an archive and the archives in it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Names of entries, their ends if they are long.
    pub(super) names: Vec<String>,
    /// Entries, or all of the headers, are encrypted.
    pub(super) encrypted: bool,
    /// Archives within archives that lie too deep or are too large to be looked into.
    pub(super) closed: bool,
    /// Layers of archives, this one included.
    pub(super) layers: usize,
    /// Unpacked entries whose content says something: documents' relations, packages.
    pub(super) pieces: Vec<(String, Vec<u8>)>,
    /// More was packed than is unpacked.
    pub(super) cut: bool,
}

/// Octets that may still be unpacked for a message, and entries looked at.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) octets: usize,
    pub(super) entries: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            octets: INFLATED_MAX,
            entries: ENTRIES_MAX,
        }
    }
}

/// Whether these octets begin an archive that [`read`] knows.
pub(super) fn is_archive(octets: &[u8]) -> bool {
    is_zip(octets) || is_rar(octets) || is_7z(octets)
}

pub(super) fn is_zip(octets: &[u8]) -> bool {
    octets.starts_with(b"PK\x03\x04")
}

fn is_rar(octets: &[u8]) -> bool {
    octets.starts_with(b"Rar!\x1a\x07")
}

fn is_7z(octets: &[u8]) -> bool {
    octets.starts_with(b"7z\xbc\xaf\x27\x1c")
}

/// Reads an archive.
pub(super) fn read(octets: &[u8], room: &mut Room) -> Seen {
    let mut seen = Seen::default();
    layer(octets, 1, room, &mut seen);
    seen
}

fn layer(octets: &[u8], depth: usize, room: &mut Room, seen: &mut Seen) {
    seen.layers = seen.layers.max(depth);
    if is_zip(octets) {
        zip(octets, depth, room, seen);
    } else if octets.starts_with(b"Rar!\x1a\x07\x01\0") {
        rar5(octets, room, seen);
    } else if is_rar(octets) {
        rar4(octets, room, seen);
    } else if is_7z(octets) {
        seven(octets, seen);
    }
}

fn note(name: &[u8], room: &mut Room, seen: &mut Seen) -> bool {
    if room.entries == 0 {
        seen.cut = true;
        return false;
    }
    room.entries -= 1;
    let end = &name[name.len().saturating_sub(NAME_MAX)..];
    seen.names.push(String::from_utf8_lossy(end).into_owned());
    true
}

fn u16_at(octets: &[u8], at: usize) -> Option<usize> {
    let pair = octets.get(at..at + 2)?;
    Some(usize::from(u16::from_le_bytes(pair.try_into().ok()?)))
}

fn u32_at(octets: &[u8], at: usize) -> Option<usize> {
    let four = octets.get(at..at + 4)?;
    usize::try_from(u32::from_le_bytes(four.try_into().ok()?)).ok()
}

/// The header before each entry: flags at 6, method at 8, packed size at 18, length of the name at 26, of the extra field
/// at 28, the name at 30. They are searched for, so that neither sizes nor a directory that lie matter; entries of
/// archives that are stored within are found too.
fn zip(octets: &[u8], depth: usize, room: &mut Room, seen: &mut Seen) {
    for at in memmem::find_iter(octets, b"PK\x03\x04") {
        let header = &octets[at..];
        let (Some(flags), Some(method), Some(name_length), Some(extra)) = (
            u16_at(header, 6),
            u16_at(header, 8),
            u16_at(header, 26),
            u16_at(header, 28),
        ) else {
            return;
        };
        let Some(name) = header.get(30..30 + name_length) else {
            return;
        };
        if !note(name, room, seen) {
            return;
        }
        if flags & 1 != 0 {
            seen.encrypted = true;
            continue;
        }
        let Some(content) = header.get(30 + name_length + extra..) else {
            continue;
        };
        let lower = seen.names.last().map(|name| name.to_ascii_lowercase());
        let lower = lower.unwrap_or_default();
        if method == 0 && is_archive(content) {
            seen.layers = seen.layers.max(depth + 1);
            if !is_zip(content) {
                layer(content, depth + 1, room, seen);
            }
        } else if method == 8 && is_wanted(&lower) {
            inflate(lower, content, depth, room, seen);
        }
    }
}

/// Packed entries whose content says more than their name.
fn is_wanted(lower: &str) -> bool {
    const ENDINGS: [&str; 13] = [
        "zip", "rar", "7z", "rels", "jar", "docm", "docx", "xlsx", "pptx", "htm", "html", "svg",
        "xhtml",
    ];
    let ending = ending(lower);
    ENDINGS.contains(&ending) || (ending == "bin" && lower.contains("oleobject"))
}

/// What stands after the last dot.
pub(super) fn ending(lower: &str) -> &str {
    lower.rsplit_once('.').map_or("", |(_, ending)| ending)
}

fn inflate(name: String, content: &[u8], depth: usize, room: &mut Room, seen: &mut Seen) {
    if depth >= LAYERS_MAX && !matches!(ending(&name), "rels" | "bin") {
        seen.closed = true;
        return;
    }
    if room.octets == 0 {
        seen.cut = true;
        return;
    }
    let unpacked = match decompress_to_vec_with_limit(content, room.octets) {
        Ok(unpacked) => unpacked,
        // The beginning is worth as much.
        Err(error) => {
            seen.cut |= error.output.len() >= room.octets;
            error.output
        }
    };
    room.octets = room.octets.saturating_sub(unpacked.len());
    if is_archive(&unpacked) {
        layer(&unpacked, depth + 1, room, seen);
    } else if !unpacked.is_empty() {
        seen.pieces.push((name, unpacked));
    }
}

/// RAR 4: blocks of CRC (2), type (1), flags (2), size (2); a file's (0x74) has its packed size at 7, the length of its name at
/// 26, the name at 32, or at 40 with 64-bit sizes.
fn rar4(octets: &[u8], room: &mut Room, seen: &mut Seen) {
    let mut at = 7;
    while let (Some(&kind), Some(flags), Some(size)) = (
        octets.get(at + 2),
        u16_at(octets, at + 3),
        u16_at(octets, at + 5),
    ) {
        if kind == 0x73 && flags & 0x80 != 0 {
            seen.encrypted = true;
            return;
        }
        let mut next = at + size.max(7);
        if kind == 0x74 {
            let name_at = at + 32 + if flags & 0x100 == 0 { 0 } else { 8 };
            let length = u16_at(octets, at + 26).unwrap_or_default();
            let Some(name) = octets.get(name_at..name_at + length) else {
                return;
            };
            // A name in two forms has a zero between them.
            let plain = name.split(|&b| b == 0).next().unwrap_or_default();
            seen.encrypted |= flags & 4 != 0;
            if !note(plain, room, seen) {
                return;
            }
        }
        if kind == 0x74 || flags & 0x8000 != 0 {
            next = next.saturating_add(u32_at(octets, at + 7).unwrap_or_default());
        }
        at = next;
    }
}

/// RAR 5: blocks of CRC (4), then numbers of seven bits an octet: size of the header, type, flags, size of the extra area,
/// size of the data. Type 2 is a file, type 4 says that all headers are encrypted.
fn rar5(octets: &[u8], room: &mut Room, seen: &mut Seen) {
    let mut at = 8;
    loop {
        let mut field = at + 4;
        let Some(size) = number(octets, &mut field) else {
            return;
        };
        let begins = field;
        let end = begins.saturating_add(size);
        let (Some(kind), Some(flags)) = (number(octets, &mut field), number(octets, &mut field))
        else {
            return;
        };
        let extra = if flags & 1 == 0 {
            0
        } else {
            number(octets, &mut field).unwrap_or_default()
        };
        let data = if flags & 2 == 0 {
            0
        } else {
            number(octets, &mut field).unwrap_or_default()
        };
        if kind == 4 {
            seen.encrypted = true;
            return;
        }
        if kind == 2 {
            let Some(name) = file_name(octets, &mut field) else {
                return;
            };
            if !note(name, room, seen) {
                return;
            }
            let area = end.saturating_sub(extra);
            seen.encrypted |= is_encrypted(octets.get(area..end).unwrap_or_default());
        }
        let next = end.saturating_add(data);
        if kind == 5 || next <= at {
            return;
        }
        at = next;
    }
}

/// The name in a file header whose own fields begin at `at`.
fn file_name<'a>(octets: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let flags = number(octets, at)?;
    number(octets, at)?;
    number(octets, at)?;
    *at += 4 * (usize::from(flags & 2 != 0) + usize::from(flags & 4 != 0));
    number(octets, at)?;
    number(octets, at)?;
    let length = number(octets, at)?;
    octets.get(*at..at.checked_add(length)?)
}

/// Whether a file's extra area has the record of encryption, type 1.
fn is_encrypted(area: &[u8]) -> bool {
    let mut at = 0;
    while let Some(size) = number(area, &mut at) {
        let next = at.saturating_add(size);
        if number(area, &mut at) == Some(1) {
            return true;
        }
        at = next;
    }
    false
}

/// Seven bits an octet, the lowest first, the eighth says that more follow.
fn number(octets: &[u8], at: &mut usize) -> Option<usize> {
    let mut value = 0_usize;
    for shift in (0..63).step_by(7) {
        let &b = octets.get(*at)?;
        *at += 1;
        value |= usize::from(b & 0x7F) << shift;
        if b & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// 7z: the header lies at the end, at 32 + the number at 12. The number of the AES method in it says that something is encrypted.
fn seven(octets: &[u8], seen: &mut Seen) {
    const AES: [u8; 4] = [0x06, 0xF1, 0x07, 0x01];
    let header = u32_at(octets, 12).and_then(|offset| octets.get(offset.checked_add(32)?..));
    match header {
        Some(header) => seen.encrypted |= memmem::find(header, &AES).is_some(),
        None => seen.cut = true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vint(mut value: usize, out: &mut Vec<u8>) {
        while value > 0x7F {
            out.push(u8::try_from(value & 0x7F).unwrap() | 0x80);
            value >>= 7;
        }
        out.push(u8::try_from(value).unwrap());
    }

    fn rar5_file(name: &str, extra: &[u8]) -> Vec<u8> {
        let mut fields = Vec::new();
        for value in [2, u8::from(!extra.is_empty())] {
            fields.push(value);
        }
        if !extra.is_empty() {
            vint(extra.len(), &mut fields);
        }
        // No time, no checksum, size 1, attributes, compression, system, name.
        fields.extend_from_slice(&[0, 1, 0, 0, 0]);
        vint(name.len(), &mut fields);
        fields.extend_from_slice(name.as_bytes());
        fields.extend_from_slice(extra);
        let mut block = vec![0; 4];
        vint(fields.len(), &mut block);
        block.extend_from_slice(&fields);
        block
    }

    fn rar4_file(name: &str, flags: u16) -> Vec<u8> {
        let mut block = vec![0, 0, 0x74];
        block.extend_from_slice(&flags.to_le_bytes());
        block.extend_from_slice(&u16::try_from(32 + name.len()).unwrap().to_le_bytes());
        block.extend_from_slice(&3_u32.to_le_bytes());
        block.resize(26, 0);
        block.extend_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
        block.resize(32, 0);
        block.extend_from_slice(name.as_bytes());
        block.extend_from_slice(b"xyz");
        block
    }

    fn check(octets: &[u8], names: &[&str], encrypted: bool) {
        let seen = read(octets, &mut Room::default());
        assert_eq!(
            (seen.names.as_slice(), seen.encrypted),
            (owned(names).as_slice(), encrypted)
        );
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn rar() {
        let five = b"Rar!\x1a\x07\x01\0".to_vec();
        let files = [rar5_file("a.txt", &[]), rar5_file("b.exe", &[])].concat();
        check(&[five.clone(), files].concat(), &["a.txt", "b.exe"], false);
        check(
            &[five.clone(), rar5_file("a.txt", &[2, 1, 0])].concat(),
            &["a.txt"],
            true,
        );
        check(&[five, vec![0, 0, 0, 0, 3, 4, 0, 0]].concat(), &[], true);
        let four = b"Rar!\x1a\x07\0".to_vec();
        let main = |flags: u8| vec![0, 0, 0x73, flags, 0, 13, 0, 0, 0, 0, 0, 0, 0];
        let files = [rar4_file("a.txt", 0x8000), rar4_file("b.scr", 0x8004)].concat();
        check(
            &[four.clone(), main(0), files].concat(),
            &["a.txt", "b.scr"],
            true,
        );
        check(&[four.clone(), main(0x80)].concat(), &[], true);
        check(
            &[four, main(0), rar4_file("a.txt", 0x8000)].concat(),
            &["a.txt"],
            false,
        );
    }

    #[test]
    fn seven_zip() {
        let mut octets = b"7z\xbc\xaf\x27\x1c\0\x04\0\0\0\0".to_vec();
        octets.extend_from_slice(&4_u64.to_le_bytes());
        octets.resize(36, 0);
        check(
            &[octets.clone(), vec![0x17, 6, 0xF1, 7, 1]].concat(),
            &[],
            true,
        );
        check(&[octets, vec![0x17, 3, 1, 1]].concat(), &[], false);
    }

    fn entry(name: &str, method: u8, content: &[u8]) -> Vec<u8> {
        let mut out = b"PK\x03\x04\x14\0\0\0".to_vec();
        out.push(method);
        out.resize(26, 0);
        out.extend_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(content);
        out
    }

    fn packed(name: &str, content: &[u8]) -> Vec<u8> {
        entry(name, 8, &miniz_oxide::deflate::compress_to_vec(content, 6))
    }

    #[test]
    fn archives_within_archives() {
        let inner = entry("x.exe", 0, b"MZ");
        let outer = packed("b.zip", &inner);
        let seen = read(&outer, &mut Room::default());
        assert_eq!(seen.names, ["b.zip", "x.exe"]);
        assert_eq!((seen.layers, seen.closed), (2, false));
        let mut deep = inner;
        for _ in 0..5 {
            deep = packed("c.zip", &deep);
        }
        let seen = read(&deep, &mut Room::default());
        assert!(seen.closed && seen.layers == LAYERS_MAX);
    }

    #[test]
    fn bombs_are_not_unpacked() {
        let bomb = packed("a.zip", &vec![0; 64 * 1024 * 1024]);
        let mut room = Room::default();
        let seen = read(&bomb.repeat(100), &mut room);
        assert!(seen.cut);
        assert_eq!(room.octets, 0);
        let kept: usize = seen.pieces.iter().map(|(_, octets)| octets.len()).sum();
        assert!(kept <= INFLATED_MAX);
    }

    #[test]
    fn any_octets() {
        let mut random = fastrand::Rng::with_seed(4);
        for magic in [
            b"PK\x03\x04".as_slice(),
            b"Rar!\x1a\x07\0",
            b"Rar!\x1a\x07\x01\0",
            b"7z\xbc\xaf\x27\x1c",
        ] {
            for length in 0..300 {
                let mut octets = magic.to_vec();
                octets.extend((0..length).map(|_| random.u8(..)));
                read(&octets, &mut Room::default());
            }
            read(&magic.repeat(20_000), &mut Room::default());
            read(
                &[magic, &vec![0xFF; 100_000]].concat(),
                &mut Room::default(),
            );
            read(&[magic, &vec![0; 100_000]].concat(), &mut Room::default());
        }
    }
}
