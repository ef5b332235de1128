//! What a client may do in its own name, with no person behind it (RFC 6749, section 4.4).

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::authorize::{OAuthCode, OAuthError};
use super::client_keys::Thumbprint;
use super::ids::{ClientId, RegistrationId};
use super::secret::TokenHash;
use crate::clock::Timestamp;

/// Something that a client may do at our own API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MachineScope {
    /// To look at organizations, their runs and what became of their members.
    #[serde(rename = "organizations:read")]
    OrganizationsRead,
    /// To have organizations leave Fly.io and come back, and to have mail sent again.
    #[serde(rename = "organizations:disable")]
    OrganizationsDisable,
}

impl MachineScope {
    pub const ALL: [Self; 2] = [Self::OrganizationsRead, Self::OrganizationsDisable];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrganizationsRead => "organizations:read",
            Self::OrganizationsDisable => "organizations:disable",
        }
    }
}

/// What a client may do, or a token of its own stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MachineScopes(BTreeSet<MachineScope>);

impl MachineScopes {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = MachineScope> {
        self.0.iter().copied()
    }

    #[must_use]
    pub fn contains(&self, scope: MachineScope) -> bool {
        self.0.contains(&scope)
    }

    /// What both allow.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).copied().collect())
    }

    /// What a client that may do all of these asks for: everything unless it names some of it (RFC 6749, section 3.3).
    ///
    /// # Errors
    /// `unauthorized_client` for one that may do nothing, `invalid_scope` for one that names anything else.
    pub fn narrowed(&self, asked: Option<&str>) -> Result<Self, OAuthError> {
        if self.is_empty() {
            let why = "this client is not registered to do anything in its own name";
            let error = OAuthError::new(OAuthCode::UnauthorizedClient, why).about("grant_type");
            return Err(error.because("the client has no machine_scopes"));
        }
        let Some(asked) = asked else { return Ok(self.clone()) };
        let one = |word: &str| self.0.iter().find(|scope| scope.as_str() == word).copied();
        let words = asked.split(' ').filter(|word| !word.is_empty());
        let found: Option<BTreeSet<MachineScope>> = words.map(one).collect();
        match found {
            Some(found) if !found.is_empty() => Ok(Self(found)),
            _ => {
                let error = OAuthError::new(OAuthCode::InvalidScope, "scope names something this client may not do");
                Err(error.about("scope").received(asked).because(format!("its machine_scopes are {self}")))
            }
        }
    }
}

impl FromIterator<MachineScope> for MachineScopes {
    fn from_iter<I: IntoIterator<Item = MachineScope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl fmt::Display for MachineScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " " })?;
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

/// An access token that a client was given in its own name, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineToken {
    pub hash: TokenHash,
    pub client: ClientId,
    /// The registration of the client that it was given under; none where the client was configured.
    pub registration: Option<RegistrationId>,
    pub scopes: MachineScopes,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    /// The key without which the token is worth nothing; none for one that whoever holds it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Thumbprint>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_what_it_names_of_what_it_may_do_or_all_of_it() {
        let all: MachineScopes = MachineScope::ALL.into_iter().collect();
        let read: MachineScopes = [MachineScope::OrganizationsRead].into_iter().collect();
        let asked = |scopes: &MachineScopes, asked: Option<&str>| {
            scopes.narrowed(asked).map(|scopes| scopes.to_string()).map_err(|error| error.code.as_str())
        };
        assert_eq!(asked(&all, None).as_deref(), Ok("organizations:read organizations:disable"));
        assert_eq!(asked(&all, Some("organizations:disable")).as_deref(), Ok("organizations:disable"));
        assert_eq!(asked(&read, None).as_deref(), Ok("organizations:read"));
        for words in ["organizations:disable", "organizations:read organizations:disable", "openid", " ", "x"] {
            assert_eq!(asked(&read, Some(words)), Err("invalid_scope"), "{words:?}");
        }
        for words in [None, Some("organizations:read")] {
            assert_eq!(asked(&MachineScopes::default(), words), Err("unauthorized_client"));
        }
        assert_eq!(all.within(&read), read);
        assert_eq!(serde_json::to_string(&read).expect("JSON"), "[\"organizations:read\"]");
    }
}
