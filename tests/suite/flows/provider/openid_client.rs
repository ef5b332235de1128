//! A relying party built on the `openidconnect` crate: it discovers, signs in, and verifies what it gets.

use std::pin::Pin;
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreUserInfoClaims,
};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl,
    Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl, Scope, TokenResponse as _,
};
use tower::ServiceExt as _;

use crate::support::app::{ISSUER, START, TestApp};
use crate::support::browser_client::Browser;

type Answered = Pin<Box<dyn Future<Output = Result<HttpResponse, std::io::Error>> + Send>>;

/// The crate's HTTP client, straight into the router.
fn over(router: &Router) -> impl Fn(HttpRequest) -> Answered {
    let router = router.clone();
    move |request: HttpRequest| {
        let router = router.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            parts.uri = parts.uri.path_and_query().unwrap().as_str().parse().unwrap();
            let answer = router.oneshot(Request::from_parts(parts, Body::from(body))).await.unwrap();
            let (parts, body) = answer.into_parts();
            Ok(HttpResponse::from_parts(parts, body.collect().await.unwrap().to_bytes().to_vec()))
        })
    }
}

async fn signs_in(app: &TestApp, id: &str, algorithm: CoreJwsSigningAlgorithm) {
    let http = over(&app.router);
    let issuer = IssuerUrl::new(ISSUER.to_owned()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &http).await.unwrap();
    let secret = ClientSecret::new(format!("the secret of {id}"));
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new(id.to_owned()), Some(secret))
        .set_redirect_uri(RedirectUrl::new("https://rp.test/cb".to_owned()).unwrap());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scope(Scope::new("email".to_owned()))
        .add_scope(Scope::new("profile".to_owned()))
        .set_pkce_challenge(challenge)
        .url();

    let mut browser: Browser = app.browser();
    let tx = browser.begin(url.as_str()).await;
    let sent = browser.fly(&tx, "ines").await.sent_back();
    assert_eq!(&sent["state"], state.secret());

    let code = AuthorizationCode::new(sent["code"].clone());
    let tokens = client.exchange_code(code).unwrap().set_pkce_verifier(verifier).request_async(&http).await.unwrap();
    let id_token = tokens.id_token().expect("an id_token");
    assert_eq!(*id_token.signing_alg().unwrap(), algorithm);
    let moment = UNIX_EPOCH + Duration::from_secs(START.as_seconds().unsigned_abs() + 1);
    let verifier = client.id_token_verifier().set_allowed_algs([algorithm]).set_time_fn(move || moment.into());
    let claims = id_token.claims(&verifier, &nonce).expect("signature, issuer, audience, times and nonce are right");
    let hash = AccessTokenHash::from_token(
        tokens.access_token(),
        id_token.signing_alg().unwrap(),
        id_token.signing_key(&verifier).unwrap(),
    );
    assert_eq!(claims.access_token_hash(), Some(&hash.unwrap()));
    assert_eq!(claims.subject().as_str(), app.user("ines").await.id.as_str());
    assert!(id_token.claims(&verifier, &Nonce::new("another".to_owned())).is_err());

    let subject = claims.subject().clone();
    let asked = client.user_info(tokens.access_token().clone(), Some(subject)).unwrap();
    let person: CoreUserInfoClaims = asked.request_async(&http).await.unwrap();
    assert_eq!(person.email().unwrap().as_str(), app.address("ines"));
    assert_eq!(person.email_verified(), Some(true));
}

#[tokio::test]
async fn verifies_an_id_token_signed_rs256() {
    let app = TestApp::new().await;
    signs_in(&app, "standard", CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256).await;
}

#[tokio::test]
async fn verifies_an_id_token_signed_es256() {
    let app = TestApp::new().await;
    signs_in(&app, "es256", CoreJwsSigningAlgorithm::EcdsaP256Sha256).await;
}
