//! Mail that stops for all: the page of the run says so, on every node, until it goes on.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use flybridge::http::routes;
use flybridge::services::outbox::PAUSE;
use http_body_util::BodyExt as _;

use super::mail::over_smtp;
use crate::support::app::{Options, TestApp};
use crate::support::browser_client::{Browser, send};
use crate::support::smtp::{Act, At, SmtpSink, Step};

/// What the first event of the run says of it, by which a page that is open learns that it has to be another.
async fn told_stopped(ines: &mut Browser, run: &str) -> bool {
    let request = Request::get(format!("{run}/events")).body(Body::empty()).unwrap();
    let (_, mut body) = ines.stream(request).await;
    let mut text = String::new();
    while !text.contains("\n\n") {
        let frame = body.frame().await.expect("an event").unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    let data = text.lines().find_map(|line| line.strip_prefix("data:")).unwrap();
    serde_json::from_str::<serde_json::Value>(data.trim()).unwrap()["stopped"].as_bool().unwrap()
}

/// Since when mail has stopped, as the page says it.
fn since(page: &str) -> String {
    let notice = page.split("id=\"mail-stopped\"").nth(1).unwrap();
    notice.split("<time datetime=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_page_of_a_run_says_why_no_mail_leaves_and_for_how_long() {
    let sink = SmtpSink::start().await;
    let app = TestApp::with(Options { mail: Some(over_smtp(&sink)), ..Options::default() }).await;
    let (mut ines, run) = app.click().await;
    assert!(!ines.get(&run).await.shows("mail-stopped"));
    assert!(!told_stopped(&mut ines, &run).await);
    sink.script_any_always(Step(At::Mail, Act::Answer("535 5.7.8 authentication failed")));
    app.work_now().await;
    let page = ines.get(&run).await;
    assert!(page.shows("mail-stopped"), "{}", page.said());
    assert!(told_stopped(&mut ines, &run).await);
    let text = page.text();
    assert!(text.contains("Mail waits") && !text.contains("Mail is going out"), "{text}");
    assert!(text.contains("No mail leaves at the moment") && text.contains("(535)"), "{text}");
    // A process that mails nothing says so too.
    let node = app.node(Arc::new(app.connection()), app.clock.clone()).await;
    let ready = send(&routes::router(&node.app), Request::get("/readyz").body(Body::empty()).unwrap()).await;
    assert!(ready.json()["mail"].as_str().unwrap().contains("(535)"), "{}", ready.said());
    let before = since(&text);
    app.advance(PAUSE * 3);
    app.work_now().await;
    assert_eq!(since(&ines.get(&run).await.text()), before, "since when, not how recently it was seen");
    sink.mend();
    app.advance(PAUSE);
    app.work().await;
    assert!(!ines.get(&run).await.shows("mail-stopped"), "it goes on");
    let status = ines.get(&format!("{run}/status")).await.json();
    assert_eq!((&status["state"], &status["failed"]), (&"done".into(), &1.into()), "{status}");
}

#[tokio::test]
async fn what_a_process_said_that_is_gone_is_not_believed_for_long() {
    let sink = SmtpSink::start().await;
    let app = TestApp::with(Options { mail: Some(over_smtp(&sink)), ..Options::default() }).await;
    let (mut ines, run) = app.click().await;
    sink.script_any_always(Step(At::Greeting, Act::Answer("421 4.3.2 closed")));
    app.work_now().await;
    assert!(ines.get(&run).await.shows("mail-stopped"));
    app.advance(Duration::from_mins(3));
    assert!(!ines.get(&run).await.shows("mail-stopped"));
    app.leave_jobs();
}
