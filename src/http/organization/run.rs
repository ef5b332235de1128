//! The page of a run, and mails once more.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::follow::progress;
use super::ledger::{self, Ledger};
use super::listing::ListQuery;
use super::pace::Pace;
use super::{Admin, Entered, NotEntered, Room, run_path, view};
use crate::clock::Timestamp;
use crate::domain::disable::{Run, RunState};
use crate::domain::ids::UserId;
use crate::domain::organization::Organization;
use crate::http::error::PageError;
use crate::http::oidc::redirect::see_other;
use crate::http::pages::disable::{Reverted, RunPage};
use crate::http::pages::when::{Stamp, took};
use crate::http::pages::{Choice, Page, Section};
use crate::http::web::{Visitor, Web};
use crate::services::disable::ledger::RowId;
use crate::services::disable::resend::Which;
use crate::store::StoreError;

/// `GET /organizations/{slug}/auth/disable/{run}`
pub async fn get(
    State(web): State<Arc<Web>>,
    State(admin): State<Arc<Admin>>,
    visitor: Visitor,
    Path((slug, run)): Path<(String, String)>,
    Query(query): Query<ListQuery>,
) -> Result<Response, NotEntered> {
    let path = run_path(&slug, &run);
    let entered = admin.enter(&web, &visitor, &slug, &path, Room::Oversight).await?;
    let run = admin.run_of(&entered, &run).await?;
    let now = web.clock.now();
    let totals = admin.disable.totals(&run.organization, &run.id).await?;
    let ledger = Ledger::read(&admin, &run, &query, now).await?;
    let page = RunPage {
        frame: entered.frame(&web, Section::SignIn),
        csrf: web.csrf(&visitor),
        run: run.id.to_string(),
        progress: progress(&run, &totals, &Pace::new(&run, ledger.tries), now),
        switched_at: Stamp::moment(run.started_at),
        by: run.by.name.clone(),
        finished_at: run.mailed_at.map(|at| finished_at(at, run.started_at)),
        took: run.mailed_at.map(|at| took(at.since(run.started_at))).unwrap_or_default(),
        link_lasts: web.link_lasts(),
        reverted: reverted(&run.state, &entered.organization),
        live: view::is_live(&run.state, &totals),
        query: query.q.trim().to_owned(),
        statuses: Choice::list(RunPage::STATUSES, &query.status),
        rows: ledger.rows.iter().map(|row| ledger::shown(row, &run)).collect(),
        pager: ledger.pager,
    };
    Ok(Page::ok(page).into_response())
}

/// The time of day, with the day when it is not that of the click.
fn finished_at(at: Timestamp, started_at: Timestamp) -> Stamp {
    let (end, start) = (Stamp::day(at), Stamp::day(started_at));
    if end == start { Stamp::clock(at) } else { Stamp::moment(at) }
}

