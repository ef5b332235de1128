//! The whole program, tested from outside: one binary, suites by subject.
#![expect(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod config;
mod mail;
mod password_policy;
mod passwords;
mod secret;
mod signing;
mod store;
mod support;
mod vault;
