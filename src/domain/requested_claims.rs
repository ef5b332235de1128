//! What a client asks for by claim rather than by scope: the `claims` parameter (OIDC Core, section 5.5).
//!
//! Nothing in it is ever an error: what cannot be read, has another shape or is not known here is as if not sent.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ids::UserId;

/// Bytes of a parameter that is read; a longer one is as if not sent.
const LONGEST: usize = 4 * 1024;

/// A claim that may be asked for by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimName {
    Name,
    Email,
    EmailVerified,
    Organizations,
    /// Only of the `id_token`, as it tells of the sign-in.
    AuthTime,
}

impl ClaimName {
    const OF_USERINFO: [Self; 4] = [Self::Name, Self::Email, Self::EmailVerified, Self::Organizations];
    const OF_ID_TOKEN: [Self; 5] =
        [Self::Name, Self::Email, Self::EmailVerified, Self::Organizations, Self::AuthTime];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Email => "email",
            Self::EmailVerified => "email_verified",
            Self::Organizations => "organizations",
            Self::AuthTime => "auth_time",
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
}

impl Demands {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Reads the parameter's text.
#[must_use]
pub fn read(text: &str) -> (RequestedClaims, Demands) {
    let members = if text.len() <= LONGEST { serde_json::from_str(text).unwrap_or_default() } else { Map::new() };
    let member = |name| members.get(name).and_then(Value::as_object);
    let (userinfo, id_token) = (member("userinfo"), member("id_token"));
    let claims = RequestedClaims {
        userinfo: names(userinfo, &ClaimName::OF_USERINFO),
        id_token: names(id_token, &ClaimName::OF_ID_TOKEN),
    };
    (claims, Demands { sub: id_token.and_then(subject) })
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

#[cfg(test)]
mod tests {
    use super::ClaimName::{AuthTime, Email, EmailVerified, Name, Organizations};
    use super::*;

    fn claims(userinfo: &[ClaimName], id_token: &[ClaimName]) -> RequestedClaims {
        let set = |names: &[ClaimName]| names.iter().copied().collect();
        RequestedClaims { userinfo: set(userinfo), id_token: set(id_token) }
    }

    fn nothing() -> (RequestedClaims, Demands) {
        (RequestedClaims::default(), Demands::default())
    }

    #[test]
    fn the_example_of_the_specification() {
        let text = r#"{
            "userinfo": {
                "given_name": {"essential": true}, "nickname": null, "email": {"essential": true},
                "email_verified": {"essential": true}, "picture": null, "http://example.info/claims/groups": null
            },
            "id_token": {
                "auth_time": {"essential": true}, "acr": {"values": ["urn:mace:incommon:iap:silver"]}
            }
        }"#;
        assert_eq!(read(text), (claims(&[Email, EmailVerified], &[AuthTime]), Demands::default()));
    }

    #[test]
    fn every_known_name_counts_where_it_may_stand() {
        let all =
            r#"{"name":null,"email":{},"email_verified":{"value":true},"organizations":{"x":1},"auth_time":null}"#;
        let person = [Name, Email, EmailVerified, Organizations];
        let told = [Name, Email, EmailVerified, Organizations, AuthTime];
        let text = format!(r#"{{"userinfo":{all},"id_token":{all},"elsewhere":{all}}}"#);
        assert_eq!(read(&text).0, claims(&person, &told), "auth_time is nothing about a person");
        assert_eq!(read(&format!(r#"{{"userinfo":{all}}}"#)).0, claims(&person, &[]));
        assert_eq!(read(&format!(r#"{{"id_token":{all}}}"#)).0, claims(&[], &told));
    }

    #[test]
    fn what_cannot_be_read_is_as_if_not_sent() {
        let deep = "[".repeat(2_000);
        let texts = [
            "",
            "name email",
            "null",
            "7",
            "[]",
            r#"["userinfo"]"#,
            r#""userinfo""#,
            "{",
            &deep,
            r#"{"userinfo":{"name":null}"#,
            r#"{"userinfo":{"name":null}} x"#,
            "{}",
            r#"{"userinfo":null,"id_token":null}"#,
            r#"{"userinfo":["name"],"id_token":"email"}"#,
            r#"{"userinfo":{},"id_token":{}}"#,
            r#"{"userinfo":{"name":true,"email":"","email_verified":1,"organizations":[]}}"#,
            r#"{"userinfo":{"Name":null,"name#de":null,"phone_number":{"essential":true}}}"#,
            r#"{"userinfo":{"sub":{"value":"u1"}}}"#,
        ];
        for text in texts {
            assert_eq!(read(text), nothing(), "{text}");
        }
    }

    #[test]
    fn one_member_of_another_shape_leaves_the_others_as_they_are() {
        let text = r#"{"userinfo":7,"id_token":{"name":"x","email":null,"sub":"u1"}}"#;
        assert_eq!(read(text), (claims(&[], &[Email]), Demands::default()));
    }

    #[test]
    fn a_text_may_have_4_kib_and_not_a_byte_more() {
        let asked = r#"{"userinfo":{"name":null}}"#;
        let padded = |length: usize| format!("{asked}{}", " ".repeat(length - asked.len()));
        assert_eq!(read(&padded(4_096)).0, claims(&[Name], &[]));
        assert_eq!(read(&padded(4_097)), nothing());
    }

    #[test]
    fn a_subject_with_a_value_is_the_only_person_wanted() {
        let sub = |value: &str| read(&format!(r#"{{"id_token":{{"sub":{value}}}}}"#)).1.sub;
        assert_eq!(sub(r#"{"value":"u1"}"#), "u1".parse().ok());
        assert_eq!(sub(r#"{"essential":true,"value":"u1"}"#), "u1".parse().ok());
        for foreign in ["248289761001@example.com", "", &"x".repeat(300)] {
            assert_eq!(sub(&format!(r#"{{"value":"{foreign}"}}"#)), "nobody".parse().ok(), "{foreign}");
        }
        for none in ["null", "{}", r#"{"essential":true}"#, r#"{"value":7}"#, r#"{"value":null}"#, r#"["u1"]"#] {
            assert_eq!(sub(none), None, "{none}");
        }
    }

    #[test]
    fn the_records_are_small_and_older_ones_read_as_none() {
        let (claims, demands) = read(r#"{"userinfo":{"email_verified":null},"id_token":{"sub":{"value":"u1"}}}"#);
        assert_eq!(serde_json::to_string(&claims).expect("JSON"), r#"{"userinfo":["email_verified"]}"#);
        assert_eq!(serde_json::to_string(&demands).expect("JSON"), r#"{"sub":"u1"}"#);
        assert_eq!(serde_json::from_str::<RequestedClaims>("{}").expect("a record"), RequestedClaims::default());
        assert_eq!(serde_json::from_str::<Demands>("{}").expect("a record"), Demands::default());
    }
}
