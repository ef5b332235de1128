//! A new master key: what was sealed with the old one is sealed anew, whatever happens meanwhile, and the old one can go.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use flybridge::clock::Timestamp;
use flybridge::domain::ids::{OrganizationId, UserId};
use flybridge::domain::member::{Member, Role};
use flybridge::domain::organization::Actor;
use flybridge::domain::plan::Plan;
use flybridge::services::directory::Directory;
use flybridge::services::jobs::{Jobs, Work};
use flybridge::services::resealing::{LEAST_REST, Resealing, Walk, last_walk};
use flybridge::services::signing::SigningKeys;
use flybridge::services::upstream::fly::{FlyConnector, FlyTokens};
use flybridge::services::upstream_tokens::UpstreamTokens;
use flybridge::services::vault::{MasterKeys, OpenError, Purpose, Vault};
use flybridge::store::records::Stored;
use flybridge::store::{Outcome, Store, StoreError, keys};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::signing::{TEST_KEY as OLD, ring};
use crate::store::{Bench, on_every_backend};
use crate::support::cut_off::CutOff;
use crate::support::fly_connector::fly_at;
use crate::support::interrupted::Interrupted;

const NEW: &str = "c2a86e0f4d913b7752e1c08bd6f93a14e57b20cc98416df3ab05721e8fd4639c";
const LEASE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);
/// People who are looked at in one step.
const STEP: u64 = 100;
/// Jun, Leo and all the others: 230 people, of whom the last has never signed in through Fly.io.
const PEOPLE: Range<u32> = 0..230;
const WITH_TOKENS: u64 = 229;
/// 70 of them are in both.
const SALTMARSH: Range<u32> = 0..150;
const HARBOUR: Range<u32> = 80..230;

fn person(number: u32) -> UserId {
    format!("user{number:03}").parse().unwrap()
}

fn both() -> String {
    format!("{NEW} {OLD}")
}

fn vault(masters: &str) -> Arc<Vault> {
    Arc::new(Vault::new(&MasterKeys::parse(masters).unwrap()).unwrap())
}

fn tokens(access: &str) -> FlyTokens {
    FlyTokens { access: access.to_owned(), refresh: None, expires_at: Timestamp::EPOCH }
}

/// As far as a node has to do with what is sealed.
struct Node {
    store: Store,
    jobs: Arc<Jobs>,
    upstream: Arc<UpstreamTokens>,
    resealing: Resealing,
}

impl Node {
    async fn start(store: &Store, masters: &str) -> Self {
        let vault = vault(masters);
        let jobs = Jobs::new(store.clone(), LEASE);
        let upstream = UpstreamTokens::new(store.clone(), Arc::clone(&jobs), Arc::clone(&vault), fly());
        let signing = Arc::new(SigningKeys::open(store.clone(), Arc::clone(&vault)).await.unwrap());
        let resealing = Resealing::new(Arc::clone(&jobs), vault, Arc::clone(&upstream), signing, DAY);
        Self { store: store.clone(), jobs, upstream, resealing }
    }

    /// Does what is due. How many jobs that were.
    async fn turn(&self) -> Result<usize, StoreError> {
        let mut done = 0;
        for place in self.jobs.work.ready(8).await? {
            for job in self.jobs.work.take(&place, 8, |taking| async { Ok::<_, StoreError>(taking) }).await? {
                let Work::SealAgain(errand) = job.payload() else { panic!("{job:?}") };
                self.resealing.step(errand, &job).await?;
                done += 1;
            }
        }
        Ok(done)
    }

    async fn walk(&self) -> Walk {
        last_walk(&self.store).await.unwrap().unwrap()
    }

    /// Works until everybody was looked at.
    async fn round(&self, bench: &Bench) -> Walk {
        for _ in 0..30 {
            self.turn().await.unwrap();
            bench.advance(LEASE);
            let walk = self.walk().await;
            if walk.ended_at.is_some() || walk.rests_until.is_some() {
                return walk;
            }
        }
        panic!("the round has no end: {:?}", self.walk().await);
    }

    /// Works until the walk has ended, and nothing is left to do.
    async fn finish(&self, bench: &Bench) -> Walk {
        for _ in 0..3 {
            let walk = self.round(bench).await;
            let Some(until) = walk.rests_until else {
                assert_eq!(self.turn().await.unwrap(), 0, "the job is done");
                return walk;
            };
            bench.advance(until.since(bench.store.now()));
        }
        panic!("the walk has no end: {:?}", self.walk().await);
    }
}

