//! What the program does, above the store and below HTTP: narrow structs with explicit parts.

pub mod access;
pub mod ahead;
pub mod back_channel;
pub mod bounces;
pub mod client_assertions;
pub mod clients;
pub mod consents;
pub mod directory;
pub mod disable;
pub mod dpop_proofs;
pub mod grants;
pub mod jobs;
pub mod limits;
pub mod mail;
pub mod message_ids;
pub mod outbox;
pub mod passwords;
pub mod pushed;
pub mod resealing;
pub mod sessions;
pub mod setup_links;
pub mod signing;
pub mod upstream;
pub mod upstream_tokens;
pub mod vault;
pub mod whereabouts;
