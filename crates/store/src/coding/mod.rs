//! How a chunk is rewritten before zstd gets it, so that it takes less room; and back, octet for octet.
//!
//! The first octet of a coded chunk says which rewritings it went through, a bit each: first base64 is undone
//! (`base64`), then words get numbers (`words`). A coding that does not give back the very octets is not used.

mod base64;
mod syllables;
mod words;

/// Base64 was undone.
const BASE64: u8 = 1;
/// Words have numbers, by table 1.
const WORDS: u8 = 2;

/// All that this program knows.
pub(crate) const KNOWN: u8 = BASE64 | WORDS;

/// The coded form; `None` when none is shorter.
pub(crate) fn encode(octets: &[u8]) -> Option<Vec<u8>> {
    let mut codings = 0;
    let mut now = None;
    for (coding, encode) in [
        (BASE64, base64::encode as fn(&[u8]) -> Option<Vec<u8>>),
        (WORDS, words::encode),
    ] {
        if let Some(coded) = encode(now.as_deref().unwrap_or(octets)) {
            codings |= coding;
            now = Some(coded);
        }
    }
    let mut coded = now?;
    coded.insert(0, codings);
    (decode(&coded, octets.len()).ok()?? == octets).then_some(coded)
}

/// Back from the coded form, which must not give more than `most` octets. `Ok(None)`: it contradicts itself;
/// `Err`: a newer program wrote it, with this first octet.
pub(crate) fn decode(coded: &[u8], most: usize) -> Result<Option<Vec<u8>>, u8> {
    let Some((&codings, coded)) = coded.split_first() else {
        return Ok(None);
    };
    if codings & !KNOWN != 0 {
        return Err(codings);
    }
    let words = |coded: &[u8]| words::decode(coded, most);
    Ok(match codings {
        BASE64 => base64::decode(coded, most),
        WORDS => words(coded),
        // Words were found in what base64 held.
        _ if codings == BASE64 | WORDS => {
            words(coded).and_then(|coded| base64::decode(&coded, most))
        }
        _ => None,
    })
}
