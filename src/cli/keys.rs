//! `flybridge keys`: the keys that sign tokens, and the master keys that everything is sealed with.

use std::path::Path;
use std::sync::Arc;

use clap::Subcommand;

use super::serve::KEYS_EVERY;
use super::start::{StartError, load, open_store};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::random::SystemRandom;
use crate::services::resealing::{Walk, last_walk};
use crate::services::signing::{KeyChange, KeyEvent, KeyInfo, RotationPlan, SigningError, SigningKeys, Stage};
use crate::services::vault::Vault;

#[derive(Subcommand)]
pub enum KeysCommand {
    /// All keys in use, in the order of their turns, and what became of keys until now. Nodes change them by themselves
    /// every 90 days.
    List,
    /// Have the next key of each algorithm sign as soon as everybody who caches the key set knows it.
    Rotate,
    /// Take a key away because somebody else may have it. What it signed is no longer verified: here at once, at nodes that
    /// run within minutes (restart them to have it at once), and at clients when they fetch the key set again, which they may
    /// put off for an hour.
    Revoke {
        /// Its id; `keys list` shows all.
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
    /// How far everything is sealed with the current master key, and whether older ones may be removed.
    Master,
}

impl From<SigningError> for StartError {
    fn from(error: SigningError) -> Self {
        Self::plain(match error {
            SigningError::Unknown(kid) => format!("there is no key {kid}; `keys list` shows all"),
            error => error.to_string(),
        })
    }
}

#[expect(clippy::print_stdout, reason = "the command line speaks to a person")]
pub async fn run(file: Option<&Path>, command: KeysCommand) -> Result<(), StartError> {
    let config = load(file)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = open_store(&config.store, Arc::clone(&clock), Arc::new(SystemRandom::default())).await?;
    let vault = Vault::new(&config.keys.master).map_err(|e| StartError::new("the master keys cannot be used", e))?;
    let vault = Arc::new(vault);
    let keys = SigningKeys::open(store.clone(), Arc::clone(&vault)).await?;
    let history_wanted = matches!(command, KeysCommand::List);
    let changed = match command {
        KeysCommand::Master => {
            let walk = last_walk(&store).await?.filter(|walk| walk.covers(&vault));
            println!("{}", sealed(&vault, walk.as_ref(), keys.is_sealed_anew().await?));
            return Ok(());
        }
        KeysCommand::List => false,
        KeysCommand::Rotate => {
            keys.hand_over(RotationPlan::default()).await?;
            true
        }
        KeysCommand::Revoke { kid } => {
            keys.revoke(kid).await?;
            true
        }
    };
    let (listed, history) = keys.list().await?;
    for key in &listed {
        println!("{}", line(key));
    }
    if history_wanted {
        for event in &history {
            println!("{}", told(event));
        }
    }
    if changed {
        let minutes = KEYS_EVERY.as_secs() / 60;
        println!("Nodes that run take this over within {minutes} minutes; restart them to have it at once.");
    }
    Ok(())
}

/// What is known of the master keys: the last walk through what is sealed tells it.
fn sealed(vault: &Vault, walk: Option<&Walk>, keys_too: bool) -> String {
    let current = vault.current_id();
    if vault.older_ids().is_empty() {
        return format!("{current}  the only master key");
    }
    let Some(walk) = walk else {
        return format!(
            "{current}  current: what others sealed is sealed anew as soon as a node starts\n{}",
            kept(vault)
        );
    };
    let counts = format!("{} people looked at, {} sealed anew", walk.looked_at, walk.sealed);
    let lost = match walk.lost {
        0 => String::new(),
        lost => format!("\n{lost} open with none of the master keys; these people sign in at Fly.io again"),
    };
    match (walk.ended_at, walk.rests_until) {
        (Some(ended), _) if keys_too => {
            let older = vault.older_ids().into_iter().map(|id| {
                format!(
                    "\n{id}  not needed: remove it if it was the first before, leave it if it is to be the first next"
                )
            });
            let ended = ended.to_jiff();
            format!(
                "{current}  current: everything is sealed with it since {ended}: {counts}{lost}{}",
                older.collect::<String>()
            )
        }
        (Some(_), _) => {
            format!("{current}  current: the signing keys are sealed anew by the nodes soon\n{}", kept(vault))
        }
        (None, Some(until)) => {
            let until = until.to_jiff();
            format!("{current}  current: {counts}; a last look from {until} on{lost}\n{}", kept(vault))
        }
        (None, None) => {
            let at = walk.at().map(|slug| format!(", now at {slug}")).unwrap_or_default();
            let begun = walk.begun_at.to_jiff();
            format!("{current}  current: sealing anew since {begun}: {counts}{at}{lost}\n{}", kept(vault))
        }
    }
}

/// The master keys behind the current one, all of which are needed.
fn kept(vault: &Vault) -> String {
    let lines = vault.older_ids().into_iter().map(|id| format!("{id}  keep it"));
    lines.collect::<Vec<_>>().join("\n")
}

fn told(event: &KeyEvent) -> String {
    let what = match event.what {
        KeyChange::Due => "was chosen to sign next",
        KeyChange::HandedOver => "was chosen to sign next, by an operator",
        KeyChange::Revoked => "was taken away by an operator",
        KeyChange::Inherited => "was chosen to sign in place of one that was taken away",
    };
    format!("{}  {} {what}", event.at.to_jiff(), event.kid)
}

fn line(key: &KeyInfo) -> String {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_jiff().to_string()).unwrap_or_default();
    let what = match key.stage {
        Stage::Next => format!("next: published since {}", key.published_at.to_jiff()),
        Stage::Agreed => format!("agreed: signs from {}", time(key.signs_from)),
        Stage::Current => match key.retires_at {
            None => format!("current: signs since {}", time(key.signs_from)),
            Some(_) => format!("current: signs until {}", time(key.retires_at)),
        },
        Stage::Previous => format!("previous: in the key set until {}", time(key.leaves_at)),
    };
    format!("{}  {}  {what}", key.kid, key.algorithm.name())
}
