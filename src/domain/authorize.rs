//! The authorization request (RFC 6749, section 4.1.1; OIDC Core, section 3.1.2.1): what it says and whether it may.

mod error;
mod received;
mod scope;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::error::{Cause, OAuthCode, OAuthError};
pub use self::received::Received;
pub use self::scope::{Scope, ScopeValue};
use super::client::Client;
use super::client_keys::Thumbprint;
use super::parameters::Parameters;
use super::request_object::wants_form_post;
use super::requested_claims::{self, ClaimName, Demands, RequestedClaims};

/// How the answer travels back through the browser.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of the redirect URI (OAuth 2.0 Multiple Response Type Encoding Practices, section 2.1).
    #[default]
    Query,
    /// In a form that the browser posts to it (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

impl ResponseMode {
    /// Before anything can be answered: an error goes back in the mode that was asked for, so one that we do not speak
    /// leaves no way to answer.
    ///
    /// # Errors
    /// For the log and for a client that asked at the back: nobody can be sent back with it.
    pub fn check(parameters: &Parameters) -> Result<Self, OAuthError> {
        let in_object = matches!(parameters.one("request"), Ok(Some(object)) if wants_form_post(object));
        match parameters.one("response_mode") {
            Ok(Some("form_post")) => Ok(Self::FormPost),
            Ok(None) if in_object => Ok(Self::FormPost),
            // A repeated one is answered as any other repeated parameter, in the mode that is the default.
            Ok(None | Some("query")) | Err(_) => Ok(Self::Query),
            Ok(Some(other)) => {
                let error = OAuthError::new(OAuthCode::InvalidRequest, "response_mode is not supported");
                Err(error.about("response_mode").received(other))
            }
        }
    }
}

/// How the person is to be asked (OIDC Core, section 3.1.2.1, `prompt`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// As needed.
    Any,
    /// Without any page.
    None,
    /// A new sign-in whatever sessions there are.
    Login,
}

/// A request that passed every check that needs nothing but the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    #[serde(default)]
    pub response_mode: ResponseMode,
    pub scope: Scope,
    pub nonce: Option<String>,
    pub code_challenge: Option<String>,
    /// The key that whoever redeems the code has to have (RFC 9449, section 10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_jkt: Option<Thumbprint>,
    pub prompt: Prompt,
    /// The person is to be asked what they allow even if they have said it before (`prompt=consent`).
    #[serde(default)]
    pub asks_consent: bool,
    pub max_age: Option<Duration>,
    pub login_hint: Option<String>,
    /// Id or slug of the one organization that the client wants opened.
    pub organization: Option<String>,
    /// Claims asked for beside those of the scope.
    #[serde(default, skip_serializing_if = "RequestedClaims::is_empty")]
    pub claims: RequestedClaims,
    #[serde(default, skip_serializing_if = "Demands::is_empty")]
    pub demands: Demands,
}

impl AuthorizationRequest {
    /// The checks in the order of the specification, one rule each.
    pub fn check(parameters: &Parameters, client: &Client, issuer: &str) -> Result<Self, OAuthError> {
        parameters.check_text()?;
        parameters.check_once_each()?;
        check_response_type(parameters)?;
        check_request_objects(parameters)?;
        let scope = check_scope(parameters, client)?;
        let code_challenge = check_challenge(parameters, client)?;
        let dpop_jkt = check_jkt(parameters)?;
        let (prompt, asks_consent) = check_prompt(parameters)?;
        let max_age = check_max_age(parameters)?;
        let nonce = check_nonce(parameters)?;
        let (claims, demands) = read_claims(parameters, &scope, issuer)?;
        let text = |name: &str| parameters.one(name).map(|value| value.map(|v| v.chars().take(512).collect()));
        Ok(Self {
            response_mode: ResponseMode::check(parameters).unwrap_or_default(),
            scope,
            nonce,
            code_challenge,
            dpop_jkt,
            prompt,
            asks_consent,
            max_age,
            login_hint: text("login_hint")?,
            organization: text("organization")?,
            claims,
            demands,
        })
    }

    /// Whether `auth_time` must stand in the `id_token` (OIDC Core, section 2).
    #[must_use]
    pub fn wants_auth_time(&self) -> bool {
        let asked = self.claims.id_token.contains(&ClaimName::AuthTime);
        asked || self.max_age.is_some() || self.prompt == Prompt::Login
    }
}

/// Without `openid` it is no request of OpenID Connect, and these mean nothing (OIDC Core, section 3.1.2.1).
fn read_claims(
    parameters: &Parameters,
    scope: &Scope,
    issuer: &str,
) -> Result<(RequestedClaims, Demands), OAuthError> {
    let (claims, acr_values) = (parameters.one("claims")?, parameters.one("acr_values")?);
    if !scope.contains(ScopeValue::OpenId) {
        return Ok(Default::default());
    }
    Ok(requested_claims::read(claims, acr_values, issuer))
}

