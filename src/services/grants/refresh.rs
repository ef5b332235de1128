//! The refresh token grant (RFC 6749, section 6), with rotation and revocation of the family (RFC 9700, section
//! 4.14.2).

use super::{GrantError, Grants, Issued, Opened, form_of, no_longer_counts};
use crate::clock::Timestamp;
use crate::domain::access::Closed;
use crate::domain::authorize::{OAuthCode, OAuthError, Scope};
use crate::domain::client::Client;
use crate::domain::grant::{AccessToken, Grant, REUSE_WINDOW, Refresh};
use crate::domain::ids::GrantId;
use crate::domain::organization::LoginMethod;
use crate::domain::secret::{Token, TokenHash, TokenKind};
use crate::services::access::Judged;
use crate::services::ahead::Along;
use crate::services::directory::Refusal;
use crate::services::dpop_proofs::Possession;
use crate::services::upstream_tokens::AskError;
use crate::store::records::Entry;
use crate::store::{Outcome, StoreError, keys};

/// Replaced refresh tokens that are recognized as such; an older one is only unknown.
const RECOGNIZED: u32 = 64;

/// What a presented refresh token is.
enum Presented {
    Current,
    /// Replaced a moment ago: the answer was lost, and is given again.
    JustReplaced,
    UsedBefore,
    Unknown,
}

impl Grants {
    /// Uses up a refresh token and gives the next. Asks Fly.io whether the person still belongs, where Fly.io decides.
    /// The access token is bound to the key of this very request, if it shows one; the refresh token is not, since its client
    /// proves itself (RFC 9449, section 5).
    pub async fn refresh(
        &self,
        client: &Client,
        text: &str,
        scope: Option<&str>,
        possession: Option<Possession>,
    ) -> Result<Issued, GrantError> {
        let unknown = || invalid("the refresh token is unknown or has ended");
        let no_token = || unknown().because(format!("what was sent {}", form_of(text)));
        let token = Token::parse(TokenKind::RefreshToken, text).ok_or_else(no_token)?;
        let id: GrantId = token.locator().parse().map_err(|_| unknown())?;
        let gone = || unknown().because("there is nothing of it any more, or never was");
        let (grant, along) = self.ahead.read(&self.store, &keys::grant(&id)).await?;
        let grant = grant.ok_or_else(gone)?;
        if grant.value.client != client.id {
            return Err(unknown().because(format!("it was issued to the client {}", grant.value.client)));
        }
        let refresh = grant.value.refresh.clone().ok_or_else(unknown)?;
        let presented = self.recognize(&grant.value, &refresh, &token, self.store.now());
        match presented {
            Presented::Unknown => return Err(unknown().because("its grant gave out another one")),
            Presented::UsedBefore => {
                self.revoke(&grant).await?;
                return Err(invalid("the refresh token was used before; the grant is revoked"));
            }
            Presented::Current | Presented::JustReplaced => {}
        }
        let scope = narrowed(&grant.value, scope)?;
        // An organization that left is closed whether or not Fly.io can be asked.
        let mut opened = self.still_opened(client, &grant, along).await?;
        if self.confirm_upstream(&grant).await? {
            opened = self.still_opened(client, &grant, Along::default()).await?;
        }
        match presented {
            Presented::JustReplaced => self.repeat(grant, &refresh, opened, possession).await,
            _ => match self.rotate(&grant, &refresh, (scope, possession), &opened).await? {
                Some(issued) => Ok(issued),
                None => self.repeat_winner(&id, &token, opened, possession).await,
            },
        }
    }

    /// The same token was used twice at once, and the other use came first: its answer for both.
    async fn repeat_winner(
        &self,
        id: &GrantId,
        token: &Token,
        opened: Opened,
        possession: Option<Possession>,
    ) -> Result<Issued, GrantError> {
        let grant = self.store.read(&keys::grant(id)).await?;
        if let Some(grant) = grant
            && let Some(refresh) = grant.value.refresh.clone()
            && let Presented::JustReplaced = self.recognize(&grant.value, &refresh, token, self.store.now())
        {
            return self.repeat(grant, &refresh, opened, possession).await;
        }
        Err(invalid("the refresh token is being used by somebody else"))
    }

    /// What the grant opens; a grant that no longer opens them ends here.
    async fn still_opened(&self, client: &Client, grant: &Entry<Grant>, along: Along) -> Result<Opened, GrantError> {
        let judged = match self.opened(&grant.value, along).await? {
            Ok(opened) => return Ok(opened),
            Err(judged) => judged,
        };
        self.note_unnamed(client, &grant.value, &judged).await?;
        self.revoke(grant).await?;
        Err(no_longer_counts("refresh_token"))
    }

    /// Tells the organizations that Fly.io no longer names for the person that they were refused.
    async fn note_unnamed(&self, client: &Client, grant: &Grant, judged: &[Judged]) -> Result<(), StoreError> {
        let unnamed: Vec<_> = judged.iter().filter(|j| j.verdict == Err(Closed::NotConfirmed)).collect();
        if unnamed.is_empty() {
            return Ok(());
        }
        let Some(user) = self.directory.user(&grant.user).await? else { return Ok(()) };
        let what = format!("{} asked whether the sign-in still counts", client.name);
        for judged in unnamed {
            let refusal = Refusal { closed: Closed::NotConfirmed, what: &what, from: None };
            self.directory.note_refusal(&user.value, &judged.organization.id, refusal).await?;
        }
        Ok(())
    }

