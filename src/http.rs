//! Everything that speaks HTTP: the whole URL table and the layers.

pub mod account;
pub mod api;
pub mod applications;
pub mod assets;
pub mod client_address;
pub mod cookies;
pub mod error;
pub mod inbound;
pub mod leaving;
pub mod oidc;
pub mod organization;
pub mod pages;
pub mod password;
pub mod readiness;
pub mod request_id;
pub mod request_limits;
pub mod routes;
pub mod security_headers;
pub mod server;
pub mod sign_in;
pub mod state;
pub mod web;
