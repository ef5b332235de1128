//! For load balancers and operators: whether the process lives, and whether it can do its work.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::services::outbox::MailHealth;
use crate::store::{MAX_CLOCK_DIFFERENCE, Store};

pub struct Readiness {
    pub store: Store,
    pub mail: Arc<MailHealth>,
}

/// `GET /healthz`: the process answers.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: 200 while the store can be used and its clock agrees with ours. Mail that has stopped is told, but takes no node out of service:
/// sign-ins go on.
pub async fn readyz(State(readiness): State<Arc<Readiness>>) -> Response {
    let trouble = match readiness.store.ping().await {
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Some("unavailable".to_owned())
        }
        Ok(apart) if apart > MAX_CLOCK_DIFFERENCE => {
            tracing::error!(
                seconds = apart.as_secs(),
                "not ready: the clocks of this machine and of the store differ"
            );
            Some(format!("the clocks of this machine and of the store are {} s apart", apart.as_secs()))
        }
        Ok(_) => None,
    };
    let status = if trouble.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "store": trouble.unwrap_or_else(|| "ok".to_owned()),
        "mail": readiness.mail.trouble().unwrap_or_else(|| "ok".to_owned()),
    });
    (status, Json(body)).into_response()
}
