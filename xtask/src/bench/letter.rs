//! Messages for the load: letters as offices write them, every one different.
//!
//! Words are drawn by Zipf's law from a list of what is common in Vietnamese offices, with set phrases, numbers,
//! and rare syllables (names, foreign words) that no list has; paragraphs, quoted replies and signatures as
//! people write. Pieces of 10 KB shrink with zstd as pieces of real Vietnamese text do (0.48 at level 1), not more.

use std::fmt::Write as _;
use std::sync::OnceLock;

use super::words::{FAMILY, GIVEN, MIDDLE, OFFICES, PHRASES, WORDS};

/// A small generator of its own (xorshift), so that a run can be repeated.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most.max(1) as u64).unwrap_or(0)
    }
}

/// Beginnings and ends of Vietnamese syllables. Together they make some 1,500 different ones.
const ONSETS: &[&str] = &[
    "", "th", "t", "c", "đ", "ch", "l", "b", "m", "h", "v", "n", "nh", "tr", "s", "kh", "d", "ng",
    "q", "ph", "gi", "x", "r", "g",
];
const RIMES: &[&str] = &[
    "a", "ông", "i", "ược", "ính", "ủa", "ệnh", "ác", "ong", "ày", "iện", "ân", "ế", "ườ", "ại",
    "ành", "ân", "ơ", "uan", "ết", "à", "ước", "ức", "áo", "ội", "ờng", "iệp", "uyết", "ịnh", "ên",
    "ên", "ăm", "áng", "ình", "ần", "ưa", "ỏ", "ữ", "ẩm", "uận", "ai", "ồng", "ứng", "ọc", "ích",
    "ấp", "oản", "iều", "ản", "ẽ", "ội", "ừ", "ầu", "ôn", "át", "uyên", "ỳ", "ũng", "oạch", "ợp",
];

/// Bodies are made once and used many times under different headers: the server treats each message
/// by itself, and the generator stays cheap.
const BODIES: usize = 64;

/// Octets of a line, about: what mail programs break at.
const LINE: usize = 76;

/// Where words come from.
pub(crate) struct Writer<'a> {
    pub(crate) random: &'a mut Random,
    pub(crate) words: &'a [&'a str],
}

impl Writer<'_> {
    pub(crate) fn pick<'b>(&mut self, from: &[&'b str]) -> &'b str {
        from[self.random.below(from.len())]
    }

    /// A place in a list of `count` by Zipf's law: the n-th is drawn n times as rarely as the first.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small numbers, and any place will do"
    )]
    fn zipf(&mut self, count: usize) -> usize {
        let drawn = self.random.below(1 << 24) as f64 / f64::from(1 << 24);
        let place = ((count as f64 + 1.0).ln() * drawn).exp() as usize;
        place.clamp(1, count) - 1
    }

    fn word(&mut self) -> String {
        match self.random.below(100) {
            0..2 => self.random.below(100_000).to_string(),
            2..24 => format!("{}{}", self.pick(ONSETS), self.pick(RIMES)),
            _ => self.words[self.zipf(self.words.len())].to_owned(),
        }
    }

    pub(crate) fn name(&mut self) -> String {
        format!(
            "{} {} {}",
            self.pick(FAMILY),
            self.pick(MIDDLE),
            self.pick(GIVEN)
        )
    }

    /// A sentence or a set phrase, with its end.
    pub(crate) fn sentence(&mut self) -> String {
        if self.random.below(9) == 0 {
            let phrase = self.pick(PHRASES);
            return phrase.to_owned();
        }
        let mut text = String::new();
        for place in 0..6 + self.random.below(22) {
            let word = self.word();
            if place == 0 {
                let mut chars = word.chars();
                text.extend(chars.next().into_iter().flat_map(char::to_uppercase));
                text.push_str(chars.as_str());
            } else {
                if self.random.below(11) == 0 {
                    text.push(',');
                }
                text.push(' ');
                text.push_str(&word);
            }
        }
        text.push('.');
        text
    }

    /// Lines of about [`LINE`] octets, each after `mark`, with CRLF.
    pub(crate) fn paragraph(&mut self, mark: &str, out: &mut String) {
        let mut column = mark.len();
        out.push_str(mark);
        for _ in 0..=self.random.below(5) {
            for word in self.sentence().split(' ') {
                if column + word.len() > LINE {
                    out.push_str("\r\n");
                    out.push_str(mark);
                    column = mark.len();
                }
                out.push_str(word);
                out.push(' ');
                column += word.len() + 1;
            }
        }
        out.push_str("\r\n");
    }

    pub(crate) fn signature(&mut self, mark: &str, out: &mut String) {
        let (name, office) = (self.name(), self.pick(OFFICES));
        let phone = 1_000_000 + self.random.below(9_000_000);
        let _ = write!(
            out,
            "{mark}-- \r\n{mark}{name}\r\n{mark}{office}\r\n{mark}ĐT: 024.{phone}\r\n"
        );
    }
}

/// The words of the list, the most common first.
pub(crate) fn words() -> Vec<&'static str> {
    WORDS.split_ascii_whitespace().collect()
}

/// A plain text of about `size` octets with CRLF line ends, no dot first on a line: a letter, and below it the
/// letter that it answers.
fn body(random: &mut Random, size: usize) -> Vec<u8> {
    let words = words();
    let mut writer = Writer {
        random,
        words: &words,
    };
    let mut text = String::with_capacity(size + 512);
    text.push_str("Kính gửi anh ");
    text.push_str(&writer.name());
    text.push_str(",\r\n\r\n");
    while text.len() < size / 2 {
        writer.paragraph("", &mut text);
        text.push_str("\r\n");
    }
    writer.signature("", &mut text);
    let name = writer.name();
    let _ = write!(text, "\r\nVào 20/11/2026 08:15, {name} đã viết:\r\n");
    while text.len() + 150 < size {
        writer.paragraph("> ", &mut text);
        text.push_str(">\r\n");
    }
    writer.signature("> ", &mut text);
    text.into_bytes()
}

/// Makes messages of one size.
pub(crate) struct Letters {
    bodies: OnceLock<Vec<Vec<u8>>>,
    size: usize,
}

impl Letters {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            bodies: OnceLock::new(),
            size,
        }
    }

    /// A message whose header no other message has.
    pub(crate) fn letter(&self, random: &mut Random, from: &str, to: &str) -> Vec<u8> {
        let id = random.next();
        let mut text = format!(
            "Received: from client.example.org (client.example.org [192.0.2.17])\r\n\tby relay.example.org with ESMTPSA \
             id {id:X};\r\n\tSun, 22 Nov 2026 08:00:00 +0700\r\n\
             From: =?utf-8?Q?V=C4=83n_th=C6=B0?= <{from}>\r\nTo: <{to}>\r\n\
             Subject: =?utf-8?Q?B=C3=A1o_c=C3=A1o?= {id:x}\r\nMessage-ID: <{id:x}@load.test>\r\n\
             Date: Sun, 22 Nov 2026 08:00:00 +0700\r\nMIME-Version: 1.0\r\n\
             User-Agent: Mozilla Thunderbird\r\nContent-Language: vi\r\nIn-Reply-To: <{id:X}@example.org>\r\n\
             References: <{id:X}@example.org>\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        )
        .into_bytes();
        let size = self.size.saturating_sub(text.len());
        let bodies = self.bodies.get_or_init(|| {
            let mut random = Random::new(self.size as u64 + 7);
            (0..BODIES).map(|_| body(&mut random, size)).collect()
        });
        text.extend_from_slice(&bodies[random.below(bodies.len())]);
        text
    }
}
