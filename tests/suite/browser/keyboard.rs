//! Where the tab key leads: to everything, in the order in which it is read, and to nothing that cannot be seen.

use super::visit::Visit;
use super::{admin, member};
use crate::support::chromium::{DESKTOP, run};

#[test]
fn reaches_everything_in_the_order_of_the_page() {
    run(async {
        let visit = Visit::begin(DESKTOP).await;
        let browser = &visit.browser;
        let all_reached = async |page: &str| {
            let usable = browser.usable().await;
            assert!(usable.len() > 5, "{page}: {usable:?}");
            assert_eq!(browser.tab_order().await, usable, "{page}");
        };
        visit.sign_in_with_fly("ines").await;
        let settings = visit.demo.settings(admin::SLUG);
        for page in ["", "/disable", "/../members", "/../audit", "/../../../account"] {
            browser.goto(&format!("{settings}{page}")).await;
            all_reached(page).await;
        }
        browser.goto(&format!("{settings}/disable")).await;
        admin::confirm(&visit).await;
        browser.wait_for("#run-state[data-state=done]").await;
        all_reached("the run").await;
    });
}

#[test]
fn leads_through_sign_in_and_set_up() {
    run(async {
        let visit = Visit::begin(DESKTOP).await;
        let browser = &visit.browser;
        visit.leave_for_sign_in().await;
        let order = browser.tab_order().await;
        let expected = [
            "Skip to the content",
            "Flybridge",
            "sign-in-fly",
            "email",
            "password",
            "Sign in with password",
            "forgot-password",
        ];
        assert_eq!(order, expected);

        visit.continue_with_fly("ines").await;
        admin::disable(&visit).await;
        visit.follow_mail(&member::address("leo"), member::SUBJECT).await;
        let order = browser.tab_order().await;
        let expected = [
            "Skip to the content",
            "Flybridge",
            "password",
            "How to make a good one",
            "contact_email",
            "Set password and go to Sentry",
        ];
        assert_eq!(order, expected);
    });
}
