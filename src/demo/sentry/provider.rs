//! The calls to Flybridge, each profile in its own way.

use axum::http::header::CONTENT_TYPE;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::time::Duration;
use url::Url;

use super::session::{Account, Membership, Pending, Profile};
use super::{OidcProvider, SentryStandIn, Trouble};

/// The plug-in waits no longer for discovery.
const DISCOVERY_PATIENCE: Duration = Duration::from_secs(2);

/// Where a profile's endpoints are, and who Sentry is there.
pub(super) struct Endpoints {
    authorize: String,
    pub(super) token: String,
    userinfo: Option<String>,
    pub(super) client_id: String,
    pub(super) client_secret: String,
}

/// The answer of a token endpoint: its JSON, whatever the status was.
pub(super) struct TokenAnswer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl TokenAnswer {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str)
    }
}

impl SentryStandIn {
    pub(super) async fn endpoints(&self, profile: Profile) -> Result<Endpoints, Trouble> {
        let settings = &self.0.settings;
        match (profile, &settings.oidc) {
            (Profile::Fly, _) => Ok(Endpoints {
                authorize: settings.fly.authorize_endpoint.clone(),
                token: settings.fly.token_endpoint.clone(),
                userinfo: None,
                client_id: settings.fly.client_id.clone(),
                client_secret: settings.fly.client_secret.clone(),
            }),
            (Profile::Oidc, Some(oidc)) => self.discover(oidc).await,
            (Profile::Oidc, None) => Err(Trouble::refused("No OpenID Connect provider is configured.")),
        }
    }

    /// The real plug-in asks once at start-up. Here Flybridge may start later, so each sign-in asks.
    async fn discover(&self, oidc: &OidcProvider) -> Result<Endpoints, Trouble> {
        let broken = |why: String| Trouble::broken(format!("Discovery failed: {why}"));
        let document = self.discovery(oidc).await.map_err(broken)?;
        let endpoint = |name: &str| {
            document.get(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| broken(format!("no {name}")))
        };
        Ok(Endpoints {
            authorize: endpoint("authorization_endpoint")?,
            token: endpoint("token_endpoint")?,
            userinfo: Some(endpoint("userinfo_endpoint")?),
            client_id: oidc.client_id.clone(),
            client_secret: oidc.client_secret.clone(),
        })
    }

    /// The discovery document; the error is a sentence.
    pub(super) async fn discovery(&self, oidc: &OidcProvider) -> Result<Value, String> {
        let url = format!("{}/.well-known/openid-configuration", oidc.issuer.trim_end_matches('/'));
        let response = self.0.http.get(url).timeout(DISCOVERY_PATIENCE).send().await;
        let response = response.and_then(reqwest::Response::error_for_status).map_err(|error| chain(&error))?;
        response.json().await.map_err(|error| chain(&error))
    }

    /// The address that starts a sign-in.
    pub(super) async fn authorize_url(&self, pending: &Pending) -> Result<String, Trouble> {
        let endpoints = self.endpoints(pending.profile).await?;
        let mut url = Url::parse(&endpoints.authorize)
            .map_err(|error| Trouble::broken(format!("The authorize endpoint is no URL: {error}")))?;
        let redirect_uri = self.redirect_uri();
        let scope = match (pending.profile, &self.0.settings.oidc) {
            (Profile::Oidc, Some(oidc)) => oidc.scope.as_str(),
            _ => "read",
        };
        url.query_pairs_mut().extend_pairs([
            ("client_id", endpoints.client_id.as_str()),
            ("response_type", "code"),
            ("scope", scope),
            ("state", &pending.state),
            ("redirect_uri", &redirect_uri),
        ]);
        if pending.profile == Profile::Oidc {
            // Left over from Google's provider, from which the plug-in was made.
            url.query_pairs_mut().extend_pairs([("approval_prompt", "force"), ("access_type", "offline")]);
        }
        Ok(url.into())
    }

    /// Code for tokens. As in Sentry the status is not looked at, only the body.
    pub(super) async fn exchange(&self, endpoints: &Endpoints, code: &str) -> Result<TokenAnswer, Trouble> {
        let redirect_uri = self.redirect_uri();
        let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", &redirect_uri)];
        let answer = self.ask_for_tokens(endpoints, &form).await.map_err(Trouble::broken)?;
        if let Some(description) = answer.text("error_description") {
            return Err(Trouble::refused(description));
        }
        if answer.text("error").is_some() {
            let text = "Failed to retrieve token from the upstream provider. Please try again later.";
            return Err(Trouble::refused(text));
        }
        Ok(answer)
    }

