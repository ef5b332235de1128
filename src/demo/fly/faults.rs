//! Ways to fail, switched at run time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    Authorize,
    Token,
    Info,
    /// Where [`Fault::Redirect`] leads; it has no faults of its own, only a count.
    Elsewhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This status with a short text; `retry_after` in seconds.
    Status { status: u16, retry_after: Option<u32> },
    /// No answer until [`super::FlyStandIn::release`], then the usual one.
    Hang,
    /// 200 and a page in HTML.
    NotJson,
    /// 200 and JSON of another shape.
    WrongShape,
    /// 200 and 10 MiB that begin like an answer.
    Huge,
    /// 302 to `/elsewhere` of the stand-in.
    Redirect,
    /// `token/info` only: the token belongs to another application.
    WrongApplication,
    /// `token/info` only: `resource_owner_id` and `user_id` differ.
    OtherResourceOwner,
    /// The request is served, but its answer is lost: 502 instead.
    LoseAnswer,
}

/// What a handler has left to do after the faults had their say.
pub(super) enum Verdict {
    Answer(Response),
    Go(Option<Fault>),
}

const HUGE: usize = 10 * 1024 * 1024;

pub(super) struct Faults {
    inner: Mutex<Inner>,
    /// Rises with every release.
    released: watch::Sender<u64>,
    /// How many requests hang now.
    waiting: watch::Sender<usize>,
}

#[derive(Default)]
struct Inner {
    active: HashMap<Endpoint, (Fault, Option<u32>)>,
    requests: HashMap<Endpoint, u64>,
}

impl Default for Faults {
    fn default() -> Self {
        Self { inner: Mutex::default(), released: watch::Sender::new(0), waiting: watch::Sender::new(0) }
    }
}

impl Faults {
    pub(super) fn set(&self, endpoint: Endpoint, fault: Fault, times: Option<u32>) {
        self.lock().active.insert(endpoint, (fault, times));
    }

    pub(super) fn heal(&self) {
        self.lock().active.clear();
        self.release();
    }

    pub(super) fn release(&self) {
        self.released.send_modify(|count| *count += 1);
    }

    pub(super) async fn hanging(&self, count: usize) {
        // An error would mean that the sender is gone, and `self` holds it.
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting >= count).await;
    }

    pub(super) fn count(&self, endpoint: Endpoint) {
        *self.lock().requests.entry(endpoint).or_default() += 1;
    }

    pub(super) fn requests(&self, endpoint: Endpoint) -> u64 {
        self.lock().requests.get(&endpoint).copied().unwrap_or(0)
    }

    /// Counts the request and applies the fault that is set for `endpoint`.
    pub(super) async fn meet(&self, endpoint: Endpoint) -> Verdict {
        self.count(endpoint);
        // Before the fault is read, so that a release in between is not missed.
        let mut released = self.released.subscribe();
        let Some(fault) = self.take(endpoint) else { return Verdict::Go(None) };
        if fault == Fault::Hang {
            let waiting = Waiting::begin(&self.waiting);
            let _ = released.changed().await;
            drop(waiting);
        }
        answer(fault).map_or(Verdict::Go(Some(fault)), Verdict::Answer)
    }

    fn take(&self, endpoint: Endpoint) -> Option<Fault> {
        let mut inner = self.lock();
        let (fault, times) = inner.active.get_mut(&endpoint)?;
        let fault = *fault;
        match times {
            None => {}
            Some(0 | 1) => {
                inner.active.remove(&endpoint);
            }
            Some(left) => *left -= 1,
        }
        Some(fault)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a hanging request down again, also when its client went away.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn begin(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|waiting| *waiting += 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

/// The answer of a fault that needs nothing from the handler.
fn answer(fault: Fault) -> Option<Response> {
    let json = [(CONTENT_TYPE, "application/json; charset=utf-8")];
    match fault {
        Fault::Status { status, retry_after } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = (status, "The stand-in was told to fail.\n").into_response();
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            Some(response)
        }
        Fault::NotJson => Some(
            (
                [(CONTENT_TYPE, "text/html; charset=utf-8")],
                "<!doctype html><title>Fly.io is being looked after</title>",
            )
                .into_response(),
        ),
        Fault::WrongShape => Some((json, r#"{"data":[1,2,3],"organizations":"none"}"#).into_response()),
        Fault::Huge => {
            let mut body = br#"{"access_token":"fo1_"#.to_vec();
            body.resize(HUGE, b'a');
            Some((json, body).into_response())
        }
        Fault::Redirect => Some((StatusCode::FOUND, [(LOCATION, "/elsewhere")]).into_response()),
        Fault::Hang | Fault::WrongApplication | Fault::OtherResourceOwner | Fault::LoseAnswer => None,
    }
}
