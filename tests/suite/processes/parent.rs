//! A parent process with a ledger of its own: it writes down what it was answered, and in the end holds the program, its
//! store and the mails against that.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use flybridge::domain::disable::{Row, RowStatus};
use flybridge::domain::ids::RunId;
use flybridge::domain::organization::LoginMethod;
use flybridge::store::{MAX_SCAN, keys};

use super::fly::{Fly, Reserved};
use super::{Letters, PEOPLE, Records, organization, signed};
use crate::support::audit::check_linear;
use crate::support::mime::Mail;
use crate::support::process::{Home, Node, until};
use crate::support::smtp::{Received, SmtpSink};
use crate::support::visitor::{Answer, Visitor};

/// Mails under way at one time: `workers.concurrency`.
pub(super) const AT_ONCE: usize = 8;

/// Where the organization's settings are.
pub(super) const AUTH: &str = "/organizations/saltmarsh-labs/auth";

/// What was answered, and so must be true.
#[derive(Default)]
pub(super) struct Told {
    /// The run that a click began.
    pub(super) run: Option<RunId>,
    /// How often an admin had somebody mailed again, by address.
    pub(super) resent: BTreeMap<String, u32>,
    /// Passwords that were set, by address.
    pub(super) passwords: BTreeMap<String, String>,
    /// Whom the mail server refuses for good, by address, and what the admin is told about it.
    pub(super) refused: BTreeMap<String, &'static str>,
    /// How often everything that was under way may have been done once more.
    pub(super) faults: usize,
}

/// An organization with an admin at a browser and with members whom only the store knows, at one node.
pub(super) struct Parent {
    pub(super) sink: SmtpSink,
    pub(super) home: Home,
    pub(super) node: Node,
    pub(super) records: Records,
    pub(super) admin: Visitor,
    pub(super) told: Told,
    /// Everybody, the admin included.
    pub(super) members: usize,
    _fly: Fly,
}

impl Parent {
    /// So many members besides the admin, who has signed in just now.
    pub(super) async fn of(members: usize, home: impl FnOnce(SocketAddr) -> Home) -> Self {
        Self::with(SmtpSink::start().await, members, home).await
    }

    /// With a mail server of a special kind.
    pub(super) async fn with(sink: SmtpSink, members: usize, home: impl FnOnce(SocketAddr) -> Home) -> Self {
        let fly = Reserved::new().await;
        let home = home(sink.address()).fly(&fly.url());
        let records = Records::of(home.open_store().await);
        records.seed(members).await;
        let node = Node::start(&home).await;
        let fly = fly.serve(&[&node]);
        let mut admin = Visitor::at(&node);
        admin.sign_in_with_fly("/sign-in", PEOPLE[0]).await;
        let told = Told::default();
        Self { sink, home, node, records, admin, told, members: members + 1, _fly: fly }
    }

    /// Clicks, and is answered.
    pub(super) async fn click(&mut self) -> RunId {
        let path = self.admin.disable("saltmarsh-labs").await;
        self.was_told(&path)
    }

    /// Notes where the answer to a click leads.
    pub(super) fn was_told(&mut self, path: &str) -> RunId {
        let run: RunId = path.rsplit('/').next().unwrap().parse().unwrap();
        assert_eq!(self.told.run.get_or_insert(run.clone()), &run, "every click is answered with the same run");
        run
    }

    /// Starts the node again, with workers or without.
    pub(super) async fn let_workers(&mut self, work: bool) {
        self.node.kill();
        let text = self.home.configuration(self.node.port);
        let text = text.replace("[workers]", &format!("[workers]\nenabled = {work}"));
        std::fs::write(self.home.write(self.node.port), text).unwrap();
        self.node.restart().await;
    }

    pub(super) fn run_path(&self) -> String {
        format!("{AUTH}/disable/{}", self.told.run.as_ref().unwrap())
    }

