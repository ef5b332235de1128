//! Every order of events in small worlds, checked with `stateright`.
//!
//! A state is what the store holds and who is in the middle of what; an action is one commit of the program, one look at
//! the store that is not part of a commit that checks it, or one mail. What a commit writes is decided by the program's
//! own functions: [`flybridge::domain::disable`], [`flybridge::domain::setup_link`], [`flybridge::domain::access`] and
//! [`flybridge::store::queue::Lease`]. Commits that check everything they were made from are one action; where the program
//! reads in one partition and writes in another, or reads what its commit does not check, anything may happen in between.
//!
//! A lost answer of the store is the death of the worker that waits for it, just after the commit or just before. Time is
//! an action: a lease passes, a link gets old. Left out are the index of places with work (`store/queue/due.rs`), mails
//! that belong to no row, and absent members.

mod mail;
mod people;
mod promises;
mod records;
mod state;
mod steps;
mod workers;
mod world;
mod worlds;

use std::collections::{BTreeSet, HashMap};

use stateright::{Checker, HasDiscoveries, Model};

use promises::{
    COUNTED, DEAD_LINKS, ENDS, ONE_JOB, ONE_LINK, ONE_RUN, OVER, REPEATS, SENT, STEPS, SUMMARY, TOTALS, WAY_IN,
};
use world::{Flaw, World};

/// Looks at the whole world, and prints how large it is.
fn check(world: &World) {
    let checker = world.clone().checker().threads(2).spawn_bfs().join();
    let (states, steps, depth) = (checker.unique_state_count(), checker.state_count(), checker.max_depth());
    say(&format!("{}: {states} states, {steps} steps, the longest way {depth}", world.name));
    let broken = checker.discoveries().into_iter().map(|(promise, path)| {
        format!("{}: {promise}: {:#?}\n{:#?}", world.name, path.clone().into_actions(), path.last_state())
    });
    assert_eq!(broken.collect::<Vec<_>>(), Vec::<String>::new());
    assert!(states > 1_000, "a world that small shows nothing");
}

#[expect(clippy::print_stdout, reason = "how much was looked at belongs to the answer")]
fn say(line: &str) {
    println!("{line}");
}

/// The checker finds what is wrong with a program that has this flaw.
fn finds(flaw: Flaw, promise: &'static str, world: &World) {
    let found = HasDiscoveries::AllOf(BTreeSet::from([promise]));
    let checker = world.with(flaw).checker().threads(2).finish_when(found).spawn_bfs().join();
    let path = checker.discovery(promise).unwrap_or_else(|| panic!("{flaw:?} is not found: {promise}"));
    say(&format!("{flaw:?}: {promise}: after {} steps", path.into_actions().len()));
}

#[test]
fn three_members_and_a_fault() {
    check(&worlds::three_members());
}

#[test]
fn two_organizations_share_a_person() {
    check(&worlds::shared_person());
}

#[test]
fn two_of_everything_and_a_fault() {
    check(&worlds::two_of_everything());
}

#[test]
fn two_of_everything_and_a_password() {
    check(&worlds::two_of_everything_and_a_password());
}

#[test]
fn two_workers_mail_one_person() {
    check(&worlds::two_mails());
}

#[test]
fn two_workers_mail_one_person_and_a_fault() {
    check(&worlds::two_mails_and_a_fault());
}

#[test]
fn two_admins_click() {
    check(&worlds::two_clicks());
    check(&worlds::two_clicks_and_a_password());
}

#[test]
fn an_organization_leaves_twice() {
    check(&worlds::there_and_back());
}

#[test]
fn a_link_gets_old() {
    check(&worlds::old_links());
}

#[test]
fn one_mail_goes_out_again() {
    check(&worlds::one_mail_again());
}

#[test]
fn all_mails_go_out_again() {
    check(&worlds::all_mails_again());
}

#[test]
fn somebody_joins_while_the_members_are_counted() {
    check(&worlds::late_member());
}

/// `FLYBRIDGE_MODEL=large` looks at larger worlds too.
#[test]
fn larger_worlds_when_asked_for() {
    if std::env::var("FLYBRIDGE_MODEL").is_ok_and(|size| size == "large") {
        worlds::large().iter().for_each(check);
    }
}

/// With the promise about where every run ends: there is no way round in circles, so that every way leads there.
#[test]
fn no_way_leads_round_in_circles() {
    for world in [worlds::there_and_back(), worlds::late_member()] {
        let states = walk_to_all_ends(&world);
        say(&format!("{}: no circle among {states} states", world.name));
    }
}

#[test]
fn a_promise_that_a_program_breaks_is_found_broken() {
    finds(Flaw::NoFence, STEPS, &worlds::two_clicks());
    finds(Flaw::NoFence, ONE_JOB, &worlds::all_mails_again());
    finds(Flaw::CountsApart, TOTALS, &worlds::two_clicks());
    finds(Flaw::LinkOpensAnyway, DEAD_LINKS, &worlds::two_clicks());
    finds(Flaw::OldLinksOpen, ONE_LINK, &worlds::old_links());
    finds(Flaw::BlindClick, ONE_RUN, &worlds::two_clicks());
    finds(Flaw::EarlyAnswer, COUNTED, &worlds::two_clicks());
    finds(Flaw::OneChunk, ENDS, &worlds::three_members());
    finds(Flaw::NoProjection, ENDS, &worlds::two_clicks_and_a_password());
    finds(Flaw::SettlesFirst, SENT, &worlds::two_clicks());
    finds(Flaw::SilenceIsSent, WAY_IN, &worlds::two_clicks());
    finds(Flaw::BlindEnd, OVER, &worlds::one_mail_again());
    finds(Flaw::BlindPassword, STEPS, &worlds::old_links());
    finds(Flaw::NoLease, REPEATS, &worlds::two_clicks_and_a_password());
    finds(Flaw::ToldAgain, SUMMARY, &worlds::one_mail_again());
}

/// Goes every way to its end, depth first. How many states there are.
fn walk_to_all_ends(world: &World) -> usize {
    // True while the way that is being gone leads through the state.
    let mut seen = HashMap::new();
    let start = world.start();
    seen.insert(start.clone(), true);
    let mut way = vec![(world.next_states(&start), start)];
    while let Some((next, here)) = way.last_mut() {
        let Some(there) = next.pop() else {
            seen.insert(here.clone(), false);
            way.pop();
            continue;
        };
        match seen.get(&there) {
            Some(true) => panic!("{}: a way leads round in a circle: {there:#?}", world.name),
            Some(false) => {}
            None => {
                seen.insert(there.clone(), true);
                way.push((world.next_states(&there), there));
            }
        }
    }
    seen.len()
}
