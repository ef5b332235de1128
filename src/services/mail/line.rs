//! Text from outside (names of people and organizations, reasons) on its way into a mail.

use std::fmt;

/// Characters of a name at most.
const NAME: usize = 80;
/// Characters of a sentence at most.
const SENTENCE: usize = 240;
/// Names listed before the rest is only counted.
const LISTED: usize = 4;

/// One line of text, short enough to show. Whoever holds one knows that it ends no header, starts no paragraph and
/// turns no writing direction, whatever its author put in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line(String);

impl Line {
    /// A name, cut after 80 characters.
    #[must_use]
    pub fn name(text: &str) -> Self {
        Self(one_line(text, NAME))
    }

    /// A sentence or a subject, cut after 240 characters.
    #[must_use]
    pub fn sentence(text: &str) -> Self {
        Self(one_line(text, SENTENCE))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Controls, line and paragraph separators, and the marks that turn or hide text.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// `text` on one line and at most `limit` characters long. A `=?` is parted, or a mail program would read the rest as
/// an encoded word (RFC 2047) and show what was never checked.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let plain: String = text.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect();
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ").replace("=?", "= ?");
    if line.chars().count() <= limit {
        return line;
    }
    let cut: String = line.chars().take(limit - 1).collect();
    format!("{}…", cut.trim_end())
}

/// Names in a sentence: "A", "A and B", "A, B and C", and from the sixth on "A, B, C, D and 2 more".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names(Vec<Line>);

impl Names {
    #[must_use]
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().map(Line::name).collect())
    }

    /// Whether a verb after the names is plural.
    #[must_use]
    pub fn are_several(&self) -> bool {
        self.0.len() > 1
    }
}

impl FromIterator<Line> for Names {
    fn from_iter<T: IntoIterator<Item = Line>>(lines: T) -> Self {
        Self(lines.into_iter().collect())
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.0.len() > LISTED + 1 { LISTED } else { self.0.len().saturating_sub(1) };
        let (listed, rest) = self.0.split_at(shown);
        let before = listed.iter().map(Line::as_str).collect::<Vec<_>>().join(", ");
        match (listed, rest) {
            (_, []) => f.write_str("your organization"),
            ([], [only]) => write!(f, "{only}"),
            (_, [last]) => write!(f, "{before} and {last}"),
            (_, rest) => write!(f, "{before} and {} more", rest.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_whatever_was_put_in() {
        assert_eq!(Line::name(" Salt\r\nBcc: x@y.example\u{2028}\tLabs\0 ").as_str(), "Salt Bcc: x@y.example Labs");
        assert_eq!(Line::name("\u{202e}sbaL\u{200b}").as_str(), "sbaL");
        assert_eq!(Line::name("=?utf-8?q?=0d=0a?=").as_str(), "= ?utf-8?q?=0d=0a?=");
        assert_eq!(Line::name(&"é".repeat(200)).as_str().chars().count(), 80);
        assert!(Line::name("\r\n").is_empty());
    }

    #[test]
    fn names_read_as_a_person_would_say_them() {
        let said = |names: &[&str]| Names::new(names.iter().copied()).to_string();
        assert_eq!(said(&[]), "your organization");
        assert_eq!(said(&["A"]), "A");
        assert_eq!(said(&["A", "B"]), "A and B");
        assert_eq!(said(&["A", "B", "C"]), "A, B and C");
        assert_eq!(said(&["A", "B", "C", "D", "E"]), "A, B, C, D and E");
        assert_eq!(said(&["A", "B", "C", "D", "E", "F"]), "A, B, C, D and 2 more");
    }
}
