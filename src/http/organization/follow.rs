//! Following a run: what an event stream says, and when it ends.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::Event;
use futures_util::Stream;
use futures_util::future::{Either, select};
use futures_util::stream::unfold;
use tokio::sync::OwnedSemaphorePermit;

use super::ledger::{self, Ledger};
use super::listing::ListQuery;
use super::pace::Pace;
use super::run::stopped;
use super::{Admin, view};
use crate::clock::{Clock, Timestamp};
use crate::domain::disable::{Run, RunState, Totals};
use crate::domain::ids::{OrganizationId, RunId, UserId};
use crate::http::pages::disable::{Counts, RunEvent, RunProgress, RunRowUpdate, RunState as ShownState};
use crate::store::{StoreError, keys};

/// The time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The time between two looks at what the waiting mails wait for, which reads all rows of a run of up to
/// [`LOOK`](super::listing::LOOK).
const TRIES_EVERY: Duration = Duration::from_secs(10);

/// After this long without news a comment is sent, so that proxies keep the connection.
const QUIET: Duration = Duration::from_secs(15);

/// A stream lives this long; then the browser connects again and is let in again.
const LIFETIME: Duration = Duration::from_mins(10);

/// The id of the last message about a run. A browser sends it when it connects again, and is told to stop.
pub const OVER: &str = "over";

/// One browser that follows one run.
pub struct Follower {
    admin: Arc<Admin>,
    clock: Arc<dyn Clock>,
    organization: OrganizationId,
    run: RunId,
    /// Whose rows are followed: those on the first page.
    people: Vec<UserId>,
    rows: HashMap<UserId, RunRowUpdate>,
    /// State, numbers, the time that is left and whether mail has stopped, as they were told last.
    told: Option<(ShownState, Counts, String, bool)>,
    told_at: Timestamp,
    pace: Pace,
    /// When the tries that `pace` knows of were read.
    tries_at: Timestamp,
    ends_at: Timestamp,
    over: bool,
    _room: OwnedSemaphorePermit,
}

impl Follower {
    pub async fn new(
        admin: Arc<Admin>,
        clock: Arc<dyn Clock>,
        run: &Run,
        room: OwnedSemaphorePermit,
    ) -> Result<Self, StoreError> {
        let now = clock.now();
        let first = Ledger::read(&admin, run, &ListQuery::default(), now).await?;
        Ok(Self {
            organization: run.organization.clone(),
            run: run.id.clone(),
            people: first.rows.iter().map(|row| row.user.clone()).collect(),
            rows: HashMap::new(),
            told: None,
            told_at: now,
            pace: Pace::new(run, first.tries),
            tries_at: now,
            ends_at: now.plus(LIFETIME),
            over: false,
            admin,
            clock,
            _room: room,
        })
    }

    pub fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        unfold(self, |mut follower| async move { Some((Ok(follower.next().await?), follower)) })
    }

    /// The next message. None when the run is over, the stream has lived long enough, or the program stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.over || self.clock.now() >= self.ends_at {
                return None;
            }
            if self.told.is_some() && !self.pause().await {
                return None;
            }
            match self.look().await {
                Ok(Some(event)) => return Some(event),
                Ok(None) => {}
                Err(error) => {
                    // The browser connects again.
                    tracing::warn!(%error, "a run cannot be followed");
                    return None;
                }
            }
            if self.clock.now().since(self.told_at) >= QUIET {
                self.told_at = self.clock.now();
                return Some(Event::default().comment(""));
            }
        }
    }

    /// Waits until it is time to look again. `false`: the program stops.
    async fn pause(&self) -> bool {
        let mut stopping = self.admin.stopping.clone();
        let stopped = async {
            let stops = stopping.wait_for(|stopping| *stopping).await.is_ok();
            if !stops {
                // Whoever would say so is gone without having said it.
                std::future::pending::<()>().await;
            }
        };
        let stopped = std::pin::pin!(stopped);
        matches!(select(stopped, self.clock.sleep(LOOK_EVERY)).await, Either::Right(_))
    }

    async fn look(&mut self) -> Result<Option<Event>, StoreError> {
        let Some(run) = self.admin.disable.run(&self.organization, &self.run).await? else {
            self.over = true;
            return Ok(None);
        };
        let run = run.value;
        let totals = self.admin.disable.totals(&self.organization, &self.run).await?;
        let now = self.clock.now();
        self.pace.see(&totals, now);
        if totals.unsettled() > 0 && now.since(self.tries_at) >= TRIES_EVERY {
            self.pace.note(ledger::tries(&self.admin, &run, now).await?);
            self.tries_at = now;
        }
        let rows = self.changed_rows(&run).await?;
        let progress = progress(&run, &totals, &self.pace, now);
        let stopped = stopped(&self.admin, &totals).await?.is_some();
        let news = (progress.state, progress.counts, progress.remaining.clone(), stopped);
        if rows.is_empty() && self.told.as_ref() == Some(&news) {
            return Ok(None);
        }
        self.told = Some(news);
        self.told_at = now;
        let message = RunEvent { progress, stopped, rows };
        let event = Event::default()
            .json_data(message)
            .map_err(|error| StoreError::Misuse(format!("a message cannot be written: {error}")))?;
        self.over = is_over(&run.state, &totals);
        Ok(Some(if self.over { event.id(OVER) } else { event }))
    }

    async fn changed_rows(&mut self, run: &Run) -> Result<Vec<RunRowUpdate>, StoreError> {
        let wanted: Vec<_> = self.people.iter().map(|user| keys::row(&run.organization, &run.id, user)).collect();
        let found = self.admin.store.read_all(&wanted).await?;
        let mut changed = Vec::new();
        for row in found.into_iter().flatten().map(|entry| entry.value) {
            let update = ledger::update(&row, run);
            if self.rows.get(&row.user) != Some(&update) {
                self.rows.insert(row.user, update.clone());
                changed.push(update);
            }
        }
        Ok(changed)
    }
}

/// How far a run is, for the page, the stream and the JSON.
#[must_use]
pub fn progress(run: &Run, totals: &Totals, pace: &Pace, now: Timestamp) -> RunProgress {
    RunProgress::new(view::state(&run.state), view::counts(totals), now, pace.remaining(totals, now))
}

/// Whether there is nothing left to follow.
#[must_use]
pub fn is_over(state: &RunState, totals: &Totals) -> bool {
    !view::is_live(state, totals)
}
