//! Connections: what they may cost, and how they end. Over real TCP, with a clock that moves only when told to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use axum::{Extension, Router};
use flybridge::clock::{Clock, ManualClock, SystemClock, Timestamp};
use flybridge::config::ServerLimits;
use flybridge::http::request_limits;
use flybridge::http::server::{Drained, PeerAddress, Unreadable, bind, serve};
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

/// Longer than anything takes here; a test that gets there has failed.
const PATIENCE: Duration = Duration::from_secs(30);

const LIMITS: ServerLimits = ServerLimits {
    max_connections: 100,
    header_timeout: Duration::from_secs(10),
    body_timeout: Duration::from_secs(20),
    idle_timeout: Duration::from_secs(75),
    write_timeout: Duration::from_secs(30),
    drain: Duration::from_secs(40),
    max_header: 8 * 1024,
    max_url: 2 * 1024,
    max_body: 4 * 1024,
};

/// A manual clock that tells which sleeps have begun, so that a test knows when the server waits.
struct WatchedClock {
    clock: ManualClock,
    sleeps: mpsc::UnboundedSender<Duration>,
}

impl Clock for WatchedClock {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'_, ()> {
        let sleep = self.clock.sleep(span);
        // Nobody listens once the test is over.
        let _ = self.sleeps.send(span);
        sleep
    }
}

/// An hour earlier each time somebody looks, while sleeps take what they take.
struct Backwards(AtomicI64);

impl Clock for Backwards {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.fetch_sub(3_600, Ordering::SeqCst))
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move { SystemClock.sleep(span).await })
    }
}

struct Running {
    address: SocketAddr,
    clock: Arc<WatchedClock>,
    sleeps: mpsc::UnboundedReceiver<Duration>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Drained>,
}

async fn start(router: Router, limits: ServerLimits) -> Running {
    let listeners = bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
    let address = listeners[0].local_addr().unwrap();
    let (sender, sleeps) = mpsc::unbounded_channel();
    let clock = Arc::new(WatchedClock { clock: ManualClock::at(Timestamp::EPOCH), sleeps: sender });
    let (stop, stopped) = oneshot::channel();
    let given: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let ended = tokio::spawn(serve(listeners, router, limits, given, async { stopped.await.unwrap_or_default() }));
    Running { address, clock, sleeps, stop, ended }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// Sends one request and gives the whole answer; the connection ends with it.
    async fn ask(&self, request: &str) -> String {
        let mut stream = self.send(request).await;
        rest(&mut stream).await
    }

    async fn wait_for_sleep(&mut self, span: Duration) {
        let found = async { while self.sleeps.recv().await.expect("a sleep") != span {} };
        tokio::time::timeout(PATIENCE, found).await.expect("the server waits");
    }

    fn advance(&self, span: Duration) {
        self.clock.clock.advance(span);
    }

    async fn stop(self) -> Drained {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.ended).await.expect("an end").unwrap()
    }
}

/// All that comes until the connection ends.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset after the answer is an end like another.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an end");
    String::from_utf8(bytes).unwrap()
}

/// One answer whose body is `body`, on a connection that stays open.
async fn answer(stream: &mut TcpStream, body: &str) {
    let mut bytes = Vec::new();
    let read = async {
        while !bytes.ends_with(format!("\r\n\r\n{body}").as_bytes()) {
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "{}", String::from_utf8_lossy(&bytes));
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("an answer");
    assert!(bytes.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&bytes));
}

