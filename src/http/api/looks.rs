//! What a client may look at: an organization, a run, and what became of each member's mail.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Api;
use super::call::Call;
use crate::clock::Timestamp;
use crate::domain::disable::{Row, RowStatus, Run, RunState};
use crate::domain::ids::is_id;
use crate::domain::organization::{Actor, LoginMethod, Organization};
use crate::domain::parameters::Parameters;
use crate::domain::plan::EffectivePlan;
use crate::http::error::problem::{Code, Problem};
use crate::store::{MAX_SCAN, StoreError, keys};

/// Members on a page, unless the request says otherwise.
pub const PAGE: usize = 100;
/// Members on a page at most.
pub const LONGEST_PAGE: usize = 500;
/// Rows looked at for one answer: with a status that few have, a page may be short, or empty, and others follow.
const LOOK: usize = 5_000;

/// `GET /api/v1/organizations/{id}`
pub async fn organization(
    State(api): State<Arc<Api>>,
    call: Call,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    call.may_look(&api).await?;
    let organization = api.organization(&name).await?;
    let members = api.directory.member_count(&organization.id).await?;
    let now = api.store.now();
    let on_fly = organization.login_method == LoginMethod::Fly;
    let run = organization.run.as_ref();
    Ok(answer(json!({
        "id": organization.id,
        "slug": organization.slug,
        "name": organization.name,
        "login_method": organization.login_method,
        "generation": organization.generation,
        "members": members,
        "plan": plan(&organization, now),
        "can_disable_fly_auth": on_fly && organization.plan.may_leave(now).is_ok(),
        "changed": organization.changed.as_ref().map(|change| json!({
            "at": time(change.at),
            "by": actor(&change.by),
        })),
        "run": run.map(|run| json!({
            "id": run,
            "url": api.run_url(&organization.id, run),
            "page": api.page_url(&organization, run),
        })),
    })))
}

/// `GET /api/v1/organizations/{id}/disable-runs/{run}`
pub async fn run(
    State(api): State<Arc<Api>>,
    call: Call,
    Path((name, run)): Path<(String, String)>,
) -> Result<Response, Problem> {
    call.may_look(&api).await?;
    let organization = api.organization(&name).await?;
    let run = api.run_of(&organization, &run).await?;
    let totals = api.disable.totals(&run.organization, &run.id).await?;
    let url = api.run_url(&organization.id, &run.id);
    let ended = |at: Option<Timestamp>| at.map(time);
    let (done, reverted) = match run.state {
        RunState::Done { at } => (Some(at), None),
        RunState::Reverted { at } => (None, Some(at)),
        RunState::Requested | RunState::Switched | RunState::Mailing { .. } => (None, None),
    };
    Ok(answer(json!({
        "id": run.id,
        "organization": run.organization,
        "state": run.state.as_str(),
        "by": actor(&run.by),
        "started_at": time(run.started_at),
        "mailed_at": ended(run.mailed_at),
        "done_at": ended(done),
        "reverted_at": ended(reverted),
        "resending": run.resending > 0,
        "totals": totals,
        "members_url": format!("{url}/members"),
        "page": api.page_url(&organization, &run.id),
    })))
}

/// `GET /api/v1/organizations/{id}/disable-runs/{run}/members`
pub async fn members(
    State(api): State<Arc<Api>>,
    call: Call,
    Path((name, run)): Path<(String, String)>,
) -> Result<Response, Problem> {
    call.may_look(&api).await?;
    let wanted = Wanted::read(&call.parameters()?)?;
    let organization = api.organization(&name).await?;
    let run = api.run_of(&organization, &run).await?;
    let (rows, last) = wanted.rows(&api, &run).await?;
    let next = last.map(|last| {
        let url = api.run_url(&run.organization, &run.id);
        format!("{url}/members?{}", wanted.after(&last))
    });
    Ok(answer(json!({ "members": rows.iter().map(member).collect::<Vec<_>>(), "next": next })))
}

