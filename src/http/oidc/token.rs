//! The token endpoint (RFC 6749, section 3.2; OIDC Core, section 3.1.3). It owns client authentication, errors and the
//! shape of the answer; a grant holds only its difference.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::client_auth::{ClientAuth, TOKEN};
use super::dpop::{Dpop, token_type};
use super::userinfo::person_claims;
use crate::domain::authorize::{OAuthCode, OAuthError, Scope, ScopeValue};
use crate::domain::claims::{IdToken, acr};
use crate::domain::client::{AccessTokenFormat, Client};
use crate::domain::machine::MachineToken;
use crate::domain::organization::LoginMethod;
use crate::domain::parameters::Parameters;
use crate::domain::requested_claims::ClaimName;
use crate::http::error::OAuthFailure;
use crate::http::web::{Visitor, Web};
use crate::services::dpop_proofs::Possession;
use crate::services::grants::redeem::Redemption;
use crate::services::grants::{Grants, Issued};
use crate::services::pushed::PushedRequests;
use crate::services::signing::{Algorithm, SigningError, SigningKeys};

/// What the endpoint works with.
pub struct TokenEndpoint {
    pub auth: Arc<ClientAuth>,
    pub grants: Arc<Grants>,
    pub signing: Arc<SigningKeys>,
    pub pushed: Arc<PushedRequests>,
    pub dpop: Arc<Dpop>,
}

/// RFC 6749, section 5.1.
#[derive(Serialize)]
struct TokenAnswer {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    scope: String,
    created_at: i64,
}

impl IntoResponse for TokenAnswer {
    fn into_response(self) -> Response {
        let headers = [
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::PRAGMA, HeaderValue::from_static("no-cache")),
        ];
        (headers, Json(self)).into_response()
    }
}

/// `POST /oauth/token`
pub async fn post(
    State(web): State<Arc<Web>>,
    State(endpoint): State<Arc<TokenEndpoint>>,
    visitor: Visitor,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: String,
) -> Result<Response, OAuthFailure> {
    let (client, form) = endpoint.form(TOKEN, &visitor, &headers, (query.as_deref(), &body)).await?;
    let possession = endpoint.possession(&client, &headers).await?;
    let issued = match form.one("grant_type")? {
        Some("authorization_code") => {
            endpoint.check_key(&web, &client)?;
            let code = form.one("code")?.ok_or_else(|| missing("code is missing").about("code"))?;
            let redirect_uri = form.one("redirect_uri")?;
            let sent = Redemption { code, redirect_uri, code_verifier: form.one("code_verifier")?, possession };
            endpoint.grants.redeem(&client, sent).await?
        }
        Some("refresh_token") => {
            endpoint.check_key(&web, &client)?;
            let token = form
                .one("refresh_token")?
                .ok_or_else(|| missing("refresh_token is missing").about("refresh_token"))?;
            endpoint.grants.refresh(&client, token, form.one("scope")?, possession).await?
        }
        Some("client_credentials") => {
            let scope = form.one("scope")?;
            let (access_token, kept) = endpoint.grants.issue_machine_token(&client, scope, possession).await?;
            return Ok(own(&web, access_token, &kept));
        }
        Some(other) => {
            let error = OAuthError::new(OAuthCode::UnsupportedGrantType, "grant_type is not supported");
            return Err(error.about("grant_type").received(other).into());
        }
        None => return Err(missing("grant_type is missing").about("grant_type")),
    };
    endpoint.answer(&web, &client, issued)
}

pub(super) fn missing(what: &str) -> OAuthFailure {
    OAuthFailure::new(OAuthCode::InvalidRequest, what)
}

/// The parameters come in a form body; a secret in a URL ends in logs (RFC 6749, section 2.3.1).
fn check_carrier(headers: &HeaderMap, query: Option<&str>) -> Result<(), OAuthFailure> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().unwrap_or_default().trim() != "application/x-www-form-urlencoded" {
        return Err(missing("the content type must be application/x-www-form-urlencoded").about("Content-Type"));
    }
    if query.is_some_and(|query| !query.is_empty()) {
        return Err(missing("parameters belong into the body, not into the URL").about("query"));
    }
    Ok(())
}

impl TokenEndpoint {
    /// A form, and the client that it comes from: what every endpoint for clients begins with.
    pub(super) async fn form(
        &self,
        path: &str,
        visitor: &Visitor,
        headers: &HeaderMap,
        (query, body): (Option<&str>, &str),
    ) -> Result<(Arc<Client>, Parameters), OAuthFailure> {
        let form = Parameters::parse(body);
        let checked = check_carrier(headers, query).and_then(|()| Ok(form.check_once_each()?));
        checked.inspect_err(|_| self.auth.name_claimed(headers, &form))?;
        let client = self.auth.authenticate(path, &visitor.address, headers, &form).await?;
        Ok((client, form))
    }

