//! What a client asks for by claim rather than by scope: the parameters `claims` (OIDC Core, section 5.5) and
//! `acr_values` (section 3.1.2.1).
//!
//! Nothing in them is ever an error. What cannot be read, has another shape or is no claim known here is as if not sent; a
//! person or an essential way of signing in that is not known here is one that no sign-in is.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::claims::acr;
use super::ids::UserId;
use super::organization::LoginMethod;

/// Bytes of `claims` that are read; a longer one is as if not sent.
const LONGEST: usize = 4 * 1024;

/// A claim that may be asked for by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimName {
    Name,
    Email,
    EmailVerified,
    Organizations,
    /// Only of the `id_token`, as it tells of the sign-in; [`ClaimName::Acr`] likewise.
    AuthTime,
    Acr,
}

impl ClaimName {
    const OF_USERINFO: [Self; 4] = [Self::Name, Self::Email, Self::EmailVerified, Self::Organizations];
    const OF_ID_TOKEN: [Self; 6] =
        [Self::Name, Self::Email, Self::EmailVerified, Self::Organizations, Self::AuthTime, Self::Acr];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Email => "email",
            Self::EmailVerified => "email_verified",
            Self::Organizations => "organizations",
            Self::AuthTime => "auth_time",
            Self::Acr => "acr",
        }
    }
}

/// The claims asked for, by where they are to stand. Names only: it travels in a cookie and lies in every grant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestedClaims {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub userinfo: BTreeSet<ClaimName>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub id_token: BTreeSet<ClaimName>,
}

impl RequestedClaims {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.userinfo.is_empty() && self.id_token.is_empty()
    }
}

/// What the sign-in has to be, or the client gets no code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Demands {
    /// The only person the client wants back: `id_token.sub` with a value (OIDC Core, sections 3.1.2.2 and 5.5.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<UserId>,
    /// The only ways of signing in that the client accepts: `id_token.acr`, essential, with values (OIDC Core, section
    /// 5.5.1.1). Empty when all of them are unknown here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<LoginMethod>>,
}

impl Demands {
    /// Whether the client accepts a sign-in by `method`.
    #[must_use]
    pub fn accept(&self, method: LoginMethod) -> bool {
        self.methods.as_ref().is_none_or(|methods| methods.contains(&method))
    }

    /// The way of signing in that the client accepts instead of `method`; none where that will do, or nothing would.
    #[must_use]
    pub fn instead_of(&self, method: LoginMethod) -> Option<LoginMethod> {
        LoginMethod::ALL.into_iter().find(|other| self.accept(*other)).filter(|_| !self.accept(method))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Reads the texts of both. `issuer` stands before the name of each way of signing in.
#[must_use]
pub fn read(claims: Option<&str>, acr_values: Option<&str>, issuer: &str) -> (RequestedClaims, Demands) {
    let text = claims.filter(|text| text.len() <= LONGEST).unwrap_or_default();
    let members: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    let member = |name| members.get(name).and_then(Value::as_object);
    let (userinfo, id_token) = (member("userinfo"), member("id_token"));
    let mut claims = RequestedClaims {
        userinfo: names(userinfo, &ClaimName::OF_USERINFO),
        id_token: names(id_token, &ClaimName::OF_ID_TOKEN),
    };
    // Which it asks for is a preference: the way that was taken is told, whichever it was.
    if acr_values.is_some_and(|values| !values.trim().is_empty()) {
        claims.id_token.insert(ClaimName::Acr);
    }
    let methods = id_token.and_then(|id_token| methods(id_token, issuer));
    (claims, Demands { sub: id_token.and_then(subject), methods })
}

/// The known names among the members whose value is one a request may have: null or an object.
fn names(member: Option<&Map<String, Value>>, known: &[ClaimName]) -> BTreeSet<ClaimName> {
    let asked = |name: &ClaimName| {
        let value = member.and_then(|member| member.get(name.as_str()));
        value.is_some_and(|value| value.is_null() || value.is_object())
    };
    known.iter().copied().filter(asked).collect()
}

fn subject(id_token: &Map<String, Value>) -> Option<UserId> {
    let value = id_token.get("sub")?.get("value")?.as_str()?;
    // What cannot be an id of ours asks for a person whom we do not have: nobody who signs in is the one.
    value.parse().or_else(|_| "nobody".parse()).ok()
}

fn methods(id_token: &Map<String, Value>, issuer: &str) -> Option<Vec<LoginMethod>> {
    let asked = id_token.get("acr").filter(|asked| asked.get("essential") == Some(&Value::Bool(true)))?;
    let several = asked.get("values").and_then(Value::as_array).into_iter().flatten();
    let values: Vec<&str> = several.chain(asked.get("value")).filter_map(Value::as_str).collect();
    let wanted = |method: &LoginMethod| values.contains(&acr(issuer, *method).as_str());
    (!values.is_empty()).then(|| LoginMethod::ALL.into_iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests;
