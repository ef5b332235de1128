use super::*;

/// RFC 7517, appendix A.1.
const EC: &str = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"sig","kid":"1"}"#;
const RSA: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;

/// RFC 8037, appendix A.2.
const ED: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

fn set(keys: &[&str]) -> String {
    format!("{{\"keys\":[{}]}}", keys.join(","))
}

fn wrong(key: &str) -> KeyError {
    match ClientKeys::parse(&set(&[EC, key])) {
        Err(KeysError::Key { place: 2, wrong }) => wrong,
        other => panic!("{other:?}"),
    }
}

#[test]
fn public_keys_read_and_read_back() {
    let keys = ClientKeys::parse(&set(&[EC, RSA, ED])).expect("a set");
    let written = serde_json::to_value(&keys).expect("JSON");
    assert_eq!(written["keys"][0]["kid"], "1");
    assert_eq!(written["keys"][1]["alg"], "RS256");
    assert_eq!(written["keys"][2]["crv"], "Ed25519");
    assert_eq!(serde_json::from_value::<ClientKeys>(written).expect("a set"), keys);
}

/// RFC 7638, section 3.1, of the RSA key; RFC 8037, appendix A.3; and with what a thumbprint leaves out.
#[test]
fn a_thumbprint_is_of_the_key_alone() {
    let thumbprint = |jwk: &str| {
        let jwk: Map<String, Value> = serde_json::from_str(jwk).expect("JSON");
        ClientKey::read(&jwk).expect("a key").thumbprint().to_text()
    };
    let rsa = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    assert_eq!(thumbprint(RSA), rsa);
    assert_eq!(thumbprint(&RSA.replace("\"alg\":\"RS256\",\"kid\":\"2011-04-29\"", "\"use\":\"sig\"")), rsa);
    assert_ne!(thumbprint(EC), rsa);
    assert_eq!(thumbprint(ED), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(thumbprint(EC), thumbprint(&EC.replace("\"kid\":\"1\"", "\"kid\":\"2\"")));
    assert_eq!(Thumbprint::parse(rsa).map(|thumbprint| thumbprint.to_text()).as_deref(), Some(rsa));
    for text in ["", &rsa[1..], &format!("{rsa}="), &rsa.replace('_', "/"), &rsa.replace("9Xs", "9Xt")] {
        assert_eq!(Thumbprint::parse(text), None, "{text}");
    }
}

#[test]
fn what_is_no_set_of_public_keys_is_refused() {
    for text in ["", "[]", "{}", "{\"keys\":1}", "{\"keys\":[1]}", EC] {
        assert_eq!(ClientKeys::parse(text), Err(KeysError::NoSet), "{text}");
    }
    assert_eq!(ClientKeys::parse(&set(&[])), Err(KeysError::Count(0)));
    assert_eq!(ClientKeys::parse(&set(&[EC; 9])), Err(KeysError::Count(9)));
    ClientKeys::parse(&set(&[EC; 8])).expect("a set");
    for name in PRIVATE {
        let private = EC.replacen('{', &format!("{{\"{name}\":\"c2VjcmV0\","), 1);
        assert_eq!(wrong(&private), KeyError::Private(name));
        assert!(!KeyError::Private(name).to_string().contains("c2VjcmV0"));
    }
    assert_eq!(wrong(r#"{"kty":"oct","k":"c2VjcmV0"}"#), KeyError::Private("k"));
    let cases = [
        (EC.replace("P-256", "P-384"), KeyError::Kind),
        (EC.replace("\"EC\"", "\"OKP\""), KeyError::Kind),
        (ED.replace("Ed25519", "Ed448"), KeyError::Kind),
        (ED.replace("11qY", ""), KeyError::Unreadable),
        (ED.replace("\"crv\"", "\"alg\":\"ES256\",\"crv\""), KeyError::Algorithm),
        (EC.replace("\"sig\"", "\"enc\""), KeyError::Use),
        // Not on the curve, too short, no base64url.
        (EC.replace("MKBC", "MKBD"), KeyError::Unreadable),
        (EC.replace("MKBC", ""), KeyError::Unreadable),
        (EC.replace("MKBC", "=+=/"), KeyError::Unreadable),
        (EC.replace("\"kid\":\"1\"", "\"alg\":\"RS256\""), KeyError::Algorithm),
        (RSA.replace("RS256", "ES256"), KeyError::Algorithm),
        (RSA.replace("RS256", "HS256"), KeyError::Algorithm),
        (RSA.replace("RS256", "none"), KeyError::Algorithm),
        (RSA.replace("0vx7agoebGcQSuuP", ""), KeyError::Size(1_951)),
        (RSA.replace("AQAB", "AQAA"), KeyError::Unreadable),
        (RSA.replace("AQAB", "AQ"), KeyError::Unreadable),
        (RSA.replace("AQAB", ""), KeyError::Unreadable),
    ];
    for (key, expected) in cases {
        let found = wrong(&key);
        match (found, expected) {
            (KeyError::Size(bits), KeyError::Size(_)) => assert!((1_900..2_048).contains(&bits), "{bits}"),
            (found, expected) => assert_eq!(found, expected, "{key}"),
        }
    }
}
