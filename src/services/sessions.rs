//! Browser sessions. They live in their user's partition, so that setting a password ends the others in one commit.

use std::sync::Arc;

use super::ahead::{Ahead, Along};
use super::jobs::Jobs;
use super::whereabouts;
use crate::domain::access::Proof;
use crate::domain::ids::{SessionId, UserId};
use crate::domain::secret::{Token, TokenKind};
use crate::domain::session::{Session, SessionRules};
use crate::domain::user::User;
use crate::store::records::{Entry, TypedKey};
use crate::store::{Attempt, Outcome, Store, StoreError, Txn, keys};

/// A session found by its cookie, with the person it belongs to.
#[derive(Debug, Clone)]
pub struct Current {
    pub user: User,
    pub session: Entry<Session>,
    /// Their organizations, where these were read along, to judge the session before anything is written.
    pub along: Along,
}

impl Current {
    #[must_use]
    pub fn proof(&self) -> &Proof {
        &self.session.value.proof
    }
}

pub struct Sessions {
    pub(super) store: Store,
    jobs: Arc<Jobs>,
    rules: SessionRules,
    ahead: Arc<Ahead>,
}

impl Sessions {
    #[must_use]
    pub fn new(store: Store, jobs: Arc<Jobs>, rules: SessionRules) -> Arc<Self> {
        Arc::new(Self { store, jobs, rules, ahead: Arc::default() })
    }

    #[must_use]
    pub fn rules(&self) -> &SessionRules {
        &self.rules
    }

    /// Begins a session; the text is for the cookie and kept nowhere else.
    pub async fn begin(&self, user: &User, proof: Proof) -> Result<String, StoreError> {
        let mut txn = self.store.txn(keys::user_partition(&user.id));
        let sid = SessionId::mint(self.store.random());
        let (token, _) = self.put(&mut txn, user, proof, sid)?;
        let _ = self.store.commit(txn).await?;
        Ok(token)
    }

    /// Puts a session with a new cookie in the place of another one of the same person. To clients it is the same session:
    /// who proves once more who they are is signed out nowhere.
    pub async fn renew(&self, before: &Current, user: &User, proof: Proof) -> Result<String, StoreError> {
        let place = TypedKey::<Session>::new(before.session.key.clone());
        self.store
            .transact(|| async {
                let mut txn = self.store.txn(keys::user_partition(&user.id));
                let (old, places) = self.store.read_pair(&place, &keys::whereabouts(&user.id)).await?;
                // What has just ended, and clients were told so, does not go on.
                let goes_on = old.as_ref().filter(|old| old.value.still_counts(user));
                let sid = goes_on.and_then(|old| old.value.sid.clone());
                if let Some(old) = &old {
                    txn.check(old).delete(old.key.clone());
                }
                let sid = sid.unwrap_or_else(|| SessionId::mint(self.store.random()));
                let (token, session) = self.put(&mut txn, user, proof.clone(), sid.clone())?;
                if let Some(entry) = places
                    && let Some(after) = entry.value.prolonged(&sid, proof.method, session.ends_at(&self.rules))
                {
                    txn.check(&entry);
                    whereabouts::put(&mut txn, &user.id, &after)?;
                }
                Ok::<_, StoreError>(Attempt::Commit(txn, token))
            })
            .await
    }

    /// Adds a new session to a commit; the text for its cookie.
    fn put(&self, txn: &mut Txn, user: &User, proof: Proof, sid: SessionId) -> Result<(String, Session), StoreError> {
        let token = Token::mint(TokenKind::Session, user.id.as_str(), self.store.random());
        let now = txn.now();
        let session = Session {
            sid: Some(sid),
            proof,
            epoch: user.session_epoch,
            fly_epoch: user.fly_epoch,
            created_at: now,
            seen_at: now,
        };
        let key = keys::session(&user.id, &token.hash());
        txn.put_until(&key, &session, session.expires_at(&self.rules))?;
        Ok((token.expose().to_string(), session))
    }

    /// The session that `cookie` names, if it is still good. Reading it now and then prolongs it.
    pub async fn find(&self, cookie: &str) -> Result<Option<Current>, StoreError> {
        let Some((user, session)) = named(cookie) else { return Ok(None) };
        let (user, session) = self.store.read_pair(&user, &session).await?;
        self.current(user, session, Along::default()).await
    }

    /// The same with the person's organizations read along: for whoever judges at once what the session opens.
    pub async fn find_with_organizations(&self, cookie: &str) -> Result<Option<Current>, StoreError> {
        let Some((user, session)) = named(cookie) else { return Ok(None) };
        let (user, session, along) = self.ahead.read_pair(&self.store, &user, &session).await?;
        self.current(user, session, along).await
    }

    async fn current(
        &self,
        user: Option<Entry<User>>,
        session: Option<Entry<Session>>,
        along: Along,
    ) -> Result<Option<Current>, StoreError> {
        let (Some(user), Some(session)) = (user, session) else { return Ok(None) };
        if !session.value.still_counts(&user.value) {
            return Ok(None);
        }
        self.touch(&user.value.id, &session).await?;
        Ok(Some(Current { user: user.value, session, along }))
    }

    async fn touch(&self, user: &UserId, entry: &Entry<Session>) -> Result<(), StoreError> {
        let now = self.store.now();
        if !entry.value.needs_touch(&self.rules, now) {
            return Ok(());
        }
        let touched = Session { seen_at: now, ..entry.value.clone() };
        let mut txn = self.store.txn(keys::user_partition(user));
        let key = TypedKey::new(entry.key.clone());
        txn.check(entry).put_until(&key, &touched, touched.expires_at(&self.rules))?;
        // A conflict means that the session has just ended or another request prolonged it.
        match self.store.commit(txn).await? {
            Outcome::Committed | Outcome::Conflict => Ok(()),
        }
    }

    /// Ends a session, here and, with word queued by the same commit, at the clients where it signed the person in.
    pub async fn end(&self, current: &Current) -> Result<(), StoreError> {
        let user = &current.user.id;
        let attempt = || async {
            let mut txn = self.store.txn(keys::user_partition(user));
            txn.delete(current.session.key.clone());
            let ended = match &current.session.value.sid {
                Some(sid) => self.jobs.end_places(&mut txn, user, |place| place.sid == *sid).await?,
                None => 0,
            };
            Ok::<_, StoreError>(Attempt::Commit(txn, ended))
        };
        if self.store.transact(attempt).await? > 0 {
            self.jobs.logout.wake();
        }
        Ok(())
    }
}

/// Where a cookie says that the person and the session lie.
fn named(cookie: &str) -> Option<(TypedKey<User>, TypedKey<Session>)> {
    let token = Token::parse(TokenKind::Session, cookie)?;
    let user = token.locator().parse::<UserId>().ok()?;
    Some((keys::user(&user), keys::session(&user, &token.hash())))
}
