//! `/sign-in/consent`: what a client that is not the operator's own will learn, and whether the person allows it (OIDC Core,
//! section 3.1.2.4). The last step of a sign-in, before the code is made.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use url::Url;

use super::finish::{Finish, Outcome, Said};
use super::next;
use super::page::SignInQuery;
use super::transaction::{Pending, Transaction, Transactions};
use crate::domain::authorize::{OAuthCode, OAuthError};
use crate::domain::claims::OrganizationClaim;
use crate::domain::client::Client;
use crate::domain::consent::{Consent, Decision, Permission, asked, decide};
use crate::domain::ids::ConsentId;
use crate::domain::secret::TokenHash;
use crate::http::error::PageError;
use crate::http::oidc::redirect::see_other;
use crate::http::pages::consent::{ConsentPage, Item, Line};
use crate::http::pages::leave::site;
use crate::http::pages::{Page, when};
use crate::http::web::{Visitor, Web};
use crate::services::access::Judged;
use crate::services::sessions::Current;
use crate::store::StoreError;

/// Where a transaction goes on.
#[must_use]
pub fn path(transaction: &Transaction) -> String {
    format!("/sign-in/consent{}", transaction.query())
}

/// What there is to ask.
pub struct Question {
    pub client: Arc<Client>,
    /// Where the person is sent afterwards, as the address bar will show it.
    pub site: String,
    pub asked: BTreeSet<Permission>,
    /// What the person has allowed the client already, when that is not enough.
    pub before: Option<Consent>,
    /// What the sign-in opens.
    pub organizations: Vec<OrganizationClaim>,
}

impl Question {
    /// Stands for all that the page tells `current`. An answer to a page that told something else is none: somebody else
    /// may have signed in in another tab, or another client may have been registered under the id.
    #[must_use]
    pub fn told(&self, current: &Current) -> String {
        let (client, user) = (&self.client, &current.user);
        let about = (&client.id, &client.registration, &client.name, &self.site, &self.asked);
        let person = (&user.id, &user.name, &user.email, &user.fly_id);
        let all = serde_json::to_vec(&(about, person, &self.organizations)).unwrap_or_default();
        TokenHash::of(&all).to_text()
    }
}

impl Finish {
    /// Under which consent the client gets what it asks for; none where it is the operator's own. `allowed`: what the
    /// person has just been told and allows, which is then remembered.
    pub(super) async fn consent(
        &self,
        current: &Current,
        (client, pending): (&Arc<Client>, &Pending),
        judged: &[Judged],
        allowed: Option<&str>,
    ) -> Result<Result<Option<ConsentId>, Question>, StoreError> {
        if client.first_party {
            return Ok(Ok(None));
        }
        let (user, request) = (&current.user.id, &pending.request);
        let before = self.consents.find(user, &client.id).await?;
        let asked = asked(client, &request.scope, &request.claims);
        if decide(client, &asked, before.as_ref(), request.asks_consent) != Decision::Ask {
            return Ok(Ok(before.map(|before| before.id)));
        }
        let question = Question {
            client: Arc::clone(client),
            site: Url::parse(&pending.redirect_uri).map(|url| site(&url)).unwrap_or_default(),
            asked,
            before: before.filter(|before| before.is_for(client)),
            organizations: judged.iter().filter_map(Judged::claim).collect(),
        };
        if allowed.is_none_or(|allowed| allowed != question.told(current)) {
            return Ok(Err(question));
        }
        Ok(Ok(Some(self.consents.give(user, client, &question.asked).await?)))
    }
}

/// `GET /sign-in/consent`
pub async fn get(
    State(web): State<Arc<Web>>,
    State(finish): State<Arc<Finish>>,
    visitor: Visitor,
    Query(query): Query<SignInQuery>,
) -> Result<Response, PageError> {
    let transaction = find(&web, &visitor, &query)?;
    go_on(&web, &finish, &visitor, &transaction, None).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    csrf: String,
    /// What the page told ([`Question::told`]).
    told: String,
    answer: String,
}

