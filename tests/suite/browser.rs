//! The demo in a real browser, by the ids that pages keep: what a person who tries Flybridge sees and does.

mod account;
mod admin;
mod again;
mod consent;
mod faults;
mod keyboard;
mod leaving;
mod member;
mod post;
mod samples;
mod scripts;
mod sign_in;
mod visit;
