//! What Flybridge knows at the start of the demo: organizations that were provisioned through Fly.io, and the people
//! who have signed in before.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::cli::assemble::Program;
use crate::cli::start::StartError;
use crate::clock::Timestamp;
use crate::demo::world::{Organization, Person, Plan as WorldPlan, Role as WorldRole, World};
use crate::domain::member::Role;
use crate::domain::organization::Actor;
use crate::domain::password::Password;
use crate::domain::plan::Plan;
use crate::services::directory::{AddError, FlyPerson};

const DAY: Duration = Duration::from_hours(24);

/// Fills the store once; `mark` is a file that says that it was done. Killed in between, it starts again: every step may
/// be repeated.
pub async fn seed(program: &Program, world: &World, now: Timestamp, mark: &Path) -> Result<(), StartError> {
    if mark.exists() {
        return Ok(());
    }
    for organization in &world.organizations {
        add_organization(program, organization, now).await?;
    }
    for person in &world.people {
        add_person(program, person, now).await?;
    }
    fs::write(mark, "").map_err(|e| StartError::new(&format!("{} cannot be written", mark.display()), e))
}

async fn add_organization(program: &Program, organization: &Organization, now: Timestamp) -> Result<(), StartError> {
    let plan = match organization.plan {
        WorldPlan::Sponsored { days_left } => Plan::Sponsored { ends_at: now.plus(DAY * days_left) },
        WorldPlan::SponsoredEnded { days_ago } => Plan::Sponsored { ends_at: now.minus(DAY * days_ago) },
        WorldPlan::Paid => Plan::Paid { name: "Team".to_owned(), since: now.minus(DAY * 30) },
    };
    let (id, slug) = (organization.id.parse(), organization.slug.parse());
    let (Ok(id), Ok(slug)) = (id, slug) else {
        return Err(StartError::plain(format!("the demo's organization {} has no usable id", organization.slug)));
    };
    let by = Actor { user: None, name: "the demo".to_owned() };
    match program.directory.add_organization(id, slug, organization.name.clone(), plan, by).await {
        Ok(_) | Err(AddError::Exists(_)) => Ok(()),
        Err(error) => Err(StartError::plain(error.to_string())),
    }
}

async fn add_person(program: &Program, person: &Person, now: Timestamp) -> Result<(), StartError> {
    let bad = |what: &str| StartError::plain(format!("the demo's person {} has no usable {what}", person.key));
    let organizations = person.memberships.iter().map(|membership| {
        let role = match membership.role {
            WorldRole::Admin => Role::Admin,
            WorldRole::Member => Role::Member,
        };
        membership.organization_id.parse().map(|id| (id, role)).map_err(|_| bad("membership"))
    });
    let person = FlyPerson {
        id: person.user_id.parse().map_err(|_| bad("id"))?,
        name: person.name.clone(),
        email: person.email.as_deref().map(str::parse).transpose().map_err(|_| bad("address"))?,
        organizations: organizations.collect::<Result<_, _>>()?,
    };
    let admitted = program.directory.admit_from_fly(&person).await?;
    let world = World::demo();
    let known = world.person(person.id.as_str()).and_then(|person| person.password.clone());
    if let Some(password) = known.as_deref().and_then(Password::normalize) {
        let hash = program.passwords.hash(&password).await.map_err(|e| StartError::plain(e.to_string()))?;
        program.set_up_links.import_password(&admitted.user, &hash.to_text()).await?;
        for id in &admitted.user.organizations {
            program.app.admin.disable.note_password(id, &admitted.user.id, now).await?;
        }
    }
    Ok(())
}
