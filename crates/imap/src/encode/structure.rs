//! BODY and BODYSTRUCTURE (RFC 9051 section 7.5.2).
//!
//! Every extension field is sent, NIL where the message has nothing: the Gmail app shows attachments as
//! garbled text otherwise. NIL never stands for an encoding or a type, and a multipart never is without
//! parts, because MailKit, himalaya and go-imap refuse such a response altogether.

use std::fmt::Write as _;

use congvu_message::{Envelope, Part};

use super::Encoder;

/// Deepest part that is described; `message` bounds nesting at 100 when it parses.
const DEPTH: usize = 110;

/// What stands in the place of something that the grammar demands and the message lacks.
const EMPTY_PART: &str = "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"us-ascii\") NIL NIL \"7BIT\" 0 0";

impl Encoder {
    /// ```text
    /// body = "(" (body-type-1part / body-type-mpart) ")"
    /// ```
    pub(super) fn structure(&mut self, part: &Part, extended: bool) {
        self.part(part, extended, 0);
    }

    fn part(&mut self, part: &Part, extended: bool, depth: usize) {
        if upper(&part.kind, "TEXT") == "MULTIPART" && depth < DEPTH {
            self.multipart(part, extended, depth);
        } else {
            self.single(part, extended, depth);
        }
    }

    /// ```text
    /// body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]
    /// body-ext-mpart  = body-fld-param [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc *(SP body-extension)]]]
    /// ```
    fn multipart(&mut self, part: &Part, extended: bool, depth: usize) {
        self.raw("(");
        for child in &part.parts {
            self.part(child, extended, depth + 1);
        }
        if part.parts.is_empty() {
            self.raw(EMPTY_PART);
            self.raw(if extended { " NIL NIL NIL NIL)" } else { ")" });
        }
        self.raw(" ");
        self.token(&part.subtype, "MIXED");
        if extended {
            self.raw(" ");
            self.params(&part.params);
            self.disposition_and_rest(part);
        }
        self.raw(")");
    }

    /// ```text
    /// body-type-1part = (body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part]
    /// body-type-basic = media-basic SP body-fields
    /// body-type-msg   = media-message SP body-fields SP envelope SP body SP body-fld-lines
    /// body-type-text  = media-text SP body-fields SP body-fld-lines
    /// body-ext-1part  = body-fld-md5 [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc *(SP body-extension)]]]
    /// ```
    fn single(&mut self, part: &Part, extended: bool, depth: usize) {
        let (kind, subtype) = (upper(&part.kind, "TEXT"), upper(&part.subtype, "PLAIN"));
        let global = subtype == "GLOBAL";
        let is_message = kind == "MESSAGE" && (global || subtype == "RFC822");
        // RFC 3501 knows the long form for RFC822 alone, RFC 9051 for GLOBAL (RFC 6532) too, and a client
        // with UTF8=ACCEPT must understand it.
        let wants_long_form = is_message && (!global || self.enabled.utf8());
        let embedded = part
            .message
            .as_deref()
            .filter(|_| wants_long_form && depth < DEPTH);
        self.raw("(");
        if kind == "MULTIPART" || (wants_long_form && embedded.is_none()) {
            // Too deep or not parsed: opaque octets.
            self.raw("\"APPLICATION\" \"OCTET-STREAM\"");
        } else {
            self.string(&kind);
            self.raw(" ");
            self.string(&subtype);
        }
        self.raw(" ");
        self.fields(part);
        if let Some((envelope, root)) = embedded {
            self.embedded(envelope, root, extended, depth);
        }
        if embedded.is_some() || kind == "TEXT" {
            self.put(format_args!(" {}", part.lines));
        }
        if extended {
            self.raw(" ");
            self.nstring(part.md5.as_deref());
            self.disposition_and_rest(part);
        }
        self.raw(")");
    }

    fn embedded(&mut self, envelope: &Envelope, root: &Part, extended: bool, depth: usize) {
        self.raw(" ");
        self.envelope(envelope);
        self.raw(" ");
        self.part(root, extended, depth + 1);
    }

