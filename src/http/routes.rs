//! The whole URL table, in four groups by who comes. One test holds the access matrix against it.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};

use super::api::{self, operations};
use super::error::problem::{Code, DESCRIPTION, Problem};
use super::error::{PageError, render_errors};
use super::organization::{audit, auth, disable, enable, events, export, members, run};
use super::password::{forgot, set_up};
use super::request_id::{self, RequestIds};
use super::request_limits::{self, Language};
use super::sign_in::{consent, fly, next, page, password, sign_out};
use super::state::App;
use super::web::{know_browser, same_site_posts};
use super::{account, applications, assets, inbound, leaving, oidc, readiness, security_headers};

/// One row of the table.
pub struct Route {
    pub path: &'static str,
    pub methods: &'static [Method],
    pub handler: MethodRouter<App>,
}

const GET: &[Method] = &[Method::GET];
const POST: &[Method] = &[Method::POST];
const BOTH: &[Method] = &[Method::GET, Method::POST];

const AND_OPTIONS: &[Method] = &[Method::GET, Method::POST, Method::OPTIONS];

fn userinfo() -> MethodRouter<App> {
    let methods = get(oidc::userinfo::get).post(oidc::userinfo::post).options(oidc::userinfo::preflight);
    methods.layer(map_response(oidc::userinfo::readable_everywhere))
}

fn route(path: &'static str, methods: &'static [Method], handler: MethodRouter<App>) -> Route {
    Route { path, methods, handler }
}

/// For programs: no form tokens, no browser cookie.
#[must_use]
pub fn protocol() -> Vec<Route> {
    vec![
        route("/.well-known/openid-configuration", GET, get(oidc::discovery::discovery)),
        route("/.well-known/oauth-authorization-server", GET, get(oidc::discovery::discovery)),
        route("/oauth/jwks", GET, get(oidc::discovery::jwks)),
        route("/oauth/par", POST, post(oidc::pushed::post)),
        route("/oauth/token", POST, post(oidc::token::post)),
        route("/oauth/introspect", POST, post(oidc::introspection::post)),
        route("/oauth/revoke", POST, post(oidc::revocation::post)),
        route("/oauth/token/info", GET, get(oidc::token_info::get)),
        route("/oauth/userinfo", AND_OPTIONS, userinfo()),
        route("/inbound/bounces", POST, post(inbound::bounce)),
        route("/healthz", GET, get(readiness::healthz)),
        route("/readyz", GET, get(readiness::readyz)),
        route(assets::ROUTE, GET, get(assets::serve)),
    ]
}

/// The machine API, as [`api::operations`] describes it.
#[must_use]
pub fn machine() -> Vec<Route> {
    vec![
        route(DESCRIPTION, GET, get(api::document::get)),
        route(operations::ORGANIZATION, GET, get(api::looks::organization)),
        route(operations::DISABLE, POST, post(api::changes::disable)),
        route(operations::ENABLE, POST, post(api::changes::enable)),
        route(operations::RUN, GET, get(api::looks::run)),
        route(operations::MEMBERS, GET, get(api::looks::members)),
        route(operations::RESEND, POST, post(api::changes::resend)),
    ]
}

/// For browsers, sent here by applications, by Fly.io or by a mail: the client posts to authorize from its own origin.
#[must_use]
pub fn entrances() -> Vec<Route> {
    vec![
        route("/oauth/authorize", BOTH, get(oidc::authorize::get).post(oidc::authorize::post)),
        route("/oauth/logout", BOTH, get(oidc::logout::get).post(oidc::logout::post)),
        route(fly::CALLBACK, GET, get(fly::callback)),
        route("/set-up/{token}", GET, get(set_up::open)),
        route("/confirm-address/{token}", GET, get(account::confirm::open)),
    ]
}

