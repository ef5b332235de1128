//! Master keys, sealing and authentication codes.

use flybridge::random::SeededRandom;
use flybridge::services::vault::{MasterKeyError, MasterKeys, OpenError, Purpose, Vault};
use proptest::prelude::*;

const HEX: &str = "7f1d0c55a2e94b38906c3e21d8f4b7a6035e9cc184d26fb07a13e8954cd1260b";
const OTHER: &str = "c2a86e0f4d913b7752e1c08bd6f93a14e57b20cc98416df3ab05721e8fd4639c";

fn vault(keys: &str) -> Vault {
    Vault::new(&MasterKeys::parse(keys).expect("good keys")).expect("distinct keys")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn random() -> SeededRandom {
    SeededRandom::new(7)
}

#[test]
fn keys_are_read_in_every_usual_form() {
    // The bytes of HEX in base64 and base64url.
    let forms = [
        HEX.to_owned(),
        HEX.to_uppercase(),
        "fx0MVaLpSziQbD4h2PS3pgNenMGE0m+wehPolUzRJgs".to_owned(),
        "fx0MVaLpSziQbD4h2PS3pgNenMGE0m+wehPolUzRJgs=".to_owned(),
        "fx0MVaLpSziQbD4h2PS3pgNenMGE0m-wehPolUzRJgs".to_owned(),
        format!("  {HEX}\n"),
    ];
    let expected = vault(HEX).mac(Purpose::Csrf, &[b"x"]);
    for form in forms {
        assert_eq!(vault(&form).mac(Purpose::Csrf, &[b"x"]), expected, "{form}");
    }
}

#[test]
fn bad_keys_are_refused() {
    let refused = |text: &str| MasterKeys::parse(text).expect_err(text);
    assert_eq!(refused(""), MasterKeyError::Missing);
    assert_eq!(refused(" ,\n"), MasterKeyError::Missing);
    for text in ["short", &HEX[..62], &format!("{HEX}00"), &HEX.replace('7', "x"), "é".repeat(32).as_str()] {
        assert_eq!(refused(text), MasterKeyError::Shape, "{text}");
    }
    let spaced = hex(&std::array::from_fn::<u8, 32, _>(|i| u8::try_from(i * 3).unwrap()));
    let guessable = [
        "00".repeat(32),
        "ab".repeat(32),
        "0123456789abcdef".repeat(4),
        spaced,
        // "correct horse battery staple 123" as base64.
        "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZSAxMjM=".to_owned(),
        "changeme-changeme-changeme-changeme-changem".to_owned(),
        "flybridge-demo-key".to_owned(),
    ];
    for text in guessable {
        assert_eq!(refused(&text), MasterKeyError::Guessable, "{text}");
    }
    assert_eq!(refused(&format!("{HEX},{HEX}")), MasterKeyError::Repeated);
}

#[test]
fn a_generated_key_is_a_good_key() {
    for seed in 0..200 {
        let text = MasterKeys::generate(&SeededRandom::new(seed));
        assert_eq!(text.expose().len(), 43);
        assert!(MasterKeys::parse(text.expose()).is_ok(), "seed {seed}");
    }
}

proptest! {
    #[test]
    fn what_is_sealed_opens_in_its_place_only(
        plaintext in prop::collection::vec(any::<u8>(), 0..300), context in ".{0,40}", flip in any::<prop::sample::Index>()
    ) {
        let vault = vault(HEX);
        let mut sealed = vault.seal(Purpose::CookieSeal, &context, &plaintext, &random());
        prop_assert_eq!(sealed.len(), 33 + plaintext.len());
        let opened = vault.open(Purpose::CookieSeal, &context, &sealed).expect("opens");
        prop_assert_eq!(opened.expose(), &plaintext);
        let elsewhere = vault.open(Purpose::CookieSeal, &format!("{context}."), &sealed);
        prop_assert_eq!(elsewhere.err(), Some(OpenError::Refused));
        prop_assert_eq!(vault.open(Purpose::AtRest, &context, &sealed).err(), Some(OpenError::Refused));
        let place = flip.index(sealed.len());
        sealed[place] ^= 1;
        prop_assert!(vault.open(Purpose::CookieSeal, &context, &sealed).is_err());
    }

    #[test]
    fn rubbish_does_not_open(bytes in prop::collection::vec(any::<u8>(), 0..100), text in "\\PC{0,100}") {
        prop_assert!(vault(HEX).open(Purpose::AtRest, "", &bytes).is_err());
        prop_assert!(vault(HEX).open_text(Purpose::AtRest, "", &text).is_err());
    }

    #[test]
    fn parts_are_not_confused(
        a in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 0..4),
        b in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 0..4),
    ) {
        let vault = vault(HEX);
        let mac = |parts: &[Vec<u8>]| {
            vault.mac(Purpose::SetupLink, &parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
        };
        prop_assert_eq!(mac(&a) == mac(&b), a == b);
    }
}

