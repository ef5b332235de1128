//! `/account`: what a person signs in with, and an address of their own beside the one at Fly.io.

pub mod confirm;

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::error::PageError;
use super::oidc::redirect::see_other;
use super::pages::account::{AccountPage, Locked, OwnAddress, Told, Waiting};
use super::pages::{Page, when};
use super::sign_in::transaction::{Errand, Transaction, Transactions};
use super::web::{Visitor, Web};
use crate::domain::email::EmailAddress;
use crate::domain::organization::LoginMethod;
use crate::domain::user::User;
use crate::services::contacts::{Contacts, Which};
use crate::services::directory::Directory;
use crate::services::limits::Limits;
use crate::services::sessions::Current;
use crate::store::{Store, StoreError, keys};

pub const PATH: &str = "/account";

/// What is said of a text that is no address.
pub const NO_ADDRESS: &str = "This does not look like an email address. Look for a missing @ or a blank.";

/// What the handlers work with.
pub struct Account {
    pub store: Store,
    pub contacts: Arc<Contacts>,
    pub directory: Arc<Directory>,
    pub limits: Arc<Limits>,
}

/// Why an address was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// It ends in nothing that mail can be sent to.
    NoAddress,
    TooMany(Duration),
}

impl NotTaken {
    #[must_use]
    pub fn sentence(self) -> String {
        match self {
            Self::NoAddress => NO_ADDRESS.to_owned(),
            Self::TooMany(wait) => {
                format!("Several addresses were given just now. Wait {}, then give it once more.", when::wait(wait))
            }
        }
    }
}

impl Account {
    /// Reads a typed address and counts that it is given. Says the same of addresses known and unknown.
    pub async fn admit(&self, user: &User, typed: &str) -> Result<Result<EmailAddress, NotTaken>, StoreError> {
        let Ok(address) = typed.trim().parse::<EmailAddress>() else { return Ok(Err(NotTaken::NoAddress)) };
        let buckets = self.limits.of_contact(user.id.as_str(), &address.normalized());
        let counted = self.limits.attempt_all(&buckets).await?;
        Ok(counted.map(|()| address).map_err(|wait| NotTaken::TooMany(wait.rounded_up())))
    }

    /// Why the person must prove once more who they are before an address is changed. Fly.io does not do for somebody who has
    /// a password: their own address lets them set a new one.
    async fn locked(&self, web: &Web, current: &Current) -> Result<Option<Locked>, StoreError> {
        let has_password = self.has_password(&current.user).await?;
        if has_password && current.proof().method == LoginMethod::Fly {
            return Ok(Some(Locked::ByFly));
        }
        let fresh = current.session.value.is_fresh(web.sessions.rules(), web.clock.now());
        Ok((!fresh).then(|| Locked::Stale { within: web.fresh_within() }))
    }

    async fn has_password(&self, user: &User) -> Result<bool, StoreError> {
        Ok(self.store.read(&keys::credential(&user.id)).await?.is_some())
    }

    async fn page(&self, web: &Web, visitor: &Visitor, current: &Current) -> Result<AccountPage, StoreError> {
        let (contact, now) = (self.contacts.of(&current.user.id).await?, web.clock.now());
        let waiting = contact
            .waiting(now)
            .map(|given| Waiting { address: given.address.to_string(), until: when::until(given.expires_at) });
        let own = contact
            .confirmed
            .map(|own| OwnAddress { address: own.address.to_string(), since: when::Stamp::short_day(own.at, now) });
        let at_fly = current.user.address_at_fly();
        let at_fly_signs_in = match &at_fly {
            Some(address) => self.directory.leads_to(address, &current.user.id).await?,
            None => false,
        };
        Ok(AccountPage {
            frame: web.frame(""),
            csrf: web.csrf(visitor),
            person: current.user.name.clone(),
            told: None,
            at_fly: at_fly.map(|address| address.to_string()).unwrap_or_default(),
            at_fly_signs_in,
            has_password: self.has_password(&current.user).await?,
            own,
            waiting,
            link_lasts: when::lasts(self.contacts.lifetime()),
            locked: self.locked(web, current).await?,
            typed: String::new(),
            error: None,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// What was just done: `given`, `already`, `removed`, `taken-back`.
    done: String,
    /// Asks for a sign-in of this moment.
    again: String,
}

impl Asked {
    fn told(&self) -> Option<Told> {
        match self.done.as_str() {
            "given" => Some(Told::Given),
            "already" => Some(Told::Already),
            "removed" => Some(Told::Removed),
            "taken-back" => Some(Told::TakenBack),
            _ => None,
        }
    }
}

/// `GET /account`
pub async fn get(
    State(web): State<Arc<Web>>,
    State(account): State<Arc<Account>>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let Some(current) = web.session(&visitor).await? else { return sign_in(&web, &visitor, false) };
    if asked.again == "1" {
        return sign_in(&web, &visitor, true);
    }
    let page = account.page(&web, &visitor, &current).await?;
    // Whoever wrote the address: only what is so is said.
    let told = asked.told().filter(|told| match told {
        Told::Given => page.waiting.is_some(),
        Told::Already => true,
        Told::Removed => page.own.is_none(),
        Told::TakenBack => page.waiting.is_none(),
    });
    Ok(Page::ok(AccountPage { told, ..page }).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    csrf: String,
    contact_email: String,
    /// `confirmed` or `given`: the address to be taken back.
    remove: String,
}

/// `POST /account`: gives an address, or takes one back.
pub async fn post(
    State(web): State<Arc<Web>>,
    State(account): State<Arc<Account>>,
    visitor: Visitor,
    Form(form): Form<Sent>,
) -> Result<Response, PageError> {
    web.check_csrf(&visitor, &form.csrf)?;
    let Some(current) = web.session(&visitor).await? else { return sign_in(&web, &visitor, false) };
    if account.locked(&web, &current).await?.is_some() {
        return sign_in(&web, &visitor, true);
    }
    let from = format!("{}, {}", visitor.address, visitor.agent);
    let user = &current.user;
    match form.remove.as_str() {
        "confirmed" => {
            account.contacts.take_back(&user.id, Which::Confirmed, Some(&from)).await?;
            return Ok(done("removed"));
        }
        "given" => {
            account.contacts.take_back(&user.id, Which::Given, Some(&from)).await?;
            return Ok(done("taken-back"));
        }
        _ => {}
    }
    match account.admit(user, &form.contact_email).await? {
        Ok(address) => {
            let new = account.contacts.give(user, &address).await?;
            Ok(done(if new { "given" } else { "already" }))
        }
        Err(not_taken) => {
            let page = account.page(&web, &visitor, &current).await?;
            let typed = form.contact_email.chars().take(254).collect();
            let page = AccountPage { typed, error: Some(not_taken.sentence()), ..page };
            let status = match not_taken {
                NotTaken::NoAddress => StatusCode::UNPROCESSABLE_ENTITY,
                NotTaken::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            };
            Ok(Page::with_status(status, page).into_response())
        }
    }
}

fn done(what: &str) -> Response {
    see_other(&format!("{PATH}?done={what}"))
}

/// To the sign-in page and back; `again`: although somebody is signed in.
fn sign_in(web: &Web, visitor: &Visitor, again: bool) -> Result<Response, PageError> {
    let errand = Errand::Page { path: PATH.to_owned(), again };
    let transaction = Transaction::begin(errand, web.clock.now(), &*web.random);
    let mut response = see_other(&format!("/sign-in{}", transaction.query()));
    Transactions::new(web).keep(&transaction, visitor, &mut response)?;
    Ok(response)
}
