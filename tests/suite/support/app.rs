//! The whole program in one process: the real router over a real SQLite file, a stand-in of Fly.io behind real HTTP,
//! mails as files, and a clock that moves when told to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use flybridge::cli::assemble::{Program, assemble};
use flybridge::cli::demo::seed;
use flybridge::clock::{Clock, Timestamp};
use flybridge::config::Config;
use flybridge::demo::fly::{Application, FlyStandIn, Settings};
use flybridge::demo::serve_on;
use flybridge::demo::world::World;
use flybridge::domain::ids::{OrganizationId, UserId};
use flybridge::domain::master_keys::MasterKeys;
use flybridge::domain::member::Member;
use flybridge::domain::user::User;
use flybridge::http::routes;
use flybridge::random::SystemRandom;
use flybridge::store::sqlite::SqliteStore;
use flybridge::store::{Backend, Store, keys};
use tokio::net::TcpListener;
use tokio::sync::{OnceCell, oneshot};

use super::browser_client::Browser;
use super::dump::{Dump, expiring_items};
use super::letter::Letter;
use super::relying_party::Rp;

pub(crate) const ISSUER: &str = "https://login.test";
pub(crate) const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub(crate) const FLY_CLIENT: &str = "flybridge-at-fly";
pub(crate) const PASSWORD: &str = "lantern heron drizzle 41 quay";
const FLY_SECRET: &str = "the secret that fly gave us";
pub(crate) const MASTER_KEY: &str = "9c41f07e3ab86d25e0147fd2936cb85a7de20b94c6f1583a0e97d46b2fc8153d";

/// Tells a time that moves when told to, and by itself as long as somebody sleeps.
pub(crate) struct SteppingClock(AtomicI64);

impl SteppingClock {
    pub(crate) fn at(start: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(start.as_millis())))
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.0.fetch_add(i64::try_from(span.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for SteppingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn sleep<'a>(&'a self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.advance(span);
        Box::pin(tokio::task::yield_now())
    }
}

/// What a test wants otherwise.
pub(crate) struct Options {
    /// Text for the end of the configuration, such as further clients.
    pub(crate) config: String,
    /// `[mail]` without the sender; usually files.
    pub(crate) mail: Option<String>,
    /// Further keys of `[mail]`; without them nobody is reminded.
    pub(crate) mail_keys: Option<String>,
    pub(crate) world: World,
}

impl Default for Options {
    fn default() -> Self {
        Self { config: String::new(), mail: None, mail_keys: None, world: World::demo() }
    }
}

/// A running program with everything around it.
pub(crate) struct TestApp {
    pub(crate) program: Program,
    pub(crate) router: Router,
    pub(crate) clock: Arc<SteppingClock>,
    pub(crate) fly: FlyStandIn,
    pub(crate) store: Store,
    config: Config,
    folder: tempfile::TempDir,
    inbox: Mutex<Inbox>,
    jobs_may_remain: AtomicBool,
    _stop: oneshot::Sender<()>,
}

#[derive(Default)]
struct Inbox {
    read: BTreeSet<(PathBuf, Vec<u8>)>,
    letters: Vec<Letter>,
}

