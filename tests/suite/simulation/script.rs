//! What happens next, and to whom: drawn by the seed, done by the real services.

use std::sync::Arc;
use std::time::Duration;

use flybridge::clock::Clock as _;
use flybridge::domain::disable::Which;
use flybridge::domain::ids::{FormId, RunId};
use flybridge::domain::member::Role;
use flybridge::domain::organization::{Actor, LoginMethod};
use flybridge::services::directory::FlyPerson;
use flybridge::services::disable::click::{ClickError, Clicked};
use flybridge::services::disable::ledger::RowId;
use flybridge::services::disable::left_out::Marks;
use flybridge::services::disable::resend::Asked;
use flybridge::services::setup_links::{SetError, Shown, Warrant};
use flybridge::store::StoreError;
use futures_util::future::{BoxFuture, Either, select};

use super::faulty::Fault;
use super::scene::{HASH, LEASE, Node, Person, Scene};
use crate::support::smtp::{Act, At, Step};

/// One thing that somebody does, or that time does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// A look at the queue of other work, a look at the mails.
    Work,
    Mail,
    Click {
        organization: usize,
    },
    Enable {
        organization: usize,
    },
    Resend {
        organization: usize,
        person: usize,
    },
    ResendAll {
        organization: usize,
        which: Which,
    },
    /// Before the click: somebody is not to come along.
    LeaveOut {
        organization: usize,
        person: usize,
    },
    /// Before the click or after it: they come along all the same.
    LetIn {
        organization: usize,
        person: usize,
    },
    /// With any link of theirs, the old ones too.
    SetPassword {
        person: usize,
        choice: usize,
    },
    AskForLink {
        person: usize,
    },
    /// At Fly.io, which may name an organization more than before.
    SignIn {
        person: usize,
        joins: Option<usize>,
    },
    Passes(Duration),
    Restart,
}

/// What the mail server says instead of taking the next mail.
const ANSWERS: &[(At, Act)] = &[
    (At::Greeting, Act::Answer("421 4.3.2 too busy")),
    (At::Mail, Act::Answer("451 4.3.0 later")),
    (At::Rcpt, Act::Answer("450 4.2.1 later")),
    (At::Rcpt, Act::Answer("550 5.1.1 no such user")),
    (At::Data, Act::Answer("451 4.3.0 later")),
    (At::Content, Act::Drop),
    (At::Dot, Act::Drop),
    (At::Dot, Act::Answer("451 4.3.0 later")),
    (At::Dot, Act::Answer("554 5.7.1 refused")),
];

impl Scene {
    /// Something happens, and in a third of all cases something goes wrong with it.
    pub(super) async fn happen(self: &Arc<Self>) {
        let due = !self.node(0).program.outbox.jobs.mail.ready(1).await.unwrap().is_empty();
        let node = self.dice.below(2);
        // Most mishaps are about mails, and most looks would find none.
        let action = if due && self.dice.chance(40) { Action::Mail } else { self.draw() };
        if action == Action::Mail && self.dice.chance(20) {
            self.script_an_answer();
        }
        if self.dice.chance(33) {
            let operations = self.draw_operation(action);
            let fault = self.draw_fault(1 - node);
            self.node(node).faults.arm(operations, fault);
        }
        self.perform(node, action).await;
        let struck = self.node(node).faults.disarm();
        self.known.lock().unwrap().faults += struck;
    }

    fn script_an_answer(&self) {
        let (at, act) = self.dice.pick(ANSWERS).clone();
        let mut known = self.known.lock().unwrap();
        known.faults += 1;
        known.refusals += u32::from(matches!(act, Act::Answer(answer) if answer.starts_with('5')));
        drop(known);
        self.say(&format!("the mail server will say at {at:?}: {act:?}"));
        self.sink.script_any(Step(at, act));
    }

    /// The operation with which something goes wrong. A look at a queue begins with one for each shard of its index, all
    /// alike.
    fn draw_operation(&self, action: Action) -> usize {
        match action {
            Action::Work => 15 + self.dice.below(20),
            Action::Mail => 15 + self.dice.below(35),
            _ => self.dice.below(16),
        }
    }

