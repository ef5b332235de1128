//! Signing in: the page, the two ways, and what follows.

pub mod closed;
pub mod consent;
pub mod device;
pub mod finish;
pub mod fly;
pub mod next;
pub mod page;
pub mod password;
pub mod sign_out;
pub mod transaction;
