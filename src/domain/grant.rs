//! One authorization by one user for one client. The code, access tokens and refresh tokens belong to it.

use serde::{Deserialize, Serialize};

use super::access::Proof;
use super::authorize::Scope;
use super::client_keys::Thumbprint;
use super::ids::{ClientId, ConsentId, GrantId, OrganizationId, RegistrationId, SessionId, UserId};
use super::requested_claims::RequestedClaims;
use super::secret::TokenHash;
use crate::clock::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub id: GrantId,
    pub client: ClientId,
    /// The registration of the client that it was given under; none where the client was configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<RegistrationId>,
    /// What the person allowed the client, under which it was given; none where the client was the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<ConsentId>,
    pub user: UserId,
    pub redirect_uri: String,
    pub scope: Scope,
    pub nonce: Option<String>,
    /// S256 challenge (RFC 7636, section 4.2).
    pub code_challenge: Option<String>,
    /// The key that whoever redeems the code has to have (RFC 9449, section 10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_jkt: Option<Thumbprint>,
    /// How the person signed in. Its organizations are those that this grant opened: if any of them is no longer open
    /// to the proof, the whole grant is dead.
    pub proof: Proof,
    /// The epoch of the session that the grant was given out of; like the session, it is over when the user's has risen.
    /// A grant that was written without one ends where a password was ever set.
    #[serde(default)]
    pub epoch: u32,
    /// That session, as clients know it; none for a grant that was written before sessions had ids.
    #[serde(default)]
    pub sid: Option<SessionId>,
    /// The organization the client named, when it did.
    pub named: Option<OrganizationId>,
    /// Whether `auth_time` was asked for (`max_age`, `prompt=login`, or by its name).
    pub wants_auth_time: bool,
    /// Claims asked for beside those of the scope.
    #[serde(default, skip_serializing_if = "RequestedClaims::is_empty")]
    pub claims: RequestedClaims,
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
    /// The key without which the token is worth nothing; none for one that whoever holds it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Thumbprint>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::organization::LoginMethod;
    use crate::domain::requested_claims;

    const NOW: Timestamp = Timestamp::from_seconds(7);

    #[test]
    fn a_grant_that_was_written_before_it_kept_a_consent_an_epoch_a_session_or_claims_reads_as_one_of_the_first_without_any()
     {
        let grant = Grant {
            id: "g1".parse().expect("an id"),
            client: "c1".parse().expect("an id"),
            registration: None,
            consent: Some("k1".parse().expect("an id")),
            user: "u1".parse().expect("an id"),
            redirect_uri: "https://rp.test/cb".to_owned(),
            scope: Scope::from("openid"),
            nonce: None,
            code_challenge: None,
            dpop_jkt: None,
            proof: Proof { method: LoginMethod::Password, auth_time: NOW, organizations: Vec::new() },
            epoch: 3,
            sid: Some("s1".parse().expect("an id")),
            named: None,
            wants_auth_time: false,
            claims: requested_claims::read(Some(r#"{"userinfo":{"name":null}}"#), None, "").0,
            created_at: NOW,
            code: Code { hash: TokenHash::of(b"code"), expires_at: NOW, used: true },
            refresh: None,
        };
        let mut json = serde_json::to_value(&grant).expect("JSON");
        let mut take = |name| json.as_object_mut().and_then(|fields| fields.remove(name));
        assert_eq!(take("epoch"), Some(3.into()));
        assert_eq!(take("sid"), Some("s1".into()));
        assert_eq!(take("consent"), Some("k1".into()));
        assert_eq!(take("claims"), Some(serde_json::json!({"userinfo": ["name"]})));
        let old: Grant = serde_json::from_value(json).expect("a grant");
        assert_eq!(old, Grant { consent: None, epoch: 0, sid: None, claims: RequestedClaims::default(), ..grant });
    }
}
