//! `/forgot`: the same answer for everybody.

use std::time::Duration;

use crate::support::answer::Answer;
use crate::support::app::TestApp;
use crate::support::browser_client::Browser;
use crate::support::dump::Dump;

pub(super) async fn ask(browser: &mut Browser, address: &str) -> Answer {
    browser.get("/forgot").await;
    browser.post_form("/forgot", &[("email", address)]).await
}

#[tokio::test]
async fn known_and_unknown_addresses_get_the_same_answer() {
    let app = TestApp::new().await;
    app.leave().await;
    app.new_mails();
    let mut browser = app.browser();
    let known = ask(&mut browser, &app.address("priya")).await;
    assert_eq!(known.status, 200);
    assert!(known.shows("forgot-sent"));
    for address in ["nobody@customer.fly.io", "h3s8t5o0k7j2q9b6@customer.fly.io", " NOBODY@example.com "] {
        let answer = ask(&mut browser, address).await;
        assert_eq!((answer.status, &answer.body), (known.status, &known.body), "{address}");
    }
    app.work().await;
    let mails = app.new_mails();
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert!(mails[0].to.contains(&app.address("priya")));
    app.settle_in("priya").await;
}

#[tokio::test]
async fn the_same_is_stored_for_both_until_a_worker_looks() {
    let app = TestApp::new().await;
    app.leave().await;
    let mut added = Vec::new();
    for (address, peer) in [(app.address("priya"), "198.51.100.8:9"), ("nobody@x.test".to_owned(), "198.51.100.9:9")]
    {
        let mut browser = app.browser();
        browser.peer = peer.parse().unwrap();
        let before = app.dump().without("due/");
        ask(&mut browser, &address).await;
        let after = app.dump().without("due/");
        // One job, and two counts of attempts.
        let count = |dump: &Dump, kind: &str| dump.kinds().iter().filter(|found| **found == kind).count();
        added.push(["address", "limit", "user", "org"].map(|kind| count(&after, kind) - count(&before, kind)));
        app.work().await;
    }
    assert_eq!(added, [[1, 2, 0, 0]; 2]);
    assert_eq!(app.jobs(), []);
}

#[tokio::test]
async fn what_is_no_address_is_said_at_once() {
    let app = TestApp::new().await;
    let before = app.dump();
    let mut browser = app.browser();
    for address in ["", "x", "a b@c.test", "a@b@c", "<script>@x.test"] {
        let answer = ask(&mut browser, address).await;
        assert_eq!(answer.status, 422, "{address}");
        assert!(answer.shows("notice") && !answer.text().contains("<script>"));
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn asking_often_is_slowed_down_and_not_locked() {
    let app = TestApp::new().await;
    app.leave().await;
    app.new_mails();
    let mut browser = app.browser();
    let address = app.address("priya");
    for _ in 0..3 {
        assert_eq!(ask(&mut browser, &address).await.status, 200);
    }
    let answer = ask(&mut browser, &address).await;
    assert_eq!(answer.status, 429);
    assert!(!answer.header("retry-after").is_empty());
    app.advance(Duration::from_mins(5));
    assert_eq!(ask(&mut browser, &address).await.status, 200);
    // An address that nobody has is slowed down in the same way.
    for _ in 0..3 {
        assert_eq!(ask(&mut browser, "nobody@x.test").await.status, 200);
    }
    assert_eq!(ask(&mut browser, "nobody@x.test").await.status, 429);
    app.work().await;
    app.mail_to("priya").link();
    assert_eq!(app.new_mails(), [], "one mail for all of them, and none to anybody else");
}

#[tokio::test]
async fn somebody_with_a_password_can_replace_it() {
    let app = TestApp::new().await;
    app.leave().await;
    app.new_mails();
    ask(&mut app.browser(), &app.address("bram")).await;
    app.work().await;
    let mail = app.mail_to("bram");
    let mut browser = app.browser();
    browser.get(&mail.link()).await;
    let page = browser.get("/set-up").await;
    assert!(page.text().contains("Set a new password"), "{}", page.said());
    let answer = browser.post_form("/set-up", &[("password", "another lantern for the heron 7")]).await;
    assert_eq!(answer.location(), "/go");
    app.work().await;
    app.browser().sign_in_with_password(&app.address("bram"), "another lantern for the heron 7").await;
}

#[tokio::test]
async fn nobody_is_mailed_while_every_organization_is_on_fly() {
    let app = TestApp::new().await;
    assert!(ask(&mut app.browser(), &app.address("priya")).await.shows("forgot-sent"));
    app.work().await;
    assert_eq!(app.new_mails(), []);
}
