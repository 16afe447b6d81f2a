//! SEARCH and ESEARCH (RFC 9051 section 7.3.4, RFC 4731).

use super::Encoder;
use crate::ask::SequenceSet;
use crate::response::SearchResult;
use crate::set;

impl Encoder {
    /// ```text
    /// esearch-response  = "ESEARCH" [search-correlator] [SP "UID"] *(SP search-return-data)
    /// search-correlator = SP "(" "TAG" SP tag-string ")"
    /// search-return-data = "MIN" SP nz-number / "MAX" SP nz-number / "ALL" SP sequence-set / "COUNT" SP number
    /// "SEARCH" *(SP nz-number)                                                                      RFC 3501
    /// ```
    /// The tag is quoted because the new Outlook fails on an atom. IMAP4rev2 never gets the old form.
    pub(super) fn search(&mut self, result: &SearchResult) {
        let old = result.numbers.as_ref();
        if let (Some(numbers), false) = (old, self.enabled.rev2) {
            self.raw("* SEARCH");
            for n in numbers {
                self.put(format_args!(" {n}"));
            }
            self.crlf();
            return;
        }
        self.raw("* ESEARCH (TAG ");
        let tag = self.tag.clone();
        self.quoted(&tag);
        self.raw(")");
        if result.uid {
            self.raw(" UID");
        }
        for (name, value) in [("MIN", result.min), ("MAX", result.max)] {
            if let Some(value) = value {
                self.put(format_args!(" {name} {value}"));
            }
        }
        let all = old
            .map(|numbers| set::compact(numbers))
            .or_else(|| result.all.clone());
        // An empty set has no spelling; the item is left out.
        if let Some(SequenceSet::Ranges(ranges)) =
            all.filter(|all| *all != SequenceSet::Ranges(vec![]))
        {
            let mut text = String::from(" ALL ");
            set::write(&mut text, &SequenceSet::Ranges(ranges));
            self.raw(&text);
        }
        if let Some(count) = result.count {
            self.put(format_args!(" COUNT {count}"));
        }
        self.crlf();
    }
}

#[cfg(test)]
mod tests {
    use super::super::text_of;
    use super::*;
    use crate::response::Untagged;
    use crate::session::Enabled;

    #[test]
    fn results() {
        fn check(result: &SearchResult, old: &str, new: &str) {
            for (rev2, expected) in [(false, old), (true, new)] {
                let enabled = Enabled {
                    utf8_accept: false,
                    rev2,
                };
                assert_eq!(
                    text_of(enabled, Untagged::Search(result.clone())),
                    format!("* {expected}\r\n")
                );
            }
        }
        let numbers = |numbers: &[u32]| SearchResult {
            numbers: Some(numbers.to_vec()),
            ..SearchResult::default()
        };
        check(
            &numbers(&[2, 3, 6]),
            "SEARCH 2 3 6",
            "ESEARCH (TAG \"a1\") ALL 2:3,6",
        );
        check(&numbers(&[]), "SEARCH", "ESEARCH (TAG \"a1\")");
        check(
            &SearchResult {
                uid: true,
                ..numbers(&[2])
            },
            "SEARCH 2",
            "ESEARCH (TAG \"a1\") UID ALL 2",
        );
        let all = Some(set::compact(&[1, 2, 3]));
        let full = SearchResult {
            uid: true,
            numbers: None,
            min: Some(1),
            max: Some(3),
            all,
            count: Some(3),
        };
        let text = "ESEARCH (TAG \"a1\") UID MIN 1 MAX 3 ALL 1:3 COUNT 3";
        check(&full, text, text);
        let none = SearchResult {
            count: Some(0),
            all: Some(SequenceSet::Ranges(vec![])),
            ..SearchResult::default()
        };
        check(
            &none,
            "ESEARCH (TAG \"a1\") COUNT 0",
            "ESEARCH (TAG \"a1\") COUNT 0",
        );
    }
}
