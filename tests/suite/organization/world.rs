//! One organization, its people, and browsers of theirs.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRef, State};
use axum::http::{Request, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use flybridge::clock::{Clock, ManualClock, Timestamp};
use flybridge::config::Config;
use flybridge::domain::access::{Proof, SeenOrganization};
use flybridge::domain::disable::RowStatus;
use flybridge::domain::ids::{OrganizationId, RunId, UserId};
use flybridge::domain::member::Role;
use flybridge::domain::organization::{Actor, LoginMethod, Organization};
use flybridge::domain::plan::Plan;
use flybridge::domain::session::SessionRules;
use flybridge::domain::user::User;
use flybridge::http::error::render_errors;
use flybridge::http::organization::{Admin, MAX_STREAMS, audit, auth, disable, enable, events, members, run};
use flybridge::http::web::{Visitor, Web, know_browser};
use flybridge::random::SeededRandom;
use flybridge::services::clients::Clients;
use flybridge::services::directory::{Directory, FlyPerson};
use flybridge::services::disable::Disable;
use flybridge::services::disable::click::Clicked;
use flybridge::services::disable::ledger::{RowId, Settlement};
use flybridge::services::jobs::{Jobs, Outgoing, Work};
use flybridge::services::limits::Limits;
use flybridge::services::sessions::Sessions;
use flybridge::services::upstream::fly::{FlyConnector, FlyTokens};
use flybridge::services::upstream_tokens::UpstreamTokens;
use flybridge::services::vault::{MasterKeys, Vault};
use flybridge::store::queue::Leased;
use flybridge::store::sqlite::SqliteStore;
use flybridge::store::{Store, StoreError, keys};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt as _;

use crate::support::fly_connector::fly_at;

/// 22 November 2026, 14:37:02
pub(crate) const START: Timestamp = Timestamp::from_seconds(1_795_358_222);

pub(crate) const ORGANIZATION: &str = "org1";
pub(crate) const BASE: &str = "/organizations/saltmarsh-labs";

const CONFIG: &str = r#"
[server]
issuer = "http://127.0.0.1:8080"
[keys]
master = "u0Jf3mTn1wYd8QhR5sVbZ6xKcA2eLpGi7oUy9tMrNkE="
[fly]
client_id = "fly-client"
client_secret = "fly-client-secret-0123"
[mail]
transport = "file"
from = "Sign-in <login@example.com>"
"#;

/// A clock that passes by itself while somebody waits for it, at once.
pub(crate) struct PassingClock(ManualClock);

impl Clock for PassingClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep<'a>(&'a self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.0.advance(span);
        Box::pin(std::future::ready(()))
    }
}

#[derive(Clone)]
struct Pages {
    web: Arc<Web>,
    admin: Arc<Admin>,
}

impl FromRef<Pages> for Arc<Web> {
    fn from_ref(pages: &Pages) -> Self {
        Arc::clone(&pages.web)
    }
}

impl FromRef<Pages> for Arc<Admin> {
    fn from_ref(pages: &Pages) -> Self {
        Arc::clone(&pages.admin)
    }
}

pub(crate) struct World {
    pub(crate) admin: Arc<Admin>,
    pub(crate) stop: watch::Sender<bool>,
    web: Arc<Web>,
    jobs: Arc<Jobs>,
    clock: Arc<PassingClock>,
    router: Router,
    /// What Fly.io answers to `token/info`; none when it is down.
    fly: Arc<Mutex<Option<Value>>>,
    _folder: tempfile::TempDir,
}

pub(crate) fn organization_id() -> OrganizationId {
    ORGANIZATION.parse().unwrap()
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) location: String,
    pub(crate) text: String,
}

/// A browser in which somebody has signed in.
pub(crate) struct Browser {
    cookies: String,
    pub(crate) user: User,
}

