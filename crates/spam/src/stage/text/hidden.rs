//! How much of an HTML text no reader sees: not displayed, without size, in the colour of its background, off the screen; and
//! whether words are split by it.
//!
//! Style sheets are not applied, but for classes that hide outright; where a class could change a colour, the colour counts as
//! unknown and nothing follows. One pass, [`DEPTH_MAX`] open elements, linear for any input.

use crate::markup::{Piece, Tag, pieces};

/// Open elements that are remembered; deeper ones are like the one around them. Newsletters nest some forty tables.
const DEPTH_MAX: usize = 128;
/// Open elements in which the one that a closing tag closes is looked for.
const UNWIND_MAX: usize = 32;
/// Octets of a style that are read.
const STYLE_MAX: usize = 2048;
/// Classes of a sheet that hide; more than that is no letter.
const CLASSES_MAX: usize = 32;
/// Octets of style sheets that are read of one text.
const SHEET_MAX: usize = 32 * 1024;
/// Colours closer than this in every channel are one to the eye.
const NEAR: u8 = 12;
/// Pixels to the side that no screen shows.
const OFF_SCREEN: f32 = -900.0;
/// Pixels (or points) from which on letters can be read.
const READABLE: f32 = 2.0;
/// Letters of the line that newsletters put before everything else for the list of messages, hidden in the letter itself.
const PREHEADER: usize = 250;

/// Elements inside words: taking them out leaves no blank.
const INLINE: [&str; 16] = [
    "a", "b", "big", "code", "em", "font", "i", "mark", "s", "small", "span", "strike", "strong",
    "tt", "u", "wbr",
];
/// Elements that have no content.
const VOID: [&str; 13] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track",
    "wbr",
];

type Colour = [u8; 3];

/// What was counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Letters and digits that a reader sees.
    pub(super) shown: usize,
    /// That are there for programs: not displayed.
    pub(super) not_displayed: usize,
    /// Displayed, and yet no eye sees them: colour, size, place.
    pub(super) invisible: usize,
    /// Words that have invisible letters within them.
    pub(super) split: usize,
    /// Pictures that are links to the web.
    pub(super) linked_pictures: usize,
}

/// Whether what stands there is shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sight {
    Shown,
    OffScreen,
    NotDisplayed,
}

impl Sight {
    /// What hides within what hides stays as hidden as the more hidden of both.
    fn hide(&mut self, how: Self, does: bool) {
        if does {
            *self = how.max(*self);
        }
    }
}

#[derive(Clone, Copy)]
struct Frame<'a> {
    name: &'a str,
    sight: Sight,
    tiny: bool,
    text: Option<Colour>,
    ground: Option<Colour>,
    linked: bool,
}

struct Reader<'a> {
    seen: Seen,
    frames: Vec<Frame<'a>>,
    hiding: Vec<&'a str>,
    sheet: bool,
    /// The last thing shown was a letter, and nothing that parts words came after it.
    in_word: bool,
    /// Hidden letters came since.
    hid: bool,
}

/// Reads an HTML text.
pub(super) fn read(source: &str) -> Seen {
    let mut reader = Reader {
        seen: Seen::default(),
        frames: Vec::new(),
        hiding: Vec::new(),
        sheet: false,
        in_word: false,
        hid: false,
    };
    let mut in_style = false;
    let mut skipped: Option<&str> = None;
    for piece in pieces(source) {
        match piece {
            Piece::Text(text) if skipped.is_none() => reader.text(text),
            Piece::Raw(sheet) if in_style => reader.sheet(sheet),
            Piece::Text(_) | Piece::Raw(_) => {}
            Piece::Tag(tag) => {
                in_style = tag.is("style") && !tag.closing;
                if tag.is("title") || tag.is("textarea") {
                    skipped = (!tag.closing).then_some(tag.name);
                }
                reader.tag(tag);
            }
        }
    }
    reader.seen
}

