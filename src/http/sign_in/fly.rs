//! Through Fly.io: away with a state that fits this browser and this sign-in alone, and back again.

use std::sync::Arc;

use axum::extract::{Query, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::finish::Finish;
use super::page::SignInQuery;
use super::transaction::{FlyLeg, Transaction, Transactions};
use crate::domain::access::{Closed, Proof};
use crate::domain::authorize::{OAuthCode, OAuthError, Received};
use crate::domain::organization::LoginMethod;
use crate::domain::parameters::Parameters;
use crate::domain::secret::same;
use crate::http::error::PageError;
use crate::http::error::line::{Line, Way};
use crate::http::oidc::redirect::see_other;
use crate::http::pages::Page;
use crate::http::pages::sign_in::DeniedPage;
use crate::http::web::{Visitor, Web};
use crate::services::directory::FlyPerson;
use crate::services::sessions::Current;
use crate::services::upstream::UpstreamError;
use crate::services::upstream::fly::{FlyConnector, FlyTokens};
use crate::services::upstream_tokens::UpstreamTokens;

/// The connector's own callback path; registered at Fly.io.
pub const CALLBACK: &str = "/connectors/fly/callback";

pub struct FlySignIn {
    pub connector: Arc<FlyConnector>,
    pub tokens: Arc<UpstreamTokens>,
}

/// `GET /sign-in/fly`: to Fly.io.
pub async fn go(
    State(web): State<Arc<Web>>,
    State(fly): State<Arc<FlySignIn>>,
    visitor: Visitor,
    Query(query): Query<SignInQuery>,
) -> Result<Response, PageError> {
    let transactions = Transactions::new(&web);
    let Some(mut transaction) = transactions.find(&query.tx, &visitor) else {
        return Err(PageError::stale_transaction());
    };
    // The state names the transaction, so that the callback finds its cookie among those of other tabs.
    let state = format!("{}.{}", transaction.id, URL_SAFE_NO_PAD.encode(web.random.bytes_32()));
    let verifier = URL_SAFE_NO_PAD.encode(web.random.bytes_32());
    let url = fly.connector.authorize_url(&state, &verifier);
    transaction.fly = Some(FlyLeg { state, verifier });
    let mut response = see_other(url.as_str());
    transactions.keep(&transaction, &visitor, &mut response)?;
    Ok(response)
}

/// `GET /connectors/fly/callback`: back from Fly.io.
pub async fn callback(
    State(web): State<Arc<Web>>,
    State(finish): State<Arc<Finish>>,
    State(fly): State<Arc<FlySignIn>>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let parameters = Parameters::parse(&query.unwrap_or_default());
    let (transaction, leg) = find(&web, &visitor, &parameters)?;
    let Ok(Some(code)) = parameters.one("code") else {
        return refused(&web, &finish, &visitor, &transaction, parameters.one("error").ok().flatten());
    };
    let back =
        Back { web: &web, finish: &finish, fly: &fly, visitor: &visitor, transaction: &transaction, leg: &leg };
    match back.with_code(code).await {
        Ok(response) => Ok(response),
        Err(page) => finish.tell_trouble(&web, &transaction, page),
    }
}

/// Somebody who comes back from Fly.io.
struct Back<'a> {
    web: &'a Web,
    finish: &'a Finish,
    fly: &'a FlySignIn,
    visitor: &'a Visitor,
    transaction: &'a Transaction,
    leg: &'a FlyLeg,
}

