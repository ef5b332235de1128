//! The authorization endpoint (RFC 6749, section 3.1; OIDC Core, section 3.1.2). Stores nothing for a stranger: the
//! pending request travels sealed in a cookie. One that the client handed over before (RFC 9126) is taken out of the store.

use std::sync::Arc;

use axum::extract::{FromRef, RawQuery, State};
use axum::response::Response;
use serde::Deserialize;

use super::redirect::{Back, see_other};
use crate::clock::Timestamp;
use crate::domain::authorize::{AuthorizationRequest, OAuthCode, OAuthError, Prompt, ResponseMode};
use crate::domain::client::{Client, VerifiedRedirect};
use crate::domain::ids::UserId;
use crate::domain::parameters::Parameters;
use crate::domain::pushed::URN;
use crate::http::error::PageError;
use crate::http::sign_in::finish::{Choice, Finish, Outcome};
use crate::http::sign_in::transaction::{Errand, Pending, Transaction, Transactions};
use crate::http::sign_in::{closed, consent, next};
use crate::http::state::{App, Parts};
use crate::http::web::{Visitor, Web};
use crate::services::clients::Clients;
use crate::services::pushed::PushedRequests;
use crate::services::sessions::Current;
use crate::services::signing::{Expected, Expiry, SigningKeys};
use crate::telemetry::name_client;

/// `GET /oauth/authorize`
pub async fn get(
    State(endpoint): State<Endpoint>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    endpoint.authorize(&visitor, &query.unwrap_or_default()).await
}

/// `POST /oauth/authorize`: the same parameters in the body, and the same result (OIDC Core, section 3.1.2.1).
///
/// A browser sends no cookies along when another site posts, but it does when it is sent on from there by a GET, and
/// only then is its session found. What is too long for an address has to do without.
pub async fn post(State(endpoint): State<Endpoint>, visitor: Visitor, body: String) -> Result<Response, PageError> {
    if !visitor.is_known()
        && let Some(query) = Parameters::as_query(&body)
    {
        let address = format!("/oauth/authorize?{query}");
        if address.len() <= endpoint.web.limits.max_url {
            return Ok(see_other(&address));
        }
    }
    endpoint.authorize(&visitor, &body).await
}

/// What the endpoint works with.
pub struct Endpoint {
    web: Arc<Web>,
    clients: Arc<Clients>,
    finish: Arc<Finish>,
    signing: Arc<SigningKeys>,
    pushed: Arc<PushedRequests>,
}

impl FromRef<App> for Endpoint {
    fn from_ref(app: &App) -> Self {
        let Parts { web, clients, finish, signing, token, .. } = &**app;
        Self {
            web: Arc::clone(web),
            clients: Arc::clone(clients),
            finish: Arc::clone(finish),
            signing: Arc::clone(signing),
            pushed: Arc::clone(&token.pushed),
        }
    }
}

impl Endpoint {
    async fn authorize(&self, visitor: &Visitor, text: &str) -> Result<Response, PageError> {
        let web = &*self.web;
        let parameters = Parameters::parse(text);
        let client = find_client(&parameters, &self.clients)?;
        let asked = match pushed_uri(&parameters, &client)? {
            Some(uri) => self.handed_over(uri, &client).await?,
            None => self.asked(&parameters, &client)?,
        };
        let pending = match asked {
            Asked::For(pending) => pending,
            Asked::Refused(response) => return Ok(response),
        };
        let redirect = client.verify_redirect(&pending.redirect_uri).ok_or_else(PageError::stale_transaction)?;
        let back = pending.back(web, &client, &redirect);
        let with_session = match self.with_session(visitor, &client, &pending).await {
            Ok(outcome) => outcome,
            Err(page) => {
                let trouble = page.as_trouble().filter(|_| !client.denials_on_own_page);
                return trouble.map(|error| back.error(&error)).ok_or(page);
            }
        };
        if let Ok(Outcome::Code(response)) = with_session {
            return Ok(response);
        }
        if pending.request.prompt == Prompt::None {
            return refuse(&client, &back, none_is_impossible(&with_session));
        }
        let transaction = Transaction::begin(Errand::Authorize(pending), web.clock.now(), &*web.random);
        let mut response = see_other(&match with_session {
            Ok(Outcome::Choose(_)) => next::path(&transaction),
            Ok(Outcome::Ask(_)) => consent::path(&transaction),
            _ => format!("/sign-in{}", transaction.query()),
        });
        Transactions::new(web).keep(&transaction, visitor, &mut response).map_err(|page| page.of(&client))?;
        Ok(response)
    }

