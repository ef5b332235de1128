//! Secrets and opaque tokens.

use flybridge::domain::secret::{Secret, Token, TokenHash, TokenKind};
use flybridge::random::SeededRandom;
use proptest::prelude::*;

const KINDS: [TokenKind; 4] =
    [TokenKind::AuthorizationCode, TokenKind::AccessToken, TokenKind::RefreshToken, TokenKind::Session];

fn kind() -> impl Strategy<Value = TokenKind> {
    prop::sample::select(&KINDS[..])
}

proptest! {
    #[test]
    fn a_minted_token_parses_as_its_own_kind_only(
        kind in kind(), locator in "[A-Za-z0-9_-]{1,64}", seed in any::<u64>()
    ) {
        let token = Token::mint(kind, &locator, &SeededRandom::new(seed));
        let text = token.expose();
        let parsed = Token::parse(kind, &text).expect("what was minted parses");
        prop_assert_eq!(parsed.locator(), &locator);
        prop_assert_eq!(parsed.hash(), token.hash());
        prop_assert_eq!(parsed.expose(), text.clone());
        for other in KINDS.iter().filter(|other| **other != kind) {
            prop_assert!(Token::parse(*other, &text).is_none());
        }
    }

    #[test]
    fn rubbish_never_parses_and_never_panics(kind in kind(), text in "\\PC{0,200}") {
        prop_assert!(Token::parse(kind, &text).is_none());
    }

    #[test]
    fn what_parses_is_the_one_text_of_its_token(
        kind in kind(), text in "fb[cars]_[A-Za-z0-9_.=-]{0,70}\\.[A-Za-z0-9_=+/-]{40,46}"
    ) {
        if let Some(token) = Token::parse(kind, &text) {
            let exposed = token.expose();
            prop_assert_eq!(exposed.as_str(), text);
        }
    }
}

#[test]
fn another_spelling_of_the_same_bytes_is_refused() {
    let token = Token::mint(TokenKind::AccessToken, "grant", &SeededRandom::new(1));
    let text = token.expose();
    assert!(Token::parse(TokenKind::AccessToken, &text).is_some());
    assert!(Token::parse(TokenKind::AccessToken, &format!("{}=", *text)).is_none(), "padding");
    // The last of 43 characters carries two unused bits; with one of them set the bytes would be the same.
    let (head, last) = text.split_at(text.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.find(last).and_then(|place| alphabet.chars().nth(place + 1)).expect("a multiple of four");
    assert!(Token::parse(TokenKind::AccessToken, &format!("{head}{next}")).is_none(), "trailing bits");
}

#[test]
fn locators_are_ids() {
    let random = SeededRandom::new(2);
    for locator in ["", "a.b", "a b", "a/b", "ü", &"x".repeat(65)] {
        let text = Token::mint(TokenKind::Session, locator, &random).expose();
        assert!(Token::parse(TokenKind::Session, &text).is_none(), "{locator:?}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let token = Token::mint(TokenKind::RefreshToken, "grant1", &SeededRandom::new(3));
    assert_eq!(format!("{token:?}"), "fbr_grant1.[secret]");
    assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "[secret]");
    assert_eq!(format!("{:?}", Secret::new(vec![1_u8, 2])), "[secret]");
    assert_eq!(format!("{:?}", token.hash()), "[token hash]");
}

#[test]
fn a_hash_is_sha_256_in_base64url() {
    // FIPS 180-4's example for "abc".
    let hash = TokenHash::of(b"abc");
    assert_eq!(hash.to_text(), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
    assert_eq!(serde_json::to_string(&hash).unwrap(), "\"ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0\"");
    assert_eq!(serde_json::from_str::<TokenHash>(&serde_json::to_string(&hash).unwrap()).unwrap(), hash);
    assert_ne!(TokenHash::of(b"abd"), hash);
    assert!(serde_json::from_str::<TokenHash>("\"ungWv48\"").is_err());
}

#[test]
fn a_secret_reads_from_configuration() {
    let secret: Secret = serde_json::from_str("\"from a file\"").unwrap();
    assert_eq!(secret.expose(), "from a file");
}
