//! A Fly.io stand-in with one application, and the steps of a sign-in there.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use flybridge::clock::{ManualClock, Timestamp};
use flybridge::demo::fly::{Application, FlyStandIn, Settings};
use flybridge::demo::world::World;
use flybridge::random::SeededRandom;
use serde_json::Value;

use super::{Answer, get, parameter, post, send};

pub(super) const CLIENT: &str = "flybridge-at-fly";
pub(super) const SECRET: &str = "s3cret-of-the-application";
pub(super) const CALLBACK: &str = "https://flybridge.example/upstream/fly/callback";
pub(super) const START: i64 = 1_800_000_000;

pub(super) struct Fly {
    pub(super) stand_in: FlyStandIn,
    pub(super) router: Router,
    pub(super) clock: Arc<ManualClock>,
}

impl Fly {
    pub(super) fn new() -> Self {
        Self::with(settings())
    }

    pub(super) fn with(settings: Settings) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(START)));
        let stand_in = FlyStandIn::new(settings, World::demo(), clock.clone(), Arc::new(SeededRandom::new(7)));
        Self { router: stand_in.router(), stand_in, clock }
    }

    /// The consent form, filled in for `user`.
    pub(super) async fn consent(&self, user: &str, button: &str, extra: &[(&str, &str)]) -> Answer {
        let mut fields = request();
        fields.extend_from_slice(extra);
        fields.extend([("user", user), (button, "1")]);
        post(&self.router, "/oauth/authorize", &fields).await
    }

    pub(super) async fn code(&self, user: &str) -> String {
        let answer = self.consent(user, "approve", &[]).await;
        parameter(&answer.location(), "code").unwrap()
    }

    pub(super) async fn redeem(&self, code: &str, extra: &[(&str, &str)]) -> Answer {
        let mut fields = vec![
            ("client_id", CLIENT),
            ("client_secret", SECRET),
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
        ];
        for (name, value) in extra {
            fields.retain(|(field, _)| field != name);
            fields.push((name, value));
        }
        post(&self.router, "/oauth/token", &fields).await
    }

    /// Access and refresh token of somebody who just signed in.
    pub(super) async fn tokens(&self, user: &str) -> (String, String) {
        let code = self.code(user).await;
        pair(&self.redeem(&code, &[]).await.json())
    }

    pub(super) async fn refresh(&self, refresh_token: &str) -> Answer {
        let fields = [
            ("client_id", CLIENT),
            ("client_secret", SECRET),
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
        ];
        post(&self.router, "/oauth/token", &fields).await
    }

    pub(super) async fn info(&self, access_token: &str) -> Answer {
        let request = Request::get("/oauth/token/info").header("authorization", format!("Bearer {access_token}"));
        send(&self.router, request.body(Body::empty()).unwrap()).await
    }

    pub(super) async fn authorize(&self, fields: &[(&str, &str)]) -> Answer {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        get(&self.router, &format!("/oauth/authorize?{query}")).await
    }
}

pub(super) fn settings() -> Settings {
    let application = Application {
        client_id: CLIENT.to_owned(),
        client_secret: SECRET.to_owned(),
        redirect_uris: vec![CALLBACK.to_owned()],
    };
    Settings { applications: vec![application], ..Settings::default() }
}

pub(super) fn request() -> Vec<(&'static str, &'static str)> {
    vec![("client_id", CLIENT), ("redirect_uri", CALLBACK), ("response_type", "code"), ("scope", "read")]
}

pub(super) fn pair(body: &Value) -> (String, String) {
    let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("no {name} in {body}")).to_owned();
    (text("access_token"), text("refresh_token"))
}
