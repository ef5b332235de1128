//! "Disable Fly.io Auth": the look before it, and the click.

pub mod left_out;

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::listing::{ListQuery, Needle, Sorted};
use super::{Admin, Entered, NotEntered, Room, page_path, sign_in, view};
use crate::clock::Timestamp;
use crate::domain::disable::{Delivery, Unreachable};
use crate::domain::ids::UserId;
use crate::domain::member::{Member, Role};
use crate::domain::organization::LoginMethod;
use crate::domain::session::{Session, SessionRules};
use crate::http::error::PageError;
use crate::http::oidc::redirect::see_other;
use crate::http::pages::disable::{Delivery as ShownDelivery, Freshness, PreviewPage, PreviewRow};
use crate::http::pages::when::{Stamp, about, clock_minute, lasts};
use crate::http::pages::{Page, Section};
use crate::http::web::{Visitor, Web};
use crate::services::directory::FlyPerson;
use crate::services::upstream_tokens::AskError;
use crate::store::StoreError;

/// What was typed instead of the short name is shown back up to here.
const LONGEST_SHOWN: usize = 64;

/// `GET /organizations/{slug}/auth/disable`
pub async fn get(
    State(web): State<Arc<Web>>,
    State(admin): State<Arc<Admin>>,
    visitor: Visitor,
    Path(slug): Path<String>,
    Query(query): Query<ListQuery>,
    Query(done): Query<Done>,
) -> Result<Response, NotEntered> {
    let path = page_path(&slug, "auth/disable");
    let entered = admin.enter(&web, &visitor, &slug, &path, Room::Oversight).await?;
    if let Some(response) = switched_already(&entered) {
        return Ok(response);
    }
    let entered = admin.enter(&web, &visitor, &slug, &path, Room::Settings).await?;
    let page = preview(&web, &admin, &visitor, &entered, &query).await?;
    let page = PreviewPage { marked: done.marked.parse().ok(), tested: done.test == "sent", ..page };
    Ok(Page::ok(page).into_response())
}

/// What a form of the preview has just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Done {
    /// How many members were marked or unmarked.
    marked: String,
    /// `sent`: a test mail.
    test: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    csrf: String,
    confirm: String,
}

