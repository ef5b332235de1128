//! A run: its ledger, its page, its events, its end, and the way back in the middle of it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use flybridge::clock::{Clock, Timestamp};
use flybridge::domain::disable::RowStatus;
use flybridge::services::outbox::Rate;
use flybridge::store::keys;
use http_body_util::BodyExt as _;
use tokio::sync::{Notify, watch};

use super::totals;
use crate::support::answer::Answer;
use crate::support::app::{START, TestApp};

/// How many rows of the ledger have each status.
async fn ledger(app: &TestApp, run: &str) -> BTreeMap<&'static str, usize> {
    let (organization, id) = (app.organization("saltmarsh-labs"), run.rsplit('/').next().unwrap().parse().unwrap());
    let rows = app.store.list(&keys::rows(&organization, &id), None, 100).await.unwrap();
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row.value.status.as_str()).or_default() += 1;
    }
    counts
}

/// The same as the page shows it.
fn shown(page: &Answer) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for status in page.attributes("data-status") {
        *counts.entry(status).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn the_totals_add_up_at_every_step() {
    let app = TestApp::new().await;
    let (mut ines, run) = app.click().await;
    let mut sent = -1;
    loop {
        let now = totals(&app, &run).await;
        assert!(now.add_up(), "{now:?}");
        assert!(now.sent >= sent && now.members == 9, "{now:?}");
        sent = now.sent;
        let page = ines.get(&run).await;
        for (id, count) in [
            ("run-total", now.members),
            ("run-queued", now.queued),
            ("run-sending", now.sending),
            ("run-sent", now.sent),
            ("run-failed", now.failed),
            ("run-cancelled", now.cancelled),
            ("run-ready", now.ready),
        ] {
            assert_eq!(page.element(id).unwrap(), count.to_string(), "{id}");
        }
        let work = app.program.outbox.work_once().await.unwrap();
        assert!(totals(&app, &run).await.add_up());
        let mail = app.program.outbox.mail_once().await.unwrap();
        if work + mail == 0 {
            break;
        }
    }
    app.work().await;
    let end = totals(&app, &run).await;
    assert_eq!((end.sent, end.failed, end.ready, end.unsettled()), (8, 1, 1, 0));
    assert_eq!(ines.get(&run).await.attributes("data-state"), ["done"]);
}

#[tokio::test]
async fn the_page_shows_what_the_ledger_has() {
    let app = TestApp::new().await;
    let (mut ines, run) = app.leave().await;
    let page = ines.get(&run).await;
    let counts: BTreeMap<String, usize> =
        ledger(&app, &run).await.into_iter().map(|(s, n)| (s.to_owned(), n)).collect();
    assert_eq!(shown(&page), counts);
    assert_eq!(counts, BTreeMap::from([("failed".to_owned(), 1), ("sent".to_owned(), 8)]));
    assert_eq!(page.attributes("data-ready").iter().filter(|ready| *ready == "true").count(), 1);
    app.settle_in("priya").await;
    let page = ines.get(&run).await;
    assert_eq!(page.element("run-ready").unwrap(), "2");
    assert_eq!(page.attributes("data-ready").iter().filter(|ready| *ready == "true").count(), 2);
    let found = ines.get(&format!("{run}?q=noor")).await;
    assert_eq!(found.attributes("data-status"), ["failed"]);
    let found = ines.get(&format!("{run}?status=sent")).await;
    assert_eq!(shown(&found), BTreeMap::from([("sent".to_owned(), 8)]));
}

#[tokio::test]
async fn the_same_as_json() {
    let app = TestApp::new().await;
    let (mut ines, run) = app.leave().await;
    let answer = ines.get(&format!("{run}/status?limit=100")).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let json = answer.json();
    assert_eq!(json["members"].as_array().unwrap().len(), 9, "{json}");
    let mut nobody = app.browser();
    let answer = nobody.get(&format!("{run}/status")).await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str()), (401, Some("sign_in_required")));
}

#[tokio::test]
async fn the_first_event_tells_how_it_stands() {
    let app = TestApp::new().await;
    app.leave_jobs();
    let (mut ines, run) = app.click().await;
    let request = Request::get(format!("{run}/events")).body(Body::empty()).unwrap();
    let (answer, mut body) = ines.stream(request).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.header("cache-control"), "no-store");
    let mut text = String::new();
    while !text.contains("\n\n") || !text.contains("data:") {
        let frame = body.frame().await.expect("an event").unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    let data = text.lines().find_map(|line| line.strip_prefix("data:")).unwrap();
    let json: serde_json::Value = serde_json::from_str(data.trim()).unwrap();
    assert_eq!((json["total"].as_i64(), json["queued"].as_i64()), (Some(9), Some(9)), "{json}");
}

