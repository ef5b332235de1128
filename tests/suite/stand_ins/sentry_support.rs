//! A Sentry stand-in, a browser that keeps its cookie, and a provider that answers what a test tells it to.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use flybridge::clock::{ManualClock, Timestamp};
use flybridge::demo::sentry::{FlyProvider, OidcProvider, Organization, SentryStandIn, Settings};
use flybridge::demo::world::{HARBOUR, SALTMARSH, World};
use flybridge::demo::{Links, serve_on};
use flybridge::random::SeededRandom;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{Answer, form, install_crypto, parameter, send};

pub(super) const BASE: &str = "http://sentry.test";
pub(super) const BRIDGE: &str = "http://bridge.test";

/// A request as the provider saw it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Path and query.
    pub(super) target: String,
    pub(super) authorization: String,
    pub(super) form: BTreeMap<String, String>,
}

/// What the provider answers next: status, content type, body. Without a content type the header is absent.
#[derive(Debug, Clone)]
pub(super) struct Scripted(pub(super) u16, pub(super) Option<&'static str>, pub(super) String);

pub(super) fn scripted(status: u16, body: &Value) -> Scripted {
    Scripted(status, Some("application/json"), body.to_string())
}

#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Scripted>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A provider on loopback that plays its answers in order, whatever is asked.
pub(super) struct Provider {
    script: Script,
    pub(super) url: String,
    _stop: oneshot::Sender<()>,
}

impl Provider {
    pub(super) async fn start() -> Self {
        let script = Script::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let router = Router::new().fallback(play).with_state(script.clone());
        tokio::spawn(serve_on(listener, router, async {
            let _ = stopped.await;
        }));
        Self { script, url, _stop: stop }
    }

    pub(super) fn will_answer(&self, answers: impl IntoIterator<Item = Scripted>) {
        self.script.answers.lock().unwrap().extend(answers);
    }

    /// What was asked since the last call.
    pub(super) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.script.seen.lock().unwrap())
    }
}

async fn play(State(script): State<Script>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let authorization = headers.get("authorization").map_or("", |value| value.to_str().unwrap()).to_owned();
    let form = url::form_urlencoded::parse(&body).into_owned().collect();
    script.seen.lock().unwrap().push(Seen { target: uri.to_string(), authorization, form });
    let next = script.answers.lock().unwrap().pop_front();
    let Some(Scripted(status, kind, body)) = next else {
        // A scripted silence: the client has to give up by itself.
        return std::future::pending().await;
    };
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    response.headers_mut().remove("content-type");
    if let Some(kind) = kind {
        response.headers_mut().insert("content-type", kind.parse().unwrap());
    }
    response
}

pub(super) struct Sentry {
    pub(super) stand_in: SentryStandIn,
    pub(super) router: Router,
    pub(super) provider: Provider,
}

impl Sentry {
    pub(super) async fn new() -> Self {
        Self::with(|settings| settings).await
    }

    pub(super) async fn kept_in(file: PathBuf) -> Self {
        Self::with(|settings| Settings { keep_in: Some(file), ..settings }).await
    }

    async fn with(edit: impl FnOnce(Settings) -> Settings) -> Self {
        install_crypto();
        let provider = Provider::start().await;
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_800_000_000)));
        let random = Arc::new(SeededRandom::new(11));
        let stand_in = SentryStandIn::new(edit(settings(&provider.url)), clock, random).unwrap();
        Self { router: stand_in.router(), stand_in, provider }
    }

    pub(super) fn browser(&self) -> Browser {
        Browser { router: self.router.clone(), cookie: String::new() }
    }

    /// A browser in which `info` has signed in by profile 1.
    pub(super) async fn signed_in(&self, info: &Value) -> Browser {
        let mut browser = self.browser();
        let state = browser.begin("/login").await;
        self.provider.will_answer([scripted(200, &tokens(1)), scripted(200, info)]);
        let arrived = browser.get(&callback("c0de", &state)).await;
        assert_eq!(arrived.location_text(), "/");
        self.provider.seen();
        browser
    }
}

/// One cookie, as the stand-in sets one.
pub(super) struct Browser {
    router: Router,
    pub(super) cookie: String,
}

impl Browser {
    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(super) async fn post(&mut self, path: &str) -> Answer {
        self.send(form(path, &[])).await
    }

    /// Starts a sign-in and tells its state.
    pub(super) async fn begin(&mut self, path: &str) -> String {
        parameter(&self.get(path).await.location(), "state").unwrap()
    }

    async fn send(&mut self, mut request: Request<Body>) -> Answer {
        if !self.cookie.is_empty() {
            request.headers_mut().insert("cookie", self.cookie.parse().unwrap());
        }
        let answer = send(&self.router, request).await;
        let set = answer.header("set-cookie");
        if !set.is_empty() {
            set.split(';').next().unwrap().clone_into(&mut self.cookie);
        }
        answer
    }
}

impl Answer {
    pub(super) fn location_text(&self) -> &str {
        assert_eq!(self.status, StatusCode::FOUND, "{}", String::from_utf8_lossy(&self.body));
        self.header("location")
    }

    /// The sentence of an error page.
    pub(super) fn message(&self) -> String {
        let text = self.text();
        let (_, rest) = text.split_once("id=\"error-message\">").unwrap_or_else(|| panic!("no message in {text}"));
        rest.split_once("</p>").unwrap().0.to_owned()
    }
}

pub(super) fn settings(provider: &str) -> Settings {
    let world = World::demo();
    let organization = |id: &str| {
        let found = world.organization(id).unwrap();
        (id.to_owned(), Organization { slug: found.slug.clone(), name: found.name.clone() })
    };
    Settings {
        base_url: BASE.to_owned(),
        flybridge_url: BRIDGE.to_owned(),
        fly: FlyProvider {
            authorize_endpoint: format!("{provider}/oauth/authorize"),
            token_endpoint: format!("{provider}/oauth/token"),
            client_id: "sentry-fly".to_owned(),
            client_secret: "fly-secret".to_owned(),
        },
        oidc: Some(OidcProvider {
            issuer: provider.to_owned(),
            client_id: "sentry-oidc".to_owned(),
            client_secret: "oidc-secret".to_owned(),
            scope: "openid email".to_owned(),
        }),
        organizations: [SALTMARSH, HARBOUR].into_iter().map(organization).collect(),
        links: Links::default(),
        keep_in: None,
    }
}

pub(super) fn callback(code: &str, state: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("code", code), ("state", state), ("iss", "https://issuer.example")])
        .finish();
    format!("/auth/sso/?{query}")
}

pub(super) fn tokens(number: u8) -> Value {
    json!({"access_token": format!("at-{number}"), "token_type": "Bearer", "expires_in": 3600,
           "refresh_token": format!("rt-{number}"), "scope": "read"})
}

pub(super) fn jun() -> Value {
    json!({"user_id": "j4p9u2z7e0l5g8a1", "resource_owner_id": "j4p9u2z7e0l5g8a1", "user_name": "Jun Park",
           "email": "jun@customer.fly.io", "sub": "sub-of-jun",
           "organizations": [{"id": SALTMARSH, "role": "member"}, {"id": HARBOUR, "role": "admin"}]})
}
