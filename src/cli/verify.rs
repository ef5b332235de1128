//! `flybridge verify`: whether everything that is kept twice says the same.

use std::path::Path;
use std::sync::Arc;

use super::start::{StartError, load, open_store};
use crate::clock::{Clock, SystemClock};
use crate::domain::ids::OrganizationId;
use crate::random::SystemRandom;
use crate::services::directory::Directory;
use crate::services::disable::Disable;
use crate::services::jobs::Jobs;
use crate::services::verify::{Findings, Mend, Verifier};
use crate::store::{MAX_SCAN, Store, StoreError, keys};

/// What was found in all organizations.
#[derive(Default)]
struct Sum {
    organizations: usize,
    members: usize,
    rows: usize,
    differences: usize,
    mended: usize,
    moving: usize,
}

/// All organizations, or one.
#[expect(clippy::print_stdout, reason = "the command line speaks to a person")]
pub async fn run(file: Option<&Path>, named: Option<&str>, repair: bool) -> Result<(), StartError> {
    let config = load(file)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = open_store(&config.store, clock, Arc::new(SystemRandom::default())).await?;
    let directory = Directory::new(store.clone());
    let jobs = Jobs::new(store.clone(), config.workers.lease);
    let disable = Disable::new(store.clone(), jobs, Arc::clone(&directory));
    let verifier = Verifier::new(store.clone(), Arc::clone(&directory), disable);
    let mut sum = Sum::default();
    let mut after: Option<String> = None;
    loop {
        let page = match named {
            Some(name) => vec![(name.to_owned(), find(&directory, name).await?)],
            None => listed(&store, after.as_deref()).await?,
        };
        for (name, id) in &page {
            verify(&verifier, (name, id), repair, &mut sum).await?;
        }
        match page.last() {
            Some((last, _)) if named.is_none() && page.len() == MAX_SCAN => after = Some(last.clone()),
            _ => break,
        }
    }
    let Sum { organizations, members, rows, differences, mended, moving } = sum;
    println!("{organizations} organizations, {members} members and {rows} rows of runs were looked at");
    let left = differences - mended;
    match (left, moving) {
        (0, 0) if mended == 0 => println!("everything agrees"),
        (0, 0) => println!("{mended} differences were mended; run it once more to see that everything agrees"),
        (0, _) => println!("nothing differs; {moving} things changed all the time: look again when mailing is over"),
        (left, _) => {
            let hint = if repair { "" } else { "; --repair makes those right that can be without guessing" };
            let things = if left == 1 { "1 thing differs" } else { &format!("{left} things differ") };
            return Err(StartError::plain(format!("{things}{hint}")));
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the command line speaks to a person")]
async fn verify(
    verifier: &Verifier,
    (name, id): (&str, &OrganizationId),
    repair: bool,
    sum: &mut Sum,
) -> Result<(), StoreError> {
    let Findings { members, rows, differences, moving } = verifier.organization(id).await?;
    sum.organizations += 1;
    sum.members += members;
    sum.rows += rows;
    sum.moving += moving.len();
    sum.differences += differences.len();
    for what in moving {
        println!("{name}: not compared: {what}, which changed meanwhile");
    }
    for difference in &differences {
        let mended = repair && verifier.mend(id, difference).await?;
        sum.mended += usize::from(mended);
        let can = difference.mend != Mend::Nothing;
        let end = match (mended, can) {
            (true, _) => " (mended)",
            (false, true) => " (can be mended)",
            (false, false) => "",
        };
        println!("{name}: {}{end}", difference.what);
    }
    Ok(())
}

async fn listed(store: &Store, after: Option<&str>) -> Result<Vec<(String, OrganizationId)>, StoreError> {
    let page = store.list(&keys::organizations(), after, MAX_SCAN).await?;
    Ok(page.into_iter().map(|entry| (entry.item().to_owned(), entry.value)).collect())
}

/// By id where the short name is lost.
async fn find(directory: &Directory, name: &str) -> Result<OrganizationId, StartError> {
    let found = directory.organization_named(name).await?;
    let missing = || StartError::plain(format!("there is no organization {name}; `organizations list` shows all"));
    Ok(found.ok_or_else(missing)?.value.id)
}
