//! Fly.io's OAuth: the way through, each refusal, life times, changes of the world.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flybridge::demo::fly::Settings;
use flybridge::demo::world::{HARBOUR, Role, SALTMARSH, World};
use serde_json::json;

use super::fly_support::{CALLBACK, CLIENT, Fly, START, pair, request, settings};
use super::{form, get, parameter, post, send};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// RFC 7636, appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[tokio::test]
async fn a_person_signs_in_and_is_described() {
    let fly = Fly::new();
    let state = "a/b+c d%20&e=f:ü";
    let pkce = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256"), ("state", state)];
    let page = fly.authorize(&[request(), pkce.to_vec()].concat()).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.attribute("fly-consent", "method").as_deref(), Some("post"));
    assert_eq!(page.attribute("name=\"code_challenge\"", "value").as_deref(), Some(CHALLENGE));
    assert_eq!(page.attribute("name=\"state\"", "value").as_deref(), Some(state));
    assert!(page.text().contains("Jun Park, member of Saltmarsh Labs and member of Harbour Tools"));
    assert!(page.header("content-security-policy").contains("default-src 'none'"));

    let back = fly.consent("jun", "approve", &pkce).await.location();
    assert!(back.as_str().starts_with(&format!("{CALLBACK}?code=")));
    assert_eq!(parameter(&back, "state").as_deref(), Some(state));
    let code = parameter(&back, "code").unwrap();

    let token = fly.redeem(&code, &[("code_verifier", VERIFIER)]).await;
    assert_eq!((token.status, token.header("cache-control")), (StatusCode::OK, "no-store"));
    let (access_token, refresh_token) = pair(&token.json());
    assert!(access_token.starts_with("fo1_"));
    assert_eq!(
        token.json(),
        json!({"access_token": access_token, "token_type": "Bearer", "expires_in": 7200,
               "refresh_token": refresh_token, "scope": "read", "created_at": START})
    );

    fly.clock.advance(Duration::from_secs(100));
    let info = fly.info(&access_token).await;
    assert_eq!(info.status, StatusCode::OK);
    assert_eq!(
        info.json(),
        json!({"resource_owner_id": "j4p9u2z7e0l5g8a1", "user_id": "j4p9u2z7e0l5g8a1", "user_name": "Jun Park",
               "email": "j4p9u2z7e0l5g8a1@customer.fly.io",
               "organizations": [{"id": SALTMARSH, "role": "member"}, {"id": HARBOUR, "role": "member"}],
               "scope": ["read"], "expires_in": 7100, "application": {"uid": CLIENT}, "created_at": START})
    );
}

#[tokio::test]
async fn a_denial_goes_back_with_the_state() {
    let fly = Fly::new();
    let back = fly.consent("jun", "deny", &[("state", "s:1")]).await.location();
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&back, "state").as_deref(), Some("s:1"));
    assert_eq!(parameter(&back, "code"), None);
}

#[tokio::test]
async fn untrusted_redirects_end_on_a_page() {
    let fly = Fly::new();
    for (name, value) in [
        ("client_id", "somebody-else"),
        ("client_id", ""),
        ("redirect_uri", "https://flybridge.example/upstream/fly/callback/"),
        ("redirect_uri", "https://flybridge.example/upstream/fly/callback?x=1"),
        ("redirect_uri", "http://flybridge.example/upstream/fly/callback"),
        ("redirect_uri", "https://FLYBRIDGE.example/upstream/fly/callback"),
        ("redirect_uri", "https://evil.example/"),
        ("redirect_uri", ""),
    ] {
        let mut fields = request();
        fields.retain(|(field, _)| *field != name);
        fields.push((name, value));
        let asked = fly.authorize(&fields).await;
        assert_eq!((asked.status, asked.header("location")), (StatusCode::BAD_REQUEST, ""), "{name}={value}");
        fields.extend([("user", "jun"), ("approve", "1")]);
        let decided = post(&fly.router, "/oauth/authorize", &fields).await;
        assert_eq!((decided.status, decided.header("location")), (StatusCode::BAD_REQUEST, ""), "{name}={value}");
    }
    let repeated = fly.authorize(&[request(), vec![("client_id", CLIENT)]].concat()).await;
    assert_eq!(repeated.status, StatusCode::BAD_REQUEST);
    let nobody = fly.consent("nobody", "approve", &[]).await;
    assert_eq!(nobody.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn other_mistakes_are_told_to_the_application() {
    let fly = Fly::new();
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "", "unsupported_response_type"),
        ("scope", "write", "invalid_scope"),
        ("scope", "", "invalid_scope"),
        ("code_challenge", CHALLENGE, "invalid_code_challenge_method"),
        ("code_challenge_method", "S256", "invalid_code_challenge_method"),
    ] {
        let mut fields = request();
        fields.retain(|(field, _)| *field != name);
        fields.extend([(name, value), ("state", "kept")]);
        let back = fly.authorize(&fields).await.location();
        assert_eq!(parameter(&back, "error").as_deref(), Some(error), "{name}={value}");
        assert_eq!(parameter(&back, "state").as_deref(), Some("kept"));
    }
}

