//! Fly.io's OAuth as far as it is public: a consent page, codes, rotating refresh tokens and `token/info`.
//!
//! Shapes and life times follow Fly.io's documentation; where that is silent, Doorkeeper, the library whose
//! answers Fly.io's resemble. [`FlyStandIn`] is the handle: tests and the demo change the world through it and
//! make the stand-in fail in chosen ways.

mod authorize;
mod faults;
mod grants;
mod home;
mod info;
mod token;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

pub use self::faults::{Endpoint, Fault};
pub use self::grants::{ACCESS_TOKEN_LIFE, CODE_LIFE};

use self::faults::Faults;
use self::grants::Grants;
use super::keep::Keep;
use super::world::World;
use super::{Links, page};
use crate::clock::Clock;
use crate::random::Random;

/// An application registered at Fly.io.
#[derive(Clone)]
pub struct Application {
    pub client_id: String,
    pub client_secret: String,
    /// Compared byte for byte.
    pub redirect_uris: Vec<String>,
}

#[derive(Clone, Default)]
pub struct Settings {
    pub applications: Vec<Application>,
    pub links: Links,
    /// Where tokens and changes of the world are kept over a restart; nowhere when absent.
    pub keep_in: Option<PathBuf>,
}

/// A running stand-in of Fly.io. Clones are handles to the same one.
#[derive(Clone)]
pub struct FlyStandIn(Arc<Inner>);

struct Inner {
    settings: Settings,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    state: Mutex<State>,
    faults: Faults,
    keep: Keep,
}

#[derive(Serialize, Deserialize)]
struct State {
    world: World,
    grants: Grants,
}

impl FlyStandIn {
    /// `world` is how everything starts; what was kept from an earlier run goes before it.
    #[must_use]
    pub fn new(settings: Settings, world: World, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let keep = Keep::new(settings.keep_in.clone());
        let state = keep.load().unwrap_or_else(|| State { world, grants: Grants::default() });
        let faults = Faults::default();
        Self(Arc::new(Inner { settings, clock, random, state: Mutex::new(state), faults, keep }))
    }

    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(home::show))
            .route("/memberships", post(home::change))
            .route("/oauth/authorize", get(authorize::ask).post(authorize::decide))
            .route("/oauth/token", post(token::exchange))
            .route("/oauth/token/info", get(info::tell))
            .route("/elsewhere", get(elsewhere).post(elsewhere))
            .merge(page::assets())
            .fallback(page::no_such_page(&self.0.settings.links))
            .with_state(self.clone())
    }

    /// A copy of the people and organizations as they are now.
    pub fn world(&self) -> World {
        self.lock().world.clone()
    }

    /// Changes people and organizations; the next `token/info` shows it.
    pub fn change<T>(&self, edit: impl FnOnce(&mut World) -> T) -> T {
        self.update(|state| edit(&mut state.world))
    }

    /// Ends every token of a person, as when they revoke the application at Fly.io.
    pub fn revoke(&self, who: &str) {
        self.update(|state| {
            if let Some(id) = state.world.person(who).map(|person| person.user_id.clone()) {
                state.grants.revoke(&id);
            }
        });
    }

    /// From now on `endpoint` fails like this, until [`Self::heal`].
    pub fn fault(&self, endpoint: Endpoint, fault: Fault) {
        self.0.faults.set(endpoint, fault, None);
    }

    /// The next `times` requests to `endpoint` fail like this.
    pub fn fault_times(&self, endpoint: Endpoint, fault: Fault, times: u32) {
        self.0.faults.set(endpoint, fault, Some(times));
    }

    /// Ends all faults and lets hanging requests go on.
    pub fn heal(&self) {
        self.0.faults.heal();
    }

    /// Lets hanging requests go on; the fault stays for later ones.
    pub fn release(&self) {
        self.0.faults.release();
    }

    /// Returns once at least `count` requests hang.
    pub async fn hanging(&self, count: usize) {
        self.0.faults.hanging(count).await;
    }

    /// How many requests `endpoint` has seen.
    pub fn requests(&self, endpoint: Endpoint) -> u64 {
        self.0.faults.requests(endpoint)
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

    fn application(&self, client_id: &str) -> Option<&Application> {
        self.0.settings.applications.iter().find(|application| application.client_id == client_id)
    }
}

/// Where [`Fault::Redirect`] leads. A client that must not follow redirects never comes here.
async fn elsewhere(axum::extract::State(fly): axum::extract::State<FlyStandIn>) -> Response {
    fly.0.faults.count(Endpoint::Elsewhere);
    json(StatusCode::OK, &serde_json::json!({"here": "elsewhere"}))
}

/// An answer as Doorkeeper sends it.
fn json(status: StatusCode, body: &serde_json::Value) -> Response {
    let headers =
        [(CONTENT_TYPE, "application/json; charset=utf-8"), (CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")];
    (status, headers, body.to_string()).into_response()
}