/// A connector that is not asked.
fn fly() -> Arc<FlyConnector> {
    // Another suite may have installed the same one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Arc::new(fly_at("http://127.0.0.1:9"))
}

/// Tokens as they lie in the store.
#[derive(Serialize, Deserialize)]
struct Kept {
    sealed: String,
}

impl Stored for Kept {}

/// The access token that is kept of somebody, if one of the master keys opens it.
async fn kept(store: &Store, user: &UserId, masters: &str) -> Result<String, OpenError> {
    let kept = store.read::<Kept>(&keys::upstream(user)).await.unwrap().unwrap();
    let plain = vault(masters).open_text(Purpose::AtRest, &format!("upstream:{user}"), &kept.value.sealed)?;
    let tokens: Value = serde_json::from_slice(plain.expose()).unwrap();
    Ok(tokens["access"].as_str().unwrap().to_owned())
}

/// Nobody but the new key is needed.
async fn check_all(store: &Store) {
    for number in PEOPLE.take(usize::try_from(WITH_TOKENS).unwrap()) {
        assert_eq!(kept(store, &person(number), NEW).await.as_deref(), Ok(&*format!("access {number}")));
    }
    SigningKeys::open(store.clone(), vault(NEW)).await.expect("the signing keys open");
}

async fn organization(store: &Store, id: &str, slug: &str, members: Range<u32>) {
    let id: OrganizationId = id.parse().unwrap();
    let plan = Plan::Paid { name: "Team".to_owned(), since: store.now() };
    let by = Actor { user: None, name: "the operator".to_owned() };
    let directory = Directory::new(store.clone());
    directory.add_organization(id.clone(), slug.parse().unwrap(), slug.to_owned(), plan, by).await.unwrap();
    let mut txn = store.txn(keys::org(&id));
    for user in members.map(person) {
        let now = store.now();
        let member = Member {
            user: user.clone(),
            role: Role::Member,
            name: user.to_string(),
            email: None,
            has_password: false,
            joined_at: now,
            verified_at: now,
            absent_since: None,
            last_sign_in: None,
            left_out: None,
        };
        txn.put(&keys::member(&id, &user), &member).unwrap();
    }
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
}

/// Two organizations with people, and one without, as a node with the old key left them.
async fn people(bench: &Bench) -> Node {
    let store = &bench.store;
    let key = keys::signing_ring();
    let mut txn = store.txn(key.key().partition().clone());
    txn.put(&key, ring()).unwrap();
    assert_eq!(store.commit(txn).await.unwrap(), Outcome::Committed);
    organization(store, "o1", "harbour-tools", HARBOUR).await;
    organization(store, "o2", "marram", 0..0).await;
    organization(store, "o3", "saltmarsh-labs", SALTMARSH).await;
    let node = Node::start(store, OLD).await;
    for number in PEOPLE.take(usize::try_from(WITH_TOKENS).unwrap()) {
        node.upstream.save(&person(number), &tokens(&format!("access {number}"))).await.unwrap();
    }
    node.resealing.begin().await.unwrap();
    assert_eq!(last_walk(store).await.unwrap(), None, "with one master key there is nothing to do");
    node
}

async fn everything_is_sealed_anew_and_the_old_key_can_go(bench: Bench) {
    people(&bench).await;
    let node = Node::start(&bench.store, &both()).await;
    node.resealing.begin().await.unwrap();
    assert_eq!(node.turn().await.unwrap(), 1);
    let walk = node.walk().await;
    assert_eq!((walk.looked_at, walk.at(), walk.ended_at), (STEP, Some("harbour-tools"), None), "in small steps");
    assert_eq!(node.turn().await.unwrap(), 0, "and slowly");
    let walk = node.round(&bench).await;
    assert_eq!((walk.looked_at, walk.sealed, walk.lost), (300, WITH_TOKENS, 0));
    assert_eq!(walk.rests_until, Some(walk.begun_at.plus(DAY)), "nodes with the old key in front may still run");
    check_all(&bench.store).await;

    // Once more: everything stays as it is.
    let written = keys::upstream::<Kept>(&person(7));
    let before = bench.store.read(&written).await.unwrap().unwrap().version;
    let walk = node.finish(&bench).await;
    assert_eq!((walk.looked_at, walk.sealed), (300, WITH_TOKENS));
    assert!(walk.ended_at.unwrap() >= walk.begun_at.plus(DAY), "{walk:?}");
    assert_eq!(bench.store.read(&written).await.unwrap().unwrap().version, before);

    // A node that starts later has nothing to begin.
    Node::start(&bench.store, &both()).await.resealing.begin().await.unwrap();
    assert_eq!(node.walk().await, walk);
}

