//! Real processes and real kills: the program as it is started, stopped and killed by those who run it.
//!
//! With `FLYBRIDGE_HEAVY=1` organizations have 10,000 members instead of a few hundred, with `FLYBRIDGE_MEMBERS=n` so many.

#[path = "processes/calls.rs"]
mod calls;
#[path = "processes/clients.rs"]
mod clients;
#[path = "processes/commands.rs"]
mod commands;
#[path = "processes/delivery.rs"]
mod delivery;
#[path = "processes/demo.rs"]
mod demo;
#[path = "processes/drain.rs"]
mod drain;
#[path = "processes/fly.rs"]
pub(crate) mod fly;
#[path = "processes/kills.rs"]
mod kills;
#[path = "processes/leaks.rs"]
mod leaks;
#[path = "processes/leaving.rs"]
mod leaving;
#[path = "processes/mail_server.rs"]
mod mail_server;
#[path = "processes/needles.rs"]
mod needles;
#[path = "processes/no_room.rs"]
mod no_room;
#[path = "processes/nodes.rs"]
mod nodes;
#[path = "processes/outage.rs"]
mod outage;
#[path = "processes/parent.rs"]
mod parent;
#[path = "processes/races.rs"]
mod races;
#[path = "processes/random_kills.rs"]
mod random_kills;
#[path = "processes/readme.rs"]
mod readme;
#[path = "processes/redis_in_a_run.rs"]
mod redis_in_a_run;
#[path = "processes/refusals.rs"]
mod refusals;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use flybridge::domain::disable::{Row, RowStatus, Run, RunState, Totals};
use flybridge::domain::ids::{OrganizationId, RunId, UserId};
use flybridge::domain::member::Role;
use flybridge::domain::organization::{Actor, LoginMethod};
use flybridge::domain::plan::Plan;
use flybridge::domain::secret::TokenHash;
use flybridge::services::directory::{Directory, FlyPerson};
use flybridge::services::disable::Disable;
use flybridge::services::disable::click::Clicked;
use flybridge::services::jobs::Jobs;
use flybridge::store::{MAX_SCAN, Store, keys};
use futures_util::{StreamExt as _, stream};

use crate::support::dice::asked;
use crate::support::mime::Mail;
use crate::support::process::{Home, Node, stderr, until};
use crate::support::smtp::Received;
use crate::support::visitor::Visitor;

/// The organization that leaves Fly.io in these tests.
const ORGANIZATION: &str = "n8k2vq5w0r7x3m1p";

fn organization() -> OrganizationId {
    ORGANIZATION.parse().unwrap()
}

/// The people of the demo who belong to it; Noor, the last one, has no address.
const PEOPLE: [&str; 9] = ["ines", "chloe", "priya", "bram", "jun", "leo", "amara", "tomas", "noor"];

/// Links the organization of the demo, by the command line.
pub(crate) fn link_saltmarsh(home: &Home) {
    let add = ["organizations", "add", "--id", ORGANIZATION, "--slug", "saltmarsh-labs", "--name", "Saltmarsh Labs"];
    let added = home.command(&[&add[..], &["--plan", "sponsored:0"]].concat());
    assert!(added.status.success(), "{}", stderr(&added));
}

/// Everybody of the demo's organization signs in at `node` once; gives the browser of the first.
async fn everybody_signs_in(node: &Node) -> Visitor {
    for person in &PEOPLE[1..] {
        let answer = Visitor::at(node).sign_in_with_fly("/sign-in", person).await;
        assert_eq!(answer.status, 303, "{person}: {}", answer.text);
    }
    let mut admin = Visitor::at(node);
    admin.sign_in_with_fly("/sign-in", PEOPLE[0]).await;
    admin
}

/// `small`, or as many as were asked for.
fn members(small: usize) -> usize {
    if let Some(members) = asked("FLYBRIDGE_MEMBERS") {
        return usize::try_from(members).unwrap();
    }
    if std::env::var("FLYBRIDGE_HEAVY").is_ok_and(|value| value == "1") { 10_000 } else { small }
}

/// As the totals of a run count.
fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap()
}

/// The address of the member of this number; number 0 is an admin.
fn address(number: usize) -> String {
    format!("person-{number:05}@customer.fly.io")
}

/// What is in the store of the nodes, read and written from outside by the library.
struct Records {
    store: Store,
    directory: Arc<Directory>,
    disable: Arc<Disable>,
    organization: OrganizationId,
    /// Sets its people apart from those of other organizations.
    mark: String,
}

impl Records {
    fn of(store: Store) -> Self {
        let directory = Directory::new(store.clone());
        let jobs = Jobs::new(store.clone(), Duration::from_secs(10));
        let disable = Disable::new(store.clone(), jobs, Arc::clone(&directory));
        Self { store, directory, disable, organization: organization(), mark: String::new() }
    }

    /// The same store, and another organization.
    fn another(&self, number: usize) -> Self {
        let (directory, disable) = (Arc::clone(&self.directory), Arc::clone(&self.disable));
        let organization = format!("{number:04}{}", &ORGANIZATION[4..]).parse().unwrap();
        Self { store: self.store.clone(), directory, disable, organization, mark: format!("of{number:04}") }
    }

    fn is_own(&self, address: &str) -> bool {
        if self.mark.is_empty() { !address.starts_with("of0") } else { address.starts_with(&self.mark) }
    }

    /// The address of the member of this number.
    fn address(&self, number: usize) -> String {
        format!("{}{}", self.mark, address(number))
    }

