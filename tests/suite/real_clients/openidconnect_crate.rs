//! The `openidconnect` crate, which is Rust and so needs no program of its own.

use std::pin::Pin;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod,
    CoreGrantType, CoreIdToken, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm,
    CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType, CoreRevocableToken, CoreSubjectIdentifierType,
    CoreTokenResponse, CoreUserInfoClaims,
};
use openidconnect::{
    AccessToken, AccessTokenHash, AdditionalProviderMetadata, AuthType, AuthorizationCode, ClaimsVerificationError,
    ClientId, ClientSecret, CsrfToken, EndSessionUrl, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, IntrospectionUrl, IssuerUrl, LogoutRequest, Nonce, NonceVerifier, OAuth2TokenResponse as _,
    PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl, ProviderMetadata, RedirectUrl, RefreshToken,
    RequestTokenError, RevocationUrl, Scope, SubjectIdentifier, TokenResponse as _,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, to_value};

use super::program::Seen;
use super::scene::{BASIC_RS256, Method, POST_ES256, POST_LOGOUT, REDIRECT, Registration, SCOPE, Scene};
use crate::support::process::http;
use crate::support::visitor::parameter;

/// Members of the discovery document that the crate leaves to the application.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Endpoints {
    #[serde(rename = "end_session_endpoint")]
    end_session: EndSessionUrl,
    #[serde(rename = "introspection_endpoint")]
    introspection: IntrospectionUrl,
    #[serde(rename = "revocation_endpoint")]
    revocation: RevocationUrl,
}

impl AdditionalProviderMetadata for Endpoints {}

type Metadata = ProviderMetadata<
    Endpoints,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

type Client = CoreClient<EndpointSet, EndpointNotSet, EndpointSet, EndpointSet, EndpointMaybeSet, EndpointMaybeSet>;

type Answered = Pin<Box<dyn Future<Output = Result<HttpResponse, reqwest::Error>> + Send>>;

/// The crate revokes over TLS only, which ends at a proxy in front; here there is none.
fn without_tls(request: HttpRequest) -> Answered {
    Box::pin(async move {
        let mut request = reqwest::Request::try_from(request)?;
        request.url_mut().set_scheme("http").unwrap();
        let answer = http().execute(request).await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut response = HttpResponse::new(answer.bytes().await?.to_vec());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    })
}

/// An application that uses the crate.
struct Application {
    client: Client,
    endpoints: Endpoints,
    algorithm: CoreJwsSigningAlgorithm,
}

/// A request for a sign-in, and what the application keeps of it.
struct Begun {
    url: String,
    state: CsrfToken,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

impl Application {
    async fn of(scene: &Scene, registration: &Registration) -> Self {
        let issuer = IssuerUrl::new(scene.issuer()).unwrap();
        let metadata = Metadata::discover_async(issuer, &without_tls).await.unwrap();
        let endpoints = metadata.additional_metadata().clone();
        let mut revocation = endpoints.revocation.url().clone();
        revocation.set_scheme("https").unwrap();
        let (id, secret) = (registration.id.to_owned(), registration.secret.unwrap().to_owned());
        let client = CoreClient::from_provider_metadata(metadata, ClientId::new(id), Some(ClientSecret::new(secret)))
            .set_redirect_uri(RedirectUrl::new(REDIRECT.to_owned()).unwrap())
            .set_introspection_url(endpoints.introspection.clone())
            .set_revocation_url(RevocationUrl::from_url(revocation))
            .set_auth_type(match registration.token_auth {
                "client_secret_basic" => AuthType::BasicAuth,
                _ => AuthType::RequestBody,
            });
        let algorithm = match registration.algorithm {
            "RS256" => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
            _ => CoreJwsSigningAlgorithm::EcdsaP256Sha256,
        };
        Self { client, endpoints, algorithm }
    }

    fn begin(&self) -> Begun {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let scopes = SCOPE.split(' ').filter(|scope| *scope != "openid");
        let (url, state, nonce) = self
            .client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(scopes.map(|scope| Scope::new(scope.to_owned())))
            .set_pkce_challenge(challenge)
            .url();
        Begun { url: url.into(), state, nonce, verifier }
    }

    async fn redeem(&self, callback: &str, begun: Begun) -> (CoreTokenResponse, Nonce) {
        assert_eq!(&parameter(callback, "state"), begun.state.secret());
        let request = self.client.exchange_code(AuthorizationCode::new(parameter(callback, "code"))).unwrap();
        let tokens = request.set_pkce_verifier(begun.verifier).request_async(&without_tls).await;
        (tokens.unwrap(), begun.nonce)
    }

    /// The claims of the `id_token`, once signature, issuer, audience, times, nonce and `at_hash` are right.
    fn verify(&self, tokens: &CoreTokenResponse, nonce: impl NonceVerifier) -> Value {
        let token: &CoreIdToken = tokens.id_token().expect("an id_token");
        let verifier = self.client.id_token_verifier().set_allowed_algs([self.algorithm.clone()]);
        let claims = token.claims(&verifier, nonce).unwrap();
        let (algorithm, key) = (token.signing_alg().unwrap(), token.signing_key(&verifier).unwrap());
        let hash = AccessTokenHash::from_token(tokens.access_token(), algorithm, key).unwrap();
        assert_eq!(claims.access_token_hash(), Some(&hash));
        to_value(claims).unwrap()
    }

