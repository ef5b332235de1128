//! Signing in at Sentry by both profiles, and what goes wrong on the way.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flybridge::demo::sentry::{Identity, Profile};
use flybridge::demo::world::{HARBOUR, SALTMARSH};
use serde_json::{Value, json};

use super::sentry_support::{BASE, BRIDGE, Scripted, Sentry, callback, jun, scripted, tokens};

fn pairs(url: &url::Url) -> Vec<(String, String)> {
    url.query_pairs().into_owned().collect()
}

#[tokio::test]
async fn profile_1_speaks_like_sentrys_fly_provider() {
    let sentry = Sentry::new().await;
    let mut browser = sentry.browser();
    let front = browser.get("/").await;
    assert_eq!(front.attribute("id=\"sentry-sign-in\"", "href").as_deref(), Some("/login"));
    assert_eq!(front.attribute("id=\"sentry-sign-in-oidc\"", "href").as_deref(), Some("/login/oidc"));

    let there = browser.get("/login").await.location();
    assert!(there.as_str().starts_with(&format!("{}/oauth/authorize?", sentry.provider.url)));
    let sent = pairs(&there);
    let state = sent.iter().find(|(name, _)| name == "state").unwrap().1.clone();
    let (random, key) = state.split_once(':').unwrap();
    assert!(random.len() == 64 && random.bytes().all(|b| b.is_ascii_hexdigit()) && key == "fly", "{state}");
    let redirect_uri = format!("{BASE}/auth/sso/");
    let expected = [
        ("client_id", "sentry-fly"),
        ("response_type", "code"),
        ("scope", "read"),
        ("state", &state),
        ("redirect_uri", &redirect_uri),
    ];
    assert_eq!(sent, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));

    sentry.provider.will_answer([scripted(200, &tokens(1)), scripted(200, &jun())]);
    assert_eq!(browser.get(&callback("c0de", &state)).await.location_text(), "/");
    let seen = sentry.provider.seen();
    let expected = [
        ("grant_type", "authorization_code"),
        ("code", "c0de"),
        ("redirect_uri", &redirect_uri),
        ("client_id", "sentry-fly"),
        ("client_secret", "fly-secret"),
    ];
    assert_eq!(seen[0].form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!((seen[0].target.as_str(), seen[0].authorization.as_str()), ("/oauth/token", ""));
    assert_eq!((seen[1].target.as_str(), seen[1].authorization.as_str()), ("/oauth/token/info", "Bearer at-1"));

    let home = browser.get("/").await;
    let user = |name: &str| home.attribute("id=\"sentry-user\"", name).unwrap();
    assert_eq!((user("data-sub").as_str(), user("data-user-id").as_str()), ("sub-of-jun", "j4p9u2z7e0l5g8a1"));
    assert_eq!(user("data-email"), "jun@customer.fly.io");
    assert_eq!(user("data-organizations"), format!("{SALTMARSH},{HARBOUR}"));
    assert_eq!(user("data-recognized"), "false");
    assert!(home.text().contains("Signed in as Jun Park.") && home.text().contains("Saltmarsh Labs, member"));
    let settings = home.attribute("id=\"sentry-auth-settings\"", "href").unwrap();
    assert_eq!(settings, format!("{BRIDGE}/organizations/harbour-tools/auth"));
    assert_eq!(home.text().matches("/auth\"").count(), 1, "only where the person is admin");
}

#[tokio::test]
async fn the_same_identity_is_recognized() {
    let sentry = Sentry::new().await;
    let first = sentry.signed_in(&jun()).await;
    let mut moved = jun();
    moved["email"] = json!("jun@park.example");
    moved["organizations"] = json!([{"id": SALTMARSH, "role": "member"}]);
    let mut second = sentry.signed_in(&moved).await;
    assert_ne!(first.cookie, second.cookie);
    let home = second.get("/").await;
    assert_eq!(home.attribute("id=\"sentry-user\"", "data-recognized").as_deref(), Some("true"));
    assert_eq!(home.attribute("id=\"sentry-auth-settings\"", "href"), None);
    let row = Identity {
        profile: Profile::Fly,
        key: "j4p9u2z7e0l5g8a1".to_owned(),
        email: "jun@park.example".to_owned(),
        linked: true,
        sign_ins: 2,
    };
    assert_eq!(sentry.stand_in.identities(), [row]);
}

#[tokio::test]
async fn a_state_that_differs_by_a_byte_is_refused() {
    let sentry = Sentry::new().await;
    let mut browser = sentry.browser();
    let state = browser.begin("/login").await;
    for other in [&state[..64], &state.to_uppercase(), &format!("{state} "), "", &state.replace(":fly", ":oidc")] {
        let refused = browser.get(&callback("c0de", other)).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(refused.message(), "An error occurred while validating your request.");
    }
    let stranger = sentry.browser().get(&callback("c0de", &state)).await;
    assert_eq!(stranger.status, StatusCode::BAD_REQUEST, "the state belongs to another browser");
    assert!(sentry.provider.seen().is_empty(), "no code was spent on any of them");
}