    /// ```text
    /// body-fields = body-fld-param SP body-fld-id SP body-fld-desc SP body-fld-enc SP body-fld-octets
    /// ```
    fn fields(&mut self, part: &Part) {
        self.params(&part.params);
        self.raw(" ");
        self.nstring(part.id.as_deref());
        self.raw(" ");
        self.nstring(part.description.as_deref());
        self.raw(" ");
        self.token(&part.encoding, "7BIT");
        let octets = part
            .end_at
            .saturating_sub(part.body_at)
            .min(u64::from(u32::MAX));
        self.put(format_args!(" {octets}"));
    }

    /// ```text
    /// [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc]]]
    /// body-fld-dsp  = "(" string SP body-fld-param ")" / nil
    /// body-fld-lang = nstring / "(" string *(SP string) ")"
    /// body-fld-loc  = nstring
    /// ```
    fn disposition_and_rest(&mut self, part: &Part) {
        match &part.disposition {
            None => self.raw(" NIL"),
            Some((kind, params)) => {
                self.raw(" (");
                self.token(kind, "ATTACHMENT");
                self.raw(" ");
                self.params(params);
                self.raw(")");
            }
        }
        self.raw(" ");
        match part.language.as_slice() {
            [] => self.raw("NIL"),
            [only] => self.string(only),
            languages => self.list(languages, |e, language| e.string(language)),
        }
        self.raw(" ");
        self.nstring(part.location.as_deref());
    }

    /// ```text
    /// body-fld-param = "(" string SP string *(SP string SP string) ")" / nil
    /// ```
    /// A value outside ASCII takes the form of RFC 2231 (`FILENAME*`) for clients without UTF-8, which forbids
    /// encoded words here.
    fn params(&mut self, params: &[(String, String)]) {
        if params.is_empty() {
            self.raw("NIL");
            return;
        }
        let utf8 = self.enabled.utf8();
        self.list(params, |e, (name, value)| {
            if value.is_ascii() || utf8 {
                e.token(name, "X");
                e.raw(" ");
                e.quoted(
                    &value
                        .chars()
                        .map(|c| if c.is_control() { ' ' } else { c })
                        .collect::<String>(),
                );
            } else {
                e.token(&format!("{name}*"), "X");
                e.raw(" ");
                e.quoted(&extended_value(value));
            }
        });
    }

    fn token(&mut self, text: &str, otherwise: &str) {
        self.string(&upper(text, otherwise));
    }
}

/// A type, encoding or parameter name: upper case, never empty.
fn upper(text: &str, otherwise: &str) -> String {
    match text.trim() {
        "" => otherwise.to_owned(),
        text => text.to_ascii_uppercase(),
    }
}

