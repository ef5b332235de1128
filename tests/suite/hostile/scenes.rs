//! Browsers in every state of a sign-in, and good requests for each way in.

use url::Url;

use crate::support::app::TestApp;
use crate::support::browser_client::{Browser, query};
use crate::support::relying_party::{Parameters, Rp};

const SENTRY: &[&str] = &["https://sentry.test/auth/sso/"];
pub(super) const CLIENTS: [(&str, &[&str]); 4] = [
    ("sentry", SENTRY),
    ("sentry-oidc", SENTRY),
    ("standard", &["https://rp.test/cb", "https://rp.test/cb2?keep=a%20b"]),
    ("es256", &["https://rp.test/cb"]),
];
/// Where people go to start over; a link on pages and the end of `/go`.
pub(super) const HOME: &str = "https://sentry.test/login";
/// The standard client's.
pub(super) const SIGNED_OUT: &str = "https://rp.test/signed-out";

/// Where requests come in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Door {
    Authorize,
    Logout,
    SignIn,
    ToFly,
    Next,
    Consent,
    Denied,
    Password,
    Callback,
    SignOut,
    Forgot,
    Go,
}

pub(super) const DOORS: [(Door, &str); 12] = [
    (Door::Authorize, "/oauth/authorize"),
    (Door::Logout, "/oauth/logout"),
    (Door::SignIn, "/sign-in"),
    (Door::ToFly, "/sign-in/fly"),
    (Door::Next, "/sign-in/next"),
    (Door::Consent, "/sign-in/consent"),
    (Door::Denied, "/sign-in/denied"),
    (Door::Password, "/sign-in/password"),
    (Door::Callback, "/connectors/fly/callback"),
    (Door::SignOut, "/sign-out"),
    (Door::Forgot, "/forgot"),
    (Door::Go, "/go"),
];

/// A browser in some state, and what it has to send.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) browser: Browser,
    /// For which client a sign-in is under way.
    pub(super) client: Option<usize>,
    pub(super) tx: String,
    state: String,
    code: String,
    hint: String,
    then: String,
}

impl Scene {
    /// A value with its braces filled in.
    pub(super) fn filled(&self, value: &str) -> String {
        let known = [
            ("{tx}", &self.tx),
            ("{state}", &self.state),
            ("{code}", &self.code),
            ("{hint}", &self.hint),
            ("{then}", &self.then),
            ("{csrf}", &self.browser.csrf),
        ];
        known.iter().fold(value.to_owned(), |text, (place, value)| text.replace(place, value))
    }

    /// A stranger, somebody signed in, and either of them in the middle of a sign-in for each client.
    pub(super) async fn all(app: &TestApp) -> Vec<Self> {
        let mut leo = app.browser();
        let tokens = app.standard().tokens(&mut leo, "leo").await;
        let hint = tokens.id.unwrap();
        let question =
            leo.get(&format!("/oauth/logout?client_id=standard&post_logout_redirect_uri={SIGNED_OUT}")).await;
        let then = question.hidden("then").unwrap();
        let empty = |browser| Self {
            browser,
            client: None,
            tx: String::new(),
            state: String::new(),
            code: String::new(),
            hint: hint.clone(),
            then: then.clone(),
        };
        let mut stranger = app.browser();
        stranger.get("/forgot").await;
        let mut scenes = vec![empty(stranger), empty(leo)];
        for client in 0..CLIENTS.len() {
            for mode in ["query", "form_post"] {
                for before in [0, 1] {
                    let scene = scenes[before].clone();
                    scenes.push(scene.midway(app, client, mode).await);
                }
            }
        }
        scenes
    }

    async fn midway(mut self, app: &TestApp, client: usize, mode: &str) -> Self {
        let request = Rp::new(app, CLIENTS[client].0).request().with("prompt", "login").with("response_mode", mode);
        self.tx = self.browser.begin(&request.authorize()).await;
        let asked = query(&self.browser.leave_for_fly(&self.tx).await);
        self.state.clone_from(&asked["state"]);
        self.client = Some(client);
        self
    }

    /// Says yes at Fly.io in this case's own trip.
    pub(super) async fn approved(&mut self) {
        if self.client.is_some() {
            let asked = self.browser.leave_for_fly(&self.tx.clone()).await;
            let back = Url::parse(&self.browser.at_fly(&asked, "leo", "approve").await).unwrap();
            let back = query(&back);
            (self.state, self.code) = (back["state"].clone(), back["code"].clone());
        }
    }
}

/// A good request at this door.
pub(super) fn base(app: &TestApp, door: Door, client: usize) -> Parameters {
    match door {
        Door::Authorize => Rp::new(app, CLIENTS[client].0).request(),
        Door::Logout => Parameters::of(&[
            ("client_id", "standard"),
            ("post_logout_redirect_uri", SIGNED_OUT),
            ("id_token_hint", "{hint}"),
            ("state", "s"),
        ]),
        Door::Callback => Parameters::of(&[("state", "{state}"), ("code", "{code}")]),
        Door::Consent => Parameters::of(&[("tx", "{tx}"), ("answer", "deny"), ("told", "x")]),
        Door::SignOut => Parameters::of(&[("answer", "yes"), ("then", "{then}")]),
        Door::Forgot => Parameters::of(&[("tx", "{tx}"), ("email", "nobody@nowhere.test")]),
        Door::Password => Parameters::of(&[("tx", "{tx}"), ("email", "a@b.test"), ("password", "wrong")]),
        _ => Parameters::of(&[("tx", "{tx}")]),
    }
}
