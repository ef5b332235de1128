//! Tokens that clients get in their own name (RFC 6749, section 4.4): opaque, short-lived, without a person, a grant or a
//! refresh token behind them.

use super::{GrantError, Grants};
use crate::domain::client::Client;
use crate::domain::ids::MachineTokenId;
use crate::domain::machine::MachineToken;
use crate::domain::secret::{Token, TokenKind};
use crate::services::dpop_proofs::Possession;
use crate::store::records::Entry;
use crate::store::{StoreError, keys};

impl Grants {
    /// Gives `client` a token for what it asks for, bound to the key that it shows, if any; and tells what is kept of it.
    ///
    /// # Errors
    /// When the client may not do that in its own name, or the store gives no answer.
    pub async fn issue_machine_token(
        &self,
        client: &Client,
        scope: Option<&str>,
        possession: Option<Possession>,
    ) -> Result<(String, MachineToken), GrantError> {
        let scopes = client.machine_scopes.narrowed(scope)?;
        let id = MachineTokenId::mint(self.store.random());
        let token = Token::mint(TokenKind::MachineToken, id.as_str(), self.store.random());
        let key = keys::machine_token(&id);
        let mut txn = self.store.txn(key.key().partition().clone());
        let kept = MachineToken {
            hash: token.hash(),
            client: client.id.clone(),
            registration: client.registration.clone(),
            scopes,
            issued_at: txn.now(),
            expires_at: txn.now().plus(self.rules.access),
            key: possession.map(Possession::key),
        };
        txn.put_until(&key, &kept, kept.expires_at)?;
        let _ = self.store.commit(txn).await?;
        tracing::info!(client = %client.id, scope = %kept.scopes, "a client got a token in its own name");
        Ok((token.expose().to_string(), kept))
    }

    /// What a client's own token stands for now: no more than the client may still do.
    ///
    /// # Errors
    /// When the store gives no answer.
    pub async fn machine_token(&self, text: &str) -> Result<Option<MachineToken>, StoreError> {
        let Some(Entry { value: token, .. }) = self.find_machine_token(text).await? else { return Ok(None) };
        let client = self.clients.get(token.client.as_str());
        let client = client.filter(|client| client.stands_by(token.registration.as_ref()));
        let scopes = client.map(|client| token.scopes.within(&client.machine_scopes)).unwrap_or_default();
        Ok((!scopes.is_empty()).then_some(MachineToken { scopes, ..token }))
    }

    /// Ends a client's own token, if the text is one; whether it was.
    ///
    /// # Errors
    /// `invalid_grant` for a token of another client, which stays as it is.
    pub(super) async fn give_back_machine_token(&self, client: &Client, text: &str) -> Result<bool, GrantError> {
        let Some(entry) = self.find_machine_token(text).await? else { return Ok(false) };
        if entry.value.client != client.id {
            return Err(GrantError::of_another_client());
        }
        let mut txn = self.store.txn(entry.key.partition().clone());
        txn.delete(entry.key);
        let _ = self.store.commit(txn).await?;
        Ok(true)
    }

    async fn find_machine_token(&self, text: &str) -> Result<Option<Entry<MachineToken>>, StoreError> {
        let Some(token) = Token::parse(TokenKind::MachineToken, text) else { return Ok(None) };
        let Ok(id) = token.locator().parse() else { return Ok(None) };
        let found = self.store.read(&keys::machine_token(&id)).await?;
        Ok(found.filter(|entry| entry.value.hash == token.hash()))
    }
}
