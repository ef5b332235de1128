//! What was promised, held against what is in the store and in the mailboxes.

use std::collections::{BTreeMap, BTreeSet};

use flybridge::domain::disable::{Letter, Row, RowStatus, Run, RunState, Totals};
use flybridge::domain::ids::{OrganizationId, UserId};
use flybridge::domain::member::Member;
use flybridge::domain::organization::{LoginMethod, Organization};
use flybridge::services::message_ids::{Cause, Reference};
use flybridge::services::setup_links::Shown;
use flybridge::store::keys;

use super::scene::{Person, Scene};
use crate::support::audit::check_linear;

/// A run with its ledger.
struct Whole {
    run: Run,
    rows: BTreeMap<UserId, Row>,
    totals: Totals,
}

impl Scene {
    pub(super) async fn organization(&self, id: &OrganizationId) -> Organization {
        self.store.read(&keys::organization(id)).await.unwrap().unwrap().value
    }

    async fn members(&self, id: &OrganizationId) -> Vec<Member> {
        let found = self.store.list(&keys::members(id), None, 1_000).await.unwrap();
        found.into_iter().map(|entry| entry.value).collect()
    }

    async fn runs(&self, id: &OrganizationId) -> Vec<Whole> {
        let mut runs = Vec::new();
        for entry in self.store.list(&keys::runs(id), None, 1_000).await.unwrap() {
            let run = entry.value;
            let rows = self.store.list(&keys::rows(id, &run.id), None, 1_000).await.unwrap();
            let rows = rows.into_iter().map(|entry| (entry.value.user.clone(), entry.value)).collect();
            let totals = self.disable.totals(id, &run.id).await.unwrap();
            runs.push(Whole { run, rows, totals });
        }
        runs
    }

    /// What holds at every instant.
    pub(super) async fn check_now(&self) {
        for id in &self.organizations {
            let organization = self.organization(id).await;
            let runs = self.runs(id).await;
            for whole in &runs {
                whole.adds_up();
            }
            assert_eq!(self.mail_jobs(id).await, unsettled(&runs), "the mails that wait, and the rows that say so");
            let in_force = runs.iter().filter(|whole| !whole.run.state.is_reverted()).count();
            assert_eq!(in_force, usize::from(organization.login_method == LoginMethod::Password), "runs in force");
        }
    }

    /// Run, person and number of each mail of a run that waits or is being sent.
    async fn mail_jobs(&self, id: &OrganizationId) -> BTreeSet<(String, String, u64)> {
        let jobs = self.store.scan(&keys::org(id), "job/mail/", None, 1_000).await.unwrap();
        let mails = jobs.into_iter().map(|(_, record)| {
            let job: serde_json::Value = serde_json::from_slice(&record.value[1..]).unwrap();
            job["payload"]["mail"].clone()
        });
        let of_runs = mails.filter(|mail| mail["mail"] == "run");
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        of_runs.map(|mail| (text(&mail["run"]), text(&mail["user"]), mail["resend"].as_u64().unwrap())).collect()
    }

    /// What holds in the end.
    pub(super) async fn check_end(&self) {
        assert_eq!(self.jobs(), BTreeMap::new(), "nothing waits");
        let mut repeated = 0;
        let mut refused = 0;
        for id in &self.organizations {
            let (organization, members) = (self.organization(id).await, self.members(id).await);
            self.is_linear(&organization).await;
            for whole in self.runs(id).await {
                self.is_over(&organization, &members, &whole).await;
                repeated += self.mails_are_right(&whole);
                let mut known = self.known.lock().unwrap();
                known.left_out += whole.rows.values().filter(|row| row.left_out).count();
                known.reminded += whole.rows.values().filter(|row| row.reminders > 0).count();
                let with_address = |row: &&Row| row.status == RowStatus::Failed && row.email.is_some();
                refused += whole.rows.values().filter(with_address).count();
            }
        }
        let faults = self.known.lock().unwrap().faults;
        assert!(repeated <= faults, "{repeated} mails too many after {faults} faults");
        self.known.lock().unwrap().repeated = repeated;
        let refusals = self.known.lock().unwrap().refusals;
        let absent = usize::try_from(refusals).unwrap();
        assert!(refused <= absent, "{refused} mails failed, and the mail server refused {absent}");
        self.answers_came_true().await;
        for person in self.people() {
            self.has_one_link(&person).await;
            self.password_is_noted(&person).await;
        }
    }

    async fn is_linear(&self, organization: &Organization) {
        let log = self.store.list(&keys::audit_log(&organization.id), None, 1_000).await.unwrap();
        check_linear(log.into_iter().map(|entry| entry.value), organization);
    }

