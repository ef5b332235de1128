//! An organization leaves Fly.io: the clients of all who came through it are told, each once. It comes back: so are those of
//! all who came with a password.

use std::collections::BTreeMap;
use std::time::Duration;

use flybridge::domain::ids::{SessionId, UserId};
use flybridge::domain::member::Role;
use flybridge::domain::organization::LoginMethod;
use flybridge::domain::whereabouts::{Place, Whereabouts};
use flybridge::services::directory::{Directory, FlyPerson};
use flybridge::services::disable::Disable;
use flybridge::services::jobs::{Jobs, Work};
use flybridge::store::queue::Leased;
use flybridge::store::{Outcome, StoreError, keys};

use super::Two;
use crate::support::back_channel::Heard;
use crate::support::interrupted::Interrupted;
use crate::support::relying_party::refused;

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

/// Notes where somebody is signed in, as a sign-in would.
async fn note(two: &Two, user: &UserId, method: LoginMethod) -> SessionId {
    let sid = SessionId::mint(two.app.store.random());
    let until = two.app.store.now().plus(Duration::from_hours(24));
    let client = "told-rs256".parse().unwrap();
    let places = vec![Place { client, sid: sid.clone(), method, since: None, until }];
    let mut txn = two.app.store.txn(keys::user_partition(user));
    txn.put_until(&keys::whereabouts(user), &Whereabouts { places }, until).unwrap();
    assert_eq!(two.app.store.commit(txn).await.unwrap(), Outcome::Committed);
    sid
}

/// More members than one chunk has.
async fn crowd(two: &Two) -> Vec<UserId> {
    let organization = two.app.organization("saltmarsh-labs");
    let mut users = Vec::new();
    for n in 9..250 {
        let person = FlyPerson {
            id: format!("crowd-{n}").parse().unwrap(),
            name: format!("Person {n}"),
            email: None,
            organizations: vec![(organization.clone(), Role::Member)],
        };
        users.push(two.app.program.directory.admit_from_fly(&person).await.unwrap().user.id);
    }
    users
}

/// Every third of them is signed in somewhere; what is to be told of them.
async fn note_some(two: &Two, users: &[UserId], method: LoginMethod) -> BTreeMap<(String, String), usize> {
    let mut expected = BTreeMap::new();
    for user in users.iter().step_by(3) {
        expected.insert((user.to_string(), note(two, user, method).await.to_string()), 1);
    }
    expected
}

#[tokio::test]
async fn more_members_than_one_chunk_are_told_each_once() {
    let two = Two::new().await;
    let expected = note_some(&two, &crowd(&two).await, LoginMethod::Fly).await;
    two.app.leave().await;
    assert_eq!(told(&two.rs.heard()), expected);
}

