//! Clients that other people wrote sign in at a running Flybridge, as an application would have them do it: discovery,
//! PKCE, the `id_token` with its signature, userinfo, refresh, introspection, revocation and logout, as far as each goes; and
//! of what came later pushed requests, proofs by a key of the client, access tokens that are JWTs, and such as are bound to a key.
//!
//! Those in Node and Python are the programs in `tests/clients`; `scripts/real-clients` installs what they need.

#[path = "real_clients/front.rs"]
mod front;
#[path = "real_clients/openidconnect_crate.rs"]
mod openidconnect_crate;
#[path = "real_clients/program.rs"]
mod program;
#[path = "real_clients/scene.rs"]
mod scene;

use program::{Kind, Program};
use scene::{
    BASIC_RS256, BINDS, BINDS_AND_PUSHES, Method, POST_ES256, Registration, SIGNS_AND_PUSHES, SIGNS_RS256, Scene, Use,
};

/// The whole way of a program: somebody signs in, the program does all it can, and signs them out.
async fn whole_way(kind: Kind, client: &Registration, method: Method) {
    let scene = Scene::new(method).await;
    let mut leo = scene.leo();
    let mut program = Program::start(kind, &scene, client);
    let start = program.opens().await;
    let callback = leo.sign_in(&start).await;
    program.came_back_at(&callback);

    let sign_out = program.opens().await;
    assert!(leo.is_signed_in().await);
    let signed_out = leo.sign_out(&sign_out).await;
    assert!(!leo.is_signed_in().await);
    program.came_back_at(&signed_out);
    let seen = program.seen().await;
    let tried = (seen.introspected.is_some(), seen.refusal.is_some());
    assert_eq!(tried, (kind.introspects(), kind.revokes(client)), "{kind:?}");
    scene.check(&seen, client);
}

/// What comes back from the browser in a way that no provider sends it.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    /// Of another request, perhaps of somebody else.
    State,
    /// Of another provider (RFC 9207, the mix-up attack).
    Issuer,
    /// Given for a request of somebody else, whose verifier this client does not know.
    Code,
}

impl Wrong {
    async fn callback(self, scene: &Scene, start: &str) -> String {
        match self {
            Self::State => with_parameter(&scene.leo().sign_in(start).await, "state", "of-another-request"),
            Self::Issuer => with_parameter(&scene.leo().sign_in(start).await, "iss", "https://elsewhere.example"),
            Self::Code => {
                let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
                scene.leo().sign_in(&with_parameter(start, "code_challenge", challenge)).await
            }
        }
    }
}

fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let mut url = url::Url::parse(url).unwrap();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    assert!(pairs.iter().any(|(known, _)| known == name), "{name} in {url}");
    let changed = pairs.iter().map(|(known, old)| (known, if known == name { value } else { old }));
    url.query_pairs_mut().clear().extend_pairs(changed);
    url.into()
}

/// Refuses an `id_token` that another key signed, and says why in these words.
async fn refuses_signature(kind: Kind, words: &str) {
    let scene = Scene::with_other_keys().await;
    let mut program = Program::start(kind, &scene, &BASIC_RS256);
    let start = program.opens().await;
    program.came_back_at(&scene.leo().sign_in(&start).await);
    let complaint = program.gives_up().await;
    assert!(complaint.contains(words), "{complaint}");
}

/// Refuses the wrong callbacks, and says why in these words.
async fn refuses(kind: Kind, wrongs: &[(Wrong, &str)]) {
    let scene = Scene::new(Method::Fly).await;
    for (wrong, words) in wrongs {
        let mut program = Program::start(kind, &scene, &BASIC_RS256);
        let start = program.opens().await;
        program.came_back_at(&wrong.callback(&scene, &start).await);
        let complaint = program.gives_up().await;
        assert!(complaint.contains(words), "{wrong:?}: {complaint}");
    }
}

#[test]
fn the_readme_names_the_versions_that_are_tested() {
    let readme = include_str!("../../README.md").replace('\n', " ");
    let packages: serde_json::Value = serde_json::from_str(include_str!("../clients/package.json")).unwrap();
    for name in ["openid-client", "oidc-client-ts"] {
        let version = packages["dependencies"][name].as_str().unwrap();
        assert!(readme.contains(&format!("{name} {version}")), "{name} {version}");
    }
    let authlib =
        include_str!("../clients/requirements.in").lines().find(|line| line.starts_with("Authlib")).unwrap();
    assert!(readme.contains(&authlib.replace("==", " ")), "{authlib}");
    let manifest: toml::Table = include_str!("../../Cargo.toml").parse().unwrap();
    let version = manifest["dependencies"]["openidconnect"]["version"].as_str().unwrap();
    assert!(readme.contains(&format!("openidconnect crate {version}")), "openidconnect {version}");
}