/// Which members were asked for.
struct Wanted {
    status: Option<RowStatus>,
    after: Option<String>,
    limit: usize,
}

impl Wanted {
    fn read(parameters: &Parameters) -> Result<Self, Problem> {
        let wrong = |detail: String| Problem::new(Code::InvalidRequest, detail);
        let status = match parameters.one("status")? {
            None => None,
            Some(text) => {
                Some(RowStatus::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| {
                    let all = RowStatus::ALL.map(RowStatus::as_str).join(", ");
                    wrong(format!("The parameter status is one of {all}."))
                })?)
            }
        };
        let after = match parameters.one("after")? {
            None => None,
            Some(text) if is_id(text) => Some(text.to_owned()),
            Some(_) => return Err(wrong("The parameter after is the id of a member.".to_owned())),
        };
        let limit = match parameters.one("limit")? {
            None => PAGE,
            Some(text) => (text.parse().ok().filter(|limit| (1..=LONGEST_PAGE).contains(limit)))
                .ok_or_else(|| wrong(format!("The parameter limit is a number from 1 to {LONGEST_PAGE}.")))?,
        };
        Ok(Self { status, after, limit })
    }

    /// The rows in the order of their ids, and the last one looked at when others may follow.
    async fn rows(&self, api: &Api, run: &Run) -> Result<(Vec<Row>, Option<String>), StoreError> {
        let all = keys::rows(&run.organization, &run.id);
        let (mut found, mut after, mut looked) = (Vec::new(), self.after.clone(), 0);
        // One more tells whether the page is the last.
        let mut batch = if self.status.is_some() { MAX_SCAN } else { self.limit + 1 };
        while batch > 0 {
            let page = api.store.list(&all, after.as_deref(), batch).await?;
            let ended = page.len() < batch;
            for entry in page {
                looked += 1;
                if self.status.is_none_or(|status| entry.value.status == status) {
                    if found.len() == self.limit {
                        return Ok((found, after));
                    }
                    found.push(entry.value.clone());
                }
                after = Some(entry.item().to_owned());
            }
            if ended {
                return Ok((found, None));
            }
            batch = MAX_SCAN.min(LOOK.saturating_sub(looked));
        }
        Ok((found, after))
    }

    fn after(&self, last: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(status) = self.status {
            query.append_pair("status", status.as_str());
        }
        query.append_pair("limit", &self.limit.to_string()).append_pair("after", last);
        query.finish()
    }
}

fn member(row: &Row) -> Value {
    json!({
        "id": row.user,
        "name": row.name,
        "email": row.email,
        "mail": row.delivery,
        "status": row.status,
        "detail": row.detail,
        "attempts": row.attempts,
        "resends": row.resends,
        "status_at": time(row.at),
        "next_attempt_at": row.next_attempt_at.map(time),
        "answer": row.answer.as_ref().map(|answer| json!({ "at": time(answer.at), "text": answer.text })),
        "reminders": row.reminders,
        "reminded_at": row.reminded_at.map(time),
        "password_set_at": row.ready_at.map(time),
    })
}

fn plan(organization: &Organization, now: Timestamp) -> Value {
    match organization.plan.at(now) {
        EffectivePlan::Sponsored { ends_at } => json!({ "kind": "sponsored", "until": time(ends_at) }),
        EffectivePlan::Developer { since } => json!({ "kind": "developer", "since": time(since) }),
        EffectivePlan::Paid { name, since } => json!({ "kind": "paid", "name": name, "since": time(since) }),
    }
}

fn actor(actor: &Actor) -> Value {
    json!({ "id": actor.user, "name": actor.name })
}

/// RFC 3339.
pub(super) fn time(at: Timestamp) -> String {
    at.to_jiff().to_string()
}

/// What is told about people is kept by nobody on the way.
pub(super) fn answer(body: Value) -> Response {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)).into_response()
}
