//! The main job in a browser that runs no scripts: the same pages, brought up to date by loading them again.

use super::visit::{Visit, slow};
use super::{admin, member};
use crate::support::chromium::{WITHOUT_SCRIPTS, run, until};

#[test]
fn are_not_needed() {
    run(async {
        let visit = Visit::with_settings(WITHOUT_SCRIPTS, &slow()).await;
        let browser = &visit.browser;
        let before = visit.sign_in_with_fly("leo").await;
        visit.sign_out_everywhere().await;
        visit.sign_in_with_fly("ines").await;
        admin::disable(&visit).await;
        browser.look("run-under-way").await;
        let done = until(async || {
            browser.reload().await;
            (browser.attribute("#run-state", "data-state").await == "done").then_some(())
        });
        assert!(done.await.is_some(), "the run ends");
        admin::totals(&visit, 1).await;
        browser.look("run-done").await;

        visit.follow_mail(&member::address("leo"), member::SUBJECT).await;
        assert!(browser.text("#strength").await.contains("when you save"), "the rules are told all the same");
        assert_eq!(browser.count("#strength-meter").await, 0);
        let leo = member::set_password(&visit).await;
        assert_eq!(leo.identity(), before.identity());
    });
}
