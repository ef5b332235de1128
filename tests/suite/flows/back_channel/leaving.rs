//! An organization leaves Fly.io: the clients of all who came through it are told, each once.

use std::collections::BTreeMap;

use flybridge::services::directory::Directory;
use flybridge::services::disable::Disable;
use flybridge::services::jobs::{Jobs, Work};
use flybridge::store::{StoreError, keys};

use super::Two;
use crate::support::back_channel::Heard;
use crate::support::interrupted::Interrupted;

/// Who was told of, and how often, by person and session.
fn told(heard: &[Heard]) -> BTreeMap<(String, String), usize> {
    let mut all = BTreeMap::new();
    for heard in heard {
        *all.entry((heard.claim("sub"), heard.claim("sid"))).or_default() += 1;
    }
    all
}

/// These people sign in through Fly.io at `told-rs256`; what is to be told of them.
async fn come(two: &Two, people: &[&str]) -> BTreeMap<(String, String), usize> {
    let mut expected = BTreeMap::new();
    for who in people {
        let (_, _, sid) = two.signed_in(who).await;
        expected.insert((two.id(who).await.to_string(), sid), 1);
    }
    expected
}

#[tokio::test]
async fn every_client_of_every_member_is_told_once() {
    let two = Two::new().await;
    let mut expected = come(&two, &["leo", "priya", "tomas", "jun"]).await;
    // Somebody in two browsers, and somebody of an organization that stays.
    expected.extend(come(&two, &["leo"]).await);
    come(&two, &["hana"]).await;
    let (_, run) = two.app.leave().await;
    assert_eq!(told(&two.rs.heard()), expected);
    assert!(two.es.heard().is_empty());
    assert_eq!(two.whereabouts("leo").await, None);
    assert_eq!(two.whereabouts("hana").await.unwrap().places.len(), 1);
    assert!(run.starts_with("/organizations/"));

    // Somebody who comes back through Fly.io for another organization has nothing to do with it.
    let request = two.rs256().request().with("organization", "harbour-tools");
    two.rs256().code_for(&mut two.app.browser(), &request, "jun").await;
    two.app.work().await;
    assert!(two.rs.heard().is_empty());
}

#[tokio::test]
async fn who_had_come_with_a_password_stays_signed_in() {
    let two = Two::new().await;
    let (mut ines, _) = two.app.leave().await;
    let mut priya = two.app.settle_in("priya").await;
    super::at_once(&two.rs256(), &mut priya).await;
    ines.enable("saltmarsh-labs").await.location();
    two.app.work().await;
    let mut ines = two.app.browser();
    ines.sign_in_with_fly("ines").await;
    ines.disable("saltmarsh-labs").await.location();
    two.app.work().await;
    assert!(two.rs.heard().is_empty(), "Fly.io never proved this session");
}

#[tokio::test]
async fn a_fan_out_that_dies_half_way_tells_nobody_twice() {
    let two = Two::new().await;
    let expected = come(&two, &["leo", "priya"]).await;
    let (_, run) = two.app.click().await;
    let (organization, run) =
        (two.app.organization("saltmarsh-labs"), run.rsplit('/').next().unwrap().parse().unwrap());
    let work = &two.app.program.outbox.jobs.work;
    let place = keys::org(&organization);
    let jobs = work.take::<StoreError, _, _>(&place, 10, |taking| async { Ok(taking) }).await.unwrap();
    let job = jobs.iter().find(|job| matches!(job.payload(), Work::FanOut { .. })).unwrap();

    // Its process dies when the members' places are gone and their rows are not written: the last commit never comes.
    let store = Interrupted::new(&two.app.store, "org/", std::future::pending());
    let jobs = Jobs::new(store.store(), std::time::Duration::from_mins(1));
    let dying = Disable::new(store.store(), jobs, Directory::new(store.store()));
    let done = async {
        while two.whereabouts("leo").await.is_some() || two.whereabouts("priya").await.is_some() {
            tokio::task::yield_now().await;
        }
        two.rs.wait_for(0).await;
    };
    tokio::select! {
        _ = dying.fan_out(&organization, &run, job) => panic!("the last commit cannot come"),
        () = done => {}
    }
    assert!(two.app.store.list(&keys::rows(&organization, &run), None, 10).await.unwrap().is_empty());

    two.app.advance(std::time::Duration::from_mins(4));
    two.app.work().await;
    assert_eq!(two.app.store.list(&keys::rows(&organization, &run), None, 10).await.unwrap().len(), 9);
    assert_eq!(told(&two.rs.heard()), expected);
}
