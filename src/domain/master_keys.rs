//! Master keys as people write them down.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use zeroize::Zeroizing;

use crate::domain::secret::{Secret, same};
use crate::random::Random;

const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Words that stand in keys which somebody typed or copied from a manual. A random key of 43 characters has one of them
/// less than once in a hundred million.
const TELLTALE: [&str; 8] =
    ["changeme", "change_me", "change-me", "default", "example", "password", "masterkey", "flybridge"];

/// Why a master key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    #[error("there is no master key; make one with `openssl rand -hex 32`")]
    Missing,
    #[error("a master key has 32 bytes: 64 hexadecimal digits, or 43 or 44 characters of base64")]
    Shape,
    #[error("this master key can be guessed, it looks like an example; make one with `openssl rand -hex 32`")]
    Guessable,
    #[error("the same master key is given twice")]
    Repeated,
}

/// The master keys, 32 bytes each. The first is the current one, the others still open what was made with them.
#[derive(Clone)]
pub struct MasterKeys(Vec<Secret<[u8; 32]>>);

impl MasterKeys {
    /// Reads keys separated by white space or commas: 64 hexadecimal digits, or 43 or 44 characters of base64 or
    /// base64url.
    ///
    /// # Errors
    /// When there is no key, or one that is short, malformed, guessable or repeated.
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
        let keys = words.map(parse_one).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(MasterKeyError::Missing);
        }
        for (i, key) in keys.iter().enumerate() {
            if keys[..i].iter().any(|other| same(other.expose(), key.expose())) {
                return Err(MasterKeyError::Repeated);
            }
        }
        Ok(Self(keys))
    }

    /// The text of a new key, 43 characters of base64url.
    #[must_use]
    pub fn generate(random: &dyn Random) -> Secret {
        let bytes = Zeroizing::new(random.bytes_32());
        Secret::new(general_purpose::URL_SAFE_NO_PAD.encode(bytes.as_slice()))
    }

    /// The current one first.
    pub fn keys(&self) -> impl Iterator<Item = &Secret<[u8; 32]>> {
        self.0.iter()
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} master keys]", self.0.len())
    }
}

fn parse_one(text: &str) -> Result<Secret<[u8; 32]>, MasterKeyError> {
    let lower = Zeroizing::new(text.to_ascii_lowercase());
    if TELLTALE.iter().any(|word| lower.contains(word)) {
        return Err(MasterKeyError::Guessable);
    }
    let bytes = decode(text).ok_or(MasterKeyError::Shape)?;
    if looks_made_up(&bytes) { Err(MasterKeyError::Guessable) } else { Ok(Secret::new(*bytes)) }
}

fn decode(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    match text.len() {
        64 => {
            for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
            }
        }
        43 | 44 => {
            let engine = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
            if engine.decode_slice(text, bytes.as_mut_slice()).ok()? != 32 {
                return None;
            }
        }
        _ => return None,
    }
    Some(bytes)
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Random bytes are neither all printable, nor equally spaced, nor made of a few values: each has a chance below
/// 10^-13.
fn looks_made_up(bytes: &[u8; 32]) -> bool {
    let typed = bytes.iter().all(|b| (b' '..=b'~').contains(b));
    let spaced = bytes.windows(3).all(|w| w[1].wrapping_sub(w[0]) == w[2].wrapping_sub(w[1]));
    let mut values = Zeroizing::new(*bytes);
    values.sort_unstable();
    let distinct = 1 + values.windows(2).filter(|pair| pair[0] != pair[1]).count();
    typed || spaced || distinct < 16
}
