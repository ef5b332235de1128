//! What is kept of a password: an argon2id hash in the PHC string format.
//!
//! ```text
//! $argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>
//! ```
//!
//! RFC 9106 for the function, <https://github.com/P-H-C/phc-string-format> for the text.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

/// What one hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HashParameters {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// Why a text is not a password hash, or parameters are not ones of argon2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an argon2id hash in the PHC format with parameters within bounds")]
pub struct MalformedHash;

impl HashParameters {
    /// A damaged record must not make a worker take more than this.
    const MAX_MEMORY_KIB: u32 = 1024 * 1024;
    const MAX_PASSES: u32 = 64;
    const MAX_LANES: u32 = 64;

    /// # Errors
    /// Below what argon2 is defined for (RFC 9106, section 3.1), or above 1 GiB, 64 passes or 64 lanes.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, MalformedHash> {
        let fits = (1..=Self::MAX_PASSES).contains(&passes)
            && (1..=Self::MAX_LANES).contains(&lanes)
            && (8 * lanes..=Self::MAX_MEMORY_KIB).contains(&memory_kib);
        if fits { Ok(Self { memory_kib, passes, lanes }) } else { Err(MalformedHash) }
    }

    #[must_use]
    pub fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    #[must_use]
    pub fn passes(&self) -> u32 {
        self.passes
    }

    #[must_use]
    pub fn lanes(&self) -> u32 {
        self.lanes
    }

    /// Whether this is at least 19 MiB and 2 passes, below which real passwords should not be hashed (OWASP Password
    /// Storage Cheat Sheet).
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.memory_kib >= 19 * 1024 && self.passes >= 2
    }
}

/// 19 MiB, 2 passes, 1 lane.
impl Default for HashParameters {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 }
    }
}

/// An argon2id hash. Its `Debug` shows nothing, its text is for the store only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PasswordHash {
    parameters: HashParameters,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl PasswordHash {
    /// # Errors
    /// When salt or output have a length that the text form does not allow.
    pub fn new(parameters: HashParameters, salt: Vec<u8>, output: Vec<u8>) -> Result<Self, MalformedHash> {
        let fits = (8..=64).contains(&salt.len()) && (16..=64).contains(&output.len());
        if fits { Ok(Self { parameters, salt, output }) } else { Err(MalformedHash) }
    }

    /// Reads the one text that [`PasswordHash::to_text`] gives for a hash; no other spelling of it.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn parse(text: &str) -> Result<Self, MalformedHash> {
        let parts: Vec<&str> = text.splitn(7, '$').collect();
        let ["", "argon2id", "v=19", parameters, salt, output] = parts[..] else {
            return Err(MalformedHash);
        };
        let parameters: Vec<&str> = parameters.splitn(4, ',').collect();
        let [memory, passes, lanes] = parameters[..] else {
            return Err(MalformedHash);
        };
        let parameters = HashParameters::new(number(memory, "m=")?, number(passes, "t=")?, number(lanes, "p=")?)?;
        Self::new(parameters, bytes(salt)?, bytes(output)?)
    }

    #[must_use]
    pub fn to_text(&self) -> String {
        let HashParameters { memory_kib, passes, lanes } = self.parameters;
        let (salt, output) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(&self.output));
        format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${output}")
    }

    #[must_use]
    pub fn parameters(&self) -> HashParameters {
        self.parameters
    }

    #[must_use]
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.output
    }
}

fn number(text: &str, name: &str) -> Result<u32, MalformedHash> {
    let digits = text.strip_prefix(name).ok_or(MalformedHash)?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    if plain { digits.parse().map_err(|_| MalformedHash) } else { Err(MalformedHash) }
}

fn bytes(text: &str) -> Result<Vec<u8>, MalformedHash> {
    if text.len() > 86 {
        return Err(MalformedHash);
    }
    STANDARD_NO_PAD.decode(text).map_err(|_| MalformedHash)
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[password hash]")
    }
}

impl TryFrom<String> for PasswordHash {
    type Error = MalformedHash;

    fn try_from(text: String) -> Result<Self, MalformedHash> {
        Self::parse(&text)
    }
}

impl From<PasswordHash> for String {
    fn from(hash: PasswordHash) -> Self {
        hash.to_text()
    }
}
