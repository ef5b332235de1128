//! An organization's pages, for its admins.

pub mod audit;
pub mod auth;
pub mod disable;
pub mod enable;
pub mod events;
pub mod export;
pub mod follow;
pub mod ledger;
pub mod listing;
pub mod members;
pub mod pace;
pub mod resent;
pub mod run;
pub mod view;

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::sync::{Semaphore, watch};

use super::error::PageError;
use super::oidc::redirect::see_other;
use super::pages::{OrganizationFrame, Section};
use super::sign_in::transaction::{Errand, Transaction, Transactions};
use super::web::{Visitor, Web};
use crate::domain::access::{Closed, opens, oversees};
use crate::domain::disable::Run;
use crate::domain::ids::{RunId, Slug};
use crate::domain::member::{Member, Role};
use crate::domain::organization::{Actor, LoginMethod, Organization};
use crate::services::clients::Clients;
use crate::services::directory::Directory;
use crate::services::disable::Disable;
use crate::services::disable::click::Clicked;
use crate::services::limits::Limits;
use crate::services::sessions::Current;
use crate::services::upstream_tokens::UpstreamTokens;
use crate::store::{Store, keys};

/// Event streams at once; whoever comes later has a page without live numbers.
pub const MAX_STREAMS: usize = 200;

/// What the handlers work with.
pub struct Admin {
    pub store: Store,
    pub directory: Arc<Directory>,
    pub disable: Arc<Disable>,
    pub upstream: Arc<UpstreamTokens>,
    pub limits: Arc<Limits>,
    /// Mails a second, for estimates.
    pub rate: u32,
    /// The plan is bought at the client with a home.
    pub clients: Arc<Clients>,
    /// Room for event streams: [`MAX_STREAMS`].
    pub streams: Arc<Semaphore>,
    /// Becomes true when the program stops, which ends event streams.
    pub stopping: watch::Receiver<bool>,
}

/// Which pages somebody wants to enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Settings: proven by the current login method.
    Settings,
    /// A run, and turning Fly.io on again: a sign-in at Fly.io does as well.
    Oversight,
}

/// An admin who may be in the room: the proof that was asked for.
pub struct Entered {
    pub current: Current,
    pub organization: Organization,
    pub member: Member,
}

/// Not let in: a way to sign in, or a page that says why.
pub enum NotEntered {
    SignIn(Box<Response>),
    Refused(PageError),
}

impl IntoResponse for NotEntered {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn(response) => *response,
            Self::Refused(error) => error.into_response(),
        }
    }
}

impl<E: Into<PageError>> From<E> for NotEntered {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

impl Admin {
    /// Lets an admin of the organization in. `path` is where a sign-in leads back to.
    pub async fn enter(
        &self,
        web: &Web,
        visitor: &Visitor,
        slug: &str,
        path: &str,
        room: Room,
    ) -> Result<Entered, NotEntered> {
        let Some(current) = web.session(visitor).await? else { return Err(sign_in(web, visitor, path, false)?) };
        // Somebody from elsewhere learns nothing of which organizations there are.
        let slug: Slug = slug.parse().map_err(|_| no_such())?;
        let organization = self.directory.organization_by_slug(&slug).await?.ok_or_else(no_such)?.value;
        let member = self.directory.member(&organization.id, &current.user.id).await?;
        let member = member.ok_or_else(no_such)?.value;
        let verdict = match room {
            Room::Settings => opens(&organization, Some(&member), current.proof()).and_then(|role| match role {
                Role::Admin => Ok(()),
                Role::Member => Err(Closed::NotMember),
            }),
            Room::Oversight => oversees(&organization, Some(&member), current.proof()),
        };
        match verdict {
            Ok(()) => Ok(Entered { current, organization, member }),
            Err(Closed::NotMember) => Err(self.only_admins(&organization).into()),
            Err(Closed::LeftOut) => Err(left_out(&organization).into()),
            // Another sign-in would end here again.
            Err(Closed::NotConfirmed) if current.session.value.is_fresh(web.sessions.rules(), web.clock.now()) => {
                Err(not_confirmed(&organization).into())
            }
            // Nor would this one, however they prove themselves.
            Err(_) if member.role == Role::Member => Err(self.only_admins(&organization).into()),
            Err(Closed::OtherMethod) if organization.login_method == LoginMethod::Password => {
                Err(self.needs_password(web, visitor, &current, &organization, path).await?)
            }
            Err(Closed::OtherMethod | Closed::TooOld | Closed::NotConfirmed) => {
                Err(sign_in(web, visitor, path, false)?)
            }
        }
    }

    /// For an admin whom Fly.io has proven, at a page that opens by password since the organization left.
    async fn needs_password(
        &self,
        web: &Web,
        visitor: &Visitor,
        current: &Current,
        organization: &Organization,
        path: &str,
    ) -> Result<NotEntered, PageError> {
        let errand = Errand::Page { path: path.to_owned(), again: false };
        let transaction = Transaction::begin(errand, web.clock.now(), &*web.random);
        let query = transaction.query();
        let has_password = self.store.read(&keys::credential(&current.user.id)).await?.is_some();
        let fresh = current.session.value.is_fresh(web.sessions.rules(), web.clock.now());
        let message = format!(
            "{} signs in with email and password now, and this page opens for an admin who has signed in that way. You \
             are signed in with Fly.io, which still opens the page of the switch and lets you turn Fly.io on again.",
            organization.name
        );
        let page = PageError::new(StatusCode::FORBIDDEN, "Fly.io no longer opens this page", message);
        let page = match (has_password, fresh) {
            (true, _) => page.action("Sign in with your password", format!("/sign-in{query}")),
            (false, true) => page.action("Set a password now", format!("/set-up/now{query}")),
            (false, false) => page
                .action("Continue with Fly.io and set a password", format!("/sign-in/fly{query}"))
                .action("Send me a link", format!("/forgot{query}")),
        };
        let page = match &organization.run {
            Some(run) => {
                page.action("Look at the switch", format!("/organizations/{}/auth/disable/{run}", organization.slug))
            }
            None => page,
        };
        let mut response = page.into_response();
        Transactions::new(web).keep(&transaction, visitor, &mut response)?;
        Ok(NotEntered::SignIn(Box::new(response)))
    }

