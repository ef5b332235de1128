//! What a client may learn of a token it holds (RFC 7662), and how it gives one back (RFC 7009).

use super::{GrantError, Grants, Named};
use crate::clock::Timestamp;
use crate::domain::authorize::Scope;
use crate::domain::client::Client;
use crate::domain::client_keys::Thumbprint;
use crate::domain::grant::Grant;
use crate::domain::secret::TokenKind;
use crate::services::access::Judged;
use crate::store::records::Entry;
use crate::store::{StoreError, keys};

/// A token that is good now.
pub struct Active {
    pub kind: TokenKind,
    pub grant: Grant,
    pub scope: Scope,
    /// That an access token is bound to.
    pub key: Option<Thumbprint>,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    pub opened: Vec<Judged>,
}

impl Grants {
    /// The token behind `text`, if it was given to `client` and is good; every other text is the same as none.
    pub async fn introspect(&self, client: &Client, text: &str) -> Result<Option<Active>, StoreError> {
        let Some(named) = self.named(text) else { return Ok(None) };
        if named.kind == TokenKind::RefreshToken {
            return self.introspect_refresh(client, &named).await;
        }
        let found = self.authenticate_named(&named).await?.filter(|found| found.grant.client == client.id);
        Ok(found.map(|found| Active {
            kind: TokenKind::AccessToken,
            scope: found.token.scope,
            key: found.token.key,
            issued_at: found.token.issued_at,
            expires_at: found.token.expires_at,
            opened: found.opened.organizations,
            grant: found.grant,
        }))
    }

    async fn introspect_refresh(&self, client: &Client, named: &Named) -> Result<Option<Active>, StoreError> {
        let (found, along) = self.ahead.read(&self.store, &keys::grant(&named.grant)).await?;
        let Some(entry) = found else { return Ok(None) };
        let (Some(refresh), Some(expires_at)) = (&entry.value.refresh, entry.expires_at) else { return Ok(None) };
        if entry.value.client != client.id || refresh.current != named.hash {
            return Ok(None);
        }
        let Ok(opened) = self.opened(&entry.value, along).await? else { return Ok(None) };
        let issued_at = refresh.previous.as_ref().map_or(entry.value.created_at, |(_, replaced_at)| *replaced_at);
        let scope = entry.value.scope.clone();
        Ok(Some(Active {
            kind: TokenKind::RefreshToken,
            scope,
            key: None,
            issued_at,
            expires_at,
            opened: opened.organizations,
            grant: entry.value,
        }))
    }

    /// Ends a token that its client no longer wants: an access token alone, a refresh token with everything of its grant
    /// (RFC 7009, section 2.1). A text that is no token, or no longer one, is as good as ended.
    ///
    /// # Errors
    /// `invalid_grant` for a token of another client, which stays as it is.
    pub async fn give_back(&self, client: &Client, text: &str) -> Result<(), GrantError> {
        if self.give_back_machine_token(client, text).await? {
            return Ok(());
        }
        let Some(named) = self.named(text) else { return Ok(()) };
        let Some(entry) = self.store.read(&keys::grant(&named.grant)).await? else { return Ok(()) };
        if named.kind == TokenKind::AccessToken {
            let key = keys::access_token(&named.grant, &named.hash);
            if self.store.read(&key).await?.is_none() {
                return Ok(());
            }
            own(client, &entry)?;
            let mut txn = self.store.txn(keys::grant_partition(&named.grant));
            txn.delete(key.into_key());
            let _ = self.store.commit(txn).await?;
            return Ok(());
        }
        let Some(refresh) = entry.value.refresh.clone() else { return Ok(()) };
        if !self.is_of_chain(&entry.value, &refresh, &named.hash) {
            return Ok(());
        }
        own(client, &entry)?;
        Ok(self.revoke(&entry).await?)
    }

    /// The token that a text is.
    fn named(&self, text: &str) -> Option<Named> {
        self.named_access_token(text).or_else(|| Named::opaque(TokenKind::RefreshToken, text))
    }
}

fn own(client: &Client, grant: &Entry<Grant>) -> Result<(), GrantError> {
    if grant.value.client == client.id {
        return Ok(());
    }
    Err(GrantError::of_another_client())
}
