//! `/oauth/logout` (OpenID Connect RP-Initiated Logout 1.0): an application asks that the person be signed out here too.
//!
//! Whoever holds an `id_token` of this session may end it at once. Everybody else is a page that anybody can link to, so
//! the person is asked. Nothing leads anywhere but to an address that the client registered.

use std::sync::Arc;

use axum::extract::{FromRef, RawForm, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

use super::redirect::{see_other, to_client};
use crate::domain::authorize::{OAuthCode, OAuthError};
use crate::domain::client::{Client, VerifiedRedirect};
use crate::domain::ids::{ClientId, SessionId, UserId};
use crate::domain::parameters::{Parameters, Repeated};
use crate::http::error::PageError;
use crate::http::pages::Page;
use crate::http::sign_in::sign_out;
use crate::http::state::{App, Parts};
use crate::http::web::{Visitor, Web};
use crate::services::clients::Clients;
use crate::services::sessions::Current;
use crate::services::signing::{Expected, Expiry, SigningKeys};
use crate::services::vault::Purpose;
use crate::telemetry::name_client;

const SEAL: &str = "logout";

/// What the endpoint works with.
pub struct Endpoint {
    web: Arc<Web>,
    clients: Arc<Clients>,
    signing: Arc<SigningKeys>,
}

impl FromRef<App> for Endpoint {
    fn from_ref(app: &App) -> Self {
        let Parts { web, clients, signing, .. } = &**app;
        Self { web: Arc::clone(web), clients: Arc::clone(clients), signing: Arc::clone(signing) }
    }
}

/// `GET /oauth/logout`
pub async fn get(
    State(endpoint): State<Endpoint>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    endpoint.sign_out(&visitor, &query.unwrap_or_default()).await
}

/// `POST /oauth/logout`: the same parameters in the body.
///
/// A browser sends no cookies along when another site posts, but it does when it is sent on from there by a GET, and only
/// then is its session found.
pub async fn post(
    State(endpoint): State<Endpoint>,
    visitor: Visitor,
    RawForm(body): RawForm,
) -> Result<Response, PageError> {
    let text = std::str::from_utf8(&body).ok();
    let Some(query) = text.and_then(Parameters::as_query) else {
        let form = Parameters::parse(&String::from_utf8_lossy(&body));
        let error = form.check_text().err().unwrap_or_else(|| invalid("body", "the body is not UTF-8"));
        return Err(refused(None, NO_TEXT, error));
    };
    let address = format!("/oauth/logout?{query}");
    if visitor.is_known() {
        return endpoint.sign_out(&visitor, &query).await;
    }
    if address.len() > endpoint.web.limits.max_url {
        // Without the cookies nobody can be signed out, and nothing must look as if somebody had been.
        let error = invalid("body", "the parameters are too long for an address");
        return Err(refused(None, "What it sent is too long.", error));
    }
    Ok(see_other(&address))
}

impl Endpoint {
    async fn sign_out(&self, visitor: &Visitor, text: &str) -> Result<Response, PageError> {
        let web = &*self.web;
        let asked = Asked::check(&Parameters::parse(text), web, &self.clients, &self.signing)?;
        let Some(current) = web.session(visitor).await? else { return Ok(asked.done()) };
        if asked.is_about(&current) {
            web.sessions.end(&current).await?;
            return Ok(web.without_session(asked.done()));
        }
        let then = asked.then.as_ref().map(|then| then.seal(web)).transpose()?.unwrap_or_default();
        let client = asked.client.map(|client| client.name.clone());
        Ok(Page::ok(sign_out::question(web, visitor, &current, (client, then))).into_response())
    }
}

/// What stands in an `id_token` that is shown again.
#[derive(Deserialize)]
struct Hint {
    sub: UserId,
    aud: String,
    #[serde(default)]
    sid: Option<SessionId>,
}

/// A request for signing out whose parts fit together.
struct Asked {
    /// Whose session the client means, and which.
    hint: Option<Hint>,
    client: Option<Arc<Client>>,
    redirect: Option<VerifiedRedirect>,
    then: Option<Then>,
}

/// Where the person goes on afterwards. It travels sealed through the question.
#[derive(Serialize, Deserialize)]
pub struct Then {
    client: ClientId,
    uri: String,
    state: Option<String>,
}

impl Asked {
    fn check(
        parameters: &Parameters,
        web: &Web,
        clients: &Clients,
        signing: &SigningKeys,
    ) -> Result<Self, PageError> {
        // Whose fault it is, whatever else is wrong.
        let named = parameters.one("client_id").ok().flatten().and_then(|id| clients.get(id));
        let named = named.as_deref();
        if let Some(client) = named {
            name_client(client.id.as_str());
        }
        parameters.check_text().map_err(|error| refused(named, NO_TEXT, error))?;
        parameters.check_once_each().map_err(|twice| repeated(named, twice))?;
        let one = |name| parameters.one(name).map_err(|twice| repeated(named, twice));
        let hint = one("id_token_hint")?.map(|text| read_hint(text, web, signing, named)).transpose()?;
        let client = find_client(one("client_id")?, hint.as_ref(), clients)?;
        let redirect = match (one("post_logout_redirect_uri")?, &client) {
            (None, _) => None,
            (Some(uri), Some(client)) => Some(verify_post_logout(uri, client)?),
            (Some(_), None) => {
                let message = "It did not say which application it is, so we cannot send you back.";
                let why = "post_logout_redirect_uri without id_token_hint or client_id";
                return Err(refused(None, message, invalid("client_id", why)));
            }
        };
        let state = one("state")?.map(str::to_owned);
        let then = redirect.as_ref().zip(client.as_ref()).map(|(redirect, client)| Then {
            client: client.id.clone(),
            uri: redirect.as_str().to_owned(),
            state,
        });
        Ok(Self { hint, client, redirect, then })
    }

    /// Whether the client showed a sign-in of this very session. One of another session of the same person is suspect
    /// (RP-Initiated Logout, section 2), so the person is asked; a sign-in from before sessions had ids tells only whose
    /// it was.
    fn is_about(&self, current: &Current) -> bool {
        let Some(hint) = &self.hint else { return false };
        let same = hint.sid.is_none() || hint.sid == current.session.value.sid;
        same && hint.sub == current.user.id
    }

    fn done(&self) -> Response {
        match (&self.client, &self.redirect, &self.then) {
            (Some(client), Some(redirect), Some(then)) => leave(client, redirect, then.state.as_deref()),
            _ => see_other("/signed-out"),
        }
    }
}

impl Then {
    fn seal(&self, web: &Web) -> Result<String, PageError> {
        let plain = serde_json::to_vec(self).map_err(|_| PageError::stale_form())?;
        Ok(web.vault.seal_text(Purpose::CookieSeal, SEAL, &plain, &*web.random))
    }

    /// The way on after the question, if it is one that we sealed and that is still registered.
    #[must_use]
    pub fn open(sealed: &str, web: &Web, clients: &Clients) -> Option<Response> {
        let plain = web.vault.open_text(Purpose::CookieSeal, SEAL, sealed).ok()?;
        let then: Self = serde_json::from_slice(plain.expose()).ok()?;
        let client = clients.get(then.client.as_str())?;
        let redirect = client.verify_post_logout(&then.uri)?;
        Some(leave(&client, &redirect, then.state.as_deref()))
    }
}

/// To the client, with its state byte for byte (RP-Initiated Logout, section 3).
fn leave(client: &Client, redirect: &VerifiedRedirect, state: Option<&str>) -> Response {
    let Ok(mut url) = url::Url::parse(redirect.as_str()) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if let Some(state) = state {
        url.query_pairs_mut().append_pair("state", state);
    }
    to_client(client, url.as_str())
}

fn read_hint(text: &str, web: &Web, signing: &SigningKeys, named: Option<&Client>) -> Result<Hint, PageError> {
    let issuer = web.issuer.as_str();
    let expected = Expected { typ: "JWT", issuer, audience: None, expiry: Expiry::Ignored };
    signing.verify::<Hint>(text, &expected).map_err(|why| {
        let error = invalid("id_token_hint", "id_token_hint is not an id_token of ours").because(why.to_string());
        refused(named, "It showed us a sign-in that we did not give out.", error)
    })
}

/// The client that asks: named by `client_id`, by the hint, or by both alike.
fn find_client(
    named: Option<&str>,
    hint: Option<&Hint>,
    clients: &Clients,
) -> Result<Option<Arc<Client>>, PageError> {
    let hinted = hint.map(|hint| hint.aud.as_str());
    if let (Some(named), Some(hinted)) = (named, hinted)
        && named != hinted
    {
        let error = invalid("client_id", "client_id is not the audience of id_token_hint");
        let client = clients.get(named);
        let error = if client.is_some() { error.received(named) } else { clients.unknown(error, named) };
        return Err(refused(client.as_deref(), "It showed us a sign-in at another application.", error));
    }
    let Some(id) = named.or(hinted) else { return Ok(None) };
    let Some(client) = clients.get(id) else {
        let parameter = if named.is_some() { "client_id" } else { "id_token_hint" };
        let error = clients.unknown(invalid(parameter, "the client is unknown"), id);
        return Err(refused(None, "It is not registered here.", error));
    };
    if named.is_none() {
        name_client(client.id.as_str());
    }
    Ok(Some(client))
}

fn verify_post_logout(uri: &str, client: &Client) -> Result<VerifiedRedirect, PageError> {
    client.verify_post_logout(uri).ok_or_else(|| {
        let message = "The address it wants you back at is not one it has registered, so we do not send you there.";
        let error = invalid("post_logout_redirect_uri", "post_logout_redirect_uri is not registered");
        refused(Some(client), message, error.received_address(uri).because(client.why_no_post_logout(uri)))
    })
}

/// For the person.
const NO_TEXT: &str = "What it sent is not text.";

fn invalid(parameter: &str, why: &str) -> OAuthError {
    OAuthError::new(OAuthCode::InvalidRequest, why).about(parameter)
}

fn repeated(client: Option<&Client>, twice: Repeated) -> PageError {
    refused(client, "It said something twice.", twice.into())
}

fn refused(client: Option<&Client>, message: &str, error: OAuthError) -> PageError {
    PageError::client(client, format!("{message} You are not signed out."), error)
        .action("Sign out here", "/sign-out")
}
