//! Messages for the load: text that compresses like office mail, every one different.

use std::sync::OnceLock;

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

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most.max(1) as u64).unwrap_or(0)
    }
}

/// Beginnings and ends of Vietnamese syllables, the common ones first. Together they make some 1,500
/// different syllables, so that the text is no easier to compress than what people write.
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

/// A body of about `size` octets with CRLF line ends, no dot first on a line.
fn body(random: &mut Random, size: usize) -> Vec<u8> {
    let mut text = String::with_capacity(size + 80);
    let mut column = 0;
    while text.len() < size {
        // The smaller of two is more often a common one.
        let onset = ONSETS[random.below(ONSETS.len()).min(random.below(ONSETS.len()))];
        let rime = RIMES[random.below(RIMES.len()).min(random.below(RIMES.len()))];
        let before = text.len();
        if random.below(23) == 0 {
            text.push_str(&random.below(100_000).to_string());
        } else {
            text.push_str(onset);
            text.push_str(rime);
        }
        column += text.len() - before + 1;
        if column > 72 {
            text.push_str("\r\n");
            column = 0;
        } else {
            text.push(' ');
        }
    }
    text.push_str("\r\n");
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
            "From: =?utf-8?Q?V=C4=83n_th=C6=B0?= <{from}>\r\nTo: <{to}>\r\n\
             Subject: =?utf-8?Q?B=C3=A1o_c=C3=A1o?= {id:x}\r\nMessage-ID: <{id:x}@load.test>\r\n\
             Date: Sun, 22 Nov 2026 08:00:00 +0700\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
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
