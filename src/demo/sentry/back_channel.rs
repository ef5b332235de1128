//! Profile 2 hears from Flybridge that somebody is signed out (OpenID Connect Back-Channel Logout 1.0). The real plug-in
//! does not; this is what a client does that wants to hear it.

use std::time::Duration;

use axum::Form;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::session::{Flash, Profile, Session};
use super::{OidcProvider, SentryStandIn};
use crate::clock::Timestamp;

/// Where Flybridge sends logout tokens, below the address of the stand-in.
pub const PATH: &str = "/backchannel-logout";

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// By how much Flybridge's clock may be ahead of ours.
const SKEW: Duration = Duration::from_mins(1);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    logout_token: Option<String>,
}

/// The claims of a logout token (section 2.4).
#[derive(Deserialize)]
struct LogoutToken {
    sub: Option<String>,
    sid: Option<String>,
    iat: i64,
    exp: i64,
    jti: String,
    events: Map<String, Value>,
    nonce: Option<Value>,
}

/// Why nobody was signed out.
enum Refused {
    /// The token is not one, or not for us.
    Token(&'static str),
    /// The token could not be checked. Another time it may be.
    Keys,
}

pub(super) async fn logout(State(sentry): State<SentryStandIn>, form: Result<Form<Sent>, FormRejection>) -> Response {
    let sent = form.map(|Form(sent)| sent).unwrap_or_default();
    let mut response = match sentry.end_by_token(sent.logout_token.as_deref()).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(Refused::Token(why)) => {
            let told = json!({ "error": "invalid_request", "error_description": why });
            (StatusCode::BAD_REQUEST, Json(told)).into_response()
        }
        Err(Refused::Keys) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    // Section 2.8.
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

impl SentryStandIn {
    async fn end_by_token(&self, token: Option<&str>) -> Result<(), Refused> {
        let oidc = self.0.settings.oidc.as_ref().ok_or(Refused::Token("no provider is configured"))?;
        let token = token.ok_or(Refused::Token("logout_token is missing"))?;
        let keys = self.published_keys(oidc).await.ok_or(Refused::Keys)?;
        let now = self.0.clock.now();
        let token = verified(token, &keys, oidc, now)?;
        self.update(|state| {
            state.logout_tokens.retain(|_, until| now < *until);
            let until = Timestamp::from_seconds(token.exp).plus(SKEW);
            if state.logout_tokens.insert(token.jti.clone(), until).is_some() {
                return Err(Refused::Token("the token was used before"));
            }
            for session in state.sessions.values_mut().filter(|session| is_meant(session, &token)) {
                let text = "Flybridge signed you out: your session there is over.".to_owned();
                *session = Session { flash: Some(Flash { ok: true, text }), ..Session::new(now) };
            }
            Ok(())
        })
    }

    /// Asked anew each time, since keys change; a real client keeps them for a while.
    async fn published_keys(&self, oidc: &OidcProvider) -> Option<JwkSet> {
        let document = self.discovery(oidc).await.ok()?;
        let uri = document.get("jwks_uri")?.as_str()?;
        self.0.http.get(uri).send().await.ok()?.error_for_status().ok()?.json().await.ok()
    }
}

/// Section 2.6.
fn verified(token: &str, keys: &JwkSet, oidc: &OidcProvider, now: Timestamp) -> Result<LogoutToken, Refused> {
    let header = decode_header(token).map_err(|_| Refused::Token("no signed token"))?;
    if header.typ.as_deref() != Some("logout+jwt") {
        return Err(Refused::Token("a token of another kind"));
    }
    if ![Algorithm::RS256, Algorithm::ES256].contains(&header.alg) {
        return Err(Refused::Token("an algorithm that Flybridge does not sign with"));
    }
    let key = header.kid.as_deref().and_then(|kid| keys.find(kid)).ok_or(Refused::Token("an unknown key"))?;
    let key = DecodingKey::from_jwk(key).map_err(|_| Refused::Token("a key that cannot be used"))?;
    let mut validation = Validation::new(header.alg);
    // The library asks the system for the time; here it is that of the stand-in.
    validation.validate_exp = false;
    validation.set_issuer(&[oidc.issuer.trim_end_matches('/')]);
    validation.set_audience(&[&oidc.client_id]);
    validation.set_required_spec_claims(&["iss", "aud", "exp"]);
    let decoded = decode::<LogoutToken>(token, &key, &validation);
    let token = decoded.map_err(|_| Refused::Token("signature, issuer, audience or claims are wrong"))?.claims;
    if now >= Timestamp::from_seconds(token.exp) || now.plus(SKEW) < Timestamp::from_seconds(token.iat) {
        return Err(Refused::Token("expired, or not of this time"));
    }
    if !token.events.get(EVENT).is_some_and(Value::is_object) {
        return Err(Refused::Token("no logout event"));
    }
    if token.nonce.is_some() {
        return Err(Refused::Token("a nonce has no place in a logout token"));
    }
    if token.sub.is_none() && token.sid.is_none() {
        return Err(Refused::Token("neither sub nor sid"));
    }
    Ok(token)
}

/// The one session that the token names, or all of the person when it names none.
fn is_meant(session: &Session, token: &LogoutToken) -> bool {
    let Some(account) = session.account.as_ref().filter(|account| account.profile == Profile::Oidc) else {
        return false;
    };
    let person = token.sub.as_ref().is_none_or(|sub| *sub == account.sub);
    person && token.sid.as_ref().is_none_or(|sid| account.sid.as_ref() == Some(sid))
}
