//! Codes, access tokens and refresh tokens: issued, redeemed, rotated, revoked.
//!
//! All of a grant lies in one partition, so "consume and mint" is one commit: tokens leave the program only after the
//! commit that used up what they were given for. Token texts are derived from the master key, the grant and a serial,
//! so that a lost answer can be given again without being stored; the store holds hashes only. A client that wants them
//! gets JWTs (`jwt.rs`), which name the same record.

pub mod inspect;
mod jwt;
mod machine;
pub mod redeem;
mod refresh;

use std::sync::Arc;
use std::time::Duration;

use super::access::{Judged, Standing, grant_keys, judge_grant};
use super::ahead::{Ahead, Along};
use super::clients::Clients;
use super::directory::Directory;
use super::dpop_proofs::Possession;
use super::signing::SigningKeys;
use super::upstream_tokens::UpstreamTokens;
use super::vault::{Purpose, Vault};
use crate::clock::Timestamp;
use crate::domain::access::Proof;
use crate::domain::authorize::{AuthorizationRequest, OAuthCode, OAuthError, Scope};
use crate::domain::client::{Client, VerifiedRedirect};
use crate::domain::consent;
use crate::domain::grant::{AccessToken, Code, Grant};
use crate::domain::ids::{ConsentId, GrantId, OrganizationId, UserId};
use crate::domain::secret::{Token, TokenHash, TokenKind};
use crate::domain::session::Session;
use crate::domain::user::User;
use crate::store::records::Entry;
use crate::store::{Store, StoreError, Txn, keys};

/// How long things live.
#[derive(Debug, Clone, Copy)]
pub struct TokenRules {
    pub code: Duration,
    pub access: Duration,
    /// Without a refresh.
    pub refresh: Duration,
}

/// Why a grant gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// Fly.io could not be asked whether the person still belongs; nothing is known, so nothing changes.
    #[error("Fly.io cannot be asked: {0}")]
    CannotAsk(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl GrantError {
    /// About the parameter that holds what is no longer good; why, for the log alone.
    fn invalid(parameter: &str, description: &str) -> Self {
        Self::OAuth(OAuthError::new(OAuthCode::InvalidGrant, description).about(parameter))
    }

    fn of_another_client() -> Self {
        Self::invalid("token", "the token was issued to another client")
    }

    /// For the log alone: whoever asks may be anybody.
    fn because(self, reason: impl Into<String>) -> Self {
        match self {
            Self::OAuth(error) => Self::OAuth(error.because(reason)),
            other => other,
        }
    }
}

/// What a code or a refresh token was given for is over.
fn no_longer_counts(parameter: &str) -> GrantError {
    let refused = GrantError::invalid(parameter, "the sign-in no longer counts; sign in again");
    refused.because(
        "an organization is no longer open to it, a password was set since, the consent was taken back, or the client \
         was registered anew or gives more by its settings than was allowed",
    )
}

/// For the log: what a text is that was sent as a token, by its form alone.
#[must_use]
pub fn form_of(text: &str) -> &'static str {
    let is = |kind| Token::parse(kind, text).is_some();
    if is(TokenKind::AuthorizationCode) {
        "has the form of a code"
    } else if is(TokenKind::AccessToken) {
        "has the form of an access token"
    } else if is(TokenKind::RefreshToken) {
        "has the form of a refresh token"
    } else if is(TokenKind::MachineToken) {
        "has the form of a client's own access token"
    } else if text.split('.').count() == 3 {
        "has the form of a JWT, as an id_token has"
    } else {
        "has not the form of anything that is given out here"
    }
}

/// A grant that is good now: of which client, whose it is, and what it opens.
#[derive(Clone)]
pub struct Opened {
    pub client: Arc<Client>,
    pub user: User,
    pub organizations: Vec<Judged>,
}

/// Tokens just issued, with all that the answer tells about them: nothing is left to be read that might fail, now that
/// what they were given for is used up.
pub struct Issued {
    pub grant: Grant,
    access: Token,
    /// What is kept of the access token.
    pub token: AccessToken,
    pub refresh_token: Option<String>,
    pub opened: Opened,
    /// A refreshed `id_token` carries no nonce (OIDC Core, section 12.2).
    pub refreshed: bool,
}