    async fn is_over(&self, organization: &Organization, members: &[Member], whole: &Whole) {
        whole.adds_up();
        let unsettled = whole.rows.values().find(|row| !row.status.is_settled());
        assert!(unsettled.is_none(), "{unsettled:?}");
        if whole.run.state.is_reverted() {
            return;
        }
        assert!(matches!(whole.run.state, RunState::Done { .. }), "{:?}", whole.run);
        assert_eq!(whole.totals.unsettled(), 0);
        for member in members {
            let row = whole.rows.get(&member.user).unwrap_or_else(|| panic!("{} has no row", member.user));
            let has_password = self.store.read(&keys::credential(&member.user)).await.unwrap().is_some();
            assert_eq!(row.left_out, member.left_out.is_some(), "{row:?}");
            assert_eq!(row.ready_at.is_some(), has_password && !row.left_out, "{row:?}");
            let aged = self.known.lock().unwrap().aged;
            if row.status != RowStatus::Failed && !row.left_out && !has_password && !aged {
                let live = self.live_links(&member.user).await;
                assert_eq!(live, 1, "{} cannot get in to {}: {row:?}", member.user, organization.id);
            }
        }
        assert_eq!(whole.rows.len(), members.len());
    }

    /// A mail left for every row and every reminder that says so. How many left more than once.
    fn mails_are_right(&self, whole: &Whole) -> u32 {
        let ids = &self.node(0).program.outbox.message_ids;
        let mut copies: BTreeMap<String, u32> = BTreeMap::new();
        let mut links: BTreeMap<String, BTreeSet<Option<String>>> = BTreeMap::new();
        for mail in self.mails() {
            *copies.entry(mail.letter.id.clone()).or_default() += 1;
            links.entry(mail.letter.id.clone()).or_default().insert(mail.link.clone());
        }
        let mut repeated = 0;
        for row in whole.rows.values() {
            let set_up = (0..=row.resends).map(|resend| Letter::SetUp { resend });
            let numbers = row.last_reminder.map_or(0, |last| last + 1);
            let mut reminded = 0;
            for letter in set_up.chain((0..numbers).map(|number| Letter::Reminder { number })) {
                let cause = Cause::Run(Reference { run: whole.run.id.clone(), user: row.user.clone(), letter });
                let id = format!("<{}@login.test>", ids.local(&cause));
                let left = copies.get(&id).copied().unwrap_or(0);
                let says_sent = match letter {
                    Letter::SetUp { resend } => row.status == RowStatus::Sent && resend == row.resends,
                    Letter::Reminder { number } => row.last_reminder == Some(number),
                };
                assert!(left > 0 || !says_sent, "nothing left for {row:?}");
                repeated += left.saturating_sub(1);
                reminded += u32::from(left > 0 && matches!(letter, Letter::Reminder { .. }));
            }
            assert!(row.reminders <= reminded, "{reminded} reminders left: {row:?}");
        }
        repeated
    }

    async fn live_links(&self, user: &UserId) -> usize {
        let people = self.people();
        let person = people.iter().find(|person| person.id == *user).unwrap();
        let mut live = 0;
        for link in self.links_of(person) {
            let shown = self.node(0).program.set_up_links.show(&link).await.unwrap();
            live += usize::from(matches!(shown, Shown::Live(_)));
        }
        live
    }

    async fn has_one_link(&self, person: &Person) {
        let live = self.live_links(&person.id).await;
        let user = self.store.read(&keys::user(&person.id)).await.unwrap().unwrap().value;
        let counts = self.node(0).program.set_up_links.password_organizations(&user).await.unwrap();
        assert!(live <= usize::from(!counts.is_empty()), "{live} links of {} open", person.id);
    }

    /// Whatever happened in between: the person has a password, and all their organizations know.
    async fn password_is_noted(&self, person: &Person) {
        let has_password = self.store.read(&keys::credential(&person.id)).await.unwrap().is_some();
        for id in &self.organizations {
            let Some(member) = self.store.read(&keys::member(id, &person.id)).await.unwrap() else { continue };
            assert_eq!(member.value.has_password, has_password, "{} in {id}", person.id);
        }
    }

    async fn answers_came_true(&self) {
        let (runs, passwords) = {
            let known = self.known.lock().unwrap();
            (known.runs.clone(), known.passwords.clone())
        };
        for (organization, run) in runs {
            assert!(self.store.read(&keys::run(&organization, &run)).await.unwrap().is_some(), "{run} was answered");
        }
        for user in passwords {
            assert!(self.store.read(&keys::credential(&user)).await.unwrap().is_some(), "{user} was answered");
        }
    }
}

/// The same of the rows that are not settled.
fn unsettled(runs: &[Whole]) -> BTreeSet<(String, String, u64)> {
    let rows = runs.iter().flat_map(|whole| whole.rows.values().map(|row| (whole.run.id.to_string(), row)));
    let waiting = rows.filter(|(_, row)| !row.status.is_settled());
    waiting.map(|(run, row)| (run, row.user.to_string(), u64::from(row.resends))).collect()
}

impl Whole {
    fn adds_up(&self) {
        let mut counted = Totals { members: self.run.members, ..Totals::default() };
        for row in self.rows.values() {
            *counted.of(row.status) += 1;
            counted.ready += i64::from(row.ready_at.is_some());
            counted.left_out += i64::from(row.left_out);
        }
        let written = i64::try_from(self.rows.len()).unwrap();
        let abandoned = self.run.state.is_reverted() && self.run.rows == self.run.members;
        *counted.of(if abandoned { RowStatus::Cancelled } else { RowStatus::Queued }) += self.run.members - written;
        assert!(written <= self.run.members, "{written} rows: {:?}", self.run);
        assert_eq!(counted, self.totals, "the rows, and the totals");
        assert!(self.totals.add_up(), "{:?}", self.totals);
    }
}
