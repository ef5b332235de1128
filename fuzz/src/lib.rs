//! What the targets share: a client, a form read twice, the parts of an input.

use std::fmt::Debug;

use flybridge::domain::authorize::OAuthError;
use flybridge::domain::client::Client;
use flybridge::domain::parameters::Parameters;
use flybridge::services::vault::{MasterKeys, Vault};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub const ISSUER: &str = "https://login.test";

/// The parts of an input, which line breaks divide; the last holds all the rest, and missing ones are empty.
#[must_use]
pub fn parts<const N: usize>(text: &str) -> [&str; N] {
    let mut parts = text.splitn(N, '\n');
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// # Panics
/// When the settings are none of a client.
#[must_use]
pub fn client(require_pkce: bool, require_openid: bool) -> Client {
    let settings = serde_json::json!({
        "id": "standard",
        "name": "Standard",
        "redirect_uris": ["https://rp.test/cb", "https://rp.test/cb2?keep=a%20b", "http://127.0.0.1:4000/cb"],
        "post_logout_redirect_uris": [],
        "token_auth": "client_secret_basic",
        "algorithm": "RS256",
        "require_pkce": require_pkce,
        "require_openid": require_openid,
        "claims_in_id_token": false,
        "always_refresh_token": false,
        "denials_on_own_page": false,
        "subject": "user_id",
    });
    serde_json::from_value(settings).expect("the settings of a client")
}

/// # Panics
/// Never: the key is a good one.
#[must_use]
pub fn vault() -> Vault {
    let key = "7f1d0c55a2e94b38906c3e21d8f4b7a6035e9cc184d26fb07a13e8954cd1260b";
    Vault::new(&MasterKeys::parse(key).expect("a good key")).expect("one key")
}

/// Reads a form. As the query of an address it has the same parameters; what is no text has no such query.
///
/// # Panics
/// When that does not hold.
#[must_use]
pub fn form(text: &str) -> Parameters {
    let parameters = Parameters::parse(text);
    let Some(query) = Parameters::as_query(text) else {
        assert!(parameters.check_text().is_err(), "text without a query");
        return parameters;
    };
    assert!(parameters.check_text().is_ok(), "no text, and yet a query");
    assert_eq!(Parameters::parse(&query), parameters);
    assert_eq!(Parameters::as_query(&query).as_deref(), Some(&*query), "written down, it stays as it is");
    assert!(query.is_ascii());
    parameters
}

/// What a client is told has only characters that RFC 6749, section 5.2, allows.
///
/// # Panics
/// When it has others.
pub fn tells_plainly(error: &OAuthError) {
    let plain = |byte: u8| (0x20..=0x7e).contains(&byte) && byte != b'"' && byte != b'\\';
    assert!(error.description.bytes().all(plain), "{error}");
}

/// A value that is kept comes back as it was.
///
/// # Panics
/// When it does not.
pub fn keeps<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let json = serde_json::to_string(value).expect("JSON");
    let back: T = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!(back, *value, "{json}");
}
