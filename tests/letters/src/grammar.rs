//! Texts from a grammar: rules with alternatives, one a line, in the files under `data/`.
//!
//! ```text
//! = rule                    the lines below it are its alternatives
//! {rule}                    an alternative of a rule
//! {RULE}                    the same, but one choice for the whole letter
//! {^rule}                   with a capital letter first
//! {?rule}                   or nothing, as often
//! {2-4 rule}                two to four of them, blanks between; {2-4| rule} on lines of their own
//! {#date}                   made up, see `Values`; {^#you} with a capital letter first
//! [one|two|three]           one of these
//! \n                        a new line; the line of the file ends, the alternative does not, with a \ at its end
//! ```

use std::collections::{BTreeMap, HashMap};

use crate::random::Random;

/// Rules inside rules that deep are a mistake of the grammar.
const DEPTH_MAX: usize = 24;

/// A piece of an alternative.
#[derive(Debug)]
enum Piece {
    Text(String),
    Value {
        name: String,
        capital: bool,
    },
    Choice(Vec<Vec<Piece>>),
    Rule {
        name: String,
        kept: bool,
        capital: bool,
        maybe: bool,
        times: (usize, usize),
        lines: bool,
    },
}

/// Rules by name. Later files replace rules of earlier ones.
#[derive(Debug, Default)]
pub(crate) struct Grammar {
    rules: HashMap<String, Vec<Vec<Piece>>>,
}

/// Gives what a grammar cannot know: dates, numbers, names.
pub(crate) trait Values {
    /// The value of that name.
    fn value(&mut self, name: &str, random: &mut Random) -> String;
}

impl Grammar {
    /// Reads the files.
    pub(crate) fn read(files: &[&str]) -> Self {
        let mut grammar = Self::default();
        for file in files {
            grammar.add(file);
        }
        grammar
    }

    fn add(&mut self, file: &str) {
        let mut name = String::new();
        let mut alternative = String::new();
        for line in file.lines().map(str::trim) {
            if line.is_empty() || line.starts_with("//") {
                continue;
            }
            if let Some(rule) = line.strip_prefix("= ") {
                rule.clone_into(&mut name);
                self.rules.insert(name.clone(), Vec::new());
                continue;
            }
            if let Some(more) = line.strip_suffix('\\') {
                alternative += more;
                continue;
            }
            alternative += line;
            let pieces = parse(&alternative);
            alternative.clear();
            self.rules.entry(name.clone()).or_default().push(pieces);
        }
    }

    /// Whether there is such a rule.
    #[cfg(test)]
    pub(crate) fn has(&self, rule: &str) -> bool {
        self.rules.contains_key(rule)
    }

    /// The names of all rules that are asked for, and of values.
    #[cfg(test)]
    pub(crate) fn asked(&self) -> (Vec<String>, Vec<String>) {
        fn visit(pieces: &[Piece], rules: &mut Vec<String>, values: &mut Vec<String>) {
            for piece in pieces {
                match piece {
                    Piece::Text(_) => {}
                    Piece::Value { name, .. } => values.push(name.clone()),
                    Piece::Choice(all) => all.iter().for_each(|one| visit(one, rules, values)),
                    Piece::Rule { name, .. } => rules.push(name.clone()),
                }
            }
        }
        let (mut rules, mut values) = (Vec::new(), Vec::new());
        for alternative in self.rules.values().flatten() {
            visit(alternative, &mut rules, &mut values);
        }
        (rules, values)
    }

    /// Starts a letter: choices kept for a letter are kept in the result.
    pub(crate) fn speaker<'a, V: Values>(
        &'a self,
        random: &'a mut Random,
        values: &'a mut V,
    ) -> Speaker<'a, V> {
        Speaker {
            grammar: self,
            random,
            values,
            kept: BTreeMap::new(),
        }
    }
}

/// Speaks one letter.
pub(crate) struct Speaker<'a, V> {
    grammar: &'a Grammar,
    random: &'a mut Random,
    values: &'a mut V,
    kept: BTreeMap<String, String>,
}

