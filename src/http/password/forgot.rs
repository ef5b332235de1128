//! `/forgot`: a link by mail. The same answer for every address, in words and time.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::domain::email::EmailAddress;
use crate::http::error::PageError;
use crate::http::pages::setup::{Asked, ForgotPage, ForgotSentPage};
use crate::http::pages::{Page, when};
use crate::http::sign_in::page::SignInQuery;
use crate::http::web::{Visitor, Web};
use crate::services::directory::address_hash;
use crate::services::limits::Limits;
use crate::services::setup_links::SetUpLinks;

/// What the handlers work with.
pub struct Forgot {
    pub limits: Arc<Limits>,
    pub links: Arc<SetUpLinks>,
    /// The address that mail comes from.
    pub sender: String,
}

pub async fn get(State(web): State<Arc<Web>>, visitor: Visitor, Query(query): Query<SignInQuery>) -> Response {
    Page::ok(form(&web, &visitor, &query, String::new(), None)).into_response()
}

#[derive(Deserialize)]
pub struct Asking {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    email: String,
}

pub async fn post(
    State(web): State<Arc<Web>>,
    State(forgot): State<Arc<Forgot>>,
    visitor: Visitor,
    Query(query): Query<SignInQuery>,
    Form(asking): Form<Asking>,
) -> Result<Response, PageError> {
    web.check_csrf(&visitor, &asking.csrf)?;
    let Ok(address) = asking.email.trim().parse::<EmailAddress>() else {
        let error = "This is not an address mail can go to. Look for a missing @ or a blank.".to_owned();
        let page = form(&web, &visitor, &query, asking.email, Some(error));
        return Ok(Page::with_status(StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    };
    let buckets = forgot.limits.of_link(&address.normalized(), &visitor.network());
    if let Err(wait) = forgot.limits.attempt_all(&buckets).await? {
        let wait = wait.rounded_up();
        let error = format!("Several links were asked for just now. Wait {}, then ask once more.", when::wait(wait));
        let page = form(&web, &visitor, &query, asking.email, Some(error));
        let mut response = Page::with_status(StatusCode::TOO_MANY_REQUESTS, page).into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        return Ok(response);
    }
    forgot.links.request(&address_hash(&address), address.as_str()).await?;
    Ok(sent(&web, &forgot, &tx_query(&query), Asked::Address))
}

/// The answer to everybody.
#[must_use]
pub fn sent(web: &Web, forgot: &Forgot, tx_query: &str, asked: Asked) -> Response {
    let page = ForgotSentPage {
        frame: web.frame(tx_query),
        tx_query: tx_query.to_owned(),
        asked,
        sender: forgot.sender.clone(),
    };
    Page::ok(page).into_response()
}

fn form(web: &Web, visitor: &Visitor, query: &SignInQuery, email: String, error: Option<String>) -> ForgotPage {
    let tx_query = tx_query(query);
    let (frame, csrf, link_lasts) = (web.frame(&tx_query), web.csrf(visitor), web.link_lasts());
    ForgotPage { frame, csrf, tx_query, email, link_lasts, error }
}

/// Ours if it looks like ours; it is only carried along.
#[must_use]
pub fn tx_query(query: &SignInQuery) -> String {
    let plain = query.tx.len() <= 32 && query.tx.bytes().all(|b| b.is_ascii_alphanumeric());
    if plain && !query.tx.is_empty() { format!("?tx={}", query.tx) } else { String::new() }
}
