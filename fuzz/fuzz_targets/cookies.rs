//! The `Cookie` headers of a browser, one to a line, and what is sealed in them.
#![no_main]

use std::sync::LazyLock;

use flybridge::domain::secret::{Token, TokenKind};
use flybridge::http::cookies::{CookieStyle, Cookies};
use flybridge::random::SeededRandom;
use flybridge::services::vault::{Purpose, Vault};
use flybridge_fuzz::vault;
use http::{HeaderMap, HeaderValue, header};
use libfuzzer_sys::fuzz_target;

static VAULT: LazyLock<Vault> = LazyLock::new(vault);
/// The one cookie that was ever sealed. An input to begin with holds it.
static SEALED: LazyLock<String> = LazyLock::new(|| {
    let sealed = VAULT.seal_text(Purpose::CookieSeal, CONTEXT, br#"{"id":"tab1"}"#, &SeededRandom::new(7));
    assert!(include_str!("../seeds/cookies/sealed").ends_with(&sealed), "the input does not hold it: {sealed}");
    sealed
});

const CONTEXT: &str = "transaction:tab1";
const PREFIX: &str = "__Host-fb_tx_";
const NAMES: [&str; 4] = ["fb_session", "fb_device", "fb_browser", "fb_tx_tab1"];

fuzz_target!(|bytes: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(header::COOKIE, value);
        }
    }
    let cookies = Cookies::from_headers(&headers);
    let style = CookieStyle { secure: true };
    for name in NAMES.map(|name| style.name(name)) {
        let all: Vec<&str> = cookies.with_prefix(&name).filter(|(rest, _)| rest.is_empty()).map(|(_, v)| v).collect();
        let one = cookies.one(&name);
        assert_eq!(
            one,
            all.first().copied().filter(|_| all.len() == 1),
            "{name} is ours only when it is the only one"
        );
        let Some(value) = one else { continue };
        assert!(!value.contains(';'));
        check_sealed(value);
        if let Some(token) = Token::parse(TokenKind::Session, value) {
            assert_eq!(token.expose().as_str(), value);
        }
    }
    for (id, value) in cookies.with_prefix(PREFIX) {
        assert!(cookies.one(&format!("{PREFIX}{id}")).is_none_or(|one| one == value));
        check_sealed(value);
    }
});

/// Nothing opens that was not sealed here, for this use and this place; and it has one text.
fn check_sealed(value: &str) {
    let opened = VAULT.open_text(Purpose::CookieSeal, CONTEXT, value);
    assert_eq!(opened.is_ok(), value == *SEALED, "{value}");
    assert!(VAULT.open_text(Purpose::CookieSeal, "transaction:tab2", value).is_err());
    assert!(VAULT.open_text(Purpose::AtRest, CONTEXT, value).is_err());
}
