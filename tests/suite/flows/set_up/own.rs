//! An own address that is removed or replaced: what lies in its mailbox opens nothing any more, and everybody concerned
//! hears of it.

use std::time::Duration;

use flybridge::domain::audit::AuditKind;
use flybridge::domain::ids::JobId;
use flybridge::domain::setup_link::Request;
use flybridge::domain::user::User;
use flybridge::store::{Outcome, keys};

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

#[tokio::test]
async fn a_change_is_told_at_fly_and_at_the_address_that_ceased_and_to_the_organizations() {
    let app = TestApp::new().await;
    let mut browser = with_own(&app).await;
    replace(&app, &mut browser).await;
    app.work().await;
    let mails = app.new_mails();
    assert_eq!(mails.len(), 2, "{mails:?}");
    let at_fly = mails.iter().find(|mail| mail.to.contains(&app.address("priya"))).unwrap();
    assert!(at_fly.subject.contains("replaced"), "{at_fly:?}");
    assert!(at_fly.text.contains(OTHER) && at_fly.text.contains(OWN), "{at_fly:?}");
    assert!(at_fly.text.contains("goes on working"), "{at_fly:?}");
    let old = mails.iter().find(|mail| mail.to.contains(OWN)).unwrap();
    assert!(old.subject.contains("replaced") && old.text.contains(OWN), "{old:?}");
    assert!(!old.text.contains(OTHER) && !old.text.contains("goes on working"), "{old:?}");

    remove(&mut browser).await;
    let page = browser.get("/account?done=removed").await;
    assert!(page.text().contains("at your address at Fly.io and at that address"), "{}", page.said());
    app.work().await;
    let mails = app.new_mails();
    assert_eq!(mails.len(), 2, "{mails:?}");
    for address in [&app.address("priya"), OTHER] {
        assert!(
            mails.iter().any(|mail| mail.to.contains(address) && mail.subject.contains("no longer")),
            "{mails:?}"
        );
    }
    let log = app.program.directory.audit_log(&app.organization("saltmarsh-labs"), None, 100).await.unwrap();
    let mut noted: Vec<_> = log.into_iter().map(|entry| entry.value).collect();
    noted.retain(|entry| entry.kind == AuditKind::AddressChanged);
    assert!(noted.iter().all(|entry| entry.who.name == "Priya Raman" && entry.from.is_some()), "{noted:?}");
    // All at one instant of the test's clock.
    let mut said: Vec<_> = noted.iter().map(|entry| entry.detail.as_str()).collect();
    said.sort_unstable();
    let expected = [
        "P***@own.example signs in, too",
        "r***@other.example no longer signs in",
        "r***@other.example signs in instead of P***@own.example",
    ];
    assert_eq!(said, expected);
}

#[tokio::test]
async fn without_an_address_at_fly_word_goes_to_the_address_that_ceased() {
    let app = TestApp::new().await;
    let mut browser = with_own(&app).await;
    at_fly(&app, "priya", None).await;
    remove(&mut browser).await;
    let page = browser.get("/account?done=removed").await;
    assert!(page.text().contains("by mail at that address"), "{}", page.said());
    app.work().await;
    let mails = app.new_mails();
    assert!(mails.len() == 1 && mails[0].to.contains(OWN), "{mails:?}");
}

