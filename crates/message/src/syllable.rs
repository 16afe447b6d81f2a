//! What a Vietnamese syllable can be: an onset, a rime, at most one tone, on the vowel where it is written.
//!
//! Hardly any word of another language read in the wrong charset is one, which tells charsets apart.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

/// Longest first; no onset last. A single "p" begins loan words only.
const ONSETS: [&str; 27] = [
    "ngh", "ng", "nh", "ch", "gh", "gi", "kh", "ph", "qu", "th", "tr", "b", "c", "d", "đ", "g",
    "h", "k", "l", "m", "n", "r", "s", "t", "v", "x", "",
];

const RIMES: &str = "a ac ach ai am an ang anh ao ap at au ay ăc ăm ăn ăng ăp ăt âc âm ân âng âp ât âu ây \
    e ec em en eng eo ep et ê êch êm ên ênh êp êt êu i ia ich iêc iêm iên iêng iêp iêt iêu im in inh ip it iu \
    o oa oac oach oai oam oan oang oanh oao oap oat oay oăc oăm oăn oăng oăt oc oe oen oeo oet oi om on ong op ot \
    ô ôc ôi ôm ôn ông ôp ôt ơ ơi ơm ơn ơp ơt u ua uân uâng uât uây uc uê uênh uêch ui um un ung uôc uôi uôm uôn \
    uông uôt up ut uơ uy uya uych uynh uyên uyêt uyt uyu ư ưa ưc ưi ưm ưn ưng ươc ươi ươm ươn ương ươp ươt ươu ưt \
    ưu y yêm yên yêng yêt yêu ynh ych yt";

/// Syllables with marks that every letter or notice has some of.
const COMMON: &str = "là và của các được người những một không với để này đã về có cho đến từ tại theo như ngày \
    tháng năm số việc công văn báo cáo thông quyết định kế hoạch ủy uỷ nhân dân tỉnh huyện xã sở bộ phòng cơ quan \
    đơn vị tổ chức cán bộ lãnh đạo đồng chí họp mời giấy gửi kính kèm thư điện tử hà nội việt độc lập tự hạnh phúc \
    cộng hòa hoà xã hội chủ nghĩa thành phố thực hiện nghị quản lý nước nhà đầu tư dự án hướng dẫn triển khai tình \
    hình đề ý kiến phê duyệt trình bản tài liệu chính phủ thủ tướng bộ trưởng giám đốc chi cục tổng hợp cấp cứ sau \
    trước khi tôi bạn anh chị ông bà cảm ơn trân trọng hỏi biết gì làm đi rất nhiều cũng thì mà ở ra vào nếu hoặc \
    phải đang sẽ bị lại trên dưới giữa cùng đó nào hai ba mười triệu đồng tiền học trường giáo dục y tế đất đường \
    xây dựng phát triển kinh pháp luật đảng tuyển dụng khuyến mãi giảm giá mua bán hàng khách liên hệ đăng ký \
    chương lịch tác tuần thứ hồ sơ nhận trả lời yêu cầu phối thời gian địa điểm nội dung đại biểu lễ chúc mừng";

static RIME_SET: LazyLock<HashSet<&str>> = LazyLock::new(|| RIMES.split_whitespace().collect());
static COMMON_SET: LazyLock<HashSet<&str>> = LazyLock::new(|| COMMON.split_whitespace().collect());

/// The five tone marks.
const TONES: [char; 5] = ['\u{301}', '\u{323}', '\u{300}', '\u{309}', '\u{303}'];

/// The letters with marks, without tone, and which tone they have.
static LETTERS: LazyLock<HashMap<char, (char, Option<usize>)>> = LazyLock::new(|| {
    let mut letters = HashMap::from([('đ', ('đ', None))]);
    for letter in "aăâeêioôơuưy".chars() {
        letters.insert(letter, (letter, None));
        for (at, tone) in TONES.into_iter().enumerate() {
            let both: String = [letter, tone].into_iter().nfc().collect();
            letters.extend(both.chars().map(|c| (c, (letter, Some(at)))));
        }
    }
    letters
});

/// Whether a word in lower case and NFC is one of the most common ones.
pub(crate) fn is_common(word: &str) -> bool {
    !word.is_ascii() && COMMON_SET.contains(word)
}

/// Whether a word in lower case and NFC can be a syllable. Words all of ASCII may have lost their marks.
pub(crate) fn is_syllable(word: &str) -> bool {
    let mut bare = String::new();
    let mut tone: Option<(usize, usize)> = None;
    for (at, c) in word.chars().enumerate() {
        let (letter, mark) = match LETTERS.get(&c) {
            Some(&known) => known,
            None if c.is_ascii_lowercase() => (c, None),
            None => return false,
        };
        // "nghiêng" is the longest.
        if at >= 7 || (mark.is_some() && tone.is_some()) {
            return false;
        }
        tone = mark.map(|mark| (at, mark)).or(tone);
        bare.push(letter);
    }
    ONSETS.iter().any(|onset| {
        bare.strip_prefix(onset).is_some_and(|rime| {
            let before = onset.chars().count();
            RIME_SET.contains(rime)
                && match tone {
                    Some((at, mark)) => at >= before && is_toned(rime, at - before, mark),
                    None => word.is_ascii() || !is_stopped(rime),
                }
        })
    })
}

/// Rimes that end in a stop have the first two tones only, and never none.
fn is_stopped(rime: &str) -> bool {
    rime.ends_with(['c', 'p', 't']) || rime.ends_with("ch")
}

/// Whether a tone may stand on the vowel at `at`; for "oa", "oe" and "uy" both customs.
fn is_toned(rime: &str, at: usize, mark: usize) -> bool {
    if is_stopped(rime) && mark > 1 {
        return false;
    }
    let letters: Vec<char> = rime.chars().collect();
    let vowels = letters
        .iter()
        .take_while(|c| LETTERS.contains_key(c))
        .count();
    let marked = letters.iter().rposition(|c| !c.is_ascii());
    match marked {
        Some(marked) => at == marked,
        None if vowels < letters.len() => at + 1 == vowels,
        None if vowels == 3 => at == 1,
        None => at == 0 || (at == 1 && matches!(rime, "oa" | "oe" | "uy")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syllables() {
        let good = "việt nguyễn quyết huỳnh giếng gì giữ quý quốc khuỷu hòa hoà thúy thuý nghiêng đường ướt oằn \
            cán bộ của ủy hoạt ngoài ấy yếu cong van quynh thuở rượu xoáy";
        for word in good.split_whitespace() {
            assert!(is_syllable(word), "{word}");
        }
        let bad = "café für schön tôc càc ấế éa đđ strasse thè́ về́ hoaí nguyêñ";
        for word in bad.split_whitespace() {
            assert!(!is_syllable(word), "{word}");
        }
    }

    #[test]
    fn common_words_are_syllables() {
        for word in COMMON_SET.iter() {
            assert!(is_syllable(word), "{word}");
        }
    }
}
