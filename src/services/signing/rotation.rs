//! When keys take turns.

use std::time::Duration;

use super::SigningError;
use super::key::Algorithm;
use super::ring::{KeptKey, KeyChange, KeyRing};
use crate::clock::Timestamp;
use crate::random::Random;
use crate::services::vault::Vault;

/// How long the stages of a key's life last.
#[derive(Debug, Clone, Copy)]
pub struct RotationPlan {
    /// How long a key signs.
    pub signs_for: Duration,
    /// How long a key is published before it may sign: longer than anybody caches the key set.
    pub announced_for: Duration,
    /// How long before a change of turns it is written down: longer than any node goes without a reload.
    pub agreed_for: Duration,
    /// How long a key stays published after its last signature: longer than anything it signed is valid.
    pub kept_for: Duration,
}

impl Default for RotationPlan {
    /// A new key every 90 days, published 2 days ahead, agreed an hour ahead, kept for 7 days.
    fn default() -> Self {
        Self {
            signs_for: Duration::from_hours(90 * 24),
            announced_for: Duration::from_hours(2 * 24),
            agreed_for: Duration::from_hours(1),
            kept_for: Duration::from_hours(7 * 24),
        }
    }
}

impl KeyRing {
    /// Whether [`KeyRing::advance`] would change anything at `now`.
    #[must_use]
    pub fn is_due(&self, plan: &RotationPlan, vault: &Vault, now: Timestamp) -> bool {
        self.is_outdated(vault)
            || self.keys.iter().any(|key| key.is_gone(now))
            || Algorithm::ALL.into_iter().any(|algorithm| self.successor(algorithm, plan, now).is_some())
    }

    /// Whether a key is sealed with another than the current master key.
    pub(super) fn is_outdated(&self, vault: &Vault) -> bool {
        self.keys.iter().any(|key| vault.is_outdated_text(&key.private))
    }

    /// The ring with what is due done: keys whose turn is over handed over to the next, new ones made for the turn
    /// after that, those dropped that nothing valid was signed with, and all sealed with the current master key.
    ///
    /// May take some tenths of a second: not for an async thread.
    ///
    /// # Errors
    /// When a key cannot be made or opened.
    pub fn advance(
        &self,
        plan: &RotationPlan,
        vault: &Vault,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Self, SigningError> {
        let mut ring = self.clone();
        for algorithm in Algorithm::ALL {
            let Some((current, next)) = self.successor(algorithm, plan, now) else {
                continue;
            };
            ring.take_turns((current, next), (now, now.plus(plan.agreed_for)), plan, KeyChange::Due);
            ring.keys.push(KeptKey::make(algorithm, vault, now, random)?);
        }
        ring.keys.retain(|key| !key.is_gone(now));
        for key in &mut ring.keys {
            key.seal_again(vault, random)?;
        }
        Ok(ring)
    }

    /// From `turn` on the second signs in place of the first, as is decided `now`.
    pub(super) fn take_turns(
        &mut self,
        (current, next): (usize, usize),
        (now, turn): (Timestamp, Timestamp),
        plan: &RotationPlan,
        why: KeyChange,
    ) {
        self.keys[current].retires_at = Some(turn);
        self.keys[current].leaves_at = Some(turn.plus(plan.kept_for));
        self.keys[next].signs_from = Some(turn);
        let kid = self.keys[next].kid().to_owned();
        self.note(now, &kid, why);
    }

    /// Where the first key of `algorithm` stands that is `wanted`.
    pub(super) fn place(&self, algorithm: Algorithm, wanted: impl Fn(&KeptKey) -> bool) -> Option<usize> {
        self.keys.iter().position(|key| key.algorithm == algorithm && wanted(key))
    }

    /// The places of the key whose turn is over and of the one that may follow it.
    fn successor(&self, algorithm: Algorithm, plan: &RotationPlan, now: Timestamp) -> Option<(usize, usize)> {
        let is_over = |from: Timestamp| from.plus(plan.signs_for) <= now;
        let current = self.place(algorithm, |key| key.retires_at.is_none() && key.signs_from.is_some_and(is_over))?;
        let announced = |key: &KeptKey| key.published_at.plus(plan.announced_for) <= now;
        let next = self.place(algorithm, |key| key.signs_from.is_none() && announced(key))?;
        Some((current, next))
    }
}
