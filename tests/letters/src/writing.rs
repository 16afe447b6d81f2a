//! Vietnamese letters taken apart and put together: the forms in which spammers write, and the keys of Telex and VNI.

use crate::random::Random;

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// With its diacritics, composed (NFC).
    Written,
    /// With its diacritics as marks apart (NFD).
    Apart,
    /// Without diacritics.
    Bare,
    /// As typed with Telex or VNI keys and not converted.
    Typed,
    /// Letters with blanks, dots or hyphens between.
    Spaced,
    /// Letters of other scripts that look alike.
    Lookalike,
}

impl Form {
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::Written,
        Self::Apart,
        Self::Bare,
        Self::Typed,
        Self::Spaced,
        Self::Lookalike,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Apart => "nfd",
            Self::Bare => "bare",
            Self::Typed => "typed",
            Self::Spaced => "spaced",
            Self::Lookalike => "homoglyph",
        }
    }

    /// A text in this form. The seed decides what is left to chance.
    pub fn write(self, text: &str, seed: u64) -> String {
        write(text, self, &mut Random::new(&[seed]))
    }

    /// The form of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }
}

/// A vowel with its own mark (circumflex, breve, horn) and the six tones: none, grave, acute, hook, tilde, dot.
const VOWELS: [[char; 6]; 12] = [
    ['a', 'à', 'á', 'ả', 'ã', 'ạ'],
    ['ă', 'ằ', 'ắ', 'ẳ', 'ẵ', 'ặ'],
    ['â', 'ầ', 'ấ', 'ẩ', 'ẫ', 'ậ'],
    ['e', 'è', 'é', 'ẻ', 'ẽ', 'ẹ'],
    ['ê', 'ề', 'ế', 'ể', 'ễ', 'ệ'],
    ['i', 'ì', 'í', 'ỉ', 'ĩ', 'ị'],
    ['o', 'ò', 'ó', 'ỏ', 'õ', 'ọ'],
    ['ô', 'ồ', 'ố', 'ổ', 'ỗ', 'ộ'],
    ['ơ', 'ờ', 'ớ', 'ở', 'ỡ', 'ợ'],
    ['u', 'ù', 'ú', 'ủ', 'ũ', 'ụ'],
    ['ư', 'ừ', 'ứ', 'ử', 'ữ', 'ự'],
    ['y', 'ỳ', 'ý', 'ỷ', 'ỹ', 'ỵ'],
];
/// Combining marks of the tones.
const TONES: [Option<char>; 6] = [
    None,
    Some('\u{300}'),
    Some('\u{301}'),
    Some('\u{309}'),
    Some('\u{303}'),
    Some('\u{323}'),
];
const TELEX_TONES: [&str; 6] = ["", "f", "s", "r", "x", "j"];
const VNI_TONES: [&str; 6] = ["", "2", "1", "3", "4", "5"];

/// A letter taken apart: plain letter, its own mark, tone. All in lower case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Apart {
    plain: char,
    /// The letter with its own mark, without tone.
    marked: char,
    mark: Option<char>,
    tone: usize,
}

/// Takes a lower-case letter apart, if it is a Vietnamese vowel or đ.
pub(crate) fn apart(c: char) -> Option<Apart> {
    if c == 'đ' {
        return Some(Apart {
            plain: 'd',
            marked: 'đ',
            mark: None,
            tone: 0,
        });
    }
    let row = VOWELS.iter().find(|row| row.contains(&c))?;
    let tone = row.iter().position(|&of| of == c)?;
    let (plain, mark) = match row[0] {
        'ă' => ('a', Some('\u{306}')),
        'â' => ('a', Some('\u{302}')),
        'ê' => ('e', Some('\u{302}')),
        'ô' => ('o', Some('\u{302}')),
        'ơ' => ('o', Some('\u{31B}')),
        'ư' => ('u', Some('\u{31B}')),
        other => (other, None),
    };
    Some(Apart {
        plain,
        marked: row[0],
        mark,
        tone,
    })
}

impl Apart {
    /// The letter with its own mark, and the combining tone.
    pub(crate) fn toned(self) -> (char, Option<char>) {
        (self.marked, TONES[self.tone])
    }
}

fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

fn like(pattern: char, c: char) -> char {
    if pattern.is_uppercase() {
        c.to_uppercase().next().unwrap_or(c)
    } else {
        c
    }
}

/// Writes a text in a form. What stands between U+E000 and U+E001 (links) stays as it is.
pub(crate) fn write(text: &str, form: Form, random: &mut Random) -> String {
    if form == Form::Written {
        return text.to_owned();
    }
    let manner = Manner {
        form,
        vni: random.percent(40),
        between: match random.below(10) {
            0..6 => ' ',
            6..8 => '.',
            _ => '-',
        },
        share: 50 + random.below(40),
    };
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(crate::LINK) {
        manner.plain(before, random, &mut out);
        let (link, after) = after.split_once(crate::LINK_END).unwrap_or((after, ""));
        out.push(crate::LINK);
        out.push_str(link);
        out.push(crate::LINK_END);
        rest = after;
    }
    manner.plain(rest, random, &mut out);
    out
}

/// How one letter is disguised.
struct Manner {
    form: Form,
    vni: bool,
    between: char,
    share: usize,
}

impl Manner {
    fn plain(&self, text: &str, random: &mut Random, out: &mut String) {
        match self.form {
            Form::Written => out.push_str(text),
            Form::Apart => out.extend(text.chars().flat_map(marks_apart)),
            Form::Bare => out.push_str(&bare(text)),
            Form::Typed => words(text, out, |word, out| typed(word, self.vni, out)),
            Form::Spaced => {
                let mut first = true;
                words(text, out, |word, out| {
                    self.spaced(word, first, random, out);
                    first = false;
                });
            }
            Form::Lookalike => {
                let swap = |c| {
                    if random.percent(self.share) {
                        lookalike(c, random)
                    } else {
                        c
                    }
                };
                out.extend(text.chars().map(swap));
            }
        }
    }

    fn spaced(&self, word: &str, first: bool, random: &mut Random, out: &mut String) {
        let letters = word.chars().all(char::is_alphabetic);
        if !letters || word.chars().count() < 2 || !random.percent(self.share) {
            out.push_str(word);
            return;
        }
        // Two blanks tell words apart when one stands between letters.
        if self.between == ' ' && !first && out.ends_with(' ') {
            out.push(' ');
        }
        for (at, c) in word.chars().enumerate() {
            if at > 0 {
                out.push(self.between);
            }
            out.push(c);
        }
        if self.between == ' ' {
            out.push(' ');
        }
    }
}

/// Text without its diacritics.
pub(crate) fn bare(text: &str) -> String {
    let plain = |c| apart(lower(c)).map_or(c, |found| like(c, found.plain));
    text.chars().map(plain).collect()
}

fn marks_apart(c: char) -> impl Iterator<Item = char> {
    // đ has no form with a mark apart.
    let found = apart(lower(c)).filter(|found| found.plain != 'd');
    let (base, mark, tone) = found.map_or((c, None, None), |found| {
        (like(c, found.plain), found.mark, TONES[found.tone])
    });
    // In canonical order: what stands below comes before what stands above; the horn is attached and comes first.
    let swapped = tone == Some('\u{323}') && mark != Some('\u{31B}');
    let (one, two) = if swapped { (tone, mark) } else { (mark, tone) };
    [Some(base), one, two].into_iter().flatten()
}

/// Calls `visit` with each run of letters, copies what is between.
fn words(text: &str, out: &mut String, mut visit: impl FnMut(&str, &mut String)) {
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_alphanumeric())
            .unwrap_or(rest.len());
        if end > 0 {
            visit(&rest[..end], out);
        }
        let next = rest[end..]
            .find(|c: char| c.is_alphanumeric())
            .map_or(rest.len(), |found| end + found);
        out.push_str(&rest[end..next]);
        rest = &rest[next..];
    }
}

