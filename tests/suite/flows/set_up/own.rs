//! An own address that is removed or replaced: what lies in its mailbox opens nothing any more, and everybody concerned
//! hears of it.

use flybridge::domain::ids::JobId;
use flybridge::domain::setup_link::Request;

use super::contact::{OWN, confirm, confirming, given, mailed};
use super::forgot::ask;
use crate::support::answer::Answer;
use crate::support::app::TestApp;
use crate::support::browser_client::Browser;

const OTHER: &str = "raman@other.example";

/// Priya, who has a password and a confirmed address of her own.
async fn with_own(app: &TestApp) -> Browser {
    let (browser, link) = given(app).await;
    assert_eq!(confirm(app, &link).await.heading(), "Your address is confirmed");
    app.work().await;
    app.new_mails();
    browser
}

async fn remove(browser: &mut Browser) {
    browser.get("/account").await;
    let answer = browser.post_form("/account", &[("remove", "confirmed")]).await;
    assert_eq!(answer.location(), "/account?done=removed");
}

async fn replace(app: &TestApp, browser: &mut Browser) {
    browser.get("/account").await;
    browser.post_form("/account", &[("contact_email", OTHER)]).await.location();
    app.work().await;
    let link = confirming(&mailed(app, OTHER)[0]);
    assert_eq!(confirm(app, &link).await.heading(), "Your address is confirmed");
}

async fn opened(app: &TestApp, link: &str) -> (Browser, Answer) {
    let mut browser = app.browser();
    browser.get(link).await;
    let page = browser.get("/set-up").await;
    (browser, page)
}

#[tokio::test]
async fn a_link_in_the_mailbox_of_an_address_that_was_removed_or_replaced_sets_no_password() {
    for replaced in [false, true] {
        let app = TestApp::new().await;
        let mut browser = with_own(&app).await;
        ask(&mut app.browser(), OWN).await;
        app.work().await;
        let link = mailed(&app, OWN)[0].link();
        let (mut thief, page) = opened(&app, &link).await;
        assert!(page.shows("setup-form"), "{}", page.said());
        if replaced {
            replace(&app, &mut browser).await;
        } else {
            remove(&mut browser).await;
        }
        let answer = thief.post_form("/set-up", &[("password", "another lantern for the heron 7")]).await;
        for page in [answer, opened(&app, &link).await.1] {
            assert_eq!((page.status.as_u16(), page.heading().as_str()), (410, "This link was withdrawn"));
            assert!(page.shows("renew-form") && !page.shows("setup-form"), "{}", page.said());
        }
        app.work().await;
        app.new_mails();
        thief.get("/set-up").await;
        assert!(thief.post_form("/set-up/renew", &[("for", "link")]).await.shows("forgot-sent"));
        app.work().await;
        let mail = app.mail_to("priya");
        assert_ne!(mail.link(), link);
        assert!(opened(&app, &mail.link()).await.1.shows("setup-form"), "the new one works, and went to Fly.io");
    }
}

#[tokio::test]
async fn a_request_under_way_puts_no_link_into_the_mailbox_of_an_address_that_was_removed() {
    let app = TestApp::new().await;
    let mut browser = with_own(&app).await;
    let user = app.user("priya").await.id;
    let job = JobId::mint(app.store.random());
    let request = Request { job: &job, to: OWN, made_at: app.store.now() };
    ask(&mut app.browser(), OWN).await;
    remove(&mut browser).await;
    app.work().await;
    let mails = mailed(&app, OWN);
    assert!(mails.iter().all(|mail| mail.find_link().is_none()), "{mails:?}");
    let before = app.dump();
    // A worker that had looked up whose address it is before it was removed.
    assert!(app.program.set_up_links.make_asked(&user, &request).await.unwrap().is_none());
    assert_eq!(app.dump(), before);
}
