//! What the text does to hide, and what it threatens or promises.
//!
//! Tricks with letters and markup are evidence of structure. Phrases (`data/phrases.txt`) are words, so they are of one family with
//! the statistics: both together are still one kind of evidence. One phrase says nothing, it takes two that belong together.

use congvu_message::{Part, fold};

use crate::evidence::{Family, Findings, Reason, Rule, shown};
use crate::facts::{Facts, Login};
use crate::letter::{Letter, Text};
use crate::official::is_proven_official;
use crate::phrases::Group;
use crate::stage::Stage;

mod hidden;
mod letters;

/// The stage.
pub(crate) const STAGE: Stage = Stage {
    name: "text",
    rules: &[
        TEXT_INVISIBLE,
        TEXT_NOT_DISPLAYED,
        TEXT_SPLIT,
        TEXT_LOOK_ALIKES,
        TEXT_CONTROLS,
        TEXT_FANCY,
        TEXT_SPELLED,
        TEXT_PICTURE_ONLY,
        TEXT_VERSIONS_DIFFER,
        PHRASES_ACCOUNT,
        PHRASES_EXTORTION,
        PHRASES_FORTUNE,
        PHRASES_GAMBLING,
        PHRASES_LOAN,
    ],
    reads: &[],
    examine,
};

const TEXT_INVISIBLE: Rule = Rule::new("TEXT_INVISIBLE", Family::Structure, 1.0);
/// Versions for telephones are not displayed elsewhere.
const TEXT_NOT_DISPLAYED: Rule = Rule::new("TEXT_NOT_DISPLAYED", Family::Structure, 0.3);
const TEXT_SPLIT: Rule = Rule::new("TEXT_SPLIT", Family::Structure, 1.3);
const TEXT_LOOK_ALIKES: Rule = Rule::new("TEXT_LOOK_ALIKES", Family::Structure, 1.2);
const TEXT_CONTROLS: Rule = Rule::new("TEXT_CONTROLS", Family::Structure, 1.0);
const TEXT_FANCY: Rule = Rule::new("TEXT_FANCY", Family::Structure, 0.5);
const TEXT_SPELLED: Rule = Rule::new("TEXT_SPELLED", Family::Structure, 0.8);
const TEXT_PICTURE_ONLY: Rule = Rule::new("TEXT_PICTURE_ONLY", Family::Structure, 0.6);
const TEXT_VERSIONS_DIFFER: Rule = Rule::new("TEXT_VERSIONS_DIFFER", Family::Structure, 0.4);
const PHRASES_ACCOUNT: Rule = Rule::new("PHRASES_ACCOUNT", Family::Statistics, 1.0);
const PHRASES_EXTORTION: Rule = Rule::new("PHRASES_EXTORTION", Family::Statistics, 1.5);
const PHRASES_FORTUNE: Rule = Rule::new("PHRASES_FORTUNE", Family::Statistics, 1.0);
const PHRASES_GAMBLING: Rule = Rule::new("PHRASES_GAMBLING", Family::Statistics, 1.2);
const PHRASES_LOAN: Rule = Rule::new("PHRASES_LOAN", Family::Statistics, 0.8);

/// Invisible letters that are no slip of an editor.
const INVISIBLE_MIN: usize = 60;
/// Letters not displayed that are more than a preview line.
const NOT_DISPLAYED_MIN: usize = 300;
/// Words split by invisible letters.
const SPLIT_MIN: usize = 3;
/// Words with letters of another script.
const LOOK_ALIKES_MIN: usize = 2;
/// Invisible characters within words.
const CONTROLS_MIN: usize = 3;
/// Letters of mathematics and in circles: a title with an emoji has none.
const FANCY_MIN: usize = 10;
/// Spelled letters.
const SPELLED_MIN: usize = 15;
/// Letters below which a picture is the letter.
const PICTURE_TEXT_MAX: usize = 60;
/// Words of a plain version from which on it is one, and not a line that sends to the other.
const VERSION_MIN: usize = 40;
/// Words of each version that are compared.
const VERSION_MAX: usize = 600;

fn examine(facts: &Facts<'_>, out: &mut Findings) {
    if facts.connection.login != Login::Nobody {
        return;
    }
    let letter = facts.letter;
    markup(letter, out);
    if out.expired() {
        return;
    }
    tricks(letter, out);
    versions_differ(letter, out);
    if !is_proven_official(facts) {
        phrases(letter, out);
    }
}

