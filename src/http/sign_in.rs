//! Signing in: the page, the two ways, and what follows.

pub mod choose;
pub mod closed;
pub mod finish;
pub mod fly;
pub mod page;
pub mod password;
pub mod sign_out;
pub mod transaction;