    /// The same while nobody works: then the ledger can be looked at as a whole.
    pub(super) async fn wholly_at_rest(&self) -> Option<RunId> {
        let run = self.wholly().await;
        if let Some(run) = &run {
            self.records.check_invariants(run).await;
        }
        run
    }

    /// Whether the organization has left, and if so, by which run: wholly, or not at all.
    pub(super) async fn wholly(&self) -> Option<RunId> {
        let organization = self.records.directory.organization(&organization()).await.unwrap().unwrap().value;
        let runs = self.records.store.list(&keys::runs(&organization.id), None, MAX_SCAN).await.unwrap();
        let in_force: Vec<_> = runs.iter().filter(|run| !run.value.state.is_reverted()).collect();
        self.records.check_linear().await;
        match (organization.login_method, &in_force[..]) {
            (LoginMethod::Fly, []) => None,
            (LoginMethod::Password, [run]) => Some(run.value.id.clone()),
            halfway => panic!("{halfway:?}"),
        }
    }

    /// The token of the last link that was mailed to this address.
    pub(super) fn link(&self, address: &str) -> String {
        Letters::of(&self.sink.messages()).0[address].last().unwrap().0.clone()
    }

    /// Everybody whose mail is written down as sent and who has set no password, by address.
    pub(super) async fn mailed(&self) -> Vec<Row> {
        let rows = self.records.rows(self.told.run.as_ref().unwrap()).await;
        let sent = rows.into_iter().filter(|row| row.status == RowStatus::Sent);
        sent.filter(|row| !self.told.passwords.contains_key(row.email.as_ref().unwrap())).collect()
    }

    /// Waits for the end, and holds everything against what was told.
    pub(super) async fn settle_up(&mut self) {
        let run = self.told.run.clone().unwrap();
        self.records.wait_until_done(&run).await;
        until("nothing is left to do", async || self.records.is_idle(&self.told).await.then_some(())).await;
        assert_eq!(self.wholly_at_rest().await.as_ref(), Some(&run));
        let rows = self.records.rows(&run).await;
        self.everybody_is_in_the_ledger(&rows).await;
        self.everybody_was_mailed(&rows);
        self.nobody_was_mailed_too_often();
        self.links_work_once(&rows).await;
        self.passwords_work().await;
    }

    async fn everybody_is_in_the_ledger(&self, rows: &[Row]) {
        let users: BTreeSet<&str> = rows.iter().map(|row| row.user.as_str()).collect();
        let known = self.records.directory.member_count(&organization()).await.unwrap();
        assert_eq!((rows.len(), users.len(), known), (self.members, self.members, signed(self.members)));
        for row in rows {
            let address = row.email.as_ref().unwrap();
            if let Some(why) = self.told.refused.get(address) {
                let told = row.detail.as_ref().is_some_and(|detail| detail.contains(why));
                assert!(row.status == RowStatus::Failed && told, "{row:?}");
                continue;
            }
            let has_password = self.told.passwords.contains_key(address);
            let done = row.status == RowStatus::Sent || (has_password && row.status == RowStatus::Cancelled);
            assert!(done && row.ready_at.is_some() == has_password, "{row:?}");
            assert_eq!(row.resends, self.told.resent.get(address).copied().unwrap_or(0), "{row:?}");
        }
    }

    /// Every mail of a row that says so arrived: each wish for one more is one more mail, and nothing else is.
    fn everybody_was_mailed(&self, rows: &[Row]) {
        let letters = Letters::of(&self.arrived());
        assert_eq!(letters.0.len(), rows.len() - self.told.refused.len(), "nobody else was mailed");
        for row in rows.iter().filter(|row| row.status != RowStatus::Failed) {
            let mails = &letters.0[row.email.as_ref().unwrap()];
            let ids: BTreeSet<&String> = mails.iter().map(|(_, id)| id).collect();
            let wanted = 1 + usize::try_from(row.resends).unwrap();
            let excused = row.status == RowStatus::Cancelled && ids.len() < wanted;
            assert!(ids.len() == wanted || excused, "{mails:?} for {row:?}");
        }
    }

