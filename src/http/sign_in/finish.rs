//! What follows a sign-in: the code for the client, our own page, or the page that says what to do instead.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;

use super::closed::{check_email, has_what_it_needs, other_method, other_person};
use super::consent::{self, Question};
use super::next;
use super::transaction::{Errand, Pending, Transaction, Transactions};
use crate::clock::Timestamp;
use crate::domain::access::{Closed, Proof, SeenOrganization};
use crate::domain::authorize::OAuthError;
use crate::domain::client::Client;
use crate::domain::ids::OrganizationId;
use crate::domain::requested_claims::Demands;
use crate::http::error::PageError;
use crate::http::oidc::redirect::see_other;
use crate::http::web::{Visitor, Web};
use crate::services::access::{Judged, judge};
use crate::services::clients::Clients;
use crate::services::consents::Consents;
use crate::services::directory::{Directory, Refusal};
use crate::services::grants::{Grants, NewGrant};
use crate::services::sessions::Current;
use crate::store::records::Stored;
use crate::store::{Store, StoreError, keys};

/// Whether a session was enough for a pending request.
pub enum Outcome {
    /// It was: the answer to the client.
    Code(Response),
    /// It opens some of the person's organizations, others open in another way, and nobody has said which is wanted.
    Choose(Vec<Judged>),
    /// It opens nothing that was asked for.
    Closed(Vec<Judged>),
    /// The person has to be asked what they allow the client.
    Ask(Question),
}

/// Whether the person may still be asked which of their organizations is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    Open,
    /// They have said it: what the session opens is what the client gets.
    Made,
}

/// What the person has said about a request beside who they are.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    pub choice: Choice,
    /// That they allow what a page told them ([`Question::told`]).
    pub allowed: Option<&'a str>,
}

impl From<Choice> for Said<'_> {
    fn from(choice: Choice) -> Self {
        Self { choice, allowed: None }
    }
}

pub struct Finish {
    pub store: Store,
    pub clients: Arc<Clients>,
    pub directory: Arc<Directory>,
    pub grants: Arc<Grants>,
    pub consents: Arc<Consents>,
}