fn request(line: &str) -> String {
    format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

fn hello() -> Router {
    Router::new().route("/", get(async || "hello")).route("/body", post(async |body: Bytes| body.len().to_string()))
}

#[tokio::test]
async fn handlers_know_the_peer() {
    let router =
        Router::new().route("/", get(async |Extension(PeerAddress(peer)): Extension<PeerAddress>| peer.to_string()));
    let server = start(router, LIMITS).await;
    let mut stream = server.send(&request("GET /")).await;
    let own = stream.local_addr().unwrap().to_string();
    assert!(rest(&mut stream).await.ends_with(&format!("\r\n\r\n{own}")));
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_its_name() {
    let server = start(with_words(hello()), LIMITS).await;
    let long_header = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(2 * LIMITS.max_header));
    let many_headers = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(200));
    let too_long = LIMITS.max_body + 1;
    let body = "x".repeat(too_long);
    let announced = format!("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: {too_long}\r\n\r\n{body}");
    let chunked = format!(
        "POST /body HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{too_long:x}\r\n{body}\r\n0\r\n\r\n"
    );
    for (request, status) in [
        (long_header, 431),
        (many_headers, 431),
        (announced, 413),
        (chunked, 413),
        ("nonsense\r\n\r\n".to_owned(), 400),
        (request("GET /"), 200),
    ] {
        let answer = server.ask(&request.replace("host: x\r\n", "host: x\r\nconnection: close\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    }
    let exact =
        format!("POST /body HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", LIMITS.max_body);
    let answer = server.ask(&format!("{exact}{}", "x".repeat(LIMITS.max_body))).await;
    assert!(answer.ends_with(&LIMITS.max_body.to_string()), "{answer}");
    assert_eq!(server.stop().await, Drained::Wholly);
}

#[tokio::test]
async fn a_header_that_drips_in_ends_with_408() {
    let mut server = start(with_words(hello()), LIMITS).await;
    let mut stream = server.send("GET / HTTP/1.1\r\nhos").await;
    server.wait_for_sleep(LIMITS.header_timeout).await;
    server.advance(Duration::from_secs(6));
    stream.write_all(b"t: x\r\n").await.unwrap();
    server.advance(Duration::from_secs(4));
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n"));
    drop(stream);
    assert_eq!(server.stop().await, Drained::Wholly);
}

/// Answers in place of a request that there is not, in words that name the reason.
fn with_words(router: Router) -> Router {
    router.layer(from_fn(async |request: Request, next: Next| match request.extensions().get() {
        Some(Unreadable { status, detail }) => {
            (*status, [("x-reason", detail.clone())], format!("no request: {status}")).into_response()
        }
        None => next.run(request).await,
    }))
}

#[tokio::test]
async fn the_router_words_what_the_connection_refuses() {
    let mut server = start(with_words(hello()), LIMITS).await;
    let far_too_long = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(40 * LIMITS.max_header));
    let words = |status: &str, reason: &str, answer: &str| {
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\nconnection: close\r\n")), "{head}");
        let told = head.split("\r\nx-reason: from 127.0.0.1:").nth(1).expect("the peer");
        assert!(told.lines().next().unwrap().ends_with(reason), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        assert_eq!(body, format!("no request: {status}"));
    };
    words("431 Request Header Fields Too Large", "message head is too large", &server.ask(&far_too_long).await);
    words("400 Bad Request", "invalid HTTP method parsed", &server.ask("nonsense\r\n\r\n").await);
    words(
        "400 Bad Request",
        "invalid HTTP method parsed",
        &server.ask("\u{16}\u{3}\u{1}\u{2}a TLS client\r\n\r\n").await,
    );
    let mut stream = server.send("GET / HTTP/1.1\r\nhos").await;
    server.wait_for_sleep(LIMITS.header_timeout).await;
    server.advance(LIMITS.header_timeout);
    words("408 Request Timeout", "a late header", &rest(&mut stream).await);
    drop(stream);
    // After a request that was answered, too.
    let mut stream = server.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    answer(&mut stream, "hello").await;
    stream.write_all(b"nonsense\r\n\r\n").await.unwrap();
    words("400 Bad Request", "invalid HTTP method parsed", &rest(&mut stream).await);
    drop(stream);
    assert_eq!(server.stop().await, Drained::Wholly);
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_without_a_word() {
    let mut server = start(hello(), LIMITS).await;
    let mut stream = server.connect().await;
    server.wait_for_sleep(LIMITS.idle_timeout).await;
    server.advance(LIMITS.idle_timeout);
    assert_eq!(rest(&mut stream).await, "");
    assert_eq!(server.stop().await, Drained::Wholly);
}

#[tokio::test]
async fn a_second_request_has_all_its_time_too() {
    let mut server = start(hello(), LIMITS).await;
    let mut stream = server.connect().await;
    server.wait_for_sleep(LIMITS.idle_timeout).await;
    server.advance(Duration::from_secs(70));
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    answer(&mut stream, "hello").await;
    // The first timer rings now, 5 s later, and finds that the deadline has moved.
    server.advance(Duration::from_secs(5));
    server.wait_for_sleep(Duration::from_secs(70)).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    answer(&mut stream, "hello").await;
    server.advance(LIMITS.idle_timeout);
    assert_eq!(rest(&mut stream).await, "");
    assert_eq!(server.stop().await, Drained::Wholly);
}

#[tokio::test]
async fn a_clock_that_is_set_back_holds_no_connection_open() {
    let listeners = bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
    let address = listeners[0].local_addr().unwrap();
    let limits = ServerLimits { header_timeout: Duration::from_millis(20), ..LIMITS };
    let clock = Arc::new(Backwards(AtomicI64::new(0)));
    tokio::spawn(serve(listeners, with_words(hello()), limits, clock, std::future::pending()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhos").await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn a_body_that_drips_in_ends_with_408() {
    let mut server = start(hello().layer(from_fn(request_limits::rejections)), LIMITS).await;
    let mut stream = server.send("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc").await;
    server.wait_for_sleep(LIMITS.body_timeout).await;
    server.advance(LIMITS.body_timeout);
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn a_long_answer_is_not_an_idle_connection() {
    let go = Arc::new(Notify::new());
    let (entered, mut entries) = mpsc::unbounded_channel();
    let wait = Arc::clone(&go);
    let slow = get(async move || {
        entered.send(()).unwrap();
        wait.notified().await;
        "at last"
    });
    let server = start(Router::new().route("/", slow), LIMITS).await;
    let mut stream = server.send(&request("GET /")).await;
    entries.recv().await.unwrap();
    server.advance(Duration::from_hours(1));
    go.notify_one();
    assert!(rest(&mut stream).await.ends_with("at last"));
}

/// Bytes without end.
fn endless() -> Router {
    let chunks = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 65_536])));
    let body = move || Body::from_stream(chunks.clone());
    Router::new().route("/", get(async move || body()))
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_cut_off() {
    let mut server = start(endless(), LIMITS).await;
    let stream = server.send(&request("GET /")).await;
    server.wait_for_sleep(LIMITS.write_timeout).await;
    server.advance(LIMITS.write_timeout);
    // Nothing is left to drain, although the peer has not gone.
    assert_eq!(server.stop().await, Drained::Wholly);
    drop(stream);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let seconds = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seconds);
    let second = get(async move || {
        count.fetch_add(1, Ordering::SeqCst);
        "second"
    });
    let server = start(hello().route("/second", second), ServerLimits { max_connections: 1, ..LIMITS }).await;
    let mut first = server.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    answer(&mut first, "hello").await;
    let mut waiting = server.send(&request("GET /second")).await;
    for _ in 0..10 {
        first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        answer(&mut first, "hello").await;
    }
    assert_eq!(seconds.load(Ordering::SeqCst), 0);
    drop(first);
    assert!(rest(&mut waiting).await.ends_with("second"));
    assert_eq!(seconds.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_request_in_flight_is_answered_while_draining() {
    let go = Arc::new(Notify::new());
    let (entered, mut entries) = mpsc::unbounded_channel();
    let wait = Arc::clone(&go);
    let slow = get(async move || {
        entered.send(()).unwrap();
        wait.notified().await;
        "at last"
    });
    let mut server = start(Router::new().route("/", slow), LIMITS).await;
    let mut stream = server.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut idle = server.connect().await;
    entries.recv().await.unwrap();
    let (stop, _) = oneshot::channel();
    std::mem::replace(&mut server.stop, stop).send(()).unwrap();
    server.wait_for_sleep(LIMITS.drain).await;
    assert_eq!(rest(&mut idle).await, "");
    assert!(TcpStream::connect(server.address).await.is_err(), "the door is closed");
    go.notify_one();
    assert!(rest(&mut stream).await.ends_with("at last"));
    assert_eq!(tokio::time::timeout(PATIENCE, server.ended).await.unwrap().unwrap(), Drained::Wholly);
}

#[tokio::test]
async fn what_does_not_end_is_cut_when_the_time_to_drain_is_over() {
    let (entered, mut entries) = mpsc::unbounded_channel();
    let stuck = get(async move || {
        entered.send(()).unwrap();
        std::future::pending::<()>().await;
    });
    let mut server = start(Router::new().route("/", stuck), LIMITS).await;
    let mut stream = server.send(&request("GET /")).await;
    entries.recv().await.unwrap();
    let (stop, _) = oneshot::channel();
    std::mem::replace(&mut server.stop, stop).send(()).unwrap();
    server.wait_for_sleep(LIMITS.drain).await;
    server.advance(LIMITS.drain);
    assert_eq!(rest(&mut stream).await, "");
    assert_eq!(tokio::time::timeout(PATIENCE, server.ended).await.unwrap().unwrap(), Drained::Cut(1));
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let first = bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
    let address = first[0].local_addr().unwrap();
    let error = bind(&[address]).await.expect_err("it is taken").to_string();
    assert!(error.starts_with(&format!("cannot listen on {address}: ")), "{error}");
}
