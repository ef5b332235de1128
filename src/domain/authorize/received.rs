//! What came from outside, as it may stand in a log.

use std::fmt::Write as _;

use crate::domain::secret::TokenKind;

/// Text from outside as it may stand in a log: short, printable ASCII, on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received(String);

impl Received {
    /// Characters that are kept.
    const MOST: usize = 200;

    /// Without what may be a secret that came where it does not belong.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let between = |c: char| c.is_whitespace() || ",\":".contains(c);
        let hidden = without_secrets(&without_tokens(beginning(text)), between);
        Self::clean(&hidden, text.len())
    }

    /// What is ours, such as a registered address: no secret can be in it.
    #[must_use]
    pub fn ours(text: &str) -> Self {
        Self::clean(text, text.len())
    }

    /// `length`: of all that was received, in bytes.
    fn clean(text: &str, length: usize) -> Self {
        let mut shown = String::new();
        for c in text.chars().take(Self::MOST) {
            if matches!(c, ' '..='~') {
                shown.push(c);
            } else {
                let _ = write!(shown, "<U+{:04X}>", u32::from(c));
            }
        }
        if text.chars().nth(Self::MOST).is_some() || length > LOOKED_AT {
            let _ = write!(shown, "... ({length} bytes in all)");
        }
        Self(shown)
    }

    /// An address, without who it names before an `@`, and without what in its query or fragment may be a code, a state or
    /// a token, by its name or its length: applications send the address that they are at, with all that came there.
    #[must_use]
    pub fn address(text: &str) -> Self {
        let length = text.len();
        let text = beginning(text);
        let (place, rest) = text.split_at(text.find(['?', '#']).unwrap_or(text.len()));
        let from = place.find("//").map_or(0, |slashes| slashes + 2);
        let end = place[from..].find('/').map_or(place.len(), |slash| from + slash);
        let host = place[from..end].rfind('@').map_or(from, |at| from + at);
        let name = if host > from { HIDDEN } else { "" };
        let mut shown = [&place[..from], name, &place[host..]].concat();
        let mut named = "";
        for part in rest.split_inclusive(['?', '#', '&', ';', '=']) {
            let separated = part.ends_with(['?', '#', '&', ';', '=']);
            let (word, end) = part.split_at(part.len() - usize::from(separated));
            let secret = TELLTALE.iter().any(|name| named.to_ascii_lowercase().contains(name));
            let hidden = word.len() > LONGEST_SHOWN || (secret && !word.is_empty());
            shown.push_str(if hidden { HIDDEN } else { word });
            shown.push_str(end);
            named = if end == "=" { word } else { "" };
        }
        let between = |c: char| c.is_whitespace() || "/.:?#&=;@".contains(c);
        Self::clean(&without_secrets(&without_tokens(&shown), between), length)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// As much of a text as is looked at: a request can be long.
fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(LOOKED_AT)]
}