impl<'a> Reader<'a> {
    fn top(&self) -> Frame<'a> {
        self.frames.last().copied().unwrap_or(Frame {
            name: "",
            sight: Sight::Shown,
            tiny: false,
            text: Some([0; 3]),
            ground: Some([255; 3]),
            linked: false,
        })
    }

    fn text(&mut self, text: &str) {
        let top = self.top();
        let same = match (top.text, top.ground) {
            (Some(text), Some(ground)) => is_near(text, ground),
            _ => false,
        };
        let hidden = top.sight > Sight::Shown || top.tiny || same;
        let mut count = 0;
        for mark in marks(text) {
            count += usize::from(mark);
            if hidden {
                self.hid |= mark && self.in_word;
                continue;
            }
            if mark && self.in_word && self.hid {
                self.seen.split += 1;
            }
            self.in_word = mark;
            self.hid = false;
        }
        if !hidden {
            self.seen.shown += count;
        } else if self.seen.shown == 0
            && count + self.seen.not_displayed + self.seen.invisible <= PREHEADER
        {
            // The line for the list of messages.
        } else if top.sight == Sight::NotDisplayed {
            self.seen.not_displayed += count;
        } else {
            self.seen.invisible += count;
        }
    }

    fn tag(&mut self, tag: Tag<'a>) {
        if !INLINE.iter().any(|name| tag.is(name)) {
            self.in_word = false;
        }
        if tag.closing {
            let open = self.frames.iter().rev().take(UNWIND_MAX);
            if let Some(depth) = open
                .into_iter()
                .position(|frame| frame.name.eq_ignore_ascii_case(tag.name))
            {
                self.frames.truncate(self.frames.len() - depth - 1);
            }
            return;
        }
        if tag.is("img") {
            self.seen.linked_pictures += usize::from(self.top().linked && !is_beacon(&tag));
        }
        if VOID.iter().any(|name| tag.is(name)) {
            return;
        }
        // <p>, <li>, <td> end the one before them.
        if ["p", "li", "td", "tr", "th", "option"]
            .iter()
            .any(|name| tag.is(name))
            && self
                .frames
                .last()
                .is_some_and(|frame| frame.name.eq_ignore_ascii_case(tag.name))
        {
            self.frames.pop();
        }
        if self.frames.len() >= DEPTH_MAX {
            return;
        }
        let mut frame = self.top();
        frame.name = tag.name;
        if tag.is("a") {
            // Links have a colour of their own.
            frame.text = None;
            frame.linked = false;
        }
        for (name, value) in tag.attributes() {
            self.attribute(&mut frame, name, value);
        }
        self.frames.push(frame);
    }

    fn attribute(&self, frame: &mut Frame<'a>, name: &str, value: &str) {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        if is("style") {
            let end = value.floor_char_boundary(STYLE_MAX);
            style(frame, &value[..end]);
        } else if is("hidden") {
            frame.sight = Sight::NotDisplayed;
        } else if is("color") {
            frame.text = colour(value);
        } else if is("bgcolor") {
            frame.ground = colour(value);
        } else if is("background") {
            frame.ground = None;
        } else if is("size") && frame.name.eq_ignore_ascii_case("font") {
            frame.tiny = false;
        } else if is("href") {
            frame.linked = value
                .trim_ascii_start()
                .get(..4)
                .is_some_and(|start| start.eq_ignore_ascii_case("http"));
        } else if (is("class") || is("id")) && self.sheet {
            let hides = |class: &str| self.hiding.contains(&class);
            let mut classes = value.split_ascii_whitespace().take(CLASSES_MAX);
            frame.sight.hide(Sight::NotDisplayed, classes.any(hides));
            frame.text = None;
            frame.ground = None;
        }
    }

    /// Notes the classes that hide. What stands within `@media` applies to some readers only and counts as shown.
    fn sheet(&mut self, sheet: &'a str) {
        self.sheet = true;
        let mut rest = &sheet[..sheet.floor_char_boundary(SHEET_MAX)];
        while let Some(open) = rest.find('{') {
            let selector = rest[..open]
                .rsplit(['}', ';', '>'])
                .next()
                .unwrap_or_default()
                .trim();
            rest = &rest[open + 1..];
            if selector.starts_with('@') {
                let Some(end) = block_end(rest) else {
                    return;
                };
                rest = &rest[end..];
                continue;
            }
            let close = rest.find('}').unwrap_or(rest.len());
            let (body, after) = rest.split_at(close);
            rest = after;
            let mut frame = Frame {
                text: None,
                ground: None,
                ..self.top()
            };
            frame.sight = Sight::Shown;
            style(&mut frame, &body[..body.floor_char_boundary(STYLE_MAX)]);
            if frame.sight != Sight::NotDisplayed {
                continue;
            }
            for one in selector.split(',').map(str::trim) {
                let class = one.split_once('.').map(|(_, class)| class);
                let simple = class.filter(|class| !class.contains([' ', '.', ':', '>', '[', '+']));
                if let Some(class) = simple
                    && self.hiding.len() < CLASSES_MAX
                {
                    self.hiding.push(class);
                }
            }
        }
    }
}

