//! Proofs that whoever asks has a private key (RFC 9449): what makes one good for one request.

use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Number, Value};
use url::Url;

use super::client_keys::{ClientAlgorithm, ClientKey, KeyError, Thumbprint};
use super::compact::{Compact, SKEW, instant};
use super::secret::TokenHash;
use crate::clock::Timestamp;

/// The `typ` of the header: no JWT of another kind is taken for a proof (RFC 8725, section 3.11).
const TYP: &str = "dpop+jwt";

/// For how long after its `iat` a proof is good: as long as its `jti` has to be remembered.
const LIFETIME: Duration = Duration::from_mins(1);

/// A proof by an RSA key of 8192 bits has less than 4,000.
const LONGEST: usize = 4_096;

/// Why a proof proves nothing, in the words for its sender (ASCII without quotes, RFC 6749, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofRefused {
    #[error("there is no DPoP header")]
    Absent,
    #[error("there is more than one DPoP header")]
    Several,
    #[error("the DPoP proof is longer than {LONGEST} bytes")]
    TooLong,
    #[error("the DPoP proof is no signed JWT")]
    Malformed,
    #[error("the typ of the DPoP proof is not {TYP}")]
    Type,
    #[error("the alg of the DPoP proof is none of RS256, PS256, ES256 and EdDSA")]
    Algorithm,
    #[error("the DPoP proof wants something understood that is not (crit)")]
    Critical,
    #[error("the jwk of the DPoP proof is not a public key alone")]
    Private,
    #[error("the jwk of the DPoP proof is no RSA key from 2048 to 8192 bits, no EC key on P-256 and no Ed25519 key")]
    Key,
    #[error("the DPoP proof was not signed by its jwk")]
    Signature,
    #[error("the DPoP proof has no {0}")]
    Missing(&'static str),
    #[error("the htm of the DPoP proof is not the method of the request")]
    Method,
    #[error("the htu of the DPoP proof is not the address of the request")]
    Address,
    #[error("the {0} of the DPoP proof is in the future")]
    Early(&'static str),
    #[error("the DPoP proof is older than a minute, or its exp is over")]
    Old,
    #[error("the ath of the DPoP proof is not the hash of the access token")]
    Token,
    #[error("the access token is bound to another key than that of the DPoP proof")]
    OtherKey,
    #[error("the jti of the DPoP proof was used before")]
    Used,
}

#[derive(Debug, Deserialize)]
struct Header {
    typ: Option<String>,
    alg: Option<String>,
    jwk: Option<Map<String, Value>>,
    crit: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Claims {
    jti: Option<String>,
    htm: Option<String>,
    htu: Option<String>,
    iat: Option<Number>,
    nbf: Option<Number>,
    exp: Option<Number>,
    ath: Option<String>,
}

/// The request that a proof has to be for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub method: &'a str,
    /// Without a query, and normalized: as the configuration says it, whatever the request does.
    pub address: &'a str,
    /// The access token that comes with it, and the key that it is bound to.
    pub token: Option<(&'a str, Thumbprint)>,
}

/// What a good proof shows, and what it may be used for once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    pub key: Thumbprint,
    pub jti: String,
    pub expires_at: Timestamp,
}

/// Whether `proof` was made for this request, to be used at `now`.
///
/// # Errors
/// The first thing that is wrong with it, in the order of RFC 9449, section 4.3.
pub fn check(proof: &str, asked: &Asked<'_>, now: Timestamp) -> Result<Proven, ProofRefused> {
    if proof.len() > LONGEST {
        return Err(ProofRefused::TooLong);
    }
    let compact = Compact::<Header, Claims>::parse(proof).ok_or(ProofRefused::Malformed)?;
    let key = check_signature(&compact)?.thumbprint();
    let claims = compact.claims;
    let jti = claims.jti.as_deref().filter(|jti| !jti.is_empty()).ok_or(ProofRefused::Missing("jti"))?;
    if claims.htm.as_deref().ok_or(ProofRefused::Missing("htm"))? != asked.method {
        return Err(ProofRefused::Method);
    }
    let htu = claims.htu.as_deref().ok_or(ProofRefused::Missing("htu"))?;
    if normalized(htu).as_deref() != Some(asked.address) {
        return Err(ProofRefused::Address);
    }
    let expires_at = claims.check_times(now)?;
    if let Some((token, bound_to)) = asked.token {
        let ath = claims.ath.as_deref().ok_or(ProofRefused::Missing("ath"))?;
        if ath != TokenHash::of(token.as_bytes()).to_text() {
            return Err(ProofRefused::Token);
        }
        if key != bound_to {
            return Err(ProofRefused::OtherKey);
        }
    }
    Ok(Proven { key, jti: jti.to_owned(), expires_at })
}

/// The key that signed it.
fn check_signature(proof: &Compact<'_, Header, Claims>) -> Result<ClientKey, ProofRefused> {
    let Compact { signed, signature, header, .. } = proof;
    if header.typ.as_deref() != Some(TYP) {
        return Err(ProofRefused::Type);
    }
    let algorithm = header.alg.as_deref().and_then(ClientAlgorithm::named).ok_or(ProofRefused::Algorithm)?;
    if header.crit.is_some() {
        return Err(ProofRefused::Critical);
    }
    let key =
        ClientKey::read(header.jwk.as_ref().ok_or(ProofRefused::Missing("jwk"))?).map_err(|wrong| match wrong {
            KeyError::Private(_) => ProofRefused::Private,
            _ => ProofRefused::Key,
        })?;
    if key.verify(algorithm, signed.as_bytes(), signature) { Ok(key) } else { Err(ProofRefused::Signature) }
}

impl Claims {
    /// Until when the proof is good. `exp` and `nbf` need not be there, but say what they always do.
    fn check_times(&self, now: Timestamp) -> Result<Timestamp, ProofRefused> {
        let instant = |number: &Number| instant(number).ok_or(ProofRefused::Malformed);
        let time = |number: &Option<Number>| number.as_ref().map(instant).transpose();
        let made_at = time(&self.iat)?.ok_or(ProofRefused::Missing("iat"))?;
        for (name, from) in [("iat", Some(made_at)), ("nbf", time(&self.nbf)?)] {
            if from.is_some_and(|from| from > now.plus(SKEW)) {
                return Err(ProofRefused::Early(name));
            }
        }
        let expires_at = made_at.plus(LIFETIME);
        let over = time(&self.exp)?.is_some_and(|exp| exp <= now);
        if over || expires_at <= now { Err(ProofRefused::Old) } else { Ok(expires_at) }
    }
}

/// An `htu` without query and fragment (RFC 9449, section 4.3), in the one form that all its equals have (RFC 3986,
/// sections 6.2.2 and 6.2.3). None for what is no address of a request.
fn normalized(htu: &str) -> Option<String> {
    // What follows reads addresses as browsers do, and mends what is none.
    let of_uri = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    let (scheme, rest) = htu.split_once("://").filter(|_| htu.bytes().all(of_uri))?;
    let authority = rest.split(['/', '?', '#']).next().filter(|authority| !authority.is_empty())?;
    let url = Url::parse(htu).ok().filter(|url| url.scheme().eq_ignore_ascii_case(scheme))?;
    if authority.contains('@') {
        return None;
    }
    Some(format!("{}{}", url.origin().ascii_serialization(), unescaped(url.path())))
}

/// Letters, digits and the like need no percent sign; everything else keeps it (RFC 3986, section 6.2.2.2).
fn unescaped(path: &str) -> String {
    let mut parts = path.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let byte = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte)) {
            Some(byte) => text.extend([char::from(byte)].into_iter().chain(part.chars().skip(2))),
            None => text.extend(['%'].into_iter().chain(part.chars())),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9449, section 4.1.
    const AT_TOKEN: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
    /// RFC 9449, section 7.1.
    const AT_RESOURCE: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
    const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    const KEY: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

    const NOW: Timestamp = Timestamp::from_seconds(1_562_262_618);

    #[test]
    fn the_proofs_of_the_specification_are_good() {
        let key = Thumbprint::parse(KEY).expect("a thumbprint");
        let asked = Asked { method: "POST", address: "https://server.example.com/token", token: None };
        let proven = check(AT_TOKEN, &asked, NOW).expect("a good proof");
        assert_eq!((proven.key, proven.jti.as_str()), (key, "-BwC3ESc6acc2lTc"));
        assert_eq!(proven.expires_at, NOW.plus(Duration::from_secs(58)));
        let address = "https://resource.example.org/protectedresource";
        let asked = Asked { method: "GET", address, token: Some((TOKEN, key)) };
        assert_eq!(check(AT_RESOURCE, &asked, NOW).map(|proven| proven.key), Ok(key));
        let other = Thumbprint::parse(&"A".repeat(43)).expect("a thumbprint");
        for (token, wrong) in [((TOKEN, other), ProofRefused::OtherKey), (("other", key), ProofRefused::Token)] {
            assert_eq!(check(AT_RESOURCE, &Asked { token: Some(token), ..asked }, NOW), Err(wrong));
        }
        let asked = Asked { method: "POST", address: "https://server.example.com/token", token: Some((TOKEN, key)) };
        assert_eq!(check(AT_TOKEN, &asked, NOW), Err(ProofRefused::Missing("ath")));
    }

    #[test]
    fn an_address_has_one_form() {
        let ours = "https://login.test/oauth/token";
        for htu in [
            ours,
            "https://login.test/oauth/token?a=b&c=://",
            "https://login.test/oauth/token#fragment",
            "https://login.test/oauth/token?#",
            "HTTPS://LOGIN.TEST/oauth/token",
            "https://login.test:443/oauth/token",
            "https://login.test:/oauth/token",
            "https://login.test/%6fauth/%74oken",
            "https://login.test/oauth/%54oken/../token",
            "https://login.test/./oauth/x/%2E%2e/token",
        ] {
            assert_eq!(normalized(htu).as_deref(), Some(ours), "{htu}");
        }
        for htu in [
            "",
            "/oauth/token",
            "https:/oauth/token",
            "https:login.test/oauth/token",
            "https:login.test/oauth/token?://login.test",
            "https:///login.test/oauth/token",
            "//login.test/oauth/token",
            "http://login.test/oauth/token",
            "https://login.test/oauth/token/",
            "https://login.test//oauth/token",
            "https://login.test/oauth/Token",
            "https://login.test/oauth%2Ftoken",
            "https://login.test/oauth/%2574oken",
            "https://login.test/oauth/token%",
            "https://login.test/oauth/token%3F",
            "https://login.test/oauth/token;x",
            "https://login.test:8443/oauth/token",
            "https://login.test./oauth/token",
            "https://login.test.evil.test/oauth/token",
            "https://login.test@evil.test/oauth/token",
            "https://me@login.test/oauth/token",
            "https://@login.test/oauth/token",
            "https://login.test\\oauth\\token",
            "https://login.test/oauth/to\tken",
            " https://login.test/oauth/token",
            "https://login.test/oauth/token\u{e9}",
            "data:https://login.test/oauth/token",
        ] {
            assert_ne!(normalized(htu).as_deref(), Some(ours), "{htu}");
        }
    }
}