fn without_tokens(text: &str) -> String {
    const JWT: &str = "eyJ";
    let starts = |rest: &str| rest.starts_with(JWT) || TokenKind::ALL.iter().any(|kind| kind.begins(rest));
    let of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut shown = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if starts(rest) {
            shown.push_str(HIDDEN);
            rest = rest.trim_start_matches(of_token);
        } else {
            shown.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    shown
}

/// Words that are too long for a name and mix digits, small letters, capitals or signs, as secrets do. `between` tells what
/// separates words.
fn without_secrets(text: &str, between: impl Fn(char) -> bool) -> String {
    let mut shown = String::new();
    for part in text.split_inclusive(&between) {
        let word = part.trim_end_matches(&between);
        let has = |kind: fn(char) -> bool| word.chars().any(kind);
        let kinds = [
            has(|c| c.is_ascii_digit()),
            has(|c| c.is_ascii_lowercase()),
            has(|c| c.is_ascii_uppercase()),
            has(|c| !c.is_ascii_alphanumeric() && !"-_:./".contains(c)),
        ];
        let secret = word.len() > LONGEST_NAME && kinds.into_iter().filter(|has| *has).count() > 1;
        shown.push_str(if secret { HIDDEN } else { word });
        shown.push_str(&part[word.len()..]);
    }
    shown
}

/// What stands in a log in place of what may be a secret.
const HIDDEN: &str = "...";
/// What gives away, in the name of a parameter, that its value is nobody's business.
const TELLTALE: [&str; 8] = ["code", "state", "nonce", "token", "password", "secret", "session", "hint"];
/// Bytes of a text.
const LOOKED_AT: usize = 2_000;
/// Of a word with digits in it; the shortest secret of a client has 16 characters.
const LONGEST_NAME: usize = 15;
/// Of a name or a value in an address. Secrets are longer.
const LONGEST_SHOWN: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_nothing_stands_in_the_log_that_may_be_a_secret() {
        for (address, shown) in [
            ("https://rp.test/cb", "https://rp.test/cb"),
            ("https://rp.test/cb?x=1&keep=a%20b#top", "https://rp.test/cb?x=1&keep=a%20b#top"),
            (
                "https://rp.test/cb?code=fbc_01h.SSSSSSSSSSSS&state=0f1e2d3c4b5a6978",
                "https://rp.test/cb?code=...&state=...",
            ),
            ("https://rp.test/cb#access_token=fba_SSSSSSSSSSSS", "https://rp.test/cb#access_token=..."),
            ("https://rp.test/cb?state=xyz&Password=abc&x=1", "https://rp.test/cb?state=...&Password=...&x=1"),
            ("https://rp.test/reset/4f2a9c07e1b3d586", "https://rp.test/reset/..."),
            (
                "https://very-long-name-of-an-application.example/auth/sso/cb2",
                "https://very-long-name-of-an-application.example/auth/sso/cb2",
            ),
            ("iHDlPtnUZ0WdlW90R8odtpO2yDO3swT95", "..."),
            ("https://rp.test/cb?fbc_SSSSSSSSSSSSSSSS", "https://rp.test/cb?..."),
            ("https://rp.test/cb?a=SSSSSSSSSSSSSSSS==", "https://rp.test/cb?a=...=="),
            ("https://leo:SSSS@rp.test/cb", "https://...@rp.test/cb"),
            ("https://leo@a:SSSS@rp.test", "https://...@rp.test"),
            ("leo:SSSS@rp.test/cb@2", "...@rp.test/cb@2"),
            ("", ""),
            ("//?", "//?"),
        ] {
            assert_eq!(Received::address(address).as_str(), shown);
        }
    }

    #[test]
    fn whatever_is_repeated_for_as_long_as_a_request_can_be_is_looked_at_in_no_time() {
        for text in ["eyJ/", "fbc_/", "a", "/", "?", "@", "\u{e9}", "a=", "A1 "] {
            let long = text.repeat(1_000_000 / text.len());
            for shown in [Received::of(&long), Received::address(&long)] {
                assert!(shown.as_str().len() < 2_000 && shown.as_str().ends_with("bytes in all)"), "{text}");
            }
        }
    }

    #[test]
    fn what_was_received_stands_on_one_line_of_bounded_length() {
        let shown = |text: &str| Received::of(text).as_str().to_owned();
        assert_eq!(shown("code \"id_token\""), "code \"id_token\"");
        assert_eq!(shown("kD8!wq9Z$1mn7Pq@x"), "...");
        for mistake in
            ["openid,email,profile", "\"authorization_code\"", "urn:ietf:params:oauth:grant-type:saml2-bearer"]
        {
            assert_eq!(shown(mistake), mistake);
        }
        assert_eq!(shown("fba_01h.SSSSSSSS"), "...");
        assert_eq!(shown("code fbc_01h.SSSS-SS_SS eyJhbGciOiJub25lIn0.e30."), "code ... ...");
        assert_eq!(shown("a\r\nINFO forged"), "a<U+000D><U+000A>INFO forged");
        assert_eq!(shown("\u{202e}gnp.\u{1b}[31m\u{e9}"), "<U+202E>gnp.<U+001B>[31m<U+00E9>");
        assert_eq!(shown("iHDlPtnUZ0WdlW90R8odtpO2yDO3swT95-Dbok4Miy0"), "...");
        assert_eq!(shown("prompt none 6tqN+Uz/3f+pLover=wReN"), "prompt none ...");
        let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
        assert_eq!(shown(grant), grant);
        assert_eq!(shown("organizations:disable sentry-oidc-2 S256"), "organizations:disable sentry-oidc-2 S256");
        assert_eq!(shown(&"x ".repeat(100)), "x ".repeat(100));
        assert_eq!(shown(&"\u{e9}".repeat(201)), format!("{}... (402 bytes in all)", "<U+00E9>".repeat(200)));
    }
}
