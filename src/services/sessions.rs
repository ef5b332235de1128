//! Browser sessions. They live in their user's partition, so that setting a password ends the others in one commit.

use std::sync::Arc;

use crate::domain::access::Proof;
use crate::domain::ids::UserId;
use crate::domain::secret::{Token, TokenKind};
use crate::domain::session::{Session, SessionRules};
use crate::domain::user::User;
use crate::store::records::Entry;
use crate::store::{Outcome, Store, StoreError, keys};

/// A session found by its cookie, with the person it belongs to.
#[derive(Debug, Clone)]
pub struct Current {
    pub user: User,
    pub session: Entry<Session>,
}

impl Current {
    #[must_use]
    pub fn proof(&self) -> &Proof {
        &self.session.value.proof
    }
}

pub struct Sessions {
    store: Store,
    rules: SessionRules,
}

impl Sessions {
    #[must_use]
    pub fn new(store: Store, rules: SessionRules) -> Arc<Self> {
        Arc::new(Self { store, rules })
    }

    #[must_use]
    pub fn rules(&self) -> &SessionRules {
        &self.rules
    }

    /// Begins a session; the text is for the cookie and kept nowhere else.
    pub async fn begin(&self, user: &User, proof: Proof) -> Result<String, StoreError> {
        let token = Token::mint(TokenKind::Session, user.id.as_str(), self.store.random());
        let now = self.store.now();
        let session =
            Session { proof, epoch: user.session_epoch, fly_epoch: user.fly_epoch, created_at: now, seen_at: now };
        let key = keys::session(&user.id, &token.hash());
        let mut txn = self.store.txn(keys::user_partition(&user.id));
        txn.put_until(&key, &session, session.expires_at(&self.rules))?;
        let _ = self.store.commit(txn).await?;
        Ok(token.expose().to_string())
    }

    /// The session that `cookie` names, if it is still good. Reading it now and then prolongs it.
    pub async fn find(&self, cookie: &str) -> Result<Option<Current>, StoreError> {
        let Some(token) = Token::parse(TokenKind::Session, cookie) else { return Ok(None) };
        let Ok(user) = token.locator().parse::<UserId>() else { return Ok(None) };
        let key = keys::session(&user, &token.hash());
        let (user, session) = self.store.read_pair(&keys::user(&user), &key).await?;
        let (Some(user), Some(session)) = (user, session) else { return Ok(None) };
        if !session.value.still_counts(&user.value) {
            return Ok(None);
        }
        self.touch(&user.value.id, &session).await?;
        Ok(Some(Current { user: user.value, session }))
    }

    async fn touch(&self, user: &UserId, entry: &Entry<Session>) -> Result<(), StoreError> {
        let now = self.store.now();
        if !entry.value.needs_touch(&self.rules, now) {
            return Ok(());
        }
        let touched = Session { seen_at: now, ..entry.value.clone() };
        let mut txn = self.store.txn(keys::user_partition(user));
        let key = crate::store::records::TypedKey::new(entry.key.clone());
        txn.check(entry).put_until(&key, &touched, touched.expires_at(&self.rules))?;
        // A conflict means that the session has just ended or another request prolonged it.
        match self.store.commit(txn).await? {
            Outcome::Committed | Outcome::Conflict => Ok(()),
        }
    }

    pub async fn end(&self, current: &Current) -> Result<(), StoreError> {
        let mut txn = self.store.txn(keys::user_partition(&current.user.id));
        txn.delete(current.session.key.clone());
        let _ = self.store.commit(txn).await?;
        Ok(())
    }
}
