//! `/set-up`: setting a password with a link from a mail, or on the spot after a fresh sign-in at Fly.io.
//!
//! Opening a link changes nothing, since mail scanners open links too. Its token leaves the URL at once for a short
//! cookie, so that it stands in no history, log or referrer.

pub mod now;
pub mod renew;
mod save;

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use self::save::{Sent, save};
use crate::domain::email::EmailAddress;
use crate::domain::ids::UserId;
use crate::domain::organization::Organization;
use crate::domain::password::{Context, Policy};
use crate::domain::user::User;
use crate::http::account::Account;
use crate::http::error::PageError;
use crate::http::oidc::redirect::see_other;
use crate::http::pages::setup::{DeadLink, ExpiredPage, Origin, Refusal, SetupPage};
use crate::http::pages::{Page, when};
use crate::http::sign_in::finish::Finish;
use crate::http::web::{Visitor, Web};
use crate::services::directory::Directory;
use crate::services::passwords::Passwords;
use crate::services::setup_links::{Nowhere, Over, SetUpLinks, Shown, Warrant};
use crate::services::vault::Purpose;
use crate::store::keys;

const COOKIE: &str = "fb_set_up";
const COOKIE_LIFETIME: Duration = Duration::from_mins(30);

/// What the handlers work with.
pub struct SetUp {
    pub links: Arc<SetUpLinks>,
    pub directory: Arc<Directory>,
    pub passwords: Arc<Passwords>,
    pub policy: Policy,
    pub account: Arc<Account>,
}

/// `GET /set-up/{token}`: the token moves from the URL into a cookie.
pub async fn open(State(web): State<Arc<Web>>, Path(token): Path<String>) -> Response {
    let token: String = token.chars().take(200).collect();
    let sealed = web.vault.seal_text(Purpose::CookieSeal, COOKIE, token.as_bytes(), &*web.random);
    let mut response = see_other("/set-up");
    web.cookies().set(COOKIE, &sealed, Some(COOKIE_LIFETIME)).apply(&mut response);
    response
}

/// `GET /set-up`: the form, or why the link no longer works. Reads only.
pub async fn get(
    State(web): State<Arc<Web>>,
    State(set_up): State<Arc<SetUp>>,
    State(finish): State<Arc<Finish>>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let Some(token) = token(&web, &visitor) else { return Ok(expired(&web, &visitor, DeadLink::NotHeld)) };
    match set_up.links.show(&token).await? {
        Shown::Live(usable) => {
            let origin = Origin::Link { until: when::until(usable.link.expires_at) };
            let form = SetUpForm::new(&set_up, &finish, &usable.user, &usable.organizations, origin).await?;
            Ok(form.respond(&web, &visitor, None))
        }
        dead => Ok(expired(&web, &visitor, why(dead))),
    }
}

#[derive(Deserialize)]
pub struct NewPassword {
    #[serde(default)]
    csrf: String,
    /// Whose password the page said it sets.
    #[serde(default)]
    person: String,
    #[serde(default)]
    password: String,
    /// An address of their own, if they gave one.
    #[serde(default)]
    contact_email: String,
}

impl NewPassword {
    /// Whether it is meant for `person`. The tabs of a browser share the link's cookie and the session, and another
    /// one may have brought somebody else since.
    fn check_person(&self, person: &UserId, tx_query: &str) -> Result<(), PageError> {
        match self.person.as_str() {
            named if named == person.as_str() => Ok(()),
            "" => Err(PageError::stale_form().detail("the form names nobody")),
            _ => Err(PageError::other_person(tx_query)),
        }
    }
}

/// `POST /set-up`: checks, hashes, and uses up the link together with writing the hash.
pub async fn post(
    State(web): State<Arc<Web>>,
    State(set_up): State<Arc<SetUp>>,
    State(finish): State<Arc<Finish>>,
    visitor: Visitor,
    Form(form): Form<NewPassword>,
) -> Result<Response, PageError> {
    web.check_csrf(&visitor, &form.csrf)?;
    let Some(token) = token(&web, &visitor) else { return Ok(expired(&web, &visitor, DeadLink::NotHeld)) };
    let shown = set_up.links.show(&token).await?;
    match &shown {
        Shown::Live(usable) => form.check_person(&usable.user.id, "")?,
        // The page of a dead link offers its holder a new one.
        Shown::Over(holder, _) => form.check_person(holder, "")?,
        Shown::Nowhere(_) | Shown::Unknown => {}
    }
    let usable = match shown {
        Shown::Live(usable) => usable,
        dead => return Ok(expired(&web, &visitor, why(dead))),
    };
    let origin = Origin::Link { until: when::until(usable.link.expires_at) };
    let page = SetUpForm::new(&set_up, &finish, &usable.user, &usable.organizations, origin).await?;
    let sent =
        Sent { warrant: Warrant::Link(&token), typed: &form.password, contact: &form.contact_email, goes_on: None };
    let mut response = save(&web, &set_up, &visitor, page, sent).await?;
    if response.status() == StatusCode::SEE_OTHER {
        web.cookies().clear(COOKIE).apply(&mut response);
    }
    Ok(response)
}

