//! Signing keys and the tokens they sign.

mod by_hand;
mod nodes;
mod under_load;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flybridge::clock::Timestamp;
use flybridge::random::SeededRandom;
use flybridge::services::signing::{
    Algorithm, Expected, Expiry, KeyRing, Prepared, ReadyKeys, RotationPlan, SigningError, TokenRefused,
};
use flybridge::services::vault::{MasterKeys, OpenError, Purpose, Vault};
use openidconnect::core::{CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKey as _, JsonWebKeyAlgorithm};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const ISSUER: &str = "https://sso.example.org";

fn vault(key: &str) -> Arc<Vault> {
    Arc::new(Vault::new(&MasterKeys::parse(key).expect("a good key")).expect("one key"))
}

pub(crate) const TEST_KEY: &str = "7f1d0c55a2e94b38906c3e21d8f4b7a6035e9cc184d26fb07a13e8954cd1260b";

fn test_vault() -> Arc<Vault> {
    vault(TEST_KEY)
}

/// RSA keys are slow to make, so the suite shares one ring.
pub(crate) fn ring() -> &'static KeyRing {
    static RING: OnceLock<KeyRing> = OnceLock::new();
    RING.get_or_init(|| KeyRing::first(&test_vault(), NOW, &SeededRandom::new(1)).expect("keys"))
}

fn keys() -> ReadyKeys {
    ring().load(&test_vault(), NOW).expect("the keys open")
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "u1", "aud": "sentry", "iat": NOW.as_seconds(), "exp": NOW.as_seconds() + 300})
}

fn expected<'a>() -> Expected<'a> {
    Expected { typ: "JWT", issuer: ISSUER, audience: Some("sentry"), expiry: Expiry::Enforced }
}

fn part(token: &str, index: usize) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token.split('.').nth(index).expect("three parts")).expect("base64url")
}

#[test]
fn the_key_set_has_public_members_only() {
    let keys = keys();
    let Prepared { body, etag } = &**keys.jwks();
    let set: Value = serde_json::from_slice(body).unwrap();
    let listed = set["keys"].as_array().unwrap();
    assert_eq!(set.as_object().unwrap().len(), 1);
    assert_eq!(listed.len(), 4, "the current and the next key of each algorithm");
    for key in listed {
        let mut members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        match key["kty"].as_str() {
            Some("EC") => assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]),
            Some("RSA") => {
                assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);
                assert_eq!(URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap().len(), 384, "3072 bits");
                assert_eq!(key["e"], "AQAB");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(key["use"], "sig");
    }
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 20);
    assert_ne!(Prepared::new(b"other".to_vec()).etag, *etag);
}

#[test]
fn a_relying_party_verifies_with_the_published_keys() {
    let keys = keys();
    let set: CoreJsonWebKeySet = serde_json::from_slice(&keys.jwks().body).unwrap();
    assert_eq!(set.keys().len(), 4);
    let algorithms = [
        (Algorithm::Es256, CoreJwsSigningAlgorithm::EcdsaP256Sha256),
        (Algorithm::Rs256, CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256),
    ];
    for (algorithm, theirs) in algorithms {
        let token = keys.sign(algorithm, "JWT", &claims(), NOW).unwrap();
        let header: Value = serde_json::from_slice(&part(&token, 0)).unwrap();
        let kid = keys.current_kid(algorithm, NOW).unwrap();
        assert_eq!(header, json!({"alg": algorithm.name(), "kid": kid, "typ": "JWT"}));
        assert_eq!(serde_json::from_slice::<Value>(&part(&token, 1)).unwrap(), claims());
        let key = set.keys().iter().find(|key| key.key_id().is_some_and(|id| id.as_str() == kid)).unwrap();
        assert!(matches!(key.signing_alg(), JsonWebKeyAlgorithm::Algorithm(alg) if *alg == theirs));
        let (message, _) = token.rsplit_once('.').unwrap();
        key.verify_signature(&theirs, message.as_bytes(), &part(&token, 2)).expect("the signature holds");
        assert!(key.verify_signature(&theirs, b"other", &part(&token, 2)).is_err());
    }
}

#[test]
fn es256_signatures_are_64_bytes() {
    let token = keys().sign(Algorithm::Es256, "JWT", &claims(), NOW).unwrap();
    assert_eq!(part(&token, 2).len(), 64);
}

#[test]
fn jsonwebtoken_verifies_with_the_published_keys() {
    let keys = keys();
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&keys.jwks().body).unwrap();
    for (algorithm, theirs) in
        [(Algorithm::Es256, jsonwebtoken::Algorithm::ES256), (Algorithm::Rs256, jsonwebtoken::Algorithm::RS256)]
    {
        let token = keys.sign(algorithm, "JWT", &claims(), NOW).unwrap();
        let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
        let key = jsonwebtoken::DecodingKey::from_jwk(set.find(&kid).unwrap()).unwrap();
        let mut validation = jsonwebtoken::Validation::new(theirs);
        validation.set_audience(&["sentry"]);
        validation.validate_exp = false;
        let data = jsonwebtoken::decode::<Value>(&token, &key, &validation).expect("the signature holds");
        assert_eq!(data.claims["sub"], "u1");
    }
}

