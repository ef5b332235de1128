//! The connector to Fly.io's OAuth: authorization code, `token/info`, refresh.
//!
//! Bounds: one deadline for all calls of an operation, no redirects, a capped body. What comes back is checked before
//! it is believed: the application must be ours, and the token must be the person's own. That a code or token is no
//! good is believed only in the words of OAuth; any other refusal may come from something on the way.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, Response, StatusCode, redirect};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::UpstreamError;
use crate::clock::Timestamp;
use crate::domain::ids::{OrganizationId, UpstreamUserId};
use crate::domain::member::Role;
use crate::domain::secret::Secret;
use crate::services::directory::FlyPerson;

/// How to reach Fly.io and who we are there.
#[derive(Debug, Clone)]
pub struct FlySettings {
    pub client_id: String,
    pub client_secret: Secret,
    pub authorize_url: Url,
    pub token_url: Url,
    pub token_info_url: Url,
    pub scope: String,
    /// For one operation, of one call or of several.
    pub timeout: Duration,
    /// Bytes of an answer.
    pub max_body: usize,
}

pub struct FlyConnector {
    settings: FlySettings,
    callback: Url,
    http: Client,
}

/// When an operation has to be over, however many calls it makes. Bounds the network, and so runs by real time.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// The result of `work` if it comes in time; `work` is dropped otherwise.
    pub async fn bound<T>(self, work: impl Future<Output = T>) -> Result<T, UpstreamError> {
        let late = |_| UpstreamError::Unavailable("no answer in time".to_owned());
        timeout_at(self.0, work).await.map_err(late)
    }
}

/// Tokens of Fly.io. Kept sealed; see [`crate::services::upstream_tokens`].
#[derive(Clone, Serialize, Deserialize)]
pub struct FlyTokens {
    pub access: String,
    pub refresh: Option<String>,
    pub expires_at: Timestamp,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    token_type: String,
    expires_in: Option<u32>,
    refresh_token: Option<String>,
}

/// RFC 6749, section 5.2.
#[derive(Deserialize)]
struct ErrorAnswer {
    error: String,
}

#[derive(Deserialize)]
struct TokenInfoAnswer {
    resource_owner_id: String,
    user_id: String,
    user_name: Option<String>,
    email: Option<String>,
    organizations: Vec<OrganizationAnswer>,
    application: ApplicationAnswer,
}

#[derive(Deserialize)]
struct OrganizationAnswer {
    id: String,
    role: String,
}

#[derive(Deserialize)]
struct ApplicationAnswer {
    uid: String,
}

