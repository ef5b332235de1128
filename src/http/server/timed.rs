//! A stream that does not wait for ever: for a header, for the next request, or for a peer that does not read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use futures_util::future::BoxFuture;
use hyper::rt::{Sleep, Timer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock::{Clock, Timestamp};
use crate::config::ServerLimits;
use crate::http::request_id;

/// What the exchange tells the stream about requests. A short one begins and ends between two reads, hence the count.
#[derive(Debug, Clone, Default)]
pub(super) struct Activity(Arc<Requests>);

#[derive(Debug, Default)]
struct Requests {
    /// One is being answered.
    busy: AtomicBool,
    begun: AtomicU64,
}

impl Activity {
    /// Busy until the result is dropped.
    pub(super) fn begin(&self) -> Busy {
        self.0.begun.fetch_add(1, Ordering::Release);
        self.0.busy.store(true, Ordering::Release);
        Busy(self.clone())
    }

    fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::Acquire)
    }

    fn is_busy(&self) -> bool {
        self.0.busy.load(Ordering::Acquire)
    }
}

/// A request is being answered.
#[derive(Debug)]
pub(super) struct Busy(Activity);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.busy.store(false, Ordering::Release);
    }
}

/// What the peer is expected to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expecting {
    /// Nothing: a request is being answered. Its body has a deadline of its own.
    Nothing,
    /// The first byte of a request, until then.
    Request(Timestamp),
    /// The rest of a header, until then.
    RestOfHeader(Timestamp),
}

/// One connection's stream with its deadlines.
///
/// A header has one deadline from its first byte, however slowly the others drip in. An idle connection is closed
/// without a word, since an answer could meet a request that is on its way.
pub(super) struct TimedStream<S> {
    stream: S,
    clock: Arc<dyn Clock>,
    activity: Activity,
    /// Requests that had begun at the last read.
    begun: u64,
    header_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    expecting: Expecting,
    reading: Alarm,
    /// Since when a write is stuck, as its deadline.
    stuck: Option<Timestamp>,
    writing: Alarm,
    /// Why there is no request to answer. What hyper writes then, and its end of the stream, go nowhere.
    refused: Option<StatusCode>,
}

impl<S> TimedStream<S> {
    pub(super) fn new(stream: S, limits: &ServerLimits, clock: Arc<dyn Clock>) -> Self {
        let expecting = Expecting::Request(clock.now().plus(limits.idle_timeout));
        Self {
            stream,
            clock,
            activity: Activity::default(),
            begun: 0,
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
            write_timeout: limits.write_timeout,
            expecting,
            reading: Alarm::default(),
            stuck: None,
            writing: Alarm::default(),
            refused: None,
        }
    }

    pub(super) fn activity(&self) -> Activity {
        self.activity.clone()
    }

    /// The stream of a peer whose request could not be read, and why; it has had no answer yet.
    pub(super) fn into_refused(self) -> Option<(S, StatusCode)> {
        let status = self.refused?;
        Some((self.stream, status))
    }

    /// Whether these bytes are not to be written: somebody with more to say answers instead.
    fn is_refused(&mut self, bytes: &[u8]) -> bool {
        if self.refused.is_none() && !self.activity.is_busy() {
            self.refused = bare_refusal(bytes);
        }
        self.refused.is_some()
    }

    /// Progress or failure of a write, or the deadline of one that is stuck.
    fn watch_write<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let deadline = *self.stuck.get_or_insert_with(|| self.clock.now().plus(self.write_timeout));
        if self.writing.has_rung(deadline, self.write_timeout, &self.clock, cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let begun = this.activity.begun();
        let one_was_read = std::mem::replace(&mut this.begun, begun) != begun;
        if this.activity.is_busy() {
            this.expecting = Expecting::Nothing;
        } else if one_was_read || this.expecting == Expecting::Nothing {
            this.expecting = Expecting::Request(this.clock.now().plus(this.idle_timeout));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if read.is_ready() {
            let came = buf.filled().len() > before;
            if came && matches!(this.expecting, Expecting::Request(_)) {
                this.expecting = Expecting::RestOfHeader(this.clock.now().plus(this.header_timeout));
            }
            return read;
        }
        let (deadline, span) = match this.expecting {
            Expecting::Nothing => return Poll::Pending,
            Expecting::Request(deadline) => (deadline, this.idle_timeout),
            Expecting::RestOfHeader(deadline) => (deadline, this.header_timeout),
        };
        if !this.reading.has_rung(deadline, span, &this.clock, cx) {
            return Poll::Pending;
        }
        if matches!(this.expecting, Expecting::Request(_)) {
            return Poll::Ready(Ok(()));
        }
        this.refused = Some(StatusCode::REQUEST_TIMEOUT);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_refused(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.watch_write(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_refused(bufs.first().map_or(&[], |buf| buf)) {
            return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()));
        }
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.watch_write(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        this.watch_write(flushed, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.refused.is_some() {
            return Poll::Ready(Ok(()));
        }
        let shut = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.watch_write(shut, cx)
    }
}

/// The status of an answer that hyper gives by itself to what is no request, or to a header longer than it reads. Such
/// an answer has no body, and unlike every answer of ours no id.
fn bare_refusal(bytes: &[u8]) -> Option<StatusCode> {
    let head = std::str::from_utf8(bytes).ok()?.strip_prefix("HTTP/1.1 ")?;
    let refused =
        [StatusCode::BAD_REQUEST, StatusCode::URI_TOO_LONG, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE].into_iter();
    let status = refused.into_iter().find(|status| head.starts_with(status.as_str()))?;
    (head.contains("content-length: 0\r\n") && !head.contains(request_id::HEADER.as_str())).then_some(status)
}

/// A timer that is only set when somebody has to wait, and not set anew when the deadline merely moves back: a busy
/// connection costs one timer per idle time, not one per request.
#[derive(Default)]
pub(super) struct Alarm(Option<(Timestamp, BoxFuture<'static, ()>)>);

impl Alarm {
    /// Whether `deadline` is over; if not, the task is woken when it is. It never takes longer than `span` from now, even
    /// if the clock is set back meanwhile.
    pub(super) fn has_rung(
        &mut self,
        deadline: Timestamp,
        span: Duration,
        clock: &Arc<dyn Clock>,
        cx: &mut Context<'_>,
    ) -> bool {
        loop {
            let now = clock.now();
            if now >= deadline {
                self.0 = None;
                return true;
            }
            let (set_for, timer) = match &mut self.0 {
                Some(set) if set.0 <= deadline => set,
                slot => {
                    let clock = Arc::clone(clock);
                    let wait = deadline.since(now).min(span);
                    let timer: BoxFuture<'static, ()> = Box::pin(async move { clock.sleep(wait).await });
                    slot.insert((deadline, timer))
                }
            };
            let is_for_this = *set_for == deadline;
            if timer.as_mut().poll(cx).is_pending() {
                return false;
            }
            self.0 = None;
            if is_for_this {
                return true;
            }
        }
    }
}

/// A timer that never rings. The deadlines are those of [`TimedStream`]; hyper is given a timeout only because it looks
/// at the stream once more after an answer if it has one, and that is when the idle time begins.
#[derive(Clone, Copy)]
pub(super) struct NeverTimer;

impl Timer for NeverTimer {
    fn sleep(&self, _span: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(Never)
    }

    fn sleep_until(&self, _deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Never)
    }
}

struct Never;

impl Sleep for Never {}

impl Future for Never {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}