    /// The request that the browser brought.
    fn asked(&self, parameters: &Parameters, client: &Client) -> Result<Asked, PageError> {
        let web = &*self.web;
        let redirect = verify_redirect(parameters, client)?;
        // From here errors go back to the client.
        let is_exact = |state: &&str| parameters.check_text().is_ok() || !state.contains(char::REPLACEMENT_CHARACTER);
        let state = parameters.one("state").ok().flatten().filter(is_exact);
        let mode = ResponseMode::check(parameters).map_err(|error| {
            PageError::client(Some(client), "It wants its answer in a form we do not support.", error)
        })?;
        let checked = check_request(parameters, client, &self.signing, web.issuer.as_str());
        let (request, hinted) = match checked.and_then(|checked| check_way(client).map(|()| checked)) {
            Ok(checked) => checked,
            Err(error) => {
                let back = Back { redirect: &redirect, client, mode, state, web };
                return refuse(client, &back, error).map(Asked::Refused);
            }
        };
        Ok(Asked::For(Box::new(Pending {
            client: client.id.clone(),
            redirect_uri: redirect.as_str().to_owned(),
            state: state.map(str::to_owned),
            request,
            hinted,
        })))
    }

    /// The request that the client handed over under this name. Whatever else the browser brought counts for nothing
    /// (RFC 9126, section 4; RFC 9101, section 6.3), so where there is none, nobody can be sent back.
    async fn handed_over(&self, uri: &str, client: &Client) -> Result<Asked, PageError> {
        let Some(pushed) = self.pushed.take(uri, client).await? else {
            let message = "What it prepared for you was used before, or waited too long. Go back to where you came from \
                           and start again.";
            let why = "request_uri is unknown, used, expired or another client's";
            return Err(PageError::client(Some(client), message, invalid("request_uri", why)));
        };
        Ok(Asked::For(Box::new(Pending {
            client: pushed.client,
            redirect_uri: pushed.redirect_uri,
            state: pushed.state,
            request: pushed.request,
            hinted: pushed.hinted,
        })))
    }

    /// What the session of the browser is good for, if it is what the client asks for.
    async fn with_session(
        &self,
        visitor: &Visitor,
        client: &Client,
        pending: &Pending,
    ) -> Result<Result<Outcome, Lacking>, PageError> {
        let Some(current) = self.web.session_to_judge(visitor).await? else {
            return Ok(Err(Lacking::of("prompt", "the browser has no session")));
        };
        if let Err(lacking) = satisfies(&current, client, pending, self.web.clock.now()) {
            return Ok(Err(lacking));
        }
        self.finish.code(&self.web, &current, pending, Choice::Open.into(), "").await.map(Ok)
    }
}

/// Why the session of a browser is not what a client asks for, for the log: by which parameter, and how.
struct Lacking {
    parameter: &'static str,
    reason: &'static str,
}

impl Lacking {
    const fn of(parameter: &'static str, reason: &'static str) -> Self {
        Self { parameter, reason }
    }
}

/// What became of a request that came.
enum Asked {
    For(Box<Pending>),
    /// Told to the client.
    Refused(Response),
}

/// The request, and the only person who may come back. The same whichever way it came.
pub(super) fn check_request(
    parameters: &Parameters,
    client: &Client,
    signing: &SigningKeys,
    issuer: &str,
) -> Result<(AuthorizationRequest, Option<UserId>), OAuthError> {
    let request = AuthorizationRequest::check(parameters, client, issuer)?;
    Ok((request, hinted(parameters, signing, issuer)?))
}

/// Whom the client means: the subject of an `id_token` that we gave out, to whichever client and however long ago
/// (OIDC Core, section 3.1.2.1, `id_token_hint`).
fn hinted(parameters: &Parameters, signing: &SigningKeys, issuer: &str) -> Result<Option<UserId>, OAuthError> {
    #[derive(Deserialize)]
    struct Hint {
        sub: UserId,
    }
    let Some(hint) = parameters.one("id_token_hint")? else { return Ok(None) };
    let expected = Expected { typ: "JWT", issuer, audience: None, expiry: Expiry::Ignored };
    match signing.verify::<Hint>(hint, &expected) {
        Ok(hint) => Ok(Some(hint.sub)),
        Err(why) => {
            Err(invalid("id_token_hint", "id_token_hint is not an id_token of ours").because(why.to_string()))
        }
    }
}

/// Whether the client may send its request by the browser at all.
fn check_way(client: &Client) -> Result<(), OAuthError> {
    if client.require_par {
        let why = "this client is registered to hand over its requests at the pushed authorization request endpoint";
        return Err(invalid("request_uri", why).because("the client is registered with require_par"));
    }
    Ok(())
}

/// For the client and the log: a parameter that is missing or wrong.
fn invalid(parameter: &str, why: &str) -> OAuthError {
    OAuthError::new(OAuthCode::InvalidRequest, why).about(parameter)
}