/// Comes back byte for byte in the `id_token`, so one that is too long to keep is refused, not cut.
fn check_nonce(parameters: &Parameters) -> Result<Option<String>, OAuthError> {
    const MOST: usize = 512;
    match parameters.one("nonce")? {
        Some(nonce) if nonce.len() > MOST => {
            Err(OAuthError::new(OAuthCode::InvalidRequest, "nonce is longer than 512 bytes").about("nonce"))
        }
        nonce => Ok(nonce.map(str::to_owned)),
    }
}

fn check_response_type(parameters: &Parameters) -> Result<(), OAuthError> {
    let error = match parameters.one("response_type")? {
        Some("code") => return Ok(()),
        Some(other) => {
            OAuthError::new(OAuthCode::UnsupportedResponseType, "response_type must be code").received(other)
        }
        None => OAuthError::new(OAuthCode::InvalidRequest, "response_type is missing"),
    };
    Err(error.about("response_type"))
}

fn check_request_objects(parameters: &Parameters) -> Result<(), OAuthError> {
    let refused = [
        ("request", OAuthCode::RequestNotSupported),
        ("request_uri", OAuthCode::RequestUriNotSupported),
        ("registration", OAuthCode::RegistrationNotSupported),
    ];
    for (name, code) in refused {
        if parameters.one(name)?.is_some() {
            return Err(OAuthError::new(code, format!("the parameter {name} is not supported")).about(name));
        }
    }
    Ok(())
}

fn check_scope(parameters: &Parameters, client: &Client) -> Result<Scope, OAuthError> {
    let sent = parameters.one("scope")?.unwrap_or_default();
    let refuse = |why: &str| Err(OAuthError::new(OAuthCode::InvalidScope, why).about("scope").received(sent));
    let scope = Scope::from(sent);
    if client.require_openid && !scope.contains(ScopeValue::OpenId) {
        return refuse("scope must contain openid");
    }
    if scope.is_empty() {
        return refuse("scope names nothing that is known here");
    }
    Ok(scope)
}

/// RFC 7636, sections 4.2 to 4.4; `plain` is refused as RFC 9700, section 2.1.1 asks.
fn check_challenge(parameters: &Parameters, client: &Client) -> Result<Option<String>, OAuthError> {
    let refuse = |why: &str| OAuthError::new(OAuthCode::InvalidRequest, why).about("code_challenge");
    let method = parameters.one("code_challenge_method")?;
    let Some(challenge) = parameters.one("code_challenge")? else {
        return match method {
            None if !client.require_pkce => Ok(None),
            None => Err(refuse("code_challenge is missing").because("the client is registered with require_pkce")),
            Some(_) => Err(refuse("code_challenge_method without code_challenge")),
        };
    };
    if method != Some("S256") {
        let error = refuse("code_challenge_method must be S256").about("code_challenge_method");
        // Left out, it means plain (RFC 7636, section 4.3).
        return Err(match method {
            Some(method) => error.received(method),
            None => error.because("it is missing, which means plain"),
        });
    }
    let base64url = challenge.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !(43..=128).contains(&challenge.len()) || !base64url {
        // Its value may be the verifier, sent by mistake.
        let what = if base64url { "all of base64url" } else { "not all of base64url" };
        let error = refuse("code_challenge must be 43 to 128 characters of base64url");
        return Err(error.because(format!("it has {} bytes, {what}", challenge.len())));
    }
    Ok(Some(challenge.to_owned()))
}

/// RFC 9449, section 10. One that cannot be read must not be left out: the code would be anybody's.
fn check_jkt(parameters: &Parameters) -> Result<Option<Thumbprint>, OAuthError> {
    let Some(text) = parameters.one("dpop_jkt")? else { return Ok(None) };
    let why = "dpop_jkt must be a SHA-256 thumbprint: 43 characters of base64url";
    Thumbprint::parse(text).map(Some).ok_or_else(|| OAuthError::new(OAuthCode::InvalidRequest, why).about("dpop_jkt"))
}

/// And whether `consent` is among the words, which goes with `login` as well.
fn check_prompt(parameters: &Parameters) -> Result<(Prompt, bool), OAuthError> {
    let sent = parameters.one("prompt")?.unwrap_or_default();
    let words: Vec<&str> = sent.split_whitespace().collect();
    if words.contains(&"none") {
        return if words.len() == 1 {
            Ok((Prompt::None, false))
        } else {
            let error = OAuthError::new(OAuthCode::InvalidRequest, "prompt none stands alone");
            Err(error.about("prompt").received(sent))
        };
    }
    // Who is to choose an account chooses it on the sign-in page: a browser has one session at a time.
    let anew = words.contains(&"login") || words.contains(&"select_account");
    let prompt = if anew { Prompt::Login } else { Prompt::Any };
    Ok((prompt, words.contains(&"consent")))
}

