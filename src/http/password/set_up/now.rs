//! `/set-up/now`: a password on the spot, for a member whom Fly.io has just proven.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::save::{Sent, save};
use super::{NewPassword, SetUp, SetUpForm};
use crate::domain::organization::LoginMethod;
use crate::http::error::PageError;
use crate::http::pages::listed;
use crate::http::pages::setup::Origin;
use crate::http::password::forgot::tx_query;
use crate::http::sign_in::closed::no_address;
use crate::http::sign_in::finish::Finish;
use crate::http::sign_in::page::SignInQuery;
use crate::http::sign_in::transaction::{Transaction, Transactions};
use crate::http::web::{Visitor, Web};
use crate::services::sessions::Current;
use crate::services::setup_links::{Nowhere, Warrant};
use crate::store::keys;

/// `GET /set-up/now`: for a member just proven by Fly.io who has no password.
pub async fn get(
    State(web): State<Arc<Web>>,
    State(set_up): State<Arc<SetUp>>,
    State(finish): State<Arc<Finish>>,
    visitor: Visitor,
    Query(query): Query<SignInQuery>,
) -> Result<Response, PageError> {
    let current = proven(&web, &set_up, &visitor, &tx_query(&query), None).await?;
    let transaction = Transactions::new(&web).find(&query.tx, &visitor);
    let form = now_form(&web, &set_up, &finish, &current, transaction.as_ref()).await?;
    Ok(form.respond(&web, &visitor, None))
}

/// `POST /set-up/now`
pub async fn post(
    State(web): State<Arc<Web>>,
    State(set_up): State<Arc<SetUp>>,
    State(finish): State<Arc<Finish>>,
    visitor: Visitor,
    Query(query): Query<SignInQuery>,
    Form(form): Form<NewPassword>,
) -> Result<Response, PageError> {
    web.check_csrf(&visitor, &form.csrf)?;
    let current = proven(&web, &set_up, &visitor, &tx_query(&query), Some(&form)).await?;
    let transaction = Transactions::new(&web).find(&query.tx, &visitor);
    let page = now_form(&web, &set_up, &finish, &current, transaction.as_ref()).await?;
    let goes_on = transaction.map(|transaction| (&*finish, transaction));
    let sent = Sent {
        warrant: Warrant::Fly(&current.user.id),
        typed: &form.password,
        contact: &form.contact_email,
        goes_on,
    };
    save(&web, &set_up, &visitor, page, sent).await
}

/// A fresh sign-in at Fly.io by somebody who has no password, and whom the form that was sent is about.
async fn proven(
    web: &Web,
    set_up: &SetUp,
    visitor: &Visitor,
    tx_query: &str,
    sent: Option<&NewPassword>,
) -> Result<Current, PageError> {
    let refuse = |message: &str| {
        Err(PageError::new(StatusCode::FORBIDDEN, "Sign in with Fly.io once more", message)
            .action("Sign in", format!("/sign-in{tx_query}"))
            .action("Send me a link", format!("/forgot{tx_query}")))
    };
    let Some(current) = web.session(visitor).await? else {
        return refuse("To set a password here, sign in with Fly.io first.");
    };
    if let Some(form) = sent {
        form.check_person(&current.user.id, tx_query)?;
    }
    // Before the rest: who goes back to the form after saving has a session by password, and nothing to prove.
    if set_up.account.store.read(&keys::credential(&current.user.id)).await?.is_some() {
        let message = "You have a password already. Sign in with it, or ask for a link to set a new one.";
        return Err(PageError::new(StatusCode::CONFLICT, "You have a password", message)
            .action("Sign in", format!("/sign-in{tx_query}"))
            .action("Send me a link", format!("/forgot{tx_query}")));
    }
    let fresh = current.session.value.is_fresh(web.sessions.rules(), web.clock.now());
    if current.proof().method != LoginMethod::Fly || !fresh {
        let within = web.fresh_within();
        return refuse(&format!("To set a password here, your sign-in with Fly.io must be less than {within} old."));
    }
    if set_up.directory.mail_address(&current.user).await?.is_none() {
        return Err(no_address("Your organization", tx_query));
    }
    Ok(current)
}

async fn now_form(
    web: &Web,
    set_up: &SetUp,
    finish: &Finish,
    current: &Current,
    transaction: Option<&Transaction>,
) -> Result<SetUpForm, PageError> {
    let organizations = set_up.links.password_organizations(&current.user).await?;
    if organizations.is_empty() {
        return Err(no_organization(set_up.links.nowhere(&current.user).await?));
    }
    let mut form =
        SetUpForm::new(set_up, finish, &current.user, &organizations, Origin::Now { within: web.fresh_within() })
            .await?;
    if let Some(transaction) = transaction {
        form.tx_query = transaction.query();
    }
    Ok(form)
}

pub(super) fn no_organization(nowhere: Nowhere) -> PageError {
    if let Nowhere::Shut(names) = nowhere {
        let many = names.len() > 1;
        let message = format!(
            "{} sign{} in with email and password, and do{} not let you in at the moment: an admin left you out, or Fly.io no \
             longer named you there. A password would open nothing, so none was set. Ask one of the admins.",
            listed(&names),
            if many { "" } else { "s" },
            if many { "" } else { "es" },
        );
        return PageError::new(StatusCode::FORBIDDEN, "A password would open nothing for you", message)
            .action("Sign in another way", "/sign-in");
    }
    let message = "None of your organizations signs in with a password at the moment, so there is nothing to set. \
                   Nothing has changed. Continue with Fly.io.";
    PageError::new(StatusCode::CONFLICT, "No password is needed", message).action("Sign in", "/sign-in")
}
