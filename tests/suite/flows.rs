//! Whole ways through the program: the real router and the real store, in process.

#[path = "flows/access.rs"]
mod access;
#[path = "flows/api.rs"]
mod api;
#[path = "flows/audit.rs"]
mod audit;
#[path = "flows/back_channel.rs"]
mod back_channel;
#[path = "flows/bad_input.rs"]
mod bad_input;
#[path = "flows/certification.rs"]
mod certification;
#[path = "flows/clients.rs"]
mod clients;
#[path = "flows/consent.rs"]
mod consent;
#[path = "flows/disable.rs"]
mod disable;
#[path = "flows/downloads.rs"]
mod downloads;
#[path = "flows/epochs.rs"]
mod epochs;
#[path = "flows/generations.rs"]
mod generations;
#[path = "flows/lifetimes.rs"]
mod lifetimes;
#[path = "flows/provider.rs"]
mod provider;
#[path = "flows/refusals.rs"]
mod refusals;
#[path = "flows/set_up.rs"]
mod set_up;
#[path = "flows/signing_in.rs"]
mod signing_in;
#[path = "flows/verify.rs"]
mod verify;
