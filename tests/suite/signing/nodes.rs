//! Keys in the store, and nodes that share them.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flybridge::clock::ManualClock;
use flybridge::random::SeededRandom;
use flybridge::services::signing::{Algorithm, Expected, Expiry, SigningKeys};
use flybridge::services::vault::Purpose;
use flybridge::store::sqlite::SqliteStore;
use flybridge::store::{Key, Partition, Store};
use serde_json::Value;

use super::{NOW, TEST_KEY, claims, expected, plan, published, test_vault, vault};

struct Node {
    store: Store,
    clock: Arc<ManualClock>,
    folder: tempfile::TempDir,
}

fn node() -> Node {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let backend = SqliteStore::open(folder.path().join("flybridge.db")).unwrap();
    let store = Store::new(Arc::new(backend), Arc::<ManualClock>::clone(&clock), Arc::new(SeededRandom::new(4)));
    Node { store, clock, folder }
}

fn kids(keys: &SigningKeys) -> Vec<String> {
    published(&keys.ready())
}

#[tokio::test]
async fn nodes_that_start_at_once_agree() {
    let Node { store, folder: _folder, .. } = node();
    let open = || SigningKeys::open(store.clone(), test_vault());
    let (one, two, three) = tokio::try_join!(open(), open(), open()).unwrap();
    assert_eq!(kids(&one).len(), 4);
    assert_eq!(kids(&one), kids(&two));
    assert_eq!(kids(&one), kids(&three));
    let later = open().await.unwrap();
    assert_eq!(later.jwks_json(), one.jwks_json());
    for algorithm in Algorithm::ALL {
        let token = one.sign(algorithm, "JWT", &claims()).unwrap();
        assert_eq!(later.verify::<Value>(&token, &expected()).unwrap(), claims());
    }
}

#[tokio::test]
async fn the_store_holds_no_private_key_in_clear() {
    let Node { store, folder, .. } = node();
    SigningKeys::open(store.clone(), test_vault()).await.unwrap();
    let key = Key::record(Partition::new("signing", "keys"), "ring");
    let record = store.get(&[key]).await.unwrap().pop().flatten().unwrap();
    let ring: Value = serde_json::from_slice(&record.value[1..]).unwrap();
    let files: Vec<Vec<u8>> =
        std::fs::read_dir(folder.path()).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    let kept = |needle: &[u8]| files.iter().any(|file| file.windows(needle.len()).any(|window| window == needle));
    for key in ring["keys"].as_array().unwrap() {
        let (kid, sealed) = (key["public"]["kid"].as_str().unwrap(), key["private"].as_str().unwrap());
        assert!(kept(&sealed.as_bytes()[..40]), "the files are the ones that hold it");
        let pkcs8 = test_vault().open_text(Purpose::AtRest, kid, sealed).unwrap();
        // The private number is in the middle of an EC key and of the larger half of an RSA key.
        let middle = pkcs8.expose().len() / 3;
        for start in middle..middle + 3 {
            let part = &pkcs8.expose()[start..start + 24];
            assert!(!kept(part));
            assert!(!kept(URL_SAFE_NO_PAD.encode(part).as_bytes()), "in base64, at each of its alignments");
        }
    }
}

#[tokio::test]
async fn a_node_takes_over_what_another_rotated() {
    let Node { store, clock, folder: _folder } = node();
    let one = SigningKeys::open(store.clone(), test_vault()).await.unwrap();
    let two = SigningKeys::open(store, test_vault()).await.unwrap();
    let before = kids(&one);
    one.rotate(plan()).await.unwrap();
    assert_eq!(kids(&one), before, "not due");

    clock.advance(Duration::from_hours(100));
    tokio::try_join!(one.rotate(plan()), two.rotate(plan())).unwrap();
    assert_eq!(kids(&one).len(), 6);
    assert_eq!(kids(&one), kids(&two), "one of them did it, once");
    clock.advance(Duration::from_hours(2));
    let token = one.sign(Algorithm::Rs256, "JWT", &claims()).unwrap();
    let timeless = Expected { expiry: Expiry::Ignored, ..expected() };
    assert!(two.verify::<Value>(&token, &timeless).is_ok());
    clock.advance(Duration::from_hours(30));
    two.reload().await.unwrap();
    assert_eq!(kids(&two).len(), 4);
}

#[tokio::test]
async fn another_master_key_is_told_at_the_start() {
    let Node { store, folder: _folder, .. } = node();
    SigningKeys::open(store.clone(), test_vault()).await.unwrap();
    let (old, new) = (TEST_KEY, "c2a86e0f4d913b7752e1c08bd6f93a14e57b20cc98416df3ab05721e8fd4639c");
    let error = SigningKeys::open(store.clone(), vault(new)).await.unwrap_err();
    assert!(error.to_string().contains("master key that is not configured"), "{error}");
    let both = SigningKeys::open(store.clone(), vault(&format!("{new},{old}"))).await.unwrap();
    let before = kids(&both);
    both.rotate(plan()).await.unwrap();
    let alone = SigningKeys::open(store, vault(new)).await.expect("sealed again, the old master key can go");
    assert_eq!(kids(&alone), before, "the same keys");
}