    /// The way on for somebody who has no business here, in words: `/go` leads to the application that people start at.
    #[must_use]
    pub fn onward(&self) -> String {
        self.clients.with_home().map_or_else(|| "Go on".to_owned(), |client| format!("Go on to {}", client.name))
    }

    fn only_admins(&self, organization: &Organization) -> PageError {
        let name = &organization.name;
        let message = format!("Only admins of {name} may open this page, and you are a member. Ask one of them.");
        if organization.login_method != LoginMethod::Fly {
            return PageError::new(StatusCode::FORBIDDEN, "For admins", message).action(&self.onward(), "/go");
        }
        // The role is Fly.io's to tell, and is read at each sign-in there.
        let message = format!("{message} Has your role changed at Fly.io? Then sign in once more.");
        PageError::new(StatusCode::FORBIDDEN, "For admins", message)
            .action(&self.onward(), "/go")
            .action("Sign in again", "/sign-in")
    }

    /// The run that an address names, with what an admin of another organization would see of it: nothing.
    async fn run_of(&self, entered: &Entered, run: &str) -> Result<Run, NotEntered> {
        let found = match run.parse::<RunId>() {
            Ok(id) => self.disable.run(&entered.organization.id, &id).await?,
            Err(_) => None,
        };
        Ok(found.ok_or_else(|| no_such_run(entered))?.value)
    }

    /// Sends the admin to a fresh sign-in when theirs is older than the few minutes a change of authentication allows.
    pub fn require_fresh(
        &self,
        web: &Web,
        visitor: &Visitor,
        entered: &Entered,
        path: &str,
    ) -> Result<(), NotEntered> {
        if entered.current.session.value.is_fresh(web.sessions.rules(), web.clock.now()) {
            return Ok(());
        }
        Err(sign_in(web, visitor, path, true)?)
    }
}

/// To the sign-in page, and afterwards to `path`.
fn sign_in(web: &Web, visitor: &Visitor, path: &str, again: bool) -> Result<NotEntered, PageError> {
    let errand = Errand::Page { path: path.to_owned(), again };
    let transaction = Transaction::begin(errand, web.clock.now(), &*web.random);
    let mut response = see_other(&format!("/sign-in{}", transaction.query()));
    Transactions::new(web).keep(&transaction, visitor, &mut response)?;
    Ok(NotEntered::SignIn(Box::new(response)))
}

fn no_such() -> PageError {
    let message = "Either there is no organization by this short name here, or you do not belong to it. Look at the \
                   address, or sign in as somebody who does.";
    PageError::new(StatusCode::NOT_FOUND, "No such organization", message)
        .action("Sign in", "/sign-in")
        .action("Sign out", "/sign-out")
}

fn no_such_run(entered: &Entered) -> PageError {
    let message = "There is no switch of this organization at this address. If a link brought you here, it may be \
                   incomplete.";
    PageError::new(StatusCode::NOT_FOUND, "No such run", message)
        .action("Look at the sign-in settings", entered.path("auth"))
}

/// Where a sign-in leads back to: a page of the organization. Only names that can be one are put into an address.
fn page_path(slug: &str, page: &str) -> String {
    match slug.parse::<Slug>() {
        Ok(slug) => format!("/organizations/{slug}/{page}"),
        Err(_) => "/go".to_owned(),
    }
}

/// The page of a run; the sign-in settings when the text cannot be the id of one.
fn run_path(slug: &str, run: &str) -> String {
    match run.parse::<RunId>() {
        Ok(run) => page_path(slug, &format!("auth/disable/{run}")),
        Err(_) => page_path(slug, "auth"),
    }
}

fn left_out(organization: &Organization) -> PageError {
    let name = &organization.name;
    let message =
        format!("{name} left you out when it left Fly.io. If that is a mistake, ask another admin to let you in.");
    PageError::new(StatusCode::FORBIDDEN, "You were left out of this organization", message)
        .action("Sign out", "/sign-out")
}

fn not_confirmed(organization: &Organization) -> PageError {
    let name = &organization.name;
    let message = format!(
        "Fly.io did not name {name} among your organizations. Either you were removed there, or Fly.io wants you to sign \
         in to it with Google or GitHub first. Do that at Fly.io, then sign in here once more."
    );
    PageError::new(StatusCode::FORBIDDEN, "Fly.io did not confirm that you belong to this organization", message)
        .action("Sign in", "/sign-in")
}

impl Entered {
    /// A page of the organization.
    #[must_use]
    pub fn path(&self, page: &str) -> String {
        format!("/organizations/{}/{page}", self.organization.slug)
    }

    #[must_use]
    pub fn frame(&self, web: &Web, section: Section) -> OrganizationFrame {
        let slug = self.organization.slug.to_string();
        OrganizationFrame {
            demo: web.demo,
            home: self.path("auth"),
            name: self.organization.name.clone(),
            slug,
            section,
            person: self.current.user.name.clone(),
            role: self.member.role.as_str().to_owned(),
        }
    }

    /// Who acts, for the audit log.
    #[must_use]
    pub fn clicked(&self, visitor: &Visitor) -> Clicked {
        let by = Actor { user: Some(self.current.user.id.clone()), name: self.current.user.name.clone() };
        Clicked { by, from: Some(visitor.address.clone()) }
    }
}