async fn a_walk_that_is_killed_goes_on_where_it_was(bench: Bench) {
    people(&bench).await;
    // The process dies when it has sealed one person's tokens.
    let dying = Node::start(&CutOff::after(&bench.store, "user/"), &both()).await;
    dying.resealing.begin().await.unwrap();
    dying.turn().await.unwrap_err();
    assert_eq!(kept(&bench.store, &person(80), NEW).await.as_deref(), Ok("access 80"));
    assert_eq!(kept(&bench.store, &person(81), NEW).await, Err(OpenError::UnknownKey));
    // Another does one step, and is gone as well.
    bench.advance(LEASE);
    let second = Node::start(&bench.store, &both()).await;
    assert_eq!(second.turn().await.unwrap(), 1);
    assert_eq!(second.walk().await.looked_at, STEP);
    // The third starts as nodes do, and takes it up.
    bench.advance(LEASE);
    let third = Node::start(&bench.store, &both()).await;
    third.resealing.begin().await.unwrap();
    third.turn().await.unwrap();
    assert_eq!(third.walk().await.looked_at, STEP + 50 + 49, "it goes on, in the next organizations");
    let walk = third.finish(&bench).await;
    assert_eq!((walk.looked_at, walk.sealed), (300, WITH_TOKENS - 1));
    check_all(&bench.store).await;
}

async fn tokens_of_a_newer_sign_in_are_kept(bench: Bench) {
    let old = people(&bench).await;
    // On a node that has not heard of the new key.
    let (upstream, first) = (Arc::clone(&old.upstream), person(80));
    let sign_in = async move { upstream.save(&first, &tokens("newer")).await.unwrap() };
    let interrupted = Interrupted::new(&bench.store, "user/", sign_in);
    let node = Node::start(&interrupted.store(), &both()).await;
    node.resealing.begin().await.unwrap();
    let walk = node.finish(&bench).await;
    assert!(interrupted.happened());
    assert_eq!(walk.sealed, WITH_TOKENS);
    assert_eq!(kept(&bench.store, &person(80), NEW).await.as_deref(), Ok("newer"));
}

async fn what_others_seal_with_the_old_key_meanwhile_is_found(bench: Bench) {
    let old = people(&bench).await;
    let node = Node::start(&bench.store, &both()).await;
    node.resealing.begin().await.unwrap();
    node.turn().await.unwrap();
    // Somebody whom the walk has passed signs in at a node that still runs with the old key in front.
    old.upstream.save(&person(160), &tokens("access 160")).await.unwrap();
    assert_eq!(node.round(&bench).await.sealed, WITH_TOKENS);

    // Such a node shows itself by taking the job, and nobody rests before it has been gone for a day.
    bench.advance(DAY / 2);
    assert_eq!(old.turn().await.unwrap(), 1, "which gives the job back");
    let seen = bench.store.now();
    assert_eq!(node.walk().await.rests_until, Some(seen.plus(DAY)));
    old.upstream.save(&person(5), &tokens("access 5")).await.unwrap();
    bench.advance(DAY / 2);
    node.turn().await.unwrap();
    assert_eq!(kept(&bench.store, &person(5), NEW).await, Err(OpenError::UnknownKey), "not yet");

    let walk = node.finish(&bench).await;
    assert_eq!((walk.looked_at, walk.sealed), (300, WITH_TOKENS + 2));
    assert!(walk.ended_at.unwrap() >= seen.plus(DAY), "{walk:?}");
    check_all(&bench.store).await;
}

