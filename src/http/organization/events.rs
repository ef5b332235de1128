//! The progress of a run for scripts: as server-sent events, and as JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::sse::Sse;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::follow::{Follower, OVER, is_over, progress};
use super::pace::{Pace, Tries};
use super::{Admin, Entered, NotEntered, Room, ledger, run_path};
use crate::domain::disable::{Row, Run};
use crate::domain::ids::is_id;
use crate::http::pages::disable::{MailStatus, RunProgress};
use crate::http::pages::when;
use crate::http::web::{Visitor, Web};
use crate::store::StoreError;

/// Members in one answer at most.
const MOST: usize = 500;

/// `GET /organizations/{slug}/auth/disable/{run}/events`
pub async fn get(
    State(web): State<Arc<Web>>,
    State(admin): State<Arc<Admin>>,
    visitor: Visitor,
    Path((slug, run)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, NotEntered> {
    let (_, run) = enter(&web, &admin, &visitor, (&slug, &run)).await?;
    let again = headers.get("last-event-id").is_some_and(|id| id.as_bytes() == OVER.as_bytes());
    let totals = admin.disable.totals(&run.organization, &run.id).await?;
    if again && is_over(&run.state, &totals) {
        // The one answer after which a browser does not connect again.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let Ok(room) = Arc::clone(&admin.streams).try_acquire_owned() else { return Ok(full(&visitor)) };
    let follower = Follower::new(Arc::clone(&admin), Arc::clone(&web.clock), &run, room).await?;
    let mut response = Sse::new(follower.stream()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that collect an answer before they pass it on would hold the news back.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

fn full(visitor: &Visitor) -> Response {
    tracing::warn!("there is no room for another event stream");
    let body = Json(json!({ "error": "too_many_streams", "request_id": visitor.request_id }));
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "60")], body).into_response()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct StatusQuery {
    after: Option<String>,
    /// Members wanted; none are told without it.
    limit: Option<usize>,
}

/// How far a run is, and a part of its members when they are asked for.
#[derive(Debug, Serialize)]
struct Status {
    #[serde(flatten)]
    progress: RunProgress,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<MemberStatus>>,
    /// `after` of the next part, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct MemberStatus {
    id: String,
    name: String,
    status: MailStatus,
    /// Has a password.
    ready: bool,
    detail: String,
    /// What the mail server said last, and when.
    #[serde(skip_serializing_if = "String::is_empty")]
    answer: String,
    attempts: u32,
    /// Of a mail that waits, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
}

/// `GET /organizations/{slug}/auth/disable/{run}/status`
pub async fn status(
    State(web): State<Arc<Web>>,
    State(admin): State<Arc<Admin>>,
    visitor: Visitor,
    Path((slug, run)): Path<(String, String)>,
    Query(query): Query<StatusQuery>,
) -> Result<Response, NotEntered> {
    let (_, run) = enter(&web, &admin, &visitor, (&slug, &run)).await?;
    let totals = admin.disable.totals(&run.organization, &run.id).await?;
    let now = web.clock.now();
    let tries = if totals.unsettled() > 0 { ledger::tries(&admin, &run, now).await? } else { Tries::Last(None) };
    let progress = progress(&run, &totals, &Pace::new(&run, tries), now);
    let (members, next) = match query.limit {
        Some(limit) => members(&admin, &run, query.after.as_deref(), limit.clamp(1, MOST)).await?,
        None => (None, None),
    };
    let body = Json(Status { progress, members, next });
    Ok(([(header::CACHE_CONTROL, "no-store")], body).into_response())
}

type Part = (Option<Vec<MemberStatus>>, Option<String>);

async fn members(admin: &Admin, run: &Run, after: Option<&str>, limit: usize) -> Result<Part, StoreError> {
    let after = after.filter(|text| is_id(text));
    let rows = admin.disable.rows(&run.organization, &run.id, after, limit).await?;
    let next = rows.last().filter(|_| rows.len() == limit).map(|last| last.item().to_owned());
    let member = |row: &Row| {
        let shown = ledger::shown(row, run);
        MemberStatus {
            id: shown.id,
            name: shown.name,
            status: shown.status,
            ready: shown.ready,
            detail: shown.detail,
            answer: shown.answer,
            attempts: row.attempts,
            next_attempt_at: row.next_attempt_at.map(when::iso),
        }
    };
    Ok((Some(rows.iter().map(|row| member(&row.value)).collect()), next))
}

/// A script is not sent to a sign-in page.
async fn enter(
    web: &Web,
    admin: &Admin,
    visitor: &Visitor,
    (slug, run): (&str, &str),
) -> Result<(Entered, Run), NotEntered> {
    match admin.enter(web, visitor, slug, &run_path(slug, run), Room::Oversight).await {
        Ok(entered) => {
            let run = admin.run_of(&entered, run).await?;
            Ok((entered, run))
        }
        Err(NotEntered::SignIn(_)) => {
            let body = Json(json!({ "error": "sign_in_required", "request_id": visitor.request_id }));
            let headers = [(header::CACHE_CONTROL, "no-store")];
            Err(NotEntered::SignIn(Box::new((StatusCode::UNAUTHORIZED, headers, body).into_response())))
        }
        Err(refused) => Err(refused),
    }
}
