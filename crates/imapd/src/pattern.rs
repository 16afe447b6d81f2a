//! LIST patterns: `*` matches anything, `%` anything but the separator (RFC 9051 section 6.3.9).
//!
//! All ways to match are followed at once, a bit a position: time is bounded by pattern length times name
//! length, whatever the wildcards.

/// The hierarchy separator.
pub(crate) const SEPARATOR: char = '/';

/// Literal characters of a pattern that can match at all: a mailbox name has at most 512 octets.
const LONGEST: usize = 512;

/// One compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// `%`
    Level,
    /// `*`
    Any,
}

impl Pattern {
    /// Joins reference and pattern, and collapses runs of wildcards. `None`: it can match no name.
    pub(crate) fn new(reference: &str, pattern: &str) -> Option<Self> {
        let mut tokens: Vec<Token> = Vec::new();
        // Wildcards count in the reference too: the two are one interpreted name.
        for c in reference.chars().chain(pattern.chars()) {
            match (c, tokens.last()) {
                ('%', Some(Token::Level | Token::Any)) | ('*', Some(Token::Any)) => {}
                ('*', Some(Token::Level)) => {
                    tokens.pop();
                    tokens.push(Token::Any);
                }
                ('%', _) => tokens.push(Token::Level),
                ('*', _) => tokens.push(Token::Any),
                (c, _) => tokens.push(Token::Literal(c)),
            }
        }
        let literals = tokens
            .iter()
            .filter(|token| matches!(token, Token::Literal(_)))
            .count();
        (literals <= LONGEST).then_some(Self { tokens })
    }

    /// Whether a name matches. The level INBOX matches in any case.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let inbox = name == "INBOX" || name.starts_with("INBOX/");
        let folded = if inbox { "INBOX".len() } else { 0 };
        // `at[i]`: tokens before i have matched what was read so far.
        let mut at = vec![false; self.tokens.len() + 1];
        let mut next = at.clone();
        at[0] = true;
        self.skip_wildcards(&mut at);
        for (index, c) in name.char_indices() {
            next.fill(false);
            for (position, token) in self.tokens.iter().enumerate() {
                match token {
                    _ if !at[position] => {}
                    Token::Any => next[position] = true,
                    Token::Level => next[position] |= c != SEPARATOR,
                    Token::Literal(literal) if index < folded => {
                        next[position + 1] = literal.eq_ignore_ascii_case(&c);
                    }
                    Token::Literal(literal) => next[position + 1] = *literal == c,
                }
            }
            if !next.contains(&true) {
                return false;
            }
            std::mem::swap(&mut at, &mut next);
            self.skip_wildcards(&mut at);
        }
        at.last() == Some(&true)
    }

    /// Wildcards may match nothing.
    fn skip_wildcards(&self, at: &mut [bool]) {
        for (position, token) in self.tokens.iter().enumerate() {
            if at[position] && !matches!(token, Token::Literal(_)) {
                at[position + 1] = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    fn check(reference: &str, pattern: &str, name: &str, expected: bool) {
        let found = Pattern::new(reference, pattern).is_some_and(|pattern| pattern.matches(name));
        assert_eq!(found, expected, "{reference:?} {pattern:?} {name:?}");
    }

    #[test]
    fn patterns() {
        check("", "*", "INBOX", true);
        check("", "*", "a/b/c", true);
        check("", "%", "a", true);
        check("", "%", "a/b", false);
        check("", "%/%", "a/b", true);
        check("", "a%", "a", true);
        check("", "a*c", "a/b/c", true);
        check("", "a%c", "a/b/c", false);
        check("", "%*", "a/b", true);
        check("", "*%b", "a/b", true);
        check("a/", "%", "a/b", true);
        check("a/", "%", "a/b/c", false);
        check("a", "/b", "a/b", true);
        check("", "", "", true);
        check("", "a", "A", false);
        check("", "V%n/Đ*", "Văn bản/Đến/2026", true);
    }

    #[test]
    fn inbox_in_any_case() {
        check("", "inbox", "INBOX", true);
        check("", "iNb%", "INBOX", true);
        check("", "inbox/%", "INBOX/a", true);
        check("", "inbox/A", "INBOX/a", false);
        check("", "inboxes", "INBOXES", false);
    }

    #[test]
    fn hostile_patterns_end_soon() {
        let name = "a".repeat(512);
        check("", &"%*".repeat(30_000), &name, true);
        check("", &format!("{}b", "a*".repeat(500)), &name, false);
        check("", &"a".repeat(100_000), &name, false);
    }
}
