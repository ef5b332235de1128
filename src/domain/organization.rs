//! An organization: a Fly organization linked to a Sentry organization.

use serde::{Deserialize, Serialize};

use super::ids::{OrganizationId, RunId, Slug, UserId};
use super::plan::Plan;
use crate::clock::Timestamp;

/// How members of an organization sign in, and how a person did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginMethod {
    Fly,
    Password,
}

impl LoginMethod {
    pub const ALL: [Self; 2] = [Self::Fly, Self::Password];

    /// In the middle of a sentence: "signed in with ...".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Fly => "Fly.io",
            Self::Password => "email and password",
        }
    }
}

/// Rises with every change of login method. What was issued under an older one is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u32);

impl Generation {
    pub const FIRST: Self = Self(1);

    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Who did something: a person we know, or a name from outside (an operator, Sentry's back end).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    pub user: Option<UserId>,
    pub name: String,
}

/// Longer than any name that fits into a page's heading or a mail's subject.
pub const MAX_NAME: usize = 100;

/// A name that somebody typed, as far as it can be shown to people.
#[must_use]
pub fn name_from_outside(text: &str) -> Option<String> {
    let name = text.trim();
    let fits = !name.is_empty() && name.chars().count() <= MAX_NAME && !name.chars().any(char::is_control);
    fits.then(|| name.to_owned())
}

impl Actor {
    /// Somebody whom we do not know, by the name that others give.
    #[must_use]
    pub fn from_outside(name: &str) -> Option<Self> {
        Some(Self { user: None, name: name_from_outside(name)? })
    }
}

/// The last change of the login method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodChange {
    pub at: Timestamp,
    pub by: Actor,
    /// The disable run that began with it; none when Fly.io was turned on again.
    pub run: Option<RunId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    pub id: OrganizationId,
    pub slug: Slug,
    pub name: String,
    pub login_method: LoginMethod,
    pub generation: Generation,
    pub plan: Plan,
    pub created_at: Timestamp,
    pub changed: Option<MethodChange>,
    /// The newest disable run, also after it was reverted.
    pub run: Option<RunId>,
}

impl Organization {
    /// A newly linked organization: on Fly.io, in its first generation.
    #[must_use]
    pub fn new(id: OrganizationId, slug: Slug, name: String, plan: Plan, now: Timestamp) -> Self {
        Self {
            id,
            slug,
            name,
            login_method: LoginMethod::Fly,
            generation: Generation::FIRST,
            plan,
            created_at: now,
            changed: None,
            run: None,
        }
    }

    /// Whether `run` is what the organization left Fly.io by, and it has not come back since.
    #[must_use]
    pub fn has_left_by(&self, run: &RunId) -> bool {
        self.login_method == LoginMethod::Password && self.run.as_ref() == Some(run)
    }

    /// The run by which the organization has left Fly.io. Whoever disables Fly.io Auth again gets that.
    #[must_use]
    pub fn left_by(&self) -> Option<&RunId> {
        self.run.as_ref().filter(|_| self.login_method == LoginMethod::Password)
    }

    /// The organization after `change`, with everything older dead.
    #[must_use]
    pub fn switched(&self, to: LoginMethod, change: MethodChange) -> Self {
        let run = change.run.clone().or_else(|| self.run.clone());
        Self { login_method: to, generation: self.generation.next(), changed: Some(change), run, ..self.clone() }
    }
}
