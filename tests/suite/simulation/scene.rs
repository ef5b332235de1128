//! Two nodes over one store, a mail server, and the people: the real services in one process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flybridge::cli::assemble::{Program, assemble};
use flybridge::clock::Clock as _;
use flybridge::config::Config;
use flybridge::domain::ids::{OrganizationId, RunId, UserId};
use flybridge::domain::member::Role;
use flybridge::domain::organization::Actor;
use flybridge::domain::plan::Plan;
use flybridge::random::SeededRandom;
use flybridge::services::directory::{Directory, FlyPerson};
use flybridge::services::disable::Disable;
use flybridge::services::jobs::Jobs;
use flybridge::store::sqlite::SqliteStore;
use flybridge::store::{Backend, Store};
use tokio::sync::OnceCell;

use super::faulty::Faulty;
use crate::support::app::{ISSUER, MASTER_KEY, START, SteppingClock};
use crate::support::dice::Dice;
use crate::support::dump::Dump;
use crate::support::letter::Letter;
use crate::support::memory::folder;
use crate::support::smtp::SmtpSink;

/// One seed of a hundred has more members than one chunk of a run.
const CROWD: u64 = 7;
/// As in the configuration.
pub(super) const LEASE: Duration = Duration::from_mins(3);
/// What stands for the hash of a password: nobody signs in here.
pub(super) const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2ltdWxhdGlvbg$c2ltdWxhdGlvbg";

/// A mail that came in whole.
pub(super) struct Arrived {
    pub(super) letter: Letter,
    /// The text of the set-up link in it.
    pub(super) link: Option<String>,
}

pub(super) struct Person {
    pub(super) id: UserId,
    pub(super) fly: FlyPerson,
}

pub(super) struct Node {
    pub(super) program: Program,
    pub(super) faults: Arc<Faulty>,
}

/// What the people outside know: it must come true.
#[derive(Default)]
pub(super) struct Known {
    /// Clicks that were answered.
    pub(super) runs: Vec<(OrganizationId, RunId)>,
    /// Passwords that were answered as set.
    pub(super) passwords: Vec<UserId>,
    /// Everything that went wrong: a mail may be repeated for each.
    pub(super) faults: u32,
    /// Mail servers said no for good.
    pub(super) refusals: u32,
    /// So much time passed at once that links got old.
    pub(super) aged: bool,
    /// Who signed in with Fly.io and got no answer. They try again.
    pub(super) half_in: BTreeSet<usize>,
    /// Mails of runs that left once more than they had to.
    pub(super) repeated: u32,
    /// Members who were left out, or reminded, in the end.
    pub(super) left_out: usize,
    pub(super) reminded: usize,
}

pub(super) struct Scene {
    pub(super) clock: Arc<SteppingClock>,
    pub(super) sink: SmtpSink,
    /// Looks at the store past all faults.
    pub(super) store: Store,
    pub(super) disable: Arc<Disable>,
    pub(super) organizations: Vec<OrganizationId>,
    pub(super) people: Mutex<Vec<Arc<Person>>>,
    pub(super) known: Mutex<Known>,
    pub(super) trace: Arc<Mutex<Vec<String>>>,
    pub(super) dice: Dice,
    nodes: Mutex<Vec<Arc<Node>>>,
    mails: Mutex<Vec<Arc<Arrived>>>,
    seed: u64,
    starts: Mutex<u64>,
    inner: Arc<dyn Backend>,
    config: Config,
    folder: tempfile::TempDir,
}

impl Scene {
    pub(super) async fn of(seed: u64, trace: Arc<Mutex<Vec<String>>>) -> Arc<Self> {
        let folder = folder();
        std::fs::write(database(folder.path()), template().await).unwrap();
        let sink = SmtpSink::start().await;
        // With reminders a world goes on for a day, and ends with other links than those of the runs.
        let reminders = if (seed / 2).is_multiple_of(2) { "" } else { "\"1 d\"" };
        let config = configuration(sink.address().port(), reminders);
        let clock = SteppingClock::at(START);
        let inner: Arc<dyn Backend> = Arc::new(SqliteStore::open(database(folder.path())).unwrap());
        let store = Store::new(Arc::clone(&inner), clock.clone(), Arc::new(SeededRandom::new(seed)));
        let disable = Disable::new(store.clone(), Jobs::new(store.clone(), LEASE), Directory::new(store.clone()));
        let scene = Arc::new(Self {
            clock,
            sink,
            store,
            disable,
            organizations: vec!["saltmarsh".parse().unwrap(), "harbour".parse().unwrap()],
            people: Mutex::default(),
            known: Mutex::default(),
            trace,
            dice: Dice::new(seed),
            nodes: Mutex::default(),
            mails: Mutex::default(),
            seed,
            starts: Mutex::new(0),
            inner,
            config,
            folder,
        });
        for index in 0..2 {
            let node = scene.start_node().await;
            scene.nodes.lock().unwrap().insert(index, node);
        }
        scene.populate().await;
        scene
    }

    pub(super) fn node(&self, index: usize) -> Arc<Node> {
        Arc::clone(&self.nodes.lock().unwrap()[index])
    }

    /// The process ends, and another begins. All that is left is the store and what arrived outside.
    pub(super) async fn restart(&self, index: usize) {
        self.known.lock().unwrap().faults += self.node(index).faults.disarm();
        let node = self.start_node().await;
        self.nodes.lock().unwrap()[index] = node;
    }

