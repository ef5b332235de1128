//! Turning Fly.io Auth on again.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{Admin, NotEntered, Room, page_path, view};
use crate::domain::disable::Totals;
use crate::domain::organization::{LoginMethod, Organization};
use crate::http::oidc::redirect::see_other;
use crate::http::pages::organization::EnablePage;
use crate::http::pages::{Page, Section};
use crate::http::web::{Visitor, Web};
use crate::services::disable::click::ClickError;
use crate::store::StoreError;

/// `GET /organizations/{slug}/auth/enable`
pub async fn get(
    State(web): State<Arc<Web>>,
    State(admin): State<Arc<Admin>>,
    visitor: Visitor,
    Path(slug): Path<String>,
) -> Result<Response, NotEntered> {
    let path = page_path(&slug, "auth/enable");
    let entered = admin.enter(&web, &visitor, &slug, &path, Room::Oversight).await?;
    let organization = &entered.organization;
    if organization.login_method == LoginMethod::Fly {
        return Ok(see_other(&entered.path("auth")));
    }
    let members = admin.directory.member_count(&organization.id).await?;
    let totals = totals(&admin, organization).await?;
    let page = EnablePage {
        frame: entered.frame(&web, Section::SignIn),
        csrf: web.csrf(&visitor),
        members: view::count(members),
        waiting: view::count(totals.unsettled()),
        ready: view::count(totals.ready),
        // The settings do not open for the one who clicked and has signed in with Fly.io only; the run does.
        back: match &organization.run {
            Some(run) => entered.path(&format!("auth/disable/{run}")),
            None => entered.path("auth"),
        },
    };
    Ok(Page::ok(page).into_response())
}

/// The numbers of the run that began with the organization's switch.
async fn totals(admin: &Admin, organization: &Organization) -> Result<Totals, StoreError> {
    match &organization.run {
        Some(run) => admin.disable.totals(&organization.id, run).await,
        None => Ok(Totals::default()),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    csrf: String,
}

/// `POST /organizations/{slug}/auth/enable`
pub async fn post(
    State(web): State<Arc<Web>>,
    State(admin): State<Arc<Admin>>,
    visitor: Visitor,
    Path(slug): Path<String>,
    Form(form): Form<Sent>,
) -> Result<Response, NotEntered> {
    web.check_csrf(&visitor, &form.csrf)?;
    let path = page_path(&slug, "auth/enable");
    let entered = admin.enter(&web, &visitor, &slug, &path, Room::Oversight).await?;
    admin.require_fresh(&web, &visitor, &entered, &path)?;
    match admin.disable.enable(&entered.organization.id, &entered.clicked(&visitor)).await {
        // A second click, or another admin was quicker: it is as wanted.
        Ok(()) | Err(ClickError::OnFlyAlready) => Ok(see_other(&entered.path("auth"))),
        Err(error) => Err(view::not_switched(error, &entered).into()),
    }
}
