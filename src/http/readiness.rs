//! For load balancers and operators: whether the process lives, and whether it can do its work.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::services::outbox::{MailHealth, MailTrouble};
use crate::store::{MAX_CLOCK_DIFFERENCE, Store, StoreError, keys};

pub struct Readiness {
    pub store: Store,
    pub mail: Arc<MailHealth>,
    /// What the log was told last; none while the store is fine.
    told: Mutex<Option<String>>,
}

impl Readiness {
    #[must_use]
    pub fn new(store: Store, mail: Arc<MailHealth>) -> Self {
        Self { store, mail, told: Mutex::default() }
    }

    /// Why the store cannot be used: in words for everybody, and in words for the log.
    async fn trouble(&self) -> Option<(String, String)> {
        match self.store.ping().await {
            Err(StoreError::Unfit(why)) => Some((why.clone(), why)),
            Err(error) => Some(("unavailable".to_owned(), error.to_string())),
            Ok(apart) if apart > MAX_CLOCK_DIFFERENCE => {
                let clocks = "the clocks of this machine and of the store";
                let seconds = apart.as_secs();
                Some((format!("{clocks} are {seconds} s apart"), format!("{clocks} differ")))
            }
            Ok(_) => None,
        }
    }

    /// Why no mail leaves, from this process or from the workers.
    async fn mail_trouble(&self) -> Option<String> {
        if let Some(trouble) = self.mail.trouble() {
            return Some(trouble);
        }
        let told = self.store.read(&keys::mail_trouble::<MailTrouble>()).await.ok().flatten();
        told.map(|entry| entry.value.sentence)
    }

    /// Load balancers ask every second: the log hears of changes only.
    fn tell(&self, trouble: Option<&str>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.as_deref() == trouble {
            return;
        }
        if let Some(why) = trouble {
            tracing::error!(why, "not ready");
        } else {
            tracing::info!("ready again");
        }
        *told = trouble.map(str::to_owned);
    }
}

/// `GET /healthz`: the process answers.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: 200 while the store can be used, keeps what it acknowledges, is the one of the start and its clock
/// agrees with ours. Mail that has stopped is told, but takes no node out of service: sign-ins go on.
pub async fn readyz(State(readiness): State<Arc<Readiness>>) -> Response {
    let trouble = readiness.trouble().await;
    readiness.tell(trouble.as_ref().map(|(_, log)| log.as_str()));
    let status = if trouble.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mail = if trouble.is_none() { readiness.mail_trouble().await } else { readiness.mail.trouble() };
    let body = json!({
        "store": trouble.map_or_else(|| "ok".to_owned(), |(words, _)| words),
        "mail": mail.unwrap_or_else(|| "ok".to_owned()),
    });
    (status, Json(body)).into_response()
}
