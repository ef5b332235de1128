//! What follows a sign-in: the code for the client, our own page, or the page that says what to do instead.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::transaction::{Errand, Pending, Transaction, Transactions};
use crate::domain::access::{Closed, Proof, SeenOrganization};
use crate::domain::authorize::{OAuthCode, OAuthError};
use crate::domain::client::Client;
use crate::domain::ids::OrganizationId;
use crate::domain::organization::LoginMethod;
use crate::http::error::PageError;
use crate::http::oidc::Clients;
use crate::http::oidc::redirect::{Back, see_other};
use crate::http::pages::sign_in::NoLongerOpensPage;
use crate::http::pages::{Page, when};
use crate::http::security_headers::FormTargets;
use crate::http::web::{Visitor, Web};
use crate::services::access::{Judged, judge};
use crate::services::directory::Directory;
use crate::services::grants::{Grants, NewGrant};
use crate::services::sessions::Current;
use crate::store::records::Stored;
use crate::store::{Store, StoreError, keys};

/// Whether a session was enough for a pending request.
pub enum Outcome {
    /// It was: the answer to the client.
    Code(Response),
    /// It opens nothing that was asked for.
    Closed(Vec<Judged>),
}

pub struct Finish {
    pub store: Store,
    pub clients: Arc<Clients>,
    pub directory: Arc<Directory>,
    pub grants: Arc<Grants>,
}

impl Finish {
    /// Issues the code for `pending` if the session opens what it asks for.
    pub async fn code(&self, web: &Web, current: &Current, pending: &Pending) -> Result<Outcome, PageError> {
        let client = self.clients.get(pending.client.as_str()).ok_or_else(PageError::stale_transaction)?;
        let redirect = client.verify_redirect(&pending.redirect_uri).ok_or_else(PageError::stale_transaction)?;
        check_email(&client, current)?;
        let named = self.named(pending.request.organization.as_deref()).await?;
        let judged = self.judge(current, named.as_ref()).await?;
        let opened: Vec<SeenOrganization> = (judged.iter())
            .filter(|j| j.verdict.is_ok())
            .map(|j| SeenOrganization { id: j.organization.id.clone(), generation: j.organization.generation })
            .collect();
        if opened.is_empty() {
            return Ok(Outcome::Closed(judged));
        }
        let back = Back { redirect: &redirect, state: pending.state.as_deref(), issuer: &web.issuer };
        if pending.hinted.as_ref().is_some_and(|hinted| *hinted != current.user.id) {
            // OIDC Core, section 3.1.2.1: an error when somebody else signs in than the hint says.
            let error = OAuthError::new(OAuthCode::LoginRequired, "another person signed in than the one hinted at");
            return Ok(Outcome::Code(back.error(&error)));
        }
        let proof = Proof { organizations: opened, ..current.proof().clone() };
        let user = &current.user.id;
        let new = NewGrant { client: &client, redirect: &redirect, request: &pending.request, user, proof, named };
        let code = self.grants.issue_code(new).await?;
        Ok(Outcome::Code(back.code(&code)))
    }

    /// The organization that a client names. An unknown name is kept as something that opens nothing.
    async fn named(&self, name: Option<&str>) -> Result<Option<OrganizationId>, StoreError> {
        let Some(name) = name else { return Ok(None) };
        let found = self.directory.organization_named(name).await?;
        let nowhere = || "unknown".parse().ok();
        Ok(found.map(|entry| entry.value.id).or_else(nowhere))
    }

    async fn judge(&self, current: &Current, named: Option<&OrganizationId>) -> Result<Vec<Judged>, StoreError> {
        let mut wanted: Vec<OrganizationId> = match named {
            Some(id) => vec![id.clone()],
            None => current.user.organizations.clone(),
        };
        wanted.dedup();
        judge(&self.store, &current.user.id, current.proof(), &wanted).await
    }

    /// Ends a transaction after a sign-in.
    pub async fn transaction(
        &self,
        web: &Web,
        visitor: &Visitor,
        current: &Current,
        transaction: &Transaction,
    ) -> Result<Response, PageError> {
        let mut response = match &transaction.errand {
            Errand::Page { path, .. } => see_other(path),
            Errand::Authorize(pending) => match self.code(web, current, pending).await? {
                Outcome::Code(response) => response,
                // The transaction lives on: the page offers other ways in.
                Outcome::Closed(judged) => return self.closed(web, visitor, current, transaction, &judged).await,
            },
        };
        Transactions::new(web).drop(&transaction.id, &mut response);
        Ok(response)
    }

