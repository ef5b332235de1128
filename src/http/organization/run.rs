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
use super::resent::{Resent, Whose};
use super::{Admin, NotEntered, Room, run_path, view};
use crate::clock::Timestamp;
use crate::domain::disable::{Run, RunState, Totals, Which};
use crate::domain::ids::FormId;
use crate::domain::organization::Organization;
use crate::http::error::PageError;
use crate::http::oidc::redirect::see_other;
use crate::http::pages::disable::{Reverted, RunPage};
use crate::http::pages::when::{Stamp, took};
use crate::http::pages::{Choice, Page, Section};
use crate::http::web::{Visitor, Web};
use crate::services::disable::ledger::RowId;
use crate::services::disable::resend::Asked;
use crate::services::outbox::MailTrouble;
use crate::store::{StoreError, keys};

/// `GET /organizations/{slug}/auth/disable/{run}`
pub async fn get(
    State(web): State<Arc<Web>>,
    State(admin): State<Arc<Admin>>,
    visitor: Visitor,
    Path((slug, run)): Path<(String, String)>,
    Query(query): Query<ListQuery>,
    Query(resent): Query<Resent>,
) -> Result<Response, NotEntered> {
    let path = run_path(&slug, &run);
    let entered = admin.enter(&web, &visitor, &slug, &path, Room::Oversight).await?;
    let run = admin.run_of(&entered, &run).await?;
    let now = web.clock.now();
    let totals = admin.disable.totals(&run.organization, &run.id).await?;
    let stopped = stopped(&admin, &totals).await?;
    let ledger = Ledger::read(&admin, &run, &query, now).await?;
    let page = RunPage {
        frame: entered.frame(&web, Section::SignIn),
        csrf: web.csrf(&visitor),
        stopped: stopped.map(|trouble| (Stamp::minute(trouble.since), trouble.sentence)),
        notice: resent.notice(&admin, &run, &totals).await?,
        once: FormId::mint(now, &*web.random).to_string(),
        run: run.id.to_string(),
        progress: progress(&run, &totals, &Pace::new(&run, ledger.tries), now),
        switched_at: Stamp::moment(run.started_at),
        by: run.by.name.clone(),
        finished_at: run.mailed_at.map(|at| ended_at(at, run.started_at)),
        again_at: again_at(&run).map(|at| ended_at(at, run.started_at)),
        took: run.mailed_at.map(|at| took(at.since(run.started_at))).unwrap_or_default(),
        link_lasts: web.link_lasts(),
        reverted: reverted(&run.state, &entered.organization),
        live: view::is_live(&run.state, &totals),
        again: run.resending > 0 || run.mailed_at.is_some(),
        query: query.q.trim().to_owned(),
        statuses: Choice::list(RunPage::STATUSES, &query.status),
        rows: ledger.rows.iter().map(|row| ledger::shown(row, &run)).collect(),
        pager: ledger.pager,
    };
    Ok(Page::ok(page).into_response())
}

/// Why the mails that wait do not leave, if it is not their own fault.
pub(super) async fn stopped(admin: &Admin, totals: &Totals) -> Result<Option<MailTrouble>, StoreError> {
    if totals.unsettled() == 0 {
        return Ok(None);
    }
    Ok(admin.store.read(&keys::mail_trouble()).await?.map(|entry| entry.value))
}

/// The time of day, with the day when it is not that of the click.
fn ended_at(at: Timestamp, started_at: Timestamp) -> Stamp {
    let (end, start) = (Stamp::day(at), Stamp::day(started_at));
    if end == start { Stamp::clock(at) } else { Stamp::moment(at) }
}