    /// Of the key that the token is to be bound to. Some clients get none without (RFC 9449, section 5.2).
    async fn possession(&self, client: &Client, headers: &HeaderMap) -> Result<Option<Possession>, OAuthFailure> {
        let possession = self.dpop.of_client(headers, TOKEN).await?;
        if possession.is_none() && client.dpop_bound_access_tokens {
            return Err(missing(
                "the DPoP header is missing, and this client is registered to get no token without it",
            )
            .about("DPoP"));
        }
        Ok(possession)
    }

    /// Whether there is a key to sign with for a client that always gets something signed. Asked before anything is used up: a code or
    /// a refresh token that is gone without an answer costs the person a sign-in.
    fn check_key(&self, web: &Web, client: &Client) -> Result<(), OAuthFailure> {
        let algorithm = Algorithm::from(client.algorithm);
        let key = || self.signing.ready().current_kid(algorithm, web.clock.now()).is_some();
        let nothing_to_sign = !client.require_openid && client.access_token_format == AccessTokenFormat::Opaque;
        if nothing_to_sign || key() {
            return Ok(());
        }
        let failure = OAuthFailure::new(OAuthCode::ServerError, "the tokens could not be signed");
        Err(failure.because(format!("there is no key to sign tokens with for {}", algorithm.name())))
    }

    fn answer(&self, web: &Web, client: &Client, issued: Issued) -> Result<Response, OAuthFailure> {
        let now = web.clock.now();
        let access_token = self.grants.access_token(&issued).map_err(|error| unsigned(&error))?;
        let signed_in = issued.token.scope.contains(ScopeValue::OpenId);
        let id_token = signed_in.then(|| self.id_token(web, client, &issued, &access_token)).transpose()?;
        let answer = TokenAnswer {
            access_token,
            token_type: token_type(issued.token.key),
            expires_in: whole_seconds(issued.token.expires_at.since(now)),
            refresh_token: issued.refresh_token,
            id_token,
            scope: issued.token.scope.to_string(),
            created_at: now.as_seconds(),
        };
        Ok(answer.into_response())
    }

    fn id_token(
        &self,
        web: &Web,
        client: &Client,
        issued: &Issued,
        access_token: &str,
    ) -> Result<String, OAuthFailure> {
        let (grant, opened) = (&issued.grant, &issued.opened);
        let iat = web.clock.now();
        let asked = &grant.claims.id_token;
        let in_token = if client.claims_in_id_token { issued.token.scope.clone() } else { Scope::default() };
        let claims = IdToken {
            iss: web.issuer.as_str(),
            sub: &opened.user.id,
            aud: client.id.as_str(),
            exp: iat.plus(self.grants.rules().access).as_seconds(),
            iat: iat.as_seconds(),
            auth_time: grant.wants_auth_time.then(|| grant.proof.auth_time.as_seconds()),
            nonce: grant.nonce.as_deref().filter(|_| !issued.refreshed),
            at_hash: Some(at_hash(access_token)),
            amr: match grant.proof.method {
                LoginMethod::Fly => &["fed"],
                LoginMethod::Password => &["pwd"],
            },
            acr: asked.contains(&ClaimName::Acr).then(|| acr(web.issuer.as_str(), grant.proof.method)),
            sid: grant.sid.as_ref(),
            person: person_claims(&opened.user, &in_token, asked, &opened.organizations),
        };
        self.signing.sign(client.algorithm.into(), "JWT", &claims).map_err(|error| unsigned(&error))
    }
}

/// The answer to a client that asked for a token in its own name: neither a refresh token, since it may ask again (RFC
/// 6749, section 4.4.3), nor an `id_token`, since nobody has signed in.
fn own(web: &Web, access_token: String, kept: &MachineToken) -> Response {
    let now = web.clock.now();
    let answer = TokenAnswer {
        access_token,
        token_type: token_type(kept.key),
        expires_in: whole_seconds(kept.expires_at.since(now)),
        refresh_token: None,
        id_token: None,
        scope: kept.scopes.to_string(),
        created_at: now.as_seconds(),
    };
    answer.into_response()
}

/// Rounded up: a token that was given a moment ago has all of its time.
fn whole_seconds(left: Duration) -> u64 {
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

fn unsigned(error: &SigningError) -> OAuthFailure {
    OAuthFailure::new(OAuthCode::ServerError, "the tokens could not be signed").because(error.to_string())
}

/// Left half of the SHA-256 (OIDC Core, section 3.1.3.6); both algorithms we sign with use that hash.
fn at_hash(access_token: &str) -> String {
    let hash = digest::digest(&digest::SHA256, access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
}