/// When the run was undone, and by whom as far as the organization still tells: it remembers its last change only.
fn reverted(state: &RunState, organization: &Organization) -> Option<Reverted> {
    let RunState::Reverted { at } = state else { return None };
    let change = organization.changed.as_ref().filter(|change| change.at == *at && change.run.is_none());
    let by = change.map_or_else(|| "An admin".to_owned(), |change| change.by.name.clone());
    Some(Reverted { at: Stamp::moment(*at), by })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Resend {
    csrf: String,
    /// One member, by id.
    member: String,
    /// `failed` or `not-ready`.
    all: String,
}

/// Whose mail is to be sent again.
#[derive(Debug, PartialEq, Eq)]
enum Whose {
    One(UserId),
    All(Which),
}

impl Resend {
    fn whose(&self) -> Option<Whose> {
        match (self.member.as_str(), self.all.as_str()) {
            ("", "failed") => Some(Whose::All(Which::Failed)),
            ("", "not-ready") => Some(Whose::All(Which::NotReady)),
            (member, "") => member.parse().ok().map(Whose::One),
            _ => None,
        }
    }
}

/// `POST /organizations/{slug}/auth/disable/{run}/resend`
pub async fn resend(
    State(web): State<Arc<Web>>,
    State(admin): State<Arc<Admin>>,
    visitor: Visitor,
    Path((slug, run)): Path<(String, String)>,
    Form(form): Form<Resend>,
) -> Result<Response, NotEntered> {
    web.check_csrf(&visitor, &form.csrf)?;
    let path = run_path(&slug, &run);
    let entered = admin.enter(&web, &visitor, &slug, &path, Room::Oversight).await?;
    let run = admin.run_of(&entered, &run).await?;
    let whose = form.whose().ok_or_else(|| nobody(&path))?;
    let queued = queue(&admin, &run, whose, &entered, &visitor).await?;
    tracing::info!(run = %run.id, queued, "mails are sent again");
    Ok(see_other(&path))
}

/// How many mails were queued. None is no failure: they may be on their way already, and the page says how it stands.
async fn queue(
    admin: &Admin,
    run: &Run,
    whose: Whose,
    entered: &Entered,
    visitor: &Visitor,
) -> Result<usize, StoreError> {
    let clicked = entered.clicked(visitor);
    match whose {
        Whose::One(user) => {
            let id = RowId { organization: run.organization.clone(), run: run.id.clone(), user };
            Ok(usize::from(admin.disable.resend(&id, &clicked).await?))
        }
        Whose::All(which) => admin.disable.resend_all(&run.organization, &run.id, which, &clicked).await,
    }
}

fn nobody(path: &str) -> PageError {
    let message = "What was sent does not say whose mail to send again. Nothing has changed. Go back to the list.";
    PageError::new(StatusCode::BAD_REQUEST, "To whom?", message).action("Back to the list", path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::organization::{Actor, LoginMethod, MethodChange};
    use crate::domain::plan::Plan;
    use std::time::Duration;

    const AT: Timestamp = Timestamp::from_seconds(1_795_358_222);

    #[test]
    fn a_form_names_one_member_or_a_kind() {
        let form = |member: &str, all: &str| Resend { csrf: String::new(), member: member.into(), all: all.into() };
        assert_eq!(form("u7", "").whose(), Some(Whose::One("u7".parse().expect("an id"))));
        assert_eq!(form("", "failed").whose(), Some(Whose::All(Which::Failed)));
        assert_eq!(form("", "not-ready").whose(), Some(Whose::All(Which::NotReady)));
        for (member, all) in [("", ""), ("u7", "failed"), ("no id", ""), ("", "everybody")] {
            assert_eq!(form(member, all).whose(), None, "{member:?} {all:?}");
        }
    }

    #[test]
    fn who_undid_a_run_is_told_while_it_is_known() {
        let (id, slug) = ("o1".parse().expect("an id"), "o-1".parse().expect("a slug"));
        let plan = Plan::Paid { name: "Team".to_owned(), since: AT };
        let by = Actor { user: None, name: "Ines".to_owned() };
        let change = MethodChange { at: AT, by, run: None };
        let organization = Organization::new(id, slug, "O".to_owned(), plan, AT).switched(LoginMethod::Fly, change);
        let told = |at| reverted(&RunState::Reverted { at }, &organization).map(|reverted| reverted.by);
        assert_eq!(told(AT).as_deref(), Some("Ines"));
        assert_eq!(told(AT.minus(Duration::from_hours(1))).as_deref(), Some("An admin"));
        assert!(reverted(&RunState::Done { at: AT }, &organization).is_none());
    }

    #[test]
    fn the_end_names_its_day_when_it_is_another() {
        assert_eq!(finished_at(AT.plus(Duration::from_secs(221)), AT).text, "14:40:43");
        assert_eq!(finished_at(AT.plus(Duration::from_hours(12)), AT).text, "23 November 2026, 02:37:02");
    }
}
