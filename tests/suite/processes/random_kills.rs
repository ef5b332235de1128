//! `kill -9` at instants that nothing in the program knows of: during the click, while mails leave, while somebody sets a
//! password, while an admin has mail sent again.
//!
//! A seed draws the instants and is told when a test fails: `FLYBRIDGE_SEED=n` draws the same again. `FLYBRIDGE_KILLS=n`
//! kills so often, `FLYBRIDGE_MEMBERS=n` is the size of the organization.

use std::net::SocketAddr;
use std::time::Duration;

use flybridge::random::{Random as _, SystemRandom};

use super::members;
use super::parent::{AUTH, Parent, opened};
use crate::support::dice::{Dice, asked};
use crate::support::process::{Home, soon};
use crate::support::redis::Server;
use crate::support::visitor::{Answer, Visitor};

const KILLS: u64 = 5;

/// Longer than most requests take.
const REQUEST: Duration = Duration::from_millis(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_forgotten_whenever_the_process_is_killed_on_sqlite() {
    leave(members(300), Home::new).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_forgotten_whenever_the_process_is_killed_on_redis() {
    let server = Server::start(&[]);
    leave(members(300), |smtp| Home::new(smtp).store(server.url())).await;
}

async fn leave(members: usize, home: impl FnOnce(SocketAddr) -> Home) {
    let seed = asked("FLYBRIDGE_SEED").unwrap_or_else(|| SystemRandom::default().next_u64());
    tell(&format!("FLYBRIDGE_SEED={seed}"));
    let mut killer = Killer { parent: Parent::of(members, home).await, dice: Dice::new(seed), given: 0 };
    let kills = asked("FLYBRIDGE_KILLS").unwrap_or(KILLS);
    killer.during_the_click(kills.div_ceil(5)).await;
    let others = kills - kills.div_ceil(5);
    for left in (1..=others).rev() {
        killer.after_some_mails(left).await;
        match left % 4 {
            0 | 2 => killer.during_nothing_else().await,
            1 => killer.during_a_password().await,
            _ => killer.during_a_resend().await,
        }
    }
    assert_eq!(u64::try_from(killer.parent.told.faults).unwrap(), kills);
    killer.parent.settle_up().await;
}

#[expect(clippy::print_stdout, reason = "shown when the test fails")]
fn tell(text: &str) {
    println!("{text}");
}

struct Killer {
    parent: Parent,
    dice: Dice,
    /// Members who were given a password, the first of them first.
    given: usize,
}

impl Killer {
    /// Kills the node within `span` from now, and starts it again.
    async fn kill_within(
        &mut self,
        span: Duration,
        meanwhile: impl Future<Output = Option<Answer>>,
    ) -> Option<Answer> {
        let instant = Duration::from_micros(self.dice.below(usize::try_from(span.as_micros()).unwrap()) as u64);
        let kill = async {
            pass(instant).await;
            self.parent.node.kill();
        };
        let (answer, ()) = tokio::join!(meanwhile, kill);
        self.parent.told.faults += 1;
        // As it was left, before anybody mends it.
        let left = self.parent.wholly_at_rest().await;
        assert!(left.is_some() || self.parent.told.run.is_none(), "an answered click is undone");
        self.parent.node.restart().await;
        answer
    }

    /// Kills so often while the click is sent; then clicks in peace. The organization is on Fly.io wholly or not at all
    /// each time, and whoever was answered was answered with the truth.
    async fn during_the_click(&mut self, kills: u64) {
        let path = format!("{AUTH}/disable");
        let csrf = self.parent.admin.get(&path).await.csrf();
        let mut begun = None;
        for _ in 0..kills {
            let (mut admin, path, csrf) = (self.parent.admin.clone(), path.clone(), csrf.clone());
            let click = async move { admin.try_post(&path, &click(&csrf)).await.ok() };
            let answer = self.kill_within(REQUEST, click).await;
            let left = self.parent.wholly().await;
            if let Some(answer) = answer {
                let told = self.parent.was_told(answer.location());
                assert_eq!(left, Some(told), "an answered click is kept");
            }
            assert!(begun.is_none() || left == begun, "one run");
            begun = left;
        }
        let answer = self.parent.admin.post(&path, &click(&csrf)).await;
        let run = self.parent.was_told(answer.location());
        assert!(begun.is_none_or(|begun| begun == run), "a click whose answer was lost is not repeated");
    }

    /// Lets some of the mails leave that are missing still.
    async fn after_some_mails(&mut self, kills: u64) {
        let sink = &self.parent.sink;
        let arrived = sink.messages().len();
        let missing = self.parent.members.saturating_sub(arrived);
        let share = missing / usize::try_from(kills).unwrap();
        soon("some mails", sink.wait_for(arrived + self.dice.below(share.max(1)))).await;
    }

    async fn during_nothing_else(&mut self) {
        self.kill_within(REQUEST, async { None }).await;
    }

    /// Whoever was not answered tries again, and finds out.
    async fn during_a_password(&mut self) {
        let Some(row) = self.parent.mailed().await.into_iter().next() else {
            return self.during_nothing_else().await;
        };
        let to = row.email.unwrap();
        let token = self.parent.link(&to);
        let password = format!("lantern heron drizzle {} quay", self.given);
        self.given += 1;
        let mut person = Visitor::at(&self.parent.node);
        let form = opened(&mut person, &token).await;
        let fields = [("csrf", form.csrf()), ("person", form.hidden("person")), ("password", password.clone())];
        let fields = fields.map(|(name, value)| (name, value));
        let sent = set(person.clone(), fields.clone());
        let answer = self.kill_within(REQUEST * 3, sent).await;
        let again = set(person, fields).await.unwrap();
        let (first, second) = (answer.map(|answer| answer.status), again.status);
        assert!(
            matches!((first, second), (None, 303 | 410) | (Some(303), 410)),
            "{first:?} {second}: {}",
            again.text
        );
        self.parent.told.passwords.insert(to, password);
    }

    /// The same form is sent until it is answered: one more mail for them.
    async fn during_a_resend(&mut self) {
        let Some(row) = self.parent.mailed().await.into_iter().next_back() else {
            return self.during_nothing_else().await;
        };
        let path = self.parent.run_path();
        let page = self.parent.admin.get(&path).await;
        let fields = [("csrf", page.csrf()), ("once", page.hidden("once")), ("member", row.user.to_string())];
        let resend = |mut admin: Visitor| {
            let (fields, path) = (fields.clone(), format!("{path}/resend"));
            async move {
                admin.try_post(&path, &fields.each_ref().map(|(name, value)| (*name, value.as_str()))).await.ok()
            }
        };
        let sent = resend(self.parent.admin.clone());
        self.kill_within(REQUEST, sent).await;
        let again = resend(self.parent.admin.clone()).await.unwrap();
        assert_eq!(again.status, 303, "{}", again.text);
        *self.parent.told.resent.entry(row.email.unwrap()).or_default() += 1;
    }
}

fn click(csrf: &str) -> [(&'static str, &str); 2] {
    [("csrf", csrf), ("confirm", "saltmarsh-labs")]
}

async fn set(mut person: Visitor, fields: [(&'static str, String); 3]) -> Option<Answer> {
    person.try_post("/set-up", &fields.each_ref().map(|(name, value)| (*name, value.as_str()))).await.ok()
}

#[expect(clippy::disallowed_methods, reason = "kills at an instant that nothing in the program tells")]
async fn pass(span: Duration) {
    tokio::time::sleep(span).await;
}
