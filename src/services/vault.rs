//! Everything that is derived from the master keys: sealing, and authentication codes.
//!
//! HKDF-SHA256 (RFC 5869) gives each [`Purpose`] two keys of its own, one for AES-256-GCM and one for HMAC-SHA256.
//! Of several master keys the first seals and signs; all of them open and verify, so a key can be replaced by putting
//! the new one in front and dropping the old one when nothing made with it is left.
//!
//! A sealed value is
//!
//! ```text
//! format (1 byte)   id of the master key (4)   nonce (12)   ciphertext   tag (16)
//! ```
//!
//! The first five bytes and the caller's context are authenticated with it. Nonces are random, so one master key is
//! good for 2^32 sealings a purpose (NIST SP 800-38D, section 8.3).

use std::collections::BTreeSet;
use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use crate::domain::master_keys::{MasterKeyError, MasterKeys};

use crate::domain::secret::{Secret, same};
use crate::random::Random;

const FORMAT: u8 = 1;
const ID_LEN: usize = 4;
const HEAD_LEN: usize = 1 + ID_LEN;

/// What a derived key is for. A value made for one purpose means nothing to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Pending requests and other state that travels in a cookie.
    CookieSeal,
    /// Tokens in forms.
    Csrf,
    /// Links by which members set a password.
    SetupLink,
    /// Secrets in the store: upstream tokens, signing keys.
    AtRest,
    /// Message-IDs, the same for every attempt at one mail.
    MessageId,
    /// Addresses where only equality matters, such as the keys of throttles.
    PrivacyHash,
    /// Access and refresh tokens.
    Tokens,
    /// Links by which people confirm an address of their own.
    ContactLink,
}

impl Purpose {
    const ALL: [Self; 8] = [
        Self::CookieSeal,
        Self::Csrf,
        Self::SetupLink,
        Self::AtRest,
        Self::MessageId,
        Self::PrivacyHash,
        Self::Tokens,
        Self::ContactLink,
    ];

    /// Part of the derivation: changing a label makes everything unreadable that was made with it.
    const fn label(self) -> &'static str {
        match self {
            Self::CookieSeal => "cookie-seal",
            Self::Csrf => "csrf",
            Self::SetupLink => "setup-link",
            Self::AtRest => "at-rest",
            Self::MessageId => "message-id",
            Self::PrivacyHash => "privacy-hash",
            Self::Tokens => "tokens",
            Self::ContactLink => "contact-link",
        }
    }
}

/// Why a sealed value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("not a sealed value of this version")]
    Malformed,
    #[error("sealed with a master key that is not configured")]
    UnknownKey,
    /// Altered, or sealed for another purpose or context.
    #[error("the sealed value does not belong here or was altered")]
    Refused,
}

struct PurposeKeys {
    seal: LessSafeKey,
    mac: hmac::Key,
}

struct Derived {
    id: [u8; ID_LEN],
    /// In the order of [`Purpose::ALL`], which is that of the declaration.
    purposes: Vec<PurposeKeys>,
}

impl Derived {
    fn name(&self) -> String {
        self.id.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }
}

/// The keys derived from the master keys, ready for use.
pub struct Vault {
    /// Never empty; the first is the current one.
    keys: Vec<Derived>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[vault of {} master keys]", self.keys.len())
    }
}

impl Vault {
    /// # Errors
    /// When two master keys are the same.
    pub fn new(masters: &MasterKeys) -> Result<Self, MasterKeyError> {
        let keys: Vec<Derived> = masters.keys().map(derive).collect();
        let distinct = keys.iter().enumerate().all(|(i, key)| keys[..i].iter().all(|other| other.id != key.id));
        if distinct { Ok(Self { keys }) } else { Err(MasterKeyError::Repeated) }
    }

    /// How many master keys there are.
    #[must_use]
    pub fn master_keys(&self) -> usize {
        self.keys.len()
    }

    /// What names the current master key in everything that is sealed with it: eight hexadecimal digits, which tell
    /// nothing of the key.
    #[must_use]
    pub fn current_id(&self) -> String {
        self.keys[0].name()
    }

    /// The same of the other master keys.
    #[must_use]
    pub fn older_ids(&self) -> BTreeSet<String> {
        self.keys[1..].iter().map(Derived::name).collect()
    }

