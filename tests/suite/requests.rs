//! What is known and written down about a request: its id, its route, the address of its client.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use axum::routing::get;
use axum::{Extension, Router, middleware};
use flybridge::clock::{ManualClock, Timestamp};
use flybridge::config::{ForwardedHeader, TrustedProxies};
use flybridge::http::client_address::client_address;
use flybridge::http::request_id::{self, RequestIds};
use flybridge::random::SeededRandom;
use flybridge::telemetry::{LogFormat, RequestId, subscriber};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::support::log::Lines;

/// The address of the client, for a peer behind `10.0.0.0/8` and `2001:db8::/32`.
fn client(peer: &str, header: ForwardedHeader, headers: &[(&'static str, &str)]) -> String {
    let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|network| network.parse().unwrap()).to_vec();
    let peer = SocketAddr::new(peer.parse::<IpAddr>().unwrap(), 1);
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    client_address(peer, &map, &TrustedProxies { networks, header }).to_string()
}

#[test]
fn only_known_proxies_are_believed() {
    let list = |peer: &str, value: &str| client(peer, ForwardedHeader::XForwardedFor, &[("x-forwarded-for", value)]);
    assert_eq!(list("192.0.2.1", "198.51.100.7"), "192.0.2.1");
    assert_eq!(list("10.0.0.1", "198.51.100.7"), "198.51.100.7");
    assert_eq!(list("::ffff:10.0.0.1", "198.51.100.7"), "198.51.100.7");
    assert_eq!(list("2001:db8::1", "2001:dead::7"), "2001:dead::7");
    assert_eq!(client("10.0.0.1", ForwardedHeader::XForwardedFor, &[]), "10.0.0.1");
}

#[test]
fn what_the_client_wrote_itself_is_not_read() {
    let list = |value: &str| client("10.0.0.1", ForwardedHeader::XForwardedFor, &[("x-forwarded-for", value)]);
    assert_eq!(list("1.2.3.4, 198.51.100.7"), "198.51.100.7");
    assert_eq!(list("1.2.3.4, 198.51.100.7, 10.9.9.9"), "198.51.100.7");
    assert_eq!(list("garbage, 198.51.100.7"), "198.51.100.7");
    assert_eq!(list("198.51.100.7, garbage"), "10.0.0.1");
    assert_eq!(list("198.51.100.7, garbage, 10.9.9.9"), "10.9.9.9");
    assert_eq!(list("10.1.1.1, 10.2.2.2"), "10.1.1.1");
    assert_eq!(list(""), "10.0.0.1");
    let twice = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "198.51.100.7")];
    assert_eq!(client("10.0.0.1", ForwardedHeader::XForwardedFor, &twice), "198.51.100.7");
}

#[test]
fn only_the_configured_header_counts() {
    let both = [("x-forwarded-for", "198.51.100.7"), ("forwarded", "for=203.0.113.9")];
    assert_eq!(client("10.0.0.1", ForwardedHeader::XForwardedFor, &both), "198.51.100.7");
    assert_eq!(client("10.0.0.1", ForwardedHeader::Forwarded, &both), "203.0.113.9");
}

#[test]
fn forms_of_an_address() {
    let list = |value: &str| client("10.0.0.1", ForwardedHeader::XForwardedFor, &[("x-forwarded-for", value)]);
    for (text, address) in [
        (" 198.51.100.7 ", "198.51.100.7"),
        ("198.51.100.7:8080", "198.51.100.7"),
        ("2001:dead::7", "2001:dead::7"),
        ("[2001:dead::7]:80", "2001:dead::7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
    ] {
        assert_eq!(list(text), address, "{text}");
    }
    let forwarded = |value: &str| client("10.0.0.1", ForwardedHeader::Forwarded, &[("forwarded", value)]);
    for (text, address) in [
        ("for=198.51.100.7", "198.51.100.7"),
        ("For=\"[2001:dead::7]:4711\"", "2001:dead::7"),
        ("for=1.2.3.4, proto=https;for=198.51.100.7;by=10.0.0.1", "198.51.100.7"),
        ("for=_hidden", "10.0.0.1"),
        ("for=unknown, for=10.3.3.3", "10.3.3.3"),
        ("proto=https", "10.0.0.1"),
    ] {
        assert_eq!(forwarded(text), address, "{text}");
    }
}

#[test]
fn an_id_has_16_plain_characters() {
    let random = SeededRandom::new(1);
    let ids: Vec<String> = (0..100).map(|_| RequestId::mint(&random).to_string()).collect();
    for id in &ids {
        assert_eq!(id.len(), 16, "{id}");
        assert!(id.bytes().all(|b| b"0123456789abcdefghjkmnpqrstvwxyz".contains(&b)), "{id}");
    }
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 100);
}

