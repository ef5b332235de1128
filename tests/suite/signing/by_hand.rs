//! `keys list|rotate|revoke`: what an operator changes between two turns.

use flybridge::clock::Timestamp;
use flybridge::random::SeededRandom;
use flybridge::services::signing::{Algorithm, KeyInfo, KeyRing, SigningError, Stage};

use super::{NOW, at, claims, expected, keys, plan, published, ring, test_vault};

const ALGORITHM: Algorithm = Algorithm::Es256;

/// The keys of one algorithm in the order of their turns.
fn es256(ring: &KeyRing, now: Timestamp) -> Vec<KeyInfo> {
    ring.list(now).into_iter().filter(|key| key.algorithm == ALGORITHM).collect()
}

fn stages(ring: &KeyRing, now: Timestamp) -> Vec<Stage> {
    es256(ring, now).iter().map(|key| key.stage).collect()
}

fn hand_over(ring: &KeyRing, now: Timestamp) -> KeyRing {
    ring.hand_over(&plan(), &test_vault(), now, &SeededRandom::new(5)).unwrap()
}

fn without(ring: &KeyRing, place: usize, now: Timestamp) -> KeyRing {
    let kid = es256(ring, now)[place].kid.clone();
    let after = ring.without(&kid, &test_vault(), now, &SeededRandom::new(6)).unwrap();
    let left = after.load(&test_vault(), now).unwrap();
    assert!(!published(&left).contains(&kid), "at once");
    assert_ne!(left.current_kid(ALGORITHM, now), Some(kid.as_str()));
    assert!(stages(&after, now).contains(&Stage::Current) && stages(&after, now).contains(&Stage::Next));
    after
}

#[test]
fn the_next_keys_follow_once_everybody_knows_them() {
    assert_eq!(stages(ring(), NOW), [Stage::Current, Stage::Next]);
    // Published at NOW: known after 10 hours, agreed an hour ahead.
    let soon = hand_over(ring(), at(3));
    assert_eq!(stages(&soon, at(3)), [Stage::Current, Stage::Agreed, Stage::Next]);
    assert_eq!(es256(&soon, at(3))[1].signs_from, Some(at(11)));
    assert_eq!(stages(&soon, at(11)), [Stage::Previous, Stage::Current, Stage::Next]);
    assert_eq!(stages(&soon, at(31)), [Stage::Current, Stage::Next], "20 hours after its last signature");
    assert_eq!(hand_over(&soon, at(4)).list(at(4)), soon.list(at(4)), "agreed already");
    let later = hand_over(ring(), at(50));
    assert_eq!(es256(&later, at(50))[1].signs_from, Some(at(51)));
    assert_eq!(later.list(at(50)).len(), 6, "the same for the other algorithm");
}

#[test]
fn the_current_key_is_taken_away_and_the_next_one_signs_at_once() {
    let stolen = keys().sign(ALGORITHM, "JWT", &claims(), NOW).unwrap();
    let after = without(ring(), 0, NOW);
    assert_eq!(es256(&after, NOW)[0].kid, es256(ring(), NOW)[1].kid);
    let held = after.load(&test_vault(), NOW).unwrap();
    assert!(held.verify::<serde_json::Value>(&stolen, &expected(), NOW).is_err(), "nothing it signed counts");
    let token = held.sign(ALGORITHM, "JWT", &claims(), NOW).unwrap();
    assert!(keys().verify::<serde_json::Value>(&token, &expected(), NOW).is_ok(), "clients know the next one");
    let other = |ring: &KeyRing| ring.list(NOW).into_iter().filter(|k| k.algorithm != ALGORITHM).collect::<Vec<_>>();
    assert_eq!(other(&after), other(ring()), "the other algorithm is left alone");
}

#[test]
fn a_key_may_be_taken_away_at_every_stage() {
    // Next: another one waits.
    let after = without(ring(), 1, NOW);
    assert_eq!(es256(&after, NOW)[0], es256(ring(), NOW)[0]);
    // Agreed: the current one stays.
    let agreed = hand_over(ring(), at(50));
    let after = without(&agreed, 1, at(50));
    let current = &es256(&after, at(50))[0];
    assert_eq!((current.stage, current.retires_at, current.leaves_at), (Stage::Current, None, None));
    assert_eq!(es256(&after, at(50))[1].kid, es256(&agreed, at(50))[2].kid);
    // Current, while the one after it is agreed: that one does not wait.
    let after = without(&agreed, 0, at(50));
    assert_eq!(es256(&after, at(50))[0].kid, es256(&agreed, at(50))[1].kid);
    assert_eq!(es256(&after, at(50))[0].signs_from, Some(at(50)));
    // Previous: nothing else changes.
    let after = without(&agreed, 0, at(60));
    assert_eq!(es256(&after, at(60)), es256(&agreed, at(60))[1..]);
}

#[test]
fn a_key_that_nobody_has_is_told() {
    let error = ring().without("nobody", &test_vault(), NOW, &SeededRandom::new(7)).err().unwrap();
    assert!(matches!(&error, SigningError::Unknown(kid) if kid == "nobody"), "{error}");
}
