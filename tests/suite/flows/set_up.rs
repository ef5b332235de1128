//! Setting a password: links from mails, the way on the spot, links that no longer work.

#[path = "set_up/forgot.rs"]
mod forgot;
#[path = "set_up/link.rs"]
mod link;
#[path = "set_up/mail.rs"]
mod mail;
#[path = "set_up/now.rs"]
mod now;
