//! One request and its answer: the limits of its body, and what the handlers learn of the connection.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::Request;
use axum::response::Response;
use http_body_util::Limited;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::PeerAddress;
use super::timed::{Activity, Alarm, Busy};
use crate::clock::{Clock, Timestamp};
use crate::config::ServerLimits;

type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// Among the extensions of each request: whether its body was given up because it did not come in time.
///
/// A handler sees only that the body cannot be read; whoever answers can say why (RFC 9110, section 15.5.9).
#[derive(Debug, Clone, Default)]
pub struct LateBody(Arc<AtomicBool>);

impl LateBody {
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What every request of one connection shares.
#[derive(Clone)]
pub(super) struct Exchange {
    router: TowerToHyperService<Router>,
    peer: PeerAddress,
    limits: ServerLimits,
    clock: Arc<dyn Clock>,
    activity: Activity,
}

impl Exchange {
    pub(super) fn new(
        router: Router,
        peer: PeerAddress,
        limits: ServerLimits,
        clock: Arc<dyn Clock>,
        activity: Activity,
    ) -> Self {
        Self { router: TowerToHyperService::new(router), peer, limits, clock, activity }
    }

    pub(super) async fn answer(self, request: Request<Incoming>) -> Result<Response, Infallible> {
        let busy = self.activity.begin();
        let late = LateBody::default();
        let mut request = request.map(|body| self.timed_body(body, &late));
        request.extensions_mut().insert(self.peer);
        request.extensions_mut().insert(late);
        let response = self.router.call(request).await?;
        Ok(response.map(|inner| Body::new(Answer { inner, _busy: busy })))
    }

    fn timed_body(&self, body: Incoming, late: &LateBody) -> Body {
        if body.is_end_stream() {
            return Body::empty();
        }
        Body::new(TimedBody {
            inner: Limited::new(body, self.limits.max_body),
            deadline: self.clock.now().plus(self.limits.body_timeout),
            span: self.limits.body_timeout,
            clock: Arc::clone(&self.clock),
            alarm: Alarm::default(),
            late: late.clone(),
        })
    }
}

/// A request body of limited size that must be complete by a deadline.
struct TimedBody {
    inner: Limited<Incoming>,
    deadline: Timestamp,
    span: Duration,
    clock: Arc<dyn Clock>,
    alarm: Alarm,
    late: LateBody,
}

impl HttpBody for TimedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.inner).poll_frame(cx);
        if frame.is_ready() {
            return frame;
        }
        if this.alarm.has_rung(this.deadline, this.span, &this.clock, cx) {
            this.late.0.store(true, Ordering::Release);
            return Poll::Ready(Some(Err("the body did not arrive in time".into())));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An answer's body; the connection counts as busy until it is sent.
struct Answer {
    inner: Body,
    _busy: Busy,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
