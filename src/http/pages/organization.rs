//! An organization as its admins see it: how members sign in, who they are, what happened.

mod audit;
mod members;

pub use audit::{AuditDay, AuditPage, AuditRow};
pub use members::{AddressState, MemberRow, MembersPage};

use askama::Template;

use super::when::Stamp;
use super::{OrganizationFrame, SAMPLE_CSRF, Section, people, thousands};
use crate::clock::Timestamp;

/// How members sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Fly,
    Password,
}

impl Method {
    /// `Fly.io` or `Email and password`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fly => "Fly.io",
            Self::Password => "Email and password",
        }
    }
}

/// The last change of the login method.
#[derive(Debug, Clone)]
pub struct Change {
    /// `22 November 2026, 14:37`
    pub at: Stamp,
    /// The person who did it, or `the operator`.
    pub by: String,
    /// The disable run it belongs to.
    pub run_url: Option<String>,
}

/// Who pays, which decides whether the organization may leave Fly.io Auth.
#[derive(Debug, Clone)]
pub enum Terms {
    /// Fly.io pays until that day.
    Sponsored { until: Stamp },
    /// Fly.io paid until that day; since then nobody does, and Sentry's free Developer plan has one seat (sentry.io/pricing).
    Ended { on: Stamp },
    /// The organization pays.
    Paid { renews: Option<Stamp>, sponsored_until: Option<Stamp> },
}

/// The plan in Sentry.
#[derive(Debug, Clone)]
pub struct Plan {
    /// `Team`
    pub name: String,
    pub terms: Terms,
}

impl Plan {
    /// The day from which leaving is possible, while it is not.
    #[must_use]
    pub fn leaves_from(&self) -> Option<&Stamp> {
        match &self.terms {
            Terms::Sponsored { until } => Some(until),
            Terms::Ended { .. } | Terms::Paid { .. } => None,
        }
    }

    pub(super) fn sample_paid() -> Self {
        let renews = Some(Stamp { text: "3 December 2026".into(), iso: "2026-12-03".into() });
        let ended = Some(Stamp { text: "3 June 2026".into(), iso: "2026-06-03".into() });
        Self { name: "Team".into(), terms: Terms::Paid { renews, sponsored_until: ended } }
    }

    pub(super) fn sample_sponsored() -> Self {
        let until = Stamp { text: "14 March 2027".into(), iso: "2027-03-14".into() };
        Self { name: "Team".into(), terms: Terms::Sponsored { until } }
    }

    pub(super) fn sample_ended() -> Self {
        let on = Stamp { text: "3 June 2026".into(), iso: "2026-06-03".into() };
        Self { name: "Team".into(), terms: Terms::Ended { on } }
    }
}

/// `GET /organizations/{slug}/auth`
#[derive(Debug, Clone, Template)]
#[template(path = "pages/auth.html")]
pub struct AuthPage {
    pub frame: OrganizationFrame,
    pub method: Method,
    /// None while the organization has always been with Fly.io.
    pub changed: Option<Change>,
    pub plan: Plan,
    pub members: u64,
    /// The application that the plan is one of, and where it is.
    pub upgrade: Option<(String, String)>,
}

impl AuthPage {
    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let fly = Self {
            frame: OrganizationFrame::sample(Section::SignIn),
            method: Method::Fly,
            changed: None,
            plan: Plan::sample_paid(),
            members: 412,
            upgrade: Some(("Sentry".into(), "https://sentry.example/settings/saltmarsh-labs/billing/".into())),
        };
        let ended = Self { plan: Plan::sample_ended(), members: 1, ..fly.clone() };
        let sponsored = Self { plan: Plan::sample_sponsored(), ..fly.clone() };
        let change = Change {
            at: Stamp::minute(Timestamp::from_seconds(1_795_358_222)),
            by: "Ines Marlow".into(),
            run_url: Some("/organizations/saltmarsh-labs/auth/disable/01kap4t6zq8m".into()),
        };
        let left = Self { method: Method::Password, changed: Some(change.clone()), ..fly.clone() };
        let back = Self { changed: Some(change), ..fly.clone() };
        vec![("fly", fly), ("ended", ended), ("sponsored", sponsored), ("left", left), ("back", back)]
    }
}

/// `GET /organizations/{slug}/auth/enable`: what turning Fly.io Auth on again means.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/enable.html")]
pub struct EnablePage {
    pub frame: OrganizationFrame,
    pub csrf: String,
    pub members: u64,
    /// Mails that have not left yet.
    pub waiting: u64,
    /// Members who have set a password.
    pub ready: u64,
    /// Where it leads to leave things as they are.
    pub back: String,
}

impl EnablePage {
    #[must_use]
    pub fn samples() -> Vec<(&'static str, Self)> {
        let frame = OrganizationFrame::sample(Section::SignIn);
        let back = format!("{}/auth/disable/01kap4t6zq8m", frame.base());
        let mailing = Self { frame, csrf: SAMPLE_CSRF.into(), members: 412, waiting: 122, ready: 97, back };
        let done = Self { waiting: 0, ready: 1, ..mailing.clone() };
        vec![("mailing", mailing), ("done", done)]
    }
}