/// An access token that is good now.
pub struct Authenticated {
    pub grant: Grant,
    pub token: AccessToken,
    pub opened: Opened,
}

/// What a new grant is made of. `user` and `proof` are those of the session; `proof` holds only the organizations that the
/// grant opens.
pub struct NewGrant<'a> {
    pub client: &'a Client,
    pub redirect: &'a VerifiedRedirect,
    pub request: &'a AuthorizationRequest,
    pub user: &'a UserId,
    pub session: &'a Session,
    pub proof: Proof,
    pub named: Option<OrganizationId>,
    /// Under which the person lets the client have it; none where the client is the operator's own.
    pub consent: Option<ConsentId>,
}

/// What tokens are made and recognized with.
pub struct TokenKeys {
    pub vault: Arc<Vault>,
    pub signing: Arc<SigningKeys>,
    pub issuer: String,
}

/// A token that somebody holds: what it is for, its grant, and the hash that it is kept under.
struct Named {
    kind: TokenKind,
    grant: GrantId,
    hash: TokenHash,
}

impl Named {
    fn opaque(kind: TokenKind, text: &str) -> Option<Self> {
        let token = Token::parse(kind, text)?;
        Some(Self { kind, grant: token.locator().parse().ok()?, hash: token.hash() })
    }
}

pub struct Grants {
    store: Store,
    keys: TokenKeys,
    upstream: Arc<UpstreamTokens>,
    directory: Arc<Directory>,
    clients: Arc<Clients>,
    rules: TokenRules,
    ahead: Arc<Ahead>,
}

impl Grants {
    #[must_use]
    pub fn new(
        store: Store,
        keys: TokenKeys,
        upstream: Arc<UpstreamTokens>,
        directory: Arc<Directory>,
        clients: Arc<Clients>,
        rules: TokenRules,
    ) -> Arc<Self> {
        Arc::new(Self { store, keys, upstream, directory, clients, rules, ahead: Arc::default() })
    }

    #[must_use]
    pub fn rules(&self) -> &TokenRules {
        &self.rules
    }

    /// Writes the grant and gives its code (RFC 6749, section 4.1.2).
    pub async fn issue_code(&self, new: NewGrant<'_>) -> Result<String, StoreError> {
        let id = GrantId::mint(self.store.random());
        let code = Token::mint(TokenKind::AuthorizationCode, id.as_str(), self.store.random());
        let key = keys::grant(&id);
        let mut txn = self.store.txn(keys::grant_partition(&id));
        let now = txn.now();
        let expires_at = now.plus(self.rules.code);
        let grant = Grant {
            id,
            client: new.client.id.clone(),
            registration: new.client.registration.clone(),
            consent: new.consent,
            user: new.user.clone(),
            redirect_uri: new.redirect.as_str().to_owned(),
            scope: new.request.scope.clone(),
            nonce: new.request.nonce.clone(),
            code_challenge: new.request.code_challenge.clone(),
            dpop_jkt: new.request.dpop_jkt,
            proof: new.proof,
            epoch: new.session.epoch,
            sid: new.session.sid.clone(),
            named: new.named,
            wants_auth_time: new.request.wants_auth_time(),
            claims: new.request.claims.clone(),
            created_at: now,
            code: Code { hash: code.hash(), expires_at, used: false },
            refresh: None,
        };
        txn.put_until(&key, &grant, expires_at)?;
        let _ = self.store.commit(txn).await?;
        self.ahead.remember(key.key(), &grant_keys(&grant));
        Ok(code.expose().to_string())
    }

    /// The grant of an access token, if token and grant are good: the client is still there, every organization is still
    /// open to the proof, no password was set since, and nobody took back what the client was allowed.
    pub async fn authenticate(&self, text: &str) -> Result<Option<Authenticated>, StoreError> {
        let Some(named) = self.named_access_token(text) else { return Ok(None) };
        self.authenticate_named(&named).await
    }

