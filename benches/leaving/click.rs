//! The time of the click's commit: the service as the page and the API call it, on the real store, in this process.

use std::time::{Duration, Instant};

use flybridge::domain::ids::OrganizationId;
use flybridge::domain::organization::Actor;
use flybridge::services::directory::Directory;
use flybridge::services::disable::Disable;
use flybridge::services::disable::click::Clicked;
use flybridge::services::jobs::Jobs;

use crate::people::settle_again;
use crate::place::Place;

/// The middle of many clicks.
pub(crate) struct Clicks {
    pub(crate) time: Duration,
    /// Questions to the store, commits among them.
    pub(crate) asked: usize,
    /// Bytes that were written to stay.
    pub(crate) bytes: u64,
}

/// Clicks `times` times in an organization of the same members as `like`, which comes back after each. No worker runs, so
/// that nothing else happens.
pub(crate) async fn measure(place: &Place, like: &OrganizationId, times: usize) -> Clicks {
    let (store, counted) = place.open().await;
    let id = settle_again(&store, "clicked", like).await;
    let jobs = Jobs::new(store.clone(), Duration::from_mins(3));
    let disable = Disable::new(store.clone(), jobs, Directory::new(store));
    let clicked = Clicked { by: Actor { user: None, name: "an operator".to_owned() }, from: None };
    let (mut spans, mut asked, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..times {
        let written = place.written();
        counted.round_trips();
        let start = Instant::now();
        disable.disable(&id, &clicked).await.expect("a run");
        spans.push(start.elapsed());
        asked.push(counted.round_trips());
        bytes.push(place.written() - written);
        disable.enable(&id, &clicked).await.expect("it comes back");
    }
    Clicks { time: median(spans), asked: median(asked), bytes: median(bytes) }
}

fn median<T: Ord + Copy>(mut all: Vec<T>) -> T {
    all.sort_unstable();
    all[all.len() / 2]
}
