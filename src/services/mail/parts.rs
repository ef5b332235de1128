//! What a mail says: subject, plain text and HTML.

use super::line::Line;

/// Columns of plain text, so that a quoted copy still fits a terminal (RFC 3676, section 4.2 advises 66 to 78).
const COLUMNS: usize = 76;

/// The three parts of one mail, ready to be put into a [`Message`](super::Message).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    pub subject: Line,
    pub text: String,
    pub html: String,
}

impl Parts {
    /// `subject` becomes one line, the paragraphs of `text` are folded.
    #[must_use]
    pub fn new(subject: &str, text: &str, html: String) -> Self {
        Self { subject: Line::sentence(subject), text: fold(text), html }
    }
}

/// Breaks lines longer than 76 columns at spaces. Items of a list go on under their text; a word that is longer than
/// a line, such as a link, stays whole.
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len() + 64);
    for line in text.trim_end().lines() {
        if line.chars().count() <= COLUMNS {
            folded.push_str(line);
        } else {
            fold_line(line, &mut folded);
        }
        folded.push('\n');
    }
    folded
}

fn fold_line(line: &str, folded: &mut String) {
    let indent = if line.starts_with("- ") { "  " } else { "" };
    let mut column = 0;
    for word in line.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > COLUMNS {
            folded.push('\n');
            folded.push_str(indent);
            column = indent.len();
        } else if column > 0 {
            folded.push(' ');
            column += 1;
        }
        folded.push_str(word);
        column += width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_break_at_spaces_and_links_stay_whole() {
        let word = "harbour ";
        let link = format!("https://flybridge.example/set-up/{}", "x".repeat(80));
        let text = format!("{}\n{link}\n- {}\n-- \nend\n\n", word.repeat(20).trim_end(), word.repeat(12).trim_end());
        let folded = fold(&text);
        assert!(folded.lines().all(|line| line.chars().count() <= COLUMNS || line == link), "{folded}");
        assert!(folded.contains("\n  harbour"), "{folded}");
        assert!(folded.ends_with("\n-- \nend\n"));
        assert_eq!(folded.replace('\n', " ").matches("harbour").count(), 32);
    }
}
