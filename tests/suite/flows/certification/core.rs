//! Requests as every client sends them.

use flybridge::demo::world::BRAMS_PASSWORD;
use serde_json::json;

use super::suite::{CALLBACK, Mode, Suite, code, error, random};

/// With a password, as the person of `docs/certification` signs in.
pub(super) async fn server(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    suite.app.leave().await;
    let client = suite.first();
    let request = suite.request(&client);
    let tx = suite.browser.begin(&request.authorize()).await;
    let answer = suite.browser.password(&tx, "bram-94@customer.fly.io", BRAMS_PASSWORD).await;
    let sent = suite.called_back(&answer, &request);
    let done = suite.finish(&client, &request, &client.redeem(code(&sent)).await).await;
    assert_eq!(done.claims["amr"], json!(["pwd"]));
    assert_eq!(done.userinfo, json!({"sub": done.claims["sub"]}), "of the scope openid nothing else");
}

pub(super) async fn server_client_secret_post(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    let methods = suite.discovery().await["token_endpoint_auth_methods_supported"].clone();
    assert!(methods.as_array().unwrap().contains(&json!("client_secret_post")), "{methods}");
    let client = suite.post();
    suite.complete(&client, &suite.request(&client)).await;
}

pub(super) async fn response_type_missing(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    let request = suite.request(&suite.first()).without("response_type");
    let sent = suite.at_once(&request).await;
    assert!(["invalid_request", "unsupported_response_type"].contains(&error(&sent)), "{sent:?}");
}

pub(super) async fn ensure_post_request_succeeds(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    let client = suite.first();
    let request = suite.request(&client);
    let fields: Vec<(&str, &str)> = request.0.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let on = suite.browser.post_bare("/oauth/authorize", &fields, &[]).await.location();
    let sent = suite.sign_in_at(&on, &request).await;
    suite.finish(&client, &request, &client.redeem(code(&sent)).await).await;
}

pub(super) async fn ensure_request_with_unknown_parameter_succeeds(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    let client = suite.first();
    let request = suite.request(&client).with("extra", "foobar");
    suite.complete(&client, &request).await;
}

pub(super) async fn ensure_request_without_nonce_succeeds_for_code_flow(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    let client = suite.first();
    let request = suite.request(&client).without("nonce");
    let done = suite.complete(&client, &request).await;
    assert!(done.claims.get("nonce").is_none(), "{}", done.claims);
}

pub(super) async fn ensure_other_scope_order_succeeds(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    let client = suite.first();
    let request = suite.request(&client).with("scope", "email openid");
    let done = suite.complete(&client, &request).await;
    assert!(done.userinfo["email"].is_string() && done.userinfo["email_verified"].is_boolean(), "{}", done.userinfo);
}

/// An error page of our own, of which the suite wants a picture, and no way to the address that nobody registered.
pub(super) async fn ensure_registered_redirect_uri(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    let request = suite.request(&suite.first());
    for address in [format!("{CALLBACK}/{}", random(30)), format!("{CALLBACK}?{}", random(30))] {
        let answer = suite.browser.get(&request.clone().with("redirect_uri", &address).authorize()).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (400, ""), "{}", answer.said());
        assert!(answer.shows("error-id") && !answer.shows("form-post"), "{}", answer.said());
        let said = answer.element("error-message").unwrap();
        assert!(said.contains("not one it has registered"), "{said}");
    }
}
