//! Identifiers. Each is its own type, so that a user's id never ends up where an organization's belongs.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::random::Random;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to 64 characters out of a-z, A-Z, 0-9, '-' and '_'")]
pub struct IdError;

/// Store keys and URLs carry ids unescaped, so nothing that separates or escapes may be in one.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let fits = (1..=64).contains(&text.len());
    fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn check(text: &str) -> Result<(), IdError> {
    if is_id(text) { Ok(()) } else { Err(IdError) }
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// 26 characters for 16 bytes (Crockford's base 32, lower case), so that time-first ids sort by time.
#[must_use]
pub fn text_of(bytes: [u8; 16]) -> String {
    let mut value = u128::from_be_bytes(bytes);
    let mut text = [0; 26];
    for slot in text.iter_mut().rev() {
        *slot = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
    text.iter().map(|b| char::from(*b)).collect()
}

/// 16 random bytes as text: 128 bits that nobody guesses.
#[must_use]
pub fn random_text(random: &dyn Random) -> String {
    text_of(random.bytes_16())
}

/// 6 bytes of time and 10 random ones as text: sorts by time.
#[must_use]
pub fn timed_text(now: Timestamp, random: &dyn Random) -> String {
    let mut bytes = random.bytes_16();
    let millis = u64::try_from(now.as_millis()).unwrap_or(0).to_be_bytes();
    bytes[..6].copy_from_slice(&millis[2..]);
    text_of(bytes)
}

/// When a [`timed_text`] was made; none for other text.
fn time_of(text: &str) -> Option<Timestamp> {
    if text.len() != 26 {
        return None;
    }
    let value = text.bytes().try_fold(0_u128, |value, b| {
        let digit = ALPHABET.iter().position(|&a| a == b)?;
        value.checked_mul(32)?.checked_add(u128::try_from(digit).ok()?)
    });
    Some(Timestamp::from_millis(i64::try_from(value? >> 80).ok()?))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check(text).map(|()| Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                check(&text).map(|()| Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A person; `sub` towards clients. Random, minted when (connector, upstream id) is first seen, never changed.
    UserId
);
id!(
    /// An organization: the id that Fly.io gives it, since Sentry's configuration is keyed by it.
    OrganizationId
);
id!(
    /// One authorization by one user for one client.
    GrantId
);
id!(
    /// One access token that a client was given in its own name.
    MachineTokenId
);
id!(
    /// One execution of "Disable Fly.io Auth". Sorts by time.
    RunId
);
id!(
    /// A registered relying party.
    ClientId
);
id!(
    /// One registration of a client: whoever is registered again under the same id is another.
    RegistrationId
);
id!(
    /// A person's id at the upstream (Fly.io's `user_id`).
    UpstreamUserId
);
id!(
    /// A job in the durable queue.
    JobId
);

id!(
    /// A session as clients know it (`sid`). Random, neither the session's cookie nor made from it, and the same when the
    /// person signs in once more in the same browser.
    SessionId
);

id!(
    /// What a person allowed one client, from when they allowed it until they take it back.
    ConsentId
);

id!(
    /// One rendering of a form whose buttons do what they do once, however often they are sent. Sorts by time.
    FormId
);

impl UserId {
    #[must_use]
    pub fn mint(random: &dyn Random) -> Self {
        Self(random_text(random))
    }
}

impl GrantId {
    #[must_use]
    pub fn mint(random: &dyn Random) -> Self {
        Self(random_text(random))
    }
}

impl MachineTokenId {
    #[must_use]
    pub fn mint(random: &dyn Random) -> Self {
        Self(random_text(random))
    }
}

impl RegistrationId {
    #[must_use]
    pub fn mint(random: &dyn Random) -> Self {
        Self(random_text(random))
    }
}

impl RunId {
    #[must_use]
    pub fn mint(now: Timestamp, random: &dyn Random) -> Self {
        Self(timed_text(now, random))
    }
}

impl FormId {
    /// How long after it was rendered a form may be sent.
    pub const LIFE: Duration = Duration::from_hours(24);
    /// By how much the clocks of two nodes may differ.
    const SKEW: Duration = Duration::from_hours(1);

    #[must_use]
    pub fn mint(now: Timestamp, random: &dyn Random) -> Self {
        Self(timed_text(now, random))
    }

    /// Until when it has to be remembered that the form was sent: longer than it may be sent. None when it may not be
    /// sent at `now`: it is too old, or not of ours.
    #[must_use]
    pub fn remember_until(&self, now: Timestamp) -> Option<Timestamp> {
        let rendered = time_of(&self.0)?;
        let ends = rendered.plus(Self::LIFE);
        (rendered <= now.plus(Self::SKEW) && now < ends).then(|| ends.plus(Self::SKEW))
    }
}

impl SessionId {
    #[must_use]
    pub fn mint(random: &dyn Random) -> Self {
        Self(random_text(random))
    }
}

impl ConsentId {
    #[must_use]
    pub fn mint(random: &dyn Random) -> Self {
        Self(random_text(random))
    }
}

impl JobId {
    #[must_use]
    pub fn mint(random: &dyn Random) -> Self {
        Self(random_text(random))
    }
}

/// The short name of an organization in URLs: lower case letters, digits and inner hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slug(String);

/// Why a text is not a short name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a short name has 1 to 63 characters out of a-z, 0-9 and '-', and starts and ends with a letter or digit")]
pub struct SlugError;

impl Slug {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Slug {
    type Err = SlugError;

    fn from_str(text: &str) -> Result<Self, SlugError> {
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let ends = !text.starts_with('-') && !text.ends_with('-');
        if (1..=63).contains(&text.len()) && plain && ends { Ok(Self(text.to_owned())) } else { Err(SlugError) }
    }
}

impl TryFrom<String> for Slug {
    type Error = SlugError;

    fn try_from(text: String) -> Result<Self, SlugError> {
        text.parse()
    }
}

impl From<Slug> for String {
    fn from(slug: Slug) -> Self {
        slug.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