    async fn authenticate_named(&self, named: &Named) -> Result<Option<Authenticated>, StoreError> {
        let id = &named.grant;
        let (grant, token) = (keys::grant(id), keys::access_token(id, &named.hash));
        let (grant, token, along) = self.ahead.read_pair(&self.store, &grant, &token).await?;
        let (Some(grant), Some(token)) = (grant, token) else { return Ok(None) };
        let Ok(opened) = self.opened(&grant.value, along).await? else { return Ok(None) };
        Ok(Some(Authenticated { grant: grant.value, token: token.value, opened }))
    }

    /// The access token that a text is, opaque or a JWT.
    fn named_access_token(&self, text: &str) -> Option<Named> {
        Named::opaque(TokenKind::AccessToken, text).or_else(|| self.keys.read_jwt(text))
    }

    /// The client, the person and the organizations of a grant; `Err` when any is no longer open to its proof, a password
    /// was set since, what the client was allowed was taken back, or the client was removed, which ends the whole grant.
    ///
    /// `along`: what was read along with the grant, a moment ago.
    async fn opened(&self, grant: &Grant, along: Along) -> Result<Result<Opened, Vec<Judged>>, StoreError> {
        let client = self.clients.get(grant.client.as_str());
        let client = client.filter(|client| client.stands_by(grant.registration.as_ref()));
        let Some(client) = client else { return Ok(Err(Vec::new())) };
        let Some(found) = judge_grant((&self.store, along), grant).await? else { return Ok(Err(Vec::new())) };
        let Standing { user, consent, organizations } = found;
        let whole = organizations.len() == grant.proof.organizations.len();
        let all = whole && organizations.iter().all(|j| j.verdict.is_ok());
        let asked = consent::asked(&client, &grant.scope, &grant.claims);
        let allowed = consent::stands(&client, grant.consent.as_ref(), consent.as_ref(), &asked);
        Ok(if all && allowed && user.is_in(grant.epoch) {
            Ok(Opened { client, user, organizations })
        } else {
            Err(organizations)
        })
    }

    /// Ends a grant: code, access tokens and refresh tokens with it.
    async fn revoke(&self, grant: &Entry<Grant>) -> Result<(), StoreError> {
        let mut txn = self.store.txn(keys::grant_partition(&grant.value.id));
        txn.delete(grant.key.clone());
        let _ = self.store.commit(txn).await?;
        Ok(())
    }

    /// The token of a kind and serial. The same serial gives the same text, as long as the master key is the same.
    fn derive(&self, kind: TokenKind, grant: &Grant, serial: u32) -> Token {
        let secret = self.keys.vault.mac(Purpose::Tokens, &derivation(kind, grant, &serial.to_be_bytes()));
        Token::from_secret(kind, grant.id.as_str(), secret)
    }

    /// [`Grants::derive`] under each master key: what was given out before the current one came, or by a node that has
    /// another one in front.
    fn derived(&self, kind: TokenKind, grant: &Grant, serial: u32) -> Vec<Token> {
        let number = serial.to_be_bytes();
        let parts = derivation(kind, grant, &number);
        let secrets = self.keys.vault.macs(Purpose::Tokens, &parts);
        secrets.map(|secret| Token::from_secret(kind, grant.id.as_str(), secret)).collect()
    }

    fn put_access_token(
        &self,
        txn: &mut Txn,
        grant: &Grant,
        token: &Token,
        (scope, possession): (Scope, Option<Possession>),
    ) -> Result<AccessToken, StoreError> {
        let issued_at = txn.now();
        let expires_at = issued_at.plus(self.rules.access);
        let record = AccessToken { issued_at, expires_at, scope, key: possession.map(Possession::key) };
        txn.put_until(&keys::access_token(&grant.id, &token.hash()), &record, expires_at)?;
        Ok(record)
    }

    /// A grant outlives its last token; a used code is remembered as long, so that its second use is noticed.
    fn grant_expires_at(&self, grant: &Grant, now: Timestamp) -> Timestamp {
        now.plus(if grant.refresh.is_some() { self.rules.refresh } else { self.rules.access })
    }
}

/// What a token is derived from. Part of every token: a change makes those that were given out strangers.
fn derivation<'a>(kind: TokenKind, grant: &'a Grant, serial: &'a [u8]) -> [&'a [u8]; 3] {
    let word: &[u8] = if kind == TokenKind::RefreshToken { b"refresh" } else { b"access" };
    [grant.id.as_str().as_bytes(), word, serial]
}
