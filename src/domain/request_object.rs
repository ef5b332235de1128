//! Request objects (OIDC Core, section 6.1) are refused by name, and nothing of what they ask for is done. Only how the
//! refusal is to travel back is read out of one: a client that waits for a form does not look into the query.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// Whether the object asks for its answer in a form. Its signature is not looked at: in a query the same parameter has
/// none either, and the answer goes to a registered address in any case.
#[must_use]
pub fn wants_form_post(object: &str) -> bool {
    #[derive(Deserialize)]
    struct Claims {
        response_mode: String,
    }
    let claims = object.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims = claims.and_then(|json| serde_json::from_slice::<Claims>(&json).ok());
    claims.is_some_and(|claims| claims.response_mode == "form_post")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_mode_is_read_and_rubbish_asks_for_none() {
        let object = |claims: &str| format!("eyJhbGciOiJub25lIn0.{}.", URL_SAFE_NO_PAD.encode(claims));
        assert!(wants_form_post(&object(r#"{"response_mode":"form_post","state":"x"}"#)));
        for claims in [r#"{"response_mode":"query"}"#, r#"{"response_mode":["form_post"]}"#, "{}", "form_post", ""] {
            assert!(!wants_form_post(&object(claims)), "{claims}");
        }
        for rubbish in ["", "form_post", "a.b.c", "..", "a.\u{e9}.c"] {
            assert!(!wants_form_post(rubbish), "{rubbish}");
        }
    }
}
