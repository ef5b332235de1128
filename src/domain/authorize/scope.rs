//! The scope of a request or grant (RFC 6749, section 3.3; OIDC Core, section 5.4).

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A scope value we know. Unknown ones are ignored (RFC 6749, section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScopeValue {
    OpenId,
    Profile,
    Email,
    OfflineAccess,
    Organizations,
    /// What Fly-shaped clients ask for.
    Read,
}

impl ScopeValue {
    pub const ALL: [Self; 6] =
        [Self::OpenId, Self::Profile, Self::Email, Self::OfflineAccess, Self::Organizations, Self::Read];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenId => "openid",
            Self::Profile => "profile",
            Self::Email => "email",
            Self::OfflineAccess => "offline_access",
            Self::Organizations => "organizations",
            Self::Read => "read",
        }
    }
}

/// The scope of a request or grant: the values we know, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Scope(BTreeSet<ScopeValue>);

impl Scope {
    #[must_use]
    pub fn contains(&self, value: ScopeValue) -> bool {
        self.0.contains(&value)
    }

    #[must_use]
    pub fn is_within(&self, wider: &Self) -> bool {
        self.0.is_subset(&wider.0)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Scope {
    fn from(text: &str) -> Self {
        let known = |word: &str| ScopeValue::ALL.into_iter().find(|value| value.as_str() == word);
        Self(text.split(' ').filter_map(known).collect())
    }
}

impl From<String> for Scope {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, value) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " " })?;
            f.write_str(value.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_keeps_what_is_known() {
        let scope = Scope::from("openid nonsense email openid");
        assert_eq!(scope.to_string(), "openid email");
        assert!(Scope::from("email").is_within(&scope));
        assert!(!Scope::from("email profile").is_within(&scope));
    }
}