/// A clock whose sleepers wake when they are told to.
struct Held {
    asleep: Notify,
    go: watch::Receiver<bool>,
}

impl Clock for Held {
    fn now(&self) -> Timestamp {
        START
    }

    fn sleep<'a>(&'a self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async {
            self.asleep.notify_one();
            let _ = self.go.clone().wait_for(|go| *go).await;
        })
    }
}

#[tokio::test]
async fn a_mail_that_waits_for_its_turn_looks_once_more_before_it_leaves() {
    let mut app = TestApp::new().await;
    let (go, told) = watch::channel(false);
    let held = Arc::new(Held { asleep: Notify::new(), go: told });
    // Two mails may leave at once, the others have to wait.
    Arc::get_mut(&mut app.program.outbox).unwrap().rate = Rate::new(held.clone(), 1);
    let (mut ines, run) = app.click().await;
    assert!(app.program.outbox.work_once().await.unwrap() > 0);
    let sending = async { while app.program.outbox.mail_once().await.unwrap() > 0 {} };
    let turning = async {
        held.asleep.notified().await;
        ines.enable("saltmarsh-labs").await.location();
        go.send_replace(true);
    };
    tokio::join!(sending, turning);
    let end = totals(&app, &run).await;
    assert!(end.add_up(), "{end:?}");
    assert_eq!((end.sent, end.cancelled, end.failed), (2, 6, 1));
    assert_eq!(app.new_mails().len(), 2, "what had not left never does");
    app.work().await;
}

#[tokio::test]
async fn turning_fly_on_again_in_the_middle_cancels_the_mail_that_waits() {
    let app = TestApp::new().await;
    let (mut ines, run) = app.click().await;
    assert!(app.program.outbox.work_once().await.unwrap() > 0);
    assert_eq!(ines.enable("saltmarsh-labs").await.location(), "/organizations/saltmarsh-labs/auth");
    assert!(totals(&app, &run).await.add_up());
    app.work().await;
    assert_eq!(app.new_mails(), [], "nobody is mailed");
    let end = totals(&app, &run).await;
    assert!(end.add_up(), "{end:?}");
    assert_eq!((end.sent, end.cancelled, end.failed), (0, 8, 1));
    let page = ines.get(&run).await;
    assert_eq!(page.attributes("data-state"), ["reverted"]);
    assert!(page.attributes("data-status").iter().all(|status| status == "cancelled" || status == "failed"));
    for row in ledger(&app, &run).await.keys() {
        assert!([RowStatus::Cancelled.as_str(), RowStatus::Failed.as_str()].contains(row));
    }
}

#[tokio::test]
async fn turned_on_again_before_anybody_has_a_row() {
    let app = TestApp::new().await;
    let (mut ines, run) = app.click().await;
    ines.enable("saltmarsh-labs").await.location();
    app.work().await;
    assert_eq!(app.new_mails(), []);
    let end = totals(&app, &run).await;
    assert_eq!((end.members, end.cancelled), (9, 9), "{end:?}");
}

#[tokio::test]
async fn mail_that_had_left_is_kept_and_the_rest_is_cancelled() {
    let app = TestApp::new().await;
    let (mut ines, run) = app.click().await;
    app.program.outbox.work_once().await.unwrap();
    app.program.outbox.mail_once().await.unwrap();
    let sent = totals(&app, &run).await.sent;
    assert!(sent > 0);
    ines.enable("saltmarsh-labs").await.location();
    app.work().await;
    let end = totals(&app, &run).await;
    assert_eq!((end.sent, end.cancelled), (sent, 8 - sent), "{end:?}");
    assert!(end.add_up());
}

#[tokio::test]
async fn a_run_of_another_organization_is_not_found() {
    let app = TestApp::new().await;
    let (_, run) = app.leave().await;
    let id = run.rsplit('/').next().unwrap();
    let mut hana = app.browser();
    hana.sign_in_with_fly("hana").await;
    assert_eq!(hana.get(&run).await.status, 404);
    assert_eq!(hana.get(&format!("/organizations/harbour-tools/auth/disable/{id}")).await.status, 404);
    assert_eq!(hana.get(&format!("/organizations/harbour-tools/auth/disable/{id}/events")).await.status, 404);
}