impl TestApp {
    /// The demo's world: Saltmarsh Labs may leave, Harbour Tools shares Jun Park with it, Tideline is sponsored.
    pub(crate) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        install_crypto();
        let folder = tempfile::tempdir().unwrap();
        let seeded = options.world == World::demo();
        if seeded {
            std::fs::write(database(folder.path()), template().await).unwrap();
        }
        Self::over(folder, options, !seeded).await
    }

    async fn over(folder: tempfile::TempDir, options: Options, seed: bool) -> Self {
        let clock = SteppingClock::at(START);
        let random = Arc::new(SystemRandom::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fly_url = format!("http://{}", listener.local_addr().unwrap());
        let application = Application {
            client_id: FLY_CLIENT.to_owned(),
            client_secret: FLY_SECRET.to_owned(),
            redirect_uris: vec![format!("{ISSUER}/connectors/fly/callback")],
        };
        let settings = Settings { applications: vec![application], ..Settings::default() };
        let fly = FlyStandIn::new(settings, options.world.clone(), clock.clone(), random.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(serve_on(listener, fly.router(), async {
            let _ = stopped.await;
        }));
        let text = configuration(folder.path(), &fly_url, &options);
        let config =
            Config::from_text(&text, "the test's configuration", []).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let backend = SqliteStore::open(database(folder.path())).unwrap();
        let store = Store::new(Arc::new(backend), clock.clone(), random.clone());
        let assembled = assemble(&config, store.clone(), clock.clone(), random, false).await;
        let program = assembled.unwrap_or_else(|e| panic!("{e}"));
        if seed {
            let mark = folder.path().join("seeded");
            seed::seed(&program, &options.world, START, &mark).await.unwrap_or_else(|e| panic!("{e}"));
        }
        let router = routes::router(&program.app);
        let (inbox, jobs_may_remain) = (Mutex::default(), AtomicBool::new(false));
        Self { program, router, clock, fly, store, config, folder, inbox, jobs_may_remain, _stop: stop }
    }

    /// Another node of the same configuration, over a connection to a store of its own choice.
    pub(crate) async fn node(&self, backend: Arc<dyn Backend>, clock: Arc<dyn Clock>) -> Program {
        let random = Arc::new(SystemRandom::default());
        let store = Store::new(backend, clock.clone(), random.clone());
        assemble(&self.config, store, clock, random, false).await.unwrap_or_else(|e| panic!("{e}"))
    }

    /// Another node, with these master keys.
    pub(crate) async fn node_under(&self, masters: &str) -> Program {
        let mut config = self.config.clone();
        config.keys.master = MasterKeys::parse(masters).unwrap();
        let (clock, random) = (self.clock.clone(), Arc::new(SystemRandom::default()));
        let store = Store::new(Arc::new(self.connection()), clock.clone(), random.clone());
        assemble(&config, store, clock, random, false).await.unwrap_or_else(|e| panic!("{e}"))
    }

    /// Another connection to the file that this program keeps its records in.
    pub(crate) fn connection(&self) -> SqliteStore {
        SqliteStore::open(database(self.folder.path())).unwrap()
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self)
    }

    /// Sentry's own Fly provider.
    pub(crate) fn sentry(&self) -> Rp {
        Rp::new(self, "sentry")
    }

    /// Sentry's generic plug-in.
    pub(crate) fn sentry_oidc(&self) -> Rp {
        Rp::new(self, "sentry-oidc")
    }

    /// A client by the book: `client_secret_basic`, PKCE, RS256.
    pub(crate) fn standard(&self) -> Rp {
        Rp::new(self, "standard")
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    /// Does the work, sends the mail and tells the clients that are due at this moment.
    pub(crate) async fn work_now(&self) {
        for _ in 0..500 {
            let work = self.program.outbox.work_once().await.unwrap();
            let mail = self.program.outbox.mail_once().await.unwrap();
            let told = self.program.outbox.logout_once().await.unwrap();
            if work + mail + told == 0 {
                return;
            }
        }
        panic!("the work has no end: {:?}", self.jobs());
    }

    /// The same, and the next looks at a run that waits for its mails, which come every few seconds.
    pub(crate) async fn work(&self) {
        for _ in 0..3 {
            self.work_now().await;
            let soon = self.clock.now().plus(Duration::from_secs(5));
            let waiting = self.jobs().into_iter().filter(|(name, _)| name.starts_with("job/work/"));
            let Some(due) = waiting.map(|(_, due)| due).min().filter(|due| *due <= soon) else { return };
            self.clock.advance(due.since(self.clock.now()).max(Duration::from_secs(1)));
        }
        self.work_now().await;
    }

    /// For tests that end before everything is done.
    pub(crate) fn leave_jobs(&self) {
        self.jobs_may_remain.store(true, Ordering::SeqCst);
    }

    /// The jobs that wait or are being done: their names, and when they are due.
    pub(crate) fn jobs(&self) -> Vec<(String, Timestamp)> {
        let due = |name: &str| Timestamp::from_millis(name.rsplit('/').next().unwrap()[..15].parse().unwrap());
        self.dump().named("job/").into_iter().map(|(name, _)| (name.to_owned(), due(name))).collect()
    }

    /// Every record and counter, for "nothing changed".
    pub(crate) fn dump(&self) -> Dump {
        Dump::of(&database(self.folder.path()))
    }

    /// [`Self::dump`] without the counts of failed attempts, which are meant to change.
    pub(crate) fn dump_but_limits(&self) -> Dump {
        self.dump().without("limit/")
    }

    /// The mails that were not read yet, by recipient.
    pub(crate) fn new_mails(&self) -> Vec<Letter> {
        let mut inbox = self.inbox.lock().unwrap();
        let entries = std::fs::read_dir(self.folder.path().join("mail")).unwrap();
        let mut letters = Vec::new();
        for path in entries.map(|entry| entry.unwrap().path()) {
            let bytes = std::fs::read(&path).unwrap();
            if inbox.read.insert((path, bytes.clone())) {
                letters.push(Letter::of(&bytes));
            }
        }
        letters.sort_by(|a, b| (&a.to, &a.subject).cmp(&(&b.to, &b.subject)));
        inbox.letters.extend(letters.iter().cloned());
        letters
    }

    /// The path of the last set-up link that was mailed to somebody.
    pub(crate) fn link_of(&self, who: &str) -> String {
        self.new_mails();
        let address = self.address(who);
        let inbox = self.inbox.lock().unwrap();
        let mut found = inbox.letters.iter().rev().filter(|letter| letter.to.contains(&address));
        found.find_map(Letter::find_link).unwrap_or_else(|| panic!("no link for {who}: {:?}", inbox.letters))
    }

    /// Saltmarsh Labs leaves Fly.io by the hand of Ines, whose browser comes back with the path of the run. The mails
    /// have not left yet.
    pub(crate) async fn click(&self) -> (Browser, String) {
        let mut browser = self.browser();
        browser.sign_in_with_fly("ines").await;
        let run = browser.disable("saltmarsh-labs").await.location();
        (browser, run)
    }

    /// Saltmarsh Labs has left Fly.io, and everybody is mailed.
    pub(crate) async fn leave(&self) -> (Browser, String) {
        let left = self.click().await;
        self.work().await;
        left
    }

    /// Somebody sets their password with the link they were mailed; their browser.
    pub(crate) async fn settle_in(&self, who: &str) -> Browser {
        let mut browser = self.browser();
        let answer = browser.set_password(&self.link_of(who), PASSWORD).await;
        assert_eq!(answer.location(), "/go");
        self.work().await;
        browser
    }

    /// The one new mail to a person of the world; the others count as read.
    pub(crate) fn mail_to(&self, who: &str) -> Letter {
        let address = self.address(who);
        let mut mails = self.new_mails();
        mails.retain(|mail| mail.to.contains(&address));
        assert_eq!(mails.len(), 1, "{mails:?}");
        mails.remove(0)
    }

    pub(crate) fn address(&self, who: &str) -> String {
        self.fly.world().person(who).unwrap().email.clone().unwrap()
    }

    pub(crate) fn organization(&self, slug: &str) -> OrganizationId {
        self.fly.world().organization(slug).unwrap().id.parse().unwrap()
    }

    pub(crate) async fn member(&self, who: &str, slug: &str) -> Member {
        let (user, organization) = (self.user(who).await.id, self.organization(slug));
        self.program.directory.member(&organization, &user).await.unwrap().unwrap().value
    }

    /// Somebody of the world as Flybridge knows them.
    pub(crate) async fn user(&self, who: &str) -> User {
        let fly_id = self.fly.world().person(who).unwrap().user_id.parse().unwrap();
        let id: UserId = self.store.read(&keys::fly_identity(&fly_id)).await.unwrap().unwrap().value;
        self.store.read(&keys::user(&id)).await.unwrap().unwrap().value
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        assert_eq!(expiring_items(&database(self.folder.path())), []);
        if self.jobs_may_remain.load(Ordering::SeqCst) {
            return;
        }
        let dump = self.dump();
        let left = [dump.named("job/"), dump.named("dead/")].concat();
        assert!(left.is_empty(), "jobs remain: {left:?}");
    }
}

/// A database with keys and people: making RSA keys for every test would take longer than the tests.
async fn template() -> &'static [u8] {
    static TEMPLATE: OnceCell<Vec<u8>> = OnceCell::const_new();
    let made = TEMPLATE.get_or_init(|| async {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy.db");
        let app = TestApp::over(tempfile::tempdir().unwrap(), Options::default(), true).await;
        app.work().await;
        let connection = rusqlite::Connection::open(database(app.folder.path())).unwrap();
        connection.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
        std::fs::read(copy).unwrap()
    });
    made.await
}

