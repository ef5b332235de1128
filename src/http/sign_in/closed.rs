//! What somebody sees whose sign-in opens nothing that was asked for: why, and which other way there is.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::finish::{Finish, is_unconfirmed_lately};
use super::transaction::Transaction;
use crate::domain::access::{Closed, oversees};
use crate::domain::authorize::{OAuthCode, OAuthError};
use crate::domain::client::Client;
use crate::domain::organization::LoginMethod;
use crate::domain::user::User;
use crate::http::error::PageError;
use crate::http::oidc::redirect::Back;
use crate::http::pages::sign_in::NoLongerOpensPage;
use crate::http::pages::{Page, when};
use crate::http::web::{Visitor, Web};
use crate::services::access::Judged;
use crate::services::sessions::Current;

impl Finish {
    pub(super) async fn closed(
        &self,
        web: &Web,
        visitor: &Visitor,
        current: &Current,
        transaction: &Transaction,
        judged: &[Judged],
    ) -> Result<Response, PageError> {
        let left = judged
            .iter()
            .find(|j| j.verdict == Err(Closed::OtherMethod) && j.organization.login_method == LoginMethod::Password);
        let mail_address = self.directory.mail_address(&current.user).await?;
        match left {
            Some(left) if mail_address.is_none() => {
                let page = no_address(&left.organization.name, &transaction.query());
                Err(match switch(judged, current) {
                    Some(url) => page.action("Look at the switch", url),
                    None => page,
                })
            }
            Some(left) => self.no_longer_opens(web, visitor, current, transaction, (left, judged)).await,
            None => self.denied(web, transaction, judged),
        }
    }

    /// Fly.io proved the person, but the organization has left it.
    async fn no_longer_opens(
        &self,
        web: &Web,
        visitor: &Visitor,
        current: &Current,
        transaction: &Transaction,
        (left, judged): (&Judged, &[Judged]),
    ) -> Result<Response, PageError> {
        let tx_query = transaction.query();
        let now = web.clock.now();
        let unconfirmed =
            judged.iter().filter(|j| is_unconfirmed_lately(j, now)).map(|j| j.organization.name.clone());
        let has_password = self.has_password(current).await?;
        let fresh = current.session.value.is_fresh(web.sessions.rules(), web.clock.now());
        let client = self.client_of(transaction);
        let mail = self.directory.mail_address(&current.user).await?;
        let named = self.directory.sign_in_address(&current.user).await?;
        let page = NoLongerOpensPage {
            switch: switch(judged, current),
            frame: web.frame(&tx_query),
            csrf: web.csrf(visitor),
            client: client.as_ref().map(|client| client.name.clone()),
            organization: left.organization.name.clone(),
            unconfirmed: unconfirmed.collect(),
            since: left.organization.changed.as_ref().map(|c| when::day(c.at)).unwrap_or_default(),
            email: mail.map(|address| address.to_string()).unwrap_or_default(),
            sign_in_address: named.map(|address| address.to_string()).unwrap_or_default(),
            link_lasts: web.link_lasts(),
            set_password_now: fresh && !has_password && current.proof().method == LoginMethod::Fly,
            all_ways: Some(format!("/sign-in{tx_query}&all=1")),
            tx_query,
        };
        Ok(Page::with_status(StatusCode::FORBIDDEN, page).into_response())
    }

    /// The person may not go on, and it is not because the organization left Fly.io.
    fn denied(&self, web: &Web, transaction: &Transaction, judged: &[Judged]) -> Result<Response, PageError> {
        let Explained { title, message, by_fly } = explain(judged, transaction.organization().is_some());
        let error = OAuthError::new(OAuthCode::AccessDenied, "the person may not enter").because(title);
        if let Some(response) = self.tell(web, transaction, &error) {
            return Ok(response);
        }
        let query = transaction.query();
        let page = PageError::new(StatusCode::FORBIDDEN, title, message).error(error);
        let another = format!("/sign-in{query}&all=1");
        Err(if by_fly {
            // A link would set a password, which opens nothing here.
            page.action("Continue with Fly.io", format!("/sign-in/fly{query}")).action("Sign in another way", another)
        } else {
            page.action("Sign in another way", another).action("Send me a link", format!("/forgot{query}"))
        })
    }
}

/// The page of the switch of the first organization that left and that the person may look after as they are.
fn switch(judged: &[Judged], current: &Current) -> Option<String> {
    let mut closed = judged.iter().filter(|j| j.verdict == Err(Closed::OtherMethod));
    let overseen = closed.find(|j| oversees(&j.organization, j.member.as_ref(), current.proof()).is_ok())?;
    let run = overseen.organization.run.as_ref()?;
    Some(format!("/organizations/{}/auth/disable/{run}", overseen.organization.slug))
}

