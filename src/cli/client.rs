//! `flybridge client`: the applications that people sign in to.

mod options;
mod set;
mod show;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;

use self::options::Settings;
use self::set::Changes;
use self::show::Shown;
use super::question::ask;
use super::start::{StartError, load, open_store};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::config::{Config, duration_argument};
use crate::domain::client::Client;
use crate::domain::ids::ClientId;
use crate::domain::organization::Actor;
use crate::domain::registration::{Ending, LONGEST_OVERLAP, SettingChange, differences, endings};
use crate::domain::secret::Secret;
use crate::random::SystemRandom;
use crate::services::clients::{REFRESH_EVERY, RegistrationError, Registrations};
use crate::store::StoreError;

#[derive(Subcommand)]
pub enum ClientCommand {
    /// Register an application. Its secret, unless it proves itself by a key of its own, is shown once, here.
    Add {
        /// The client id, such as `sentry`: 1 to 64 characters out of a-z, A-Z, 0-9, - and _.
        id: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// All clients: those of the configuration and those registered.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// One client with all its settings, and what became of it until now.
    Show {
        /// Its id; `client list` shows all.
        id: ClientId,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Change settings of a registered client. Those that are not named stay as they are; so do its secrets, and what people
    /// allowed it, unless the change makes them wrong (`--help` says when, for each setting).
    Set {
        /// Its id; `client list` shows all.
        id: ClientId,
        /// Without asking, where something ends that works now.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        changes: Changes,
    },
    /// Give a registered client a new secret, which is shown once, here.
    RotateSecret {
        /// Its id; `client list` shows all.
        id: ClientId,
        /// How long the secrets it has are accepted beside the new one, such as `90min`, `24h` or `7d`; `0s` ends them at
        /// once.
        #[arg(long, value_name = "TIME", default_value = "24h", value_parser = overlap)]
        overlap: Duration,
    },
    /// Remove a registered client. Nobody signs in at it any more, and the tokens it was given are dead.
    Remove {
        /// Its id; `client list` shows all.
        id: ClientId,
        /// Without asking.
        #[arg(long)]
        yes: bool,
    },
}

fn overlap(text: &str) -> Result<Duration, String> {
    duration_argument(text, Duration::ZERO..=LONGEST_OVERLAP)
}

impl From<RegistrationError> for StartError {
    fn from(error: RegistrationError) -> Self {
        let remedy = match error {
            RegistrationError::Store(StoreError::Unavailable(_)) => {
                ". It may have been done nevertheless: `client show` tells, and `client rotate-secret` gives another \
                 secret in place of one that nobody saw"
            }
            RegistrationError::Store(_) => "",
            RegistrationError::Exists(_) => "; choose another id, or remove it first",
            RegistrationError::Unknown(_) => "; `client list` shows all",
            RegistrationError::NoSecret(_) => "; `client set` gives it other keys",
            RegistrationError::ChangedMeanwhile(_) => ". Look at it with `client show`, and say it again",
            RegistrationError::TooManySecrets(_) => {
                "; wait until one of them ends, or end all of them at once with `--overlap 0s`"
            }
        };
        Self::plain(format!("{error}{remedy}"))
    }
}

pub async fn run(file: Option<&Path>, command: ClientCommand) -> Result<(), StartError> {
    let config = load(file)?;
    match command {
        ClientCommand::Add { id, settings } => {
            // What is wrong with the arguments is said whether or not the store answers.
            let settings = settings.client(&id)?;
            Desk::open(config).await?.add(settings).await
        }
        ClientCommand::List { json } => Desk::open(config).await?.list(json).await,
        ClientCommand::Show { id, json } => Desk::open(config).await?.show(&id, json).await,
        ClientCommand::Set { id, yes, changes } => {
            changes.check()?;
            Desk::open(config).await?.set(&id, &changes, yes).await
        }
        ClientCommand::RotateSecret { id, overlap } => Desk::open(config).await?.rotate_secret(&id, overlap).await,
        ClientCommand::Remove { id, yes } => Desk::open(config).await?.remove(&id, yes).await,
    }
}

/// What all of the commands work with.
struct Desk {
    config: Config,
    registrations: Registrations,
    clock: Arc<dyn Clock>,
    by: Actor,
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the command line speaks to a person")]
impl Desk {
    async fn open(config: Config) -> Result<Self, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = open_store(&config.store, Arc::clone(&clock), Arc::new(SystemRandom::default())).await?;
        let by = Actor { user: None, name: "an operator".to_owned() };
        Ok(Self { config, registrations: Registrations::new(store), clock, by })
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn configured(&self, id: &ClientId) -> Option<&Client> {
        self.config.clients.iter().find(|client| client.id == *id)
    }

    async fn add(&self, settings: Client) -> Result<(), StartError> {
        let id = &settings.id;
        if self.configured(id).is_some() {
            return Err(StartError::plain(format!(
                "the configuration has a client {id}, which would count instead. Choose another id, or remove it there \
                 first"
            )));
        }
        let (registration, secret) = self.registrations.add(settings, &self.by).await?;
        println!("{}", Shown::registered(&registration, None).line());
        match secret {
            Some(secret) => tell_secret(&secret),
            None => println!("It proves itself by its own key; there is no secret."),
        }
        println!("Nodes that run know the client within {} seconds.", REFRESH_EVERY.as_secs());
        Ok(())
    }

    async fn list(&self, json: bool) -> Result<(), StartError> {
        let (registered, unreadable) = self.registrations.list().await?;
        for error in unreadable {
            eprintln!("one registered client is left out: {error}");
        }
        let configured = self.config.clients.iter().map(Shown::configured);
        let registered = registered.iter().map(|r| Shown::registered(r, self.configured(&r.settings.id)));
        let mut all: Vec<Shown<'_>> = configured.chain(registered).collect();
        // Of two with one id, the one that counts comes first.
        all.sort_by(|a, b| a.id().cmp(b.id()));
        if json {
            let all: Vec<_> = all.iter().map(|shown| shown.json(self.now())).collect();
            println!("{}", serde_json::Value::Array(all));
        } else {
            for shown in &all {
                println!("{}", shown.line());
            }
            if all.is_empty() {
                println!("There is no client; `client add` registers one.");
            }
        }
        Ok(())
    }

    async fn show(&self, id: &ClientId, json: bool) -> Result<(), StartError> {
        let registered = self.registrations.find(id).await?.map(|entry| entry.value);
        let history = self.registrations.history(id).await?;
        let shown = match (self.configured(id), &registered) {
            (Some(configured), _) => Shown::configured(configured),
            (None, Some(registration)) => Shown::registered(registration, None),
            (None, None) => {
                let last = history.first().map(|event| format!(" (it {})", show::told(event))).unwrap_or_default();
                return Err(StartError::plain(format!("there is no client {id}{last}; `client list` shows all")));
            }
        };
        if json {
            println!("{}", shown.with_history(self.now(), &history));
            return Ok(());
        }
        println!("{}", shown.line());
        for line in shown.settings(self.now()) {
            println!("{line}");
        }
        if self.configured(id).is_some() && registered.is_some() {
            println!("A registered client of the same id does not count as long as this one is configured.");
        }
        for event in &history {
            println!("{}", show::told(event));
            set::lines(&event.settings).for_each(|line| println!("{line}"));
        }
        Ok(())
    }

    async fn set(&self, id: &ClientId, wanted: &Changes, yes: bool) -> Result<(), StartError> {
        if self.configured(id).is_some() {
            return Err(StartError::plain(format!(
                "the client {id} stands in the configuration: change its settings there, in its [[clients]] entry (or \
                 its variables FLYBRIDGE_CLIENTS__...), and start the nodes again"
            )));
        }
        let found = self.registrations.find(id).await?.ok_or_else(|| RegistrationError::Unknown(id.clone()))?;
        let before = &found.value.settings;
        let after = wanted.apply(before)?;
        let (changed, endings) = (differences(before, &after), endings(before, &after));
        if changed.is_empty() {
            println!("Nothing is changed: {id} has these settings already.");
            return Ok(());
        }
        if !yes && !endings.is_empty() {
            confirm_change(id, &changed, &endings)?;
        }
        let (registration, secret) = self.registrations.change(&found, after, &self.by).await?;
        println!("{}", Shown::registered(&registration, None).line());
        set::lines(&changed).for_each(|line| println!("{line}"));
        for ending in &endings {
            println!("From now on {}.", ending.words());
        }
        if let Some(secret) = secret {
            tell_secret(&secret);
        }
        println!("Nodes that run take this over within {} seconds.", REFRESH_EVERY.as_secs());
        Ok(())
    }

    async fn rotate_secret(&self, id: &ClientId, overlap: Duration) -> Result<(), StartError> {
        if self.configured(id).is_some() {
            return Err(StartError::plain(format!(
                "the client {id} stands in the configuration: write a new secret there beside the one it has"
            )));
        }
        let (registration, secret) = self.registrations.rotate_secret(id, overlap, &self.by).await?;
        println!("{}", Shown::registered(&registration, None).line());
        tell_secret(&secret);
        match registration.secrets.iter().filter_map(|secret| secret.accepted_until).max() {
            Some(until) => println!("What it had before is accepted until {}.", until.to_jiff()),
            None => println!("What it had before is no longer accepted."),
        }
        println!("Nodes that run take this over within {} seconds.", REFRESH_EVERY.as_secs());
        Ok(())
    }

    async fn remove(&self, id: &ClientId, yes: bool) -> Result<(), StartError> {
        if !yes && self.registrations.find(id).await?.is_some() {
            confirm(id)?;
        }
        let configured = self.configured(id).is_some();
        match self.registrations.remove(id, &self.by).await {
            Err(RegistrationError::Unknown(_)) if configured => {
                return Err(StartError::plain(format!(
                    "the client {id} stands in the configuration; remove it there"
                )));
            }
            other => other?,
        }
        if configured {
            println!(
                "{id} is registered no more. The client {id} of the configuration goes on, with the tokens of both."
            );
        } else {
            println!("{id} is removed; codes and tokens that it was given are dead.");
        }
        println!("Nodes that run take this over within {} seconds.", REFRESH_EVERY.as_secs());
        Ok(())
    }
}

/// The one place where a secret is shown.
#[expect(clippy::print_stdout, reason = "the command line speaks to a person")]
fn tell_secret(secret: &Secret) {
    println!("secret: {}", secret.expose());
    println!("Keep it now: it is not shown again, since only its SHA-256 is kept.");
}

fn confirm(id: &ClientId) -> Result<(), StartError> {
    let question = format!("Remove {id}? Nobody signs in at it any more, and the tokens it was given are dead.");
    let unasked = "nobody can be asked here; to remove the client all the same, say --yes";
    if ask(&question, || unasked.to_owned())? { Ok(()) } else { Err(StartError::plain("nothing was removed")) }
}

/// Whoever changes something that works now knows what ends.
fn confirm_change(id: &ClientId, changed: &[SettingChange], endings: &[Ending]) -> Result<(), StartError> {
    let plan: Vec<String> = set::lines(changed).collect();
    let ends: Vec<String> = endings.iter().map(|ending| format!("- {}", ending.words())).collect();
    let (plan, ends) = (plan.join("\n"), ends.join("\n"));
    let question = format!("{plan}\nThen:\n{ends}\nChange {id}?");
    let unasked = || format!("nobody can be asked here; to change {id} all the same, say --yes. Then:\n{ends}");
    if ask(&question, unasked)? { Ok(()) } else { Err(StartError::plain("nothing was changed")) }
}
