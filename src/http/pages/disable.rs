//! Disabling Fly.io Auth: the look before it, and the run.

mod preview;
mod progress;
mod run;

pub use preview::{Delivery, Freshness, PreviewPage, PreviewRow};
pub use progress::{Counts, MailStatus, RunEvent, RunProgress, RunRowUpdate, RunState};
pub use run::{Notice, Reverted, RunPage, RunRow};
