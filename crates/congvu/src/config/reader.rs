//! Takes settings out of a table by name and notes what is unknown or wrong.
//!
//! Invariant: a table's known names are exactly those that were asked for, so no list of names can
//! fall out of step with the code that reads them.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problems;

/// Why a value is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) remedy: String,
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// A value as the file has it.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// Turns a value into a setting; may note several problems of an array itself.
pub(super) type Parse<T> = fn(&DeValue<'_>) -> Result<T, Wrong>;

/// One table of the file.
pub(super) struct Section<'a> {
    /// `limits.connections-per-address`, empty for the file itself.
    name: String,
    table: Option<&'a DeTable<'a>>,
    span: Option<Range<usize>>,
    asked: Vec<&'static str>,
    problems: &'a Problems,
}

impl<'a> Section<'a> {
    /// The file itself.
    pub(super) fn root(table: &'a DeTable<'a>, problems: &'a Problems) -> Self {
        Self {
            name: String::new(),
            table: Some(table),
            span: None,
            asked: Vec::new(),
            problems,
        }
    }

    /// Whether the file has this setting at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// A setting with a default.
    pub(super) fn get<T>(&mut self, key: &'static str, parse: Parse<T>, default: T) -> T {
        self.find(key, parse).unwrap_or(default)
    }

    /// A setting that may be absent.
    pub(super) fn find<T>(&mut self, key: &'static str, parse: Parse<T>) -> Option<T> {
        let value = self.take(key)?;
        self.parsed(key, value, parse)
    }

    /// A setting that must be there.
    pub(super) fn require<T>(&mut self, key: &'static str, parse: Parse<T>) -> Option<T> {
        if let Some(value) = self.take(key) {
            return self.parsed(key, value, parse);
        }
        let what = format!("{}: {key} is missing", self.name);
        self.problems
            .add(self.span.clone(), what, format!("add: {key} = …"));
        None
    }

    /// A list with a default; each bad element is noted.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        parse: Parse<T>,
        default: Vec<T>,
    ) -> Vec<T> {
        let Some(value) = self.take(key) else {
            return default;
        };
        let Some(array) = value.get_ref().as_array() else {
            let what = format!("{}: expected a list, found {}", self.path(key), kind(value));
            self.problems
                .add(Some(value.span()), what, format!("write: {key} = [ … ]"));
            return default;
        };
        array
            .iter()
            .filter_map(|element| self.parsed(key, element, parse))
            .collect()
    }

    /// A table inside; what is absent has its defaults.
    pub(super) fn section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'a>) -> T,
    ) -> T {
        let value = self.take(key);
        if let Some(value) = value
            && !value.get_ref().is_table()
        {
            let what = format!(
                "{}: expected a table, found {}",
                self.path(key),
                kind(value)
            );
            self.problems.add(
                Some(value.span()),
                what,
                format!("write [{}] and its settings below", self.path(key)),
            );
        }
        let mut section = Section {
            name: self.path(key),
            table: value.and_then(|value| value.get_ref().as_table()),
            span: value.map(Spanned::span),
            asked: Vec::new(),
            problems: self.problems,
        };
        let read = read(&mut section);
        section.finish();
        read
    }

    /// Tables of one kind, one element each even if it is wrong; `None` when there is none.
    pub(super) fn sections<T>(
        &mut self,
        key: &'static str,
        read: fn(&mut Section<'a>) -> T,
    ) -> Option<Vec<T>> {
        let value = self.take(key)?;
        let Some(array) = value.get_ref().as_array() else {
            let remedy = format!("each is a table of its own: [[{}]]", self.path(key));
            let what = format!("{}: expected tables, found {}", self.path(key), kind(value));
            self.problems.add(Some(value.span()), what, remedy);
            return None;
        };
        let mut all = Vec::new();
        for element in array {
            let mut section = Section {
                name: format!("[[{}]]", self.path(key)),
                table: element.get_ref().as_table(),
                span: Some(element.span()),
                asked: Vec::new(),
                problems: self.problems,
            };
            all.push(read(&mut section));
            section.finish();
        }
        Some(all)
    }

    /// Notes what nobody asked for.
    pub(super) fn finish(self) {
        let Some(table) = self.table else { return };
        for key in table.keys() {
            let name: &str = key.get_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let what = format!("{} is no setting", self.path(name));
            let remedy = nearest(name, &self.asked).map_or_else(
                || format!("known here: {}", self.asked.join(", ")),
                |near| format!("did you mean {near}?"),
            );
            self.problems.add(Some(key.span()), what, remedy);
        }
    }

    fn take(&mut self, key: &'static str) -> Option<&'a Value<'a>> {
        self.asked.push(key);
        self.table?.get(key)
    }

    fn parsed<T>(&self, key: &str, value: &Value<'_>, parse: Parse<T>) -> Option<T> {
        match parse(value.get_ref()) {
            Ok(parsed) => Some(parsed),
            Err(wrong) => {
                let what = format!("{}: {}", self.path(key), wrong.what);
                self.problems.add(Some(value.span()), what, wrong.remedy);
                None
            }
        }
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else if self.name.starts_with('[') {
            format!("{} {key}", self.name)
        } else {
            format!("{}.{key}", self.name)
        }
    }
}

fn kind(value: &Value<'_>) -> String {
    value.get_ref().type_str().to_owned()
}

/// The known name that `name` is most likely meant to be: at most a third of its letters differ.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let name = name.replace('_', "-").to_ascii_lowercase();
    known
        .iter()
        .map(|candidate| (distance(&name, candidate), *candidate))
        .filter(|(far, candidate)| *far <= candidate.len().div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance, in characters. Names of settings are short; a longer text is no slip.
fn distance(one: &str, other: &str) -> usize {
    const LONGEST: usize = 64;
    if one.len() > LONGEST {
        return usize::MAX;
    }
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_nearest_name() {
        let known = ["hostname", "data", "time-zone"];
        let check =
            |name: &str, expected: Option<&str>| assert_eq!(nearest(name, &known), expected);
        check("hostnam", Some("hostname"));
        check("host_name", Some("hostname"));
        check("timezone", Some("time-zone"));
        check("Data", Some("data"));
        check("colour", None);
        check(&"x".repeat(5000), None);
    }
}
