//! Client authentication at the endpoints for clients (RFC 6749, section 2.3; RFC 7523, section 2.2; OIDC Core, section
//! 9).

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::Issuer;
use crate::domain::assertion::{ASSERTION_TYPE, Assertion, AssertionRefused};
use crate::domain::authorize::{OAuthCode, OAuthError};
use crate::domain::client::{Client, TokenAuth};
use crate::domain::parameters::Parameters;
use crate::http::error::OAuthFailure;
use crate::services::client_assertions::ClientAssertions;
use crate::services::clients::Clients;
use crate::services::limits::{Limits, network};
use crate::store::StoreError;

/// Where clients get tokens: an assertion for it is good at every endpoint for clients (RFC 7523, section 3).
pub const TOKEN: &str = "/oauth/token";

/// What clients are held against.
pub struct ClientAuth {
    pub clients: Arc<Clients>,
    pub limits: Arc<Limits>,
    pub assertions: ClientAssertions,
    pub issuer: Issuer,
}

/// What a client sent to prove itself.
pub struct Presented<'f> {
    pub id: String,
    pub proof: Proof<'f>,
}

pub enum Proof<'f> {
    /// One of them is meant.
    Secrets(Vec<String>, TokenAuth),
    Assertion(Result<Box<Assertion<'f>>, AssertionRefused>),
}

enum Verdict {
    Proven,
    NotProven,
    /// The secret is right, but was sent in this way.
    OtherMethod(TokenAuth),
}

/// For a client that used the `Authorization` header (RFC 6749, section 5.2).
const BASIC: &str = "Basic realm=\"flybridge\"";

impl ClientAuth {
    /// The client that a request to the endpoint at `path` comes from.
    pub async fn authenticate(
        &self,
        path: &str,
        address: &str,
        headers: &HeaderMap,
        form: &Parameters,
    ) -> Result<Arc<Client>, OAuthFailure> {
        let presented = presented(headers, form)?;
        let challenge = headers.contains_key(header::AUTHORIZATION).then_some(BASIC);
        let refuse = |why: &str| OAuthFailure { challenge, ..OAuthFailure::new(OAuthCode::InvalidClient, why) };
        let bad = || refuse("the client is unknown or did not prove itself");
        let client = self.clients.get(&presented.id);
        let known = client.as_ref().map(|_| presented.id.as_str());
        let bucket = self.limits.of_client(known, &network(address));
        if let Some(client) = client {
            match self.verdict(&client, &presented.proof, path).await? {
                Verdict::Proven => return Ok(client),
                Verdict::NotProven => {}
                // Whoever knows the secret may know how to send it. It is no guess, so it is not counted as one.
                Verdict::OtherMethod(used) => {
                    let (registered, used) = (client.token_auth.as_str(), used.as_str());
                    tracing::info!(client = %client.id, registered, used, "a client used another method than its own");
                    let why =
                        format!("the secret is right, but this client is registered for {registered}, not {used}");
                    return Err(refuse(&why));
                }
            }
        } else if let Proof::Assertion(Err(refused)) = &presented.proof {
            tracing::info!(reason = %refused, "an assertion does not say which client it is from");
        }
        // Only failures are counted, and a right secret is always right: a busy client is no attack, and nobody keeps
        // one out by guessing.
        if let Err(wait) = self.limits.attempt_all(&[bucket]).await? {
            return Err(OAuthFailure { retry_after: Some(wait.rounded_up()), ..bad() });
        }
        Err(bad())
    }

    async fn verdict(&self, client: &Client, proof: &Proof<'_>, path: &str) -> Result<Verdict, StoreError> {
        let assertion = match proof {
            Proof::Secrets(secrets, method) => {
                let right = secrets.iter().any(|secret| client.knows(secret, self.clients.now()));
                return Ok(match right {
                    true if client.token_auth == *method => Verdict::Proven,
                    true => Verdict::OtherMethod(*method),
                    false => Verdict::NotProven,
                });
            }
            Proof::Assertion(assertion) => assertion,
        };
        let checked = match assertion {
            Ok(assertion) => {
                let (token, here) = (self.issuer.join(TOKEN), self.issuer.join(path));
                let audiences = [self.issuer.as_str(), token.as_str(), here.as_str()];
                self.assertions.check(client, assertion, &audiences).await?
            }
            Err(refused) => Err(*refused),
        };
        Ok(match checked {
            Ok(()) => Verdict::Proven,
            Err(refused) => {
                tracing::info!(client = %client.id, reason = %refused, "an assertion does not prove its client");
                Verdict::NotProven
            }
        })
    }
}

/// What the request holds for it, in one way only (RFC 6749, section 2.3).
pub fn presented<'f>(headers: &HeaderMap, form: &'f Parameters) -> Result<Presented<'f>, OAuthFailure> {
    let secret = form.one("client_secret")?;
    let id = form.one("client_id")?;
    let assertion = (form.one("client_assertion")?, form.one("client_assertion_type")?);
    let header = headers.get(header::AUTHORIZATION);
    let signs = assertion != (None, None);
    if usize::from(header.is_some()) + usize::from(secret.is_some()) + usize::from(signs) > 1 {
        return Err(OAuthFailure::new(OAuthCode::InvalidRequest, "two ways of client authentication at once"));
    }
    if let Some(value) = header {
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
    if signs {
        return signed(id, assertion);
    }
    match (id, secret) {
        (Some(id), Some(secret)) => {
            let proof = Proof::Secrets(vec![secret.to_owned()], TokenAuth::ClientSecretPost);
            Ok(Presented { id: id.to_owned(), proof })
        }
        _ => Err(OAuthError::new(OAuthCode::InvalidClient, "client_id and client_secret are missing").into()),
    }
}

/// `client_id` may be left out: the assertion says it, and has to say the same (RFC 7521, section 4.2).
fn signed<'f>(
    id: Option<&str>,
    (assertion, kind): (Option<&'f str>, Option<&str>),
) -> Result<Presented<'f>, OAuthFailure> {
    let (Some(text), Some(kind)) = (assertion, kind) else {
        let why = "client_assertion and client_assertion_type belong together";
        return Err(OAuthFailure::new(OAuthCode::InvalidRequest, why));
    };
    if kind != ASSERTION_TYPE {
        return Err(OAuthFailure::new(OAuthCode::InvalidClient, "client_assertion_type is not supported"));
    }
    let assertion = Assertion::parse(text).map(Box::new);
    let id = id.or_else(|| assertion.as_ref().ok()?.subject()).unwrap_or_default().to_owned();
    Ok(Presented { id, proof: Proof::Assertion(assertion) })
}

/// Both parts are form-encoded before they are joined (RFC 6749, section 2.3.1). Many clients do not do that, and a secret
/// in base64 shows it as soon as a plus sign is in it: so it is taken as it stands, too.
fn read_basic(value: &str) -> Option<Presented<'static>> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let secrets = vec![form_decode(secret), secret.to_owned()];
    Some(Presented { id: form_decode(id), proof: Proof::Secrets(secrets, TokenAuth::ClientSecretBasic) })
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
        let Proof::Secrets(secrets, _) = &read.proof else { panic!("a secret") };
        assert_eq!((read.id.as_str(), secrets[0].as_str()), ("my-id", "p&ss w:rd"));
        assert!(read_basic("Bearer abc").is_none());
        assert!(read_basic("Basic !!!").is_none());
    }
}
