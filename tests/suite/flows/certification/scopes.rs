//! What each scope gives at userinfo.

use serde_json::{Value, json};

use super::suite::{Done, Mode, Suite};

/// OIDC Core, section 5.4, `profile`.
const PROFILE: [&str; 14] = [
    "name",
    "family_name",
    "given_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "updated_at",
];

async fn with_scope(mode: Mode, scope: &str) -> (Suite, Done) {
    let mut suite = Suite::new(mode).await;
    let client = suite.first();
    let request = suite.request(&client).with("scope", scope);
    let done = suite.complete(&client, &request).await;
    (suite, done)
}

fn names(claims: &Value) -> Vec<&str> {
    claims.as_object().unwrap().keys().map(String::as_str).filter(|name| *name != "sub").collect()
}

/// The suite would warn where one of the fourteen claims is missing, so discovery does not list the scope and the suite
/// leaves the module out. Who asks all the same gets the name.
pub(super) async fn scope_profile(mode: Mode) {
    let (mut suite, done) = with_scope(mode, "openid profile").await;
    let given = names(&done.userinfo);
    assert!(given.contains(&"name") && given.iter().all(|name| PROFILE.contains(name)), "{given:?}");
    assert_eq!(done.userinfo["name"], "Leo Brandt");
    let discovery = suite.discovery().await;
    assert!(!discovery["scopes_supported"].as_array().unwrap().contains(&json!("profile")), "{discovery}");
    let listed = &discovery["claims_supported"];
    assert!(given.iter().all(|name| listed.as_array().unwrap().contains(&json!(name))), "{listed}");
}

pub(super) async fn scope_email(mode: Mode) {
    let (suite, done) = with_scope(mode, "openid email").await;
    assert_eq!(names(&done.userinfo), ["email", "email_verified"]);
    assert_eq!(done.userinfo["email"], suite.app.address("leo"));
}

/// A scope that discovery does not list: the suite leaves the module out, and a client that asks all the same signs
/// somebody in.
async fn not_listed(mode: Mode, scope: &str) {
    let (mut suite, done) = with_scope(mode, &format!("openid {scope}")).await;
    let listed = suite.discovery().await["scopes_supported"].clone();
    assert!(!listed.as_array().unwrap().contains(&json!(scope)), "{listed}");
    assert_eq!(names(&done.userinfo), [""; 0]);
    assert_eq!(done.tokens.json["scope"], "openid", "and the client is told (RFC 6749, section 3.3)");
}

pub(super) async fn scope_address(mode: Mode) {
    not_listed(mode, "address").await;
}

pub(super) async fn scope_phone(mode: Mode) {
    not_listed(mode, "phone").await;
}

/// Left out by the suite too, for two of the scopes.
pub(super) async fn scope_all(mode: Mode) {
    let (_, done) = with_scope(mode, "openid email phone address profile").await;
    assert_eq!(names(&done.userinfo), ["email", "email_verified", "name"]);
}
