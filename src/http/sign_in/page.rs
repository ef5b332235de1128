//! `GET /sign-in`: the ways in that the organization allows, or both when nobody has said which it is.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::finish::Finish;
use super::transaction::{Errand, Transaction, Transactions};
use crate::domain::organization::{LoginMethod, Organization};
use crate::http::applications;
use crate::http::error::PageError;
use crate::http::oidc::redirect::see_other;
use crate::http::pages::sign_in::{Offer, SignInNotice, SignInPage};
use crate::http::pages::{Page, when};
use crate::http::web::{Visitor, Web};
use crate::store::StoreError;

#[derive(Debug, Default, Deserialize)]
pub struct SignInQuery {
    #[serde(default)]
    pub tx: String,
    /// Show every way, whatever the organization allows.
    pub all: Option<String>,
}

pub async fn get(
    State(web): State<Arc<Web>>,
    State(finish): State<Arc<Finish>>,
    visitor: Visitor,
    Query(query): Query<SignInQuery>,
) -> Result<Response, PageError> {
    let Some(transaction) = Transactions::new(&web).find(&query.tx, &visitor) else {
        return begin_alone(&web, &finish, &visitor, &query.tx).await;
    };
    let again = matches!(transaction.errand, Errand::Page { again: true, .. });
    let mut form = Form::new(&finish, &transaction, query.all.is_some()).await?;
    form.notice = again.then(|| SignInNotice::Again { within: web.fresh_within() });
    let mut response = form.respond(&web, &visitor);
    Transactions::new(&web).tidy(&transaction, &visitor, &mut response);
    Ok(response)
}

/// On to the application.
const HOME: &str = "/go";

/// Somebody came by themselves, or with a transaction that this browser does not have: they go on to the application
/// afterwards. The latter is not redirected, or a browser that keeps no cookies would go round for ever.
async fn begin_alone(web: &Web, finish: &Finish, visitor: &Visitor, lost: &str) -> Result<Response, PageError> {
    let errand = Errand::Page { path: HOME.to_owned(), again: false };
    let transaction = Transaction::begin(errand, web.clock.now(), &*web.random);
    let mut response = if lost.is_empty() {
        see_other(&format!("/sign-in{}", transaction.query()))
    } else {
        tracing::info!("a sign-in was continued that this browser does not have, or no longer");
        let mut form = Form::new(finish, &transaction, true).await?;
        form.notice = Some(SignInNotice::StartedTooLongAgo { error_id: visitor.request_id.clone() });
        form.respond(web, visitor)
    };
    Transactions::new(web).keep(&transaction, visitor, &mut response)?;
    Ok(response)
}

/// The sign-in page of a transaction, before it is rendered.
pub struct Form {
    pub notice: Option<SignInNotice>,
    pub email: String,
    offer: Offer,
    client: Option<String>,
    then: Option<String>,
    tx_query: String,
}

impl Form {
    pub async fn new(finish: &Finish, transaction: &Transaction, all: bool) -> Result<Self, StoreError> {
        let named = match transaction.organization() {
            Some(name) if !all => finish.directory.organization_named(name).await?,
            _ => None,
        };
        let offer = named.map_or(Offer::Both, |entry| {
            let Organization { name: organization, login_method, changed, .. } = entry.value;
            let since = changed.map(|change| when::day(change.at));
            match login_method {
                LoginMethod::Fly => Offer::Fly { organization, again_since: since },
                LoginMethod::Password => Offer::Password { organization, since: since.unwrap_or_default() },
            }
        });
        let client = finish.client_of(transaction);
        let goes_home = matches!(&transaction.errand, Errand::Page { path, .. } if path == HOME);
        let to_applications = matches!(&transaction.errand, Errand::Page { path, .. } if path == applications::PATH);
        let then = match finish.clients.with_home() {
            _ if to_applications => Some("applications you allowed".to_owned()),
            home => home.filter(|_| goes_home).map(|client| client.name.clone()),
        };
        let hinted = transaction.pending().and_then(|pending| pending.request.login_hint.clone());
        Ok(Self {
            notice: None,
            email: hinted.filter(|hint| hint.contains('@')).unwrap_or_default(),
            offer,
            client: client.map(|client| client.name.clone()),
            then,
            tx_query: transaction.query(),
        })
    }

    #[must_use]
    pub fn respond(self, web: &Web, visitor: &Visitor) -> Response {
        let narrowed = !matches!(self.offer, Offer::Both);
        let page = SignInPage {
            frame: web.frame(&self.tx_query),
            csrf: web.csrf(visitor),
            client: self.client,
            then: self.then,
            offer: self.offer,
            notice: self.notice,
            email: self.email,
            all_ways: narrowed.then(|| format!("/sign-in{}&all=1", self.tx_query)),
            tx_query: self.tx_query,
        };
        Page::ok(page).into_response()
    }
}
