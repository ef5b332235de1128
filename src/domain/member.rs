//! A person in an organization.

use serde::{Deserialize, Serialize};

use super::ids::UserId;
use crate::clock::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Admin,
    Member,
}

impl Role {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }
}

/// Name, address and password flag are copies from the user for lists; the user's own records are the truth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub user: UserId,
    pub role: Role,
    pub name: String,
    /// The address mail goes to; none when Fly.io gave none.
    pub email: Option<String>,
    pub has_password: bool,
    pub joined_at: Timestamp,
    /// When Fly.io last said that the person belongs to the organization.
    pub verified_at: Timestamp,
    /// Since when Fly.io no longer names the organization for this person. That may mean removed, or that Fly.io
    /// wants a fresh sign-in there: the person is refused, the membership stays.
    pub absent_since: Option<Timestamp>,
    pub last_sign_in: Option<Timestamp>,
    /// Left out on purpose when the organization leaves Fly.io. Says nothing while it is there.
    #[serde(default)]
    pub left_out: Option<LeftOut>,
}

impl Member {
    /// Whether the person has a password, and one that counts here once passwords do.
    #[must_use]
    pub fn may_use_password(&self) -> bool {
        self.has_password && self.password_counts()
    }

    /// Whether a password of the person would count here once passwords do: not of somebody who is not confirmed, or left
    /// out.
    #[must_use]
    pub fn password_counts(&self) -> bool {
        self.absent_since.is_none() && self.left_out.is_none()
    }
}

#[cfg(test)]
impl Member {
    /// Sam, who joined at that time, can be mailed, and has no password.
    pub(crate) fn sample(at: Timestamp) -> Self {
        Self {
            user: "u1".parse().expect("an id"),
            role: Role::Member,
            name: "Sam".to_owned(),
            email: Some("sam@example.org".to_owned()),
            has_password: false,
            joined_at: at,
            verified_at: at,
            absent_since: None,
            left_out: None,
            last_sign_in: None,
        }
    }
}

/// An admin's word that somebody shall not come along: no mail, and no way in by password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub at: Timestamp,
    /// The admin's name.
    pub by: String,
}
