//! Client authentication at the token endpoint (RFC 6749, section 2.3.1; OIDC Core, section 9).

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::authorize::{OAuthCode, OAuthError};
use crate::domain::client::{Client, TokenAuth};
use crate::domain::parameters::Parameters;
use crate::http::error::OAuthFailure;
use crate::services::clients::Clients;
use crate::services::limits::{Limits, network};

/// What a client sent to prove itself.
struct Presented {
    id: String,
    /// One of them is meant.
    secrets: Vec<String>,
    method: TokenAuth,
}

/// For a client that used the `Authorization` header (RFC 6749, section 5.2).
const BASIC: &str = "Basic realm=\"flybridge\"";

/// The client that the request comes from.
pub async fn authenticate(
    clients: &Clients,
    limits: &Limits,
    address: &str,
    headers: &HeaderMap,
    form: &Parameters,
) -> Result<Arc<Client>, OAuthFailure> {
    let presented = presented(headers, form)?;
    let challenge = (presented.method == TokenAuth::ClientSecretBasic).then_some(BASIC);
    let refuse = |why: &str| OAuthFailure { challenge, ..OAuthFailure::new(OAuthCode::InvalidClient, why) };
    let bad = || refuse("the client is unknown or did not prove itself");
    let client = clients.get(&presented.id);
    let known = client.as_ref().map(|_| presented.id.as_str());
    let bucket = limits.of_client(known, &network(address));
    let proves = |client: &Client| presented.secrets.iter().any(|secret| client.knows(secret, clients.now()));
    if let Some(client) = client.filter(|client| proves(client)) {
        if client.token_auth == presented.method {
            return Ok(client);
        }
        // Whoever knows the secret may know how to send it. It is no guess, so it is not counted as one.
        let (registered, used) = (client.token_auth.as_str(), presented.method.as_str());
        tracing::info!(client = %client.id, registered, used, "a client proves itself by another method than its own");
        return Err(refuse(&format!("the secret is right, but this client is registered for {registered}, not {used}")));
    }
    // Only failures are counted, and a right secret is always right: a busy client is no attack, and nobody keeps one
    // out by guessing.
    if let Err(wait) = limits.attempt_all(&[bucket]).await? {
        return Err(OAuthFailure { retry_after: Some(wait.rounded_up()), ..bad() });
    }
    Err(bad())
}

fn presented(headers: &HeaderMap, form: &Parameters) -> Result<Presented, OAuthFailure> {
    let secret = form.one("client_secret")?;
    let id = form.one("client_id")?;
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        if secret.is_some() {
            return Err(OAuthFailure::new(OAuthCode::InvalidRequest, "two ways of client authentication at once"));
        }
        let basic = value.to_str().ok().and_then(read_basic).ok_or_else(|| OAuthFailure {
            challenge: Some(BASIC),
            ..OAuthFailure::new(OAuthCode::InvalidClient, "the Authorization header is not Basic as in RFC 6749")
        })?;
        if id.is_some_and(|id| id != basic.id) {
            return Err(OAuthFailure::new(
                OAuthCode::InvalidRequest,
                "client_id differs from the Authorization header",
            ));
        }
        return Ok(basic);
    }
    match (id, secret) {
        (Some(id), Some(secret)) => {
            let secrets = vec![secret.to_owned()];
            Ok(Presented { id: id.to_owned(), secrets, method: TokenAuth::ClientSecretPost })
        }
        _ => Err(OAuthError::new(OAuthCode::InvalidClient, "client_id and client_secret are missing").into()),
    }
}

/// Both parts are form-encoded before they are joined (RFC 6749, section 2.3.1). Many clients do not do that, and a secret
/// in base64 shows it as soon as a plus sign is in it: so it is taken as it stands, too.
fn read_basic(value: &str) -> Option<Presented> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let secrets = vec![form_decode(secret), secret.to_owned()];
    Some(Presented { id: form_decode(id), secrets, method: TokenAuth::ClientSecretBasic })
}

fn form_decode(text: &str) -> String {
    let pair = format!("v={text}");
    url::form_urlencoded::parse(pair.replace('&', "%26").as_bytes())
        .next()
        .map(|(_, v)| v.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_form_encoded_inside() {
        let value = format!("Basic {}", STANDARD.encode("my%2Did:p%26ss+w%3Ard"));
        let read = read_basic(&value).expect("reads");
        assert_eq!((read.id.as_str(), read.secrets[0].as_str()), ("my-id", "p&ss w:rd"));
        assert!(read_basic("Bearer abc").is_none());
        assert!(read_basic("Basic !!!").is_none());
    }
}
