//! How a client proves itself: the `Authorization` header, then on the next line the form.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flybridge::domain::client::TokenAuth;
use flybridge::http::oidc::client_auth::{Proof, presented};
use flybridge_fuzz::{form, parts, tells_plainly};
use http::{HeaderMap, HeaderValue, header};
use libfuzzer_sys::fuzz_target;
use url::form_urlencoded::byte_serialize;

fuzz_target!(|text: &str| {
    let [authorization, body] = parts(text);
    let parameters = form(body);
    let mut headers = HeaderMap::new();
    if let Some(value) = HeaderValue::from_str(authorization).ok().filter(|value| !value.is_empty()) {
        headers.insert(header::AUTHORIZATION, value);
    }
    let (id, secret) = (parameters.one("client_id"), parameters.one("client_secret"));
    match presented(&headers, &parameters) {
        Err(failure) => tells_plainly(&failure.error),
        Ok(presented) => match presented.proof {
            Proof::Secrets(secrets, TokenAuth::ClientSecretBasic) => {
                assert!(headers.contains_key(header::AUTHORIZATION) && !secrets.is_empty());
                assert_eq!(secret, Ok(None), "two ways at once");
                assert!(id == Ok(None) || id == Ok(Some(&*presented.id)), "two clients at once");
            }
            Proof::Secrets(secrets, _) => {
                assert!(headers.is_empty());
                assert_eq!((id, secret), (Ok(Some(&*presented.id)), Ok(secrets.first().map(String::as_str))));
                assert_eq!(secrets.len(), 1);
            }
            Proof::Assertion(_) => {
                assert!(headers.is_empty());
                assert_eq!(secret, Ok(None), "two ways at once");
            }
        },
    }
    every_secret_can_be_sent(authorization, body);
});

/// A client that does as RFC 6749, section 2.3.1, says is understood, whatever its id and secret are.
fn every_secret_can_be_sent(id: &str, secret: &str) {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let value = format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))));
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&value).expect("base64 fits a header"));
    let nothing = form("");
    let read = presented(&headers, &nothing).ok().expect("the header is as it should be");
    assert_eq!(read.id, id);
    let Proof::Secrets(secrets, TokenAuth::ClientSecretBasic) = read.proof else { panic!("it was sent by Basic") };
    assert!(secrets.iter().any(|read| read == secret), "{secret:?}");
}
