//! Chromium without a window, driven by `chromedriver`.
//!
//! Nothing here waits for a time: it waits for a condition, asked again and again until [`PATIENCE`] is at its end.

pub(crate) mod axe;
mod commands;
mod page;

use std::fmt::Debug;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::child::Process;

/// Long enough for a machine that does other work as well.
const PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Browsers open at the same time; more would only wait for each other.
static BROWSERS: Semaphore = Semaphore::const_new(2);

/// What somebody looks at the pages with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// Folder of the screenshots.
    pub(crate) name: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) scripts: bool,
}

pub(crate) const DESKTOP: View = View { name: "desktop", width: 1280, height: 900, scripts: true };
pub(crate) const PHONE: View = View { name: "phone", width: 390, height: 844, scripts: true };
pub(crate) const WITHOUT_SCRIPTS: View = View { name: "without-scripts", scripts: false, ..DESKTOP };

/// One browser with one tab, new and empty.
pub(crate) struct Browser {
    client: Client,
    session: String,
    pub(crate) view: View,
    _profile: TempDir,
    _turn: SemaphorePermit<'static>,
}

impl Browser {
    pub(crate) async fn open(view: View) -> Self {
        let _ = std::fs::remove_file(artifacts("screenshots").join(view.name).join("failed.png"));
        let turn = BROWSERS.acquire().await.unwrap();
        let profile = tempfile::tempdir().unwrap();
        let capabilities = capabilities(view, profile.path());
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&driver())
            .await
            .unwrap_or_else(|error| panic!("Chromium does not start ({error}); scripts/test installs it"));
        let session = client.session_id().await.unwrap().expect("a session has an id");
        let browser = Self { client, session, view, _profile: profile, _turn: turn };
        browser.set_size(view.width, view.height).await;
        browser.set_dark(false).await;
        browser
    }

    pub(crate) async fn goto(&self, url: &str) {
        self.client.goto(url).await.unwrap_or_else(|error| panic!("{url} does not open: {error}"));
    }

    pub(crate) async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    pub(crate) async fn url(&self) -> String {
        self.client.current_url().await.unwrap().to_string()
    }

    /// The first element that `css` finds, as soon as there is one.
    pub(crate) async fn find(&self, css: &str) -> Element {
        let found = until(async || self.client.find(Locator::Css(css)).await.ok()).await;
        match found {
            Some(element) => element,
            None => panic!("there is no {css} {}", self.place().await),
        }
    }

    pub(crate) async fn count(&self, css: &str) -> usize {
        self.client.find_all(Locator::Css(css)).await.unwrap().len()
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        self.again(css, async |element: Element| element.text().await).await
    }

    /// The attribute `name`, empty when it is missing.
    pub(crate) async fn attribute(&self, css: &str, name: &str) -> String {
        self.again(css, async |element: Element| element.attr(name).await).await.unwrap_or_default()
    }

    /// An element may be replaced between finding and asking; then it is looked for again.
    async fn again<T: Debug>(&self, css: &str, ask: impl AsyncFn(Element) -> Result<T, CmdError>) -> T {
        let answer = until(async || ask(self.find(css).await).await.ok()).await;
        match answer {
            Some(answer) => answer,
            None => panic!("{css} gives no answer {}", self.place().await),
        }
    }

    /// Waits until `css` finds something.
    pub(crate) async fn wait_for(&self, css: &str) {
        self.find(css).await;
    }

    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let field = self.find(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    pub(crate) async fn choose(&self, css: &str, value: &str) {
        self.find(css).await.select_by_value(value).await.unwrap();
    }

    /// Clicks on what leads to another page, and waits for that page.
    pub(crate) async fn follow(&self, css: &str) {
        let element = self.find(css).await;
        self.leave(async || element.click().await).await;
    }

    /// Does something that leads to another page, and waits for that page.
    pub(crate) async fn leave(&self, act: impl AsyncFn() -> Result<(), CmdError>) {
        let old = self.find("html").await;
        if let Err(error) = act().await {
            panic!("cannot act {}: {error}", self.place().await);
        }
        let gone = until(async || old.tag_name().await.is_err().then_some(())).await;
        assert!(gone.is_some(), "no other page came {}", self.place().await);
    }

    /// Clicks on `css` inside of the frame `frame`, which leads the whole page elsewhere.
    pub(crate) async fn follow_in_frame(&self, frame: &str, css: &str) {
        let old = self.find("html").await;
        self.find(frame).await.enter_frame().await.unwrap();
        self.find(css).await.click().await.unwrap();
        self.leave_frames().await;
        let gone = until(async || old.tag_name().await.is_err().then_some(())).await;
        assert!(gone.is_some(), "the link in the frame leads nowhere {}", self.place().await);
    }

    /// Sends a form by its button, as the return key would.
    pub(crate) async fn submit(&self, form: &str) {
        self.follow(&format!("{form} button[type=submit]")).await;
    }

    /// Lets a form be sent that the browser itself would not send.
    pub(crate) async fn disregard_validation(&self, form: &str) {
        let script = "document.querySelector(arguments[0]).noValidate = true";
        self.client.execute(script, vec![json!(form)]).await.unwrap();
    }

    pub(crate) async fn element(&self, css: &str) -> Option<Element> {
        self.client.find(Locator::Css(css)).await.ok()
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Where the browser is and what it shows, for the message of a failed test.
    async fn place(&self) -> String {
        let url = self.url().await;
        let title = self.client.title().await.unwrap_or_default();
        let text = match self.client.find(Locator::Css("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        };
        self.save_screenshot("failed").await;
        format!("on {url} ({title}), which says:\n{text}")
    }
}

impl Drop for Browser {
    /// Ends the browser of a failed test too, where nothing can be awaited any more.
    fn drop(&mut self) {
        commands::end_session(&driver(), &self.session);
    }
}

/// Asks until there is an answer; nothing when patience is at its end.
pub(crate) async fn until<T>(ask: impl AsyncFn() -> Option<T>) -> Option<T> {
    let asking = async {
        let mut looks = tokio::time::interval(BETWEEN_LOOKS);
        loop {
            looks.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.ok()
}

/// The address of the one `chromedriver` that all tests of this process share.
fn driver() -> String {
    static SHARED: OnceLock<(String, Mutex<Process>)> = OnceLock::new();
    let (url, _) = SHARED.get_or_init(|| {
        let program = find_program(&["chromedriver"]);
        find_program(&["chromium", "chromium-browser", "google-chrome"]);
        let mut process = Process::start(&program, &["--port=0"], &artifacts("").join("chromedriver.log"));
        let port: Option<u16> = process.line(|line| {
            let (_, rest) = line.split_once("started successfully on port ")?;
            rest.trim_end_matches('.').parse().ok()
        });
        let port = port.expect("chromedriver tells its port");
        (format!("http://127.0.0.1:{port}"), Mutex::new(process))
    });
    url.clone()
}

fn find_program(names: &[&str]) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|program| program.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "{} is missing: run scripts/test, which installs it (Debian: apt-get install chromium chromium-driver)",
            names[0]
        )
    })
}

/// Where screenshots and the like are kept: `FLYBRIDGE_TEST_ARTIFACTS`, or `target/test-artifacts`.
fn artifacts(folder: &str) -> PathBuf {
    let root = std::env::var_os("FLYBRIDGE_TEST_ARTIFACTS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-artifacts"), PathBuf::from);
    let folder = root.join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn capabilities(view: View, profile: &Path) -> Value {
    let profile = format!("--user-data-dir={}", profile.display());
    let arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-proxy-server",
        "--hide-scrollbars",
        &profile,
    ];
    // 2 is "block".
    let content = if view.scripts { json!({}) } else { json!({ "javascript": 2 }) };
    json!({
        "goog:chromeOptions": {
            "args": arguments,
            "prefs": {
                "profile.managed_default_content_settings": content,
                "credentials_enable_service": false,
                "profile.password_manager_leak_detection": false,
            },
        },
        "goog:loggingPrefs": { "browser": "ALL" },
    })
}

/// Runs a whole test of the browser on a runtime of its own.
pub(crate) fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}