    fn recognize(&self, grant: &Grant, refresh: &Refresh, token: &Token, now: Timestamp) -> Presented {
        let hash = token.hash();
        if hash == refresh.current {
            return Presented::Current;
        }
        if let Some((previous, replaced_at)) = &refresh.previous
            && hash == *previous
        {
            let lost = now.since(*replaced_at) < REUSE_WINDOW;
            return if lost { Presented::JustReplaced } else { Presented::UsedBefore };
        }
        if self.is_of_chain(grant, refresh, &hash) { Presented::UsedBefore } else { Presented::Unknown }
    }

    /// Whether the token is the current one of the grant or one of those it replaced.
    pub(super) fn is_of_chain(&self, grant: &Grant, refresh: &Refresh, hash: &TokenHash) -> bool {
        let mut older = refresh.serial.saturating_sub(RECOGNIZED)..refresh.serial;
        let is = |token: &Token| token.hash() == *hash;
        *hash == refresh.current
            || older.any(|serial| self.derived(TokenKind::RefreshToken, grant, serial).iter().any(is))
    }

    /// A sign-in through Fly.io lasts as long as Fly.io stands by it. "Could not ask" is not "removed". Whether Fly.io was
    /// asked, so that something may have changed.
    async fn confirm_upstream(&self, grant: &Entry<Grant>) -> Result<bool, GrantError> {
        if grant.value.proof.method != LoginMethod::Fly {
            return Ok(false);
        }
        let user = &grant.value.user;
        let person = match self.upstream.ask(user).await {
            Ok(person) => person,
            Err(AskError::SignInAgain) => {
                self.revoke(grant).await?;
                return Err(invalid("Fly.io wants a new sign-in; sign in again"));
            }
            Err(AskError::Upstream(error)) => return Err(GrantError::CannotAsk(error.to_string())),
            Err(AskError::Store(error)) => return Err(error.into()),
        };
        let opened: Vec<_> = grant.value.proof.organizations.iter().map(|seen| seen.id.clone()).collect();
        self.directory.reconfirm(user, &person, &opened).await?;
        Ok(true)
    }

    /// The next pair; `None` when the grant was changed meanwhile.
    async fn rotate(
        &self,
        entry: &Entry<Grant>,
        refresh: &Refresh,
        wanted: (Scope, Option<Possession>),
        opened: &Opened,
    ) -> Result<Option<Issued>, GrantError> {
        let grant = &entry.value;
        let serial = refresh.serial + 1;
        let access = self.derive(TokenKind::AccessToken, grant, serial);
        let next = self.derive(TokenKind::RefreshToken, grant, serial);
        let mut txn = self.store.txn(keys::grant_partition(&grant.id));
        let previous = Some((refresh.current, txn.now()));
        let after = Grant { refresh: Some(Refresh { current: next.hash(), previous, serial }), ..grant.clone() };
        let expires_at = self.grant_expires_at(&after, txn.now());
        txn.check(entry).put_until(&keys::grant(&grant.id), &after, expires_at)?;
        let token = self.put_access_token(&mut txn, grant, &access, wanted)?;
        match self.store.commit(txn).await? {
            Outcome::Committed => Ok(Some(answer(after, (access, token), &next, opened.clone()))),
            Outcome::Conflict => Ok(None),
        }
    }

    /// The answer that was lost, once more: also of the scope it had then, and to whoever has the key it was bound to.
    async fn repeat(
        &self,
        entry: Entry<Grant>,
        refresh: &Refresh,
        opened: Opened,
        possession: Option<Possession>,
    ) -> Result<Issued, GrantError> {
        let grant = entry.value;
        let replaced = || invalid("the refresh token was replaced; sign in again");
        let given = |kind| self.derived(kind, &grant, refresh.serial);
        // Both under the master key of whoever gave the answer.
        let mut pairs = given(TokenKind::AccessToken).into_iter().zip(given(TokenKind::RefreshToken));
        let (access, current) = pairs.find(|(_, token)| token.hash() == refresh.current).ok_or_else(replaced)?;
        match self.store.read(&keys::access_token(&grant.id, &access.hash())).await? {
            Some(still) if still.value.key != possession.map(Possession::key) => {
                Err(invalid("the refresh token was replaced a moment ago, with another DPoP key or without one"))
            }
            Some(still) => Ok(answer(grant, (access, still.value), &current, opened)),
            None => Err(replaced()),
        }
    }
}

fn answer(grant: Grant, (access, token): (Token, AccessToken), refresh: &Token, opened: Opened) -> Issued {
    Issued { grant, access, token, refresh_token: Some(refresh.expose().to_string()), opened, refreshed: true }
}

/// RFC 6749, section 6: the same scope or less.
fn narrowed(grant: &Grant, asked: Option<&str>) -> Result<Scope, GrantError> {
    let Some(words) = asked else { return Ok(grant.scope.clone()) };
    let asked = Scope::from(words);
    if asked.is_within(&grant.scope) && !asked.is_empty() {
        return Ok(asked);
    }
    let error = OAuthError::new(OAuthCode::InvalidScope, "scope is wider than what was granted").about("scope");
    Err(error.received(words).because(format!("granted was {}", grant.scope)).into())
}

fn invalid(description: &str) -> GrantError {
    GrantError::invalid("refresh_token", description)
}