#[test]
fn our_own_tokens_come_back() {
    let keys = keys();
    for algorithm in Algorithm::ALL {
        let token = keys.sign(algorithm, "JWT", &claims(), NOW).unwrap();
        assert_eq!(keys.verify::<Value>(&token, &expected(), NOW).unwrap(), claims());
        let any = Expected { audience: None, ..expected() };
        assert_eq!(keys.verify::<Value>(&token, &any, NOW).unwrap(), claims());
    }
}

#[test]
fn what_is_not_expected_is_refused() {
    let keys = keys();
    let token = keys.sign(Algorithm::Es256, "JWT", &claims(), NOW).unwrap();
    let refused = |token: &str, expected: &Expected<'_>| keys.verify::<Value>(token, expected, NOW).unwrap_err();
    assert_eq!(refused(&token, &Expected { typ: "logout+jwt", ..expected() }), TokenRefused::WrongType);
    assert_eq!(refused(&token, &Expected { audience: Some("other"), ..expected() }), TokenRefused::Invalid);
    assert_eq!(refused(&token, &Expected { issuer: "https://other", ..expected() }), TokenRefused::Invalid);
    for rubbish in ["", ".", "..", "a.b.c", &token[1..], &"x".repeat(20_000)] {
        assert_eq!(refused(rubbish, &expected()), TokenRefused::Malformed, "{rubbish}");
    }
    for missing in ["iss", "aud"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(missing);
        let token = keys.sign(Algorithm::Es256, "JWT", &claims, NOW).unwrap();
        assert_eq!(refused(&token, &expected()), TokenRefused::Invalid, "without {missing}");
    }
}

#[test]
fn expiry_is_judged_by_the_callers_clock() {
    let keys = keys();
    let token = keys.sign(Algorithm::Es256, "JWT", &claims(), NOW).unwrap();
    let verify = |at, expiry| keys.verify::<Value>(&token, &Expected { expiry, ..expected() }, at);
    let last = NOW.plus(Duration::from_millis(299_999));
    assert!(verify(last, Expiry::Enforced).is_ok());
    assert_eq!(verify(NOW.plus(Duration::from_mins(5)), Expiry::Enforced), Err(TokenRefused::Expired));
    assert!(verify(NOW.plus(Duration::from_hours(9_000)), Expiry::Ignored).is_ok());
    let timeless = json!({"iss": ISSUER, "aud": "sentry"});
    let token = keys.sign(Algorithm::Es256, "JWT", &timeless, NOW).unwrap();
    assert_eq!(keys.verify::<Value>(&token, &expected(), NOW), Err(TokenRefused::Expired));
}

#[test]
fn forged_headers_are_refused() {
    let keys = keys();
    let token = keys.sign(Algorithm::Rs256, "JWT", &claims(), NOW).unwrap();
    let (_, rest) = token.split_once('.').unwrap();
    let es256 = keys.current_kid(Algorithm::Es256, NOW).unwrap();
    let rs256 = keys.current_kid(Algorithm::Rs256, NOW).unwrap();
    let with = |header: Value| {
        let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()));
        keys.verify::<Value>(&forged, &expected(), NOW).unwrap_err()
    };
    assert_eq!(with(json!({"alg": "none", "kid": rs256, "typ": "JWT"})), TokenRefused::Malformed);
    assert_eq!(with(json!({"alg": "HS256", "kid": rs256, "typ": "JWT"})), TokenRefused::Invalid);
    assert_eq!(with(json!({"alg": "ES256", "kid": rs256, "typ": "JWT"})), TokenRefused::Invalid);
    assert_eq!(with(json!({"alg": "RS256", "kid": es256, "typ": "JWT"})), TokenRefused::Invalid);
    assert_eq!(with(json!({"alg": "RS256", "kid": "other", "typ": "JWT"})), TokenRefused::UnknownKey);
    assert_eq!(with(json!({"alg": "RS256", "typ": "JWT"})), TokenRefused::UnknownKey);
}