impl FlyConnector {
    /// `callback` is the redirect URI registered at Fly.io.
    pub fn new(settings: FlySettings, callback: Url) -> Result<Self, UpstreamError> {
        let http = Client::builder()
            .redirect(redirect::Policy::none())
            .user_agent(concat!("flybridge/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| UpstreamError::Unavailable(e.to_string()))?;
        Ok(Self { settings, callback, http })
    }

    /// Where the browser goes to sign in. PKCE is sent though Fly.io does not document it (RFC 7636); nothing relies
    /// on it.
    #[must_use]
    pub fn authorize_url(&self, state: &str, verifier: &str) -> Url {
        let mut url = self.settings.authorize_url.clone();
        url.query_pairs_mut()
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", self.callback.as_str())
            .append_pair("scope", &self.settings.scope)
            .append_pair("state", state)
            .append_pair("code_challenge", &challenge(verifier))
            .append_pair("code_challenge_method", "S256");
        url
    }

    /// A deadline for an operation that begins now.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        Deadline(Instant::now() + self.settings.timeout)
    }

    /// Redeems a code and asks whose it was, as one operation.
    pub async fn sign_in(
        &self,
        code: &str,
        verifier: &str,
        now: Timestamp,
    ) -> Result<(FlyTokens, FlyPerson), UpstreamError> {
        let deadline = self.deadline();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.callback.as_str()),
            ("code_verifier", verifier),
        ];
        let tokens = deadline.bound(self.token_request(&form, now)).await??;
        let person = self.person(&tokens, deadline).await?;
        Ok((tokens, person))
    }

    /// The next tokens. `refresh_token` is used up, even when its answer is lost.
    pub async fn refresh(
        &self,
        refresh_token: &str,
        now: Timestamp,
        deadline: Deadline,
    ) -> Result<FlyTokens, UpstreamError> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        deadline.bound(self.token_request(&form, now)).await?
    }

    /// Who the token belongs to, and to which organizations they belong.
    pub async fn person(&self, tokens: &FlyTokens, deadline: Deadline) -> Result<FlyPerson, UpstreamError> {
        deadline.bound(self.token_info(tokens)).await?
    }

    async fn token_info(&self, tokens: &FlyTokens) -> Result<FlyPerson, UpstreamError> {
        let request = self.http.get(self.settings.token_info_url.clone()).bearer_auth(&tokens.access);
        let answer = request.send().await.map_err(|e| unavailable(&e))?;
        let status = answer.status();
        let body = self.body(answer).await?;
        match status {
            StatusCode::OK => {}
            // RFC 6750, section 3.1, wants 401; servers like Fly.io's are known to send 400 as well.
            StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST if says(&body, "invalid_token") => {
                return Err(UpstreamError::Refused);
            }
            other => return Err(unexpected(other)),
        }
        let info: TokenInfoAnswer = parse(&body)?;
        self.check(info)
    }

    fn check(&self, info: TokenInfoAnswer) -> Result<FlyPerson, UpstreamError> {
        if info.application.uid != self.settings.client_id {
            return Err(UpstreamError::Invalid("the token was given to another application".to_owned()));
        }
        if info.user_id != info.resource_owner_id {
            return Err(UpstreamError::Invalid("user_id and resource_owner_id differ".to_owned()));
        }
        let id: UpstreamUserId =
            info.user_id.parse().map_err(|_| UpstreamError::Invalid("user_id is no id".to_owned()))?;
        let mut organizations = Vec::new();
        for organization in info.organizations {
            let id: OrganizationId = (organization.id.parse())
                .map_err(|_| UpstreamError::Invalid("an organization's id is no id".to_owned()))?;
            // A role we do not know gives the least.
            let role = if organization.role == "admin" { Role::Admin } else { Role::Member };
            organizations.push((id, role));
        }
        let email = info.email.as_deref().and_then(|email| email.parse().ok());
        let name = info.user_name.filter(|name| !name.trim().is_empty());
        let name = name.or_else(|| info.email.clone()).unwrap_or_else(|| "Unnamed".to_owned());
        Ok(FlyPerson { id, name: name.chars().take(200).collect(), email, organizations })
    }

    async fn token_request(&self, form: &[(&str, &str)], now: Timestamp) -> Result<FlyTokens, UpstreamError> {
        let mut form = form.to_vec();
        form.push(("client_id", &self.settings.client_id));
        form.push(("client_secret", self.settings.client_secret.expose()));
        let request = self.http.post(self.settings.token_url.clone()).form(&form);
        let answer = request.send().await.map_err(|e| unavailable(&e))?;
        let status = answer.status();
        let body = self.body(answer).await?;
        match status {
            StatusCode::OK => {}
            StatusCode::BAD_REQUEST if says(&body, "invalid_grant") => return Err(UpstreamError::Refused),
            // Our own credentials: nothing the person can mend.
            StatusCode::UNAUTHORIZED => {
                return Err(UpstreamError::Invalid(
                    "Fly.io does not accept our client_id and client_secret".to_owned(),
                ));
            }
            other => return Err(unexpected(other)),
        }
        let answer: TokenAnswer = parse(&body)?;
        if !answer.token_type.eq_ignore_ascii_case("bearer") {
            return Err(UpstreamError::Invalid("token_type is not Bearer".to_owned()));
        }
        let lifetime = Duration::from_secs(u64::from(answer.expires_in.unwrap_or(7200)));
        Ok(FlyTokens { access: answer.access_token, refresh: answer.refresh_token, expires_at: now.plus(lifetime) })
    }

    async fn body(&self, mut answer: Response) -> Result<Vec<u8>, UpstreamError> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| unavailable(&e))? {
            if body.len() + chunk.len() > self.settings.max_body {
                return Err(UpstreamError::Invalid(format!("more than {} bytes", self.settings.max_body)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn says(body: &[u8], error: &str) -> bool {
    serde_json::from_slice::<ErrorAnswer>(body).is_ok_and(|answer| answer.error == error)
}

/// RFC 7636, section 4.2.
fn challenge(verifier: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    URL_SAFE_NO_PAD.encode(digest)
}

/// The URL is left out: it tells nothing, and a query may hold what no log should.
fn unavailable(error: &reqwest::Error) -> UpstreamError {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    };
    UpstreamError::Unavailable(what.to_owned())
}

fn unexpected(status: StatusCode) -> UpstreamError {
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        UpstreamError::Unavailable(format!("status {}", status.as_u16()))
    } else {
        UpstreamError::Invalid(format!("status {}", status.as_u16()))
    }
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, UpstreamError> {
    // serde_json's message may quote the body, which may hold a token.
    serde_json::from_slice(body)
        .map_err(|e| UpstreamError::Invalid(format!("not the JSON expected, line {}", e.line())))
}
