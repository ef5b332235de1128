//! The signing keys as the store keeps them, and as they are held ready.
//!
//! All keys are one record, so that nodes agree on all of them at once. A key's life is a row of times:
//!
//! ```text
//! published_at        signs_from        retires_at        leaves_at
//!     |--- next ----------|--- current -----|--- previous -----|
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use serde::{Deserialize, Serialize};

use super::SigningError;
use super::key::{Algorithm, KeyPair};
use crate::clock::Timestamp;
use crate::domain::secret::Secret;
use crate::random::Random;
use crate::services::vault::{Purpose, Vault};
use crate::store::records::Stored;

/// All signing keys of the installation.
#[derive(Clone, Serialize, Deserialize)]
pub struct KeyRing {
    pub(super) keys: Vec<KeptKey>,
    /// What became of keys, the latest last.
    #[serde(default)]
    pub(super) history: Vec<KeyEvent>,
}

/// Something that happened to a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEvent {
    pub at: Timestamp,
    pub kid: String,
    pub what: KeyChange,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyChange {
    /// A node gave it its turn, as planned.
    Due,
    /// An operator gave it its turn.
    HandedOver,
    /// An operator took it away.
    Revoked,
    /// It got its turn because the one before it was revoked.
    Inherited,
}

/// Events that are kept: many years of turns.
const MOST_EVENTS: usize = 200;

impl Stored for KeyRing {}

/// One key as it is kept: the private part sealed, everything else as it may be published.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct KeptKey {
    pub(super) algorithm: Algorithm,
    /// The public key, with its `kid`.
    public: Jwk,
    /// PKCS#8, sealed under [`Purpose::AtRest`] with the `kid` as context.
    pub(super) private: String,
    created_at: Timestamp,
    /// From when it is in the key set.
    pub(super) published_at: Timestamp,
    /// From when it signs; a key that waits for its turn has no such time yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) signs_from: Option<Timestamp>,
    /// From when it signs no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retires_at: Option<Timestamp>,
    /// From when nothing it signed is valid any more, and it leaves the key set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) leaves_at: Option<Timestamp>,
}

impl KeptKey {
    pub(super) fn make(
        algorithm: Algorithm,
        vault: &Vault,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Self, SigningError> {
        let pair = KeyPair::generate(algorithm)?;
        let public = pair.jwk()?;
        let document = pair.to_pkcs8()?;
        let private = vault.seal_text(Purpose::AtRest, kid(&public), document.expose(), random);
        Ok(Self {
            algorithm,
            public,
            private,
            created_at: now,
            published_at: now,
            signs_from: None,
            retires_at: None,
            leaves_at: None,
        })
    }

    fn open(&self, vault: &Vault) -> Result<Secret<Vec<u8>>, SigningError> {
        let kid = kid(&self.public);
        let sealed = |error| SigningError::Sealed { kid: kid.to_owned(), error };
        vault.open_text(Purpose::AtRest, kid, &self.private).map_err(sealed)
    }

    /// Moves the private key under the current master key, if it is not there.
    pub(super) fn seal_again(&mut self, vault: &Vault, random: &dyn Random) -> Result<(), SigningError> {
        if vault.is_outdated_text(&self.private) {
            let document = self.open(vault)?;
            self.private = vault.seal_text(Purpose::AtRest, kid(&self.public), document.expose(), random);
        }
        Ok(())
    }

    pub(super) fn kid(&self) -> &str {
        kid(&self.public)
    }

    pub(super) fn is_retired(&self, now: Timestamp) -> bool {
        self.retires_at.is_some_and(|at| at <= now)
    }

    pub(super) fn is_gone(&self, now: Timestamp) -> bool {
        self.leaves_at.is_some_and(|at| at <= now)
    }
}

fn kid(public: &Jwk) -> &str {
    public.common.key_id.as_deref().unwrap_or_default()
}

impl KeyRing {
    /// The first keys of an installation: for each algorithm one that signs from now on, and the one after it.
    ///
    /// Takes some tenths of a second: not for an async thread.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn first(vault: &Vault, now: Timestamp, random: &dyn Random) -> Result<Self, SigningError> {
        let mut keys = Vec::new();
        for algorithm in Algorithm::ALL {
            let current = KeptKey::make(algorithm, vault, now, random)?;
            keys.push(KeptKey { signs_from: Some(now), ..current });
            keys.push(KeptKey::make(algorithm, vault, now, random)?);
        }
        Ok(Self { keys, history: Vec::new() })
    }

