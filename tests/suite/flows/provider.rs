//! The OpenID Connect provider, row by row of its tables of cases.

#[path = "provider/authorize.rs"]
mod authorize;
#[path = "provider/authorize_session.rs"]
mod authorize_session;
#[path = "provider/client_auth.rs"]
mod client_auth;
#[path = "provider/discovery.rs"]
mod discovery;
#[path = "provider/form_post.rs"]
mod form_post;
#[path = "provider/id_token.rs"]
mod id_token;
#[path = "provider/introspection.rs"]
mod introspection;
#[path = "provider/logout.rs"]
mod logout;
#[path = "provider/openid_client.rs"]
mod openid_client;
#[path = "provider/refresh.rs"]
mod refresh;
#[path = "provider/refresh_upstream.rs"]
mod refresh_upstream;
#[path = "provider/token.rs"]
mod token;
#[path = "provider/userinfo.rs"]
mod userinfo;
