//! The authorization code grant (RFC 6749, section 4.1.3; RFC 7636, section 4.6).

use aws_lc_rs::{constant_time, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{GrantError, Grants, Issued, Opened, form_of, no_longer_counts};
use crate::clock::Timestamp;
use crate::domain::authorize::{OAuthCode, OAuthError, Received, ScopeValue};
use crate::domain::client::Client;
use crate::domain::grant::{Code, Grant, Refresh};
use crate::domain::ids::GrantId;
use crate::domain::secret::{Token, TokenKind};
use crate::services::dpop_proofs::Possession;
use crate::store::records::Entry;
use crate::store::{Outcome, StoreError, keys};

/// What the client sends beside its own authentication.
#[derive(Debug, Clone, Copy)]
pub struct Redemption<'a> {
    pub code: &'a str,
    pub redirect_uri: Option<&'a str>,
    pub code_verifier: Option<&'a str>,
    /// Of the key that the access token is to be bound to, if to any.
    pub possession: Option<Possession>,
}

impl Grants {
    /// Uses up a code and gives tokens for it. Exactly one of many callers wins.
    pub async fn redeem(&self, client: &Client, sent: Redemption<'_>) -> Result<Issued, GrantError> {
        let unknown = || GrantError::invalid("code", "the code is unknown, was used or has expired");
        let no_code = || unknown().because(format!("what was sent {}", form_of(sent.code)));
        let code = Token::parse(TokenKind::AuthorizationCode, sent.code).ok_or_else(no_code)?;
        let id: GrantId = code.locator().parse().map_err(|_| unknown())?;
        let gone = || unknown().because("there is nothing of it any more, or never was");
        let (grant, along) = self.ahead.read(&self.store, &keys::grant(&id)).await?;
        let grant = grant.ok_or_else(gone)?;
        if grant.value.client != client.id {
            return Err(unknown().because(format!("it was issued to the client {}", grant.value.client)));
        }
        if grant.value.code.hash != code.hash() {
            return Err(unknown().because("its last part was changed"));
        }
        check_redirect(client, &grant.value, sent.redirect_uri)?;
        check_verifier(&grant.value, sent.code_verifier)?;
        check_key(&grant.value, sent.possession)?;
        if grant.value.code.used {
            // Somebody has the code who should not: what the first use gave ends too (RFC 6749, section 4.1.2).
            self.revoke(&grant).await?;
            return Err(GrantError::invalid("code", "the code was used before; what it gave is revoked"));
        }
        check_age(&grant.value, self.store.now())?;
        let Ok(opened) = self.opened(&grant.value, along).await? else {
            self.revoke(&grant).await?;
            return Err(no_longer_counts("code"));
        };
        self.consume(client, grant, opened, sent.possession).await
    }

    async fn consume(
        &self,
        client: &Client,
        entry: Entry<Grant>,
        opened: Opened,
        possession: Option<Possession>,
    ) -> Result<Issued, GrantError> {
        let grant = &entry.value;
        let scope = grant.scope.clone();
        let access = self.derive(TokenKind::AccessToken, grant, 0);
        let wants_refresh = scope.contains(ScopeValue::OfflineAccess) || client.always_refresh_token;
        let refresh = wants_refresh.then(|| self.derive(TokenKind::RefreshToken, grant, 0));
        let after = Grant {
            code: Code { used: true, ..grant.code.clone() },
            refresh: refresh.as_ref().map(|token| Refresh { current: token.hash(), previous: None, serial: 0 }),
            ..grant.clone()
        };
        let mut txn = self.store.txn(keys::grant_partition(&grant.id));
        let expires_at = self.grant_expires_at(&after, txn.now());
        txn.check(&entry).put_until(&keys::grant(&grant.id), &after, expires_at)?;
        let token = self.put_access_token(&mut txn, grant, &access, (scope, possession))?;
        match self.store.commit(txn).await? {
            Outcome::Committed => Ok(Issued {
                grant: after,
                access,
                token,
                refresh_token: refresh.map(|token| token.expose().to_string()),
                opened,
                refreshed: false,
            }),
            Outcome::Conflict => {
                self.end_if_used(&entry.value.id).await?;
                Err(GrantError::invalid("code", "the code is being used by somebody else"))
            }
        }
    }

    /// Somebody else used the code at the same moment: that is a second use as much as one that comes later.
    async fn end_if_used(&self, id: &GrantId) -> Result<(), StoreError> {
        match self.store.read(&keys::grant(id)).await? {
            Some(grant) if grant.value.code.used => self.revoke(&grant).await,
            Some(_) | None => Ok(()),
        }
    }
}

/// A code that was sent to an address which the client has given up since is in the wrong hands, perhaps.
fn check_redirect(client: &Client, grant: &Grant, sent: Option<&str>) -> Result<(), GrantError> {
    match sent {
        Some(sent) if sent == grant.redirect_uri && client.verify_redirect(sent).is_none() => {
            Err(GrantError::invalid(
                "redirect_uri",
                "redirect_uri is no longer registered for this client; sign in again",
            ))
        }
        Some(sent) if sent == grant.redirect_uri => Ok(()),
        Some(sent) => {
            let why = "redirect_uri is not the one of the authorization request";
            let error = OAuthError::new(OAuthCode::InvalidGrant, why).about("redirect_uri").received_address(sent);
            let first = Received::ours(&grant.redirect_uri);
            Err(error.because(format!("the authorization request had {}", first.as_str())).into())
        }
        None => {
            Err(OAuthError::new(OAuthCode::InvalidRequest, "redirect_uri is missing").about("redirect_uri").into())
        }
    }
}

fn check_verifier(grant: &Grant, sent: Option<&str>) -> Result<(), GrantError> {
    match (&grant.code_challenge, sent) {
        (None, None) => Ok(()),
        (None, Some(_)) => {
            let error = OAuthError::new(OAuthCode::InvalidRequest, "code_verifier without code_challenge");
            Err(error.about("code_verifier").because("the authorization request had no code_challenge").into())
        }
        (Some(_), None) => Err(GrantError::invalid("code_verifier", "code_verifier is missing")),
        (Some(challenge), Some(verifier)) => {
            let digest = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
            let equal = constant_time::verify_slices_are_equal(digest.as_bytes(), challenge.as_bytes()).is_ok();
            let length = (43..=128).contains(&verifier.len());
            if equal && length {
                return Ok(());
            }
            let refused = GrantError::invalid("code_verifier", "code_verifier does not fit");
            Err(refused.because(if equal {
                format!("it has {} bytes, and 43 to 128 are allowed", verifier.len())
            } else {
                "its SHA-256 is not the code_challenge of the authorization request".to_owned()
            }))
        }
    }
}

/// RFC 9449, section 10. Who does not have the key that the code was asked for with does not use it up.
fn check_key(grant: &Grant, possession: Option<Possession>) -> Result<(), GrantError> {
    match (grant.dpop_jkt, possession) {
        (Some(wanted), Some(possession)) if possession.key() == wanted => Ok(()),
        (Some(_), Some(_)) => {
            Err(GrantError::invalid("DPoP", "the DPoP proof is of another key than dpop_jkt named"))
        }
        (Some(_), None) => {
            Err(GrantError::invalid("DPoP", "the code was asked for with dpop_jkt, and there is no DPoP proof"))
        }
        (None, _) => Ok(()),
    }
}

fn check_age(grant: &Grant, now: Timestamp) -> Result<(), GrantError> {
    if now < grant.code.expires_at { Ok(()) } else { Err(GrantError::invalid("code", "the code has expired")) }
}
