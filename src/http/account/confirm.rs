//! `/confirm-address`: the link in a mail to an address that somebody gave as their own.
//!
//! Opening it changes nothing, since mail scanners open links too, and its token leaves the URL at once. Nobody has to be
//! signed in: reading the mail is what is to be proven.

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::Account;
use crate::domain::contact::Standing;
use crate::http::error::PageError;
use crate::http::oidc::redirect::see_other;
use crate::http::pages::account::{ConfirmAddressPage, Link};
use crate::http::pages::{Page, when};
use crate::http::web::{Visitor, Web};
use crate::services::contacts::Outcome;
use crate::services::vault::Purpose;

pub const PATH: &str = "/confirm-address";

const COOKIE: &str = "fb_confirm";
const COOKIE_LIFETIME: Duration = Duration::from_mins(30);

/// `GET /confirm-address/{token}`: the token moves from the URL into a cookie.
pub async fn open(State(web): State<Arc<Web>>, Path(token): Path<String>) -> Response {
    let token: String = token.chars().take(200).collect();
    let sealed = web.vault.seal_text(Purpose::CookieSeal, COOKIE, token.as_bytes(), &*web.random);
    let mut response = see_other(PATH);
    web.cookies().set(COOKIE, &sealed, Some(COOKIE_LIFETIME)).apply(&mut response);
    response
}

/// `GET /confirm-address`: the question, or why the link no longer works. Reads only.
pub async fn get(
    State(web): State<Arc<Web>>,
    State(account): State<Arc<Account>>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let Some(token) = token(&web, &visitor) else { return Ok(respond(&web, &account, &visitor, Link::NotHeld)) };
    let link = match account.contacts.show(&token).await? {
        None => Link::Unreadable,
        Some(shown) => match shown.standing {
            Standing::Live { address, until } => {
                let (person, address) = (shown.user.name, address.to_string());
                Link::Asks { person, address, until: when::until(until) }
            }
            over => over_link(&over),
        },
    };
    Ok(respond(&web, &account, &visitor, link))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Confirming {
    csrf: String,
}

/// `POST /confirm-address`: the address signs in from now on, and the link is used up.
pub async fn post(
    State(web): State<Arc<Web>>,
    State(account): State<Arc<Account>>,
    visitor: Visitor,
    Form(form): Form<Confirming>,
) -> Result<Response, PageError> {
    web.check_csrf(&visitor, &form.csrf)?;
    let Some(token) = token(&web, &visitor) else { return Ok(respond(&web, &account, &visitor, Link::NotHeld)) };
    let from = format!("{}, {}", visitor.address, visitor.agent);
    let link = match account.contacts.confirm(&token, Some(&from)).await? {
        Outcome::Confirmed(address) => Link::Confirmed { address: address.to_string() },
        Outcome::Taken => Link::Taken,
        Outcome::Over(standing) => over_link(&standing),
        Outcome::Unknown => Link::Unreadable,
    };
    Ok(respond(&web, &account, &visitor, link))
}

fn token(web: &Web, visitor: &Visitor) -> Option<String> {
    let sealed = visitor.cookies.one(&web.cookies().name(COOKIE))?;
    let plain = web.vault.open_text(Purpose::CookieSeal, COOKIE, sealed).ok()?;
    String::from_utf8(plain.expose().clone()).ok()
}

fn over_link(standing: &Standing) -> Link {
    match standing {
        Standing::Used(_) => Link::Used,
        Standing::Expired => Link::Expired,
        Standing::Superseded | Standing::Live { .. } => Link::Superseded,
        Standing::TakenBack => Link::TakenBack,
    }
}

fn respond(web: &Web, account: &Account, visitor: &Visitor, link: Link) -> Response {
    let status = match &link {
        Link::Asks { .. } | Link::Confirmed { .. } => StatusCode::OK,
        Link::Taken => StatusCode::CONFLICT,
        _ => StatusCode::GONE,
    };
    if status != StatusCode::OK {
        tracing::info!(?link, "a link to confirm an address did nothing");
    }
    let page = ConfirmAddressPage {
        frame: web.frame(""),
        csrf: web.csrf(visitor),
        link,
        link_lasts: when::lasts(account.contacts.lifetime()),
        error_id: visitor.request_id.clone(),
    };
    Page::with_status(status, page).into_response()
}
