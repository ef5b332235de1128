//! The public keys of a client: those it proves itself by (RFC 7517; OIDC Core, section 9, `private_key_jwt`), and those it
//! sends along to have tokens bound to (RFC 9449).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::secret::TokenHash;

/// So many that keys can be replaced, and not so many that trying them costs anything.
pub const MOST_KEYS: usize = 8;

/// Bits of the modulus of an RSA key (RFC 7518, section 3.3; NIST SP 800-131A).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// Members of a JWK that belong to its owner alone (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// How a client may sign (RFC 7518, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAlgorithm {
    Rs256,
    Ps256,
    Es256,
}

impl ClientAlgorithm {
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Ps256, Self::Es256];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }
}

/// Why a text is no set of keys that a client can prove itself with. Nothing of the text is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    #[error("this is no JWK set: {{\"keys\": [...]}} in JSON")]
    NoSet,
    #[error("this set has {0} keys, and from 1 to {MOST_KEYS} are possible")]
    Count(usize),
    #[error("key {place} {wrong}")]
    Key { place: usize, wrong: KeyError },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("is private, since it has the member \"{0}\": leave its public part alone in the set")]
    Private(&'static str),
    #[error("is neither an RSA key nor an EC key on P-256")]
    Kind,
    #[error("has numbers that cannot be read")]
    Unreadable,
    #[error("has {0} bits, and from 2048 to 8192 are possible")]
    Size(usize),
    #[error("is not for signatures, says its member \"use\"")]
    Use,
    #[error("has an \"alg\" that is not RS256 or PS256 (RSA), or ES256 (EC)")]
    Algorithm,
}

/// The keys of one client: at least one, all of them public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct ClientKeys(Vec<ClientKey>);

/// The hash of a public key alone, whatever else its JWK says (RFC 7638, section 3). It is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Thumbprint(TokenHash);

impl Thumbprint {
    /// 43 characters of base64url.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        TokenHash::from_text(text).map(Self)
    }

    #[must_use]
    pub fn to_text(&self) -> String {
        self.0.to_text()
    }
}

/// One public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientKey {
    kid: Option<String>,
    /// The only algorithm that the key is for, where it says so.
    algorithm: Option<ClientAlgorithm>,
    public: PublicKey,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PublicKey {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// Uncompressed: 0x04, x, y (SEC 1, section 2.3.3).
    P256([u8; 65]),
}

impl ClientKeys {
    /// Reads a JWK set (RFC 7517, section 5).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        serde_json::from_str::<Value>(text).map_err(|_| KeysError::NoSet)?.try_into()
    }

    /// Whether one of the keys made `signature` over `message`: one of those that the signer names, if there are any, or of
    /// those without a name.
    #[must_use]
    pub fn verify(&self, algorithm: ClientAlgorithm, kid: Option<&str>, message: &[u8], signature: &[u8]) -> bool {
        let is_named = |key: &&ClientKey| key.kid.is_some() && key.kid.as_deref() == kid;
        let named = self.0.iter().any(|key| is_named(&key));
        let may_be = |key: &&ClientKey| match kid {
            None => true,
            Some(_) if named => is_named(key),
            Some(_) => key.kid.is_none(),
        };
        self.0.iter().filter(may_be).any(|key| key.verify(algorithm, message, signature))
    }
}

impl TryFrom<Value> for ClientKeys {
    type Error = KeysError;

    fn try_from(set: Value) -> Result<Self, KeysError> {
        let keys = set.get("keys").and_then(Value::as_array).ok_or(KeysError::NoSet)?;
        if !(1..=MOST_KEYS).contains(&keys.len()) {
            return Err(KeysError::Count(keys.len()));
        }
        let read = |(index, key): (usize, &Value)| {
            let key = key.as_object().ok_or(KeysError::NoSet)?;
            ClientKey::read(key).map_err(|wrong| KeysError::Key { place: index + 1, wrong })
        };
        keys.iter().enumerate().map(read).collect::<Result<_, _>>().map(Self)
    }
}

impl From<ClientKeys> for Value {
    fn from(keys: ClientKeys) -> Self {
        json!({ "keys": keys.0.iter().map(ClientKey::write).collect::<Vec<_>>() })
    }
}

