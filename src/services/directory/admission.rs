//! What Fly.io says of a person, taken in: who they are here, and where they belong.

use super::{AuditEvent, Directory, seen};
use crate::clock::Timestamp;
use crate::domain::access::SeenOrganization;
use crate::domain::audit::AuditKind;
use crate::domain::email::EmailAddress;
use crate::domain::ids::{OrganizationId, UpstreamUserId, UserId};
use crate::domain::member::{Member, Role};
use crate::domain::organization::{Actor, LoginMethod, Organization};
use crate::domain::user::{MAX_MEMBERSHIPS, User};
use crate::services::disable::ledger::put_row;
use crate::store::{Attempt, StoreError, Txn, keys};

/// A person as Fly.io has just described them.
#[derive(Debug, Clone)]
pub struct FlyPerson {
    pub id: UpstreamUserId,
    pub name: String,
    pub email: Option<EmailAddress>,
    pub organizations: Vec<(OrganizationId, Role)>,
}

/// A person let in: who they are here, and the organizations as they stand now.
#[derive(Debug, Clone)]
pub struct Admitted {
    pub user: User,
    pub seen: Vec<SeenOrganization>,
}

impl Directory {
    /// Takes in what Fly.io says of a person who has just signed in there: mints the user at the first sight, confirms
    /// memberships, and marks those that Fly.io no longer names. Every step may be repeated.
    pub async fn admit_from_fly(&self, person: &FlyPerson) -> Result<Admitted, StoreError> {
        let id = self.user_of_fly(&person.id).await?;
        if let Some(admitted) = self.attempt_admit(&id, person).await? {
            return Ok(admitted);
        }
        // They have set a password in the middle of it, which happens once.
        let admitted = self.attempt_admit(&id, person).await?;
        admitted.ok_or_else(|| StoreError::Contention(keys::user_partition(&id).to_string()))
    }

    /// None when the person, who had no password, has one in the end: whoever told their organizations of it did not know
    /// of those that were new.
    async fn attempt_admit(&self, id: &UserId, person: &FlyPerson) -> Result<Option<Admitted>, StoreError> {
        let password_set_at = self.store.read(&keys::credential(id)).await?.map(|credential| credential.value.set_at);
        let before = self.user(id).await?.map(|entry| entry.value.organizations).unwrap_or_default();
        // Where the person is known comes first: how many others Fly.io names closes nothing that was open.
        let (known, others): (Vec<_>, Vec<_>) =
            person.organizations.iter().partition(|(named, _)| before.contains(named));
        let mut seen_now = Vec::new();
        for (organization, role) in known.into_iter().chain(others).take(MAX_MEMBERSHIPS) {
            let confirmed = Confirmed { user: id, person, role: *role, password_set_at };
            if let Some(organization) = self.confirm_member(organization, &confirmed).await? {
                seen_now.push(seen(&organization));
            }
        }
        for organization in before.iter().filter(|id| !person.organizations.iter().any(|(named, _)| named == *id)) {
            self.mark_absent(organization, id).await?;
        }
        if let Some(email) = &person.email {
            self.claim_address(email, id).await?;
        }
        let user = self.save_user(id, person, &seen_now, password_set_at.is_some()).await?;
        Ok(user.map(|user| Admitted { user, seen: seen_now }))
    }

    /// Brings memberships up to what Fly.io says now, between sign-ins.
    pub async fn reconfirm(
        &self,
        user: &UserId,
        person: &FlyPerson,
        organizations: &[OrganizationId],
    ) -> Result<(), StoreError> {
        for id in organizations {
            match person.organizations.iter().find(|(named, _)| named == id) {
                Some((_, role)) => {
                    let confirmed = Confirmed { user, person, role: *role, password_set_at: None };
                    self.confirm_member(id, &confirmed).await?;
                }
                None => self.mark_absent(id, user).await?,
            }
        }
        Ok(())
    }