fn markup(letter: &Letter<'_>, out: &mut Findings) {
    let mut all = hidden::Seen::default();
    let mut any = false;
    for text in letter.texts.iter().filter(|text| text.html) {
        let seen = hidden::read(&text.text);
        all.shown += seen.shown;
        all.not_displayed += seen.not_displayed;
        all.invisible += seen.invisible;
        all.split += seen.split;
        all.linked_pictures += seen.linked_pictures;
        any = true;
        if out.expired() {
            break;
        }
    }
    if !any {
        return;
    }
    let total = all.shown + all.not_displayed + all.invisible;
    let share = |part: usize| 100 * part / total.max(1);
    if all.invisible >= INVISIBLE_MIN && share(all.invisible) >= 5 {
        let percent = share(all.invisible);
        out.add(
            &TEXT_INVISIBLE,
            Reason::new(
                format!("{percent} % chữ trong thư không ai nhìn thấy (màu nền, cỡ 0, ngoài màn hình)"),
                format!("{percent} % of the text cannot be seen (colour of the ground, no size, off the screen)"),
            ),
        );
    }
    if all.not_displayed >= NOT_DISPLAYED_MIN && share(all.not_displayed) >= 30 {
        let percent = share(all.not_displayed);
        out.add(
            &TEXT_NOT_DISPLAYED,
            Reason::new(
                format!("{percent} % chữ trong thư không được hiển thị"),
                format!("{percent} % of the text is not displayed"),
            ),
        );
    }
    if all.split >= SPLIT_MIN {
        let split = all.split;
        out.add(
            &TEXT_SPLIT,
            Reason::new(
                format!("{split} từ bị chen chữ vô hình vào giữa"),
                format!("{split} words are split by invisible letters"),
            ),
        );
    }
    let plain: usize = letter
        .texts
        .iter()
        .filter(|text| !text.html)
        .map(|text| text.text.trim().len())
        .sum();
    if all.linked_pictures > 0 && all.shown < PICTURE_TEXT_MAX && plain < 2 * PICTURE_TEXT_MAX {
        out.add(
            &TEXT_PICTURE_ONLY,
            Reason::new(
                "thư chỉ có hình ảnh dẫn đến trang web, gần như không có chữ",
                "pictures that lead to the web, and hardly any text",
            ),
        );
    }
}

fn tricks(letter: &Letter<'_>, out: &mut Findings) {
    let subject = letter.summary.envelope.subject.as_deref();
    let mut all = letters::read(subject.unwrap_or_default());
    for text in &letter.texts {
        let seen = letters::read(text.visible());
        all.disguised += seen.disguised;
        all.controls += seen.controls;
        all.fancy += seen.fancy;
        all.spelled += seen.spelled;
        all.letters += seen.letters;
        all.example = all.example.or(seen.example);
        if out.expired() {
            return;
        }
    }
    if all.disguised >= LOOK_ALIKES_MIN {
        let (count, example) = (all.disguised, shown(&all.example.unwrap_or_default()));
        out.add(
            &TEXT_LOOK_ALIKES,
            Reason::new(
                format!("{count} từ viết bằng chữ cái giả dạng, ví dụ “{example}”"),
                format!("{count} words are written with look-alike letters, such as “{example}”"),
            ),
        );
    }
    if all.controls >= CONTROLS_MIN {
        let count = all.controls;
        out.add(
            &TEXT_CONTROLS,
            Reason::new(
                format!("{count} ký tự vô hình chen giữa các từ"),
                format!("{count} invisible characters within words"),
            ),
        );
    }
    if all.fancy >= FANCY_MIN {
        out.add(
            &TEXT_FANCY,
            Reason::new(
                "viết bằng ký hiệu toán học hoặc chữ trong vòng tròn",
                "written in letters of mathematics or in circles",
            ),
        );
    }
    if all.spelled >= SPELLED_MIN && 10 * all.spelled >= all.letters {
        let count = all.spelled;
        out.add(
            &TEXT_SPELLED,
            Reason::new(
                format!("viết rời từng chữ cái ({count} chữ)"),
                format!("words are spelled letter by letter ({count} letters)"),
            ),
        );
    }
}

/// The two versions of an alternative have hardly a word in common.
fn versions_differ(letter: &Letter<'_>, out: &mut Findings) {
    let Some((plain, html)) = versions(&letter.summary.root, letter) else {
        return;
    };
    let plain = words(plain.visible());
    let html = words(html.visible());
    if plain.len() < VERSION_MIN || html.len() < VERSION_MIN / 2 {
        return;
    }
    let common = plain
        .iter()
        .filter(|word| html.binary_search(word).is_ok())
        .count();
    if 10 * common < plain.len() {
        out.add(
            &TEXT_VERSIONS_DIFFER,
            Reason::new(
                "bản chữ và bản HTML nói hai chuyện khác nhau",
                "the plain version and the HTML version say different things",
            ),
        );
    }
}

