//! What sign-ins opened and what they did not, as the organizations concerned are told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{AuditEvent, Directory};
use crate::domain::access::{Closed, Proof, opens, oversees};
use crate::domain::audit::AuditKind;
use crate::domain::ids::OrganizationId;
use crate::domain::member::Member;
use crate::domain::organization::Actor;
use crate::domain::user::User;
use crate::store::records::Stored;
use crate::store::{Attempt, Outcome, StoreError, keys};

/// What somebody was refused.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    pub closed: Closed,
    /// What they did: `signed in with Fly.io`.
    pub what: &'a str,
    /// The network address; none where a program asked for them.
    pub from: Option<&'a str>,
}

/// A refusal that the audit log tells of.
#[derive(Serialize, Deserialize)]
struct Noted {}

impl Stored for Noted {}

impl Directory {
    /// Tells the organizations that a sign-in opened, in member list and audit log. Gives those that it did not open.
    pub async fn note_sign_in(
        &self,
        user: &User,
        proof: &Proof,
        from: &str,
    ) -> Result<Vec<(OrganizationId, Closed)>, StoreError> {
        let mut closed = Vec::new();
        for organization in &proof.organizations {
            let why = self.note_one_sign_in(user, proof, &organization.id, from).await?;
            closed.extend(why.map(|why| (organization.id.clone(), why)));
        }
        Ok(closed)
    }

    /// Tells in the audit log those whom a sign-in with Fly.io did not open: they have left it (`closed`), or Fly.io no
    /// longer names them for this person.
    pub async fn note_closed_to_fly(
        &self,
        user: &User,
        proof: &Proof,
        closed: Vec<(OrganizationId, Closed)>,
        from: &str,
    ) -> Result<(), StoreError> {
        let what = format!("signed in with {}", proof.method.words());
        let refusal = |closed| Refusal { closed, what: &what, from: Some(from) };
        for (id, why) in closed {
            self.note_refusal(user, &id, refusal(why)).await?;
        }
        let named = |id: &OrganizationId| proof.organizations.iter().any(|seen| seen.id == *id);
        for id in user.organizations.iter().filter(|id| !named(id)) {
            if self.member(id, &user.id).await?.is_some_and(|member| member.value.absent_since.is_some()) {
                self.note_refusal(user, id, refusal(Closed::NotConfirmed)).await?;
            }
        }
        Ok(())
    }

    /// Tells an organization that left Fly.io of a sign-in there by one of its admins for the page of the switch, which that
    /// opens. `false`, and nothing told, when it opens the page no more than anything else.
    pub async fn note_overseer(
        &self,
        user: &User,
        proof: &Proof,
        id: &OrganizationId,
        from: &str,
    ) -> Result<bool, StoreError> {
        let (organization, member) =
            self.store.read_pair(&keys::organization(id), &keys::member(id, &user.id)).await?;
        let member = member.map(|entry| entry.value);
        if organization.is_none_or(|entry| oversees(&entry.value, member.as_ref(), proof).is_err()) {
            return Ok(false);
        }
        let mut txn = self.store.txn(keys::org(id));
        let who = Actor { user: Some(user.id.clone()), name: user.name.clone() };
        let detail = format!("with {}, for the page of the switch", proof.method.words());
        let event = AuditEvent { kind: AuditKind::SignedIn, who, from: Some(from.to_owned()), detail };
        self.audit(&mut txn, id, event)?;
        let _ = self.store.commit(txn).await?;
        Ok(true)
    }

    /// Why the sign-in does not open the organization, when it does not.
    async fn note_one_sign_in(
        &self,
        user: &User,
        proof: &Proof,
        id: &OrganizationId,
        from: &str,
    ) -> Result<Option<Closed>, StoreError> {
        let key = keys::member(id, &user.id);
        self.store
            .transact(|| async {
                let (organization, member) = self.store.read_pair(&keys::organization(id), &key).await?;
                let (Some(organization), Some(member)) = (organization, member) else {
                    return Ok(Attempt::Done(None));
                };
                if let Err(closed) = opens(&organization.value, Some(&member.value), proof) {
                    return Ok(Attempt::Done(Some(closed)));
                }
                let mut txn = self.store.txn(keys::org(id));
                let who = Actor { user: Some(user.id.clone()), name: user.name.clone() };
                let after = Member { last_sign_in: Some(txn.now()), ..member.value.clone() };
                txn.check(&member).put(&key, &after)?;
                let detail = format!("with {}", proof.method.words());
                self.audit(
                    &mut txn,
                    id,
                    AuditEvent { kind: AuditKind::SignedIn, who, from: Some(from.to_owned()), detail },
                )?;
                Ok::<_, StoreError>(Attempt::Commit(txn, None))
            })
            .await
    }

    /// Tells an organization that somebody proven was refused: once an hour for each person and reason, and only of
    /// people who are its members or were, so that nobody fills its log.
    pub async fn note_refusal(
        &self,
        user: &User,
        id: &OrganizationId,
        refusal: Refusal<'_>,
    ) -> Result<(), StoreError> {
        let Refusal { closed, what, from } = refusal;
        let noted = keys::noted_refusal::<Noted>(id, &user.id, closed, self.store.now());
        let (member, before) = self.store.read_pair(&keys::member(id, &user.id), &noted).await?;
        if member.is_none() || before.is_some() {
            return Ok(());
        }
        let mut txn = self.store.txn(keys::org(id));
        let until = txn.now().plus(Duration::from_hours(1));
        txn.check_absent(noted.key().clone()).put_until(&noted, &Noted {}, until)?;
        let who = Actor { user: Some(user.id.clone()), name: user.name.clone() };
        let detail = format!("{what}: {}", closed.as_sentence());
        self.audit(
            &mut txn,
            id,
            AuditEvent { kind: AuditKind::Refused, who, from: from.map(str::to_owned), detail },
        )?;
        // A conflict means that the same refusal was noted beside us.
        match self.store.commit(txn).await? {
            Outcome::Committed | Outcome::Conflict => Ok(()),
        }
    }
}
