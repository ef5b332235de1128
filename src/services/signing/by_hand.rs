//! What an operator may want of the keys: to see them, to have the next ones sign sooner, to take one away.

use super::SigningError;
use super::key::Algorithm;
use super::ring::{KeptKey, KeyChange, KeyRing};
use super::rotation::RotationPlan;
use crate::clock::Timestamp;
use crate::random::Random;
use crate::services::vault::Vault;

/// Where a key stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Published, and signs some day.
    Next,
    /// Published, and signs from then on.
    Agreed,
    Current,
    /// Signs no more; what it signed is still verified.
    Previous,
}

/// One key, as far as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    pub kid: String,
    pub algorithm: Algorithm,
    pub stage: Stage,
    pub published_at: Timestamp,
    pub signs_from: Option<Timestamp>,
    pub retires_at: Option<Timestamp>,
    /// When it leaves the key set.
    pub leaves_at: Option<Timestamp>,
}

impl KeyRing {
    /// The keys in use at `now`, by algorithm and the order of their turns.
    #[must_use]
    pub fn list(&self, now: Timestamp) -> Vec<KeyInfo> {
        let mut keys: Vec<KeyInfo> =
            self.keys.iter().filter(|key| !key.is_gone(now)).map(|key| info(key, now)).collect();
        // Who has no turn yet comes last.
        keys.sort_by_key(|key| (key.algorithm.name(), key.signs_from.is_none(), key.signs_from));
        keys
    }

    /// The ring in which the next key of each algorithm follows as soon as everybody who caches the key set knows it and
    /// all nodes have agreed. Where a change of turns is agreed already, nothing changes.
    ///
    /// May take some tenths of a second: not for an async thread.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn hand_over(
        &self,
        plan: &RotationPlan,
        vault: &Vault,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Self, SigningError> {
        let mut ring = self.clone();
        for algorithm in Algorithm::ALL {
            let current = ring.place(algorithm, |key| key.retires_at.is_none() && key.signs_from.is_some());
            let next = ring.place(algorithm, |key| key.signs_from.is_none());
            let (Some(current), Some(next)) = (current, next) else { continue };
            if ring.keys[current].signs_from.is_some_and(|from| from > now) {
                continue;
            }
            let known = ring.keys[next].published_at.plus(plan.announced_for).max(now);
            ring.take_turns((current, next), (now, known.plus(plan.agreed_for)), plan, KeyChange::HandedOver);
            ring.keys.push(KeptKey::make(algorithm, vault, now, random)?);
        }
        Ok(ring)
    }

    /// The ring without the key `kid`, at once: what it signed is no longer verified, and if it was its turn or about to
    /// be, another key of its algorithm signs from `now` on.
    ///
    /// May take some tenths of a second: not for an async thread.
    ///
    /// # Errors
    /// [`SigningError::Unknown`], or when a key cannot be made.
    pub fn without(
        &self,
        kid: &str,
        vault: &Vault,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Self, SigningError> {
        let mut ring = self.clone();
        let at =
            ring.keys.iter().position(|key| key.kid() == kid).ok_or_else(|| SigningError::Unknown(kid.to_owned()))?;
        let algorithm = ring.keys.remove(at).algorithm;
        ring.note(now, kid, KeyChange::Revoked);
        let signs = |key: &KeptKey| key.signs_from.is_some_and(|from| from <= now) && !key.is_retired(now);
        if let Some(current) = ring.place(algorithm, signs) {
            // Whoever was to follow is gone, so it stays.
            if ring.place(algorithm, |key| key.signs_from.is_some_and(|from| from > now)).is_none() {
                (ring.keys[current].retires_at, ring.keys[current].leaves_at) = (None, None);
            }
        } else {
            let agreed = ring.place(algorithm, |key| key.signs_from.is_some_and(|from| from > now));
            let heir = agreed.or_else(|| ring.place(algorithm, |key| key.signs_from.is_none()));
            let heir = if let Some(heir) = heir {
                heir
            } else {
                ring.keys.push(KeptKey::make(algorithm, vault, now, random)?);
                ring.keys.len() - 1
            };
            ring.keys[heir].signs_from = Some(now);
            let heir = ring.keys[heir].kid().to_owned();
            ring.note(now, &heir, KeyChange::Inherited);
        }
        if ring.place(algorithm, |key| key.signs_from.is_none()).is_none() {
            ring.keys.push(KeptKey::make(algorithm, vault, now, random)?);
        }
        Ok(ring)
    }
}

fn info(key: &KeptKey, now: Timestamp) -> KeyInfo {
    let stage = match key.signs_from {
        None => Stage::Next,
        Some(from) if from > now => Stage::Agreed,
        Some(_) if key.is_retired(now) => Stage::Previous,
        Some(_) => Stage::Current,
    };
    KeyInfo {
        kid: key.kid().to_owned(),
        algorithm: key.algorithm,
        stage,
        published_at: key.published_at,
        signs_from: key.signs_from,
        retires_at: key.retires_at,
        leaves_at: key.leaves_at,
    }
}
