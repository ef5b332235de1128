//! Saving a password, and what follows.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::now::no_organization;
use super::{SetUp, SetUpForm, expired, why};
use crate::domain::email::EmailAddress;
use crate::domain::secret::Secret;
use crate::http::error::PageError;
use crate::http::oidc::redirect::see_other;
use crate::http::pages::error::Side;
use crate::http::pages::setup::{DeadLink, Refusal};
use crate::http::sign_in::device;
use crate::http::sign_in::finish::Finish;
use crate::http::sign_in::transaction::Transaction;
use crate::http::web::{Visitor, Web};
use crate::services::passwords::PasswordsError;
use crate::services::setup_links::{SetError, Warrant};
use crate::store::StoreError;

/// What was sent, and what it is worth.
pub(super) struct Sent<'a> {
    pub(super) warrant: Warrant<'a>,
    pub(super) typed: &'a str,
    /// What was typed as their own address, or empty.
    pub(super) contact: &'a str,
    /// The sign-in that goes on afterwards; otherwise the person goes on to the application.
    pub(super) goes_on: Option<(&'a Finish, Transaction)>,
}

/// Checks and saves, begins a session, and goes on to where the person was going.
pub(super) async fn save(
    web: &Web,
    set_up: &SetUp,
    visitor: &Visitor,
    mut form: SetUpForm,
    sent: Sent<'_>,
) -> Result<Response, PageError> {
    form.contact.0 = sent.contact.trim().chars().take(254).collect();
    let raw = Secret::new(sent.typed.to_owned());
    let assessed = match set_up.passwords.assess(form.policy, &raw, form.context()).await {
        Ok(assessed) => assessed,
        Err(error) => return Err(busy(&error)),
    };
    let password = match assessed.verdict {
        Ok(password) => password,
        Err(weak) => {
            let score = matches!(weak, crate::domain::password::Weak::Guessable { .. }).then_some(assessed.strength);
            return Ok(form.respond(web, visitor, Some(Refusal { message: weak.message(), score })));
        }
    };
    let contact = match own_address(set_up, &form).await? {
        Ok(contact) => contact,
        Err(why) => {
            form.contact.1 = Some(why);
            return Ok(form.respond(web, visitor, None));
        }
    };
    let hash = set_up.passwords.hash(&password).await.map_err(|error| busy(&error))?;
    let from = format!("{}, {}", visitor.address, visitor.agent);
    let (user, proof) = match set_up.links.set_password(sent.warrant, &hash.to_text(), Some(&from)).await {
        Ok(done) => done,
        Err(SetError::LinkGone) => return Ok(expired(web, visitor, gone(set_up, sent.warrant).await?)),
        Err(SetError::HasPassword) => return Ok(see_other("/sign-in")),
        Err(SetError::NoOrganization) => {
            return Err(no_organization(set_up.links.nowhere(&form.user).await?));
        }
        Err(SetError::Store(error)) => return Err(error.into()),
    };
    if let Some(address) = contact
        && let Err(error) = set_up.account.contacts.give(&user, &address).await
    {
        // The password is set: nothing may be said but that. The address can be given again.
        tracing::error!(%error, "an address that was given is not mailed");
    }
    let (token, current) = web.begin_session(visitor, &user, proof).await?;
    if let Err(error) = set_up.directory.note_sign_in(&user, current.proof(), &visitor.address).await {
        // The password is set: nothing may be said but that.
        tracing::error!(%error, "a sign-in is missing in the audit log");
    }
    let response = match sent.goes_on {
        Some((finish, transaction)) => {
            let next = finish.transaction(web, visitor, &current, &transaction).await;
            next.unwrap_or_else(IntoResponse::into_response)
        }
        None => see_other("/go"),
    };
    // The proof is of the moment at which the password was set.
    Ok(device::remembered(web, (&user, None), current.proof().auth_time, web.with_session(&token, response)))
}

/// Why a link that worked when the form was sent does so no more.
async fn gone(set_up: &SetUp, warrant: Warrant<'_>) -> Result<DeadLink, StoreError> {
    match warrant {
        Warrant::Link(text) => Ok(why(set_up.links.show(text).await?)),
        Warrant::Fly(_) => Ok(DeadLink::Used),
    }
}

/// The address that was typed beside the password, if one was; or why it is not taken.
async fn own_address(set_up: &SetUp, form: &SetUpForm) -> Result<Result<Option<EmailAddress>, String>, StoreError> {
    if form.contact.0.is_empty() {
        return Ok(match form.sign_in_address {
            Some(_) => Ok(None),
            None => Err("Give an address of your own: without one you could not sign in.".to_owned()),
        });
    }
    let admitted = set_up.account.admit(&form.user, &form.contact.0).await?;
    let other_way = if form.sign_in_address.is_some() { " Or leave it empty." } else { "" };
    Ok(admitted.map(Some).map_err(|why| format!("{}{other_way}", why.sentence())))
}

fn busy(error: &PasswordsError) -> PageError {
    let message = "Many passwords are being set at this moment. Nothing was saved. Wait a few seconds and send it \
                   once more; the link still works.";
    PageError::new(StatusCode::SERVICE_UNAVAILABLE, "One moment", message)
        .side(Side::Ours)
        .retry_after(Duration::from_secs(5))
        .detail(error.to_string())
}
