//! The parameters of an authorization request: the query of `GET /oauth/authorize`.
#![no_main]

use std::sync::LazyLock;

use flybridge::domain::authorize::{AuthorizationRequest, Prompt, ResponseMode, ScopeValue};
use flybridge::domain::client::Client;
use flybridge::domain::parameters::Parameters;
use flybridge_fuzz::{ISSUER, client, form, keeps, tells_plainly};
use libfuzzer_sys::fuzz_target;

static CLIENTS: LazyLock<[Client; 3]> =
    LazyLock::new(|| [client(true, true), client(false, true), client(false, false)]);

fuzz_target!(|text: &str| {
    let parameters = form(text);
    for client in &*CLIENTS {
        check_redirect(&parameters, client);
        match AuthorizationRequest::check(&parameters, client, ISSUER) {
            Ok(request) => check_accepted(&parameters, client, &request),
            Err(error) => tells_plainly(&error),
        }
    }
});

/// Nobody is sent to an address that is not registered byte for byte.
fn check_redirect(parameters: &Parameters, client: &Client) {
    let asked = parameters.one("redirect_uri").ok().flatten();
    let verified = asked.and_then(|uri| client.verify_redirect(uri));
    let registered = asked.is_some_and(|uri| client.redirect_uris.iter().any(|known| known == uri));
    assert_eq!(verified.as_ref().map(|redirect| redirect.as_str()), asked.filter(|_| registered));
}

/// What is accepted is what was sent, and passes each rule.
fn check_accepted(parameters: &Parameters, client: &Client, request: &AuthorizationRequest) {
    assert!(parameters.check_text().is_ok() && parameters.check_once_each().is_ok());
    let sent = |name| parameters.one(name).expect("no repeated parameter is accepted");
    assert_eq!(sent("response_type"), Some("code"));
    assert_eq!(["request", "request_uri", "registration"].map(sent), [None; 3]);
    let openid = request.scope.contains(ScopeValue::OpenId);
    assert!(!request.scope.is_empty() && (openid || !client.require_openid));
    assert!(openid || (request.claims.is_empty() && request.demands.is_empty()));

    assert_eq!(request.code_challenge.as_deref(), sent("code_challenge"));
    assert!(request.code_challenge.is_some() || !client.require_pkce);
    assert_eq!(sent("code_challenge_method"), request.code_challenge.as_ref().map(|_| "S256"));
    assert_eq!(request.nonce.as_deref(), sent("nonce"));

    let words: Vec<&str> = sent("prompt").unwrap_or_default().split_whitespace().collect();
    assert_eq!(request.prompt == Prompt::None, words == ["none"], "{words:?}");
    assert!(request.prompt != Prompt::Any || !words.contains(&"login"));
    assert_eq!(request.max_age.is_some(), sent("max_age").is_some());
    assert!(request.response_mode != ResponseMode::FormPost || sent("response_mode") == Some("form_post"));
    for (kept, name) in [(&request.login_hint, "login_hint"), (&request.organization, "organization")] {
        assert_eq!(kept.is_some(), sent(name).is_some());
        assert!(sent(name).unwrap_or_default().starts_with(kept.as_deref().unwrap_or_default()));
    }
    // It travels in a cookie.
    keeps(request);
}
