//! Sentry as relying party: its Fly.io provider (profile 1) and a generic OpenID Connect plug-in (profile 2).
//!
//! It does what Sentry does where the two meet Flybridge, mistakes included: a status that nobody looks at, an
//! error that is shown word for word, a refresh that unlinks people.

mod back_channel;
mod callback;
mod home;
mod provider;
mod refresh;
mod session;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

pub use self::back_channel::PATH as BACKCHANNEL_LOGOUT;
pub use self::session::{Account, Identity, Profile};

use self::session::State;
use super::keep::Keep;
use super::{Links, page};
use crate::clock::Clock;
use crate::random::Random;

/// Sentry's configuration of `fly` or `fly-non-partner`.
#[derive(Clone)]
pub struct FlyProvider {
    pub authorize_endpoint: String,
    /// `token/info` is asked at this address with `/info` behind it.
    pub token_endpoint: String,
    pub client_id: String,
    pub client_secret: String,
}

/// Configuration of the generic plug-in.
#[derive(Clone)]
pub struct OidcProvider {
    /// Discovery is asked below it.
    pub issuer: String,
    pub client_id: String,
    pub client_secret: String,
    /// Usually `openid email`; `organizations` may be added to see them on the page.
    pub scope: String,
}

/// An organization in Sentry, linked to one at Fly.io.
#[derive(Debug, Clone)]
pub struct Organization {
    pub slug: String,
    pub name: String,
}

#[derive(Clone)]
pub struct Settings {
    /// Where this stand-in is, without a slash at the end; the redirect URI is `<base_url>/auth/sso/`.
    pub base_url: String,
    /// Where Flybridge's pages are, without a slash at the end.
    pub flybridge_url: String,
    pub fly: FlyProvider,
    pub oidc: Option<OidcProvider>,
    /// By the organization's id at Fly.io. People of other organizations are turned away.
    pub organizations: BTreeMap<String, Organization>,
    pub links: Links,
    /// Where identities and sessions are kept over a restart; nowhere when absent.
    pub keep_in: Option<PathBuf>,
}

/// A running stand-in of Sentry. Clones are handles to the same one.
#[derive(Clone)]
pub struct SentryStandIn(Arc<Inner>);

struct Inner {
    settings: Settings,
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    state: Mutex<State>,
    keep: Keep,
}

/// What Sentry gives an answer before it gives up.
const PATIENCE: Duration = Duration::from_secs(10);

impl SentryStandIn {
    /// # Errors
    /// When no HTTP client can be made. The crypto provider must be installed before.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> reqwest::Result<Self> {
        // Everything is on this machine, which a proxy from the environment could not reach.
        let http =
            reqwest::Client::builder().no_proxy().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
        let keep = Keep::new(settings.keep_in.clone());
        let state = Mutex::new(keep.load().unwrap_or_default());
        Ok(Self(Arc::new(Inner { settings, http: http.build()?, clock, random, state, keep })))
    }

    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(home::show))
            .route("/login", get(callback::sign_in_with_fly))
            .route("/login/oidc", get(callback::sign_in_with_oidc))
            .route("/auth/sso/", get(callback::arrive))
            .route("/refresh", post(refresh::refresh))
            .route("/sign-out", get(home::sign_out))
            .route(BACKCHANNEL_LOGOUT, post(back_channel::logout))
            .merge(page::assets())
            .fallback(page::no_such_page(&self.0.settings.links))
            .with_state(self.clone())
    }

    /// The redirect URI that both profiles register at Flybridge.
    pub fn redirect_uri(&self) -> String {
        format!("{}/auth/sso/", self.0.settings.base_url)
    }

    /// Everybody who ever arrived, as Sentry's identity table has them.
    pub fn identities(&self) -> Vec<Identity> {
        self.lock().identities.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update<T>(&self, edit: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = edit(&mut state);
        self.0.keep.save(&*state);
        result
    }

    /// Sentry's error page: what went wrong, and a new start.
    fn trouble(&self, trouble: &Trouble) -> Response {
        let message = page::Message {
            links: &self.0.settings.links,
            title: trouble.title,
            text: &trouble.text,
            hint: trouble.hint,
            way_on: ("/", "Back to the start"),
        };
        page::html(trouble.status, &message)
    }
}

/// Why nobody was signed in.
struct Trouble {
    status: StatusCode,
    title: &'static str,
    text: String,
    hint: &'static str,
}

impl Trouble {
    /// Sentry shows its sign-in page with this text.
    fn refused(text: impl Into<String>) -> Self {
        let title = "Sentry did not sign you in";
        Self { status: StatusCode::BAD_REQUEST, title, text: text.into(), hint: "" }
    }

    /// Sentry's code breaks on this answer: people see an internal error.
    fn broken(text: impl Into<String>) -> Self {
        let hint = "The real Sentry shows a page with status 500 here and says nothing of the reason.";
        let title = "Internal error at Sentry";
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, title, text: text.into(), hint }
    }
}
