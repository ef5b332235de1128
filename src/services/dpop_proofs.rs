//! Proofs that whoever asks has a private key (RFC 9449): each is good once.

use serde::{Deserialize, Serialize};

use crate::domain::client_keys::Thumbprint;
use crate::domain::dpop::{self, Asked, ProofRefused};
use crate::domain::secret::TokenHash;
use crate::store::records::Stored;
use crate::store::{Outcome, Store, StoreError, keys};

/// That whoever asks has the private key to this public one: a proof for the very request showed it, for the first time.
/// Only [`DpopProofs`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Possession(Thumbprint);

impl Possession {
    #[must_use]
    pub fn key(self) -> Thumbprint {
        self.0
    }
}

pub struct DpopProofs {
    store: Store,
}

impl DpopProofs {
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// What the proof shows about who makes a request. Only one that is good is remembered, as long as it could be sent
    /// again: nobody fills the store or uses up a `jti` without the key.
    ///
    /// # Errors
    /// When the store gives no answer; the proof may be used up then.
    pub async fn check(
        &self,
        proof: &str,
        asked: &Asked<'_>,
    ) -> Result<Result<Possession, ProofRefused>, StoreError> {
        let proven = match dpop::check(proof, asked, self.store.now()) {
            Ok(proven) => proven,
            Err(refused) => return Ok(Err(refused)),
        };
        // A thumbprint has no line end in it.
        let name = TokenHash::of(format!("{}\n{}", proven.key.to_text(), proven.jti).as_bytes());
        let key = keys::used_proof::<UsedProof>(&name);
        let mut txn = self.store.txn(key.key().partition().clone());
        txn.check_absent(key.key().clone()).put_until(&key, &UsedProof {}, proven.expires_at)?;
        Ok(match self.store.commit(txn).await? {
            Outcome::Committed => Ok(Possession(proven.key)),
            Outcome::Conflict => Err(ProofRefused::Used),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct UsedProof {}

impl Stored for UsedProof {}