impl<V: Values> Speaker<'_, V> {
    /// An alternative of a rule.
    pub(crate) fn say(&mut self, rule: &str) -> String {
        let mut out = String::new();
        self.rule(rule, &mut out, 0);
        out
    }

    /// What was chosen for the whole letter under that name, chosen now if it was not.
    pub(crate) fn keep(&mut self, rule: &str) -> String {
        if let Some(kept) = self.kept.get(rule) {
            return kept.clone();
        }
        let said = self.say(rule);
        self.kept.insert(rule.to_owned(), said.clone());
        said
    }

    fn rule(&mut self, name: &str, out: &mut String, depth: usize) {
        let grammar = self.grammar;
        let alternatives = grammar.rules.get(name).map_or(&[][..], Vec::as_slice);
        if alternatives.is_empty() || depth > DEPTH_MAX {
            debug_assert!(false, "rule {name}");
            return;
        }
        let chosen = self.random.below(alternatives.len());
        self.pieces(&alternatives[chosen], out, depth + 1);
    }

    fn pieces(&mut self, pieces: &[Piece], out: &mut String, depth: usize) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value { name, capital } => {
                    let begin = out.len();
                    out.push_str(&self.values.value(name, self.random));
                    if *capital {
                        capitalize(out, begin);
                    }
                }
                Piece::Choice(all) => {
                    let chosen = self.random.below(all.len());
                    self.pieces(&all[chosen], out, depth);
                }
                Piece::Rule {
                    name,
                    kept,
                    capital,
                    maybe,
                    times,
                    lines,
                } => {
                    if *maybe && self.random.percent(50) {
                        continue;
                    }
                    let begin = out.len();
                    let count = times.0 + self.random.below(times.1 - times.0 + 1);
                    for turn in 0..count {
                        if turn > 0 {
                            out.push(if *lines { '\n' } else { ' ' });
                        }
                        if *kept {
                            out.push_str(&self.keep(name));
                        } else {
                            self.rule(name, out, depth);
                        }
                    }
                    if *capital {
                        capitalize(out, begin);
                    }
                }
            }
        }
    }
}

/// Makes the letter at `from` a capital.
fn capitalize(text: &mut String, from: usize) {
    let Some(first) = text[from..].chars().next() else {
        return;
    };
    let capital: String = first.to_uppercase().collect();
    text.replace_range(from..from + first.len_utf8(), &capital);
}

fn parse(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let braced = (c == '{').then(|| rest.find('}')).flatten();
        let choice = (c == '[').then(|| closing(rest)).flatten();
        if let Some(end) = braced {
            flush(&mut plain, &mut pieces);
            pieces.push(rule(&rest[1..end]));
            rest = &rest[end + 1..];
        } else if let Some(end) = choice {
            flush(&mut plain, &mut pieces);
            let parts = alternatives(&rest[1..end]);
            pieces.push(Piece::Choice(parts.into_iter().map(parse).collect()));
            rest = &rest[end + 1..];
        } else if let Some(more) = rest.strip_prefix("\\n") {
            plain.push('\n');
            rest = more;
        } else {
            plain.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    flush(&mut plain, &mut pieces);
    pieces
}

fn flush(plain: &mut String, pieces: &mut Vec<Piece>) {
    if !plain.is_empty() {
        pieces.push(Piece::Text(std::mem::take(plain)));
    }
}

/// The end of a choice that begins here; brackets without a bar are text, as in `[QC]`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut barred = false;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            '|' if depth == 1 => barred = true,
            ']' => {
                depth -= 1;
                if depth == 0 {
                    return barred.then_some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// The parts between bars, but not bars within brackets or braces.
fn alternatives(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut depth = 0;
    let mut from = 0;
    for (at, c) in text.char_indices() {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            '|' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// What stands in braces.
fn rule(text: &str) -> Piece {
    let value = text.strip_prefix('#').map(|name| (name, false));
    if let Some((name, capital)) = value.or(text.strip_prefix("^#").map(|name| (name, true))) {
        return Piece::Value {
            name: name.to_owned(),
            capital,
        };
    }
    let (maybe, text) = text.strip_prefix('?').map_or((false, text), |t| (true, t));
    let (capital, text) = text.strip_prefix('^').map_or((false, text), |t| (true, t));
    let mut times = (1, 1);
    let mut lines = false;
    let mut name = text;
    if let Some((range, of)) = text.split_once(' ') {
        lines = range.ends_with('|');
        let (least, most) = range
            .trim_end_matches('|')
            .split_once('-')
            .unwrap_or(("1", "1"));
        let least: usize = least.parse().unwrap_or(1);
        times = (least, most.parse().unwrap_or(least).max(least));
        name = of;
    }
    let kept = !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    Piece::Rule {
        name: name.to_ascii_lowercase(),
        kept,
        capital,
        maybe,
        times,
        lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Seven;

    impl Values for Seven {
        fn value(&mut self, _: &str, _: &mut Random) -> String {
            "7".to_owned()
        }
    }

    fn check(file: &str, expected: &[&str]) {
        let grammar = Grammar::read(&[file]);
        let mut found: Vec<String> = (0..200)
            .map(|seed| {
                let mut random = Random::new(&[seed]);
                grammar.speaker(&mut random, &mut Seven).say("start")
            })
            .collect();
        found.sort();
        found.dedup();
        assert_eq!(found, expected);
    }

    #[test]
    fn says_what_the_rules_say() {
        check("= start\na\nb", &["a", "b"]);
        check("= start\n{^x} {#n}\n= x\nđi", &["Đi 7"]);
        check("= start\n{X}{X}\n= x\na\nb", &["aa", "bb"]);
        check("= start\n{1-2 x}\n= x\na", &["a", "a a"]);
        check("= start\n{2-2| x}\n= x\na", &["a\na"]);
        check(
            "= start\n[QC] [a|b[c|d]]",
            &["[QC] a", "[QC] bc", "[QC] bd"],
        );
        check("= start\na{?x}\n= x\nb", &["a", "ab"]);
        check("= start\na\\\n  b\\nc", &["ab\nc"]);
    }
}
