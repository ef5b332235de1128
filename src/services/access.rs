//! What a sign-in opens, with the store: reads organizations and memberships and lets [`opens`] decide.

use crate::domain::access::{Closed, Proof, opens};
use crate::domain::claims::OrganizationClaim;
use crate::domain::ids::{OrganizationId, UserId};
use crate::domain::member::{Member, Role};
use crate::domain::organization::Organization;
use crate::domain::user::User;
use crate::store::records::decode;
use crate::store::{Key, Record, Store, StoreError, keys};

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
    let wanted = membership_keys(user, organizations);
    let found = memberships(&wanted, store.get(&wanted).await?)?;
    Ok(found.into_iter().filter_map(|(organization, member)| Some((organization, member?))).collect())
}

/// Holds `proof` against `organizations`, in one round trip. Organizations that do not exist are left out.
pub async fn judge(
    store: &Store,
    user: &UserId,
    proof: &Proof,
    organizations: &[OrganizationId],
) -> Result<Vec<Judged>, StoreError> {
    let wanted = membership_keys(user, organizations);
    Ok(held_against(proof, memberships(&wanted, store.get(&wanted).await?)?))
}

/// The same with the person, in the same round trip. None when there is no such person any more.
pub async fn judge_with_person(
    store: &Store,
    user: &UserId,
    proof: &Proof,
    organizations: &[OrganizationId],
) -> Result<Option<(User, Vec<Judged>)>, StoreError> {
    let person = keys::user(user).into_key();
    let wanted = [vec![person.clone()], membership_keys(user, organizations)].concat();
    let mut records = store.get(&wanted).await?.into_iter();
    let Some(record) = records.next().flatten() else { return Ok(None) };
    let found = memberships(&wanted[1..], records)?;
    Ok(Some((decode::<User>(&person, &record)?.value, held_against(proof, found))))
}

type Membership = (Organization, Option<Member>);

fn held_against(proof: &Proof, found: Vec<Membership>) -> Vec<Judged> {
    let judged = found.into_iter().map(|(organization, member)| {
        let verdict = opens(&organization, member.as_ref(), proof);
        Judged { organization, member, verdict }
    });
    judged.collect()
}

/// An organization and the person in it, in turns.
fn membership_keys(user: &UserId, organizations: &[OrganizationId]) -> Vec<Key> {
    let pair = |id| [keys::organization(id).into_key(), keys::member(id, user).into_key()];
    organizations.iter().flat_map(pair).collect()
}

/// What was found under [`membership_keys`].
fn memberships(
    wanted: &[Key],
    records: impl IntoIterator<Item = Option<Record>>,
) -> Result<Vec<Membership>, StoreError> {
    let mut records = wanted.iter().zip(records);
    let mut found = Vec::new();
    while let (Some((org_key, organization)), Some((member_key, member))) = (records.next(), records.next()) {
        let Some(organization) = organization else { continue };
        let organization: Organization = decode(org_key, &organization)?.value;
        let member = member.map(|record| decode::<Member>(member_key, &record)).transpose()?.map(|entry| entry.value);
        found.push((organization, member));
    }
    Ok(found)
}
