//! A person. The id is minted when (connector, upstream id) is first seen, and never changes.

use serde::{Deserialize, Serialize};

use super::email::EmailAddress;
use super::ids::{OrganizationId, UpstreamUserId, UserId};
use crate::clock::Timestamp;

/// Organizations of one person that are looked at, so that no request's work is without bound.
pub const MAX_MEMBERSHIPS: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    /// The person's id at Fly.io.
    pub fly_id: UpstreamUserId,
    pub name: String,
    /// The confirmed address at Fly.io, an alias that is routed to the person.
    pub email: Option<String>,
    pub created_at: Timestamp,
    /// Organizations in which the person is a member; the member records are the truth, this tells where to look.
    pub organizations: Vec<OrganizationId>,
    /// Sessions and grants of an older epoch are over. Rises when a password is set.
    pub session_epoch: u32,
    /// Rises when Fly.io refuses what we know the person by: what they proved there before is over.
    #[serde(default)]
    pub fly_epoch: u32,
}

impl User {
    /// Whether what began in `epoch` still counts: no password was set or replaced since, by which whoever knew the one
    /// before is shut out.
    #[must_use]
    pub fn is_in(&self, epoch: u32) -> bool {
        self.session_epoch == epoch
    }

    /// Whether it is the address at Fly.io, with which the person signs in unless it is somebody else's own.
    #[must_use]
    pub fn signs_in(&self, address: &EmailAddress) -> bool {
        self.address_at_fly().is_some_and(|own| own.normalized() == address.normalized())
    }

    /// The address at Fly.io, if mail can go there.
    #[must_use]
    pub fn address_at_fly(&self) -> Option<EmailAddress> {
        self.email.as_deref().and_then(|email| email.parse().ok())
    }

    /// What to call the person: the name without what follows the first space.
    #[must_use]
    pub fn first_name(&self) -> &str {
        self.name.split_whitespace().next().unwrap_or("there")
    }
}

/// A set password. The hash is a PHC string (argon2id).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    pub phc: String,
    pub set_at: Timestamp,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("set_at", &self.set_at).finish_non_exhaustive()
    }
}
