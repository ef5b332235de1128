//! What a mail server said, made fit for pages and logs.

use super::line::one_line;
use crate::domain::email::mask_within;

/// Characters of an answer that are kept.
const KEPT: usize = 200;
/// From this length on, a word that also stands in the mail is taken for a piece of its link.
const TOKEN: usize = 16;

/// `answer` on one line, at most 200 characters long, with addresses masked and without anything of the link in
/// `mail`. Servers quote what they refuse, and a set-up link is as good as a password.
pub(in crate::services) fn fit_to_show(answer: &str, mail: &str) -> String {
    let words = answer
        .split_whitespace()
        .map(|word| if word.contains("://") { "[link]".to_owned() } else { hide(word, mail) });
    one_line(&mask_within(&words.collect::<Vec<_>>().join(" ")), KEPT)
}

/// Replaces every run of token characters in `word` that is long and stands in the mail too.
fn hide(word: &str, mail: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut shown = String::with_capacity(word.len());
    for piece in word.split_inclusive(|c| !is_token(c)) {
        let token = piece.trim_end_matches(|c| !is_token(c));
        if token.len() >= TOKEN && mail.contains(token) {
            shown.push_str("[hidden]");
            shown.push_str(&piece[token.len()..]);
        } else {
            shown.push_str(piece);
        }
    }
    shown
}

/// The enhanced status code at the start of an answer, as (class, subject, detail) (RFC 3463, section 2).
pub(super) fn enhanced_code(answer: &str) -> Option<(u8, u16, u16)> {
    let mut numbers = answer.split_whitespace().next()?.split('.');
    let class = numbers.next()?.parse().ok().filter(|class| matches!(class, 2 | 4 | 5))?;
    let subject = numbers.next()?.parse().ok()?;
    let detail = numbers.next()?.parse().ok()?;
    numbers.next().is_none().then_some((class, subject, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "Set your password:\nhttps://flybridge.example/set-up/pW3kq8Zr0vTn5yLx2Hc7Jd9Fb4Gm6Sa1\n";

    #[test]
    fn an_answer_shows_no_address_no_link_and_no_piece_of_a_token() {
        let answer = "5.7.1 <priya@saltmarsh.example>\r\n spam: https://flybridge.example/set-up/pW3k \
            (pW3kq8Zr0vTn5yLx2Hc7Jd9F) id 0100018a1b2c3d4e-5f6a7b8c-000000\u{7}";
        assert_eq!(
            fit_to_show(answer, MAIL),
            "5.7.1 <p***@saltmarsh.example> spam: [link] ([hidden]) id 0100018a1b2c3d4e-5f6a7b8c-000000"
        );
    }

    #[test]
    fn an_answer_is_bounded() {
        assert_eq!(fit_to_show(&"no ".repeat(10_000), MAIL).chars().count(), KEPT);
    }

    #[test]
    fn enhanced_codes_are_read_where_they_stand() {
        assert_eq!(enhanced_code("5.1.1 no such user"), Some((5, 1, 1)));
        assert_eq!(enhanced_code("4.2.2"), Some((4, 2, 2)));
        for none in ["", "no 5.1.1", "127.0.0.1 is listed", "3.1.1 x", "5.1 x"] {
            assert_eq!(enhanced_code(none), None, "{none}");
        }
    }
}
