//! Organizations, users and members: who exists, and who belongs where.

mod addresses;
mod admission;
mod sign_ins;

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::domain::access::SeenOrganization;
use crate::domain::audit::{AuditEntry, AuditKind};
use crate::domain::email::EmailAddress;
use crate::domain::ids::{OrganizationId, Slug, UserId, random_text};
use crate::domain::member::Member;
use crate::domain::organization::{Actor, Organization};
use crate::domain::plan::Plan;
use crate::domain::secret::TokenHash;
use crate::domain::user::User;
use crate::store::records::Entry;
use crate::store::{Attempt, Outcome, Store, StoreError, Txn, keys};

pub use admission::{Admitted, FlyPerson};
pub use sign_ins::Refusal;

/// Why an organization cannot be added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    #[error("the short name {0} belongs to another organization; choose another one")]
    SlugTaken(Slug),
    #[error("the organization {0} exists already")]
    Exists(OrganizationId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Something for the audit log; the time is that of the commit.
#[derive(Debug, Clone)]
pub struct AuditEvent {
    pub kind: AuditKind,
    pub who: Actor,
    /// The network address; none for what the program does by itself.
    pub from: Option<String>,
    pub detail: String,
}

pub struct Directory {
    store: Store,
}

impl Directory {
    #[must_use]
    pub fn new(store: Store) -> Arc<Self> {
        Arc::new(Self { store })
    }

    pub async fn organization(&self, id: &OrganizationId) -> Result<Option<Entry<Organization>>, StoreError> {
        self.store.read(&keys::organization(id)).await
    }

    pub async fn organization_by_slug(&self, slug: &Slug) -> Result<Option<Entry<Organization>>, StoreError> {
        let Some(id) = self.store.read(&keys::slug(slug)).await? else { return Ok(None) };
        self.organization(&id.value).await
    }

    /// By id or by slug, as clients and operators name an organization.
    pub async fn organization_named(&self, name: &str) -> Result<Option<Entry<Organization>>, StoreError> {
        if let Ok(slug) = name.parse::<Slug>()
            && let Some(found) = self.organization_by_slug(&slug).await?
        {
            return Ok(Some(found));
        }
        match name.parse::<OrganizationId>() {
            Ok(id) => self.organization(&id).await,
            Err(_) => Ok(None),
        }
    }

    /// A page of all organizations, by short name.
    pub async fn organizations(&self, after: Option<&str>, limit: usize) -> Result<Vec<Organization>, StoreError> {
        let ids = self.store.list(&keys::organizations(), after, limit).await?;
        let wanted: Vec<_> = ids.iter().map(|id| keys::organization(&id.value)).collect();
        let found = self.store.read_all(&wanted).await?;
        Ok(found.into_iter().flatten().map(|entry| entry.value).collect())
    }

    /// Links an organization. The short name is claimed first, so that two organizations never share one; repeating
    /// the call after a crash completes it.
    pub async fn add_organization(
        &self,
        id: OrganizationId,
        slug: Slug,
        name: String,
        plan: Plan,
        by: Actor,
    ) -> Result<Organization, AddError> {
        let claim = keys::slug(&slug);
        let mut txn = self.store.txn(claim.key().partition().clone());
        txn.check_absent(claim.key().clone()).put(&claim, &id)?;
        if self.store.commit(txn).await? == Outcome::Conflict {
            let owner = self.store.read(&claim).await?;
            if owner.is_none_or(|owner| owner.value != id) {
                return Err(AddError::SlugTaken(slug));
            }
        }
        let organization = Organization::new(id.clone(), slug.clone(), name, plan, self.store.now());
        let key = keys::organization(&id);
        let mut txn = self.store.txn(keys::org(&id));
        txn.check_absent(key.key().clone()).put(&key, &organization)?;
        self.audit(
            &mut txn,
            &id,
            AuditEvent { kind: AuditKind::OrganizationAdded, who: by, from: None, detail: String::new() },
        )?;
        if self.store.commit(txn).await? == Outcome::Conflict {
            self.tidy_up_after_adding(&id, &slug).await?;
            return Err(AddError::Exists(id));
        }
        self.list_organization(&id, &slug).await?;
        Ok(organization)
    }

    /// The organization was there already: a call that died half-way is completed, and a short name that was claimed
    /// for nothing is given back.
    async fn tidy_up_after_adding(&self, id: &OrganizationId, slug: &Slug) -> Result<(), StoreError> {
        let Some(existing) = self.organization(id).await? else { return Ok(()) };
        if existing.value.slug == *slug {
            return self.list_organization(id, slug).await;
        }
        let claim = keys::slug(slug);
        let Some(entry) = self.store.read(&claim).await?.filter(|entry| entry.value == *id) else { return Ok(()) };
        let mut txn = self.store.txn(claim.key().partition().clone());
        txn.check(&entry).delete(claim.key().clone());
        // A conflict means that somebody else has just tidied up.
        let _ = self.store.commit(txn).await?;
        Ok(())
    }

    async fn list_organization(&self, id: &OrganizationId, slug: &Slug) -> Result<(), StoreError> {
        let listed = keys::organizations().item(slug.as_str());
        let mut txn = self.store.txn(listed.key().partition().clone());
        txn.put(&listed, id)?;
        let _ = self.store.commit(txn).await?;
        Ok(())
    }

    pub async fn set_plan(&self, id: &OrganizationId, plan: &Plan, by: &Actor) -> Result<bool, StoreError> {
        self.store
            .transact(|| async {
                let Some(entry) = self.organization(id).await? else { return Ok(Attempt::Done(false)) };
                let mut txn = self.store.txn(keys::org(id));
                let changed = Organization { plan: plan.clone(), ..entry.value.clone() };
                txn.check(&entry).put(&keys::organization(id), &changed)?;
                self.audit(
                    &mut txn,
                    id,
                    AuditEvent { kind: AuditKind::PlanChanged, who: by.clone(), from: None, detail: plan.describe() },
                )?;
                Ok::<_, StoreError>(Attempt::Commit(txn, true))
            })
            .await
    }

    pub async fn user(&self, id: &UserId) -> Result<Option<Entry<User>>, StoreError> {
        self.store.read(&keys::user(id)).await
    }

    pub async fn member(
        &self,
        organization: &OrganizationId,
        user: &UserId,
    ) -> Result<Option<Entry<Member>>, StoreError> {
        self.store.read(&keys::member(organization, user)).await
    }

    pub async fn members(
        &self,
        organization: &OrganizationId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry<Member>>, StoreError> {
        self.store.list(&keys::members(organization), after, limit).await
    }

    pub async fn member_count(&self, organization: &OrganizationId) -> Result<i64, StoreError> {
        let counts = self.store.counters(&[keys::member_count(organization)]).await?;
        Ok(counts.first().copied().unwrap_or(0))
    }

    /// The user who signs in with `address`.
    pub async fn user_by_address(&self, address: &EmailAddress) -> Result<Option<Entry<User>>, StoreError> {
        let Some(id) = self.store.read(&keys::address(&address_hash(address))).await? else { return Ok(None) };
        let (user, own) = self.store.read_pair(&keys::user(&id.value), &keys::contact(&id.value)).await?;
        // The entry is only a pointer; the person's records say whose address it is.
        let by_own = own.is_some_and(|own| own.value.signs_in(address));
        Ok(user.filter(|user| by_own || user.value.signs_in(address)))
    }

    /// The organizations of a person as they stand now, for a proof that opens by membership alone.
    pub async fn seen_by_member(&self, user: &User) -> Result<Vec<SeenOrganization>, StoreError> {
        let wanted: Vec<_> = user.organizations.iter().map(keys::organization).collect();
        let found = self.store.read_all(&wanted).await?;
        Ok(found.into_iter().flatten().map(|o| seen(&o.value)).collect())
    }

    /// Adds a line to an organization's audit log, in the commit of what it tells.
    pub fn audit(&self, txn: &mut Txn, id: &OrganizationId, event: AuditEvent) -> Result<(), StoreError> {
        let AuditEvent { kind, who, from, detail } = event;
        let at = txn.now();
        let key = keys::audit_entry(id, at, &random_text(self.store.random()));
        txn.put(&key, &AuditEntry { at, kind, who, from, detail })?;
        Ok(())
    }

    /// Adds a line about something that happened at that time and has that name in all of the program. The commit is a
    /// conflict if the line is there already.
    pub fn audit_once(
        &self,
        txn: &mut Txn,
        id: &OrganizationId,
        (at, name): (Timestamp, &str),
        event: AuditEvent,
    ) -> Result<(), StoreError> {
        let AuditEvent { kind, who, from, detail } = event;
        let key = keys::audit_entry(id, at, name);
        txn.check_absent(key.key().clone()).put(&key, &AuditEntry { at, kind, who, from, detail })?;
        Ok(())
    }

    pub async fn audit_log(
        &self,
        id: &OrganizationId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry<AuditEntry>>, StoreError> {
        self.store.list(&keys::audit_log(id), after, limit).await
    }
}

fn seen(organization: &Organization) -> SeenOrganization {
    SeenOrganization { id: organization.id.clone(), generation: organization.generation }
}

/// Under what an address is found, whatever the master key; see [`keys::address`].
#[must_use]
pub fn address_hash(address: &EmailAddress) -> String {
    TokenHash::of(address.normalized().as_bytes()).to_text()
}
