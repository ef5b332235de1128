//! What several suites lean on.

pub(crate) mod redis;
