//! Messages for the load: text that compresses like office mail, every one different.

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
}

const WORDS: &[&str] = &[
    "công", "văn", "kính", "gửi", "ủy", "ban", "nhân", "dân", "xã", "huyện", "tỉnh", "báo", "cáo",
    "kết", "quả", "thực", "hiện", "nhiệm", "vụ", "tháng", "quý", "năm", "căn", "cứ", "quyết",
    "định", "số", "ngày", "của", "thủ", "tướng", "chính", "phủ", "về", "việc", "ban", "hành",
    "quy", "chế", "sử", "dụng", "thư", "điện", "tử", "trong", "hoạt", "động", "cơ", "quan", "nhà",
    "nước", "đề", "nghị", "các", "đơn", "vị", "triển", "khai", "nội", "dung",
];

/// A message of about `size` octets with CRLF line ends, dots never first on a line.
pub(crate) fn letter(random: &mut Random, from: &str, to: &str, size: usize) -> Vec<u8> {
    let id = random.next();
    let mut text = format!(
        "From: <{from}>\r\nTo: <{to}>\r\nSubject: =?utf-8?Q?B=C3=A1o_c=C3=A1o?= {id:x}\r\nMessage-ID: <{id:x}@load.test>\r\nDate: Sun, 22 Nov 2026 08:00:00 +0700\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    );
    let mut column = 0;
    while text.len() < size {
        let word = random.next();
        let word = if word.is_multiple_of(9) {
            format!("{}", word % 100_000)
        } else {
            WORDS[usize::try_from(word % WORDS.len() as u64).unwrap_or(0)].to_owned()
        };
        column += word.len() + 1;
        text.push_str(&word);
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
