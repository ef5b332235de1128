//! `flybridge worker`

use std::path::Path;
use std::sync::Arc;

use super::assemble::assemble;
use super::serve::{keep_up, set_up_log, stop_signal};
use super::start::{StartError, load, open_store};
use crate::clock::{Clock, SystemClock};
use crate::random::SystemRandom;

/// With `once`: does what is due now, then stops.
pub async fn run(file: Option<&Path>, once: bool) -> Result<(), StartError> {
    let config = load(file)?;
    set_up_log(&config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random = Arc::new(SystemRandom::default());
    let store = open_store(&config.store, Arc::clone(&clock), random.clone()).await?;
    let program = assemble(&config, store, Arc::clone(&clock), random, false).await?;
    let outbox = &program.outbox;
    if !once {
        let stop = stop_signal()?;
        tokio::join!(outbox.run(stop.clone()), keep_up(&program, &*clock, stop));
        return Ok(());
    }
    while outbox.work_once().await? + outbox.mail_once().await? + outbox.logout_once().await? > 0 {
        if let Some(trouble) = outbox.health.trouble() {
            return Err(StartError::plain(trouble));
        }
    }
    outbox.mailer.close().await;
    Ok(())
}