/// After the brace that closes a block with blocks in it.
fn block_end(text: &str) -> Option<usize> {
    let mut depth = 1;
    for (at, b) in text.bytes().enumerate() {
        match b {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// A picture that is there to be fetched, not to be seen.
fn is_beacon(tag: &Tag<'_>) -> bool {
    ["width", "height"].iter().any(|name| {
        let value = tag.attribute(name).unwrap_or_default();
        number(value.trim()).is_some_and(|(pixels, _)| pixels <= 2.0)
    })
}

/// Applies declarations.
fn style(frame: &mut Frame<'_>, text: &str) {
    let mut placed = false;
    let mut away = false;
    let mut flat = false;
    let mut cut = false;
    for one in text.split(';') {
        let Some((property, value)) = one.split_once(':') else {
            continue;
        };
        let (property, value) = (property.trim(), value.trim());
        let value = value.split('!').next().unwrap_or_default().trim_end();
        let is = |wanted: &str| property.eq_ignore_ascii_case(wanted);
        let says = |wanted: &str| value.eq_ignore_ascii_case(wanted);
        if is("display") {
            frame.sight.hide(Sight::NotDisplayed, says("none"));
        } else if is("visibility") {
            frame.sight.hide(Sight::NotDisplayed, says("hidden"));
        } else if is("opacity") {
            frame.sight.hide(
                Sight::OffScreen,
                number(value).is_some_and(|(share, _)| share <= 0.02),
            );
        } else if is("font-size") {
            frame.tiny = number(value).is_some_and(|(size, unit)| is_tiny(size, unit));
        } else if is("color") {
            frame.text = colour(value);
        } else if is("background-color") || is("background") {
            ground(frame, value);
        } else if is("background-image") {
            frame.ground = None;
        } else if is("text-indent") {
            frame.sight.hide(
                Sight::OffScreen,
                number(value).is_some_and(|(pixels, _)| pixels <= OFF_SCREEN),
            );
        } else if is("position") {
            placed |= says("absolute") || says("fixed");
        } else if is("left") || is("top") || is("margin-left") {
            away |= number(value).is_some_and(|(pixels, _)| pixels <= OFF_SCREEN);
        } else if is("max-height") || is("height") || is("max-width") {
            flat |= number(value).is_some_and(|(pixels, _)| pixels < 1.0);
        } else if is("overflow") {
            cut |= says("hidden");
        }
    }
    frame.sight.hide(Sight::OffScreen, placed && away);
    frame.sight.hide(Sight::NotDisplayed, flat && cut);
}

fn ground(frame: &mut Frame<'_>, value: &str) {
    if value.eq_ignore_ascii_case("transparent") || value.eq_ignore_ascii_case("none") {
        return;
    }
    // Of "#fff url(x)" nobody knows what is seen.
    let is_plain = !value.contains("url") && !value.contains("gradient");
    let first = value.split_ascii_whitespace().next().unwrap_or_default();
    let whole = if value.starts_with("rgb") {
        value
    } else {
        first
    };
    frame.ground = if is_plain { colour(whole) } else { None };
}

fn is_tiny(size: f32, unit: &str) -> bool {
    match unit {
        "em" | "rem" => size < 0.15,
        "%" => size < 15.0,
        _ => size < READABLE,
    }
}

/// A number with its unit.
fn number(value: &str) -> Option<(f32, &str)> {
    let end = value
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+')))
        .unwrap_or(value.len());
    let (digits, unit) = value.split_at(end);
    Some((digits.parse().ok()?, unit))
}

/// A colour of CSS or HTML; `None` for names that are not black or white and for what has its own transparency.
fn colour(value: &str) -> Option<Colour> {
    let value = value.trim();
    if let Some(hex) = value.strip_prefix('#') {
        return hex_colour(hex);
    }
    if let Some(inner) = value
        .strip_prefix("rgb(")
        .and_then(|rest| rest.strip_suffix(')'))
    {
        let mut parts = inner.split([',', ' ']).filter(|part| !part.is_empty());
        let mut next = || parts.next()?.trim().parse::<u8>().ok();
        return Some([next()?, next()?, next()?]);
    }
    match value {
        _ if value.eq_ignore_ascii_case("white") => Some([255; 3]),
        _ if value.eq_ignore_ascii_case("snow") => Some([255, 250, 250]),
        _ if value.eq_ignore_ascii_case("black") => Some([0; 3]),
        _ if value.len() == 6 => hex_colour(value),
        _ => None,
    }
}

fn hex_colour(hex: &str) -> Option<Colour> {
    let digit = |at: usize| {
        let digit = char::from(*hex.as_bytes().get(at)?).to_digit(16)?;
        u8::try_from(digit).ok()
    };
    match hex.len() {
        3 => Some([17 * digit(0)?, 17 * digit(1)?, 17 * digit(2)?]),
        6 => {
            let pair = |at: usize| Some(16 * digit(at)? + digit(at + 1)?);
            Some([pair(0)?, pair(2)?, pair(4)?])
        }
        _ => None,
    }
}

fn is_near(a: Colour, b: Colour) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= NEAR)
}

/// For each character of a text whether it is a letter or digit. An entity is one character; the invisible ones are none.
fn marks(text: &str) -> impl Iterator<Item = bool> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let &b = bytes.get(at)?;
            at += 1;
            match b {
                b'&' => {
                    let rest = &bytes[at..bytes.len().min(at + 10)];
                    let Some(end) = rest.iter().position(|&b| b == b';') else {
                        return Some(false);
                    };
                    at += end + 1;
                    return Some(is_letter(&rest[..end]));
                }
                _ if b.is_ascii() => return Some(b.is_ascii_alphanumeric()),
                // No-break blank and soft hyphen; zero width and other controls of U+2000 to U+206F.
                0xC2 => {
                    at += 1;
                    return Some(false);
                }
                0xE2 if matches!(bytes.get(at), Some(0x80 | 0x81)) => {
                    at += 2;
                    if bytes.get(at - 1).is_some_and(|&b| b <= 0x8A) {
                        return Some(false);
                    }
                }
                0xC3.. => return Some(true),
                _ => {}
            }
        }
    })
}