impl Back<'_> {
    async fn with_code(&self, code: &str) -> Result<Response, PageError> {
        let signed_in = self.fly.connector.sign_in(code, &self.leg.verifier, self.web.clock.now()).await;
        let (tokens, person) = signed_in.map_err(|error| unexpected(error, self.transaction))?;
        // Only for somebody whom Fly.io vouches for, so that strangers leave nothing behind, and before anything is
        // minted.
        if !self.finish.use_state(&self.leg.state).await? {
            return Err(PageError::stale_transaction().detail("the state came back a second time"));
        }
        let (token, current) = self.sign_in(&tokens, &person).await?;
        // Also with a page that says no: the session that the browser had before is over.
        let response = self.finish.transaction(self.web, self.visitor, &current, self.transaction).await;
        let response = response.or_else(|page| self.finish.tell_trouble(self.web, self.transaction, page));
        Ok(self.web.with_session(&token, response.unwrap_or_else(IntoResponse::into_response)))
    }

    async fn sign_in(&self, tokens: &FlyTokens, person: &FlyPerson) -> Result<(String, Current), PageError> {
        let (web, directory) = (self.web, &self.finish.directory);
        let admitted = directory.admit_from_fly(person).await?;
        self.fly.tokens.save(&admitted.user.id, tokens).await?;
        let proof = Proof { method: LoginMethod::Fly, auth_time: web.clock.now(), organizations: admitted.seen };
        let from = &self.visitor.address;
        let mut closed = directory.note_sign_in(&admitted.user, &proof, from).await?;
        if let Some(slug) = self.transaction.overseen()
            && let Some(wanted) = directory.organization_named(slug).await?.map(|entry| entry.value.id)
            && closed.contains(&(wanted.clone(), Closed::OtherMethod))
            && directory.note_overseer(&admitted.user, &proof, &wanted, from).await?
        {
            // That it has left Fly.io does not keep an admin from the page they want.
            closed.retain(|(id, _)| *id != wanted);
        }
        directory.note_closed_to_fly(&admitted.user, &proof, closed, from).await?;
        // As it stands now that the tokens are kept: a refusal of the ones before may have been noted meanwhile.
        let user = directory.user(&admitted.user.id).await?.map_or(admitted.user, |entry| entry.value);
        web.begin_session(self.visitor, &user, proof).await
    }
}

fn find(web: &Web, visitor: &Visitor, parameters: &Parameters) -> Result<(Transaction, FlyLeg), PageError> {
    let Ok(Some(state)) = parameters.one("state") else {
        return Err(PageError::stale_transaction().detail("no state came back"));
    };
    let id = state.split('.').next().unwrap_or_default();
    let transaction = (Transactions::new(web).find(id, visitor))
        .ok_or_else(|| PageError::stale_transaction().detail("the state fits no sign-in of this browser"))?;
    match transaction.fly.clone() {
        Some(leg) if same(leg.state.as_bytes(), state.as_bytes()) => Ok((transaction, leg)),
        _ => Err(PageError::stale_transaction().detail("another state was given out since")),
    }
}

/// The way back leads into the same sign-in: nobody has to go to the application for a new one.
fn unexpected(error: UpstreamError, transaction: &Transaction) -> PageError {
    let query = transaction.query();
    match error {
        UpstreamError::Refused => {
            let message = "Fly.io no longer accepts the sign-in it has just sent you back with. Nothing has changed. \
                           Start again.";
            PageError::new(StatusCode::BAD_REQUEST, "The sign-in at Fly.io has run out", message)
                .action("Start again", format!("/sign-in{query}"))
        }
        other => PageError::fly_unavailable(other.to_string())
            .action("Start again", format!("/sign-in{query}"))
            .action("Send me a link instead", format!("/forgot{query}")),
    }
}

/// Fly.io sent an error instead of a code. The state goes with it: the next trip gets a new one.
fn refused(
    web: &Web,
    finish: &Finish,
    visitor: &Visitor,
    transaction: &Transaction,
    error: Option<&str>,
) -> Result<Response, PageError> {
    let transactions = Transactions::new(web);
    if error != Some("access_denied") {
        // Anybody can write an address of ours with an error in it.
        let error = Received::of(error.unwrap_or("missing"));
        let page = PageError::fly_unavailable(format!("error {}", error.as_str()))
            .action("Start again", format!("/sign-in{}", transaction.query()));
        return finish.tell_trouble(web, transaction, page);
    }
    let error = said_no();
    if let Some(response) = finish.tell(web, transaction, &error) {
        return Ok(response);
    }
    // To a page that can be loaded again: this address works once.
    let mut response = see_other(&format!("/sign-in/denied{}", transaction.query()));
    transactions.keep(&Transaction { fly: None, ..transaction.clone() }, visitor, &mut response)?;
    Ok(response)
}

fn said_no() -> OAuthError {
    OAuthError::new(OAuthCode::AccessDenied, "the person said no at Fly.io")
}

/// `GET /sign-in/denied`: the person said no at Fly.io.
pub async fn denied(
    State(web): State<Arc<Web>>,
    State(finish): State<Arc<Finish>>,
    visitor: Visitor,
    Query(query): Query<SignInQuery>,
) -> Result<Response, PageError> {
    let transaction = Transactions::new(&web).find(&query.tx, &visitor).ok_or_else(PageError::stale_transaction)?;
    Line::of(Way::Page, &said_no()).write();
    let page = DeniedPage {
        frame: web.frame(&transaction.query()),
        tx_query: transaction.query(),
        client: finish.client_of(&transaction).map(|client| client.name.clone()),
        error_id: visitor.request_id,
    };
    Ok(Page::with_status(StatusCode::FORBIDDEN, page).into_response())
}
