//! What people do in the demo, as steps that every story is made of.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use tempfile::TempDir;

use crate::support::chromium::{Browser, View, until};
use crate::support::demo::{Demo, Ports};

/// A demo in a folder of its own, and a browser.
pub(super) struct Visit {
    pub(super) browser: Browser,
    pub(super) demo: Demo,
    folder: TempDir,
}

/// Who Sentry says is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) sub: String,
    pub(super) user_id: String,
    pub(super) email: String,
    /// Ids, in the order of Sentry's page.
    pub(super) organizations: Vec<String>,
    /// Whether Sentry knew the person from an earlier sign-in.
    pub(super) recognized: bool,
}

impl Account {
    /// What must never change: the ids that Sentry's identities hang on.
    pub(super) fn identity(&self) -> (&str, &str) {
        (&self.sub, &self.user_id)
    }
}

impl Visit {
    pub(super) async fn begin(view: View) -> Self {
        Self::with_settings(view, &[]).await
    }

    /// `settings` change the demo's configuration, as `NAME=value`.
    pub(super) async fn with_settings(view: View, settings: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options: Vec<&str> = settings.iter().flat_map(|setting| ["--env", setting]).collect();
        let demo = Demo::start(&data(folder.path()), &options, &[]);
        Self { browser: Browser::open(view).await, demo, folder }
    }

    /// The folder whose mails the mailbox shows.
    pub(super) fn mail_folder(&self) -> PathBuf {
        data(self.folder.path()).join("mail")
    }

    /// Stops the demo with Ctrl-C and starts it again on the same folder.
    pub(super) fn start_again(self, options: &[&str]) -> Self {
        let Self { browser, demo, folder } = self;
        let status = demo.interrupt();
        assert!(status.success(), "Ctrl-C stops the demo cleanly: {status}");
        let demo = Demo::start(&data(folder.path()), options, &[]);
        Self { browser, demo, folder }
    }

    /// Starts a second demo on the same folder, which has to end by itself; what it said.
    pub(super) fn start_beside(&self, ports: Ports, options: &[&str]) -> (ExitStatus, String) {
        Demo::start_in_vain(&self.data(), ports, options)
    }

    /// The folder of the demo.
    pub(super) fn data(&self) -> PathBuf {
        data(self.folder.path())
    }

    pub(super) async fn sentry(&self) {
        self.browser.goto(&self.demo.sentry).await;
    }

    /// From Sentry's start page to the sign-in page.
    pub(super) async fn leave_for_sign_in(&self) {
        self.sentry().await;
        self.browser.follow("#sentry-sign-in").await;
        self.browser.wait_for("#sign-in-password").await;
    }

    /// From the sign-in page through Fly.io, as `who`; ends wherever that leads.
    pub(super) async fn continue_with_fly(&self, who: &str) {
        self.browser.follow("#sign-in-fly").await;
        self.approve_at_fly(who).await;
    }

    pub(super) async fn approve_at_fly(&self, who: &str) {
        self.browser.choose("#fly-consent select[name=user]", who).await;
        self.browser.follow("#approve").await;
    }

    pub(super) async fn fill_password_form(&self, address: &str, password: &str) {
        self.browser.fill("#sign-in-password [name=email]", address).await;
        self.browser.fill("#sign-in-password [name=password]", password).await;
        self.browser.submit("#sign-in-password").await;
    }

    /// A whole sign-in at Sentry with Fly.io.
    pub(super) async fn sign_in_with_fly(&self, who: &str) -> Account {
        self.leave_for_sign_in().await;
        self.continue_with_fly(who).await;
        self.account().await
    }

    /// Who Sentry's page says is signed in.
    pub(super) async fn account(&self) -> Account {
        let browser = &self.browser;
        let told = async |name: &str| browser.attribute("#sentry-user", name).await;
        let organizations = told("data-organizations").await;
        Account {
            sub: told("data-sub").await,
            user_id: told("data-user-id").await,
            email: told("data-email").await,
            organizations: organizations.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect(),
            recognized: told("data-recognized").await == "true",
        }
    }

    /// Opens the only mail to `address` with `subject` in its subject, and follows its first link.
    pub(super) async fn follow_mail(&self, address: &str, subject: &str) {
        self.open_mail(address, subject).await;
        self.browser.follow_in_frame("#letter", "a[href]").await;
    }

    pub(super) async fn open_mail(&self, address: &str, subject: &str) {
        let mail = format!(".mail[data-to='{address}'][data-subject*='{subject}']");
        let came = until(async || {
            self.browser.goto(&self.demo.mailbox).await;
            (self.browser.count(&mail).await > 0).then_some(())
        });
        assert!(came.await.is_some(), "a mail to {address} about {subject}");
        assert_eq!(self.browser.count(&mail).await, 1, "mails to {address} about {subject}");
        self.browser.follow(&format!("{mail} a")).await;
    }

    /// Ends the session at Sentry and the one at Flybridge.
    pub(super) async fn sign_out_everywhere(&self) {
        self.sentry().await;
        self.browser.follow("#sentry-sign-out").await;
        if self.browser.element("#logout-form").await.is_some() {
            self.browser.follow("#logout-form button[value=yes]").await;
        }
        self.browser.wait_for("#signed-out").await;
    }
}

/// A mail a second, so that a run takes a few seconds.
pub(super) fn slow() -> Vec<String> {
    vec!["FLYBRIDGE_MAIL__PER_SECOND=1".to_owned()]
}

fn data(folder: &Path) -> PathBuf {
    folder.join("demo")
}