    async fn user_of_fly(&self, fly: &UpstreamUserId) -> Result<UserId, StoreError> {
        let key = keys::fly_identity(fly);
        self.store
            .transact(|| async {
                if let Some(known) = self.store.read(&key).await? {
                    return Ok(Attempt::Done(known.value));
                }
                let id = UserId::mint(self.store.random());
                let mut txn = self.store.txn(key.key().partition().clone());
                txn.check_absent(key.key().clone()).put(&key, &id)?;
                Ok::<_, StoreError>(Attempt::Commit(txn, id))
            })
            .await
    }

    /// The organization, when it is known here and the person belongs to it. While it is on Fly.io, Fly.io's word
    /// makes the membership; afterwards it only keeps name and address of an existing one current.
    async fn confirm_member(
        &self,
        id: &OrganizationId,
        confirmed: &Confirmed<'_>,
    ) -> Result<Option<Organization>, StoreError> {
        let key = keys::member(id, confirmed.user);
        self.store
            .transact(|| async {
                let (organization, member) = self.store.read_pair(&keys::organization(id), &key).await?;
                let Some(organization) = organization else { return Ok(Attempt::Done(None)) };
                let on_fly = organization.value.login_method == LoginMethod::Fly;
                if !on_fly && member.is_none() {
                    return Ok(Attempt::Done(None));
                }
                let mut txn = self.store.txn(keys::org(id));
                // Orders this before or after a change of login method, never beside it.
                txn.check(&organization);
                match &member {
                    Some(entry) => txn.check(entry),
                    None => txn.check_absent(key.key().clone()).add(keys::member_count(id), 1),
                };
                let now = self.store.now();
                let after = confirmed.member(member.as_ref().map(|e| &e.value), on_fly, now);
                txn.put(&key, &after)?;
                if member.as_ref().is_some_and(|member| !member.value.has_password) {
                    self.note_in_ledger(&mut txn, &organization.value, &after, confirmed.password_set_at).await?;
                }
                self.audit_membership(&mut txn, id, member.as_ref().map(|e| &e.value), &after)?;
                Ok::<_, StoreError>(Attempt::Commit(txn, Some(organization.value)))
            })
            .await
    }

    /// Somebody who was half taken in when the organization left, and set a password since: those who told the
    /// organizations of it did not know of this one.
    async fn note_in_ledger(
        &self,
        txn: &mut Txn,
        organization: &Organization,
        member: &Member,
        set_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let (Some(run), Some(set_at)) = (&organization.run, set_at) else { return Ok(()) };
        let key = keys::row(&organization.id, run, &member.user);
        let Some(row) = self.store.read(&key).await? else {
            // The fan-out writes it with the member as it is then.
            txn.check_absent(key.into_key());
            return Ok(());
        };
        match member.row_with_password(organization, &row.value, set_at, txn.now()) {
            Some(after) => put_row(txn, (&organization.id, run), &row, &after),
            None => Ok(()),
        }
    }

    fn audit_membership(
        &self,
        txn: &mut Txn,
        id: &OrganizationId,
        before: Option<&Member>,
        after: &Member,
    ) -> Result<(), StoreError> {
        let fly = Actor { user: None, name: "Fly.io".to_owned() };
        match before {
            None => {
                let detail = format!("{}, by signing in with Fly.io", after.name);
                self.audit(txn, id, AuditEvent { kind: AuditKind::MemberAdded, who: fly, from: None, detail })
            }
            Some(before) if before.role != after.role => {
                let detail = format!("{}: {} to {}", after.name, before.role.as_str(), after.role.as_str());
                self.audit(txn, id, AuditEvent { kind: AuditKind::RoleChanged, who: fly, from: None, detail })
            }
            Some(_) => Ok(()),
        }
    }