impl World {
    pub(crate) async fn new(plan: Plan) -> Self {
        // Another suite may have installed the same one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(PassingClock(ManualClock::at(START)));
        let as_clock: Arc<dyn Clock> = clock.clone();
        let random = Arc::new(SeededRandom::new(1));
        let backend = SqliteStore::open(folder.path().join("store")).unwrap();
        let store = Store::new(Arc::new(backend), Arc::clone(&as_clock), random.clone());
        let config = Config::from_text(CONFIG, "flybridge.toml", []).unwrap();
        let masters = MasterKeys::parse("u0Jf3mTn1wYd8QhR5sVbZ6xKcA2eLpGi7oUy9tMrNkE=").unwrap();
        let vault = Arc::new(Vault::new(&masters).unwrap());
        let rules = SessionRules {
            idle: Duration::from_hours(1),
            absolute: Duration::from_hours(12),
            fresh: Duration::from_mins(5),
        };
        let jobs = Jobs::new(store.clone(), Duration::from_mins(1));
        let web = Arc::new(Web {
            issuer: config.server.issuer,
            demo: false,
            proxies: config.server.proxies,
            limits: config.server.limits,
            clock: as_clock,
            random,
            vault: Arc::clone(&vault),
            sessions: Sessions::new(store.clone(), Arc::clone(&jobs), rules),
            link_lifetime: Duration::from_hours(24),
        });
        let directory = Directory::new(store.clone());
        let (fly, connector) = fly().await;
        let clients = Arc::new(Clients::open(store.clone(), &[]).await.unwrap());
        let (stop, stopping) = watch::channel(false);
        let admin = Arc::new(Admin {
            disable: Disable::new(store.clone(), Arc::clone(&jobs), Arc::clone(&directory)),
            limits: Limits::new(store.clone(), Arc::clone(&vault)),
            upstream: UpstreamTokens::new(store.clone(), Arc::clone(&jobs), vault, connector),
            store,
            directory,
            rate: 2,
            clients,
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            stopping,
        });
        let by = Actor { user: None, name: "the operator".to_owned() };
        let (id, slug) = (ORGANIZATION.parse().unwrap(), "saltmarsh-labs".parse().unwrap());
        admin.directory.add_organization(id, slug, "Saltmarsh Labs".to_owned(), plan, by).await.unwrap();
        let router = router(Pages { web: Arc::clone(&web), admin: Arc::clone(&admin) });
        Self { admin, stop, web, jobs, clock, router, fly, _folder: folder }
    }

    pub(crate) async fn paid() -> Self {
        Self::new(Plan::Paid { name: "Team".to_owned(), since: START }).await
    }

    pub(crate) fn pass(&self, span: Duration) {
        self.clock.0.advance(span);
    }

    /// Somebody whom Fly.io names as a member of the organization.
    pub(crate) async fn member(&self, name: &str, role: Role, email: Option<&str>) -> User {
        let person = FlyPerson {
            id: format!("fly-{}", name.to_lowercase()).parse().unwrap(),
            name: name.to_owned(),
            email: email.map(|email| email.parse().unwrap()),
            organizations: vec![(organization_id(), role)],
        };
        self.admin.directory.admit_from_fly(&person).await.unwrap().user
    }

    /// Signs somebody in, and lets Fly.io say of them what it said at first.
    pub(crate) async fn sign_in(&self, user: User, method: LoginMethod) -> Browser {
        let organization = self.organization().await;
        let seen = SeenOrganization { id: organization.id, generation: organization.generation };
        let proof = Proof { method, auth_time: self.clock.now(), organizations: vec![seen] };
        let session = self.web.sessions.begin(&user, proof).await.unwrap();
        let expires_at = self.clock.now().plus(Duration::from_hours(1));
        let tokens = FlyTokens { access: "fo1_x".to_owned(), refresh: None, expires_at };
        self.admin.upstream.save(&user.id, &tokens).await.unwrap();
        self.fly_says(&user, &[(ORGANIZATION, "admin")]);
        Browser { cookies: format!("fb_browser=abcdefghijklmnopqrstuvwxyz; fb_session={session}"), user }
    }

    /// An admin, signed in through Fly.io just now.
    pub(crate) async fn admin(&self) -> Browser {
        let user = self.member("Ines", Role::Admin, Some("ines@saltmarsh.example")).await;
        self.sign_in(user, LoginMethod::Fly).await
    }

    pub(crate) fn fly_says(&self, user: &User, organizations: &[(&str, &str)]) {
        let organizations: Vec<Value> =
            organizations.iter().map(|(id, role)| json!({ "id": id, "role": role })).collect();
        *self.fly.lock().unwrap() = Some(json!({
            "resource_owner_id": user.fly_id.as_str(), "user_id": user.fly_id.as_str(), "user_name": user.name,
            "email": user.email, "organizations": organizations, "application": { "uid": "fly-client" },
        }));
    }

    pub(crate) fn fly_is_down(&self) {
        *self.fly.lock().unwrap() = None;
    }

    pub(crate) async fn organization(&self) -> Organization {
        self.admin.directory.organization(&organization_id()).await.unwrap().unwrap().value
    }

    /// Disables Fly.io Auth and writes all rows, without any mail being sent.
    pub(crate) async fn leave(&self, browser: &Browser) -> RunId {
        let by = Actor { user: Some(browser.user.id.clone()), name: browser.user.name.clone() };
        let run = self.admin.disable.disable(&organization_id(), &Clicked { by, from: None }).await.unwrap();
        let place = keys::org(&organization_id());
        let jobs = self.jobs.work.take::<StoreError, _, _>(&place, 1, |taking| async { Ok(taking) }).await.unwrap();
        self.admin.disable.fan_out(&organization_id(), &run, &jobs[0]).await.unwrap();
        run
    }

    /// Walks the ledger for an admin who asked for mail once more, one chunk.
    pub(crate) async fn walk_again(&self) {
        let place = keys::org(&organization_id());
        let jobs = self.jobs.work.take::<StoreError, _, _>(&place, 10, |taking| async { Ok(taking) }).await.unwrap();
        for job in &jobs {
            if let Work::Resend(walk) = job.payload() {
                self.admin.disable.resend_chunk(walk, job).await.unwrap();
            }
        }
    }

