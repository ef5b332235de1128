//! After a sign-in that cannot simply go on: it opens nothing that was asked for, or some of the person's organizations
//! and not others, and the client has not said which it is about. A session opens those of its own method only, and the
//! application cannot tell the others from none.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::consent;
use super::finish::{Choice, Finish, Outcome, is_unconfirmed_lately, may_be_wanted};
use super::page::SignInQuery;
use super::transaction::{Pending, Transaction, Transactions};
use crate::domain::organization::LoginMethod;
use crate::http::error::PageError;
use crate::http::oidc::redirect::see_other;
use crate::http::pages::sign_in::{ChoosePage, OtherWay, Way};
use crate::http::pages::{Page, when};
use crate::http::web::{Visitor, Web};
use crate::services::access::Judged;
use crate::services::sessions::Current;
use crate::store::StoreError;

/// Where a transaction goes on.
#[must_use]
pub fn path(transaction: &Transaction) -> String {
    format!("/sign-in/next{}", transaction.query())
}

/// `GET /sign-in/next`
pub async fn get(
    State(web): State<Arc<Web>>,
    State(finish): State<Arc<Finish>>,
    visitor: Visitor,
    Query(query): Query<SignInQuery>,
) -> Result<Response, PageError> {
    answer(&web, &finish, &visitor, &query, Choice::Open).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    csrf: String,
    /// Who the page said is signed in.
    person: String,
}

/// `POST /sign-in/next`: on with what the session opens.
pub async fn post(
    State(web): State<Arc<Web>>,
    State(finish): State<Arc<Finish>>,
    visitor: Visitor,
    Query(query): Query<SignInQuery>,
    Form(form): Form<Sent>,
) -> Result<Response, PageError> {
    web.check_csrf(&visitor, &form.csrf)?;
    // Somebody else may have signed in in another tab since: nobody goes on as a person the page did not name.
    let current = web.session(&visitor).await?;
    let same = current.is_some_and(|current| current.user.id.as_str() == form.person);
    answer(&web, &finish, &visitor, &query, if same { Choice::Made } else { Choice::Open }).await
}

async fn answer(
    web: &Web,
    finish: &Finish,
    visitor: &Visitor,
    query: &SignInQuery,
    choice: Choice,
) -> Result<Response, PageError> {
    let transactions = Transactions::new(web);
    let transaction = transactions.find(&query.tx, visitor).ok_or_else(PageError::stale_transaction)?;
    let to_sign_in = || see_other(&format!("/sign-in{}", transaction.query()));
    let Some(pending) = transaction.pending() else { return Ok(to_sign_in()) };
    let Some(current) = web.session(visitor).await?.filter(|current| transaction.accepts(current.proof())) else {
        return Ok(to_sign_in());
    };
    match finish.code(web, &current, pending, choice.into(), &transaction.query()).await? {
        Outcome::Code(mut response) => {
            transactions.drop(&transaction.id, &mut response);
            Ok(response)
        }
        Outcome::Choose(judged) => {
            let page = page(web, finish, visitor, (&current, pending, &transaction), &judged).await?;
            let mut response = Page::ok(page).into_response();
            transactions.keep(
                &Transaction { chosen_from: Some(current.proof().method), ..transaction.clone() },
                visitor,
                &mut response,
            )?;
            Ok(response)
        }
        Outcome::Ask(_) => {
            let mut response = see_other(&consent::path(&transaction));
            if choice == Choice::Made {
                let goes_on = Some(current.user.id.clone());
                transactions.keep(&Transaction { goes_on, ..transaction.clone() }, visitor, &mut response)?;
            }
            Ok(response)
        }
        Outcome::Closed(judged) => finish.closed(web, visitor, &current, &transaction, &judged).await,
    }
}

async fn page(
    web: &Web,
    finish: &Finish,
    visitor: &Visitor,
    (current, pending, transaction): (&Current, &Pending, &Transaction),
    judged: &[Judged],
) -> Result<ChoosePage, StoreError> {
    let now = web.clock.now();
    let by_password = way_by_password(web, finish, current).await?;
    let other = |judged: &Judged| OtherWay {
        organization: judged.organization.name.clone(),
        since: judged.organization.changed.as_ref().map(|change| when::day(change.at)),
        way: match judged.organization.login_method {
            _ if is_unconfirmed_lately(judged, now) => Way::Unconfirmed,
            LoginMethod::Fly => Way::Fly,
            LoginMethod::Password => by_password,
        },
    };
    Ok(ChoosePage {
        frame: web.frame(&transaction.query()),
        csrf: web.csrf(visitor),
        tx_query: transaction.query(),
        client: finish.clients.get(pending.client.as_str()).map(|client| client.name.clone()).unwrap_or_default(),
        person: current.user.name.clone(),
        person_id: current.user.id.to_string(),
        opened: judged.iter().filter(|j| j.verdict.is_ok()).map(|j| j.organization.name.clone()).collect(),
        others: judged.iter().filter(|j| may_be_wanted(j, &pending.request.demands, now)).map(other).collect(),
    })
}

/// How the person gets into an organization that signs in with passwords.
async fn way_by_password(web: &Web, finish: &Finish, current: &Current) -> Result<Way, StoreError> {
    if finish.has_password(current).await? {
        return Ok(Way::Password);
    }
    if finish.directory.mail_address(&current.user).await?.is_none() {
        return Ok(Way::NoAddress);
    }
    let fresh = current.session.value.is_fresh(web.sessions.rules(), web.clock.now());
    let just_proven = fresh && current.proof().method == LoginMethod::Fly;
    Ok(if just_proven { Way::SetPassword } else { Way::ProveFirst })
}
