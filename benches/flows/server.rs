//! The servers that are measured: a bare axum handler, and the program on SQLite or Redis.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use flybridge::cli::{Program, assemble, open_store};
use flybridge::clock::{Clock, SystemClock};
use flybridge::config::Config;
use flybridge::domain::access::Proof;
use flybridge::domain::ids::OrganizationId;
use flybridge::domain::member::Role;
use flybridge::domain::organization::{Actor, LoginMethod};
use flybridge::domain::plan::Plan;
use flybridge::http::routes::router;
use flybridge::http::server::serve;
use flybridge::random::{Random, SystemRandom};
use flybridge::services::directory::FlyPerson;
use flybridge::store::{Outcome, Store, keys};
use tokio::net::TcpListener;

use crate::load::Target;

const SECRET: &str = "a secret of sixteen characters and more";
const REDIRECT: &str = "http://127.0.0.1:1/callback";

/// Serves until it is killed; its first line of output is where and how.
pub(crate) async fn run(kind: &str, redis: Option<&str>) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("its address"));
    let folder = tempfile::tempdir().expect("a folder");
    let store = redis.map_or_else(|| format!("sqlite:{}", folder.path().join("bench.db").display()), str::to_owned);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let config = configuration(&base, &store, folder.path());
    let (router, cookie) = if kind == "bare" {
        (Router::new().route("/", get(|| async { "a fixed body" })), None)
    } else {
        let random: Arc<dyn Random> = Arc::new(SystemRandom::default());
        let store = open_store(&config.store, Arc::clone(&clock), Arc::clone(&random)).await.expect("the store");
        let kept = store.clone();
        let program = assemble(&config, store, Arc::clone(&clock), random, false).await.expect("the program");
        let session = begin_session(&program, &kept).await;
        (router(&program.app), Some(format!("fb_session={session}")))
    };
    let target = Target {
        base,
        cookie,
        client_id: "bench".to_owned(),
        client_secret: SECRET.to_owned(),
        redirect_uri: REDIRECT.to_owned(),
    };
    println!("{}", serde_json::to_string(&target).expect("plain data"));
    serve(vec![listener], router, config.server.limits, clock, std::future::pending()).await;
}

fn configuration(base: &str, store: &str, folder: &std::path::Path) -> Config {
    let text = format!(
        r#"
[server]
issuer = "{base}"
[store]
url = "{store}"
[keys]
master = ["9f1c3b5d7e2a4c6e8f0b1d3a5c7e9f2b4d6a8c0e1f3b5d7a9c2e4f6b8d0a1c3e"]
[fly]
client_id = "bench"
client_secret = "{SECRET}"
[mail]
from = "bench@flybridge.example"
transport = "file"
folder = "{folder}"
[log]
filter = "error"
[[clients]]
id = "bench"
name = "Bench"
preset = "standard"
secret = "{SECRET}"
algorithm = "ES256"
redirect_uris = ["{REDIRECT}"]
"#,
        folder = folder.display()
    );
    Config::from_text(&text, "the bench's configuration", []).expect("a good configuration")
}

/// A session that was begun with a password: for one that was begun at Fly.io, every refresh would ask there.
async fn begin_session(program: &Program, store: &Store) -> String {
    let id: OrganizationId = "bench".parse().expect("an id");
    let plan = Plan::Paid { name: "Team".to_owned(), since: program.app.web.clock.now() };
    let by = Actor { user: None, name: "bench".to_owned() };
    let slug = "bench".parse().expect("a slug");
    program
        .directory
        .add_organization(id.clone(), slug, "Bench".to_owned(), plan, by)
        .await
        .expect("an organization");
    let person = FlyPerson {
        id: "b0e1n2c3h4b5e6n7".parse().expect("an id"),
        name: "Bench".to_owned(),
        email: Some("bench@customer.fly.io".parse().expect("an address")),
        organizations: vec![(id.clone(), Role::Admin)],
    };
    let admitted = program.directory.admit_from_fly(&person).await.expect("a user");
    let auth_time = program.app.web.clock.now();
    let mut organization =
        program.directory.organization(&id).await.expect("the store").expect("the organization").value;
    organization.login_method = LoginMethod::Password;
    let mut txn = store.txn(keys::org(&id));
    txn.put(&keys::organization(&id), &organization).expect("plain data");
    assert!(matches!(store.commit(txn).await, Ok(Outcome::Committed)), "the organization is not written");
    let proof = Proof { method: LoginMethod::Password, auth_time, organizations: admitted.seen };
    program.app.web.sessions.begin(&admitted.user, proof).await.expect("a session")
}
