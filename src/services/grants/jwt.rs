//! Access tokens as JWTs (RFC 9068), for services that read them by themselves.
//!
//! Such a token names the record of the opaque one that it stands for, by the hash that the record is kept under. So it is
//! looked up here like any other, and dead with its grant; and who sees the `jti` in a log has nothing to present.

use serde::Deserialize;

use super::{Grants, Issued, Named, TokenKeys};
use crate::domain::claims::{AccessTokenClaims, Audience, Confirmation, acr};
use crate::domain::client::AccessTokenFormat;
use crate::domain::secret::{TokenHash, TokenKind};
use crate::services::signing::{Expected, Expiry, SigningError};

/// A token of another kind is never taken for an access token, nor the other way round (RFC 9068, section 5).
const TYP: &str = "at+jwt";

impl Grants {
    /// The access token as the client gets it. A JWT tells the times of the record, so that an answer that is given once
    /// more lives no longer than the first.
    ///
    /// # Errors
    /// When a JWT cannot be signed.
    pub fn access_token(&self, issued: &Issued) -> Result<String, SigningError> {
        let (grant, client) = (&issued.grant, &issued.opened.client);
        if client.access_token_format == AccessTokenFormat::Opaque {
            return Ok(issued.access.expose().to_string());
        }
        let ours = self.keys.issuer.as_str();
        let claims = AccessTokenClaims {
            iss: ours,
            sub: &grant.user,
            aud: match &client.access_token_audience {
                Some(service) => Audience::Two([service, ours]),
                None => Audience::One(ours),
            },
            exp: issued.token.expires_at.as_seconds(),
            iat: issued.token.issued_at.as_seconds(),
            jti: format!("{}.{}", grant.id, issued.access.hash().to_text()),
            client_id: client.id.as_str(),
            scope: issued.token.scope.to_string(),
            auth_time: grant.proof.auth_time.as_seconds(),
            acr: acr(ours, grant.proof.method),
            cnf: issued.token.key.map(|jkt| Confirmation { jkt }),
        };
        self.keys.signing.sign(client.algorithm.into(), TYP, &claims)
    }
}

impl TokenKeys {
    /// The token that a JWT of ours stands for.
    pub(super) fn read_jwt(&self, text: &str) -> Option<Named> {
        #[derive(Deserialize)]
        struct Read {
            jti: String,
        }
        let issuer = self.issuer.as_str();
        let expected = Expected { typ: TYP, issuer, audience: Some(issuer), expiry: Expiry::Enforced };
        let Read { jti } = self.signing.verify(text, &expected).ok()?;
        let (grant, hash) = jti.split_once('.')?;
        Some(Named { kind: TokenKind::AccessToken, grant: grant.parse().ok()?, hash: TokenHash::from_text(hash)? })
    }
}