    async fn closed(
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
        match left {
            Some(left) => self.no_longer_opens(web, visitor, current, transaction, left).await,
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
        left: &Judged,
    ) -> Result<Response, PageError> {
        let tx_query = transaction.query();
        let has_password = self.has_password(current).await?;
        let fresh = current.session.value.is_fresh(web.sessions.rules(), web.clock.now());
        let client = self.client_of(transaction);
        let page = NoLongerOpensPage {
            frame: web.frame(&tx_query),
            csrf: web.csrf(visitor),
            client: client.as_ref().map(|client| client.name.clone()),
            organization: left.organization.name.clone(),
            since: left.organization.changed.as_ref().map(|c| when::day(c.at)).unwrap_or_default(),
            email: current.user.email.clone().unwrap_or_default(),
            set_password_now: fresh && !has_password && current.proof().method == LoginMethod::Fly,
            all_ways: Some(format!("/sign-in{tx_query}&all=1")),
            tx_query,
        };
        let mut response = Page::with_status(StatusCode::FORBIDDEN, page).into_response();
        let back = transaction.pending().map(|pending| pending.redirect_uri.as_str());
        response.extensions_mut().insert(FormTargets::of(back));
        Ok(response)
    }

    async fn has_password(&self, current: &Current) -> Result<bool, StoreError> {
        Ok(self.store.read(&keys::credential(&current.user.id)).await?.is_some())
    }

    /// The person may not go on, and it is not because the organization left Fly.io.
    fn denied(&self, web: &Web, transaction: &Transaction, judged: &[Judged]) -> Result<Response, PageError> {
        let (title, message) = explain(judged, transaction.organization().is_some());
        let client = self.client_of(transaction);
        if let (Some(client), Some(pending)) = (&client, transaction.pending())
            && !client.denials_on_own_page
            && let Some(redirect) = client.verify_redirect(&pending.redirect_uri)
        {
            let back = Back { redirect: &redirect, state: pending.state.as_deref(), issuer: &web.issuer };
            let mut response = back.error(&OAuthError::new(OAuthCode::AccessDenied, "the person may not enter"));
            Transactions::new(web).drop(&transaction.id, &mut response);
            return Ok(response);
        }
        let query = transaction.query();
        Err(PageError::new(StatusCode::FORBIDDEN, title, message)
            .action("Sign in another way", format!("/sign-in{query}&all=1"))
            .action("Send me a link", format!("/forgot{query}")))
    }

    #[must_use]
    pub fn client_of(&self, transaction: &Transaction) -> Option<Arc<Client>> {
        transaction.pending().and_then(|pending| self.clients.get(pending.client.as_str()))
    }

    /// Uses up the state of a trip to Fly.io. `false`: it came back before.
    pub async fn use_state(&self, state: &str) -> Result<bool, StoreError> {
        let hash = crate::domain::secret::TokenHash::of(state.as_bytes()).to_text();
        let key = keys::used_state::<UsedState>(&hash);
        let mut txn = self.store.txn(key.key().partition().clone());
        let until = txn.now().plus(std::time::Duration::from_hours(1));
        txn.check_absent(key.key().clone()).put_until(&key, &UsedState {}, until)?;
        Ok(self.store.commit(txn).await? == crate::store::Outcome::Committed)
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct UsedState {}

impl Stored for UsedState {}

/// A person without an address would only see an error page of the application.
fn check_email(client: &Client, current: &Current) -> Result<(), PageError> {
    if current.user.email.is_some() || !client.needs_email() {
        return Ok(());
    }
    let message = format!(
        "Fly.io gave us no email address for you, and {} cannot sign anybody in without one. Look after your address at \
         Fly.io, then start again.",
        client.name
    );
    Err(PageError::new(StatusCode::FORBIDDEN, "Fly.io gave us no address for you", message)
        .action("Start again", "/sign-in"))
}

fn explain(judged: &[Judged], named: bool) -> (&'static str, String) {
    let find = |closed: Closed| judged.iter().find(|j| j.verdict == Err(closed)).map(|j| &j.organization.name);
    if let Some(name) = find(Closed::OtherMethod) {
        let message = format!(
            "{name} signs in with Fly.io, so your password does not open it. Your password is kept. Continue with Fly.io."
        );
        return ("Your password does not open this organization", message);
    }
    if let Some(name) = find(Closed::NotConfirmed) {
        let message = format!(
            "Fly.io did not name {name} among your organizations. Either you were removed there, or Fly.io wants you \
             to sign in to it with Google or GitHub first. Do that at Fly.io, then continue with Fly.io here."
        );
        return ("Fly.io did not confirm that you belong to this organization", message);
    }
    if let Some(name) = find(Closed::TooOld) {
        let message = format!("{name} changed how its members sign in since you last did. Sign in once more.");
        return ("Your sign-in is too old for this organization", message);
    }
    if named {
        let message = "You are signed in, but you do not belong to the organization that was asked for. Ask one of its \
                       admins to add you, or go back and choose another organization.";
        return ("Not your organization", message.to_owned());
    }
    let message =
        "You are signed in, but you do not belong to an organization that uses Sentry through Fly.io. Ask an \
                   admin of your organization to add you, then start again."
            .to_owned();
    ("No organization to open", message)
}
