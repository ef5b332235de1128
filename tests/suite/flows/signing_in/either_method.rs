//! The same person by either method, and what each method opens.

use std::time::Duration;

use serde_json::Value;

use flybridge::demo::world::{BRAMS_PASSWORD, Role};

use crate::support::answer::Answer;
use crate::support::app::{ISSUER, PASSWORD, TestApp};
use crate::support::browser_client::Browser;
use crate::support::relying_party::{Rp, STATE, Tokens};

fn organizations(info: &Value) -> Vec<&str> {
    info["organizations"].as_array().unwrap().iter().map(|o| o["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_same_sub_and_user_id_by_either_method() {
    let app = TestApp::new().await;
    let clients = ["sentry", "standard", "sentry-oidc"].map(|id| Rp::new(&app, id));
    let mut by_fly = Vec::new();
    for client in &clients {
        let tokens = client.tokens(&mut app.browser(), "priya").await;
        by_fly.push(client.info(&tokens.access).await.json());
    }
    app.leave().await;
    app.settle_in("priya").await;
    for (client, before) in clients.iter().zip(by_fly) {
        let mut browser = app.browser();
        let tx = browser.begin(&client.authorize()).await;
        let sent = browser.password(&tx, &app.address("priya"), PASSWORD).await.sent_back();
        let tokens = Tokens::of(&client.redeem(&sent["code"]).await);
        let after = client.info(&tokens.access).await.json();
        for name in ["sub", "user_id", "resource_owner_id", "email", "user_name", "organizations"] {
            assert_eq!(before[name], after[name], "{name} at {}", client.id);
        }
        if tokens.id.is_some() {
            assert_eq!(tokens.claims()["sub"], before["sub"]);
            assert_eq!(tokens.claims()["amr"], serde_json::json!(["pwd"]));
        }
    }
    assert_eq!(app.user("priya").await.fly_id.as_str(), "q7m2x9k4v1w8z5t3");
}

#[tokio::test]
async fn fly_no_longer_opens_what_left_and_says_what_to_do() {
    let app = TestApp::new().await;
    app.leave().await;
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    let answer = browser.fly(&tx, "priya").await;
    assert_eq!(answer.status, 403);
    assert!(answer.heading().contains("no longer opens"), "{}", answer.said());
    assert!(answer.shows("set-password-now") && answer.shows("renew-form") && answer.shows("error-message"));
    // Somebody with a password is asked for it, and is not offered another.
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    let answer = browser.fly(&tx, "bram").await;
    assert!(!answer.shows("set-password-now") && answer.shows("sign-in-password"));
    let email = app.address("bram");
    let fields = [("email", email.as_str()), ("password", BRAMS_PASSWORD)];
    let answer = browser.post_form(&format!("/sign-in/password?tx={tx}"), &fields).await;
    assert!(answer.sent_back().contains_key("code"), "from that page straight on");
}

#[tokio::test]
async fn fly_no_longer_opens_is_a_page_for_every_client() {
    let app = TestApp::new().await;
    app.leave().await;
    let mut browser = app.browser();
    let tx = browser.begin(&app.standard().authorize()).await;
    let answer = browser.fly(&tx, "priya").await;
    assert!(answer.shows("set-password-now"), "{}", answer.said());
}

/// Goes on with what the sign-in opens, on the page that asks which organization; the code.
async fn go_on(browser: &mut Browser, tx: &str, opened: &[&str], others: &[&str]) -> String {
    let path = format!("/sign-in/next?tx={tx}");
    let page = browser.get(&path).await;
    assert_eq!(page.status, 200, "{}", page.said());
    assert_eq!(page.element("choose-submit").unwrap(), format!("Go on with {}", opened.join(" and ")));
    assert!(others.iter().all(|name| page.text().contains(&format!("<h2>{name}</h2>"))), "{}", page.said());
    let sent = browser.post_form(&path, &[("person", &person(&page))]).await.sent_back();
    assert_eq!(sent["state"], STATE);
    sent["code"].clone()
}

/// Who the page says is signed in.
fn person(page: &Answer) -> String {
    let html = page.text();
    html.split_once("name=\"person\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn nobody_goes_on_as_somebody_the_page_did_not_name() {
    let app = TestApp::new().await;
    app.leave().await;
    let mut browser = app.browser();
    let tx = browser.begin(&app.sentry().authorize()).await;
    let page = browser.fly(&tx, "jun").await;
    let jun = person(&page);
    let path = format!("/sign-in/next?tx={tx}");
    for other in ["", "x", app.user("leo").await.id.as_str()] {
        let page = browser.post_form(&path, &[("person", other)]).await;
        assert!(page.shows("choose-form"), "{other}: {}", page.said());
    }
    assert!(browser.post_form(&path, &[("person", &jun)]).await.sent_back().contains_key("code"));
}

#[tokio::test]
async fn who_belongs_to_two_is_asked_which_instead_of_stuck_with_one() {
    let app = TestApp::new().await;
    app.leave().await;
    let sentry = app.sentry();
    // By Fly.io for the organization that has left it: shown the other way, and taken along it without a second question.
    let mut jun = app.browser();
    let tx = jun.begin(&sentry.authorize()).await;
    let page = jun.fly(&tx, "jun").await;
    assert!(page.shows("set-password-now"), "{}", page.said());
    jun.get(&format!("/set-up/now?tx={tx}")).await;
    let sent = jun.post_form(&format!("/set-up/now?tx={tx}"), &[("password", PASSWORD)]).await.sent_back();
    let tokens = Tokens::of(&sentry.redeem(&sent["code"]).await);
    let saltmarsh = app.organization("saltmarsh-labs");
    assert_eq!(organizations(&sentry.info(&tokens.access).await.json()), [saltmarsh.as_str()]);
    app.work().await;

    // With that session to the other one, which Sentry cannot name.
    let choose = jun.get(&sentry.authorize()).await.location();
    let tx = choose.strip_prefix("/sign-in/next?tx=").unwrap().to_owned();
    let page = jun.get(&choose).await;
    assert!(page.attributes("href").contains(&format!("/sign-in/fly?tx={tx}")), "{}", page.said());
    let sent = jun.fly(&tx, "jun").await.sent_back();
    let tokens = Tokens::of(&sentry.redeem(&sent["code"]).await);
    let harbour = app.organization("harbour-tools");
    assert_eq!(organizations(&sentry.info(&tokens.access).await.json()), [harbour.as_str()]);

    // Not in a frame that nobody sees, and not when the application says which.
    let standard = app.standard();
    let silent = standard.request().with("prompt", "none");
    assert_eq!(jun.get(&silent.authorize()).await.sent_back()["error"], "account_selection_required");
    let named = standard.request().with("organization", "harbour-tools");
    assert!(jun.get(&named.authorize()).await.sent_back().contains_key("code"));
}

#[tokio::test]
async fn whoever_has_no_password_yet_proves_themselves_anew_and_sets_one() {
    let app = TestApp::new().await;
    app.leave().await;
    let sentry = app.sentry();
    let mut jun = app.browser();
    jun.sign_in_with_fly("jun").await;
    app.advance(Duration::from_mins(6));
    let next = jun.get(&sentry.authorize()).await.location();
    let tx = next.strip_prefix("/sign-in/next?tx=").unwrap().to_owned();
    let page = jun.get(&next).await;
    assert!(!page.shows("set-password-now") && page.text().contains("you have no password yet"), "{}", page.said());
    // Also by way of the sign-in page.
    jun.get(&format!("/sign-in?tx={tx}&all=1")).await;
    let page = jun.fly(&tx, "jun").await;
    assert!(page.shows("set-password-now"), "asked again, not sent past it: {}", page.said());
    jun.get(&format!("/set-up/now?tx={tx}")).await;
    let sent = jun.post_form(&format!("/set-up/now?tx={tx}"), &[("password", PASSWORD)]).await.sent_back();
    let tokens = Tokens::of(&sentry.redeem(&sent["code"]).await);
    let saltmarsh = app.organization("saltmarsh-labs");
    assert_eq!(organizations(&sentry.info(&tokens.access).await.json()), [saltmarsh.as_str()]);
    app.work().await;
}

#[tokio::test]
async fn an_organization_that_fly_has_just_stopped_to_name_is_told_of_beside_the_others() {
    let app = TestApp::new().await;
    let sentry = app.sentry();
    app.sentry().tokens(&mut app.browser(), "jun").await;
    // Such as when Saltmarsh Labs wants a Google sign-in at Fly.io that has lapsed.
    assert!(app.fly.change(|world| world.remove_member("jun", "saltmarsh-labs")));
    let mut jun = app.browser();
    let tx = jun.begin(&sentry.authorize()).await;
    let page = jun.fly(&tx, "jun").await;
    assert!(page.text().contains("Fly.io did not name Saltmarsh Labs"), "{}", page.said());
    go_on(&mut jun, &tx, &["Harbour Tools"], &["Saltmarsh Labs"]).await;
    // And the same where the other one has left.
    assert!(
        app.fly.change(|world| world.set_role("jun", "saltmarsh-labs", Role::Member)
            && world.remove_member("jun", "harbour-tools"))
    );
    app.leave().await;
    let mut jun = app.browser();
    let tx = jun.begin(&sentry.authorize()).await;
    let page = jun.fly(&tx, "jun").await;
    assert_eq!(page.heading(), "Fly.io no longer opens this organization");
    assert!(page.text().contains("Fly.io did not name Harbour Tools"), "{}", page.said());
    // Who was removed is not asked for ever.
    assert!(app.fly.change(|world| world.set_role("jun", "harbour-tools", Role::Member)));
    assert!(app.fly.change(|world| world.remove_member("leo", "saltmarsh-labs")));
    app.advance(Duration::from_hours(25));
    let mut jun = app.browser();
    let tx = jun.begin(&sentry.authorize()).await;
    assert!(!jun.fly(&tx, "jun").await.text().contains("did not name"));
}

#[tokio::test]
async fn the_question_takes_no_sign_in_that_the_client_would_not() {
    let app = TestApp::new().await;
    let standard = app.standard();
    let mut jun = app.browser();
    jun.sign_in_with_fly("jun").await;
    app.leave().await;
    app.advance(Duration::from_mins(2));
    for asked in [("prompt", "login"), ("max_age", "60")] {
        let tx = jun.begin(&standard.request().with(asked.0, asked.1).authorize()).await;
        let path = format!("/sign-in/next?tx={tx}");
        jun.get("/forgot").await;
        for answer in [jun.get(&path).await, jun.post_form(&path, &[]).await] {
            assert_eq!(answer.location(), format!("/sign-in?tx={tx}"), "{asked:?}");
        }
    }
    // Without its form token nothing goes out either.
    let choose = jun.get(&standard.authorize()).await.location();
    jun.get(&choose).await;
    assert_eq!(jun.post_bare(&choose, &[], &[("origin", ISSUER)]).await.status, 403);
}

#[tokio::test]
async fn each_method_opens_its_own_organizations() {
    let app = TestApp::new().await;
    app.leave().await;
    app.settle_in("jun").await;
    let sentry = app.sentry();
    let (saltmarsh, harbour) = (app.organization("saltmarsh-labs"), app.organization("harbour-tools"));

    let mut browser = app.browser();
    let tx = browser.begin(&sentry.authorize()).await;
    browser.fly(&tx, "jun").await;
    let code = go_on(&mut browser, &tx, &["Harbour Tools"], &["Saltmarsh Labs"]).await;
    let tokens = Tokens::of(&sentry.redeem(&code).await);
    assert_eq!(organizations(&sentry.info(&tokens.access).await.json()), [harbour.as_str()], "by Fly.io");

    let mut browser = app.browser();
    let tx = browser.begin(&sentry.authorize()).await;
    browser.password(&tx, &app.address("jun"), PASSWORD).await;
    let code = go_on(&mut browser, &tx, &["Saltmarsh Labs"], &["Harbour Tools"]).await;
    let tokens = Tokens::of(&sentry.redeem(&code).await);
    assert_eq!(organizations(&sentry.info(&tokens.access).await.json()), [saltmarsh.as_str()], "by password");

    // Signed in with the password, and now the organization on Fly.io is wanted.
    let request = sentry.request().with("organization", "harbour-tools");
    let tx = browser.begin(&request.authorize()).await;
    let answer = browser.password(&tx, &app.address("jun"), PASSWORD).await;
    assert_eq!(answer.status, 403, "{}", answer.said());
    assert!(browser.fly(&tx, "jun").await.sent_back().contains_key("code"));
}

#[tokio::test]
async fn the_sign_in_page_offers_what_the_organization_allows() {
    let app = TestApp::new().await;
    app.leave().await;
    let mut browser = app.browser();
    let offers = [("saltmarsh-labs", false, true), ("harbour-tools", true, false), ("nowhere", true, true)];
    for (slug, fly, password) in offers {
        let tx = browser.begin(&app.sentry().request().with("organization", slug).authorize()).await;
        let page = browser.get(&format!("/sign-in?tx={tx}")).await;
        assert_eq!((page.shows("sign-in-fly"), page.shows("sign-in-password")), (fly, password), "{slug}");
        let page = browser.get(&format!("/sign-in?tx={tx}&all=1")).await;
        assert!(page.shows("sign-in-fly") && page.shows("sign-in-password"), "{slug}");
    }
    let tx = browser.begin(&app.sentry().authorize()).await;
    let page = browser.get(&format!("/sign-in?tx={tx}")).await;
    assert!(page.shows("sign-in-fly") && page.shows("sign-in-password") && page.shows("forgot-password"));
}

#[tokio::test]
async fn a_refresh_of_a_password_sign_in_does_not_ask_fly() {
    use flybridge::demo::fly::{Endpoint, Fault};
    let app = TestApp::new().await;
    app.leave().await;
    let sentry = app.sentry();
    let mut browser = app.browser();
    let tx = browser.begin(&sentry.authorize()).await;
    let sent = browser.password(&tx, &app.address("bram"), BRAMS_PASSWORD).await.sent_back();
    let tokens = Tokens::of(&sentry.redeem(&sent["code"]).await);
    app.fly.fault(Endpoint::Info, Fault::Status { status: 500, retry_after: None });
    app.fly.fault(Endpoint::Token, Fault::Status { status: 500, retry_after: None });
    let asked = app.fly.requests(Endpoint::Info);
    Tokens::of(&sentry.refresh(tokens.refresh()).await);
    assert_eq!(app.fly.requests(Endpoint::Info), asked);
}

#[tokio::test]
async fn fly_leads_an_admin_of_an_organization_that_left_to_the_switch_and_nobody_else() {
    let app = TestApp::new().await;
    let (_, run) = app.leave().await;
    for (who, admin) in [("ines", true), ("chloe", true), ("leo", false)] {
        let mut browser = app.browser();
        let tx = browser.begin(&app.sentry().authorize()).await;
        let page = browser.fly(&tx, who).await;
        assert_eq!(page.heading(), "Fly.io no longer opens this organization");
        assert_eq!(page.attributes("href").contains(&run), admin, "{who}: {}", page.said());
        assert_eq!(browser.get(&run).await.status == 200, admin, "{who}");
    }
}