    /// An organization that may leave, with so many members.
    async fn seed(&self, members: usize) {
        let (id, name) = (self.organization.clone(), "Saltmarsh Labs".to_owned());
        let plan = Plan::Paid { name: "Team".to_owned(), since: self.store.now() };
        let by = Actor { user: None, name: "an operator".to_owned() };
        let slug = format!("saltmarsh-labs{}", self.mark).parse().unwrap();
        self.directory.add_organization(id, slug, name, plan, by).await.unwrap();
        let people = stream::iter(0..members).map(|number| self.admit(number));
        people.buffer_unordered(64).collect::<Vec<()>>().await;
        assert_eq!(self.directory.member_count(&self.organization).await.unwrap(), signed(members));
    }

    async fn admit(&self, number: usize) {
        let role = if number == 0 { Role::Admin } else { Role::Member };
        let person = FlyPerson {
            id: format!("fly{}{number:05}", self.mark).parse().unwrap(),
            name: format!("Person {number}"),
            email: Some(self.address(number).parse().unwrap()),
            organizations: vec![(self.organization.clone(), role)],
        };
        self.directory.admit_from_fly(&person).await.unwrap();
    }

    async fn user(&self, number: usize) -> UserId {
        let found = self.directory.user_by_address(&self.address(number).parse().unwrap()).await.unwrap();
        found.unwrap().value.id
    }

    /// The click of the admin, committed as the handler does it.
    async fn click(&self) -> RunId {
        let by = Actor { user: Some(self.user(0).await), name: "Person 0".to_owned() };
        self.disable.disable(&self.organization, &Clicked { by, from: None }).await.unwrap()
    }

    async fn run(&self, run: &RunId) -> Run {
        self.disable.run(&self.organization, run).await.unwrap().unwrap().value
    }

    async fn totals(&self, run: &RunId) -> Totals {
        self.disable.totals(&self.organization, run).await.unwrap()
    }

    async fn is_done(&self, run: &RunId) -> bool {
        matches!(self.run(run).await.state, RunState::Done { .. })
    }

    async fn wait_until_done(&self, run: &RunId) {
        until("the run ends", async || self.is_done(run).await.then_some(())).await;
    }

    async fn rows(&self, run: &RunId) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.disable.rows(&self.organization, run, after.as_deref(), MAX_SCAN).await.unwrap();
            after = page.last().map(|row| row.item().to_owned());
            rows.extend(page.into_iter().map(|row| row.value));
            if after.is_none() {
                return rows;
            }
        }
    }

    /// What must hold at any moment, whatever was killed: the organization is wholly switched, and every member is
    /// counted once.
    async fn check_invariants(&self, run: &RunId) {
        let organization = self.directory.organization(&self.organization).await.unwrap().unwrap().value;
        assert_eq!(organization.login_method, LoginMethod::Password);
        assert_eq!(organization.run.as_ref(), Some(run), "there is one run");
        let totals = self.totals(run).await;
        assert!(totals.add_up(), "{totals:?}");
        let rows = self.rows(run).await;
        assert_eq!(signed(rows.len()), self.run(run).await.rows);
        let mut counted: BTreeMap<&str, i64> = BTreeMap::new();
        for row in &rows {
            *counted.entry(row.status.as_str()).or_default() += 1;
        }
        // Who has no row yet counts as queued.
        *counted.entry("queued").or_default() += totals.members - signed(rows.len());
        let told = [totals.queued, totals.sending, totals.sent, totals.failed, totals.cancelled];
        for (status, count) in RowStatus::ALL.iter().zip(told) {
            assert_eq!(counted.get(status.as_str()).copied().unwrap_or(0), count, "{}", status.as_str());
        }
    }

    /// The ledger of a run that is over: one row for every member, all sent.
    async fn check_ledger(&self, run: &RunId, members: usize) {
        self.check_invariants(run).await;
        let rows = self.rows(run).await;
        let users: BTreeSet<&str> = rows.iter().map(|row| row.user.as_str()).collect();
        assert_eq!((rows.len(), users.len()), (members, members));
        let totals = self.totals(run).await;
        assert_eq!((totals.members, totals.sent), (signed(members), signed(members)), "{totals:?}");
    }

    /// Each person's mails are the same mail: one link that is the live one, one Message-ID. Gives the number of mails
    /// to members.
    async fn check_mails(&self, letters: &Letters, members: usize) -> usize {
        let own: Vec<_> = letters.0.iter().filter(|(to, _)| self.is_own(to)).collect();
        assert_eq!(own.len(), members, "everybody was mailed, and nobody else");
        for number in 0..members {
            let mails = &letters.0[&self.address(number)];
            let unlike: BTreeSet<&(String, String)> = mails.iter().collect();
            assert_eq!(unlike.len(), 1, "one link and one Message-ID for {}: {unlike:?}", self.address(number));
            let user = self.user(number).await;
            let link = self.store.read(&keys::link(&user)).await.unwrap().unwrap().value;
            assert!(link.hash == TokenHash::of(mails[0].0.as_bytes()), "the link in the mail is the live one");
        }
        own.iter().map(|(_, mails)| mails.len()).sum()
    }
}

/// The mails of a run by recipient: the token of the link and the Message-ID, for each that came in.
pub(crate) struct Letters(pub(crate) BTreeMap<String, Vec<(String, String)>>);

impl Letters {
    /// Mails without a link, such as the summary for the admin, are left out.
    pub(crate) fn of(received: &[Received]) -> Self {
        let mut letters: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for received in received {
            let mail = Mail::parse(&received.data);
            let text = mail.text("text/plain");
            let Some((_, rest)) = text.split_once("/set-up/") else { continue };
            let token = rest.split_whitespace().next().unwrap().to_owned();
            let [to] = &received.to[..] else { panic!("one recipient") };
            letters.entry(to.clone()).or_default().push((token, mail.header("message-id")));
        }
        Self(letters)
    }
}
