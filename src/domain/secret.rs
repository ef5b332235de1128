//! Secrets that do not leak by accident, and the opaque tokens that Flybridge hands out.

use std::fmt;

use aws_lc_rs::{constant_time, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::{Zeroize, Zeroizing};

use crate::domain::ids::is_id;
use crate::random::Random;

/// Whether two byte strings are equal, in a time that depends on their lengths only.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// Something that must not appear in logs, errors or answers: text by default, or bytes.
///
/// Wiped when dropped. It can be read from configuration, but never written: there is no `Display` and no `Serialize`.
#[derive(Clone)]
pub struct Secret<T: Zeroize = String>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The secret itself. Each call is a place where it may leak.
    #[must_use]
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<'de, T: Zeroize + Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::new)
    }
}

/// The SHA-256 of a token or of a client's secret: what is kept instead of it.
///
/// A plain hash is enough, since what goes in has 256 random bits. Kept as base64url without padding.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    #[must_use]
    pub fn of(token: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, token).as_ref());
        Self(hash)
    }

    /// For a hash that somebody else computed.
    #[must_use]
    pub const fn from_bytes(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 43 characters of base64url, fit for the name of a record.
    #[must_use]
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        decode_32(text).map(Self)
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[token hash]")
    }
}

impl Serialize for TokenHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_text(&text).ok_or_else(|| de::Error::custom("not 32 bytes of base64url"))
    }
}

/// Exactly 32 bytes out of 43 characters of canonical base64url without padding.
fn decode_32(text: &str) -> Option<[u8; 32]> {
    if text.len() != 43 {
        return None;
    }
    let mut bytes = [0; 32];
    let written = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    (written == bytes.len()).then_some(bytes)
}

/// What an opaque token is for. Its text starts with the prefix, so that secret scanners and people recognize it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    AuthorizationCode,
    AccessToken,
    RefreshToken,
    /// An access token of a client itself.
    MachineToken,
    Session,
}

impl TokenKind {
    pub const ALL: [Self; 5] =
        [Self::AuthorizationCode, Self::AccessToken, Self::RefreshToken, Self::MachineToken, Self::Session];

    /// Whether a text begins as a token of this kind does.
    #[must_use]
    pub fn begins(self, text: &str) -> bool {
        text.strip_prefix(self.prefix()).is_some_and(|rest| rest.starts_with('_'))
    }

    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "fbc",
            Self::AccessToken => "fba",
            Self::RefreshToken => "fbr",
            Self::MachineToken => "fbm",
            Self::Session => "fbs",
        }
    }
}

/// An opaque token: `<prefix>_<locator>.<43 characters>`.
///
/// The locator, such as the id of the grant, finds the record with one read; the rest is 32 random bytes in base64url
/// without padding. The store keeps only the [`TokenHash`] of the whole text.
#[derive(Clone)]
pub struct Token {
    kind: TokenKind,
    locator: String,
    secret: Zeroizing<[u8; 32]>,
}

impl Token {
    /// A fresh token. `locator` is the text of an id; a token made with anything else will never parse again.
    #[must_use]
    pub fn mint(kind: TokenKind, locator: &str, random: &dyn Random) -> Self {
        Self { kind, locator: locator.to_owned(), secret: Zeroizing::new(random.bytes_32()) }
    }

    /// The token of a secret that can be computed again, so that a lost answer can be repeated.
    #[must_use]
    pub fn from_secret(kind: TokenKind, locator: &str, secret: [u8; 32]) -> Self {
        Self { kind, locator: locator.to_owned(), secret: Zeroizing::new(secret) }
    }

    /// Reads a token of this kind. There is one text for each token: other encodings of the same bytes are refused.
    #[must_use]
    pub fn parse(kind: TokenKind, text: &str) -> Option<Self> {
        let rest = text.strip_prefix(kind.prefix())?.strip_prefix('_')?;
        let (locator, secret) = rest.split_once('.')?;
        let secret = Zeroizing::new(decode_32(secret)?);
        is_id(locator).then(|| Self { kind, locator: locator.to_owned(), secret })
    }

    #[must_use]
    pub fn kind(&self) -> TokenKind {
        self.kind
    }

    #[must_use]
    pub fn locator(&self) -> &str {
        &self.locator
    }

    /// The text that its holder presents. Each call is a place where it may leak.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.locator.len() + 48));
        text.push_str(self.kind.prefix());
        text.push('_');
        text.push_str(&self.locator);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(self.secret.as_slice(), &mut text);
        text
    }

    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.expose().as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}.[secret]", self.kind.prefix(), self.locator)
    }
}
