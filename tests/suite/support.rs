//! What several suites lean on.

pub(crate) mod answer;
pub(crate) mod app;
pub(crate) mod browser_client;
pub(crate) mod dump;
pub(crate) mod letter;
pub(crate) mod mime;
pub(crate) mod redis;
pub(crate) mod relying_party;
pub(crate) mod smtp;
