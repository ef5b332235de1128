//! Tokens that claim to be of ours, such as an `id_token_hint`: either the token itself, or on three lines its header,
//! claims and signature before they are encoded.
//!
//! Keys are made anew each time, so inputs name them by words: `KID-ES256` in a header stands for the id of the key, and
//! the signature `SIGNED-ES256` for that of a token that was really signed; `RS256` likewise. `TOKEN-ES256` alone is that
//! token.
#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flybridge::clock::Timestamp;
use flybridge::random::SeededRandom;
use flybridge::services::signing::{Algorithm, Expected, Expiry, KeyRing, ReadyKeys, TokenRefused};
use flybridge_fuzz::{ISSUER, parts, vault};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

struct Keys {
    ready: ReadyKeys,
    /// One token of each algorithm, with the `kid` of its key.
    signed: Vec<(Algorithm, String, String)>,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let ring = KeyRing::first(&vault(), NOW, &SeededRandom::new(1)).expect("keys");
    let ready = ring.load(&vault(), NOW).expect("the keys open");
    let claims = json!({"iss": ISSUER, "sub": "u1", "aud": "standard", "iat": 1_800_000_000, "exp": 1_800_000_300});
    let sign = |algorithm| {
        let kid = ready.current_kid(algorithm, NOW).expect("a key").to_owned();
        (algorithm, kid, ready.sign(algorithm, "JWT", &claims, NOW).expect("a token"))
    };
    let signed = Algorithm::ALL.map(sign).to_vec();
    Keys { ready, signed }
});

fuzz_target!(|text: &str| {
    let token = token(text);
    let hint = Expected { typ: "JWT", issuer: ISSUER, audience: None, expiry: Expiry::Ignored };
    let verified = KEYS.ready.verify::<Value>(&token, &hint, NOW);
    // An ECDSA signature may be written in two ways, so what is compared is what was signed.
    let message = |token: &str| token.rsplit_once('.').map(|(message, _)| message.to_owned());
    let ours = KEYS.signed.iter().any(|(_, _, signed)| message(signed) == message(&token));
    assert!(verified.is_err() || ours, "forged: {token}");
    assert!(verified.is_ok() || KEYS.signed.iter().all(|(_, _, signed)| *signed != token), "{verified:?}");

    // For another use, another client or another time it is none, whoever signed it.
    let refused = |expected: Expected<'_>, now| KEYS.ready.verify::<Value>(&token, &expected, now).unwrap_err();
    refused(Expected { typ: "logout+jwt", ..hint }, NOW);
    refused(Expected { audience: Some("other"), ..hint }, NOW);
    refused(Expected { issuer: "https://other.test", ..hint }, NOW);
    let late = refused(Expected { expiry: Expiry::Enforced, ..hint }, Timestamp::from_seconds(1_800_000_300));
    assert_eq!(late == TokenRefused::Expired, verified.is_ok());
});

fn token(text: &str) -> String {
    let mut words = text.to_owned();
    for (algorithm, kid, signed) in &KEYS.signed {
        let name = algorithm.name();
        let signature = signed.rsplit('.').next().unwrap_or_default();
        for (word, meaning) in [("TOKEN", signed.as_str()), ("KID", kid), ("SIGNED", signature)] {
            words = words.replace(&format!("{word}-{name}"), meaning);
        }
    }
    let [header, claims, signature] = parts(&words);
    if claims.is_empty() && signature.is_empty() {
        return words;
    }
    format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}