fn router() -> Router {
    let ids =
        RequestIds { clock: Arc::new(ManualClock::at(Timestamp::EPOCH)), random: Arc::new(SeededRandom::new(7)) };
    Router::new()
        .route("/links/{token}", get(async |Extension(id): Extension<RequestId>| id.to_string()))
        .route("/panic", get(async || std::convert::identity::<Option<String>>(None).expect("on purpose")))
        .layer(middleware::from_fn_with_state(ids, request_id::layer))
}

/// Status, `x-request-id`, body and log of one request.
async fn ask(format: LogFormat, uri: &str) -> (StatusCode, String, String, String) {
    ask_at("info", format, uri).await
}

async fn ask_at(level: &str, format: LogFormat, uri: &str) -> (StatusCode, String, String, String) {
    let lines = Lines::default();
    let writer = lines.clone();
    let log = subscriber(format, level.parse().unwrap(), move || writer.clone());
    let _guard = tracing::subscriber::set_default(log);
    let request = Request::get(uri)
        .header("cookie", "session=cookie-secret")
        .header("authorization", "Bearer header-secret")
        .header("x-request-id", "made-up-by-client")
        .body(Body::empty())
        .unwrap();
    let response = router().oneshot(request).await.unwrap();
    let status = response.status();
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, id, String::from_utf8(body.to_vec()).unwrap(), lines.text())
}

#[tokio::test]
async fn the_id_stands_in_answer_handler_and_log() {
    let (status, id, body, log) = ask(LogFormat::Json, "/links/path-secret?code=query-secret").await;
    assert_eq!((status, &body), (StatusCode::OK, &id));
    assert_eq!(id.len(), 16);
    let event: serde_json::Value = serde_json::from_str(&log).unwrap();
    assert_eq!(event["span"]["id"], id);
    assert_eq!(event["span"]["method"], "GET");
    assert_eq!(event["span"]["route"], "/links/{token}");
    assert_eq!(event["status"], 200);
    assert_eq!(event["latency_ms"], 0);
}

#[tokio::test]
async fn the_id_stands_beside_a_failure_whatever_the_level() {
    for format in [LogFormat::Text, LogFormat::Json] {
        for level in ["error", "warn", "info", "debug"] {
            let (status, id, _, log) = ask_at(level, format, "/panic").await;
            assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
            let line = log.lines().find(|line| line.contains("panic")).unwrap_or_else(|| panic!("{level}: {log}"));
            assert!(line.contains(&id), "{level}: {line}");
        }
    }
}

#[tokio::test]
async fn nothing_that_a_client_sends_is_logged() {
    for format in [LogFormat::Text, LogFormat::Json] {
        for uri in ["/links/path-secret?code=query-secret", "/no/such/path-secret?code=query-secret"] {
            let (_, id, _, log) = ask(format, uri).await;
            assert!(log.contains(&id) && log.contains("answered"), "{log}");
            for secret in ["path-secret", "query-secret", "cookie-secret", "header-secret", "made-up-by-client"] {
                assert!(!log.contains(secret), "{secret} is in {log}");
            }
        }
    }
}

#[tokio::test]
async fn a_panic_is_answered_and_named() {
    let (status, id, body, log) = ask(LogFormat::Text, "/panic").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(body.contains(&id), "{body}");
    assert!(log.contains("ended in a panic") && log.contains("status=500"), "{log}");
    assert!(!log.contains("on purpose"), "{log}");
}
