//! Fly.io Auth disabled and turned on again by an operator, without Fly.io.

use std::sync::Arc;

use super::{ChangeArgs, find};
use crate::cli::question::ask;
use crate::cli::start::StartError;
use crate::config::{Config, Issuer};
use crate::domain::ids::{RunId, Slug};
use crate::domain::organization::{Actor, LoginMethod, Organization};
use crate::services::directory::Directory;
use crate::services::disable::Disable;
use crate::services::disable::click::{ClickError, Clicked};
use crate::services::disable::order::{DisableOutcome, EnableOutcome, Order, Through};
use crate::services::jobs::Jobs;
use crate::store::Store;

/// What these commands work with.
pub(super) struct Leaving {
    store: Store,
    directory: Arc<Directory>,
    disable: Arc<Disable>,
    issuer: Issuer,
}

impl Leaving {
    pub(super) fn new(config: &Config, store: Store, directory: Arc<Directory>) -> Self {
        let jobs = Jobs::new(store.clone(), config.workers.lease);
        let disable = Disable::new(store.clone(), jobs, Arc::clone(&directory));
        Self { store, directory, disable, issuer: config.server.issuer.clone() }
    }

    #[expect(clippy::print_stdout, reason = "the command line speaks to a person")]
    pub(super) async fn disable(&self, args: ChangeArgs) -> Result<(), StartError> {
        let organization = find(&self.directory, &args.slug).await?;
        if organization.login_method == LoginMethod::Fly {
            organization
                .plan
                .may_leave(self.store.now())
                .map_err(|still| refused(&ClickError::Sponsored(still.until), &organization))?;
            self.preview(&organization).await?;
            if !args.yes {
                confirm("Disable Fly.io Auth?", &format!("disable Fly.io Auth of {}", args.slug))?;
            }
        }
        let disabled = self.disable.disable_for(&organization.id, &order(args.by)).await;
        let disabled = disabled.map_err(|error| refused(&error, &organization))?;
        match disabled.outcome {
            DisableOutcome::Begun => {
                println!("{} has left Fly.io Auth, and its members are mailed.", organization.name);
            }
            DisableOutcome::AlreadyRunning | DisableOutcome::AlreadyLeft => {
                println!("{} had left Fly.io Auth before. Nothing has changed.", organization.name);
            }
        }
        self.say_where(&organization, &disabled.run);
        Ok(())
    }

    #[expect(clippy::print_stdout, reason = "the command line speaks to a person")]
    async fn preview(&self, organization: &Organization) -> Result<(), StartError> {
        let reach = self.disable.reach(&organization.id, |_| {}).await?;
        println!("{} ({}) would sign in with email and password:", organization.name, organization.slug);
        println!("  members known:           {}", reach.members);
        println!("  get a link by mail:      {}", reach.set_up);
        println!("  have a password already: {}", reach.has_password);
        println!("  no mail reaches:         {}", reach.unreachable);
        println!("  left out on purpose:     {}", reach.left_out);
        println!("Whoever is signed in there with Fly.io is signed out. Fly.io is not asked.");
        Ok(())
    }

    #[expect(clippy::print_stdout, reason = "the command line speaks to a person")]
    pub(super) async fn enable(&self, args: ChangeArgs) -> Result<(), StartError> {
        let organization = find(&self.directory, &args.slug).await?;
        if organization.login_method == LoginMethod::Password && !args.yes {
            println!("{} ({}) would sign in with Fly.io again.", organization.name, organization.slug);
            println!("Mail that waits is cancelled, links that were mailed open nothing any more, passwords rest.");
            confirm("Turn Fly.io Auth on?", &format!("turn Fly.io Auth of {} on", args.slug))?;
        }
        let outcome = self.disable.enable_for(&organization.id, &order(args.by)).await;
        match outcome.map_err(|error| refused(&error, &organization))? {
            EnableOutcome::Enabled => println!("{} signs in with Fly.io again.", organization.name),
            EnableOutcome::AlreadyOn => {
                println!("{} signs in with Fly.io already. Nothing has changed.", organization.name);
            }
        }
        Ok(())
    }

    #[expect(clippy::print_stdout, reason = "the command line speaks to a person")]
    pub(super) async fn follow(&self, slug: &Slug) -> Result<(), StartError> {
        let organization = find(&self.directory, slug).await?;
        let missing = || StartError::plain(format!("{slug} has not left Fly.io Auth: it has no run"));
        let id = organization.run.as_ref().ok_or_else(missing)?;
        let run = self.disable.run(&organization.id, id).await?.ok_or_else(missing)?.value;
        let totals = self.disable.totals(&organization.id, id).await?;
        println!("{id}  {}  by {}  since {}", run.state.as_str(), run.by.name, run.started_at.to_jiff());
        for (what, count) in [
            ("members", totals.members),
            ("queued", totals.queued),
            ("sending", totals.sending),
            ("sent", totals.sent),
            ("failed", totals.failed),
            ("cancelled", totals.cancelled),
            ("have a password", totals.ready),
            ("left out", totals.left_out),
        ] {
            println!("  {:<16} {count}", format!("{what}:"));
        }
        println!("  {}", self.page(&organization, id));
        Ok(())
    }

    #[expect(clippy::print_stdout, reason = "the command line speaks to a person")]
    fn say_where(&self, organization: &Organization, run: &RunId) {
        println!("Run {run}; follow it at {}", self.page(organization, run));
        println!("or by `flybridge organizations run {}`.", organization.slug);
    }

    fn page(&self, organization: &Organization, run: &RunId) -> String {
        self.issuer.join(&format!("/organizations/{}/auth/disable/{run}", organization.slug))
    }
}

/// The operator's wish.
fn order(by: String) -> Order {
    let by = Actor { user: None, name: by };
    Order { clicked: Clicked { by, from: None }, through: Through::CommandLine, once: None }
}

fn confirm(question: &str, all_the_same: &str) -> Result<(), StartError> {
    let unasked = || format!("nobody can be asked here; to {all_the_same} all the same, say --yes");
    if ask(question, unasked)? { Ok(()) } else { Err(StartError::plain("nothing was changed")) }
}

fn refused(error: &ClickError, organization: &Organization) -> StartError {
    match error {
        ClickError::Sponsored(until) => StartError::plain(format!(
            "Fly.io sponsors the plan of {slug} until {until}: it stays with Fly.io until then, or until it has upgraded to \
             a paid plan (`organizations set-plan {slug} paid:NAME`)",
            slug = organization.slug,
            until = until.to_jiff(),
        )),
        other => StartError::plain(other.to_string()),
    }
}
