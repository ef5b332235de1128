//! The front page: a way in, or who is in.

use askama::Template;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;

use super::session::{Account, Flash, Membership, cookie};
use super::{SentryStandIn, page};
use crate::demo::Links;

#[derive(Template)]
#[template(path = "demo/sentry_home.html")]
struct Home<'a> {
    links: &'a Links,
    oidc: bool,
    flash: Option<Flash>,
    account: Option<Account>,
    organizations: Vec<Row>,
}

struct Row {
    id: String,
    name: String,
    role: String,
    /// Flybridge's settings page of the organization, for an admin.
    settings: Option<String>,
}

pub(super) async fn show(State(sentry): State<SentryStandIn>, headers: HeaderMap) -> Response {
    let session = cookie(&headers).and_then(|id| sentry.lock().sessions.get(id).cloned());
    let (account, flash) = session.map_or((None, None), |session| (session.account, session.flash));
    if flash.is_some()
        && let Some(id) = cookie(&headers)
    {
        sentry.update(|state| state.sessions.get_mut(id).map(|session| session.flash = None));
    }
    let organizations = account.iter().flat_map(|account| &account.organizations);
    let organizations = organizations.map(|membership| row(&sentry, membership)).collect();
    let settings = &sentry.0.settings;
    let oidc = settings.oidc.is_some();
    page::html(StatusCode::OK, &Home { links: &settings.links, oidc, flash, account, organizations })
}

fn row(sentry: &SentryStandIn, membership: &Membership) -> Row {
    let settings = &sentry.0.settings;
    let known = settings.organizations.get(&membership.id);
    let admin = membership.role == "admin";
    let address = |slug: &str| format!("{}/organizations/{slug}/auth", settings.flybridge_url);
    Row {
        id: membership.id.clone(),
        name: known.map_or_else(|| membership.id.clone(), |found| found.name.clone()),
        role: membership.role.clone(),
        settings: known.filter(|_| admin).map(|found| address(&found.slug)),
    }
}

impl Home<'_> {
    /// Ids of the organizations, separated by commas.
    fn ids(&self) -> String {
        let ids: Vec<&str> = self.organizations.iter().map(|row| row.id.as_str()).collect();
        ids.join(",")
    }

    /// Name and address of each settings page.
    fn settings(&self) -> Vec<(&str, &str)> {
        let rows = self.organizations.iter();
        rows.filter_map(|row| Some((row.name.as_str(), row.settings.as_deref()?))).collect()
    }
}

/// A link, as people know it: it ends the session here and goes on to end the one at Flybridge.
pub(super) async fn sign_out(State(sentry): State<SentryStandIn>, headers: HeaderMap) -> Response {
    if let Some(id) = cookie(&headers) {
        sentry.update(|state| state.sessions.remove(id));
    }
    let mut response = page::redirect(&format!("{}/sign-out", sentry.0.settings.flybridge_url));
    let gone = HeaderValue::from_static("demo_sentry=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    response.headers_mut().append(SET_COOKIE, gone);
    response
}
