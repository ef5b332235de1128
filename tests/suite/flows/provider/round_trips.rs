//! How often the store is asked, at a node that has seen the person before.

use std::sync::Arc;

use flybridge::clock::Clock;
use flybridge::http::routes;

use crate::support::app::TestApp;
use crate::support::counted::Counted;
use crate::support::relying_party::{Rp, Tokens};

/// A second node whose store counts, and Grafana and Ines there.
async fn counted(app: &TestApp) -> (Arc<Counted>, axum::Router) {
    let counted = Counted::new(Arc::new(app.connection()));
    let clock: Arc<dyn Clock> = app.clock.clone();
    let node = app.node(counted.clone(), clock).await;
    (counted, routes::router(&node.app))
}

#[tokio::test]
async fn a_full_flow_asks_the_store_five_times() {
    let app = TestApp::new().await;
    let (counted, router) = counted(&app).await;
    let mut browser = app.browser().at(&router);
    browser.sign_in_with_fly("ines").await;
    for client in [app.standard(), Rp::new(&app, "jwt")] {
        let client = client.at(&router);
        browser.get(&client.authorize()).await.sent_back();
        counted.round_trips();
        let code = browser.get(&client.authorize()).await.sent_back()["code"].clone();
        assert_eq!(counted.round_trips(), 2, "the session with what it opens; the grant");
        let tokens = Tokens::of(&client.redeem(&code).await);
        assert_eq!(counted.round_trips(), 2, "the grant with what it opens; the tokens");
        assert_eq!(client.userinfo(&tokens.access).await.status, 200);
        assert_eq!(counted.round_trips(), 1, "the token with its grant and what that opens");
        assert_eq!(client.introspect(&tokens.access).await.json()["active"], true);
        assert_eq!(counted.round_trips(), 1);
    }
}

#[tokio::test]
async fn a_node_that_sees_a_grant_for_the_first_time_asks_once_more_and_then_no_more() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let elsewhere = app.standard().tokens(&mut browser, "ines").await;
    let (counted, router) = counted(&app).await;
    let client = app.standard().at(&router);
    for expected in [2, 1, 1] {
        counted.round_trips();
        assert_eq!(client.userinfo(&elsewhere.access).await.status, 200);
        assert_eq!(counted.round_trips(), expected);
    }
}

#[tokio::test]
async fn what_is_read_along_is_as_it_is_now() {
    let app = TestApp::new().await;
    let (_, router) = counted(&app).await;
    let mut browser = app.browser().at(&router);
    let client = app.standard().at(&router);
    let tokens = client.tokens(&mut browser, "priya").await;
    assert_eq!(client.userinfo(&tokens.access).await.status, 200);
    assert!(browser.get(&client.authorize()).await.sent_back().contains_key("code"));
    // The organization leaves Fly.io at another node.
    app.click().await;
    assert_eq!(client.userinfo(&tokens.access).await.status, 401);
    assert!(browser.get(&client.authorize()).await.location().starts_with("/sign-in?tx="));
    app.leave_jobs();
}