/// `POST /sign-in/consent`
pub async fn post(
    State(web): State<Arc<Web>>,
    State(finish): State<Arc<Finish>>,
    visitor: Visitor,
    Query(query): Query<SignInQuery>,
    Form(form): Form<Sent>,
) -> Result<Response, PageError> {
    web.check_csrf(&visitor, &form.csrf)?;
    let transaction = find(&web, &visitor, &query)?;
    match form.answer.as_str() {
        "deny" => deny(&web, &finish, &transaction),
        "allow" => go_on(&web, &finish, &visitor, &transaction, Some(&form.told)).await,
        _ => go_on(&web, &finish, &visitor, &transaction, None).await,
    }
}

fn find(web: &Web, visitor: &Visitor, query: &SignInQuery) -> Result<Transaction, PageError> {
    Transactions::new(web).find(&query.tx, visitor).ok_or_else(PageError::stale_transaction)
}

/// The code, the question, or the step before it if something has changed since.
async fn go_on(
    web: &Web,
    finish: &Finish,
    visitor: &Visitor,
    transaction: &Transaction,
    allowed: Option<&str>,
) -> Result<Response, PageError> {
    let to_sign_in = || see_other(&format!("/sign-in{}", transaction.query()));
    let Some(pending) = transaction.pending() else { return Ok(to_sign_in()) };
    let Some(current) = web.session(visitor).await?.filter(|current| transaction.accepts(current.proof())) else {
        return Ok(to_sign_in());
    };
    let choice = transaction.choice_of(&current.user.id, current.proof().method);
    match finish.code(web, &current, pending, Said { choice, allowed }, &transaction.query()).await? {
        Outcome::Code(mut response) => {
            Transactions::new(web).drop(&transaction.id, &mut response);
            Ok(response)
        }
        Outcome::Ask(question) => {
            let page = page(web, visitor, &current, transaction, &question);
            Ok(Page::ok(page).into_response())
        }
        Outcome::Choose(_) | Outcome::Closed(_) => Ok(see_other(&next::path(transaction))),
    }
}

fn page(
    web: &Web,
    visitor: &Visitor,
    current: &Current,
    transaction: &Transaction,
    question: &Question,
) -> ConsentPage {
    let before = question.before.as_ref();
    let new = |permission: &Permission| before.is_some_and(|before| !before.allowed.contains(permission));
    let line = |permission: &Permission| {
        let item = match permission {
            Permission::Identity => Item::Identity,
            Permission::FlyId => Item::FlyId,
            Permission::Name => Item::Name(current.user.name.clone()),
            Permission::Email => Item::Email(current.user.email.clone()),
            Permission::Organizations => Item::organizations(&question.organizations),
            Permission::WhileAway => return None,
        };
        Some(Line { item, new: new(permission) })
    };
    let while_away = question.asked.contains(&Permission::WhileAway);
    ConsentPage {
        frame: web.frame(&transaction.query()),
        csrf: web.csrf(visitor),
        tx_query: transaction.query(),
        client: question.client.name.clone(),
        site: question.site.clone(),
        person: current.user.name.clone(),
        told: question.told(current),
        before: before.map(|before| when::day(before.given_at)),
        lines: question.asked.iter().filter_map(line).collect(),
        while_away,
        while_away_new: while_away && new(&Permission::WhileAway),
    }
}

/// The client learns that it gets nothing, or nothing at all where it would start over. What was allowed before stays: the
/// person said no to this, and takes that back where they see it.
fn deny(web: &Web, finish: &Finish, transaction: &Transaction) -> Result<Response, PageError> {
    let Some(client) = finish.client_of(transaction) else { return Err(PageError::stale_transaction()) };
    let error = OAuthError::new(OAuthCode::AccessDenied, "the person did not allow it");
    if let Some(response) = finish.tell(web, transaction, &error) {
        return Ok(response);
    }
    let name = &client.name;
    let message = format!("So we told {name} nothing this time. If that was a slip, look at it again.");
    let page = PageError::new(StatusCode::FORBIDDEN, &format!("You did not allow {name}"), message)
        .error(error)
        .action("Look at it again", path(transaction));
    Err(match &client.home {
        Some(home) => page.action(&format!("Back to {name}"), home.as_str()),
        None => page,
    })
}
