//! `POST /set-up/renew`: a new link instead of one that is over, or of a password on the spot.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::{SetUp, expired, token, why};
use crate::http::error::PageError;
use crate::http::oidc::redirect::see_other;
use crate::http::pages::setup::Asked;
use crate::http::pages::when;
use crate::http::password::forgot::{Forgot, sent, tx_query};
use crate::http::sign_in::closed::no_address;
use crate::http::sign_in::page::SignInQuery;
use crate::http::web::{Visitor, Web};
use crate::services::limits::Subject;
use crate::services::setup_links::Shown;

/// `POST /set-up/renew`, from one of two pages.
#[derive(Deserialize)]
pub struct Renewal {
    #[serde(default)]
    csrf: String,
    /// `link`: for whoever holds the old link. `person`: for whoever is signed in.
    #[serde(default, rename = "for")]
    whom: String,
}

/// `POST /set-up/renew`: a new link for whoever holds an old one, or has just been proven by Fly.io.
pub async fn renew(
    State(web): State<Arc<Web>>,
    State(set_up): State<Arc<SetUp>>,
    State(forgot): State<Arc<Forgot>>,
    visitor: Visitor,
    Query(query): Query<SignInQuery>,
    Form(form): Form<Renewal>,
) -> Result<Response, PageError> {
    web.check_csrf(&visitor, &form.csrf)?;
    let tx_query = tx_query(&query);
    // A link that somebody else left in this browser must not decide for whom the page spoke of.
    let held = match token(&web, &visitor) {
        Some(token) if form.whom != "person" => set_up.links.show(&token).await?,
        _ => Shown::Unknown,
    };
    let (user, asked) = match (held, web.session(&visitor).await?) {
        (Shown::Over(user, _), _) => (user, Asked::Link),
        (Shown::Live(usable), _) => (usable.user.id, Asked::Link),
        (nowhere @ Shown::Nowhere(_), _) => return Ok(expired(&web, &visitor, why(nowhere))),
        (Shown::Unknown, Some(current)) => {
            let Some(address) = set_up.directory.mail_address(&current.user).await? else {
                return Err(no_address("Your organization", &tx_query));
            };
            (current.user.id, Asked::Proof { address: address.to_string() })
        }
        (Shown::Unknown, None) => return Ok(see_other(&format!("/forgot{tx_query}"))),
    };
    if let Err(wait) = forgot.limits.attempt(Subject::LinkAccount, user.as_str()).await? {
        let wait = wait.rounded_up();
        let message = format!(
            "Links were sent to you just now. Look in your mail, the spam folder too. You can ask again in {}.",
            when::wait(wait)
        );
        return Err(
            PageError::new(StatusCode::TOO_MANY_REQUESTS, "A link is on its way already", message).retry_after(wait)
        );
    }
    set_up.links.renew(&user, asked == Asked::Link).await?;
    Ok(sent(&web, &forgot, &tx_query, asked))
}