fn check_max_age(parameters: &Parameters) -> Result<Option<Duration>, OAuthError> {
    let Some(text) = parameters.one("max_age")? else { return Ok(None) };
    let why = "max_age must be a number of seconds, 0 or more";
    let refuse = || OAuthError::new(OAuthCode::InvalidRequest, why).about("max_age");
    let seconds: u32 = text.parse().map_err(|_| refuse())?;
    Ok(Some(Duration::from_secs(u64::from(seconds))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::client::{AccessTokenFormat, SigningAlgorithm, Subject, TokenAuth};
    use crate::domain::machine::MachineScopes;

    fn client(require_pkce: bool, require_openid: bool) -> Client {
        Client {
            id: "c1".parse().expect("an id"),
            name: "Client".to_owned(),
            secrets: vec![],
            registration: None,
            redirect_uris: vec!["https://rp.example/cb".to_owned()],
            post_logout_redirect_uris: vec![],
            backchannel_logout_uri: None,
            home: None,
            token_auth: TokenAuth::ClientSecretBasic,
            jwks: None,
            algorithm: SigningAlgorithm::Rs256,
            access_token_format: AccessTokenFormat::Opaque,
            access_token_audience: None,
            require_pkce,
            require_par: false,
            dpop_bound_access_tokens: false,
            require_openid,
            claims_in_id_token: false,
            always_refresh_token: false,
            denials_on_own_page: false,
            subject: Subject::UserId,
            first_party: true,
            machine_scopes: MachineScopes::default(),
        }
    }

    fn code_of(query: &str, pkce: bool) -> Result<AuthorizationRequest, &'static str> {
        let (sent, client) = (Parameters::parse(query), client(pkce, true));
        AuthorizationRequest::check(&sent, &client, "https://login.test").map_err(|e| e.code.as_str())
    }

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_case_table_of_authorize() {
        let good = "response_type=code&scope=openid";
        let cases = [
            ("scope=openid".to_owned(), false, Err("invalid_request")),
            ("response_type=&scope=openid".to_owned(), false, Err("invalid_request")),
            ("response_type=token&scope=openid".to_owned(), false, Err("unsupported_response_type")),
            ("response_type=code".to_owned(), false, Err("invalid_scope")),
            ("response_type=code&scope=email".to_owned(), false, Err("invalid_scope")),
            (format!("{good}&scope=openid"), false, Err("invalid_request")),
            (format!("{good}&foo=1&foo=2"), false, Err("invalid_request")),
            (format!("{good}&request=x"), false, Err("request_not_supported")),
            (format!("{good}&request_uri=x"), false, Err("request_uri_not_supported")),
            (format!("{good}&registration=x"), false, Err("registration_not_supported")),
            (good.to_owned(), true, Err("invalid_request")),
            (format!("{good}&code_challenge={CHALLENGE}"), true, Err("invalid_request")),
            (format!("{good}&code_challenge={CHALLENGE}&code_challenge_method=plain"), true, Err("invalid_request")),
            (format!("{good}&code_challenge=short&code_challenge_method=S256"), true, Err("invalid_request")),
            (format!("{good}&code_challenge_method=S256"), false, Err("invalid_request")),
            (format!("{good}&prompt=none+login"), false, Err("invalid_request")),
            (format!("{good}&prompt=consent+none"), false, Err("invalid_request")),
            (format!("{good}&max_age=-1"), false, Err("invalid_request")),
            (format!("{good}&max_age=soon"), false, Err("invalid_request")),
            (format!("{good}&dpop_jkt=short"), false, Err("invalid_request")),
            (format!("{good}&dpop_jkt={CHALLENGE}x"), false, Err("invalid_request")),
            (format!("{good}&dpop_jkt={CHALLENGE}"), false, Ok(())),
            (format!("{good}&code_challenge={CHALLENGE}&code_challenge_method=S256"), true, Ok(())),
            (format!("{good}+unknown&display=popup&ui_locales=de&acr_values=1&nope="), false, Ok(())),
            (format!("{good}&max_age=0&prompt=login&login_hint=a%40b"), false, Ok(())),
        ];
        for (query, pkce, expected) in cases {
            assert_eq!(code_of(&query, pkce).map(|_| ()), expected, "{query}");
        }
    }

    #[test]
    fn prompt_is_a_list_of_words_in_any_order() {
        for (prompt, expected) in [
            ("", (Prompt::Any, false)),
            ("create", (Prompt::Any, false)),
            ("select_account", (Prompt::Login, false)),
            ("select_account+consent", (Prompt::Login, true)),
            ("consent", (Prompt::Any, true)),
            ("login", (Prompt::Login, false)),
            ("consent+login", (Prompt::Login, true)),
            ("login+consent+nonsense", (Prompt::Login, true)),
            ("none", (Prompt::None, false)),
        ] {
            let request = code_of(&format!("response_type=code&scope=openid&prompt={prompt}"), false).expect(prompt);
            assert_eq!((request.prompt, request.asks_consent), expected, "{prompt}");
        }
    }
}
