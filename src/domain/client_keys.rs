//! The public keys of a client: those it proves itself by (RFC 7517; OIDC Core, section 9, `private_key_jwt`), and those it
//! sends along to have tokens bound to (RFC 9449).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
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

/// How a client may sign (RFC 7518, section 3.1; RFC 8037, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAlgorithm {
    Rs256,
    Ps256,
    Es256,
    /// Ed25519 alone.
    EdDsa,
}

impl ClientAlgorithm {
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
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
    #[error("is no RSA key, no EC key on P-256 and no Ed25519 key")]
    Kind,
    #[error("has numbers that cannot be read")]
    Unreadable,
    #[error("has {0} bits, and from 2048 to 8192 are possible")]
    Size(usize),
    #[error("is not for signatures, says its member \"use\"")]
    Use,
    #[error("has an \"alg\" that is not RS256 or PS256 (RSA), ES256 (EC), or EdDSA (OKP)")]
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
    /// RFC 8032, section 5.1.5.
    Ed25519([u8; 32]),
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

    /// Whether a key of one set is in the other too, whatever it is called there.
    #[must_use]
    pub fn shares_one_with(&self, other: &Self) -> bool {
        self.0.iter().any(|key| other.0.iter().any(|theirs| theirs.public == key.public))
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
            (Some("OKP"), Some("Ed25519")) => PublicKey::ed25519(&number("x")?)?,
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
            PublicKey::Ed25519(point) => {
                format!("{{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"{}\"}}", number(point))
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
            PublicKey::Ed25519(point) => json!({ "kty": "OKP", "crv": "Ed25519", "x": number(point) }),
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

    fn ed25519(x: &[u8]) -> Result<Self, KeyError> {
        let point = <[u8; 32]>::try_from(x).map_err(|_| KeyError::Unreadable)?;
        ParsedPublicKey::new(&ED25519, point).map_err(|_| KeyError::Unreadable)?;
        Ok(Self::Ed25519(point))
    }

    fn fits(&self, algorithm: ClientAlgorithm) -> bool {
        match self {
            Self::Rsa { .. } => matches!(algorithm, ClientAlgorithm::Rs256 | ClientAlgorithm::Ps256),
            Self::P256(_) => algorithm == ClientAlgorithm::Es256,
            Self::Ed25519(_) => algorithm == ClientAlgorithm::EdDsa,
        }
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
            (Self::Ed25519(point), ClientAlgorithm::EdDsa) => {
                UnparsedPublicKey::new(&ED25519, point).verify(message, signature).is_ok()
            }
            (Self::Rsa { .. } | Self::P256(_) | Self::Ed25519(_), _) => false,
        }
    }
}

#[cfg(test)]
mod tests;
