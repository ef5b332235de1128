//! Flybridge: the OpenID Connect provider that signs Fly.io users in to Sentry, and the graceful way out.
//!
//! This page is the map. Imports point one way only, and a test holds it:
//!
//! ```text
//! clock, random, telemetry <- domain <- store <- config <- services <- http <- demo, cli
//! ```
//!
//! | module | what is there |
//! |---|---|
//! | [`domain`] | rules without I/O: organizations, access, requests, grants, the disable run |
//! | [`store`] | the one atomic primitive, on SQLite and Redis; [`store::keys`] is the whole key space |
//! | [`services`] | what the program does, over the store and the outside |
//! | [`http`] | the URL table ([`http::routes`]), the layers, handlers and pages |
//! | [`cli`] | commands; [`cli::assemble()`] puts the program together |
//! | [`demo`] | stand-ins for Fly.io and Sentry that speak the real protocols |
//! | [`config`] | settings, parsed once; `config.default.toml` is the reference |
//!
//! # A sign-in, step by step
//!
//! 1. [`http::oidc::authorize`] finds the client ([`services::clients`]) and checks the request, or takes one that the client
//!    handed over before ([`http::oidc::pushed`]). Without a fitting session it stores nothing: the request travels sealed
//!    in a cookie of its own ([`http::sign_in::transaction`]).
//! 2. [`http::sign_in::page`] offers what the organization allows: Fly.io ([`http::sign_in::fly`], over
//!    [`services::upstream::fly`]) or a password ([`http::sign_in::password`], over [`services::passwords`]).
//! 3. [`services::directory`] says who the person is here and where they belong; [`services::sessions`] begins a session
//!    that remembers how and when they proved it ([`domain::access::Proof`]).
//! 4. [`http::sign_in::finish`] asks [`domain::access::opens`], the one rule, what the proof opens. All: a code
//!    ([`services::grants`]). Some, or nothing: [`http::sign_in::next`] asks which organization is wanted, or says what to
//!    do instead ([`http::sign_in::closed`]). For a client that is not the operator's own [`http::sign_in::consent`] asks
//!    the person what it may learn, unless they have allowed it before ([`domain::consent`], [`services::consents`]).
//! 5. After a form a page leads on to the application ([`http::leaving`]).
//! 6. [`http::oidc::token`] knows the client by its secret or its signature ([`http::oidc::client_auth`]) and redeems the
//!    code: used up and answered in one commit, and the same rule is asked again, as it is at every refresh, userinfo,
//!    `token/info` and introspection ([`http::oidc::introspection`]), with what it needs read along
//!    ([`services::ahead`]). A client that speaks for itself gets a token of its own kind ([`domain::machine`]). A token may
//!    be bound to a key that its client proves to hold with each request ([`domain::dpop`], [`services::dpop_proofs`]).
//! 7. Tokens end when the client gives them back ([`http::oidc::revocation`]), when a password is set, when the organization
//!    changes its login method, or when the person takes back what they allowed ([`http::applications`]). Signing out
//!    ([`http::oidc::logout`]) ends the session; tokens go on until they run out.
//! 8. Clients that want to hear when a session ends are noted before their code leaves ([`services::whereabouts`]); word to
//!    them is queued by the commit that ends it, and sent by [`services::outbox::logout`], over
//!    [`services::back_channel`].
//!
//! Secrets lie sealed under master keys ([`services::vault`]); once another one stands in front, [`services::resealing`]
//! seals all anew, and says when the older one may go.
//!
//! # A disable, step by step
//!
//! 1. [`http::organization::disable`] shows who is affected, lets the admin leave members out
//!    ([`services::disable::left_out`]), then takes the click: form token, recent sign-in, the admin role asked from Fly.io
//!    inside the request.
//! 2. [`services::disable::click`] commits once, whatever the size: login method, generation, run, totals, audit entry,
//!    first job. From then on everything of the old generation is dead, because [`domain::access::opens`] says so.
//! 3. [`services::outbox`] works the queues: [`services::disable::fan_out`] has the members' clients told that what Fly.io
//!    proved is over, and writes ledger rows and mail jobs in chunks; [`services::disable::resend`] walks the
//!    ledger in the same way when an admin has mail sent again.
//! 4. A mail is composed ([`services::outbox`]) with a link derived for the person ([`services::setup_links`]), sent
//!    ([`services::mail`]), and settled in the ledger together with the end of its job ([`services::disable::ledger`]).
//!    What a mail server later gives up on comes back by [`http::inbound`] ([`services::bounces`]), and those who set no
//!    password are reminded ([`services::disable::remind`]).
//! 5. [`http::password::set_up`] sets the password: the link is used up, the hash written and every session and grant
//!    ended in one commit; the rest follows by the queue. There, and at [`http::account`], a person gives an address of
//!    their own, which signs in once it is confirmed by mail ([`services::contacts`]).
//! 6. Turned on again, Fly.io Auth ends what a password proved in the same way: one commit ([`services::disable::click`]),
//!    then word to the members' clients ([`services::disable::came_back`]).
//! 7. Without Fly.io the same is done at the word of a client ([`http::api`]) or of an operator
//!    ([`cli::organizations`]); each wish comes with the way it came, and is fulfilled once
//!    ([`services::disable::order`]).
//! 8. [`domain::disable`] is the state machine that all of this drives; [`services::verify`] holds what it left behind
//!    against itself.

pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod domain;
pub mod http;
pub mod random;
pub mod services;
pub mod store;
pub mod telemetry;