fn token(web: &Web, visitor: &Visitor) -> Option<String> {
    let sealed = visitor.cookies.one(&web.cookies().name(COOKIE))?;
    let plain = web.vault.open_text(Purpose::CookieSeal, COOKIE, sealed).ok()?;
    String::from_utf8(plain.expose().clone()).ok()
}

fn why(shown: Shown) -> DeadLink {
    match shown {
        Shown::Nowhere(Nowhere::OnFly(back)) => DeadLink::NotNeeded { back },
        Shown::Nowhere(Nowhere::Shut(organizations)) => DeadLink::NotLetIn { organizations },
        Shown::Unknown => DeadLink::Unreadable,
        Shown::Over(_, Over::Expired) => DeadLink::Expired,
        Shown::Over(_, Over::Superseded) => DeadLink::Superseded,
        Shown::Over(_, Over::Withdrawn) => DeadLink::Withdrawn,
        // One that was about to be used, and was beaten to it.
        Shown::Over(_, Over::Used) | Shown::Live(_) => DeadLink::Used,
    }
}

fn expired(web: &Web, visitor: &Visitor, why: DeadLink) -> Response {
    tracing::info!(?why, "a set-up link opened nothing");
    let page = ExpiredPage {
        frame: web.frame(""),
        csrf: web.csrf(visitor),
        link_lasts: web.link_lasts(),
        why,
        error_id: visitor.request_id.clone(),
    };
    Page::with_status(StatusCode::GONE, page).into_response()
}

/// The form before it is rendered, with what a password is judged by.
struct SetUpForm {
    tx_query: String,
    origin: Origin,
    organizations: Vec<Organization>,
    user: User,
    /// None while no address signs the person in.
    sign_in_address: Option<EmailAddress>,
    replaces: bool,
    policy: Policy,
    client: Option<String>,
    /// What was typed as their own address, and why it was not taken.
    contact: (String, Option<String>),
}

impl SetUpForm {
    async fn new(
        set_up: &SetUp,
        finish: &Finish,
        user: &User,
        organizations: &[Organization],
        origin: Origin,
    ) -> Result<Self, PageError> {
        let replaces = finish.store.read(&keys::credential(&user.id)).await?.is_some();
        let client = finish.clients.with_home();
        Ok(Self {
            tx_query: String::new(),
            origin,
            organizations: organizations.to_vec(),
            user: user.clone(),
            sign_in_address: set_up.directory.sign_in_address(user).await?,
            replaces,
            policy: set_up.policy,
            client: client.map(|client| client.name.clone()),
            contact: (String::new(), None),
        })
    }

    fn context(&self) -> Context {
        let mut context = Context::new().person(&self.user.name);
        for organization in &self.organizations {
            context = context.organization(&organization.name, organization.slug.as_str());
        }
        match &self.user.email {
            Some(email) => context.address(email),
            None => context,
        }
    }

    fn respond(self, web: &Web, visitor: &Visitor, refusal: Option<Refusal>) -> Response {
        let refused = refusal.is_some() || self.contact.1.is_some();
        let status = if refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let page = SetupPage {
            frame: web.frame(&self.tx_query),
            csrf: web.csrf(visitor),
            tx_query: self.tx_query,
            origin: self.origin,
            client: self.client,
            organizations: self.organizations.into_iter().map(|o| o.name).collect(),
            replaces: self.replaces,
            person_id: self.user.id.to_string(),
            sign_in_address: self.sign_in_address.map(|address| address.to_string()).unwrap_or_default(),
            minimum: self.policy.min,
            maximum: self.policy.max,
            refusal,
            ask_contact_email: true,
            contact_email: self.contact.0,
            contact_error: self.contact.1,
        };
        Page::with_status(status, page).into_response()
    }
}
