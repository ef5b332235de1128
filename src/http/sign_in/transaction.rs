//! A sign-in under way. It is kept by the browser alone, sealed in a cookie of its own, so that two tabs never disturb
//! each other and junk requests cost no storage.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::finish::Choice;
use crate::clock::Timestamp;
use crate::domain::access::Proof;
use crate::domain::authorize::{AuthorizationRequest, OAuthCode, OAuthError, Prompt};
use crate::domain::client::{Client, VerifiedRedirect};
use crate::domain::ids::{ClientId, UserId, random_text};
use crate::domain::organization::LoginMethod;
use crate::http::error::PageError;
use crate::http::oidc::redirect::Back;
use crate::http::web::{Visitor, Web};
use crate::random::Random;
use crate::services::vault::Purpose;
use crate::telemetry::name_client;

const PREFIX: &str = "fb_tx_";

/// How long a sign-in may take: people pass through other sign-in pages on the way.
const LIFETIME: Duration = Duration::from_mins(30);

/// Sign-ins a browser has under way at most; the oldest gives way, since all cookies travel in one header.
const AT_ONCE: usize = 6;

/// An authorization request that waits for a sign-in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pending {
    pub client: ClientId,
    pub redirect_uri: String,
    pub state: Option<String>,
    pub request: AuthorizationRequest,
    /// The only person the client wants back, when it said so by an `id_token_hint`.
    pub hinted: Option<UserId>,
}

impl Pending {
    /// Whether the client would take this person back.
    #[must_use]
    pub fn is_for(&self, person: &UserId) -> bool {
        let named = [self.hinted.as_ref(), self.request.demands.sub.as_ref()];
        named.into_iter().flatten().all(|named| named == person)
    }

    /// The way back to the client, whose redirect URI has been verified once more.
    #[must_use]
    pub fn back<'a>(&'a self, web: &'a Web, client: &'a Client, redirect: &'a VerifiedRedirect) -> Back<'a> {
        Back { redirect, client, mode: self.request.response_mode, state: self.state.as_deref(), web }
    }
}

/// What the sign-in is for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Errand {
    Authorize(Box<Pending>),
    /// One of our own pages, a path that begins with `/`.
    Page {
        path: String,
        again: bool,
    },
}

/// The trip to Fly.io and back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FlyLeg {
    pub state: String,
    pub verifier: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Transaction {
    pub id: String,
    pub errand: Errand,
    pub begun_at: Timestamp,
    pub fly: Option<FlyLeg>,
    /// The person has proven themselves for this request, whatever the clocks of two nodes say.
    #[serde(default)]
    pub signed_in: bool,
    /// The person was signed in in this way when they saw which way opens which of their organizations: another way that
    /// they take then is their choice.
    #[serde(default)]
    pub chosen_from: Option<LoginMethod>,
    /// Who has said that they go on with what their sign-in opens.
    #[serde(default)]
    pub goes_on: Option<UserId>,
}

impl Transaction {
    #[must_use]
    pub fn begin(errand: Errand, now: Timestamp, random: &dyn Random) -> Self {
        let id = random_text(random).chars().take(12).collect();
        Self { id, errand, begun_at: now, fly: None, signed_in: false, chosen_from: None, goes_on: None }
    }

    #[must_use]
    pub fn query(&self) -> String {
        format!("?tx={}", self.id)
    }

    #[must_use]
    pub fn pending(&self) -> Option<&Pending> {
        match &self.errand {
            Errand::Authorize(pending) => Some(pending),
            Errand::Page { .. } => None,
        }
    }

    /// The organization whose login method the sign-in has to satisfy, by id or slug.
    #[must_use]
    pub fn organization(&self) -> Option<&str> {
        match &self.errand {
            Errand::Authorize(pending) => pending.request.organization.as_deref(),
            Errand::Page { .. } => self.page().filter(|(_, either_way)| !either_way).map(|(slug, _)| slug),
        }
    }

    /// The organization whose page is wanted that a sign-in at Fly.io opens even after it has left.
    #[must_use]
    pub fn overseen(&self) -> Option<&str> {
        self.page().filter(|(_, either_way)| *either_way).map(|(slug, _)| slug)
    }

    /// The organization whose page is wanted, and whether it is one of a run or of the way back: a sign-in at Fly.io does
    /// there as well, so nobody needs a password to undo a mistake.
    fn page(&self) -> Option<(&str, bool)> {
        let Errand::Page { path, .. } = &self.errand else { return None };
        let (slug, page) = path.strip_prefix("/organizations/")?.split_once('/')?;
        Some((slug, page == "auth/enable" || page.starts_with("auth/disable/")))
    }

    /// Whether a session that exists must not be used.
    #[must_use]
    pub fn wants_new_sign_in(&self) -> bool {
        match &self.errand {
            Errand::Authorize(pending) => pending.request.prompt == Prompt::Login,
            Errand::Page { again, .. } => *again,
        }
    }

    /// Whether a sign-in by `method` says which organization is wanted.
    #[must_use]
    pub fn choice(&self, method: LoginMethod) -> Choice {
        if self.chosen_from.is_some_and(|before| before != method) { Choice::Made } else { Choice::Open }
    }

