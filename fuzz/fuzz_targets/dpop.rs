//! Proofs that somebody has a key, as the `DPoP` header carries them: either the proof itself, or on three lines its header,
//! claims and signature before they are encoded. In it `SIGNED` stands for the signature of a good one, and `PROOF` alone is
//! that one.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flybridge::clock::Timestamp;
use flybridge::domain::authorize::{OAuthCode, OAuthError};
use flybridge::domain::dpop::{Asked, ProofRefused, check};
use flybridge_fuzz::{parts, tells_plainly};
use libfuzzer_sys::fuzz_target;

/// RFC 9449, section 7.1, with the token that it was made for, its key and the time of its `iat`.
const HEADER: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19";
const CLAIMS: &str = "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9";
const SIGNATURE: &str = "2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const MADE_AT: i64 = 1_562_262_618;

const ASKED: Asked<'_> =
    Asked { method: "GET", address: "https://resource.example.org/protectedresource", token: None };

fuzz_target!(|text: &str| {
    let good = format!("{HEADER}.{CLAIMS}.{SIGNATURE}");
    let proof = proof(text, &good);
    let now = Timestamp::from_seconds(MADE_AT + 1);
    let found = check(&proof, &ASKED, now);
    // An ECDSA signature may be written in two ways, so what is compared is what was signed.
    let ours = proof.rsplit_once('.').is_some_and(|(signed, _)| signed == format!("{HEADER}.{CLAIMS}"));
    let key = match &found {
        Ok(proven) => {
            assert!(ours, "forged: {proof}");
            proven.key
        }
        Err(refused) => {
            assert_ne!(proof, good, "{refused}");
            tells_plainly(&OAuthError::new(OAuthCode::InvalidDpopProof, refused.to_string()));
            return;
        }
    };

    // It is for one request, one token and one minute.
    let refused = |asked: Asked<'_>, now| check(&proof, &asked, now).unwrap_err();
    assert_eq!(refused(Asked { method: "POST", ..ASKED }, now), ProofRefused::Method);
    assert_eq!(refused(Asked { address: "https://login.test/oauth/token", ..ASKED }, now), ProofRefused::Address);
    assert_eq!(refused(ASKED, Timestamp::from_seconds(MADE_AT + 60)), ProofRefused::Old);
    assert_eq!(refused(ASKED, Timestamp::from_seconds(MADE_AT - 60)), ProofRefused::Early("iat"));
    assert_eq!(refused(Asked { token: Some(("another", key)), ..ASKED }, now), ProofRefused::Token);
    assert_eq!(check(&proof, &Asked { token: Some((TOKEN, key)), ..ASKED }, now), found);
});

fn proof(text: &str, good: &str) -> String {
    let words = text.replace("SIGNED", SIGNATURE).replace("PROOF", good);
    let [header, claims, signature] = parts(&words);
    if claims.is_empty() && signature.is_empty() {
        return words;
    }
    format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}
