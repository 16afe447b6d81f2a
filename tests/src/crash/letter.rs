//! The messages of the crash test: everything in one follows from its number, so that what comes back can
//! be compared octet for octet without keeping it.

use std::fmt::Write as _;

/// The octets of message `token` from its Subject on; line ends are CRLF.
pub fn text(token: u64) -> String {
    let mut random = fastrand::Rng::with_seed(token.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    // Mostly letters; now and then attachments of several chunks, or past what is kept in memory.
    let length = match random.u32(0..1000) {
        0..5 => random.usize(1_048_576..1_600_000),
        5..15 => random.usize(200_000..700_000),
        15..100 => random.usize(8_000..64_000),
        _ => random.usize(100..8_000),
    };
    let mut text = format!("Subject: message {token} end\r\n\r\n");
    while text.len() < length {
        // Not all of it compresses, and no line begins with a dot.
        let _ = write!(text, "Kính gửi {:016x} ", random.u64(..));
        for _ in 0..random.usize(0..4) {
            text.push_str(char::from(random.u8(b'a'..=b'z')).to_string().as_str());
            text.push_str("ông văn ");
        }
        text.push_str("\r\n");
    }
    text
}

/// Which message these octets are; a fault in words when they are not exactly what was sent. What a
/// server put before them on the way is not compared.
pub fn recognise(octets: &str) -> Result<u64, String> {
    let token = octets
        .split("Subject: message ")
        .nth(1)
        .and_then(|rest| rest.split(" end\r\n").next()?.parse().ok())
        .ok_or_else(|| format!("a message without its subject: {octets:.200?}"))?;
    if octets.ends_with(&text(token)) {
        Ok(token)
    } else {
        Err(format!(
            "torn: message {token} is not as it was sent, {} octets",
            octets.len()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_wrong_octet_is_seen() {
        for token in 0..50 {
            let sent = text(token);
            assert_eq!(recognise(&sent), Ok(token));
            assert_eq!(recognise(&format!("Received: x\r\n{sent}")), Ok(token));
            let cut = sent.len() - 3;
            assert!(sent.is_char_boundary(cut) && recognise(&sent[..cut]).is_err());
            assert!(recognise(&sent.replacen("Kính", "kính", 1)).is_err());
        }
    }
}
