//! `flybridge serve`

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::assemble::{Program, assemble};
use super::start::{StartError, load, open_store};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ServerLimits};
use crate::http::routes::router;
use crate::http::server::{Drained, bind, serve};
use crate::random::SystemRandom;
use crate::services::clients::{Clients, REFRESH_EVERY};
use crate::services::signing::{RotationPlan, SigningKeys};
use crate::store::Store;
use crate::telemetry;

/// How often nodes look whether keys are due and what other nodes did.
pub(super) const KEYS_EVERY: Duration = Duration::from_mins(5);
/// How soon it is noticed that the store is another one. One small read.
const WATCH_EVERY: Duration = Duration::from_secs(1);

pub async fn run(file: Option<&Path>) -> Result<(), StartError> {
    let config = load(file)?;
    set_up_log(&config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random = Arc::new(SystemRandom::default());
    let store = open_store(&config.store, Arc::clone(&clock), random.clone()).await?;
    let program = assemble(&config, store, Arc::clone(&clock), random, false).await?;
    let listeners = bind(&config.server.listen).await.map_err(|e| StartError::plain(e.to_string()))?;
    let stop = stop_signal()?;
    for address in &config.server.listen {
        tracing::info!(%address, issuer = config.server.issuer.as_str(), "serving");
    }
    tell_clients(&program.app.clients);
    serve_program(&program, listeners, config.server.limits, config.workers.enabled, stop).await;
    Ok(())
}

pub(super) fn set_up_log(config: &Config) -> Result<(), StartError> {
    telemetry::init(config.log.format, config.log.filter.clone()).map_err(|e| StartError::plain(e.to_string()))
}

/// Serves, works, keeps the keys and knows the clients until `stop` says so; then drains.
pub(super) async fn serve_program(
    program: &Program,
    listeners: Vec<tokio::net::TcpListener>,
    limits: ServerLimits,
    work: bool,
    stop: watch::Receiver<bool>,
) {
    let clock = Arc::clone(&program.app.web.clock);
    let mut stopped = stop.clone();
    let shutdown = async move {
        let _ = stopped.wait_for(|stop| *stop).await;
        program.stopping.send_replace(true);
    };
    let serving = serve(listeners, router(&program.app), limits, Arc::clone(&clock), shutdown);
    let working = async {
        if work {
            program.outbox.run(stop.clone()).await;
        }
    };
    let (drained, (), ()) = tokio::join!(serving, working, keep_up(program, &*clock, stop.clone()));
    match drained {
        Drained::Wholly => tracing::info!("stopped; every request was answered"),
        Drained::Cut(connections) => tracing::warn!(connections, "stopped; some connections were cut"),
    }
}

/// Keeps the keys and knows the clients until `stop` says so. Workers sign, too: what they tell clients.
pub(super) async fn keep_up(program: &Program, clock: &dyn Clock, stop: watch::Receiver<bool>) {
    let keys = keep_keys(&program.signing, clock, stop.clone());
    let clients = keep_clients(&program.app.clients, clock, stop.clone());
    tokio::join!(keys, clients, keep_watch(&program.app.readiness.store, clock, stop));
}

/// Notices when the store is emptied or replaced. It tells the log itself; that it gives no answer others notice.
async fn keep_watch(store: &Store, clock: &dyn Clock, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = clock.sleep(WATCH_EVERY) => drop(store.recognize_installation().await),
        }
    }
}

async fn keep_keys(signing: &SigningKeys, clock: &dyn Clock, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = clock.sleep(KEYS_EVERY) => {}
        }
        if let Err(error) = signing.rotate(RotationPlan::default()).await {
            tracing::error!(%error, "the signing keys could not be looked after");
        }
    }
}

fn tell_clients(clients: &Clients) {
    let (configured, registered) = clients.count();
    tracing::info!(configured, registered, "clients");
    if configured + registered == 0 {
        tracing::warn!("there is no client, so nobody can sign in; `flybridge client add` registers one");
    }
}

/// Reads the registered clients again and again. Trouble is told when it begins and when it is over.
async fn keep_clients(clients: &Clients, clock: &dyn Clock, mut stop: watch::Receiver<bool>) {
    let mut failing = false;
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = clock.sleep(REFRESH_EVERY) => {}
        }
        match clients.refresh().await {
            Err(error) if !failing => {
                tracing::error!(%error, "the registered clients cannot be read; those known until now go on");
                failing = true;
            }
            Ok(()) if failing => {
                tracing::info!("the registered clients can be read again");
                failing = false;
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// Becomes true at SIGTERM or SIGINT.
pub(super) fn stop_signal() -> Result<watch::Receiver<bool>, StartError> {
    let cannot = |e| StartError::new("signals cannot be heard", e);
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        sender.send_replace(true);
    });
    Ok(receiver)
}