/// ```text
/// extended-value = charset "'" [language] "'" *(attribute-char / "%" 2HEXDIG)    RFC 2231
/// ```
fn extended_value(value: &str) -> String {
    let mut out = String::from("UTF-8''");
    for octet in value.bytes() {
        if octet.is_ascii_alphanumeric() || b"!#$&+-.^_`{}~".contains(&octet) {
            out.push(char::from(octet));
        } else {
            write!(out, "%{octet:02X}").expect("writing to a String cannot fail");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Enabled;

    fn text(part: &Part, extended: bool) -> String {
        let mut encoder = Encoder::default();
        encoder.structure(part, extended);
        String::from_utf8(encoder.take()).expect("UTF-8")
    }

    fn part(kind: &str, subtype: &str) -> Part {
        Part {
            kind: kind.to_owned(),
            subtype: subtype.to_owned(),
            encoding: "7bit".to_owned(),
            body_at: 10,
            end_at: 1162,
            lines: 23,
            ..Part::default()
        }
    }

    fn params(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn text_parts() {
        let plain = Part {
            params: params(&[("charset", "utf-8")]),
            ..part("text", "plain")
        };
        assert_eq!(
            text(&plain, false),
            r#"("TEXT" "PLAIN" ("CHARSET" "utf-8") NIL NIL "7BIT" 1152 23)"#
        );
        assert_eq!(
            text(&plain, true),
            r#"("TEXT" "PLAIN" ("CHARSET" "utf-8") NIL NIL "7BIT" 1152 23 NIL NIL NIL NIL)"#
        );
        assert_eq!(
            text(&Part::default(), true),
            r#"("TEXT" "PLAIN" NIL NIL NIL "7BIT" 0 0 NIL NIL NIL NIL)"#
        );
    }

    #[test]
    fn attachments() {
        let attachment = Part {
            params: params(&[("name", "Công văn.pdf")]),
            encoding: "base64".to_owned(),
            id: Some("<1@x>".to_owned()),
            disposition: Some(("attachment".to_owned(), params(&[("filename", "a\"b.pdf")]))),
            language: vec!["vi".to_owned(), "en".to_owned()],
            location: Some("x".to_owned()),
            md5: Some("Q2hlY2s=".to_owned()),
            ..part("application", "pdf")
        };
        assert_eq!(
            text(&attachment, true),
            r#"("APPLICATION" "PDF" ("NAME*" "UTF-8''C%C3%B4ng%20v%C4%83n.pdf") "<1@x>" NIL "BASE64" 1152 "Q2hlY2s=" ("ATTACHMENT" ("FILENAME" "a\"b.pdf")) ("vi" "en") "x")"#
        );
        let mut encoder = Encoder {
            enabled: Enabled {
                utf8_accept: true,
                rev2: false,
            },
            ..Encoder::default()
        };
        encoder.structure(&attachment, false);
        assert!(
            String::from_utf8(encoder.take())
                .expect("UTF-8")
                .contains("(\"NAME\" \"Công văn.pdf\")")
        );
    }

    #[test]
    fn multiparts() {
        let mixed = Part {
            params: params(&[("boundary", "b")]),
            parts: vec![part("text", "plain"), part("text", "html")],
            ..part("multipart", "alternative")
        };
        let leaf = |subtype: &str, rest: &str| {
            format!("(\"TEXT\" \"{subtype}\" NIL NIL NIL \"7BIT\" 1152 23{rest})")
        };
        assert_eq!(
            text(&mixed, false),
            format!(
                "({}{} \"ALTERNATIVE\")",
                leaf("PLAIN", ""),
                leaf("HTML", "")
            )
        );
        let rest = " NIL NIL NIL NIL";
        assert_eq!(
            text(&mixed, true),
            format!(
                "({}{} \"ALTERNATIVE\" (\"BOUNDARY\" \"b\") NIL NIL NIL)",
                leaf("PLAIN", rest),
                leaf("HTML", rest)
            )
        );
        let empty = part("multipart", "");
        assert_eq!(text(&empty, false), format!("({EMPTY_PART}) \"MIXED\")"));
    }

    #[test]
    fn messages() {
        let root = part("text", "plain");
        let message = Part {
            message: Some(Box::new((Envelope::default(), root))),
            ..part("message", "rfc822")
        };
        assert_eq!(
            text(&message, false),
            r#"("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 1152 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1152 23) 23)"#
        );
        assert_eq!(
            text(&part("message", "rfc822"), false),
            r#"("APPLICATION" "OCTET-STREAM" NIL NIL NIL "7BIT" 1152)"#
        );
        assert_eq!(
            text(&part("message", "delivery-status"), false),
            r#"("MESSAGE" "DELIVERY-STATUS" NIL NIL NIL "7BIT" 1152)"#
        );
    }

    #[test]
    fn depth_is_bounded() {
        let mut deep = part("text", "plain");
        for _ in 0..1_000 {
            deep = Part {
                parts: vec![deep],
                ..part("multipart", "mixed")
            };
        }
        let described = text(&deep, true);
        assert_eq!(described.matches("\"OCTET-STREAM\"").count(), 1);
        assert_eq!(
            described.matches('(').count(),
            described.matches(')').count()
        );
    }
}
