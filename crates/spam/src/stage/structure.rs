//! MIME structure: what no mail program of a person writes, and what is beyond the bounds of parsing.

use congvu_message::Part;
use congvu_message::transfer::Encoding;

use crate::evidence::{Family, Findings, Reason, Rule, UNSCANNABLE, shown};
use crate::facts::{Facts, Login};
use crate::stage::Stage;

/// The stage.
pub(crate) const STAGE: Stage = Stage {
    name: "structure",
    rules: &[
        STRUCTURE_BOUNDS,
        HTML_ONLY,
        TEXT_HIDDEN_IN_BASE64,
        ENCODING_UNKNOWN,
    ],
    reads: &[],
    examine,
};

/// Nested beyond all reason: made to break a scanner.
const STRUCTURE_BOUNDS: Rule = Rule::new("STRUCTURE_BOUNDS", Family::Structure, 1.2);
/// Most newsletters that people want are so: more than this cost ham (cross-validation within the training half).
const HTML_ONLY: Rule = Rule::new("HTML_ONLY", Family::Structure, 0.1);
const TEXT_HIDDEN_IN_BASE64: Rule = Rule::new("TEXT_HIDDEN_IN_BASE64", Family::Structure, 0.6);
const ENCODING_UNKNOWN: Rule = Rule::new("ENCODING_UNKNOWN", Family::Structure, 0.5);

fn examine(facts: &Facts<'_>, out: &mut Findings) {
    let letter = facts.letter;
    if let Some(bound) = &letter.summary.opaque {
        out.add(
            &STRUCTURE_BOUNDS,
            Reason::new(
                format!("cấu trúc thư vượt giới hạn: {bound}"),
                format!("structure beyond the bounds: {bound}"),
            ),
        );
        out.add(
            &UNSCANNABLE,
            Reason::new(
                "các phần của thư không xét được",
                "the parts of the letter could not be examined",
            ),
        );
    }
    if letter.cut {
        out.add(
            &UNSCANNABLE,
            Reason::new(
                "thư quá dài, chỉ xét phần đầu",
                "too long: only its beginning was examined",
            ),
        );
    }
    // What our own people's programs write is not evidence against them.
    if facts.connection.login != Login::Nobody {
        return;
    }
    let root = &letter.summary.root;
    if root.kind == "text" && root.subtype == "html" {
        out.add(
            &HTML_ONLY,
            Reason::new(
                "chỉ có bản HTML, không có bản chữ",
                "HTML only, without a plain version",
            ),
        );
    }
    for text in &letter.texts {
        let encoded = Encoding::named(&text.part.encoding) == Some(Encoding::Base64);
        if encoded && !text.text.is_empty() && text.text.is_ascii() && !says_unicode(text.part) {
            out.add(
                &TEXT_HIDDEN_IN_BASE64,
                Reason::new(
                    "chữ thường được giấu trong base64",
                    "plain ASCII text is wrapped in base64",
                ),
            );
            break;
        }
    }
    let parts = letter.parts();
    let unknown = parts
        .iter()
        .find(|part| Encoding::named(&part.encoding).is_none());
    if let Some(part) = unknown {
        let encoding = shown(&part.encoding);
        out.add(
            &ENCODING_UNKNOWN,
            Reason::new(
                format!("mã hóa không có trong chuẩn: {encoding}"),
                format!("an encoding that no standard knows: {encoding}"),
            ),
        );
    }
}

/// Programs that write all text as UTF-8 in base64 do so whatever the text is.
fn says_unicode(part: &Part) -> bool {
    part.param("charset")
        .is_some_and(|charset| charset.to_ascii_lowercase().starts_with("utf"))
}
