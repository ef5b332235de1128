//! What a sign-in opens, with the store: reads organizations and memberships and lets [`opens`] decide.

use crate::domain::access::{Closed, Proof, opens};
use crate::domain::claims::OrganizationClaim;
use crate::domain::ids::{OrganizationId, UserId};
use crate::domain::member::{Member, Role};
use crate::domain::organization::Organization;
use crate::store::records::decode;
use crate::store::{Key, Store, StoreError, keys};

/// An organization that a proof was held against.
#[derive(Debug, Clone)]
pub struct Judged {
    pub organization: Organization,
    pub member: Option<Member>,
    pub verdict: Result<Role, Closed>,
}

impl Judged {
    #[must_use]
    pub fn claim(&self) -> Option<OrganizationClaim> {
        let role = self.verdict.ok()?;
        let organization = &self.organization;
        Some(OrganizationClaim {
            id: organization.id.clone(),
            slug: organization.slug.clone(),
            name: organization.name.clone(),
            role,
        })
    }
}

/// The organizations among `organizations` that exist and that the person is a member of, in one round trip.
pub async fn judge_membership(
    store: &Store,
    user: &UserId,
    organizations: &[OrganizationId],
) -> Result<Vec<(Organization, Member)>, StoreError> {
    let found = read_memberships(store, user, organizations).await?;
    Ok(found.into_iter().filter_map(|(organization, member)| Some((organization, member?))).collect())
}

/// Holds `proof` against `organizations`, in one round trip. Organizations that do not exist are left out.
pub async fn judge(
    store: &Store,
    user: &UserId,
    proof: &Proof,
    organizations: &[OrganizationId],
) -> Result<Vec<Judged>, StoreError> {
    let found = read_memberships(store, user, organizations).await?;
    let judged = found.into_iter().map(|(organization, member)| {
        let verdict = opens(&organization, member.as_ref(), proof);
        Judged { organization, member, verdict }
    });
    Ok(judged.collect())
}

async fn read_memberships(
    store: &Store,
    user: &UserId,
    organizations: &[OrganizationId],
) -> Result<Vec<(Organization, Option<Member>)>, StoreError> {
    let wanted: Vec<Key> = (organizations.iter())
        .flat_map(|id| [keys::organization(id).into_key(), keys::member(id, user).into_key()])
        .collect();
    let mut records = wanted.iter().zip(store.get(&wanted).await?);
    let mut found = Vec::new();
    while let (Some((org_key, organization)), Some((member_key, member))) = (records.next(), records.next()) {
        let Some(organization) = organization else { continue };
        let organization: Organization = decode(org_key, &organization)?.value;
        let member = member.map(|record| decode::<Member>(member_key, &record)).transpose()?.map(|entry| entry.value);
        found.push((organization, member));
    }
    Ok(found)
}
