//! `POST /sign-in/password`. Known and unknown addresses cost the same and get the same words.

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::device;
use super::finish::Finish;
use super::page::{Form as SignInForm, SignInQuery};
use super::transaction::{Transaction, Transactions};
use crate::clock::Timestamp;
use crate::domain::access::Proof;
use crate::domain::email::EmailAddress;
use crate::domain::organization::LoginMethod;
use crate::domain::password::{Password, PasswordHash};
use crate::domain::user::{Credential, User};
use crate::http::error::PageError;
use crate::http::pages::sign_in::SignInNotice;
use crate::http::pages::when;
use crate::http::web::{Visitor, Web};
use crate::services::limits::Limits;
use crate::services::passwords::{Passwords, PasswordsError, Verified};
use crate::services::setup_links::SetUpLinks;
use crate::store::records::Entry;
use crate::store::{StoreError, keys};

/// What the handler works with.
pub struct PasswordSignIn {
    pub limits: Arc<Limits>,
    pub passwords: Arc<Passwords>,
    pub links: Arc<SetUpLinks>,
}

#[derive(Deserialize)]
pub struct SentForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
}

/// Why a password did not sign anybody in.
enum Refused {
    Wrong,
    Wait(Duration),
    Busy(Duration),
}

pub async fn post(
    State(web): State<Arc<Web>>,
    State(finish): State<Arc<Finish>>,
    State(service): State<Arc<PasswordSignIn>>,
    visitor: Visitor,
    Query(query): Query<SignInQuery>,
    Form(form): Form<SentForm>,
) -> Result<Response, PageError> {
    web.check_csrf(&visitor, &form.csrf)?;
    let transaction = Transactions::new(&web).find(&query.tx, &visitor).ok_or_else(PageError::stale_transaction)?;
    let (user, password_of) = match check(&web, &service, &finish, &visitor, &form).await? {
        Ok(known) => known,
        Err(refused) => return refuse(&web, &finish, &visitor, &transaction, (refused, form.email)).await,
    };
    let organizations = finish.directory.seen_by_member(&user).await?;
    let proof = Proof { method: LoginMethod::Password, auth_time: web.clock.now(), organizations };
    finish.directory.note_sign_in(&user, &proof, &visitor.address).await?;
    let (token, current) = web.begin_session(&visitor, &user, proof).await?;
    // Also with a page that says no: the session that the browser had before is over.
    let response = finish.transaction(&web, &visitor, &current, &transaction).await;
    let response = web.with_session(&token, response.unwrap_or_else(IntoResponse::into_response));
    let typed = form.email.trim().parse::<EmailAddress>().ok();
    Ok(device::remembered(&web, (&user, typed.as_ref()), password_of, response))
}

/// The attempt is counted before it is tried and given back when it was right or when nothing was tried; the hash is
/// computed in any case. Whose password it is, and when it was set.
async fn check(
    web: &Web,
    service: &PasswordSignIn,
    finish: &Finish,
    visitor: &Visitor,
    form: &SentForm,
) -> Result<Result<(User, Timestamp), Refused>, StoreError> {
    let address = form.email.trim().parse::<EmailAddress>().ok();
    let account = address.as_ref().map_or_else(|| form.email.clone(), EmailAddress::normalized);
    let device = match &address {
        Some(address) => device::recognize(web, finish, visitor, address).await?,
        None => None,
    };
    let buckets = match device {
        Some(device) => service.limits.of_device(&device),
        None => service.limits.of_password(&account, &visitor.address),
    };
    if let Err(wait) = service.limits.attempt_all(&buckets).await? {
        return Ok(Err(Refused::Wait(wait.rounded_up())));
    }
    let tried = compare(service, finish, address.as_ref(), &form.password).await?;
    if !matches!(tried, Err(Refused::Wrong)) {
        service.limits.give_back(&buckets).await?;
    }
    Ok(tried)
}

/// Whose password it is, and when it was set.
async fn compare(
    service: &PasswordSignIn,
    finish: &Finish,
    address: Option<&EmailAddress>,
    typed: &str,
) -> Result<Result<(User, Timestamp), Refused>, StoreError> {
    let known = match address {
        Some(address) => finish.directory.user_by_address(address).await?,
        None => None,
    };
    let credential = match &known {
        Some(user) => finish.store.read(&keys::credential(&user.value.id)).await?,
        None => None,
    };
    let verified = match verify(service, typed, credential.as_ref()).await {
        Ok(verified) => verified,
        Err(refused) => return Ok(Err(refused)),
    };
    let (Some(user), Some(credential), true) = (known, credential, verified.ok) else {
        return Ok(Err(Refused::Wrong));
    };
    if verified.needs_rehash
        && let Some(password) = Password::normalize(typed)
        && let Ok(hash) = service.passwords.hash(&password).await
    {
        service.links.rehash(&user.value.id, &credential, &hash.to_text()).await?;
    }
    Ok(Ok((user.value, credential.value.set_at)))
}

async fn verify(
    service: &PasswordSignIn,
    typed: &str,
    credential: Option<&Entry<Credential>>,
) -> Result<Verified, Refused> {
    // What is too long to be a password is still hashed, as something that fits nobody.
    let fits = Password::normalize(typed).filter(|password| password.characters() <= 256);
    let stored = credential.and_then(|entry| PasswordHash::parse(&entry.value.phc).ok()).filter(|_| fits.is_some());
    let Some(password) = fits.or_else(|| Password::normalize("-")) else { return Err(Refused::Wrong) };
    match service.passwords.verify(&password, stored.as_ref()).await {
        Ok(verified) => Ok(verified),
        Err(PasswordsError::Busy { retry_after }) => Err(Refused::Busy(retry_after)),
        Err(PasswordsError::Failed) => Err(Refused::Busy(Duration::from_secs(5))),
    }
}

async fn refuse(
    web: &Web,
    finish: &Finish,
    visitor: &Visitor,
    transaction: &Transaction,
    (refused, email): (Refused, String),
) -> Result<Response, PageError> {
    let (status, notice, wait) = match refused {
        Refused::Wrong => (StatusCode::UNAUTHORIZED, SignInNotice::Refused, None),
        Refused::Wait(wait) => {
            (StatusCode::TOO_MANY_REQUESTS, SignInNotice::Throttled { wait: when::wait(wait) }, Some(wait))
        }
        Refused::Busy(wait) => {
            (StatusCode::SERVICE_UNAVAILABLE, SignInNotice::Busy { wait: when::wait(wait) }, Some(wait))
        }
    };
    let mut form = SignInForm::new(finish, transaction, false).await?;
    form.notice = Some(notice);
    form.email = email.chars().take(254).collect();
    let mut response = form.respond(web, visitor);
    *response.status_mut() = status;
    if let Some(wait) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    Ok(response)
}