/// A password needs an address to sign in with: without one it would be a dead end. `tx_query` is `?tx=<id>` inside a
/// sign-in, which goes on with "Start again".
#[must_use]
pub fn no_address(organization: &str, tx_query: &str) -> PageError {
    let message = format!(
        "{organization} signs in with email and password now, and Fly.io gave us no email address for you, and you \
         have none of your own here. Nothing is lost: set an address at Fly.io and continue with Fly.io here once more, or \
         give one of your own on the page of your account and open the link that we mail there. Then set your password."
    );
    PageError::new(StatusCode::FORBIDDEN, "Fly.io gave us no address for you", message)
        .action("Start again", format!("/sign-in{tx_query}"))
        .action("Give an address of your own", "/account")
}

/// Whether the application gets the claims it cannot do without.
#[must_use]
pub fn has_what_it_needs(client: &Client, user: &User) -> bool {
    user.email.is_some() || !client.needs_email()
}

/// A person without an address would only see an error page of the application.
pub(super) fn check_email(client: &Client, current: &Current, tx_query: &str) -> Result<(), PageError> {
    if has_what_it_needs(client, &current.user) {
        return Ok(());
    }
    let message = format!(
        "Fly.io gave us no email address for you, and {} cannot sign anybody in without one. Set an address at \
         Fly.io, then start again.",
        client.name
    );
    Err(PageError::new(StatusCode::FORBIDDEN, "Fly.io gave us no address for you", message)
        .action("Start again", format!("/sign-in{tx_query}")))
}

/// Somebody else has signed in than the client asks for (OIDC Core, sections 3.1.2.1 and 3.1.2.2).
pub(super) fn other_person(back: &Back<'_>, tx_query: &str) -> Result<Response, PageError> {
    let error = OAuthError::new(OAuthCode::LoginRequired, "another person signed in than the one asked for")
        .about("id_token_hint")
        .because("an id_token_hint, or claims with a value for sub, names somebody else");
    if !back.client.denials_on_own_page {
        return Ok(back.error(&error));
    }
    let message = format!(
        "{} asks for another person than the one who has signed in here. Sign in as the person it asks for, or go back \
         there and start again.",
        back.client.name
    );
    Err(PageError::new(StatusCode::FORBIDDEN, "Somebody else was asked for", message)
        .error(error)
        .action("Sign in as somebody else", format!("/sign-in{tx_query}&all=1")))
}

/// The person has signed in by `method`, and the client insists on another, which is a failed sign-in (OIDC Core,
/// section 5.5.1.1). `wanted`: the one it accepts, if it is one of ours.
pub(super) fn other_method(
    back: &Back<'_>,
    method: LoginMethod,
    wanted: Option<LoginMethod>,
    tx_query: &str,
) -> Result<Response, PageError> {
    let error = OAuthError::new(OAuthCode::AccessDenied, "the person did not sign in in a way that is asked for")
        .about("claims")
        .because("it makes an acr essential that this sign-in does not have");
    let client = back.client;
    if !client.denials_on_own_page {
        return Ok(back.error(&error));
    }
    let Some(wanted) = wanted.map(LoginMethod::words) else {
        let message = "It insists on a way of signing in that we do not have.";
        return Err(PageError::client(Some(client), message, error));
    };
    let message = format!("You signed in with {}, and {} insists on {wanted}.", method.words(), client.name);
    Err(PageError::new(StatusCode::FORBIDDEN, "Another way of signing in is asked for", message)
        .error(error)
        .action(&format!("Sign in with {wanted}"), format!("/sign-in{tx_query}&all=1")))
}

/// Why the person may not go on.
struct Explained {
    title: &'static str,
    message: String,
    /// Fly.io is the way on.
    by_fly: bool,
}

fn explain(judged: &[Judged], named: bool) -> Explained {
    let because = |title, message: String, by_fly| Explained { title, message, by_fly };
    let find = |closed: Closed| judged.iter().find(|j| j.verdict == Err(closed)).map(|j| &j.organization.name);
    if let Some(name) = find(Closed::OtherMethod) {
        let message = format!(
            "{name} signs in with Fly.io, so your password does not open it. Your password is kept. Continue with Fly.io."
        );
        return because("Your password does not open this organization", message, true);
    }
    if let Some(name) = find(Closed::NotConfirmed) {
        let message = format!(
            "Fly.io did not name {name} among your organizations. Either you were removed there, or Fly.io wants you \
             to sign in to it with Google or GitHub first. Do that at Fly.io, then continue with Fly.io here."
        );
        return because("Fly.io did not confirm that you belong to this organization", message, true);
    }
    if let Some(name) = find(Closed::LeftOut) {
        let message = format!(
            "{name} left you out when it left Fly.io, so nothing you prove here opens it. If that is a mistake, ask one of \
             its admins to let you in."
        );
        return because("You were left out of this organization", message, false);
    }
    if let Some(name) = find(Closed::TooOld) {
        let message = format!("{name} changed how its members sign in since you last did. Sign in once more.");
        return because("Your sign-in is too old for this organization", message, false);
    }
    if named {
        let message = "You are signed in, but you do not belong to the organization that was asked for. Ask one of its \
                       admins to add you, or go back and choose another organization.";
        return because("Not your organization", message.to_owned(), false);
    }
    let message =
        "You are signed in, but you do not belong to an organization that uses Sentry through Fly.io. Ask an \
                   admin of your organization to add you, then start again."
            .to_owned();
    because("No organization to open", message, false)
}