    fn draw(&self) -> Action {
        let dice = &self.dice;
        let organization = dice.below(2);
        let person = dice.below(self.people().len());
        let which = *dice.pick(&[Which::Failed, Which::NotReady]);
        let joins = dice.chance(40).then_some(organization);
        dice.weighted(&[
            (28, Action::Work),
            (28, Action::Mail),
            (7, Action::Click { organization }),
            (3, Action::Enable { organization }),
            (3, Action::Resend { organization, person }),
            (2, Action::ResendAll { organization, which }),
            (2, Action::LeaveOut { organization, person }),
            (2, Action::LetIn { organization, person }),
            (9, Action::SetPassword { person, choice: dice.below(8) }),
            (3, Action::AskForLink { person }),
            (5, Action::SignIn { person, joins }),
            (8, Action::Passes(Duration::from_secs(1 + u64::try_from(dice.below(40)).unwrap()))),
            (3, Action::Passes(LEASE + Duration::from_secs(1))),
            (1, Action::Passes(Duration::from_hours(13))),
            (2, Action::Restart),
        ])
    }

    fn draw_fault(self: &Arc<Self>, other: usize) -> Fault {
        let kind = self.dice.below(8);
        match kind {
            0 => Fault::Before,
            1 => Fault::After,
            2 => Fault::Slow(*self.dice.pick(&[Duration::from_secs(5), Duration::from_secs(65), LEASE * 2])),
            3 => Fault::Dies { after: false },
            4 => Fault::Dies { after: true },
            _ => {
                let mut actions: Vec<Action> = (0..=self.dice.below(3)).map(|_| self.draw()).collect();
                // Often so much later that the job is somebody else's.
                let taken_over = self.dice.chance(40);
                if taken_over {
                    actions.splice(0..0, [Action::Passes(LEASE + Duration::from_secs(1)), Action::Mail]);
                }
                let answers = taken_over && self.dice.chance(50);
                let scene = Arc::clone(self);
                Fault::Meanwhile(Box::pin(async move {
                    scene.say(&format!("  meanwhile at node {other}:"));
                    if answers {
                        scene.script_an_answer();
                    }
                    for action in actions {
                        scene.perform(other, action).await;
                    }
                }))
            }
        }
    }

