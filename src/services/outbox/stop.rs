//! The word to stop, heard between one thing and the next.

use tokio::sync::watch;

/// Whether the process is about to end.
pub(super) struct Stop(Option<watch::Receiver<bool>>);

impl Stop {
    /// When the receiver becomes true.
    pub(super) fn when(told: watch::Receiver<bool>) -> Self {
        Self(Some(told))
    }

    /// For whoever works through what is due and then ends by itself.
    pub(super) fn never() -> Self {
        Self(None)
    }

    pub(super) fn is_said(&self) -> bool {
        self.0.as_ref().is_some_and(|told| *told.borrow())
    }

    /// Waits for `until`; none if the word comes first, or has come already.
    pub(super) async fn or<F: Future>(&self, until: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            () = self.said() => None,
            done = until => Some(done),
        }
    }

    async fn said(&self) {
        if let Some(told) = &self.0
            && told.clone().wait_for(|stop| *stop).await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}
