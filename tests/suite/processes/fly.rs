//! Fly.io's stand-in on loopback, in the process of the test, with everything that goes over its wire written down.

use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use flybridge::clock::SystemClock;
use flybridge::demo::fly::{Application, FlyStandIn, Settings};
use flybridge::demo::serve_on;
use flybridge::demo::world::World;
use flybridge::random::SystemRandom;
use http_body_util::BodyExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::process::{FLY_ID, FLY_SECRET, Node};

/// What went over the wire: queries, bodies and bearer tokens, of requests and answers.
pub(crate) type Wire = Arc<Mutex<Vec<String>>>;

/// A place for Fly.io, so that nodes can be told of it before it knows them.
pub(crate) struct Reserved(TcpListener);

impl Reserved {
    pub(crate) async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    /// Opens, for nodes that are registered there.
    pub(crate) fn serve(self, nodes: &[&Node]) -> Fly {
        self.serve_at(nodes.iter().map(|node| node.url("")).collect())
    }

    /// Opens, for issuers that are registered there.
    pub(crate) fn serve_at(self, issuers: Vec<String>) -> Fly {
        let application = Application {
            client_id: FLY_ID.to_owned(),
            client_secret: FLY_SECRET.to_owned(),
            redirect_uris: issuers.into_iter().map(|issuer| issuer + "/connectors/fly/callback").collect(),
        };
        let settings = Settings { applications: vec![application], ..Settings::default() };
        let random = Arc::new(SystemRandom::default());
        let stand_in = FlyStandIn::new(settings, World::demo(), Arc::new(SystemClock), random);
        let wire = Wire::default();
        let kept = Arc::clone(&wire);
        let router =
            stand_in.router().layer(from_fn(move |request, next| write_down(Arc::clone(&kept), request, next)));
        let task = tokio::spawn(async move {
            serve_on(self.0, router, std::future::pending()).await.unwrap();
        });
        Fly { stand_in, wire, task }
    }
}

/// Stops when dropped.
pub(crate) struct Fly {
    pub(crate) stand_in: FlyStandIn,
    pub(crate) wire: Wire,
    task: JoinHandle<()>,
}

impl Drop for Fly {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn write_down(wire: Wire, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let sent = read(body).await;
    let bearer = parts.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let mut seen = vec![parts.uri.query().unwrap_or_default().to_owned(), bearer.unwrap_or_default(), text(&sent)];
    let (answer, body) = next.run(Request::from_parts(parts, Body::from(sent))).await.into_parts();
    let given = read(body).await;
    seen.push(text(&given));
    wire.lock().unwrap().append(&mut seen);
    Response::from_parts(answer, Body::from(given))
}

async fn read(body: Body) -> Bytes {
    body.collect().await.unwrap().to_bytes()
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