    /// Notes that Fly.io did not name the organization. The membership stays: it may only want a fresh sign-in there.
    pub async fn mark_absent(&self, id: &OrganizationId, user: &UserId) -> Result<(), StoreError> {
        let key = keys::member(id, user);
        self.store
            .transact(|| async {
                let (organization, member) = self.store.read_pair(&keys::organization(id), &key).await?;
                let (Some(organization), Some(member)) = (organization, member) else { return Ok(Attempt::Done(())) };
                let on_fly = organization.value.login_method == LoginMethod::Fly;
                if !on_fly || member.value.absent_since.is_some() {
                    return Ok(Attempt::Done(()));
                }
                let mut txn = self.store.txn(keys::org(id));
                let after = Member { absent_since: Some(self.store.now()), ..member.value.clone() };
                txn.check(&organization).check(&member).put(&key, &after)?;
                Ok::<_, StoreError>(Attempt::Commit(txn, ()))
            })
            .await
    }

    /// Writes where the person belongs, together with a look at whether they have a password still as little as the member
    /// records say. None when they have one by now.
    async fn save_user(
        &self,
        id: &UserId,
        person: &FlyPerson,
        seen: &[SeenOrganization],
        has_password: bool,
    ) -> Result<Option<User>, StoreError> {
        let key = keys::user(id);
        self.store
            .transact(|| async {
                let (before, credential) = self.store.read_pair(&key, &keys::credential(id)).await?;
                if credential.is_some() && !has_password {
                    return Ok(Attempt::Done(None));
                }
                let mut txn = self.store.txn(keys::user_partition(id));
                if !has_password {
                    txn.check_absent(keys::credential(id).into_key());
                }
                match &before {
                    Some(entry) => txn.check(entry),
                    None => txn.check_absent(key.key().clone()),
                };
                let user = merged(id, person, seen, before.as_ref().map(|e| &e.value), self.store.now());
                if before.is_some_and(|before| before.value == user) {
                    return Ok(Attempt::Done(Some(user)));
                }
                txn.put(&key, &user)?;
                Ok::<_, StoreError>(Attempt::Commit(txn, Some(user)))
            })
            .await
    }
}

/// What Fly.io confirmed of one member.
struct Confirmed<'a> {
    user: &'a UserId,
    person: &'a FlyPerson,
    role: Role,
    /// When they set their password; none when they have none, or nobody looked.
    password_set_at: Option<Timestamp>,
}

impl Confirmed<'_> {
    fn member(&self, before: Option<&Member>, on_fly: bool, now: Timestamp) -> Member {
        let email = self.person.email.as_ref().map(ToString::to_string);
        match before {
            None => Member {
                user: self.user.clone(),
                role: self.role,
                name: self.person.name.clone(),
                email,
                has_password: self.password_set_at.is_some(),
                joined_at: now,
                verified_at: now,
                absent_since: None,
                last_sign_in: None,
                left_out: None,
            },
            Some(before) => Member {
                role: if on_fly { self.role } else { before.role },
                name: self.person.name.clone(),
                email: email.or_else(|| before.email.clone()),
                has_password: before.has_password || self.password_set_at.is_some(),
                verified_at: now,
                absent_since: None,
                ..before.clone()
            },
        }
    }
}

fn merged(id: &UserId, person: &FlyPerson, seen: &[SeenOrganization], before: Option<&User>, now: Timestamp) -> User {
    let mut organizations = before.map(|user| user.organizations.clone()).unwrap_or_default();
    for seen in seen {
        if !organizations.contains(&seen.id) && organizations.len() < MAX_MEMBERSHIPS {
            organizations.push(seen.id.clone());
        }
    }
    User {
        id: id.clone(),
        fly_id: person.id.clone(),
        name: person.name.clone(),
        email: person.email.as_ref().map(ToString::to_string).or_else(|| before.and_then(|user| user.email.clone())),
        created_at: before.map_or(now, |user| user.created_at),
        organizations,
        session_epoch: before.map_or(0, |user| user.session_epoch),
        fly_epoch: before.map_or(0, |user| user.fly_epoch),
    }
}
