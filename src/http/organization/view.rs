//! Domain values in the words of the pages.

use axum::http::StatusCode;

use super::Entered;
use crate::clock::Timestamp;
use crate::domain::disable::{RowStatus, RunState, Totals};
use crate::domain::organization::{LoginMethod, Organization};
use crate::domain::plan::EffectivePlan;
use crate::http::error::PageError;
use crate::http::pages::disable::{Counts, MailStatus, RunState as ShownState};
use crate::http::pages::organization::{Change, Method, Plan, Terms};
use crate::http::pages::when::Stamp;
use crate::services::disable::click::ClickError;

/// What Fly.io sponsors (its documentation of the Sentry extension).
const SPONSORED_PLAN: &str = "Team";

#[must_use]
pub fn method(method: LoginMethod) -> Method {
    match method {
        LoginMethod::Fly => Method::Fly,
        LoginMethod::Password => Method::Password,
    }
}

#[must_use]
pub fn plan(organization: &Organization, now: Timestamp) -> Plan {
    match organization.plan.at(now) {
        EffectivePlan::Sponsored { ends_at } => {
            Plan { name: SPONSORED_PLAN.to_owned(), terms: Terms::Sponsored { until: Stamp::day(ends_at) } }
        }
        EffectivePlan::Developer { since } => {
            Plan { name: SPONSORED_PLAN.to_owned(), terms: Terms::Ended { on: Stamp::day(since) } }
        }
        EffectivePlan::Paid { name, .. } => Plan { name, terms: Terms::Paid { renews: None, sponsored_until: None } },
    }
}

/// The last change of the login method, with the run it began or ended.
#[must_use]
pub fn change(organization: &Organization) -> Option<Change> {
    let change = organization.changed.as_ref()?;
    let run = change.run.as_ref().or(organization.run.as_ref());
    Some(Change {
        at: Stamp::minute(change.at),
        by: change.by.name.clone(),
        run_url: run.map(|run| format!("/organizations/{}/auth/disable/{run}", organization.slug)),
    })
}

#[must_use]
pub fn state(state: &RunState) -> ShownState {
    match state {
        RunState::Requested | RunState::Switched => ShownState::Switched,
        RunState::Mailing { .. } => ShownState::Mailing,
        RunState::Done { .. } => ShownState::Done,
        RunState::Reverted { .. } => ShownState::Reverted,
    }
}

#[must_use]
pub fn status(status: RowStatus) -> MailStatus {
    match status {
        RowStatus::Queued => MailStatus::Queued,
        RowStatus::Sending => MailStatus::Sending,
        RowStatus::Sent => MailStatus::Sent,
        RowStatus::Failed => MailStatus::Failed,
        RowStatus::Cancelled => MailStatus::Cancelled,
    }
}

#[must_use]
pub fn counts(totals: &Totals) -> Counts {
    Counts {
        total: count(totals.members),
        queued: count(totals.queued),
        sending: count(totals.sending),
        sent: count(totals.sent),
        failed: count(totals.failed),
        cancelled: count(totals.cancelled),
        ready: count(totals.ready),
        left_out: count(totals.left_out),
    }
}

/// A counter as a page shows it.
#[must_use]
pub fn count(counter: i64) -> u64 {
    u64::try_from(counter).unwrap_or(0)
}

/// Whether anything on the page of a run may still change without an admin.
#[must_use]
pub fn is_live(state: &RunState, totals: &Totals) -> bool {
    match state {
        RunState::Requested | RunState::Switched | RunState::Mailing { .. } => true,
        RunState::Done { .. } => false,
        // Workers come to the waiting mails one by one and cancel them.
        RunState::Reverted { .. } => totals.unsettled() > 0,
    }
}

/// The page for a switch that did not happen.
#[must_use]
pub fn not_switched(error: ClickError, entered: &Entered) -> PageError {
    let name = &entered.organization.name;
    match error {
        ClickError::Sponsored(until) => {
            let day = Stamp::day(until).text;
            let message = format!(
                "Nothing has changed. While Fly.io sponsors the plan of {name}, its members sign in with Fly.io. The \
                 switch is possible from {day}, or at once after an upgrade to a paid plan in Sentry."
            );
            PageError::new(StatusCode::CONFLICT, &format!("Possible from {day}"), message)
                .action("Look at the sign-in settings", entered.path("auth"))
        }
        ClickError::LeftOut { by } => {
            let message = format!(
                "Nothing has changed. {by} left you out, so you would have no way in to {name} after the switch. If you are to \
                 come along, take the tick from your name on the preview and save it; then switch."
            );
            PageError::new(StatusCode::CONFLICT, "You are left out yourself", message)
                .action("Back to the preview", entered.path("auth/disable"))
        }
        ClickError::OnFlyAlready => {
            let message = format!("Nothing has changed. {name} signs in with Fly.io already.");
            PageError::new(StatusCode::CONFLICT, "Fly.io Auth is on already", message)
                .action("Look at the sign-in settings", entered.path("auth"))
        }
        ClickError::NoOrganization => {
            let message = format!("Nothing has changed. {name} is not linked here any more.");
            PageError::new(StatusCode::NOT_FOUND, "No such organization", message)
        }
        // Only requests of programs have keys.
        ClickError::OtherRequest => PageError::failed(),
        ClickError::Store(error) => error.into(),
    }
}
