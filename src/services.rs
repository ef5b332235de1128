//! What the program does, above the store and below HTTP: narrow structs with explicit parts.

pub mod mail;
pub mod passwords;
pub mod signing;
pub mod vault;
