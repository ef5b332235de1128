//! Organizations of any size, written in bulk. The first people come in as in a sign-in with Fly.io; all others have
//! records like theirs.

use std::sync::Arc;

use flybridge::domain::email::EmailAddress;
use flybridge::domain::ids::{OrganizationId, Slug, UserId};
use flybridge::domain::member::{Member, Role};
use flybridge::domain::organization::Actor;
use flybridge::domain::plan::Plan;
use flybridge::domain::user::User;
use flybridge::services::directory::{Directory, FlyPerson, address_hash};
use flybridge::store::records::{Stored, TypedKey};
use flybridge::store::{Outcome, Store, keys};
use futures_util::{StreamExt as _, stream};

/// Member records in one commit.
const CHUNK: usize = 500;
/// Commits at the same time.
const AT_ONCE: usize = 256;

pub(crate) fn fly_id(number: usize) -> String {
    format!("fly{number:06}")
}

fn address(number: usize) -> EmailAddress {
    format!("person-{number:06}@customer.fly.io").parse().expect("an address")
}

/// An organization that may leave, with no members.
async fn found(store: &Store, directory: &Directory, name: &str) -> OrganizationId {
    let id: OrganizationId = format!("{name}0w0r7x3m1p").parse().expect("an id");
    let slug: Slug = name.parse().expect("a slug");
    let plan = Plan::Paid { name: "Team".to_owned(), since: store.now() };
    let by = Actor { user: None, name: "an operator".to_owned() };
    directory.add_organization(id.clone(), slug, format!("The {name} people"), plan, by).await.expect("it is added");
    id
}

/// An organization of `count` people who are in no other; the first is its admin.
pub(crate) async fn settle(store: &Store, name: &str, count: usize) -> OrganizationId {
    let directory = Directory::new(store.clone());
    let id = found(store, &directory, name).await;
    admit(&directory, &id, 0, Role::Admin).await;
    let (user, member) = admit(&directory, &id, 1, Role::Member).await;
    let new: Vec<(usize, UserId)> = (2..count).map(|number| (number, UserId::mint(store.random()))).collect();
    let of = |number: usize| (format!("Person {number}"), address(number));
    for chunk in new.chunks(CHUNK) {
        let people = chunk.iter().map(|(number, id)| {
            let (name, email) = of(*number);
            Member { user: id.clone(), name, email: Some(email.to_string()), ..member.clone() }
        });
        join(store, &id, people.collect()).await;
    }
    let written = stream::iter(&new).map(|(number, id)| {
        let (name, email) = of(*number);
        let fly_id = fly_id(*number).parse().expect("an id");
        write_person(store, User { id: id.clone(), fly_id, name, email: Some(email.to_string()), ..user.clone() })
    });
    written.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    assert_eq!(directory.member_count(&id).await.ok(), i64::try_from(count).ok());
    id
}

/// An organization of as many members as `like` has: the same people.
pub(crate) async fn settle_again(store: &Store, name: &str, like: &OrganizationId) -> OrganizationId {
    let directory = Directory::new(store.clone());
    let id = found(store, &directory, name).await;
    let mut after: Option<UserId> = None;
    loop {
        let page = directory.members(like, after.as_ref().map(UserId::as_str), CHUNK).await.expect("the store");
        let Some(last) = page.last() else { return id };
        after = Some(last.value.user.clone());
        join(store, &id, page.into_iter().map(|entry| entry.value).collect()).await;
    }
}

async fn admit(directory: &Arc<Directory>, id: &OrganizationId, number: usize, role: Role) -> (User, Member) {
    let person = FlyPerson {
        id: fly_id(number).parse().expect("an id"),
        name: format!("Person {number}"),
        email: Some(address(number)),
        organizations: vec![(id.clone(), role)],
    };
    let user = directory.admit_from_fly(&person).await.expect("somebody new").user;
    let member = directory.member(id, &user.id).await.expect("the store").expect("a member").value;
    (user, member)
}

async fn join(store: &Store, id: &OrganizationId, members: Vec<Member>) {
    let mut txn = store.txn(keys::org(id));
    txn.add(keys::member_count(id), i64::try_from(members.len()).expect("a small number"));
    for member in &members {
        txn.put(&keys::member(id, &member.user), member).expect("plain data");
    }
    assert!(matches!(store.commit(txn).await, Ok(Outcome::Committed)), "members are written");
}

async fn write_person(store: &Store, user: User) {
    let email: EmailAddress = user.email.as_deref().and_then(|email| email.parse().ok()).expect("an address");
    write(store, &keys::fly_identity(&user.fly_id), &user.id).await;
    write(store, &keys::address(&address_hash(&email)), &user.id).await;
    write(store, &keys::user(&user.id), &user).await;
}

async fn write<T: Stored>(store: &Store, key: &TypedKey<T>, value: &T) {
    let mut txn = store.txn(key.key().partition().clone());
    txn.put(key, value).expect("plain data");
    assert!(matches!(store.commit(txn).await, Ok(Outcome::Committed)), "a person is written");
}
