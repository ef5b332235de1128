//! Discovery (OIDC Discovery, section 4; RFC 8414) and the JWK set: built once from configuration only, so that no
//! header of a request changes a byte.

use std::sync::Arc;

use aws_lc_rs::digest;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use openidconnect::core::{
    CoreClaimName, CoreClientAuthMethod, CoreGrantType, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AuthUrl, AuthenticationContextClass, EmptyAdditionalProviderMetadata, IssuerUrl, JsonWebKeySetUrl, ResponseTypes,
    Scope, TokenUrl, UserInfoUrl,
};
use serde_json::{Value, json};

use crate::config::Issuer;
use crate::domain::authorize::ScopeValue;
use crate::domain::claims::acr;
use crate::domain::client_keys::ClientAlgorithm;
use crate::domain::organization::LoginMethod;
use crate::services::signing::SigningKeys;

/// How long clients may keep the documents.
const MAX_AGE: &str = "public, max-age=3600";

/// The discovery document, ready to send.
pub struct Discovery {
    body: Bytes,
    etag: HeaderValue,
}

/// The configured issuer gives no valid address.
#[derive(Debug, thiserror::Error)]
#[error("the discovery document cannot be built: {0}")]
pub struct DiscoveryError(String);

impl Discovery {
    pub fn new(issuer: &Issuer) -> Result<Self, DiscoveryError> {
        let metadata = metadata(issuer).map_err(|e| DiscoveryError(e.to_string()))?;
        let mut document = serde_json::to_value(metadata).map_err(|e| DiscoveryError(e.to_string()))?;
        add_members(&mut document, issuer);
        let body = serde_json::to_vec(&document).map_err(|e| DiscoveryError(e.to_string()))?;
        Ok(Self { etag: etag(&body), body: body.into() })
    }
}

fn metadata(issuer: &Issuer) -> Result<CoreProviderMetadata, url::ParseError> {
    let algorithms = vec![CoreJwsSigningAlgorithm::EcdsaP256Sha256, CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256];
    // `profile` works but is not listed, which OIDC Discovery, section 3, allows: it gives one of the fourteen claims of
    // OIDC Core, section 5.4, and whoever sees it listed expects the others.
    let listed = ScopeValue::ALL.into_iter().filter(|scope| *scope != ScopeValue::Profile);
    let scopes = listed.map(|scope| Scope::new(scope.as_str().to_owned())).collect();
    let claims = ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "amr", "acr", "at_hash", "sid"];
    let claims = claims.into_iter().chain(["name", "email", "email_verified", "organizations"]);
    let claims = claims.map(|name| CoreClaimName::new(name.to_owned())).collect();
    let acr_values = LoginMethod::ALL.map(|method| AuthenticationContextClass::new(acr(issuer.as_str(), method)));
    Ok(CoreProviderMetadata::new(
        IssuerUrl::new(issuer.as_str().to_owned())?,
        AuthUrl::new(issuer.join("/oauth/authorize"))?,
        JsonWebKeySetUrl::new(issuer.join("/oauth/jwks"))?,
        vec![ResponseTypes::new(vec![CoreResponseType::Code])],
        vec![CoreSubjectIdentifierType::Public],
        algorithms,
        EmptyAdditionalProviderMetadata {},
    )
    .set_token_endpoint(Some(TokenUrl::new(issuer.join("/oauth/token"))?))
    .set_userinfo_endpoint(Some(UserInfoUrl::new(issuer.join("/oauth/userinfo"))?))
    .set_scopes_supported(Some(scopes))
    .set_response_modes_supported(Some(vec![CoreResponseMode::Query, CoreResponseMode::FormPost]))
    .set_grant_types_supported(Some(vec![
        CoreGrantType::AuthorizationCode,
        CoreGrantType::RefreshToken,
        CoreGrantType::ClientCredentials,
    ]))
    .set_token_endpoint_auth_methods_supported(Some(vec![
        CoreClientAuthMethod::ClientSecretBasic,
        CoreClientAuthMethod::ClientSecretPost,
        CoreClientAuthMethod::PrivateKeyJwt,
    ]))
    .set_token_endpoint_auth_signing_alg_values_supported(Some(vec![
        CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
        CoreJwsSigningAlgorithm::RsaSsaPssSha256,
        CoreJwsSigningAlgorithm::EcdsaP256Sha256,
        CoreJwsSigningAlgorithm::EdDsa,
    ]))
    .set_acr_values_supported(Some(acr_values.to_vec()))
    .set_claims_supported(Some(claims))
    .set_claims_parameter_supported(Some(true))
    .set_request_parameter_supported(Some(false))
    .set_request_uri_parameter_supported(Some(false)))
}

/// Members that the crate does not know: RFC 8414 (PKCE, introspection, revocation), RFC 9126 (pushed requests), RFC 9207
/// (`iss` in answers), RFC 9449 (DPoP), RP-Initiated Logout 1.0 and Back-Channel Logout 1.0.
fn add_members(document: &mut Value, issuer: &Issuer) {
    if let Some(members) = document.as_object_mut() {
        let auth = ["auth_methods_supported", "auth_signing_alg_values_supported"];
        let auth =
            auth.map(|name| (name, members.get(&format!("token_endpoint_{name}")).cloned().unwrap_or_default()));
        for (name, path) in [("introspection", "/oauth/introspect"), ("revocation", "/oauth/revoke")] {
            members.insert(format!("{name}_endpoint"), json!(issuer.join(path)));
            members.extend(auth.clone().map(|(of, values)| (format!("{name}_endpoint_{of}"), values)));
        }
        members.insert("pushed_authorization_request_endpoint".to_owned(), json!(issuer.join("/oauth/par")));
        members.insert("require_pushed_authorization_requests".to_owned(), json!(false));
        members.insert("end_session_endpoint".to_owned(), json!(issuer.join("/oauth/logout")));
        members.insert("backchannel_logout_supported".to_owned(), json!(true));
        members.insert("backchannel_logout_session_supported".to_owned(), json!(true));
        members.insert("code_challenge_methods_supported".to_owned(), json!(["S256"]));
        members.insert("authorization_response_iss_parameter_supported".to_owned(), json!(true));
        let signs = ClientAlgorithm::ALL.map(ClientAlgorithm::as_str);
        members.insert("dpop_signing_alg_values_supported".to_owned(), json!(signs));
        members.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
    }
}

fn etag(body: &[u8]) -> HeaderValue {
    let hash = digest::digest(&digest::SHA256, body);
    let text = URL_SAFE_NO_PAD.encode(&hash.as_ref()[..12]);
    HeaderValue::from_str(&format!("\"{text}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

/// `GET /.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`
pub async fn discovery(State(discovery): State<Arc<Discovery>>, headers: HeaderMap) -> Response {
    document(&headers, discovery.body.clone(), discovery.etag.clone())
}

/// `GET /oauth/jwks`
pub async fn jwks(State(signing): State<Arc<SigningKeys>>, headers: HeaderMap) -> Response {
    let prepared = signing.jwks_json();
    let etag = HeaderValue::from_str(&prepared.etag).unwrap_or_else(|_| HeaderValue::from_static("\"0\""));
    document(&headers, prepared.body.clone(), etag)
}

fn document(headers: &HeaderMap, body: Bytes, etag: HeaderValue) -> Response {
    let unchanged = headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == etag);
    let common = [
        (header::ETAG, etag),
        (header::CACHE_CONTROL, HeaderValue::from_static(MAX_AGE)),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    if unchanged {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (common, kind, Body::from(body)).into_response()
}
