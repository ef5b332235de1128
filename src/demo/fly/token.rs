//! `POST /oauth/token`: a code or a refresh token for a pair of tokens.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::json;
use url::form_urlencoded;

use super::faults::{Endpoint, Fault, Verdict};
use super::grants::{ACCESS_TOKEN_LIFE, InvalidGrant, Issued, Redemption};
use super::{Application, FlyStandIn, json};

/// An error of RFC 6749, section 5.2, in Doorkeeper's words.
struct TokenError {
    status: StatusCode,
    error: &'static str,
    description: String,
}

impl TokenError {
    fn bad(error: &'static str, description: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description: description.into() }
    }

    fn client() -> Self {
        let description = "Client authentication failed due to unknown client, no client authentication included, or \
                           unsupported authentication method.";
        Self { status: StatusCode::UNAUTHORIZED, error: "invalid_client", description: description.to_owned() }
    }
}

impl From<InvalidGrant> for TokenError {
    fn from(_: InvalidGrant) -> Self {
        let description = "The provided authorization grant is invalid, expired, revoked, does not match the \
                           redirection URI used in the authorization request, or was issued to another client.";
        Self::bad("invalid_grant", description)
    }
}

pub(super) async fn exchange(State(fly): State<FlyStandIn>, headers: HeaderMap, body: Bytes) -> Response {
    let fault = match fly.0.faults.meet(Endpoint::Token).await {
        Verdict::Answer(response) => return response,
        Verdict::Go(fault) => fault,
    };
    let answer = match parse(&headers, &body).and_then(|fields| answer(&fly, &fields)) {
        Ok(issued) => success(&issued),
        Err(error) => failure(&error),
    };
    if fault == Some(Fault::LoseAnswer) {
        return json(StatusCode::BAD_GATEWAY, &json!({"error": "bad_gateway"}));
    }
    answer
}

/// The fields of the form, each once.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    fn need(&self, name: &str) -> Result<&str, TokenError> {
        self.get(name)
            .ok_or_else(|| TokenError::bad("invalid_request", format!("Missing required parameter: {name}.")))
    }
}

fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Fields, TokenError> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/x-www-form-urlencoded") {
        return Err(TokenError::bad("invalid_request", "The request is not form-encoded."));
    }
    let fields: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let repeated = fields.iter().enumerate().any(|(at, (key, _))| fields[..at].iter().any(|(other, _)| other == key));
    if repeated {
        return Err(TokenError::bad("invalid_request", "A parameter is repeated."));
    }
    Ok(Fields(fields))
}

fn answer(fly: &FlyStandIn, fields: &Fields) -> Result<Issued, TokenError> {
    let application = authenticate(fly, fields)?;
    let now = fly.0.clock.now();
    match fields.need("grant_type")? {
        "authorization_code" => {
            let redemption = Redemption {
                code: fields.need("code")?,
                client_id: &application.client_id,
                redirect_uri: fields.need("redirect_uri")?,
                verifier: fields.get("code_verifier"),
            };
            Ok(fly.update(|state| state.grants.redeem(&redemption, now, &*fly.0.random))?)
        }
        "refresh_token" => {
            let token = fields.need("refresh_token")?;
            let id = &application.client_id;
            Ok(fly.update(|state| state.grants.refresh(token, id, now, &*fly.0.random))?)
        }
        _ => Err(TokenError::bad(
            "unsupported_grant_type",
            "The authorization grant type is not supported by the authorization server.",
        )),
    }
}

/// `client_secret_post`, the only documented way.
fn authenticate<'a>(fly: &'a FlyStandIn, fields: &Fields) -> Result<&'a Application, TokenError> {
    let id = fields.get("client_id").ok_or_else(TokenError::client)?;
    let secret = fields.get("client_secret").ok_or_else(TokenError::client)?;
    fly.application(id).filter(|application| application.client_secret == secret).ok_or_else(TokenError::client)
}

fn success(issued: &Issued) -> Response {
    json(
        StatusCode::OK,
        &json!({
            "access_token": issued.access_token,
            "token_type": "Bearer",
            "expires_in": ACCESS_TOKEN_LIFE.as_secs(),
            "refresh_token": issued.refresh_token,
            "scope": "read",
            "created_at": issued.created_at.as_seconds(),
        }),
    )
}

fn failure(error: &TokenError) -> Response {
    let body = json!({"error": error.error, "error_description": error.description});
    let mut response = json(error.status, &body);
    if error.status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer realm=\"Doorkeeper\", error=\"invalid_client\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}
