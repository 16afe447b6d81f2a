//! The bounds of a scan, in one place: time, octets, counts. Past a bound a message is judged by what was found.

use std::time::Duration;

/// Time of one scan. An ordinary message takes a tenth of a millisecond; whoever needs a thousand times that is hostile
/// or broken, and the next message waits.
pub const TIME: Duration = Duration::from_millis(100);
/// Time for all recipients of a letter together who have something of their own: some 0.1 ms each for five thousand.
pub const PERSONAL_TIME: Duration = Duration::from_millis(500);
/// Octets of decoded text that the stages see of one message. The letter itself stands at the beginning; 256 KiB are
/// read by all stages together in some ten milliseconds.
pub const TEXT_MAX: usize = 256 * 1024;
/// Octets of a part as transferred that are decoded for it: base64 and quoted-printable markup shrink.
pub const ENCODED_MAX: usize = 2 * TEXT_MAX;
/// Octets of the header that are looked at. Long chains of trace fields and lists of recipients have some tens of kilobytes.
pub const HEADER_MAX: usize = 256 * 1024;
/// Parts looked at. A digest has some hundred.
pub const PARTS_MAX: usize = 500;
/// Pieces of evidence kept of one message: more than all rules together, for rules that report several things.
pub const EVIDENCE_MAX: usize = 100;
/// Characters of foreign text in a reason.
pub const SHOWN_MAX: usize = 80;
/// Log-odds that one rule may add or take. What a single observation says about mail is rarely more certain than 4 to 1.
pub const WEIGHT_MAX: f32 = 1.5;
/// Links of a message that are looked at; newsletters have some fifty.
pub const LINKS_MAX: usize = 200;
/// Places of a message that are tried as links, with those that repeat: a long newsletter has some hundred.
pub const LINKS_TRIED_MAX: usize = 1000;
/// Octets of a link's target that are read: its host stands at the beginning, browsers take 2,000.
pub const TARGET_MAX: usize = 2048;
/// Octets of the text of a link that are read: who shows an address there shows it at the beginning.
pub const LINK_TEXT_MAX: usize = 512;
/// Octets of archives and Office documents, as transferred, that are looked into for one message: they are decoded in
/// some twenty milliseconds, and most documents are smaller.
pub const ATTACHED_MAX: usize = 4 * 1024 * 1024;
/// Entries of an archive that are looked at; a document has some fifty.
pub const ENTRIES_MAX: usize = 2000;
/// Octets of names of entries that are looked at, from their end: what a double click does stands there.
pub const NAME_MAX: usize = 255;
/// Octets that are unpacked from archives of one message: some ten milliseconds. A bomb is cut off here.
pub const INFLATED_MAX: usize = 2 * 1024 * 1024;
/// Layers of archives that are looked into. Who packs thrice hides something, or nobody will find it.
pub const LAYERS_MAX: usize = 3;
/// Octets of a PDF, as transferred, that are looked at from its beginning and from its end: what acts stands in its catalogue,
/// at one of them.
pub const PDF_MAX: usize = 128 * 1024;
