//! `/account/applications`: what the person has allowed applications, and how they take it back.

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use url::Url;

use super::error::PageError;
use super::oidc::redirect::see_other;
use super::pages::consent::{Application, ApplicationsPage, Item};
use super::pages::leave::site;
use super::pages::{Page, when};
use super::sign_in::transaction::{Errand, Transaction, Transactions};
use super::web::{Visitor, Web};
use crate::clock::Timestamp;
use crate::domain::client::{AccessTokenFormat, Client};
use crate::domain::consent::{Consent, Permission};
use crate::domain::ids::ClientId;
use crate::services::clients::Clients;
use crate::services::consents::Consents;
use crate::services::grants::Grants;

pub const PATH: &str = "/account/applications";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// The client that something was taken back from just now.
    removed: String,
}

/// `GET /account/applications`
pub async fn get(
    State(web): State<Arc<Web>>,
    State(clients): State<Arc<Clients>>,
    State(consents): State<Arc<Consents>>,
    State(grants): State<Arc<Grants>>,
    visitor: Visitor,
    Query(query): Query<Asked>,
) -> Result<Response, PageError> {
    let Some(current) = web.session(&visitor).await? else { return sign_in(&web, &visitor) };
    let now = web.clock.now();
    let all = consents.list(&current.user.id).await?;
    // Whoever wrote the address: only what is so is said.
    let gone = !all.iter().any(|consent| consent.client.as_str() == query.removed);
    let removed = clients.get(&query.removed).filter(|client| gone && !client.first_party);
    let removed = removed.map(|client| client.name.clone());
    let mut applications: Vec<Application> = all
        .iter()
        .map(|consent| {
            let client = clients.get(consent.client.as_str());
            application(consent, client.as_deref(), now, grants.rules().access)
        })
        .collect();
    applications.sort_by_key(|application| application.name.to_lowercase());
    let page = ApplicationsPage {
        frame: web.frame(""),
        csrf: web.csrf(&visitor),
        person: current.user.name.clone(),
        removed,
        applications,
    };
    Ok(Page::ok(page).into_response())
}

/// `access`: how long an access token is good, for whoever does not ask us.
fn application(consent: &Consent, client: Option<&Client>, now: Timestamp, access: Duration) -> Application {
    // Another one of the same id has nothing to do with it.
    let client = client.filter(|client| consent.is_for(client));
    let item = |permission: &Permission| match permission {
        Permission::Identity => Some(Item::Identity),
        Permission::FlyId => Some(Item::FlyId),
        Permission::Name => Some(Item::Name(String::new())),
        Permission::Email => Some(Item::Email(None)),
        Permission::Organizations => Some(Item::Organizations(String::new())),
        Permission::WhileAway => None,
    };
    Application {
        id: consent.client.to_string(),
        name: client.map_or_else(|| consent.name.clone(), |client| client.name.clone()),
        site: client.and_then(address).map(|url| site(&url)),
        since: when::Stamp::short_day(consent.given_at, now),
        items: consent.allowed.iter().filter_map(item).collect(),
        while_away: consent.allowed.contains(&Permission::WhileAway),
        lingers: client
            .filter(|client| client.access_token_format == AccessTokenFormat::Jwt)
            .map(|_| when::lasts(access)),
        gone: client.is_none(),
    }
}

fn address(client: &Client) -> Option<Url> {
    client.home.clone().or_else(|| Url::parse(client.redirect_uris.first()?).ok())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    csrf: String,
    client: String,
}

/// `POST /account/applications`: takes back what a client was allowed.
pub async fn post(
    State(web): State<Arc<Web>>,
    State(clients): State<Arc<Clients>>,
    State(consents): State<Arc<Consents>>,
    visitor: Visitor,
    Form(form): Form<Sent>,
) -> Result<Response, PageError> {
    web.check_csrf(&visitor, &form.csrf)?;
    let Some(current) = web.session(&visitor).await? else { return sign_in(&web, &visitor) };
    let Ok(client) = form.client.parse::<ClientId>() else { return Ok(see_other(PATH)) };
    // Nothing to take back: it was done in another tab, and it is as wanted.
    let present = clients.get(client.as_str());
    consents.remove(&current.user.id, &client, present.as_deref()).await?;
    Ok(see_other(&format!("{PATH}?removed={client}")))
}

fn sign_in(web: &Web, visitor: &Visitor) -> Result<Response, PageError> {
    let errand = Errand::Page { path: PATH.to_owned(), again: false };
    let transaction = Transaction::begin(errand, web.clock.now(), &*web.random);
    let mut response = see_other(&format!("/sign-in{}", transaction.query()));
    Transactions::new(web).keep(&transaction, visitor, &mut response)?;
    Ok(response)
}
