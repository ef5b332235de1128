//! A fault at a commit or call of the store that was chosen.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Nothing of it was done.
    Before,
    /// It was done, and nobody is told.
    After,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// `kill -9`.
    Kill,
    /// The program hears of a failure, or loses its connection.
    Fail,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Trip {
    /// Counted from 1.
    pub(crate) at: usize,
    pub(crate) when: When,
    pub(crate) what: What,
}