#[tokio::test]
async fn an_address_at_fly_that_is_another_persons_own_is_named_to_nobody_as_theirs() {
    let app = TestApp::new().await;
    let mut priya = with_own(&app).await;
    let first = app.link_of("leo");
    at_fly(&app, "leo", Some(OWN)).await;
    let (mut leo, page) = opened(&app, &first).await;
    assert!(page.shows("no-sign-in-address") && !page.shows("sign-in-address"), "{}", page.said());
    assert!(!page.text().contains(OWN), "{}", page.said());
    leo.post_form("/set-up/renew", &[("for", "link")]).await;
    app.work().await;
    let mail = &mailed(&app, OWN)[0];
    assert!(!mail.text.contains(&format!("this address:\n{OWN}")), "{mail:?}");
    assert!(mail.text.contains("You need an address of your own"), "{mail:?}");

    leo.get("/set-up").await;
    let answer = leo.post_form("/set-up", &[("password", "another lantern for the heron 7")]).await;
    assert!(answer.status == 422 && answer.shows("contact-error"), "a password alone would be a dead end");
    let fields = [("password", "another lantern for the heron 7"), ("contact_email", OTHER)];
    assert_eq!(leo.post_form("/set-up", &fields).await.location(), "/go");
    app.work().await;
    let link = confirming(&mailed(&app, OTHER)[0]);
    assert_eq!(confirm(&app, &link).await.heading(), "Your address is confirmed");
    app.work().await;
    app.browser().sign_in_with_password(OTHER, "another lantern for the heron 7").await;
    let page = leo.get("/account").await;
    assert!(page.shows("not-yours"), "{}", page.said());
    assert!(!priya.get("/account").await.shows("not-yours"));
}

/// Fly.io tells of this address of theirs from now on.
async fn at_fly(app: &TestApp, who: &str, address: Option<&str>) {
    let user = app.user(who).await;
    let mut txn = app.store.txn(keys::user_partition(&user.id));
    txn.put(&keys::user(&user.id), &User { email: address.map(str::to_owned), ..user.clone() }).unwrap();
    assert_eq!(app.store.commit(txn).await.unwrap(), Outcome::Committed);
}

#[tokio::test]
async fn a_new_link_goes_to_where_the_old_one_went() {
    let app = TestApp::new().await;
    with_own(&app).await;
    ask(&mut app.browser(), OWN).await;
    app.work().await;
    let old = mailed(&app, OWN)[0].link();
    app.advance(Duration::from_hours(25));
    let (mut browser, page) = opened(&app, &old).await;
    assert!(page.text().contains("to where the last one went"), "{}", page.said());
    assert!(browser.post_form("/set-up/renew", &[("for", "link")]).await.shows("forgot-sent"));
    app.work().await;
    let mails = app.new_mails();
    assert!(mails.len() == 1 && mails[0].to.contains(OWN), "{mails:?}");
    assert!(opened(&app, &mails[0].link()).await.1.shows("setup-form"));
}

#[tokio::test]
async fn whoever_has_a_confirmed_address_is_not_told_that_they_have_none() {
    let app = TestApp::new().await;
    app.leave().await;
    let standard = app.standard();
    let mut noor = app.browser();
    let tx = noor.begin(&standard.authorize()).await;
    let page = noor.fly(&tx, "noor").await;
    assert_eq!(page.heading(), "Fly.io gave us no address for you");
    assert!(page.text().contains("have none of your own"), "{}", page.said());
    assert!(page.attributes("href").contains(&"/account".to_owned()), "{}", page.said());
    noor.get("/account").await;
    noor.post_form("/account", &[("contact_email", OTHER)]).await.location();
    app.work().await;
    let link = confirming(&mailed(&app, OTHER)[0]);
    assert_eq!(confirm(&app, &link).await.heading(), "Your address is confirmed");

    let tx = noor.begin(&standard.authorize()).await;
    let page = noor.fly(&tx, "noor").await;
    assert!(page.text().contains(OTHER) && page.shows("set-password-now"), "{}", page.said());
    let now = format!("/set-up/now?tx={tx}");
    let page = noor.get(&now).await;
    assert_eq!(page.element("sign-in-address").as_deref(), Some(OTHER), "{}", page.said());
    app.work().await;
    app.new_mails();
    let answer = noor.post_form(&format!("/set-up/renew?tx={tx}"), &[("for", "person")]).await;
    assert!(answer.text().contains(OTHER), "{}", answer.said());
    app.work().await;
    let mails = mailed(&app, OTHER);
    assert!(mails.len() == 1 && mails[0].find_link().is_some(), "{mails:?}");
}