    /// Takes a mail of a run as a worker does.
    pub(crate) async fn take_mail(&self) -> Leased<Outgoing> {
        let mark = |taking| self.admin.disable.mark_sending(taking);
        let jobs = self.jobs.mail.take::<StoreError, _, _>(&keys::org(&organization_id()), 1, mark).await.unwrap();
        jobs.into_iter().next().unwrap()
    }

    pub(crate) async fn settle(&self, job: &Leased<Outgoing>, how: Settlement) -> UserId {
        let row = RowId::of(&job.payload().mail).unwrap();
        assert!(self.admin.disable.settle((&row, None), job, &how, None).await.unwrap());
        self.admin.disable.finish_if_settled(&row.organization, &row.run).await.unwrap();
        row.user
    }

    pub(crate) async fn status_of(&self, run: &RunId, user: &UserId) -> RowStatus {
        let row = self.admin.store.read(&keys::row(&organization_id(), run, user)).await.unwrap();
        row.unwrap().value.status
    }

    pub(crate) async fn open(&self, browser: &Browser, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Request::get(path).header(header::COOKIE, &browser.cookies);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    pub(crate) async fn get(&self, browser: &Browser, path: &str) -> Answer {
        Answer::read(self.open(browser, path, &[]).await).await
    }

    /// Sends a form with the token of `browser`.
    pub(crate) async fn post(&self, browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf(browser).await;
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("csrf", csrf.as_str())]).collect();
        self.post_bare(browser, path, &fields).await
    }

    /// Opens the page of a run and presses one of its buttons to have mail sent again.
    pub(crate) async fn resend(&self, browser: &Browser, run: &str, button: (&str, &str)) -> Answer {
        let page = self.get(browser, run).await;
        let (_, once) = page.text.split_once("name=\"once\" value=\"").unwrap();
        let once = once.split('"').next().unwrap();
        self.post(browser, &format!("{run}/resend"), &[("once", once), button]).await
    }

    pub(crate) async fn post_bare(&self, browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::post(path)
            .header(header::COOKIE, &browser.cookies)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        Answer::read(response).await
    }

    async fn csrf(&self, browser: &Browser) -> String {
        self.get(browser, "/csrf").await.text
    }
}

impl Answer {
    async fn read(response: Response) -> Self {
        let location = response.headers().get(header::LOCATION);
        let location = location.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Self { status, location, text: String::from_utf8(body.to_vec()).unwrap() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The text of the element with this id.
    pub(crate) fn element(&self, id: &str) -> Option<&str> {
        let at = self.text.find(&format!("id=\"{id}\""))?;
        let rest = &self.text[at..];
        let rest = &rest[rest.find('>')? + 1..];
        Some(rest[..rest.find('<')?].trim())
    }

    /// The values of an attribute, in the order of the page.
    pub(crate) fn attributes(&self, name: &str) -> Vec<&str> {
        let mark = format!(" {name}=\"");
        self.text.split(&mark).skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }
}

fn router(pages: Pages) -> Router {
    let web = Arc::clone(&pages.web);
    let csrf = |State(web): State<Arc<Web>>, visitor: Visitor| async move { web.csrf(&visitor) };
    Router::new()
        .route("/csrf", get(csrf))
        .route("/organizations/{slug}/auth", get(auth::get))
        .route("/organizations/{slug}/auth/disable", get(disable::get).post(disable::post))
        .route("/organizations/{slug}/auth/disable/{run}", get(run::get))
        .route("/organizations/{slug}/auth/disable/{run}/events", get(events::get))
        .route("/organizations/{slug}/auth/disable/{run}/status", get(events::status))
        .route("/organizations/{slug}/auth/disable/{run}/resend", post(run::resend))
        .route("/organizations/{slug}/auth/enable", get(enable::get).post(enable::post))
        .route("/organizations/{slug}/members", get(members::get))
        .route("/organizations/{slug}/audit", get(audit::get))
        .layer(from_fn_with_state(Arc::clone(&web), know_browser))
        .layer(from_fn_with_state(web, render_errors))
        .with_state(pages)
}

/// A Fly.io that knows one address, and what it says there.
async fn fly() -> (Arc<Mutex<Option<Value>>>, Arc<FlyConnector>) {
    let says: Arc<Mutex<Option<Value>>> = Arc::default();
    let answer = Arc::clone(&says);
    let info = move || {
        let said = answer.lock().unwrap().clone();
        async move { said.map_or(StatusCode::BAD_GATEWAY.into_response(), |said| Json(said).into_response()) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connector = fly_at(&format!("http://{}", listener.local_addr().unwrap()));
    let router = Router::new().route("/info", get(info));
    tokio::spawn(async move { axum_serve(listener, router).await });
    (says, Arc::new(connector))
}

/// `axum::serve` is not among the features we take.
async fn axum_serve(listener: tokio::net::TcpListener, router: Router) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        let io = hyper_util::rt::TokioIo::new(stream);
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
    }
}