    pub(super) fn note(&mut self, at: Timestamp, kid: &str, what: KeyChange) {
        self.history.push(KeyEvent { at, kid: kid.to_owned(), what });
        let over = self.history.len().saturating_sub(MOST_EVENTS);
        self.history.drain(..over);
    }

    /// What became of keys, the latest last.
    #[must_use]
    pub fn history(&self) -> &[KeyEvent] {
        &self.history
    }

    /// Opens and parses every key that is in use at `now`.
    ///
    /// # Errors
    /// When a private key does not open or does not belong to its public key.
    pub fn load(&self, vault: &Vault, now: Timestamp) -> Result<ReadyKeys, SigningError> {
        let in_use = self.keys.iter().filter(|key| !key.is_gone(now));
        let keys = in_use.map(|key| ReadyKey::open(key, vault)).collect::<Result<Vec<_>, _>>()?;
        let set = JwkSet { keys: keys.iter().map(|key| key.public.clone()).collect() };
        let body = serde_json::to_vec(&set).map_err(|_| SigningError::Key("the key set could not be written"))?;
        Ok(ReadyKeys { keys, jwks: Arc::new(Prepared::new(body)) })
    }
}

/// A body that never changes while it is held, with the entity tag for it (RFC 9110, section 8.8.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    pub body: Bytes,
    /// In its quotes.
    pub etag: String,
}

impl Prepared {
    #[must_use]
    pub fn new(body: Vec<u8>) -> Self {
        let hash = digest::digest(&digest::SHA256, &body);
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]));
        Self { body: Bytes::from(body), etag }
    }
}

/// A key that signs and verifies without being parsed again.
pub(super) struct ReadyKey {
    public: Jwk,
    pub(super) pair: KeyPair,
    pub(super) decoding: DecodingKey,
    signs_from: Option<Timestamp>,
    retires_at: Option<Timestamp>,
}

impl ReadyKey {
    fn open(kept: &KeptKey, vault: &Vault) -> Result<Self, SigningError> {
        let pair = KeyPair::from_pkcs8(kept.algorithm, &kept.open(vault)?)?;
        if pair.jwk()? != kept.public {
            return Err(SigningError::Key("a private key does not belong to its public key"));
        }
        let unreadable = |_| SigningError::Key("a public key does not read");
        let decoding = DecodingKey::from_jwk(&kept.public).map_err(unreadable)?;
        let (signs_from, retires_at) = (kept.signs_from, kept.retires_at);
        Ok(Self { public: kept.public.clone(), pair, decoding, signs_from, retires_at })
    }

    pub(super) fn kid(&self) -> &str {
        kid(&self.public)
    }

    fn signs_at(&self, now: Timestamp) -> bool {
        self.signs_from.is_some_and(|from| from <= now) && self.retires_at.is_none_or(|at| now < at)
    }
}

/// The keys in use, parsed, with the key set as it is published.
pub struct ReadyKeys {
    keys: Vec<ReadyKey>,
    jwks: Arc<Prepared>,
}

impl ReadyKeys {
    /// The key that signs at `now`: of several the one whose turn came last.
    pub(super) fn current(&self, algorithm: Algorithm, now: Timestamp) -> Option<&ReadyKey> {
        let of_algorithm = || self.keys.iter().filter(|key| key.pair.algorithm() == algorithm);
        let signing = of_algorithm().filter(|key| key.signs_at(now)).max_by_key(|key| key.signs_from);
        // A node whose clock is behind the one that made the keys signs with the first of them.
        signing.or_else(|| of_algorithm().filter(|key| key.signs_from.is_some()).min_by_key(|key| key.signs_from))
    }

    pub(super) fn by_kid(&self, kid: &str) -> Option<&ReadyKey> {
        self.keys.iter().find(|key| key.kid() == kid)
    }

    pub(super) fn kids(&self) -> BTreeSet<String> {
        self.keys.iter().map(|key| key.kid().to_owned()).collect()
    }

    /// The `kid` of the key that signs at `now`.
    #[must_use]
    pub fn current_kid(&self, algorithm: Algorithm, now: Timestamp) -> Option<&str> {
        self.current(algorithm, now).map(ReadyKey::kid)
    }

    /// The key set as it is published (RFC 7517, section 5): public members only.
    #[must_use]
    pub fn jwks(&self) -> &Arc<Prepared> {
        &self.jwks
    }
}
