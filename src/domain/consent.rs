//! What a person allows a client that is not the operator's own (OIDC Core, section 3.1.2.4): what there is to ask, and
//! whether it has to be asked.
//!
//! Nobody is asked about a client of the operator's own, not even with `prompt=consent`: the operator has answered for
//! everybody by registering it, and the specification lets a provider obtain consent by other means than a page.
//!
//! Access while the person is away (`offline_access`) needs `prompt=consent` "unless other conditions for processing the
//! request permitting offline access to the requested resources are in place" (OIDC Core, section 11). They are: the
//! question names it whenever it is asked for and was not allowed yet, whatever `prompt` says, and what was allowed ends
//! when the person takes it back.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::authorize::{Scope, ScopeValue};
use super::client::{Client, Subject};
use super::ids::{ClientId, ConsentId, RegistrationId};
use super::requested_claims::{ClaimName, RequestedClaims};
use crate::clock::Timestamp;

/// Something that a client may learn or do. Kept rather than the scopes and claims that ask for it: two ways of asking for
/// the same are one question, and a scope that comes to give more is a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// `sub`, and how and when the person signed in: part of every sign-in.
    Identity,
    /// The person's id at Fly.io.
    FlyId,
    Name,
    Email,
    /// The organizations that the sign-in opens, with the person's role.
    Organizations,
    /// To ask for all of this without the person.
    WhileAway,
}

/// What a client asks for.
#[must_use]
pub fn asked(client: &Client, scope: &Scope, claims: &RequestedClaims) -> BTreeSet<Permission> {
    // `read` opens `token/info`, which tells all of these.
    let read = scope.contains(ScopeValue::Read);
    let told = |value, names: &[ClaimName]| {
        let named = |name| claims.userinfo.contains(name) || claims.id_token.contains(name);
        read || scope.contains(value) || names.iter().any(named)
    };
    let asked = [
        (Permission::Identity, true),
        (Permission::FlyId, read && client.subject == Subject::FlyUserId),
        (Permission::Name, told(ScopeValue::Profile, &[ClaimName::Name])),
        (Permission::Email, told(ScopeValue::Email, &[ClaimName::Email, ClaimName::EmailVerified])),
        (Permission::Organizations, told(ScopeValue::Organizations, &[ClaimName::Organizations])),
        (Permission::WhileAway, client.always_refresh_token || scope.contains(ScopeValue::OfflineAccess)),
    ];
    asked.into_iter().filter(|(_, asked)| *asked).map(|(permission, _)| permission).collect()
}

/// Whether a client is told something for which no scope is needed as long as it is the operator's own.
#[must_use]
pub fn tells(client: &Client, scope: &Scope, claims: &RequestedClaims, permission: Permission) -> bool {
    client.first_party || asked(client, scope, claims).contains(&permission)
}

/// What a person allowed a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// What grants name. Another one after the person took it back, so that nothing given before comes to life again.
    pub id: ConsentId,
    pub client: ClientId,
    /// The registration of the client that the person saw; none where the client was configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<RegistrationId>,
    /// The client's name as the person saw it.
    pub name: String,
    pub allowed: BTreeSet<Permission>,
    /// Since when something is allowed.
    pub given_at: Timestamp,
}

/// Whether a client gets what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is the operator's own.
    NotNeeded,
    /// The person allowed it before.
    Given,
    /// The person has to be asked.
    Ask,
}

/// The rule. `again`: the client wants the question asked whatever was allowed before (`prompt=consent`).
#[must_use]
pub fn decide(client: &Client, asked: &BTreeSet<Permission>, before: Option<&Consent>, again: bool) -> Decision {
    if client.first_party {
        return Decision::NotNeeded;
    }
    let allowed = before.is_some_and(|before| before.is_for(client) && asked.is_subset(&before.allowed));
    if allowed && !again { Decision::Given } else { Decision::Ask }
}

/// Whether a grant that names the consent `named` still counts, where `kept` is what the person allows its client now and
/// `asked` what the grant gives today.
///
/// A grant of a time when the client was the operator's own ends when it no longer is: the person was never asked, and
/// could not take it back. So does one that comes to give more, by a change of the client's settings, than was allowed.
#[must_use]
pub fn stands(
    client: &Client,
    named: Option<&ConsentId>,
    kept: Option<&Consent>,
    asked: &BTreeSet<Permission>,
) -> bool {
    match named {
        Some(named) => {
            let kept = kept.filter(|kept| kept.id == *named);
            kept.is_some_and(|kept| client.first_party || asked.is_subset(&kept.allowed))
        }
        None => client.first_party,
    }
}

impl Consent {
    /// Whether it was given to this client, rather than to another that was registered under its id.
    #[must_use]
    pub fn is_for(&self, client: &Client) -> bool {
        client.stands_by(self.registration.as_ref())
    }

    /// With `asked` allowed to `client`, beside what was allowed `before`. `id` is for a new one.
    #[must_use]
    pub fn given(
        client: &Client,
        asked: &BTreeSet<Permission>,
        before: Option<&Self>,
        id: ConsentId,
        now: Timestamp,
    ) -> Self {
        let before = before.filter(|before| before.is_for(client));
        Self {
            id: before.map_or(id, |before| before.id.clone()),
            client: client.id.clone(),
            registration: client.registration.clone(),
            name: client.name.clone(),
            allowed: before
                .map_or_else(BTreeSet::new, |before| before.allowed.clone())
                .union(asked)
                .copied()
                .collect(),
            given_at: before.map_or(now, |before| before.given_at),
        }
    }
}

#[cfg(test)]
mod tests;