/// `POST /organizations/{slug}/auth/disable`: one check after the other, then one commit.
pub async fn post(
    State(web): State<Arc<Web>>,
    State(admin): State<Arc<Admin>>,
    visitor: Visitor,
    Path(slug): Path<String>,
    Form(form): Form<Sent>,
) -> Result<Response, NotEntered> {
    web.check_csrf(&visitor, &form.csrf)?;
    let path = page_path(&slug, "auth/disable");
    let entered = admin.enter(&web, &visitor, &slug, &path, Room::Oversight).await?;
    if let Some(response) = switched_already(&entered) {
        return Ok(response);
    }
    let entered = admin.enter(&web, &visitor, &slug, &path, Room::Settings).await?;
    admin.require_fresh(&web, &visitor, &entered, &path)?;
    if let Some(typed) = not_confirmed(&form.confirm, &entered) {
        let page = preview(&web, &admin, &visitor, &entered, &ListQuery::default()).await?;
        let page = PreviewPage { wrong_confirmation: Some(typed), ..page };
        return Ok(Page::with_status(StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let person = ask_fly(&web, &admin, &visitor, &entered, &path).await?;
    require_admin(&person, &entered, &admin.onward())?;
    let id = &entered.organization.id;
    match admin.disable.disable(id, &entered.clicked(&visitor)).await {
        Ok(run) => Ok(see_other(&entered.path(&format!("auth/disable/{run}")))),
        Err(error) => Err(view::not_switched(error, &entered).into()),
    }
}

/// A second click, or a second admin: to the run that there is.
fn switched_already(entered: &Entered) -> Option<Response> {
    let organization = &entered.organization;
    if organization.login_method != LoginMethod::Password {
        return None;
    }
    Some(match &organization.run {
        Some(run) => see_other(&entered.path(&format!("auth/disable/{run}"))),
        None => see_other(&entered.path("auth")),
    })
}

/// What was typed, when it is not the short name.
fn not_confirmed(typed: &str, entered: &Entered) -> Option<String> {
    let typed = typed.trim();
    (typed != entered.organization.slug.as_str()).then(|| typed.chars().take(LONGEST_SHOWN).collect())
}

/// What Fly.io says of the admin at this moment; memberships are brought up to it. Without an answer nothing changes.
async fn ask_fly(
    web: &Web,
    admin: &Admin,
    visitor: &Visitor,
    entered: &Entered,
    path: &str,
) -> Result<FlyPerson, NotEntered> {
    let user = &entered.current.user;
    let person = match admin.upstream.ask(&user.id).await {
        Ok(person) => person,
        Err(AskError::SignInAgain) => return Err(sign_in(web, visitor, path, true)?),
        Err(AskError::Upstream(error)) => {
            return Err(PageError::from(error).action("Back to the preview", path).into());
        }
        Err(AskError::Store(error)) => return Err(error.into()),
    };
    let organizations = [entered.organization.id.clone()];
    admin.directory.reconfirm(&user.id, &person, &organizations).await?;
    Ok(person)
}

fn require_admin(person: &FlyPerson, entered: &Entered, onward: &str) -> Result<(), PageError> {
    let organization = &entered.organization;
    let role = person.organizations.iter().find(|(id, _)| *id == organization.id).map(|(_, role)| *role);
    let said = match role {
        Some(Role::Admin) => return Ok(()),
        Some(Role::Member) => "that you are a member there, no longer an admin",
        None => "nothing of you belonging to it",
    };
    let name = &organization.name;
    let message = format!(
        "Nothing has changed. We asked Fly.io about {name} just now, and it says {said}. Only an admin can make the \
         switch: ask one of them, or have your role at Fly.io set right and come back."
    );
    Err(PageError::new(StatusCode::FORBIDDEN, "Fly.io does not name you as an admin", message).action(onward, "/go"))
}

async fn preview(
    web: &Web,
    admin: &Admin,
    visitor: &Visitor,
    entered: &Entered,
    query: &ListQuery,
) -> Result<PreviewPage, StoreError> {
    let (organization, now) = (&entered.organization, web.clock.now());
    let needle = Needle::new(&query.q);
    let mut sorted = Sorted::new(query);
    let each = |member: &Member| {
        if needle.fits(&[&member.name, member.email.as_deref().unwrap_or_default()]) {
            sorted.offer(order(member), || member.clone());
        }
    };
    let reach = admin.disable.reach(&organization.id, each).await?;
    let (members, pager) = sorted.finish(query);
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let myself = &entered.member;
    Ok(PreviewPage {
        frame: entered.frame(web, Section::SignIn),
        csrf: web.csrf(visitor),
        plan: view::plan(organization, now),
        members: count(reach.members),
        set_up: count(reach.set_up),
        has_password: count(reach.has_password),
        unreachable: count(reach.unreachable),
        left_out: count(reach.left_out),
        my_address: entered.current.user.email.clone().unwrap_or_default(),
        marked: None,
        tested: false,
        after: query.after.clone(),
        takes: takes(count(reach.set_up + reach.has_password), admin.rate),
        link_lasts: web.link_lasts(),
        freshness: freshness(&entered.current.session.value, web.sessions.rules(), now),
        self_locked_out: !myself.has_password && myself.email.is_none(),
        self_left_out: myself.left_out.as_ref().map(|left_out| left_out.by.clone()),
        wrong_confirmation: None,
        query: query.q.trim().to_owned(),
        rows: members.iter().map(|member| shown(member, &myself.user, now)).collect(),
        pager,
    })
}

/// Whom no mail reaches comes first, then by name.
fn order(member: &Member) -> (bool, String, String) {
    (member.email.is_some(), member.name.to_lowercase(), member.user.to_string())
}

fn takes(mails: u64, rate: u32) -> String {
    about(Duration::from_secs(mails.div_ceil(u64::from(rate.max(1)))))
}

fn freshness(session: &Session, rules: &SessionRules, now: Timestamp) -> Freshness {
    if !session.is_fresh(rules, now) {
        return Freshness::Stale { within: lasts(rules.fresh) };
    }
    let signed_in = session.proof.auth_time;
    Freshness::Until { signed_in: clock_minute(signed_in), until: clock_minute(signed_in.plus(rules.fresh)) }
}

fn shown(member: &Member, myself: &UserId, now: Timestamp) -> PreviewRow {
    let left_out = member.left_out.as_ref().map(|left_out| format!("Left out by {}.", left_out.by));
    let (delivery, detail) = match Delivery::of(member) {
        (Delivery::LeftOut, _) => (ShownDelivery::LeftOut, left_out.as_deref().unwrap_or_default()),
        (Delivery::SetUp, _) => (ShownDelivery::SetUp, ""),
        (Delivery::HasPassword, _) => (ShownDelivery::HasPassword, "Mail says: use the password you have."),
        (Delivery::Unreachable, Some(Unreachable::NotConfirmed)) => {
            let why = "Fly.io no longer named your organization for them, so they get no link. If they belong to it, ask \
                       them to sign in with Fly.io once.";
            (ShownDelivery::Unreachable, why)
        }
        (Delivery::Unreachable, _) => (
            ShownDelivery::Unreachable,
            "Fly.io gave us no address. Ask them to set one at Fly.io and to sign in once.",
        ),
    };
    let is_mine = member.user == *myself;
    let is_me = is_mine && matches!(delivery, ShownDelivery::SetUp | ShownDelivery::HasPassword);
    PreviewRow {
        id: member.user.to_string(),
        name: member.name.clone(),
        address: member.email.clone().unwrap_or_default(),
        delivery,
        detail: if is_me { "That is you." } else { detail }.to_owned(),
        may_be_left_out: !is_mine || delivery == ShownDelivery::LeftOut,
        seen: Some(Stamp::short_day(member.verified_at, now)),
    }
}

#[cfg(test)]
mod tests;