#[test]
fn an_altered_token_is_refused() {
    let keys = keys();
    for algorithm in Algorithm::ALL {
        let token = keys.sign(algorithm, "JWT", &claims(), NOW).unwrap();
        let (head, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = head.split_once('.').unwrap();
        let mut claims = claims();
        claims["sub"] = json!("somebody else");
        let forged = format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        assert_eq!(keys.verify::<Value>(&forged, &expected(), NOW).unwrap_err(), TokenRefused::Invalid);
    }
}

#[test]
fn the_record_holds_no_private_key_in_clear() {
    let record = serde_json::to_value(ring()).unwrap();
    for key in record["keys"].as_array().unwrap() {
        let sealed = key["private"].as_str().unwrap();
        let kid = key["public"]["kid"].as_str().unwrap();
        let vault = test_vault();
        let pkcs8 = vault.open_text(Purpose::AtRest, kid, sealed).expect("opens with its kid");
        assert_eq!(pkcs8.expose()[0], 0x30, "a DER sequence");
        let kept = URL_SAFE_NO_PAD.decode(sealed).unwrap();
        assert!(!kept.windows(16).any(|window| pkcs8.expose().windows(16).any(|secret| secret == window)));
        assert!(vault.open_text(Purpose::AtRest, "another kid", sealed).is_err());
    }
}

#[test]
fn the_wrong_master_key_is_named_as_the_reason() {
    let other = vault("c2a86e0f4d913b7752e1c08bd6f93a14e57b20cc98416df3ab05721e8fd4639c");
    let error = ring().load(&other, NOW).err().expect("does not open");
    assert!(matches!(error, SigningError::Sealed { error: OpenError::UnknownKey, .. }), "{error}");
}

#[test]
fn a_swapped_key_is_noticed() {
    let mut record = serde_json::to_value(ring()).unwrap();
    let (first, second) = (record["keys"][0]["public"].clone(), record["keys"][1]["public"].clone());
    for member in ["x", "y"] {
        record["keys"][0]["public"][member] = second[member].clone();
    }
    assert_ne!(record["keys"][0]["public"], first);
    let swapped: KeyRing = serde_json::from_value(record).unwrap();
    assert!(matches!(swapped.load(&test_vault(), NOW), Err(SigningError::Key(_))));
}

#[test]
fn a_node_whose_clock_is_behind_signs_with_the_first_key() {
    let early = NOW.minus(Duration::from_mins(2));
    let keys = keys();
    for algorithm in Algorithm::ALL {
        assert_eq!(keys.current_kid(algorithm, early), keys.current_kid(algorithm, NOW));
    }
}

/// The plan of these tests, in hours: signs for 100, announced for 10, agreed for 1, kept for 20.
fn plan() -> RotationPlan {
    let hours = Duration::from_hours;
    RotationPlan { signs_for: hours(100), announced_for: hours(10), agreed_for: hours(1), kept_for: hours(20) }
}

fn at(hours: u64) -> Timestamp {
    NOW.plus(Duration::from_hours(hours))
}

fn published(keys: &ReadyKeys) -> Vec<String> {
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&keys.jwks().body).unwrap();
    set.keys.into_iter().map(|key| key.common.key_id.unwrap()).collect()
}

#[test]
fn keys_take_turns_and_no_verification_fails() {
    let (vault, random, algorithm) = (test_vault(), SeededRandom::new(2), Algorithm::Es256);
    let before = keys();
    let first = before.current_kid(algorithm, NOW).unwrap().to_owned();
    let timeless = Expected { expiry: Expiry::Ignored, ..expected() };
    assert!(!ring().is_due(&plan(), &test_vault(), at(99)));
    assert!(ring().is_due(&plan(), &test_vault(), at(100)));

    let turned = ring().advance(&plan(), &vault, at(100), &random).unwrap();
    assert!(!turned.is_due(&plan(), &test_vault(), at(100)), "once is enough");
    let after = turned.load(&vault, at(100)).unwrap();
    let mut fresh = published(&after);
    fresh.retain(|kid| !published(&before).contains(kid));
    assert_eq!((published(&after).len(), fresh.len()), (6, 2), "what was published stays, and two keys are new");

    // The old key signs for one more hour; then one that has been published since the beginning.
    assert_eq!(after.current_kid(algorithm, at(100)), Some(&*first));
    let second = after.current_kid(algorithm, at(101)).unwrap().to_owned();
    assert_ne!(second, first);
    assert!(published(&before).contains(&second));
    // A node that has not reloaded understands the new key, and one that has still understands the old.
    let new = after.sign(algorithm, "JWT", &claims(), at(101)).unwrap();
    let old = before.sign(algorithm, "JWT", &claims(), at(100)).unwrap();
    assert!(before.verify::<Value>(&new, &timeless, at(101)).is_ok());
    assert!(after.verify::<Value>(&old, &timeless, at(101)).is_ok());

    // Twenty hours after its last signature the old key is gone, also for a node that nobody told.
    assert!(!turned.is_due(&plan(), &test_vault(), at(120)) && turned.is_due(&plan(), &test_vault(), at(121)));
    assert!(published(&turned.load(&vault, at(120)).unwrap()).contains(&first));
    assert!(!published(&turned.load(&vault, at(121)).unwrap()).contains(&first));
    let swept = turned.advance(&plan(), &vault, at(121), &random).unwrap();
    let swept = serde_json::to_string(&swept).unwrap();
    assert!(!swept.contains(&first) && swept.contains(&second));
}

#[test]
fn a_key_waits_until_it_was_announced_long_enough() {
    let (vault, random) = (test_vault(), SeededRandom::new(3));
    let hasty = RotationPlan { signs_for: Duration::from_hours(2), ..plan() };
    assert!(!ring().is_due(&hasty, &test_vault(), at(9)), "the next keys were published less than ten hours ago");
    let turned = ring().advance(&hasty, &vault, at(10), &random).unwrap();
    assert!(!turned.is_due(&hasty, &test_vault(), at(19)));
    assert!(turned.is_due(&hasty, &test_vault(), at(20)));
}