/// Pages and forms of our own.
#[must_use]
pub fn pages() -> Vec<Route> {
    vec![
        route("/", GET, get(sign_out::go)),
        route("/go", GET, get(sign_out::go)),
        route("/sign-in", GET, get(page::get)),
        route("/sign-in/password", POST, post(password::post)),
        route("/sign-in/fly", GET, get(fly::go)),
        route("/sign-in/denied", GET, get(fly::denied)),
        route("/sign-in/next", BOTH, get(next::get).post(next::post)),
        route("/sign-in/consent", BOTH, get(consent::get).post(consent::post)),
        route("/sign-out", BOTH, get(sign_out::ask).post(sign_out::answer)),
        route("/signed-out", GET, get(sign_out::signed_out)),
        route("/forgot", BOTH, get(forgot::get).post(forgot::post)),
        route("/set-up", BOTH, get(set_up::get).post(set_up::post)),
        route("/set-up/now", BOTH, get(set_up::now::get).post(set_up::now::post)),
        route("/set-up/renew", POST, post(set_up::renew::renew)),
        route(account::PATH, BOTH, get(account::get).post(account::post)),
        route(account::confirm::PATH, BOTH, get(account::confirm::get).post(account::confirm::post)),
        route(applications::PATH, BOTH, get(applications::get).post(applications::post)),
        route("/organizations/{slug}/auth", GET, get(auth::get)),
        route("/organizations/{slug}/auth/disable", BOTH, get(disable::get).post(disable::post)),
        route("/organizations/{slug}/auth/disable/left-out", POST, post(disable::left_out::post)),
        route("/organizations/{slug}/auth/disable/test-mail", POST, post(disable::left_out::test_mail)),
        route("/organizations/{slug}/auth/disable/{run}", GET, get(run::get)),
        route("/organizations/{slug}/auth/disable/{run}/events", GET, get(events::get)),
        route("/organizations/{slug}/auth/disable/{run}/status", GET, get(events::status)),
        route("/organizations/{slug}/auth/disable/{run}/members.csv", GET, get(export::members)),
        route("/organizations/{slug}/auth/disable/{run}/resend", POST, post(run::resend)),
        route("/organizations/{slug}/auth/disable/{run}/let-in", POST, post(disable::left_out::let_in)),
        route("/organizations/{slug}/auth/enable", BOTH, get(enable::get).post(enable::post)),
        route("/organizations/{slug}/members", GET, get(members::get)),
        route("/organizations/{slug}/audit", GET, get(audit::get)),
        route("/organizations/{slug}/audit.jsonl", GET, get(export::audit)),
    ]
}

fn table(routes: Vec<Route>) -> Router<App> {
    routes.into_iter().fold(Router::new(), |router, route| router.route(route.path, route.handler))
}

/// The router with every layer, outermost last.
pub fn router(app: &App) -> Router {
    let web = Arc::clone(&app.web);
    let forms = table(pages())
        .layer(from_fn_with_state(Arc::clone(&web), leaving::layer))
        .layer(from_fn_with_state(Arc::clone(&web), same_site_posts));
    let browsers = forms
        .merge(table(entrances()))
        .layer(from_fn_with_state(Arc::clone(&web), know_browser))
        .method_not_allowed_fallback(|| async { PageError::wrong_method() });
    let programs = table(protocol()).merge(table(machine()));
    layered(browsers.merge(programs).fallback(nothing_here), app)
}

async fn nothing_here(uri: Uri) -> Response {
    match Language::of(uri.path()) {
        Language::Problems => Problem::from(Code::NotFound).into_response(),
        Language::Pages | Language::OAuth => PageError::not_found().into_response(),
    }
}

/// What every answer goes through.
pub fn layered(routes: Router<App>, app: &App) -> Router {
    let web = Arc::clone(&app.web);
    let ids = RequestIds { clock: Arc::clone(&web.clock), random: Arc::clone(&web.random) };
    routes
        .layer(DefaultBodyLimit::max(web.limits.max_body))
        .layer(from_fn_with_state(Arc::clone(&web), request_limits::sizes))
        .layer(from_fn(request_limits::rejections))
        .layer(from_fn(request_limits::panics))
        .layer(from_fn_with_state(Arc::clone(&web), render_errors))
        .layer(from_fn_with_state(Arc::clone(&web), security_headers::layer))
        .layer(from_fn_with_state(ids, request_id::layer))
        .with_state(app.clone())
}
