//! Who proves the person. A connector speaks to one upstream; what it may answer is the same for all.

pub mod fly;

/// Why an upstream did not give what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UpstreamError {
    /// No answer in time, or an answer that says "later". Nothing is known of the person.
    #[error("the upstream cannot be asked: {0}")]
    Unavailable(String),
    /// The upstream does not accept the code or token (any more).
    #[error("the upstream refuses the code or token")]
    Refused,
    /// An answer that is not what the contract says, or not for us.
    #[error("the upstream's answer is not acceptable: {0}")]
    Invalid(String),
}