impl ClientKey {
    /// Reads a JWK (RFC 7517, section 4).
    pub(super) fn read(jwk: &Map<String, Value>) -> Result<Self, KeyError> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        if let Some(private) = PRIVATE.into_iter().find(|name| jwk.contains_key(*name)) {
            return Err(KeyError::Private(private));
        }
        if jwk.get("use").is_some_and(|usage| usage != "sig") {
            return Err(KeyError::Use);
        }
        let number = |name: &str| {
            let bytes = text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
            bytes.ok_or(KeyError::Unreadable)
        };
        let public = match (text("kty"), text("crv")) {
            (Some("RSA"), None) => PublicKey::rsa(&number("n")?, &number("e")?)?,
            (Some("EC"), Some("P-256")) => PublicKey::p256(&number("x")?, &number("y")?)?,
            _ => return Err(KeyError::Kind),
        };
        let algorithm = match jwk.get("alg") {
            None => None,
            Some(name) => Some(name.as_str().and_then(ClientAlgorithm::named).ok_or(KeyError::Algorithm)?),
        };
        if algorithm.is_some_and(|algorithm| !public.fits(algorithm)) {
            return Err(KeyError::Algorithm);
        }
        Ok(Self { kid: text("kid").map(str::to_owned), algorithm, public })
    }

    /// Whether the key made `signature` over `message`.
    pub(super) fn verify(&self, algorithm: ClientAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        self.algorithm.is_none_or(|only| only == algorithm) && self.public.verify(algorithm, message, signature)
    }

    pub(super) fn thumbprint(&self) -> Thumbprint {
        // Their members in the order of their names, and nothing between them (RFC 7638, section 3.3).
        let members = match &self.public {
            PublicKey::Rsa { n, e } => {
                format!("{{\"e\":\"{}\",\"kty\":\"RSA\",\"n\":\"{}\"}}", number(e), number(n))
            }
            PublicKey::P256(point) => {
                let (x, y) = (number(&point[1..33]), number(&point[33..]));
                format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"{x}\",\"y\":\"{y}\"}}")
            }
        };
        Thumbprint(TokenHash::of(members.as_bytes()))
    }

    fn write(&self) -> Value {
        let mut jwk = match &self.public {
            PublicKey::Rsa { n, e } => json!({ "kty": "RSA", "n": number(n), "e": number(e) }),
            PublicKey::P256(point) => {
                json!({ "kty": "EC", "crv": "P-256", "x": number(&point[1..33]), "y": number(&point[33..]) })
            }
        };
        if let Some(kid) = &self.kid {
            jwk["kid"] = json!(kid);
        }
        if let Some(algorithm) = self.algorithm {
            jwk["alg"] = json!(algorithm.as_str());
        }
        jwk
    }
}

/// Big-endian, in base64url (RFC 7518, section 2).
fn number(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl PublicKey {
    fn rsa(n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        let [n, e] = [n, e].map(|number| number.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<u8>>());
        let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
        if !RSA_BITS.contains(&bits) {
            return Err(KeyError::Size(bits));
        }
        // An even exponent, or 1, belongs to no key; 65537 has three bytes.
        let odd = e.last().is_some_and(|last| last % 2 == 1);
        let key = RsaPublicKeyComponents { n: n.as_slice(), e: e.as_slice() };
        if !odd || e == [1] || e.len() > 4 || key.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).is_err() {
            return Err(KeyError::Unreadable);
        }
        Ok(Self::Rsa { n, e })
    }

    fn p256(x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        let point = [&[4], x, y].concat();
        let point = <[u8; 65]>::try_from(point).ok().filter(|_| x.len() == 32).ok_or(KeyError::Unreadable)?;
        // Also whether it lies on the curve.
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| KeyError::Unreadable)?;
        Ok(Self::P256(point))
    }

    fn fits(&self, algorithm: ClientAlgorithm) -> bool {
        matches!(self, Self::P256(_)) == (algorithm == ClientAlgorithm::Es256)
    }

    fn verify(&self, algorithm: ClientAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        match (self, algorithm) {
            (Self::Rsa { n, e }, ClientAlgorithm::Rs256) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
            }
            (Self::Rsa { n, e }, ClientAlgorithm::Ps256) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PSS_2048_8192_SHA256, message, signature).is_ok()
            }
            (Self::P256(point), ClientAlgorithm::Es256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
            (Self::Rsa { .. }, ClientAlgorithm::Es256)
            | (Self::P256(_), ClientAlgorithm::Rs256 | ClientAlgorithm::Ps256) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7517, appendix A.1.
    const EC: &str = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"sig","kid":"1"}"#;
    const RSA: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        "e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;

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
        let keys = ClientKeys::parse(&set(&[EC, RSA])).expect("a set");
        let written = serde_json::to_value(&keys).expect("JSON");
        assert_eq!(written["keys"][0]["kid"], "1");
        assert_eq!(written["keys"][1]["alg"], "RS256");
        assert_eq!(serde_json::from_value::<ClientKeys>(written).expect("a set"), keys);
    }

    /// RFC 7638, section 3.1, of the RSA key; and with what a thumbprint leaves out.
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
}
