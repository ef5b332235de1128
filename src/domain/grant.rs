//! One authorization by one user for one client. The code, access tokens and refresh tokens belong to it.

use serde::{Deserialize, Serialize};

use super::access::Proof;
use super::authorize::Scope;
use super::ids::{ClientId, GrantId, OrganizationId, UserId};
use super::secret::TokenHash;
use crate::clock::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub id: GrantId,
    pub client: ClientId,
    pub user: UserId,
    pub redirect_uri: String,
    pub scope: Scope,
    pub nonce: Option<String>,
    /// S256 challenge (RFC 7636, section 4.2).
    pub code_challenge: Option<String>,
    /// How the person signed in. Its organizations are those that this grant opened: if any of them is no longer open
    /// to the proof, the whole grant is dead.
    pub proof: Proof,
    /// The organization the client named, when it did.
    pub named: Option<OrganizationId>,
    /// Whether `auth_time` was asked for (`max_age` or `prompt=login`).
    pub wants_auth_time: bool,
    pub created_at: Timestamp,
    pub code: Code,
    pub refresh: Option<Refresh>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    pub hash: TokenHash,
    pub expires_at: Timestamp,
    /// Set by the commit that redeems it, before any token exists.
    pub used: bool,
}

/// The refresh tokens of a grant: a chain in which only the newest is good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    pub current: TokenHash,
    /// The one before, with the time it was replaced. Within [`REUSE_WINDOW`] it gets the same answer again, for
    /// clients whose answer was lost; later its use revokes the grant (RFC 9700, section 4.14.2).
    pub previous: Option<(TokenHash, Timestamp)>,
    /// Counts the answers; tokens are derived from it, so that an answer can be repeated without being stored.
    pub serial: u32,
}

/// How long a replaced refresh token gets the same answer again.
pub const REUSE_WINDOW: std::time::Duration = std::time::Duration::from_secs(30);

/// An access token, found by its hash in the grant's partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    pub scope: Scope,
}