impl Finish {
    /// Issues the code for `pending` if the session opens what it asks for. `tx_query` is `?tx=<id>` inside a sign-in.
    pub async fn code(
        &self,
        web: &Web,
        current: &Current,
        pending: &Pending,
        said: Said<'_>,
        tx_query: &str,
    ) -> Result<Outcome, PageError> {
        let client = self.clients.get(pending.client.as_str()).ok_or_else(PageError::stale_transaction)?;
        let redirect = client.verify_redirect(&pending.redirect_uri).ok_or_else(PageError::stale_transaction)?;
        check_email(&client, current, tx_query)?;
        let named = self.named(pending.request.organization.as_deref()).await?;
        let judged = self.judge(current, named.as_ref()).await?;
        let opened: Vec<SeenOrganization> = (judged.iter())
            .filter(|j| j.verdict.is_ok())
            .map(|j| SeenOrganization { id: j.organization.id.clone(), generation: j.organization.generation })
            .collect();
        if opened.is_empty() {
            return Ok(Outcome::Closed(judged));
        }
        let back = pending.back(web, &client, &redirect);
        if !pending.is_for(&current.user.id) {
            return other_person(&back, tx_query).map(Outcome::Code);
        }
        let (demands, method) = (&pending.request.demands, current.proof().method);
        if !demands.accept(method) {
            return other_method(&back, method, demands.instead_of(method), tx_query).map(Outcome::Code);
        }
        if said.choice == Choice::Open
            && named.is_none()
            && judged.iter().any(|j| may_be_wanted(j, demands, self.store.now()))
        {
            return Ok(Outcome::Choose(judged));
        }
        let consent = match self.consent(current, (&client, pending), &judged, said.allowed).await? {
            Ok(consent) => consent,
            Err(question) => return Ok(Outcome::Ask(question)),
        };
        let proof = Proof { organizations: opened, ..current.proof().clone() };
        if client.backchannel_logout_uri.is_some() && !web.sessions.note_client(current, &client.id).await? {
            return Err(PageError::stale_transaction().detail("the session ended while the code was being made"));
        }
        let (user, session) = (&current.user.id, &current.session.value);
        let (client, redirect, request) = (&client, &redirect, &pending.request);
        let new = NewGrant { client, redirect, request, user, session, proof, named, consent };
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
        judge((&self.store, current.along.clone()), &current.user.id, current.proof(), &wanted).await
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
            Errand::Authorize(_) if !self.is_complete(current, transaction) => {
                return Self::go_on(web, visitor, transaction, &next::path(transaction));
            }
            Errand::Authorize(pending) => {
                let said = transaction.choice(current.proof().method).into();
                match self.code(web, current, pending, said, &transaction.query()).await? {
                    Outcome::Code(response) => response,
                    Outcome::Choose(_) => {
                        return Self::go_on(web, visitor, transaction, &next::path(transaction));
                    }
                    Outcome::Ask(_) => {
                        return Self::go_on(web, visitor, transaction, &consent::path(transaction));
                    }
                    Outcome::Closed(judged) => {
                        self.note_closed(visitor, current, &judged).await?;
                        return Self::go_on(web, visitor, transaction, &next::path(transaction));
                    }
                }
            }
        };
        Transactions::new(web).drop(&transaction.id, &mut response);
        Ok(response)
    }

    /// The transaction lives on, on a page that can be loaded again, which Fly.io's callback cannot.
    fn go_on(web: &Web, visitor: &Visitor, transaction: &Transaction, path: &str) -> Result<Response, PageError> {
        let mut response = see_other(path);
        let signed_in = Transaction { signed_in: true, ..transaction.clone() };
        Transactions::new(web).keep(&signed_in, visitor, &mut response)?;
        Ok(response)
    }

    /// Tells the organizations of the person that a sign-in just proven did not open them.
    async fn note_closed(&self, visitor: &Visitor, current: &Current, judged: &[Judged]) -> Result<(), StoreError> {
        let what = format!("signed in with {}", current.proof().method.words());
        for judged in judged {
            let Err(closed) = judged.verdict else { continue };
            let refusal = Refusal { closed, what: &what, from: Some(&visitor.address) };
            self.directory.note_refusal(&current.user, &judged.organization.id, refusal).await?;
        }
        Ok(())
    }

    /// Whether the client gets what it cannot do without.
    fn is_complete(&self, current: &Current, transaction: &Transaction) -> bool {
        self.client_of(transaction).is_none_or(|client| has_what_it_needs(&client, &current.user))
    }

    /// Whether the person could sign in with a password.
    pub(super) async fn has_password(&self, current: &Current) -> Result<bool, StoreError> {
        Ok(self.store.read(&keys::credential(&current.user.id)).await?.is_some())
    }

    /// Tells the client why the person does not come back signed in, and ends the transaction; None for a client whose
    /// denials stay on our own page, and where there is none.
    pub(super) fn tell(&self, web: &Web, transaction: &Transaction, error: &OAuthError) -> Option<Response> {
        let pending = transaction.pending()?;
        let client = self.client_of(transaction).filter(|client| !client.denials_on_own_page)?;
        let redirect = client.verify_redirect(&pending.redirect_uri)?;
        let mut response = pending.back(web, &client, &redirect).error(error);
        Transactions::new(web).drop(&transaction.id, &mut response);
        Some(response)
    }

    /// What [`Finish::tell`] says of trouble that is neither the person's nor the client's; any other page stays.
    pub(super) fn tell_trouble(
        &self,
        web: &Web,
        transaction: &Transaction,
        page: PageError,
    ) -> Result<Response, PageError> {
        match page.as_trouble().and_then(|error| self.tell(web, transaction, &error)) {
            Some(told) => Ok(told),
            None => Err(page),
        }
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
        let until = txn.now().plus(Duration::from_hours(1));
        txn.check_absent(key.key().clone()).put_until(&key, &UsedState {}, until)?;
        Ok(self.store.commit(txn).await? == crate::store::Outcome::Committed)
    }
}

/// Somebody whom Fly.io has not named for longer was removed there, rather than to be proven once more.
const LATELY: Duration = Duration::from_hours(24);

/// A member's organization that this sign-in does not open, and another that the client accepts might. Who goes on
/// without a word ends at an application that says "no access" for as long as the session lasts.
pub(super) fn may_be_wanted(judged: &Judged, demands: &Demands, now: Timestamp) -> bool {
    if !demands.accept(judged.organization.login_method) {
        return false;
    }
    match judged.verdict {
        Err(Closed::OtherMethod | Closed::TooOld) => true,
        Err(Closed::NotConfirmed) => is_unconfirmed_lately(judged, now),
        Ok(_) | Err(Closed::NotMember | Closed::LeftOut) => false,
    }
}

/// Fly.io has only just stopped to name the organization: it may want a sign-in with Google or GitHub first.
pub(super) fn is_unconfirmed_lately(judged: &Judged, now: Timestamp) -> bool {
    let since = judged.member.as_ref().and_then(|member| member.absent_since);
    judged.verdict == Err(Closed::NotConfirmed) && since.is_some_and(|since| now < since.plus(LATELY))
}

#[derive(serde::Serialize, serde::Deserialize)]
struct UsedState {}

impl Stored for UsedState {}