/// When mailing ended, if it was not for the first time.
fn again_at(run: &Run) -> Option<Timestamp> {
    match run.state {
        RunState::Done { at } => run.mailed_at.filter(|first| *first != at).and(Some(at)),
        _ => None,
    }
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
    /// Which rendering of the form it is: each of its buttons works once.
    once: String,
    /// One member, by id.
    member: String,
    /// `failed` or `not-ready`.
    all: String,
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

    /// None when the form is not from a page that we have shown lately.
    fn form(&self, now: Timestamp) -> Option<FormId> {
        let form: FormId = self.once.parse().ok()?;
        form.remember_until(now).map(|_| form)
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
    let now = web.clock.now();
    let form = form.form(now).ok_or_else(|| stale(&path))?;
    let answer = Resent::page(&path, &whose, now);
    let all = matches!(whose, Whose::All(_));
    let asked = Asked { form, clicked: entered.clicked(&visitor) };
    let queued = queue(&admin, &run, whose, &asked).await?;
    tracing::info!(run = %run.id, queued, "mail is to be sent again");
    // Of the same form sent again nothing is to be told: what came of the first is what the page shows.
    Ok(see_other(if all && !queued { &path } else { &answer }))
}

/// Whether anything was queued. Nothing is no failure: the form was sent before or the mail is on its way already, and
/// the page says how it stands.
async fn queue(admin: &Admin, run: &Run, whose: Whose, asked: &Asked) -> Result<bool, StoreError> {
    match whose {
        Whose::One(user) => {
            let id = RowId { organization: run.organization.clone(), run: run.id.clone(), user };
            admin.disable.resend(&id, asked).await
        }
        Whose::All(which) => admin.disable.resend_all((&run.organization, &run.id), which, asked).await,
    }
}

fn nobody(path: &str) -> PageError {
    let message = "What was sent does not say whose mail to send again. Nothing has changed. Go back to the list.";
    PageError::new(StatusCode::BAD_REQUEST, "To whom?", message).action("Back to the list", path)
}

fn stale(path: &str) -> PageError {
    let message = "What you sent came from a page that is no longer current. Nothing has changed, and no mail is sent. \
                   Open the list again and send it once more.";
    PageError::new(StatusCode::FORBIDDEN, "This page was open for too long", message)
        .action("Back to the list", path)
        .detail("the form is not one that was shown lately")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::organization::{Actor, LoginMethod, MethodChange};
    use crate::domain::plan::Plan;
    use crate::random::SeededRandom;
    use std::time::Duration;

    const AT: Timestamp = Timestamp::from_seconds(1_795_358_222);

    #[test]
    fn a_form_names_one_member_or_a_kind() {
        let form = |member: &str, all: &str| Resend { member: member.into(), all: all.into(), ..Resend::default() };
        assert_eq!(form("u7", "").whose(), Some(Whose::One("u7".parse().expect("an id"))));
        assert_eq!(form("", "failed").whose(), Some(Whose::All(Which::Failed)));
        assert_eq!(form("", "not-ready").whose(), Some(Whose::All(Which::NotReady)));
        for (member, all) in [("", ""), ("u7", "failed"), ("no id", ""), ("", "everybody")] {
            assert_eq!(form(member, all).whose(), None, "{member:?} {all:?}");
        }
    }

    #[test]
    fn a_form_is_current_for_a_day() {
        let form = FormId::mint(AT, &SeededRandom::new(1));
        let sent = |once: &str, at| Resend { once: once.to_owned(), ..Resend::default() }.form(at);
        let day = FormId::LIFE;
        let moment = Duration::from_millis(1);
        for at in [AT, AT.plus(day).minus(moment), AT.minus(Duration::from_mins(2))] {
            assert_eq!(sent(form.as_str(), at), Some(form.clone()), "{at:?}");
            assert!(form.remember_until(at).is_some_and(|until| until > AT.plus(day)), "a used form stays used");
        }
        for at in [AT.plus(day), AT.minus(day)] {
            assert_eq!(sent(form.as_str(), at), None, "{at:?}");
        }
        let text = form.as_str();
        for once in ["", "x", "no id", &text[1..], &format!("{text}0"), &text.to_uppercase(), &"z".repeat(26)] {
            assert_eq!(sent(once, AT), None, "{once}");
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
        assert_eq!(ended_at(AT.plus(Duration::from_secs(221)), AT).text, "14:40:43");
        assert_eq!(ended_at(AT.plus(Duration::from_hours(12)), AT).text, "23 November 2026, 02:37:02");
    }
}
