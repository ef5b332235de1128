//! The whole program, tested from outside: one binary, suites by subject.
#![expect(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod architecture;
mod assets;
mod browser;
mod clients;
mod config;
mod flows;
mod hostile;
mod html;
mod mail;
mod model;
mod once;
mod organization;
mod pages;
mod password_policy;
mod passwords;
mod processes;
mod real_clients;
mod requests;
mod resealing;
mod secret;
mod server;
mod signing;
mod simulation;
mod stand_ins;
mod store;
mod support;
mod vault;
