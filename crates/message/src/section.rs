//! Which octets of a message a section names: BODY[1.2.MIME], BODY[HEADER], BINARY[3] and so on.
//!
//! Works on the places in the [`Part`] tree only; the octets are read from the store. Filtering of header
//! fields is `header::select`, decoding for BINARY is `transfer::Decoder`.

use std::ops::Range;

use crate::summary::Part;

/// What is asked of the place that the part numbers name (RFC 9051 section 6.4.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Nothing after the numbers: the whole message, or the part's body.
    Whole,
    /// HEADER, and the octets that HEADER.FIELDS picks from: of the message, or of an embedded message.
    Header,
    /// TEXT: the body of the message, or of an embedded message.
    Text,
    /// MIME: the part's own header.
    Mime,
}

/// A named section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section<'a> {
    /// Its octets in the message.
    pub octets: Range<u64>,
    /// The part that was named.
    pub part: &'a Part,
}

/// The octets of a section; `None` if the message has no such part, or the part no such thing.
///
/// ```text
/// section-part = nz-number *("." nz-number)                ; RFC 9051 section 9
/// section-text = section-msgtext / "MIME"
/// ```
pub fn locate<'a>(root: &'a Part, numbers: &[u32], want: Want) -> Option<Section<'a>> {
    let (part, message) = match numbers.split_first() {
        // The message itself.
        None => (root, Some(root)),
        Some((&first, rest)) => {
            let mut part = first_level(root, first)?;
            for &number in rest {
                part = match &part.message {
                    Some(message) => first_level(&message.1, number)?,
                    // A part that is no message has children only if it is a multipart.
                    None => child(part, number)?,
                };
            }
            (part, part.message.as_ref().map(|message| &message.1))
        }
    };
    let octets = match want {
        Want::Whole if numbers.is_empty() => part.header_at..part.end_at,
        Want::Whole => part.body_at..part.end_at,
        Want::Mime if numbers.is_empty() => return None,
        Want::Mime => part.header_at..part.body_at,
        Want::Header => {
            let message = message?;
            message.header_at..message.body_at
        }
        Want::Text => {
            let message = message?;
            message.body_at..message.end_at
        }
    };
    Some(Section { octets, part })
}

/// Part `number` of a message whose root is `root`: "every message has at least one part number", so
/// that part 1 of a message that is no multipart is its body.
fn first_level(root: &Part, number: u32) -> Option<&Part> {
    if root.parts.is_empty() {
        (number == 1).then_some(root)
    } else {
        child(root, number)
    }
}

fn child(part: &Part, number: u32) -> Option<&Part> {
    part.parts
        .get(usize::try_from(number.checked_sub(1)?).ok()?)
}
