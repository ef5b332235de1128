//! While somebody sends a form: the click, the way back, a new password. Workers rest meanwhile.

use std::net::SocketAddr;

use flybridge::domain::organization::Actor;
use flybridge::domain::setup_link::LinkState;
use flybridge::services::disable::click::Clicked;
use flybridge::store::keys;

use super::super::parent::{AUTH, Parent, opened};
use super::super::{Letters, PEOPLE, address};
use super::{Between, FAR, WAYS, steps};
use crate::support::process::until;
use crate::support::trip::{Trip, What};
use crate::support::visitor::{Answer, Visitor};

/// At least one for each fault while a password is set.
const MEMBERS: usize = 60;

#[tokio::test]
async fn a_form_is_taken_wholly_or_not_at_all_on_sqlite() {
    walk(Between::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_is_taken_wholly_or_not_at_all_on_redis() {
    walk(Between::redis().await).await;
}

async fn walk(between: Between) {
    let mut parent = Parent::of(MEMBERS, |smtp: SocketAddr| between.home(smtp).patient()).await;
    parent.let_workers(false).await;
    let mut walk = Walk { between, parent, given: 0 };
    for (what, when) in WAYS {
        let mut last = 0;
        // Fly.io is on at the beginning of each round, and at its end.
        for at in steps(when) {
            last = at;
            let trip = Trip { at, when, what };
            if !(walk.click(trip).await | walk.back(trip).await) {
                break;
            }
        }
        assert!((3..FAR - 2).contains(&last), "{last} steps are no click");
    }
    // Nothing is left of all that: whoever is mailed is mailed once, for the run that lasts.
    walk.sign_in().await;
    walk.parent.let_workers(true).await;
    walk.parent.told.run = None;
    walk.parent.click().await;
    walk.parent.settle_up().await;
    walk.parent.let_workers(false).await;
    for (what, when) in WAYS {
        let mut last = 0;
        for at in steps(when) {
            last = at;
            if !walk.password(Trip { at, when, what }).await {
                break;
            }
        }
        assert!((4..FAR - 2).contains(&last), "{last} steps are no password");
    }
    walk.parent.let_workers(true).await;
    walk.parent.settle_up().await;
    walk.no_link_opens_with_fly().await;
}

struct Walk {
    between: Between,
    parent: Parent,
    /// Members who have a password.
    given: usize,
}

impl Walk {
    /// Sends a form, and something happens to the store. The answer, if there is one, and whether it did happen.
    async fn send(
        &mut self,
        trip: Trip,
        mut who: Visitor,
        (path, fields): (&str, &[(&str, &str)]),
    ) -> (Option<Answer>, bool) {
        self.between.arm(trip, vec![], &self.parent.node);
        let answer = who.try_post(path, fields).await.ok();
        let struck = self.between.disarm();
        if struck && trip.what == What::Kill {
            self.parent.node.ended().await;
            assert!(answer.is_none(), "{trip:?}: {answer:?}");
        }
        if let Some(answer) = &answer {
            assert!(answer.status == 303 || (struck && answer.status == 503), "{trip:?}: {answer:?}");
        }
        (answer.filter(|answer| answer.status == 303), struck)
    }

    /// Once nobody breaks anything any more.
    async fn recover(&mut self, trip: Trip) {
        if trip.what == What::Kill {
            self.parent.node.restart().await;
        }
        let ready = async || self.parent.node.is_ready().await.then_some(());
        until("the node is ready", ready).await;
    }

    /// A member sets a password. Either the link is used up and the password is theirs, or neither; `false` when nothing
    /// happened.
    async fn password(&mut self, trip: Trip) -> bool {
        assert!(self.given < MEMBERS, "more members are needed");
        let to = address(self.given);
        let (user, token) = (self.parent.records.user(self.given).await, self.parent.link(&to));
        let password = format!("lantern heron drizzle {} quay", self.given);
        self.given += 1;
        let mut person = Visitor::at(&self.parent.node);
        let form = opened(&mut person, &token).await;
        let (csrf, named) = (form.csrf(), form.hidden("person"));
        let fields = [("csrf", csrf.as_str()), ("person", named.as_str()), ("password", password.as_str())];
        let (answer, struck) = self.send(trip, person.clone(), ("/set-up", &fields)).await;
        let store = &self.parent.records.store;
        let (link, set) = store.read_pair(&keys::link(&user), &keys::credential(&user)).await.unwrap();
        let gone = link.unwrap().value.state == LinkState::Used;
        assert_eq!(gone, set.is_some(), "{trip:?}");
        assert!(answer.is_none() || gone, "an answered password is kept: {trip:?}");
        if struck {
            self.recover(trip).await;
            let again = person.post("/set-up", &fields).await;
            assert_eq!(again.status, if gone { 410 } else { 303 }, "{trip:?}: {}", again.text);
        }
        self.parent.told.passwords.insert(to, password);
        struck
    }

    /// What the admin proved before does not count any more each time that the organization changed.
    async fn sign_in(&mut self) {
        self.parent.admin.sign_in_with_fly("/sign-in", PEOPLE[0]).await;
    }

    /// Fly.io Auth is turned on again, and in the end it is.
    async fn back(&mut self, trip: Trip) -> bool {
        let path = format!("{AUTH}/enable");
        let csrf = self.parent.admin.get(&path).await.csrf();
        let (answer, struck) = self.send(trip, self.parent.admin.clone(), (&path, &[("csrf", &csrf)])).await;
        let left = self.parent.wholly_at_rest().await;
        assert!(answer.is_none() || left.is_none(), "an answered way back is kept: {trip:?}");
        if struck {
            self.recover(trip).await;
            let again = self.parent.admin.post(&path, &[("csrf", &csrf)]).await;
            assert_eq!(again.location(), AUTH, "{trip:?}");
            assert_eq!(self.parent.wholly_at_rest().await, None);
        }
        struck
    }

    /// The organization leaves, by one run.
    async fn click(&mut self, trip: Trip) -> bool {
        self.sign_in().await;
        self.parent.told.run = None;
        let path = format!("{AUTH}/disable");
        let csrf = self.parent.admin.get(&path).await.csrf();
        let fields = [("csrf", csrf.as_str()), ("confirm", "saltmarsh-labs")];
        let (answer, struck) = self.send(trip, self.parent.admin.clone(), (&path, &fields)).await;
        let left = self.parent.wholly_at_rest().await;
        if let Some(answer) = answer {
            let told = self.parent.was_told(answer.location());
            assert_eq!(left, Some(told), "an answered click is kept: {trip:?}");
        }
        if struck {
            self.recover(trip).await;
            let again = self.parent.admin.post(&path, &fields).await;
            let told = self.parent.was_told(again.location());
            assert!(left.is_none_or(|left| left == told), "a click is not repeated: {trip:?}");
            assert_eq!(self.parent.wholly_at_rest().await, self.parent.told.run);
        }
        struck
    }

    async fn no_link_opens_with_fly(&self) {
        let Parent { records, sink, node, .. } = &self.parent;
        let by = Actor { user: None, name: "an operator".to_owned() };
        records.disable.enable(&records.organization, &Clicked { by, from: None }).await.unwrap();
        let mut visitor = Visitor::at(node);
        for (token, _) in Letters::of(&sink.messages()).0.values().flatten() {
            let page = opened(&mut visitor, token).await;
            assert_eq!(page.status, 410, "a link while Fly.io is on: {}", page.text);
        }
        records.check_linear().await;
    }
}
