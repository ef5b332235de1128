//! What a link is worth at a moment.

use super::{SetUpLinks, owner};
use crate::domain::access::password_counts;
use crate::domain::ids::UserId;
use crate::domain::organization::{LoginMethod, Organization};
use crate::domain::secret::{TokenHash, same};
use crate::domain::setup_link::{LinkState, SetUpLink};
use crate::domain::user::User;
use crate::services::access::judge_membership;
use crate::store::{StoreError, keys};

/// Old generations that are recognized as having been a link of ours.
const RECOGNIZED: u32 = 64;

/// What a link text is worth now.
#[derive(Debug, Clone)]
pub enum Shown {
    /// A password can be set with it, until the time given by the link.
    Live(Box<Usable>),
    /// It was ours once, and this person may have a new one.
    Over(UserId, Over),
    /// It was ours, and a password of the person would open nothing now.
    Nowhere(Nowhere),
    Unknown,
}

/// Why a link of ours is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// A password was set since it was mailed, with this link or in another way.
    Used,
    Expired,
    /// A newer one was mailed, which has not been used.
    Superseded,
    /// An address of the person that it may have been mailed to no longer signs them in.
    Withdrawn,
}

/// Why a password of the person would open nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nowhere {
    /// No organization of theirs signs in with a password. These did, and are on Fly.io again.
    OnFly(Vec<String>),
    /// These do, and do not let the person in: left out, or Fly.io no longer named them there.
    Shut(Vec<String>),
}

/// A person who may set a password, and for which organizations it will count.
#[derive(Debug, Clone)]
pub struct Usable {
    pub user: User,
    pub link: SetUpLink,
    pub organizations: Vec<Organization>,
}

impl SetUpLinks {
    /// What `text` is worth. Reads only: mail scanners open links too.
    pub async fn show(&self, text: &str) -> Result<Shown, StoreError> {
        let Some(id) = owner(text) else { return Ok(Shown::Unknown) };
        let (user, link) = self.store.read_pair(&keys::user(&id), &keys::link(&id)).await?;
        // Looked for whether there is such a person or not: a guess takes the same time.
        let newest = link.as_ref().map_or(1, |link| link.value.generation);
        let mut generations = newest.saturating_sub(RECOGNIZED)..=newest;
        let made_here =
            generations.any(|number| self.texts(&id, number).iter().any(|old| same(old.as_bytes(), text.as_bytes())));
        let (Some(user), Some(link)) = (user, link) else { return Ok(Shown::Unknown) };
        let (user, link) = (user.value, link.value);
        let current = link.hash == TokenHash::of(text.as_bytes());
        if !current && !made_here {
            return Ok(Shown::Unknown);
        }
        let organizations = self.password_organizations(&user).await?;
        if organizations.is_empty() {
            return Ok(Shown::Nowhere(self.nowhere(&user).await?));
        }
        let over = match link.state {
            LinkState::Used => Over::Used,
            LinkState::Withdrawn => Over::Withdrawn,
            LinkState::Live if !current => Over::Superseded,
            LinkState::Live if !link.is_live(self.store.now()) => Over::Expired,
            LinkState::Live => return Ok(Shown::Live(Box::new(Usable { user, link, organizations }))),
        };
        Ok(Shown::Over(id, over))
    }

    /// Why there are no [`SetUpLinks::password_organizations`] of this person.
    pub async fn nowhere(&self, user: &User) -> Result<Nowhere, StoreError> {
        let judged = judge_membership(&self.store, &user.id, &user.organizations).await?;
        let (mut shut, mut back) = (Vec::new(), Vec::new());
        for (organization, _) in judged {
            match organization.login_method {
                LoginMethod::Password => shut.push(organization.name),
                LoginMethod::Fly if organization.run.is_some() => back.push(organization.name),
                LoginMethod::Fly => {}
            }
        }
        Ok(if shut.is_empty() { Nowhere::OnFly(back) } else { Nowhere::Shut(shut) })
    }

    /// Where a password of the person counts: the organizations that a password of theirs would open now.
    pub async fn password_organizations(&self, user: &User) -> Result<Vec<Organization>, StoreError> {
        let judged = judge_membership(&self.store, &user.id, &user.organizations).await?;
        let counts = judged.into_iter().filter(|(organization, member)| password_counts(organization, member));
        Ok(counts.map(|(organization, _)| organization).collect())
    }
}
