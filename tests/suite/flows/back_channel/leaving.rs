//! An organization leaves Fly.io: the clients of all who came through it are told, each once.

use std::collections::BTreeMap;
use std::time::Duration;

use flybridge::domain::ids::{SessionId, UserId};
use flybridge::domain::member::Role;
use flybridge::domain::organization::LoginMethod;
use flybridge::domain::whereabouts::{Place, Whereabouts};
use flybridge::services::directory::{Directory, FlyPerson};
use flybridge::services::disable::Disable;
use flybridge::services::jobs::{Jobs, Work};
use flybridge::store::{Outcome, StoreError, keys};

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

/// Notes where somebody is signed in, as a sign-in through Fly.io would.
async fn note(two: &Two, user: &UserId) -> SessionId {
    let sid = SessionId::mint(two.app.store.random());
    let until = two.app.store.now().plus(Duration::from_hours(24));
    let client = "told-rs256".parse().unwrap();
    let places = vec![Place { client, sid: sid.clone(), method: LoginMethod::Fly, since: None, until }];
    let mut txn = two.app.store.txn(keys::user_partition(user));
    txn.put_until(&keys::whereabouts(user), &Whereabouts { places }, until).unwrap();
    assert_eq!(two.app.store.commit(txn).await.unwrap(), Outcome::Committed);
    sid
}

#[tokio::test]
async fn more_members_than_one_chunk_are_told_each_once() {
    let two = Two::new().await;
    let organization = two.app.organization("saltmarsh-labs");
    let mut expected = BTreeMap::new();
    for n in 9..250 {
        let person = FlyPerson {
            id: format!("crowd-{n}").parse().unwrap(),
            name: format!("Person {n}"),
            email: None,
            organizations: vec![(organization.clone(), Role::Member)],
        };
        let user = two.app.program.directory.admit_from_fly(&person).await.unwrap().user.id;
        // Every third is signed in somewhere.
        if n % 3 == 0 {
            expected.insert((user.to_string(), note(&two, &user).await.to_string()), 1);
        }
    }
    two.app.leave().await;
    assert_eq!(told(&two.rs.heard()), expected);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_keeps_neither_mail_nor_word_back() {
    let two = Two::new().await;
    let expected = come(&two, &["priya"]).await;
    let leo = two.id("leo").await;
    let mut txn = two.app.store.txn(keys::user_partition(&leo));
    txn.put_bytes(keys::whereabouts(&leo).into_key(), b"\x09of a newer program".to_vec(), None);
    assert_eq!(two.app.store.commit(txn).await.unwrap(), Outcome::Committed);
    two.app.leave().await;
    assert_eq!(told(&two.rs.heard()), expected);
    assert_eq!(two.app.new_mails().iter().filter(|mail| mail.to.contains(&two.app.address("leo"))).count(), 1);
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
    let jobs = Jobs::new(store.store(), Duration::from_mins(1));
    let dying = Disable::new(store.store(), jobs, Directory::new(store.store()));
    let done = async {
        while two.whereabouts("leo").await.is_some() || two.whereabouts("priya").await.is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = dying.fan_out(&organization, &run, job) => panic!("the last commit cannot come"),
        () = done => {}
    }
    assert!(two.app.store.list(&keys::rows(&organization, &run), None, 10).await.unwrap().is_empty());

    two.app.advance(Duration::from_mins(4));
    two.app.work().await;
    assert_eq!(two.app.store.list(&keys::rows(&organization, &run), None, 10).await.unwrap().len(), 9);
    assert_eq!(told(&two.rs.heard()), expected);
}
