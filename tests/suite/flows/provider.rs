//! The OpenID Connect provider, row by row of its tables of cases.

#[path = "provider/acr.rs"]
mod acr;
#[path = "provider/authorize.rs"]
mod authorize;
#[path = "provider/authorize_accepted.rs"]
mod authorize_accepted;
#[path = "provider/authorize_session.rs"]
mod authorize_session;
#[path = "provider/claims.rs"]
mod claims;
#[path = "provider/client_auth.rs"]
mod client_auth;
#[path = "provider/discovery.rs"]
mod discovery;
#[path = "provider/form_post.rs"]
mod form_post;
#[path = "provider/id_token.rs"]
mod id_token;
#[path = "provider/introspection.rs"]
mod introspection;
#[path = "provider/logout.rs"]
mod logout;
#[path = "provider/refresh.rs"]
mod refresh;
#[path = "provider/refresh_upstream.rs"]
mod refresh_upstream;
#[path = "provider/token.rs"]
mod token;
#[path = "provider/userinfo.rs"]
mod userinfo;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use flybridge::http::oidc::token::TokenEndpoint;
use flybridge::http::routes;
use flybridge::http::state::App;
use flybridge::services::directory::Directory;
use flybridge::services::grants::Grants;
use flybridge::services::jobs::Jobs;
use flybridge::services::upstream_tokens::UpstreamTokens;
use flybridge::store::Store;

use crate::support::app::TestApp;

/// Another node, whose tokens are given out over `store`.
fn node_over(app: &TestApp, store: &Store) -> Router {
    let here = &app.program.app;
    let directory = Directory::new(store.clone());
    let vault = Arc::clone(&here.web.vault);
    let jobs = Jobs::new(store.clone(), Duration::from_mins(1));
    let upstream = UpstreamTokens::new(store.clone(), jobs, Arc::clone(&vault), Arc::clone(&here.fly.connector));
    let clients = Arc::clone(&here.clients);
    let grants = Grants::new(store.clone(), vault, upstream, directory, clients, *here.grants.rules());
    let token = TokenEndpoint {
        clients: Arc::clone(&here.clients),
        limits: Arc::clone(&here.token.limits),
        grants: Arc::clone(&grants),
        signing: Arc::clone(&here.signing),
    };
    routes::router(&App { token: Arc::new(token), grants, ..here.clone() })
}