    /// Encrypts and authenticates. `context` says where the value belongs and must be given again to open it.
    #[must_use]
    #[expect(clippy::expect_used, reason = "fails for more than 64 GiB only")]
    pub fn seal(&self, purpose: Purpose, context: &str, plaintext: &[u8], random: &dyn Random) -> Vec<u8> {
        let current = &self.keys[0];
        let head = head(current.id);
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce);
        let mut body = Vec::with_capacity(HEAD_LEN + NONCE_LEN + plaintext.len() + AES_256_GCM.tag_len());
        body.extend_from_slice(&head);
        body.extend_from_slice(&nonce);
        body.extend_from_slice(plaintext);
        let aad = Aad::from([&head, context.as_bytes()].concat());
        let tag = current.purposes[purpose as usize]
            .seal
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut body[HEAD_LEN + NONCE_LEN..])
            .expect("plaintexts are far smaller than the cipher's limit");
        body.extend_from_slice(tag.as_ref());
        body
    }

    /// # Errors
    /// When the value was not sealed for this purpose and context with one of the master keys.
    pub fn open(&self, purpose: Purpose, context: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>, OpenError> {
        let (head, rest) = sealed.split_first_chunk::<HEAD_LEN>().ok_or(OpenError::Malformed)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>().ok_or(OpenError::Malformed)?;
        if head[0] != FORMAT {
            return Err(OpenError::Malformed);
        }
        let key = self.keys.iter().find(|key| key.id == head[1..]).ok_or(OpenError::UnknownKey)?;
        let aad = Aad::from([&head[..], context.as_bytes()].concat());
        let mut buffer = ciphertext.to_vec();
        let plaintext = key.purposes[purpose as usize]
            .seal
            .open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut buffer)
            .map_err(|_| OpenError::Refused)?;
        let length = plaintext.len();
        buffer.truncate(length);
        Ok(Secret::new(buffer))
    }

    /// [`Vault::seal`] as base64url without padding.
    #[must_use]
    pub fn seal_text(&self, purpose: Purpose, context: &str, plaintext: &[u8], random: &dyn Random) -> String {
        URL_SAFE_NO_PAD.encode(self.seal(purpose, context, plaintext, random))
    }

    /// # Errors
    /// As [`Vault::open`].
    pub fn open_text(&self, purpose: Purpose, context: &str, sealed: &str) -> Result<Secret<Vec<u8>>, OpenError> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| OpenError::Malformed)?;
        self.open(purpose, context, &bytes)
    }

    /// Whether a value is sealed with another than the current master key and should be sealed again when convenient.
    #[must_use]
    pub fn is_outdated(&self, sealed: &[u8]) -> bool {
        sealed.get(1..HEAD_LEN) != Some(&self.keys[0].id[..])
    }

    /// [`Vault::is_outdated`] for the text form.
    #[must_use]
    pub fn is_outdated_text(&self, sealed: &str) -> bool {
        URL_SAFE_NO_PAD.decode(sealed).is_ok_and(|bytes| self.is_outdated(&bytes))
    }

    /// HMAC-SHA256 over the parts under the current master key. Parts carry their length, so `["ab", "c"]` and
    /// `["a", "bc"]` differ.
    #[must_use]
    pub fn mac(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
        mac_with(&self.keys[0], purpose, parts)
    }

    /// [`Vault::mac`] under each master key, the current one first: what a value made earlier may look like.
    pub fn macs<'a>(&'a self, purpose: Purpose, parts: &'a [&'a [u8]]) -> impl Iterator<Item = [u8; 32]> + 'a {
        self.keys.iter().map(move |key| mac_with(key, purpose, parts))
    }

    /// Whether `given` is the [`Vault::mac`] of the parts under one of the master keys, in constant time.
    #[must_use]
    pub fn verify_mac(&self, purpose: Purpose, parts: &[&[u8]], given: &[u8]) -> bool {
        // No short circuit: which key it was is nobody's business.
        self.macs(purpose, parts).fold(false, |found, expected| found | same(&expected, given))
    }
}

fn head(id: [u8; ID_LEN]) -> [u8; HEAD_LEN] {
    let mut head = [FORMAT; HEAD_LEN];
    head[1..].copy_from_slice(&id);
    head
}

fn mac_with(key: &Derived, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&key.purposes[purpose as usize].mac);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut mac = [0; 32];
    mac.copy_from_slice(context.sign().as_ref());
    mac
}

fn derive(master: &Secret<[u8; 32]>) -> Derived {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"flybridge/1").extract(master.expose());
    let purposes = (Purpose::ALL.iter())
        .map(|purpose| PurposeKeys { seal: seal_key(&prk, purpose.label()), mac: mac_key(&prk, purpose.label()) })
        .collect();
    let id = expand(&prk, "key-id", "id");
    Derived { id: [id.expose()[0], id.expose()[1], id.expose()[2], id.expose()[3]], purposes }
}

#[expect(clippy::expect_used, reason = "the length is that of the cipher's key")]
fn seal_key(prk: &hkdf::Prk, label: &str) -> LessSafeKey {
    let bytes = expand(prk, label, "seal");
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes.expose()).expect("32 bytes are a key of AES-256"))
}

fn mac_key(prk: &hkdf::Prk, label: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, expand(prk, label, "mac").expose())
}

#[expect(clippy::expect_used, reason = "fails for more than 255 blocks only")]
fn expand(prk: &hkdf::Prk, label: &str, role: &str) -> Secret<[u8; 32]> {
    let mut bytes = [0; 32];
    prk.expand(&[label.as_bytes(), b"/", role.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut bytes))
        .expect("32 bytes are one block of SHA-256");
    Secret::new(bytes)
}