    async fn userinfo(&self, tokens: &CoreTokenResponse, claims: &Value) -> Value {
        let subject = SubjectIdentifier::new(claims["sub"].as_str().unwrap().to_owned());
        let request = self.client.user_info(tokens.access_token().clone(), Some(subject)).unwrap();
        let userinfo: CoreUserInfoClaims = request.request_async(&without_tls).await.unwrap();
        to_value(userinfo).unwrap()
    }

    /// The new tokens, or the code of the error.
    async fn refresh(&self, token: &RefreshToken) -> Result<CoreTokenResponse, String> {
        let request = self.client.exchange_refresh_token(token).unwrap();
        request.request_async(&without_tls).await.map_err(|error| match error {
            RequestTokenError::ServerResponse(answer) => answer.error().to_string(),
            other => panic!("{other}"),
        })
    }

    async fn introspect(&self, token: &AccessToken) -> Value {
        to_value(self.client.introspect(token).request_async(&without_tls).await.unwrap()).unwrap()
    }

    async fn revoke(&self, token: &RefreshToken) {
        let token = CoreRevocableToken::RefreshToken(token.clone());
        self.client.revoke_token(token).unwrap().request_async(&without_tls).await.unwrap();
    }

    /// The address for the logout, and the state that comes back.
    fn logout(&self, tokens: &CoreTokenResponse) -> (String, CsrfToken) {
        let state = CsrfToken::new_random();
        let request = LogoutRequest::from(self.endpoints.end_session.clone())
            .set_id_token_hint(tokens.id_token().unwrap())
            .set_post_logout_redirect_uri(PostLogoutRedirectUrl::new(POST_LOGOUT.to_owned()).unwrap())
            .set_state(state.clone());
        (request.http_get_url().into(), state)
    }
}

fn no_nonce(nonce: Option<&Nonce>) -> Result<(), String> {
    nonce.map_or(Ok(()), |_| Err("a nonce after a refresh".to_owned()))
}

async fn whole_way(registration: &Registration, method: Method) {
    let scene = Scene::new(method).await;
    let mut leo = scene.leo();
    let application = Application::of(&scene, registration).await;
    let begun = application.begin();
    let start = begun.url.clone();
    let (tokens, nonce) = application.redeem(&leo.sign_in(&start).await, begun).await;
    let claims = application.verify(&tokens, &nonce);
    let userinfo = application.userinfo(&tokens, &claims).await;

    let first = tokens.refresh_token().expect("a refresh token");
    let after = application.refresh(first).await.unwrap();
    let refreshed = application.verify(&after, no_nonce);
    let second = after.refresh_token().expect("a refresh token");
    let introspected = application.introspect(after.access_token()).await;
    application.revoke(second).await;

    let (sign_out, state) = application.logout(&after);
    assert!(leo.is_signed_in().await);
    let signed_out = leo.sign_out(&sign_out).await;
    assert!(!leo.is_signed_in().await);
    assert_eq!(&parameter(&signed_out, "state"), state.secret());
    let seen = Seen {
        algorithm: registration.algorithm.to_owned(),
        claims,
        userinfo,
        refreshed,
        access_token: None,
        rotated: first.secret() != second.secret(),
        introspected: Some(introspected),
        introspected_after: Some(application.introspect(after.access_token()).await),
        refusal: application.refresh(second).await.err(),
    };
    scene.check(&seen, registration);
}

#[tokio::test]
async fn after_a_sign_in_with_fly() {
    whole_way(&BASIC_RS256, Method::Fly).await;
}

#[tokio::test]
async fn after_a_sign_in_with_a_password() {
    whole_way(&POST_ES256, Method::Password).await;
}

/// The application compares the state; what the crate checks is the nonce, and that the code was for this verifier.
#[tokio::test]
async fn refuses_what_is_not_for_it() {
    let scene = Scene::new(Method::Fly).await;
    let application = Application::of(&scene, &BASIC_RS256).await;
    let (begun, other) = (application.begin(), application.begin());
    let callback = scene.leo().sign_in(&begun.url).await;
    let code = AuthorizationCode::new(parameter(&callback, "code"));
    let request = application.client.exchange_code(code).unwrap().set_pkce_verifier(other.verifier);
    let error = request.request_async(&without_tls).await.unwrap_err();
    let RequestTokenError::ServerResponse(answer) = error else { panic!("{error}") };
    assert_eq!(answer.error().to_string(), "invalid_grant");

    let begun = application.begin();
    let (tokens, _) = application.redeem(&scene.leo().sign_in(&begun.url.clone()).await, begun).await;
    let verifier = application.client.id_token_verifier();
    let error = tokens.id_token().unwrap().claims(&verifier, &other.nonce).unwrap_err();
    assert!(matches!(error, ClaimsVerificationError::InvalidNonce(_)), "{error}");
}

#[tokio::test]
async fn refuses_an_id_token_of_another_key() {
    let scene = Scene::with_other_keys().await;
    let application = Application::of(&scene, &BASIC_RS256).await;
    let begun = application.begin();
    let (tokens, nonce) = application.redeem(&scene.leo().sign_in(&begun.url.clone()).await, begun).await;
    let verifier = application.client.id_token_verifier();
    let error = tokens.id_token().unwrap().claims(&verifier, &nonce).unwrap_err();
    assert!(matches!(error, ClaimsVerificationError::SignatureVerification(_)), "{error}");
}