#[tokio::test]
async fn openid_client_after_a_sign_in_with_fly() {
    whole_way(Kind::OpenidClient, &BASIC_RS256, Method::Fly).await;
}

#[tokio::test]
async fn openid_client_after_a_sign_in_with_a_password() {
    whole_way(Kind::OpenidClient, &POST_ES256, Method::Password).await;
}

#[tokio::test]
async fn openid_client_with_a_key_of_its_own_pushed_requests_and_jwts_after_a_sign_in_with_fly() {
    whole_way(Kind::OpenidClient, &SIGNS_AND_PUSHES, Method::Fly).await;
}

#[tokio::test]
async fn openid_client_with_a_key_of_its_own_pushed_requests_and_jwts_after_a_sign_in_with_a_password() {
    whole_way(Kind::OpenidClient, &SIGNS_AND_PUSHES, Method::Password).await;
}

#[tokio::test]
async fn openid_client_with_tokens_bound_to_its_key_after_a_sign_in_with_fly() {
    whole_way(Kind::OpenidClient, &BINDS, Method::Fly).await;
}

#[tokio::test]
async fn openid_client_with_all_of_it_after_a_sign_in_with_a_password() {
    whole_way(Kind::OpenidClient, &BINDS_AND_PUSHES, Method::Password).await;
}

#[tokio::test]
async fn openid_client_that_has_to_push_its_requests_and_does_not_is_refused() {
    let scene = Scene::new(Method::Fly).await;
    let plain = Registration { uses: &[Use::Jwt], ..SIGNS_AND_PUSHES };
    let mut program = Program::start(Kind::OpenidClient, &scene, &plain);
    let start = program.opens().await;
    assert!(!start.contains("request_uri") && start.contains("redirect_uri="), "{start}");
    program.came_back_at(&scene.leo().turned_back(&start).await);
    let complaint = program.gives_up().await;
    assert!(complaint.contains("invalid_request"), "{complaint}");
    assert!(complaint.contains("hand over its requests"), "it is told why: {complaint}");
}

#[tokio::test]
async fn openid_client_refuses_what_is_not_for_it() {
    let wrongs = [
        (Wrong::State, "unexpected \"state\" response parameter value"),
        (Wrong::Issuer, "unexpected \"iss\" (issuer) response parameter value"),
        (Wrong::Code, "invalid_grant"),
    ];
    refuses(Kind::OpenidClient, &wrongs).await;
}

#[tokio::test]
async fn oidc_client_ts_after_a_sign_in_with_fly() {
    whole_way(Kind::OidcClientTs, &BASIC_RS256, Method::Fly).await;
}

#[tokio::test]
async fn oidc_client_ts_after_a_sign_in_with_a_password() {
    whole_way(Kind::OidcClientTs, &POST_ES256, Method::Password).await;
}

#[tokio::test]
async fn openid_client_refuses_an_id_token_of_another_key() {
    refuses_signature(Kind::OpenidClient, "JWT signature verification failed").await;
}

/// It looks at no `iss`: RFC 9207 came after it.
#[tokio::test]
async fn oidc_client_ts_refuses_what_is_not_for_it() {
    let wrongs = [(Wrong::State, "No matching state found in storage"), (Wrong::Code, "invalid_grant")];
    refuses(Kind::OidcClientTs, &wrongs).await;
}

#[tokio::test]
async fn oidc_client_ts_with_jose_refuses_an_id_token_of_another_key() {
    refuses_signature(Kind::OidcClientTs, "ERR_JWS_SIGNATURE_VERIFICATION_FAILED").await;
}

#[tokio::test]
async fn authlib_after_a_sign_in_with_fly() {
    whole_way(Kind::Authlib, &BASIC_RS256, Method::Fly).await;
}

#[tokio::test]
async fn authlib_after_a_sign_in_with_a_password() {
    whole_way(Kind::Authlib, &POST_ES256, Method::Password).await;
}

#[tokio::test]
async fn authlib_with_a_key_of_its_own_and_jwts_after_a_sign_in_with_fly() {
    whole_way(Kind::Authlib, &SIGNS_RS256, Method::Fly).await;
}

/// It looks at no `iss` either.
#[tokio::test]
async fn authlib_refuses_what_is_not_for_it() {
    refuses(Kind::Authlib, &[(Wrong::State, "mismatching_state"), (Wrong::Code, "invalid_grant")]).await;
}

#[tokio::test]
async fn authlib_refuses_an_id_token_of_another_key() {
    refuses_signature(Kind::Authlib, "bad_signature").await;
}
