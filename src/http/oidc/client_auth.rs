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
use crate::telemetry::name_client;

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
    /// Why, for the log: whoever sent it learns only that.
    NotProven(String),
    /// The secret is right, but was sent in this way.
    OtherMethod(TokenAuth),
}

/// For a client that used the `Authorization` header (RFC 6749, section 5.2).
const BASIC: &str = "Basic realm=\"flybridge\"";

impl Proof<'_> {
    /// Where it stands in the request.
    fn parameter(&self) -> &'static str {
        match self {
            Self::Secrets(_, TokenAuth::ClientSecretBasic) => "Authorization",
            Self::Secrets(..) => "client_secret",
            Self::Assertion(_) => "client_assertion",
        }
    }
}

impl ClientAuth {
    /// The client that a request to the endpoint at `path` comes from.
    pub async fn authenticate(
        &self,
        path: &str,
        address: &str,
        headers: &HeaderMap,
        form: &Parameters,
    ) -> Result<Arc<Client>, OAuthFailure> {
        let presented = presented(headers, form).inspect_err(|_| self.name_claimed(headers, form))?;
        let challenge = headers.contains_key(header::AUTHORIZATION).then_some(BASIC);
        let parameter = presented.proof.parameter();
        let refuse = |why: &str| OAuthFailure { challenge, ..invalid_client(why).about(parameter).into() };
        let bad = || refuse("the client is unknown or did not prove itself");
        let client = self.clients.get(&presented.id);
        let known = client.as_ref().map(|_| presented.id.as_str());
        let bucket = self.limits.of_client(known, &network(address));
        let refused = if let Some(client) = client {
            name_client(client.id.as_str());
            match self.verdict(&client, &presented.proof, path).await? {
                Verdict::Proven => return Ok(client),
                Verdict::NotProven(why) => bad().because(why),
                // Whoever knows the secret may know how to send it. It is no guess, so it is not counted as one.
                Verdict::OtherMethod(used) => {
                    let (registered, used) = (client.token_auth.as_str(), used.as_str());
                    let why =
                        format!("the secret is right, but this client is registered for {registered}, not {used}");
                    return Err(refuse(&why));
                }
            }
        } else {
            OAuthFailure { error: self.unknown(bad().error, &presented), ..bad() }
        };
        // Only failures are counted, and a right secret is always right: a busy client is no attack, and nobody keeps
        // one out by guessing.
        match self.limits.attempt_all(&[bucket]).await? {
            Ok(()) => Err(refused),
            Err(wait) => {
                let why = refused.error.cause.reason.clone().unwrap_or_default();
                let refused = refused.because(format!("{why}; and there were too many attempts lately"));
                Err(OAuthFailure { retry_after: Some(wait.rounded_up()), ..refused })
            }
        }
    }

    /// For the log of a request that is refused before its client proves itself: the client that it says it is from.
    pub fn name_claimed(&self, headers: &HeaderMap, form: &Parameters) {
        let basic = headers.get(header::AUTHORIZATION).and_then(|value| read_basic(value.to_str().ok()?));
        let id = basic.map(|basic| basic.id).or_else(|| form.one("client_id").ok()?.map(str::to_owned));
        if let Some(client) = id.and_then(|id| self.clients.get(&id)) {
            name_client(client.id.as_str());
        }
    }

    /// Says of `error` which id is unknown, unless what was sent as one is a secret.
    fn unknown(&self, error: OAuthError, presented: &Presented<'_>) -> OAuthError {
        if let Proof::Assertion(Err(refused)) = &presented.proof {
            return error.because(format!("an assertion does not say which client it is from: {refused}"));
        }
        self.clients.unknown(error.about("client_id"), &presented.id)
    }

    async fn verdict(&self, client: &Client, proof: &Proof<'_>, path: &str) -> Result<Verdict, StoreError> {
        let assertion = match proof {
            Proof::Secrets(secrets, method) => return Ok(self.compared(client, secrets, *method)),
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
            Err(refused) => Verdict::NotProven(format!("the assertion does not prove the client: {refused}")),
        })
    }

    fn compared(&self, client: &Client, secrets: &[String], method: TokenAuth) -> Verdict {
        let now = self.clients.now();
        if secrets.iter().any(|secret| client.knows(secret, now)) {
            return if client.token_auth == method { Verdict::Proven } else { Verdict::OtherMethod(method) };
        }
        let why = if !client.token_auth.takes_secret() {
            "the client is registered for private_key_jwt and has no secret"
        } else if secrets.iter().any(|secret| client.has_retired(secret, now)) {
            "the secret was replaced, and the time in which both were good is over"
        } else if secrets.iter().any(|secret| client.knows(secret.trim(), now)) {
            "the secret would be right without the white space around it"
        } else {
            "the secret is not one of this client's"
        };
        Verdict::NotProven(why.to_owned())
    }
}

fn invalid_client(why: &str) -> OAuthError {
    OAuthError::new(OAuthCode::InvalidClient, why)
}

/// What the request holds for it, in one way only (RFC 6749, section 2.3).
pub fn presented<'f>(headers: &HeaderMap, form: &'f Parameters) -> Result<Presented<'f>, OAuthFailure> {
    let secret = form.one("client_secret")?;
    let id = form.one("client_id")?;
    let assertion = (form.one("client_assertion")?, form.one("client_assertion_type")?);
    let header = headers.get(header::AUTHORIZATION);
    let signs = assertion != (None, None);
    if usize::from(header.is_some()) + usize::from(secret.is_some()) + usize::from(signs) > 1 {
        let error = OAuthError::new(OAuthCode::InvalidRequest, "two ways of client authentication at once");
        let second = if signs { "client_assertion" } else { "client_secret" };
        return Err(error.about(second).into());
    }
    if let Some(value) = header {
        let basic = value.to_str().ok().and_then(read_basic).ok_or_else(|| OAuthFailure {
            challenge: Some(BASIC),
            ..invalid_client("the Authorization header is not Basic as in RFC 6749").about("Authorization").into()
        })?;
        if id.is_some_and(|id| id != basic.id) {
            let why = "client_id differs from the Authorization header";
            return Err(OAuthError::new(OAuthCode::InvalidRequest, why).about("client_id").into());
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
        (Some(_), None) => {
            let error = invalid_client("the client did not prove itself").about("client_secret");
            Err(error.because("there is no Authorization header, no client_secret and no client_assertion").into())
        }
        (None, _) => Err(invalid_client("client_id is missing").about("client_id").into()),
    }
}

/// `client_id` may be left out: the assertion says it, and has to say the same (RFC 7521, section 4.2).
fn signed<'f>(
    id: Option<&str>,
    (assertion, kind): (Option<&'f str>, Option<&str>),
) -> Result<Presented<'f>, OAuthFailure> {
    let (Some(text), Some(kind)) = (assertion, kind) else {
        let why = "client_assertion and client_assertion_type belong together";
        let absent = if assertion.is_none() { "client_assertion" } else { "client_assertion_type" };
        return Err(OAuthError::new(OAuthCode::InvalidRequest, why).about(absent).into());
    };
    if kind != ASSERTION_TYPE {
        let error = invalid_client("client_assertion_type is not supported").about("client_assertion_type");
        return Err(error.because(format!("the one there is: {ASSERTION_TYPE}")).into());
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
