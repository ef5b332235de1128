//! Request objects, which are refused by name, and PKCE of a client that need not send it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::suite::{CALLBACK, Mode, Suite, code, error, random};
use crate::support::relying_party::{CHALLENGE, Parameters, VERIFIER};

/// The whole request as an object that nobody signed.
fn object(request: &Parameters) -> String {
    let claims: Map<String, Value> = request.0.iter().map(|(n, v)| (n.clone(), Value::from(v.as_str()))).collect();
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&Value::from(claims).to_string()))
}

/// What OAuth wants outside of an object as well; state, nonce and the mode of the answer stand inside alone.
fn outside(request: &Parameters) -> Parameters {
    let both = ["response_type", "client_id", "scope", "redirect_uri"];
    Parameters::of(&both.map(|name| (name, request.value(name).unwrap())))
}

pub(super) async fn unsigned_request_object_supported_correctly_or_rejected_as_unsupported(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    assert_eq!(suite.discovery().await["request_parameter_supported"], false);
    let request = suite.request(&suite.first());
    let sent = suite.at_once(&outside(&request).with("request", &object(&request))).await;
    assert_eq!(error(&sent), "request_not_supported", "in the mode that the object asks for");
}

/// The address of an object is not read, so the mode of the answer stands outside.
pub(super) async fn request_uri_unsigned(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    assert_eq!(suite.discovery().await["request_uri_parameter_supported"], false);
    let address = format!("{}/requests/{}", CALLBACK.trim_end_matches("/callback"), random(20));
    let request = suite.request(&suite.first()).with("request_uri", &address);
    let sent = suite.at_once(&request).await;
    assert_eq!(error(&sent), "request_uri_not_supported");
}

/// The object has the right address and the query a wrong one: without reading the object there is no way back, and the
/// suite wants a picture of the page.
pub(super) async fn ensure_request_object_with_redirect_uri(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    let request = suite.request(&suite.first());
    let wrong = format!("{CALLBACK}/{}", random(30));
    let sent = outside(&request).with("redirect_uri", &wrong).with("request", &object(&request));
    let answer = suite.browser.get(&sent.authorize()).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (400, ""), "{}", answer.said());
    assert!(answer.shows("error-id") && !answer.shows("form-post"), "{}", answer.said());
}

pub(super) async fn ensure_request_with_valid_pkce_succeeds(mode: Mode) {
    let mut suite = Suite::new(mode).await;
    let client = suite.first();
    let request = suite.request(&client).with("code_challenge", CHALLENGE).with("code_challenge_method", "S256");
    let sent = suite.sign_in(&request).await;
    let redemption = client.redemption(code(&sent)).with("code_verifier", VERIFIER);
    suite.finish(&client, &request, &client.token(redemption).await).await;
}
