//! Requests that clients hand over at the back (RFC 9126), from there until the person arrives with their name.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::client::Client;
use crate::domain::pushed::{LIFETIME, PushedRequest, URN};
use crate::domain::secret::TokenHash;
use crate::store::records::TypedKey;
use crate::store::{Outcome, Store, StoreError, keys};

pub struct PushedRequests {
    store: Store,
}

impl PushedRequests {
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Keeps a request for [`LIFETIME`]; the `request_uri` that names it.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub async fn keep(&self, request: &PushedRequest) -> Result<String, StoreError> {
        let uri = format!("{URN}{}", URL_SAFE_NO_PAD.encode(self.store.random().bytes_32()));
        let key = key(&uri);
        let mut txn = self.store.txn(key.key().partition().clone());
        let until = txn.now().plus(LIFETIME);
        txn.check_absent(key.key().clone()).put_until(&key, request, until)?;
        match self.store.commit(txn).await? {
            Outcome::Committed => Ok(uri),
            Outcome::Conflict => Err(StoreError::Contention(key.key().partition().to_string())),
        }
    }

    /// Uses up the request that `client` handed over under this name. None when there is none, any more, or it is another
    /// client's, which it stays.
    ///
    /// It is used up when the person arrives, not when the code leaves: from then on the request travels sealed in the
    /// browser, so the pages of the sign-in can be loaded again as often as one likes, and whoever else has seen the
    /// address has nothing (RFC 9126, section 4 and section 7.3). What cannot be repeated is the arrival alone, by an
    /// address that a browser does not keep in its history, since it only leads on.
    ///
    /// # Errors
    /// When the store gives no answer; the request may be used up then.
    pub async fn take(&self, uri: &str, client: &Client) -> Result<Option<PushedRequest>, StoreError> {
        let key = key(uri);
        let Some(entry) = self.store.read(&key).await?.filter(|entry| entry.value.is_of(client)) else {
            return Ok(None);
        };
        let mut txn = self.store.txn(key.key().partition().clone());
        txn.check(&entry).delete(key.into_key());
        Ok(match self.store.commit(txn).await? {
            Outcome::Committed => Some(entry.value),
            Outcome::Conflict => None,
        })
    }
}

/// Only the hash of the name is kept: who reads the store has nothing to arrive with.
fn key(uri: &str) -> TypedKey<PushedRequest> {
    keys::pushed(&TokenHash::of(uri.as_bytes()))
}