    /// The mails that the mail server took.
    fn arrived(&self) -> Vec<Received> {
        self.sink.messages().into_iter().filter(|mail| mail.accepted).collect()
    }

    /// A mail is repeated at most as often as it may have been under way when something went wrong.
    fn nobody_was_mailed_too_often(&self) {
        let mails: Vec<Mail> = self.arrived().iter().map(|mail| Mail::parse(&mail.data)).collect();
        let mut ids = BTreeSet::new();
        let repeated: Vec<&Mail> = mails.iter().filter(|mail| !ids.insert(mail.header("message-id"))).collect();
        let to: Vec<String> = repeated.iter().map(|mail| mail.header("to")).collect();
        assert!(to.len() <= self.told.faults * AT_ONCE, "{to:?} once too often after {} faults", self.told.faults);
        let summaries = mails.iter().filter(|mail| mail.header("subject").contains("people have been mailed"));
        let summaries: BTreeSet<String> = summaries.map(|mail| mail.header("message-id")).collect();
        assert_eq!(summaries.len(), 1, "the admin is told once: {summaries:?}");
    }

    /// Of all links that were mailed to somebody, one opens the form; none once they have a password.
    async fn links_work_once(&self, rows: &[Row]) {
        let letters = Letters::of(&self.sink.messages());
        let mut visitor = Visitor::at(&self.node);
        for row in rows.iter().filter(|row| row.status != RowStatus::Failed) {
            let address = row.email.as_ref().unwrap();
            let tokens: BTreeSet<&String> = letters.0[address].iter().map(|(token, _)| token).collect();
            let mut live = 0;
            for token in tokens {
                let page = opened(&mut visitor, token).await;
                assert!([200, 410].contains(&page.status), "{address}: {}", page.text);
                live += usize::from(page.status == 200);
            }
            assert_eq!(live, usize::from(!self.told.passwords.contains_key(address)), "live links of {address}");
        }
    }

    pub(super) async fn one_link_opens_for_each(&self) {
        let rows = self.records.rows(&self.wholly().await.unwrap()).await;
        self.links_work_once(&rows).await;
    }

    async fn passwords_work(&self) {
        for (address, password) in &self.told.passwords {
            let mut visitor = Visitor::at(&self.node);
            let answer = visitor.sign_in_with_password("/sign-in", address, password).await;
            assert!(visitor.cookies.contains_key("fb_session"), "{address}: {} {}", answer.status, answer.text);
        }
    }
}

/// What somebody sees who opens a link in a browser of their own.
pub(super) async fn opened(visitor: &mut Visitor, token: &str) -> Answer {
    visitor.cookies.clear();
    assert_eq!(visitor.get(&format!("/set-up/{token}")).await.location(), "/set-up");
    visitor.get("/set-up").await
}

impl Records {
    /// The audit log tells one story.
    pub(super) async fn check_linear(&self) {
        let of = self.directory.organization(&self.organization).await.unwrap().unwrap().value;
        let log = self.directory.audit_log(&of.id, None, MAX_SCAN).await.unwrap();
        check_linear(log.into_iter().map(|entry| entry.value), &of);
    }

    /// Whether no job is left of the organization, nor of those who set a password.
    pub(super) async fn is_idle(&self, told: &Told) -> bool {
        let mut places = vec![keys::org(&self.organization)];
        for address in told.passwords.keys() {
            let user = self.directory.user_by_address(&address.parse().unwrap()).await.unwrap().unwrap();
            places.push(keys::user_partition(&user.value.id));
        }
        for place in places {
            if !self.store.scan(&place, "job/", None, 1).await.unwrap().is_empty() {
                return false;
            }
        }
        true
    }
}