#[tokio::test]
async fn a_consent_from_another_site_is_refused() {
    let fly = Fly::new();
    let fields = [request(), vec![("user", "jun"), ("approve", "1")]].concat();
    let mut foreign = form("/oauth/authorize", &fields);
    foreign.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(send(&fly.router, foreign).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_code_works_once_and_for_600_seconds() {
    let fly = Fly::new();
    let code = fly.code("jun").await;
    fly.clock.advance(Duration::from_secs(599));
    assert_eq!(fly.redeem(&code, &[]).await.status, StatusCode::OK);
    let again = fly.redeem(&code, &[]).await;
    assert_eq!((again.status, again.json()["error"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid_grant")));

    let late = fly.code("jun").await;
    fly.clock.advance(Duration::from_mins(10));
    assert_eq!(fly.redeem(&late, &[]).await.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn the_token_endpoint_refuses_what_does_not_fit() {
    let fly = Fly::new();
    let code = fly.code("jun").await;
    for (name, value, status, error) in [
        ("client_id", "somebody-else", 401, "invalid_client"),
        ("client_id", "", 401, "invalid_client"),
        ("client_secret", "wrong", 401, "invalid_client"),
        ("client_secret", "", 401, "invalid_client"),
        ("redirect_uri", "https://flybridge.example/", 400, "invalid_grant"),
        ("redirect_uri", "", 400, "invalid_request"),
        ("code", "made-up", 400, "invalid_grant"),
        ("code", "", 400, "invalid_request"),
        ("grant_type", "", 400, "invalid_request"),
        ("grant_type", "password", 400, "unsupported_grant_type"),
        ("grant_type", "refresh_token", 400, "invalid_request"),
    ] {
        let refused = fly.redeem(&code, &[(name, value)]).await;
        assert_eq!(refused.status.as_u16(), status, "{name}={value}");
        assert_eq!(refused.json()["error"], error, "{name}={value}");
        assert_eq!(refused.header("www-authenticate").is_empty(), status == 400);
    }
    let twice = fly.redeem(&code, &[]).await;
    assert_eq!(twice.status, StatusCode::OK, "a refused request leaves the code alone");

    let body = json!({"grant_type": "authorization_code"}).to_string();
    let request = Request::post("/oauth/token").header("content-type", "application/json");
    let refused = send(&fly.router, request.body(Body::from(body)).unwrap()).await;
    assert_eq!(refused.json()["error"], "invalid_request");
    let repeated = post(&fly.router, "/oauth/token", &[("client_id", CLIENT), ("client_id", CLIENT)]).await;
    assert_eq!(repeated.json()["error"], "invalid_request");
}

#[tokio::test]
async fn a_challenge_wants_its_verifier() {
    let fly = Fly::new();
    let pkce = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    let back = fly.consent("jun", "approve", &pkce).await.location();
    let code = parameter(&back, "code").unwrap();
    let other = URL_SAFE_NO_PAD.encode([7; 32]);
    assert_eq!(fly.redeem(&code, &[]).await.json()["error"], "invalid_grant");
    assert_eq!(fly.redeem(&code, &[("code_verifier", &other)]).await.json()["error"], "invalid_grant");
    assert_eq!(fly.redeem(&code, &[("code_verifier", VERIFIER)]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn tokens_rotate_and_expire() {
    let fly = Fly::new();
    let (first, refresh) = fly.tokens("priya").await;
    fly.clock.advance(Duration::from_secs(7199));
    assert_eq!(fly.info(&first).await.json()["expires_in"], 1);
    fly.clock.advance(Duration::from_secs(1));
    let expired = fly.info(&first).await;
    assert_eq!(expired.status, StatusCode::UNAUTHORIZED);
    assert_eq!(expired.json(), json!({"error": "invalid_token", "error_description": "The access token is invalid"}));
    assert_eq!(get(&fly.router, "/oauth/token/info").await.status, StatusCode::UNAUTHORIZED);

    let renewed = fly.refresh(&refresh).await;
    assert_eq!(renewed.status, StatusCode::OK);
    let (second, rotated) = pair(&renewed.json());
    assert_ne!((&second, &rotated), (&first, &refresh));
    assert_eq!(fly.info(&second).await.json()["user_name"], "Priya Raman");
    let reused = fly.refresh(&refresh).await;
    assert_eq!((reused.status, reused.json()["error"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid_grant")));

    let (third, _) = pair(&fly.refresh(&rotated).await.json());
    assert_eq!(fly.info(&second).await.status, StatusCode::UNAUTHORIZED, "a refresh ends the old pair");
    fly.stand_in.revoke("priya");
    assert_eq!(fly.info(&third).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn changes_of_the_world_show_at_once() {
    let fly = Fly::new();
    let (jun, _) = fly.tokens("jun").await;
    assert!(fly.stand_in.change(|world| world.set_role("jun", "harbour-tools", Role::Admin)));
    assert!(fly.stand_in.change(|world| world.remove_member("jun", "saltmarsh-labs")));
    assert!(!fly.stand_in.change(|world| world.remove_member("jun", "saltmarsh-labs")), "not in it any more");
    assert!(!fly.stand_in.change(|world| world.set_role("jun", "nowhere", Role::Admin)));
    assert_eq!(fly.info(&jun).await.json()["organizations"], json!([{"id": HARBOUR, "role": "admin"}]));

    let (noor, _) = fly.tokens("noor").await;
    assert_eq!(fly.info(&noor).await.json()["email"], json!(null));
}

#[tokio::test]
async fn an_unknown_path_has_a_way_on() {
    let lost = get(&Fly::new().router, "/nowhere").await;
    assert_eq!(lost.status, StatusCode::NOT_FOUND);
    assert_eq!(lost.attribute("id=\"way-on\"", "href").as_deref(), Some("/"));
    assert!(get(&Fly::new().router, "/assets/flybridge.css").await.text().starts_with("/* Flybridge"));
}

#[tokio::test]
async fn the_front_page_changes_memberships() {
    let fly = Fly::new();
    let (jun, _) = fly.tokens("jun").await;
    assert_eq!(get(&fly.router, "/").await.text().matches("data-user=\"j4p9u2z7e0l5g8a1\"").count(), 2);
    let removal = [("organization", SALTMARSH), ("user", "j4p9u2z7e0l5g8a1"), ("role", "none")];
    let mut foreign = form("/memberships", &removal);
    foreign.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(send(&fly.router, foreign).await.status, StatusCode::FORBIDDEN);
    assert_eq!(post(&fly.router, "/memberships", &removal).await.status, StatusCode::FOUND);
    assert_eq!(fly.info(&jun).await.json()["organizations"], json!([{"id": HARBOUR, "role": "member"}]));
    assert_eq!(get(&fly.router, "/").await.text().matches("data-user=\"j4p9u2z7e0l5g8a1\"").count(), 1);
    let unknown = [("organization", "nowhere"), ("user", "jun"), ("role", "admin")];
    assert_eq!(post(&fly.router, "/memberships", &unknown).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_restart_goes_on_and_damage_starts_afresh() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fly.json");
    let kept = || Fly::with(Settings { keep_in: Some(file.clone()), ..settings() });
    let before = kept();
    let (jun, refresh) = before.tokens("jun").await;
    before.stand_in.change(|world| world.remove_member("jun", "harbour-tools"));

    let after = kept();
    assert_eq!(after.info(&jun).await.json()["organizations"], json!([{"id": SALTMARSH, "role": "member"}]));
    assert_eq!(after.refresh(&refresh).await.status, StatusCode::OK);
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(!written.contains(flybridge::demo::world::BRAMS_PASSWORD));

    std::fs::write(&file, "{\"world\":").unwrap();
    let damaged = kept();
    assert_eq!(damaged.info(&jun).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(damaged.stand_in.world(), World::demo());
}

#[test]
fn the_demo_world_fits_together() {
    let world = World::demo();
    let plain = |id: &str| id.len() == 16 && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let mut ids: Vec<&str> = world.people.iter().map(|person| person.user_id.as_str()).collect();
    ids.extend(world.organizations.iter().map(|organization| organization.id.as_str()));
    assert!(ids.iter().all(|id| plain(id)));
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
    assert_eq!(world.people.iter().filter(|person| person.email.is_none()).count(), 1);
    let memberships = world.people.iter().flat_map(|person| &person.memberships);
    assert!(memberships.clone().all(|found| world.organization(&found.organization_id).is_some()));
    for organization in &world.organizations {
        let admins = memberships.clone().filter(|found| found.organization_id == organization.id);
        assert!(admins.clone().any(|found| found.role == Role::Admin), "{} has an admin", organization.name);
    }
}