#[tokio::test]
async fn two_tabs_share_one_slot() {
    let sentry = Sentry::new().await;
    let mut browser = sentry.browser();
    let first = browser.begin("/login").await;
    let second = browser.begin("/login").await;
    assert_eq!(browser.get(&callback("c0de", &first)).await.status, StatusCode::BAD_REQUEST);
    sentry.provider.will_answer([scripted(200, &tokens(1)), scripted(200, &jun())]);
    assert_eq!(browser.get(&callback("c0de", &second)).await.location_text(), "/");
}

#[tokio::test]
async fn an_error_without_a_code_starts_over_three_times() {
    let sentry = Sentry::new().await;
    let mut browser = sentry.browser();
    let mut states = vec![browser.begin("/login").await];
    for _ in 0..3 {
        states.push(browser.begin("/auth/sso/?error=access_denied").await);
    }
    states.sort();
    states.dedup();
    assert_eq!(states.len(), 4, "each start has a state of its own");
    let stopped = browser.get("/auth/sso/?error=access_denied").await;
    assert_eq!(stopped.status, StatusCode::BAD_REQUEST);
    assert!(stopped.message().contains("access_denied"));
    assert!(stopped.text().contains("would go on for ever"));
}

#[tokio::test]
async fn profile_2_starts_over_in_the_same_way() {
    let sentry = Sentry::new().await;
    let mut browser = sentry.browser();
    let discovery = discovery(&sentry.provider.url);
    for path in ["/login/oidc", "/auth/sso/?error=access_denied"] {
        sentry.provider.will_answer([scripted(200, &discovery)]);
        assert!(browser.begin(path).await.ends_with(":oidc"), "{path}");
    }
}

#[tokio::test]
async fn token_answers_are_read_as_sentry_reads_them() {
    let sentry = Sentry::new().await;
    let mut without_refresh = tokens(1);
    without_refresh.as_object_mut().unwrap().remove("refresh_token");
    let error = json!({"error": "invalid_grant", "error_description": "Saltmarsh Labs <left> Fly.io."});
    let general = "Failed to retrieve token from the upstream provider. Please try again later.";
    let cases: [(Vec<Scripted>, u16, &str); 8] = [
        (vec![scripted(200, &error)], 400, "Saltmarsh Labs &#60;left&#62; Fly.io."),
        (vec![scripted(400, &json!({"error": "invalid_grant"}))], 400, general),
        (vec![Scripted(200, None, tokens(1).to_string())], 500, "without a Content-Type"),
        (vec![Scripted(502, Some("text/html"), "<html>".to_owned())], 500, "502 and no JSON"),
        (vec![scripted(200, &json!({"refresh_token": "rt"}))], 500, "no access_token"),
        (vec![scripted(200, &without_refresh)], 400, "No refresh token"),
        (vec![scripted(200, &tokens(1)), scripted(401, &json!({}))], 500, "answered with 401"),
        (vec![scripted(200, &tokens(1)), scripted(200, &json!({"email": "a@b.example"}))], 500, "no user_id"),
    ];
    for (answers, status, words) in cases {
        let mut browser = sentry.browser();
        let state = browser.begin("/login").await;
        sentry.provider.will_answer(answers);
        let refused = browser.get(&callback("c0de", &state)).await;
        assert_eq!(refused.status.as_u16(), status, "{words}");
        assert!(refused.message().contains(words), "{} has no {words}", refused.message());
        assert_eq!(browser.get("/").await.attribute("id=\"sentry-user\"", "data-sub"), None);
    }
    // The status of a good token answer is not looked at.
    let mut browser = sentry.browser();
    let state = browser.begin("/login").await;
    sentry.provider.will_answer([scripted(418, &tokens(1)), scripted(200, &jun())]);
    assert_eq!(browser.get(&callback("c0de", &state)).await.location_text(), "/");
}

#[tokio::test]
async fn people_of_other_organizations_are_turned_away() {
    let sentry = Sentry::new().await;
    let mut outsider = jun();
    outsider["organizations"] = json!([{"id": "z0z0z0z0z0z0z0z0", "role": "admin"}]);
    let mut one = jun();
    one["organizations"] = json!([{"id": HARBOUR, "role": "admin"}]);
    for (path, info, allowed) in [
        ("/login", &outsider, false),
        ("/login?organization=saltmarsh-labs", &one, false),
        ("/login?organization=harbour-tools", &one, true),
        ("/login", &one, true),
    ] {
        let mut browser = sentry.browser();
        let state = browser.begin(path).await;
        sentry.provider.will_answer([scripted(200, &tokens(1)), scripted(200, info)]);
        let answer = browser.get(&callback("c0de", &state)).await;
        if allowed {
            assert_eq!(answer.location_text(), "/");
        } else {
            assert_eq!(answer.message(), "You do not have access to the required Fly organization.");
        }
    }
    let nowhere = sentry.browser().get("/login?organization=nowhere").await;
    assert_eq!(nowhere.status, StatusCode::BAD_REQUEST);
}

