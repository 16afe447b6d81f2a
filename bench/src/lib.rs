//! What the measurements in `benches/` are done on. They are run by `cargo xtask bench micro`; a running server is
//! measured by `cargo xtask bench run`.

/// A letter of some ten kilobytes of Vietnamese text, with the header that a mail client writes.
pub fn letter() -> Vec<u8> {
    const SENTENCE: &str = "Ủy ban nhân dân xã kính gửi báo cáo tình hình thực hiện nhiệm vụ \
        quý này, đề nghị phòng xem xét và cho ý kiến trước ngày cuối tháng.\r\n";
    let mut text = String::from(
        "From: =?utf-8?Q?V=C4=83n_th=C6=B0?= <vanthu@xa.test>\r\nTo: <u1@so.test>, <u2@so.test>\r\n\
         Subject: =?utf-8?Q?B=C3=A1o_c=C3=A1o?= 12\r\nMessage-ID: <12.345@xa.test>\r\n\
         Date: Sun, 22 Nov 2026 08:00:00 +0700\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
    );
    for number in 0_u32.. {
        if text.len() >= 10 * 1024 {
            break;
        }
        text.push_str(&number.to_string());
        text.push_str(". ");
        text.push_str(SENTENCE);
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_letter_is_one_part_of_text() {
        let letter = super::letter();
        assert!((10_240..10_600).contains(&letter.len()));
        assert!(!letter.windows(3).any(|octets| octets == b"\n.."));
    }
}
