//! Hostile input: addresses nobody registered, parameters nobody should send, forged credentials, and many at once.
//!
//! Races go over a thousand rounds; over a cluster they do with `FLYBRIDGE_HEAVY=1`.

#[path = "hostile/changes.rs"]
mod changes;
#[path = "hostile/credentials.rs"]
mod credentials;
#[path = "hostile/destinations.rs"]
mod destinations;
#[path = "hostile/jwts.rs"]
mod jwts;
#[path = "hostile/lab.rs"]
mod lab;
#[path = "hostile/links.rs"]
mod links;
#[path = "hostile/races.rs"]
mod races;
#[path = "hostile/redirects.rs"]
mod redirects;
#[path = "hostile/repeated.rs"]
mod repeated;
#[path = "hostile/scenes.rs"]
mod scenes;
#[path = "hostile/uris.rs"]
mod uris;
#[path = "hostile/verifiers.rs"]
mod verifiers;

/// So many rounds, or a thousand when asked for.
fn rounds(usual: usize) -> usize {
    if std::env::var("FLYBRIDGE_HEAVY").is_ok_and(|value| value == "1") { 1_000 } else { usual }
}

/// Every byte as a percent escape: the same text to whoever decodes it.
fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat()
}
