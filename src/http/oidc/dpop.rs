//! Proofs that whoever asks has a private key, as they come over HTTP (RFC 9449, section 4.1).

use axum::http::{HeaderMap, Method};

use crate::config::Issuer;
use crate::domain::authorize::OAuthCode;
use crate::domain::client_keys::Thumbprint;
use crate::domain::dpop::{Asked, ProofRefused};
use crate::http::error::OAuthFailure;
use crate::services::dpop_proofs::{DpopProofs, Possession};
use crate::store::StoreError;

/// What proofs are held against.
pub struct Dpop {
    pub proofs: DpopProofs,
    pub issuer: Issuer,
}

impl Dpop {
    /// At the endpoint for clients at `path`, where a proof may come along.
    pub async fn of_client(&self, headers: &HeaderMap, path: &str) -> Result<Option<Possession>, OAuthFailure> {
        let Some(proof) = proof(headers)? else { return Ok(None) };
        let asked = Asked { method: "POST", address: &self.issuer.join(path), token: None };
        Ok(Some(self.proofs.check(proof, &asked).await??))
    }

    /// Where an access token is shown that is bound to a key, without which it is worth nothing.
    pub async fn of_holder(
        &self,
        headers: &HeaderMap,
        (method, path): (&Method, &str),
        token: (&str, Thumbprint),
    ) -> Result<Result<Possession, ProofRefused>, StoreError> {
        let proof = match proof(headers).and_then(|proof| proof.ok_or(ProofRefused::Absent)) {
            Ok(proof) => proof,
            Err(refused) => return Ok(Err(refused)),
        };
        let asked = Asked { method: method.as_str(), address: &self.issuer.join(path), token: Some(token) };
        self.proofs.check(proof, &asked).await
    }
}

/// The one `DPoP` header of a request, if it has any.
fn proof(headers: &HeaderMap) -> Result<Option<&str>, ProofRefused> {
    let mut values = headers.get_all("dpop").iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ProofRefused::Malformed),
        (Some(_), Some(_)) => Err(ProofRefused::Several),
    }
}

/// As the token endpoint and introspection name it (RFC 9449, section 5).
pub(super) fn token_type(key: Option<Thumbprint>) -> &'static str {
    if key.is_some() { "DPoP" } else { "Bearer" }
}

impl From<ProofRefused> for OAuthFailure {
    fn from(refused: ProofRefused) -> Self {
        Self::new(OAuthCode::InvalidDpopProof, &refused.to_string()).about("DPoP")
    }
}