fn discovery(provider: &str) -> Value {
    json!({"issuer": provider, "authorization_endpoint": format!("{provider}/a?fixed=1"),
           "token_endpoint": format!("{provider}/t"), "userinfo_endpoint": format!("{provider}/u")})
}

fn id_token(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.unverified", part(&json!({"alg": "ES256"})), part(claims))
}

#[tokio::test]
async fn profile_2_reads_the_id_token_and_then_userinfo() {
    let sentry = Sentry::new().await;
    let provider = &sentry.provider;
    let mut browser = sentry.browser();
    provider.will_answer([scripted(200, &discovery(&provider.url))]);
    let there = browser.get("/login/oidc").await.location();
    let state = super::parameter(&there, "state").unwrap();
    assert!(state.ends_with(":oidc"));
    for (name, value) in [
        ("fixed", "1"),
        ("client_id", "sentry-oidc"),
        ("response_type", "code"),
        ("scope", "openid email"),
        ("redirect_uri", "http://sentry.test/auth/sso/"),
        ("approval_prompt", "force"),
        ("access_type", "offline"),
    ] {
        assert_eq!(super::parameter(&there, name).as_deref(), Some(value));
    }
    let mut answer = tokens(1);
    answer["id_token"] = json!(id_token(&json!({"sub": "sub-of-jun", "email": "jun@customer.fly.io"})));
    let userinfo = json!({"sub": "sub-of-jun", "email": "other@x.example", "name": "Jun P.",
                          "organizations": [{"id": HARBOUR, "role": "admin"}, "w3g7s0f5k9a2l6e4"]});
    let discovery = discovery(&provider.url);
    provider.will_answer([scripted(200, &discovery), scripted(200, &answer), scripted(200, &userinfo)]);
    assert_eq!(browser.get(&callback("c0de", &state)).await.location_text(), "/");
    let targets: Vec<String> = provider.seen().into_iter().map(|seen| seen.target).collect();
    let well_known = "/.well-known/openid-configuration";
    assert_eq!(targets, [well_known, well_known, "/t", "/u?schema=openid"]);

    let home = browser.get("/").await;
    let user = |name: &str| home.attribute("id=\"sentry-user\"", name).unwrap();
    assert_eq!((user("data-sub").as_str(), user("data-user-id").as_str()), ("sub-of-jun", ""));
    assert_eq!(user("data-email"), "jun@customer.fly.io", "from the id_token, not from userinfo");
    assert_eq!(user("data-organizations"), format!("{HARBOUR},w3g7s0f5k9a2l6e4"));
    assert!(home.text().contains("Signed in as Jun P."));
}

#[tokio::test]
async fn profile_2_breaks_without_address_or_sub_in_the_id_token() {
    let sentry = Sentry::new().await;
    let discovery = discovery(&sentry.provider.url);
    for (claims, words) in [(json!({"sub": "x"}), "no email"), (json!({"email": "x@y.example"}), "no sub")] {
        let mut browser = sentry.browser();
        sentry.provider.will_answer([scripted(200, &discovery)]);
        let state = browser.begin("/login/oidc").await;
        let mut answer = tokens(1);
        answer["id_token"] = json!(id_token(&claims));
        sentry.provider.will_answer([scripted(200, &discovery), scripted(200, &answer)]);
        let broken = browser.get(&callback("c0de", &state)).await;
        assert_eq!(broken.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(broken.message().contains(words));
    }
}

#[tokio::test]
async fn profile_2_waits_two_seconds_for_discovery() {
    let sentry = Sentry::new().await;
    let silent = sentry.browser().get("/login/oidc").await;
    assert_eq!(silent.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(silent.message().contains("Discovery failed"), "{}", silent.message());
}

#[tokio::test]
async fn a_restart_keeps_sessions_and_identities() {
    let folder = tempfile::tempdir().unwrap();
    let sentry = Sentry::kept_in(folder.path().join("sentry.json")).await;
    let cookie = sentry.signed_in(&jun()).await.cookie;
    let again = Sentry::kept_in(folder.path().join("sentry.json")).await;
    let mut browser = again.browser();
    browser.cookie = cookie;
    let home = browser.get("/").await;
    assert_eq!(home.attribute("id=\"sentry-user\"", "data-sub").as_deref(), Some("sub-of-jun"));
    assert_eq!(again.stand_in.identities(), sentry.stand_in.identities());
}

#[tokio::test]
async fn signing_out_goes_on_to_flybridge() {
    let sentry = Sentry::new().await;
    let mut browser = sentry.signed_in(&jun()).await;
    let kept = browser.cookie.clone();
    assert_eq!(browser.get("/sign-out").await.location_text(), format!("{BRIDGE}/sign-out"));
    assert_eq!(browser.cookie, "demo_sentry=");
    browser.cookie = kept;
    assert!(browser.get("/").await.text().contains("sentry-sign-in"), "the old cookie opens nothing");
}
