//! Signing out of Flybridge itself.

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::finish::Finish;
use crate::domain::organization::LoginMethod;
use crate::http::error::PageError;
use crate::http::oidc::logout::Then;
use crate::http::oidc::redirect::{see_other, to_client};
use crate::http::pages::sign_out::{SignOutPage, SignedOutPage};
use crate::http::pages::{Page, when};
use crate::http::web::{Visitor, Web};
use crate::services::clients::Clients;
use crate::services::consents::Consents;
use crate::services::sessions::Current;

/// `GET /sign-out`: asks; nothing changes on a GET.
pub async fn ask(
    State(web): State<Arc<Web>>,
    State(consents): State<Arc<Consents>>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let Some(current) = web.session(&visitor).await? else { return Ok(see_other("/signed-out")) };
    let applications = consents.any(&current.user.id).await?;
    let page = question(&web, &visitor, &current, (None, String::new()));
    Ok(Page::ok(SignOutPage { applications, ..page }).into_response())
}

/// "Sign out?": for `client`, when one asks, and with what follows the answer.
#[must_use]
pub fn question(
    web: &Web,
    visitor: &Visitor,
    current: &Current,
    (client, then): (Option<String>, String),
) -> SignOutPage {
    SignOutPage {
        frame: web.frame(""),
        csrf: web.csrf(visitor),
        then,
        person: current.user.name.clone(),
        method: match current.proof().method {
            LoginMethod::Fly => "Fly.io".to_owned(),
            LoginMethod::Password => "email and password".to_owned(),
        },
        since: when::recent(current.proof().auth_time, web.clock.now()),
        client,
        applications: false,
    }
}

#[derive(Deserialize)]
pub struct Sent {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    answer: String,
    #[serde(default)]
    then: String,
}

pub async fn answer(
    State(web): State<Arc<Web>>,
    State(clients): State<Arc<Clients>>,
    visitor: Visitor,
    Form(form): Form<Sent>,
) -> Result<Response, PageError> {
    web.check_csrf(&visitor, &form.csrf)?;
    if form.answer == "no" {
        return Ok(see_other("/go"));
    }
    if let Some(current) = web.session(&visitor).await? {
        web.sessions.end(&current).await?;
    }
    let next = Then::open(&form.then, &web, &clients).unwrap_or_else(|| see_other("/signed-out"));
    Ok(web.without_session(next))
}

pub async fn signed_out(State(web): State<Arc<Web>>, State(finish): State<Arc<Finish>>) -> Response {
    let client = finish.clients.with_home();
    let page = SignedOutPage {
        frame: web.frame(""),
        applications: client.map(|client| client.name.clone()).unwrap_or_default(),
        back: None,
    };
    Page::ok(page).into_response()
}

/// `GET /go`: on to the application, for people without a pending request. Without one that says where it is, the page
/// that tells who is signed in.
pub async fn go(State(finish): State<Arc<Finish>>) -> Result<Response, PageError> {
    let client = finish.clients.with_home();
    match client.as_ref().and_then(|client| Some((client, client.home.as_ref()?))) {
        Some((client, home)) => Ok(to_client(client, home.as_str())),
        None => Ok(see_other("/sign-out")),
    }
}
