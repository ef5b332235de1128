//! The machine API: organizations leave Fly.io and come back at the word of a client, such as Sentry's back end, and
//! everybody's mail can be followed. Fly.io is not asked: it may be gone for good.
//!
//! - [`call`]: what every request brings along: a token, a body, a key
//! - [`acting`]: the person for whom the client speaks
//! - [`changes`]: disable, enable, resend
//! - [`looks`]: organizations, runs, and their members
//! - [`document`]: the description that the server gives, made from the table in [`operations`]

pub mod acting;
pub mod call;
pub mod changes;
pub mod document;
pub mod looks;
pub mod operations;
pub mod schemas;

use std::sync::Arc;

use super::error::problem::{Code, Problem};
use super::oidc::dpop::Dpop;
use crate::config::Issuer;
use crate::domain::disable::Run;
use crate::domain::ids::{OrganizationId, RunId};
use crate::domain::organization::Organization;
use crate::services::directory::Directory;
use crate::services::disable::Disable;
use crate::services::grants::Grants;
use crate::services::limits::Limits;
use crate::store::Store;

/// What the handlers work with.
pub struct Api {
    pub store: Store,
    pub directory: Arc<Directory>,
    pub disable: Arc<Disable>,
    pub grants: Arc<Grants>,
    pub dpop: Arc<Dpop>,
    pub limits: Arc<Limits>,
    pub issuer: Issuer,
}

impl Api {
    /// By short name or by id; a short name comes first where one is the id of another organization.
    async fn organization(&self, name: &str) -> Result<Organization, Problem> {
        let found = self.directory.organization_named(name).await?;
        Ok(found.ok_or(Code::NoSuchOrganization)?.value)
    }

    async fn run_of(&self, organization: &Organization, run: &str) -> Result<Run, Problem> {
        let id: RunId = run.parse().map_err(|_| Code::NoSuchRun)?;
        let found = self.disable.run(&organization.id, &id).await?;
        Ok(found.ok_or(Code::NoSuchRun)?.value)
    }

    /// The address of a run at the API.
    fn run_url(&self, organization: &OrganizationId, run: &RunId) -> String {
        self.issuer.join(&format!("/api/v1/organizations/{organization}/disable-runs/{run}"))
    }

    /// The page of a run, for admins.
    fn page_url(&self, organization: &Organization, run: &RunId) -> String {
        self.issuer.join(&format!("/organizations/{}/auth/disable/{run}", organization.slug))
    }
}
