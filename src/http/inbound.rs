//! What other programs report to us.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::error::OAuthFailure;
use crate::domain::authorize::OAuthCode;
use crate::domain::secret::{Secret, TokenHash, same};
use crate::services::bounces::{Bounces, Outcome};

/// What the handler works with.
pub struct Inbound {
    pub bounces: Bounces,
    /// None: no reports are taken.
    pub secret: Option<Secret>,
}

impl Inbound {
    /// Compares hashes, so that the time tells nothing of the secret, its length included.
    fn may(&self, headers: &HeaderMap) -> Result<(), OAuthFailure> {
        let Some(secret) = &self.secret else { return Err(refused("mail.bounce_secret is not set")) };
        let mut all = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(given), None) = (all.next(), all.next()) else { return Err(refused("there is no one secret")) };
        let given = given.to_str().ok().and_then(|given| given.split_once(' '));
        let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, given)| given.trim());
        let given = given.ok_or_else(|| refused("the Authorization header has no bearer"))?;
        let (ours, given) = (TokenHash::of(secret.expose().as_bytes()), TokenHash::of(given.as_bytes()));
        if same(ours.as_bytes(), given.as_bytes()) { Ok(()) } else { Err(refused("it is another secret")) }
    }
}

fn refused(why: &str) -> OAuthFailure {
    let failure = OAuthFailure::new(OAuthCode::InvalidToken, "the secret is missing or wrong").because(why);
    OAuthFailure { challenge: Some("Bearer realm=\"bounces\""), ..failure }
}

/// `POST /inbound/bounces`: one mail as a mail server sent it, whatever the content type says. 200 tells what it led to, also
/// when that is nothing, so that nobody sends it for ever; 503 asks for it once more.
pub async fn bounce(
    State(inbound): State<Arc<Inbound>>,
    headers: HeaderMap,
    mail: Bytes,
) -> Result<Response, OAuthFailure> {
    inbound.may(&headers)?;
    let outcome = inbound.bounces.take(&mail).await?;
    let body = Json(json!({ "outcome": outcome.as_str() }));
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if outcome == Outcome::TooSoon {
        let later = (header::RETRY_AFTER, HeaderValue::from_static("60"));
        return Ok((StatusCode::SERVICE_UNAVAILABLE, [no_store, later], body).into_response());
    }
    Ok(([no_store], body).into_response())
}