/// What keeps somebody from going on without a page (OIDC Core, section 3.1.2.6).
fn none_is_impossible(with_session: &Result<Outcome, Lacking>) -> OAuthError {
    let (code, why) = match with_session {
        Ok(Outcome::Choose(_)) => {
            (OAuthCode::AccountSelectionRequired, "prompt is none, and the person has to say which organization")
        }
        Ok(Outcome::Ask(_)) => {
            (OAuthCode::ConsentRequired, "prompt is none, and the person has to be asked what they allow")
        }
        _ => (OAuthCode::LoginRequired, "prompt is none, and the person has to sign in"),
    };
    let error = OAuthError::new(code, why);
    match with_session {
        Err(lacking) if lacking.parameter != "prompt" => error.about(lacking.parameter).because(lacking.reason),
        Err(lacking) => error.about("prompt").received("none").because(lacking.reason),
        Ok(Outcome::Closed(_)) => {
            error.about("prompt").received("none").because("the session opens no organization that is asked for")
        }
        Ok(_) => error.about("prompt").received("none"),
    }
}

/// The name of a request that was handed over. Any other address counts as a parameter that we do not support.
fn pushed_uri<'p>(parameters: &'p Parameters, client: &Client) -> Result<Option<&'p str>, PageError> {
    match parameters.one("request_uri") {
        Ok(uri) => Ok(uri.filter(|uri| uri.starts_with(URN))),
        Err(twice) => Err(PageError::client(Some(client), "It named its request twice.", twice.into())),
    }
}

/// An error for the client; on our own page where the client would start over at it, without end.
fn refuse(client: &Client, back: &Back<'_>, error: OAuthError) -> Result<Response, PageError> {
    if !client.denials_on_own_page {
        return Ok(back.error(&error));
    }
    let message = format!(
        "We cannot go on with what {} sent us ({}: {}).",
        client.name,
        error.code.as_str(),
        error.description
    );
    Err(PageError::client(Some(client), message, error))
}

fn find_client(parameters: &Parameters, clients: &Clients) -> Result<Arc<Client>, PageError> {
    let refuse = |message: &str, error| PageError::client(None, message, error);
    let id = match parameters.one("client_id") {
        Err(twice) => return Err(refuse("It named itself twice.", twice.into())),
        Ok(None) => {
            let error = invalid("client_id", "client_id is missing");
            return Err(refuse("It did not say which application it is.", error));
        }
        Ok(Some(id)) => id,
    };
    let Some(client) = clients.get(id) else {
        let error = clients.unknown(invalid("client_id", "client_id is unknown"), id);
        return Err(refuse("It is not registered here.", error));
    };
    name_client(client.id.as_str());
    Ok(client)
}

/// Byte for byte, as registered (RFC 9700, section 2.1). The result is the proof that it may be redirected to.
fn verify_redirect(parameters: &Parameters, client: &Client) -> Result<VerifiedRedirect, PageError> {
    let refuse = |message: &str, error| Err(PageError::client(Some(client), message, error));
    let uri = match parameters.one("redirect_uri") {
        Err(twice) => return refuse("It said twice where to send you back.", twice.into()),
        Ok(None) => {
            let error = invalid("redirect_uri", "redirect_uri is missing");
            return refuse("It did not say where to send you back.", error);
        }
        Ok(Some(uri)) => uri,
    };
    client.verify_redirect(uri).map_or_else(|| refuse(UNREGISTERED, not_registered(client, uri)), Ok)
}

/// For the person whom a client wants back at an address it has not registered.
const UNREGISTERED: &str =
    "The address it wants you back at is not one it has registered, so we do not send you there.";

/// A `redirect_uri` that is not registered, and for the log the registered one that it is nearest to.
pub(super) fn not_registered(client: &Client, uri: &str) -> OAuthError {
    let error = invalid("redirect_uri", "redirect_uri is not one of those that are registered");
    error.received_address(uri).because(client.why_no_redirect(uri))
}

/// Whether an existing sign-in is what the client asks for (OIDC Core, section 3.1.2.3), or as near as a new one can
/// come.
fn satisfies(current: &Current, client: &Client, pending: &Pending, now: Timestamp) -> Result<(), Lacking> {
    let (proof, request) = (current.proof(), &pending.request);
    if pending.hinted.as_ref().is_some_and(|hinted| *hinted != current.user.id) {
        return Err(Lacking::of("id_token_hint", "the session is of another person"));
    }
    if !pending.is_for(&current.user.id) {
        return Err(Lacking::of("claims", "the session is of another person than the sub that is asked for"));
    }
    // They may have got one at Fly.io meanwhile, or be somebody else.
    if !closed::has_what_it_needs(client, &current.user) {
        return Err(Lacking::of("prompt", "the person has no e-mail address, and the client needs one"));
    }
    if request.max_age.is_some_and(|max_age| now > proof.auth_time.plus(max_age)) {
        return Err(Lacking::of("max_age", "the sign-in was longer ago"));
    }
    if request.demands.instead_of(proof.method).is_some() {
        return Err(Lacking::of("claims", "the person signed in in another way than the acr that is asked for"));
    }
    if request.prompt == Prompt::Login {
        return Err(Lacking::of("prompt", "a new sign-in is asked for"));
    }
    Ok(())
}
