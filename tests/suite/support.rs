//! What several suites lean on.

pub(crate) mod mime;
pub(crate) mod redis;
pub(crate) mod smtp;
