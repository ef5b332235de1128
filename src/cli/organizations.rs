//! `flybridge organizations`: linking organizations, looking at them, and having them leave Fly.io.

mod leaving;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;

use self::leaving::Leaving;
use super::start::{StartError, load, open_store};
use crate::clock::{Clock, SystemClock};
use crate::domain::ids::{OrganizationId, Slug};
use crate::domain::organization::{Actor, LoginMethod, MAX_NAME, Organization, name_from_outside};
use crate::domain::plan::{EffectivePlan, Plan};
use crate::random::SystemRandom;
use crate::services::directory::Directory;

#[derive(Subcommand)]
pub enum OrganizationsCommand {
    /// Link a Fly organization.
    Add {
        /// The organization's id at Fly.io, by which Fly.io names it in `token/info`.
        #[arg(long)]
        id: OrganizationId,
        /// Short name in addresses, such as `saltmarsh-labs`: a-z, 0-9 and -. It never changes.
        #[arg(long)]
        slug: Slug,
        /// What people read on pages and in mails.
        #[arg(long, value_parser = name)]
        name: String,
        /// `sponsored:DAYS` (days that Fly.io still pays, counted from now, 0 for none) or `paid:NAME`. While it is
        /// sponsored, the organization cannot leave Fly.io.
        #[arg(long, default_value = "sponsored:365", value_parser = PlanArgument::parse)]
        plan: PlanArgument,
    },
    /// All organizations, by short name.
    List,
    /// One organization.
    Show {
        /// Its short name; `organizations list` shows all.
        slug: Slug,
    },
    /// Change the plan, as Sentry's billing has it. While it is sponsored, the organization cannot leave Fly.io.
    SetPlan {
        /// Its short name; `organizations list` shows all.
        slug: Slug,
        /// `sponsored:DAYS` (days that Fly.io still pays, counted from now, 0 for none) or `paid:NAME`.
        #[arg(value_parser = PlanArgument::parse)]
        plan: PlanArgument,
    },
    /// Disable Fly.io Auth: everybody signs in with email and password from then on, and is mailed a link to set one.
    ///
    /// Fly.io is not asked, so this works when it is gone for good; the audit log says so. Mail leaves from a node that
    /// serves or works. Repeated, it changes nothing and shows the same run.
    DisableFlyAuth(ChangeArgs),
    /// Turn Fly.io Auth on again: mail that waits is cancelled, links open nothing any more, passwords rest.
    ///
    /// Fly.io is not asked; the audit log says so.
    EnableFlyAuth(ChangeArgs),
    /// How far the mails of the newest run are.
    Run {
        /// Its short name; `organizations list` shows all.
        slug: Slug,
    },
}

/// A change of login method.
#[derive(clap::Args)]
pub struct ChangeArgs {
    /// Its short name; `organizations list` shows all.
    slug: Slug,
    /// Who decided it: stands in the audit log, on the pages of the organization, and in the mails to its members.
    #[arg(long, value_parser = name)]
    by: String,
    /// Without asking.
    #[arg(long)]
    yes: bool,
}

/// Fly.io pays for a year; ten are surely a slip, such as a date.
const MOST_DAYS: u32 = 3_650;

fn name(text: &str) -> Result<String, String> {
    name_from_outside(text).ok_or_else(|| format!("write a name of 1 to {MAX_NAME} characters, without line breaks"))
}

/// A plan as an operator writes it.
#[derive(Debug, Clone)]
pub enum PlanArgument {
    Sponsored(u32),
    Paid(String),
}

impl PlanArgument {
    fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("sponsored", days)) => {
                let few = days.parse().ok().filter(|days| *days <= MOST_DAYS);
                few.map(Self::Sponsored).ok_or_else(|| format!("{days:?} is no number of days from 0 to {MOST_DAYS}"))
            }
            Some(("paid", plan)) => name(plan).map(Self::Paid),
            _ => Err("write sponsored:DAYS or paid:NAME".to_owned()),
        }
    }

    fn plan(&self, clock: &dyn Clock) -> Plan {
        let now = clock.now();
        match self {
            Self::Sponsored(days) => Plan::Sponsored { ends_at: now.plus(Duration::from_hours(24) * *days) },
            Self::Paid(name) => Plan::Paid { name: name.clone(), since: now },
        }
    }
}

#[expect(clippy::print_stdout, reason = "the command line speaks to a person")]
pub async fn run(file: Option<&Path>, command: OrganizationsCommand) -> Result<(), StartError> {
    let config = load(file)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = open_store(&config.store, Arc::clone(&clock), Arc::new(SystemRandom::default())).await?;
    let directory = Directory::new(store.clone());
    let by = Actor { user: None, name: "an operator".to_owned() };
    match command {
        OrganizationsCommand::Add { id, slug, name, plan } => {
            let added = directory.add_organization(id, slug, name, plan.plan(&*clock), by).await;
            let added = added.map_err(|e| StartError::plain(e.to_string()))?;
            println!("{}", line(&added, &*clock));
        }
        OrganizationsCommand::List => {
            let mut after: Option<String> = None;
            loop {
                let page = directory.organizations(after.as_deref(), 500).await?;
                for organization in &page {
                    println!("{}", line(organization, &*clock));
                }
                match page.last() {
                    Some(last) => after = Some(last.slug.to_string()),
                    None => break,
                }
            }
        }
        OrganizationsCommand::Show { slug } => {
            let found = find(&directory, &slug).await?;
            println!("{}", line(&found, &*clock));
            println!("  members known: {}", directory.member_count(&found.id).await?);
            println!("  generation:    {}", found.generation.0);
            if let Some(run) = &found.run {
                println!("  disable run:   {run}");
            }
        }
        OrganizationsCommand::SetPlan { slug, plan } => {
            let found = find(&directory, &slug).await?;
            directory.set_plan(&found.id, &plan.plan(&*clock), &by).await?;
            println!("{}", line(&find(&directory, &slug).await?, &*clock));
        }
        OrganizationsCommand::DisableFlyAuth(args) => Leaving::new(&config, store, directory).disable(args).await?,
        OrganizationsCommand::EnableFlyAuth(args) => Leaving::new(&config, store, directory).enable(args).await?,
        OrganizationsCommand::Run { slug } => Leaving::new(&config, store, directory).follow(&slug).await?,
    }
    Ok(())
}

async fn find(directory: &Directory, slug: &Slug) -> Result<Organization, StartError> {
    let found = directory.organization_by_slug(slug).await?;
    let missing = || StartError::plain(format!("there is no organization {slug}; `organizations list` shows all"));
    Ok(found.ok_or_else(missing)?.value)
}

fn line(organization: &Organization, clock: &dyn Clock) -> String {
    let method = match organization.login_method {
        LoginMethod::Fly => "fly",
        LoginMethod::Password => "password",
    };
    let plan = match organization.plan.at(clock.now()) {
        EffectivePlan::Sponsored { ends_at } => format!("sponsored until {}", ends_at.to_jiff()),
        EffectivePlan::Developer { since } => format!("developer since {}", since.to_jiff()),
        EffectivePlan::Paid { name, .. } => format!("paid: {name}"),
    };
    format!("{}  {}  \"{}\"  {method}  {plan}", organization.slug, organization.id, organization.name)
}
