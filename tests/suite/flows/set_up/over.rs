//! Links that are over: each says what happened and what to do next, and nothing to whoever guesses.

use std::time::Duration;

use crate::support::answer::Answer;
use crate::support::app::{PASSWORD, TestApp};
use crate::support::browser_client::Browser;

const USED: &str = "This link has been used";
const EXPIRED: &str = "This link is too old";
const SUPERSEDED: &str = "There is a newer link";
const CANCELLED: &str = "You do not need this link";
const NOT_LET_IN: &str = "This link opens nothing for you";

async fn opened(app: &TestApp, link: &str) -> (Browser, Answer) {
    let mut browser = app.browser();
    assert_eq!(browser.get(link).await.location(), "/set-up");
    let page = browser.get("/set-up").await;
    (browser, page)
}

/// The page says this; `renewable`: a new link is one click away.
#[track_caller]
fn says(page: &Answer, heading: &str, renewable: bool) {
    assert_eq!((page.status.as_u16(), page.heading().as_str()), (410, heading), "{}", page.said());
    assert_eq!(page.shows("renew-form"), renewable, "{}", page.said());
    assert!(page.shows("error-message") && !page.shows("setup-form"), "{}", page.said());
    assert!(page.attributes("href").contains(&"/sign-in".to_owned()), "a way on");
}

#[tokio::test]
async fn one_that_was_used_sends_to_the_password() {
    let app = TestApp::new().await;
    app.leave().await;
    let links = ["priya", "leo"].map(|who| app.link_of(who));
    let (mut browser, _) = opened(&app, &links[0]).await;
    browser.post_form("/set-up", &[("password", PASSWORD)]).await.location();
    // Leo sets his without the link of the mail.
    let mut leo = app.browser();
    let tx = leo.begin(&app.sentry().authorize()).await;
    leo.fly(&tx, "leo").await;
    let now = format!("/set-up/now?tx={tx}");
    leo.get(&now).await;
    leo.post_form(&now, &[("password", PASSWORD)]).await.sent_back();
    app.work().await;
    for link in links {
        says(&opened(&app, &link).await.1, USED, true);
        app.advance(Duration::from_hours(25));
        says(&opened(&app, &link).await.1, USED, true);
    }
}

#[tokio::test]
async fn one_that_is_too_old_and_one_that_was_replaced_offer_another() {
    let app = TestApp::new().await;
    app.leave().await;
    let old = app.link_of("priya");
    app.advance(Duration::from_hours(25));
    let (mut browser, page) = opened(&app, &old).await;
    says(&page, EXPIRED, true);
    assert!(page.text().contains("24 hours"), "{}", page.said());
    assert!(browser.post_form("/set-up/renew", &[]).await.shows("forgot-sent"));
    app.new_mails();
    app.work().await;
    let new = app.mail_to("priya").link();
    says(&opened(&app, &old).await.1, SUPERSEDED, true);
    app.advance(Duration::from_hours(25));
    says(&opened(&app, &old).await.1, SUPERSEDED, true);
    says(&opened(&app, &new).await.1, EXPIRED, true);

    let (mut browser, _) = opened(&app, &old).await;
    browser.post_form("/set-up/renew", &[]).await;
    app.work().await;
    app.settle_in("priya").await;
    for link in [old, new] {
        says(&opened(&app, &link).await.1, USED, true);
    }
}

#[tokio::test]
async fn one_that_was_cancelled_names_the_organization_that_is_back() {
    let app = TestApp::new().await;
    let (mut ines, _) = app.leave().await;
    let link = app.link_of("priya");
    ines.enable("saltmarsh-labs").await;
    app.work().await;
    let page = opened(&app, &link).await.1;
    says(&page, CANCELLED, false);
    assert!(page.text().contains("Saltmarsh Labs signs in with Fly.io again"), "{}", page.said());
}

/// Leo's link is from the first time; when his organization leaves again, he is left out.
#[tokio::test]
async fn one_of_somebody_who_is_not_let_in_says_whom_to_ask() {
    let app = TestApp::new().await;
    let (mut ines, _) = app.leave().await;
    let link = app.link_of("leo");
    let (mut half_way, _) = opened(&app, &link).await;
    ines.sign_in_with_fly("ines").await;
    ines.enable("saltmarsh-labs").await;
    app.work().await;
    ines.sign_in_with_fly("ines").await;
    let preview = "/organizations/saltmarsh-labs/auth/disable";
    ines.get(preview).await;
    let leo = app.user("leo").await.id.to_string();
    ines.post_form(&format!("{preview}/left-out"), &[("out", &leo)]).await.location();
    let run = ines.disable("saltmarsh-labs").await.location();
    app.work().await;
    app.new_mails();

    let page = opened(&app, &link).await.1;
    says(&page, NOT_LET_IN, false);
    assert!(page.text().contains("Saltmarsh Labs signs in with email and password"), "{}", page.said());
    says(&half_way.post_form("/set-up", &[("password", PASSWORD)]).await, NOT_LET_IN, false);
    says(&half_way.post_form("/set-up/renew", &[]).await, NOT_LET_IN, false);
    app.work().await;
    assert_eq!(app.new_mails(), [], "and no new one is sent");
    let mut by_fly = app.browser();
    let tx = by_fly.begin(&app.sentry().authorize()).await;
    by_fly.fly(&tx, "leo").await;
    let page = by_fly.get(&format!("/set-up/now?tx={tx}")).await;
    assert_eq!((page.status.as_u16(), page.heading().as_str()), (403, "A password would open nothing for you"));

    ines.get(&run).await;
    ines.post_form(&format!("{run}/let-in"), &[("member", &leo)]).await.location();
    app.work().await;
    app.settle_in("leo").await;
}

/// Whoever makes links up learns nothing of who there is.
#[tokio::test]
async fn a_guess_reads_the_same_for_everybody() {
    let app = TestApp::new().await;
    app.leave().await;
    let link = app.link_of("priya");
    let (known, mac) = link.split_once('.').unwrap();
    let wrong = format!("{}{mac}", if mac.starts_with('A') { "B" } else { "A" });
    let wrong = &wrong[..mac.len()];
    // Bram has a password and was never mailed a link.
    let bram = app.user("bram").await.id;
    let guesses = [format!("{known}.{wrong}"), format!("/set-up/{bram}.{wrong}"), format!("/set-up/{bram}0.{wrong}")];
    let mut pages = Vec::new();
    for guess in guesses {
        let page = opened(&app, &guess).await.1;
        let id = page.element("error-id").unwrap();
        pages.push((page.status, page.text().replace(&id, "")));
    }
    let main = |text: &str| text[text.find("<main").unwrap()..].to_owned();
    for (status, text) in &pages[1..] {
        assert_eq!((*status, main(text)), (pages[0].0, main(&pages[0].1)));
    }
}
