//! The OpenID Connect provider's endpoints.

pub mod authorize;
pub mod client_auth;
pub mod discovery;
pub mod dpop;
pub mod introspection;
pub mod logout;
pub mod pushed;
pub mod redirect;
pub mod revocation;
pub mod token;
pub mod token_info;
pub mod userinfo;
