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
#[path = "provider/dpop.rs"]
mod dpop;
#[path = "provider/dpop_proofs.rs"]
mod dpop_proofs;
#[path = "provider/form_post.rs"]
mod form_post;
#[path = "provider/id_token.rs"]
mod id_token;
#[path = "provider/introspection.rs"]
mod introspection;
#[path = "provider/jwt_access.rs"]
mod jwt_access;
#[path = "provider/logout.rs"]
mod logout;
#[path = "provider/machine.rs"]
mod machine;
#[path = "provider/private_key_jwt.rs"]
mod private_key_jwt;
#[path = "provider/pushed.rs"]
mod pushed;
#[path = "provider/refresh.rs"]
mod refresh;
#[path = "provider/refresh_upstream.rs"]
mod refresh_upstream;
#[path = "provider/round_trips.rs"]
mod round_trips;
#[path = "provider/token.rs"]
mod token;
#[path = "provider/userinfo.rs"]
mod userinfo;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use flybridge::http::oidc::token::TokenEndpoint;
use flybridge::http::routes;
use flybridge::http::state::{App, Parts};
use flybridge::services::directory::Directory;
use flybridge::services::grants::{Grants, TokenKeys};
use flybridge::services::jobs::Jobs;
use flybridge::services::upstream_tokens::UpstreamTokens;
use flybridge::store::records::{Stored, TypedKey};
use flybridge::store::{Key, Outcome, Partition, Store};
use serde::{Deserialize, Serialize};

use crate::support::app::TestApp;

/// Another node, whose tokens are given out over `store`.
fn node_over(app: &TestApp, store: &Store) -> Router {
    let here = &app.program.app;
    let directory = Directory::new(store.clone());
    let vault = Arc::clone(&here.web.vault);
    let jobs = Jobs::new(store.clone(), Duration::from_mins(1));
    let upstream = UpstreamTokens::new(store.clone(), jobs, Arc::clone(&vault), Arc::clone(&here.fly.connector));
    let clients = Arc::clone(&here.clients);
    let issuer = here.web.issuer.as_str().to_owned();
    let keys = TokenKeys { vault, signing: Arc::clone(&here.signing), issuer };
    let grants = Grants::new(store.clone(), keys, upstream, directory, clients, *here.grants.rules());
    let token = TokenEndpoint {
        auth: Arc::clone(&here.token.auth),
        grants: Arc::clone(&grants),
        signing: Arc::clone(&here.signing),
        pushed: Arc::clone(&here.token.pushed),
        dpop: Arc::clone(&here.dpop),
    };
    routes::router(&App::of(Parts { token: Arc::new(token), grants, ..(**here).clone() }))
}

/// The signing keys as they lie in the store.
#[derive(Serialize, Deserialize)]
struct Ring {
    keys: Vec<serde_json::Value>,
}

impl Stored for Ring {}

fn ring() -> TypedKey<Ring> {
    TypedKey::new(Key::record(Partition::new("signing", "keys"), "ring"))
}

async fn hold(app: &TestApp, keys: &Ring) {
    let mut txn = app.store.txn(ring().key().partition().clone());
    txn.put(&ring(), keys).unwrap();
    assert_eq!(app.store.commit(txn).await.unwrap(), Outcome::Committed);
    app.program.signing.reload().await.unwrap();
}

/// Takes the keys of an algorithm away; all of them, to be held again.
async fn ring_without(app: &TestApp, algorithm: &str) -> Ring {
    let before = app.store.read(&ring()).await.unwrap().unwrap().value;
    let others = before.keys.iter().filter(|key| key["algorithm"] != algorithm).cloned().collect();
    hold(app, &Ring { keys: others }).await;
    before
}
