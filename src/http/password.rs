//! Passwords as people meet them: asking for a link, opening it, setting a password.

pub mod forgot;
pub mod set_up;