    /// Does it at this node. The node may die in the middle.
    pub(super) fn perform(self: &Arc<Self>, index: usize, action: Action) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let node = self.node(index);
            let done = Box::pin(self.act(&node, index, action));
            let said = match select(done, Box::pin(node.faults.died())).await {
                Either::Left((said, _)) => said,
                Either::Right(((), cut_short)) => {
                    drop(cut_short);
                    "the process died".to_owned()
                }
            };
            self.say(&format!("node {index}: {action:?}: {said}"));
            if said == "the process died" {
                self.restart(index).await;
            }
        })
    }

    async fn act(self: &Arc<Self>, node: &Node, index: usize, action: Action) -> String {
        match action {
            Action::Work => said(node.program.outbox.work_once().await),
            Action::Mail => said(node.program.outbox.mail_once().await),
            Action::Click { organization } => self.click(node, organization).await,
            Action::Enable { organization } => {
                let id = &self.organizations[organization];
                said(node.program.app.admin.disable.enable(id, &clicked("Chloe")).await)
            }
            Action::Resend { organization, person } => self.resend(node, organization, person).await,
            Action::ResendAll { organization, which } => {
                let Some(run) = self.newest_run(organization).await else { return "no run".to_owned() };
                let of = (&self.organizations[organization], &run);
                said(node.program.app.admin.disable.resend_all(of, which, &self.asked()).await)
            }
            Action::LeaveOut { organization, person } => self.leave_out(node, organization, person).await,
            Action::LetIn { organization, person } => self.let_in(node, organization, person).await,
            Action::SetPassword { person, choice } => self.set_password(node, &self.people()[person], choice).await,
            Action::AskForLink { person } => {
                said(node.program.set_up_links.renew(&self.people()[person].id, true).await)
            }
            Action::SignIn { person, joins } => self.sign_in(node, person, joins).await,
            Action::Passes(span) => {
                self.clock.advance(span);
                let mut known = self.known.lock().unwrap();
                known.faults += u32::from(span > LEASE);
                known.aged |= span > Duration::from_hours(12);
                String::new()
            }
            Action::Restart => {
                self.restart(index).await;
                String::new()
            }
        }
    }

    async fn click(&self, node: &Node, organization: usize) -> String {
        let id = &self.organizations[organization];
        let answer = node.program.app.admin.disable.disable(id, &clicked("Ines")).await;
        if let Ok(run) = &answer {
            self.known.lock().unwrap().runs.push((id.clone(), run.clone()));
        }
        said(answer)
    }

    async fn resend(&self, node: &Node, organization: usize, person: usize) -> String {
        let Some(run) = self.newest_run(organization).await else { return "no run".to_owned() };
        let (organization, user) = (self.organizations[organization].clone(), self.people()[person].id.clone());
        let row = RowId { organization, run, user };
        said(node.program.app.admin.disable.resend(&row, &self.asked()).await)
    }

    async fn leave_out(&self, node: &Node, organization: usize, person: usize) -> String {
        let marks = Marks { leave_out: vec![self.people()[person].id.clone()], ..Marks::default() };
        let disable = &node.program.app.admin.disable;
        said(disable.mark_left_out(&self.organizations[organization], &marks, &clicked("Ines")).await)
    }

    async fn let_in(&self, node: &Node, organization: usize, person: usize) -> String {
        let (id, user) = (&self.organizations[organization], self.people()[person].id.clone());
        let disable = &node.program.app.admin.disable;
        if self.organization(id).await.login_method == LoginMethod::Password {
            return said(disable.let_in(id, &user, &clicked("Ines")).await);
        }
        let marks = Marks { let_in: vec![user], ..Marks::default() };
        said(disable.mark_left_out(id, &marks, &clicked("Ines")).await)
    }

    async fn set_password(&self, node: &Node, person: &Person, choice: usize) -> String {
        let links = self.links_of(person);
        let Some(link) = links.get(choice % links.len().max(1)) else { return "no link".to_owned() };
        match node.program.set_up_links.show(link).await {
            Ok(Shown::Live(_)) => {}
            other => return format!("{other:?}").chars().take(20).collect(),
        }
        let set = node.program.set_up_links.set_password(Warrant::Link(link), HASH, None).await;
        if set.is_ok() {
            self.known.lock().unwrap().passwords.push(person.id.clone());
        }
        match set {
            Ok(_) => "set".to_owned(),
            Err(error @ SetError::HasPassword) => panic!("a link never finds that: {error}"),
            Err(error) => error.to_string(),
        }
    }

    async fn sign_in(&self, node: &Node, index: usize, joins: Option<usize>) -> String {
        let person = Arc::clone(&self.people()[index]);
        let mut organizations = person.fly.organizations.clone();
        let joined = joins.map(|joins| self.organizations[joins].clone());
        let joined = joined.filter(|joined| organizations.iter().all(|(id, _)| id != joined));
        organizations.extend(joined.map(|id| (id, Role::Member)));
        let fly = FlyPerson { organizations, ..person.fly.clone() };
        self.people.lock().unwrap()[index] = Arc::new(Person { id: person.id.clone(), fly: fly.clone() });
        self.known.lock().unwrap().half_in.insert(index);
        let admitted = node.program.directory.admit_from_fly(&fly).await.map(|admitted| admitted.seen.len());
        if admitted.is_ok() {
            self.known.lock().unwrap().half_in.remove(&index);
        }
        said(admitted)
    }

    async fn newest_run(&self, organization: usize) -> Option<RunId> {
        self.organization(&self.organizations[organization]).await.run
    }

    fn asked(&self) -> Asked {
        Asked { form: FormId::mint(self.clock.now(), self.store.random()), clicked: clicked("Ines") }
    }
}

fn clicked(name: &str) -> Clicked {
    Clicked { by: Actor { user: None, name: name.to_owned() }, from: None }
}

/// For the trace. What the program itself is at fault for ends the run.
fn said<T: std::fmt::Debug, E: Trouble + std::fmt::Display>(answer: Result<T, E>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => {
            assert!(!error.is_a_mistake(), "{error}");
            error.to_string()
        }
    }
}

trait Trouble {
    /// Not what a store without an answer leads to.
    fn is_a_mistake(&self) -> bool;
}

impl Trouble for StoreError {
    fn is_a_mistake(&self) -> bool {
        // An announcement that got too old, because the store was slow, is refused as misuse.
        let late = matches!(self, Self::Misuse(why) if why.ends_with("too long ago"));
        !late && matches!(self, Self::Misuse(_) | Self::Corrupt(_) | Self::Unfit(_) | Self::Full(_))
    }
}

impl Trouble for ClickError {
    fn is_a_mistake(&self) -> bool {
        match self {
            Self::OnFlyAlready => false,
            Self::NoOrganization | Self::Sponsored(_) | Self::LeftOut { .. } | Self::OtherRequest => true,
            Self::Store(error) => error.is_a_mistake(),
        }
    }
}