#[test]
fn the_text_form_is_base64url() {
    let vault = vault(HEX);
    let sealed = vault.seal_text(Purpose::CookieSeal, "tx", b"hello", &random());
    assert!(sealed.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    assert_eq!(vault.open_text(Purpose::CookieSeal, "tx", &sealed).unwrap().expose(), b"hello");
}

#[test]
fn nonces_differ() {
    let (vault, random) = (vault(HEX), random());
    let one = vault.seal(Purpose::AtRest, "", b"same", &random);
    let two = vault.seal(Purpose::AtRest, "", b"same", &random);
    assert_ne!(one[5..17], two[5..17]);
    assert_ne!(one[17..], two[17..]);
}

#[test]
fn a_master_key_can_be_replaced() {
    let old = vault(HEX);
    let both = vault(&format!("{OTHER} {HEX}"));
    let new = vault(OTHER);
    let sealed = old.seal(Purpose::AtRest, "kid", b"pkcs8", &random());
    let mac = old.mac(Purpose::SetupLink, &[b"user"]);

    assert_eq!(both.open(Purpose::AtRest, "kid", &sealed).unwrap().expose(), b"pkcs8");
    assert!(both.is_outdated(&sealed) && !old.is_outdated(&sealed));
    assert!(both.verify_mac(Purpose::SetupLink, &[b"user"], &mac));
    assert_eq!(
        both.macs(Purpose::SetupLink, &[b"user"]).collect::<Vec<_>>(),
        [new.mac(Purpose::SetupLink, &[b"user"]), mac]
    );

    let fresh = both.seal(Purpose::AtRest, "kid", b"pkcs8", &random());
    assert!(!both.is_outdated(&fresh));
    assert!(new.open(Purpose::AtRest, "kid", &fresh).is_ok());
    assert_eq!(new.open(Purpose::AtRest, "kid", &sealed).err(), Some(OpenError::UnknownKey));
    assert!(!new.verify_mac(Purpose::SetupLink, &[b"user"], &mac));
}

#[test]
fn codes_belong_to_their_purpose() {
    let vault = vault(HEX);
    let mac = vault.mac(Purpose::Csrf, &[b"session"]);
    assert!(vault.verify_mac(Purpose::Csrf, &[b"session"], &mac));
    assert!(!vault.verify_mac(Purpose::SetupLink, &[b"session"], &mac));
    assert!(!vault.verify_mac(Purpose::Csrf, &[b"session2"], &mac));
    assert!(!vault.verify_mac(Purpose::Csrf, &[b"session"], &mac[..31]));
}

/// Values that installations rely on, computed apart from this program (HKDF, HMAC and AES-GCM of Python's
/// `cryptography`): a change here makes stores unreadable.
#[test]
fn the_derivation_does_not_change() {
    let vault = vault(HEX);
    assert_eq!(
        hex(&vault.mac(Purpose::SetupLink, &[b"user", b"3"])),
        "627d3f117a5685cf7bf9ad9d6f27935d6d8e022ee8181f190f9c0639f70c85ac"
    );
    assert_eq!(
        hex(&vault.seal(Purpose::AtRest, "kid", b"secret", &random())),
        "013957675576108f84396dc2d72ce275fdc10ae82d9b51c4307f9c61502f891cc33f2473caf3b1"
    );
    assert_eq!(
        hex(&vault.mac(Purpose::PrivacyHash, &[])),
        "9ac2b300faa8dd7b13faff8a80b0fdf79723677cd2c2ca0fc02bd9244a0fadfd"
    );
}

#[test]
fn debug_shows_no_key() {
    let keys = MasterKeys::parse(HEX).unwrap();
    assert_eq!(format!("{keys:?} {:?}", Vault::new(&keys).unwrap()), "[1 master keys] [vault of 1 master keys]");
}
