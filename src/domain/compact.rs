//! A JWT that somebody else signed (RFC 7515, section 7.1; RFC 7519), taken apart before anything of it is believed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde_json::Number;

use crate::clock::Timestamp;

/// How much the clock of a client may be ahead of ours. FAPI 2.0 Security Profile, section 5.3.2.1, wants 10 seconds
/// accepted and 60 refused.
pub(super) const SKEW: std::time::Duration = std::time::Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Compact<'t, H, C> {
    /// What the signature is over.
    pub signed: &'t str,
    pub signature: Vec<u8>,
    pub header: H,
    pub claims: C,
}

impl<'t, H: DeserializeOwned, C: DeserializeOwned> Compact<'t, H, C> {
    /// None when the text is no JWT with such a header and such claims, whatever their values.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        Some(Self {
            signed,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
            header: read(header)?,
            claims: read(claims)?,
        })
    }
}

fn read<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// A `NumericDate` may have a fraction (RFC 7519, section 2), which is of no interest here.
pub(super) fn instant(number: &Number) -> Option<Timestamp> {
    let whole = number.to_string();
    let whole = whole.split_once('.').map_or(whole.as_str(), |(whole, _)| whole);
    whole.parse().ok().map(Timestamp::from_seconds)
}