/// A syllable as its keys are typed: own marks behind their letter, the tone at the end.
fn typed(word: &str, vni: bool, out: &mut String) {
    let mut tone = 0;
    let upper = word
        .chars()
        .filter(|c| c.is_alphabetic())
        .all(char::is_uppercase);
    let mut key = |keys: &str| {
        if upper && word.chars().count() > 1 {
            out.push_str(&keys.to_uppercase());
        } else {
            out.push_str(keys);
        }
    };
    let mut buffer = [0; 4];
    for c in word.chars() {
        let Some(found) = apart(lower(c)) else {
            key(c.encode_utf8(&mut buffer));
            continue;
        };
        key(like(c, found.plain).encode_utf8(&mut buffer));
        key(match (found.marked, vni) {
            ('đ', false) => "d",
            ('đ', true) => "9",
            ('ă', true) => "8",
            ('ă' | 'ơ' | 'ư', false) => "w",
            ('â', false) => "a",
            ('ê', false) => "e",
            ('ô', false) => "o",
            ('â' | 'ê' | 'ô', true) => "6",
            ('ơ' | 'ư', true) => "7",
            _ => "",
        });
        if found.tone > 0 {
            tone = found.tone;
        }
    }
    key(if vni {
        VNI_TONES[tone]
    } else {
        TELEX_TONES[tone]
    });
}

/// A letter that looks like this one, if there is any.
fn lookalike(c: char, random: &mut Random) -> char {
    let others = match c {
        'a' => "аɑα",
        'A' => "АΑ",
        'B' => "ВΒ",
        'c' => "сϲ",
        'C' => "СϹ",
        'd' => "ԁ",
        'e' => "еε",
        'E' => "ЕΕ",
        'g' => "ɡ",
        'h' => "һ",
        'H' => "НΗ",
        'i' => "іι",
        'I' => "ІΙ",
        'k' => "кκ",
        'K' => "КΚ",
        'm' => "м",
        'M' => "МΜ",
        'n' => "пη",
        'N' => "Ν",
        'o' => "оο",
        'O' => "ОΟ",
        'p' => "рρ",
        'P' => "РΡ",
        's' => "ѕ",
        't' => "тτ",
        'T' => "ТΤ",
        'u' => "υս",
        'v' => "ν",
        'x' => "хχ",
        'X' => "ХΧ",
        'y' => "уγ",
        'Y' => "ΥҮ",
        _ => return c,
    };
    let at = random.below(others.chars().count());
    others.chars().nth(at).unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(form: Form, expected: &str) {
        let text = "Đường được QUYẾT ngã, hoạ";
        // The seed's manner: Telex, and dots between letters of most words.
        let found = (0..100)
            .map(|seed| write(text, form, &mut Random::new(&[seed])))
            .any(|found| found == expected);
        assert!(found, "{expected}");
    }

    #[test]
    fn forms() {
        check(Form::Written, "Đường được QUYẾT ngã, hoạ");
        check(Form::Bare, "Duong duoc QUYET nga, hoa");
        check(Form::Typed, "Dduwowngf dduwowcj QUYEETS ngax, hoaj");
        check(Form::Typed, "D9u7o7ng2 d9u7o7c5 QUYE6T1 nga4, hoa5");
        check(Form::Spaced, "Đ.ư.ờ.n.g đ.ư.ợ.c Q.U.Y.Ế.T n.g.ã, h.o.ạ");
        check(
            Form::Apart,
            "Đu\u{31B}o\u{31B}\u{300}ng đu\u{31B}o\u{31B}\u{323}c QUYE\u{302}\u{301}T nga\u{303}, hoa\u{323}",
        );
        assert_eq!(marks_apart('ệ').collect::<String>(), "e\u{323}\u{302}");
    }

    #[test]
    fn links_stay() {
        let text = "xem \u{E000}https://a.test/b\u{E001} ngay";
        for form in Form::ALL {
            let found = write(text, form, &mut Random::new(&[1]));
            assert!(
                found.contains("\u{E000}https://a.test/b\u{E001}"),
                "{found}"
            );
        }
    }

    #[test]
    fn every_form_has_its_name() {
        for form in Form::ALL {
            assert_eq!(Form::named(form.name()), Some(form));
        }
        assert_eq!(Form::named("upside-down"), None);
    }
}
