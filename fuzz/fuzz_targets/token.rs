//! The parameters of a token request: the form of `POST /oauth/token`, and the tokens in it.
#![no_main]

use flybridge::domain::authorize::{OAuthError, Scope};
use flybridge::domain::ids::is_id;
use flybridge::domain::request_object::wants_form_post;
use flybridge::domain::secret::{Token, TokenHash, TokenKind};
use flybridge_fuzz::{form, keeps, tells_plainly};
use libfuzzer_sys::fuzz_target;

const KINDS: [TokenKind; 4] =
    [TokenKind::AuthorizationCode, TokenKind::AccessToken, TokenKind::RefreshToken, TokenKind::Session];

fuzz_target!(|text: &str| {
    let parameters = form(text);
    if let Err(repeated) = parameters.check_once_each() {
        let name = repeated.0.clone();
        assert!(parameters.one(&name).is_err(), "a repeated parameter has no value");
        tells_plainly(&OAuthError::from(repeated));
    }
    for name in ["code", "refresh_token", "token", "code_verifier", "request"] {
        let Ok(Some(value)) = parameters.one(name) else { continue };
        check_token(value);
        // Whatever it answers: it must not fail.
        let _ = wants_form_post(value);
    }
    if let Ok(Some(scope)) = parameters.one("scope") {
        let known = Scope::from(scope);
        keeps(&known);
        assert!(known.to_string().split(' ').all(|value| value.is_empty() || scope.contains(value)));
    }
});

/// A token is of one kind and has one text.
fn check_token(text: &str) {
    let read: Vec<Token> = KINDS.into_iter().filter_map(|kind| Token::parse(kind, text)).collect();
    assert!(read.len() <= 1, "a token of two kinds");
    for token in read {
        assert_eq!(token.expose().as_str(), text);
        assert_eq!(token.hash(), TokenHash::of(text.as_bytes()));
        assert!(is_id(token.locator()) && text.starts_with(token.kind().prefix()));
        assert_eq!(format!("{token:?}"), format!("{}[secret]", &text[..text.len() - 43]));
    }
}