fn database(folder: &Path) -> PathBuf {
    folder.join("flybridge.db")
}

fn configuration(folder: &Path, fly: &str, options: &Options) -> String {
    let files = format!("transport = \"file\"\nfolder = {:?}", folder.join("mail").display().to_string());
    let mail = options.mail.as_ref().unwrap_or(&files);
    let extra = &options.config;
    format!(
        r#"
[server]
issuer = "{ISSUER}"
[keys]
master = ["{MASTER_KEY}"]
[fly]
client_id = "{FLY_CLIENT}"
client_secret = "{FLY_SECRET}"
authorize_url = "{fly}/oauth/authorize"
token_url = "{fly}/oauth/token"
token_info_url = "{fly}/oauth/token/info"
timeout = "1 s"
[passwords]
threads = 1
[mail]
from = "Flybridge <login@login.test>"
per_second = 10000
{reminders}
{mail}
{clients}
{extra}
"#,
        reminders = options.mail_keys.as_deref().unwrap_or("reminders = []"),
        clients = super::relying_party::CLIENTS,
    )
}

/// HTTP clients need it, whichever test comes first.
pub(crate) fn install_crypto() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    // Another suite may have installed the same one.
    ONCE.call_once(|| drop(rustls::crypto::aws_lc_rs::default_provider().install_default()));
}
