//! Assertions by which clients prove themselves (RFC 7523): each is good once.

use serde::{Deserialize, Serialize};

use crate::domain::assertion::{Assertion, AssertionRefused};
use crate::domain::client::Client;
use crate::domain::secret::TokenHash;
use crate::store::records::Stored;
use crate::store::{Outcome, Store, StoreError, keys};

pub struct ClientAssertions {
    store: Store,
}

impl ClientAssertions {
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Whether the assertion proves that `client` is asking one of `audiences`, for the first time. Only one that does is
    /// remembered, as long as it could be sent again: nobody fills the store or uses up a `jti` without the client's key.
    ///
    /// # Errors
    /// When the store gives no answer; the assertion may be used up then.
    pub async fn check(
        &self,
        client: &Client,
        assertion: &Assertion<'_>,
        audiences: &[&str],
    ) -> Result<Result<(), AssertionRefused>, StoreError> {
        let proven = match assertion.check(client, audiences, self.store.now()) {
            Ok(proven) => proven,
            Err(refused) => return Ok(Err(refused)),
        };
        // No id has a line end in it.
        let name = TokenHash::of(format!("{}\n{}", client.id, proven.jti).as_bytes());
        let key = keys::used_assertion::<UsedAssertion>(&name);
        let mut txn = self.store.txn(key.key().partition().clone());
        txn.check_absent(key.key().clone()).put_until(&key, &UsedAssertion {}, proven.expires_at)?;
        Ok(match self.store.commit(txn).await? {
            Outcome::Committed => Ok(()),
            Outcome::Conflict => Err(AssertionRefused::Used),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct UsedAssertion {}

impl Stored for UsedAssertion {}
