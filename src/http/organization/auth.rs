//! How the members of an organization sign in.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};

use super::{Admin, NotEntered, Room, page_path, view};
use crate::http::pages::organization::AuthPage;
use crate::http::pages::{Page, Section};
use crate::http::web::{Visitor, Web};

/// `GET /organizations/{slug}/auth`
pub async fn get(
    State(web): State<Arc<Web>>,
    State(admin): State<Arc<Admin>>,
    visitor: Visitor,
    Path(slug): Path<String>,
) -> Result<Response, NotEntered> {
    let path = page_path(&slug, "auth");
    let entered = admin.enter(&web, &visitor, &slug, &path, Room::Settings).await?;
    let organization = &entered.organization;
    let members = admin.directory.member_count(&organization.id).await?;
    let client = admin.clients.with_home();
    let page = AuthPage {
        frame: entered.frame(&web, Section::SignIn),
        method: view::method(organization.login_method),
        changed: view::change(organization),
        plan: view::plan(organization, web.clock.now()),
        members: view::count(members),
        upgrade: client.and_then(|client| Some((client.name.clone(), client.home.as_ref()?.to_string()))),
    };
    Ok(Page::ok(page).into_response())
}