/// Plain text and HTML of the first alternative.
fn versions<'a>(root: &Part, letter: &'a Letter<'_>) -> Option<(&'a Text<'a>, &'a Text<'a>)> {
    let mut part = root;
    while part.subtype != "alternative" {
        part = part.parts.first()?;
    }
    let of = |html: bool| {
        let inside = |text: &&Text<'_>| {
            text.html == html
                && text.part.body_at >= part.body_at
                && text.part.end_at <= part.end_at
        };
        letter.texts.iter().find(inside)
    };
    Some((of(false)?, of(true)?))
}

/// Different words of three letters and more, sorted, folded so that neither case nor marks matter.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.len() > 2)
        .take(VERSION_MAX)
        .map(|word| {
            word.chars()
                .filter_map(fold::base)
                .flat_map(char::to_lowercase)
                .collect()
        })
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

fn phrases(letter: &Letter<'_>, out: &mut Findings) {
    let found = letter.phrases();
    let threat = found.group(Group::Threat);
    let demand = found.group(Group::Demand);
    let urgency = found.group(Group::Urgency);
    if !threat.is_empty() && !demand.is_empty() {
        let all = [threat, demand, urgency.clone()].concat();
        let weight = if urgency.is_empty() {
            0.6
        } else {
            PHRASES_ACCOUNT.weight
        };
        report(
            &PHRASES_ACCOUNT,
            weight,
            &all,
            [
                "dọa khóa tài khoản, đòi xác minh",
                "threatens an account and asks to verify it",
            ],
            out,
        );
    }
    let extortion = found.group(Group::Extortion);
    // Where to pay says as much as two more phrases.
    let said = extortion.len()
        + if !extortion.is_empty() && names_wallet(letter) {
            2
        } else {
            0
        };
    if said >= 3 {
        let weight = if said == 3 {
            1.0
        } else {
            PHRASES_EXTORTION.weight
        };
        report(
            &PHRASES_EXTORTION,
            weight,
            &extortion,
            ["tống tiền", "extortion"],
            out,
        );
    }
    let several: [(&Rule, Group, [&str; 2]); 3] = [
        (
            &PHRASES_FORTUNE,
            Group::Fortune,
            ["hứa tiền từ trên trời rơi xuống", "promises a fortune"],
        ),
        (
            &PHRASES_GAMBLING,
            Group::Gambling,
            ["quảng cáo cờ bạc", "advertises betting"],
        ),
        (&PHRASES_LOAN, Group::Loan, ["mời vay tiền", "offers loans"]),
    ];
    for (rule, group, what) in several {
        let found = found.group(group);
        if found.len() >= 2 {
            let weight = if found.len() == 2 {
                0.6 * rule.weight
            } else {
                rule.weight
            };
            report(rule, weight, &found, what, out);
        }
    }
}

fn report(rule: &Rule, weight: f32, found: &[&str], what: [&str; 2], out: &mut Findings) {
    let named: Vec<String> = found.iter().take(4).map(|at| format!("“{at}”")).collect();
    let named = named.join(", ");
    let [vi, en] = what;
    out.weigh(
        rule,
        weight,
        Reason::new(format!("{vi}: {named}"), format!("{en}: {named}")),
    );
}

/// A Bitcoin address: `bc1…`, or 26 to 35 letters and digits of its alphabet that begin with 1 or 3.
fn names_wallet(letter: &Letter<'_>) -> bool {
    const TEXT_MAX: usize = 16 * 1024;
    let is_base58 = |b: u8| b.is_ascii_alphanumeric() && !matches!(b, b'0' | b'O' | b'I' | b'l');
    letter.texts.iter().any(|text| {
        let text = text.visible();
        let mut words =
            text[..text.floor_char_boundary(TEXT_MAX)].split(|c: char| !c.is_ascii_alphanumeric());
        words.any(|word| {
            let old = (26..=35).contains(&word.len())
                && word.starts_with(['1', '3'])
                && word.bytes().all(is_base58)
                && word.bytes().any(|b| b.is_ascii_digit())
                && word.bytes().any(|b| b.is_ascii_alphabetic());
            old || ((39..=62).contains(&word.len()) && word.to_ascii_lowercase().starts_with("bc1"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use congvu_message::summarize;

    #[test]
    fn wallets() {
        let check = |text: &str| {
            let raw = format!("Subject: x\r\n\r\n{text}\r\n");
            let summary = summarize(raw.as_bytes());
            names_wallet(&Letter::read(raw.as_bytes(), &summary))
        };
        assert!(check("ví: 1BoatSLRHtKNngkdXEeobR76b53LETtpyT."));
        assert!(check("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"));
        assert!(!check("123456789012345678901234567890"));
        assert!(!check("0123abc 1OOO"));
    }
}
