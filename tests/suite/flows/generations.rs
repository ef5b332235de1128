//! A change of login method ends what was issued before it, at once, and nothing else.

use flybridge::demo::fly::{Endpoint, Fault};
use flybridge::demo::world::BRAMS_PASSWORD;

use crate::support::app::TestApp;
use crate::support::browser_client::Browser;
use crate::support::relying_party::{Rp, Tokens, refused};

/// A code for somebody who signs in with their password.
pub(super) async fn code_by_password(
    app: &TestApp,
    client: &Rp,
    browser: &mut Browser,
    who: &str,
    password: &str,
) -> String {
    let tx = browser.begin(&client.authorize()).await;
    browser.password(&tx, &app.address(who), password).await.sent_back()["code"].clone()
}

#[tokio::test]
async fn the_click_ends_sessions_codes_and_tokens_before_any_mail_leaves() {
    let app = TestApp::new().await;
    app.leave_jobs();
    let sentry = app.sentry();
    let standard = app.standard();
    let mut session = app.browser();
    let tokens = sentry.tokens(&mut session, "priya").await;
    let strict = standard.tokens(&mut app.browser(), "priya").await;
    let code = sentry.code(&mut app.browser(), "priya").await;
    assert!(session.get(&sentry.authorize()).await.sent_back().contains_key("code"));

    app.click().await;

    assert!(session.get(&sentry.authorize()).await.location().starts_with("/sign-in?tx="));
    let silent = session.get(&standard.request().with("prompt", "none").authorize()).await;
    assert_eq!(silent.sent_back()["error"], "login_required");
    refused(&sentry.redeem(&code).await, 400, "invalid_grant");
    assert_eq!(sentry.info(&tokens.access).await.status, 401);
    assert_eq!(standard.userinfo(&strict.access).await.status, 401);
    refused(&sentry.refresh(tokens.refresh()).await, 400, "invalid_grant");
    refused(&standard.refresh(strict.refresh()).await, 400, "invalid_grant");
}

#[tokio::test]
async fn a_refresh_is_refused_even_while_fly_cannot_be_asked() {
    let app = TestApp::new().await;
    let sentry = app.sentry();
    let tokens = sentry.tokens(&mut app.browser(), "priya").await;
    app.leave().await;
    for endpoint in [Endpoint::Info, Endpoint::Token] {
        app.fly.fault(endpoint, Fault::Status { status: 503, retry_after: None });
    }
    refused(&sentry.refresh(tokens.refresh()).await, 400, "invalid_grant");
}

#[tokio::test]
async fn an_organization_that_is_not_involved_goes_on() {
    let app = TestApp::new().await;
    let sentry = app.sentry();
    let mut hana = app.browser();
    let tokens = sentry.tokens(&mut hana, "hana").await;
    let mut jun = app.browser();
    let request = sentry.request().with("organization", "harbour-tools");
    let juns = Tokens::of(&sentry.redeem(&sentry.code_for(&mut jun, &request, "jun").await).await);
    let both = sentry.tokens(&mut app.browser(), "jun").await;
    app.leave().await;
    for tokens in [tokens, juns] {
        assert_eq!(sentry.info(&tokens.access).await.status, 200);
        let tokens = Tokens::of(&sentry.refresh(tokens.refresh()).await);
        assert_eq!(sentry.info(&tokens.access).await.status, 200);
    }
    assert!(hana.get(&sentry.authorize()).await.sent_back().contains_key("code"));
    // The session of somebody in both still opens the other, without a new sign-in, once they say that they want it.
    let choose = jun.get(&sentry.authorize()).await.location();
    assert!(choose.starts_with("/sign-in/next?tx="), "{choose}");
    jun.get(&choose).await;
    let id = app.user("jun").await.id;
    let sent = jun.post_form(&choose, &[("person", id.as_str())]).await.sent_back();
    let tokens = Tokens::of(&sentry.redeem(&sent["code"]).await);
    let info = sentry.info(&tokens.access).await.json();
    assert_eq!(info["organizations"].as_array().unwrap().len(), 1);
    assert_eq!(info["organizations"][0]["id"], app.organization("harbour-tools").as_str());
    // A grant for both is dead as a whole: the client cannot tell for which it is used.
    refused(&sentry.refresh(both.refresh()).await, 400, "invalid_grant");
    assert_eq!(sentry.info(&both.access).await.status, 401);
}

#[tokio::test]
async fn turning_fly_on_again_ends_what_passwords_opened() {
    let app = TestApp::new().await;
    let sentry = app.sentry();
    let (mut ines, _) = app.leave().await;
    let mut bram = app.browser();
    let code = code_by_password(&app, &sentry, &mut bram, "bram", BRAMS_PASSWORD).await;
    let tokens = Tokens::of(&sentry.redeem(&code).await);
    let late = bram.get(&sentry.authorize()).await.sent_back()["code"].clone();
    assert_eq!(ines.enable("saltmarsh-labs").await.location(), "/organizations/saltmarsh-labs/auth");
    app.work().await;
    refused(&sentry.redeem(&late).await, 400, "invalid_grant");
    refused(&sentry.refresh(tokens.refresh()).await, 400, "invalid_grant");
    assert_eq!(sentry.info(&tokens.access).await.status, 401);
    assert!(bram.get(&sentry.authorize()).await.location().starts_with("/sign-in?tx="));
    let tokens = sentry.tokens(&mut app.browser(), "bram").await;
    assert_eq!(sentry.info(&tokens.access).await.status, 200, "Fly.io opens it again");
}

#[tokio::test]
async fn there_and_back_again_revives_nothing() {
    let app = TestApp::new().await;
    let sentry = app.sentry();
    let mut before = app.browser();
    let tokens = sentry.tokens(&mut before, "priya").await;
    let (mut ines, _) = app.leave().await;
    ines.enable("saltmarsh-labs").await;
    app.work().await;
    assert!(before.get(&sentry.authorize()).await.location().starts_with("/sign-in?tx="));
    refused(&sentry.refresh(tokens.refresh()).await, 400, "invalid_grant");

    // And the other way round: a password sign-in of the first time outside is nothing the second time.
    let (mut ines, _) = app.leave().await;
    let mut bram = app.browser();
    let code = code_by_password(&app, &sentry, &mut bram, "bram", BRAMS_PASSWORD).await;
    let tokens = Tokens::of(&sentry.redeem(&code).await);
    ines.enable("saltmarsh-labs").await;
    app.leave().await;
    assert!(bram.get(&sentry.authorize()).await.location().starts_with("/sign-in?tx="));
    refused(&sentry.refresh(tokens.refresh()).await, 400, "invalid_grant");
    let code = code_by_password(&app, &sentry, &mut bram, "bram", BRAMS_PASSWORD).await;
    Tokens::of(&sentry.redeem(&code).await);
}
