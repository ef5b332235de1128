//! Mails when an organization leaves a second time, and when a link was asked for before it left.

use std::time::Duration;

use flybridge::domain::disable::{Delivery, RowStatus};

use super::forgot::ask;
use super::row;
use crate::support::app::{Options, TestApp};
use crate::support::browser_client::Browser;

const TO_SET_UP: [&str; 7] = ["ines", "chloe", "priya", "jun", "leo", "amara", "tomas"];

/// Harbour Tools leaves Fly.io by the hand of Hana, and whoever is to be mailed is; the path of the run.
async fn harbour_leaves(app: &TestApp) -> String {
    let mut hana = app.browser();
    hana.sign_in_with_fly("hana").await;
    let run = hana.disable("harbour-tools").await.location();
    app.work().await;
    run
}

async fn come_back(app: &TestApp, ines: &mut Browser) {
    assert_eq!(ines.enable("saltmarsh-labs").await.location(), "/organizations/saltmarsh-labs/auth");
    app.work().await;
}

#[tokio::test]
async fn whoever_leaves_again_within_hours_has_everybody_mailed_again() {
    let app = TestApp::new().await;
    let (mut ines, first) = app.leave().await;
    let old = TO_SET_UP.map(|who| app.link_of(who));
    app.advance(Duration::from_mins(30));
    ines.sign_in_with_fly("ines").await;
    come_back(&app, &mut ines).await;
    app.new_mails();
    app.advance(Duration::from_hours(2));
    let (_, second) = app.leave().await;
    assert_ne!(first, second);
    let mails = app.new_mails();
    for (who, old) in TO_SET_UP.into_iter().zip(old) {
        let own = mails.iter().filter(|m| m.to.contains(&app.address(who)) && m.find_link().is_some());
        assert_eq!(own.count(), 1, "{who}");
        let row = row(&app, "saltmarsh-labs", &second, who).await;
        assert_eq!((row.status, row.delivery), (RowStatus::Sent, Delivery::SetUp), "{who}");
        // The mail of the first time does no harm either: one link per person.
        let mut browser = app.browser();
        browser.get(&old).await;
        let page = browser.get("/set-up").await;
        assert_eq!(page.status == 200, old == app.link_of(who), "{who}: {}", page.said());
    }
    app.settle_in("priya").await;
}

#[tokio::test]
async fn a_run_that_was_turned_back_mails_for_nobody_else() {
    let app = TestApp::with(Options { world: super::mail::both_leave(), ..Options::default() }).await;
    let (mut ines, _) = app.leave().await;
    come_back(&app, &mut ines).await;
    app.new_mails();
    let run = harbour_leaves(&app).await;
    let mail = app.mail_to("jun");
    assert!(mail.find_link().is_some() && mail.text.contains("Harbour Tools"), "{mail:?}");
    assert_eq!(row(&app, "harbour-tools", &run, "jun").await.status, RowStatus::Sent);
    app.settle_in("jun").await;
}

#[tokio::test]
async fn a_link_that_was_asked_for_never_stands_in_for_a_runs_mail() {
    let app = TestApp::with(Options { world: super::mail::both_leave(), ..Options::default() }).await;
    app.leave().await;
    // Longer ago than a run's mail serves a second organization.
    app.advance(Duration::from_hours(13));
    app.new_mails();
    let mut jun = app.browser();
    jun.get("/forgot").await;
    assert!(jun.post_form("/forgot", &[("email", &app.address("jun"))]).await.shows("forgot-sent"));
    app.work().await;
    let asked_for = app.mail_to("jun").link();
    let run = harbour_leaves(&app).await;
    let mail = app.mail_to("jun");
    assert!(mail.text.contains("Harbour Tools"), "says what has happened: {mail:?}");
    assert_eq!(mail.link(), asked_for, "and the link in the other mail still works");
    assert_eq!(row(&app, "harbour-tools", &run, "jun").await.status, RowStatus::Sent);
}

#[tokio::test]
async fn a_runs_mail_and_one_asked_for_at_the_same_moment_both_leave() {
    let app = TestApp::with(Options { world: super::mail::both_leave(), ..Options::default() }).await;
    app.leave().await;
    app.advance(Duration::from_hours(13));
    app.new_mails();
    let mut hana = app.browser();
    hana.sign_in_with_fly("hana").await;
    let run = hana.disable("harbour-tools").await.location();
    for _ in 0..3 {
        ask(&mut app.browser(), &app.address("jun")).await;
    }
    app.work().await;
    let mut mails = app.new_mails();
    mails.retain(|mail| mail.to.contains(&app.address("jun")));
    let from_run = mails.iter().filter(|mail| mail.text.contains("Hana")).count();
    assert_eq!((mails.len(), from_run), (2, 1), "{mails:?}");
    assert_eq!(mails[0].link(), mails[1].link());
    assert_eq!(row(&app, "harbour-tools", &run, "jun").await.status, RowStatus::Sent);
}
