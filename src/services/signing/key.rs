//! One signing key: made, read back, and held ready.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters, EllipticCurveKeyType, Jwk,
    KeyAlgorithm, PublicKeyUse, RSAKeyParameters, RSAKeyType, ThumbprintHash,
};
use serde::{Deserialize, Serialize};

use super::SigningError;
use crate::domain::client::SigningAlgorithm;
use crate::domain::secret::Secret;

/// A signature algorithm of JOSE (RFC 7518, section 3.1) that Flybridge signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256, the signature as `r || s` (RFC 7518, section 3.4).
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 3072 bits. OpenID Connect Core, section 15.1, demands it of every provider.
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    pub const ALL: [Self; 2] = [Self::Es256, Self::Rs256];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    pub(super) const fn jose(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
        }
    }

    const fn jwk(self) -> KeyAlgorithm {
        match self {
            Self::Es256 => KeyAlgorithm::ES256,
            Self::Rs256 => KeyAlgorithm::RS256,
        }
    }
}

impl From<SigningAlgorithm> for Algorithm {
    fn from(registered: SigningAlgorithm) -> Self {
        match registered {
            SigningAlgorithm::Es256 => Self::Es256,
            SigningAlgorithm::Rs256 => Self::Rs256,
        }
    }
}

/// A key pair parsed once, so that a signature costs a signature.
pub(super) enum KeyPair {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
}

impl KeyPair {
    /// A new key out of AWS-LC's own generator, which takes no other source of randomness.
    ///
    /// An RSA key takes some tenths of a second: not for an async thread.
    pub(super) fn generate(algorithm: Algorithm) -> Result<Self, SigningError> {
        let failed = |_| SigningError::Key("a key could not be made");
        match algorithm {
            Algorithm::Es256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Self::Es256).map_err(failed)
            }
            Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa3072).map(Self::Rs256).map_err(failed),
        }
    }

    pub(super) fn from_pkcs8(algorithm: Algorithm, document: &Secret<Vec<u8>>) -> Result<Self, SigningError> {
        let refused = |_| SigningError::Key("a private key does not read");
        match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.expose())
                .map(Self::Es256)
                .map_err(refused),
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(document.expose()).map(Self::Rs256).map_err(refused),
        }
    }

    /// The private key as PKCS#8 (RFC 5958) in DER.
    pub(super) fn to_pkcs8(&self) -> Result<Secret<Vec<u8>>, SigningError> {
        let failed = |_| SigningError::Key("a private key could not be written");
        let bytes = match self {
            Self::Es256(pair) => pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(),
            Self::Rs256(pair) => {
                let document: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                document.as_ref().to_vec()
            }
        };
        Ok(Secret::new(bytes))
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Es256(_) => Algorithm::Es256,
            Self::Rs256(_) => Algorithm::Rs256,
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        let failed = |_| SigningError::Key("a signature could not be made");
        let random = SystemRandom::new();
        match self {
            Self::Es256(pair) => Ok(pair.sign(&random, message).map_err(failed)?.as_ref().to_vec()),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }

    /// The public key with `use`, `alg` and, as `kid`, its thumbprint (RFC 7638).
    pub(super) fn jwk(&self) -> Result<Jwk, SigningError> {
        let mut jwk = Jwk {
            common: CommonParameters {
                public_key_use: Some(PublicKeyUse::Signature),
                key_algorithm: Some(self.algorithm().jwk()),
                ..CommonParameters::default()
            },
            algorithm: self.public_parameters()?,
        };
        let failed = |_| SigningError::Key("a thumbprint could not be made");
        jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256).map_err(failed)?);
        Ok(jwk)
    }

    fn public_parameters(&self) -> Result<AlgorithmParameters, SigningError> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Es256(pair) => {
                // SEC 1, section 2.3.3: 0x04, x, y.
                let point = pair.public_key().as_ref();
                let (Some(4), Some(x), Some(y)) = (point.first(), point.get(1..33), point.get(33..65)) else {
                    return Err(SigningError::Key("a public key has an unexpected form"));
                };
                Ok(AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
                    key_type: EllipticCurveKeyType::EC,
                    curve: EllipticCurve::P256,
                    x: text(x),
                    y: text(y),
                }))
            }
            Self::Rs256(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                Ok(AlgorithmParameters::RSA(RSAKeyParameters {
                    key_type: RSAKeyType::RSA,
                    n: text(&public.n),
                    e: text(&public.e),
                }))
            }
        }
    }
}