    /// The same where `person` may have said it on the page that asks.
    #[must_use]
    pub fn choice_of(&self, person: &UserId, method: LoginMethod) -> Choice {
        if self.goes_on.as_ref() == Some(person) { Choice::Made } else { self.choice(method) }
    }

    /// Whether a sign-in is what the request asked for when it came (OIDC Core, section 3.1.2.1, `prompt`, `max_age`;
    /// section 5.5.1.1).
    #[must_use]
    pub fn accepts(&self, proof: &Proof) -> bool {
        let recent = |max_age| self.begun_at <= proof.auth_time.plus(max_age);
        let request = self.pending().map(|pending| &pending.request);
        let in_time = request.and_then(|request| request.max_age).is_none_or(recent);
        let this_way = request.is_none_or(|request| request.demands.instead_of(proof.method).is_none());
        self.signed_in || (in_time && this_way && (!self.wants_new_sign_in() || proof.auth_time >= self.begun_at))
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now >= self.begun_at.plus(LIFETIME)
    }
}

/// Sealing and opening of transactions.
pub struct Transactions<'a> {
    web: &'a Web,
}

impl<'a> Transactions<'a> {
    #[must_use]
    pub fn new(web: &'a Web) -> Self {
        Self { web }
    }

    /// Puts the transaction into the browser, and drops the oldest when there are too many.
    pub fn keep(
        &self,
        transaction: &Transaction,
        visitor: &Visitor,
        response: &mut Response,
    ) -> Result<(), PageError> {
        let plain = serde_json::to_vec(transaction).map_err(|_| PageError::stale_transaction())?;
        let context = context(&transaction.id);
        let sealed = self.web.vault.seal_text(Purpose::CookieSeal, &context, &plain, &*self.web.random);
        if sealed.len() > 3_800 {
            return Err(too_long(transaction));
        }
        self.web.cookies().set(&name(&transaction.id), &sealed, Some(LIFETIME)).apply(response);
        self.tidy(transaction, visitor, response);
        Ok(())
    }

    /// Drops the oldest sign-ins beside `transaction` when there are too many. Done again when its page is shown: a
    /// request that another site posts comes without cookies, so what it adds to is not seen then.
    pub fn tidy(&self, transaction: &Transaction, visitor: &Visitor, response: &mut Response) {
        let mut others = self.all(visitor);
        others.retain(|other| other.id != transaction.id);
        others.sort_by_key(|other| std::cmp::Reverse(other.begun_at));
        for old in others.iter().skip(AT_ONCE - 1) {
            self.drop(&old.id, response);
        }
    }

    pub fn drop(&self, id: &str, response: &mut Response) {
        self.web.cookies().clear(&name(id)).apply(response);
    }

    /// The transaction `id` of this browser, if it has not run out.
    #[must_use]
    pub fn find(&self, id: &str, visitor: &Visitor) -> Option<Transaction> {
        if id.is_empty() || id.len() > 32 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        let sealed = visitor.cookies.one(&self.web.cookies().name(&name(id)))?;
        let found = self.open(id, sealed)?;
        if let Some(pending) = found.pending() {
            name_client(pending.client.as_str());
        }
        Some(found)
    }

    fn all(&self, visitor: &Visitor) -> Vec<Transaction> {
        let prefix = self.web.cookies().name(PREFIX);
        let found = visitor.cookies.with_prefix(&prefix);
        found.filter_map(|(id, sealed)| self.open(id, sealed).or_else(|| unreadable(id))).collect()
    }

    fn open(&self, id: &str, sealed: &str) -> Option<Transaction> {
        let plain = self.web.vault.open_text(Purpose::CookieSeal, &context(id), sealed).ok()?;
        let transaction: Transaction = serde_json::from_slice(plain.expose()).ok()?;
        (transaction.id == id && !transaction.is_over(self.web.clock.now())).then_some(transaction)
    }
}

/// Of all that travels along, only `state` has no bound of its own.
fn too_long(transaction: &Transaction) -> PageError {
    let Some(pending) = transaction.pending() else {
        let message = "The address that you asked for is longer than any of ours. Nothing has changed. Start again.";
        return PageError::new(StatusCode::URI_TOO_LONG, "This address is too long", message)
            .action("Start again", "/sign-in");
    };
    let bytes = pending.state.as_ref().map_or(0, String::len);
    let error = OAuthError::new(OAuthCode::InvalidRequest, "the request is too long to be kept").about("state");
    let message = "Its request is too long for us to keep while you sign in.";
    PageError::client(None, message, error.because(format!("it has {bytes} bytes, and the cookie is full")))
}

/// Stands for a cookie that does not open any more, so that it is the first to go.
fn unreadable(id: &str) -> Option<Transaction> {
    let plain = id.len() <= 32 && id.bytes().all(|b| b.is_ascii_alphanumeric());
    let errand = Errand::Page { path: String::new(), again: false };
    plain.then(|| Transaction {
        id: id.to_owned(),
        errand,
        begun_at: Timestamp::EPOCH,
        fly: None,
        signed_in: false,
        chosen_from: None,
        goes_on: None,
    })
}

fn name(id: &str) -> String {
    format!("{PREFIX}{id}")
}

fn context(id: &str) -> String {
    format!("transaction:{id}")
}
