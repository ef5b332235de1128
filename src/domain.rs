//! What the program is about, without I/O: time and fresh secrets come in as values.

pub mod access;
pub mod audit;
pub mod authorize;
pub mod claims;
pub mod client;
pub mod consent;
pub mod disable;
pub mod email;
pub mod grant;
pub mod host;
pub mod ids;
pub mod master_keys;
pub mod member;
pub mod organization;
pub mod parameters;
pub mod password;
pub mod plan;
pub mod pushed;
pub mod registration;
pub mod request_object;
pub mod requested_claims;
pub mod secret;
pub mod session;
pub mod setup_link;
pub mod user;
pub mod whereabouts;
