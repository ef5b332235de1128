//! The outermost layer: an id for every request, one event for every answer, and no request without an answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use tracing::Instrument as _;

use crate::clock::Clock;
use crate::random::Random;
use crate::telemetry::RequestId;

/// Stands in every answer.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// What the layer needs.
#[derive(Clone)]
pub struct RequestIds {
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// For `axum::middleware::from_fn_with_state`, with `Router::layer`, so that the pattern of the route is known.
///
/// Handlers find the [`RequestId`] among the extensions. An id that the client sends is not taken over: it could make
/// two requests look like one. Neither path nor query is logged, since both can carry secrets.
pub async fn layer(State(ids): State<RequestIds>, mut request: Request, next: Next) -> Response {
    let id = RequestId::mint(ids.random.as_ref());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    // Of the highest level, so that the id stands in every line whatever the filter leaves out.
    let method = method_name(request.method());
    // Whoever finds out names the client (`telemetry::name_client`).
    let span = tracing::error_span!("request", id = %id, method, route, client = tracing::field::Empty);
    request.extensions_mut().insert(id.clone());
    let start = ids.clock.now();
    let mut response =
        AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span.clone()).await.unwrap_or_else(|_| {
            span.in_scope(|| tracing::error!("the request ended in a panic"));
            let text = format!("Something went wrong on our side. Please try again. Reference: {id}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        });
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(HEADER, value);
    }
    let status = response.status().as_u16();
    let latency_ms = u64::try_from(ids.clock.now().since(start).as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| {
        if status >= 500 {
            tracing::warn!(status, latency_ms, "answered");
        } else {
            tracing::info!(status, latency_ms, "answered");
        }
    });
    response
}

/// A method can be any word that a client makes up; only those of RFC 9110 and RFC 5789 are written down.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