#[tokio::test]
async fn when_an_organization_comes_back_more_members_than_one_chunk_are_told_each_once() {
    let two = Two::new().await;
    let users = crowd(&two).await;
    let (mut ines, _) = two.app.leave().await;
    let expected = note_some(&two, &users, LoginMethod::Password).await;
    ines.enable("saltmarsh-labs").await.location();
    assert!(two.rs.heard().is_empty(), "that is for the workers");
    two.app.work().await;
    assert_eq!(told(&two.rs.heard()), expected);
    assert!(two.es.heard().is_empty());
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
async fn who_had_come_with_a_password_is_told_of_when_the_organization_comes_back_and_not_when_it_leaves() {
    let two = Two::new().await;
    let (mut ines, _) = two.app.leave().await;
    let mut priya = two.app.settle_in("priya").await;
    let tokens = super::at_once(&two.rs256(), &mut priya).await;
    // Of an organization that stays as it is, by a password too.
    come(&two, &["hana"]).await;
    let hana = note(&two, &two.id("hana").await, LoginMethod::Password).await;
    ines.enable("saltmarsh-labs").await.location();
    refused(&two.rs256().refresh(tokens.refresh()).await, 400, "invalid_grant");
    two.app.work().await;
    let expected = BTreeMap::from([((two.id("priya").await.to_string(), super::sid(&tokens)), 1)]);
    assert_eq!(told(&two.rs.heard()), expected);
    assert_eq!(two.whereabouts("priya").await, None);
    assert_eq!(two.whereabouts("hana").await.unwrap().places[0].sid, hana);

    // Fly.io never proved this session, so an organization that leaves does not end it.
    note(&two, &two.id("leo").await, LoginMethod::Password).await;
    let mut ines = two.app.browser();
    ines.sign_in_with_fly("ines").await;
    ines.disable("saltmarsh-labs").await.location();
    two.app.work().await;
    assert!(two.rs.heard().is_empty());
}

/// Whoever came through Fly.io to another organization, or came back through it already, has nothing to do with it.
#[tokio::test]
async fn who_had_come_through_fly_io_stays_signed_in_when_the_organization_comes_back() {
    let two = Two::new().await;
    let (mut ines, _) = two.app.leave().await;
    let request = two.rs256().request().with("organization", "harbour-tools");
    two.rs256().code_for(&mut two.app.browser(), &request, "jun").await;
    ines.enable("saltmarsh-labs").await.location();
    come(&two, &["leo"]).await;
    two.app.work().await;
    assert!(two.rs.heard().is_empty());
}

/// The process of a walk over the members dies when their places are gone and nothing else is written: the last commit never
/// comes.
async fn dies_half_way(
    two: &Two,
    is_meant: impl Fn(&Work) -> bool,
    walk: impl AsyncFnOnce(&Disable, &Leased<Work>) -> Result<(), StoreError>,
) {
    let work = &two.app.program.outbox.jobs.work;
    let place = keys::org(&two.app.organization("saltmarsh-labs"));
    let jobs = work.take::<StoreError, _, _>(&place, 10, |taking| async { Ok(taking) }).await.unwrap();
    let job = jobs.iter().find(|job| is_meant(job.payload())).unwrap();

    let store = Interrupted::new(&two.app.store, "org/", std::future::pending());
    let jobs = Jobs::new(store.store(), Duration::from_mins(1));
    let dying = Disable::new(store.store(), jobs, Directory::new(store.store()));
    let done = async {
        while two.whereabouts("leo").await.is_some() || two.whereabouts("priya").await.is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = walk(&dying, job) => panic!("the last commit cannot come"),
        () = done => {}
    }
}

#[tokio::test]
async fn a_walk_of_the_way_back_that_dies_half_way_tells_nobody_twice() {
    let two = Two::new().await;
    let (mut ines, _) = two.app.leave().await;
    let (leo, priya) = (two.id("leo").await, two.id("priya").await);
    let mut expected = BTreeMap::new();
    for user in [&leo, &priya] {
        expected.insert((user.to_string(), note(&two, user, LoginMethod::Password).await.to_string()), 1);
    }
    ines.enable("saltmarsh-labs").await.location();
    let organization = two.app.organization("saltmarsh-labs");
    let walk = async |dying: &Disable, job: &Leased<Work>| dying.tell_of_return(&organization, None, job).await;
    dies_half_way(&two, |work| matches!(work, Work::CameBack { .. }), walk).await;
    two.app.advance(Duration::from_mins(4));
    two.app.work().await;
    assert_eq!(told(&two.rs.heard()), expected);
}

#[tokio::test]
async fn a_fan_out_that_dies_half_way_tells_nobody_twice() {
    let two = Two::new().await;
    let expected = come(&two, &["leo", "priya"]).await;
    let (_, run) = two.app.click().await;
    let (organization, run) =
        (two.app.organization("saltmarsh-labs"), run.rsplit('/').next().unwrap().parse().unwrap());
    let walk = async |dying: &Disable, job: &Leased<Work>| dying.fan_out(&organization, &run, job).await;
    dies_half_way(&two, |work| matches!(work, Work::FanOut { .. }), walk).await;
    assert!(two.app.store.list(&keys::rows(&organization, &run), None, 10).await.unwrap().is_empty());

    two.app.advance(Duration::from_mins(4));
    two.app.work().await;
    assert_eq!(two.app.store.list(&keys::rows(&organization, &run), None, 10).await.unwrap().len(), 9);
    assert_eq!(told(&two.rs.heard()), expected);
}
