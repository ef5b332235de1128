//! For load balancers and operators: whether the process lives, and whether it can do its work.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::services::outbox::MailHealth;
use crate::store::Store;

pub struct Readiness {
    pub store: Store,
    pub mail: Arc<MailHealth>,
}

/// `GET /healthz`: the process answers.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: 200 while the store can be used. Mail that has stopped is told, but takes no node out of service:
/// sign-ins go on.
pub async fn readyz(State(readiness): State<Arc<Readiness>>) -> Response {
    let store = readiness.store.ping().await;
    let status = if store.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if let Err(error) = &store {
        tracing::warn!(%error, "not ready");
    }
    let body = json!({
        "store": if store.is_ok() { "ok" } else { "unavailable" },
        "mail": readiness.mail.trouble().unwrap_or_else(|| "ok".to_owned()),
    });
    (status, Json(body)).into_response()
}
