//! Addresses: read once into a type, compared in one form, and masked wherever they could reach a log.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

/// Octets of a whole address at most (RFC 5321, section 4.5.3.1.3: a path has 256, two of them angle brackets).
const MAX_ADDRESS: usize = 254;
/// Octets before the `@` at most (RFC 5321, section 4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// What a local part may have besides letters and digits (`atext` of RFC 5322, section 3.2.3) and single inner dots.
const ATEXT: &str = "!#$%&'*+-/=?^_`{|}~";

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    #[error("an address has at most 254 characters, at most 64 of them before the @")]
    TooLong,
    #[error("an address has exactly one @, with something on both sides")]
    At,
    #[error("the part before the @ has a character that mail servers do not take, or a dot too many")]
    Local,
    #[error("the part after the @ is not a domain name")]
    Domain,
}

/// An e-mail address that mail servers take. The domain is in its ASCII form and lower case; the part before the `@` is
/// kept as written, since only its owner's server may decide what case means there (RFC 5321, section 2.4).
///
/// Quoted local parts and address literals are refused: nobody signs in with one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

impl EmailAddress {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local(&self) -> &str {
        self.0.split_once('@').map_or("", |(local, _)| local)
    }

    /// What stands after the `@`, in ASCII and lower case.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, domain)| domain)
    }

    /// The form to look a person up by: NFC and lower case on both sides. Never to be mailed to.
    #[must_use]
    pub fn normalized(&self) -> String {
        let lower: String = self.0.nfc().flat_map(char::to_lowercase).collect();
        lower.nfc().collect()
    }

    /// For logs: the first character and the domain.
    #[must_use]
    pub fn masked(&self) -> Masked<'_> {
        Masked(self)
    }
}

impl FromStr for EmailAddress {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, EmailError> {
        if text.len() > MAX_ADDRESS {
            return Err(EmailError::TooLong);
        }
        let (local, domain) = text.split_once('@').ok_or(EmailError::At)?;
        if local.is_empty() || domain.is_empty() || domain.contains('@') {
            return Err(EmailError::At);
        }
        if local.len() > MAX_LOCAL {
            return Err(EmailError::TooLong);
        }
        if !local.split('.').all(is_atom) {
            return Err(EmailError::Local);
        }
        let address = format!("{local}@{}", ascii_domain(domain)?);
        if address.len() > MAX_ADDRESS { Err(EmailError::TooLong) } else { Ok(Self(address)) }
    }
}

/// RFC 5322's `atom`, with the letters and digits of other scripts that RFC 6531 adds.
fn is_atom(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || ATEXT.contains(c))
}

/// The domain as DNS wants it (IDNA, through the URL standard's host parser), refused where that parser is more
/// generous than mail: it undoes percent escapes, and takes numbers for IPv4 addresses.
fn ascii_domain(text: &str) -> Result<String, EmailError> {
    if text.contains('%') {
        return Err(EmailError::Domain);
    }
    let Ok(url::Host::Domain(domain)) = url::Host::parse(text) else {
        return Err(EmailError::Domain);
    };
    let fits = domain.len() <= 253 && domain.split('.').all(is_label);
    if fits { Ok(domain) } else { Err(EmailError::Domain) }
}

fn is_label(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (1..=63).contains(&text.len()) && plain && !text.starts_with('-') && !text.ends_with('-')
}

impl TryFrom<String> for EmailAddress {
    type Error = EmailError;

    fn try_from(text: String) -> Result<Self, EmailError> {
        text.parse()
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Masked, because `{:?}` is what ends up in logs by accident.
impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmailAddress({})", self.masked())
    }
}

/// An address as logs may show it: `p***@saltmarsh.example`.
#[derive(Debug, Clone, Copy)]
pub struct Masked<'a>(&'a EmailAddress);

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(self.0.as_str()))
    }
}

