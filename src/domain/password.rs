//! Passwords: their one normalized form, what is kept of them, and which ones are good enough.

mod hash;
mod policy;

use unicode_normalization::UnicodeNormalization as _;

pub use hash::{HashParameters, MalformedHash, PasswordHash};
pub use policy::{Assessment, Context, Policy, Weak};

use crate::domain::secret::Secret;

/// More bytes than any password that the policy allows can have before normalization.
const MAX_BYTES: usize = 8 * 1024;

/// A password in the form in which it is hashed and compared: NFKC (NIST SP 800-63B-4, section 3.1.1.2), so that the
/// same keys pressed on another system give the same password. Wiped when dropped.
#[derive(Debug, Clone)]
pub struct Password(Secret);

impl Password {
    /// `None` for more than 8 KiB, which no password has.
    #[must_use]
    pub fn normalize(raw: &str) -> Option<Self> {
        if raw.len() > MAX_BYTES {
            return None;
        }
        // Measured first, so that no growing buffer leaves a copy behind.
        let length = raw.nfkc().map(char::len_utf8).sum();
        let mut text = String::with_capacity(length);
        text.extend(raw.nfkc());
        Some(Self(Secret::new(text)))
    }

    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Length in Unicode code points.
    #[must_use]
    pub fn characters(&self) -> usize {
        self.0.expose().chars().count()
    }
}
