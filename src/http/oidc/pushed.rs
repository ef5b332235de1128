//! `POST /oauth/par` (RFC 9126): a client hands over an authorization request, and gets a name to send the person with.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::authorize::{check_request, not_registered};
use super::token::{TokenEndpoint, missing};
use crate::domain::authorize::ResponseMode;
use crate::domain::client::{Client, VerifiedRedirect};
use crate::domain::client_keys::Thumbprint;
use crate::domain::parameters::Parameters;
use crate::domain::pushed::{LIFETIME, PushedRequest};
use crate::http::error::OAuthFailure;
use crate::http::web::{Visitor, Web};
use crate::services::dpop_proofs::Possession;

const PATH: &str = "/oauth/par";

/// What is kept of a request at most, in bytes of JSON: it has to fit the cookie that it travels in from there on.
const LONGEST: usize = 2_300;

/// RFC 9126, section 2.2.
#[derive(Serialize)]
struct Answer {
    request_uri: String,
    expires_in: u64,
}

pub async fn post(
    State(web): State<Arc<Web>>,
    State(endpoint): State<Arc<TokenEndpoint>>,
    visitor: Visitor,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: String,
) -> Result<Response, OAuthFailure> {
    let (client, form) = endpoint.form(PATH, &visitor, &headers, (query.as_deref(), &body)).await?;
    // RFC 9126, section 2.1: the one parameter of an authorization request that must not be there.
    if form.one("request_uri")?.is_some() {
        return Err(missing("request_uri does not belong into a request that is handed over").about("request_uri"));
    }
    let redirect = verify_redirect(&form, &client)?;
    ResponseMode::check(&form)?;
    let (mut request, hinted) = check_request(&form, &client, &endpoint.signing, web.issuer.as_str())?;
    request.dpop_jkt = key_of_code(request.dpop_jkt, endpoint.dpop.of_client(&headers, PATH).await?)?;
    let pushed = PushedRequest {
        client: client.id.clone(),
        registration: client.registration.clone(),
        redirect_uri: redirect.as_str().to_owned(),
        state: form.one("state")?.map(str::to_owned),
        request,
        hinted,
    };
    if serde_json::to_vec(&pushed).map_or(true, |json| json.len() > LONGEST) {
        let bytes = pushed.state.as_ref().map_or(0, String::len);
        let too_long = missing("the request is too long to be kept").about("state");
        let too_long =
            too_long.because(format!("it has {bytes} bytes, and nothing else is without a bound of its own"));
        return Err(OAuthFailure { status: StatusCode::PAYLOAD_TOO_LARGE, ..too_long });
    }
    let answer = Answer { request_uri: endpoint.pushed.keep(&pushed).await?, expires_in: LIFETIME.as_secs() };
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::CREATED, no_store, Json(answer)).into_response())
}

/// A proof says the same as `dpop_jkt`, so where both are there, they must agree (RFC 9449, section 10.1).
fn key_of_code(
    named: Option<Thumbprint>,
    possession: Option<Possession>,
) -> Result<Option<Thumbprint>, OAuthFailure> {
    match (named, possession.map(Possession::key)) {
        (Some(named), Some(shown)) if named != shown => {
            Err(missing("dpop_jkt is not the key of the DPoP proof").about("dpop_jkt"))
        }
        (named, shown) => Ok(named.or(shown)),
    }
}

/// The same as at the authorization endpoint: who has proven itself gets no address that it did not register.
fn verify_redirect(form: &Parameters, client: &Client) -> Result<VerifiedRedirect, OAuthFailure> {
    let uri = form.one("redirect_uri")?.ok_or_else(|| missing("redirect_uri is missing").about("redirect_uri"))?;
    client.verify_redirect(uri).ok_or_else(|| not_registered(client, uri).into())
}