/// [`Masked`] for text that never was an address for sure, such as what somebody typed into a form.
///
/// ```
/// assert_eq!(flybridge::domain::email::mask("priya@saltmarsh.example"), "p***@saltmarsh.example");
/// assert_eq!(flybridge::domain::email::mask("priya"), "***");
/// ```
#[must_use]
pub fn mask(text: &str) -> String {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return "***".to_owned();
    };
    let first: String = local.chars().take(1).collect();
    format!("{first}***@{domain}")
}

/// Masks every address inside a longer text, such as a mail server's answer.
#[must_use]
pub fn mask_within(text: &str) -> String {
    text.split_inclusive(|c: char| !(c.is_alphanumeric() || c == '@' || c == '.' || ATEXT.contains(c)))
        .map(|piece| if piece.contains('@') { mask(piece) } else { piece.to_owned() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<EmailAddress, EmailError> {
        text.parse()
    }

    #[test]
    fn ordinary_addresses_are_taken_and_the_domain_is_ascii_and_lower_case() {
        for (text, kept) in [
            ("q7m2x9k4v1w8z5t3@customer.fly.io", "q7m2x9k4v1w8z5t3@customer.fly.io"),
            ("Priya.Raman+sentry@SaltMarsh.Example", "Priya.Raman+sentry@saltmarsh.example"),
            ("o'connell@saltmarsh.example", "o'connell@saltmarsh.example"),
            ("zoë@bücher.example", "zoë@xn--bcher-kva.example"),
        ] {
            assert_eq!(parse(text).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused_with_the_reason() {
        for (text, error) in [
            ("", EmailError::At),
            ("priya", EmailError::At),
            ("@saltmarsh.example", EmailError::At),
            ("priya@", EmailError::At),
            ("priya@a@saltmarsh.example", EmailError::At),
            ("pri ya@saltmarsh.example", EmailError::Local),
            ("priya\r\nBcc: x@saltmarsh.example", EmailError::Local),
            (".priya@saltmarsh.example", EmailError::Local),
            ("pri..ya@saltmarsh.example", EmailError::Local),
            ("<priya@saltmarsh.example>", EmailError::Local),
            ("priya@saltmarsh.example>", EmailError::Domain),
            ("priya@salt marsh.example", EmailError::Domain),
            ("priya@saltmarsh.example\r\n", EmailError::Domain),
            ("priya@saltmarsh.example.", EmailError::Domain),
            ("priya@%73altmarsh.example", EmailError::Domain),
            ("priya@127.0.0.1", EmailError::Domain),
            ("priya@[::1]", EmailError::Domain),
            ("priya@-a.example", EmailError::Domain),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
        assert_eq!(parse(&format!("{}@a.example", "a".repeat(65))), Err(EmailError::TooLong));
        assert_eq!(parse(&format!("a@{}.example", "a.".repeat(130))), Err(EmailError::TooLong));
    }

    #[test]
    fn lookup_ignores_case_and_composition() {
        let written = parse("Zoe\u{308}@SALTMARSH.example").err();
        assert_eq!(written, Some(EmailError::Local), "a combining mark is no letter");
        assert_eq!(parse("ZOË@SaltMarsh.example").unwrap().normalized(), "zoë@saltmarsh.example");
    }

    #[test]
    fn logs_see_the_first_letter_and_the_domain() {
        let address = parse("priya@saltmarsh.example").unwrap();
        assert_eq!(address.masked().to_string(), "p***@saltmarsh.example");
        assert_eq!(format!("{address:?}"), "EmailAddress(p***@saltmarsh.example)");
        assert_eq!(
            mask_within("5.1.1 <priya@saltmarsh.example>: no such user, sam@b.example"),
            "5.1.1 <p***@saltmarsh.example>: no such user, s***@b.example"
        );
    }

    #[test]
    fn json_holds_the_address_and_refuses_what_is_none() {
        let address = parse("priya@saltmarsh.example").unwrap();
        let json = serde_json::to_string(&address).unwrap();
        assert_eq!(json, "\"priya@saltmarsh.example\"");
        assert_eq!(serde_json::from_str::<EmailAddress>(&json).unwrap(), address);
        assert!(serde_json::from_str::<EmailAddress>("\"priya\"").is_err());
    }
}
