//! What a sign-in opens, with the store: reads organizations and memberships and lets [`opens`] decide.

use super::ahead::Along;
use crate::domain::access::{Closed, Proof, opens};
use crate::domain::claims::OrganizationClaim;
use crate::domain::consent::Consent;
use crate::domain::grant::Grant;
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

/// Holds `proof` against `organizations`, in one round trip, or in none where they were read along. Organizations that do
/// not exist are left out.
pub async fn judge(
    (store, along): (&Store, Along),
    user: &UserId,
    proof: &Proof,
    organizations: &[OrganizationId],
) -> Result<Vec<Judged>, StoreError> {
    let wanted = membership_keys(user, organizations);
    Ok(held_against(proof, memberships(&wanted, along.get(store, &wanted).await?)?))
}

/// A person with what a grant of theirs depends on.
pub struct Standing {
    pub user: User,
    /// What they allow the client, where the grant was given under a consent.
    pub consent: Option<Consent>,
    pub organizations: Vec<Judged>,
}

/// The same for a grant, with the person and what they allow its client, in the same round trip. None when there is no such
/// person any more.
pub async fn judge_grant((store, along): (&Store, Along), grant: &Grant) -> Result<Option<Standing>, StoreError> {
    let wanted = grant_keys(grant);
    let memberships_end = 2 * grant.proof.organizations.len();
    let mut records = along.get(store, &wanted).await?;
    let mut own = wanted[memberships_end..].iter().zip(records.split_off(memberships_end));
    let Some((key, Some(record))) = own.next() else { return Ok(None) };
    let person = decode::<User>(key, &record)?.value;
    let consent = match own.next() {
        Some((key, Some(record))) => Some(decode::<Consent>(key, &record)?.value),
        Some((_, None)) | None => None,
    };
    let found = memberships(&wanted[..memberships_end], records)?;
    Ok(Some(Standing { user: person, consent, organizations: held_against(&grant.proof, found) }))
}

/// What a grant depends on: its organizations with the person in them, the person, and what they allow the client.
#[must_use]
pub fn grant_keys(grant: &Grant) -> Vec<Key> {
    let user = &grant.user;
    let organizations: Vec<OrganizationId> = grant.proof.organizations.iter().map(|seen| seen.id.clone()).collect();
    let mut wanted = membership_keys(user, &organizations);
    wanted.push(keys::user(user).into_key());
    // A grant that names no consent costs no look at one.
    wanted.extend(grant.consent.as_ref().map(|_| keys::consent(user, &grant.client).into_key()));
    wanted
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