    /// A form to the token endpoint with `client_secret_post`; the error is a sentence.
    pub(super) async fn ask_for_tokens(
        &self,
        endpoints: &Endpoints,
        form: &[(&str, &str)],
    ) -> Result<TokenAnswer, String> {
        let client = [("client_id", endpoints.client_id.as_str()), ("client_secret", &endpoints.client_secret)];
        let form: Vec<(&str, &str)> = form.iter().copied().chain(client).collect();
        let response = self.0.http.post(&endpoints.token).form(&form).send().await.map_err(|error| chain(&error))?;
        let status = response.status().as_u16();
        if !response.headers().contains_key(CONTENT_TYPE) {
            return Err(format!("The token endpoint answered {status} without a Content-Type."));
        }
        let body = response.bytes().await.map_err(|error| chain(&error))?;
        let body = serde_json::from_slice(&body)
            .map_err(|_| format!("The token endpoint answered {status} and no JSON."))?;
        Ok(TokenAnswer { status, body })
    }

    /// Who the tokens are for.
    pub(super) async fn describe(&self, endpoints: &Endpoints, answer: &TokenAnswer) -> Result<Account, Trouble> {
        match &endpoints.userinfo {
            None => self.describe_fly(endpoints, answer).await,
            Some(userinfo) => self.describe_oidc(userinfo, answer).await,
        }
    }

    async fn describe_fly(&self, endpoints: &Endpoints, answer: &TokenAnswer) -> Result<Account, Trouble> {
        let access_token =
            answer.text("access_token").ok_or_else(|| Trouble::broken("The token answer has no access_token."))?;
        let refresh_token = answer.text("refresh_token").ok_or_else(|| {
            Trouble::refused(
                "No refresh token came with scope read: Sentry would unlink this member within the hour.",
            )
        })?;
        let info = self.get(&format!("{}/info", endpoints.token), access_token).await?;
        let text = |name: &str| info.get(name).and_then(Value::as_str).map(str::to_owned);
        let user_id = text("user_id").ok_or_else(|| Trouble::broken("token/info has no user_id."))?;
        let email = text("email").ok_or_else(|| Trouble::broken("token/info has no email."))?;
        Ok(Account {
            profile: Profile::Fly,
            sub: text("sub").unwrap_or_default(),
            user_id,
            name: text("user_name").unwrap_or_default(),
            email,
            organizations: memberships(info.get("organizations")),
            recognized: false,
            sid: None,
            refresh_token: Some(refresh_token.to_owned()),
        })
    }

    /// The plug-in reads the `id_token` without verifying it, and finds address and identity nowhere else.
    async fn describe_oidc(&self, userinfo: &str, answer: &TokenAnswer) -> Result<Account, Trouble> {
        let broken = |text: &str| Trouble::broken(text);
        let access_token =
            answer.text("access_token").ok_or_else(|| broken("The token answer has no access_token."))?;
        let id_token = answer.text("id_token").ok_or_else(|| broken("The token answer has no id_token."))?;
        let claims = claims(id_token).ok_or_else(|| broken("The id_token does not read."))?;
        let claim = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let sub = claim("sub").ok_or_else(|| broken("The id_token has no sub."))?;
        let email = claim("email").ok_or_else(|| broken("The id_token has no email."))?;
        let info = self.get(&format!("{userinfo}?schema=openid"), access_token).await?;
        Ok(Account {
            profile: Profile::Oidc,
            sub,
            user_id: String::new(),
            name: info.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            email,
            organizations: memberships(info.get("organizations")),
            recognized: false,
            sid: claim("sid"),
            refresh_token: answer.text("refresh_token").map(str::to_owned),
        })
    }

    /// Anything but JSON with a 2xx breaks Sentry.
    async fn get(&self, url: &str, access_token: &str) -> Result<Value, Trouble> {
        let response = self.0.http.get(url).bearer_auth(access_token).send().await;
        let response = response.map_err(|error| Trouble::broken(chain(&error)))?;
        let status = response.status();
        if !status.is_success() {
            return Err(Trouble::broken(format!(
                "The question who signed in was answered with {}.",
                status.as_u16()
            )));
        }
        response.json().await.map_err(|error| Trouble::broken(chain(&error)))
    }
}

/// The payload of a JWT, unverified.
fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// Organizations as objects with `id` and `role`, or as plain ids.
fn memberships(value: Option<&Value>) -> Vec<Membership> {
    let all = value.and_then(Value::as_array).into_iter().flatten();
    let membership = |item: &Value| {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let id = item.as_str().map_or_else(|| text("id"), str::to_owned);
        (!id.is_empty()).then(|| Membership { id, role: text("role") })
    };
    all.filter_map(membership).collect()
}

/// The error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