    async fn start_node(&self) -> Arc<Node> {
        let start = {
            let mut starts = self.starts.lock().unwrap();
            *starts += 1;
            *starts
        };
        let random = Arc::new(SeededRandom::new(self.seed.wrapping_mul(1_000).wrapping_add(start)));
        let faults = Faulty::over(&self.inner, &self.clock);
        let store = Store::new(faults.clone(), self.clock.clone(), random.clone());
        let program = assemble(&self.config, store, self.clock.clone(), random, false).await;
        Arc::new(Node { program: program.unwrap_or_else(|error| panic!("{error}")), faults })
    }

    /// Two organizations, and a few people in one of them or in both. Now and then a crowd, so that there is more than one
    /// chunk.
    async fn populate(&self) {
        let node = self.node(0);
        let by = Actor { user: None, name: "the operator".to_owned() };
        for id in &self.organizations {
            let plan = Plan::Paid { name: "Team".to_owned(), since: START };
            let slug = id.as_str().parse().unwrap();
            let added = node.program.directory.add_organization(id.clone(), slug, id.to_string(), plan, by.clone());
            added.await.unwrap();
        }
        let crowd = self.seed % 100 == CROWD;
        let count = if crowd { 205 } else { 2 + self.dice.below(6) };
        for number in 0..count {
            let both = number == 0 || (!crowd && self.dice.chance(40));
            let one = if crowd { 0 } else { self.dice.below(self.organizations.len()) };
            let named = self.organizations.iter().enumerate().filter(|(index, _)| both || *index == one);
            let organizations = named.map(|(_, id)| (id.clone(), Role::Admin)).collect();
            let person = self.person(number, organizations);
            let admitted = node.program.directory.admit_from_fly(&person).await.unwrap();
            if self.dice.chance(15) {
                node.program.set_up_links.import_password(&admitted.user, HASH).await.unwrap();
                for id in &admitted.user.organizations {
                    self.disable.note_password(id, &admitted.user.id, START).await.unwrap();
                }
            }
            self.people.lock().unwrap().push(Arc::new(Person { id: admitted.user.id, fly: person }));
        }
    }

    pub(super) fn person(&self, number: usize, organizations: Vec<(OrganizationId, Role)>) -> FlyPerson {
        let address = format!("person-{number}@customer.fly.io").parse().unwrap();
        FlyPerson {
            id: format!("person{number}").parse().unwrap(),
            name: format!("Person {number}"),
            email: (number == 0 || !self.dice.chance(12)).then_some(address),
            organizations,
        }
    }

    /// All mails so far that came in whole.
    pub(super) fn mails(&self) -> Vec<Arc<Arrived>> {
        let mut mails = self.mails.lock().unwrap();
        let all = self.sink.messages();
        for received in &all[mails.len()..] {
            let letter = Letter::of(&received.data);
            let link = letter.find_link().map(|link| link.trim_start_matches("/set-up/").to_owned());
            mails.push(Arc::new(Arrived { letter, link }));
        }
        mails.clone()
    }

    /// The texts of all links in somebody's mailbox, the oldest first, each once.
    pub(super) fn links_of(&self, person: &Person) -> Vec<String> {
        let own = format!("{}.", person.id);
        let mut links: Vec<String> = Vec::new();
        for link in self.mails().iter().filter_map(|mail| mail.link.clone()) {
            if link.starts_with(&own) && !links.contains(&link) {
                links.push(link);
            }
        }
        links
    }

    pub(super) fn people(&self) -> Vec<Arc<Person>> {
        self.people.lock().unwrap().clone()
    }

    pub(super) fn say(&self, line: &str) {
        let now = self.clock.now().since(START);
        self.trace.lock().unwrap().push(format!("{:>9.3} s {line}", now.as_secs_f64()));
    }

    pub(super) fn dump(&self) -> Dump {
        Dump::of(&database(self.folder.path()))
    }

    /// When the jobs are due that wait or are being done.
    pub(super) fn jobs(&self) -> BTreeMap<String, i64> {
        let due = |name: &str| name.rsplit('/').next().unwrap()[..15].parse().unwrap();
        self.dump().named("job/").into_iter().map(|(name, _)| (name.to_owned(), due(name))).collect()
    }
}

fn database(folder: &Path) -> PathBuf {
    folder.join("flybridge.db")
}

/// A database with keys: making them for every seed would take longer than all the rest.
async fn template() -> &'static [u8] {
    static TEMPLATE: OnceCell<Vec<u8>> = OnceCell::const_new();
    let made = TEMPLATE.get_or_init(|| async {
        let folder = folder();
        let config = configuration(25, "");
        let clock = SteppingClock::at(START);
        let random = Arc::new(SeededRandom::new(0));
        let backend = SqliteStore::open(database(folder.path())).unwrap();
        let store = Store::new(Arc::new(backend), clock.clone(), random.clone());
        let program = assemble(&config, store, clock, random, false).await.unwrap_or_else(|error| panic!("{error}"));
        drop(program);
        let copy = folder.path().join("copy.db");
        let connection = rusqlite::Connection::open(database(folder.path())).unwrap();
        connection.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
        std::fs::read(copy).unwrap()
    });
    made.await
}

/// One thing at a time in each node: what comes first is for the seed to say, and not for the threads.
fn configuration(port: u16, reminders: &str) -> Config {
    crate::support::app::install_crypto();
    let text = format!(
        r#"
[server]
issuer = "{ISSUER}"
[keys]
master = ["{MASTER_KEY}"]
[fly]
client_id = "flybridge-at-fly"
client_secret = "the secret that fly gave us"
[passwords]
threads = 1
[workers]
concurrency = 1
[mail]
from = "Flybridge <login@login.test>"
per_second = 10000
reminders = [{reminders}]
transport = "smtp"
[mail.smtp]
host = "127.0.0.1"
port = {port}
security = "none"
timeout = "5 s"
"#
    );
    Config::from_text(&text, "the simulation's configuration", []).unwrap_or_else(|error| panic!("{error}\n{text}"))
}