/// A character by its number, if it is beyond punctuation; the letters of Latin-1 by name.
fn is_letter(entity: &[u8]) -> bool {
    let Some(digits) = entity.strip_prefix(b"#") else {
        let named: [&[u8]; 6] = [b"acute", b"grave", b"circ", b"tilde", b"uml", b"cedil"];
        return named
            .iter()
            .any(|end| entity.len() > end.len() && entity.ends_with(end));
    };
    let text = std::str::from_utf8(digits).unwrap_or_default();
    let code = match text.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    };
    code.ok()
        .and_then(char::from_u32)
        .is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, shown: usize, not_displayed: usize, invisible: usize) {
        let body = format!("<b>x</b>{source}");
        let seen = read(&body);
        assert_eq!(
            (seen.shown - 1, seen.not_displayed, seen.invisible),
            (shown, not_displayed, invisible),
            "{source}"
        );
    }

    #[test]
    fn what_is_shown() {
        check("<p>một hai</p>", 6, 0, 0);
        check("&aacute;&#7879;&nbsp;&zwnj;&#8203;a", 3, 0, 0);
        check("<p style='color:#fff;background:#000'>abc", 3, 0, 0);
        check("<td bgcolor=#ffffff><font color=white>abc", 0, 0, 3);
        check("<td bgcolor=#112233><font color=white>abc", 3, 0, 0);
        check(
            "<div style='background:url(x.png)'><font color='#fff'>abc",
            3,
            0,
            0,
        );
        check("<td background=x.png><font color='#fff'>abc", 3, 0, 0);
        check("<a href=http://a.example>abc</a>", 3, 0, 0);
        check(
            "<td style='font-size:0'><div style='font-size:14px'>abc",
            3,
            0,
            0,
        );
        check(
            "<style>.b{background:#000}</style><p class=b style='color:#fff'>abc",
            3,
            0,
            0,
        );
        check(
            "<style>@media x{.m{display:none}}</style><p class=m>abc",
            3,
            0,
            0,
        );
        check(
            "<script>abc</script><title>abc</title><!-- abc -->",
            0,
            0,
            0,
        );
        check("<p style='color:#666'>abc<p>de</p>", 5, 0, 0);
        check("<img height=0 style='display:none'>abc", 3, 0, 0);
    }

    #[test]
    fn what_is_not() {
        check("<div style='DISPLAY : none'>abc</div>d", 1, 3, 0);
        check("<div hidden><p>abc</p></div>d", 1, 3, 0);
        check(
            "<div style='max-height:0;overflow:hidden'>abc</div>d",
            1,
            3,
            0,
        );
        check(
            "<style>p.h, .i { display:none }</style><p class='i j'>abc</p>d",
            1,
            3,
            0,
        );
        check("<font color='#FEFEFE'>abc</font>d", 1, 0, 3);
        check(
            "<span style='color:rgb(255, 255, 250)'>abc</span>d",
            1,
            0,
            3,
        );
        check("<span style='font-size:1px'>abc</span>d", 1, 0, 3);
        check(
            "<span style='font-size:0.1em !important'>abc</span>d",
            1,
            0,
            3,
        );
        check(
            "<div style='position:absolute;left:-9999px'>abc</div>d",
            1,
            0,
            3,
        );
        check("<div style='text-indent:-5000px'>abc</div>d", 1, 0, 3);
        check(
            "<body bgcolor=000000 text=x><p style='color:#000'>abc</p>",
            0,
            0,
            3,
        );
    }

    #[test]
    fn the_line_before_the_letter_is_usual() {
        let seen = read("<div style='display:none'>Tin tháng này</div><p>abc");
        assert_eq!((seen.shown, seen.not_displayed), (3, 0));
    }

    #[test]
    fn words_that_are_split() {
        let split = |source: &str| read(source).split;
        assert_eq!(
            split("k<i style='font-size:0'>x</i>huy<i style='font-size:0'>y</i>en"),
            2
        );
        assert_eq!(split("a <i style='font-size:0'>x</i>b<b>c</b>"), 0);
        assert_eq!(split("a<p style='display:none'>x</p>b"), 0);
    }

    #[test]
    fn pictures_that_are_links() {
        let pictures = |source: &str| read(source).linked_pictures;
        assert_eq!(
            pictures("<a href='https://a.example'><img src=x></a><img src=y>"),
            1
        );
        assert_eq!(
            pictures("<a href='https://a.example'><img width=1 src=x></a>"),
            0
        );
        assert_eq!(pictures("<a href='#x'><img src=x></a>"), 0);
    }

    #[test]
    fn hostile() {
        for piece in [
            "<div style='display:none'>a",
            "<p>",
            "</p>",
            "<style>.a{display:none}",
            "<style>@media{",
            "<a style='",
            "<b class='a a a a a a a a'>",
            "&#x;",
            "<div style='a:b;'>",
        ] {
            let source = piece.repeat(20_000);
            let seen = read(&source);
            assert!(seen.shown + seen.not_displayed + seen.invisible <= source.len());
        }
    }
}
