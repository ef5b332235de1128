//! Signing out of Flybridge itself.

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::finish::Finish;
use crate::domain::organization::LoginMethod;
use crate::http::error::PageError;
use crate::http::oidc::redirect::see_other;
use crate::http::pages::sign_out::{SignOutPage, SignedOutPage};
use crate::http::pages::{Page, when};
use crate::http::security_headers::FormTargets;
use crate::http::web::{Visitor, Web};

/// `GET /sign-out`: asks; nothing changes on a GET.
pub async fn ask(
    State(web): State<Arc<Web>>,
    State(finish): State<Arc<Finish>>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let Some(current) = web.session(&visitor).await? else { return Ok(see_other("/signed-out")) };
    let page = SignOutPage {
        frame: web.frame(""),
        csrf: web.csrf(&visitor),
        tx_query: String::new(),
        person: current.user.name.clone(),
        method: match current.proof().method {
            LoginMethod::Fly => "Fly.io".to_owned(),
            LoginMethod::Password => "email and password".to_owned(),
        },
        since: when::recent(current.proof().auth_time, web.clock.now()),
        client: None,
    };
    let mut response = Page::ok(page).into_response();
    // "Stay signed in" goes on to the application.
    let home = finish.clients.with_home().and_then(|client| client.home.as_ref()).map(url::Url::as_str);
    response.extensions_mut().insert(FormTargets::of(home));
    Ok(response)
}

#[derive(Deserialize)]
pub struct Answer {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    answer: String,
}

pub async fn answer(
    State(web): State<Arc<Web>>,
    visitor: Visitor,
    Form(form): Form<Answer>,
) -> Result<Response, PageError> {
    web.check_csrf(&visitor, &form.csrf)?;
    if form.answer == "no" {
        return Ok(see_other("/go"));
    }
    if let Some(current) = web.session(&visitor).await? {
        web.sessions.end(&current).await?;
    }
    Ok(web.without_session(see_other("/signed-out")))
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
    match finish.clients.with_home().and_then(|client| client.home.clone()) {
        Some(home) => Ok(see_other(home.as_str())),
        None => Ok(see_other("/sign-out")),
    }
}