async fn a_new_key_that_every_node_knows_before_it_is_first(bench: Bench) {
    people(&bench).await;
    let behind = Node::start(&bench.store, &format!("{OLD} {NEW}")).await;
    behind.resealing.begin().await.unwrap();
    let walk = behind.finish(&bench).await;
    assert_eq!((walk.key, walk.sealed), (vault(OLD).current_id(), 0), "all is sealed with the first of the list");
    let node = Node::start(&bench.store, &both()).await;
    node.resealing.begin().await.unwrap();
    let walk = node.finish(&bench).await;
    assert_eq!((walk.key, walk.sealed), (vault(NEW).current_id(), WITH_TOKENS));
    check_all(&bench.store).await;
}

on_every_backend!(
    everything_is_sealed_anew_and_the_old_key_can_go,
    a_walk_that_is_killed_goes_on_where_it_was,
    tokens_of_a_newer_sign_in_are_kept,
    what_others_seal_with_the_old_key_meanwhile_is_found,
    a_new_key_that_every_node_knows_before_it_is_first,
);

#[tokio::test]
async fn of_two_walks_the_later_counts() {
    let bench = Bench::sqlite();
    people(&bench).await;
    let node = Node::start(&bench.store, &both()).await;
    let back = Node::start(&bench.store, &format!("{OLD} {NEW}")).await;
    node.resealing.begin().await.unwrap();
    node.turn().await.unwrap();
    back.resealing.begin().await.unwrap();
    assert_ne!(back.walk().await.key, vault(NEW).current_id());
    bench.advance(LEASE);
    assert_eq!(back.turn().await.unwrap(), 2, "the first job ends without effect");
    let walk = back.finish(&bench).await;
    assert_eq!((walk.looked_at, walk.sealed), (300, STEP), "everybody is back under the old key");
    assert_eq!(kept(&bench.store, &person(80), OLD).await.as_deref(), Ok("access 80"));
}

#[tokio::test]
async fn a_further_key_in_the_list_begins_another_walk() {
    let bench = Bench::sqlite();
    people(&bench).await;
    let node = Node::start(&bench.store, &both()).await;
    node.resealing.begin().await.unwrap();
    let first = node.finish(&bench).await;
    // A copy of the store came back, of a time with yet another key.
    let third = "51d08c7e3fa9426b8e7015c3d94fb26a0d83e57c1b6f4290a8d7e36c5b1f0294";
    let back = Node::start(&bench.store, &format!("{} {third}", both())).await;
    back.resealing.begin().await.unwrap();
    let walk = back.walk().await;
    assert!(walk.begun_at > first.begun_at && walk.ended_at.is_none(), "{walk:?}");
}

#[tokio::test]
async fn short_lived_links_do_not_make_the_rest_shorter_than_replacing_nodes_takes() {
    let bench = Bench::sqlite();
    people(&bench).await;
    let Node { store, jobs, upstream, .. } = Node::start(&bench.store, &both()).await;
    let signing = Arc::new(SigningKeys::open(store.clone(), vault(&both())).await.unwrap());
    let minute = Duration::from_mins(1);
    let resealing = Resealing::new(Arc::clone(&jobs), vault(&both()), Arc::clone(&upstream), signing, minute);
    let node = Node { store, jobs, upstream, resealing };
    node.resealing.begin().await.unwrap();
    let walk = node.round(&bench).await;
    assert_eq!(walk.rests_until, Some(walk.begun_at.plus(LEAST_REST)));
}

#[tokio::test]
async fn what_opens_with_no_key_is_counted_and_keeps_nobody_back() {
    let bench = Bench::sqlite();
    people(&bench).await;
    let gone = "51d08c7e3fa9426b8e7015c3d94fb26a0d83e57c1b6f4290a8d7e36c5b1f0294";
    let upstream =
        UpstreamTokens::new(bench.store.clone(), Jobs::new(bench.store.clone(), LEASE), vault(gone), fly());
    upstream.save(&person(3), &tokens("lost")).await.unwrap();
    let mut txn = bench.store.txn(keys::user_partition(&person(4)));
    txn.put_bytes(keys::upstream::<Kept>(&person(4)).into_key(), b"\x01rubbish".to_vec(), None);
    assert_eq!(bench.store.commit(txn).await.unwrap(), Outcome::Committed);
    let node = Node::start(&bench.store, &both()).await;
    node.resealing.begin().await.unwrap();
    let walk = node.finish(&bench).await;
    assert_eq!((walk.looked_at, walk.sealed, walk.lost), (300, WITH_TOKENS - 2, 2));
    assert_eq!(kept(&bench.store, &person(5), NEW).await.as_deref(), Ok("access 5"));
}
