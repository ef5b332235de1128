//! Stopping the demo and starting it again.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::visit::{Visit, slow};
use super::{admin, member};
use crate::support::chromium::{DESKTOP, run};
use crate::support::demo::Ports;

#[test]
fn goes_on_where_it_stopped_or_starts_over() {
    run(async {
        let visit = Visit::with_settings(DESKTOP, &slow()).await;
        let before = visit.sign_in_with_fly("leo").await;
        visit.sign_out_everywhere().await;
        visit.sign_in_with_fly("ines").await;
        admin::disable(&visit).await;
        let run_page = visit.browser.url().await;

        // In the middle of the run: what is left of it goes on.
        let visit = visit.start_again(&[]);
        let browser = &visit.browser;
        browser.goto(&run_page).await;
        browser.wait_for("#run-state[data-state=done]").await;
        admin::totals(&visit, 1).await;
        visit.sign_out_everywhere().await;
        visit.follow_mail(&member::address("leo"), member::SUBJECT).await;
        let leo = member::set_password(&visit).await;
        assert_eq!(leo.identity(), before.identity());
        assert!(leo.recognized);

        let visit = visit.start_again(&["--fresh"]);
        let browser = &visit.browser;
        browser.goto(&visit.demo.mailbox).await;
        browser.wait_for("#empty").await;
        let fresh = visit.sign_in_with_fly("leo").await;
        assert!(!fresh.recognized);
        assert_ne!(fresh.sub, before.sub, "a new store, a new person");
    });
}

#[test]
fn starting_over_beside_a_running_demo_is_refused_and_leaves_its_data_alone() {
    run(async {
        let visit = Visit::begin(DESKTOP).await;
        let before = visit.sign_in_with_fly("leo").await;
        for ports in [Ports::Same, Ports::Others] {
            for options in [&["--fresh"][..], &[]] {
                let (status, said) = visit.start_beside(ports, options);
                assert!(!status.success(), "{ports:?} {said}");
                assert!(said.contains("is the demo running already?"), "{ports:?} {said}");
            }
        }
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let data = visit.data();
        assert_eq!([mode(&data), mode(&data.join("log")), mode(&data.join("master.key"))], [0o700, 0o600, 0o600]);
        visit.sign_out_everywhere().await;
        let after = visit.sign_in_with_fly("leo").await;
        assert!(after.recognized);
        assert_eq!(after.identity(), before.identity());
    });
}
