//! The official certification plans of the `OpenID` Foundation for providers with registered clients, module by module.
//!
//! [`basic`] and [`form_post`] are the plans: one test for each module, by its name. The modules themselves stand beside
//! them by subject and run in both ways of answering. What the suite grades as a warning fails here too, except where a
//! test says otherwise. Of the plan for RP-initiated logout the modules stand in `provider/logout.rs`.

#[path = "certification/again.rs"]
mod again;
#[path = "certification/back_channel.rs"]
mod back_channel;
#[path = "certification/basic.rs"]
mod basic;
#[path = "certification/code_reuse.rs"]
mod code_reuse;
#[path = "certification/config.rs"]
mod config;
#[path = "certification/core.rs"]
mod core;
#[path = "certification/documents.rs"]
mod documents;
#[path = "certification/form_post.rs"]
mod form_post;
#[path = "certification/hints.rs"]
mod hints;
#[path = "certification/refresh.rs"]
mod refresh;
#[path = "certification/request_objects.rs"]
mod request_objects;
#[path = "certification/requested.rs"]
mod requested;
#[path = "certification/scopes.rs"]
mod scopes;
#[path = "certification/suite.rs"]
mod suite;
#[path = "certification/tokens.rs"]
mod tokens;
